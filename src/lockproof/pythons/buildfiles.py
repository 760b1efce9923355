"""Digests of the files that make up one build of CPython, the same wherever that build was put."""

from __future__ import annotations

import os
from operator import attrgetter
from typing import TYPE_CHECKING

from lockproof.digests import digest_of_lines, sha256_hex
from lockproof.errors import UnavailableError
from lockproof.pythons.knownfiles import opened_unchanged

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from lockproof.pythons.knownfiles import KnownFiles
    from lockproof.pythons.probing import Probe

_NOT_THE_STDLIB = frozenset({"site-packages", "dist-packages", "lib-dynload"})
# All that an import can find: a module's .so goes before its .py, a .pyc needs none.
_IMPORTABLE = (".py", ".pyc", ".so", ".pyd", ".dylib")
_PREFIX = b"<prefix>"


def digests_of_build(probe: Probe, known: KnownFiles) -> dict[str, str]:
    """`executable`, `libpython` (or "static"), `lib-dynload` (or "none") and `stdlib`, each `sha256:…`.

    The stdlib is every importable file below its folder, and the zip that is searched before it, without
    site-packages, dist-packages and `__pycache__`; in files that state where the build was put, that prefix
    is replaced. Raises UnavailableError for a file that can't be read or changes meanwhile.
    """
    try:
        return {
            "executable": _file_digest(probe.executable, known),
            "libpython": _file_digest(probe.libpython, known) if probe.libpython else "static",
            "lib-dynload": _extensions_digest(probe.lib_dynload, known) if probe.lib_dynload else "none",
            "stdlib": _stdlib_digest(probe, known),
        }
    except OSError as error:
        raise UnavailableError(
            f"the files of Python {probe.label} can't be read",
            where=os.fsdecode(error.filename or probe.executable),
            why=error.strerror or str(error),
        ) from error


def _file_digest(path: Path, known: KnownFiles) -> str:
    return f"sha256:{_content(os.path.realpath(path), known)}"


def _extensions_digest(folder: Path, known: KnownFiles) -> str:
    return digest_of_lines("lockproof lib-dynload 1", _lines(folder, known))


def _stdlib_digest(probe: Probe, known: KnownFiles) -> str:
    lines = _lines(probe.stdlib, known, skipped=_NOT_THE_STDLIB, own_prefix=os.fsencode(probe.configured_prefix))
    if probe.archive and probe.archive.is_file():
        lines.append(_line(f"../{probe.archive.name}", _content(os.path.realpath(probe.archive), known)))
    return digest_of_lines("lockproof stdlib 1", sorted(lines))


def _lines(root: Path, known: KnownFiles, *, skipped: Collection[str] = (), own_prefix: bytes = b"") -> list[bytes]:
    """`<relative path> NUL <sha256>` of every importable file below `root`, sorted."""
    lines = []
    for relative, path in _importable_files(str(root), skipped):
        if own_prefix and _states_its_prefix(relative):
            lines.append(_line(relative, _content_without(own_prefix, path)))
        else:
            lines.append(_line(relative, _content(path, known)))
    return sorted(lines)


def _line(relative: str, sha256: str) -> bytes:
    return f"{relative}\0{sha256}".encode("utf-8", "surrogateescape")


def _states_its_prefix(relative: str) -> bool:
    """_sysconfigdata… and config-…/python-config.py are written when the build is configured."""
    return relative.startswith(("_sysconfigdata", "config-")) and relative.endswith(".py")


def _content(path: str, known: KnownFiles) -> str:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return "dangling"  # a link that ends nowhere: what an import would meet, and no less reproducible
    return known.sha256_of(path, status)


def _content_without(prefix: bytes, path: str) -> str:
    with opened_unchanged(path, os.lstat(path)) as file:
        return sha256_hex(file.read().replace(prefix, _PREFIX))


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
                    if entry.name.endswith(_IMPORTABLE):
                        yield relative, path
                elif entry.name != "__pycache__" and relative not in skipped and path not in linked:
                    folders.append((f"{relative}/", path))
                    if is_link:
                        linked.add(path)
