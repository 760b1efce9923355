"""How errors read, and which exit code several of them have together."""

from __future__ import annotations

import json

import pytest

from lockproof.errors import (
    HashMismatchError,
    LockError,
    LockproofError,
    MatrixError,
    ProblemsError,
    UnavailableError,
    UsageError,
    why_malformed,
)


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({}, "it failed"),
        ({"where": "m.yaml:3"}, "m.yaml:3: it failed"),
        ({"why": "no reason"}, "it failed: no reason"),
        ({"remedy": "do this"}, "it failed\n  do this"),
        ({"where": "m.yaml:3", "why": "no reason", "remedy": "do this"}, "m.yaml:3: it failed: no reason\n  do this"),
    ],
)
def test_an_error_says_what_where_why_and_what_to_do(parts: dict[str, str], text: str) -> None:
    assert str(LockproofError("it failed", **parts)) == text


def test_no_part_of_an_error_tells_a_login() -> None:
    url = "git+https://me:p@ss@host/x@1"
    error = LockproofError(f"{url} and ftp://token@host is editable", why=f"{url!r}", remedy=f"Delete {url}.")
    assert str(error) == (
        "git+https://***@host/x@1 and ftp://***@host is editable: 'git+https://***@host/x@1'\n"
        "  Delete git+https://***@host/x@1."
    )
    assert error.args == ("git+https://***@host/x@1 and ftp://***@host is editable",)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{", "it is not JSON (line 1, column 2: Expecting property name enclosed in double quotes)"),
        (b"\xff", "it is no text in UTF-8"),
        (b"{}", "it has no 'rows'"),
        (b"[]", "a value in it is of the wrong kind"),
        (b'{"rows": []}', "a value in it is of the wrong kind"),
        (b'{"rows": ["none"]}', "there are none"),
        (b"[" * 100_000, "it is nested too deeply"),
    ],
)
def test_what_is_wrong_with_a_document_is_said_without_words_of_python(text: bytes, why: str) -> None:
    with pytest.raises((ValueError, LookupError, TypeError, RecursionError)) as raised:
        if (row := json.loads(text.decode())["rows"][0]) == "none":
            raise ValueError(f"there are {row}")
    assert why_malformed(raised.value) == why


def test_what_the_system_says_of_a_file_is_said_without_its_number_and_the_path_again() -> None:
    assert why_malformed(PermissionError(13, "Permission denied", "/srv/pip.conf")) == "Permission denied"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (LockproofError, 2),
        (UsageError, 2),
        (MatrixError, 2),
        (LockError, 2),
        (HashMismatchError, 5),
        (UnavailableError, 4),
    ],
)
def test_each_kind_has_its_exit_code(kind: type[LockproofError], code: int) -> None:
    assert kind("x").exit_code == code


@pytest.mark.parametrize(
    ("kinds", "code"),
    [
        ([LockError], 2),
        ([LockError, UnavailableError], 4),
        ([UnavailableError, HashMismatchError, LockError], 5),
        ([], 2),
    ],
)
def test_the_most_serious_of_several_counts(kinds: list[type[LockproofError]], code: int) -> None:
    error = ProblemsError([kind(kind.__name__) for kind in kinds])
    assert (error.worst_exit_code, str(error)) == (code, "\n".join(kind.__name__ for kind in kinds))
