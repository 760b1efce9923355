"""Reading on all cores: the same answers as alone, whatever becomes of the helpers."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof.digests import sha256_hex
from lockproof.reading import sharedwork
from lockproof.reading.reader import ChangedDuringRead, Unread, read_all, read_file
from lockproof.reading.sharedwork import Ahead, read_on_all_cores
from lockproof.running.forks import spare_cores

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(spare_cores(2) < 2, reason="needs forks and two cores")
COUNT = 700


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever threads other tests have left."""
    monkeypatch.setattr(threading, "active_count", lambda: 1)


@pytest.fixture
def unread(tmp_path: Path) -> list[Unread]:
    rows = []
    for number in range(COUNT):
        path = tmp_path / f"{number}.py"
        path.write_text(f"n = {number}\n")
        rows.append((f"site/{number}.py", str(path), path.lstat(), number % 3 == 0))
    return rows


def test_all_is_read_in_its_order(unread: list[Unread]) -> None:
    expected = [
        (path, status, sha256_hex(Path(real).read_bytes()), Path(real).read_bytes() if keep else None)
        for path, real, status, keep in unread
    ]
    assert read_on_all_cores(unread) == expected == read_all(unread)


def test_helpers_take_part(unread: list[Unread], monkeypatch: pytest.MonkeyPatch) -> None:
    """This process waits with its first batch until a helper finds no other."""
    parent, mine, taken = os.getpid(), list[str](), sharedwork._taken_from
    done, tell = os.pipe()

    def read(path: str, status: os.stat_result, keep: bool) -> object:
        if os.getpid() == parent:
            mine.append(path)
            if len(mine) == 1:
                os.read(done, 1)
        return read_file(path, status, keep)

    def taken_from(queue: int) -> Iterator[int]:
        yield from taken(queue)
        if os.getpid() != parent:
            os.write(tell, b"x")

    monkeypatch.setattr(sharedwork, "_taken_from", taken_from)
    monkeypatch.setattr(sharedwork, "read_file", read)
    assert [row[0] for row in read_on_all_cores(unread)] == [row[0] for row in unread]
    assert len(mine) == sharedwork._BATCH


def test_what_a_helper_that_died_had_taken_is_read_here(unread: list[Unread], monkeypatch: pytest.MonkeyPatch) -> None:
    parent = os.getpid()

    def dies(path: str, status: os.stat_result, keep: bool) -> object:
        if os.getpid() != parent:
            os._exit(9)
        return read_file(path, status, keep)

    monkeypatch.setattr(sharedwork, "read_file", dies)
    assert read_on_all_cores(unread) == read_all(unread)


@pytest.mark.parametrize("number", [0, COUNT // 2, COUNT - 1])
def test_a_file_that_changed_is_an_error_whoever_meets_it(unread: list[Unread], number: int) -> None:
    Path(unread[number][1]).write_text("changed = 1\n")
    with pytest.raises(ChangedDuringRead):
        read_on_all_cores(unread)


def test_a_link_made_meanwhile_is_told(unread: list[Unread], tmp_path: Path) -> None:
    for _, real, _, _ in unread:
        os.link(real, f"{real}.again")
    assert {row[1].st_nlink for row in read_on_all_cores(unread)} == {2}


def asked(question: str) -> tuple[str, int]:
    return question, os.getpid()


def test_the_question_foreseen_is_answered_elsewhere() -> None:
    with Ahead(asked, "foreseen") as ahead:
        question, pid = ahead("foreseen")
    assert (question, pid != os.getpid(), ahead.answer) == ("foreseen", True, (question, pid))


def test_any_other_question_is_answered_here() -> None:
    with Ahead(asked, "foreseen") as ahead:
        assert ahead("other") == ("other", os.getpid())
        assert ahead("foreseen") == ("foreseen", os.getpid())
    with Ahead(asked, None) as ahead:
        assert ahead("other") == ("other", os.getpid())


def test_what_went_wrong_elsewhere_is_raised_here() -> None:
    def fails(question: str) -> str:
        raise ValueError(question)

    with Ahead(fails, "foreseen") as ahead, pytest.raises(ValueError, match="foreseen"):
        ahead("foreseen")


def test_nobody_is_left_behind() -> None:
    ahead: Ahead[str, str]
    with Ahead(str, "never asked") as ahead:
        assert ahead._fork is not None
        pid = ahead._fork._pid
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def test_beside_other_threads_nothing_forks(unread: list[Unread], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    monkeypatch.delattr(os, "fork")
    assert read_on_all_cores(unread) == read_all(unread)
    with Ahead(asked, "foreseen") as ahead:
        assert ahead("foreseen") == ("foreseen", os.getpid())
