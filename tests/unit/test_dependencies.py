"""The closure of jobs over wheels in a store, and the answers that are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockproof.build.projecttree import ProjectTree
from lockproof.locks.artifacts import Plan
from lockproof.proof.dependencies import Dependencies
from lockproof.running.preparation import InstalledProject, Job
from lockproof.wheels.store import Store
from support.environments import artifact_of, predicted, stored
from support.lockdata import cell
from support.wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def job_of(folder: Path, wheels: Sequence[Path], *extras: str, project: str = "") -> Job:
    entries = stored(Store(folder / "store"), wheels)
    plan = Plan(cell=cell(extras=extras), artifacts=tuple(map(artifact_of, wheels)), selector="packaging 1")
    own = InstalledProject(name=project, tree=ProjectTree(root=folder, files={})) if project else None
    return Job(plan=plan, interpreter=None, entries=tuple(entries), predicted=predicted(entries), project=own)


def messages(job: Job) -> list[str]:
    return [finding.message for finding in job.predicted.findings]


def test_a_whole_job_stays_as_it_is(tmp_path: Path) -> None:
    job = job_of(tmp_path, [make_wheel(tmp_path, "a", "1.0", requires=["b"]), make_wheel(tmp_path, "b", "1.0")])
    assert Dependencies(tmp_path / "kept").checked(job) is job


def test_the_prediction_tells_what_is_missing_and_keeps_its_digest(tmp_path: Path) -> None:
    job = job_of(tmp_path, [make_wheel(tmp_path, "a", "1.0", requires=["b", "c; extra == 'x'"])])
    for _ in range(2):
        checked = Dependencies(tmp_path / "kept").checked(job)
        assert messages(checked) == ["a 1.0 requires b, which is not there"]
        assert checked.predicted.digest == job.predicted.digest


def test_the_extras_of_a_cell_are_those_of_its_project(tmp_path: Path) -> None:
    wheels = [make_wheel(tmp_path, "a", "1.0", requires=["c; extra == 'x'"])]
    dependencies = Dependencies(tmp_path / "kept")
    assert messages(dependencies.checked(job_of(tmp_path, wheels, "x"))) == []
    assert messages(dependencies.checked(job_of(tmp_path, wheels, "x", project="a"))) == [
        "a 1.0 requires c, which is not there"
    ]


def test_an_answer_that_was_kept_is_not_worked_out_again(tmp_path: Path) -> None:
    job = job_of(tmp_path, [make_wheel(tmp_path, "a", "1.0", requires=["b"])])
    Dependencies(tmp_path / "kept").checked(job)
    (kept,) = (tmp_path / "kept").iterdir()
    kept.write_text('[["requires", "p", "as it was kept", "note"]]')
    assert messages(Dependencies(tmp_path / "kept").checked(job)) == ["as it was kept"]
    for broken in ("{", "[1]", '[["a", "b"]]', "{}"):
        kept.write_text(broken)
        assert messages(Dependencies(tmp_path / "kept").checked(job)) == ["a 1.0 requires b, which is not there"]
