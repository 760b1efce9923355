"""What outcomes add up to, and the report as JSON."""

from __future__ import annotations

import itertools

import pytest

from lockproof.proof.compare import prove
from lockproof.proof.fingerprint import FileFact
from lockproof.running.outcomes import exit_code, report_to_json
from support.outcomes import MATCH, command, fingerprint, outcome

CODES = {"passed": 0, "failed": 1, "mismatch": 3, "unproven": 4, "unavailable": 4, "predicted": 4, "error": 4}


@pytest.mark.parametrize(("status", "code"), [*CODES.items(), ("skipped", 4)])
def test_one_cell_s_exit_code(status: str, code: int) -> None:
    assert exit_code([outcome(status)]) == code


def test_a_failed_command_is_worse_than_what_stayed_unproven() -> None:
    codes = [outcome(status, commands=(command(2),)).exit_code for status in ("unproven", "mismatch", "error")]
    assert codes == [1, 3, 4]
    assert outcome("unproven", commands=(command(0),)).exit_code == 4


def test_nothing_proven_is_never_green() -> None:
    assert exit_code([]) == 4
    assert exit_code([outcome("skipped"), outcome("skipped")]) == 4
    assert exit_code([outcome("skipped"), outcome("passed")]) == 0


@pytest.mark.parametrize("code", [2, 3, 5])
def test_an_error_has_the_code_of_what_was_raised(code: int) -> None:
    assert exit_code([outcome("passed"), outcome("error", error_code=code), outcome("failed")]) == code


@pytest.mark.parametrize("code", [7, -1, 130])
def test_a_code_that_is_none_of_the_known_ones_is_not_green(code: int) -> None:
    assert exit_code([outcome("passed"), outcome("error", error_code=code)]) == 4


def test_the_most_serious_counts_in_any_order() -> None:
    outcomes = [
        outcome("error", error_code=5),
        outcome("mismatch"),
        outcome("error", error_code=2),
        outcome("failed"),
        outcome("unavailable"),
        outcome("passed"),
        outcome("skipped"),
    ]
    serious = [5, 3, 2, 1, 4, 0, 4]
    for first in range(len(outcomes)):
        for order in itertools.permutations(outcomes[first:], min(3, len(outcomes) - first)):
            left = [serious[outcomes.index(one)] for one in order if one.status != "skipped"]
            expected = min(left, key=[5, 3, 2, 1, 4, 0].index) if left else 4
            assert exit_code(order) == expected


def test_the_report_says_all_of_a_cell() -> None:
    proof = prove(fingerprint(), fingerprint(files={"site/demo/core.py": FileFact("f", "2" * 64, 11)}, artifact=None))
    failed = outcome(
        "mismatch",
        reason="its commands changed it",
        proof=proof,
        predicted=proof.predicted,
        commands=(command(1, note="not of this environment"),),
        seconds={"create": 0.12345, "run": 1.5},
        inputs={"TZ": "UTC"},
        environment="/p/.lockproof/x",
        link="hardlink",
    )
    predicted = proof.predicted
    assert report_to_json([failed, outcome("skipped", reason="no")], 3) == {
        "schema": "lockproof/report/v1",
        "cells": [
            {
                "id": "3.12.1-linux-x86_64",
                "python": "3.12.1",
                "platform": "linux-x86_64",
                "status": "mismatch",
                "reason": "its commands changed it",
                "proof": {
                    "verdict": "mismatch",
                    "tolerated": [],
                    "layer": "files",
                    "predicted": {"digest": predicted.digest, "layers": dict(predicted.layers)},
                    "observed": {"digest": proof.observed.digest, "layers": dict(proof.observed.layers)},
                    "findings": [
                        {
                            "code": "file-changed",
                            "path": "site/demo/core.py",
                            "message": f"demo 1.0: expected sha256 {'1' * 64} (10 bytes), "
                            f"found sha256 {'2' * 64} (11 bytes)",
                            "level": "mismatch",
                        }
                    ],
                },
                "commands": [
                    {
                        "argv": ["pytest", "-q"],
                        "exit_code": 1,
                        "seconds": 1.5,
                        "log": "/logs/x.log",
                        "note": "not of this environment",
                    }
                ],
                "seconds": {"create": 0.123, "prove": 0.0, "run": 1.5},
                "inputs": {"TZ": "UTC"},
                "environment": "/p/.lockproof/x",
                "installer": "lockproof",
                "package": "none",
                "link": "hardlink",
            },
            {
                "id": "3.12.1-linux-x86_64",
                "python": "3.12.1",
                "platform": "linux-x86_64",
                "status": "skipped",
                "reason": "no",
                "proof": None,
                "commands": [],
                "seconds": {"create": 0.0, "prove": 0.0, "run": 0.0},
                "inputs": {},
                "environment": None,
                "installer": "lockproof",
                "package": "none",
                "link": None,
            },
        ],
        "exit_code": 3,
    }


def test_a_predicted_cell_is_unproven_in_the_report() -> None:
    rows = report_to_json([outcome("predicted", predicted=MATCH.predicted)], 4)["cells"]
    assert isinstance(rows, list)
    summary = {"digest": MATCH.predicted.digest, "layers": dict(MATCH.predicted.layers)}
    assert rows[0]["proof"] == {"verdict": "unproven", "predicted": summary, "observed": None, "findings": []}
