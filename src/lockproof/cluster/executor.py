"""Runs the cells of a run on a cluster: an `Executor` whose cells are tasks of Dask, proven on this side."""

from __future__ import annotations

import json
import queue
import threading
import time
import uuid
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lockproof import __version__
from lockproof.cells.posargs import substitute_posargs
from lockproof.cluster.judging import judged
from lockproof.cluster.messages import Request, answer_from_json, request_to_json
from lockproof.cluster.offers import has_platform, resources_for, why_not
from lockproof.cluster.parcels import parcels
from lockproof.errors import LockproofError, UnavailableError
from lockproof.running.outcomes import Outcome
from lockproof.running.process import allowed_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from lockproof.build.projecttree import ProjectTree
    from lockproof.cells.matrix import Cell
    from lockproof.cluster.connection import Cluster, Task
    from lockproof.environments.workspace import Workspace
    from lockproof.running.cellcommands import Options
    from lockproof.running.outcomes import Listener
    from lockproof.running.preparation import Job

_LOOK_AGAIN = 2.0  # seconds between two looks at what the workers offer, while a cell waits


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fetched:
    """What a task has brought, or why it has not."""

    content: str = ""
    why: str = ""


@dataclass(kw_only=True, slots=True)
class _Flight:
    """A cell that is out: its events as they come, the worker that has it, and the log that is kept here."""

    job: Job
    log: Path
    events: queue.SimpleQueue[Mapping[str, object] | _Fetched] = field(default_factory=queue.SimpleQueue)
    worker: str = ""
    unwanted_since: float | None = None
    unsent: tuple[str, LockproofError] | None = None  # the worker that files did not get to, and why


class ClusterCells:
    """Runs cells on the workers of a cluster; one object serves all threads of a run."""

    local = False

    def __init__(
        self,
        options: Options,
        *,
        connect: Callable[[Callable[[Mapping[str, object]], None]], Cluster],
        project: Callable[[], ProjectTree],
        identity: str,
        workspace: Workspace,
        listener: Listener,
        patience: float,
    ) -> None:
        """`connect` makes the connection, `project` reads the files, `identity` names the project among all clients'.

        A cell that no worker is there for any more waits `patience` seconds for another one. Raises as `Cluster` does.
        """
        self._options = options
        self._project = project
        self._identity = identity
        self._workspace = workspace
        self._listener = listener
        self._patience = patience
        self._run = uuid.uuid4().hex
        self._flights: dict[str, _Flight] = {}
        self._tasks: dict[str, Task] = {}
        self._guard = threading.Lock()
        self._ended = False
        self._files: dict[str, Path] = {}
        self._couriers: dict[str, _Courier] = {}
        self.compiling = True
        self.suspects: set[str] = set()
        self._cluster = connect(self._told)
        self._workers = self._cluster.workers()

    def reaches(self, cell: Cell) -> bool:
        """Whether any worker offers a Python of the cell's platform."""
        return any(has_platform(resources, cell.platform.id) for resources in self._workers.values())

    def problem(self, cell: Cell) -> str:
        """Why no worker can be given the cell; empty where one can."""
        if cell.package == "editable":
            return "an editable project is that of one machine: use package: wheel for cells that run on a cluster"
        return why_not(cell, __version__, self._workers)

    def create_together(self, jobs: Sequence[Job]) -> None:
        """See which files there are to be sent."""
        if not jobs:
            return
        self._tree = next((job.project.tree for job in jobs if job.project), None) or self._project()
        for path, fact in self._tree.files.items():
            kind, _, sha256 = fact.partition(" ")
            if kind != "l":
                self._files[sha256] = self._tree.root / path
        for job in jobs:
            self._files.update((entry.manifest.sha256, entry.archive) for entry in job.entries)

    def start_provers(self, jobs: Sequence[Job], at_once: int) -> None:
        """Nothing: an answer is proven where it arrives."""

    def run(self, job: Job) -> Outcome:
        """What came of the cell, wherever it ran."""
        key = f"lockproof-{self._run}-{job.cell.id}-{uuid.uuid4().hex[:8]}"
        flight = _Flight(job=job, log=self._workspace.log(job.cell.id))
        try:
            return self._fly(key, flight)
        except LockproofError as error:
            return _not_landed(flight, error)
        except OSError as error:
            return _not_landed(
                flight,
                UnavailableError(
                    "the cell's log can't be kept", where=str(flight.log), why=error.strerror or str(error)
                ),
            )
        finally:
            with self._guard:
                self._flights.pop(key, None)
                task = self._tasks.pop(key, None)
            if task is not None and task.status == "pending":
                self._cluster.cancel([task])

    def _fly(self, key: str, flight: _Flight) -> Outcome:
        job = flight.job
        request = json.dumps(request_to_json(self._request(job))).encode()
        self._listener.phase(job.cell, "on its way to a worker")
        with self._guard:
            if self._ended:
                raise KeyboardInterrupt
            self._flights[key] = flight
        task = self._cluster.submit(key, zlib.compress(request, 1), resources_for(job.cell, __version__))
        with self._guard:
            self._tasks[key] = task
        # In a thread: if the worker is lost before the answer has left it, the cell runs again and has events again.
        task.add_done_callback(lambda _: threading.Thread(target=_fetch, args=(task, flight), daemon=True).start())
        while not isinstance(event := self._next(flight), _Fetched):
            self._happened(flight, event)
        return self._landed(flight, task, event)

    def _next(self, flight: _Flight) -> Mapping[str, object] | _Fetched:
        """What happens next to the cell; KeyboardInterrupt where all are ended."""
        while True:
            if self._ended:
                raise KeyboardInterrupt
            try:
                return flight.events.get(timeout=_LOOK_AGAIN)
            except queue.Empty:
                self._refuse_to_wait(flight)

    def _refuse_to_wait(self, flight: _Flight) -> None:
        """Raise UnavailableError where no worker has been there for the cell for too long, or files don't get to it."""
        workers = self._cluster.workers()
        if flight.unsent and flight.unsent[0] in workers:
            raise flight.unsent[1]
        reason = why_not(flight.job.cell, __version__, workers)
        now = time.monotonic()
        if not reason:
            flight.unwanted_since = None
        elif flight.unwanted_since is None:
            flight.unwanted_since = now
        elif now - flight.unwanted_since > self._patience:
            lost = f"{flight.worker}, which ran it, is gone, and " if flight.worker else ""
            raise UnavailableError(f"{lost}{reason}")

    def _happened(self, flight: _Flight, event: Mapping[str, object]) -> None:
        cell = flight.job.cell
        match event:
            case {"started": str(worker)}:
                if flight.worker:
                    self._listener.note(f"{cell.id}: {flight.worker} is lost: it runs again on {worker}")
                flight.worker = worker
                flight.unsent = None
                flight.log.write_bytes(b"")
                self._listener.phase(cell, f"preparing on {worker}")
            case {"phase": str(phase)}:
                self._listener.phase(cell, phase)
            case {"note": str(note)}:
                self._listener.note(f"{flight.worker}: {note}")
            case {"output": [*lines]}:
                with flight.log.open("ab") as log:
                    for line in map(str, lines):
                        log.write(line.encode("utf-8", "surrogateescape") + b"\n")
                        self._listener.output(cell, line)
            case {"need": [*hashes], "worker": str(worker)}:
                self._courier(worker).send([str(sha256) for sha256 in hashes], flight)
            case {"unsent": LockproofError() as error, "worker": str(worker)} if worker == flight.worker:
                flight.unsent = worker, error  # if the worker is lost, the cell runs again on another one

    def _landed(self, flight: _Flight, task: Task, fetched: _Fetched) -> Outcome:
        if fetched.why and task.status in ("cancelled", "lost"):
            raise KeyboardInterrupt if self._ended else self._cluster.lost()
        if fetched.why:
            problem = "no worker has brought the cell to its end"
            raise UnavailableError(problem, where=flight.worker, why=fetched.why)
        answer = answer_from_json(fetched.content, flight.worker, str(flight.log))
        if answer.commands:
            flight.log.write_bytes(answer.log)
        outcome = judged(flight.job, answer, flight.worker, self._commands(flight.job.cell))
        if outcome.link == "symlink" and outcome.status == "mismatch":  # what it changed the others may have seen
            with self._guard:
                self.suspects |= {other.job.cell.id for other in self._flights.values() if other is not flight}
        return outcome

    def _commands(self, cell: Cell) -> list[list[str]]:
        if self._options.install_only:
            return []
        return [substitute_posargs(command, self._options.posargs) for command in cell.commands]

    def _request(self, job: Job) -> Request:
        options, cell = self._options, job.cell
        passed = allowed_environment(options.environ, cell.pass_env, {})
        kept_here = allowed_environment(options.environ, (), {}).keys()  # these are the worker's own: PATH, HOME …
        return Request(
            version=__version__,
            project=self._identity,
            plan=job.plan,
            lock_sha256=options.lock_sha256,
            files=self._tree.files,
            tracked=not self._tree.untracked,
            installed=job.project.name if job.project else "",
            variables={name: value for name, value in passed.items() if name not in kept_here},
            posargs=tuple(options.posargs),
            recreate=options.recreate,
            install_only=options.install_only,
            paranoid=options.paranoid,
        )

    def _told(self, event: Mapping[str, object]) -> None:
        """Give an event to the cell that it is about; in a thread of Dask's, which must not wait."""
        flight = self._flights.get(str(event.get("cell")))
        if flight:
            flight.events.put(event)

    def _courier(self, worker: str) -> _Courier:
        with self._guard:
            if worker not in self._couriers:
                self._couriers[worker] = _Courier(self._cluster, worker, self._run, self._files)
            return self._couriers[worker]

    def idle(self) -> None:
        """Nothing waits here."""

    def end(self) -> None:
        """Have the workers end all cells; the threads that wait for them are woken."""
        with self._guard:
            self._ended = True
            tasks, flights = list(self._tasks.values()), list(self._flights.values())
        self._cluster.cancel(tasks)
        for flight in flights:
            flight.events.put({})

    def release(self) -> None:
        """Leave the cluster."""
        for courier in self._couriers.values():
            courier.stop()
        self._cluster.close()


def _fetch(task: Task, flight: _Flight) -> None:
    try:
        flight.events.put(_Fetched(content=zlib.decompress(task.result()).decode()))
    except BaseException as error:  # noqa: BLE001 - asyncio's CancelledError is no Exception
        flight.events.put(_Fetched(why=f"{type(error).__name__}: {error}"))


def _not_landed(flight: _Flight, error: LockproofError) -> Outcome:
    return Outcome(
        cell=flight.job.cell, status="error", reason=str(error), predicted=flight.job.predicted,
        error_code=error.exit_code, worker=flight.worker,
    )  # fmt: skip


class _Courier:
    """Brings files to one worker, each once, in a thread of its own."""

    def __init__(self, cluster: Cluster, worker: str, sender: str, files: Mapping[str, Path]) -> None:
        self._cluster = cluster
        self._worker = worker
        self._sender = sender
        self._files = files
        self._sent: set[str] = set()
        self._orders: queue.SimpleQueue[tuple[list[str], _Flight] | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def send(self, hashes: list[str], flight: _Flight) -> None:
        """Send what the worker has not been sent; where that fails, its cell is told."""
        self._orders.put((hashes, flight))

    def stop(self) -> None:
        """Send nothing more."""
        self._orders.put(None)

    def _work(self) -> None:
        while order := self._orders.get():
            hashes, flight = order
            try:
                for parcel in parcels(self._files, [sha256 for sha256 in hashes if sha256 not in self._sent]):
                    self._cluster.send(self._worker, self._sender, parcel)
                self._sent.update(hashes)
            except LockproofError as error:
                flight.events.put({"unsent": error, "worker": self._worker})
