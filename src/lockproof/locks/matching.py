"""Hashes without file names, matched against an index: the hash is the truth, the index says which file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from lockproof.errors import LockError
from lockproof.locks import Lock, is_plain_filename, sha256_of, wheel_name
from lockproof.locks.requirements import Pin

if TYPE_CHECKING:
    from pathlib import PurePath

    from packaging.pylock import Package

    from lockproof.locks.requirements import RequirementsFile

_TOLD = 8  # files listed in a message
_DIGITS = re.compile(r"\d{1,9}")
_WHEEL_DASHES = (4, 5)  # without and with a build number (PEP 427)


class ListedFile(Protocol):
    """A file as an index lists it; `sha256` is 64 lower-case hexadecimal digits, `size` is in bytes."""

    @property
    def filename(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def sha256(self) -> str | None: ...
    @property
    def size(self) -> int | None: ...


Listing: TypeAlias = Mapping[tuple[str, str], Sequence[ListedFile]]  # by normalised name and version


def matching_files(pin: Pin, listed: Sequence[ListedFile]) -> tuple[ListedFile, ...]:
    """Those listed files, without repetition, that are of the pin's project and have one of its hashes."""
    hashes = frozenset(pin.hashes)
    found: dict[tuple[str, str], ListedFile] = {}
    for file in listed:
        if file.sha256 in hashes and _is_of(pin, file.filename):
            found.setdefault((file.filename, str(file.sha256)), file)
    return tuple(found.values())


def to_pylock(requirements: RequirementsFile, files: Listing, *, sha256: str, folder: PurePath) -> Lock:
    """The normal form of a requirements lock whose bytes have `sha256`, out of the files that an index lists.

    `files` has what the index lists for each pin's (name, version). A pin none of whose hashes is a file of the
    index becomes a package without files: it is nobody's loss as long as no cell selects it. Entries that can't
    be had as files come after the pins.
    """
    from packaging.pylock import Package, Pylock  # late: packaging takes 80 ms
    from packaging.utils import canonicalize_name
    from packaging.version import Version

    refused = [Package(name=canonicalize_name(entry.name), marker=entry.marker) for entry in requirements.refused]
    lines: dict[tuple[str, str], int] = {}
    for pin in requirements.pins:
        lines.setdefault((pin.name, pin.version), pin.line)
        lines.setdefault((pin.name, ""), pin.line)
    return Lock(
        path=requirements.path,
        kind=requirements.kind,
        sha256=sha256,
        pylock=Pylock(
            lock_version=Version("1.0"),
            created_by="lockproof",
            requires_python=requirements.requires_python,
            dependency_groups=requirements.groups or None,
            default_groups=requirements.default_groups or None,
            packages=[*matched_packages(requirements.pins, files), *refused],
        ),
        lines=lines,
        places=(*(pin.where for pin in requirements.pins), *(entry.error.where for entry in requirements.refused)),
        folder=folder,
        refusals={len(requirements.pins) + index: entry.error for index, entry in enumerate(requirements.refused)},
    )


def matched_packages(pins: Iterable[Pin], files: Listing) -> list[Package]:
    """One PEP 751 package a pin, of the files that match it; without files when none does."""
    return [_package(pin, matching_files(pin, files.get((pin.name, pin.version), ()))) for pin in pins]


def contradicted_pins(lock: Lock) -> dict[int, Pin]:
    """The packages of a lock that give one wheel name to several hashes, by index, as pins to be matched.

    pipenv names every file of a version `<name>-<version>-py3-none-any.whl`: such a name can't choose a
    wheel, while the hashes still say which files may be installed.
    """
    pins = {}
    for index, package in enumerate(lock.pylock.packages):
        names = {wheel.filename for wheel in package.wheels or ()}
        wheels = {(wheel.filename, sha256_of(wheel.hashes)) for wheel in package.wheels or ()}
        if len(names) == len(wheels) or package.wheels is None:
            continue
        hashes = [sha256_of(wheel.hashes) for wheel in package.wheels]
        hashes += [sha256_of(package.sdist.hashes)] if package.sdist else []
        file, _, line = lock.place(index).rpartition(":")
        version = wheel_name(package.wheels[0].filename)
        pins[index] = Pin(
            name=package.name,
            version=str(package.version or (version.version if version else "")),
            marker=package.marker,
            hashes=tuple(dict.fromkeys(sha256 for sha256 in hashes if sha256)),
            file=file,
            line=int(line),
        )
    return pins


def _is_of(pin: Pin, filename: str) -> bool:
    """Whether it is a wheel or an sdist of the pin's project; an index may list eggs and installers too.

    A wheel's name is read in full when plans are made: doing it here for 2,000 files takes 25 ms.
    """
    from packaging.utils import (
        InvalidSdistFilename,
        canonicalize_name,
        parse_sdist_filename,
    )  # late, as above

    if not is_plain_filename(filename):
        return False
    if filename.endswith(".whl"):
        return filename.count("-") in _WHEEL_DASHES and canonicalize_name(filename.split("-", 1)[0]) == pin.name
    try:
        return parse_sdist_filename(filename)[0] == pin.name
    except InvalidSdistFilename:
        return False


def _package(pin: Pin, files: Sequence[ListedFile]) -> Package:
    """Made without from_dict, which would parse each wheel's name, as plans do anyway."""
    from packaging.pylock import Package, PackageSdist, PackageWheel  # late, as above
    from packaging.utils import canonicalize_name
    from packaging.version import Version

    wheels = sorted((file for file in files if file.filename.endswith(".whl")), key=_preference(pin))
    sdist = next((file for file in files if not file.filename.endswith(".whl")), None)
    return Package(
        name=canonicalize_name(pin.name),
        version=Version(pin.version),
        marker=pin.marker,
        wheels=[PackageWheel(name=file.filename, url=file.url, size=file.size, hashes=_hashes(file)) for file in wheels]
        or None,
        sdist=PackageSdist(name=sdist.filename, url=sdist.url, size=sdist.size, hashes=_hashes(sdist))
        if sdist
        else None,
    )


def _hashes(file: ListedFile) -> dict[str, str]:
    return {"sha256": str(file.sha256)}  # a file that matched has one


class _Preference(Protocol):
    def __call__(self, file: ListedFile, /) -> tuple[int, str, int]: ...


def _preference(pin: Pin) -> _Preference:
    """An order of wheels, so that the choice among equal tags never hangs on the index's order.

    The highest build number first (PEP 427), then by name, then by the place of the hash in the lock.
    """

    def key(file: ListedFile) -> tuple[int, str, int]:
        parts = file.filename.split("-")
        digits = _DIGITS.match(parts[2]) if len(parts) == _WHEEL_DASHES[1] + 1 else None
        return -int(digits[0]) if digits else 1, file.filename, pin.hashes.index(str(file.sha256))

    return key


def unmatched_error(pin: Pin, listed: Sequence[ListedFile], asked: str) -> LockError:
    """What to tell of a pin that no listed file matches; `asked` names the index that lists them."""
    has = [f"{file.filename} (sha256 {file.sha256 or 'not given'})" for file in listed[:_TOLD]]
    more = f" and {len(listed) - _TOLD} more" if len(listed) > _TOLD else ""
    return LockError(
        f"the index has no file of {pin.name}=={pin.version} under its {len(pin.hashes)} locked hashes",
        where=pin.where,
        why=f"{asked} has {', '.join(has)}{more}" if has else f"{asked} has no file of this version",
        remedy="Configure the index that the lock was made with, or lock again with this one.",
    )
