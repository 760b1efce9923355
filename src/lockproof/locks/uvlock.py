"""uv.lock, as far as it is read here: its entries and where they stand, workspace members, extras and groups.

What a selection of it installs is uv's own answer (`uvexport`): the lock is a graph with markers on its edges,
whose walk is uv's to define.
"""

from __future__ import annotations

import itertools
import posixpath
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from lockproof.errors import LockError
from lockproof.locks.pylock import toml_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_HEADER = re.compile(r"^\[\[package\]\][ \t]*$", re.MULTILINE)
_NAME = re.compile(r'^name = "([^"]+)"', re.MULTILINE)
_VERSION = re.compile(r'^version = "([^"]+)"', re.MULTILINE)
_SOURCE = re.compile(r'^source = \{ (\w+) = "([^"]*)"', re.MULTILINE)
_IN_FOLDER = frozenset(("editable", "virtual", "directory"))
_AGAIN = "Make the lock again: uv lock."


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One [[package]]: `source` is registry, git, url, path, directory, editable or virtual, `at` what it names."""

    name: str
    version: str  # "" where the lock has none
    line: int
    source: str
    at: str
    text: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What of a workspace is installed: its root, or the member in whose folder the matrix lies.

    `package` names the member; it is empty where uv decides by itself, at the root. `folder` is that of its
    pyproject.toml, relative to the lock's. `groups` are all that may be asked for, `own_groups` those that
    `default-groups = "all"` means.
    """

    package: str
    folder: str
    extras: tuple[str, ...]
    groups: tuple[str, ...]
    own_groups: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class UvLock:
    """The entries of a uv.lock; `members` are those of the workspace, by their folders relative to the lock's.

    `root_groups` are the groups of a workspace whose root is no project.
    """

    path: str
    entries: tuple[Entry, ...]
    members: Mapping[str, Entry]
    root_groups: tuple[str, ...]

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders of the root and of all members."""
        return tuple(sorted({".", *self.members}))

    def target(self, asked: str) -> Target:
        """What uv takes in the folder `asked`, relative to the lock's: the nearest member around it, else the root."""
        around = [asked, *map(str, PurePosixPath(asked).parents), "."]
        folder = next(folder for folder in around if folder == "." or folder in self.members)
        if folder in self.members:
            entry = self.members[folder]
            extras, own = _names(entry, self.path)
            root = _names(self.members["."], self.path)[1] if "." in self.members else self.root_groups
            package = entry.name if folder != "." else ""
            return Target(
                package=package, folder=folder, extras=extras, groups=_union(own, root), own_groups=_union(own)
            )
        names = [_names(entry, self.path) for entry in self.members.values()]
        groups = _union(self.root_groups, *(groups for _, groups in names))
        return Target(
            package="", folder=".", extras=_union(*(extras for extras, _ in names)), groups=groups, own_groups=groups
        )


def parse_uv_lock(text: str, path: str) -> UvLock:
    """What a uv.lock's text says, which messages name `path`. Raises LockError where it isn't one.

    uv parses the whole of it whenever it exports it; here only what the workspace says of itself is parsed.
    """
    text = text.removeprefix("\ufeff")
    entries = tuple(_entries(text))
    first = _HEADER.search(text)
    document = toml_document(text[: first.start()] if first else text, path)
    if document.get("version") != 1:
        raise LockError(
            f"version {document.get('version')!r} of uv.lock is not known",
            where=path,
            why="this lockproof reads version 1",
            remedy="Use a lockproof that knows this version, or make the lock again.",
        )
    manifest = document.get("manifest")
    manifest = manifest if isinstance(manifest, dict) else {}
    named = manifest.get("members")
    local = {posixpath.normpath(entry.at): entry for entry in entries if entry.source in _IN_FOLDER}
    members = {
        folder: entry
        for folder, entry in local.items()
        if (entry.name in named if isinstance(named, list) else folder == ".")
    }
    return UvLock(path=path, entries=entries, members=members, root_groups=_keys(manifest.get("dependency-groups")))


def default_groups(pyproject: Mapping[str, object], target: Target) -> tuple[str, ...]:
    """The groups that a plain `uv sync` takes: `tool.uv.default-groups`, or `dev` where there is one."""
    from packaging.utils import canonicalize_name  # late: packaging takes 80 ms

    said = _table(pyproject, "tool", "uv").get("default-groups")
    if said == "all":
        return target.own_groups
    if isinstance(said, list):
        return tuple(canonicalize_name(name) for name in said if isinstance(name, str))
    return ("dev",) if "dev" in target.own_groups else ()


def groups_requiring(pyproject: Mapping[str, object]) -> dict[str, str]:
    """The Pythons that groups need beyond the project's own: `tool.uv.dependency-groups`."""
    from packaging.utils import canonicalize_name  # late, as above

    table = _table(pyproject, "tool", "uv", "dependency-groups")
    return {
        canonicalize_name(group): said
        for group, settings in table.items()
        if isinstance(settings, dict) and isinstance(said := settings.get("requires-python"), str)
    }


def _entries(text: str) -> Iterator[Entry]:
    bounds = [*(match.start() for match in _HEADER.finditer(text)), len(text)]
    line, position = 1, 0
    for start, end in itertools.pairwise(bounds):
        line += text.count("\n", position, start)
        position = start
        chunk = text[start:end]
        name, version, source = _NAME.search(chunk), _VERSION.search(chunk), _SOURCE.search(chunk)
        if name and source:
            yield Entry(
                name=name[1],
                version=version[1] if version else "",
                line=line,
                source=source[1],
                at=source[2],
                text=chunk,
            )


def _names(entry: Entry, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The extras and the groups of a workspace member, also those that bring nothing."""
    try:
        packages = toml_document(entry.text, path).get("package")
    except LockError as error:
        raise LockError(error.what, where=f"{path}:{entry.line}", why=error.why, remedy=_AGAIN) from None
    package = packages[0] if isinstance(packages, list) and isinstance(packages[0], dict) else {}
    provided = _table(package, "metadata").get("provides-extras")
    extras = [name for name in provided if isinstance(name, str)] if isinstance(provided, list) else []
    return (
        _union(extras, _table(package, "optional-dependencies")),
        _union(_table(package, "metadata", "requires-dev"), _table(package, "dev-dependencies")),
    )


def _table(document: Mapping[str, object], *keys: str) -> Mapping[str, object]:
    """The table under some keys; an empty one where there is none."""
    for key in keys:
        value = document.get(key)
        document = value if isinstance(value, dict) else {}
    return document


def _keys(value: object) -> tuple[str, ...]:
    return tuple(sorted(value)) if isinstance(value, dict) else ()


def _union(*names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name for some in names for name in some}))
