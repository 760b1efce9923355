"""Changed text files as short unified diffs: a few lines of a few files, and nothing that a terminal would act on."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from lockproof.reporters.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lockproof.proof.compare import Proof
    from lockproof.proof.fingerprint import FileFact
    from lockproof.proof.groups import Survey
    from lockproof.proof.relations import Comparison

    Contents = Callable[
        [str, FileFact], bytes | None
    ]  # the bytes of a file at a path that has that fact, where at hand

_FILES = 5  # of how many files a diff is shown, and of how many groups
_LINES = 16  # of a file's diff
_WIDTH = 160  # signs of a line
_SIZE = 1 << 18  # bytes of a file, and the lines between the first and the last change
_BETWEEN = 2000
_HUNK = re.compile(r"([-+])(\d+)")


def proof_diffs(proof: Proof, expected: Contents, found: Contents) -> str:
    """What changed in the text files that a proof names, `-` as expected and `+` as found."""
    changed = [finding.path for finding in proof.findings if finding.code == "file-changed"]
    pairs = ((path, proof.predicted.files.get(path), proof.observed.files.get(path)) for path in sorted(set(changed)))
    return _diffs(pairs, expected, found)


def comparison_diffs(comparison: Comparison, left: Contents, right: Contents) -> str:
    """What changed in text files where environments have drifted; none of distributions in different versions."""
    if comparison.relation != "drift":
        return ""
    others = {pin.replace("==", " ") for pin in (*comparison.only_left, *comparison.only_right)}
    pairs = ((path, one, other) for path, owner, one, other in comparison.files if owner not in others)
    return _diffs(pairs, left, right)


def survey_diffs(survey: Survey, contents_of: Callable[[str], Contents]) -> str:
    """The same for the first groups that have drifted from what they are nearest to; `contents_of` knows a member's."""
    told: list[str] = []
    for number, placed in enumerate(survey.groups, 1):
        if placed.comparison is None or placed.against is None:
            continue
        nearest = survey.groups[placed.against].group.sample_name
        sides = contents_of(nearest), contents_of(placed.group.sample_name)
        if found := comparison_diffs(placed.comparison, *sides):
            told.append(f"group {number} against group {placed.against + 1}\n{found}")
        if len(told) == _FILES:
            break
    return "".join(told)


def _diffs(pairs: Iterable[tuple[str, FileFact | None, FileFact | None]], left: Contents, right: Contents) -> str:
    lines: list[str] = []
    shown = 0
    for path, one, other in pairs:
        if one is None or other is None or not (_is_short(one) and _is_short(other)):
            continue
        before, after = left(path, one), right(path, other)
        if before is None or after is None or not (found := text_diff(path, before, after)):
            continue
        if shown == _FILES:
            lines.append("… and more files")
            break
        shown += 1
        lines += found
    return "".join(f"  {printable(line)}\n" for line in lines)


def _is_short(fact: FileFact) -> bool:
    return fact.kind == "f" and 0 <= fact.size <= _SIZE


def text_diff(path: str, before: bytes, after: bytes) -> list[str]:
    """A unified diff, at most 16 lines of it; none where either isn't text, or too much lies between the changes."""
    try:
        old, new = before.decode().split("\n"), after.decode().split("\n")
    except UnicodeDecodeError:
        return []
    if b"\0" in before + after:
        return []
    if old[-1] == new[-1] == "":  # both end with a newline, which is no line more
        old, new = old[:-1], new[:-1]
    first = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    last = 0
    while last < min(len(old), len(new)) - first and old[-1 - last] == new[-1 - last]:
        last += 1
    if max(len(old), len(new)) - first - last > _BETWEEN:
        return []
    # Only the lines around the changes are compared: the rest would cost time, and show nothing.
    start, end = max(first - 3, 0), max(last - 3, 0)
    found = difflib.unified_diff(old[start : len(old) - end], new[start : len(new) - end], lineterm="")
    lines = [_moved(line, start) if line.startswith("@@ ") else line for line in found][2:]
    more = [f"… and {len(lines) - _LINES} more lines"] if len(lines) > _LINES else []
    return [f"--- {path}", f"+++ {path}", *(_cut(line) for line in lines[:_LINES]), *more]


def _moved(header: str, lines: int) -> str:
    """A hunk's first line, for text that has so many more lines before it."""
    return _HUNK.sub(lambda number: f"{number[1]}{int(number[2]) + lines}", header)


def _cut(line: str) -> str:
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"
