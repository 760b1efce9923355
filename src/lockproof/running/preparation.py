"""From a lock and cells to what every command needs: interpreters, plans, wheels in the store, predictions."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from lockproof.errors import LockproofError, NotFetchedError, UnavailableError
from lockproof.proof.compare import prove
from lockproof.proof.policy import apply
from lockproof.proof.prediction import worked_out
from lockproof.pythons.interpreters import find_interpreter
from lockproof.pythons.layout import layout_for
from lockproof.reading.sharedwork import Ahead
from lockproof.running.predictions import Predictions
from lockproof.wheels.store import add_entry
from lockproof.wheels.unpackers import Unpackers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from lockproof.build.projecttree import ProjectTree
    from lockproof.cells.matrix import Cell
    from lockproof.indexes.download import Downloader
    from lockproof.locks import Lock
    from lockproof.locks.artifacts import Artifact, Plan
    from lockproof.proof.compare import Proof
    from lockproof.proof.fingerprint import Fingerprint, Worked
    from lockproof.pythons.interpreters import Discovery, Interpreter
    from lockproof.wheels.manifest import Manifest
    from lockproof.wheels.store import Add, Store, StoreEntry

    # Plans with the interpreters of their cells to the same plans with sdists built, or why that can't be.
    Build = Callable[[Sequence[tuple[Plan, Interpreter | None]]], Sequence[Plan | LockproofError]]

_DOWNLOADS = 8  # wheels under way at once
_WORTH_PROCESSES = 4  # wheels


@dataclass(frozen=True, kw_only=True, slots=True)
class InstalledProject:
    """The project under test where a cell installs it: its normalised name, and its files when it was built."""

    name: str
    tree: ProjectTree


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A cell with everything that is needed to make and prove its environment, `project` where that is installed.

    `worked` has the digests of the prediction and what they were worked out of.
    """

    plan: Plan
    interpreter: Interpreter | None
    entries: tuple[StoreEntry, ...]
    predicted: Fingerprint
    project: InstalledProject | None = None
    worked: Worked | None = None

    @property
    def cell(self) -> Cell:
        """The cell that the job is for."""
        return self.plan.cell


class Fetching:
    """Brings wheels into the store, several at once, and tells how far it is.

    `downloader` is called for the first wheel that isn't in the store: a filled store needs no HTTP client.
    """

    def __init__(
        self, store: Store, downloader: Callable[[], Downloader], told: Callable[[int, int, int], None]
    ) -> None:
        """`told(wheels, total, size)` hears of each wheel that is there and of the bytes downloaded since."""
        self._store = store
        self._make_downloader = downloader
        self._downloader: Downloader | None = None
        self._told = told
        self._guard = threading.Lock()
        self._stopped = False
        self.brought = 0  # wheels that were not there before

    def stop(self) -> None:
        """Let every download end at once; what it has is kept for the next run."""
        self._stopped = True
        if self._downloader is not None:
            self._downloader.stop()

    def bring(self, artifacts: Iterable[Artifact]) -> dict[str, StoreEntry | LockproofError]:
        """The store's entry of each artifact by its sha256, or why there is none."""
        wanted = {artifact.sha256: artifact for artifact in artifacts}
        result: dict[str, StoreEntry | LockproofError] = {}
        missing = []
        for sha256, artifact in wanted.items():
            if held := self._store.entry(artifact):
                result[sha256] = held
            else:
                missing.append(artifact)
        if not missing:
            return result
        missing.sort(key=lambda artifact: -(artifact.size or 0))  # the longest last would leave cores idle at the end
        self._told(0, len(missing), 0)
        with Unpackers() as unpackers, ThreadPoolExecutor(_DOWNLOADS) as pool:
            bring = partial(self._bring_one, add=unpackers.add if len(missing) >= _WORTH_PROCESSES else add_entry)
            try:
                count = 0
                for artifact, entry in zip(missing, pool.map(bring, missing), strict=True):
                    result[artifact.sha256] = entry
                    if not isinstance(entry, LockproofError):
                        count += 1
                        self.brought += 1
                        self._told(count, len(missing), 0)
            except BaseException:
                self.stop()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return result

    def fetch_sdist(self, sdist: Artifact) -> Path:
        """An sdist in the store, downloaded where it isn't there yet; raises what downloads raise."""
        return self._fetch(sdist, self._store.folder / "sdists")

    def _bring_one(self, artifact: Artifact, add: Add) -> StoreEntry | LockproofError:
        if artifact.is_sdist:
            return UnavailableError(
                f"{artifact.filename} would have to be built, which isn't done here",
                where=artifact.where,
                remedy="`lockproof run` and `lockproof predict` build what `build` in matrix.yaml allows.",
            )
        try:
            return self._store.ensure(artifact, lambda folder: self._fetch(artifact, folder), add)
        except LockproofError as error:
            error.where = error.where or artifact.where
            return error

    def _fetch(self, artifact: Artifact, folder: Path) -> Path:
        with self._guard:
            if self._downloader is None:
                self._downloader = self._make_downloader()
        return self._downloader.fetch(artifact, folder, self._progress)

    def _progress(self, size: int) -> None:
        if self._stopped:
            raise UnavailableError("the download was stopped")
        self._told(-1, -1, size)


def find_interpreters(cells: Sequence[Cell], discovery: Discovery) -> dict[str, Interpreter | LockproofError]:
    """For each exact Python of the cells that run here: the interpreter, or why there is none."""
    pythons = list(dict.fromkeys(cell.python for cell in cells if cell.on_host))

    def find(python: str) -> Interpreter | LockproofError:
        try:
            return find_interpreter(python, discovery)
        except LockproofError as error:
            return error

    def find_all(pythons: Sequence[str]) -> dict[str, Interpreter | LockproofError]:
        with ThreadPoolExecutor(2) as pool:  # one waits for an interpreter's answer, another hashes its files
            return dict(zip(pythons, pool.map(find, pythons), strict=True))

    there = pythons[1::2]
    with Ahead(find_all, there or None) as others:
        found = {**find_all(pythons[::2]), **others(there)}
    return {python: found[python] for python in pythons}


def interpreter_for(
    cell: Cell, interpreters: Mapping[str, Interpreter | LockproofError]
) -> Interpreter | LockproofError | None:
    """The interpreter of a cell, or why there is none: that of its container, or one of this machine."""
    return interpreters.get(cell.python if cell.container is None else cell.id)


def make_job(
    plan: Plan,
    wheels: Mapping[str, StoreEntry | LockproofError],
    interpreter: Interpreter | None,
    predictions: Predictions | None = None,
) -> Job:
    """The job of one plan; `predictions` is shared between the cells of a run.

    Raises the error of the first wheel that could not be had, all at once where nothing may be fetched, or LockError
    for a collision.
    """
    _refuse_missing(plan, wheels)
    entries = []
    for artifact in plan.artifacts:
        entry = wheels[artifact.sha256]
        if isinstance(entry, LockproofError):
            raise entry
        entries.append(entry)
    manifests, predictions = [entry.manifest for entry in entries], predictions or Predictions()
    predicted = predict_plan(plan, manifests, interpreter, predictions)
    layout = layout_for(plan.cell.python, plan.cell.platform.os)
    worked = worked_out(predicted, manifests, layout, plan.cell.python, predictions.landings)
    return Job(plan=plan, interpreter=interpreter, entries=tuple(entries), predicted=predicted, worked=worked)


def predict_plan(
    plan: Plan, manifests: Sequence[Manifest], interpreter: Interpreter | None, predictions: Predictions | None = None
) -> Fingerprint:
    """The fingerprint of a plan whose artifacts have these manifests, in their order; raises LockError."""
    for artifact, manifest in zip(plan.artifacts, manifests, strict=True):
        if manifest.name != artifact.name:
            raise LockproofError(
                f"{artifact.filename} is a wheel of {manifest.name}, not of {artifact.name}", where=artifact.where
            )
    cell = plan.cell
    predicted = (predictions or Predictions()).predict(
        manifests,
        layout_for(cell.python, cell.platform.os),
        python=cell.python,
        os_name=cell.platform.os,
        interpreter=interpreter.identity if interpreter else {},
        interpreter_layer=interpreter.layer if interpreter else None,
        locked={a.name: (a.locked.filename, a.locked.sha256) for a in plan.artifacts},
    )
    return interpreter.told_by(predicted) if interpreter else predicted


def _refuse_missing(plan: Plan, wheels: Mapping[str, StoreEntry | LockproofError]) -> None:
    errors = [entry for artifact in plan.artifacts if isinstance(entry := wheels[artifact.sha256], NotFetchedError)]
    if len(errors) > 1:
        raise NotFetchedError([filename for error in errors for filename in error.filenames])


def with_project(observed: Fingerprint, job: Job) -> Fingerprint:
    """What was observed in the environment of a job, with the layer of the project's files, which lie elsewhere.

    They are those that the job was prepared with; what has become of them since is for `ProjectTree.changes` to say.
    """
    if "project" not in job.predicted.layers:
        return observed
    return replace(observed, layers={**observed.layers, "project": job.predicted.layers["project"]})


def proof_of(job: Job, observed: Fingerprint) -> Proof:
    """What holding an environment against the prediction of its cell shows, under the cell's policy."""
    return apply(job.cell.policy, prove(job.predicted, with_project(observed, job)))


def about(job: Job, lock: Lock) -> dict[str, str]:
    """What a saved prediction says of itself."""
    return about_plan(job.plan, lock, "match")


def about_plan(plan: Plan, lock: Lock, verdict: str) -> dict[str, str]:
    """The same of a plan that nothing was fetched for yet."""
    return {
        "cell": plan.cell.id,
        "python": plan.cell.python,
        "platform": plan.cell.platform.id,
        "lock": f"sha256:{lock.sha256}",
        "selector": plan.selector,
        "verdict": verdict,
    }


def builder(interpreter: Interpreter | None) -> Interpreter | None:
    """The interpreter if it can build here; one of an image can't."""
    return None if interpreter is None or interpreter.image else interpreter
