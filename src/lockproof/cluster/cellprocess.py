"""One cell on a worker, in a process of its own: `python -m lockproof.cluster.cellprocess CACHE [--from-index]`.

A line of JSON each: on standard input first the request, then that what was asked for is there. On standard output what
happens, at last the answer. Where the input ends, the worker has died or nobody wants the cell any more: then the
process groups of its commands are ended, and so is this process.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from lockproof.cluster.messages import answer_to_json, request_from_json
from lockproof.cluster.parcels import Received, ShippedTree, lay_out
from lockproof.environments.workspace import Workspace
from lockproof.errors import HashMismatchError, LockproofError, UnavailableError
from lockproof.pythons.interpreters import Discovery, find_interpreter
from lockproof.running.cellcommands import Options
from lockproof.running.cellrun import CellRunner
from lockproof.running.outcomes import Outcome
from lockproof.running.preparation import Fetching, InstalledProject, make_job
from lockproof.running.process import Processes, allowed_environment
from lockproof.wheels.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lockproof.cells.matrix import Cell
    from lockproof.cluster.messages import Request
    from lockproof.indexes.download import Downloader
    from lockproof.locks.artifacts import Artifact
    from lockproof.pythons.interpreters import Interpreter
    from lockproof.running.preparation import Job
    from lockproof.wheels.store import StoreEntry

KEPT = ".lockproof"  # what stays of a project's folder from one run to the next: its environments
_LONGEST_LOG = 32 << 20  # bytes of a log that go back: its end


class Wire:
    """The pipe to the worker, and what a run tells its listener, as lines on it."""

    def __init__(self, stream: TextIO) -> None:
        """Write to `stream`, which nothing else writes to."""
        self._stream = stream
        self._guard = threading.Lock()

    def send(self, **event: object) -> None:
        """One event."""
        with self._guard:
            self._stream.write(json.dumps(event) + "\n")
            self._stream.flush()

    def begun(self, cells: Sequence[Cell], jobs: int) -> None:
        """Nothing: the client knows."""

    def fetching(self, wheels: int, total: int, size: int) -> None:
        """Nothing."""

    def finished(self, outcome: Outcome) -> None:
        """Nothing: the answer says more."""

    def phase(self, _cell: Cell, phase: str) -> None:
        """What the cell has come to."""
        self.send(phase=phase)

    def output(self, _cell: Cell, line: str) -> None:
        """A line of a command."""
        self.send(output=line)

    def note(self, message: str) -> None:
        """Something worth knowing."""
        self.send(note=message)


class Work:
    """A cell on this machine, with what the worker shares between all cells in `cache`."""

    def __init__(self, request: Request, cache: Path, wire: Wire, processes: Processes, *, from_index: bool) -> None:
        """`from_index` looks for wheels in this machine's own index before the client is asked."""
        self._request = request
        self._cell = request.plan.cell
        self._cache = cache
        self._wire = wire
        self._processes = processes
        self._from_index = from_index
        self._store = Store(cache / "store")
        self._store.trusting = not request.paranoid
        self._received = Received(cache / "received")
        self._root = cache / "cluster" / request.project / self._cell.id
        self._discovery = Discovery(environ=os.environ, cache=cache / "interpreters")
        self.given = threading.Event()

    def answer(self) -> dict[str, object]:
        """What has come of the cell; every error is an answer, too."""
        interpreter: Interpreter | None = None
        log = Workspace(self._root / KEPT).log(self._cell.id)
        try:
            interpreter = find_interpreter(self._cell.python, self._discovery)
            with self._held():
                outcome = self._run(interpreter)
                content = _end_of(log) if outcome.commands else b""
        except LockproofError as error:
            content, outcome = (
                b"",
                Outcome(cell=self._cell, status="error", reason=str(error), error_code=error.exit_code),
            )
        except OSError as error:
            problem = UnavailableError(
                "the worker's disk says no", where=error.filename or "", why=error.strerror or ""
            )
            content, outcome = b"", Outcome(cell=self._cell, status="error", reason=str(problem), error_code=4)
        self._store.save_seen()
        return answer_to_json(outcome, interpreter.identity if interpreter else {}, content)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Hold the cell's folder, waiting for another run of the same cell."""
        from filelock import FileLock, Timeout  # as in the store

        self._root.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{self._root}.lock", thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            self._wire.phase(self._cell, "waiting for another run that uses this cell")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _run(self, interpreter: Interpreter) -> Outcome:
        request = self._request
        cells = CellRunner(
            Options(
                project=self._root,
                cache=self._cache,
                lock_sha256=request.lock_sha256,
                environ={**allowed_environment(os.environ, (), {}), **request.variables},
                posargs=request.posargs,
                recreate=request.recreate,
                install_only=request.install_only,
                paranoid=request.paranoid,
            ),
            store=self._store,
            workspace=(workspace := Workspace(self._root / KEPT)),
            discovery=self._discovery,
            processes=self._processes,
            listener=self._wire,
        )
        if problem := cells.problem(self._cell):
            return Outcome(cell=self._cell, status="unavailable", reason=problem)
        tree = ShippedTree(root=self._root, files=request.files, untracked="" if request.tracked else "no git")
        missing = self._missing()
        self._ask_for([*(one.sha256 for one in missing), *_contents(tree)])
        lay_out(tree, self._received.path, KEPT)
        workspace.prepare()
        wheels = {artifact.sha256: self._entry(artifact) for artifact in request.plan.artifacts}
        cells.compiling = not missing
        try:
            return cells.run(self._with_project(make_job(request.plan, wheels, interpreter), tree))
        finally:
            cells.release()

    def _missing(self) -> list[Artifact]:
        """The wheels that are neither in the store nor, where that is asked, in this machine's index."""
        missing = [artifact for artifact in self._request.plan.artifacts if not self._store.entry(artifact)]
        if not missing or not self._from_index:
            return missing
        fetching = Fetching(self._store, self._downloader, self._wire.fetching)
        found = fetching.bring(missing)
        return [artifact for artifact in missing if isinstance(found[artifact.sha256], LockproofError)]

    def _downloader(self) -> Downloader:
        from lockproof.indexes.download import Downloader  # only with --from-index
        from lockproof.indexes.index import Index
        from lockproof.indexes.pipconfig import read_index_config

        return Downloader(Index(read_index_config(os.environ, self._root.parent)))

    def _ask_for(self, hashes: Sequence[str]) -> None:
        """Wait until the files of these hashes have come from the client, those that aren't here already."""
        wanted = [sha256 for sha256 in dict.fromkeys(hashes) if not self._received.has(sha256)]
        if wanted:
            self._wire.send(need=wanted)
            self.given.wait()

    def _entry(self, artifact: Artifact) -> StoreEntry:
        """The wheel in the store, which checks its hash; what isn't right will be asked for again."""
        arrived = self._received.path(artifact.sha256)

        def take(folder: Path) -> Path:
            target = folder / f"{artifact.sha256}.{os.getpid()}.received"
            target.unlink(missing_ok=True)
            try:
                target.hardlink_to(arrived)  # both are needed: another cell may be waiting for what has arrived
            except OSError:
                shutil.copyfile(arrived, target)
            return target

        try:
            return self._store.ensure(artifact, take)
        except HashMismatchError:
            arrived.unlink(missing_ok=True)
            raise

    def _with_project(self, job: Job, tree: ShippedTree) -> Job:
        """The job with the layer of the project's files: those that lie here, which were checked."""
        if not self._request.installed:
            return job
        layers = {**job.predicted.layers, **({} if tree.untracked else {"project": tree.digest})}
        project = InstalledProject(name=self._request.installed, tree=tree)
        return replace(job, predicted=replace(job.predicted, layers=layers), project=project)


def _contents(tree: ShippedTree) -> list[str]:
    return [fact.partition(" ")[2] for fact in tree.files.values() if not fact.startswith("l ")]


def _end_of(log: Path) -> bytes:
    with suppress(FileNotFoundError), log.open("rb") as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - _LONGEST_LOG))
        return stream.read()
    return b""


def main() -> None:
    """Read a request, run its cell, and write the answer."""
    cache, from_index = Path(sys.argv[1]), "--from-index" in sys.argv[2:]
    wire = Wire(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)  # whatever prints must not get between the lines
    processes = Processes()
    line = sys.stdin.readline()
    if not line:
        return
    work = Work(request_from_json(json.loads(line)), cache, wire, processes, from_index=from_index)

    def listen() -> None:
        while sys.stdin.readline():
            work.given.set()
        processes.end_all()
        os._exit(130)  # locks are let go of with the process, and what it was making the next one makes anew

    threading.Thread(target=listen, daemon=True).start()
    with suppress(KeyboardInterrupt, BrokenPipeError):
        wire.send(answer=work.answer())
    os._exit(0)  # the thread above still reads


if __name__ == "__main__":
    main()
