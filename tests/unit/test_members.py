"""What is plain in an archive is read as zipfile reads it; everything else is left to zipfile."""

from __future__ import annotations

import contextlib
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockproof.wheels import members
from lockproof.wheels.members import Members

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = {
    "demo/a.py": b"a = 1\n" * 50,
    "demo/empty.py": b"",
    "demo/\u00fc.txt": b"umlaut",
    "demo/zeros": bytes(300_000),
}


def archive_of(path: Path, compression: int) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    return path


def read_all(path: Path) -> dict[str, bytes | None]:
    opened = Members(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return {info.filename: opened.read(info) for info in archive.infolist()}
    finally:
        opened.close()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_plain_members_are_read(tmp_path: Path, compression: int) -> None:
    read = read_all(archive_of(tmp_path / "a.zip", compression))
    assert read == (FILES if compression == zipfile.ZIP_DEFLATED else {**FILES, "demo/zeros": None})


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_left_to_zipfile(tmp_path: Path, compression: int) -> None:
    assert set(read_all(archive_of(tmp_path / "a.zip", compression)).values()) == {None}


def test_what_may_be_too_much_for_the_memory_is_left_to_zipfile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive_of(tmp_path / "a.zip", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(path) as archive:
        packed = archive.getinfo("demo/zeros").compress_size
    monkeypatch.setattr(members, "_MOST", packed * 1032)
    assert read_all(path) == FILES
    monkeypatch.setattr(members, "_MOST", packed * 1032 - 1)
    assert read_all(path) == {**FILES, "demo/zeros": None}


@pytest.mark.parametrize("claimed", [1000, 300_001, 1 << 40])
def test_what_is_not_as_long_as_it_claims_is_left_to_zipfile(tmp_path: Path, claimed: int) -> None:
    path = archive_of(tmp_path / "a.zip", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("demo/zeros")
    info.file_size = claimed
    opened = Members(path)
    assert opened.read(info) is None
    opened.close()


def named_otherwise(data: bytes) -> bytes:
    return data.replace(b"demo/a.py", b"demo/b.py", 1)


def no_header(data: bytes) -> bytes:
    return b"XX" + data[2:]


def marked_encrypted(data: bytes) -> bytes:
    return data[:6] + b"\x01" + data[7:]


def other_bytes(data: bytes) -> bytes:
    return data.replace(b"a = 1\n", b"a = 2\n", 1)


@pytest.mark.parametrize("change", [named_otherwise, no_header, marked_encrypted, other_bytes])
def test_what_is_odd_is_left_to_zipfile(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    path = archive_of(tmp_path / "a.zip", zipfile.ZIP_STORED)
    path.write_bytes(change(path.read_bytes()))
    assert read_all(path) == {**FILES, "demo/a.py": None, "demo/zeros": None}


def test_an_archive_that_cannot_be_mapped_has_no_plain_members(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "a.zip", zipfile.ZIP_STORED)
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("demo/a.py")
    assert Members(tmp_path / "none").read(info) is None
    closed = Members(path)
    closed.close()
    assert closed.read(info) is None


@given(changes=st.lists(st.tuples(st.integers(0, 1200), st.binary(min_size=1, max_size=4)), min_size=1, max_size=4))
def test_zipfile_reads_the_same_from_any_damaged_archive(
    changes: list[tuple[int, bytes]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever is read here is what zipfile reads."""
    path = archive_of(tmp_path_factory.mktemp("damaged") / "a.zip", zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    for at, content in changes:
        data[at : at + len(content)] = content
    path.write_bytes(data)
    with contextlib.suppress(zipfile.BadZipFile, ValueError, NotImplementedError), zipfile.ZipFile(path) as archive:
        opened = Members(path)
        for info in archive.infolist():
            plain = opened.read(info)
            assert plain is None or plain == archive.read(info)
        opened.close()
