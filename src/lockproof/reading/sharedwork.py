"""The work of reading on all cores: files are hashed, and interpreters identified, by forks of this process.

Threads of one Python are of little use here: most files are small, and calls that short spend their time on waiting
for the interpreter's lock. Where a fork can't be had, or has died, this process does the work itself.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from lockproof.reading.reader import read_all, read_file
from lockproof.running.forks import Fork, spare_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Self

    from lockproof.reading.reader import Row, Unread

    # For each file of a batch: sha256, bytes or None, and the lstat result where it is not the one that was asked with.
    Batch = list[tuple[str, bytes | None, os.stat_result | None]]

Question = TypeVar("Question")
Answer = TypeVar("Answer")

_WORTH_A_FORK = 500  # files
_READERS = 4  # processes: each is made, and its answer taken, by this one alone
_BATCH = 32  # files taken at once: the last one that is at work keeps the others waiting
_MOST = 1024  # batches, whose numbers fit in a pipe, however small (one page: pipe(7))
_NUMBER = 4  # bytes


def _forks(wanted: int) -> int:
    """How many forks may be made here and now: none beside threads that may hold a lock."""
    return spare_cores(wanted) if threading.active_count() == 1 else 0


class Ahead(Generic[Question, Answer]):
    """A function that is at work, in a fork, on the question that will probably be asked.

    `answer` is what was answered last. The fork has ended at the block's end.
    """

    def __init__(self, function: Callable[[Question], Answer], question: Question | None) -> None:
        """`function` gives the same answer whoever calls it; no question, no work."""
        self._function = function
        self._question = question
        self._fork: Fork[Question, Answer] | None = None
        self.answer: Answer | None = None
        if question is not None and _forks(1):
            with suppress(OSError):  # no processes to be had
                self._fork = Fork(function)
                self._fork.send(question)

    def __call__(self, question: Question) -> Answer:
        """The answer; what the function raises is raised here."""
        fork = self._fork if question == self._question else None
        found = fork.receive() if fork else None
        self.answer = self._function(question) if found is None else found
        self.__exit__()
        return self.answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        fork, self._fork = self._fork, None
        if fork:
            fork.close()


def read_on_all_cores(unread: list[Unread]) -> list[Row]:
    """As `reader.read_all`: what each file holds, in the same order.

    Whoever has time takes the next batch from a queue, this process among them: a pipe that holds their numbers.
    """
    forks = _forks(_READERS) - 1 if len(unread) >= _WORTH_A_FORK else 0
    if forks < 1:
        return read_all(unread)
    size = max(_BATCH, -(-len(unread) // _MOST))
    queue, numbers = os.pipe()
    helpers: list[Fork[None, dict[int, Batch]]] = []
    try:
        os.write(numbers, b"".join(start.to_bytes(_NUMBER, "big") for start in range(0, len(unread), size)))
        os.close(numbers)

        def work(_question: None) -> dict[int, Batch]:
            return {start: _read_batch(unread[start : start + size]) for start in _taken_from(queue)}

        for _ in range(forks):
            helpers.append(Fork(work))
            helpers[-1].send(None)
        found = work(None)
        for helper in helpers:
            found |= helper.receive() or {}
    finally:
        os.close(queue)
        for helper in helpers:
            helper.close()
    rows: list[Row] = []
    for start in range(0, len(unread), size):
        asked = unread[start : start + size]
        batch = found[start] if start in found else _read_batch(asked)  # a helper that met an error keeps it to itself
        for (path, _real, status, _keep), (digest, content, now) in zip(asked, batch, strict=True):
            rows.append((path, status if now is None else now, digest, content))
    return rows


def _taken_from(queue: int) -> Iterator[int]:
    while number := os.read(queue, _NUMBER):  # at once and whole: all of them lie there
        yield int.from_bytes(number, "big")


def _read_batch(asked: Sequence[Unread]) -> Batch:
    batch: Batch = []
    for _path, real, status, keep in asked:
        digest, content, now = read_file(real, status, keep)
        batch.append((digest, content, None if now is status else now))
    return batch
