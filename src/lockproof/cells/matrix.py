"""matrix.yaml's meaning as values: the spec, the cells it expands to, their ids, the globs that select."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, TypeVar

from lockproof.cells.containerkeys import container_platform
from lockproof.cells.policykeys import STRICT
from lockproof.errors import MatrixError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lockproof.cells.buildkeys import BuildLock
    from lockproof.cells.containerkeys import Container
    from lockproof.cells.policykeys import Policy
    from lockproof.cells.sources import Source
    from lockproof.pythons.platforms import Platform

LINKS = ("auto", "clone", "hardlink", "copy", "symlink", "overlay")
INSTALLERS = ("lockproof", "pip", "uv")
PACKAGES = ("none", "wheel", "editable")
HOST = "host"
MAX_CELLS = 10_000  # a product of axes grows fast; a mistake should be an error, not a full memory


_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """What one environment should be, and what runs in it.

    `id` is stable: `<python>-<platform id>`, then `-<axis value>` per further axis, then `-<name>`.
    `groups` None means the lock's own default groups. `commands` are unsplit lines with `{posargs}` left in.
    `on_host` says that it runs on this very machine: on its platform, and in no container. The platform of a container
    is what the matrix says of it, until somebody has looked inside.
    `axes` holds the value of each further axis, in the matrix' order.
    """

    id: str
    python: str
    platform: Platform
    on_host: bool
    name: str = ""
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] | None = None
    commands: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    pass_env: tuple[str, ...] = ()
    link: str = "auto"  # one of LINKS
    installer: str = "lockproof"  # one of INSTALLERS
    package: str = "none"  # one of PACKAGES
    timeout: float | None = None  # seconds a command
    container: Container | None = None
    axes: Mapping[str, str] = field(default_factory=dict)
    build: tuple[str, ...] = ()  # what `buildkeys.may_build` is asked with
    policy: Policy = STRICT


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What a matrix, a value of an axis or an included cell may set; None (`env`: no entry) sets nothing."""

    extras: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    commands: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    pass_env: tuple[str, ...] | None = None
    link: str | None = None
    installer: str | None = None
    package: str | None = None
    timeout: float | None = None  # seconds a command
    container: Container | None = None
    build: tuple[str, ...] | None = None
    policy: Policy | None = None

    def overlaid(self, over: Settings) -> Settings:
        """These settings with those of `over` in front: `env` is merged, everything else replaced."""
        return Settings(
            extras=_given(over.extras, self.extras),
            groups=_given(over.groups, self.groups),
            commands=_given(over.commands, self.commands),
            env={**self.env, **over.env},
            pass_env=_given(over.pass_env, self.pass_env),
            link=_given(over.link, self.link),
            installer=_given(over.installer, self.installer),
            package=_given(over.package, self.package),
            timeout=_given(over.timeout, self.timeout),
            container=_given(over.container, self.container),
            build=_given(over.build, self.build),
            policy=_given(over.policy, self.policy),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """A further axis: each value is a named variant with settings of its own, in the matrix' order."""

    name: str
    values: Mapping[str, Settings]


@dataclass(frozen=True, kw_only=True, slots=True)
class Include:
    """One more cell beside the product; `platform` None is the host."""

    python: str
    platform: Platform | None = None
    name: str = ""
    settings: Settings = field(default_factory=Settings)
    where: str = field(default="", compare=False)  # "matrix.yaml:14", for messages


@dataclass(frozen=True, kw_only=True, slots=True)
class Exclude:
    """Cells to leave out: all that is given must match, "" and an absent axis match everything.

    Without `name` it speaks of the product's cells, with `name` of the included cell that bears it: so a cell
    of the product can be left out and put back in another form. `platform` is a platform's id, or `host`.
    """

    python: str = ""
    platform: str = ""
    name: str = ""
    axes: Mapping[str, str] = field(default_factory=dict)
    where: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """A whole matrix.yaml. `path` is how messages name the file; `lock` is as written, relative to that file.

    `pythons` are exact versions; a `platforms` entry of None is the host. `settings` hold for every cell. `sources` are
    what the lock is made from; empty where the matrix doesn't say.
    """

    path: str
    lock: str
    pythons: tuple[str, ...]
    platforms: tuple[Platform | None, ...] = (None,)
    settings: Settings = field(default_factory=Settings)
    axes: tuple[Axis, ...] = ()
    include: tuple[Include, ...] = ()
    exclude: tuple[Exclude, ...] = ()
    sources: tuple[Source, ...] = ()
    build_lock: BuildLock | None = None


def expand(spec: Spec, host: Platform) -> tuple[Cell, ...]:
    """The cells of `spec` on a machine whose platform is `host`: the product in its order, then `include`.

    A platform with the host's id is `on_host`. Ids are unique, also where file names ignore case. Raises
    MatrixError for two cells with one id, an exclude entry that matches nothing, no cells, or over MAX_CELLS.
    """
    _refuse_too_many(spec)
    product = [
        _cell(spec, host, python=python, platform=platform, values=values)
        for python in spec.pythons
        for platform in spec.platforms
        for values in itertools.product(*(axis.values for axis in spec.axes))
    ]
    included = [_included(spec, host, entry) for entry in spec.include]
    _refuse_idle_excludes(spec, product, included, host)
    kept = [(cell, _described(cell)) for cell in product if not _is_excluded(cell, spec, host)]
    kept += [
        (cell, f"cells.include[{index}] at {entry.where or spec.path}")
        for index, (cell, entry) in enumerate(zip(included, spec.include, strict=True))
        if not (cell.name and _is_excluded(cell, spec, host))
    ]
    _refuse_clashes(spec, kept)
    if not kept:
        raise MatrixError(
            "the matrix has no cells",
            where=spec.path,
            remedy="give at least one `python` and one `platform`, or a `cells.include` entry",
        )
    return tuple(cell for cell, _ in kept)


def select(cells: Sequence[Cell], patterns: Sequence[str]) -> tuple[Cell, ...]:
    """The cells that one of `patterns` (ids, names, or globs of ids that mind case) matches, in the order of `cells`.

    No patterns select all. Raises UsageError naming each pattern that matches nothing, and ids close to it.
    """
    if not patterns:
        return tuple(cells)
    idle = [pattern for pattern in patterns if not any(_is_selected(cell, pattern) for cell in cells)]
    if idle:
        ids = [cell.id for cell in cells]
        raise UsageError(
            "\n".join(f"no cell matches {pattern!r}{_close_ids(pattern, ids)}" for pattern in idle),
            remedy="`lockproof list` shows the cells",
        )
    return tuple(cell for cell in cells if any(_is_selected(cell, pattern) for pattern in patterns))


def _is_selected(cell: Cell, pattern: str) -> bool:
    return fnmatchcase(cell.id, pattern) or (cell.name != "" and cell.name == pattern)


def _given(over: _T | None, base: _T | None) -> _T | None:
    return base if over is None else over


def _cell(spec: Spec, host: Platform, *, python: str, platform: Platform | None, values: Sequence[str]) -> Cell:
    settings = spec.settings
    for axis, value in zip(spec.axes, values, strict=True):
        settings = settings.overlaid(axis.values[value])
    axes = {axis.name: value for axis, value in zip(spec.axes, values, strict=True)}
    return _make(host, python=python, platform=platform, settings=settings, axes=axes)


def _included(spec: Spec, host: Platform, entry: Include) -> Cell:
    settings = spec.settings.overlaid(entry.settings)
    return _make(host, python=entry.python, platform=entry.platform, settings=settings, name=entry.name)


def _make(
    host: Platform,
    *,
    python: str,
    platform: Platform | None,
    settings: Settings,
    axes: Mapping[str, str] | None = None,
    name: str = "",
) -> Cell:
    where = host if platform is None else platform
    if platform is None and settings.container is not None:
        where = container_platform(settings.container, host)
    axes = axes or {}
    return Cell(
        id="-".join([python, where.id, *axes.values(), *([name] if name else [])]),
        python=python,
        platform=where,
        on_host=where.id == host.id and settings.container is None,
        name=name,
        extras=settings.extras or (),
        groups=settings.groups,
        commands=settings.commands or (),
        env=settings.env,
        pass_env=settings.pass_env or (),
        link=settings.link or "auto",
        installer=settings.installer or "lockproof",
        package=settings.package or "none",
        timeout=settings.timeout,
        container=settings.container,
        axes=axes,
        build=settings.build or (),
        policy=settings.policy or STRICT,
    )


def _described(cell: Cell) -> str:
    axes = "".join(f", {axis} {value}" for axis, value in cell.axes.items())
    return f"python {cell.python}, platform {cell.platform.spelling}{axes}"


def _matches(cell: Cell, entry: Exclude, host: Platform) -> bool:
    platform = host.id if entry.platform == HOST else entry.platform
    return (
        cell.name == entry.name
        and entry.python in ("", cell.python)
        and platform in ("", cell.platform.id)
        and all(cell.axes.get(axis) == value for axis, value in entry.axes.items())
    )


def _is_excluded(cell: Cell, spec: Spec, host: Platform) -> bool:
    return any(_matches(cell, entry, host) for entry in spec.exclude)


def _refuse_too_many(spec: Spec) -> None:
    sizes = [len(spec.pythons), len(spec.platforms), *(len(axis.values) for axis in spec.axes)]
    count = math.prod(sizes) + len(spec.include)
    if count > MAX_CELLS:
        raise MatrixError(
            f"the matrix has {count} cells",
            where=spec.path,
            why=f"at most {MAX_CELLS} are allowed",
            remedy="use fewer axes or values; `cells.include` adds single cells",
        )


def _refuse_idle_excludes(spec: Spec, product: Sequence[Cell], included: Sequence[Cell], host: Platform) -> None:
    idle = [
        f"{entry.where or spec.path}: cells.exclude[{index}]: matches no cell"
        for index, entry in enumerate(spec.exclude)
        if not any(_matches(cell, entry, host) for cell in (included if entry.name else product))
    ]
    if idle:
        raise MatrixError("\n".join(idle), remedy="remove the entry, or correct its values")


def _refuse_clashes(spec: Spec, cells: Sequence[tuple[Cell, str]]) -> None:
    seen: dict[str, tuple[Cell, str]] = {}
    for cell, origin in cells:
        # Ids name folders, and the file systems of macOS and Windows ignore case.
        first, first_origin = seen.setdefault(cell.id.lower(), (cell, origin))
        if first is not cell:
            raise MatrixError(
                f"two cells have the same id: {first.id} ({first_origin}) and {cell.id} ({origin})",
                where=spec.path,
                remedy="remove one, or give an included cell a `name` of its own",
            )


def _close_ids(pattern: str, ids: Sequence[str]) -> str:
    import difflib  # only for this message

    if pattern and (inside := [id_ for id_ in ids if pattern in id_]):
        glob = f"{pattern}*" if inside[0].startswith(pattern) else f"*{pattern}*"
        return f"; a glob must match the whole id, as {glob!r} does"
    close = difflib.get_close_matches(pattern, ids, n=3)
    return f"; close to it: {', '.join(close)}" if close else f"; the cells are: {_some(ids)}"


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
