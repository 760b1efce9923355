"""Forks answer with what is in memory, end with what they can't answer, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from lockproof.running.forks import Fork, spare_cores

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")


def test_a_fork_knows_what_its_parent_knew() -> None:
    known = {"a": 1}
    parent = os.getpid()
    fork = Fork[str, tuple[int, bool]](lambda name: (known[name], os.getpid() != parent))
    known["a"] = 2  # the fork has its own memory
    assert fork.ask("a") == (1, True)
    fork.close()


def test_questions_can_wait_for_their_answers() -> None:
    fork = Fork[int, int](lambda number: number * number)
    fork.send(3)
    fork.send(4)
    assert [fork.receive(), fork.receive()] == [9, 16]
    fork.close()


def test_what_raises_there_has_no_answer_and_the_next_has() -> None:
    def answer(number: int) -> float:
        return 1 / number

    fork = Fork[int, float](answer)
    assert [fork.ask(0), fork.ask(2)] == [None, 0.5]
    fork.close()


def test_a_fork_that_dies_has_no_answer() -> None:
    fork = Fork[int, None](os._exit)
    assert fork.ask(7) is None
    assert fork.ask(7) is None
    fork.close()


def test_a_closed_fork_is_gone() -> None:
    fork = Fork[int, int](lambda _: os.getpid())
    number = fork.ask(0)
    assert number is not None
    fork.close()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_one_core_spares_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert spare_cores(4) == 0
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    assert [spare_cores(2), spare_cores(4)] == [2, 3]


def test_other_systems_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert spare_cores(4) == 0


def test_an_interrupt_while_it_forks_comes_afterwards() -> None:
    """In the hooks around a fork, Python would swallow it."""
    hooked: list[str] = []

    def hook() -> None:
        if hooked:
            signal.raise_signal(signal.SIGINT)
            hooked.append("after the signal")

    os.register_at_fork(after_in_parent=hook)
    hooked.append("armed")
    try:
        with pytest.raises(KeyboardInterrupt):
            Fork[int, int](lambda question: question)
        assert hooked == ["armed", "after the signal"]
    finally:
        hooked.clear()
