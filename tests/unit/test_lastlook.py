"""What everything looked like: it holds as long as nothing was touched, and for no moment longer."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lockproof.proof.fingerprint import Finding, Fingerprint
from lockproof.reading.lastlook import LastLook, is_of, look_from_bytes, look_of
from lockproof.reading.reader import read_tree, signature

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FOUND = Fingerprint(
    layers={"set": "sha256:1", "files": "sha256:2", "startup": "sha256:3"},
    distributions=(),
    files={},
    findings=(Finding("twin", "site/ä", "is told", "note"),),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "env"
    (folder / "lib" / "empty").mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "lib" / "one.py").write_text("1\n")
    (folder / "lib" / "tüo.py").write_text("2\n")
    (folder / "bin" / "python").symlink_to("/bin/sh")
    return folder


def look(root: Path) -> LastLook:
    """The look of a folder, as it would be long after everything in it was made."""
    found = look_of(read_tree(str(root)), time.time_ns() + 10**10, FOUND)
    assert found
    return replace(found, unsettled=[])


def test_it_survives_being_a_file(root: Path) -> None:
    before = look(root)
    content = before.to_bytes()
    after = look_from_bytes(content)
    assert after == replace(before, findings=list(before.findings), checksum=content[:32].hex())
    assert after.holds({})
    assert is_of(after, FOUND)
    assert not is_of(after, replace(FOUND, layers={**FOUND.layers, "files": "sha256:9"}))


def test_it_is_of_the_folder_and_the_path_that_were_read(root: Path) -> None:
    link = root.with_name("link")
    link.symlink_to(root)
    direct, by_link = look(root), look(link)
    assert (direct.is_at(str(root)), by_link.is_at(str(link))) == (True, True)
    assert (direct.is_at(str(link)), by_link.is_at(str(root))) == (False, False)
    other = root.with_name("other")
    other.mkdir()
    link.unlink()
    link.symlink_to(other)
    assert not by_link.is_at(str(link))


def test_folders_of_another_file_system_are_others(root: Path) -> None:
    before = look(root)
    assert before.holds({})
    (path, device, inode, mtime, ctime), *others = before.folders
    assert not replace(before, folders=[(path, device + 1, inode, mtime, ctime), *others]).holds({})


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"lockproof look 2\n"])
def test_anything_else_is_no_look(content: bytes) -> None:
    assert look_from_bytes(content) is None


def test_a_damaged_one_is_no_look(root: Path) -> None:
    content = bytearray(look(root).to_bytes())
    for place in (0, 40, len(content) // 2, -1):
        damaged = bytearray(content)
        damaged[place] ^= 1
        assert look_from_bytes(bytes(damaged)) is None
    assert look_from_bytes(bytes(content[:-5])) is None


def _edit_with_old_times(root: Path) -> None:
    path = root / "lib" / "one.py"
    status = path.stat()
    path.write_text("7\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _replace(root: Path) -> None:
    status = (root / "lib" / "one.py").stat()
    (root / "lib" / "new").write_text("1\n")
    os.utime(root / "lib" / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
    (root / "lib" / "new").replace(root / "lib" / "one.py")


def _lead_elsewhere(root: Path) -> None:
    (root / "bin" / "python").unlink()
    (root / "bin" / "python").symlink_to("/bin/ls")


CHANGES: dict[str, Callable[[Path], object]] = {
    "edit": lambda root: (root / "lib" / "one.py").write_text("11\n"),
    "edit with the old time": _edit_with_old_times,
    "replace": _replace,
    "delete": lambda root: (root / "lib" / "one.py").unlink(),
    "add": lambda root: (root / "lib" / "empty" / "x").touch(),
    "mode": lambda root: (root / "lib" / "one.py").chmod(0o666),
    "link": _lead_elsewhere,
    "folder": lambda root: (root / "lib" / "empty").rmdir(),
    "all": lambda root: root.rename(root.with_name("gone")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen(root: Path, change: str) -> None:
    before = look(root)
    CHANGES[change](root)
    assert not before.holds({})


def test_a_file_that_was_linked_again_counts_where_its_bytes_are_known(root: Path) -> None:
    before = look(root)
    path = root / "lib" / "one.py"
    (root.parent / "other").hardlink_to(path)
    status = path.lstat()
    digest = next(row[1] for row in before.files if row[0] == str(path))
    assert not before.holds({})
    assert before.holds({(status.st_dev, status.st_ino): (signature(status), digest)})
    assert not before.holds({(status.st_dev, status.st_ino): (signature(status), "0" * 64)})


def test_where_times_say_nothing_of_a_file_it_is_read(root: Path) -> None:
    path = str(root / "lib" / "one.py")
    before = replace(look(root), unsettled=[path])
    assert before.holds({})
    wrong = [(row[0], "0" * 64, *row[2:]) if row[0] == path else row for row in before.files]
    assert not replace(before, files=wrong).holds({})


def test_a_folder_that_has_just_been_changed_is_not_remembered(root: Path) -> None:
    assert look_of(read_tree(str(root)), root.lstat().st_ctime_ns, FOUND) is None


def test_neither_is_one_with_what_is_never_opened(root: Path) -> None:
    os.mkfifo(root / "lib" / "pipe")
    assert look_of(read_tree(str(root)), time.time_ns() + 10**10, FOUND) is None
