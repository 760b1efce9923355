"""Bytecode of the standard library that would run whatever its source says (PEP 552), found by its headers.

An interpreter's layer has the library's sources. Its bytecode differs from install to install, and what runs is the
bytecode: so one that isn't checked against its source is told. Whether one that is checked is also true is not looked
at; commands of cells read none of it (PYTHONPYCACHEPREFIX).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lockproof.errors import UnavailableError
from lockproof.proof.fingerprint import Finding
from lockproof.pythons.buildrows import NOT_THE_STDLIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lockproof.pythons.probing import Probe

_CACHE = "__pycache__"
HEADER = 8  # bytes: the magic number, then the flags
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


def unchecked_bytecode(probe: Probe) -> tuple[Finding, ...]:
    """A finding for each file of bytecode that the interpreter would run without a look at its source, sorted.

    Raises UnavailableError for a file that can't be read: what nobody looked at is not called right.
    """
    magic = bytes.fromhex(probe.facts.get("bytecode magic", ""))
    root = str(probe.stdlib)
    findings = []
    try:
        for path in _bytecode_below(root, probe.facts.get("cache tag", "")):
            header = _header(path)
            if header[:4] == magic and is_unchecked(header):
                findings.append(unchecked_finding(os.path.relpath(path, root).replace(os.sep, "/")))
    except OSError as error:
        raise UnavailableError(
            f"the bytecode of Python {probe.label} can't be read",
            where=os.fsdecode(error.filename or root),
            why=error.strerror or str(error),
        ) from error
    return tuple(sorted(findings))


def is_unchecked(header: bytes) -> bool:
    """Whether bytecode that begins so has a hash of its source, and is to be run without a look at that."""
    return int.from_bytes(header[4:HEADER], "little") & 3 == 1


def unchecked_finding(relative: str) -> Finding:
    """That the bytecode at this path below the standard library is such."""
    return Finding("bytecode-unchecked", f"stdlib/{relative}", "is bytecode that would run whatever its source says")


def _header(path: str) -> bytes:
    descriptor = os.open(path, _FLAGS)  # there are thousands: no object for each
    try:
        return os.read(descriptor, HEADER)
    finally:
        os.close(descriptor)


def _bytecode_below(root: str, tag: str) -> Iterator[str]:
    """The regular files `<module>.<tag>[.opt-N].pyc` of all cache folders below `root`; no linked folder is entered."""
    folders = [root]
    while folders:
        folder = folders.pop()
        is_cache = folder.endswith(_CACHE)
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if is_cache and name.endswith(".pyc") and entry.is_file():
                    if f".{tag}." in name:
                        yield entry.path
                elif entry.is_dir(follow_symlinks=False) and (folder != root or name not in NOT_THE_STDLIB):
                    folders.append(entry.path)
