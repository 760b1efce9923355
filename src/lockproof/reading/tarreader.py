"""Reads a tar stream as `reader` reads a folder: byte for byte, into facts, and nothing is unpacked to disk.

Standard library only, Python 3.6 syntax, importing nothing of ours but `reader`, behind which it can be sent as one
file. What a tar leaves open is an error and never a reading: an end without an end mark, a member that leaves the
archive, two members of one name that differ, a hard link to nothing.
"""

import bz2
import gzip
import hashlib
import io
import lzma
import os
import posixpath
import stat
import tarfile
from typing import IO, Dict, List, Optional, Tuple

from lockproof.reading.reader import CHUNK, TEXT_LIMIT, Fact, Tree, wants_text

ARCHIVE = "(archive)"  # where a tree lies that came without its place
ALL_TEXTS_LIMIT = 512 << 20
PROGRAM_LIMIT = 1 << 20  # a script or wrapper; what is larger is only hashed
LINKS_IN_A_ROW = 40


class BrokenArchive(Exception):
    """A stream that is no whole and unambiguous tar archive; the text says why."""


class Member(tarfile.TarInfo):
    """A member whose damaged header is an error: tarfile itself takes most of them for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> "Member":
        """The next member, or the end where there is an end mark (a block of zeros, POSIX pax)."""
        try:
            return super().fromtarfile(tarfile)
        except Exception as error:
            if type(error).__name__ == "EOFHeaderError":
                raise
            raise BrokenArchive(_no_header(error, tarfile.fileobj)) from error


def _no_header(error: Exception, stream: object) -> str:
    if isinstance(error, BrokenArchive):
        return str(error)
    if isinstance(stream, Forward) and stream.at <= tarfile.BLOCKSIZE:
        return "is empty" if stream.at == 0 else "is no tar archive"
    return f"is cut off or damaged: {error}"


class Forward(io.RawIOBase):
    """A stream that is read once from its beginning to its end, as tarfile wants to see it."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Compressed by gzip, bzip2 or xz, or as it is: the first bytes say which."""
        buffered = io.BufferedReader(stream, 1 << 18)  # type: ignore[type-var]
        self.buffered, head, self.at = buffered, buffered.peek(10)[:10], 0
        self.source: IO[bytes] = buffered
        if head.startswith(b"\x1f\x8b\x08"):
            self.source = gzip.GzipFile(fileobj=buffered)  # type: ignore[assignment]
        elif head.startswith(b"BZh") and head[4:] == b"1AY&SY":
            self.source = bz2.BZ2File(buffered)
        elif head.startswith(b"\xfd7zXZ\0"):
            self.source = lzma.LZMAFile(buffered)  # noqa: SIM115 - it needs no end

    def read(self, size: int = -1) -> bytes:
        """So many bytes, fewer only at the end."""
        try:
            content = self.source.read(size)
        except (OSError, EOFError, ValueError, lzma.LZMAError) as error:
            raise BrokenArchive(f"can't be read to its end: {error}") from error
        self.at += len(content)
        return content

    def tell(self) -> int:
        """How many bytes were read."""
        return self.at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Read on to `offset`; there is no way back."""
        if offset < self.at or whence:
            raise BrokenArchive("has a member that can't be read from its beginning to its end")
        while self.at < offset and self.read(min(offset - self.at, CHUNK)):
            pass
        return self.at


def member_path(name: str) -> str:
    """A member's path below the archive's root, without `./` and a leading `/`; BrokenArchive where it leaves it."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise BrokenArchive(f"has a member that leaves it: {name!r}")
    return "/".join(parts)


class Archive:
    """All that tar streams hold, by paths without a leading `/`.

    `files`, `links`, `special` and `texts` are as a Tree has them, of the whole archive; `folders` are those that have
    a member of their own, by its mode. `spooled`: for sources and bytecode, where in `spool` they begin, their size.
    """

    def __init__(self, spool: Optional[IO[bytes]] = None) -> None:
        """An archive of nothing yet. Sources and bytecode are written to `spool`, one behind the other."""
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

    def take(self, stream: IO[bytes], below: str = "") -> None:
        """Read one tar stream to its end and add what it holds, all of it in the folder `below`; BrokenArchive."""
        forward = Forward(stream)
        self._below = below + "/" if below else ""
        try:
            tar = tarfile.TarFile(fileobj=forward, mode="r", tarinfo=Member, encoding="utf-8", errors="surrogateescape")
            while True:
                member = tar.next()
                if member is None:
                    break
                tar.members = []  # type: ignore[attr-defined]  # else it keeps them all
                self._enter(tar, forward, member)
            while forward.read(CHUNK):
                pass  # whoever writes the padding must not meet a closed pipe
        except (tarfile.TarError, ValueError, OverflowError) as error:
            raise BrokenArchive(f"is cut off or damaged: {error}") from error
        finally:
            forward.buffered.detach()  # whose stream it is, is to close it
        _refuse_ambiguity(self)

    def _enter(self, tar: tarfile.TarFile, forward: Forward, member: tarfile.TarInfo) -> None:
        path = (self._below + member_path(member.name)).rstrip("/")
        if member.isdir():
            if path not in self.folders or member.mode & stat.S_IWOTH:  # the worse one of two
                self.folders[path] = member.mode & 0o7777
            return
        if not path or member.name.endswith("/") or member.pax_headers.get("path", "").endswith("/"):
            raise BrokenArchive(f"has {member.name!r}, which is named as a folder and is none")
        before = self._seen(path)
        if member.issym():
            self.links[path] = member.linkname
        elif member.islnk():
            self._link_hard(path, self._below + member_path(member.linkname))
        elif member.isreg():
            self._read(tar, forward, member, path)
        else:
            self.special.append(path)
        now = self._seen(path)
        if before is not None and (before != now or now is None):
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
        elif self.files[target][1] == 0 and _is_code(path):
            self.spooled[path] = (0, 0)  # tools that save space link all empty files together
        if target in self.texts:
            self.texts[path] = self.texts[target]
        elif _may_be_text(path, self.files[path][1]) and not _may_be_text(target, self.files[path][1]):
            raise BrokenArchive(f"has {path!r} only as a hard link to {target!r}")

    def _read(self, tar: tarfile.TarFile, forward: Forward, member: tarfile.TarInfo, path: str) -> None:
        stream = tar.extractfile(member) if member.issparse() else forward
        assert stream is not None
        keep, spools = _may_be_text(path, member.size), self.spool is not None and _is_code(path)
        digest, kept, left = hashlib.sha256(), [], member.size
        while left:
            content = stream.read(min(left, CHUNK))
            if not content:
                raise BrokenArchive(f"is cut off inside {path!r}")
            left -= len(content)
            digest.update(content)
            if keep:
                kept.append(content)
            if spools and self.spool is not None:
                self.spool.write(content)
        mode, seconds = stat.S_IFREG | (member.mode & 0o7777), int(member.mtime)
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

    def holds(self, folder: str) -> bool:
        """Whether there is anything below that folder of the archive."""
        return not folder or any(path.startswith(folder + "/") for path in self.files)

    def real_path(self, path: str) -> str:
        """Where a path of the archive ends when its links are followed, as far as the archive has them."""
        return follow_links(self.links, path)

    def modes(self, folder: str) -> Dict[str, int]:
        """The modes of the folders below one folder of the archive, and its own by "", as far as they are members."""
        start = folder + "/" if folder else ""
        return {path[len(start) :]: mode for path, mode in self.folders.items() if (path + "/").startswith(start)}

    def tree(self, folder: str, place: str, real: str = "") -> Tree:
        """What lies below one folder of the archive, as a reading of the folder `place` would be (`real`: linkless)."""
        real, start = real or place, folder + "/" if folder else ""
        tree = Tree(place, real)
        cut = len(start)
        tree.files = {path[cut:]: fact for path, fact in self.files.items() if path.startswith(start)}
        tree.links = {path[cut:]: target for path, target in self.links.items() if path.startswith(start)}
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


def follow_links(links: Dict[str, str], path: str) -> str:
    """Where a path leads through links, by paths without a leading `/`; absolute targets are below the same root."""
    for _ in range(LINKS_IN_A_ROW):
        parts = path.strip("/").split("/")
        link = next((p for p in ("/".join(parts[: n + 1]) for n in range(len(parts))) if p in links), None)
        if link is None:
            return "/".join(parts)
        target = posixpath.join("/" + posixpath.dirname(link), links[link])
        path = posixpath.normpath(target + path.strip("/")[len(link) :])
    return path.strip("/")


def _may_be_text(path: str, size: int) -> bool:
    """Whether a member's bytes may be asked for, wherever in the archive its environment begins."""
    folder, _, name = path.rpartition("/")
    if folder.rpartition("/")[2] in ("bin", "Scripts"):
        return size <= PROGRAM_LIMIT
    return size <= TEXT_LIMIT and (name == "pyvenv.cfg" or wants_text("/" + path))


def _is_text(path: str, content: List[bytes]) -> bool:
    """Programs are kept only where they may be a script or a launcher."""
    return "bin/" not in path or not content or b"\0" not in content[0][:64] or wants_text("/" + path)


def _is_code(path: str) -> bool:
    return path.endswith((".py", ".pyw")) or (path.endswith(".pyc") and "__pycache__/" in path)


def _refuse_ambiguity(archive: Archive) -> None:
    """Nothing may lie below what is no folder: where that lands depends on who unpacks it."""
    entries = (archive.files, archive.links, archive.special)
    folders = {folder for paths in entries for path in paths for folder in [path.rpartition("/")[0]]}
    for folder in folders | archive.folders.keys():
        while folder:
            if any(folder in paths for paths in (archive.files, archive.links)):
                raise BrokenArchive(f"has members below {folder!r}, which is no folder")
            folder = folder.rpartition("/")[0]
