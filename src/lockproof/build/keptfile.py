"""`lockproof.builds.json` beside a lock: read, held to, and written where a build is new."""

from __future__ import annotations

import os
import stat
import threading
from typing import TYPE_CHECKING

from lockproof.build.keptbuilds import builds_from_json, builds_to_json, compare_builds, still_locked
from lockproof.digests import sha256_hex
from lockproof.errors import LockError, why_malformed
from lockproof.wheels.store import write_where_asked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lockproof.build.keptbuilds import BuildKey, KeptBuild

_NOT_AS_KEPT = (
    "Find out why: --check-builds tells whether the build is reproducible here. If what is built now is right, take "
    "the entry out of that file, and run again."
)


class KeptFile:
    """The file; safe for any number of threads and runs."""

    def __init__(self, path: Path, locked: Sequence[tuple[str, str]] | None, *, locks: Path) -> None:
        """`locked` has the (name, version) of all that is in the lock, None where only a part of it was read.

        `locks` is a folder that all runs have in common, for the lock of those that write. Nothing is read before it
        is needed.
        """
        self._path = path
        self._locked = locked
        self._locks = locks
        self._guard = threading.Lock()
        self._new: dict[BuildKey, KeptBuild] = {}
        self._builds: dict[BuildKey, KeptBuild] | None = None

    def load(self) -> dict[BuildKey, KeptBuild]:
        """What is kept; raises LockError for a file that can't be relied on."""
        with self._guard:
            if self._builds is None:
                self._builds = self._read()
            return self._builds

    def _read(self) -> dict[BuildKey, KeptBuild]:
        try:
            if not stat.S_ISREG(self._path.stat().st_mode):  # opening a pipe would wait for its writer
                raise LockError("can't be read", where=str(self._path), why="it is no regular file")
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise LockError("can't be read", where=str(self._path), why=why_malformed(error)) from None
        return builds_from_json(text, str(self._path))

    def hold(self, build: KeptBuild) -> None:
        """Raise BuildMismatchError unless a build gave what is kept of it; one that isn't kept yet is noted."""
        kept = self.load().get(build.key)
        if kept is None:
            with self._guard:
                self._new[build.key] = build
            return
        self._compare(kept, build)

    def _compare(self, kept: KeptBuild, build: KeptBuild) -> None:
        compare_builds(kept, build, against=f"{self._path.name} has of it", remedy=_NOT_AS_KEPT)

    def save(self) -> str:
        """Write what is new, without what has left the lock; what to tell of it, "" where nothing was.

        What another run has written meanwhile stays. Raises BuildMismatchError where that is another content for a
        build of ours, and LockError where the file can't be relied on any more; then nothing is written.
        """
        from filelock import FileLock  # 85 ms that only a new build needs

        if not self._new:
            return ""
        count = "1 build" if len(self._new) == 1 else f"{len(self._new)} builds"
        try:
            self._locks.mkdir(parents=True, exist_ok=True)
            place = sha256_hex(os.fsencode(os.path.realpath(self._path)))[:16]
            with FileLock(self._locks / f"kept-{place}.lock"):
                self._write(self._read())
        except OSError as error:
            return f"{self._path.name} can't be written, so {count} can't be held to it: {error.strerror or error}"
        return f"{self._path.name}: {count} noted, which others are held to: put it under version control"

    def _write(self, there: dict[BuildKey, KeptBuild]) -> None:
        for key, build in self._new.items():
            if key in there:
                self._compare(there[key], build)
        kept = list((there | self._new).values())
        if self._locked is not None:
            kept = still_locked(kept, self._locked)
        write_where_asked(self._path, builds_to_json(kept).encode())
