"""Sdists of plans to wheels in the store: each built once for an interpreter and the wheels that its build requires.

    <store>/sdists/<sha256>              the sdist, whose sha256 is the lock's
    <store>/builds/<key>.json            the wheel that it gave, with that interpreter and those requirements
    <cache>/builds/<key>                 where it is built: the same folder every time; gone when it is done
    <cache>/builds/<key>.log             what the build has said

What is built is held to `lockproof.builds.json` beside the lock (see `keptfile`).
"""

from __future__ import annotations

import os
import shutil
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.build.builds import Bench, built_wheel, write_record
from lockproof.build.keptbuilds import BuildKey, KeptBuild, compare_builds, requirements_digest
from lockproof.build.sdists import sdist_source
from lockproof.digests import digest_of_lines, is_sha256, sha256_hex
from lockproof.errors import LockError, LockproofError, UnavailableError
from lockproof.locks.caches import kept
from lockproof.proof.prediction import landing_facts
from lockproof.pythons.layout import layout_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lockproof.build.keptfile import KeptFile
    from lockproof.cells.matrix import Cell
    from lockproof.locks.artifacts import Artifact, Plan
    from lockproof.pythons.interpreters import Interpreter
    from lockproof.pythons.platforms import Platform
    from lockproof.running.preparation import Fetching
    from lockproof.running.process import Processes
    from lockproof.wheels.manifest import Manifest
    from lockproof.wheels.store import Store, StoreEntry

_SCHEMA = "lockproof/built/1"
_IRREPRODUCIBLE = "Its build is not reproducible: report it to its maintainers, or lock a wheel of it."


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirements:
    """What builds may use: by a cell's Python and platform, the plan of the build lock that is called `lock`.

    `identity` is what the selection follows from: the build lock's sha256 and groups; "" without a lock.
    """

    lock: str = ""
    identity: str = ""
    plans: Mapping[tuple[str, Platform], Plan]

    def of(self, cell: Cell) -> tuple[Artifact, ...]:
        """The wheels of the build environment for a cell: none without a build lock."""
        plan = self.plans.get((cell.python, cell.platform))
        return plan.artifacts if plan else ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Workshop:
    """Where builds are made, and what is at hand there: `cache` is shared between projects, `path` is PATH."""

    cache: Path
    store: Store
    processes: Processes
    path: str = os.defpath

    def bench(self, key: str, interpreter: Interpreter, requirements: Sequence[StoreEntry], lock: str) -> Bench:
        """The place of one build. `key` says all that the build depends on; its first 16 characters name the folder."""
        folder = self.cache / "builds" / key[:16]
        return Bench(
            folder=folder,
            log=folder.with_suffix(".log"),
            interpreter=interpreter,
            requirements=requirements,
            lock=lock,
            processes=self.processes,
            app_data=self.cache / "virtualenv",
            path=self.path,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Task:
    """One sdist to be built for the Python and platform of a cell."""

    sdist: Artifact
    cell: Cell
    interpreter: Interpreter | None


class Builder:
    """Builds the sdists of plans; what was built before, with equal means, is taken from the store."""

    def __init__(
        self,
        workshop: Workshop,
        *,
        fetching: Fetching,
        requirements: Requirements,
        kept: KeptFile,
        note: Callable[[str], None],
        check: bool = False,
        save: bool = False,
    ) -> None:
        """`check` builds anew, twice, in different places; `save` writes what is new to the kept file."""
        self._workshop = workshop
        self._store = workshop.store
        self._fetching = fetching
        self._requirements = requirements
        self._kept = kept
        self._note = note
        self._check = check
        self._save = save
        self._downloads: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def built(self, wanted: Sequence[tuple[Plan, Interpreter | None]]) -> list[Plan | LockproofError]:
        """Each plan with wheels in the place of its sdists, or why it can't be had.

        Raises LockError where what is kept can't be relied on, BuildMismatchError where another run has kept something
        else meanwhile.
        """
        tasks = {
            _task_key(sdist, plan.cell): _Task(sdist=sdist, cell=plan.cell, interpreter=interpreter)
            for plan, interpreter in wanted
            for sdist in plan.artifacts
            if sdist.is_sdist
        }
        if not tasks:
            return [plan for plan, _ in wanted]
        self._kept.load()
        here = [task for task in tasks.values() if task.interpreter]
        entries = self._fetching.bring(wheel for task in here for wheel in self._requirements.of(task.cell))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            try:
                results = pool.map(lambda task: self._result(task, entries), tasks.values())
                built = dict(zip(tasks, results, strict=True))
            except BaseException:
                self._workshop.processes.end_all()
                raise
        if self._save and (told := self._kept.save()):
            self._note(told)
        return [_with_wheels(plan, built) for plan, _ in wanted]

    def _result(self, task: _Task, entries: Mapping[str, StoreEntry | LockproofError]) -> Artifact | LockproofError:
        try:
            return self._built(task, entries)
        except LockproofError as error:
            error.where = error.where or task.sdist.where
            return error

    def _built(self, task: _Task, entries: Mapping[str, StoreEntry | LockproofError]) -> Artifact:
        sdist, interpreter = task.sdist, task.interpreter
        if interpreter is None:
            missing = f"Python {task.cell.python}" if task.cell.on_host else task.cell.platform.id
            why = f"{missing} isn't here, and what an sdist builds isn't known before"
            raise UnavailableError(f"{sdist.filename} can't be built for {task.cell.id}", why=why)
        requirements = []
        for wheel in self._requirements.of(task.cell):
            entry = entries[wheel.sha256]
            if isinstance(entry, LockproofError):
                raise entry
            requirements.append(entry)
        digest = requirements_digest((e.manifest.name, e.manifest.version, e.manifest.sha256) for e in requirements)
        key = digest_of_lines(_SCHEMA, [part.encode() for part in (sdist.sha256, interpreter.layer, digest)])
        record = _Record(self._store, key.removeprefix("sha256:"), sdist)
        made = None if self._check else record.read()
        if made is None:
            bench = self._workshop.bench(record.key, interpreter, requirements, self._requirements.lock)
            made = self._make(task, bench, record, digest)
        self._kept.hold(self._as_kept(task, interpreter, digest, made.manifest))
        return _wheel_of(sdist, made.manifest)

    def _make(self, task: _Task, bench: Bench, record: _Record, digest: str) -> StoreEntry:
        """Build the sdist and put its wheel into the store; with `check` build it elsewhere too, and compare."""
        sdist, interpreter = task.sdist, bench.interpreter
        self._note(f"building {sdist.filename} with Python {interpreter.version}")
        with self._downloads[sdist.sha256]:  # for several Pythons it is downloaded once
            archive = self._fetching.fetch_sdist(sdist)
        source = sdist_source(sdist, archive)
        with built_wheel(source, bench) as wheel:
            if not self._check and (meanwhile := record.read()):
                return meanwhile  # another run has built it while this one waited
            made = _stored(self._store, sdist, wheel)
            if not self._check:
                record.write(made.manifest)
        if self._check:
            elsewhere = bench.folder.with_name(f"{bench.folder.name}-in-another-place")
            self._note(f"building {sdist.filename} again, elsewhere")
            with built_wheel(
                source, replace(bench, folder=elsewhere, log=bench.log.with_suffix(".again.log"))
            ) as wheel:
                again = _stored(self._store, sdist, wheel)
            compare_builds(
                self._as_kept(task, interpreter, digest, made.manifest),
                self._as_kept(task, interpreter, digest, again.manifest),
                against="it built in another folder",
                remedy=_IRREPRODUCIBLE,
            )
            record.write(made.manifest)
        return made

    @staticmethod
    def _as_kept(task: _Task, interpreter: Interpreter, digest: str, manifest: Manifest) -> KeptBuild:
        sdist, cell = task.sdist, task.cell
        key = BuildKey(
            name=sdist.name,
            version=sdist.version,
            sdist=f"sha256:{sdist.sha256}",
            python=cell.python,
            platform=cell.platform.id,
            requirements=digest,
        )
        facts = landing_facts(manifest, layout_for(cell.python, cell.platform.os), cell.python)
        return KeptBuild(key=key, interpreter=interpreter.layer, content=facts)


class _Record:
    """Which wheel of the store an sdist gave."""

    def __init__(self, store: Store, key: str, sdist: Artifact) -> None:
        self.key = key
        self._store = store
        self._sdist = sdist
        self._path = store.folder / "builds" / f"{key}.json"

    def read(self) -> StoreEntry | None:
        """The wheel's entry; None where there is none, or it isn't a wheel of that name any more."""
        match kept(self._path):
            case {"schema": schema, "filename": str(filename), "sha256": str(sha256)}:
                if schema != _SCHEMA or not is_sha256(sha256):
                    return None
                wheel = replace(self._sdist, filename=filename, sha256=sha256, size=None, urls=())
                entry = self._store.entry(wheel)
                return entry if entry and entry.manifest.name == self._sdist.name else None
        return None

    def write(self, manifest: Manifest) -> None:
        """Keep it for the next time."""
        write_record(self._path, {"schema": _SCHEMA, "filename": manifest.filename, "sha256": manifest.sha256})


def _task_key(sdist: Artifact, cell: Cell) -> tuple[str, Platform, str]:
    return (cell.python, cell.platform, sdist.sha256)


def _with_wheels(
    plan: Plan, built: Mapping[tuple[str, Platform, str], Artifact | LockproofError]
) -> Plan | LockproofError:
    artifacts = []
    for artifact in plan.artifacts:
        found = built[_task_key(artifact, plan.cell)] if artifact.is_sdist else artifact
        if isinstance(found, LockproofError):
            return found
        artifacts.append(found)
    return replace(plan, artifacts=tuple(artifacts))


def _wheel_of(sdist: Artifact, manifest: Manifest) -> Artifact:
    """The wheel that was built of an sdist, as an artifact that only the store has."""
    return replace(sdist, filename=manifest.filename, sha256=manifest.sha256, size=None, urls=(), built_from=sdist)


def _stored(store: Store, sdist: Artifact, wheel: Path) -> StoreEntry:
    """A wheel that was just built, in the store under its own sha256; LockError for one that is of something else."""
    sha256 = sha256_hex(wheel.read_bytes())
    artifact = replace(sdist, filename=wheel.name, sha256=sha256, size=None, urls=())

    def bring(folder: Path) -> Path:
        return Path(shutil.copyfile(wheel, folder / f"{sha256}.{os.getpid()}.built"))

    entry = store.ensure(artifact, bring)
    if entry.manifest.name != sdist.name or not _is_version(entry.manifest.version, sdist.version):
        raise LockError(
            f"{sdist.filename} builds {entry.manifest.name} {entry.manifest.version}",
            where=sdist.where,
            remedy="Report it to its maintainers, or lock another version.",
        )
    return entry


def _is_version(text: str, version: str) -> bool:
    from packaging.version import InvalidVersion, Version  # late: packaging takes 80 ms

    try:
        return Version(text) == Version(version)
    except InvalidVersion:
        return False
