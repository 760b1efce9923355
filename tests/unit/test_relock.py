"""Two states of a lock compared: what changed, which cells that touches, what drifted."""

from __future__ import annotations

from lockproof.errors import LockError
from lockproof.locks.artifacts import Artifact, Plan
from lockproof.locks.requirements import parse_requirements
from lockproof.proof.fingerprint import Distribution, artifacts_digest, set_digest
from lockproof.relocking.relock import (
    Account,
    Change,
    Drift,
    Entry,
    account_to_json,
    changes,
    drift_of_cells,
    drift_of_changes,
    drift_of_hashes,
    entries_of_lock,
    entries_of_pins,
    kept,
    layers_of_plan,
    outgrown,
    unproven_hashes,
    with_cells,
)
from support.lockdata import cell, hex_of, listed, package, pylock

A, B, C = (hex_of(text) for text in "abc")


def entry(name: str, version: str = "1.0", marker: str = "", *hashes: str, where: str = "") -> Entry:
    return Entry(name=name, version=version, marker=marker, files=dict.fromkeys(hashes or (A,), ""), where=where)


def plan_of(*pins: tuple[str, str], python: str = "3.12.1") -> Plan:
    artifacts = tuple(
        Artifact(
            name=name, version=version, filename=f"{name}-{version}-py3-none-any.whl", sha256=hex_of(name + version)
        )
        for name, version in pins
    )
    return Plan(cell=cell(python), artifacts=artifacts, selector="test")


def test_entries_of_both_formats_are_the_same() -> None:
    text = f"Demo==1.0 ; python_version < '3.13' \\\n    --hash=sha256:{hex_of('demo-1.0-py3-none-any.whl')}\n"
    pins = entries_of_pins(parse_requirements(text, "requirements.txt", lambda _: "", {}))
    lock = pylock(package("demo", "demo-1.0-py3-none-any.whl", version="1.0", marker="python_version < '3.13'"))
    assert pins == (entry("demo", "1.0", 'python_version < "3.13"', hex_of("demo-1.0-py3-none-any.whl")),)
    assert changes(pins, entries_of_lock(lock)) == ()
    assert [pins[0].where, entries_of_lock(lock)[0].where] == ["requirements.txt:1", "pylock.toml:3"]


def test_every_kind_of_change_is_told_apart() -> None:
    old = [entry("gone"), entry("moved"), entry("marked"), entry("same"), entry("refiled"), entry("fork", "1", "x"),
           entry("fork", "2", "y")]  # fmt: skip
    new = [entry("fork", "2", "y"), entry("fork", "1", "x"), entry("same"), entry("moved", "2.0"), entry("new"),
           entry("marked", "1.0", "z"), entry("refiled", "1.0", "", A, B)]  # fmt: skip
    assert [(change.name, change.kind) for change in changes(old, new)] == [
        ("gone", "removed"), ("marked", "marker"), ("moved", "moved"), ("new", "added"), ("refiled", "files"),
    ]  # fmt: skip


def test_cells_are_touched_by_what_their_plans_change() -> None:
    found = changes([entry("a"), entry("b")], [entry("a", "2.0"), entry("b", "1.0", "m")])
    old = [plan_of(("a", "1.0"), ("b", "1.0")), None]
    new = [plan_of(("a", "2.0"), ("b", "1.0")), plan_of(("a", "2.0"), python="3.13.0")]
    ids = [plan.cell.id for plan in new]
    assert [(change.name, change.cells) for change in with_cells(found, old, new)] == [("a", tuple(ids)), ("b", ())]


def test_the_layers_of_a_plan_are_those_of_the_prediction() -> None:
    plan = plan_of(("a", "1.0"))
    (artifact,) = plan.artifacts
    placed = Distribution(name="a", version="1.0", files="", artifact=(artifact.filename, artifact.sha256))
    assert layers_of_plan(plan) == {"set": set_digest([("a", "1.0")]), "artifacts": artifacts_digest([placed])}


def test_drift_says_where_and_what_and_leaves_later_uploads_out() -> None:
    old = [
        entry("moved", where="r:1"),
        entry("marked", where="r:2"),
        entry("gone", where="r:3"),
        entry("f", where="r:4"),
    ]
    new = [entry("moved", "2"), entry("marked", "1.0", "m"), entry("new"), entry("f", "1.0", "", A, B)]
    assert list(drift_of_changes(changes(old, new), "r")) == [
        Drift("r:3", "gone", "is 1.0, and no source asks for it"),
        Drift("r:2", "marked", "is for every environment, and its sources give it for m"),
        Drift("r:1", "moved", "is 1.0, and its sources give 2"),
        Drift("r", "new", "is missing; its sources give 1.0"),
    ]


def test_what_no_cell_can_be_planned_on_is_drift_a_line_each() -> None:
    problems = [
        LockError("two are built", where="r", why="no hash\n  r:1: a has no wheel: none\n  and more"),
        LockError("w"),
    ]
    assert list(drift_of_cells(problems)) == [
        Drift("r", "", "two are built: no hash"),
        Drift("r:1", "", "a has no wheel: none"),
        Drift("r", "", "and more"),
        Drift("", "", "w"),
    ]


def test_hashes_are_held_against_the_index_with_the_line_of_each() -> None:
    text = f"x\n{A}\n{B}\n"
    entries = [entry("demo", "1.0", "", A, B, where="r:1"), entry("lost", "2.0", where="r:9")]
    listing = {("demo", "1.0"): [listed("demo-1.0.tar.gz", A), listed("demo-1.0-py3-none-any.whl", C)]}
    assert list(drift_of_hashes(entries, listing, text, "r")) == [
        Drift("r:3", "demo", f"sha256:{B[:16]}… is no file that the index has for 1.0"),
        Drift("r:2", "lost", "the index has no file of 2.0"),
    ]
    assert unproven_hashes(entries, listing) == ()


def test_a_hash_under_another_files_name_is_drift() -> None:
    lied = Entry(name="demo", version="1.0", files={A: "demo-1.0-py3-none-any.whl"})
    listing = {("demo", "1.0"): [listed("demo-1.0.tar.gz", A)]}
    assert [drift.what for drift in drift_of_hashes([lied], listing, "", "r")] == [
        f"sha256:{A[:16]}… is demo-1.0.tar.gz in the index, and demo-1.0-py3-none-any.whl in the lock"
    ]


def test_later_uploads_are_told_of_bare_hashes_by_the_index_of_named_files_by_the_resolver() -> None:
    listing = {(name, "1.0"): [listed("x", A), listed("y", B)] for name in ("bare", "named", "full")}
    named = Entry(name="named", version="1.0", files={A: "x"})
    entries = [entry("bare"), entry("full", "1.0", "", A, B), named]
    assert list(outgrown(entries, entries, listing)) == [entries[0]]
    new = [*entries[:2], Entry(name="named", version="1.0", files={A: "x", B: "y"})]
    assert list(outgrown(entries, new, listing)) == [entries[0], named]


def test_an_index_without_hashes_proves_nothing() -> None:
    listing = {("demo", "1.0"): [listed("demo-1.0.tar.gz", None)]}
    assert unproven_hashes([entry("demo")], listing) == ("demo",)


def test_what_stays_is_what_has_its_version_and_was_not_let_go() -> None:
    old = [entry("a"), entry("b"), entry("c")]
    assert kept(old, [entry("a"), entry("b"), entry("c", "2.0")], ["b"]) == (entry("a"),)


def test_the_account_says_its_exit_code_and_all_of_its_changes_in_json() -> None:
    moved = Change(name="a", kind="moved", old=(entry("a"),), new=(entry("a", "2.0", "m"),), cells=("c1",))
    account = Account(
        lock="r", status="drift", resolver="uv 1", sources=("a.in",), changes=(moved,), drift=(Drift("r:1", "", "w"),)
    )
    assert account_to_json(account) == {
        "schema": "lockproof/lock/v1",
        "lock": "r",
        "status": "drift",
        "resolver": "uv 1",
        "sources": ["a.in"],
        "changes": [
            {
                "name": "a",
                "change": "moved",
                "old": [{"version": "1.0", "marker": None, "files": 1}],
                "new": [{"version": "2.0", "marker": "m", "files": 1}],
                "cells": ["c1"],
            }
        ],
        "compared": [],
        "cells": [],
        "drift": [{"where": "r:1", "name": None, "what": "w"}],
        "notes": [],
        "exit_code": 3,
    }
