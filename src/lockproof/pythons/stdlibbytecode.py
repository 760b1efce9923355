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
_HEADER = 8  # bytes: the magic number, then the flags


def unchecked_bytecode(probe: Probe) -> tuple[Finding, ...]:
    """A finding for each file of bytecode that the interpreter would run without a look at its source, sorted.

    Raises UnavailableError for a file that can't be read: what nobody looked at is not called right.
    """
    magic = bytes.fromhex(probe.facts.get("bytecode magic", ""))
    root = str(probe.stdlib)
    findings = []
    try:
        for path in _bytecode_below(root, probe.facts.get("cache tag", "")):
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - there are thousands
                header = file.read(_HEADER)
            if header[:4] == magic and int.from_bytes(header[4:], "little") & 3 == 1:
                relative = os.path.relpath(path, root).replace(os.sep, "/")
                text = "is bytecode that would run whatever its source says"
                findings.append(Finding("bytecode-unchecked", f"stdlib/{relative}", text))
    except OSError as error:
        raise UnavailableError(
            f"the bytecode of Python {probe.label} can't be read",
            where=os.fsdecode(error.filename or root),
            why=error.strerror or str(error),
        ) from error
    return tuple(sorted(findings))


def _bytecode_below(root: str, tag: str) -> Iterator[str]:
    """The regular files `<module>.<tag>[.opt-N].pyc` of all cache folders below `root`."""
    for folder, folders, files in os.walk(root, onerror=_raise):
        if folder == root:
            folders[:] = [name for name in folders if name not in NOT_THE_STDLIB]
        if folder.endswith(_CACHE):
            names = (name for name in files if name.endswith(".pyc") and f".{tag}." in name)
            yield from (path for name in names if os.path.isfile(path := os.path.join(folder, name)))  # noqa: PTH113, PTH118


def _raise(error: OSError) -> None:
    raise error
