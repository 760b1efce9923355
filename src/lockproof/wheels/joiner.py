"""Makes links or copies of store files, many at once, each source checked by its lstat or its bytes just before."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from lockproof.reading.reader import ChangedDuringRead, read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    # (path in the tree, sha256, permission bits, (size, mtime_ns, ctime_ns) known to go with them or None, targets)
    File = tuple[str, str, int, tuple[int, int, int] | None, list[str]]
    # (folder of the tree, its files, what else is to be done once they are where they belong)
    Work = tuple[str, list[File], Sequence[Callable[[], None]]]
    # what each source's lstat was afterwards: (device, inode, size, mtime_ns, ctime_ns); None for a damaged one
    Done = list[tuple[int, int, int, int, int] | None]

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_FICLONE = 0x40049409  # linux/fs.h: share the extents of another file
_FOLDER_COST = 4  # links


def clone_file(source: str, target: str) -> None:
    """A copy that shares its blocks with the source until either is written to (Btrfs, XFS, bcachefs …; Linux)."""
    import fcntl  # POSIX only

    with open(source, "rb") as read, open(target, "xb") as write:  # noqa: PTH123 - strings, for speed
        fcntl.ioctl(write.fileno(), _FICLONE, read.fileno())
        os.fchmod(write.fileno(), os.fstat(read.fileno()).st_mode | 0o200)


def copy_file(source: str, target: str) -> None:
    """A plain copy, writable by its owner."""
    with open(source, "rb") as read, open(target, "xb") as write:  # noqa: PTH123 - strings, for speed
        shutil.copyfileobj(read, write, 1 << 20)
        if os.name == "posix":  # Windows has no modes worth the name
            os.fchmod(write.fileno(), os.fstat(read.fileno()).st_mode | 0o200)


MAKERS: dict[str, Callable[[str, str], None]] = {"clone": clone_file, "hardlink": os.link, "copy": copy_file}


def make_folders(folders: set[str], made: set[str]) -> None:
    """Make folders and those above them, asking the file system once for each; `made` says which are there already."""
    missing: set[str] = set()
    for folder in folders:
        while folder and folder not in made and folder not in missing:
            missing.add(folder)
            folder = folder.rpartition("/")[0]
    for folder in sorted(missing):
        with suppress(FileExistsError):
            os.mkdir(folder)  # noqa: PTH102 - strings, for speed
    made |= missing


def join_all(works: Sequence[Work], mode: str, made: set[str]) -> list[Done]:
    """Make every target of every file, below folders of which `made` are there; OSError for the disk.

    A source whose lstat isn't the known one is hashed first. One whose bytes aren't right, or that changes meanwhile,
    is damaged: it is not linked.
    """
    make = MAKERS[mode]
    result = []
    for tree, files, rest in works:
        make_folders({target.rpartition("/")[0] for *_, targets in files for target in targets}, made)
        result.append([_join_one(tree, file, make) for file in files])
        for write in rest:
            write()
    return result


def _join_one(tree: str, file: File, make: Callable[[str, str], None]) -> tuple[int, int, int, int, int] | None:
    path, sha256, mode, known, targets = file
    source = f"{tree}/{path}"
    try:
        before = os.lstat(source)
        if not stat.S_ISREG(before.st_mode):
            return None
        if known != (before.st_size, before.st_mtime_ns, before.st_ctime_ns):
            digest, _, before = read_file(source, before, False)
            if digest != sha256 or (os.name == "posix" and before.st_mode & 0o7777 != mode):
                return None
        for target in targets:
            try:
                make(source, target)
            except FileExistsError:  # two wheels with equal bytes at one path: the prediction allowed it
                os.unlink(target)  # noqa: PTH108
                make(source, target)
        after = os.lstat(source)
    except (FileNotFoundError, IsADirectoryError, ChangedDuringRead):
        return None
    if (after.st_ino, after.st_size, after.st_mtime_ns) != (before.st_ino, before.st_size, before.st_mtime_ns):
        return None
    return (after.st_dev, after.st_ino, after.st_size, after.st_mtime_ns, after.st_ctime_ns)


def cost(files: list[File]) -> int:
    """What a wheel takes, in links; a folder takes as long as several of them."""
    folders = {path.rpartition("/")[0] for path, *_ in files}
    return (len(files) + _FOLDER_COST * len(folders)) * max((len(targets) for *_, targets in files), default=0)


def die_with_parent() -> None:
    """End this process with the one that started it, even by kill -9: it must not write where the next run does."""
    if sys.platform != "linux":
        return
    import ctypes  # 10 ms, and only here
    import signal

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
