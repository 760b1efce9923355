"""A wheel's archive onto disk: members checked, hashed on the way, written where their logical paths say (PEP 427)."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn, Self

from lockproof.digests import hex_of_record_hash
from lockproof.errors import LockError, UnavailableError
from lockproof.wheels.manifest import (
    Manifest,
    Member,
    WheelContents,
    check_member_name,
    parse_record,
    read_manifest,
    wants_text,
)
from lockproof.wheels.members import Members

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    # device, inode, size, mtime_ns, ctime_ns
    Seen = tuple[int, int, int, int, int]

_CHUNK = 1 << 18  # bytes; what stays in a processor's cache is inflated, hashed and written in half the time
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
# Deflate can't do better than 1032:1; real wheels stay far below 50:1 as a whole.
_BOMB_RATIO = 100
_BOMB_SIZE = 256 << 20
_TEXT_LIMIT = 32 << 20


class WheelArchive:
    """An opened wheel whose bytes were already checked against the lock. Use as a context manager."""

    def __init__(self, path: Path | IO[bytes], filename: str, sha256: str) -> None:
        """Open the archive; raises LockError, naming the wheel, for what is no zip or must not be unpacked."""
        self.filename = filename
        self.sha256 = sha256
        self.seen: dict[str, Seen] = {}
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, OSError) as error:
            self._refuse(f"it is no zip archive ({error})")
        self._members = Members(path) if isinstance(path, Path) else None
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the archive."""
        self._zip.close()
        if self._members:
            self._members.close()

    def __enter__(self) -> Self:
        """The archive itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the archive."""
        self.close()

    def _refuse(self, why: str) -> NoReturn:
        raise LockError(
            f"the wheel {self.filename} can't be installed",
            why=why,
            remedy="its bytes are what the lock says: report it to its maintainers, lock another version or build",
        )

    def _check(self) -> None:
        total = packed = 0
        for info in self._zip.infolist():
            reason = check_member_name(info.filename)
            if reason:
                self._refuse(f"its member {info.filename!r} has {reason}")
            if info.flag_bits & 1:
                self._refuse(f"its member {info.filename!r} is encrypted")
            total += info.file_size
            packed += info.compress_size
        if total > _BOMB_SIZE and total > _BOMB_RATIO * max(packed, 1):
            self._refuse(f"it would unpack from {packed} to {total} bytes: a zip bomb")

    def unpack(self, folder: Path) -> Manifest:
        """Write every file that lands below `folder` by its logical path, and return the manifest.

        Members are written first under their own names in one pass (bytes are read once), then moved to where the
        manifest puts them. `seen` then has, by logical path, what lstat says of files that were written as the
        manifest has them. Raises LockError for a damaged or refused wheel, OSError where the disk says no.
        """
        loose = folder / "loose"
        loose.mkdir(parents=True)
        members: list[Member] = []
        texts: dict[str, bytes] = {}
        written: dict[str, Seen] = {}
        made: set[str] = set()
        for info in self._zip.infolist():
            if info.is_dir():
                continue
            target = f"{loose}/{info.filename}"
            parent = target.rpartition("/")[0]
            if parent not in made:
                self._make_folder(parent, made)
            member, text, written[member.name] = self._write(info, target)
            members.append(member)
            if text is not None:
                texts[member.name] = text
        contents = WheelContents(filename=self.filename, sha256=self.sha256, members=members, texts=texts)
        manifest = read_manifest(contents)
        if _settle(manifest, list(written), loose, folder / "tree"):
            self.seen = {file.path: written[file.member] for file in manifest.files}
        return manifest

    def preview(self) -> Manifest:
        """The manifest as the archive's directory and RECORD tell it; no more is read than what decides about others.

        It is no proof: the lock's hash is that of the whole archive. Raises what `unpack` raises.
        """
        infos = {info.filename: info for info in self._zip.infolist() if not info.is_dir()}
        record = next((name for name in infos if re.fullmatch(r"[^/]+\.dist-info/RECORD", name)), "")
        try:
            rows = parse_record(self._read(infos[record])[1]) if record else []
        except ValueError:
            rows = []  # then everything is read
        hashes = {path: hex_of_record_hash(field) for path, field, _size in rows}
        members, texts = [], {}
        for name, info in infos.items():
            digest = hashes.get(name)
            if wants_text(name) or digest is None:
                digest, text = self._read(info)
                if wants_text(name):
                    texts[name] = text
            mode = info.external_attr >> 16
            is_link = stat.S_ISLNK(mode)
            members.append(Member(name, digest, info.file_size, bool(mode & 0o111) and not is_link, is_link))
        return read_manifest(WheelContents(filename=self.filename, sha256=self.sha256, members=members, texts=texts))

    def _read(self, info: zipfile.ZipInfo) -> tuple[str, bytes]:
        """A member's sha256, and its bytes; of a member that is larger than any text, none."""
        content = self._plain(info)
        if content is not None:
            return hashlib.sha256(content).hexdigest(), content
        digest, text = hashlib.sha256(), b""
        for chunk in self._chunks(info):
            digest.update(chunk)
            if info.file_size <= _TEXT_LIMIT:
                text += chunk
        return digest.hexdigest(), text

    def _make_folder(self, folder: str, made: set[str]) -> None:
        try:
            try:
                os.mkdir(folder)  # noqa: PTH102 - strings, for speed
            except FileNotFoundError:
                self._make_folder(folder.rpartition("/")[0], made)
                os.mkdir(folder)  # noqa: PTH102
        except (FileExistsError, NotADirectoryError):
            if not os.path.isdir(folder):  # noqa: PTH112
                self._refuse(f"it has a file where it needs the folder {folder!r}")
        made.add(folder)

    def _write(self, info: zipfile.ZipInfo, target: str) -> tuple[Member, bytes | None, Seen]:
        """Write one member read-only; its digest is taken from the bytes on their way."""
        name, mode = info.filename, info.external_attr >> 16
        is_link = stat.S_ISLNK(mode)
        executable = bool(mode & 0o111) and not is_link
        permissions = 0o555 if executable or ".data/scripts/" in name else 0o444
        content = self._plain(info)
        descriptor = self._create(name, target, permissions)
        try:
            if content is None:
                digest, content = self._write_chunks(info, descriptor)
            else:
                if len(content) > _TEXT_LIMIT and _is_text(name, content):
                    self._refuse_text(info)
                _write_all(descriptor, content)
                digest = hashlib.sha256(content).hexdigest()
            seen = _seen(descriptor, permissions)
        finally:
            os.close(descriptor)
        return Member(name, digest, info.file_size, executable, is_link), content if wants_text(name) else None, seen

    def _write_chunks(self, info: zipfile.ZipInfo, descriptor: int) -> tuple[str, bytes]:
        """Write a member in pieces: its sha256, and its bytes where they are a text that is wanted."""
        digest, size, kept, keep = hashlib.sha256(), 0, b"", False
        for chunk in self._chunks(info):
            keep = _is_text(info.filename, chunk) if size == 0 else keep
            size += len(chunk)
            if keep and size > _TEXT_LIMIT:
                self._refuse_text(info)
            digest.update(chunk)
            _write_all(descriptor, chunk)
            if keep:
                kept += chunk
        if size != info.file_size:
            self._refuse(f"its member {info.filename!r} has {size} bytes and claims {info.file_size}")
        return digest.hexdigest(), kept

    def _refuse_text(self, info: zipfile.ZipInfo) -> NoReturn:
        self._refuse(f"its {info.filename} is larger than any sane one ({info.file_size} bytes)")

    def _create(self, name: str, target: str, permissions: int) -> int:
        try:
            try:
                return os.open(target, _CREATE, permissions)
            except FileExistsError:
                os.unlink(target)  # noqa: PTH108 - a duplicate member: its last copy lands
                return os.open(target, _CREATE, permissions)
        except (IsADirectoryError, NotADirectoryError):
            self._refuse(f"it has both a file and a folder at {name!r}")

    def _plain(self, info: zipfile.ZipInfo) -> bytes | None:
        """All of a member that is small and plain."""
        return self._members.read(info) if self._members else None

    def _chunks(self, info: zipfile.ZipInfo) -> Iterable[bytes]:
        try:
            with self._zip.open(info) as source:
                while chunk := source.read(_CHUNK):
                    yield chunk
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError, RuntimeError) as error:
            self._refuse(f"its member {info.filename!r} can't be unpacked ({error})")


def _is_text(name: str, start: bytes) -> bool:
    """Whether a member's bytes are wanted; a program in machine code, of any size, is copied as it is."""
    return wants_text(name) and (".data/scripts/" not in name or start.startswith(b"#!"))


def _write_all(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]


def _seen(descriptor: int, permissions: int) -> Seen:
    """What lstat will say of a finished file, once it has these permission bits whatever the umask."""
    status = os.fstat(descriptor)
    if os.name == "posix" and stat.S_IMODE(status.st_mode) != permissions:
        os.fchmod(descriptor, permissions)
        status = os.fstat(descriptor)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _settle(manifest: Manifest, members: Sequence[str], loose: Path, tree: Path) -> bool:
    """Move the files that land to their logical paths; whether each of them was left as it is, in a moved folder."""
    tree.mkdir()
    wanted = [(file.path, file.member) for file in manifest.files]
    wanted += [(script.path, script.member) for script in manifest.scripts]
    if all(path == f"site/{member}" for path, member in wanted):
        landing = {member for _, member in wanted}
        loose.rename(tree / "site")
        for member in members:
            if member not in landing:
                os.unlink(f"{tree}/site/{member}")  # noqa: PTH108 - strings, for speed
        return True
    made: set[str] = set()
    for path, member in wanted:
        target = f"{tree}/{path}"
        parent = target.rpartition("/")[0]
        if parent not in made:
            os.makedirs(parent, exist_ok=True)  # noqa: PTH103 - strings, for speed
            made.add(parent)
        os.rename(f"{loose}/{member}", target)  # noqa: PTH104
    return False


def check_archive(archive: Path, sha256: str) -> None:
    """Make sure that a wheel in the store still is the locked file; UnavailableError where it isn't."""
    try:
        with archive.open("rb") as stream:
            right = hashlib.file_digest(stream, "sha256").hexdigest() == sha256
        why = "its sha256 is no longer the locked one"
    except OSError as error:
        right, why = False, error.strerror or str(error)
    if not right:
        raise UnavailableError(
            "a wheel in the store is damaged",
            where=str(archive),
            why=why,
            remedy=f"remove the folder {archive.parent}: the wheel will be fetched again",
        )


def true_manifest(archive: Path, filename: str, sha256: str) -> Manifest | None:
    """What the archive itself says lands where, unpacked aside for that; None where it isn't the locked file.

    Raises LockError for a wheel that must not be installed, OSError where the disk says no.
    """
    try:
        check_archive(archive, sha256)
    except UnavailableError:
        return None
    with tempfile.TemporaryDirectory() as folder, WheelArchive(archive, filename, sha256) as wheel:
        return wheel.unpack(Path(folder))


def reread(archive: Path, sha256: str, member: str) -> bytes:
    """One member's bytes, to heal a store file with; UnavailableError where the archive isn't the locked file."""
    check_archive(archive, sha256)
    with zipfile.ZipFile(archive) as opened:
        return opened.read(member)
