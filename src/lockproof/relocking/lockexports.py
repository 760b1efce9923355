"""A lock in its normal form, written as pylock.toml (PEP 751) or as requirements.txt with hashes."""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import TYPE_CHECKING

from lockproof.errors import LockError
from lockproof.indexes.urls import without_login
from lockproof.locks import sha256_of, wheel_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import PurePath

    from packaging.markers import Marker
    from packaging.pylock import Package, PackageSdist, PackageWheel

    from lockproof.locks import Lock

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_NAMED = ("extras", "dependency_groups")  # marker variables that only pylock.toml knows
_REMEDY = "Export as pylock.toml, which can say it."


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """The text of an exported lock, and what a reader of it should know."""

    text: str
    notes: tuple[str, ...] = ()


def to_pylock(lock: Lock, folder: PurePath) -> Exported:
    """`lock` as a pylock.toml that will lie in `folder`, an absolute path: all of it, extras and groups too.

    Logins are taken out of URLs. Every package has its files: the caller has looked them up where the lock has hashes
    alone.
    """
    packages = [_placed(package, lock.folder, folder) for package in lock.pylock.packages]
    document = replace(lock.pylock, packages=packages).to_dict()
    local = [
        package.name for package in packages if any((file.url or "").startswith("file:") for file in _files(package))
    ]
    note = f"named by their place on this machine: {', '.join(dict.fromkeys(local))}"
    return Exported(text=toml_text(document), notes=(note,) if local else ())


def to_requirements(
    lock: Lock, *, extras: AbstractSet[str], groups: AbstractSet[str], folder: PurePath, command: str
) -> Exported:
    """What of `lock` these extras and groups select, as a requirements file that will lie in `folder`.

    Such a file has no extras, no groups and no file names: what the selection leaves out isn't in it, and an index, or
    the --find-links of packages that are locked by path, must list the files. Raises LockError for a package without a
    version.
    """
    lines = [f"# This file was made by the following command:\n#    {command}\n"]
    if lock.pylock.requires_python:
        lines.append(f"# It is for Python {lock.pylock.requires_python}\n")
    places = (posixpath.dirname(_moved(file.path, lock.folder, folder)) for package in lock.pylock.packages
              for file in _files(package) if file.path)  # fmt: skip
    lines += [f"--find-links {place or '.'}\n" for place in dict.fromkeys(places)]
    for index, package in enumerate(lock.pylock.packages):
        marker = specialised(package.marker, extras, groups) if package.marker else True
        if marker is False:
            continue
        pin = f"{package.name}=={_version(package, lock.place(index))}"
        head = pin if marker is True else f"{pin} ; {marker}"
        hashes = sorted({sha256_of(file.hashes) or "" for file in _files(package)})
        lines.append(" \\\n".join([head, *(f"    --hash=sha256:{sha256}" for sha256 in hashes)]) + "\n")
    return Exported(text="".join(lines), notes=tuple(_lost(lock, extras, groups)))


def _lost(lock: Lock, extras: AbstractSet[str], groups: AbstractSet[str]) -> Iterator[str]:
    known_groups = {*(lock.pylock.dependency_groups or ()), *(lock.pylock.default_groups or ())}
    for word, known, chosen in (("extra", set(lock.pylock.extras or ()), extras), ("group", known_groups, groups)):
        if known:
            kept, left = ", ".join(sorted(known & chosen)) or "none", ", ".join(sorted(known - chosen)) or "none"
            yield f"a requirements file has no {word}s: with {kept}, without {left} (choose with --{word})"


def _files(package: Package) -> list[PackageWheel | PackageSdist]:
    return [*(package.wheels or ()), *([package.sdist] if package.sdist else ())]


def _version(package: Package, where: str) -> str:
    name = wheel_name(package.wheels[0].filename) if package.wheels else None
    if package.version is None and name is None:
        raise LockError(f"{package.name} has no version to pin", where=where, remedy=_REMEDY)
    return str(package.version) if package.version is not None else str(name and name.version)


def _placed(package: Package, old: PurePath, new: PurePath) -> Package:
    """The package with files that are found from another folder."""
    wheels = [
        replace(file, path=_moved(file.path, old, new) or None, url=without_login(file.url) if file.url else None)
        for file in package.wheels or ()
    ]
    sdist = package.sdist
    if sdist:
        url = without_login(sdist.url) if sdist.url else None
        sdist = replace(sdist, path=_moved(sdist.path, old, new) or None, url=url)
    return replace(package, wheels=wheels or None, sdist=sdist)


def _moved(path: str | None, old: PurePath, new: PurePath) -> str:
    """A file's `path` (PEP 751, from the lock's folder) seen from another folder."""
    if not path or old == new:
        return path or ""
    return posixpath.relpath(posixpath.join(old.as_posix(), path), new.as_posix())


def specialised(marker: Marker, extras: AbstractSet[str], groups: AbstractSet[str]) -> str | bool:
    """What is left of a lock's marker once extras and groups are chosen: a marker of PEP 508, or always, or never."""
    return _reduced(marker._markers, {"extras": extras, "dependency_groups": groups})  # noqa: SLF001 - has no other way


def _reduced(node: object, chosen: Mapping[str, AbstractSet[str]]) -> str | bool:
    if isinstance(node, tuple):
        return _comparison(node, chosen)
    assert isinstance(node, list)
    alternatives: list[str] = []
    conjunction: list[object] = []
    for item in (*node, "or"):  # `and` binds more tightly (PEP 508)
        if item != "or":
            conjunction += [item] if item != "and" else []
            continue
        result = _all_of([_reduced(part, chosen) for part in conjunction])
        if result is True:
            return True
        alternatives += [] if result is False else [str(result)]
        conjunction = []
    return " or ".join(alternatives) if alternatives else False


def _all_of(parts: Sequence[str | bool]) -> str | bool:
    if any(part is False for part in parts):
        return False
    texts = [str(part) for part in parts if part is not True]
    return " and ".join(f"({text})" if " or " in text and len(texts) > 1 else text for text in texts) or True


def _comparison(node: tuple[object, ...], chosen: Mapping[str, AbstractSet[str]]) -> str | bool:
    from packaging.utils import canonicalize_name  # late: packaging takes 80 ms

    left, operator, right = (str(part) for part in node)
    if right in _NAMED and operator in ("in", "not in"):
        names = {canonicalize_name(name) for name in chosen[right]}
        return (canonicalize_name(left) in names) == (operator == "in")
    return " ".join(part.serialize() for part in node)  # type: ignore[attr-defined]


def toml_text(document: Mapping[str, object]) -> str:
    """A lock's document as TOML 1.0: [[packages]] as tables, everything in them inline, a file a line.

    Takes what tomllib gives: text, numbers, booleans, dates, lists and mappings.
    """
    lines = [f"{_key(key)} = {_value(value)}" for key, value in document.items() if key != "packages"]
    packages = document.get("packages")
    assert isinstance(packages, list)
    for package in packages:
        lines += ["", "[[packages]]", *(f"{_key(key)} = {_value(value, '    ')}" for key, value in package.items())]
    return "\n".join([*lines, *([] if packages else ["packages = []"])]) + "\n"


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")  # JSON's escapes are TOML's


def _value(value: object, indent: str = "") -> str:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        items = [_value(item) for item in value]
        if indent and items and isinstance(value[0], dict):
            return "[\n" + "".join(f"{indent}{item},\n" for item in items) + "]"
        return f"[{', '.join(items)}]"
    return repr(value)


def selected_names(lock: Lock, extras: Iterable[str], groups: Sequence[str]) -> tuple[set[str], set[str]]:
    """The extras and groups that an export is for: those named, or the lock's default groups where none is.

    Raises LockError for a name that the lock doesn't have.
    """
    from packaging.utils import canonicalize_name  # late, as above

    chosen = []
    defaults = list(lock.pylock.default_groups or ())
    known_groups = [*(lock.pylock.dependency_groups or ()), *defaults]
    for word, asked, known in (
        ("extra", list(extras), list(lock.pylock.extras or ())),
        ("group", list(groups) or defaults, known_groups),
    ):
        names = {str(canonicalize_name(name)): str(name) for name in known}
        missing = [name for name in asked if str(canonicalize_name(name)) not in names]
        if missing:
            why = f"it has {', '.join(sorted(names.values()))}" if names else f"it has no {word}s"
            raise LockError(
                f"the lock has no {word} {', '.join(missing)}", where=lock.path, why=why, remedy="Correct the name."
            )
        chosen.append({names[str(canonicalize_name(name))] for name in asked})
    return chosen[0], chosen[1]
