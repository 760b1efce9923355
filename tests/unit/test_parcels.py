"""Files that travel by content: they arrive whole and under their own hash, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockproof.cluster import parcels as module
from lockproof.cluster.parcels import Piece, Received, ShippedTree, lay_out, parcels
from lockproof.digests import sha256_hex
from lockproof.errors import HashMismatchError, UnavailableError

if TYPE_CHECKING:
    from pathlib import Path


def stored(folder: Path, *contents: bytes) -> dict[str, Path]:
    """Files of these contents by their hashes."""
    found = {}
    for number, content in enumerate(contents):
        path = folder / f"file{number}"
        path.write_bytes(content)
        found[sha256_hex(content)] = path
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(contents=st.lists(st.binary(max_size=700), max_size=6, unique=True))
def test_what_is_sent_arrives(contents: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGEST", 256)
    files, received = stored(tmp_path, *contents), Received(tmp_path / "received")
    for parcel in parcels(files, list(files)):
        assert sum(len(piece.data) for piece in parcel) <= 2 * 256
        received.accept("a1", parcel)
    assert [received.path(sha256).read_bytes() for sha256 in files] == list(contents)


def test_a_file_is_there_when_its_last_piece_has_come(tmp_path: Path) -> None:
    received, sha256 = Received(tmp_path), sha256_hex(b"abcd")
    received.accept("a1", [Piece(sha256, 0, 4, b"ab")])
    assert not received.has(sha256)
    received.accept("b2", [Piece(sha256, 0, 4, b"ab")])  # another client sends the same
    received.accept("a1", [Piece(sha256, 2, 4, b"cd")])
    assert received.path(sha256).read_bytes() == b"abcd"


def test_other_bytes_do_not_arrive(tmp_path: Path) -> None:
    received, sha256 = Received(tmp_path), sha256_hex(b"right")
    with pytest.raises(HashMismatchError, match="is not the one that was sent"):
        received.accept("a1", [Piece(sha256, 0, 5, b"wrong")])
    assert (received.has(sha256), list(tmp_path.rglob("*.*"))) == (False, [])


@pytest.mark.parametrize("name", ["../../etc/passwd", "a" * 63, ""])
def test_a_name_that_is_no_hash_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(HashMismatchError):
        Received(tmp_path).accept("a1", [Piece(name, 0, 1, b"x")])
    assert list(tmp_path.iterdir()) == []


def test_only_what_belongs_to_the_run_is_sent(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="that it has no business with"):
        list(parcels({}, ["a" * 64]))


def test_a_file_that_has_changed_is_not_sent(tmp_path: Path) -> None:
    files = stored(tmp_path, b"before")
    (path,) = files.values()
    path.write_bytes(b"after")
    with pytest.raises(UnavailableError, match="a file changed before it was sent"):
        list(parcels(files, files))
    path.unlink()
    with pytest.raises(UnavailableError, match="can't be sent"):
        list(parcels(files, files))


def tree_of(root: Path, received: Received, contents: dict[str, bytes]) -> ShippedTree:
    for content in contents.values():
        sha256 = sha256_hex(content)
        received.accept("a1", [Piece(sha256, 0, len(content), content)])
    files = {path: f"{'x' if path.endswith('.sh') else 'f'} {sha256_hex(data)}" for path, data in contents.items()}
    return ShippedTree(root=root, files={**files, "link": "l a/b.txt"})


def test_a_project_is_laid_out_anew_and_its_environments_stay(tmp_path: Path) -> None:
    root, received = tmp_path / "root", Received(tmp_path / "received")
    (root / ".lockproof").mkdir(parents=True)
    (root / "left").mkdir()
    (root / "left/over.txt").write_text("of an earlier run")
    tree = tree_of(root, received, {"a/b.txt": b"text\n", "run.sh": b"#!/bin/sh\n"})
    lay_out(tree, received.path, ".lockproof")
    assert sorted(path.relative_to(root).as_posix() for path in root.rglob("*")) == [
        ".lockproof",
        "a",
        "a/b.txt",
        "link",
        "run.sh",
    ]
    assert [(root / name).stat().st_mode & 0o777 for name in ("a/b.txt", "run.sh")] == [0o644, 0o755]
    assert (tree.changes(), tree.altered()) == ([], [])
    (root / "a/b.txt").write_text("another\n")
    (root / "new.txt").write_text("new files are nobody's business\n")
    assert tree.changes() == ["a/b.txt"]


@pytest.mark.parametrize(
    "path", ["../out.txt", "/out.txt", ".lockproof/x", "a/../../out.txt", "link/x", "./x", ".", ""]
)
def test_nothing_is_laid_out_of_place(path: str, tmp_path: Path) -> None:
    received = Received(tmp_path / "received")
    tree = tree_of(tmp_path / "root", received, {path: b"x"})
    with pytest.raises(UnavailableError, match="no place in a project"):
        lay_out(tree, received.path, ".lockproof")


def test_what_was_damaged_after_it_arrived_is_asked_for_again(tmp_path: Path) -> None:
    received = Received(tmp_path / "received")
    tree = tree_of(tmp_path / "root", received, {"a.txt": b"right"})
    received.path(sha256_hex(b"right")).write_bytes(b"wrong")
    with pytest.raises(UnavailableError, match="is not what was sent"):
        lay_out(tree, received.path, ".lockproof")
    assert not received.has(sha256_hex(b"right"))
