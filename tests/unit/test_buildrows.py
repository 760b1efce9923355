"""Rows of a build's files: folders of tests as one, digests of parts, and what another build may bring."""

from __future__ import annotations

import pytest

from lockproof.digests import digest_of_lines
from lockproof.pythons.buildrows import (
    RowDifference,
    altered_part,
    in_words,
    may_differ_between_builds,
    part_digest,
    row_differences,
    rows_of,
)

JSON = ("json/decoder.py", "1" * 64)
EXTENSION = ("_json.so", "2" * 64)


def test_a_file_is_a_row_and_folders_of_tests_are_one_each() -> None:
    rows = rows_of("stdlib", [("test/a.py", "3"), JSON, ("unittest/test/b/c.py", "4"), ("test/b/test/d.py", "5")])
    folder = digest_of_lines("lockproof stdlib folder 1", [b"test/a.py\0003", b"test/b/test/d.py\0005"])
    inner = digest_of_lines("lockproof stdlib folder 1", [b"unittest/test/b/c.py\0004"])
    assert list(rows.items()) == [
        ("stdlib/json/decoder.py", "1" * 64),
        ("stdlib/test/", folder.removeprefix("sha256:")),
        ("stdlib/unittest/test/", inner.removeprefix("sha256:")),
    ]


def test_the_digest_of_a_part_is_over_its_own_rows() -> None:
    rows = {**rows_of("stdlib", [JSON]), **rows_of("lib-dynload", [EXTENSION])}
    line = f"json/decoder.py\0{'1' * 64}".encode()
    assert part_digest("stdlib", rows) == digest_of_lines("lockproof stdlib 2", [line])
    line = f"_json.so\0{'2' * 64}".encode()
    assert part_digest("lib-dynload", rows) == digest_of_lines("lockproof lib-dynload 1", [line])


def test_rows_that_are_not_those_of_the_digests_are_found() -> None:
    rows = {**rows_of("stdlib", [JSON]), **rows_of("lib-dynload", [EXTENSION])}
    facts = {part: part_digest(part, rows) for part in ("stdlib", "lib-dynload")}
    static = rows_of("stdlib", [JSON])
    assert altered_part(facts, rows) is None
    assert altered_part(facts, {}) is None
    assert altered_part({**facts, "lib-dynload": "none"}, static) is None
    assert altered_part(facts, static) == "lib-dynload"
    assert altered_part(facts, {**rows, "stdlib/json/decoder.py": "0" * 64}) == "stdlib"
    assert altered_part({}, rows) == "stdlib"
    assert altered_part(facts, {**rows, "elsewhere/x.py": "0" * 64}) == "interpreter_files"


def test_how_two_builds_differ() -> None:
    left = rows_of("stdlib", [JSON, ("os.py", "1"), ("re.py", "1")])
    right = rows_of("stdlib", [JSON, ("os.py", "2"), ("sitecustomize.py", "3")])
    differences = row_differences(left, right)
    assert differences == (
        RowDifference("stdlib/os.py", "1", "2"),
        RowDifference("stdlib/re.py", "1", None),
        RowDifference("stdlib/sitecustomize.py", None, "3"),
    )
    assert in_words("stdlib", differences) == "os.py changed, re.py gone, sitecustomize.py added"
    assert in_words("stdlib", [*differences, *differences]) == (
        "os.py changed, re.py gone, sitecustomize.py added (and 3 more)"
    )
    assert in_words("lib-dynload", differences) == ""
    assert row_differences(left, {}) == row_differences({}, right) == ()


@pytest.mark.parametrize(
    ("row", "left", "right", "may"),
    [
        ("lib-dynload/_json.so", "1", "2", True),
        ("lib-dynload/_json.cpython-312-x86_64-linux-gnu.so", None, "1", True),
        ("lib-dynload/_testcapi.cpython-312-x86_64-linux-gnu.so", None, "1", True),
        ("lib-dynload/_json.so", "1", None, True),
        ("lib-dynload/sitecustomize.so", None, "1", False),
        ("lib-dynload/sitecustomize.py", None, "1", False),
        ("lib-dynload/evil/_json.so", None, "1", False),
        ("lib-dynload/helper.py", "1", "2", False),
        ("stdlib/_sysconfigdata__linux_x86_64-linux-gnu.py", "1", "2", True),
        ("stdlib/config-3.12-x86_64-linux-gnu/python-config.py", "1", None, True),
        ("stdlib/test/", "1", None, True),
        ("stdlib/test/", "1", "2", True),
        ("stdlib/ctypes/test/", None, "1", True),
        ("stdlib/ensurepip/__init__.py", "1", None, True),
        ("stdlib/tkinter/__init__.py", None, "1", True),
        ("stdlib/ensurepip/__init__.py", "1", "2", False),
        ("stdlib/json/decoder.py", "1", "2", False),
        ("stdlib/json/decoder.py", "1", None, False),
        ("stdlib/sitecustomize.py", None, "1", False),
        ("stdlib/_sysconfigdata.so", None, "1", False),
        ("stdlib/json.so", None, "1", False),
        ("stdlib/../python312.zip", None, "1", False),
    ],
)
def test_what_another_build_may_bring(row: str, left: str | None, right: str | None, may: bool) -> None:
    assert may_differ_between_builds(RowDifference(row, left, right)) is may
