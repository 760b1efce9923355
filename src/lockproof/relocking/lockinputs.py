"""What `lockproof lock` starts from: the lock that is there, and what is asked of the resolver."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.cells.sources import PROJECT_FILE, Source, command_line, sources_of_command
from lockproof.errors import LockError, LockproofError, ProblemsError, UsageError
from lockproof.locks.lockfile import detect_format
from lockproof.locks.pylock import read_pylock
from lockproof.locks.requirements import parse_requirements
from lockproof.relocking.relock import entries_of_lock, entries_of_pins
from lockproof.relocking.resolvers import Wanted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from lockproof.cells.matrix import Cell
    from lockproof.locks import IndexOptions
    from lockproof.project import Project
    from lockproof.relocking.relock import Entry

_BESIDE = ("requirements.in", PROJECT_FILE)
_PYLOCK_NAME = re.compile(r"pylock(\.[^.]+)?\.toml")
_INCLUDES = re.compile(r"^\s*(-r|--requirement)\b", re.MULTILINE)
_UPGRADE = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(==[A-Za-z0-9.!+_-]+)?")
_WRITE_SOURCES = "name them: lockproof lock requirements.in, or `sources: [requirements.in]` in the matrix"


@dataclass(frozen=True, kw_only=True, slots=True)
class LockState:
    """A lock as it is: its text, and what stands in it."""

    text: str
    entries: tuple[Entry, ...]
    options: IndexOptions | None


def kind_of(path: Path, shown: str) -> str:
    """The format that the lock's file name asks for."""
    if _PYLOCK_NAME.fullmatch(path.name):
        return "pylock"
    if path.suffix == ".txt":
        return "requirements"
    why = "it makes requirements files (*.txt) and pylock.toml (pylock.NAME.toml)"
    raise UsageError(
        f"`lockproof lock` can't make {shown}", why=why, remedy="lock with its own tool, or name another lock"
    )


def read_present(path: Path, shown: str, kind: str, project: Project) -> LockState | None:
    """The lock that is there, None without one; LockError where it is one that `lock` doesn't make."""
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise LockError("the lock can't be read", where=shown, why=why, remedy="Name a file, or remove it.") from None
    if not text.strip():
        return None
    found = detect_format(text, path.name)
    if found != kind:
        remedy = "Move it away, or name another lock in the matrix."
        raise LockError(f"this is a {found} by its content", where=shown, why="it would be replaced", remedy=remedy)
    if kind == "requirements" and _INCLUDES.search(text):
        remedy = "Write what it includes into the lock, or move it away."
        raise LockError("the lock includes other files", where=shown, why="one file can be made again", remedy=remedy)
    return read_state(text, shown, kind, project)


def read_state(text: str, shown: str, kind: str, project: Project) -> LockState:
    if kind == "pylock":
        lock = read_pylock(text, shown, folder=project.lock_path.absolute().parent)
        return LockState(text=text, entries=entries_of_lock(lock), options=None)
    requirements = parse_requirements(text, shown, _no_other_file, project.environ)
    return LockState(text=text, entries=entries_of_pins(requirements), options=requirements.options)


def _no_other_file(target: str) -> str:
    raise LockError("the lock includes other files", where=target)


def make_wanted(
    options: argparse.Namespace, project: Project, cells: Sequence[Cell], present: LockState | None
) -> Wanted:
    from packaging.version import Version  # late: packaging takes 80 ms

    named = None
    if options.sources or options.extra or options.group:
        files = [_from_root(file, project) for file in options.sources]
        named = sources_of_command(files, options.extra, options.group)
    sources = named or project.spec.sources or _beside(project.root)
    for source in sources:
        if not (project.root / source.file).is_file():
            raise UsageError("there is no such file to lock", where=source.file, remedy=_WRITE_SOURCES)
        if (project.root / source.file).resolve() == project.lock_path.resolve():
            raise UsageError("a lock can't be its own source", where=source.file, remedy=_WRITE_SOURCES)
    return Wanted(
        root=project.root,
        sources=sources,
        filename=project.lock_path.name,
        python=min((cell.python.rstrip("t") for cell in cells), key=Version),
        command=command_line(
            named, project.places.matrix, resolver=options.resolver, emit_index_url=options.emit_index_url
        ),
        present=present.text if present else None,
        upgrade=options.upgrade,
        upgrade_packages=tuple(options.upgrade_package),
        emit_index_url=options.emit_index_url,
    )


def _from_root(file: str, project: Project) -> str:
    """A file named on the command line, seen from the matrix file's folder."""
    return Path(os.path.relpath((project.places.folder / file).absolute(), project.root)).as_posix()


def _beside(root: Path) -> tuple[Source, ...]:
    """The one file beside the matrix that can be a source."""
    found = [name for name in _BESIDE if (root / name).is_file() and (name != PROJECT_FILE or _is_project(root / name))]
    if len(found) == 1:
        return (Source(file=found[0]),)
    why = f"both {' and '.join(found)} are there" if found else f"there is neither {' nor '.join(_BESIDE)}"
    raise UsageError("what the lock is made from is not known", where=str(root), why=why, remedy=_WRITE_SOURCES)


def _is_project(path: Path) -> bool:
    import tomllib  # late: only this guess needs it

    try:
        return "project" in tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return True  # the resolver tells what is wrong with it


def names_let_go(options: argparse.Namespace) -> list[str]:
    """The normalised names that --upgrade-package gives."""
    from packaging.utils import canonicalize_name  # late, as above

    names = []
    for text in options.upgrade_package:
        match = _UPGRADE.fullmatch(text)
        if match is None:
            raise UsageError(f"--upgrade-package {text}: expected NAME or NAME==VERSION")
        names.append(str(canonicalize_name(match[1])))
    return names


def refuse_unknown(let_go: Sequence[str], new: LockState, shown: str) -> None:
    known = {entry.name for entry in new.entries}
    if unknown := [name for name in let_go if name not in known]:
        raise UsageError(
            f"--upgrade-package names {', '.join(unknown)}, which {shown} doesn't have", remedy="correct the name"
        )


@contextmanager
def named_as(path: str, shown: str) -> Iterator[None]:
    """Errors about the file that is being made speak of the lock that it will be."""
    try:
        yield
    except LockproofError as error:
        problems = error.problems if isinstance(error, ProblemsError) else (error,)
        for problem in problems:
            problem.where = problem.where.replace(path, f"{shown} (new)")
            problem.why = problem.why.replace(path, f"{shown} (new)")
        if isinstance(error, ProblemsError):
            raise ProblemsError(error.problems) from None
        raise
