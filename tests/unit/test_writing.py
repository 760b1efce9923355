"""Files are there whole or not at all, and nothing else is left of a write."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from lockproof.writing import write_atomically, write_if_possible

if TYPE_CHECKING:
    from pathlib import Path


def test_writing_is_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_atomically(path, b"one", 0o400)
    write_atomically(path, b"two", 0o600)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"two", 0o600)
    os.mkdir(tmp_path / "folder")
    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "folder", b"two")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["folder", "x"]


def test_what_is_kept_is_this_user_s_and_has_its_folders_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    assert write_if_possible(path, b"one")
    assert write_if_possible(path, b"two")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"two", 0o600)
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


def test_what_can_t_be_kept_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    assert not write_if_possible(tmp_path / "folder", b"one")
    assert not write_if_possible(tmp_path / "file" / "below", b"one")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]
