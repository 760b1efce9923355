from __future__ import annotations

import os
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


def kept_file(path: Path) -> KeptFile:
    return KeptFile(path, LOCKED, locks=path.parent / "locks")


def test_what_is_new_is_written_and_held_to_from_then_on(tmp_path: Path) -> None:
    path = tmp_path / FILENAME
    kept = kept_file(path)
    kept.hold(BUILD)
    assert not path.exists()
    told = f"{FILENAME}: 1 build noted, which others are held to: put it under version control"
    assert (kept.save(), path.read_text()) == (told, builds_to_json([BUILD]))
    again = kept_file(path)
    again.hold(BUILD)
    assert again.save() == ""
    with pytest.raises(BuildMismatchError):
        again.hold(replace(BUILD, content={}))


def test_builds_of_what_is_not_locked_any_more_go_when_others_come(tmp_path: Path) -> None:
    path = tmp_path / FILENAME
    old = replace(BUILD, key=replace(BUILD.key, version="0.9"))
    path.write_text(builds_to_json([old]))
    kept = kept_file(path)
    assert (kept.save(), path.read_text()) == ("", builds_to_json([old]))
    kept.hold(BUILD)
    kept.save()
    assert path.read_text() == builds_to_json([BUILD])


def test_a_file_that_can_not_be_read_or_written(tmp_path: Path) -> None:
    folder = tmp_path / FILENAME
    folder.mkdir()
    with pytest.raises(LockError, match="can't be read"):
        kept_file(folder).load()
    nowhere = KeptFile(tmp_path / "none" / FILENAME, LOCKED, locks=tmp_path)
    nowhere.hold(BUILD)
    assert nowhere.save().startswith(f"{FILENAME} can't be written, so 1 build can't be held to it: ")


def test_what_another_run_has_written_meanwhile_stays_and_is_held_to(tmp_path: Path) -> None:
    path = tmp_path / FILENAME
    other = replace(BUILD, key=replace(BUILD.key, python="3.11.1"))
    first, second, third = (kept_file(path) for _ in range(3))
    for kept, build in ((first, BUILD), (second, other), (third, replace(BUILD, content={}))):
        kept.hold(build)
    first.save()
    second.save()
    both = builds_to_json([BUILD, other])
    assert path.read_text() == both
    with pytest.raises(BuildMismatchError):
        third.save()
    assert path.read_text() == both


def test_a_link_stays_one(tmp_path: Path) -> None:
    path, target = tmp_path / FILENAME, tmp_path / "shared.json"
    path.symlink_to(target)
    kept = kept_file(path)
    kept.hold(BUILD)
    kept.save()
    assert path.is_symlink()
    assert target.read_text() == builds_to_json([BUILD])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / FILENAME
    os.mkfifo(path)
    with pytest.raises(LockError) as raised:
        kept_file(path).load()
    assert str(raised.value) == f"{path}: can't be read: it is no regular file"
