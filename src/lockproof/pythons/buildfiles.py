"""Digests of the files that make up one build of CPython, the same wherever that build was put."""

from __future__ import annotations

import os
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from lockproof.errors import UnavailableError
from lockproof.pythons.buildrows import (
    EXTENSIONS,
    IMPORTABLE,
    NOT_THE_STDLIB,
    STDLIB,
    digest_without,
    part_digest,
    rows_of,
    states_its_prefix,
)
from lockproof.pythons.knownfiles import read_unchanged

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from lockproof.pythons.knownfiles import KnownFiles
    from lockproof.pythons.probing import Probe


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildFiles:
    """What the files of a build are.

    `digests` has `executable`, `libpython` (or "static"), `lib-dynload` (or "none") and `stdlib`, each `sha256:…`, and
    what there is of: `app`, which a framework's executable starts (macOS); `redirector` and `windowed redirector`,
    which the python.exe and pythonw.exe of environments are (Windows). `rows` has the files behind `lib-dynload` and
    `stdlib` (see `buildrows`).
    """

    digests: Mapping[str, str]
    rows: Mapping[str, str]


def read_build(probe: Probe, known: KnownFiles) -> BuildFiles:
    """The files of the build that answered `probe`; only what isn't `known` is read.

    The stdlib is every importable file below its folder, and the zip (or folder of its name) that is searched before
    it, without site-packages, dist-packages and `__pycache__`; in files that state where the build was put, that prefix
    is replaced. Raises UnavailableError for a file that can't be read or changes meanwhile.
    """
    try:
        extensions = rows_of(EXTENSIONS, _files(probe.lib_dynload, known)) if probe.lib_dynload else {}
        stdlib = rows_of(STDLIB, _stdlib_files(probe, known))
        digests = {
            "executable": _file_digest(probe.executable, known),
            "libpython": _file_digest(probe.libpython, known) if probe.libpython else "static",
            EXTENSIONS: part_digest(EXTENSIONS, extensions) if probe.lib_dynload else "none",
            STDLIB: part_digest(STDLIB, stdlib),
            **{name: _file_digest(path, known) for name, path in _further_programs(probe)},
        }
        return BuildFiles(digests=digests, rows={**extensions, **stdlib})
    except OSError as error:
        raise UnavailableError(
            f"the files of Python {probe.label} can't be read",
            where=os.fsdecode(error.filename or probe.executable),
            why=error.strerror or str(error),
        ) from error


def _further_programs(probe: Probe) -> Iterator[tuple[str, Path]]:
    """The programs of a build beside its executable that run Python, by the names of their digests."""
    if probe.platform.os == "macos":
        places = {"app": [probe.prefix / "Resources/Python.app/Contents/MacOS/Python"]}
    elif probe.platform.os == "windows":
        folder, letter = probe.stdlib / "venv/scripts/nt", "t" if probe.version.endswith("t") else ""
        places = {  # the first of each since 3.13
            "redirector": [folder / f"venvlauncher{letter}.exe", folder / "python.exe"],
            "windowed redirector": [folder / f"venvwlauncher{letter}.exe", folder / "pythonw.exe"],
        }
    else:
        return
    for name, paths in places.items():
        yield from ((name, path) for path in [path for path in paths if path.is_file()][:1])


def _file_digest(path: Path, known: KnownFiles) -> str:
    return f"sha256:{_content(os.path.realpath(path), known)}"


def _stdlib_files(probe: Probe, known: KnownFiles) -> Iterator[tuple[str, str]]:
    own_prefix = os.fsencode(probe.configured_prefix)
    yield from _files(probe.stdlib, known, skipped=NOT_THE_STDLIB, own_prefix=own_prefix)
    if probe.archive and probe.archive.is_dir():  # from which Python imports, too
        for relative, sha256 in _files(probe.archive, known):
            yield f"../{probe.archive.name}/{relative}", sha256
    elif probe.archive and probe.archive.is_file():
        yield f"../{probe.archive.name}", _content(os.path.realpath(probe.archive), known)


def _files(
    root: Path, known: KnownFiles, *, skipped: Collection[str] = (), own_prefix: bytes = b""
) -> Iterator[tuple[str, str]]:
    """(relative path, sha256) of every importable file below `root`."""
    for relative, path in _importable_files(str(root), skipped):
        if own_prefix and states_its_prefix(relative):
            yield relative, _content_without(own_prefix, path)
        else:
            yield relative, _content(path, known)


def _content(path: str, known: KnownFiles) -> str:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return "dangling"  # a link that ends nowhere: what an import would meet, and no less reproducible
    return known.sha256_of(path, status)


def _content_without(prefix: bytes, path: str) -> str:
    pieces: list[bytes] = []
    read_unchanged(path, os.lstat(path), pieces.append)
    return digest_without(prefix, b"".join(pieces))


def _importable_files(root: str, skipped: Collection[str]) -> Iterator[tuple[str, str]]:
    """(relative path with /, real path) of every importable file; `skipped` names folders at the top only.

    Links are followed, as an import does; a linked folder is walked once, so that a loop ends.
    """
    linked = {os.path.realpath(root)}
    folders = [("", root)]
    while folders:
        prefix, folder = folders.pop()
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=attrgetter("name")):
                relative = prefix + entry.name
                is_link = entry.is_symlink()
                path = os.path.realpath(entry.path) if is_link else entry.path
                if not entry.is_dir():
                    if entry.name.endswith(IMPORTABLE):
                        yield relative, path
                elif entry.name != "__pycache__" and relative not in skipped and path not in linked:
                    folders.append((f"{relative}/", path))
                    if is_link:
                        linked.add(path)
