"""How environments' files come from the store: `clone`, `hardlink`, `copy`, `symlink`; `auto` takes what works.

Every mode gives the same fingerprint. What is joined is checked on the way: a store file whose bytes aren't known to be
right by its lstat is hashed first, and replaced from its archive where it isn't what the manifest says.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.errors import LockproofError, UnavailableError
from lockproof.proof.prediction import normal_path
from lockproof.running.forks import Fork, spare_cores
from lockproof.wheels.joiner import MAKERS, cost, join_all

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lockproof.pythons.layout import Layout
    from lockproof.wheels.joiner import Done, Work
    from lockproof.wheels.store import StoreEntry

_NOT_HERE = (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ENOSYS, errno.EMLINK)
_WORTH_A_FORK = 4000  # links


class DamagedStoreError(LockproofError):
    """A store file stayed wrong although it was replaced: something keeps writing to the store."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Joint:
    """One environment to be filled: its wheels, its layout, its folder.

    `write` puts there what a wheel has of this environment's own: scripts, and the RECORD that lists them.
    """

    entries: Sequence[StoreEntry]
    layout: Layout
    root: str
    write: Callable[[StoreEntry], None] | None = None


def usable_mode(wanted: str, source: Path | None, environment: Path) -> str:
    """The mode that `wanted` comes to between the store and an environment, found out by trying it on `source`.

    `source` is any file of the store; without one there is nothing to be joined. Raises UnavailableError where a mode
    that was asked for by name can't be had.
    """
    if wanted in ("copy", "symlink") or source is None:
        return "copy" if wanted == "auto" else wanted
    tried = {"auto": ("clone", "hardlink"), "clone": ("clone",), "hardlink": ("hardlink",)}[wanted]
    why = ""
    target = environment / ".lockproof-tries-links"
    for mode in tried:
        try:
            _file_maker(mode)(str(source), str(target))
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
            why = error.strerror or str(error)
        else:
            return mode
        finally:
            target.unlink(missing_ok=True)
    if wanted == "auto":
        return "copy"
    raise UnavailableError(
        f"link: {wanted} does not work from {source.parent} to {environment}", why=why,
        remedy="use link: auto, or put both on one file system that can do it (--store, LOCKPROOF_STORE)",
    )  # fmt: skip


def _file_maker(mode: str) -> Callable[[str, str], None]:
    if mode == "clone" and sys.platform != "linux":
        raise OSError(errno.EOPNOTSUPP, "cloning is only done on Linux")
    return MAKERS[mode]


def join(joints: Sequence[Joint], mode: str, own_record: Callable[[StoreEntry], bool]) -> list[str]:
    """Fill all the environments; `own_record` says of a wheel whether its RECORD differs from one to another.

    Environments that share a wheel are filled in one pass over its files. Returns the logical paths of store files
    that were damaged and have been replaced. Raises OSError for the disk, DamagedStoreError.
    """
    if mode == "symlink":
        return [path for joint in joints for path in _join_by_folders(joint, own_record)]
    users: dict[str, tuple[StoreEntry, list[Joint]]] = {}
    for joint in joints:
        for entry in joint.entries:
            users.setdefault(entry.tree, (entry, []))[1].append(joint)
    entries = [entry for entry, _ in users.values()]
    works = [_work(entry, shared, own_record) for entry, shared in users.values()]
    made = {joint.root for joint in joints}
    replaced: list[str] = []
    run = _join_in_parallel
    for _attempt in range(3):
        works = _learn(entries, works, run(works, mode, made), replaced)
        if not any(files for _, files, _ in works):
            return replaced
        run = join_all
    damaged = next(f"{tree}/{files[0][0]}" for tree, files, _ in works if files)
    raise DamagedStoreError(
        "a store file changes while it is used", where=damaged, why="something is writing to the store",
        remedy="find what writes there; link: copy keeps environments apart from the store",
    )  # fmt: skip


def _join_in_parallel(works: Sequence[Work], mode: str, made: set[str]) -> list[Done]:
    """`join_all`, shared with a fork where there is enough to do: the calls are short and many, threads only wait."""
    sizes = [cost(files) for _, files, _ in works]
    alone = threading.current_thread() is not threading.main_thread() or not spare_cores(1)
    if alone or sum(sizes) < _WORTH_A_FORK:
        return join_all(works, mode, made)
    shares: tuple[list[int], list[int]] = ([], [])
    load = [0, 0]
    for number in sorted(range(len(works)), key=lambda number: -sizes[number]):
        least = load.index(min(load))
        shares[least].append(number)
        load[least] += sizes[number]
    mine, others = ([works[number] for number in share] for share in shares)
    try:
        fork = Fork[None, "list[Done]"](lambda _: join_all(others, mode, set(made)))
    except OSError:  # no processes to be had
        return join_all(works, mode, made)
    try:
        fork.send(None)
        done = join_all(mine, mode, set(made))
        shared = fork.receive()
    finally:
        fork.close()
    done += join_all(others, mode, set(made)) if shared is None else shared  # what went wrong there is met here
    by_number = dict(zip((*shares[0], *shares[1]), done, strict=True))
    return [by_number[number] for number in range(len(works))]


def _work(entry: StoreEntry, joints: Sequence[Joint], own_record: Callable[[StoreEntry], bool]) -> Work:
    """What to make of one wheel's files for all the environments that use it."""
    record = f"site/{entry.manifest.dist_info}/RECORD" if own_record(entry) else ""
    sites = [f"{joint.root}/{joint.layout.site}/" for joint in joints]
    files = []
    for path, sha256 in entry.files:
        if path == record:
            continue
        if path.startswith("site/"):
            targets = [site + path[5:] for site in sites]
        else:
            targets = [f"{j.root}/{j.layout.physical(normal_path(path, j.layout))}" for j in joints]
        files.append((path, sha256, entry.mode_of(path), entry.known_signature(path, sha256), targets))
    return (entry.tree, files, _rest(entry, joints, own_record))


def _rest(
    entry: StoreEntry, joints: Sequence[Joint], own_record: Callable[[StoreEntry], bool]
) -> list[Callable[[], None]]:
    """What writes a wheel's scripts and RECORD into each of these, where it has any of their own."""
    return [partial(joint.write, entry) for joint in joints if joint.write] if own_record(entry) else []


def _learn(
    entries: Sequence[StoreEntry], works: Sequence[Work], done: Sequence[Done], replaced: list[str]
) -> list[Work]:
    """Enter what was seen of the sources; replace the damaged ones, and return the work that is left with them."""
    left: list[Work] = []
    for entry, (tree, files, _), results in zip(entries, works, done, strict=True):
        again = []
        for (path, sha256, mode, _, targets), seen in zip(files, results, strict=True):
            if seen is not None:
                entry.enter(path, sha256, seen)
                continue
            replaced += entry.verify([(path, sha256)])
            again.append((path, sha256, mode, entry.known_signature(path, sha256), targets))
        left.append((tree, again, ()))
    return left


def _join_by_folders(joint: Joint, own_record: Callable[[StoreEntry], bool]) -> list[str]:
    """One link a folder that a single wheel owns whole; folders that are shared, or that get a RECORD, are made."""
    entries, layout, root = joint.entries, joint.layout, joint.root
    replaced = [path for entry in entries for path in (*entry.verify(), *entry.prune())]
    owners: dict[str, set[int]] = {}
    shared = {f"site/{entry.manifest.dist_info}" for entry in entries if own_record(entry)}
    for number, entry in enumerate(entries):
        for path, _ in entry.files:
            folder = path.rpartition("/")[0]
            while folder and number not in owners.setdefault(folder, set()):
                owners[folder].add(number)
                folder = folder.rpartition("/")[0]
    for number, entry in enumerate(entries):
        for source in sorted({_link_root(path, owners, shared, number) for path, _ in entry.files}):
            if source == f"site/{entry.manifest.dist_info}/RECORD" and own_record(entry):
                continue
            target = Path(root, layout.physical(normal_path(source, layout)))
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.is_symlink():  # there already: equal bytes of two wheels
                target.symlink_to(f"{os.path.realpath(entry.tree)}/{source}")
    for write in (write for entry in entries for write in _rest(entry, [joint], own_record)):
        write()
    return replaced


def _link_root(path: str, owners: dict[str, set[int]], shared: set[str], number: int) -> str:
    """The topmost folder above `path` that is this wheel's alone, or the file itself."""
    best, folder = path, path.rpartition("/")[0]
    while folder.startswith("site/") and owners[folder] == {number} and folder not in shared:
        best, folder = folder, folder.rpartition("/")[0]
    return best
