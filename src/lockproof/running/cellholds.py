"""Which cells this run holds: two runs at once on one project never use the same environment."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lockproof.environments.workspace import Workspace


class CellHolds:
    """Locks of cells; one object serves all threads of a run."""

    def __init__(self, workspace: Workspace) -> None:
        """Nothing is held yet."""
        self._workspace = workspace
        self._locks: dict[str, FileLock] = {}

    def take(self, cell: str) -> bool:
        """Hold a cell from now to the end of its own `held`, unless another run is using it."""
        if cell in self._locks:
            return True
        lock = self._lock(cell)
        with suppress(Timeout, OSError):
            lock.acquire(timeout=0)
            self._locks[cell] = lock
            return True
        return False

    @contextmanager
    def held(self, cell: str, waiting: Callable[[], None], ended: Callable[[], bool]) -> Iterator[None]:
        """Hold a cell; where another run uses it, say `waiting` and wait. KeyboardInterrupt once all has ended."""
        lock = self._locks.pop(cell, None)
        if lock is None:
            lock = self._lock(cell)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                waiting()
                while not ended() and not lock.is_locked:
                    with suppress(Timeout):
                        lock.acquire(timeout=1)
        try:
            if ended():
                raise KeyboardInterrupt
            yield
        finally:
            lock.release()

    def release(self) -> None:
        """Let go of cells that were taken and never held."""
        for lock in self._locks.values():
            lock.release()
        self._locks.clear()

    def _lock(self, cell: str) -> FileLock:
        return FileLock(self._workspace.lock(cell), thread_local=False)
