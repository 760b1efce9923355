"""Lock and cells to plans: which artifact each cell gets, or every reason why a cell can't be had."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from lockproof.cells.buildkeys import WHEELS_ONLY, may_build, unbuilt_error, unknown_builds
from lockproof.errors import LockError
from lockproof.locks import INSTALLABLE_ADVICE, Selection, raise_together, sdist_name, sha256_of, wheel_name
from lockproof.locks.artifacts import Artifact, Plan
from lockproof.locks.pylock import file_urls
from lockproof.locks.refusals import AGAIN, LEAVE_OUT, Refusal, hole, kernel_refusal, whole_lock, without_kernel
from lockproof.pythons.platforms import compatible_tags, marker_environment, parse_python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from packaging.markers import Environment, Marker
    from packaging.pylock import Package, PackageSdist, PackageWheel, Pylock
    from packaging.tags import Tag
    from packaging.version import Version

    from lockproof.cells.matrix import Cell
    from lockproof.locks import Lock
    from lockproof.pythons.platforms import Platform

_COVER = "Make the lock again so that it covers this Python and platform."


def plan_cells(lock: Lock, cells: Sequence[Cell], missing: Mapping[int, LockError] | None = None) -> tuple[Plan, ...]:
    """One plan a cell, in their order, each the selection that PEP 751 prescribes for that cell.

    `packaging.pylock.Pylock.select` selects, with the cell's own markers and tags and never those of this
    process. `cell.groups` takes the place of the lock's default groups; None leaves them. `missing` says why
    packages have no files, by their index: it matters for the cells that select them. Raises LockError, or a
    ProblemsError of several, telling all that is wrong for all cells: a lock that excludes a cell, unknown
    extras and groups, two entries of one distribution, and distributions without a wheel for a cell.
    """
    planner = _Planner(lock, missing or {})
    plans = [plan for cell in cells if (plan := planner.plan(cell))]
    raise_together(planner.problems())
    return tuple(plans)


def refused_cells(
    lock: Lock, cells: Sequence[Cell], missing: Mapping[int, LockError] | None = None
) -> dict[str, list[Refusal]]:
    """Why the lock can't be had for each of the cells for which it can't, by their ids, in the lock's order."""
    planner = _Planner(lock, missing or {})
    for cell in cells:
        planner.plan(cell)
    refused: dict[str, list[Refusal]] = {}
    for refusal, ids in sorted(planner.refused.items()):
        for cell_id in ids:
            refused.setdefault(cell_id, []).append(refusal)
    return refused


def selected_packages(lock: Lock, cells: Sequence[Cell], among: Iterable[int]) -> set[int]:
    """Those of some packages, by their index, that the marker of at least one cell selects (PEP 751).

    A marker that has no answer selects nothing here: `plan_cells` tells it.
    """
    indexes = list(among)
    if not indexes:
        return set()
    environments = [
        _names_too(lock, cell, marker_environment(parse_python(cell.python), cell.platform)) for cell in cells
    ]
    packages = lock.pylock.packages
    return {index for index in indexes if any(_selects(packages[index], names) for names in environments)}


class _Planner:
    """Plans cell after cell, making each platform's tags once."""

    def __init__(self, lock: Lock, missing: Mapping[int, LockError]) -> None:
        import packaging  # late: packaging takes 80 ms

        self._lock, self._with_kernel = without_kernel(lock)
        self._environments = lock.pylock.environments or ()
        self._missing = {**lock.refusals, **missing}
        self._selector = f"packaging {packaging.__version__}"
        self._narrowed: dict[tuple[str, Platform], tuple[Pylock, list[Tag], Environment]] = {}
        self.refused: dict[Refusal, list[str]] = {}

    def problems(self) -> Iterator[LockError]:
        """One error for each reason, naming all the cells that it holds for, in the lock's order."""
        ordered = sorted(self.refused)
        if unbuilt := [refusal for refusal in ordered if refusal.sdist]:
            yield self._unbuilt(unbuilt)
        for refusal in (refusal for refusal in ordered if not refusal.sdist):
            place = self._lock.path if refusal.index < 0 else self._lock.place(refusal.index)
            what = f"{refusal.what} for {', '.join(self.refused[refusal])}"
            yield LockError(what, where=place, why=refusal.why, remedy=refusal.remedy)

    def _unbuilt(self, refusals: Sequence[Refusal]) -> LockError:
        """All sdists that cells need and that may not be built."""
        lines = [
            f"{self._lock.place(one.index)}: {one.what} for {', '.join(self.refused[one])}: {one.why}"
            for one in refusals
        ]
        return unbuilt_error(
            self._lock.path, [one.sdist for one in refusals], lines, f"{INSTALLABLE_ADVICE} {LEAVE_OUT}"
        )

    def plan(self, cell: Cell) -> Plan | None:
        """The plan of a cell; None, or one with holes, after noting what is wrong with it."""
        from packaging.markers import UndefinedComparison, UndefinedEnvironmentName  # late, as above
        from packaging.pylock import PylockSelectError

        pylock, tags, environment = self._view(cell)
        refusals = [*_unknown_names(self._lock, cell), *_unknown_builds(self._lock, cell)]
        refusals = refusals or list(_unanswered(self._lock, cell))
        refusals += self._hanging_on_kernel(cell, environment)
        try:
            refusals += _exclusions(pylock, environment, self._environments)
            if not refusals:
                return self._select(cell, pylock, tags, environment)
        except PylockSelectError as error:
            refusals += _clashes(self._lock, cell, environment) or [whole_lock("the lock can't be planned", str(error))]
        except (UndefinedComparison, UndefinedEnvironmentName) as error:
            refusals.append(whole_lock("the lock can't be planned", f"a marker can't be evaluated ({error})"))
        for refusal in refusals:
            self._refuse(cell, refusal)
        return None

    def _hanging_on_kernel(self, cell: Cell, environment: Environment) -> Iterator[Refusal]:
        """Packages that some kernels select and others don't."""
        names = _names_too(self._lock, cell, environment) if self._with_kernel else {}
        for index, marker in self._with_kernel.items():
            package = self._lock.pylock.packages[index]
            if _selects(replace(package, marker=marker), names) != _selects(package, names):
                yield kernel_refusal(self._lock, index)

    def _buildable(self, cell: Cell, index: int) -> PackageSdist | None:
        """The package's own sdist (no stand-in), where it may be built."""
        package = self._lock.pylock.packages[index]
        return package.sdist if may_build(cell.build, package.name) else None

    def _refuse(self, cell: Cell, refusal: Refusal) -> None:
        self.refused.setdefault(refusal, []).append(cell.id)

    def _view(self, cell: Cell) -> tuple[Pylock, list[Tag], Environment]:
        """The lock without wheels that don't fit the cell's Python and platform, and their tags and markers.

        `select` ignores wheels whose tags don't fit, so that leaving them out changes nothing but the time:
        it would parse each name again for each cell. It refuses a package that keeps none and has no sdist; a
        stand-in lets it go on, so that all holes are found at once.
        """
        key = (cell.python, cell.platform)
        if key not in self._narrowed:
            python = parse_python(cell.python)
            tags = compatible_tags(python, cell.platform)
            fits = _fitting(tags)
            packages = [_narrowed(package, fits) for package in self._lock.pylock.packages]
            pylock = replace(self._lock.pylock, packages=packages)
            self._narrowed[key] = (pylock, tags, marker_environment(python, cell.platform))
        return self._narrowed[key]

    def _select(self, cell: Cell, pylock: Pylock, tags: list[Tag], environment: Environment) -> Plan:
        from packaging.pylock import PackageWheel  # late, as above

        selected = pylock.select(environment=environment, tags=tags, extras=cell.extras, dependency_groups=cell.groups)
        index_of = {id(package): index for index, package in enumerate(pylock.packages)}
        artifacts = []
        for package, file in selected:
            index = index_of[id(package)]
            chosen = file if isinstance(file, PackageWheel) else self._buildable(cell, index)
            if chosen is None:
                refusal = hole(self._lock, index, self._missing.get(index), cell)
                self._refuse(cell, replace(refusal, sdist="") if cell.build == WHEELS_ONLY else refusal)
            elif isinstance(artifact := _artifact(self._lock, index, chosen), Artifact):
                artifacts.append(artifact)
            else:
                self._refuse(cell, artifact)
        return Plan(
            cell=cell,
            artifacts=tuple(sorted(artifacts, key=lambda artifact: artifact.name)),
            selector=self._selector,
        )


def _fitting(tags: Iterable[Tag]) -> Callable[[str], bool]:
    """What says of a wheel's file name whether one of its tags is among these; a name that says none fits nowhere.

    A lock names thousands: only those are parsed whose parts, one by one, occur in some tag (PEP 425).
    """
    supported = frozenset(tags)
    known = [
        {tag.interpreter for tag in supported},
        {tag.abi for tag in supported},
        {tag.platform for tag in supported},
    ]

    def fits(filename: str) -> bool:
        parts = filename.removesuffix(".whl").lower().rsplit("-", 3)[1:]
        if any(each.isdisjoint(part.split(".")) for each, part in zip(known, parts, strict=False)):
            return False
        name = wheel_name(filename)
        return name is not None and not name.tags.isdisjoint(supported)

    return fits


def _narrowed(package: Package, fits: Callable[[str], bool]) -> Package:
    from packaging.pylock import PackageSdist  # late, as above

    if not package.wheels and package.sdist:
        return package
    fitting = [wheel for wheel in package.wheels or () if fits(wheel.filename)]
    stand_in = package.sdist or PackageSdist(name="no wheel fits", hashes={})
    return replace(package, wheels=fitting or None, sdist=package.sdist if fitting else stand_in)


def _artifact(lock: Lock, index: int, file: PackageWheel | PackageSdist) -> Artifact | Refusal:
    parts, sha256 = wheel_name(file.filename) or sdist_name(file.filename), sha256_of(file.hashes)
    what, package = f"{file.filename} can't be used", lock.pylock.packages[index]
    if parts is None or sha256 is None:
        return Refusal(index=index, what=what, why="it has no valid name or no sha256", remedy=AGAIN)
    if parts.name != package.name or not _is_version(parts.version, package.version):
        why = f"it is no file of {package.name} {package.version or ''}".rstrip()
        return Refusal(index=index, what=what, why=why, remedy=AGAIN)
    try:
        urls = file_urls(file, lock.folder)
    except ValueError as error:
        return Refusal(index=index, what=what, why=str(error), remedy=AGAIN)
    return Artifact(
        name=parts.name,
        version=parts.version,
        filename=file.filename,
        sha256=sha256,
        size=file.size,
        urls=urls,
        where=lock.place(index),
    )


def _is_version(found: str, locked: Version | None) -> bool:
    """Whether a file's version is the locked one; a pin without a local label takes any (PEP 440)."""
    from packaging.version import Version  # late, as above

    version = Version(found)
    return locked is None or version == locked or (locked.local is None and Version(version.public) == locked)


def _unknown_names(lock: Lock, cell: Cell) -> Iterator[Refusal]:
    """Extras and groups that a cell asks for and the lock doesn't have."""
    from packaging.utils import canonicalize_name  # late, as above

    pylock = lock.pylock
    groups = {*(pylock.dependency_groups or ()), *(pylock.default_groups or ())}
    for word, asked, known in (
        ("extra", cell.extras, pylock.extras or ()),
        ("group", cell.groups or (), groups),
    ):
        names = {canonicalize_name(name) for name in known}
        missing = [name for name in asked if canonicalize_name(name) not in names]
        if not missing:
            continue
        why = f"it has {', '.join(sorted(known))}" if known else f"it has no {word}s"
        remedy = f"Correct `{word}s` in matrix.yaml, or make the lock again with them."
        if lock.kind == "pylock" and not known:
            remedy = (
                f"Take `{word}s` out of matrix.yaml where `lockproof lock` makes the lock: what `sources` names is for "
                f"every cell. Or make it with a tool that locks {word}s."
            )
        if lock.kind == "requirements":
            why = f"a requirements file has no {word}s; what it lists is installed, all of it"
            remedy = f"Take `{word}s` out of matrix.yaml, or lock as pylock.toml."
        yield whole_lock(f"the lock has no {word} {', '.join(missing)}, which is asked", why, remedy)


def _unknown_builds(lock: Lock, cell: Cell) -> Iterator[Refusal]:
    """Names in `build` that no package of the lock has, where all of it was read."""
    if lock.selections is not None:
        return
    if unknown := unknown_builds(cell.build, {package.name for package in lock.pylock.packages}):
        remedy = "Correct `build` in matrix.yaml."
        yield whole_lock(f"`build` names {', '.join(unknown)}", "the lock has no such distribution", remedy)


def _unanswered(lock: Lock, cell: Cell) -> Iterator[Refusal]:
    """A selection that the lock was not read for: what isn't in it could be missing there."""
    from packaging.utils import canonicalize_name  # late, as above

    groups = (lock.pylock.default_groups or ()) if cell.groups is None else cell.groups
    selection = Selection(
        extras=frozenset(map(canonicalize_name, cell.extras)), groups=frozenset(map(canonicalize_name, groups))
    )
    if lock.selections is not None and selection not in lock.selections:
        yield whole_lock("the lock was read for other extras and groups", "it doesn't say what these install")


def _exclusions(pylock: Pylock, environment: Environment, as_written: Sequence[Marker]) -> Iterator[Refusal]:
    """Why the lock as a whole excludes an environment: PEP 751 wants an error, not a skip."""
    requires, python = pylock.requires_python, environment["python_full_version"]
    if requires and not requires.contains(python):
        why = f"it requires Python {requires}, and this is {python}"
        yield whole_lock("the lock is not made", why, f"{_COVER} {LEAVE_OUT}")
    if pylock.environments and not any(
        marker.evaluate(_as_mapping(environment), context="requirement") for marker in pylock.environments
    ):
        why = f"its environments are: {'; '.join(map(str, as_written))}"
        yield whole_lock("the lock is not made", why, f"{_COVER} {LEAVE_OUT}")


def _as_mapping(environment: Environment) -> dict[str, str | AbstractSet[str]]:
    return cast("dict[str, str | AbstractSet[str]]", dict(environment.items()))


def _names_too(lock: Lock, cell: Cell, environment: Environment) -> dict[str, str | AbstractSet[str]]:
    """What the markers of packages are evaluated with: the cell's extras and groups too."""
    groups = (lock.pylock.default_groups or ()) if cell.groups is None else cell.groups
    return {
        **_as_mapping(environment),
        "extras": frozenset(cell.extras),
        "dependency_groups": frozenset(groups),
    }


def _selects(package: Package, names: dict[str, str | AbstractSet[str]]) -> bool:
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName  # late, as above

    try:
        return package.marker is None or package.marker.evaluate(names, context="lock_file")
    except (UndefinedComparison, UndefinedEnvironmentName):
        return False


def _clashes(lock: Lock, cell: Cell, environment: Environment) -> list[Refusal]:
    """All reasons for which `select` refuses packages; it tells the first only."""
    evaluated = _names_too(lock, cell, environment)
    python = environment["python_full_version"]
    seen: dict[str, int] = {}
    found = []
    for index, package in enumerate(lock.pylock.packages):
        if not _selects(package, evaluated):
            continue
        if package.requires_python and not package.requires_python.contains(python):
            why = f"it requires Python {package.requires_python}"
            found.append(
                Refusal(index=index, what=f"{package.name} is not made", why=why, remedy=f"{_COVER} {LEAVE_OUT}")
            )
        if package.name in seen:
            why = f"the entry at {lock.place(seen[package.name])} applies too"
            found.append(Refusal(index=index, what=f"{package.name} is locked twice", why=why, remedy=AGAIN))
        seen.setdefault(package.name, index)
    return found
