"""A worker's answer held against the client's own prediction: what a worker says is right is proven here once more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lockproof.proof.compare import prove
from lockproof.proof.fingerprint import Finding, interpreter_digest, platform_digest
from lockproof.proof.policy import apply
from lockproof.proof.pythonfacts import misfits
from lockproof.running.outcomes import Outcome, first_reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockproof.cluster.messages import Answer
    from lockproof.proof.compare import Proof
    from lockproof.proof.fingerprint import Fingerprint
    from lockproof.running.preparation import Job

_KINDS = {"version": ("interpreter", "scripts/python")}


def judged(job: Job, answer: Answer, worker: str, commands: Sequence[Sequence[str]]) -> Outcome:
    """The outcome of a cell that ran on a worker. Nothing is better than what the worker says; it can be worse.

    `commands` are the argument lists of all that had to be run: a cell has passed only where the worker ran them all.

    The interpreter is predicted to be the one that the worker declares, which must be of the cell's version and
    platform; everything else comes from the client's own wheels.
    """
    predicted = job.predicted if answer.observed is None else _on_worker(job.predicted, answer, answer.observed)
    proof = None if answer.observed is None else _proof(job, answer, predicted, answer.observed)
    status, reason, code = answer.status, answer.reason, answer.error_code
    if status in ("passed", "failed"):
        if proof is None:
            status, reason, code = "error", f"{worker} says that it {status}, and shows no environment", 4
        elif proof.verdict != "match":
            status, reason = proof.verdict, f"what {worker} observed is not what the lock says: {first_reason(proof)}"
        elif status == "passed" and any(result.exit_code for result in answer.commands):
            status, reason = "failed", f"{worker} says that it passed, and that a command of it did not"
        elif status == "passed" and [list(result.argv) for result in answer.commands] != list(map(list, commands)):
            status, reason, code = "error", f"{worker} says that it passed, and did not run the cell's commands", 4
    return Outcome(
        cell=job.cell,
        status=status,
        reason=reason,
        proof=proof,
        predicted=predicted,
        commands=answer.commands,
        seconds=answer.seconds,
        inputs=answer.inputs,
        environment=answer.environment,
        link=answer.link,
        error_code=code,
        worker=worker,
    )


def _on_worker(predicted: Fingerprint, answer: Answer, observed: Fingerprint) -> Fingerprint:
    """The prediction for the interpreter that the worker declares, and for the platform that it runs on."""
    layers = {**predicted.layers, "interpreter": interpreter_digest(answer.interpreter)}
    if observed.platform:
        layers["platform"] = platform_digest(observed.platform)
    same = answer.interpreter == observed.interpreter
    return replace(
        predicted,
        layers=layers,
        interpreter=answer.interpreter,
        interpreter_files=observed.interpreter_files if same else {},
        platform=observed.platform,
    )


def _proof(job: Job, answer: Answer, predicted: Fingerprint, observed: Fingerprint) -> Proof:
    """The client's proof, with everything else that the worker found, and what does not fit the cell."""
    proof = apply(job.cell.policy, prove(predicted, observed))
    told = [finding for finding in answer.findings if finding not in proof.findings]
    against = [*_misfits(job, observed), *(finding for finding in told if finding.level != "note")]
    notes = [finding for finding in told if finding.level == "note"]
    levels = {finding.level for finding in against}
    verdict = proof.verdict
    if "mismatch" in levels:
        verdict = "mismatch"
    elif "unproven" in levels and verdict == "match":
        verdict = "unproven"
    return replace(proof, verdict=verdict, findings=(*against, *proof.findings, *notes))


def _misfits(job: Job, observed: Fingerprint) -> list[Finding]:
    """What the worker declares and the cell does not ask for."""
    return [
        Finding(*_KINDS.get(fact, ("platform", "platform")), f"{fact}: expected {expected}, found {found or 'nothing'}")
        for fact, expected, found in misfits(job.cell.python, job.cell.platform, observed)
    ]
