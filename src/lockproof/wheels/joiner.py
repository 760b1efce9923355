"""Makes links or copies of store files, many at once, each source checked by its lstat or its bytes just before.

Standard library and `reader` only: it also runs as a process of its own, so that two processors can work at it (the
calls are short and many, and threads of one Python would only wait for each other). It is told what to do and tells
what it did as marshalled tuples; see `Work` and `Done`.
"""

from __future__ import annotations

import errno
import marshal
import os
import shutil
import stat
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from lockproof.reading.reader import ChangedDuringRead, read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    # (path in the tree, sha256, permission bits, (size, mtime_ns, ctime_ns) known to go with them or None, targets)
    File = tuple[str, str, int, tuple[int, int, int] | None, list[str]]
    # (folder of the tree, its files)
    Work = tuple[str, list[File]]
    # what each source's lstat was afterwards: (device, inode, size, mtime_ns, ctime_ns); None for a damaged one
    # errno, strerror, filename, winerror, filename2
    Failure = tuple[int, str, str | None, int | None, str | None]
    Done = list[tuple[int, int, int, int, int] | None]

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_FICLONE = 0x40049409  # linux/fs.h: share the extents of another file
_WORTH_A_PROCESS = 4000  # links
_FOLDER_COST = 4  # links
# Our folder is appended, not put first: the standard library must win.
_START = "import sys; sys.path.append(sys.argv[1]); from lockproof.wheels.joiner import main; main(sys.argv[2])"


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
    for tree, files in works:
        make_folders({target.rpartition("/")[0] for *_, targets in files for target in targets}, made)
        result.append([_join_one(tree, file, make) for file in files])
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


def _cost(files: list[File]) -> int:
    """What a wheel takes, in links; a folder takes as long as several of them."""
    folders = {path.rpartition("/")[0] for path, *_ in files}
    return (len(files) + _FOLDER_COST * len(folders)) * max((len(targets) for *_, targets in files), default=0)


def join_in_parallel(works: Sequence[Work], mode: str, made: set[str]) -> list[Done]:
    """`join_all`, shared between this process and another where there is enough to do."""
    sizes = [_cost(files) for _, files in works]
    if sum(sizes) < _WORTH_A_PROCESS or (os.cpu_count() or 1) < 2:
        return join_all(works, mode, made)
    mine: list[int] = []
    others: list[int] = []
    load = [0, sum(sizes) // 10]  # the other process has to start first
    for number in sorted(range(len(works)), key=lambda number: -sizes[number]):
        share = load.index(min(load))
        (mine, others)[share].append(number)
        load[share] += sizes[number]
    here = os.path.abspath(__file__)  # noqa: PTH100
    package = here[: here.rindex(f"{os.sep}lockproof{os.sep}")]
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _START, package, mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C is for us to hear
    ) as process:
        try:
            if process.stdin is None or process.stdout is None:
                raise OSError("no pipe to the second process")
            with suppress(BrokenPipeError):
                process.stdin.write(marshal.dumps(([works[number] for number in others], sorted(made))))
                process.stdin.close()
            done = dict(zip(mine, join_all([works[number] for number in mine], mode, set(made)), strict=True))
            answer = process.stdout.read()
        except BaseException:
            process.kill()
            raise
    failed, shared = _answer(answer)
    if failed:
        raise OSError(*failed)
    done.update(zip(others, shared, strict=True))
    return [done[number] for number in range(len(works))]


def _answer(answer: bytes) -> tuple[Failure | None, list[Done]]:
    """What the second process says: what an OSError is made of, or what it did."""
    if not answer:
        return (errno.EIO, "the second process died", None, None, None), []
    failed, done = marshal.loads(answer)  # noqa: S302 - from our own other half
    return failed, done


def _named(error: OSError) -> tuple[str | None, int | None, str | None]:
    """The path of an error, the number that Windows gives it, and the second path."""
    return error.filename, getattr(error, "winerror", None), error.filename2


def die_with_parent() -> None:
    """End this process with the one that started it, even by kill -9: it must not write where the next run does."""
    if sys.platform != "linux":
        return
    import ctypes  # 10 ms, and only here
    import signal

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(mode: str) -> None:
    """The second process: (works, folders that are there) in on stdin, (error or None, what was done) out on stdout."""
    die_with_parent()
    works, made = marshal.load(sys.stdin.buffer)  # noqa: S302 - from our own other half
    failed: Failure | None = None
    done: list[Done] = []
    try:
        done = join_all(works, mode, set(made))
    except OSError as error:
        failed = (error.errno or errno.EIO, error.strerror or str(error), *_named(error))
    sys.stdout.buffer.write(marshal.dumps((failed, done)))
