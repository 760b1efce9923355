"""Caches: what was kept is found whole, and nothing that is damaged or can't be written is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lockproof.locks.caches import keep, kept

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_kept_is_found(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "x.json"
    keep(path, {"a": [1, "ü", None]})
    keep(path, {"a": [2]})

    assert kept(path) == {"a": [2]}
    assert [file.name for file in path.parent.iterdir()] == ["x.json"]


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_not_whole_is_nothing(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x").write_bytes(content)
    assert kept(tmp_path / "x") is None


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    keep(tmp_path / "file" / "x.json", 1)

    assert kept(tmp_path / "file" / "x.json") is None
