"""One cell from start to end: an environment made or found, proven, its commands run, and proven again."""

from __future__ import annotations

import shlex
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from lockproof.compare import Proof, prove
from lockproof.compiled import compile_imported, place_compiled
from lockproof.environment import Order, disk_error, make_environments, make_skeleton
from lockproof.errors import LockproofError
from lockproof.inspection import Inspection, inspect_environment
from lockproof.interpreters import identify
from lockproof.layout import layout_for
from lockproof.matrix import substitute_posargs
from lockproof.outcomes import CommandResult, Outcome
from lockproof.process import allowed_environment, find_program
from lockproof.pycache import prepare_bytecode
from lockproof.workspace import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lockproof.interpreters import Discovery, Interpreter
    from lockproof.outcomes import Listener
    from lockproof.preparation import Job
    from lockproof.process import Processes
    from lockproof.store import Store
    from lockproof.workspace import Workspace

# Modes in which an edit in the environment reaches the store, and through it every environment that shares the file.
_SHARING = ("hardlink", "symlink")
_TOGETHER = 8  # environments made in one pass before the first command runs


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What the user asked of a run; `project` is where commands start, `cache` what projects share."""

    project: Path
    cache: Path
    lock_sha256: str
    environ: Mapping[str, str]
    posargs: Sequence[str] = ()
    recreate: bool = False
    install_only: bool = False
    paranoid: bool = False

    @property
    def app_data(self) -> Path:
        """virtualenv's cache."""
        return self.cache / "virtualenv"


@dataclass(kw_only=True, slots=True)
class _Progress:
    """What has come of a cell so far."""

    seconds: dict[str, float] = field(default_factory=dict)
    commands: list[CommandResult] = field(default_factory=list)
    mode: str = ""
    inspection: Inspection | None = None

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the time of the block to a phase."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.monotonic() - started


class CellRunner:
    """Runs cells; one object serves all threads of a run."""

    def __init__(
        self,
        options: Options,
        *,
        store: Store,
        workspace: Workspace,
        discovery: Discovery,
        processes: Processes,
        listener: Listener,
    ) -> None:
        """Everything that a cell touches is given; nothing is looked up elsewhere."""
        self._options = options
        self._store = store
        self._workspace = workspace
        self._discovery = discovery
        self._processes = processes
        self._listener = listener
        # Making and reading environments is thousands of short system calls: two threads at it only hinder each other.
        # So one cell at a time does that, while the commands of others run.
        self._desk = threading.Lock()
        self._locks: dict[str, FileLock] = {}
        self.compiling = True
        self._made: dict[str, tuple[str, float]] = {}

    def run(self, job: Job) -> Outcome:
        """What came of the cell. An error is an outcome too; only KeyboardInterrupt leaves."""
        progress = _Progress()
        try:
            with self._held(job):
                return self._run(job, progress)
        except LockproofError as error:
            return self._outcome(job, progress, "error", str(error), error_code=error.exit_code)
        except OSError as error:
            problem = disk_error(self._workspace.environment(job.cell.id), error)
            return self._outcome(job, progress, "error", str(problem), error_code=problem.exit_code)

    def create_together(self, jobs: Sequence[Job]) -> None:
        """Make the environments of cells that have none, in one pass over the store; what fails here is tried alone.

        Each is held from here to the end of its own run. One that another run is using is left for later.
        """
        fresh: list[Job] = []
        for job in jobs:
            if len(fresh) == _TOGETHER or job.cell.installer != "lockproof" or self._reusable(job):
                continue
            lock = self._lock(job)
            with suppress(Timeout):
                lock.acquire(timeout=0)
                self._locks[job.cell.id] = lock
                fresh.append(job)
        if len(fresh) < 2:
            return
        started = time.monotonic()
        for job in fresh:
            self._workspace.forget(job.cell.id)
            self._listener.phase(job.cell, "creating")
        try:
            made = make_environments([self._order(job) for job in fresh], self._options.app_data)
        except LockproofError:
            return
        self._note_replaced(made.replaced)
        share = (time.monotonic() - started) / len(fresh)
        for job, mode in zip(fresh, made.links, strict=True):
            self._made[job.cell.id] = (mode, share)

    def release(self) -> None:
        """Let go of cells that were made but never run."""
        for lock in self._locks.values():
            lock.release()
        self._locks.clear()

    def _order(self, job: Job) -> Order:
        if job.interpreter is None:
            raise LockproofError(f"{job.cell.id} has no interpreter here")
        folder = self._workspace.environment(job.cell.id)
        return Order(interpreter=job.interpreter, entries=job.entries, folder=folder, link=job.cell.link)

    def _lock(self, job: Job) -> FileLock:
        return FileLock(self._workspace.lock(job.cell.id), thread_local=False)

    @contextmanager
    def _held(self, job: Job) -> Iterator[None]:
        """Hold the cell, waiting for another run that uses it."""
        lock = self._locks.pop(job.cell.id, None)
        if lock is None:
            lock = self._lock(job)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                self._listener.phase(job.cell, "waiting for another run that uses this cell")
                while not self._processes.ended and not lock.is_locked:
                    with suppress(Timeout):
                        lock.acquire(timeout=1)
        try:
            if self._processes.ended:
                raise KeyboardInterrupt
            yield
        finally:
            lock.release()

    def _run(self, job: Job, progress: _Progress) -> Outcome:
        proof = self._ready(job, progress)
        if proof.verdict != "match":
            reason = f"the environment is not what the lock says: {_first(proof)}"
            return self._outcome(job, progress, proof.verdict, reason, proof)
        if self._options.install_only:
            return self._outcome(job, progress, "passed", "", proof)
        self._workspace.forget(job.cell.id)  # until the commands are done and the environment is proven again
        failure = self._commands(job, progress)
        try:
            proof = self._prove(job, progress, again=True)
        except LockproofError as error:
            self._heal(job, progress.mode)
            reason = f"its commands left no environment that can be read: {error}"
            return self._outcome(job, progress, "mismatch", reason)
        if proof.verdict != "match":
            self._heal(job, progress.mode)
            reason = f"its commands changed the environment: {_first(proof)}"
            return self._outcome(job, progress, proof.verdict, reason, proof)
        self._keep(job, proof, progress.mode)
        self._keep_bytecode(job, progress.mode)
        return self._outcome(job, progress, "failed" if failure else "passed", failure, proof)

    def _reusable(self, job: Job) -> Record | None:
        """The record of an environment that may still be right: of the same prediction, made in the same way."""
        record = self._workspace.record(job.cell.id)
        wanted = (job.predicted.digest, job.cell.link, job.cell.installer)
        if record and not self._options.recreate and (record.digest, record.link, record.installer) == wanted:
            return record
        return None

    def _ready(self, job: Job, progress: _Progress) -> Proof:
        """An environment that was just proven: the one that is there, if it still is right, else a new one."""
        cell = job.cell
        made = self._made.pop(cell.id, None)
        if made is not None:
            progress.mode, progress.seconds["create"] = made
            proof = self._prove(job, progress)
        elif (record := self._reusable(job)) and (found := self._prove_old(job, progress)):
            progress.mode = record.mode
            proof = found
        else:
            proof = self._create(job, progress)
        if proof.verdict == "mismatch" and [path for entry in job.entries for path in entry.verify()]:
            proof = self._create(job, progress)  # the store was damaged in a way that no lstat shows
        if proof.verdict == "match":
            self._keep(job, proof, progress.mode)
        return proof

    def _prove_old(self, job: Job, progress: _Progress) -> Proof | None:
        """The proof of an environment that an earlier run made; None where it must be made again."""
        try:
            proof = self._prove(job, progress)
        except LockproofError as error:
            why = str(error)
        else:
            if proof.verdict == "match":
                return proof
            why = _first(proof)
        self._listener.note(f"{job.cell.id}: made again, since it is no longer what it was: {why}")
        return None

    def _create(self, job: Job, progress: _Progress) -> Proof:
        cell, order = job.cell, self._order(job)
        self._workspace.forget(cell.id)
        with progress.timed("create"), self._desk:
            self._listener.phase(cell, "creating")
            if cell.installer == "lockproof":
                made = make_environments([order], self._options.app_data)
                self._note_replaced(made.replaced)
                progress.mode = made.links[0]
            else:
                from lockproof.installers import install  # few cells need it

                make_skeleton(order.interpreter, order.folder, self._options.app_data)
                archives = [entry.archive for entry in job.entries]
                install(cell.installer, list(zip(job.plan.artifacts, archives, strict=True)), order.folder)
                progress.mode = "copy"
        return self._prove(job, progress)

    def _note_replaced(self, replaced: Sequence[str]) -> None:
        for path in replaced:
            self._listener.note(f"{path} in the store was not what its wheel says, and was replaced")

    def _prove(self, job: Job, progress: _Progress, *, again: bool = False) -> Proof:
        """Hold the environment against its prediction; `again` looks at the interpreter's own files once more, too."""
        with progress.timed("prove"), self._desk:
            self._listener.phase(job.cell, "proving")
            progress.inspection = inspect_environment(
                self._workspace.environment(job.cell.id),
                identify=lambda executable: self._identify(executable, job, again=again),
                store=self._store.folder,
                declared=job.interpreter.executable if job.interpreter else None,
                known={} if self._options.paranoid else self._store.known,
                previous=progress.inspection if again else None,
            )
            return prove(job.predicted, progress.inspection.fingerprint)

    def _identify(self, executable: Path, job: Job, *, again: bool) -> Interpreter | None:
        declared = job.interpreter
        if declared and executable == declared.executable and not again:
            return declared
        trusted = (declared.executable,) if declared else ()
        return identify(executable, replace(self._discovery, trusted=(*trusted, *self._discovery.trusted)))

    def _keep(self, job: Job, proof: Proof, mode: str) -> None:
        cell = job.cell
        record = Record(
            cell=cell.id,
            platform=cell.platform.id,
            lock=self._options.lock_sha256,
            digest=proof.observed.digest,
            layers=dict(proof.observed.layers),
            link=cell.link,
            mode=mode,
            installer=cell.installer,
        )
        self._workspace.keep(cell.id, record)

    def _heal(self, job: Job, mode: str) -> None:
        """Put the store right again where an environment's files are the store's own."""
        if mode not in _SHARING:
            return
        for entry in job.entries:
            for path in (*entry.verify(), *entry.prune()):
                self._listener.note(f"{path} in the store was changed through {job.cell.id}, and was put right")

    def _commands(self, job: Job, progress: _Progress) -> str:
        """Run the cell's commands in order; returns why it failed, or nothing."""
        cell = job.cell
        log = self._workspace.log(cell.id)
        log.write_bytes(b"")
        self._place_bytecode(job, progress.mode)
        environment = self._command_environment(job)
        for command in cell.commands:
            argv = substitute_posargs(command, self._options.posargs)
            self._listener.phase(cell, shlex.join(argv))
            with log.open("ab") as stream:
                stream.write(f"$ {shlex.join(argv)}\n".encode())
            with progress.timed("run"):
                failure = self._command(job, argv, environment, log, progress)
            if failure:
                return f"{shlex.join(argv)}: {failure}"
        return ""

    def _command(self, job: Job, argv: list[str], env: Mapping[str, str], log: Path, progress: _Progress) -> str:
        """Run one command; returns why it failed, or nothing."""
        cell, cwd = job.cell, self._options.project
        try:
            program, own = find_program(argv[0], self._scripts(job), env, cwd)
            finished = self._processes.run(
                [program, *argv[1:]],
                env=env,
                cwd=cwd,
                log=log,
                timeout=cell.timeout,
                listen=lambda line: self._listener.output(cell, line),
            )
        except LockproofError as error:
            progress.commands.append(CommandResult(argv=tuple(argv), exit_code=127, seconds=0.0, log=str(log)))
            self._listener.output(cell, str(error))
            return str(error)
        note = "" if own else "not of this environment"
        progress.commands.append(
            CommandResult(
                argv=tuple(argv), exit_code=finished.exit_code, seconds=finished.seconds, log=str(log), note=note
            )
        )
        if finished.timed_out:
            return f"no end after {cell.timeout:g} s"
        return f"exit code {finished.exit_code}" if finished.exit_code else ""

    def _place_bytecode(self, job: Job, mode: str) -> None:
        """Empty the commands' bytecode folder, and put into it what is vouched for."""
        self._workspace.clear_bytecode(job.cell.id)
        prefix = self._workspace.bytecode(job.cell.id)
        if job.interpreter is None:
            return
        prepare_bytecode(prefix, job.interpreter, self._options.cache / "bytecode")
        if mode in _SHARING:  # elsewhere the sources' times are not those of the store
            place_compiled(prefix, self._site(job), job.entries, job.interpreter, paranoid=self._options.paranoid)

    def _keep_bytecode(self, job: Job, mode: str) -> None:
        """Compile what was imported, for the next run; not in a run that had to fetch wheels, which is long enough."""
        if self.compiling and job.interpreter and mode in _SHARING:
            compile_imported(self._workspace.bytecode(job.cell.id), self._site(job), job.entries, job.interpreter)

    def _site(self, job: Job) -> Path:
        return self._workspace.environment(job.cell.id) / layout_for(job.cell.python, job.cell.platform.os).site

    def _scripts(self, job: Job) -> Path:
        return self._workspace.environment(job.cell.id) / layout_for(job.cell.python, job.cell.platform.os).scripts

    def _command_environment(self, job: Job) -> dict[str, str]:
        cell, environ = job.cell, self._options.environ
        passed = allowed_environment(environ, cell.pass_env, {})
        ours = {
            "VIRTUAL_ENV": str(self._workspace.environment(cell.id)),
            "PATH": f"{self._scripts(job)}:{passed.get('PATH', '/usr/bin:/bin')}",
            "PYTHONPYCACHEPREFIX": str(self._workspace.bytecode(cell.id)),
            "LOCKPROOF_CELL": cell.id,
        }
        return {**passed, **ours, **cell.env}

    def _outcome(
        self, job: Job, progress: _Progress, status: str, reason: str, proof: Proof | None = None, error_code: int = 0
    ) -> Outcome:
        return Outcome(
            cell=job.cell,
            status=status,
            reason=reason,
            proof=proof,
            predicted=job.predicted,
            commands=tuple(progress.commands),
            seconds=progress.seconds,
            environment=str(self._workspace.environment(job.cell.id)),
            link=progress.mode,
            error_code=error_code,
        )


def _first(proof: Proof) -> str:
    """The first thing that counts against a proof, in words."""
    wrong = [finding for finding in proof.findings if finding.level != "note"]
    if not wrong:
        return f"the {proof.layer} layer differs"
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    return f"{wrong[0].path} {wrong[0].message}{more}"
