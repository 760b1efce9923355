"""The reader: it sees everything, follows nothing, opens no pipe, and takes a change under it for an error."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lockproof.digests import sha256_hex
from lockproof.reading import reader
from lockproof.reading.reader import CHUNK, ChangedDuringRead, is_settled, read_file, read_tree, wants_text

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs links, FIFOs and sockets")
SITE = "lib/python3.11/site-packages"


def write(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    write(root / "pyvenv.cfg", b"home = /x\n")
    write(root / "bin/tool", b"#!/bin/sh\n").chmod(0o755)
    write(root / f"{SITE}/a.py", b"a")
    write(root / f"{SITE}/empty.py", b"")
    write(root / f"{SITE}/big.bin", b"b" * (2 * CHUNK + 1))
    write(root / f"{SITE}/x.dist-info/RECORD", b"x,,\n")
    (root / f"{SITE}/nothing/inside").mkdir(parents=True)
    (root / "lib64").symlink_to("lib")
    (root / "bin/python").symlink_to("python3")
    (root / "bin/python3").symlink_to(tmp_path / "real")
    (root / f"{SITE}/gone").symlink_to("/nowhere")
    (root / f"{SITE}/loop").symlink_to("loop")
    os.mkfifo(root / f"{SITE}/pipe")
    return root


def test_a_tree_is_read_whole(root: Path, tmp_path: Path) -> None:
    tree = read_tree(str(root))
    files = {path: (digest, size, mode & 0o777) for path, (digest, size, mode, _) in tree.files.items()}
    big = b"b" * (2 * CHUNK + 1)
    umask = 0o666 & ~_umask()
    assert files == {
        "pyvenv.cfg": (sha256_hex(b"home = /x\n"), 10, umask),
        "bin/tool": (sha256_hex(b"#!/bin/sh\n"), 10, 0o755),
        f"{SITE}/a.py": (sha256_hex(b"a"), 1, umask),
        f"{SITE}/empty.py": (sha256_hex(b""), 0, umask),
        f"{SITE}/big.bin": (sha256_hex(big), len(big), umask),
        f"{SITE}/x.dist-info/RECORD": (sha256_hex(b"x,,\n"), 4, umask),
    }
    assert tree.links == {
        "lib64": "lib",
        "bin/python": "python3",
        "bin/python3": str(tmp_path / "real"),
        f"{SITE}/gone": "/nowhere",
        f"{SITE}/loop": "loop",
    }
    assert tree.resolved == {name: str(tmp_path / "real") for name in ("bin/python", "bin/python3")}
    assert (tree.empty, tree.special) == ([f"{SITE}/nothing/inside"], [f"{SITE}/pipe"])
    assert tree.texts == {
        "pyvenv.cfg": b"home = /x\n",
        "bin/tool": b"#!/bin/sh\n",
        f"{SITE}/x.dist-info/RECORD": b"x,,\n",
    }


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_sockets_are_never_opened(root: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        before = Path.cwd()
        os.chdir(root)  # the path of a socket is short
        try:
            server.bind("socket")
        finally:
            os.chdir(before)
        assert read_tree(str(root)).special == ["socket", f"{SITE}/pipe"] or "socket" in read_tree(str(root)).special


def test_names_that_are_no_utf_8_are_told_apart(tmp_path: Path) -> None:
    names = (b"\xff", b"\xfe", b"a\nb")
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(name)
    seen = {path: fact[0] for path, fact in read_tree(str(tmp_path)).files.items()}
    assert seen == {os.fsdecode(name): sha256_hex(name) for name in names}


def test_links_are_followed_only_below_the_folder_named(tmp_path: Path) -> None:
    store = tmp_path / "store"
    write(store / "pkg/mod.py", b"m")
    write(store / "one.py", b"1")
    write(store / "elsewhere-not/x.py")
    (store / "pkg/inner").symlink_to(store / "one.py")
    write(tmp_path / "outside.py")
    root = tmp_path / "root"
    root.mkdir()
    for name, target in {
        "pkg": store / "pkg",
        "one.py": store / "one.py",
        "out.py": tmp_path / "outside.py",
        "itself": store,
    }.items():
        (root / name).symlink_to(target)
    tree = read_tree(str(root), None, str(store))
    assert {path: fact[0] for path, fact in tree.files.items()} == {
        "pkg/mod.py": sha256_hex(b"m"),
        "one.py": sha256_hex(b"1"),
    }
    assert tree.links == {
        "out.py": str(tmp_path / "outside.py"),
        "itself": str(store),
        "pkg/inner": str(store / "one.py"),
    }
    assert set(read_tree(str(root)).links) == {"pkg", "one.py", "out.py", "itself"}


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let the reader's clock show so much more."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + int(seconds * 1e9))


def test_what_was_written_just_now_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write within the same tick of the file system's clock leaves no trace in its times."""
    write(tmp_path / "a.py", b"a")
    later(monkeypatch, -1)  # the file's times are not in the past
    known: dict[tuple[int, int], tuple[tuple[int, int, int], str]] = {}
    tree = read_tree(str(tmp_path), known)
    assert (tree.unsettled, known) == (["a.py"], {})
    assert read_tree(str(tmp_path), known, None, tree) is tree
    tree.files["a.py"] = ("another", *tree.files["a.py"][1:])  # as if it had been written to meanwhile
    assert read_tree(str(tmp_path), known, None, tree) is not tree


@pytest.mark.parametrize(
    ("nanoseconds", "ago", "settled"), [(5, 0.03, True), (5, 0.01, False), (0, 1, False), (0, 3, True)]
)
def test_whole_seconds_settle_later(nanoseconds: int, ago: float, settled: bool) -> None:
    time_ns = 1_000_000_000_000 + nanoseconds
    status = os.stat_result((0o100644, 1, 1, 1, 0, 0, 1, 0, 0, 0), {"st_mtime_ns": time_ns, "st_ctime_ns": time_ns})
    assert is_settled(status, time_ns + int(ago * 1e9)) is settled


def test_what_is_known_is_not_read_while_its_signature_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.py", b"a")
    later(monkeypatch, 3)
    known: dict[tuple[int, int], tuple[tuple[int, int, int], str]] = {}
    read_tree(str(tmp_path), known)
    status = path.lstat()
    key = (status.st_dev, status.st_ino)
    assert known == {key: ((1, status.st_mtime_ns, status.st_ctime_ns), sha256_hex(b"a"))}

    known[key] = (known[key][0], "believed")
    assert read_tree(str(tmp_path), known).files["a.py"][0] == "believed"
    path.write_bytes(b"b")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert read_tree(str(tmp_path), known).files["a.py"][0] == sha256_hex(b"b")


@pytest.mark.parametrize("size", [10, 2 * CHUNK])
@pytest.mark.parametrize("change", ["grows", "shrinks", "is written over", "is replaced"])
def test_a_change_during_the_read_is_an_error(
    size: int, change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "x", b"x" * size)
    status = path.lstat()
    read = os.read
    changed: list[str] = []

    def interfere(descriptor: int, count: int) -> bytes:
        content = read(descriptor, count)
        if not changed:
            changed.append(change)
            if change == "grows":
                with path.open("ab") as stream:
                    stream.write(b"y")
            elif change == "shrinks":
                os.truncate(path, 1)
            elif change == "is written over":
                path.write_bytes(b"y" * size)
            else:
                path.unlink()
                path.write_bytes(b"y" * size)
        return content

    monkeypatch.setattr(os, "read", interfere)
    with pytest.raises((ChangedDuringRead, FileNotFoundError)):
        read_file(str(path), status, keep=False)


def test_a_link_made_meanwhile_is_no_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x", b"x")
    read = os.read

    def link(descriptor: int, count: int) -> bytes:
        content = read(descriptor, count)
        if not (tmp_path / "y").exists():
            os.link(path, tmp_path / "y")
        return content

    monkeypatch.setattr(os, "read", link)
    digest, text, status = read_file(str(path), path.lstat(), keep=True)
    assert (digest, text, status.st_nlink) == (sha256_hex(b"x"), b"x", 2)


def test_a_file_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    path = write(tmp_path / "x")
    status = path.lstat()
    path.unlink()
    path.symlink_to(write(tmp_path / "secret"))
    with pytest.raises((OSError, ChangedDuringRead)):
        read_file(str(path), status, keep=False)


def test_a_file_that_became_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    path = write(tmp_path / "x")
    status = path.lstat()
    path.unlink()
    os.mkfifo(path)
    with pytest.raises((OSError, ChangedDuringRead)):
        read_file(str(path), status, keep=False)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("pyvenv.cfg", True),
        ("x/pyvenv.cfg", False),
        ("bin/tool", True),
        ("Scripts/tool", True),
        ("bin/sub/tool", False),
        (f"{SITE}/x.pth", True),
        (f"{SITE}/x.start", True),
        (f"{SITE}/x.egg-link", True),
        (f"{SITE}/pkg/x.pth", False),
        (f"{SITE}/sitecustomize.py", True),
        (f"{SITE}/usercustomize/__init__.py", True),
        (f"{SITE}/usercustomize/other.py", False),
        (f"{SITE}/x.dist-info/METADATA", True),
        (f"{SITE}/x.dist-info/direct_url.json", True),
        (f"{SITE}/x.dist-info/WHEEL", True),
        (f"{SITE}/x.py", False),
    ],
)
def test_whose_bytes_are_needed(path: str, wanted: bool) -> None:
    assert wants_text(path) is wanted


def test_it_runs_alone_and_prints_json(root: Path) -> None:
    script = Path(reader.__file__)
    done = subprocess.run([sys.executable, "-I", "-S", script, root], capture_output=True, check=True)
    document, tree = json.loads(done.stdout), read_tree(str(root))
    assert document == {
        "root": str(root),
        "real_root": os.path.realpath(root),
        "files": {path: list(fact[:3]) for path, fact in tree.files.items()},
        "links": tree.links,
        "resolved": tree.resolved,
        "empty": tree.empty,
        "special": tree.special,
        "texts": {path: content.decode("latin-1") for path, content in tree.texts.items()},
    }


@pytest.mark.parametrize("every_time", [False, True])
def test_a_folder_s_ctime_that_moves_as_it_is_listed_is_no_change_unless_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every_time: bool
) -> None:
    write(tmp_path / "lib/x", b"x")
    listed: list[str] = []
    scandir = os.scandir

    def touch(folder: str) -> list[os.DirEntry[str]]:
        before = os.stat(folder)
        if folder.endswith("lib") and (every_time or folder not in listed):
            while os.stat(folder).st_ctime_ns == before.st_ctime_ns:  # the kernel's clock has ticks
                os.chmod(folder, before.st_mode)
        listed.append(folder)
        return list(scandir(folder))

    monkeypatch.setattr(os, "scandir", touch)
    if every_time:
        with pytest.raises(ChangedDuringRead, match=r"lib changed while it was read"):
            read_tree(str(tmp_path))
    else:
        assert read_tree(str(tmp_path)).files.keys() == {"lib/x"}
    assert listed == [str(tmp_path), str(tmp_path / "lib")] * 2
