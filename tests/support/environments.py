"""Environments of the running Python, made of wheels as a run makes them, and proven as a run proves them."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.environments.environment import Order, make_environments
from lockproof.locks.artifacts import Artifact
from lockproof.proof.compare import Proof, prove
from lockproof.proof.prediction import predict, worked_out
from lockproof.pythons.interpreters import Discovery, Interpreter, identify
from lockproof.pythons.layout import Layout, layout_for
from lockproof.reading.inspection import Inspection, inspect_environment
from support.wheels import sha256_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockproof.proof.fingerprint import Fingerprint, Worked
    from lockproof.wheels.store import Known, Store, StoreEntry


@cache
def running() -> Interpreter:
    """The interpreter that runs the tests (its base, where that is an environment's)."""
    found = identify(Path(sys.executable), discovery())
    assert found is not None
    return found


@cache
def discovery() -> Discovery:
    """Only the running interpreter is known, and nothing is written anywhere."""
    return Discovery(environ={})


@cache
def app_data() -> Path:
    """virtualenv's cache for this process: what it finds out about the interpreter takes it two seconds."""
    folder = Path(tempfile.mkdtemp(prefix="lockproof-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def artifact_of(wheel: Path) -> Artifact:
    """A lock's entry for a wheel on disk."""
    name, version, _ = wheel.name.split("-", 2)
    return Artifact(
        name=name.replace("_", "-"),
        version=version,
        filename=wheel.name,
        sha256=sha256_of(wheel),
        size=wheel.stat().st_size,
        where=f"lock:{wheel.name}",
    )


def bring(wheel: Path, folder: Path) -> Path:
    """What a download does: a copy of the wheel in the store's download folder."""
    return Path(shutil.copy(wheel, folder / f"{wheel.name}.part"))


def stored(store: Store, wheels: Sequence[Path]) -> list[StoreEntry]:
    """The store's entries of these wheels, put there where they aren't."""
    return [store.ensure(artifact_of(wheel), partial(bring, wheel)) for wheel in wheels]


def layout() -> Layout:
    """The layout of environments of the running Python here."""
    return layout_for(running().version, "linux")


def predicted(entries: Sequence[StoreEntry]) -> Fingerprint:
    """What an environment of the running Python with these wheels must be."""
    return predict(
        [entry.manifest for entry in entries],
        layout(),
        python=running().version,
        os_name="linux",
        interpreter=running().identity,
        interpreter_layer=running().layer,
    )


def make(entries: Sequence[StoreEntry], folder: Path, *, link: str = "copy") -> Path:
    """An environment of the running Python, filled from the store; returns its site-packages."""
    make_environments([Order(interpreter=running(), entries=entries, folder=folder, link=link)], app_data())
    return folder / layout().site


def know(executable: Path) -> Interpreter | None:
    """The running interpreter, where it is that; no other is known."""
    return running() if executable == running().executable else None


def observed(folder: Path, store: Store | None = None) -> Fingerprint:
    """What the environment is, every byte read."""
    return inspect(folder, store).fingerprint


def inspect(
    folder: Path,
    store: Store | None = None,
    *,
    known: Known | None = None,
    previous: Inspection | None = None,
    worked: Worked | None = None,
) -> Inspection:
    """The environment as it is; `known`, `previous` and `worked` spare it work where nothing has changed."""
    return inspect_environment(
        folder,
        identify=know,
        declared=running().executable,
        store=store.folder if store else None,
        known=known,
        previous=previous,
        worked=worked,
    )


def worked(entries: Sequence[StoreEntry]) -> Worked:
    """What a prediction's digests were worked out of."""
    return worked_out(predicted(entries), [entry.manifest for entry in entries], layout(), running().version, {})


@dataclass(frozen=True, kw_only=True)
class Made:
    """A proven environment, its parts, and what it has to be."""

    folder: Path
    site: Path
    scripts: Path
    store: Store
    entries: Sequence[StoreEntry]
    predicted: Fingerprint

    def prove(self) -> Proof:
        """Hold it, as it is now, against its prediction."""
        return prove(self.predicted, observed(self.folder, self.store))


def make_proven(wheels: Sequence[Path], folder: Path, store: Store, *, link: str = "copy") -> Made:
    """An environment that was just found to match."""
    entries = stored(store, wheels)
    site = make(entries, folder, link=link)
    made = Made(
        folder=folder,
        site=site,
        scripts=folder / layout().scripts,
        store=store,
        entries=entries,
        predicted=predicted(entries),
    )
    proof = made.prove()
    told = [finding for finding in proof.findings if finding.level != "note"]
    assert (proof.verdict, proof.layer, told) == ("match", "", []), told
    return made
