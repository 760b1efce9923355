"""A whole run: which cells can run, several at once, none disturbing another, and what they add up to."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lockproof.errors import LockproofError
from lockproof.proof.closure import closure_notes
from lockproof.running.outcomes import Outcome, exit_code
from lockproof.running.predictions import Predictions
from lockproof.running.preparation import builder, interpreter_for, make_job

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lockproof.build.package import Packager, Wheels
    from lockproof.cells.matrix import Cell
    from lockproof.locks.artifacts import Plan
    from lockproof.proof.dependencies import Dependencies
    from lockproof.proof.fingerprint import Finding
    from lockproof.pythons.interpreters import Interpreter
    from lockproof.running.executors import Executor
    from lockproof.running.outcomes import Listener
    from lockproof.running.preparation import Build, Fetching, Job
    from lockproof.running.process import Processes

    Begin = Callable[[Sequence[tuple[Cell, Interpreter]]], None]

INTERRUPTED = 130
_NOT_HERE = 4  # the exit code of what isn't at hand
_MISMATCH = 3  # the exit code of what is not as it was


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """All outcomes in the matrix's order, and the exit code of the whole."""

    outcomes: tuple[Outcome, ...]
    exit_code: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """How cells are scheduled: so many at once; stop at the first not right; skip what isn't at hand."""

    jobs: int
    fail_fast: bool = False
    skip_missing: bool = False


class Runner:
    """Runs the cells of a matrix for which plans exist."""

    def __init__(
        self,
        cells: Executor,
        *,
        fetching: Fetching,
        processes: Processes,
        listener: Listener,
        policy: Policy,
        build: Build | None = None,
        packager: Packager | None = None,
        dependencies: Dependencies | None = None,
        begin: Begin | None = None,
        predictions: Predictions | None = None,
    ) -> None:
        """`cells` does the work of each cell, `fetching` brings the wheels of all, `build` those built of sdists.

        `packager` adds the project's own wheel, `dependencies` checks whether they have all that they require.
        `begin` is told of the cells that will run, with their interpreters, before their wheels are looked for.
        `predictions` makes what environments are held against.
        """
        self._begin = begin
        self._build = build
        self._cells = cells
        self._fetching = fetching
        self._processes = processes
        self._listener = listener
        self._policy = policy
        self._dependencies = dependencies
        self._packager = packager
        self._predictions = predictions or Predictions()
        self._outcomes: dict[str, Outcome] = {}
        self._stopped = threading.Event()

    def run(self, plans: Sequence[Plan], interpreters: Mapping[str, Interpreter | LockproofError]) -> Result:
        """Work through all plans. Interrupted, every process group is ended and what is done is still told."""
        order = [plan.cell for plan in plans]
        self._listener.begun(order, self._policy.jobs)
        interrupted = False
        try:
            jobs = self._jobs(plans, interpreters)
            self._cells.create_together([job for _, job in jobs])
            self._cells.start_provers([job for _, job in jobs], self._policy.jobs)
            self._run_all(jobs)
            self._run_contested_alone(jobs)
        except KeyboardInterrupt:
            interrupted = True
            self._end_all()
            self._fetching.stop()
        finally:
            self._cells.release()
        for cell in order:
            if cell.id not in self._outcomes:
                why = "interrupted" if interrupted else "not run, since another cell was not right (--fail-fast)"
                self._done(Outcome(cell=cell, status="skipped", reason=why))
        outcomes = tuple(self._outcomes[cell.id] for cell in order)
        return Result(outcomes=outcomes, exit_code=INTERRUPTED if interrupted else exit_code(outcomes))

    def _end_all(self) -> None:
        self._processes.end_all()
        self._cells.end()

    def _done(self, outcome: Outcome) -> None:
        self._outcomes[outcome.cell.id] = outcome
        self._listener.finished(outcome)

    def _jobs(
        self, plans: Sequence[Plan], interpreters: Mapping[str, Interpreter | LockproofError]
    ) -> list[tuple[Cell, Job]]:
        """The cells that can run here, ready to; every other one gets its outcome."""
        here = self._built(self._runnable(plans, interpreters))
        if self._begin:
            self._begin([(plan.cell, own) for plan, own in here if own and plan.cell.container is None])
        wheels = self._fetching.bring(artifact for plan, _ in here for artifact in plan.artifacts)
        if self._packager:
            self._packager.offer([(plan, builder(interpreter)) for plan, interpreter in here])
        self._cells.compiling = not self._fetching.brought
        jobs: list[tuple[Cell, Job]] = []
        predicted: list[tuple[str, tuple[Finding, ...]]] = []
        for plan, interpreter in here:
            cell = plan.cell
            try:
                job = self._job(plan, wheels, interpreter)
            except LockproofError as error:
                self._done(Outcome(cell=cell, status="error", reason=str(error), error_code=error.exit_code))
                continue
            predicted.append((cell.id, job.predicted.findings))
            if self._cells.reaches(cell):
                jobs.append((cell, job))
            else:
                self._elsewhere(cell, job)
        for note in closure_notes(predicted):
            self._listener.note(note)
        return jobs

    def _runnable(
        self, plans: Sequence[Plan], interpreters: Mapping[str, Interpreter | LockproofError]
    ) -> list[tuple[Plan, Interpreter | None]]:
        """The plans of cells that can run or be predicted, with their interpreters; the others get their outcomes."""
        here: list[tuple[Plan, Interpreter | None]] = []
        for plan in plans:
            cell = plan.cell
            interpreter = interpreter_for(cell, interpreters)
            if cell.container is not None and not self._cells.local:
                self._missing(cell, "container cells run on this machine only, and this run is somewhere else")
            elif not self._cells.reaches(cell):
                here.append((plan, None))
            elif isinstance(interpreter, LockproofError) and interpreter.exit_code != _NOT_HERE:
                code = interpreter.exit_code
                self._done(Outcome(cell=cell, status="error", reason=str(interpreter), error_code=code))
            elif self._cells.local and isinstance(interpreter, LockproofError):
                self._missing(cell, str(interpreter))
            elif problem := self._cells.problem(cell):
                self._missing(cell, problem)
            else:  # an interpreter that is here builds what has to be built, wherever the cell runs
                found = None if isinstance(interpreter, LockproofError) else interpreter
                here.append((plan, found if cell.on_host or cell.container is not None else None))
        return here

    def _job(self, plan: Plan, wheels: Wheels, interpreter: Interpreter | None) -> Job:
        if self._packager:
            plan, wheels = self._packager.packaged(plan, wheels, builder(interpreter))
        job = make_job(plan, wheels, interpreter if self._cells.local else None, self._predictions)
        job = self._packager.declared(job) if self._packager else job
        return self._dependencies.checked(job) if self._dependencies else job

    def _built(self, here: list[tuple[Plan, Interpreter | None]]) -> list[tuple[Plan, Interpreter | None]]:
        """The plans with wheels for sdists; each one that can't be built gets its outcome."""
        if self._build is None:
            return here
        built: list[tuple[Plan, Interpreter | None]] = []
        found_for = self._build([(plan, builder(interpreter)) for plan, interpreter in here])
        for (plan, interpreter), found in zip(here, found_for, strict=True):
            if not isinstance(found, LockproofError):
                built.append((found, interpreter))
            elif not plan.cell.on_host:
                self._missing(plan.cell, str(found))
            else:
                status = "mismatch" if found.exit_code == _MISMATCH else "error"
                code = found.exit_code
                self._done(Outcome(cell=plan.cell, status=status, reason=str(found), error_code=code))
        return built

    def _missing(self, cell: Cell, reason: str) -> None:
        self._done(Outcome(cell=cell, status="skipped" if self._policy.skip_missing else "unavailable", reason=reason))

    def _elsewhere(self, cell: Cell, job: Job) -> None:
        status = "skipped" if self._policy.skip_missing else "predicted"
        reason = f"{cell.platform.id} is not at hand: predicted, to be run where it is"
        self._done(Outcome(cell=cell, status=status, reason=reason, predicted=job.predicted))

    def _run_all(self, jobs: Sequence[tuple[Cell, Job]]) -> None:
        if not jobs:
            return
        with ThreadPoolExecutor(self._policy.jobs, thread_name_prefix="cell") as pool:
            futures = [pool.submit(self._run_unless_stopped, job) for _, job in jobs]
            try:
                for number, future in enumerate(as_completed(futures), 1):
                    if number == max(1, len(futures) - self._policy.jobs + 1):
                        self._cells.idle()
                    if future.cancelled():
                        continue
                    outcome = future.result()
                    if outcome is None:
                        continue
                    self._outcomes[outcome.cell.id] = outcome
                    if not _is_contested(outcome, jobs) or self._policy.jobs == 1:
                        self._listener.finished(outcome)
            except BaseException:
                self._end_all()  # the cells under way end, and with them the pool
                for future in futures:
                    future.cancel()
                raise

    def _run_unless_stopped(self, job: Job) -> Outcome | None:
        """Run a cell; None where --fail-fast has stopped: decided in the cell's thread, before it takes the next."""
        if self._stopped.is_set():
            return None
        outcome = self._cells.run(job)
        if self._policy.fail_fast and outcome.exit_code:
            self._stopped.set()
        return outcome

    def _run_contested_alone(self, jobs: Sequence[tuple[Cell, Job]]) -> None:
        """Run cells again, one at a time, whose mismatch may be another cell's doing, or another's theirs.

        Cells that ran at the same time share files through hard links, so an edit by one shows in all. Alone, in a
        new environment, each shows what it does itself.
        """
        if self._policy.jobs == 1:
            return
        for cell, job in jobs:
            outcome = self._outcomes.get(cell.id)
            if outcome is None or not (_is_contested(outcome, jobs) or cell.id in self._cells.suspects):
                continue
            self._listener.note(f"{cell.id}: run again alone: a file that it shares with other cells was changed")
            self._done(self._cells.run(job))


def _is_contested(outcome: Outcome, jobs: Sequence[tuple[Cell, Job]]) -> bool:
    """Whether a cell was right before its commands and not after, in files that other cells' environments share."""
    if outcome.status != "mismatch" or outcome.link not in ("hardlink", "symlink") or not outcome.commands:
        return False
    if outcome.proof is None:
        return False
    wheels = [{entry.tree for entry in job.entries} for cell, job in jobs if cell.id != outcome.cell.id]
    own = next(job for cell, job in jobs if cell.id == outcome.cell.id)
    shared = {
        path
        for entry in own.entries
        if any(entry.tree in others for others in wheels)
        for file, _ in entry.files
        for path in ((file, file.rpartition("/")[0]) if outcome.link == "symlink" else (file,))
    }
    changed = [finding.path for finding in outcome.proof.findings if finding.level != "note"]
    return any(path in shared or path.rpartition("/")[0] in shared for path in changed)
