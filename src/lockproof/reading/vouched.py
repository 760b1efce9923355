"""Bytecode that was found to be true, remembered by its content: what was compiled once is not compiled again.

    <folder>/<interpreter>.true      sha256 of the rest, then one sha256 a comparison, sorted

A comparison is known by everything that decides about it: both files' bytes, the interpreter, the optimise level and
the program that compares. So a record can be outdated but never wrong; whoever may write to the folder may lie in it,
as in the store's own records of what was verified.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from lockproof.writing import write_if_possible

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_DIGEST = 32  # bytes
_MOST = 1 << 18  # comparisons, 8 MiB: about forty environments of six thousand


class Vouched:
    """The comparisons of one interpreter that came out true."""

    def __init__(self, folder: Path, layer: str) -> None:
        """Reads what is kept in `folder` for the interpreter layer `layer`; a damaged file is an empty one."""
        self._path = folder / f"{layer.removeprefix('sha256:')[:32]}.true"
        self._known = _load(self._path)
        self._used: set[bytes] = set()
        self._fresh = False

    @staticmethod
    def key(rules: str, layer: str, level: int, bytecode: str, source: str) -> bytes:
        """What stands for one comparison; `rules`, `bytecode` and `source` are digests in hexadecimal."""
        return hashlib.sha256("\0".join((rules, layer, str(level), bytecode, source)).encode()).digest()

    def holds(self, key: bytes) -> bool:
        """Whether that comparison came out true before."""
        if key in self._known:
            self._used.add(key)
            return True
        return False

    def add(self, keys: Iterable[bytes]) -> None:
        """Enter comparisons that came out true."""
        before = len(self._used)
        self._used.update(keys)
        self._fresh |= len(self._used) > before

    def save(self) -> None:
        """Keep them for the next process; a folder that can't be written to costs only time."""
        if not self._fresh:
            return
        both = _load(self._path) | self._known | self._used  # another process may have written meanwhile
        body = b"".join(sorted(both if len(both) <= _MOST else self._used))
        write_if_possible(self._path, hashlib.sha256(body).digest() + body)


def _load(path: Path) -> set[bytes]:
    try:
        content = path.read_bytes()
    except OSError:
        return set()
    checksum, body = content[:_DIGEST], content[_DIGEST:]
    if hashlib.sha256(body).digest() != checksum or len(body) % _DIGEST:
        return set()
    return {body[start : start + _DIGEST] for start in range(0, len(body), _DIGEST)}
