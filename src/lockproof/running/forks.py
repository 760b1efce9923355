"""A second pair of hands: a fork of this process that answers questions with all that is in memory at that moment.

Reading and comparing is Python's work, and one Python uses one core. A fork knows everything without being told, and
what it answers is small. It ends with its parent, even by kill -9. Linux only: elsewhere forking a process that has
used the system's libraries is not safe.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, Generic, TypeVar

from lockproof.wheels.joiner import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Question = TypeVar("Question")
Answer = TypeVar("Answer")


def spare_cores(wanted: int) -> int:
    """How many forks are of use where so many could be; none where forking is not safe or there is one core."""
    if sys.platform != "linux":
        return 0
    cores = len(os.sched_getaffinity(0))
    return min(wanted, cores) if cores > 1 else 0


@contextmanager
def _interrupts_after() -> Iterator[None]:
    """Hold interrupts back until the block's end: Python loses what is raised in the hooks that run around a fork."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: handler for number in numbers if callable(handler := signal.getsignal(number))}
    for number in before:
        signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for numeral in came:
        before[signal.Signals(numeral)](numeral, None)


class Fork(Generic[Question, Answer]):
    """One fork, to be asked one question at a time. It must not write what its parent writes too."""

    def __init__(self, answer: Callable[[Question], Answer]) -> None:
        """Fork; `answer` runs in there. For the main thread, before others do work. OSError: no processes to be had."""
        asked, ask = os.pipe()
        answered, tell = os.pipe()
        try:
            with warnings.catch_warnings():  # a thread that draws progress may run: the fork uses nothing of it
                warnings.simplefilter("ignore", DeprecationWarning)
                with _interrupts_after():
                    self._pid = os.fork()
        except (OSError, KeyboardInterrupt):
            for end in (asked, ask, answered, tell):
                os.close(end)
            raise
        if self._pid == 0:
            os.close(ask)
            os.close(answered)
            _serve(answer, os.fdopen(asked, "rb"), os.fdopen(tell, "wb"))
        os.close(asked)
        os.close(tell)
        self._ask = os.fdopen(ask, "wb")
        self._answered = os.fdopen(answered, "rb")

    def send(self, question: Question) -> None:
        """Ask without waiting."""
        with suppress(OSError):
            pickle.dump(question, self._ask)
            self._ask.flush()

    def receive(self) -> Answer | None:
        """The answer to what was sent; None where the fork died, or raised: then find it out here."""
        try:
            answered: tuple[Answer] | None = pickle.load(self._answered)  # noqa: S301 - from our own fork
        except (OSError, EOFError, ValueError, pickle.UnpicklingError):
            return None
        return answered[0] if answered else None

    def ask(self, question: Question) -> Answer | None:
        """`send`, and `receive`."""
        self.send(question)
        return self.receive()

    def close(self) -> None:
        """End it."""
        with suppress(OSError):
            os.kill(self._pid, signal.SIGKILL)
        for stream in (self._ask, self._answered):
            with suppress(OSError):
                stream.close()
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


def _serve(answer: Callable[[Question], Answer], asked: BinaryIO, tell: BinaryIO) -> None:
    """Answer until nobody asks any more; never returns."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the parent to hear
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        die_with_parent()
        while True:
            question = pickle.load(asked)  # noqa: S301 - from our own parent
            answered: tuple[Answer] | None
            try:
                answered = (answer(question),)
            except Exception:  # noqa: BLE001 - whatever it is, the parent will meet and tell it
                answered = None
            pickle.dump(answered, tell, protocol=pickle.HIGHEST_PROTOCOL)
            tell.flush()
    except BaseException:  # noqa: BLE001 - the parent is gone, or the pipe is
        os._exit(1)
