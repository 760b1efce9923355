"""A worker's answer held against the client's prediction: never better than the worker says, and worse where it is."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from lockproof.cluster.judging import judged
from lockproof.cluster.messages import Answer
from lockproof.locks.artifacts import Plan
from lockproof.proof.fingerprint import FileFact, Finding, interpreter_digest, platform_digest
from support.lockdata import cell
from support.outcomes import command, fingerprint

if TYPE_CHECKING:
    from lockproof.proof.fingerprint import Fingerprint
    from lockproof.running.outcomes import CommandResult, Outcome
    from lockproof.running.preparation import Job

PYTHON = {"version": "3.12.1", "build": "of the worker"}
PLATFORM = {"system": "linux", "machine": "x86_64", "libc": "glibc", "glibc version": "2.36"}
WORKER = "tcp://a:1"


def seen(*, python: dict[str, str] = PYTHON, platform: dict[str, str] = PLATFORM, **more: object) -> Fingerprint:
    """What a worker observed."""
    found = fingerprint(artifact=None, interpreter=python, **more)  # type: ignore[arg-type]
    layers = {**found.layers, "interpreter": interpreter_digest(python), "platform": platform_digest(platform)}
    return replace(found, layers=layers, platform=platform)


def answer(**changes: object) -> Answer:
    whole = {"status": "passed", "observed": seen(), "interpreter": PYTHON, "commands": (command(),), **changes}
    return Answer(**whole)  # type: ignore[arg-type]


def judge(given: Answer, *, project: str = "") -> Outcome:
    own = fingerprint()
    layers = {name: digest for name, digest in own.layers.items() if name != "interpreter"}
    predicted = replace(own, interpreter={}, layers={**layers, **({"project": project} if project else {})})
    plan = Plan(cell=cell(), artifacts=(), selector="")
    job = SimpleNamespace(plan=plan, cell=plan.cell, predicted=predicted)
    return judged(cast("Job", job), given, WORKER, [command().argv])


def test_what_fits_the_prediction_is_a_match_for_the_worker_s_interpreter() -> None:
    outcome = judge(answer(link="copy", environment="/there"))
    assert outcome.proof
    assert (outcome.status, outcome.reason, outcome.proof.verdict) == ("passed", "", "match")
    assert (outcome.worker, outcome.link, outcome.environment) == (WORKER, "copy", "/there")
    assert outcome.proof.predicted.interpreter == PYTHON
    assert outcome.proof.predicted.digest == outcome.proof.observed.digest


def test_a_file_that_differs_is_found_here_whatever_the_worker_says() -> None:
    other = seen(files={"site/demo/core.py": FileFact("f", "2" * 64, 10)})
    outcome = judge(answer(observed=other))
    assert outcome.proof
    assert (outcome.status, outcome.exit_code, outcome.proof.verdict) == ("mismatch", 3, "mismatch")
    assert outcome.reason.startswith(f"what {WORKER} observed is not what the lock says: site/demo/core.py")


@pytest.mark.parametrize("status", ["mismatch", "unproven", "error", "unavailable", "failed"])
def test_what_a_worker_finds_wrong_stays_wrong(status: str) -> None:
    outcome = judge(answer(status=status, reason="it says so", error_code=4 if status == "error" else 0))
    assert (outcome.status, outcome.reason) == (status, "it says so")
    assert outcome.exit_code != 0


@pytest.mark.parametrize("level", ["mismatch", "unproven"])
def test_findings_that_only_the_worker_has_count(level: str) -> None:
    finding = Finding("bytecode-changed", "site/demo/core.py", "has bytecode that was changed", level)
    outcome = judge(answer(findings=(finding,)))
    assert outcome.proof
    assert (outcome.status, outcome.proof.findings) == (level, (finding,))


def test_a_note_of_the_worker_is_kept_and_changes_nothing() -> None:
    note = Finding("project-changed", "a.py", "was changed", "note")
    outcome = judge(answer(findings=(note,)))
    assert outcome.proof
    assert (outcome.status, outcome.proof.findings) == ("passed", (note,))


def test_who_shows_no_environment_has_not_passed() -> None:
    outcome = judge(answer(observed=None))
    assert (outcome.status, outcome.exit_code) == ("error", 4)


def test_who_passed_with_a_command_that_did_not_has_failed() -> None:
    assert judge(answer(commands=(command(), command(3)))).status == "failed"


@pytest.mark.parametrize("ran", [(), (command(), command()), (command(argv=("true",)),)])
def test_who_passed_without_the_cell_s_own_commands_has_not_passed(ran: tuple[CommandResult, ...]) -> None:
    outcome = judge(answer(commands=ran))
    assert (outcome.status, outcome.exit_code) == ("error", 4)
    assert outcome.reason == f"{WORKER} says that it passed, and did not run the cell's commands"


@pytest.mark.parametrize(
    ("python", "platform", "path"),
    [
        ({**PYTHON, "version": "3.12.2"}, PLATFORM, "scripts/python"),
        ({**PYTHON, "version": "3.12.1t", "free-threaded": "yes"}, PLATFORM, "scripts/python"),
        ({"build": "of no version"}, PLATFORM, "scripts/python"),
        (PYTHON, {**PLATFORM, "machine": "aarch64"}, "platform"),
        (PYTHON, {**PLATFORM, "libc": "musl"}, "platform"),
        (PYTHON, {}, "platform"),
    ],
)
def test_an_interpreter_or_a_platform_that_the_cell_does_not_ask_for_is_a_mismatch(
    python: dict[str, str], platform: dict[str, str], path: str
) -> None:
    outcome = judge(answer(observed=seen(python=python, platform=platform), interpreter=python))
    assert outcome.proof
    assert outcome.status == "mismatch"
    assert path in {finding.path for finding in outcome.proof.findings if finding.level == "mismatch"}


def test_an_environment_of_another_interpreter_than_the_declared_one_is_a_mismatch() -> None:
    assert judge(answer(interpreter={**PYTHON, "build": "another"})).status == "mismatch"


def test_the_project_s_files_must_be_those_that_the_client_has() -> None:
    right = replace(seen(), layers={**seen().layers, "project": "sha256:" + "1" * 64})
    assert judge(answer(observed=right), project="sha256:" + "1" * 64).status == "passed"
    assert judge(answer(observed=right), project="sha256:" + "2" * 64).status == "mismatch"
