"""The command lines of a matrix, split, with the arguments of the command line put in."""

from __future__ import annotations

import pytest

from lockproof.cells.posargs import substitute_posargs
from lockproof.errors import MatrixError


@pytest.mark.parametrize(
    ("command", "posargs", "argv"),
    [
        ("pytest -q", ["-x"], ["pytest", "-q"]),
        ("pytest {posargs} -q", [], ["pytest", "-q"]),
        ("pytest {posargs} -q", ["-k", "a b", ""], ["pytest", "-k", "a b", "", "-q"]),
        ("pytest {posargs:tests -k 'a b'}", [], ["pytest", "tests", "-k", "a b"]),
        ("pytest {posargs:tests -k 'a b'}", ["-x"], ["pytest", "-x"]),
        ("pytest {posargs:}", [], ["pytest"]),
        ('pytest "{posargs:a b}"', [], ["pytest", "a", "b"]),
        ("{posargs:pytest}", [], ["pytest"]),
        ("a {posargs:b} c {posargs:d}", [], ["a", "b", "c", "d"]),
        ("a {posargs:b} c {posargs:d}", ["x"], ["a", "x", "c", "x"]),
        ("echo {posargs}", ["{posargs}", "$HOME", "'"], ["echo", "{posargs}", "$HOME", "'"]),
        ("python -c 'print({1: 2})' a\\ b", [], ["python", "-c", "print({1: 2})", "a b"]),
        ("echo $HOME ~ *.py | cat # no", [], ["echo", "$HOME", "~", "*.py", "|", "cat", "#", "no"]),
    ],
)
def test_splits_without_a_shell(command: str, posargs: list[str], argv: list[str]) -> None:
    assert substitute_posargs(command, posargs) == argv


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("pytest 'a", "a quote is opened and never closed"),
        ('pytest "a', "a quote is opened and never closed"),
        ("pytest {posargs:'a}", "a quote is opened and never closed"),
        ("pytest a\\", "it ends in a backslash with nothing behind it"),
        ("pytest --opt={posargs}", "`{posargs}` must be a word of its own"),
        ("sh -c 'pytest {posargs}'", "`{posargs}` must be a word of its own"),
        ("pytest {posargs}{posargs}", "`{posargs}` must be a word of its own"),
        (
            "pytest {posargs",
            "expected `{posargs}` or `{posargs:default words}`, without other braces inside",
        ),
        (
            "pytest {posargs:{a}}",
            "expected `{posargs}` or `{posargs:default words}`, without other braces inside",
        ),
        ("", "there is nothing to run"),
        ("   ", "there is nothing to run"),
        ("{posargs}", "there is nothing to run"),
        ("pytest \0", "a command can't hold a NUL character"),
    ],
)
def test_what_cannot_be_split_is_an_error(command: str, message: str) -> None:
    with pytest.raises(MatrixError) as caught:
        substitute_posargs(command, [])

    assert caught.value.what == message
