"""Short diffs of text: right line numbers, bounded, and nothing in them that steers a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockproof.proof.compare import prove
from lockproof.proof.groups import Grouping, survey
from lockproof.proof.relations import compare
from lockproof.reporters.diffs import comparison_diffs, proof_diffs, survey_diffs, text_diff
from support.fingerprints import environment
from support.outcomes import ESCAPE

if TYPE_CHECKING:
    from collections.abc import Callable

    from lockproof.proof.fingerprint import FileFact

NUMBERS = [f"line {number}" for number in range(1, 41)]


def text(*lines: str) -> bytes:
    return "\n".join(lines).encode() + b"\n"


def test_a_diff_has_the_lines_around_a_change_and_their_numbers() -> None:
    changed = [*NUMBERS[:19], "another", *NUMBERS[20:]]
    assert text_diff("site/a.py", text(*NUMBERS), text(*changed)) == [
        "--- site/a.py",
        "+++ site/a.py",
        "@@ -17,7 +17,7 @@",
        " line 17",
        " line 18",
        " line 19",
        "-line 20",
        "+another",
        " line 21",
        " line 22",
        " line 23",
    ]


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (b"", b"x\n", ["@@ -0,0 +1 @@", "+x"]),
        (b"x", b"x\n", ["@@ -1 +1,2 @@", " x", "+"]),
        (b"x\r\n", b"x\n", ["@@ -1 +1 @@", "-x\r", "+x"]),
        ("ä\n".encode(), "ö\n".encode(), ["@@ -1 +1 @@", "-ä", "+ö"]),
    ],
)
def test_small_changes(before: bytes, after: bytes, lines: list[str]) -> None:
    assert text_diff("a", before, after)[2:] == lines


@pytest.mark.parametrize(
    ("before", "after"),
    [(b"a\0b", b"a"), (b"a", b"\xff"), (b"same\n", b"same\n"), (b"a\n", b"\n".join([b"%d" % n for n in range(3000)]))],
)
def test_what_is_not_text_or_too_much_has_no_diff(before: bytes, after: bytes) -> None:
    assert text_diff("a", before, after) in ([], ["--- a", "+++ a"])
    assert text_diff("a", after, before) in ([], ["--- a", "+++ a"])


def test_a_long_diff_and_long_lines_are_cut() -> None:
    found = text_diff("a", b"", text(*["x" * 500] * 30))
    assert (len(found), found[3], found[-1]) == (19, "+" + "x" * 158 + "…", "… and 15 more lines")


LINES = st.lists(st.sampled_from(["a", "b", "", "\r", "c"]), max_size=12)


@given(LINES, LINES, st.integers(0, 9))
def test_a_diff_names_the_lines_where_they_are(left: list[str], right: list[str], same: int) -> None:
    common = [f"same {number}" for number in range(same)]
    old, new = ("\n".join([*common, *some, *common]).split("\n") for some in (left, right))
    position = {"-": 0, "+": 0}
    for line in text_diff("a", "\n".join(old).encode(), "\n".join(new).encode())[2:]:
        if line.startswith("@@ "):
            before, after = line.split()[1:3]
            position = {"-": abs(int(before.split(",")[0])) - 1, "+": int(after.split(",")[0]) - 1}
        elif not line.startswith("…"):
            for sign, lines in (("-", old), ("+", new)):
                if line[:1] in (sign, " "):
                    assert lines[position[sign]] == line[1:]
                    position[sign] += 1


def contents(files: dict[str, str]) -> Callable[[str, FileFact], bytes | None]:
    def read(path: str, _fact: FileFact) -> bytes | None:
        return files[path].encode() if path in files else None

    return read


OLD = {"site/a.py": "x = 1\n", "site/b.py": "same\n", "scripts/tool": "demo:main"}
NEW = {"site/a.py": f"x = 2{ESCAPE}\n", "site/b.py": "same\n", "scripts/tool": "demo:other"}


def test_what_drifted_is_shown_and_escaped() -> None:
    found = compare(environment({"demo==1.0": OLD}), environment({"demo==1.0": NEW}))
    shown = comparison_diffs(found, contents(OLD), contents(NEW))
    assert shown.splitlines() == [
        "  --- site/a.py",
        "  +++ site/a.py",
        "  @@ -1 +1,2 @@",
        "  -x = 1",
        "  +x = 2\\x1b[31mred\\x1b[0m\\r",
        "  +\\u202e",
    ]
    assert comparison_diffs(found, contents(OLD), contents({})) == ""


def test_other_versions_and_what_is_no_drift_have_none() -> None:
    other = compare(environment({"demo==1.0": OLD}), environment({"demo==2.0": NEW}))
    assert (other.relation, comparison_diffs(other, contents(OLD), contents(NEW))) == ("drift", "")
    equal = compare(environment({"demo==1.0": OLD}), environment({"demo==1.0": OLD}))
    assert comparison_diffs(equal, contents(OLD), contents(OLD)) == ""


def test_a_few_files_are_enough() -> None:
    sides = [{f"site/{n}.py": f"{text}\n" for n in range(9)} for text in ("one", "two")]
    found = compare(*(environment({"demo==1.0": files}) for files in sides))
    lines = comparison_diffs(found, contents(sides[0]), contents(sides[1])).splitlines()
    assert [line for line in lines if line.startswith("  ---")] == [f"  --- site/{n}.py" for n in range(5)]
    assert lines[-1] == "  … and more files"


def test_a_proof_shows_what_was_expected_and_what_was_found() -> None:
    proof = prove(environment({"demo==1.0": OLD}), environment({"demo==1.0": NEW}))
    assert proof_diffs(proof, contents(OLD), contents(NEW)).splitlines()[3] == "  -x = 1"


def test_of_many_environments_the_groups_that_drifted_show_what_changed() -> None:
    texts = {
        name: {"site/a.py": f"{text}\n"} for name, text in (("a", "one"), ("b", "one"), ("c", "two"), ("d", "three"))
    }
    sides = {name: environment({"demo==1.0": files}) for name, files in texts.items()}
    grouping = Grouping()
    for name, side in sides.items():
        grouping.add(name, side)
    found = survey(grouping.groups(), sides.__getitem__)
    assert survey_diffs(found, lambda name: contents(texts[name])).splitlines() == [
        line
        for number, text in ((2, "two"), (3, "three"))
        for line in (
            f"group {number} against group 1",
            "  --- site/a.py",
            "  +++ site/a.py",
            "  @@ -1 +1 @@",
            "  -one",
            f"  +{text}",
        )
    ]
    assert survey_diffs(found, lambda name: contents({})) == ""
