"""What came of making or checking a lock, as people read it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lockproof.relocking.relock import Account, CellLayers, Change, Drift, Entry
from lockproof.reporters.relocked import account_text

ONE = Entry(name="a", version="1", files={"0" * 64: ""})
TWO = replace(ONE, version="2", marker="os_name == 'nt'", files={"0" * 64: "", "1" * 64: ""})
ACCOUNT = Account(lock="r.txt", status="changed", resolver="uv 1", sources=("a.in", "b.in"))


def test_changes_say_how_and_for_whom() -> None:
    cells = tuple(CellLayers(f"c{number}", {"set": "x"}, {"set": "x" if number else "y"}) for number in range(6))
    ids = tuple(cell.id for cell in cells)
    changes = (
        Change(name="moved", kind="moved", old=(ONE,), new=(TWO,), cells=ids),
        Change(name="added", kind="added", old=(), new=(ONE, TWO), cells=ids[:5]),
        Change(name="removed", kind="removed", old=(ONE,), new=()),
        Change(name="marked", kind="marker", old=(ONE,), new=(replace(TWO, version="1"),), cells=ids[:1]),
        Change(name="refiled", kind="files", old=(ONE,), new=(replace(TWO, version="1", marker=""),)),
    )
    account = replace(ACCOUNT, changes=changes, cells=cells, compared=("set",), notes=("n",))
    assert account_text(account, verbose=False).splitlines() == [
        "r.txt: 1 moved, 1 added, 1 removed, 1 with other markers, 1 with other files (from a.in, b.in, by uv 1)",
        "    moved 1 -> 2 ; os_name == 'nt'  (all cells)",
        "  + added 1, 2 ; os_name == 'nt'  (c0, c1, c2, c3 and 1 more)",
        "  - removed 1  (no cell)",
        "  ~ marked 1 -> 1 ; os_name == 'nt'  (c0)",
        "  ~ refiled 1: 1 -> 2 files  (no cell)",
        "predicted fingerprints: 1 of 6 change (compared: set; --predict compares whole fingerprints)",
        "  c0: set",
        "  note: n",
    ]


def test_digests_are_shown_when_asked_and_a_cell_without_a_plan_is_told() -> None:
    cells = (CellLayers("c", None, {"set": "y", "files": "f"}), CellLayers("d", {"set": "x"}, {"set": "y"}))
    account = replace(ACCOUNT, cells=cells, compared=("set", "files"))
    assert account_text(account, verbose=False).splitlines()[1:] == [
        "predicted fingerprints: 2 of 2 change (compared: set, files)",
        "  c: the old lock had no plan for it",
        "  d: set",
    ]
    assert account_text(account, verbose=True).splitlines()[2:] == [
        "  c",
        "    set          y",
        "    files        f",
        "  d",
        "    set          x -> y",
    ]


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("made", "made with 0 distributions for 0 cells, from a.in, b.in, by uv 1"),
        ("unchanged", "nothing moved (from a.in, b.in, by uv 1)"),
        ("changed", "no entry changed (from a.in, b.in, by uv 1)"),
        ("unproven", "unproven: not all of its hashes could be held against the index (from a.in, b.in, by uv 1)"),
    ],
)
def test_the_first_line_is_the_answer(status: str, sentence: str) -> None:
    assert account_text(replace(ACCOUNT, status=status), verbose=False) == f"r.txt: {sentence}\n"


def test_drift_is_told_without_what_a_terminal_would_act_on() -> None:
    drift = (Drift("r.txt:3", "a", "is \x1b[31m1"), Drift("r.txt:5", "", "b has no wheel for c"))
    assert account_text(replace(ACCOUNT, status="drift", drift=drift), verbose=False).splitlines()[1:] == [
        "  r.txt:3: a is \\x1b[31m1",
        "  r.txt:5: b has no wheel for c",
    ]
