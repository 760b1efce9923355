"""What a lock is made from: the files, extras and groups that `sources` in matrix.yaml or a command line names."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lockproof.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockproof.cells.shapes import Checker
    from lockproof.cells.trees import KeyPath, Value

PROJECT_FILE = "pyproject.toml"
_KEYS = ("file", "extras", "groups")
_FILE = "the path of a file such as requirements.in or pyproject.toml"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")  # PEP 508; groups follow it (PEP 735)


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One file of requirements, as its path from the matrix file's folder.

    `extras` and `groups` are those of a pyproject.toml. `with_dependencies` False leaves out what the project itself
    depends on, and takes the groups alone.
    """

    file: str
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    with_dependencies: bool = True

    @property
    def is_project(self) -> bool:
        """Whether the file can have extras and groups."""
        return self.file.replace("\\", "/").rpartition("/")[2] == PROJECT_FILE

    def __str__(self) -> str:
        chosen = [f"extra {name}" for name in self.extras] + [f"group {name}" for name in self.groups]
        if not self.with_dependencies:
            return f"{self.file} ({', '.join(chosen)} only)"
        return f"{self.file} ({', '.join(chosen)})" if chosen else self.file


def read_sources(check: Checker, at: KeyPath, value: Value) -> tuple[Source, ...]:
    """The sources that a matrix lists: paths, or mappings of file, extras and groups; without file, groups alone."""
    items = check.items(at, value, "a list of files such as [requirements.in]")
    if isinstance(value, list) and not value:
        check.expected(at, value, "one file or more; leave the key out for the one beside this file")
    found = tuple(_source(check, item_at, item) for item_at, item in items)
    if len([source for source in found if source.extras]) and len([s for s in found if s.is_project]) > 1:
        check.problem(at, "extras can be chosen only where there is one pyproject.toml: uv takes them from any")
    return found


def _source(check: Checker, at: KeyPath, value: Value) -> Source:
    if not isinstance(value, dict):
        return Source(file=_file(check, at, value))
    entry = check.mapping(at, value, _KEYS)
    groups = _names(check, (*at, "groups"), entry.get("groups", []))
    source = Source(
        file=_file(check, (*at, "file"), entry["file"]) if "file" in entry else PROJECT_FILE,
        extras=_names(check, (*at, "extras"), entry.get("extras", [])),
        groups=groups,
        with_dependencies="file" in entry,
    )
    if "file" not in entry and (source.extras or not groups):
        check.missing((*at, "file"), f"{_FILE}; only `groups` can stand without it, for those of {PROJECT_FILE}")
    elif (source.extras or groups) and not source.is_project:
        check.expected((*at, "file"), source.file, f"a {PROJECT_FILE}: nothing else has extras and groups")
    return source


def _file(check: Checker, at: KeyPath, value: Value) -> str:
    text = check.text(at, value, _FILE)
    if text.startswith("-"):
        check.expected(at, text, _FILE, "it would be read as an option; write ./ before it")
    return text


def _names(check: Checker, at: KeyPath, value: Value) -> tuple[str, ...]:
    items = check.items(at, value, "a list of names such as [test]")
    expected = "a name of letters, digits and . _ - inside"
    return check.once((item_at, check.pattern(item_at, item, _NAME, expected)) for item_at, item in items)


def sources_of_command(files: Sequence[str], extras: Sequence[str], groups: Sequence[str]) -> tuple[Source, ...]:
    """The sources that a command line names; its extras and groups are those of the one pyproject.toml in it.

    Raises UsageError where there is none, or more than one, or where a name is none.
    """
    files = files or [PROJECT_FILE]
    projects = [file for file in files if Source(file=file).is_project]
    if (extras or groups) and len(projects) != 1:
        raise UsageError(
            f"--extra and --group belong to one {PROJECT_FILE}, and {len(projects)} are named",
            remedy="name the one, or write `sources` in the matrix",
        )
    for name in (*extras, *groups):
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name of an extra or a group")
    return tuple(
        Source(file=file, extras=tuple(extras), groups=tuple(groups)) if file in projects else Source(file=file)
        for file in files
    )


def command_line(sources: Sequence[Source] | None, matrix: str, *, resolver: str, emit_index_url: bool) -> str:
    """The `lockproof lock` that makes a lock again, for its header; None for the sources that need no naming."""
    words = ["lockproof", "lock"]
    if matrix != "matrix.yaml":
        words += ["--matrix", matrix]
    if resolver != "uv":
        words += ["--resolver", resolver]
    if emit_index_url:
        words.append("--emit-index-url")
    for source in sources or ():
        words += [word for name in source.extras for word in ("--extra", name)]
        words += [word for name in source.groups for word in ("--group", name)]
    words += [source.file for source in sources or ()]
    return shlex.join(words)
