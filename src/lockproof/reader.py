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
from concurrent.futures import ThreadPoolExecutor

CHUNK = 1 << 20
TEXT_LIMIT = 16 << 20
BATCH = 256  # files a thread takes at once: less, and two threads are slower than one
DIST_INFO_TEXTS = (
    "METADATA",
    "RECORD",
    "INSTALLER",
    "REQUESTED",
    "direct_url.json",
    "uv_cache.json",
    "uv_build.json",
    "provenance_url.json",
)


class ChangedDuringRead(Exception):
    """A file was not the same after it was read as before: nothing can be said of it."""


def wants_text(path):
    """Whether the bytes of the file at this path below the root are needed, not only their digest."""
    folder, _, name = path.rpartition("/")
    if folder.endswith(".dist-info"):
        return name in DIST_INFO_TEXTS
    if folder.endswith("site-packages"):
        return name.endswith((".pth", ".start", ".egg-link")) or name.startswith(("sitecustomize", "usercustomize"))
    if folder.endswith(("/sitecustomize", "/usercustomize")):
        return name.startswith("__init__.")
    return folder in ("bin", "Scripts") or path == "pyvenv.cfg"


def signature(status):
    """What must not change for a file to count as unread since: size, mtime_ns, ctime_ns."""
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def read_file(path, status, keep):
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


def _read_once(path, status, keep):
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        before = os.fstat(descriptor)
        if not os.path.samestat(before, status) or signature(before) != signature(status):
            raise ChangedDuringRead(path)
        if status.st_size < CHUNK:
            content = os.read(descriptor, status.st_size + 1)
            size, digest = len(content), hashlib.sha256(content)
        else:
            size, digest, content = 0, hashlib.sha256(), b""
            while True:
                chunk = os.read(descriptor, CHUNK)
                if not chunk:
                    break
                size += len(chunk)
                digest.update(chunk)
                if keep and size <= TEXT_LIMIT:
                    content += chunk
        if size != status.st_size or signature(os.fstat(descriptor)) != signature(before):
            raise ChangedDuringRead(path)
    finally:
        os.close(descriptor)
    return digest.hexdigest(), (content if keep else None)


class Tree:
    """What was read. Paths are relative to the root, with `/`.

    `files`: path to (sha256, size, mode, stat result); `links`: path to target; `resolved`: for links in the scripts
    folder, path to where the whole chain ends; `empty`: folders without entries; `special`: FIFOs, sockets, devices;
    `texts`: path to bytes, for the files that `wants_text` names.
    """

    def __init__(self, root):
        """An empty tree; everything else is entered by `read_tree`."""
        self.root = root
        self.real_root = os.path.realpath(root)
        self.files = {}
        self.links = {}
        self.resolved = {}
        self.empty = []
        self.special = []
        self.texts = {}


def read_tree(root, known=None, follow=None):
    """Read everything below `root`, in any number of threads' worth of patience: two are used.

    `known` maps (device, inode) to (signature, sha256) of files whose bytes were hashed before: those are not read
    again while their signature holds. Links that end below the folder `follow` are read as what they point to.
    Raises OSError where something can't be read, ChangedDuringRead where a file changed meanwhile.
    """
    tree = Tree(root)
    known = known or {}
    unread = []
    pending = [(root, "", False)]
    while pending:
        folder, prefix, followed = pending.pop()
        entries = list(os.scandir(folder))
        if not entries and prefix:
            tree.empty.append(prefix[:-1])
        for entry in entries:
            path = prefix + entry.name
            if entry.is_symlink():
                target = None if followed else _target_below(entry.path, follow)
                if target is None:
                    tree.links[path] = os.readlink(entry.path)
                    if path.startswith(("bin/", "Scripts/")):
                        tree.resolved[path] = os.path.realpath(entry.path)
                elif os.path.isdir(target):
                    pending.append((target, path + "/", True))
                else:
                    _take(tree, known, unread, path, target, os.lstat(target))
            elif entry.is_dir(follow_symlinks=False):
                pending.append((entry.path, path + "/", followed))
            else:
                _take(tree, known, unread, path, entry.path, entry.stat(follow_symlinks=False))
    _read_all(tree, unread)
    return tree


def _target_below(link, follow):
    """Where a link leads, if it leads below the folder `follow`."""
    if not follow:
        return None
    target = os.path.realpath(link)
    return target if target.startswith(follow + os.sep) and os.path.exists(target) else None


def _take(tree, known, unread, path, real, status):
    """Enter one file that is no link: as known, as still to be read, or as something that is never opened."""
    if not stat.S_ISREG(status.st_mode):
        tree.special.append(path)
        return
    keep = wants_text(path)
    if not keep:
        seen = known.get((status.st_dev, status.st_ino))
        if seen is not None and seen[0] == (status.st_size, status.st_mtime_ns, status.st_ctime_ns):
            tree.files[path] = (seen[1], status.st_size, status.st_mode, status)
            return
    unread.append((path, real, status, keep))


def _read_all(tree, unread):
    """Hash what is left, in batches."""

    def read_batch(start):
        batch = unread[start : start + BATCH]
        return [(path, read_file(real, status, keep)) for path, real, status, keep in batch]

    starts = range(0, len(unread), BATCH)
    if len(starts) < 2:
        batches = [read_batch(start) for start in starts]
    else:
        with ThreadPoolExecutor(2) as pool:
            batches = list(pool.map(read_batch, starts))
    for batch in batches:
        for path, (digest, content, status) in batch:
            tree.files[path] = (digest, status.st_size, status.st_mode, status)
            if content is not None:
                tree.texts[path] = content


def main(root):
    """Print what is in `root` as JSON, the bytes of texts as latin-1 strings."""
    tree = read_tree(os.path.abspath(root))
    document = {
        "root": tree.root,
        "real_root": tree.real_root,
        "files": {path: fact[:3] for path, fact in tree.files.items()},
        "links": tree.links,
        "resolved": tree.resolved,
        "empty": tree.empty,
        "special": tree.special,
        "texts": {path: content.decode("latin-1") for path, content in tree.texts.items()},
    }
    json.dump(document, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
