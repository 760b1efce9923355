"""Files whose SHA-256 is known from an earlier read: what has not changed since isn't read again."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from typing import TYPE_CHECKING

from lockproof.digests import is_sha256
from lockproof.errors import UnavailableError
from lockproof.writing import write_if_possible

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Signature = tuple[int, int, int, int]

_FORMAT = "lockproof known files 1"
_CHUNK = 1 << 20
_NOT_THROUGH_LINKS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
# Two writes within one tick of the file system's clock leave equal times (git's "racy" entries): ticks are
# 4 to 16 ms where times have fractions, and up to 2 s where they are whole seconds.
_TICK_NS = 20_000_000
_COARSE_TICK_NS = 2_000_000_000
_SECOND_NS = 1_000_000_000


def signature_of(status: os.stat_result) -> Signature:
    """What changes when a file's content does: size in bytes, mtime in ns, inode, ctime in ns."""
    return status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns


def is_settled(signature: Signature, now_ns: int) -> bool:
    """Whether a write after `now_ns` would surely show in the signature's times."""
    _, mtime, _, ctime = signature
    tick = _TICK_NS if ctime % _SECOND_NS else _COARSE_TICK_NS
    return max(mtime, ctime) < now_ns - tick


def read_unchanged(path: str, status: os.stat_result, take: Callable[[bytes], object]) -> None:
    """Give `take` the bytes, in pieces, of the regular file at `path`, opened without following a link.

    Raises UnavailableError when it can't be read, is not the file that `status` (an lstat) describes, or changes
    meanwhile: what was read then proves nothing.
    """
    try:
        descriptor = os.open(path, _NOT_THROUGH_LINKS | _BINARY)
        try:  # there are thousands: no object for each
            _expect_same(path, status, os.fstat(descriptor))
            left = status.st_size
            while left and (chunk := os.read(descriptor, min(left, _CHUNK))):
                left -= len(chunk)
                take(chunk)
            _expect_same(path, status, os.fstat(descriptor))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UnavailableError("the file can't be read", where=path, why=error.strerror or str(error)) from error
    if left:
        raise _changed(path)


def _expect_same(path: str, expected: os.stat_result, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode) or signature_of(found) != signature_of(expected):
        raise _changed(path)


def _changed(path: str) -> UnavailableError:
    return UnavailableError(
        "the file changed while it was read", where=path, remedy="let whatever writes there finish, and repeat"
    )


def sha256_of_file(path: str, status: os.stat_result) -> str:
    """The SHA-256, in hexadecimal, of the file that `status` describes; raises as `read_unchanged` does."""
    digest = hashlib.sha256()
    read_unchanged(path, status, digest.update)
    return digest.hexdigest()


class KnownFiles:
    """A memo, kept in one JSON file, of path -> [size, mtime_ns, inode, ctime_ns, sha256].

    A missing, corrupted or foreign file is an empty memo. An entry counts only while all four of the file's
    numbers are the same, and is only made when they were older than the read by a tick of the clock.
    """

    def __init__(self, store: Path | None, *, clock: Callable[[], int] = time.time_ns) -> None:
        """Reads `store` (None: nothing is kept); `clock` gives the present in ns since the epoch."""
        self._store = store
        self._clock = clock
        self._entries = _load(store) if store else {}
        self._changed = False

    def sha256_of(self, path: str, status: os.stat_result) -> str:
        """The SHA-256, in hexadecimal, of the regular file at `path`, whose lstat is `status`.

        It is read when it isn't known or any of the four numbers differs; raises as `read_unchanged` does.
        """
        signature = signature_of(status)
        known = self._entries.get(path)
        if isinstance(known, list) and known[:-1] == [*signature] and is_sha256(str(known[-1])):
            return str(known[-1])
        now = self._clock()
        digest = sha256_of_file(path, status)
        if is_settled(signature, now):
            self._entries[path] = [*signature, digest]
            self._changed = True
        elif self._entries.pop(path, None) is not None:
            self._changed = True
        return digest

    def save(self) -> bool:
        """Writes what was learnt, in one step; False when it could not be kept, which costs only time."""
        if not self._changed:
            return True
        data = json.dumps({"format": _FORMAT, "files": self._entries}, separators=(",", ":")).encode()
        if self._store is None or not write_if_possible(self._store, data):
            return False
        self._changed = False
        return True


def _load(store: Path) -> dict[str, object]:
    try:
        document: object = json.loads(store.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    match document:
        case {"format": str(kind), "files": dict(files)} if kind == _FORMAT:
            return files
    return {}
