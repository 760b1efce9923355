"""One project as the commands see it: its matrix, its lock, its workspace, and the folders shared between projects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.errors import LockproofError, UsageError
from lockproof.store import Store
from lockproof.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lockproof.artifacts import Plan
    from lockproof.download import Downloader
    from lockproof.index import Index
    from lockproof.interpreters import Discovery, Interpreter
    from lockproof.lockfile import LoadedLock
    from lockproof.locks import IndexOptions, Lock
    from lockproof.matrix import Cell, Spec
    from lockproof.preparation import Fetching, Job


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Where things are: the folder of `-C`, the matrix file as given, and the cache with the store."""

    folder: Path
    matrix: str
    cache: Path


class Project:
    """Everything is read when it is first asked for, and once."""

    def __init__(self, places: Places, environ: Mapping[str, str]) -> None:
        """`environ` is the process's; nothing else looks at it."""
        self.places = places
        self.environ = environ
        self.store = Store(places.cache / "store")
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
    def workspace(self) -> Workspace:
        """The project's `.lockproof` folder."""
        return Workspace(self.root / ".lockproof")

    @cached_property
    def discovery(self) -> Discovery:
        """Where interpreters are looked for."""
        from lockproof.interpreters import Discovery

        return Discovery(environ=self.environ, cache=self.places.cache / "interpreters")

    @cached_property
    def spec(self) -> Spec:
        """What matrix.yaml says; raises MatrixError with all that is wrong in it."""
        from lockproof.documents import load_matrix

        return load_matrix(self.matrix_path, shown_as=self.places.matrix)

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """All cells of the matrix, on this host."""
        from lockproof.matrix import expand
        from lockproof.probing import host_platform

        return expand(self.spec, host_platform())

    def select(self, patterns: Sequence[str]) -> tuple[Cell, ...]:
        """The cells that ids or globs name, all of them by default; UsageError for a pattern that names none."""
        from lockproof.matrix import select

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
        from lockproof.lockfile import load_lock

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
        from lockproof.index import Index
        from lockproof.pipconfig import read_index_config

        if options not in self._indexes:
            config = read_index_config(self.environ, self.root)
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
        from lockproof.download import Downloader

        return Downloader(self.index(self.lock.options))

    def plans(self, cells: Sequence[Cell]) -> tuple[Plan, ...]:
        """One plan a cell; raises all that is wrong with the lock for any of them."""
        from lockproof.plan import plan_cells

        self.lock, missing = self.load_lock(self.lock_path, cells)
        return plan_cells(self.lock, cells, missing)

    def interpreters(self, cells: Sequence[Cell]) -> dict[str, Interpreter | LockproofError]:
        """The interpreter of each exact Python that the cells need here, or why there is none."""
        from lockproof.preparation import find_interpreters

        return find_interpreters(cells, self.discovery)

    def fetching(self, told: Callable[[int, int, int], None]) -> Fetching:
        """What brings wheels into the store."""
        from lockproof.preparation import Fetching

        return Fetching(self.store, self._make_downloader, told)

    def without_lock(self, told: Callable[[int, int, int], None]) -> tuple[Index, Fetching]:
        """The user's own index, and what brings wheels from it into the store; neither matrix nor lock is read."""
        from lockproof.download import Downloader
        from lockproof.preparation import Fetching

        index = self.index()
        return index, Fetching(self.store, lambda: Downloader(index), told)

    def jobs(self, cells: Sequence[Cell], told: Callable[[int, int, int], None]) -> list[Job]:
        """The predicted cells, wheels fetched; a missing interpreter leaves its layer out. Raises the first error."""
        from lockproof.preparation import make_job

        plans = self.plans(cells)
        interpreters = self.interpreters(cells)
        wheels = self.fetching(told).bring(artifact for plan in plans for artifact in plan.artifacts)
        jobs = []
        for plan in plans:
            found = interpreters.get(plan.cell.python) if plan.cell.on_host else None
            jobs.append(make_job(plan, wheels, None if isinstance(found, LockproofError) else found))
        return jobs


def cache_folder(named: str | None, folder: Path) -> Path:
    """The folder of the store and caches: the one that is named, seen from `folder`, else the user's cache folder."""
    if named:
        return (folder / Path(named).expanduser()).absolute()
    from platformdirs import user_cache_path

    return user_cache_path("lockproof", appauthor=False)


def resolve_folder(named: str) -> Path:
    """The folder of `-C`; UsageError where there is none."""
    folder = Path(named)
    if not folder.is_dir():
        raise UsageError("there is no such folder", where=named, remedy="name an existing folder with -C")
    return folder
