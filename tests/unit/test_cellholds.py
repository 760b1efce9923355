"""Two runs never hold the same cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lockproof.environments.workspace import Workspace
from lockproof.running.cellholds import CellHolds

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path)
    made.prepare()
    return made


def refuse() -> None:
    raise AssertionError("there is nothing to wait for")


def test_a_cell_that_was_taken_is_held_once_and_then_free(workspace: Workspace) -> None:
    own, other = CellHolds(workspace), CellHolds(workspace)
    assert [own.take("a"), own.take("a"), other.take("a"), other.take("b")] == [True, True, False, True]
    with own.held("a", refuse, lambda: False):
        assert not other.take("a")
    assert other.take("a")


def test_what_was_taken_and_never_held_is_let_go(workspace: Workspace) -> None:
    own, other = CellHolds(workspace), CellHolds(workspace)
    own.take("a")
    own.release()
    with other.held("a", refuse, lambda: False):
        assert not own.take("a")


def test_who_waits_says_so_and_goes_on_once_the_other_is_done(workspace: Workspace) -> None:
    own, other = CellHolds(workspace), CellHolds(workspace)
    other.take("a")
    with own.held("a", other.release, lambda: False):
        assert not other.take("a")


def test_who_waits_ends_when_everything_does(workspace: Workspace) -> None:
    own, other = CellHolds(workspace), CellHolds(workspace)
    other.take("a")
    ended: list[None] = []
    with pytest.raises(KeyboardInterrupt), own.held("a", lambda: ended.append(None), lambda: bool(ended)):
        raise AssertionError("it is the other's")
    with other.held("a", refuse, lambda: False):
        pass
