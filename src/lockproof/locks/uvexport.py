"""What `uv export` says of selections of a uv.lock, to one lock in its normal form.

An export has no markers for extras and groups: there is one export a selection. Packages that not every
selection has get a marker that says which ones do (PEP 751), so that one lock answers for all of them.
"""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from lockproof.errors import LockError
from lockproof.locks import Lock, raise_together, wheel_name
from lockproof.locks.pylock import file_problems, lines_by_name
from lockproof.locks.uvlock import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import PurePath

    from packaging.pylock import Package, Pylock

    from lockproof.locks import Selection
    from lockproof.locks.uvlock import UvLock

_AGAIN = "Make the lock again: uv lock."
_WAY_OUT = (
    "Build a wheel of it once and lock that, by URL, by path or from an index (tool.uv.sources). "
    "The project itself and workspace members are not locked files: `package` in matrix.yaml installs the project."
)
_REFUSED = {
    "git": ("a git checkout", "a checkout has no sha256 to prove"),
    "directory": ("a folder", "a source tree has no hash to prove"),
    "editable": ("an editable folder", "a source tree has no hash to prove"),
    "virtual": ("a folder", "a source tree has no hash to prove"),
    "url": ("a URL", "it is neither a wheel nor a source distribution with a sha256"),
    "path": ("a path", "it is neither a wheel nor a source distribution with a sha256"),
}


_KEPT = frozenset(("requires-python", "environments"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """What uv says that a selection installs: a parsed pylock.toml."""

    selection: Selection
    document: Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """The extras and groups that a lock has, and the groups that are taken by default, all normalised."""

    extras: Sequence[str]
    groups: Sequence[str]
    default_groups: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Placed:
    """A package of an export, and the entry of the lock that it comes from."""

    package: Mapping[str, object]
    is_files: bool
    entry: Entry

    def problems(self, path: str) -> Iterator[LockError]:
        """A package that isn't in the lock, and files whose sha256 isn't: uv hashes files on disk by itself."""
        name = str(self.package.get("name"))
        if self.entry is _NOWHERE:
            yield LockError(f"{name} is exported by uv, and is not in the lock", where=path, remedy=_AGAIN)
            return
        for filename, sha256 in _files(self.package):
            if not sha256 or f"sha256:{sha256}" not in self.entry.text:
                yield LockError(
                    f"{name}: {filename} has no sha256 in the lock",
                    where=f"{path}:{self.entry.line}",
                    why="without one any file could take its place",
                    remedy="Lock it from an index that gives hashes: a folder of wheels, and some indexes, give none.",
                )


_NOWHERE = Entry(name="", version="", line=0, source="", at="", text="")


def lock_of_exports(uv: UvLock, exports: Sequence[Export], names: Names, *, sha256: str, folder: PurePath) -> Lock:
    """The lock that answers for the selections of some exports, at least one; the lock's bytes have `sha256`.

    Each file must have a sha256 that stands in its package's entry. A wheel or sdist that is locked by URL or
    path is a file like others; entries that are no files are refusals of the cells that select them. Raises
    LockError, or a ProblemsError of several.
    """
    from packaging.utils import canonicalize_name  # late: packaging takes 80 ms

    placed = [_placed(uv, package) for package in _merged(exports)]
    raise_together(problem for one in placed for problem in one.problems(uv.path))
    files = [one for one in placed if one.is_files]
    direct = [one for one in placed if not one.is_files]
    head = {key: value for key, value in exports[0].document.items() if key in _KEPT}
    pylock = _pylock({**head, "packages": [dict(one.package) for one in files]}, uv.path)
    packages = [*pylock.packages, *(_without_files(one.package) for one in direct)]
    lines = [one.entry.line for one in (*files, *direct)]
    places = tuple(f"{uv.path}:{line}" for line in lines)
    raise_together(
        problem for package, place in zip(packages, places, strict=True) for problem in file_problems(package, place)
    )
    return Lock(
        path=uv.path,
        kind="uv",
        sha256=sha256,
        pylock=replace(
            pylock,
            packages=packages,
            extras=[canonicalize_name(name) for name in names.extras],
            dependency_groups=list(names.groups),
            default_groups=list(names.default_groups),
        ),
        lines=lines_by_name(packages, lines),
        places=places,
        folder=folder,
        refusals={index: _refusal(one.entry, uv.path) for index, one in enumerate(direct, len(files))},
        selections=frozenset(export.selection for export in exports),
    )


def _placed(uv: UvLock, package: Mapping[str, object]) -> _Placed:
    """A package of an export with its entry: by name and version, and by its files where several have these."""
    package, is_files = _as_files(package)
    fitting = [
        entry
        for entry in uv.entries
        if entry.name == package.get("name") and package.get("version") in {None, entry.version}
    ]
    hashes = {sha256 for _, sha256 in _files(package)}
    fitting.sort(key=lambda entry: not any(f"sha256:{sha256}" in entry.text for sha256 in hashes))
    return _Placed(package=package, is_files=is_files, entry=fitting[0] if fitting else _NOWHERE)


def _as_files(package: Mapping[str, object]) -> tuple[Mapping[str, object], bool]:
    """A package whose wheel or sdist is locked by URL or path, as one with such a file; whether it has files."""
    archive = package.get("archive")
    if not isinstance(archive, dict):
        return package, "wheels" in package or "sdist" in package
    place = archive.get("path") or archive.get("url") or ""
    filename = posixpath.basename(unquote(urlsplit(place).path))
    file = {"name": filename, **{key: archive[key] for key in ("url", "path", "size", "hashes") if key in archive}}
    others = {key: value for key, value in package.items() if key != "archive"}
    if "subdirectory" in archive or not archive.get("hashes"):
        return package, False
    if wheel_name(filename):
        return {**others, "wheels": [file]}, True
    return ({**others, "sdist": file}, True) if _is_sdist(filename) else (package, False)


def _is_sdist(filename: str) -> bool:
    from packaging.utils import InvalidSdistFilename, parse_sdist_filename  # late: packaging takes 80 ms

    try:
        parse_sdist_filename(filename)
    except InvalidSdistFilename:
        return False
    return True


def _files(package: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """The name, or else the place, and the sha256 of each file that an export names."""
    wheels = package.get("wheels")
    for file in (*(wheels if isinstance(wheels, list) else ()), package.get("sdist")):
        if isinstance(file, dict):
            hashes = file.get("hashes")
            name = file.get("name") or file.get("path") or file.get("url")
            yield posixpath.basename(str(name)), hashes.get("sha256", "") if isinstance(hashes, dict) else ""


def _merged(exports: Sequence[Export]) -> Iterator[Mapping[str, object]]:
    """The packages of all exports, each once, with markers for the selections where not all have them."""
    found: dict[str, tuple[Mapping[str, object], set[str]]] = {}
    conditions = _conditions([export.selection for export in exports])
    for export, condition in zip(exports, conditions, strict=True):
        packages = export.document.get("packages")
        for package in packages if isinstance(packages, list) else ():
            text = json.dumps(package, sort_keys=True, default=str)
            found.setdefault(text, (package, set()))[1].add(condition)
    for package, had in found.values():
        if had == set(conditions):
            yield package
        else:
            selections = " or ".join(sorted(f"({condition})" for condition in had))
            marker = package.get("marker")
            yield {**package, "marker": f"({marker}) and ({selections})" if marker else selections}


def _conditions(selections: Sequence[Selection]) -> list[str]:
    """For each of some selections the marker that is true for it and for no other of them (PEP 751).

    Few names tell them apart, and markers of many are slow; the lock answers for no other selections.
    """
    telling: list[tuple[str, str]] = []
    names = {("extras", name) for one in selections for name in one.extras}
    names |= {("dependency_groups", name) for one in selections for name in one.groups}
    for name in sorted(names):
        told_apart = {_has(selection, telling) for selection in selections}
        if len({_has(selection, [*telling, name]) for selection in selections}) > len(told_apart):
            telling.append(name)
    return [
        " and ".join(
            f"'{name}' {'in' if has else 'not in'} {key}" for (key, name), has in zip(telling, had, strict=True)
        )
        for had in (_has(selection, telling) for selection in selections)
    ]


def _has(selection: Selection, names: Sequence[tuple[str, str]]) -> tuple[bool, ...]:
    return tuple(name in (selection.extras if key == "extras" else selection.groups) for key, name in names)


def _pylock(document: Mapping[str, object], path: str) -> Pylock:
    from packaging.pylock import Pylock, PylockValidationError  # late, as above

    try:
        return Pylock.from_dict({"lock-version": "1.0", "created-by": "uv", **document})
    except PylockValidationError as error:
        key = f" at {error.context}" if error.context else ""
        raise LockError(f"what uv exports breaks PEP 751{key}", where=path, why=error.message, remedy=_AGAIN) from None


def _without_files(package: Mapping[str, object]) -> Package:
    from packaging.markers import Marker  # late, as above
    from packaging.pylock import Package
    from packaging.utils import canonicalize_name
    from packaging.version import Version

    version, marker = package.get("version"), package.get("marker")
    return Package(
        name=canonicalize_name(str(package.get("name"))),
        version=Version(version) if isinstance(version, str) else None,
        marker=Marker(marker) if isinstance(marker, str) else None,
    )


def _refusal(entry: Entry, path: str) -> LockError:
    what, why = _REFUSED.get(entry.source, (entry.source, "it is no file with a sha256"))
    version = f" {entry.version}" if entry.version else ""
    return LockError(
        f"{entry.name}{version} is locked from {what}",
        where=f"{path}:{entry.line}",
        why=why,
        remedy=_WAY_OUT,
    )
