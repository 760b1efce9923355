"""A file on a server, read in pieces."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from lockproof.errors import UnavailableError
from lockproof.indexes.pipconfig import IndexConfig
from lockproof.indexes.ranges import RangeFile
from lockproof.indexes.session import Session
from support.loopback import Fault, LoopbackIndex, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "big-1.0.whl"
CONTENT = bytes(range(256)) * 1024  # four blocks


@pytest.fixture
def index(tmp_path: Path) -> Iterator[LoopbackIndex]:
    (tmp_path / NAME).write_bytes(CONTENT)
    with serve(tmp_path) as index:
        yield index


def opened(index: LoopbackIndex) -> RangeFile:
    session = Session(IndexConfig(index_urls=(index.url,), retries=0), wait=lambda seconds: None)
    return RangeFile(session, index.file_url(NAME))


def test_what_is_read_is_what_is_there_and_is_asked_for_once(index: LoopbackIndex) -> None:
    with opened(index) as file:
        assert (file.size, file.seekable(), file.readable()) == (len(CONTENT), True, True)
        for start, count in ((0, 10), (70_000, 140_000), (len(CONTENT) - 5, 100), (65_535, 2), (len(CONTENT) + 9, 1)):
            assert file.seek(start) == start
            assert file.read(count) == CONTENT[start : start + count]
        assert file.seek(-3, io.SEEK_END) == len(CONTENT) - 3
        assert file.seek(-1, io.SEEK_CUR) == len(CONTENT) - 4
        assert file.received == len(CONTENT)
    asked = [seen.headers["range"] for seen in index.requests]
    assert asked == ["bytes=0-65535", "bytes=65536-262143"]


def test_an_archive_is_read_through_it(index: LoopbackIndex, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / NAME, "w") as archive:
        archive.writestr("large.bin", CONTENT)
        archive.writestr("small.txt", "here")
    with opened(index) as file, zipfile.ZipFile(io.BufferedReader(file)) as archive:
        assert archive.read("small.txt") == b"here"
        assert file.received < len(CONTENT)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault(no_ranges=True), "the server gives whole files only, no ranges"),
        (Fault(status=403), "HTTP 403 Forbidden"),
        (Fault(truncate=100), "truncated after 100 of 65536 bytes"),
        (Fault(body=b""), "HTTP 416"),
    ],
    ids=["no ranges", "forbidden", "truncated", "empty"],
)
def test_a_server_that_gives_no_part_of_it(index: LoopbackIndex, fault: Fault, why: str) -> None:
    index.faults[NAME] = fault
    with pytest.raises(UnavailableError) as caught:
        opened(index)
    assert (caught.value.what, caught.value.where) == ("a wheel can't be looked into", index.file_url(NAME))
    assert caught.value.why.startswith(why)


@pytest.mark.parametrize(
    "fault", [Fault(wrong_range=True), Fault(body=CONTENT + b"x")], ids=["another part", "another file meanwhile"]
)
def test_a_server_that_gives_something_else(index: LoopbackIndex, fault: Fault) -> None:
    with opened(index) as file:
        index.faults[NAME] = fault
        file.seek(100_000)
        with pytest.raises(UnavailableError, match="the server gave another range than the one asked for"):
            file.read(10)
