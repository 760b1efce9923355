"""The files of one build of CPython as rows of path and content: what is digested, and how two builds differ.

A row is `stdlib/json/decoder.py` or `lib-dynload/_json.….so` with the sha256 of its content. Folders of tests are one
row, closed by `/`, over all of their files: they are most of the files, and few builds have them alike.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, NamedTuple

from lockproof.digests import digest_of_lines, sha256_hex

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STDLIB = "stdlib"
EXTENSIONS = "lib-dynload"
NOT_THE_STDLIB = frozenset(("site-packages", "dist-packages", "lib-dynload"))
# All that an import can find: a module's .so goes before its .py, a .pyc needs none, and ensurepip runs its wheels.
IMPORTABLE = (".py", ".pyc", ".so", ".pyd", ".dylib", ".whl")
_TITLES = {STDLIB: "lockproof stdlib 2", EXTENSIONS: "lockproof lib-dynload 1"}
_FOLDED = re.compile(r"(?:.*?/)??(?:test|tests|idle_test)/")
# Written when a build is configured: they state its compiler, its options and where it was put.
_CONFIGURED = re.compile(r"(?:_sysconfigdata_[^/]*|config-[^/]*/.*)\.py")
_OPTIONAL = re.compile(r"(?:ensurepip|idlelib|lib2to3|tkinter|turtledemo)/.*|turtle\.py")  # left out or split off
_EXTENSION = re.compile(r"(?P<module>\w+)(?:\.[^/]*)?\.(?:so|pyd|dylib)")
_TEST_EXTENSION = re.compile(r"_?(?:test|xx)\w*|_ctypes_test")
_NAMED = 3  # files that a fact's own line names


class RowDifference(NamedTuple):
    """One row that is not the same in two builds; None where it isn't there."""

    row: str
    left: str | None
    right: str | None

    @property
    def word(self) -> str:
        """What became of it on the right side."""
        return "added" if self.left is None else "gone" if self.right is None else "changed"


def states_its_prefix(relative: str) -> bool:
    """_sysconfigdata… and config-…/python-config.py are written when the build is configured."""
    return relative.startswith(("_sysconfigdata", "config-")) and relative.endswith(".py")


def digest_without(prefix: bytes, content: bytes) -> str:
    """The sha256 of a file that states its prefix, as if that had been put nowhere."""
    return sha256_hex(content.replace(prefix, b"<prefix>"))


def rows_of(part: str, files: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The rows of one part, from (relative path with `/`, sha256) of each file, sorted as bytes."""
    rows: dict[str, str] = {}
    folded: dict[str, list[bytes]] = {}
    for relative, sha256 in files:
        if match := _FOLDED.match(relative):
            folded.setdefault(match[0], []).append(_line(relative, sha256))
        else:
            rows[f"{part}/{relative}"] = sha256
    for folder, lines in folded.items():
        rows[f"{part}/{folder}"] = digest_of_lines("lockproof stdlib folder 1", sorted(lines)).removeprefix("sha256:")
    return dict(sorted(rows.items()))


def part_digest(part: str, rows: Mapping[str, str]) -> str:
    """The digest of a part: `sha256:…` over `<path> NUL <sha256>` of its rows, sorted as bytes."""
    beginning = f"{part}/"
    lines = (_line(row.removeprefix(beginning), value) for row, value in rows.items() if row.startswith(beginning))
    return digest_of_lines(_TITLES[part], sorted(lines))


def altered_part(facts: Mapping[str, str], rows: Mapping[str, str]) -> str | None:
    """The first part whose digest in `facts` is not that of its rows; None where all are, and where there are no rows.

    A build whose extension modules are all inside says "none", and then has no rows of them.
    """
    if not rows:
        return None
    if any(row.partition("/")[0] not in _TITLES for row in rows):
        return "interpreter_files"
    for part in _TITLES:
        empty = not any(row.startswith(f"{part}/") for row in rows)
        if facts.get(part) != part_digest(part, rows) and not (empty and facts.get(part) == "none"):
            return part
    return None


def row_differences(left: Mapping[str, str], right: Mapping[str, str]) -> tuple[RowDifference, ...]:
    """Every row that differs, sorted; nothing where either side's rows aren't known."""
    if not left or not right or left == right:
        return ()
    changed = {row for row, _ in left.items() ^ right.items()}
    return tuple(RowDifference(row, left.get(row), right.get(row)) for row in sorted(changed))


def in_words(part: str, differences: Iterable[RowDifference]) -> str:
    """The first files of a part that differ: `json/decoder.py changed, sitecustomize.py added (and 2 more)`."""
    mine = [difference for difference in differences if difference.row.startswith(f"{part}/")]
    named = ", ".join(f"{d.row.partition('/')[2]} {d.word}" for d in mine[:_NAMED])
    return f"{named} (and {len(mine) - _NAMED} more)" if len(mine) > _NAMED else named


def may_differ_between_builds(difference: RowDifference) -> bool:
    """Whether another build of the same version may differ so: in what is compiled or configured, in tests, in options.

    Any other source of the standard library is part of the version: one that was changed or added is not excused. Nor
    is an extension module that no Python has.
    """
    part, _, relative = difference.row.partition("/")
    if part == EXTENSIONS:
        extension = _EXTENSION.fullmatch(relative)
        return extension is not None and (difference.word != "added" or _is_of_python(extension["module"]))
    if _CONFIGURED.fullmatch(relative) or _FOLDED.fullmatch(relative):
        return True
    return difference.word != "changed" and _OPTIONAL.fullmatch(relative) is not None


def _is_of_python(module: str) -> bool:
    return module in sys.stdlib_module_names or _TEST_EXTENSION.fullmatch(module) is not None


def _line(relative: str, sha256: str) -> bytes:
    return f"{relative}\0{sha256}".encode("utf-8", "surrogateescape")
