from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lockproof.build.keptbuilds import FILENAME, BuildKey, KeptBuild, builds_to_json
from lockproof.build.keptfile import KeptFile
from lockproof.errors import BuildMismatchError, LockError
from lockproof.proof.fingerprint import FileFact

if TYPE_CHECKING:
    from pathlib import Path

LOCKED = [("fast", "1.0")]
BUILD = KeptBuild(
    key=BuildKey(name="fast", version="1.0", sdist="s", python="3.12.1", platform="linux-x86_64", requirements="r"),
    interpreter="i",
    content={"site/fast.py": FileFact("f", "1" * 64, 5)},
)


def test_what_is_new_is_written_and_held_to_from_then_on(tmp_path: Path) -> None:
    path = tmp_path / FILENAME
    kept = KeptFile(path, LOCKED)
    kept.hold(BUILD)
    assert not path.exists()
    told = f"{FILENAME}: 1 build noted, which others are held to: put it under version control"
    assert (kept.save(), path.read_text()) == (told, builds_to_json([BUILD]))
    again = KeptFile(path, LOCKED)
    again.hold(BUILD)
    assert again.save() == ""
    with pytest.raises(BuildMismatchError):
        again.hold(replace(BUILD, content={}))


def test_builds_of_what_is_not_locked_any_more_go_when_others_come(tmp_path: Path) -> None:
    path = tmp_path / FILENAME
    old = replace(BUILD, key=replace(BUILD.key, version="0.9"))
    path.write_text(builds_to_json([old]))
    kept = KeptFile(path, LOCKED)
    assert (kept.save(), path.read_text()) == ("", builds_to_json([old]))
    kept.hold(BUILD)
    kept.save()
    assert path.read_text() == builds_to_json([BUILD])


def test_a_file_that_can_not_be_read_or_written(tmp_path: Path) -> None:
    folder = tmp_path / FILENAME
    folder.mkdir()
    with pytest.raises(LockError, match="can't be read"):
        KeptFile(folder, LOCKED).load()
    nowhere = KeptFile(tmp_path / "none" / FILENAME, LOCKED)
    nowhere.hold(BUILD)
    assert nowhere.save().startswith(f"{FILENAME} can't be written, so 1 build can't be held to it: ")
