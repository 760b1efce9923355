"""What runs inside a Dask worker: a task a cell, which starts its process, passes on what that says, and can end it."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, cast

from lockproof.cluster.parcels import Received

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from lockproof.cluster.parcels import Piece

NAME = "lockproof"
"""The name of `Desk` among the worker's plugins."""
_ENDED_AFTER = 10.0  # seconds that a cell's process has for ending its commands


class DaskWorker(Protocol):
    """What is used of `distributed.Worker`."""

    address: str
    plugins: Mapping[str, object]

    def log_event(self, topic: str, msg: object) -> None:
        """Tell those who have subscribed to the topic; from any thread."""


class Desk:
    """The cells that a worker is at, and the files that have come for them."""

    def __init__(self, cache: Path, *, from_index: bool = False) -> None:
        """`cache` is lockproof's on this machine."""
        self._cache = cache
        self._from_index = from_index
        self._received = Received(cache / "received")
        self._cells: dict[str, _CellProcess] = {}
        self._unwanted: set[str] = set()  # cells that were ended before their process was there
        self._news = threading.Condition()
        self._closed = False

    def accept(self, sender: str, pieces: Iterable[Piece]) -> None:
        """Take pieces of files from a client; raises HashMismatchError."""
        self._received.accept(sender, pieces)
        with self._news:
            self._news.notify_all()

    def run(self, key: str, request: bytes, tell: Callable[[dict[str, object]], None]) -> bytes:
        """Run the cell to its end; what its process says goes to `tell`, and its answer is returned, compressed.

        RuntimeError where the process ends without one, or was ended.
        """
        with self._news:
            if self._closed:
                raise RuntimeError("the worker is being stopped")
            if key in self._unwanted:
                self._unwanted.discard(key)
                raise RuntimeError("the cell was ended")
            process = self._cells[key] = _CellProcess(self._cache, from_index=self._from_index)
        try:
            return self._attend(process, request, tell)
        finally:
            process.end()
            process.wait()
            with self._news:
                del self._cells[key]

    def _attend(self, process: _CellProcess, request: bytes, tell: Callable[[dict[str, object]], None]) -> bytes:
        process.say(request)
        for events in process.events():
            lines = []
            for event in events:
                if isinstance(event.get("output"), str):
                    lines.append(event["output"])
                    continue
                if "answer" in event:
                    tell({"output": lines})
                    return zlib.compress(json.dumps(event["answer"]).encode(), 1)
                tell(event)
                if need := event.get("need"):
                    self._wait_for(cast("list[str]", need), process)
                    process.say(b"{}")
            if lines:
                tell({"output": lines})
        raise RuntimeError("the cell was ended" if process.ended else "the cell's process ended without an answer")

    def _wait_for(self, hashes: Iterable[str], process: _CellProcess) -> None:
        missing = set(hashes)
        with self._news:
            while missing and not process.ended:
                missing = {sha256 for sha256 in missing if not self._received.has(sha256)}
                if missing:
                    self._news.wait()

    def end(self, key: str) -> None:
        """End a cell that nobody wants any more; one that has not begun yet won't."""
        with self._news:
            if process := self._cells.get(key):
                process.end()
            else:
                self._unwanted.add(key)
            self._news.notify_all()

    def close(self) -> None:
        """End all cells."""
        with self._news:
            self._closed = True
            cells = tuple(self._cells.values())
            for process in cells:
                process.end()
            self._news.notify_all()
        for process in cells:
            process.wait()


class _CellProcess:
    """The process of one cell, whose input is kept open as long as the cell is wanted."""

    def __init__(self, cache: Path, *, from_index: bool) -> None:
        more = ["--from-index"] if from_index else []
        cache.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "lockproof.cluster.cellprocess", str(cache), *more],
            cwd=cache,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is the worker's: it ends its cells itself
        )
        self.ended = False
        self._guard = threading.Lock()
        self._events: queue.SimpleQueue[dict[str, object] | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        if self._process.stdout:
            with self._process.stdout as lines:
                for line in lines:
                    with suppress(ValueError):
                        self._events.put(json.loads(line))
        self._events.put(None)

    def events(self) -> Iterable[list[dict[str, object]]]:
        """What the process says, as much at once as it has said by then."""
        while True:
            found = [self._events.get()]
            with suppress(queue.Empty):
                while found[-1] is not None:
                    found.append(self._events.get_nowait())
            if said := [event for event in found if event is not None]:
                yield said
            if found[-1] is None:
                return

    def say(self, line: bytes) -> None:
        """Send a line; a process that is gone doesn't hear it."""
        with self._guard, suppress(OSError, ValueError):
            if self._process.stdin:
                self._process.stdin.write(line + b"\n")
                self._process.stdin.flush()

    def end(self) -> None:
        """Close its input: it ends its commands, and itself."""
        self.ended = True
        with self._guard, suppress(OSError):
            if self._process.stdin:
                self._process.stdin.close()

    def wait(self) -> None:
        """Wait for its end; one that doesn't come to it is killed."""
        try:
            self._process.wait(_ENDED_AFTER)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def run_cell(key: str, topic: str, request: bytes) -> bytes:
    """The task of one cell; see `Desk.run`. Events go to the topic, each with the key and the worker's address."""
    from distributed import get_worker  # this is a Dask worker

    worker = cast("DaskWorker", get_worker())
    tell = _teller(worker, key, topic)
    tell({"started": worker.address})
    return desk_of(worker).run(key, zlib.decompress(request), tell)


def accept_pieces(sender: str, pieces: list[Piece], dask_worker: DaskWorker) -> None:
    """Take what a client sends to this worker; Dask fills in `dask_worker`."""
    desk_of(dask_worker).accept(sender, pieces)


def desk_of(worker: DaskWorker) -> Desk:
    """What `lockproof worker` has given its worker; RuntimeError in any other."""
    found = getattr(worker.plugins.get(NAME), "desk", None)
    if not isinstance(found, Desk):
        raise RuntimeError(f"{worker.address} was not started by `lockproof worker`")
    return found


def _teller(worker: DaskWorker, key: str, topic: str) -> Callable[[dict[str, object]], None]:
    def tell(event: dict[str, object]) -> None:
        worker.log_event(topic, {**event, "cell": key, "worker": worker.address})

    return tell
