"""Command lines of a matrix: split without a shell, `{posargs}` put in."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from lockproof.errors import MatrixError

if TYPE_CHECKING:
    from collections.abc import Sequence

_POSARGS = re.compile(r"\{posargs(?::([^{}]*))?\}")
_MARK = "\0"  # stands for {posargs} while the rest is split; no command may hold it


def substitute_posargs(command: str, posargs: Sequence[str]) -> list[str]:
    """The argument list of a command line, split as a POSIX shell would split it, without a shell.

    `{posargs}` expands to `posargs` as separate arguments, `{posargs:default words}` to its default if there
    are none. It must be a word of its own (quotes around it change nothing): joined into another word, the
    arguments would need quoting again, for a program unknown here. Raises MatrixError for that, for
    unbalanced quotes, and when nothing is left to run.
    """
    if _MARK in command:
        raise MatrixError("a command can't hold a NUL character")
    defaults: list[str] = []

    def mark(match: re.Match[str]) -> str:
        defaults.append(match[1] or "")
        return _MARK

    marked = _POSARGS.sub(mark, command)
    if "{posargs" in marked:
        raise MatrixError("expected `{posargs}` or `{posargs:default words}`, without other braces inside")
    default_words = iter([_split(default) for default in defaults])
    argv: list[str] = []
    for word in _split(marked):
        if word == _MARK:
            default = next(default_words)
            argv += posargs or default
        elif _MARK in word:
            raise MatrixError("`{posargs}` must be a word of its own")
        else:
            argv.append(word)
    if not argv:
        raise MatrixError("there is nothing to run")
    return argv


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        if "escaped" in str(error):
            raise MatrixError("it ends in a backslash with nothing behind it") from None
        raise MatrixError("a quote is opened and never closed") from None
