"""The fan-in: what makes it red, and that nothing it does not know is overlooked."""

from __future__ import annotations

from dataclasses import replace

from lockproof.cells.policykeys import BUILD, Policy
from lockproof.proof.fanin import fan_in_to_json, gather
from lockproof.proof.fingerprint import FileFact, Finding, Fingerprint
from lockproof.reporters.fanin import fan_in_text
from support.outcomes import fingerprint

OTHER = {"site/demo/core.py": FileFact("f", "2" * 64, 10)}


def predicted(cell: str) -> Fingerprint:
    return fingerprint(about={"cell": cell, "python": "3.12.1", "platform": "linux-x86_64", "selector": "packaging 26"})


def found(cell: str, **more: object) -> Fingerprint:
    about = {"cell": cell, "platform": "linux-x86_64", "verdict": "match"}
    return fingerprint(artifact=None, about=about, **more)  # type: ignore[arg-type]


def judged(*handed_in: tuple[str, Fingerprint], policies: dict[str, Policy] | None = None) -> dict[str, object]:
    result = gather({cell: predicted(cell) for cell in ("a", "b")}, policies or {}, handed_in)
    told = {verdict.cell: verdict.verdict for verdict in result.verdicts}
    return {**told, "exit_code": result.exit_code, "strays": [name for name, _ in result.strays]}


def test_all_that_match_are_green() -> None:
    assert judged(("1", found("a")), ("2", found("b"))) == {"a": "match", "b": "match", "exit_code": 0, "strays": []}


def test_a_missing_one_is_never_green() -> None:
    assert judged(("1", found("a"))) == {"a": "match", "b": "missing", "exit_code": 4, "strays": []}
    assert judged() == {"a": "missing", "b": "missing", "exit_code": 4, "strays": []}
    assert gather({}, {}, []).exit_code == 4


def test_another_file_and_two_that_differ_are_mismatches() -> None:
    changed = found("b", files=OTHER)
    assert judged(("1", found("a")), ("2", changed)) == {"a": "match", "b": "mismatch", "exit_code": 3, "strays": []}
    both = (("1", found("a")), ("2", found("b")), ("3", changed))
    result = gather({cell: predicted(cell) for cell in ("a", "b")}, {}, both)
    assert [verdict.verdict for verdict in result.verdicts] == ["match", "mismatch"]
    assert result.verdicts[1].why.startswith("two fingerprints of it differ: 2 and 3: ")
    assert result.verdicts[1].sources == ("2", "3")
    assert judged(*both[:2], ("again", found("b")))["exit_code"] == 0


def test_what_belongs_to_no_cell_is_told_and_red() -> None:
    stray = judged(("1", found("a")), ("2", found("b")), ("3", found("c")), ("4", fingerprint()))
    assert stray == {"a": "match", "b": "match", "exit_code": 3, "strays": ["3", "4"]}


def test_like_cells_must_have_one_interpreter_unless_a_policy_says_otherwise() -> None:
    unknown = {}
    for cell in ("a", "b"):
        whole = predicted(cell)
        layers = {name: digest for name, digest in whole.layers.items() if name != "interpreter"}
        unknown[cell] = replace(whole, layers=layers, interpreter={})
    one = ("1", found("a", interpreter={"version": "3.12.1", "build": "one"}))
    other = ("2", found("b", interpreter={"version": "3.12.1", "build": "two"}))
    result = gather(unknown, {}, [one, other])
    assert [verdict.verdict for verdict in result.verdicts] == ["match", "mismatch"]
    assert result.verdicts[1].why == (
        "its interpreter is not that of a, which has the same Python and platform: build: one | two"
    )
    assert "was not predicted" in result.verdicts[0].notes[0]
    tolerant = gather(unknown, {"b": Policy(interpreter=BUILD)}, [one, other])
    assert tolerant.exit_code == 0


def test_an_interpreter_that_was_not_predicted_must_be_the_cell_s_all_the_same() -> None:
    whole = predicted("a")
    layers = {name: digest for name, digest in whole.layers.items() if name != "interpreter"}
    unknown = {"a": replace(whole, layers=layers, interpreter={})}
    another = gather(unknown, {}, [("1", found("a", interpreter={"version": "3.12.2"}))])
    assert [(v.verdict, v.why) for v in another.verdicts] == [
        ("mismatch", "scripts/python version: expected 3.12.1, found 3.12.2")
    ]
    threaded = found("a", interpreter={"version": "3.12.1t", "free-threaded": "yes"})
    assert gather(unknown, {}, [("1", threaded)]).exit_code == 3
    none = replace(found("a"), layers=layers, interpreter={})
    assert [v.verdict for v in gather(unknown, {}, [("1", none)]).verdicts] == ["unproven"]
    elsewhere = replace(found("a"), platform={"system": "linux", "machine": "aarch64", "libc": "glibc"})
    assert [(v.verdict, v.why) for v in gather(unknown, {}, [("1", elsewhere)]).verdicts] == [
        ("mismatch", "platform machine: expected x86_64, found aarch64")
    ]


def test_what_can_t_be_read_is_told_and_is_never_green() -> None:
    result = gather({"a": predicted("a")}, {}, [("1", found("a"))], [("empty.json", "can't be read: it is empty")])
    assert ([v.verdict for v in result.verdicts], result.exit_code) == (["match"], 4)
    assert fan_in_to_json(result)["strays"] == [{"fingerprint": "empty.json", "why": "can't be read: it is empty"}]
    assert "empty.json: can't be read: it is empty\n" in fan_in_text(result, verbose=False)


def test_the_document_tells_all_of_it() -> None:
    finding = Finding("file-changed", "site/demo/core.py", "demo 1.0: not as expected", "unproven")
    result = gather({"a": predicted("a")}, {}, [("1", found("a", findings=(finding,))), ("2", fingerprint())])
    assert fan_in_to_json(result) == {
        "schema": "lockproof/fan-in/v1",
        "cells": [
            {
                "id": "a",
                "verdict": "unproven",
                "why": "site/demo/core.py demo 1.0: not as expected",
                "fingerprints": ["1"],
                "findings": [finding._asdict()],
                "notes": [],
            }
        ],
        "strays": [{"fingerprint": "2", "why": "it doesn't say which cell it is of"}],
        "exit_code": 3,
    }
