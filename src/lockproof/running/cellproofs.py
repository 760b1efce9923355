"""Proofs of cells: each environment held against its prediction, by as many processes as are of use."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from lockproof.environments.environment import writes_known_activators
from lockproof.environments.overlay import fingerprint_inside, marked
from lockproof.pythons.interpreters import identify
from lockproof.reading.inside import interpreter_inside
from lockproof.reading.inspection import inspect_environment, interpreter_of
from lockproof.reading.lastlook import LastLook, fingerprint_of, is_of, look_from_bytes, look_of
from lockproof.reading.layered import image_look, read_layers
from lockproof.reading.observation import observe
from lockproof.reading.reader import Tree
from lockproof.reading.readtree import bytecode_of, layout_of
from lockproof.reading.surroundings import mount_findings
from lockproof.running.preparation import proof_of
from lockproof.running.provers import Provers
from lockproof.writing import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lockproof.environments.overlay import Overlay
    from lockproof.environments.workspace import Workspace
    from lockproof.proof.compare import Proof
    from lockproof.proof.fingerprint import Fingerprint
    from lockproof.pythons.interpreters import Discovery, Interpreter
    from lockproof.reading.inspection import Inspection
    from lockproof.reading.layered import Layered
    from lockproof.running.cellcommands import Options
    from lockproof.running.celloverlays import CellOverlays
    from lockproof.running.preparation import Job
    from lockproof.wheels.store import Store


class CellProofs:
    """Proves cells; one object serves all threads of a run."""

    def __init__(
        self, options: Options, *, store: Store, workspace: Workspace, overlays: CellOverlays, discovery: Discovery
    ) -> None:
        """Everything that a proof reads is given."""
        self._options = options
        self._store = store
        self._workspace = workspace
        self._overlays = overlays
        self._discovery = discovery
        self._provers: Provers | None = None
        self._lower: dict[str, LastLook] = {}
        self._layered: dict[str, tuple[Layered, Fingerprint | None]] = {}
        self._before: dict[str, Inspection | LastLook] = {}
        # Reading environments is thousands of short system calls: two threads at it only hinder each other.
        self.desk = threading.Lock()

    def start(self, jobs: Sequence[Job], at_once: int) -> None:
        """Share the proofs of these cells, so many at once, between processes; before any of them runs."""
        known = {job.cell.id: job for job in jobs}

        def prove_in_fork(cell: str, again: bool) -> Proof:
            return self._prove(known[cell], again=again)

        self._provers = Provers(prove_in_fork, {cell: job.predicted for cell, job in known.items()}, at_once)

    def close(self) -> None:
        """End the processes."""
        if self._provers:
            self._provers.close()

    def prove(self, job: Job, *, again: bool) -> Proof:
        """The proof of a cell's environment; `again` looks at the interpreter's own files once more, too.

        Raises UsageError or UnavailableError where there is no environment that can be read.
        """
        if self._provers and (proof := self._provers.prove(job.cell.id, again=again)):
            return proof
        with self.desk:
            return self._prove(job, again=again)

    def _prove(self, job: Job, *, again: bool) -> Proof:
        overlay = self._overlays.of(job)
        if proof := self._revisit(job, overlay, again=again):
            return proof
        if overlay is None:
            return self._prove_whole(job, again=again)
        return self._proof(job, self._observe_layers(overlay, job, again=again))

    def _observe_layers(self, overlay: Overlay, job: Job, *, again: bool) -> Fingerprint:
        """The fingerprint of an overlay: of its layers where nobody wrote to it, else of what is seen inside."""
        known = {} if self._options.paranoid else self._store.known
        started = time.time_ns()
        layered = self._layered.pop(job.cell.id, None) if again and not self._options.paranoid else None
        if not overlay.is_untouched() or _has_mounts(overlay.skeleton, overlay.image):  # what is mounted has no mounts
            return self._seen_inside(overlay)
        if layered is None or not layered[0].still_holds(known):
            remember = not self._options.paranoid
            read = read_layers(
                overlay.target, overlay.skeleton, overlay.image, known=known, remember=remember, marked=marked
            )
            if read is None or bytecode_of(read.tree):
                return self._seen_inside(overlay)
            layered = (read, None)
        declared = job.interpreter.executable if job.interpreter else None
        interpreter, finding = interpreter_of(
            layered[0].tree, lambda executable: self._identify(executable, job, again=again), declared
        )
        earlier = layered[1]
        if earlier is None or earlier.layers.get("interpreter") != (interpreter and interpreter.layer):
            earlier = observe(
                layered[0].tree,
                bytecode={},
                interpreter=interpreter.identity if interpreter else {},
                interpreter_layer=interpreter.layer if interpreter else None,
                worked=job.worked,
            )
        if not again and not finding:
            self._remember(job.cell.id, layered[0].skeleton, earlier, started, layered[0].look)
        self._layered[job.cell.id] = (layered[0], earlier)
        told = interpreter.told_by(earlier) if interpreter else earlier
        return replace(told, findings=(*told.findings, finding)) if finding else told

    def _seen_inside(self, overlay: Overlay) -> Fingerprint:
        """What is seen where it is mounted; of the standard library's bytecode, commands of cells read none."""
        found = fingerprint_inside(overlay, self._options.cache)
        return replace(found, findings=tuple(f for f in found.findings if not f.path.startswith("stdlib/")))

    def _prove_whole(self, job: Job, *, again: bool) -> Proof:
        earlier, started = self._before.pop(job.cell.id, None), time.time_ns()
        inspection = inspect_environment(
            self._workspace.environment(job.cell.id),
            identify=lambda executable: self._identify(executable, job, again=again),
            store=self._store.folder,
            declared=job.interpreter.executable if job.interpreter else None,
            contained=job.interpreter if job.interpreter and job.interpreter.image else None,
            known={} if self._options.paranoid else self._store.known,
            previous=None if self._options.paranoid or not again or isinstance(earlier, LastLook) else earlier,
            worked=job.worked,
        )
        proof = self._proof(job, inspection.fingerprint)
        self._before[job.cell.id] = inspection
        if proof.verdict == "match" and not again:
            self._remember(job.cell.id, inspection.tree, inspection.fingerprint, started)
        return proof

    def _proof(self, job: Job, observed: Fingerprint) -> Proof:
        """The proof of an environment that we made: whatever its pyvenv.cfg says of that, its activators are known."""
        odd = [finding for finding in observed.findings if finding.code == "activate" and finding.level == "note"]
        if odd and writes_known_activators(self._workspace.environment(job.cell.id)):
            strict = [f._replace(level="mismatch") if f in odd else f for f in observed.findings]
            observed = replace(observed, findings=tuple(strict))
        return proof_of(job, observed)

    def _revisit(self, job: Job, overlay: Overlay | None, *, again: bool) -> Proof | None:
        """A match, where everything still looks as it did when it was last found to be one; else nothing is said."""
        cell = job.cell.id
        if self._options.paranoid:
            return None
        look = self._before.get(cell) if again else self._remembered(cell)
        if not isinstance(look, LastLook) or not is_of(look, job.predicted) or not look.holds(self._store.known):
            return None
        folder = (overlay.skeleton if overlay else self._workspace.environment(cell)).absolute()
        if not look.is_at(str(folder)) or _has_mounts(folder) or (overlay and not self._lies_on(look, overlay)):
            return None
        tree = Tree(str(folder))
        tree.resolved = {path.removeprefix(f"{tree.root}/"): end for path, end in look.ends.items()}
        with suppress(OSError):
            tree.texts["pyvenv.cfg"] = (folder / "pyvenv.cfg").read_bytes()
        declared = job.interpreter.executable if job.interpreter else None
        interpreter, finding = (
            interpreter_inside(folder, look.scripts, job.interpreter)
            if job.interpreter and job.interpreter.image
            else interpreter_of(
                tree, lambda executable: self._identify(executable, job, again=again), declared, look.scripts
            )
        )
        if interpreter is None or finding is not None:
            return None
        observed = fingerprint_of(look, job.predicted, interpreter.identity, interpreter.layer)
        proof = self._proof(job, interpreter.told_by(observed))
        if proof.verdict != "match":
            return None
        self._before[cell] = look
        return proof

    def _lies_on(self, look: LastLook, overlay: Overlay) -> bool:
        """Whether the lower layer is the one that it was, and nobody has written to the one above."""
        lower = self._lower.get(look.lower) or image_look(overlay.image)
        if lower is None or not look.lower or lower.checksum != look.lower or not overlay.is_untouched():
            return False
        self._lower[look.lower] = lower
        return lower.is_at(str(overlay.image)) and not _has_mounts(overlay.image) and lower.holds(self._store.known)

    def _remembered(self, cell: str) -> LastLook | None:
        with suppress(OSError):
            return look_from_bytes(self._workspace.look(cell).read_bytes())
        return None

    def _remember(
        self, cell: str, tree: Tree, fingerprint: Fingerprint, started: int, lower: LastLook | None = None
    ) -> None:
        """Keep the look of an environment that was read; where that can't be, it is read again next time."""
        with suppress(OSError):
            look = look_of(tree, started, fingerprint, layout_of(tree).scripts)
            if look and lower:
                look = replace(look, lower=lower.checksum)
            if look:
                write_atomically(self._workspace.look(cell), look.to_bytes())

    def _identify(self, executable: Path, job: Job, *, again: bool) -> Interpreter | None:
        declared = job.interpreter
        if declared and executable == declared.executable and not again:
            return declared
        trusted = (declared.executable,) if declared else ()
        return identify(executable, replace(self._discovery, trusted=(*trusted, *self._discovery.trusted)))


def _has_mounts(*folders: Path) -> bool:
    """Whether anything is mounted below one of these: paths then lead to other files than the folders' own."""
    return any(mount_findings(os.path.realpath(folder)) for folder in folders)
