"""A checker of parsed YAML that notes every problem with its line and key path, to tell them all at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lockproof.cells.trees import clip, kind_of
from lockproof.errors import MatrixError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lockproof.cells.trees import Document, KeyPath, Value

_MOST_PROBLEMS = 50  # told; a file with more has one cause
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


def did_you_mean(text: str, choices: Iterable[str], *, likeness: float = 0.6) -> str:
    """ "did you mean `x`?" when one of `choices` is close to `text` (1 is equal), else ""."""
    import difflib  # only for this message

    close = difflib.get_close_matches(text.lower(), list(choices), n=1, cutoff=likeness)
    return f"did you mean `{close[0]}`?" if close else ""


class Checker:
    """Reads one document; each method returns a value to go on with, after noting what is wrong."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._problems: set[tuple[str, int, str]] = set()

    def raise_problems(self) -> None:
        """Raises one MatrixError with a line per problem, in the order of the lines; nothing without any."""
        told = [f"{path}:{line}: {text}" for path, line, text in sorted(self._problems)]
        if len(told) > _MOST_PROBLEMS:
            told[_MOST_PROBLEMS:] = [f"and {len(told) - _MOST_PROBLEMS} more problems"]
        if told:
            raise MatrixError("\n".join(told))

    def note(self, path: str, line: int, text: str) -> None:
        """A problem in any file."""
        self._problems.add((path, line, text))

    def problem(self, at: KeyPath, text: str) -> None:
        """A problem with the value at `at`."""
        self.note(self.document.path, self.document.line_of(at), f"{_dotted(at)}: {text}" if at else text)

    def expected(self, at: KeyPath, value: Value, expected: str, note: str = "") -> None:
        """`found …, expected …; note`: the note is the reason or a hint."""
        self.problem(at, f"found {self._shown(at, value)}, expected {expected}" + (f"; {note}" if note else ""))

    def missing(self, at: KeyPath, expected: str) -> None:
        """`found nothing, expected …`, for a key that isn't there."""
        self.expected(at, None, expected)

    def misread(self, at: KeyPath, value: Value) -> str:
        """`written 3.10, which YAML reads as 3.1`; "" for a value that YAML didn't change."""
        written, read = self.document.written(at), str(value).lower()
        if not isinstance(value, bool | int | float) or written == read:
            return ""
        return f"written {clip(written)}, which YAML reads as {read}"

    def quote_it(self, at: KeyPath, value: Value) -> str:
        """For a number or a boolean that was meant as text: what YAML made of it, and how to write it."""
        if not isinstance(value, bool | int | float):
            return ""
        hint = f'quote it: "{clip(self.document.written(at))}"'
        misread = self.misread(at, value)
        return f"{misread}; {hint}" if misread else hint

    def mapping(
        self, at: KeyPath, value: Value, known: Sequence[str], *, elsewhere: dict[str, str] | None = None
    ) -> dict[str, Value]:
        """A mapping whose keys are all `known`; `elsewhere` says how keys written by habit are called."""
        if not isinstance(value, dict):
            self.expected(at, value, f"a mapping with {', '.join(known)}")
            return {}
        for key in value:
            if key not in known:
                named = (elsewhere or {}).get(key)
                hint = f"did you mean `{named}`?" if named else did_you_mean(key, known)
                inside = f"{_dotted(at)}: " if at else ""
                tail = hint or f"known keys are {', '.join(known)}"
                line = self.document.line_of((*at, key))
                self.note(self.document.path, line, f"{inside}unknown key `{clip(key)}`; {tail}")
        return value

    def items(self, at: KeyPath, value: Value, expected: str) -> list[tuple[KeyPath, Value]]:
        """The items of a list, each with its key path."""
        if not isinstance(value, list):
            self.expected(at, value, expected)
            return []
        return [((*at, index), item) for index, item in enumerate(value)]

    def text(self, at: KeyPath, value: Value, expected: str) -> str:
        """A string with something in it; "" when it isn't one."""
        if isinstance(value, str) and value.strip() and "\0" not in value:
            return value
        self.expected(at, value, expected)
        return ""

    def pattern(self, at: KeyPath, value: Value, pattern: re.Pattern[str], expected: str) -> str:
        """A string that `pattern` matches as a whole; "" when it isn't one."""
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        self.expected(at, value, expected, self.quote_it(at, value))
        return ""

    def choice(self, at: KeyPath, value: Value, choices: Sequence[str]) -> str | None:
        """One of `choices`; None when it isn't."""
        if isinstance(value, str) and value in choices:
            return value
        hint = did_you_mean(value, choices) if isinstance(value, str) else self.quote_it(at, value)
        self.expected(at, value, f"one of {', '.join(choices)}", hint)
        return None

    def once(self, items: Iterable[tuple[KeyPath, str]]) -> tuple[str, ...]:
        """The strings that aren't empty; one that stands twice is a problem."""
        found: list[str] = []
        for at, text in items:
            if text and text in found:
                self.problem(at, f'found "{clip(text)}" a second time, expected it once')
            elif text:
                found.append(text)
        return tuple(found)

    def _shown(self, at: KeyPath, value: Value) -> str:
        if isinstance(value, str):
            return f'"{clip(value)}"'
        if isinstance(value, bool):
            return f"{self.document.written(at)} (a boolean)"
        if isinstance(value, list | dict) and not value:
            return "an empty list" if isinstance(value, list) else "an empty mapping"
        return f"{value} (a number)" if isinstance(value, int | float) else kind_of(value)


def _dotted(at: KeyPath) -> str:
    shown = ""
    for key in at:
        if isinstance(key, int):
            shown += f"[{key}]"
        elif _PLAIN_KEY.fullmatch(key):
            shown += f".{clip(key)}"
        else:
            shown += f'["{clip(key)}"]'
    return shown.removeprefix(".")
