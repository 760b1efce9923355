"""The project under test as a tree of files: what git tracks, and what it neither tracks nor ignores.

A file is its bytes and whether its owner may execute it, a link is its target; times, owners and other permissions are
no part of it. Repositories inside (submodules, clones) count with what they track in the same way.
"""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.digests import digest_of_lines
from lockproof.errors import LockError, UnavailableError
from lockproof.pythons.knownfiles import KnownFiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

# Without the monitor of files that a repository's configuration may name: a program, which git would run.
_GIT = ("git", "-c", "core.fsmonitor=false")
_LISTING = (*_GIT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
_DESCRIPTION = (*_GIT, "describe", "--tags", "--always", "--long", "--abbrev=40")
# Where there is no git, what nobody would track; environments are known by their pyvenv.cfg.
_NEVER_TRACKED = frozenset((".git", ".hg", ".svn", ".lockproof", "__pycache__", ".tox", ".nox", "node_modules"))


@dataclass(frozen=True, kw_only=True)
class ProjectTree:
    """The files of a project at one moment: `files` has, by path, `f` or `x` (executable) with sha256, `l` with target.

    Paths are relative to `root`, with `/`. `untracked` says why git could not tell which files are the project's; then
    they are all that lie there, but for environments and caches, and no digest of them is claimed. `memo` is what
    `read_project` was given.
    """

    root: Path
    files: Mapping[str, str]
    untracked: str = ""
    memo: Path | None = field(default=None, compare=False)

    @cached_property
    def digest(self) -> str:
        """`sha256:…` over a line a file, sorted as bytes: `<path> NUL <kind> SP <sha256 or target>`."""
        lines = sorted(f"{path}\0{fact}".encode("utf-8", "surrogateescape") for path, fact in self.files.items())
        return digest_of_lines("lockproof project 1", (line.replace(b"\n", b"\0n") for line in lines))

    def changes(self) -> list[str]:
        """The paths that are no longer as they are here, sorted; raises as `read_project` does."""
        now = read_project(self.root, self.memo)
        return sorted({path for path, _ in self.files.items() ^ now.files.items()})

    def altered(self) -> list[str]:
        """The paths of `files` that are no longer as they are here, sorted; what is new isn't looked for."""
        now = _facts(self.root, self.files, KnownFiles(None))
        return sorted(path for path, fact in self.files.items() if now.get(path) != fact)

    def copy_to(self, folder: Path) -> None:
        """Fill `folder` with exactly these files; raises UnavailableError where one of them has changed meanwhile.

        Raises LockError for a link that leads out of it: what lies there can change, and no digest here would tell.
        """
        for path, fact in self.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            kind, _, value = fact.partition(" ")
            if kind == "l":
                target.symlink_to(value)
                continue
            try:
                target.write_bytes((self.root / path).read_bytes())
            except OSError as error:
                raise _changed(self.root / path, error.strerror or "") from error
            target.chmod(0o755 if kind == "x" else 0o644)
        copied = _facts(folder, self.files, KnownFiles(None))
        for path, fact in self.files.items():
            if copied.get(path) != fact:
                raise _changed(self.root / path)
            # Not pathlib's resolve, which up to Python 3.12 raises for a link to itself.
            if fact[0] == "l" and not Path(os.path.realpath(folder / path)).is_relative_to(os.path.realpath(folder)):
                raise LockError(
                    "the project can't be built from its files alone", where=str(self.root / path),
                    why=f"it is a link that leads outside, to {fact[2:]}",
                    remedy="put what it leads to into the project, or have git ignore the link",
                )  # fmt: skip


def read_project(root: Path, memo: Path | None = None) -> ProjectTree:
    """The project in `root` as it is now; `memo` is a file that spares reading what has not changed since.

    Raises UnavailableError for a file that can't be read or changes meanwhile.
    """
    known = KnownFiles(memo)
    try:
        paths, untracked = _listed_root(root), ""
    except _NoGitError as error:
        paths, untracked = list(_lying_in(root)), str(error)
    tree = ProjectTree(root=root, files=_facts(root, paths, known), untracked=untracked, memo=memo)
    known.save()
    return tree


class _NoGitError(Exception):
    """Why git can't list the files."""


def _git(argv: Sequence[str], folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Ask git. Hooks set variables that name another repository; and nothing here may write to the index."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(
        argv,
        cwd=folder,
        env={**environment, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )


def git_state(folder: Path) -> str:
    """What git says of the commit and its tags, from which backends make a version; empty where it says nothing."""
    try:
        done = _git(_DESCRIPTION, folder)
    except OSError:
        return ""
    return done.stdout.decode("utf-8", "replace").strip()


def _listed_root(root: Path) -> list[str]:
    """What git lists in the project; what makes it one is ignored only where an outer repository ignores the folder."""
    paths = list(_listed(root, ""))
    makes_it_one = next((name for name in ("pyproject.toml", "setup.py") if (root / name).is_file()), None)
    if makes_it_one and makes_it_one not in paths:
        raise _NoGitError(f"git ignores its {makes_it_one}")
    return paths


def _listed(folder: Path, prefix: str) -> Iterator[str]:
    """What git lists below a folder, a path each, repositories inside it as well."""
    try:
        done = _git(_LISTING, folder)
    except OSError as error:
        raise _NoGitError(f"git can't be run ({error.strerror})") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise _NoGitError(f"git says: {said[0]}")
    for name in dict.fromkeys(done.stdout.split(b"\0")):
        path = os.fsdecode(name).rstrip("/")
        place = folder / path
        if not path or path.split("/")[0] == ".lockproof":
            continue
        if place.is_dir() and not place.is_symlink():
            if (place / ".git").exists():  # without it, a submodule that isn't checked out: nothing is there
                yield from _listed(place, f"{prefix}{path}/")
        else:
            yield prefix + path


def _lying_in(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        below = Path(folder)
        folders[:] = sorted(
            name for name in folders if name not in _NEVER_TRACKED and not (below / name / "pyvenv.cfg").is_file()
        )
        links = [name for name in folders if (below / name).is_symlink()]
        for name in (*files, *links):
            yield (below / name).relative_to(root).as_posix()


def _facts(root: Path, paths: Iterable[str], known: KnownFiles) -> dict[str, str]:
    facts: dict[str, str] = {}
    for path in sorted(paths):
        real = f"{root}/{path}"
        try:
            status = os.lstat(real)
            if stat.S_ISLNK(status.st_mode):
                facts[path] = f"l {os.readlink(real)}"  # noqa: PTH115 - strings, as everywhere here
            elif stat.S_ISREG(status.st_mode):
                kind = "x" if status.st_mode & 0o100 else "f"
                facts[path] = f"{kind} {known.sha256_of(real, status)}"
        except (FileNotFoundError, NotADirectoryError):
            continue  # tracked, and removed from the folder
    links = {path for path, fact in facts.items() if fact[0] == "l"}
    return {path: fact for path, fact in facts.items() if links.isdisjoint(_folders_above(path))}


def _folders_above(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _changed(path: Path, why: str = "") -> UnavailableError:
    remedy = "let whatever writes there finish, and run again"
    return UnavailableError(
        "a file of the project changed while it was copied", where=str(path), why=why, remedy=remedy
    )
