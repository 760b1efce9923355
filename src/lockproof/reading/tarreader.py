"""Reads a tar stream as `reader` reads a folder: byte for byte, into facts, and nothing is unpacked to disk.

Standard library only, Python 3.6 syntax, importing nothing of ours but `reader` and `tarheaders`, behind which it can
be sent as one file. What a tar leaves open is an error and never a reading: an end without an end mark, a member that
leaves the archive, two members of one name that differ, a hard link to nothing.
"""

import bz2
import gzip
import hashlib
import io
import lzma
import os
import posixpath
import re
import stat
from typing import IO, Dict, List, Optional, Tuple

from lockproof.reading.reader import TEXT_LIMIT, Fact, Tree, wants_text
from lockproof.reading.tarheaders import (
    BLOCK,
    FILE,
    FOLDER,
    HARD_LINK,
    LINK,
    BrokenArchive,
    Member,
    Stream,
    block_behind,
    content_of,
    members,
)

ARCHIVE = "(archive)"  # where a tree lies that came without its place
ALL_TEXTS_LIMIT = 512 << 20
PROGRAM_LIMIT = 1 << 20  # a script or wrapper; what is larger is only hashed
LINKS_IN_A_ROW = 40
# What tells the platform: Python's own programs, and the C library, which of musl is the loader.
_OF_A_PLATFORM = re.compile(r"(?:^|/)(?:bin/python[\d.]*t?|libc(?:-2\.\d+)?\.so(?:\.6)?|ld-musl-\w+\.so\.1)\Z")
NOWHERE = "\0"  # the path of nothing


class Forward(Stream):
    """A stream that is read once from its beginning to its end."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Compressed by gzip, bzip2 or xz, or as it is: the first bytes say which."""
        buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(stream, 1 << 18)  # type: ignore[type-var]
        self.is_ours, self.buffered, head = buffered is not stream, buffered, buffered.peek(10)[:10]
        source: IO[bytes] = buffered
        if head.startswith(b"\x1f\x8b\x08"):
            source = gzip.GzipFile(fileobj=buffered)  # type: ignore[assignment]
        elif head.startswith(b"BZh") and head[4:] == b"1AY&SY":
            source = bz2.BZ2File(buffered)
        elif head.startswith(b"\xfd7zXZ\0"):
            source = lzma.LZMAFile(buffered)  # noqa: SIM115 - it needs no end
        super().__init__(source)

    def read(self, size: int) -> bytes:
        """So many bytes, fewer only at the end."""
        try:
            content = self.source.read(size)
        except (OSError, EOFError, ValueError, lzma.LZMAError) as error:
            raise BrokenArchive(f"can't be read to its end: {error}") from error
        self.at += len(content)
        return content


def member_path(name: str) -> str:
    """A member's path below the archive's root, without `./` and a leading `/`; BrokenArchive where it leaves it."""
    if name.startswith("./"):
        name = name[2:]
    if name and "//" not in name and "/." not in name and "\0" not in name and name[0] not in "./" and name[-1] != "/":
        return name  # as nearly all are
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise BrokenArchive(f"has a member that leaves it: {name!r}")
    return "/".join(parts)


class Archive:
    """All that tar streams hold, by paths without a leading `/`.

    `files`, `links`, `special` and `texts` are as a Tree has them, of the whole archive; `folders` are those that have
    a member of their own, by its mode. `spooled`: where in `spool` a file begins, its size.
    """

    def __init__(self, spool: Optional[IO[bytes]] = None) -> None:
        """An archive of nothing yet. Sources, bytecode and what tells the platform are written to `spool`, in a row."""
        self.files: Dict[str, Fact] = {}
        self.links: Dict[str, str] = {}
        self.special: List[str] = []
        self.folders: Dict[str, int] = {}
        self.texts: Dict[str, bytes] = {}
        self.spooled: Dict[str, Tuple[int, int]] = {}
        self.spool = spool
        self._kept = 0
        self._at = 0
        self._below = ""

    def take(self, stream: IO[bytes], *folders: str) -> None:
        """Read a tar stream to its end and add what it holds, all of it in the folder that is named; BrokenArchive.

        Where several are named, archives may follow each other: what is in each lies in the folder of the same number.
        """
        forward = Forward(stream)
        try:
            header = forward.read(BLOCK)
            for below in folders or ("",):
                self._below = below + "/" if below else ""
                for member in members(forward, header):
                    self._enter(forward, member)
                header = block_behind(forward)
                if not header:
                    break
            else:
                raise BrokenArchive("goes on behind its end")
        except (ValueError, OverflowError) as error:
            raise BrokenArchive(f"is cut off or damaged: {error}") from error
        finally:
            if forward.is_ours:
                forward.buffered.detach()  # whose stream it is, is to close it
        _refuse_ambiguity(self)

    def _enter(self, forward: Forward, member: Member) -> None:
        path = (self._below + member_path(member.name)).rstrip("/")
        if member.kind == FOLDER:
            if path not in self.folders or member.mode & stat.S_IWOTH:  # the worse one of two
                self.folders[path] = member.mode & 0o7777
            return
        if not path or member.name.endswith("/"):
            raise BrokenArchive(f"has {member.name!r}, which is named as a folder and is none")
        before = self._seen(path)
        if member.kind == LINK:
            self.links[path] = member.target
        elif member.kind == HARD_LINK:
            self._link_hard(path, self._below + member_path(member.target))
        elif member.kind == FILE:
            self._read(forward, member, path)
        else:
            self.special.append(path)
        if before is None:
            return
        now = self._seen(path)
        if before != now:
            raise BrokenArchive(f"has {path!r} twice, and not the same")

    def _seen(self, path: str) -> Optional[Tuple[str, ...]]:
        """What is known of a path, to be compared with what it is said to be later."""
        if path in self.links:
            return ("link", self.links[path], self.files[path][0] if path in self.files else "")
        return ("file", self.files[path][0]) if path in self.files else None

    def _link_hard(self, path: str, target: str) -> None:
        if target not in self.files:
            raise BrokenArchive(f"has a hard link to {target!r}, which it does not hold before")
        self.files[path] = self.files[target]
        if target in self.spooled:
            self.spooled[path] = self.spooled[target]
        elif self.files[target][1] == 0 and _is_spooled(path):
            self.spooled[path] = (0, 0)  # tools that save space link all empty files together
        if target in self.texts:
            self.texts[path] = self.texts[target]
        elif _may_be_text(path, self.files[path][1]) and not _may_be_text(target, self.files[path][1]):
            raise BrokenArchive(f"has {path!r} only as a hard link to {target!r}")

    def _read(self, forward: Forward, member: Member, path: str) -> None:
        keep, spools = _may_be_text(path, member.size), self.spool is not None and _is_spooled(path)
        digest, kept = hashlib.sha256(), []
        for content in content_of(forward, member):
            digest.update(content)
            if keep:
                kept.append(content)
            if spools and self.spool is not None:
                self.spool.write(content)
        mode, seconds = stat.S_IFREG | (member.mode & 0o7777), member.mtime
        status = os.stat_result((mode, 0, 0, 1, 0, 0, member.size, seconds, seconds, seconds))
        self.files[path] = (digest.hexdigest(), member.size, mode, status)
        if keep and _is_text(path, kept):
            self._kept += member.size
            if self._kept > ALL_TEXTS_LIMIT:
                raise BrokenArchive("has more scripts and metadata than one environment: name its folder")
            self.texts[path] = b"".join(kept)
        if spools:
            self.spooled[path] = (self._at, member.size)
            self._at += member.size

    def content(self, path: str) -> bytes:
        """The bytes of a file of which the spool has them, else none; only once all has been taken."""
        if self.spool is None or path not in self.spooled:
            return b""
        start, size = self.spooled[path]
        self.spool.seek(start)
        return self.spool.read(size)

    def holds(self, folder: str) -> bool:
        """Whether there is anything below that folder of the archive."""
        return not folder or any(path.startswith(folder + "/") for path in self.files)

    def real_path(self, path: str) -> str:
        """Where a path of the archive ends when its links are followed, as far as the archive has them."""
        return follow_links(self.links, path)

    def tree(self, folder: str, place: str, real: str = "") -> Tree:
        """What lies below one folder of the archive, as a reading of the folder `place` would be (`real`: linkless).

        It has the modes of those folders that are members.
        """
        real, start = real or place, folder + "/" if folder else ""
        tree = Tree(place, real)
        cut = len(start)
        tree.files = {path[cut:]: fact for path, fact in self.files.items() if path.startswith(start)}
        tree.links = {path[cut:]: target for path, target in self.links.items() if path.startswith(start)}
        tree.modes = {path[cut:]: mode for path, mode in self.folders.items() if (path + "/").startswith(start)}
        tree.special = [path[cut:] for path in self.special if path.startswith(start)]
        below = {path: self.texts[start + path] for path in tree.files if start + path in self.texts}
        tree.texts = {path: text for path, text in below.items() if wants_text(path)}
        filled = {path.rpartition("/")[0] for path in (*self.files, *self.links, *self.special, *self.folders)}
        tree.empty = [
            path[cut:] for path in sorted(self.folders.keys() - filled) if path.startswith(start) and path != folder
        ]
        for path in tree.links:
            if path.startswith(("bin/", "Scripts/")):
                end = self.real_path(start + path)
                if ("/" + end).startswith(place + "/") and not end.startswith(start):
                    end = self.real_path(start + end[len(place) :])  # the archive has it elsewhere than it was
                inside = end.startswith(start) and (bool(start) or end in self.files)
                tree.resolved[path] = posixpath.join(real, end[cut:]) if inside else "/" + end
        return tree


def follow_links(links: Dict[str, str], path: str, is_whole: bool = True) -> str:
    """Where a path leads through links, part by part as path_resolution(7) says: `..` is above where a link has led.

    Paths have no leading `/`; absolute targets are below the same root. Where the root is not that of a whole file
    system (`is_whole`), what leads above it leads to NOWHERE.
    """
    ahead, behind, followed = path.split("/")[::-1], [], 0  # type: List[str], List[str], int
    while ahead:
        part = ahead.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if not behind and not is_whole:
                return NOWHERE
            del behind[-1:]
            continue
        behind.append(part)
        target = links.get("/".join(behind))
        if target is None:
            continue
        followed += 1
        if followed > LINKS_IN_A_ROW:
            return path.strip("/")  # where there is no file: links lie on the way to it
        behind = [] if target.startswith("/") else behind[:-1]
        ahead += target.split("/")[::-1]
    return "/".join(behind)


def _may_be_text(path: str, size: int) -> bool:
    """Whether a member's bytes may be asked for, wherever in the archive its environment begins."""
    folder, _, name = path.rpartition("/")
    if folder.rpartition("/")[2] in ("bin", "Scripts"):
        return size <= PROGRAM_LIMIT
    return size <= TEXT_LIMIT and (name == "pyvenv.cfg" or wants_text("/" + path))


def _is_text(path: str, content: List[bytes]) -> bool:
    """Programs are kept only where they may be a script or a launcher."""
    return "bin/" not in path or not content or b"\0" not in content[0][:64] or wants_text("/" + path)


def _is_spooled(path: str) -> bool:
    is_code = path.endswith((".py", ".pyw")) or (path.endswith(".pyc") and "__pycache__/" in path)
    return is_code or _OF_A_PLATFORM.search(path) is not None


def _refuse_ambiguity(archive: Archive) -> None:
    """Nothing may lie below what is no folder: where that lands depends on who unpacks it."""
    entries = (archive.files, archive.links, archive.special)
    folders = {folder for paths in entries for path in paths for folder in [path.rpartition("/")[0]]}
    for folder in folders | archive.folders.keys():
        while folder:
            if any(folder in paths for paths in (archive.files, archive.links)):
                raise BrokenArchive(f"has members below {folder!r}, which is no folder")
            folder = folder.rpartition("/")[0]
