"""What came of each cell: statuses, reasons, results, the exit code they add up to, and the JSON report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from lockproof.proof.compare import TOLD
from lockproof.proof.fingerprint import finding_to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lockproof.cells.matrix import Cell
    from lockproof.proof.compare import Proof
    from lockproof.proof.fingerprint import Fingerprint

SCHEMA = "lockproof/report/v1"
# From the most serious to the least: wrong bytes, another environment, no such lock, a failed command, not at hand.
_BY_SERIOUSNESS = (5, 3, 2, 1, 4)
_EXIT_OF_STATUS = {
    "passed": 0,
    "failed": 1,
    "mismatch": 3,
    "unproven": 4,
    "unavailable": 4,
    "predicted": 4,
    "skipped": 0,
    "error": 4,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandResult:
    """One command of a cell: `exit_code` is negative for a signal; `log` is the path of the cell's log file."""

    argv: tuple[str, ...]
    exit_code: int
    seconds: float
    log: str
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of one cell.

    `status` is passed, failed, mismatch, unproven, unavailable, predicted, skipped or error.

    `inputs` are the variables of its commands that change what programs do, such as LANG, TZ and PYTHONHASHSEED.
    `error_code` is the exit code of the error behind status `error`. `seconds` has create, prove and run. `worker` is
    the address of the Dask worker that ran it, where `environment` then lies; empty for this machine.
    """

    cell: Cell
    status: str
    reason: str = ""
    proof: Proof | None = None
    predicted: Fingerprint | None = None
    commands: tuple[CommandResult, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    environment: str = ""
    link: str = ""
    error_code: int = 0
    worker: str = ""

    @property
    def exit_code(self) -> int:
        """What this cell adds to the exit code of the whole: a failed command is worse than what stayed unproven."""
        if self.status == "unproven" and any(result.exit_code for result in self.commands):
            return _EXIT_OF_STATUS["failed"]
        return self.error_code or _EXIT_OF_STATUS[self.status]


class Listener(Protocol):
    """Who is told what happens, from any thread; the runner prints nothing itself."""

    def begun(self, cells: Sequence[Cell], jobs: int) -> None:
        """The cells that will be worked on, and how many at once."""

    def fetching(self, wheels: int, total: int, size: int) -> None:
        """So many of `total` wheels are in the store; `size` bytes were downloaded since the last call."""

    def phase(self, cell: Cell, phase: str) -> None:
        """A cell has come to a phase: waiting, creating, proving, or the command it runs."""

    def output(self, cell: Cell, line: str) -> None:
        """A line that a command of the cell has printed."""

    def finished(self, outcome: Outcome) -> None:
        """A cell is done."""

    def note(self, message: str) -> None:
        """Something worth knowing that changes no outcome."""


def exit_code(outcomes: Iterable[Outcome]) -> int:
    """The exit code of a run: 0 only where something was proven and passed and nothing was less than that.

    Skipped cells weigh nothing, so a run of nothing but skipped cells, or of none, is 4: nothing was proven.
    """
    codes = [outcome.exit_code for outcome in outcomes if outcome.status != "skipped"]
    return next((code for code in _BY_SERIOUSNESS if code in codes), 0 if codes and not any(codes) else 4)


def report_to_json(outcomes: Sequence[Outcome], code: int) -> dict[str, object]:
    """The report `lockproof/report/v1` as plain values."""
    return {"schema": SCHEMA, "cells": [_outcome_to_json(outcome) for outcome in outcomes], "exit_code": code}


def _outcome_to_json(outcome: Outcome) -> dict[str, object]:
    cell = outcome.cell
    return {
        "id": cell.id,
        "python": cell.python,
        "platform": cell.platform.id,
        "status": outcome.status,
        "reason": outcome.reason,
        "proof": _proof_to_json(outcome),
        "commands": [
            {
                "argv": list(result.argv),
                "exit_code": result.exit_code,
                "seconds": round(result.seconds, 3),
                "log": result.log,
                "note": result.note,
            }
            for result in outcome.commands
        ],
        "seconds": {phase: round(outcome.seconds.get(phase, 0.0), 3) for phase in ("create", "prove", "run")},
        "inputs": dict(outcome.inputs),
        "environment": outcome.environment or None,
        "installer": cell.installer,
        "package": cell.package,
        "link": outcome.link or None,
        **({"worker": outcome.worker} if outcome.worker else {}),
    }


def _proof_to_json(outcome: Outcome) -> dict[str, object] | None:
    if outcome.proof is not None:
        proof = outcome.proof
        return {
            "verdict": proof.verdict,
            "layer": proof.layer or None,
            "tolerated": [tolerance._asdict() for tolerance in proof.tolerated],
            "predicted": _summary(proof.predicted),
            "observed": _summary(proof.observed),
            "findings": [finding_to_json(finding) for finding in proof.findings],
        }
    if outcome.predicted is not None:
        told = [finding_to_json(finding) for finding in outcome.predicted.findings if finding.code in TOLD]
        return {"verdict": "unproven", "predicted": _summary(outcome.predicted), "observed": None, "findings": told}
    return None


def _summary(fingerprint: Fingerprint) -> dict[str, object]:
    return {"digest": fingerprint.digest, "layers": dict(fingerprint.layers)}


def first_reason(proof: Proof) -> str:
    """The first thing that counts against a proof, in words."""
    wrong = [finding for finding in proof.findings if finding.level != "note"]
    if not wrong:
        return f"the {proof.layer} layer differs"
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return f"{wrong[0].path} {wrong[0].message}{more}"
