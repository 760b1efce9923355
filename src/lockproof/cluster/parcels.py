"""Files that travel by content: cut into parcels by whoever has them, put together and checked where they arrive."""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from lockproof.build.projecttree import ProjectTree
from lockproof.digests import is_sha256
from lockproof.errors import HashMismatchError, UnavailableError
from lockproof.wheels.store import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_LARGEST = 4 << 20  # bytes a parcel: one message through the scheduler


class Piece(NamedTuple):
    """`data` of the file with that sha256, which lies at `offset` of its `size` bytes."""

    sha256: str
    offset: int
    size: int
    data: bytes


def parcels(files: Mapping[str, Path], wanted: Iterable[str]) -> Iterator[list[Piece]]:
    """The files of these hashes in pieces, several small ones together.

    Raises UnavailableError for one that is not there any more, or has another content by now.
    """
    parcel: list[Piece] = []
    room = _LARGEST
    for sha256 in wanted:
        for piece in _pieces(files, sha256):
            parcel.append(piece)
            room -= len(piece.data) + 128
            if room <= 0:
                yield parcel
                parcel, room = [], _LARGEST
    if parcel:
        yield parcel


def _pieces(files: Mapping[str, Path], sha256: str) -> Iterator[Piece]:
    path = files.get(sha256)
    if path is None:
        raise UnavailableError("a worker asks for a file that it has no business with", where=sha256)
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if hashlib.file_digest(stream, "sha256").hexdigest() != sha256:
                raise UnavailableError(
                    "a file changed before it was sent to a worker", where=str(path), remedy="run again"
                )
            stream.seek(0)
            offset = 0
            while offset < size or not size:
                data = stream.read(_LARGEST)
                yield Piece(sha256, offset, size, data)
                offset += len(data)
                if not data:
                    return
    except OSError as error:
        raise UnavailableError("a file can't be sent to a worker", where=str(path), why=str(error)) from error


class Received:
    """What has arrived, each file under its sha256; safe for several threads and processes."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made when something comes."""
        self._folder = folder
        self._guard = threading.Lock()

    def path(self, sha256: str) -> Path:
        """Where the file of that hash lies, if it is there."""
        return self._folder / sha256[:2] / sha256

    def has(self, sha256: str) -> bool:
        """Whether the file is there."""
        return is_sha256(sha256) and self.path(sha256).is_file()

    def accept(self, sender: str, pieces: Iterable[Piece]) -> None:
        """Put pieces where they belong; each sender's come in order. A file is there when its last piece has come.

        Raises HashMismatchError where the whole is not the file that it was called.
        """
        with self._guard:
            for piece in pieces:
                self._accept(sender, Piece(*piece))

    def _accept(self, sender: str, piece: Piece) -> None:
        if not is_sha256(piece.sha256) or not sender.isalnum():
            raise HashMismatchError("a piece of a file that has no hash for its name")
        if self.has(piece.sha256):
            return
        target = self.path(piece.sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{piece.sha256}.{sender}")
        with part.open("r+b" if piece.offset else "wb") as stream:
            stream.seek(piece.offset)
            stream.write(piece.data)
        if piece.offset + len(piece.data) < piece.size:
            return
        with part.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != piece.sha256:
            part.unlink()
            raise HashMismatchError("a file that arrived is not the one that was sent", why=f"its sha256 is {found}")
        part.replace(target)


class ShippedTree(ProjectTree):
    """A project's files on a worker, where no git tells what belongs to it: only they are looked at."""

    def changes(self) -> list[str]:
        """The paths that are no longer as they are here, sorted."""
        return self.altered()


def lay_out(tree: ProjectTree, received: Callable[[str], Path], keep: str) -> None:
    """Fill the tree's root with exactly its files; only the entry called `keep` stays of what was there.

    Raises UnavailableError where one of them is not what it should be, OSError where the disk says no.
    """
    root = tree.root
    root.mkdir(parents=True, exist_ok=True)
    for left in root.iterdir():
        if left.name != keep:
            remove_tree(left)
    for path, fact in tree.files.items():
        if not _is_inside(path, tree.files, keep):
            raise UnavailableError("this is no place in a project", where=path)
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        kind, _, value = fact.partition(" ")
        if kind == "l":
            target.symlink_to(value)
            continue
        target.write_bytes(received(value).read_bytes())
        target.chmod(0o755 if kind == "x" else 0o644)
    if wrong := tree.altered():
        kind, _, value = tree.files[wrong[0]].partition(" ")
        if kind != "l":
            with suppress(OSError):  # the next one gets it anew
                received(value).unlink()
        raise UnavailableError("a file of the project is not what was sent", where=wrong[0], remedy="run again")


def _is_inside(path: str, files: Mapping[str, str], keep: str) -> bool:
    """Whether a path is below the root and not below one of the files, some of which are links that lead elsewhere."""
    parts = PurePosixPath(path)
    above = {str(parent) for parent in parts.parents}
    plain = path == str(parts) != "." and not parts.is_absolute() and ".." not in parts.parts
    return plain and parts.parts[0] != keep and above.isdisjoint(files)
