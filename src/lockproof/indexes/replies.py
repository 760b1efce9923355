"""What comes of asking a server: an answer, or one of the errors that a session can meet."""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass
from typing import Protocol

Place = tuple[str, str, int]
"""Scheme, host and port."""


TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 527})
"""Answers worth another try."""


class CannotConnectError(OSError):
    """No connection to a host: it isn't there, refuses, or its certificate isn't accepted."""

    def __init__(self, reason: str, place: Place) -> None:
        super().__init__(reason)
        self.place = place


class OfflineError(CannotConnectError):
    """No connection, since none is allowed."""

    def __init__(self, place: Place) -> None:
        super().__init__("the network is not used with --offline", place)


class StatusError(http.client.HTTPException):
    """An answer that is not the file."""

    def __init__(self, status: int) -> None:
        reason = http.client.responses.get(status, "")
        super().__init__(f"HTTP {status} {reason}".rstrip())
        self.status = status


class TruncatedError(http.client.HTTPException):
    """A body that ended before its end."""


class Stream(Protocol):
    """A body being read."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fill `buffer` with the next bytes and say how many; 0 at the end."""

    def read(self) -> bytes:
        """All that is left."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """An answer: its status, the URL that gave it after redirects, its headers, its body."""

    status: int
    url: str
    headers: http.client.HTTPMessage
    body: Stream

    @property
    def length(self) -> int | None:
        """The number of bytes that the body shall have, when the server says it."""
        text = self.headers.get("Content-Length", "")
        return int(text) if text.isdecimal() and "Transfer-Encoding" not in self.headers else None


def is_transient(error: Exception) -> bool:
    """Whether what failed may succeed a moment later."""
    if isinstance(error, StatusError):
        return error.status in TRANSIENT_STATUSES
    if isinstance(error, CannotConnectError):
        cause = error.__cause__
        if isinstance(cause, socket.gaierror):
            return cause.errno == socket.EAI_AGAIN
        return isinstance(cause, TimeoutError | ConnectionResetError | ConnectionAbortedError)
    if isinstance(error, http.client.HTTPException):
        return not isinstance(error, http.client.InvalidURL)
    return isinstance(error, OSError)


def reason_of(error: Exception) -> str:
    """What went wrong, in as few words as the error has."""
    text = error.strerror if isinstance(error, OSError) else None
    return text or str(error) or type(error).__name__
