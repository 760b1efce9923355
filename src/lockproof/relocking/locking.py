"""`lockproof lock`: resolves beside the lock, plans all cells on what came out, and only then takes its place."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.errors import LockError, LockproofError, ProblemsError, UsageError
from lockproof.locks import raise_together
from lockproof.locks.plan import plan_cells
from lockproof.relocking import relock
from lockproof.relocking.lockinputs import (
    LockState,
    kind_of,
    make_wanted,
    named_as,
    names_let_go,
    read_present,
    read_state,
    refuse_unknown,
)
from lockproof.relocking.resolvers import find_uv, resolve_with_uv
from lockproof.writing import write_atomically

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from lockproof.cells.matrix import Cell
    from lockproof.locks import IndexOptions
    from lockproof.locks.artifacts import Plan
    from lockproof.locks.matching import Listing
    from lockproof.project import Project
    from lockproof.relocking.relock import Account, Entry
    from lockproof.relocking.resolvers import Wanted


def run_lock(options: argparse.Namespace, project: Project, told: Callable[[int, int, int], None]) -> Account:
    """Make the lock of the matrix again, or with --check say whether it is still what its sources say.

    Raises LockError for a resolution that fails, for one that leaves a cell without a wheel, and for a kept hash that
    the index doesn't have: the lock then stays as it was. `told` hears of wheels that --predict fetches.
    """
    cells = project.cells
    path = project.lock_path
    shown = project.spec.lock
    kind = kind_of(path, shown)
    present = read_present(path, shown, kind, project)
    if options.check and present is None:
        raise LockError("there is no such lock file", where=shown, remedy="Make it: lockproof lock")
    let_go = names_let_go(options)
    wanted = make_wanted(options, project, cells, present)
    resolve, resolver, notes = _resolver(options, project, wanted, kind)
    with tempfile.TemporaryDirectory(prefix="lockproof-lock-") as folder:
        made = resolve(Path(folder))
        with named_as(str(made), shown):
            new = read_state(made.read_text(encoding="utf-8"), str(made), kind, project)
            refuse_unknown(let_go, new, shown)
            new = replace(new, entries=tuple(replace(entry, where="") for entry in new.entries))
        task = _Task(project=project, shown=shown, cells=cells, present=present, new=new)
        account = relock.Account(
            lock=shown, status="", resolver=resolver, sources=tuple(map(str, wanted.sources)), notes=notes
        )
        if options.check:
            return task.check(account)
        task.refuse_unlisted(let_go, all_of_them=options.upgrade)
        account = task.compared(account, made, told if options.predict else None)
    if present is None or present.text != new.text:
        _write(path, new.text)
    return account


def _resolver(
    options: argparse.Namespace, project: Project, wanted: Wanted, kind: str
) -> tuple[Callable[[Path], Path], str, tuple[str, ...]]:
    """What resolves into a folder, its name and version, and what should be known of it."""
    if options.resolver == "uv":
        uv = find_uv()
        environ = {**project.environ, **({"UV_OFFLINE": "1"} if project.offline else {})}
        return lambda folder: resolve_with_uv(wanted, folder, environ, uv), str(uv), ()
    if project.offline:
        raise UsageError(
            "pip-tools can't resolve without the network", why="--offline", remedy="resolve with uv, from its cache"
        )
    from lockproof.pythons.interpreters import Interpreter  # late: only pip-tools needs these
    from lockproof.relocking.piptools import find_pip_tools, refuse_many_markers, resolve_with_pip_tools

    cells = project.cells
    refuse_many_markers(cells, any(source.groups for source in wanted.sources), kind)
    found = [one for one in project.interpreters(cells).values() if isinstance(one, Interpreter)]
    tool, python = find_pip_tools(cells, found, project.environ)
    others = list(dict.fromkeys(cell.python for cell in cells if cell.python != python))
    note = f"markers were evaluated by Python {python}, and taken for {', '.join(others)}"
    resolver = f"{tool} on Python {python}"
    return (
        lambda folder: resolve_with_pip_tools(wanted, folder, project.environ, tool),
        resolver,
        (note,) * bool(others),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Task:
    """The lock that is there and the one that was resolved, for all cells."""

    project: Project
    shown: str
    cells: tuple[Cell, ...]
    present: LockState | None
    new: LockState

    def check(self, account: Account) -> Account:
        """The account with everything in which the lock that is there is not what it should be."""
        assert self.present is not None
        found = relock.changes(self.present.entries, self.new.entries)
        drift = list(relock.drift_of_changes(found, self.shown))
        names = {change.name for change in found if change.kind != "files"}
        kept = [entry for entry in self.present.entries if entry.name not in names]
        listing = self._listing(kept, self.present.options)
        drift += relock.drift_of_hashes(kept, listing, self.present.text, self.shown)
        try:
            self._plans_of_present(self.cells)
        except LockproofError as error:
            problems = error.problems if isinstance(error, ProblemsError) else (error,)
            if not all(isinstance(problem, LockError) for problem in problems):
                raise
            drift += relock.drift_of_cells(problems)
        unproven = relock.unproven_hashes(kept, listing)
        notes = [f"the index gives no hashes for the files of {name}: they were not checked" for name in unproven]
        drifted = {one.name for one in drift}
        more = [
            f"{entry.name}=={entry.version}"
            for entry in relock.outgrown(kept, self.new.entries, listing)
            if entry.name not in drifted
        ]
        notes += [f"the index has files that the lock doesn't name of {', '.join(more)}"] if more else []
        if not found and _body(self.present.text) != _body(self.new.text):
            notes.append("comments or layout are not those that `lockproof lock` writes")
        status = "drift" if drift else "unproven" if unproven else "current"
        return replace(account, status=status, drift=tuple(dict.fromkeys(drift)), notes=(*account.notes, *notes))

    def refuse_unlisted(self, let_go: Sequence[str], *, all_of_them: bool) -> None:
        """Raise for hashes that stay, and that no file of the index has: a lock must not be healed unseen."""
        if self.present is None or all_of_them:
            return
        kept = relock.kept(self.present.entries, self.new.entries, let_go)
        listing = self._listing(kept, self.present.options)
        raise_together(
            LockError(
                f"{drift.name}: {drift.what}",
                where=drift.where,
                why="the lock was edited, or the index has other files than when it was made",
                remedy="Restore the line; or take what the index has, once you know why: "
                f"lockproof lock --upgrade-package {drift.name}",
            )
            for drift in relock.drift_of_hashes(kept, listing, self.present.text, self.shown)
        )

    def _listing(self, entries: Sequence[Entry], options: IndexOptions | None) -> Listing:
        wanted: dict[tuple[str, str], set[str]] = {}
        for entry in entries:
            wanted.setdefault((entry.name, entry.version), set()).update(entry.files)
        return self.project.index(options).files_of(wanted, wanted) if wanted else {}

    def compared(self, account: Account, made: Path, told: Callable[[int, int, int], None] | None) -> Account:
        """The account of the step from the present lock to the new one; raises where a cell can't be planned on it."""
        with named_as(str(made), self.shown):
            try:
                lock, missing = self.project.load_lock(made, self.cells)
                plans = plan_cells(lock, self.cells, missing)
            except LockproofError as error:
                stays = LockError(
                    "the new lock is not taken", where=self.shown,
                    why="what it lacks is told above" + ("; the old one stays" if self.present else ""),
                )  # fmt: skip
                problems = error.problems if isinstance(error, ProblemsError) else (error,)
                raise ProblemsError([*problems, stays]) from None
        old = self._old_plans()
        found = relock.changes(self.present.entries if self.present else (), self.new.entries)
        found = relock.with_cells(found, old, plans)
        cells = _layers(old, plans)
        if told is not None:
            self.project.lock = lock
            cells = _predicted(self.project, old, plans, told)
        compared = tuple(dict.fromkeys(layer for cell in cells for layer in cell.new))
        notes = []
        if not self.present:
            status = "made"
        elif self.present.text == self.new.text:
            status = "unchanged"
        else:
            status = "changed"
            notes += [] if found else ["only comments, header or layout changed"]
        if _names_places(self.present) and not _names_places(self.new):
            notes.append("the old lock named where its files are, and the new one doesn't: --emit-index-url writes it")
        return replace(
            account, status=status, changes=found, cells=cells, compared=compared, notes=(*account.notes, *notes)
        )

    def _old_plans(self) -> list[Plan | None]:
        """The plan of each cell on the lock that is there; None where it has none."""
        if self.present is None:
            return [None] * len(self.cells)
        try:
            return list(self._plans_of_present(self.cells))
        except LockproofError:
            return [self._old_plan(cell) for cell in self.cells]

    def _old_plan(self, cell: Cell) -> Plan | None:
        try:
            return self._plans_of_present([cell])[0]
        except LockproofError:
            return None

    def _plans_of_present(self, cells: Sequence[Cell]) -> tuple[Plan, ...]:
        lock, missing = self.project.load_lock(self.project.lock_path, cells)
        return plan_cells(lock, cells, missing)


def _names_places(state: LockState | None) -> bool:
    options = state.options if state else None
    return options is not None and bool(options.index_url or options.extra_index_urls or options.find_links)


def _layers(old: Sequence[Plan | None], new: Sequence[Plan]) -> tuple[relock.CellLayers, ...]:
    return tuple(
        relock.CellLayers(
            after.cell.id, relock.layers_of_plan(before) if before else None, relock.layers_of_plan(after)
        )
        for before, after in zip(old, new, strict=True)
    )


def _predicted(
    project: Project, old: Sequence[Plan | None], new: Sequence[Plan], told: Callable[[int, int, int], None]
) -> tuple[relock.CellLayers, ...]:
    """The whole predicted fingerprints before and after; wheels that are missing are fetched."""
    from lockproof.running.preparation import make_job  # late: only --predict needs it

    plans = [plan for plan in (*old, *new) if plan]
    wheels = project.fetching(told).bring(artifact for plan in plans for artifact in plan.artifacts)
    interpreters = project.interpreters([plan.cell for plan in new])

    def layers(plan: Plan) -> dict[str, str]:
        found = interpreters.get(plan.cell.python) if plan.cell.on_host else None
        predicted = make_job(plan, wheels, None if isinstance(found, LockproofError) else found).predicted
        return {**predicted.layers, "digest": predicted.digest}

    return tuple(
        relock.CellLayers(after.cell.id, layers(before) if before else None, layers(after))
        for before, after in zip(old, new, strict=True)
    )


def _body(text: str) -> str:
    """A lock without the comment that it begins with."""
    return re.sub(r"\A(#.*\n)*", "", text)


def _write(path: Path, text: str) -> None:
    target = path.resolve()  # a link stays one
    try:
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
        write_atomically(target, text.encode(), mode)
    except OSError as error:
        raise UsageError("the lock can't be written", where=str(path), why=error.strerror or str(error)) from error


def print_account(account: Account, *, as_json: bool, verbose: bool) -> None:
    """Say on standard output what came of it."""
    from lockproof.reporters.relocked import account_text

    if as_json:
        json.dump(relock.account_to_json(account), sys.stdout, indent=1)
        sys.stdout.write("\n")
    else:
        sys.stdout.write(account_text(account, verbose=verbose))
