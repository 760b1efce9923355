"""Markers as texts, put together: what the readers say of groups and extras in the words of PEP 751."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from packaging.specifiers import SpecifierSet

_EXTRA = re.compile(  # strings are matched too, so that nothing inside one is taken for a variable
    r"""\bextra\s*(==|!=)\s*('[^']*'|"[^"]*")|('[^']*'|"[^"]*")\s*(==|!=)\s*extra\b|'[^']*'|"[^"]*\""""
)
_TOKEN = re.compile(r"""\s*('[^']*'|"[^"]*"|[()]|(?:===|[=!<>~]=|[<>])|[\w.]+)""")
_VALUE, _OPERATOR = r"""(?:'[^']*'|"[^"]*"|[\w.]+)""", r"""(?:not\s+in\b|in\b|(?:===|[=!<>~]=|[<>]))"""
_ASKED = r"\bplatform_(?:release|version)\b"
_KERNEL = re.compile(
    rf"""{_ASKED}\s*{_OPERATOR}\s*{_VALUE}|{_VALUE}\s*{_OPERATOR}\s*{_ASKED}|(?P<text>'[^']*'|"[^"]*")"""
)
_OPPOSITES = {"==": "!=", "<": ">=", ">": "<=", "in": "not in"}
_OPPOSITES |= {right: left for left, right in _OPPOSITES.items()}


def all_of(*conditions: str) -> str:
    """The marker text that asks all non-empty conditions; empty when nothing is asked."""
    asked = [condition for condition in conditions if condition]
    return asked[0] if len(asked) == 1 else " and ".join(f"({condition})" for condition in asked)


def any_of(conditions: Iterable[str]) -> str:
    """The marker text that asks one of the conditions; empty, which is always true, when one of them is."""
    asked = list(dict.fromkeys(conditions))
    if not asked or "" in asked:
        return ""
    return asked[0] if len(asked) == 1 else " or ".join(f"({condition})" for condition in asked)


def in_group(name: str) -> str:
    """The marker text that is true where a dependency group is asked (PEP 751)."""
    return f"'{name}' in dependency_groups"


def in_extra(name: str) -> str:
    """The marker text that is true where an extra is asked (PEP 751)."""
    return f"'{name}' in extras"


def python_marker(specifiers: SpecifierSet) -> str:
    """The marker text that is true for the Pythons of some specifiers; empty for all."""
    return all_of(*sorted(f"python_full_version {one.operator} '{one.version}'" for one in specifiers))


def with_extras(marker: str) -> str:
    """A marker of a lock that says `extra == 'x'`, in the words of PEP 751: `'x' in extras`."""

    def replaced(match: re.Match[str]) -> str:
        first, right, left, second = match.groups()
        value = right or left
        return f"{value} {'in' if (first or second) == '==' else 'not in'} extras" if value else match[0]

    return _EXTRA.sub(replaced, marker)


def asks_of_kernel(marker: str) -> bool:
    """Whether a marker has `platform_release` or `platform_version` in it, which a running kernel says (PEP 508)."""
    return with_kernel_answers(marker, answer=True) != with_kernel_answers(marker, answer=False)


def with_kernel_answers(marker: str, *, answer: bool) -> str:
    """A marker with every comparison of these two variables answered so."""
    constant = "python_version != '0'" if answer else "python_version == '0'"
    if "platform_" not in marker:
        return marker
    return _KERNEL.sub(lambda match: match[0] if match["text"] else constant, marker)


def negated(marker: str) -> str | None:
    """The marker text that is true where `marker` isn't; None when it is empty, or has a ~= or ===."""
    tokens = _TOKEN.findall(marker)
    return _negated_or(tokens, 0)[0] if tokens else None


def _negated_or(tokens: Sequence[str], at: int) -> tuple[str | None, int]:
    parts = []
    while True:
        part, at = _negated_and(tokens, at)
        parts.append(part)
        if at >= len(tokens) or tokens[at] != "or":
            break
        at += 1
    return None if None in parts else all_of(*map(str, parts)), at


def _negated_and(tokens: Sequence[str], at: int) -> tuple[str | None, int]:
    parts = []
    while True:
        if tokens[at] == "(":
            part, at = _negated_or(tokens, at + 1)
            at += 1
        else:
            operator = tokens[at + 1] if tokens[at + 1] != "not" else "not in"
            right = at + 1 + len(operator.split())
            part = f"{tokens[at]} {_OPPOSITES[operator]} {tokens[right]}" if operator in _OPPOSITES else None
            at = right + 1
        parts.append(part)
        if at >= len(tokens) or tokens[at] != "and":
            break
        at += 1
    return None if None in parts else any_of(map(str, parts)), at
