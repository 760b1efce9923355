"""A worker's desk: what a cell's process says is passed on, and nobody waits for a cell that is no longer wanted."""

from __future__ import annotations

import hashlib
import json
import threading
import zlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from lockproof.cluster import task
from lockproof.cluster.parcels import Piece
from lockproof.cluster.task import NAME, Desk, desk_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lockproof.cluster.task import DaskWorker

DATA = b"what is needed"
HASH = hashlib.sha256(DATA).hexdigest()

Said = list[list[dict[str, object]]]


class FakeProcess:
    """Says what it was given; remembers what it was told."""

    said: Said = []  # noqa: RUF012 - set by each test
    made: list[FakeProcess] = []  # noqa: RUF012

    def __init__(self, _cache: Path, *, from_index: bool) -> None:
        assert not from_index
        self.ended = False
        self.heard: list[bytes] = []
        self.made.append(self)

    def events(self) -> Iterable[list[dict[str, object]]]:
        return iter(self.said)

    def say(self, line: bytes) -> None:
        self.heard.append(line)

    def end(self) -> None:
        self.ended = True

    def wait(self) -> None:
        assert self.ended


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(FakeProcess, "made", [])
    monkeypatch.setattr(task, "_CellProcess", FakeProcess)
    return Desk(tmp_path)


def run(desk: Desk, said: Said, told: list[dict[str, object]] | None = None) -> bytes:
    FakeProcess.said = said
    return desk.run("key", b"request", (told if told is not None else []).append)


def test_lines_are_told_together_and_the_answer_comes_back(desk: Desk) -> None:
    told: list[dict[str, object]] = []
    lines: Said = [[{"output": "a"}, {"output": "b"}, {"phase": "creating"}], [{"output": "c"}, {"answer": {"x": 1}}]]
    assert json.loads(zlib.decompress(run(desk, lines, told))) == {"x": 1}
    assert told == [{"phase": "creating"}, {"output": ["a", "b"]}, {"output": ["c"]}]
    (process,) = FakeProcess.made
    assert (process.heard, process.ended) == ([b"request"], True)


def test_a_process_without_an_answer_is_an_error(desk: Desk) -> None:
    with pytest.raises(RuntimeError, match="ended without an answer"):
        run(desk, [[{"output": "Traceback"}]])


def test_a_cell_that_was_ended_before_it_began_does_not_begin(desk: Desk) -> None:
    desk.end("key")
    with pytest.raises(RuntimeError, match="the cell was ended"):
        run(desk, [[{"answer": {}}]])
    assert FakeProcess.made == []


def test_a_closed_desk_takes_no_cell(desk: Desk) -> None:
    desk.close()
    with pytest.raises(RuntimeError, match="is being stopped"):
        run(desk, [])


def test_what_a_cell_needs_is_waited_for(desk: Desk) -> None:
    asked = threading.Event()

    def bring() -> None:
        asked.wait()
        desk.accept("sender", [Piece(HASH, 0, len(DATA), DATA)])

    brings = threading.Thread(target=bring)
    brings.start()

    def tell(event: dict[str, object]) -> None:
        if "need" in event:
            asked.set()

    FakeProcess.said = [[{"need": [HASH]}], [{"answer": {}}]]
    desk.run("key", b"request", tell)
    brings.join()
    assert FakeProcess.made[0].heard == [b"request", b"{}"]


def test_who_waits_for_files_ends_with_its_cell(desk: Desk) -> None:
    def tell(event: dict[str, object]) -> None:
        if "need" in event:
            desk.end("key")

    FakeProcess.said = [[{"need": [HASH]}]]
    with pytest.raises(RuntimeError, match="the cell was ended"):
        desk.run("key", b"request", tell)


def test_a_worker_that_is_none_of_ours_has_no_desk(desk: Desk) -> None:
    ours = SimpleNamespace(address="tcp://a:1", plugins={NAME: SimpleNamespace(desk=desk)})
    assert desk_of(cast("DaskWorker", ours)) is desk
    for plugins in ({}, {NAME: SimpleNamespace(desk="something else")}):
        with pytest.raises(RuntimeError, match="tcp://a:1 was not started by `lockproof worker`"):
            desk_of(cast("DaskWorker", SimpleNamespace(address="tcp://a:1", plugins=plugins)))
