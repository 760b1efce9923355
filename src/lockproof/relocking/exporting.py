"""`lockproof lock --export`: the present lock in another format, held against itself before it is written."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.errors import LockError, UsageError
from lockproof.indexes.simpleapi import IndexFile
from lockproof.locks import IndexOptions, sha256_of
from lockproof.locks.matching import ListedFile, matched_packages
from lockproof.locks.matching import to_pylock as normal_form
from lockproof.locks.pipenv import read_pipfile
from lockproof.locks.plan import plan_cells
from lockproof.locks.pylock import read_pylock
from lockproof.locks.requirements import parse_requirements
from lockproof.relocking.lockexports import Exported, selected_names, to_pylock, to_requirements

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.pylock import Package, PackageSdist, PackageWheel

    from lockproof.cells.matrix import Cell
    from lockproof.locks import Lock
    from lockproof.locks.artifacts import Plan
    from lockproof.locks.requirements import Pin
    from lockproof.project import Project


def export_lock(options: argparse.Namespace, project: Project) -> Exported:
    """The lock of the matrix as pylock.toml or requirements.txt, whose plan for every cell is the same.

    Raises LockError where the format can't say what the lock does.
    """
    cells, folder = project.cells, (project.places.folder / (options.output or "lock")).absolute().parent
    if options.export == "pylock.toml":
        if options.extra or options.group:
            raise UsageError("a pylock.toml has all extras and groups", remedy="leave --extra and --group out")
        lock, notes = _whole_lock(project, cells)
        exported = to_pylock(lock, folder)
        again = read_pylock(exported.text, "the exported lock", folder=folder)
        _refuse_difference(lock, again, cells, cells)
        return replace(exported, notes=(*notes, *exported.notes))
    asked = [replace(cell, extras=tuple(options.extra), groups=tuple(options.group) or None) for cell in cells]
    lock, notes = _whole_lock(project, asked)
    extras, groups = selected_names(lock, options.extra, options.group)
    chosen = [replace(cell, extras=tuple(sorted(extras)), groups=tuple(sorted(groups))) for cell in cells]
    command = shlex.join(["lockproof", "lock", "--export", options.export, *_repeated("--extra", options.extra),
                          *_repeated("--group", options.group)])  # fmt: skip
    exported = to_requirements(lock, extras=extras, groups=groups, folder=folder, command=command)
    bare = [replace(cell, extras=(), groups=None) for cell in cells]
    _refuse_difference(lock, _read_again(exported.text, lock), chosen, bare)
    return replace(exported, notes=(*notes, *exported.notes))


def _repeated(option: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _whole_lock(project: Project, cells: Sequence[Cell]) -> tuple[Lock, tuple[str, ...]]:
    """The lock with files for all packages and URLs for all files, and notes on what can't have any.

    A lock of hashes alone is completed by the index. What has no file, and no cell needs, is left out.
    """
    lock, missing = project.load_lock(project.lock_path, cells)
    plan_cells(lock, cells, missing)
    bare = dict(_bare_pins(project, lock))
    packages = list(lock.pylock.packages)
    wanted: dict[tuple[str, str], set[str]] = {}
    for index, package in enumerate(packages):
        hashes = {sha256_of(file.hashes) or "" for file in _files(package) if not file.url and not file.path}
        if index in bare and not _files(package):
            hashes.update(bare[index].hashes)
        if hashes:
            wanted.setdefault((package.name, str(package.version or "")), set()).update(hashes)
    listing = project.index(lock.options or IndexOptions()).files_of(wanted, wanted) if wanted else {}
    for index, package in enumerate(packages):
        listed = listing.get((package.name, str(package.version or "")), ())
        if index in bare and not _files(package):
            packages[index] = matched_packages([bare[index]], {(package.name, str(package.version)): listed})[0]
        elif listed:
            packages[index] = _with_urls(package, {file.sha256: file.url for file in listed})
    left = [index for index, package in enumerate(packages) if not _files(package)]
    names = ", ".join(packages[index].name for index in left)
    notes = []
    if left:
        notes.append(f"left out, for the lock or the index has no file of them and no cell needs them: {names}")
    if lock.selections is not None:
        notes.append("a uv.lock is exported for the extras and groups that cells ask, and no others")
    kept = [index for index in range(len(packages)) if index not in left]
    pylock = replace(lock.pylock, packages=[packages[index] for index in kept])
    return replace(lock, pylock=pylock, places=tuple(lock.place(index) for index in kept), refusals={}), tuple(notes)


def _bare_pins(project: Project, lock: Lock) -> Iterator[tuple[int, Pin]]:
    """The hashes of packages that a lock names no files for, by their index."""
    path = str(project.lock_path)
    if lock.kind == "requirements":
        text = project.lock_path.read_text(encoding="utf-8")
        parsed = parse_requirements(text, path, lambda name: Path(name).read_text(encoding="utf-8"), project.environ)
        yield from enumerate(parsed.pins)
    elif lock.kind == "pipenv":
        text = project.lock_path.read_text(encoding="utf-8")
        yield from enumerate(read_pipfile(text, path, environ=project.environ).pins)


def _files(package: Package) -> list[PackageWheel | PackageSdist]:
    return [*(package.wheels or ()), *([package.sdist] if package.sdist else ())]


def _with_urls(package: Package, urls: Mapping[str | None, str]) -> Package:
    """The package with a URL for each file that had no place; without those that the index doesn't have."""
    placed = {file.filename: file.url or urls.get(sha256_of(file.hashes)) for file in _files(package)}
    wheels = [replace(wheel, url=placed[wheel.filename]) for wheel in package.wheels or ()
              if wheel.path or placed[wheel.filename]]  # fmt: skip
    sdist = package.sdist
    if sdist and not sdist.path:
        sdist = replace(sdist, url=placed[sdist.filename]) if placed[sdist.filename] else None
    return replace(package, wheels=wheels or None, sdist=sdist)


def _read_again(text: str, lock: Lock) -> Lock:
    """An exported requirements file in its normal form, as an index with exactly the lock's files completes it."""
    parsed = parse_requirements(text, "the exported lock", lambda _: "", {})
    listing: dict[tuple[str, str], list[ListedFile]] = {}
    by_name: dict[str, list[ListedFile]] = {}
    for package in lock.pylock.packages:
        for file in _files(package):
            listed = IndexFile(filename=file.filename, url=file.url or "", sha256=sha256_of(file.hashes))
            by_name.setdefault(package.name, []).append(listed)
    for pin in parsed.pins:
        listing[pin.name, pin.version] = by_name[pin.name]
    return normal_form(parsed, listing, sha256="", folder=lock.folder)


def _refuse_difference(lock: Lock, again: Lock, cells: Sequence[Cell], cells_again: Sequence[Cell]) -> None:
    """Raise where an exported lock gives a cell anything else than the lock does."""
    before, after = plan_cells(lock, cells), plan_cells(again, cells_again)
    for old, new in zip(before, after, strict=True):
        was, now = _chosen(old), _chosen(new)
        names = sorted(name for name in was.keys() | now.keys() if was.get(name) != now.get(name))
        if names:
            raise LockError(
                f"the lock can't be exported: {', '.join(names)} would not be the same file for {old.cell.id}",
                where=lock.path,
                why="several of its wheels fit equally well, and the format doesn't keep which one the lock prefers",
                remedy="Leave one of them in the lock.",
            )


def _chosen(plan: Plan) -> Mapping[str, tuple[str, str, str]]:
    return {artifact.name: (artifact.version, artifact.filename, artifact.sha256) for artifact in plan.artifacts}


def write_export(exported: Exported, options: argparse.Namespace, project: Project) -> None:
    """To standard output, or by one rename to the file of -o."""
    from lockproof.reporters.text import printable
    from lockproof.wheels.store import write_where_asked

    for note in exported.notes:
        sys.stderr.write(f"note: {printable(note)}\n")
    if not options.output or options.output == "-":
        sys.stdout.write(exported.text)
        return
    path = (project.places.folder / options.output).absolute()
    try:
        write_where_asked(path, exported.text.encode())
    except OSError as error:
        raise UsageError("the lock can't be written", where=str(path), why=error.strerror or str(error)) from error
