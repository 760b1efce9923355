"""Cells that are out on a cluster: whatever happens to their workers and to the scheduler, each gets its outcome."""

from __future__ import annotations

import hashlib
import json
import threading
import zlib
from asyncio import CancelledError
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from lockproof import __version__
from lockproof.build.projecttree import ProjectTree
from lockproof.cluster import executor
from lockproof.cluster.executor import ClusterCells
from lockproof.cluster.offers import resources_for
from lockproof.errors import UnavailableError
from lockproof.locks.artifacts import Plan
from support.lockdata import cell
from support.outcomes import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from lockproof.cluster.connection import Cluster, Task
    from lockproof.environments.workspace import Workspace
    from lockproof.running.cellcommands import Options
    from lockproof.running.outcomes import Listener, Outcome
    from lockproof.running.preparation import Job

CELL = cell()
OFFER = resources_for(CELL, __version__)
NO_ANSWER = {
    "status": "passed", "reason": "", "error_code": 0, "observed": None, "interpreter": {}, "findings": [],
    "commands": [], "seconds": {}, "inputs": {}, "environment": "", "link": "", "log": "",
}  # fmt: skip


DATA = b"x = 1\n"
HASH = hashlib.sha256(DATA).hexdigest()


class Quiet:
    """A listener that keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def phase(self, *_said: object) -> None:
        """Nothing."""

    output = phase

    def note(self, message: str) -> None:
        self.notes.append(message)


class FakeCluster:
    """Runs the test's script where a cell is submitted; `deaf` is a worker that takes no files."""

    def __init__(self, script: Callable[[FakeCluster], None], deaf: str = "") -> None:
        self.script, self.deaf = script, deaf
        self.there = {"tcp://a:1": OFFER, "tcp://b:1": OFFER}
        self.cancelled = 0
        self.told: Callable[[Mapping[str, object]], None] = print  # replaced when the connection is made
        self.task = SimpleNamespace(key="", status="pending", add_done_callback=self.begin, result=self.result)

    def begin(self, done: Callable[[object], None]) -> None:
        self.done = done
        self.script(self)

    def result(self) -> bytes:
        if self.task.status == "cancelled":
            raise CancelledError
        return zlib.compress(json.dumps(NO_ANSWER).encode())

    def submit(self, key: str, _request: bytes, resources: Mapping[str, float]) -> Task:
        assert resources == OFFER
        self.task.key = key
        return cast("Task", self.task)

    def tell(self, **event: object) -> None:
        self.told({**event, "cell": self.task.key})

    def finish(self, status: str = "finished") -> None:
        self.task.status = status
        self.done(self.task)

    def send(self, worker: str, _sender: str, _pieces: object) -> None:
        if worker == self.deaf:
            raise UnavailableError("files can't be sent to a worker", where=worker)

    def workers(self) -> Mapping[str, Mapping[str, float]]:
        return self.there

    def lost(self) -> UnavailableError:
        return UnavailableError("the scheduler has gone")

    def cancel(self, tasks: Sequence[Task]) -> None:
        self.cancelled += len(tasks)

    def close(self) -> None:
        """Nothing."""


def run(tmp_path: Path, cluster: FakeCluster) -> Outcome:
    """What comes of the one cell; its log is log.txt."""
    (tmp_path / "a.py").write_bytes(DATA)
    tree = ProjectTree(root=tmp_path, files={"a.py": f"f {HASH}"})

    def connect(told: Callable[[Mapping[str, object]], None]) -> Cluster:
        cluster.told = told
        return cast("Cluster", cluster)

    cells = ClusterCells(
        cast("Options", SimpleNamespace(
            environ={}, lock_sha256="0" * 64, posargs=(), recreate=False, install_only=False, paranoid=False
        )),
        connect=connect,
        project=lambda: tree,
        identity="1" * 64,
        workspace=cast("Workspace", SimpleNamespace(log=lambda _: tmp_path / "log.txt")),
        listener=cast("Listener", Quiet()),
        patience=0.0,
    )  # fmt: skip
    plan = Plan(cell=CELL, artifacts=(), selector="")
    job = cast("Job", SimpleNamespace(plan=plan, cell=CELL, predicted=fingerprint(), project=None, entries=()))
    cells.create_together([job])
    try:
        return cells.run(job)
    finally:
        cells.release()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "_LOOK_AGAIN", 0.01)


def started(cluster: FakeCluster, worker: str = "tcp://a:1") -> None:
    cluster.tell(started=worker, worker=worker)


def test_a_passed_cell_without_an_environment_is_an_error(tmp_path: Path) -> None:
    def script(cluster: FakeCluster) -> None:
        started(cluster)
        cluster.tell(output=["one", "two"], worker="tcp://a:1")
        cluster.finish()

    cluster = FakeCluster(script)
    outcome = run(tmp_path, cluster)
    assert (outcome.status, outcome.exit_code, outcome.worker) == ("error", 4, "tcp://a:1")
    assert (tmp_path / "log.txt").read_text() == "one\ntwo\n"
    assert cluster.cancelled == 0


def test_a_worker_that_takes_no_files_and_is_there_ends_the_cell(tmp_path: Path) -> None:
    def script(cluster: FakeCluster) -> None:
        started(cluster)
        cluster.tell(need=[HASH], worker="tcp://a:1")

    cluster = FakeCluster(script, deaf="tcp://a:1")
    outcome = run(tmp_path, cluster)
    assert (outcome.status, outcome.reason, outcome.exit_code) == (
        "error", "tcp://a:1: files can't be sent to a worker", 4,
    )  # fmt: skip
    assert cluster.cancelled == 1


def test_a_worker_that_is_lost_while_files_are_sent_costs_only_time(tmp_path: Path) -> None:
    class Lost(FakeCluster):
        looks = 0

        def workers(self) -> Mapping[str, Mapping[str, float]]:
            self.looks += 1
            if self.looks == 3:  # once at the beginning; then a look after files could not be sent
                started(self, "tcp://b:1")
                self.finish()
            return {"tcp://b:1": OFFER} if self.looks > 1 else self.there

    def script(cluster: FakeCluster) -> None:
        started(cluster)
        cluster.tell(need=[HASH], worker="tcp://a:1")

    outcome = run(tmp_path, Lost(script, deaf="tcp://a:1"))
    assert (outcome.worker, outcome.reason) == (
        "tcp://b:1", "tcp://b:1 says that it passed, and shows no environment",
    )  # fmt: skip


def test_a_cell_that_no_worker_is_there_for_any_more_is_given_up(tmp_path: Path) -> None:
    def script(cluster: FakeCluster) -> None:
        started(cluster)
        cluster.there = {}

    outcome = run(tmp_path, FakeCluster(script))
    assert (outcome.status, outcome.exit_code) == ("error", 4)
    assert "tcp://a:1, which ran it, is gone" in outcome.reason


def test_a_worker_that_is_lost_before_its_answer_has_come_costs_only_time(tmp_path: Path) -> None:
    class Lost(FakeCluster):
        brought = threading.Event()

        def result(self) -> bytes:
            self.task.status = "lost"
            started(self, "tcp://b:1")
            self.tell(need=[HASH], worker="tcp://b:1")
            assert self.brought.wait(60), "nobody has heard what the other worker needs"
            return super().result()

        def send(self, worker: str, sender: str, pieces: object) -> None:
            super().send(worker, sender, pieces)
            self.brought.set()

    def script(cluster: FakeCluster) -> None:
        started(cluster)
        cluster.finish()

    outcome = run(tmp_path, Lost(script))
    assert (outcome.worker, outcome.reason) == (
        "tcp://b:1", "tcp://b:1 says that it passed, and shows no environment",
    )  # fmt: skip


def test_what_a_task_raises_is_an_error_of_its_cell(tmp_path: Path) -> None:
    class Killed(FakeCluster):
        def result(self) -> bytes:
            raise RuntimeError("one worker after another")

    outcome = run(tmp_path, Killed(lambda own: own.finish("error")))
    assert (outcome.status, outcome.exit_code) == ("error", 4)
    assert outcome.reason == "no worker has brought the cell to its end: RuntimeError: one worker after another"


def test_a_scheduler_that_goes_is_an_error_of_each_cell(tmp_path: Path) -> None:
    cluster = FakeCluster(lambda own: own.finish("cancelled"))
    outcome = run(tmp_path, cluster)
    assert (outcome.status, outcome.reason, outcome.exit_code) == ("error", "the scheduler has gone", 4)


def test_a_log_that_can_t_be_kept_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "log.txt").mkdir()
    outcome = run(tmp_path, FakeCluster(started))
    assert (outcome.status, outcome.exit_code) == ("error", 4)
    assert "the cell's log can't be kept" in outcome.reason
