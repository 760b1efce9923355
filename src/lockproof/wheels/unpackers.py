"""Wheels unpacked by processes of their own, one a processor: threads of one Python would wait for each other.

A process is told one wheel a line on stdin and answers one line on stdout, so it ends when we do, however we end. It
gets no signal that is meant for us; killed with us, it leaves what it has begun for the next run to clear away.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from lockproof import errors
from lockproof.wheels.joiner import die_with_parent
from lockproof.wheels.store import add_entry

# Our folder is appended, not put first: the standard library must win.
_START = "import sys; sys.path.append(sys.argv[1]); from lockproof.wheels.unpackers import main; main()"


class Unpackers:
    """As many processes as there are processors, started when they are first needed. Use as a context manager."""

    def __init__(self, most: int | None = None) -> None:
        """`most` processes at once; one a processor by default."""
        self._most = most or os.cpu_count() or 1
        self._idle: queue.SimpleQueue[subprocess.Popen[str]] = queue.SimpleQueue()
        self._all: list[subprocess.Popen[str]] = []
        self._guard = threading.Lock()

    def __enter__(self) -> Unpackers:  # noqa: PYI034 - not meant to be inherited from
        """The processes, none of which has started."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes once they have finished what they are at."""
        for process in self._all:
            with suppress(OSError):
                if process.stdin:
                    process.stdin.close()
        for process in self._all:
            process.wait()
            if process.stdout:
                process.stdout.close()

    def add(self, archive: Path, filename: str, sha256: str, place: Path) -> None:
        """`store.add_entry`, done by one of the processes; raises what it raises."""
        process = self._take()
        try:
            answer = _ask(process, [str(archive), filename, sha256, str(place)])
        finally:
            self._idle.put(process)
        if answer:
            _raise(answer)

    def _take(self) -> subprocess.Popen[str]:
        with self._guard:
            if self._idle.empty() and len(self._all) < self._most:
                package = Path(__file__).absolute().parent.parent.parent
                process = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _START, str(package)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                )
                self._all.append(process)
                return process
        return self._idle.get()


def _ask(process: subprocess.Popen[str], question: list[str]) -> dict[str, str]:
    if process.stdin is None or process.stdout is None:
        raise errors.LockproofError("a process without pipes")
    try:
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
    except BrokenPipeError:
        line = ""
    if not line:
        raise errors.UnavailableError(
            f"{question[1]} was not unpacked", why="the process that did it died", remedy="run again"
        )
    answer: dict[str, str] = json.loads(line)
    return answer


def _raise(answer: dict[str, str]) -> None:
    if answer["kind"] == "OSError":
        raise OSError(int(answer["where"]), answer["what"])
    kind = {
        "HashMismatchError": errors.HashMismatchError,
        "LockError": errors.LockError,
        "UnavailableError": errors.UnavailableError,
    }.get(answer["kind"], errors.LockproofError)
    raise kind(answer["what"], where=answer["where"], why=answer["why"], remedy=answer["remedy"])


def main() -> None:
    """Unpack what stdin names until it ends."""
    die_with_parent()
    gc.disable()  # what a wheel leaves behind is small, and looking for it is not
    for line in sys.stdin:
        archive, filename, sha256, place = json.loads(line)
        answer: dict[str, str] = {}
        try:
            add_entry(Path(archive), filename, sha256, Path(place))
        except errors.LockproofError as error:
            kind = type(error).__name__
            answer = {"kind": kind, "what": error.what, "where": error.where, "why": error.why, "remedy": error.remedy}
        except OSError as error:
            answer = {"kind": "OSError", "what": errors.why_of(error), "where": str(error.errno or 5)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
