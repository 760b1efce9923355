"""What can come of asking a server: which errors are worth another try, and how they read."""

from __future__ import annotations

import http.client
import io
import socket
from email.message import Message

import pytest

from lockproof.indexes.replies import (
    CannotConnectError,
    OfflineError,
    Place,
    Reply,
    StatusError,
    TruncatedError,
    is_transient,
    reason_of,
)

PLACE: Place = ("https", "index.invalid", 443)


def unconnected(cause: BaseException | None) -> CannotConnectError:
    error = CannotConnectError("no connection", PLACE)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (StatusError(503), True),
        (StatusError(429), True),
        (StatusError(404), False),
        (StatusError(401), False),
        (TruncatedError("it ended early"), True),
        (http.client.RemoteDisconnected("gone"), True),
        (http.client.InvalidURL("a space"), False),
        (ConnectionResetError(104, "reset"), True),
        (TimeoutError("too long"), True),
        (ValueError("no error of a server"), False),
        (unconnected(None), False),
        (unconnected(socket.gaierror(socket.EAI_AGAIN, "try again")), True),
        (unconnected(socket.gaierror(socket.EAI_NONAME, "no such host")), False),
        (unconnected(TimeoutError()), True),
        (unconnected(ConnectionRefusedError(111, "refused")), False),
        (OfflineError(PLACE), False),
    ],
    ids=repr,
)
def test_what_is_worth_another_try(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (StatusError(404), "HTTP 404 Not Found"),
        (StatusError(799), "HTTP 799"),
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset by peer"),
        (TimeoutError(), "TimeoutError"),
        (OfflineError(PLACE), "the network is not used with --offline"),
    ],
    ids=repr,
)
def test_the_reason_in_few_words(error: Exception, words: str) -> None:
    assert reason_of(error) == words


@pytest.mark.parametrize(
    ("headers", "length"),
    [
        ({"Content-Length": "12"}, 12),
        ({}, None),
        ({"Content-Length": "-12"}, None),
        ({"Content-Length": "twelve"}, None),
        ({"Content-Length": "12", "Transfer-Encoding": "chunked"}, None),
    ],
    ids=str,
)
def test_the_length_that_a_server_says(headers: dict[str, str], length: int | None) -> None:
    message = http.client.HTTPMessage()
    assert isinstance(message, Message)
    for name, value in headers.items():
        message[name] = value

    assert Reply(status=200, url="https://index.invalid/a", headers=message, body=io.BytesIO()).length == length


def test_an_error_knows_the_place_that_can_t_be_reached() -> None:
    assert OfflineError(PLACE).place == PLACE
