"""One project as the commands see it: its matrix, its lock, its workspace, and the folders shared between projects."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from lockproof.errors import LockproofError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from lockproof.build.building import Requirements, Workshop
    from lockproof.build.package import Packager
    from lockproof.cells.matrix import Cell, Spec
    from lockproof.containers.finding import Containers
    from lockproof.environments.workspace import Workspace
    from lockproof.indexes.download import Downloader
    from lockproof.indexes.index import Index
    from lockproof.locks import IndexOptions, Lock
    from lockproof.locks.artifacts import Plan
    from lockproof.locks.lockfile import LoadedLock
    from lockproof.locks.refusals import Refusal
    from lockproof.proof.dependencies import Dependencies
    from lockproof.proof.fingerprint import Fingerprint
    from lockproof.pythons.interpreters import Discovery, Interpreter
    from lockproof.running.preparation import Build, Fetching, Job
    from lockproof.running.process import Processes
    from lockproof.wheels.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Where things are: the folder of `-C`, the matrix file as given, and the cache with the store."""

    folder: Path
    matrix: str
    cache: Path


class Project:
    """Everything is read when it is first asked for, and once."""

    def __init__(self, places: Places, environ: Mapping[str, str], *, offline: bool = False) -> None:
        """`environ` is the process's; nothing else looks at it. With `offline` no connection is ever made."""
        self.places = places
        self.environ = environ
        self.offline = offline
        self._build_requirements: Requirements | None = None  # of the cells last planned
        self._indexes: dict[IndexOptions | None, Index] = {}

    @cached_property
    def matrix_path(self) -> Path:
        """The matrix file."""
        return self.places.folder / self.places.matrix

    @cached_property
    def root(self) -> Path:
        """The folder of the matrix file: commands start there, and the lock is named from there."""
        return self.matrix_path.absolute().parent

    @cached_property
    def store(self) -> Store:
        """The wheels that all projects share."""
        from lockproof.wheels.store import Store  # 20 ms, by when a look at one folder is well under way

        return Store(self.places.cache / "store")

    @cached_property
    def workspace(self) -> Workspace:
        """The project's `.lockproof` folder."""
        from lockproof.environments.workspace import Workspace  # as above

        return Workspace(self.root / ".lockproof")

    @cached_property
    def discovery(self) -> Discovery:
        """Where interpreters are looked for."""
        from lockproof.pythons.interpreters import Discovery

        return Discovery(environ=self.environ, cache=self.places.cache / "interpreters")

    @cached_property
    def spec(self) -> Spec:
        """What matrix.yaml says; raises MatrixError with all that is wrong in it."""
        from lockproof.cells.documents import load_matrix

        return load_matrix(self.matrix_path, shown_as=self.places.matrix)

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All cells of the matrix, on this host."""
        from lockproof.cells.matrix import expand
        from lockproof.pythons.probing import host_platform

        return expand(self.spec, host_platform())

    def select(self, patterns: Sequence[str]) -> tuple[Cell, ...]:
        """The cells that ids or globs name, all of them by default; UsageError for a pattern that names none."""
        from lockproof.cells.matrix import select

        return select(self.cells, patterns)

    @cached_property
    def lock(self) -> Lock:
        """The lock in its normal form, with the files that the cells last planned need, or else all cells."""
        return self.load_lock(self.lock_path, self.cells).lock

    @cached_property
    def lock_path(self) -> Path:
        """The lock's file."""
        return self.matrix_path.parent / self.spec.lock

    def load_lock(self, path: Path, cells: Sequence[Cell]) -> LoadedLock:
        """The lock in any file, as complete as some cells need it."""
        from lockproof.locks.lockfile import load_lock

        return load_lock(
            path,
            cells,
            folder_for_cache=self.places.cache / "locks",
            index_factory=self.index,
            environ=self.environ,
            project=self.root,
        )

    def index(self, options: IndexOptions | None = None) -> Index:
        """The user's own index, with the options that the lock adds."""
        from lockproof.indexes.index import Index
        from lockproof.indexes.pipconfig import read_index_config

        if options not in self._indexes:
            config = replace(read_index_config(self.environ, self.root), offline=self.offline)
            if options is not None:
                config = config.with_options(
                    index_url=options.index_url,
                    extra_index_urls=options.extra_index_urls,
                    find_links=options.find_links,
                    no_index=options.no_index,
                    trusted_hosts=options.trusted_hosts,
                )
            self._indexes[options] = Index(config)
        return self._indexes[options]

    def _make_downloader(self) -> Downloader:
        from lockproof.indexes.download import Downloader

        return Downloader(self.index(self.lock.options))

    def plans(self, cells: Sequence[Cell]) -> tuple[Plan, ...]:
        """One plan a cell; raises all that is wrong with the lock for any of them."""
        from lockproof.locks.plan import plan_cells

        self.lock, missing = self.load_lock(self.lock_path, cells)
        plans = plan_cells(self.lock, cells, missing)
        self._build_requirements = self._plan_builds(
            [plan.cell for plan in plans if plan.cell.package != "none" or any(a.is_sdist for a in plan.artifacts)]
        )
        return plans

    def refused(self, cells: Sequence[Cell]) -> dict[str, list[Refusal]]:
        """Why the lock can't be had for each of the cells for which it can't; raises what reading a lock raises."""
        from lockproof.locks.plan import refused_cells

        loaded = self.load_lock(self.lock_path, cells)
        return refused_cells(loaded.lock, cells, loaded.missing)

    def _plan_builds(self, cells: Sequence[Cell]) -> Requirements | None:
        """What the build lock gives for each Python and platform of cells that build; None where none does.

        Raises what reading and planning a lock raises.
        """
        if not cells:
            return None
        from lockproof.build.building import Requirements  # few projects build
        from lockproof.cells.buildkeys import WHEELS_ONLY
        from lockproof.locks.plan import plan_cells

        named = self.spec.build_lock
        if named is None:
            return Requirements(plans={})
        by_target = {(cell.python, cell.platform): cell for cell in cells}
        wanted = [replace(cell, extras=(), groups=named.groups, build=WHEELS_ONLY) for cell in by_target.values()]
        loaded = self.load_lock(self.matrix_path.parent / named.path, wanted)
        plans = plan_cells(loaded.lock, wanted, loaded.missing)
        by_cell = dict(zip(by_target, plans, strict=True))
        identity = f"{loaded.lock.sha256} {named.groups}"
        return Requirements(lock=named.path, identity=identity, plans=by_cell)

    def builder(
        self,
        fetching: Fetching,
        note: Callable[[str], None],
        processes: Processes | None = None,
        *,
        check: bool = False,
        save: bool = False,
    ) -> Build | None:
        """What builds the sdists of the cells last planned, None without any; `check` and `save`: see `Builder`."""
        if self._build_requirements is None:
            return None
        from lockproof.build.building import Builder  # few projects build
        from lockproof.build.keptbuilds import FILENAME
        from lockproof.build.keptfile import KeptFile

        known = [(package.name, str(package.version)) for package in self.lock.pylock.packages]
        locked = known if self.lock.selections is None else None
        builder = Builder(
            self._workshop(processes),
            fetching=fetching,
            requirements=self._build_requirements,
            kept=KeptFile(self.lock_path.with_name(FILENAME), locked, locks=self.places.cache / "builds"),
            note=note,
            check=check,
            save=save,
        )
        return builder.built

    def _workshop(self, processes: Processes | None) -> Workshop:
        from lockproof.build.building import Workshop  # few projects build
        from lockproof.running.process import Processes

        return Workshop(
            cache=self.places.cache,
            store=self.store,
            processes=processes or Processes(),
            path=self.environ.get("PATH", os.defpath),
        )

    def interpreters(self, cells: Sequence[Cell]) -> dict[str, Interpreter | LockproofError]:
        """The interpreter of each exact Python that the cells need here, or why there is none."""
        from lockproof.running.preparation import find_interpreters

        return find_interpreters(cells, self.discovery)

    def containers(self, *, allow_tags: bool = False) -> Containers:
        """What finds the engines, images and interpreters of container cells."""
        from lockproof.containers.finding import Containers  # few projects have such cells

        cache = self.places.cache / "containers"
        return Containers(self.environ, cache, allow_tags=allow_tags, offline=self.offline)

    def fetching(self, told: Callable[[int, int, int], None]) -> Fetching:
        """What brings wheels into the store."""
        from lockproof.running.preparation import Fetching

        return Fetching(self.store, self._make_downloader, told)

    def without_lock(self, told: Callable[[int, int, int], None]) -> tuple[Index, Fetching]:
        """The user's own index, and what brings wheels from it into the store; neither matrix nor lock is read."""
        from lockproof.indexes.download import Downloader
        from lockproof.running.preparation import Fetching

        index = self.index()
        return index, Fetching(self.store, lambda: Downloader(index), told)

    @cached_property
    def dependencies(self) -> Dependencies:
        """What checks that the distributions of a cell have all that they require."""
        from lockproof.proof.dependencies import Dependencies

        return Dependencies(self.places.cache / "closures")

    def packager(
        self,
        fetching: Fetching,
        note: Callable[[str], None],
        processes: Processes | None = None,
        *,
        anew: bool = False,
    ) -> Packager | None:
        """What builds the project for the cells last planned, `anew` if so asked; None where none installs it."""
        if self._build_requirements is None:
            return None
        from lockproof.build.package import Packager  # few projects build

        return Packager(
            self.root,
            self._workshop(processes),
            fetching=fetching,
            requirements=self._build_requirements,
            own_lock=self.spec.lock,
            dependencies=self.dependencies,
            note=note,
            variables=self.environ,
            anew=anew,
        )

    def jobs(
        self,
        cells: Sequence[Cell],
        told: Callable[[int, int, int], None],
        note: Callable[[str], None],
        inside: Mapping[str, Interpreter | LockproofError] | None = None,
    ) -> list[Job]:
        """The predicted cells, wheels fetched; a missing interpreter leaves its layer out. Raises the first error.

        `inside` has the interpreters of container cells by the cell's id: nothing is built with them.
        """
        from lockproof.running.preparation import builder, make_job
        from lockproof.running.process import Processes

        plans = self.plans(cells)
        interpreters = {**self.interpreters(cells), **(inside or {})}
        fetching = self.fetching(told)
        here = [(plan, _here(plan.cell, interpreters)) for plan in plans]
        processes = Processes()
        build, packager = self.builder(fetching, note, processes), self.packager(fetching, note, processes)
        built = build([(plan, builder(own)) for plan, own in here]) if build else plans
        for failure in (plan for plan in built if isinstance(plan, LockproofError)):
            raise failure
        pairs = [
            (plan, own) for plan, (_, own) in zip(built, here, strict=True) if not isinstance(plan, LockproofError)
        ]
        wheels = fetching.bring(artifact for plan, _ in pairs for artifact in plan.artifacts)
        if packager is None:
            return [self.dependencies.checked(make_job(plan, wheels, found)) for plan, found in pairs]
        packager.offer([(plan, builder(own)) for plan, own in pairs])
        jobs = []
        for plan, found in pairs:
            job = packager.declared(make_job(*packager.packaged(plan, wheels, builder(found)), found))
            jobs.append(self.dependencies.checked(job))
        return jobs

    def previews(self, cells: Sequence[Cell]) -> list[Fingerprint]:
        """The cells by what their wheels say of themselves where they lie; raises what `preview` raises."""
        from lockproof.running.previews import preview

        plans = self.plans(cells)
        index = self.index(self.lock.options)
        return preview(plans, self.interpreters(cells), store=self.store, index=index, lock=self.lock)


def _here(cell: Cell, interpreters: Mapping[str, Interpreter | LockproofError]) -> Interpreter | None:
    """The interpreter of a cell of this host, or of a container that somebody looked into; else None."""
    found = interpreters.get(cell.python if cell.on_host else cell.id)
    return None if isinstance(found, LockproofError) else found
