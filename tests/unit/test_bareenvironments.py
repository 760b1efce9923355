"""Bare environments are made aside; whatever nobody takes is taken away again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lockproof.running import bareenvironments
from lockproof.running.bareenvironments import BareEnvironments
from support.environments import app_data, running

if TYPE_CHECKING:
    from pathlib import Path

    from lockproof.pythons.interpreters import Interpreter


@pytest.fixture(autouse=True)
def _cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bareenvironments, "spare_cores", lambda wanted: wanted)


def there(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if (path / "pyvenv.cfg").is_file())


def test_what_is_taken_is_there_and_what_is_not_is_gone(tmp_path: Path) -> None:
    bare = BareEnvironments(app_data(), tmp_path / "cache/bytecode")
    bare.begin({tmp_path / "a": running(), tmp_path / "b": running()})
    assert bare.take([tmp_path / "a", tmp_path / "c"]) == {tmp_path / "a"}
    assert there(tmp_path) == ["a", "b"]
    assert len(list((tmp_path / "cache/bytecode").iterdir())) == 1  # they have one interpreter
    bare.close()
    assert there(tmp_path) == ["a"]


def test_one_that_can_not_be_made_is_the_caller_s_to_make(tmp_path: Path) -> None:
    broken = replace(running(), executable=tmp_path / "no-python")
    bare = BareEnvironments(app_data(), tmp_path / "cache/bytecode")
    bare.begin({tmp_path / "a": broken, tmp_path / "b": running()})
    assert bare.take([tmp_path / "a", tmp_path / "b"]) == {tmp_path / "b"}
    (tmp_path / "a").mkdir(exist_ok=True)
    (tmp_path / "a" / "pyvenv.cfg").touch()  # made by the caller meanwhile: it stays
    bare.close()
    assert there(tmp_path) == ["a", "b"]


def test_interrupted_nothing_of_it_stays(tmp_path: Path) -> None:
    bare = BareEnvironments(app_data(), tmp_path / "cache/bytecode")
    bare.begin({tmp_path / "a": running()})
    bare.close()
    assert there(tmp_path) == []
    bare.close()


def test_where_there_is_no_second_core_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unused(_interpreter: Interpreter, _folder: Path, _app_data: Path) -> None:
        raise AssertionError

    monkeypatch.setattr(bareenvironments, "spare_cores", lambda _wanted: 0)
    monkeypatch.setattr(bareenvironments, "make_skeleton", unused)
    bare = BareEnvironments(app_data(), tmp_path / "cache/bytecode")
    bare.begin({tmp_path / "a": running()})
    assert bare.take([tmp_path / "a"]) == set()
    bare.close()
