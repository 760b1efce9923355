"""The content-addressed store: each wheel once, under the sha256 that the lock names, unpacked, with its manifest.

    wheels/<ab>/<sha256>/
        <file name>.whl     the archive, whose sha256 was the lock's when it came
        manifest.json       what lands where
        tree/               the files by logical path, read-only
        seen                what each file's lstat was when its bytes were last hashed

An entry appears by one rename of a finished folder, so whoever sees it sees all of it. A file that is not what the
manifest says is written anew from the archive. Sharing by hard link changes ctime, so whoever links says so (`linked`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import threading
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.errors import HashMismatchError, LockError, LockproofError, UnavailableError, why_of
from lockproof.reading.reader import ChangedDuringRead, read_file
from lockproof.wheels.entryfiles import INSTALLER, installer_files, manifest_from_json, manifest_to_json, static_record
from lockproof.writing import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lockproof.locks.artifacts import Artifact
    from lockproof.wheels.entryfiles import Added
    from lockproof.wheels.manifest import Manifest

# What makes an entry: (archive, file name, sha256, place).
Add = Callable[[Path, str, str, Path], None]
# (device, inode) to ((size, mtime_ns, ctime_ns), sha256): bytes that were hashed while the file looked like this.
Known = dict[tuple[int, int], tuple[tuple[int, int, int], str]]
# What lstat says of a file: (device, inode, size, mtime_ns, ctime_ns).
Seen = tuple[int, int, int, int, int]
_ROW = 5 * 8  # bytes of `seen` a file, in their order: device, inode, size, mtime_ns, ctime_ns; zeros where unknown


class StoreEntry:
    """One wheel of the store. `files` are (logical path, sha256) of everything in `tree`."""

    def __init__(self, folder: Path, manifest: Manifest, added: Added, known: Known) -> None:
        """`added` are the files we add to the wheel's own; what was seen of all when last hashed goes to `known`."""
        self.folder = folder
        self.tree = f"{folder}/tree"
        self.archive = folder / manifest.filename
        self.manifest = manifest
        self._known = known
        self._keys: dict[str, tuple[int, int]] = {}
        self.files = [(file.path, file.sha256) for file in manifest.files] + added
        self._members = {file.path: file.member for file in manifest.files}
        self._executable = {file.path for file in manifest.files if file.executable}
        self._saved: list[tuple[tuple[int, int], tuple[tuple[int, int, int], str]]] = []
        self._load_seen()

    def _load_seen(self) -> None:
        try:
            content = (self.folder / "seen").read_bytes()
        except OSError:
            return
        body = content[32:]
        if hashlib.sha256(body).digest() != content[:32] or len(body) != _ROW * len(self.files):
            return
        numbers = iter(array("q", body))
        for (path, sha256), device, inode, size, mtime, ctime in zip(self.files, *[numbers] * 5, strict=True):
            if inode:
                self._known[device, inode] = seen = ((size, mtime, ctime), sha256)
                self._keys[path] = key = (device, inode)
                self._saved.append((key, seen))

    def save_seen(self) -> None:
        """Keep what is known of the files for the next process; a store that can't be written to is no error."""
        known = self._known
        if len(self._saved) == len(self._keys) and all(known.get(key) is seen for key, seen in self._saved):
            return
        saved = [(key, known[key]) for key in self._keys.values() if key in known]
        rows = array("q")
        unknown = (0, 0), ((0, 0, 0), "")
        try:
            for path, _ in self.files:
                key = self._keys.get(path)
                place, (signature, _) = (key, self._known[key]) if key in self._known else unknown
                rows.extend((*place, *signature))
            body = rows.tobytes()
            write_atomically(self.folder / "seen", hashlib.sha256(body).digest() + body)
            self._saved = saved
        except (OSError, OverflowError):  # a file system with odd numbers: nothing is remembered
            pass

    def mode_of(self, path: str) -> int:
        """The permission bits of a file of the tree: nobody writes there, and what is executable is so for all."""
        return 0o555 if path in self._executable else 0o444

    def known_signature(self, path: str, sha256: str) -> tuple[int, int, int] | None:
        """The (size, mtime_ns, ctime_ns) that a file had when its bytes were last found to be right."""
        key = self._keys.get(path)
        seen = self._known.get(key) if key else None
        return seen[0] if seen and seen[1] == sha256 else None

    def enter(self, path: str, sha256: str, seen: Seen) -> None:
        """Enter what lstat says of a file whose bytes are right: (device, inode, size, mtime_ns, ctime_ns)."""
        key = seen[:2]
        self._known[key] = (seen[2:], sha256)
        self._keys[path] = key

    def verify(self, files: Iterable[tuple[str, str]] | None = None) -> list[str]:
        """Hash the given files (all of them by default), replace those that are not right, and name the replaced."""
        replaced = []
        for path, sha256 in self.files if files is None else files:
            real = f"{self.tree}/{path}"
            try:
                status = os.lstat(real)
                if not stat.S_ISREG(status.st_mode):  # a FIFO must not be opened
                    raise ChangedDuringRead(real)
                digest, _, status = read_file(real, status, keep=False)
                right = digest == sha256 and (os.name != "posix" or stat.S_IMODE(status.st_mode) == self.mode_of(path))
            except (OSError, ChangedDuringRead):
                right = False
            if not right:
                self.heal(path, sha256)
                replaced.append(path)
                status = os.lstat(real)
            self.enter(path, sha256, _seen_of(status))
        return replaced

    def prune(self) -> list[str]:
        """Remove what is in the tree and belongs to no file of the wheel (links lead there), and name it.

        A folder to which everybody may write gets a usual mode.
        """
        wanted = {path for path, _ in self.files} | {script.path for script in self.manifest.scripts}
        folders = {""} | {folder for path in wanted for folder in _folders_above(path)}
        removed = []
        pending = [""]
        while pending:
            below = pending.pop()
            with os.scandir(f"{self.tree}/{below}") as entries:
                for entry in entries:
                    path = below + entry.name
                    if path in folders and entry.is_dir(follow_symlinks=False):
                        pending.append(f"{path}/")
                        if (mode := entry.stat(follow_symlinks=False).st_mode) & stat.S_IWOTH:
                            os.chmod(entry.path, stat.S_IMODE(mode) & 0o755)  # noqa: PTH101 - a string
                    elif path not in wanted:
                        remove_tree(Path(entry.path))
                        removed.append(path)
        return removed

    def heal(self, path: str, sha256: str) -> None:
        """Write one file anew from the archive, in one rename; its old bytes stay with whoever shares them."""
        content = self._original(path)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise LockproofError(
                f"{path} and the archive it came from are both damaged",
                where=str(self.folder),
                remedy="remove that folder: the wheel will be fetched again",
            )
        real = f"{self.tree}/{path}"
        os.makedirs(os.path.dirname(real), exist_ok=True)  # noqa: PTH103, PTH120 - strings, as everywhere here
        if os.path.isdir(real) and not os.path.islink(real):  # noqa: PTH112, PTH114
            shutil.rmtree(real)
        write_atomically(Path(real), content, self.mode_of(path))

    def heal_script(self, path: str) -> None:
        """Write a `.data/scripts` file anew from the archive."""
        from lockproof.wheels.unpack import reread  # zipfile is needed by damaged entries only

        member = next(script.member for script in self.manifest.scripts if script.path == path)
        write_atomically(Path(self.tree, path), reread(self.archive, self.manifest.sha256, member), 0o555)

    def _original(self, path: str) -> bytes:
        from lockproof.wheels.unpack import reread  # zipfile is needed by damaged entries only

        if path in self._members:
            return reread(self.archive, self.manifest.sha256, self._members[path])
        return static_record(self.manifest) if path.endswith("/RECORD") else INSTALLER


def _folders_above(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def write_where_asked(path: Path, content: bytes) -> None:
    """Write a document to the place that a user named; a link stays one, and a device or a pipe gets the bytes."""
    if path.exists() and not path.is_file():
        with path.open("wb") as stream:
            stream.write(content)
        return
    target = path.resolve()
    mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o644
    write_atomically(target, content, mode)


def add_entry(archive: Path, filename: str, sha256: str, place: Path) -> None:
    """Make the entry `place` of a wheel's archive, which becomes part of it; the caller holds the entry's lock.

    Raises HashMismatchError, LockError for a wheel that must not be installed, OSError where the disk says no; then
    nothing is left, the archive neither.
    """
    from lockproof.wheels.unpack import WheelArchive  # zipfile: a filled store never needs it

    for left in (*place.parent.glob(f".{place.name}.new*"), place):
        remove_tree(left)  # whatever is here was left by someone who was killed
    fresh = place.with_name(f".{place.name}.new{os.getpid()}")
    fresh.mkdir()
    try:
        with archive.open("rb") as stream:
            actual = hashlib.file_digest(stream, "sha256").hexdigest()
        if actual != sha256:
            raise HashMismatchError(
                f"{filename} is not the locked file", why=f"its sha256 is {actual}, the lock says {sha256}"
            )
        with WheelArchive(archive, filename, sha256) as wheel:
            manifest = wheel.unpack(fresh)
        remove_tree(fresh / "loose")
        folder = fresh / "tree" / "site" / manifest.dist_info
        _write_readonly(folder / "INSTALLER", INSTALLER)
        record = static_record(manifest)
        _write_readonly(folder / "RECORD", record)
        added = installer_files(manifest, record)
        archive.replace(fresh / filename)
        (fresh / "manifest.json").write_bytes(manifest_to_json(manifest, added))
        _enter_fresh(StoreEntry(fresh, manifest, added, {}), wheel.seen)
        fresh.rename(place)
    except BaseException:
        remove_tree(fresh)
        archive.unlink(missing_ok=True)
        raise


class Store:
    """The store in one folder; safe for any number of processes and threads at once."""

    def __init__(self, folder: Path) -> None:
        """Nothing is read or written before it is needed."""
        self.folder = folder
        self.trusting = True  # or hold each manifest against its archive again
        self.known: Known = {}
        self._entries: dict[str, StoreEntry] = {}
        self._guard = threading.Lock()

    def _place(self, sha256: str) -> Path:
        return self.folder / "wheels" / sha256[:2] / sha256

    def holds(self, artifact: Artifact) -> bool:
        """Whether the wheel is there, without looking into it."""
        return artifact.sha256 in self._entries or (self._place(artifact.sha256) / "manifest.json").exists()

    def entry(self, artifact: Artifact) -> StoreEntry | None:
        """The wheel's entry; None where there is none, or none that this version can read."""
        with self._guard:
            found = self._entries.get(artifact.sha256)
        if found is not None:
            return found
        folder = self._place(artifact.sha256)
        try:
            manifest, added = manifest_from_json((folder / "manifest.json").read_bytes())
        except (OSError, ValueError):
            return None
        if manifest.sha256 != artifact.sha256 or not (self.trusting or _is_true(manifest, folder)):
            return None
        with self._guard:
            return self._entries.setdefault(artifact.sha256, StoreEntry(folder, manifest, added, self.known))

    def ensure(self, artifact: Artifact, fetch: Callable[[Path], Path], add: Add = add_entry) -> StoreEntry:
        """The wheel's entry, made by `add` from what `fetch(folder)` brings when it isn't there yet.

        `fetch` puts the archive into the folder it is given and returns its path, its bytes already checked against
        the lock; they are checked once more here, so that nothing can get in under a name that isn't its own.
        Raises what `fetch` raises, LockError for a wheel that must not be installed, UnavailableError for the disk.
        """
        if found := self.entry(artifact):
            return found
        from filelock import FileLock  # 85 ms, and a filled store never needs it

        place = self._place(artifact.sha256)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            downloads = self.folder / "downloads"
            downloads.mkdir(exist_ok=True)
            with FileLock(f"{place}.lock"):
                if found := self.entry(artifact):
                    return found
                add(fetch(downloads), artifact.filename, artifact.sha256, place)
        except OSError as error:
            raise UnavailableError(
                f"{artifact.filename} can't be put into the store",
                where=str(self.folder),
                why=why_of(error),
                remedy="make room or make it writable, or name another folder with --store or LOCKPROOF_STORE",
            ) from error
        added = self.entry(artifact)
        if added is None:
            raise LockproofError("an entry just made can't be read", where=str(place))
        return added

    def save_seen(self) -> None:
        """Keep what is known of the files of all entries used for the next process."""
        for entry in self.entries():
            entry.save_seen()

    def entries(self) -> Iterator[StoreEntry]:
        """The entries that this process has used."""
        return iter(tuple(self._entries.values()))


def _is_true(manifest: Manifest, folder: Path) -> bool:
    """Whether an entry's manifest is what its archive says."""
    from lockproof.wheels.unpack import true_manifest  # zipfile, as above

    try:
        return manifest == true_manifest(folder / manifest.filename, manifest.filename, manifest.sha256)
    except (OSError, LockError):  # what can't be shown is not believed: the wheel is fetched again
        return False


def _write_readonly(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o444)


def _seen_of(status: os.stat_result) -> Seen:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _enter_fresh(entry: StoreEntry, seen: Mapping[str, Seen]) -> None:
    """Write `seen` for files whose bytes were hashed as they were written; what isn't in it is asked for."""
    for path, sha256 in entry.files:
        entry.enter(path, sha256, seen.get(path) or _seen_of(os.lstat(f"{entry.tree}/{path}")))
    entry.save_seen()


def remove_tree(path: Path) -> None:
    """Remove a folder or file if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
