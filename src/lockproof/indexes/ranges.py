"""A file on a server, read in pieces (RFC 9110, section 14): for looking into a wheel without fetching it."""

from __future__ import annotations

import functools
import http.client
import io
import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from lockproof.errors import UnavailableError
from lockproof.indexes.replies import StatusError, TruncatedError, reason_of
from lockproof.indexes.urls import redact

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from lockproof.indexes.session import Session

_BLOCK = 1 << 16  # bytes that are asked for at once, at least
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class RangeFile(io.RawIOBase):
    """A file at a URL, for whoever seeks and reads; what was read once isn't asked for again.

    Raises UnavailableError, when it is made or read, where the server gives no ranges, or another file meanwhile.
    """

    def __init__(self, session: Session, url: str) -> None:
        self._session = session
        self._url = url
        self._blocks: dict[int, bytes] = {}
        self._position = 0
        self.size = -1
        self.received = 0
        self._fetch(0, 1)

    def seekable(self) -> bool:
        """It is."""
        return True

    def readable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place; nothing is fetched yet."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill `buffer` as far as the file goes."""
        view = memoryview(buffer).cast("B")
        stop = min(self._position + len(view), self.size)
        if stop <= self._position:
            return 0
        first, last = self._position // _BLOCK, (stop - 1) // _BLOCK
        missing = [number for number in range(first, last + 1) if number not in self._blocks]
        if missing:
            self._fetch(missing[0], missing[-1] + 1)
        content = b"".join(self._blocks[number] for number in range(first, last + 1))
        start = self._position - first * _BLOCK
        count = stop - self._position
        view[:count] = content[start : start + count]
        self._position = stop
        return count

    def _fetch(self, first: int, behind: int) -> None:
        """Bring the blocks from `first` to the one before `behind`."""
        start = first * _BLOCK
        stop = behind * _BLOCK if self.size < 0 else min(behind * _BLOCK, self.size)
        try:
            content = self._session.persist(functools.partial(self._ask, start, stop))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UnavailableError(
                "a wheel can't be looked into",
                where=redact(self._url),
                why=reason_of(error),
                remedy="Predict without --preview: then wheels are fetched whole.",
            ) from error
        self.received += len(content)
        for number in range(first, behind):
            self._blocks[number] = content[(number - first) * _BLOCK :][:_BLOCK]

    def _ask(self, start: int, stop: int) -> bytes:
        with self._session.get(self._url, {"Range": f"bytes={start}-{stop - 1}"}) as reply:
            if reply.status == HTTPStatus.OK:
                raise ValueError("the server gives whole files only, no ranges")
            if reply.status != HTTPStatus.PARTIAL_CONTENT:
                raise StatusError(reply.status)
            said = _RANGE.fullmatch(reply.headers.get("Content-Range", ""))
            if said is None or int(said[1]) != start or self.size not in (-1, int(said[3])):
                raise ValueError("the server gave another range than the one asked for")
            wanted = min(stop, int(said[3])) - start
            if reply.length is not None and reply.length != wanted:
                raise TruncatedError(f"it gave {reply.length} of {wanted} bytes")
            content = bytearray(wanted)
            filled = 0
            while filled < wanted and (count := reply.body.readinto(memoryview(content)[filled:])):
                filled += count
            if filled < wanted:
                raise TruncatedError(f"truncated after {filled} of {wanted} bytes")
            self.size = int(said[3])
            return bytes(content)
