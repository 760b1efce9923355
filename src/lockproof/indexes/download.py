"""Artifacts brought to a folder under their hash: resumed, retried, cut off if too long, dropped if wrong."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import http.client
import os
import sys
from http import HTTPStatus
from io import FileIO
from typing import TYPE_CHECKING

from lockproof.errors import HashMismatchError, LockError, NotFetchedError, UnavailableError
from lockproof.indexes.replies import StatusError, TruncatedError, reason_of
from lockproof.indexes.urls import path_of, redact
from lockproof.locks import INSTALLABLE_ADVICE, wheel_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from packaging.tags import Tag

    from lockproof.indexes.index import Index
    from lockproof.indexes.replies import Reply, Stream
    from lockproof.locks.artifacts import Artifact

_CHUNK = 1 << 18  # bytes; larger ones make nothing faster, and progress coarser


class _TooLongError(Exception):
    """A body that goes on after the size that the lock names."""


class Downloader:
    """Fetches artifacts over the session of `index`; safe to use from many threads and processes."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def stop(self) -> None:
        """Let every fetch under way fail at once; what came so far is kept."""
        self._index.session.abort()

    def fetch(self, artifact: Artifact, folder: Path, progress: Callable[[int], None]) -> Path:
        """The path `folder/<sha256>` of a file with exactly the artifact's bytes.

        The artifact's URLs are tried in order; where none can be reached the index is asked for a file with
        this hash, whatever its name. `progress` gets numbers of bytes as they come, negative ones when a part
        has to be fetched again. `folder/<sha256>.part` holds what came so far, for another try.

        Raises HashMismatchError when a source gave other bytes (no further one is asked), UnavailableError
        when no source gave the file whole or the folder can't be written.
        """
        target = folder / artifact.sha256
        with _disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if _is_whole(target, artifact.sha256):
                progress(target.stat().st_size)
                return target
        part = _Part(folder, artifact.sha256)
        try:
            progress(part.size)
            _Fetch(self._index, artifact, part, progress).run()
            part.become(target)
        finally:
            part.close()
        return target


class _Fetch:
    """One artifact on its way into one part."""

    def __init__(self, index: Index, artifact: Artifact, part: _Part, progress: Callable[[int], None]) -> None:
        self._index = index
        self._artifact = artifact
        self._part = part
        self._progress = progress
        self._failures: list[str] = []
        size = artifact.size
        self._buffer = memoryview(bytearray(_CHUNK if size is None else min(_CHUNK, size + 1)))

    def run(self) -> None:
        for url in self._sources():
            is_local = url.startswith("file:")
            if self._index.is_offline and not is_local:
                continue
            try:
                if is_local:
                    self._start_over()
                    self._try(url)
                else:
                    self._index.session.persist(functools.partial(self._try, url))
            except (OSError, http.client.HTTPException, ValueError) as error:
                self._failures.append(f"{redact(url)}: {reason_of(error)}")
            else:
                return
        raise self._unavailable()

    def _sources(self) -> Iterator[str]:
        """The lock's URLs, then those that the index has for the hash, asked only when it's their turn.

        Raises LockError when the index knows the hash as another file's: the lock made its name up.
        """
        artifact = self._artifact
        yield from artifact.urls
        try:
            files = self._index.files(artifact.name, artifact.version, wanted=(artifact.sha256,))
        except UnavailableError as error:
            if not self._index.is_offline:
                self._failures.append(f"{error.what}: {error.why}")
            return
        named = [file.filename for file in files if file.sha256 == artifact.sha256]
        if named and _tags_of(artifact.filename) not in map(_tags_of, named):
            raise LockError(
                f"the lock gives {artifact.filename} the hash of {named[0]}",
                where=artifact.where,
                why="the name says what a wheel is for, and only wheels are installed as they are",
                remedy=f"Make the lock again with the index's names. {INSTALLABLE_ADVICE}",
            )
        for file in files:
            same = file.sha256 == artifact.sha256 or (not file.sha256 and file.filename == artifact.filename)
            if same and file.url not in artifact.urls:
                yield file.url

    def _try(self, url: str) -> None:
        """Fetch from one source to the end. A part of older bytes gets a second, fresh chance."""
        while True:
            is_resumed = self._part.size > 0
            try:
                self._receive(url)
                if self._part.digest == self._artifact.sha256:
                    return
                found = f"sha256:{self._part.digest} ({self._part.size} bytes)"
            except _TooLongError:
                found = f"more than the {self._artifact.size} bytes that the lock names"
            self._start_over()
            if not is_resumed:
                raise self._mismatch(url, found)

    def _receive(self, url: str) -> None:
        if url.startswith("file:"):
            with path_of(url).open("rb") as file:
                self._consume(file)
        elif self._part.size == 0 or (self._part.size != self._artifact.size and not self._continue(url)):
            self._start_over()
            with self._index.session.get(url) as reply:
                if reply.status != HTTPStatus.OK:
                    raise StatusError(reply.status)
                self._receive_body(reply)

    def _continue(self, url: str) -> bool:
        """Fetch what comes after the part, or all again; False if the server does neither (RFC 9110, 14)."""
        start = self._part.size
        with self._index.session.get(url, {"Range": f"bytes={start}-"}) as reply:
            if reply.status in {HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}:
                if not reply.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
                    return False
            elif reply.status == HTTPStatus.OK:
                self._start_over()
            else:
                raise StatusError(reply.status)
            self._receive_body(reply)
            return True

    def _receive_body(self, reply: Reply) -> None:
        size = self._artifact.size
        whole = size if reply.length is None else self._part.size + reply.length
        if size is not None and whole is not None and whole > size:
            raise _TooLongError
        self._consume(reply.body)
        if whole is not None and self._part.size < whole:
            raise TruncatedError(f"truncated after {self._part.size} of {whole} bytes")

    def _consume(self, body: Stream) -> None:
        size = self._artifact.size
        while True:
            view = self._buffer
            if size is not None:
                view = view[: size - self._part.size + 1]
            count = body.readinto(view)
            if not count:
                return
            self._part.write(view[:count])
            self._progress(count)
            if size is not None and self._part.size > size:
                raise _TooLongError

    def _start_over(self) -> None:
        if self._part.size:
            self._progress(-self._part.size)
            self._part.clear()

    def _mismatch(self, url: str, found: str) -> HashMismatchError:
        artifact = self._artifact
        return HashMismatchError(
            f"{artifact.name} {artifact.version}: {artifact.filename} is not the file that was locked",
            where=artifact.where,
            why=f"the lock names sha256:{artifact.sha256}, {redact(url)} gave {found}",
            remedy="Find out why the file changed. Lock again only if the new one can be trusted.",
        )

    def _unavailable(self) -> UnavailableError:
        artifact = self._artifact
        if self._index.is_offline and not self._failures:
            return NotFetchedError([artifact.filename], where=artifact.where)
        missing = f"no index or find-links has a file with sha256:{artifact.sha256}"
        return UnavailableError(
            f"{artifact.name} {artifact.version}: {artifact.filename} can't be fetched",
            where=artifact.where,
            why="; ".join(self._failures) or missing,
            remedy="Check the network and pip's index settings, then try again: what came so far is kept.",
        )


class _Part:
    """The file that grows to an artifact: `<sha256>.part`, or one of its own while another has that one.

    Every method raises UnavailableError when the folder can't be written.
    """

    def __init__(self, folder: Path, sha256: str) -> None:
        self._path = folder / f"{sha256}.part"
        self._is_resumable = True
        self._hash = hashlib.sha256()
        self.size = 0
        with _disk_errors(folder):
            self._file = _opened(self._path)
            if not _is_ours(self._file, self._path):
                self._file.close()
                self._path = folder / f"{sha256}.{os.urandom(8).hex()}.part"
                self._is_resumable = False
                self._file = _opened(self._path)
            while chunk := self._file.read(_CHUNK):
                self._hash.update(chunk)
                self.size += len(chunk)

    @property
    def digest(self) -> str:
        """The sha256 of the bytes so far, in hexadecimal."""
        return self._hash.hexdigest()

    def write(self, data: memoryview) -> None:
        """Append `data`."""
        with _disk_errors(self._path.parent):
            self._hash.update(data)
            self.size += len(data)
            while data:
                data = data[self._file.write(data) :]

    def clear(self) -> None:
        """Forget what came so far."""
        with _disk_errors(self._path.parent):
            self._file.seek(0)
            self._file.truncate()
        self._hash = hashlib.sha256()
        self.size = 0

    def become(self, target: Path) -> None:
        """Rename the file, which is whole; its lock is held until then, where an open file can be renamed."""
        with _disk_errors(self._path.parent):
            if sys.platform == "win32":
                self._file.close()
            self._path.replace(target)
            self._file.close()

    def close(self) -> None:
        """Let go of the file, and remove it where it's of no use to another try."""
        if not self._file.closed:
            with contextlib.suppress(OSError):
                if self.size == 0 or not self._is_resumable:
                    self._path.unlink()
            self._file.close()


def _opened(path: Path) -> FileIO:
    return FileIO(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644), "r+")


def _is_ours(file: FileIO, path: Path) -> bool:
    """Lock the file; False when another process has it, or has just renamed it to its final name."""
    if sys.platform == "win32":
        return True  # there the caller's lock on the artifact has to do
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _is_whole(path: Path, sha256: str) -> bool:
    """Whether an earlier fetch has left the file, unharmed."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise UnavailableError(
            "the folder for downloads can't be written",
            where=str(folder),
            why=reason_of(error),
            remedy="Free some space." if full else "Make it writable, or choose another folder.",
        ) from error


def _tags_of(filename: str) -> frozenset[Tag] | None:
    name = wheel_name(filename)
    return name.tags if name else None
