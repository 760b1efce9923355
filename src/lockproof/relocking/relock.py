"""Two states of a lock, compared: which entries changed, which cells that touches, what has drifted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from lockproof.locks import sha256_of
from lockproof.proof.fingerprint import Distribution, artifacts_digest, set_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from lockproof.errors import LockproofError
    from lockproof.locks import Lock
    from lockproof.locks.artifacts import Artifact, Plan
    from lockproof.locks.matching import Listing
    from lockproof.locks.requirements import RequirementsFile

SCHEMA = "lockproof/lock/v1"
_SHOWN = 16  # digits of a hash in a message


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One entry of a lock: `files` has its sha256s, each with its file name where the lock says one, else ""."""

    name: str
    version: str
    marker: str = ""
    files: Mapping[str, str]
    where: str = field(default="", compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What became of one distribution in a lock; `cells` are the ids of those whose plan it changes.

    Of one that stands several times, for different markers, all versions are listed.
    """

    name: str
    kind: Literal["moved", "added", "removed", "marker", "files"]
    old: tuple[Entry, ...]
    new: tuple[Entry, ...]
    cells: tuple[str, ...] = ()


class Drift(NamedTuple):
    """One way in which a lock is not what it should be: where it says so, of which distribution, and what."""

    where: str
    name: str
    what: str


class CellLayers(NamedTuple):
    """The layers of a cell's predicted fingerprint before and after, by name; None where there was no plan."""

    id: str
    old: Mapping[str, str] | None
    new: Mapping[str, str]

    @property
    def changed(self) -> bool:
        return self.old != self.new


def entries_of_pins(requirements: RequirementsFile) -> tuple[Entry, ...]:
    """The entries of a requirements file."""
    return tuple(
        Entry(
            name=pin.name,
            version=pin.version,
            marker=str(pin.marker or ""),
            files=dict.fromkeys(pin.hashes, ""),
            where=pin.where,
        )
        for pin in requirements.pins
    )


def entries_of_lock(lock: Lock) -> tuple[Entry, ...]:
    """The entries of a lock in its normal form."""
    entries = []
    for index, package in enumerate(lock.pylock.packages):
        files = [*(package.wheels or ()), *([package.sdist] if package.sdist else ())]
        entries.append(
            Entry(
                name=package.name,
                version=str(package.version or ""),
                marker=str(package.marker or ""),
                files={sha256_of(file.hashes) or "": file.filename for file in files},
                where=lock.place(index),
            )
        )
    return tuple(entries)


def changes(old: Iterable[Entry], new: Iterable[Entry]) -> tuple[Change, ...]:
    """What changed from one state to the other, by name; order, comments and places don't count."""
    before, after = _by_name(old), _by_name(new)
    found = []
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name, ()), after.get(name, ())
        if kind := _kind(was, now):
            found.append(Change(name=name, kind=kind, old=was, new=now))
    return tuple(found)


def _by_name(entries: Iterable[Entry]) -> dict[str, tuple[Entry, ...]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.name, []).append(entry)
    return {name: tuple(sorted(group, key=lambda one: (one.version, one.marker))) for name, group in found.items()}


def _kind(was: Sequence[Entry], now: Sequence[Entry]) -> Literal["moved", "added", "removed", "marker", "files"] | None:
    if not was or not now:
        return "removed" if was else "added"
    if {entry.version for entry in was} != {entry.version for entry in now}:
        return "moved"
    if [(entry.version, entry.marker) for entry in was] != [(entry.version, entry.marker) for entry in now]:
        return "marker"
    if any(a.files.keys() != b.files.keys() for a, b in zip(was, now, strict=True)):
        return "files"
    return None


def with_cells(found: Iterable[Change], old: Sequence[Plan | None], new: Sequence[Plan]) -> tuple[Change, ...]:
    """The changes with the cells that each touches; a cell without an old plan is touched by what is new in it."""
    touched: dict[str, list[str]] = {}
    for before, after in zip(old, new, strict=True):
        was, now = _artifacts(before), _artifacts(after)
        for name in was.keys() | now.keys():
            if was.get(name) != now.get(name):
                touched.setdefault(name, []).append(after.cell.id)
    return tuple(
        Change(name=c.name, kind=c.kind, old=c.old, new=c.new, cells=tuple(touched.get(c.name, ()))) for c in found
    )


def _artifacts(plan: Plan | None) -> dict[str, tuple[str, str, str]]:
    return {a.name: (a.version, a.filename, a.sha256) for a in plan.artifacts} if plan else {}


def layers_of_plan(plan: Plan) -> dict[str, str]:
    """The layers of a cell's fingerprint that its plan decides, without a look into any wheel."""
    placed = [_distribution(artifact) for artifact in plan.artifacts]
    return {
        "set": set_digest((artifact.name, artifact.version) for artifact in plan.artifacts),
        "artifacts": artifacts_digest(placed) or "",
    }


def _distribution(artifact: Artifact) -> Distribution:
    return Distribution(
        name=artifact.name, version=artifact.version, files="", artifact=(artifact.filename, artifact.sha256)
    )


def drift_of_changes(found: Iterable[Change], path: str) -> Iterator[Drift]:
    """What a lock at `path` lacks of what its sources say today; other files of one version are not told here."""
    for change in found:
        where = change.old[0].where if change.old else path
        if change.kind == "moved":
            what = f"is {_versions(change.old)}, and its sources give {_versions(change.new)}"
        elif change.kind == "added":
            what = f"is missing; its sources give {_versions(change.new)}"
        elif change.kind == "removed":
            what = f"is {_versions(change.old)}, and no source asks for it"
        elif change.kind == "marker":
            what = f"is for {_markers(change.old)}, and its sources give it for {_markers(change.new)}"
        else:
            continue
        yield Drift(where, change.name, what)


def _versions(entries: Iterable[Entry]) -> str:
    return ", ".join(dict.fromkeys(entry.version for entry in entries))


def _markers(entries: Iterable[Entry]) -> str:
    return ", ".join(entry.marker or "every environment" for entry in entries)


def drift_of_hashes(entries: Iterable[Entry], listing: Listing, text: str, path: str) -> Iterator[Drift]:
    """Files of a lock, whose `text` is that of `path`, that are not what the index has for that version."""
    for entry in entries:
        listed = listing.get((entry.name, entry.version), ())
        names = {file.sha256: file.filename for file in listed if file.sha256}
        for sha256, filename in entry.files.items():
            where = _line_of(sha256, text, path) or entry.where
            shown = f"sha256:{sha256[:_SHOWN]}…"
            if not listed:
                yield Drift(where, entry.name, f"the index has no file of {entry.version}")
                break
            if sha256 not in names:
                called = f" ({filename})" if filename else ""
                yield Drift(where, entry.name, f"{shown}{called} is no file that the index has for {entry.version}")
            elif filename and filename not in {file.filename for file in listed if file.sha256 == sha256}:
                yield Drift(where, entry.name, f"{shown} is {names[sha256]} in the index, and {filename} in the lock")


def unproven_hashes(entries: Iterable[Entry], listing: Listing) -> tuple[str, ...]:
    """The distributions for whose files the index gives no hashes, so that theirs can't be held against it."""
    return tuple(
        entry.name for entry in entries if any(not f.sha256 for f in listing.get((entry.name, entry.version), ()))
    )


def outgrown(entries: Iterable[Entry], new: Iterable[Entry], listing: Listing) -> Iterator[Entry]:
    """The entries of versions that have more files today than are locked: later uploads, as a rule.

    Of files with names, the resolver says in `new` which are wanted; bare hashes are those of all that the index has.
    """
    resolved: dict[tuple[str, str], set[str]] = {}
    for entry in new:
        resolved.setdefault((entry.name, entry.version), set()).update(entry.files)
    for entry in entries:
        key = (entry.name, entry.version)
        listed = {file.sha256 or "" for file in listing.get(key, ())} - {""}
        if (resolved.get(key, set()) if any(entry.files.values()) else listed) - entry.files.keys():
            yield entry


def drift_of_cells(problems: Iterable[LockproofError]) -> Iterator[Drift]:
    """What `plan_cells` refused, as drift: the lines below a problem's first, `where: what`, each by itself."""
    for problem in problems:
        first, *more = problem.why.splitlines() or [""]
        yield Drift(problem.where, "", f"{problem.what}: {first}" if first else problem.what)
        for line in more:
            where, colon, what = line.strip().partition(": ")
            yield Drift(where, "", what) if colon else Drift(problem.where, "", where)


def _line_of(sha256: str, text: str, path: str) -> str:
    position = text.find(sha256)
    return f"{path}:{text.count(chr(10), 0, position) + 1}" if position >= 0 else ""


def kept(old: Iterable[Entry], new: Iterable[Entry], let_go: Collection[str]) -> tuple[Entry, ...]:
    """The old entries whose version is in the new lock too, but for the names that were let go."""
    now = {(entry.name, entry.version) for entry in new}
    return tuple(entry for entry in old if (entry.name, entry.version) in now and entry.name not in let_go)


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """What came of making or checking a lock.

    `status` is made, changed, unchanged, or of a check current, drift, unproven. `compared` names the layers
    in `cells`.
    """

    lock: str
    status: str
    resolver: str
    sources: tuple[str, ...]
    changes: tuple[Change, ...] = ()
    cells: tuple[CellLayers, ...] = ()
    compared: tuple[str, ...] = ()
    drift: tuple[Drift, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        return {"drift": 3, "unproven": 4}.get(self.status, 0)


def account_to_json(account: Account) -> dict[str, object]:
    """The account as `lockproof/lock/v1`."""
    return {
        "schema": SCHEMA,
        "lock": account.lock,
        "status": account.status,
        "resolver": account.resolver,
        "sources": list(account.sources),
        "changes": [
            {"name": change.name, "change": change.kind, "old": _entries_to_json(change.old),
             "new": _entries_to_json(change.new), "cells": list(change.cells)}
            for change in account.changes
        ],
        "compared": list(account.compared),
        "cells": [
            {"id": cell.id, "changed": cell.changed, "old": cell.old and dict(cell.old), "new": dict(cell.new)}
            for cell in account.cells
        ],
        "drift": [{"where": drift.where, "name": drift.name or None, "what": drift.what} for drift in account.drift],
        "notes": list(account.notes),
        "exit_code": account.exit_code,
    }  # fmt: skip


def _entries_to_json(entries: Iterable[Entry]) -> list[dict[str, str | int | None]]:
    return [{"version": one.version, "marker": one.marker or None, "files": len(one.files)} for one in entries]
