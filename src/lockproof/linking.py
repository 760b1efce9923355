"""How an environment's files come from the store: `clone`, `hardlink`, `copy` or `symlink`; `auto` takes the first that works.

Every mode gives the same fingerprint. What is joined is checked on the way: a store file whose bytes aren't known to be
right by its lstat is hashed first, and replaced from its archive where it isn't what the manifest says.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.errors import LockproofError, UnavailableError
from lockproof.prediction import normal_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lockproof.layout import Layout
    from lockproof.store import StoreEntry

_FICLONE = 0x40049409  # linux/fs.h: share the extents of another file
_NOT_HERE = (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.ENOSYS, errno.EMLINK)


class Damaged(LockproofError):
    """A store file stayed wrong although it was replaced: something keeps writing to the store."""


def clone_file(source: str, target: str) -> None:
    """A copy that shares its blocks with the source until either is written to (Btrfs, XFS, bcachefs …; Linux)."""
    import fcntl  # POSIX only

    with open(source, "rb") as read, open(target, "xb") as write:  # noqa: PTH123 - strings, for speed
        fcntl.ioctl(write.fileno(), _FICLONE, read.fileno())
        os.fchmod(write.fileno(), os.fstat(read.fileno()).st_mode | 0o200)


def copy_file(source: str, target: str) -> None:
    """A plain copy, writable by its owner."""
    shutil.copyfile(source, target)
    os.chmod(target, os.stat(source).st_mode | 0o200)  # noqa: PTH101, PTH116


def usable_mode(wanted: str, store: Path, environment: Path) -> str:
    """The mode that `wanted` comes to between these two folders, found out by trying it on one small file.

    Raises UnavailableError where a mode that was asked for by name can't be had.
    """
    if wanted in ("copy", "symlink"):
        return wanted
    tried = {"auto": ("clone", "hardlink"), "clone": ("clone",), "hardlink": ("hardlink",)}[wanted]
    why = ""
    for mode in tried:
        try:
            _try_mode(mode, store, environment)
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
            why = error.strerror or str(error)
        except ImportError:
            why = "this platform has no such call"
        else:
            return mode
    if wanted == "auto":
        return "copy"
    raise UnavailableError(
        f"link: {wanted} does not work between {store} and {environment}", why=why,
        remedy="use link: auto, or put both on one file system that can do it (--store, LOCKPROOF_STORE)",
    )  # fmt: skip


def _try_mode(mode: str, store: Path, environment: Path) -> None:
    source, target = store / f".try-{os.getpid()}", environment / f".try-{os.getpid()}"
    try:
        source.write_bytes(b"lockproof")
        target.unlink(missing_ok=True)
        _file_maker(mode)(str(source), str(target))
    finally:
        source.unlink(missing_ok=True)
        target.unlink(missing_ok=True)


def _file_maker(mode: str) -> Callable[[str, str], None]:
    if mode == "clone" and sys.platform != "linux":
        raise OSError(errno.EOPNOTSUPP, "cloning is only done on Linux")
    return {"clone": clone_file, "hardlink": os.link, "copy": copy_file, "symlink": os.symlink}[mode]


def join(
    entries: Sequence[StoreEntry], layout: Layout, root: str, mode: str, own_record: Callable[[StoreEntry], bool]
) -> list[str]:
    """Put every file of the entries below `root`; `own_record` says whose RECORD the caller will write itself.

    Returns the logical paths of store files that were damaged and have been replaced. Raises OSError for the disk.
    """
    if mode == "symlink":
        return _join_by_folders(entries, layout, root, own_record)
    replaced = []
    make = _file_maker(mode)
    made: set[str] = set()
    for entry in entries:
        record = f"site/{entry.manifest.dist_info}/RECORD" if own_record(entry) else ""
        files = [(path, sha256) for path, sha256 in entry.files if path != record]
        targets = [(path, sha256, f"{root}/{layout.physical(normal_path(path, layout))}") for path, sha256 in files]
        for folder in sorted({target.rpartition("/")[0] for _, _, target in targets} - made):
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - strings, for speed
            made.add(folder)
        replaced += _join_files(entry, targets, make)
    return replaced


def _join_files(
    entry: StoreEntry, targets: Iterable[tuple[str, str, str]], make: Callable[[str, str], None]
) -> list[str]:
    """Make each target from the entry's file; files in doubt are verified together and then made."""
    doubtful = _make_known(entry, targets, make)
    replaced: list[str] = []
    for _attempt in range(3):
        if not doubtful:
            return replaced
        replaced += entry.verify([(path, sha256) for path, sha256, _ in doubtful])
        doubtful = _make_known(entry, doubtful, make)
    raise Damaged(
        f"{doubtful[0][0]} changes while it is used", where=entry.tree, why="something is writing to the store",
        remedy="find what writes there; link: copy keeps environments apart from the store",
    )  # fmt: skip


def _make_known(
    entry: StoreEntry, targets: Iterable[tuple[str, str, str]], make: Callable[[str, str], None]
) -> list[tuple[str, str, str]]:
    """Make the targets whose source is known to be right; return the others."""
    doubtful = []
    for item in targets:
        path, sha256, target = item
        source = f"{entry.tree}/{path}"
        try:
            before = os.lstat(source)
            if not entry.is_known(path, sha256, before):
                doubtful.append(item)
                continue
            try:
                make(source, target)
            except FileExistsError:  # two wheels with equal bytes at one path: the prediction allowed it
                os.unlink(target)  # noqa: PTH108
                make(source, target)
            if not entry.linked(path, sha256, before, os.lstat(source)):
                os.unlink(target)  # noqa: PTH108
                doubtful.append(item)
        except FileNotFoundError:
            doubtful.append(item)
    return doubtful


def _join_by_folders(
    entries: Sequence[StoreEntry], layout: Layout, root: str, own_record: Callable[[StoreEntry], bool]
) -> list[str]:
    """One link a folder that a single wheel owns whole; folders that are shared, or that get a RECORD, are made."""
    replaced = [path for entry in entries for path in entry.verify()]
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
    return replaced


def _link_root(path: str, owners: dict[str, set[int]], shared: set[str], number: int) -> str:
    """The topmost folder above `path` that is this wheel's alone, or the file itself."""
    best, folder = path, path.rpartition("/")[0]
    while folder.startswith("site/") and owners[folder] == {number} and folder not in shared:
        best, folder = folder, folder.rpartition("/")[0]
    return best
