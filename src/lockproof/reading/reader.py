"""Reads what is in an environment, byte for byte, and says nothing about what it means.

One file, standard library only, Python 3.6 syntax, importing nothing of ours: it can be sent anywhere and run there by
a trusted Python (`python -I -S reader.py FOLDER` prints JSON). It never runs or imports what it reads, follows no link
out of the tree, never opens a FIFO or a device, and takes a file that changes under it for an error.
"""

import hashlib
import json
import os
import stat
import sys
import time
from typing import Callable, Dict, List, Optional, Tuple

Signature = Tuple[int, int, int]
Known = Dict[Tuple[int, int], Tuple[Signature, str]]
Unread = Tuple[str, str, os.stat_result, bool]  # path in the tree, real path, lstat result, whether to keep the bytes
Row = Tuple[str, os.stat_result, str, Optional[bytes]]  # path in the tree, lstat result, sha256, bytes or None
Fact = Tuple[str, int, int, os.stat_result]

CHUNK = 1 << 20
# How long a file's times may stay the same while it is written to: the kernel's tick, or file systems of whole seconds.
TICK = 20_000_000  # ns
COARSE_TICK = 2_000_000_000
TEXT_LIMIT = 16 << 20
BATCH = 256  # files a thread takes at once: less, and two threads are slower than one
OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
OPEN_FLAGS |= getattr(os, "O_NONBLOCK", 0)  # a FIFO that was put in a file's place must not make us wait
# Only in these can `wants_text` find anything.
FOLDERS_OF_TEXTS = (".dist-info/", "site-packages/", "dist-packages/", "customize/", "bin/", "Scripts/")
DIST_INFO_TEXTS = (
    "METADATA", "WHEEL", "RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "uv_build.json",
    "provenance_url.json",
)  # fmt: skip
BUILD_TEXTS = ("python-config.py", "patchlevel.h")  # where a build of Python was put, and which release it is
ANYWHERE = ("_sysconfigdata",) + BUILD_TEXTS  # beginnings of names that `wants_text` looks for outside those folders


class ChangedDuringRead(Exception):
    """A file was not the same after it was read as before: nothing can be said of it."""

    def __str__(self) -> str:
        return "{} changed while it was read".format(*self.args)


def wants_text(path: str) -> bool:
    """Whether the bytes of the file at this path below the root are needed, not only their digest."""
    folder, _, name = path.rpartition("/")
    if folder.endswith(".dist-info"):
        return name in DIST_INFO_TEXTS
    if folder.endswith(("site-packages", "dist-packages")):
        return name.endswith((".pth", ".start", ".egg-link")) or name.startswith(("sitecustomize", "usercustomize"))
    if folder.endswith("customize"):
        return folder.endswith(("/sitecustomize", "/usercustomize")) and name.startswith("__init__.")
    if name in BUILD_TEXTS or name.startswith("_sysconfigdata"):
        return True
    return folder in ("bin", "Scripts", "local/bin") or path == "pyvenv.cfg"


def now() -> int:
    """The present in ns since the epoch."""
    return time.time_ns() if hasattr(time, "time_ns") else int(time.time() * 1e9)  # Python 3.6 has not the first


def signature(status: os.stat_result) -> Signature:
    """What must not change for a file to count as unread since: size, mtime_ns, ctime_ns."""
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def is_settled(status: os.stat_result, started: int) -> bool:
    """Whether a write after `started` (ns) would surely show in the times that a file had then."""
    return max(status.st_mtime_ns, status.st_ctime_ns) < started - (TICK if status.st_ctime_ns % 10**9 else COARSE_TICK)


def read_file(path: str, status: os.stat_result, keep: bool) -> Tuple[str, Optional[bytes], os.stat_result]:
    """(sha256 in hexadecimal, bytes or None, lstat result) of the regular file at `path` whose lstat was `status`.

    Where only ctime moves meanwhile (somebody made or removed a hard link, or tried to hide a change), the file is
    read again; any other change is a ChangedDuringRead.
    """
    for _attempt in range(20):
        try:
            return _read_once(path, status, keep) + (status,)
        except ChangedDuringRead:
            now = os.lstat(path)
            if signature(now)[:2] != signature(status)[:2] or not os.path.samestat(now, status):
                raise
            status = now
    raise ChangedDuringRead(path)


def _read_once(path: str, status: os.stat_result, keep: bool) -> Tuple[str, Optional[bytes]]:
    descriptor = os.open(path, OPEN_FLAGS)
    try:
        before = os.fstat(descriptor)
        same = os.path.samestat(before, status) and signature(before) == signature(status)
        if not same or not stat.S_ISREG(before.st_mode):
            raise ChangedDuringRead(path)
        if status.st_size < CHUNK:
            content = os.read(descriptor, status.st_size + 1)
            size, digest = len(content), hashlib.sha256(content)
        else:
            size, digest, content = _read_in_chunks(descriptor, keep)
        if size != status.st_size or signature(os.fstat(descriptor)) != signature(status):
            raise ChangedDuringRead(path)
    finally:
        os.close(descriptor)
    return digest.hexdigest(), (content if keep else None)


def _read_in_chunks(descriptor: int, keep: bool) -> Tuple[int, "hashlib._Hash", bytes]:
    size, digest, content = 0, hashlib.sha256(), b""
    for chunk in iter(lambda: os.read(descriptor, CHUNK), b""):
        size += len(chunk)
        digest.update(chunk)
        if keep:
            content += chunk
    return size, digest, content


class Tree:
    """What was read. Paths are relative to the root, with `/`.

    `files`: path to (sha256, size, mode, stat result); `links`: path to target; `resolved`: for links in the scripts
    folder, path to where the whole chain ends; `empty`: folders without entries; `special`: FIFOs, sockets, devices;
    `texts`: path to bytes, for the files that `wants_text` names. `folders`: real path to (device, inode, mtime_ns,
    ctime_ns); `modes`: path of a folder to its mode, the root's under ""; `places`: path to real path of files.
    `unsettled`: files written so shortly before they were read that a write afterwards may not show in their times.
    """

    def __init__(self, root: str, real_root: Optional[str] = None) -> None:
        """An empty tree; everything else is entered by who reads it."""
        self.root = root
        self.real_root = os.path.realpath(root) if real_root is None else real_root
        self.files: Dict[str, Fact] = {}
        self.links: Dict[str, str] = {}
        self.resolved: Dict[str, str] = {}
        self.empty: List[str] = []
        self.special: List[str] = []
        self.texts: Dict[str, bytes] = {}
        self.folders: Dict[str, Tuple[int, int, int, int]] = {}
        self.modes: Dict[str, int] = {}
        self.places: Dict[str, str] = {}
        self.unsettled: List[str] = []

    def still_holds(self, known: Known) -> bool:
        """Whether a look at every entry that was read shows it as it was, and so no folder has gained or lost one."""
        lstat, files = os.lstat, self.files
        try:
            for path, (device, inode, mtime, ctime) in self.folders.items():
                now = lstat(path)
                if now.st_ino != inode or now.st_mtime_ns != mtime or now.st_ctime_ns != ctime or now.st_dev != device:
                    return False
            for path, real in self.places.items():
                now = lstat(real)
                digest, size, mode, then = files[path]
                if now.st_mode != mode or now.st_ino != then.st_ino or now.st_size != size:
                    return False
                moved = now.st_mtime_ns != then.st_mtime_ns or now.st_ctime_ns != then.st_ctime_ns
                if moved and known.get((now.st_dev, now.st_ino)) != (signature(now), digest):
                    return False  # nor was it linked again meanwhile, by one who looked before
            for path in self.unsettled:
                if read_file(self.places[path], lstat(self.places[path]), False)[0] != files[path][0]:
                    return False
            for path, target in self.links.items():
                if os.readlink(os.path.join(self.root, path)) != target:
                    return False
            return all(os.path.realpath(os.path.join(self.root, path)) == end for path, end in self.resolved.items())
        except (OSError, ChangedDuringRead):
            return False


def read_tree(
    root: str,
    known: Optional[Known] = None,
    follow: Optional[str] = None,
    previous: Optional[Tree] = None,
    wanted: Optional[Callable[[str], object]] = None,
    reading: Optional[Callable[[List[Unread]], List[Row]]] = None,
    again: bool = False,
) -> Tree:
    """Read everything below `root`.

    `known` maps (device, inode) to (signature, sha256) of files whose bytes were hashed before: those are not read
    again while their signature holds, and what is read is entered. Links that end below the folder `follow` are read as
    what they point to. `previous` is an earlier reading of the same root: the bytes of its texts are taken over where
    the signature holds. With `wanted`, only paths for which it holds are looked at; a folder for which it doesn't is
    not entered. `reading` stands in for `read_all`. Raises OSError where something can't be read, ChangedDuringRead
    where a file changed meanwhile. Where only the ctime of folders moved, all is read `again`, once: Linux's overlayfs
    takes a mark of its own off a folder when that is first listed (fs/overlayfs/readdir.c, "impure").
    """
    tree, started = Tree(root), now()
    known = {} if known is None else known
    if previous is not None and previous.real_root == tree.real_root and previous.still_holds(known):
        return previous
    earlier: Dict[str, bytes] = {} if previous is None else previous.texts
    files, places, unread = tree.files, tree.places, []  # type: Dict[str, Fact], Dict[str, str], List[Unread]
    pending = [(tree.real_root, "", False)]
    while pending:
        folder, prefix, followed = pending.pop()
        entries = _listed(tree, folder, prefix)
        if not entries and prefix:
            tree.empty.append(prefix[:-1])
        plain = not prefix.endswith(FOLDERS_OF_TEXTS) and prefix != ""
        for entry in entries:
            path = prefix + entry.name
            if wanted is not None and not wanted(path):
                continue
            if entry.is_dir(follow_symlinks=False):
                pending.append((entry.path, path + "/", followed))
            elif entry.is_symlink():
                target = None if followed else _target_below(entry.path, follow)
                if target is None:
                    _take_link(tree, path, entry.path)
                elif os.path.isdir(target):
                    pending.append((target, path + "/", True))
                else:
                    _take(tree, known, earlier, unread, path, target, os.lstat(target))
            else:
                status = entry.stat(follow_symlinks=False)
                if not plain or not stat.S_ISREG(status.st_mode) or entry.name.startswith(ANYWHERE):
                    _take(tree, known, earlier, unread, path, entry.path, status)
                    continue
                seen = known.get((status.st_dev, status.st_ino)) if known else None  # most files, most of the time
                places[path] = entry.path
                if seen is not None and seen[0] == (status.st_size, status.st_mtime_ns, status.st_ctime_ns):
                    files[path] = (seen[1], status.st_size, status.st_mode, status)
                else:
                    unread.append((path, entry.path, status, False))
    _enter(tree, known, (reading or read_all)(unread), started)
    touched = _check_folders(tree, again)
    return read_tree(root, known, follow, previous, wanted, reading, again=True) if touched else tree


def _listed(tree: Tree, folder: str, prefix: str) -> List["os.DirEntry[str]"]:
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode):
        raise ChangedDuringRead(folder)
    tree.folders[folder] = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
    tree.modes[prefix[:-1]] = stat.S_IMODE(status.st_mode)
    return list(os.scandir(folder))


def _check_folders(tree: Tree, strictly: bool) -> bool:
    """Raise ChangedDuringRead where a folder of the root gained, lost or swapped an entry after it was listed.

    Where nothing but the ctime of folders moved, the answer is True, or that is raised, too.
    """
    touched = False
    for folder, then in tree.folders.items():
        if folder == tree.real_root or folder.startswith(tree.real_root + os.sep):
            now = os.lstat(folder)
            if (now.st_dev, now.st_ino, now.st_mtime_ns, now.st_ctime_ns) != then:
                touched = (now.st_dev, now.st_ino, now.st_mtime_ns) == then[:3]
                if strictly or not touched:
                    raise ChangedDuringRead(folder)
    return touched


def _enter(tree: Tree, known: Known, rows: List[Row], started: int) -> None:
    """Take over what was read, and note what can't be known again by its times."""
    for path, status, digest, content in rows:
        tree.files[path] = (digest, status.st_size, status.st_mode, status)
        if is_settled(status, started):
            known[(status.st_dev, status.st_ino)] = (signature(status), digest)
        if content is not None:
            tree.texts[path] = content
    recent = started - COARSE_TICK
    for path, (_, _, _, status) in tree.files.items():
        if (status.st_ctime_ns >= recent or status.st_mtime_ns >= recent) and not is_settled(status, started):
            tree.unsettled.append(path)


def _target_below(link: str, follow: Optional[str]) -> Optional[str]:
    """Where a link leads, if it leads below the folder `follow`."""
    target = os.path.realpath(link) if follow else ""
    return target if follow and target.startswith(follow + os.sep) and os.path.exists(target) else None


def _take_link(tree: Tree, path: str, link: str) -> None:
    tree.links[path] = os.readlink(link)
    if path.startswith(("bin/", "Scripts/")):
        tree.resolved[path] = os.path.realpath(link)


def _take(
    tree: Tree, known: Known, earlier: Dict[str, bytes], unread: List[Unread], path: str, real: str,
    status: os.stat_result,
) -> None:  # fmt: skip
    """Enter one file that is no link: as known, as still to be read, or as something that is never opened."""
    if not stat.S_ISREG(status.st_mode):
        tree.special.append(path)
        return
    tree.places[path] = real
    keep = wants_text(path) and status.st_size <= TEXT_LIMIT
    seen = known.get((status.st_dev, status.st_ino)) if not keep or path in earlier else None
    if seen is not None and seen[0] == (status.st_size, status.st_mtime_ns, status.st_ctime_ns):
        tree.files[path] = (seen[1], status.st_size, status.st_mode, status)
        if keep:
            tree.texts[path] = earlier[path]
        return
    unread.append((path, real, status, keep))


def read_all(unread: List[Unread]) -> List[Row]:
    """What each of these files holds, in their order, hashed in batches by two threads."""

    def read_batch(start: int) -> List[Row]:
        rows = []
        for path, real, status, keep in unread[start : start + BATCH]:
            digest, content, status = read_file(real, status, keep)
            rows.append((path, status, digest, content))
        return rows

    starts = range(0, len(unread), BATCH)
    if len(starts) < 2:
        return [row for start in starts for row in read_batch(start)]
    from concurrent.futures import ThreadPoolExecutor  # 15 ms that a warm reading does without

    with ThreadPoolExecutor(2) as pool:
        return [row for rows in pool.map(read_batch, starts) for row in rows]


def as_json(tree: Tree) -> Dict[str, object]:
    """What was read as plain values: names as they are in UTF-8, whatever the locale; texts as latin-1 strings."""
    return {
        "root": _name(tree.root),
        "real_root": _name(tree.real_root),
        "files": {_name(path): fact[:3] for path, fact in tree.files.items()},
        "links": {_name(path): _name(target) for path, target in tree.links.items()},
        "resolved": {_name(path): _name(end) for path, end in tree.resolved.items()},
        "empty": [_name(path) for path in tree.empty],
        "special": [_name(path) for path in tree.special],
        "texts": {_name(path): content.decode("latin-1") for path, content in tree.texts.items()},
    }


def _name(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "surrogateescape")


def main(root: str) -> None:
    """Print what is in `root` as JSON, in ASCII; for what can't be read whole one line, and exit code 1."""
    try:
        json.dump(as_json(read_tree(os.path.abspath(root))), sys.stdout)
    except (OSError, ChangedDuringRead) as error:
        sys.exit("{}: {}".format(type(error).__name__, error))


if __name__ == "__main__":
    main(sys.argv[1])
