"""The project under test as a wheel: built once, kept by what it was built from, installed like any other wheel.

`package: wheel` builds a copy of the files that git tracks or would track, so that nothing else can get in and nothing
is written to the project's folder. `package: editable` builds in that folder (PEP 660), for its wheel refers to it.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from lockproof.build.builds import DEFAULT_EPOCH, Source, built_wheel
from lockproof.build.buildsystem import project_name, read_build_system
from lockproof.build.projecttree import ProjectTree, git_state, read_project
from lockproof.build.projectwheels import KeptWheels, wheel_artifact
from lockproof.digests import sha256_hex
from lockproof.errors import LockError, LockproofError, MissingRequirementsError, UnavailableError, why_malformed
from lockproof.locks import wheel_name
from lockproof.proof.closure import reached
from lockproof.proof.fingerprint import EDITABLE, Finding
from lockproof.pythons.platforms import compatible_tags, marker_environment, parse_python
from lockproof.running.preparation import InstalledProject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from lockproof.build.building import Requirements, Workshop
    from lockproof.locks.artifacts import Artifact, Plan
    from lockproof.proof.dependencies import Dependencies
    from lockproof.pythons.interpreters import Interpreter
    from lockproof.running.preparation import Fetching, Job
    from lockproof.wheels.store import StoreEntry

    Wheels = Mapping[str, StoreEntry | LockproofError]

_SCHEMA = "lockproof/project-wheel/2"
# What tells a backend the version that it would otherwise ask git for: a copy has no repository.
_VERSION_VARIABLES = ("SETUPTOOLS_SCM_PRETEND_VERSION", "PDM_BUILD_SCM_VERSION")


class Packager:
    """Adds the project to the plans of a command's cells; builds what it needs, each once."""

    def __init__(
        self,
        root: Path,
        workshop: Workshop,
        *,
        fetching: Fetching,
        requirements: Requirements,
        own_lock: str,
        dependencies: Dependencies,
        note: Callable[[str], None],
        variables: Mapping[str, str],
        anew: bool = False,
    ) -> None:
        """`root` is the project's folder; `requirements` what builds may use; where there is no build lock, that is
        what the cells have of their own lock, called `own_lock`. `variables` are the user's: those that tell a version
        get into the build. `anew` takes nothing that was built before."""
        self._root = root
        self._workshop = workshop
        self._store = workshop.store
        self._fetching = fetching
        self._requirements = requirements
        self._own_lock = own_lock
        self._dependencies = dependencies
        self._note = note
        self._variables = {name: value for name, value in variables.items() if name.startswith(_VERSION_VARIABLES)}
        self._kept = KeptWheels(workshop.store, self._where, anew=anew)
        self._offered: list[tuple[Plan, Interpreter]] = []
        self._said: set[str] = set()
        self._tree: ProjectTree | None = None
        self._failed: dict[str, LockproofError] = {}
        self._given_way: dict[str, Artifact] = {}

    @property
    def tree(self) -> ProjectTree:
        """The project's files, as they were when the first cell asked, or after an editable build."""
        if self._tree is None:
            name = sha256_hex(str(self._root).encode("utf-8", "surrogateescape"))[:32]
            self._tree = read_project(self._root, self._workshop.cache / "projects" / f"{name}.json")
            if self._tree.untracked:
                self._say(f"all files of the project's folder count as its own: {self._tree.untracked}")
        return self._tree

    def _say(self, note: str) -> None:
        if note not in self._said:
            self._said.add(note)
            self._note(note)

    def offer(self, here: Iterable[tuple[Plan, Interpreter | None]]) -> None:
        """Say which cells there are, so that one can build for another: most wheels fit every Python."""
        self._offered = [(plan, found) for plan, found in here if found and plan.cell.package != "none"]

    def packaged(self, plan: Plan, wheels: Wheels, interpreter: Interpreter | None) -> tuple[Plan, Wheels]:
        """The plan with the project's wheel, where its cell wants it, and the wheels with that one.

        A distribution of the project's own name gives way to it. Raises LockError and UnavailableError, as
        `built_wheel` does, and where a wheel can only be built on the cell's own platform.
        """
        if plan.cell.package == "none":
            return plan, wheels
        artifact, entry = self._wheel(plan, wheels, interpreter)
        others = [other for other in plan.artifacts if other.name != artifact.name]
        self._given_way.update((plan.cell.id, other) for other in plan.artifacts if other not in others)
        added = tuple(sorted([*others, artifact], key=lambda one: one.name))
        return replace(plan, artifacts=added), {**wheels, artifact.sha256: entry}

    def declared(self, job: Job) -> Job:
        """The job, its prediction with the project's layer and what is to be said of it."""
        cell = job.cell
        if cell.package == "none":
            return job
        name, tree = self._name_in(job), self.tree
        findings = list(job.predicted.findings)
        layers = dict(job.predicted.layers)
        if other := self._given_way.get(cell.id):
            text = f"the {other.name} {other.version} of the lock gives way to the project's own"
            self._say(text)
            findings.append(Finding("project-replaces", "", text, "note"))
        if tree.untracked:
            text = f"nothing says which files are the project's, so its layer is left out: {tree.untracked}"
            findings.append(Finding("project-untracked", "", text, "note"))
        else:
            layers["project"] = tree.digest
        if cell.package == "editable":
            text = f"{name} is installed editable: its code is that of {tree.root}, which the project layer speaks of"
            findings.append(Finding(EDITABLE, "", text, "note"))
        predicted = replace(job.predicted, layers=layers, findings=tuple(findings))
        return replace(job, predicted=predicted, project=InstalledProject(name=name, tree=tree))

    def _name_in(self, job: Job) -> str:
        return next(one.name for one in job.plan.artifacts if one.where == self._where)

    @property
    def _where(self) -> str:
        return str(self._root / "pyproject.toml")

    # wheels

    def _wheel(self, plan: Plan, wheels: Wheels, interpreter: Interpreter | None) -> tuple[Artifact, StoreEntry]:
        cell, kind = plan.cell, plan.cell.package
        if not cell.on_host and kind == EDITABLE:
            raise UnavailableError(
                f"{cell.id} can't be predicted", why="an editable project is that of one machine",
                remedy="use package: wheel, or leave the cell out (cells: exclude)",
            )  # fmt: skip
        problem = None
        for builder in self._builders_for(plan, interpreter):
            try:
                if found := self._made(*builder, wheels, plan):
                    return found
            except LockproofError as error:
                problem = problem or error  # the first is about the cell itself
        raise problem or UnavailableError(
            f"the project's wheel for {cell.id} can't be built here",
            why="it is made for one platform" if self._offered else "no Python of the matrix is here",
            remedy="run the cell where its platform is",
        )

    def _builders_for(self, plan: Plan, interpreter: Interpreter | None) -> Iterator[tuple[Plan, Interpreter]]:
        """Who may build for a cell: itself, then the others, since most wheels fit every Python."""
        if interpreter:
            yield plan, interpreter
        for other, found in self._offered:
            if other.cell.package == plan.cell.package and other.cell.id != plan.cell.id:
                yield other, found

    def _made(
        self, builder: Plan, interpreter: Interpreter, wheels: Wheels, plan: Plan
    ) -> tuple[Artifact, StoreEntry] | None:
        """The wheel that this builder makes, or that was made before, if it fits the cell of `plan`."""
        means = self._means(builder)
        for python in (None, interpreter):
            found = self._kept.read(self._key(plan.cell.package, means, python))
            if found and _fits(found[0], plan):
                return found
        if found:
            return None  # this builder's wheel is for another Python
        found = self._build(builder, interpreter, wheels)
        self._remember(found, plan.cell.package, means, interpreter)
        return found if _fits(found[0], plan) else None

    def _means(self, plan: Plan) -> str:
        """What a build may use: of the build lock, or all that the cell has, for a backend may ask for any of it."""
        return self._requirements.identity or _identity(artifact.sha256 for artifact in plan.artifacts)

    def _key(self, kind: str, means: str, interpreter: Interpreter | None) -> str:
        """What a wheel was built from, as one digest; without an interpreter for one that fits every Python.

        `means` is what the build may use, or what it did use: cells that have different things share what is equal.
        """
        python = interpreter.layer if interpreter else ""
        root = str(self._root) if kind == EDITABLE else ""
        told = sorted(self._variables.items())
        if kind == EDITABLE:  # built where git is: a backend may take its version from there
            told.append(("git", git_state(self._root)))
        return sha256_hex(json.dumps([_SCHEMA, kind, self.tree.digest, root, means, told, python]).encode())

    def _remember(self, made: tuple[Artifact, StoreEntry], kind: str, means: str, interpreter: Interpreter) -> None:
        filename = made[0].filename
        for python in (interpreter, None) if filename.endswith("-none-any.whl") else (interpreter,):
            self._kept.write(self._key(kind, means, python), made[0])

    def _build(self, plan: Plan, interpreter: Interpreter, wheels: Wheels) -> tuple[Artifact, StoreEntry]:
        try:
            return self._built_with(self._required(plan, wheels), plan, interpreter)
        except MissingRequirementsError as error:
            if self._requirements.lock:
                raise
            return self._built_with_more(error, plan, interpreter, wheels)

    def _built_with_more(
        self, first: MissingRequirementsError, plan: Plan, interpreter: Interpreter, wheels: Wheels
    ) -> tuple[Artifact, StoreEntry]:
        """The wheel, where the backend itself asks for more than the project does (PEP 517, get_requires_…)."""
        try:
            return self._built_with(self._required(plan, wheels, first.missing), plan, interpreter)
        except MissingRequirementsError as error:
            lock, missing = self._own_lock, ", ".join(error.missing)
            raise LockError(
                f"the project can't be built: it requires {missing}",
                where=self._where,
                why=f"{lock} has nothing of the kind for {plan.cell.id}",
                remedy=f"Lock it, with hashes, in {lock}, or in a file of its own that `build-lock` names. "
                "If it is in a group that the cell doesn't take, name that group: `build-groups: [build]`.",
            ) from error

    def _built_with(
        self, requirements: Sequence[StoreEntry], plan: Plan, interpreter: Interpreter
    ) -> tuple[Artifact, StoreEntry]:
        kind, means = plan.cell.package, _identity(entry.manifest.sha256 for entry in requirements)
        for python in (None, interpreter):
            found = self._kept.read(self._key(kind, means, python))
            if found and _fits(found[0], plan):
                return found
        key = self._key(kind, means, interpreter)
        if key in self._failed:
            raise self._failed[key]
        try:
            made = self._built(kind, interpreter, requirements, key)
        except LockproofError as error:
            self._failed[key] = error
            raise
        if kind == EDITABLE:
            self._tree = None  # the backend may have written something that isn't ignored
        self._remember(made, kind, means, interpreter)
        return made

    def _built(
        self, kind: str, interpreter: Interpreter, requirements: Sequence[StoreEntry], key: str
    ) -> tuple[Artifact, StoreEntry]:
        bench = self._workshop.bench(key, interpreter, requirements, self._requirements.lock)
        bench = replace(bench, variables=self._variables)
        self._note(f"building the project ({kind}) with Python {interpreter.version}")
        with built_wheel(self._source(kind), bench) as wheel:
            artifact = wheel_artifact(wheel.name, sha256_hex(wheel.read_bytes()), self._where)
            if artifact is None:
                raise LockproofError(f"{wheel.name} is no wheel's name", where=self._where)
            if (named := project_name(self._pyproject())) not in ("", artifact.name):
                raise LockproofError(
                    f"the project's backend builds {artifact.name}", where=self._where,
                    why=f"the project is called {named}", remedy="see to it that both are the same",
                )  # fmt: skip
            entry = self._store.ensure(artifact, lambda folder: _copied(wheel, folder / artifact.sha256))
        bench.log.unlink(missing_ok=True)
        return artifact, entry

    def _source(self, kind: str) -> Source:
        def unpack(folder: Path) -> int:
            self.tree.copy_to(folder)
            return DEFAULT_EPOCH  # of the content alone, so that equal content makes equal wheels

        editable = self._root if kind == EDITABLE else None
        return Source(what="the project", name="", version="", unpack=unpack, where=self._where, editable=editable)

    def _required(self, plan: Plan, wheels: Wheels, more: Sequence[str] = ()) -> list[StoreEntry]:
        """The wheels that a build has: those of the build lock, or of the cell's plan those that it asks for."""
        if self._requirements.lock:
            return [_had(entry) for entry in self._fetching.bring(self._requirements.of(plan.cell)).values()]
        entries = {artifact.name: _had(wheels[artifact.sha256]) for artifact in plan.artifacts}
        environment = marker_environment(parse_python(plan.cell.python), plan.cell.platform)
        texts = {name: str(value) for name, value in environment.items()}
        needs = map(self._dependencies.needs_of, entries.values())
        return [entries[name] for name in sorted(reached([*self._build_system(), *more], needs, texts))]

    def _build_system(self) -> Sequence[str]:
        path = self._root / "pyproject.toml"
        if not path.exists() and not (path.parent / "setup.py").exists():
            raise LockError(
                "the project can't be built",
                where=str(path.parent),
                why="it has no pyproject.toml",
                remedy="add one with a [build-system] (PEP 518), or say package: none in matrix.yaml",
            )
        return read_build_system(self._pyproject(), "the project").requires

    def _pyproject(self) -> str | None:
        path = self._root / "pyproject.toml"
        try:
            return path.read_text(encoding="utf-8") if path.exists() else None
        except (OSError, UnicodeDecodeError) as error:
            why = why_malformed(error)
            raise LockError("the project's pyproject.toml can't be read", where=str(path), why=why) from error


def _fits(artifact: Artifact, plan: Plan) -> bool:
    parts = wheel_name(artifact.filename)
    tags = compatible_tags(parse_python(plan.cell.python), plan.cell.platform)
    return parts is not None and not parts.tags.isdisjoint(tags)


def _identity(sha256s: Iterable[str]) -> str:
    return sha256_hex("\n".join(sorted(sha256s)).encode())


def _had(entry: StoreEntry | LockproofError) -> StoreEntry:
    if isinstance(entry, LockproofError):
        raise entry
    return entry


def _copied(wheel: Path, target: Path) -> Path:
    shutil.copyfile(wheel, target)
    return target
