"""One cell from start to end: an environment made or found, proven, its commands run, and proven again."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from lockproof.environments.environment import Made, disk_error, make_environments, make_skeleton
from lockproof.environments.workspace import Record
from lockproof.errors import LockproofError
from lockproof.running.bareenvironments import BareEnvironments
from lockproof.running.cellcommands import SHARING, CellCommands, Options, Progress, project_findings
from lockproof.running.cellholds import CellHolds
from lockproof.running.celloverlays import CellOverlays, order_of
from lockproof.running.cellproofs import CellProofs
from lockproof.running.outcomes import Outcome, first_reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lockproof.cells.matrix import Cell
    from lockproof.environments.environment import Order
    from lockproof.environments.workspace import Workspace
    from lockproof.proof.compare import Proof
    from lockproof.pythons.interpreters import Discovery, Interpreter
    from lockproof.running.outcomes import Listener
    from lockproof.running.preparation import Job
    from lockproof.running.process import Processes
    from lockproof.wheels.store import Store

_TOLD = 8  # replaced files, before only their number is
_TOGETHER = 8  # environments made in one pass before the first command runs


class CellRunner:
    """Runs cells on this machine (an `Executor`); one object serves all threads of a run."""

    local = True

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
        self._workspace = workspace
        self._processes = processes
        self._overlays = overlays = CellOverlays(workspace, store.folder / "images")
        self._listener = listener
        self._commands = CellCommands(
            options, workspace=workspace, overlays=overlays, processes=processes, listener=listener
        )
        self._proofs = CellProofs(options, store=store, workspace=workspace, overlays=overlays, discovery=discovery)
        # One cell at a time makes or reads an environment, while the commands of others run.
        self._desk = self._proofs.desk
        self._bare = BareEnvironments(options.app_data, options.cache / "bytecode")
        self._holds = CellHolds(workspace)
        self.idle = store.save_seen  # for the next run
        self.compiling = True
        self.suspects: set[str] = set()  # cells that may have changed what another one's proof put right
        self._running: set[str] = set()
        self._overlay_problem: str | None = None
        self._made: dict[str, tuple[str, float]] = {}

    def reaches(self, cell: Cell) -> bool:
        """Whether the cell is one of this machine's platform, or runs in a container here."""
        return cell.on_host or cell.container is not None

    def problem(self, cell: Cell) -> str:
        """Why no environment of this cell can be had here, whatever its interpreter; empty where one can."""
        if cell.container is not None:
            from lockproof.containers.finding import misfit  # few cells have one

            return misfit(cell)
        if cell.link != "overlay" or cell.installer != "lockproof":
            return ""
        if self._overlay_problem is None:
            from lockproof.environments.overlay import overlay_problem  # few cells need it

            self._overlay_problem = overlay_problem(self._workspace.folder)
        return self._overlay_problem

    def run(self, job: Job) -> Outcome:
        """What came of the cell. An error is an outcome too; only KeyboardInterrupt leaves."""
        progress = Progress()
        try:
            waiting = partial(self._listener.phase, job.cell, "waiting for another run that uses this cell")
            with self._holds.held(job.cell.id, waiting, lambda: self._processes.ended):
                return self._run(job, progress)
        except LockproofError as error:
            return self._outcome(job, progress, "error", str(error), error_code=error.exit_code)
        except OSError as error:
            problem = disk_error(self._workspace.environment(job.cell.id), error)
            return self._outcome(job, progress, "error", str(problem), error_code=problem.exit_code)

    def begin(self, cells: Sequence[tuple[Cell, Interpreter]]) -> None:
        """Begin to make the environments of cells that have none, as far as that goes without their wheels.

        They are held from here on. For the main thread, before others do work.
        """
        new = [(cell, own) for cell, own in cells if cell.installer == "lockproof" and self._is_new(cell)]
        if len(new) < 2:
            return
        held = [(cell, own) for cell, own in new[:_TOGETHER] if self._holds.take(cell.id)]
        for cell, _ in held:
            self._workspace.forget(cell.id)
        self._bare.begin({self._workspace.environment(cell.id): own for cell, own in held})

    def _is_new(self, cell: Cell) -> bool:
        return self._options.recreate or self._workspace.record(cell.id) is None

    def create_together(self, jobs: Sequence[Job]) -> None:
        """Make the environments of cells that have none, in one pass over the store; what fails here is tried alone.

        Each is held from here to the end of its own run. One that another run is using is left for later.
        """
        bare = self._bare.take(self._workspace.environment(job.cell.id) for job in jobs)
        fresh: list[Job] = []
        for job in jobs:
            if len(fresh) == _TOGETHER or job.cell.installer != "lockproof" or self._reusable(job):
                continue
            if self._holds.take(job.cell.id):
                fresh.append(job)
        if not fresh:
            return
        started = time.monotonic()
        try:
            for job in fresh:
                self._workspace.forget(job.cell.id)
                self._listener.phase(job.cell, "creating")
            orders = [order_of(job, self._workspace) for job in fresh]
            made = self._make([replace(order, bare=order.folder in bare) for order in orders])
        except (LockproofError, OSError):
            return  # each cell, made alone, tells its own error
        self._note_replaced(made.replaced)
        share = (time.monotonic() - started) / len(fresh)
        for job, mode in zip(fresh, made.links, strict=True):
            self._made[job.cell.id] = (mode, share)

    def start_provers(self, jobs: Sequence[Job], at_once: int) -> None:
        """Share the proofs of these cells, so many at once, between processes; before any of them runs."""
        self._proofs.start(jobs, at_once)

    def end(self) -> None:
        """Nothing more than ending the processes, which are the run's own."""

    def release(self) -> None:
        """Let go of cells that were made but never run, and of the processes that prove."""
        self._proofs.close()
        self._bare.close()
        self._holds.release()

    def _make(self, orders: Sequence[Order]) -> Made:
        """Make the environments of these orders, each as it says; see `make_environments`."""
        whole = [order for order in orders if order.link != "overlay"]
        layered = [order for order in orders if order.link == "overlay"]
        made = [make_environments(whole, self._options.app_data)] if whole else []
        if layered:
            from lockproof.environments.overlay import make_overlays  # few cells need it

            made.append(make_overlays(layered, self._overlays.images, self._options.app_data))
        modes = [iter(part.links) for part in made]
        links = tuple(next(modes[-1] if order.link == "overlay" else modes[0]) for order in orders)
        return Made(links=links, replaced=tuple(path for part in made for path in part.replaced))

    def _run(self, job: Job, progress: Progress) -> Outcome:
        proof = self._ready(job, progress)
        if proof.verdict != "match":
            reason = f"the environment is not what the lock says: {first_reason(proof)}"
            return self._outcome(job, progress, proof.verdict, reason, proof)
        if self._options.install_only:
            return self._outcome(job, progress, "passed", "", proof)
        self._workspace.forget(job.cell.id)  # until the commands are done and the environment is proven again
        self._running.add(job.cell.id)
        try:
            return self._run_and_prove(job, progress)
        finally:
            self._running.discard(job.cell.id)

    def _run_and_prove(self, job: Job, progress: Progress) -> Outcome:
        try:
            failure = self._commands.run(job, progress)
        except LockproofError:  # nobody proves any more what was done to the files that it shares
            self._heal(job, progress.mode)
            raise
        try:
            proof = self._prove(job, progress, again=True)
        except LockproofError as error:
            self._heal(job, progress.mode)
            reason = f"its commands left no environment that can be read: {error}"
            return self._outcome(job, progress, "mismatch", reason)
        proof = replace(proof, findings=(*proof.findings, *project_findings(job)))
        if findings := self._commands.bytecode_findings(job):
            proof = replace(proof, verdict="mismatch", findings=(*findings, *proof.findings))
        if proof.verdict != "match":
            self._heal(job, progress.mode)
            reason = f"its commands changed the environment: {first_reason(proof)}\n{failure}".rstrip("\n")
            return self._outcome(job, progress, proof.verdict, reason, proof)
        if unproven := self._commands.unproven(job):
            reason = f"{unproven}\n{failure}".rstrip("\n")
            return self._outcome(job, progress, "unproven", reason, replace(proof, verdict="unproven"))
        self._keep(job, proof, progress.mode)
        if self.compiling:  # not in a run that had to fetch wheels: it is long enough
            self._commands.keep_bytecode(job, progress.mode)
        return self._outcome(job, progress, "failed" if failure else "passed", failure, proof)

    def _reusable(self, job: Job) -> Record | None:
        """The record of an environment that may still be right: of the same prediction, made in the same way."""
        record = self._workspace.record(job.cell.id)
        wanted = (_installed(job.predicted.layers), job.cell.link, job.cell.installer)
        if record and not self._options.recreate:
            return record if (_installed(record.layers), record.link, record.installer) == wanted else None
        return None

    def _ready(self, job: Job, progress: Progress) -> Proof:
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
        if proof.verdict == "mismatch":
            damaged = [path for entry in job.entries for path in entry.verify()]
            if self._drop_image(job) or damaged:
                proof = self._create(job, progress)  # the store was damaged in a way that no lstat shows
        if proof.verdict == "match":
            self._keep(job, proof, progress.mode)
        return proof

    def _prove_old(self, job: Job, progress: Progress) -> Proof | None:
        """The proof of an environment that an earlier run made; None where it must be made again."""
        try:
            proof = self._prove(job, progress)
        except LockproofError as error:
            why = str(error)
        else:
            if proof.verdict == "match":
                return proof
            why = first_reason(proof)
        self._listener.note(f"{job.cell.id}: made again, since it is no longer what it was: {why}")
        return None

    def _create(self, job: Job, progress: Progress) -> Proof:
        cell, order = job.cell, order_of(job, self._workspace)
        self._workspace.forget(cell.id)
        with progress.timed("create"), self._desk:
            self._listener.phase(cell, "creating")
            if cell.installer == "lockproof":
                made = self._make([order])
                self._note_replaced(made.replaced)
                progress.mode = made.links[0]
            else:
                from lockproof.environments.installers import install  # few cells need it
                from lockproof.wheels.unpack import check_archive

                make_skeleton(order.interpreter, order.folder, self._options.app_data)
                archives = [entry.archive for entry in job.entries]
                for archive, entry in zip(archives, job.entries, strict=True):
                    check_archive(archive, entry.manifest.sha256)
                install(cell.installer, list(zip(job.plan.artifacts, archives, strict=True)), order.folder)
                progress.mode = "copy"
        return self._prove(job, progress)

    def _note_replaced(self, replaced: Sequence[str]) -> None:
        for path in replaced[:_TOLD]:
            self._listener.note(f"{path} in the store was not what its wheel says, and was replaced")
        if len(replaced) > _TOLD:
            self._listener.note(f"so were {len(replaced) - _TOLD} more files")

    def _prove(self, job: Job, progress: Progress, *, again: bool = False) -> Proof:
        """Hold the environment against its prediction; `again` looks at the interpreter's own files once more, too."""
        with progress.timed("prove"):
            self._listener.phase(job.cell, "proving")
            return self._proofs.prove(job, again=again)

    def _keep(self, job: Job, proof: Proof, mode: str) -> None:
        if proof.tolerated:
            return  # it is not exactly what the lock says: no record may claim that, and no later run takes it
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
        if mode not in SHARING and not self._drop_image(job):
            return
        for entry in job.entries:
            for path in (*entry.verify(), *entry.prune()):
                if mode == "symlink":  # what is put right here no longer shows where it was done
                    self.suspects |= self._running - {job.cell.id}
                self._listener.note(f"{path} in the store was changed through {job.cell.id}, and was put right")

    def _drop_image(self, job: Job) -> bool:
        """Take away the image of an overlay that is wrong without anybody having written to the overlay."""
        try:
            overlay = self._overlays.of(job)
        except LockproofError:
            return False  # it isn't on its image: that says nothing of the image
        if overlay is None or not overlay.is_untouched():
            return False
        from lockproof.environments.overlay import remove_image  # few cells need it

        remove_image(overlay.image, self._overlays.images)
        return True

    def _outcome(
        self, job: Job, progress: Progress, status: str, reason: str, proof: Proof | None = None, error_code: int = 0
    ) -> Outcome:
        return Outcome(
            cell=job.cell,
            status=status,
            reason=reason,
            proof=proof,
            predicted=job.predicted,
            commands=tuple(progress.commands),
            seconds=progress.seconds,
            inputs=progress.inputs,
            environment=str(self._workspace.environment(job.cell.id)),
            link=progress.mode,
            error_code=error_code,
        )


def _installed(layers: Mapping[str, str]) -> dict[str, str]:
    """The layers that say what lies in the environment: the project's files change without it."""
    return {layer: digest for layer, digest in layers.items() if layer != "project"}
