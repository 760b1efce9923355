"""uv.lock on disk: uv itself exports it, once for each selection of extras and groups, and offline.

What it said is kept under the digest of all that it depends on. Hashes are held against the lock at each use,
wherever the export comes from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lockproof.digests import sha256_hex
from lockproof.environments.installers import find_tool, run_command, tool_environment
from lockproof.errors import LockError, UnavailableError, why_malformed
from lockproof.locks import Selection, raise_together
from lockproof.locks.caches import keep, kept
from lockproof.locks.pylock import toml_document
from lockproof.locks.uvexport import Export, Names, lock_of_exports
from lockproof.locks.uvlock import default_groups, groups_requiring, parse_uv_lock
from lockproof.pythons.platforms import marker_environment, parse_python

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from lockproof.cells.matrix import Cell
    from lockproof.environments.installers import Run, ToolVersion
    from lockproof.locks import Lock
    from lockproof.locks.uvlock import Target, UvLock

CACHE_SCHEMA = "lockproof/uv-export/1"

# --frozen: the lock as it is. --no-config: nothing of the user's own settings, which `uv sync` may have.
_EXPORT = (
    *("export", "--quiet", "--frozen", "--offline", "--no-config", "--no-cache", "--no-progress"),
    *("--format", "pylock.toml", "--no-header", "--no-annotate", "--no-emit-workspace"),
)
_ELSEWHERE = (
    "Or export the lock where uv is, and lock: the file that comes of it "
    "(uv export --frozen --no-emit-workspace --format pylock.toml --output-file pylock.toml)."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class UvProject:
    """A uv.lock with the pyproject.toml files it was made from, as the folder `project` sees it."""

    lock: UvLock
    folder: Path  # of the lock, absolute
    pyprojects: Mapping[str, str]  # texts by folder, relative to the lock's
    target: Target
    names: Names
    required: Mapping[str, str]  # Pythons that groups require


def load_uv_lock(
    text: str,
    path: Path,
    cells: Sequence[Cell],
    *,
    folder_for_cache: Path,
    project: Path | None = None,
    run: Run = run_command,
) -> Lock:
    """The lock of the uv.lock at `path`, whose text is given, for the selections of some cells.

    It is what `uv sync` installs in the folder `project`, by default the lock's: the workspace's root, or the
    member whose folder it is. Unknown extras and groups are left to the planner, which tells them. Raises
    LockError, or a ProblemsError of several, also with what uv says; UnavailableError without uv.
    """
    uv = _project(text, path, project)
    raise_together(_unfit_groups(uv, cells))
    asked = dict.fromkeys(_asked(uv, cell) for cell in cells)
    exporter = _Exporter(uv, sha256_hex(text.encode()), folder_for_cache, run)
    exports, problems = [], list[LockError]()
    for extras, groups in asked or {((), None): None}:
        resolved = uv.names.default_groups if groups is None else groups
        selection = Selection(extras=frozenset(extras), groups=frozenset(resolved))
        try:
            exports.append(Export(selection=selection, document=exporter.export(extras, groups)))
        except LockError as error:
            problems.append(error)
    raise_together({str(problem): problem for problem in problems}.values())
    return lock_of_exports(uv.lock, exports, uv.names, sha256=exporter.sha256, folder=uv.folder)


def _project(text: str, path: Path, project: Path | None) -> UvProject:
    folder = path.absolute().parent.resolve()
    if path.name != "uv.lock":
        remedy = "Name it uv.lock, in the folder of its pyproject.toml."
        raise LockError("a lock of uv is read by uv, which knows it only by its name", where=str(path), remedy=remedy)
    lock = parse_uv_lock(text, str(path))
    pyprojects = {
        member: read_pyproject(file)
        for member in lock.folders
        if (file := folder / member / "pyproject.toml").is_file()
    }
    if "." not in pyprojects:
        remedy = "Put it beside the lock, from the commit that the lock is of."
        raise LockError("uv.lock needs the pyproject.toml that it was made from", where=str(path), remedy=remedy)
    seen_from = project.resolve() if project else folder
    asked = seen_from.relative_to(folder).as_posix() if seen_from.is_relative_to(folder) else "."
    target = lock.target(asked)
    documents = {
        member: toml_document(content, str(path.parent / member / "pyproject.toml"))
        for member, content in pyprojects.items()
        if member in {".", target.folder}
    }
    own = documents.get(target.folder, {})
    return UvProject(
        lock=lock,
        folder=folder,
        pyprojects=pyprojects,
        target=target,
        names=Names(extras=target.extras, groups=target.groups, default_groups=default_groups(own, target)),
        required={**groups_requiring(documents["."]), **groups_requiring(own)},
    )


def read_pyproject(file: Path) -> str:
    """The text of a pyproject.toml. Raises LockError."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LockError("this pyproject.toml can't be read", where=str(file), why=why_malformed(error)) from None


def _asked(uv: UvProject, cell: Cell) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The extras and groups of a cell that the lock has; no groups for uv's own defaults."""
    groups = None if cell.groups is None else _known(cell.groups, uv.names.groups)
    return _known(cell.extras, uv.names.extras), groups


def _known(asked: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    from packaging.utils import canonicalize_name  # late: packaging takes 80 ms

    return tuple(sorted({canonicalize_name(name) for name in asked}.intersection(known)))


def _unfit_groups(uv: UvProject, cells: Sequence[Cell]) -> Iterator[LockError]:
    """Groups that require other Pythons than the cells have: uv refuses to install them there."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # late, as above

    for group, required in uv.required.items():
        try:
            fits = SpecifierSet(required)
        except InvalidSpecifier:
            continue  # uv tells it
        unfit = [
            cell.id
            for cell in cells
            if group in (uv.names.default_groups if cell.groups is None else _known(cell.groups, uv.names.groups))
            and not fits.contains(
                marker_environment(parse_python(cell.python), cell.platform)["python_full_version"], prereleases=True
            )
        ]
        if unfit:
            yield LockError(
                f"the group {group} is not made for {', '.join(unfit)}",
                where=uv.lock.path,
                why=f"it requires Python {required} (tool.uv.dependency-groups)",
                remedy="Leave the group or the cells out.",
            )


class _Exporter:
    """Asks uv, or what is kept of its answers; uv is looked for when it is first needed."""

    def __init__(self, uv: UvProject, sha256: str, cache: Path, run: Run) -> None:
        self._uv = uv
        self._cache = cache
        self._run = run
        self._tool: ToolVersion | None = None
        self.sha256 = sha256

    def export(self, extras: Sequence[str], groups: Sequence[str] | None) -> Mapping[str, object]:
        """What uv says that a selection installs; `groups` None leaves the choice to uv."""
        tool = self._found()
        origin = [str(self._uv.folder), self.sha256, sorted(self._uv.pyprojects.items())]
        facts = [CACHE_SCHEMA, origin, self._uv.target.package, list(extras), groups, tool.version]
        file = self._cache / f"{sha256_hex(json.dumps(facts).encode())}.json"
        content = kept(file)
        if isinstance(content, dict) and content.get("sha256") == _digest(content.get("export")):
            known: Mapping[str, object] = content["export"]
            return known
        document = self._ask(tool, extras, groups)
        keep(file, {"schema": CACHE_SCHEMA, "sha256": _digest(document), "export": document})
        return document

    def _found(self) -> ToolVersion:
        if self._tool is None:
            try:
                self._tool = find_tool("uv", run=self._run)
            except UnavailableError as error:
                raise UnavailableError(
                    "uv.lock is read through uv, which was not found",
                    where=self._uv.lock.path,
                    why=error.why,
                    remedy=f"Install uv where lockproof is installed: pip install uv. {_ELSEWHERE}",
                ) from None
        return self._tool

    def _ask(self, tool: ToolVersion, extras: Sequence[str], groups: Sequence[str] | None) -> Mapping[str, object]:
        package = self._uv.target.package
        argv = [*tool.command, *_EXPORT, "--directory", str(self._uv.folder)]
        argv += ["--package", package] if package else []
        argv += [f"--extra={extra}" for extra in extras]
        argv += [] if groups is None else ["--no-default-groups", *(f"--group={group}" for group in groups)]
        try:
            done = self._run(argv, tool_environment())
        except OSError as error:
            raise UnavailableError(f"{tool} could not be started", where=argv[0], why=str(error.strerror)) from error
        if done.exit_code != 0 and "'pylock.toml' for '--format" in done.output:
            raise UnavailableError(
                f"{tool} can't export a lock to pylock.toml",
                where=self._uv.lock.path,
                why="it is too old",
                remedy=f"Install uv 0.7 or newer where lockproof is installed: pip install -U uv. {_ELSEWHERE}",
            )
        if done.exit_code != 0:
            raise LockError(
                f"uv can't export the lock with {_told('extras', extras)} and {_told('groups', groups)}",
                where=self._uv.lock.path,
                why=f"{tool} says: {done.output.strip().removeprefix('error: ')}",
                remedy="Correct what uv says, or make the lock again: uv lock.",
            )
        document = toml_document(done.output, f"{self._uv.lock.path}, exported by {tool}")
        plain: Mapping[str, object] = json.loads(json.dumps(document, default=str), object_hook=_without_times)
        return plain


def _without_times(table: dict[str, object]) -> dict[str, object]:
    """A table without what JSON has no form for, and no plan needs."""
    return {key: value for key, value in table.items() if key != "upload-time"}


def _told(word: str, names: Sequence[str] | None) -> str:
    if names is None:
        return f"its default {word}"
    return f"the {word} {', '.join(names)}" if names else f"no {word}"


def _digest(document: object) -> str:
    return sha256_hex(json.dumps(document, sort_keys=True).encode())
