"""Tar streams: read whole like a folder, and refused wherever what they hold is not sure."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pytest

from lockproof.digests import sha256_hex
from lockproof.reading.reader import read_tree
from lockproof.reading.tarheaders import BrokenArchive
from lockproof.reading.tarreader import Archive

if TYPE_CHECKING:
    from collections.abc import Callable

SITE = "lib/python3.11/site-packages"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs links and FIFOs")


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def file(name: str, content: bytes = b"x") -> tuple[tarfile.TarInfo, bytes]:
    return member(name, size=len(content)), content


def archive_of(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, encoding="utf-8", errors="surrogateescape") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def read(*streams: bytes) -> Archive:
    archive = Archive(io.BytesIO())
    for stream in streams:
        archive.take(io.BytesIO(stream))
    return archive


def plain(tree: object) -> dict[str, object]:
    facts = {name: value for name, value in vars(tree).items() if name not in ("folders", "places", "unsettled")}
    files = facts.pop("files")
    assert isinstance(files, dict)
    return {**facts, "files": {path: (fact[0], fact[1], fact[2]) for path, fact in files.items()}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "an env"
    for path, content in {
        "pyvenv.cfg": b"home = /x\n",
        "bin/tool": b"#!/bin/sh\n",
        f"{SITE}/a.py": b"a",
        f"{SITE}/empty.py": b"",
        f"{SITE}/{'long' * 40}/{'name' * 40}.py": b"long",
        f"{SITE}/big.bin": b"b" * 3_000_000,
        f"{SITE}/x.dist-info/RECORD": b"x,,\n",
        f"{SITE}/x.pth": b"import x\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    (root / "bin/tool").chmod(0o4755)
    for name in (b"\xff", b"a\nb", "ünï".encode()):
        Path(os.fsdecode(os.fsencode(root / SITE) + b"/" + name)).write_bytes(name)
    (root / f"{SITE}/nothing/inside").mkdir(parents=True)
    (root / "lib64").symlink_to("lib")
    (root / "bin/python").symlink_to("python3")
    (root / "bin/python3").symlink_to(tmp_path / "real")
    (root / f"{SITE}/loop").symlink_to("loop")
    os.link(root / f"{SITE}/a.py", root / f"{SITE}/linked.py")
    os.link(root / f"{SITE}/x.pth", root / f"{SITE}/y.pth")
    os.mkfifo(root / f"{SITE}/pipe")
    return root


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("prefix", [".", "an env", "/srv/an env"])
def test_an_archive_is_read_as_its_folder_is(folder: Path, form: int, mode: str, prefix: str) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=form, errors="surrogateescape") as tar:  # type: ignore[call-overload]
        tar.add(folder, arcname=prefix)
    within = "" if prefix == "." else prefix.strip("/")
    from_tar, from_disk = plain(read(out.getvalue()).tree(within, str(folder))), plain(read_tree(str(folder)))
    for tree in (from_tar, from_disk):
        tree["empty"], tree["special"] = sorted(tree["empty"]), sorted(tree["special"])  # type: ignore[call-overload]
    assert from_tar == from_disk


def cut(content: bytes) -> bytes:
    return content[: content.index(b"second") // 512 * 512]


def damaged(content: bytes) -> bytes:
    at = content.index(b"second") // 512 * 512
    return content[: at + 100] + b"zzzz" + content[at + 104 :]


WHOLE = archive_of(file("first", b"1" * 600), file("second", b"2" * 600))
BROKEN: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "is empty"),
    "no archive": (lambda: b"#!/bin/sh\n" * 100, "is no tar archive"),
    "too short for a header": (lambda: b"first", "is no tar archive"),
    "cut between two members": (lambda: cut(WHOLE), "is cut off or damaged: empty header"),
    "cut in a header": (lambda: cut(WHOLE) + b"sec", "is cut off or damaged: truncated header"),
    "cut in a file": (lambda: WHOLE[: WHOLE.index(b"2222") + 10], "is cut off inside 'second'"),
    "a damaged header": (lambda: damaged(WHOLE), "is cut off or damaged: bad checksum"),
    "a damaged gzip": (lambda: b"\x1f\x8b\x08" + b"\xff" * 600, "can't be read to its end"),
    "a member that leaves it": (lambda: archive_of(file("../evil")), "has a member that leaves it: '../evil'"),
    "one that leaves it later": (lambda: archive_of(file("a/../../evil")), "has a member that leaves it"),
    "another file of that name": (lambda: archive_of(file("a", b"1"), file("./a", b"2")), "has 'a' twice"),
    "a link of that name": (lambda: archive_of(file("a"), (member("a", tarfile.SYMTYPE, "b"), b"")), "has 'a' twice"),
    "a file where there is a folder": (
        lambda: archive_of(file("a/b"), file("a")),
        "has members below 'a', which is no folder",
    ),
    "members below a link": (
        lambda: archive_of((member("lib64", tarfile.SYMTYPE, "lib"), b""), file("lib64/x.py")),
        "has members below 'lib64', which is no folder",
    ),
    "a hard link to nothing": (
        lambda: archive_of((member("a", tarfile.LNKTYPE, "b"), b"")),
        "has a hard link to 'b', which it does not hold before",
    ),
    "a file that is named as a folder": (lambda: archive_of(file("a/b.py/")), "has 'a/b.py/', which is named as a"),
    "the same with a long name": (
        lambda: archive_of(file(f"{'a' * 300}/b.py/")),
        f"has {'a' * 300 + '/b.py/'!r}, which is named as a",
    ),
    "a link that is named as a folder": (
        lambda: archive_of((member("a/", tarfile.SYMTYPE, "b"), b"")),
        "has 'a/', which is named as a folder and is none",
    ),
    "a root that is no folder": (lambda: archive_of((member(".", tarfile.FIFOTYPE), b"")), "has '.', which is named"),
    "a script only as a link to what was not kept": (
        lambda: archive_of(file("cache/x"), (member("bin/x", tarfile.LNKTYPE, "cache/x"), b"")),
        "has 'bin/x' only as a hard link to 'cache/x'",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_not_sure_is_refused(name: str) -> None:
    make, why = BROKEN[name]
    with pytest.raises(BrokenArchive) as caught:
        read(make())
    assert str(caught.value).startswith(why)


def test_a_gzip_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.tgz"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(*(lambda pair: (pair[0], io.BytesIO(pair[1])))(file("a", os.urandom(10_000))))
    with pytest.raises(BrokenArchive, match="can't be read to its end"):
        read(path.read_bytes()[:-20])


def test_equal_members_of_one_name_are_one() -> None:
    archive = read(archive_of(file("a", b"1"), file("./a", b"1")))
    assert {path: fact[0] for path, fact in archive.files.items()} == {"a": sha256_hex(b"1")}


def test_devices_and_what_nobody_knows_are_special() -> None:
    kinds = [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"Z"]
    archive = read(archive_of(*((member(f"{SITE}/{n}", kind), b"") for n, kind in enumerate(kinds))))
    assert sorted(archive.special) == [f"{SITE}/{n}" for n in range(4)]


def test_two_streams_make_one_archive() -> None:
    archive = Archive()
    archive.take(io.BytesIO(archive_of(file("./x.py", b"1"))), "opt/venv")
    archive.take(io.BytesIO(archive_of(file("usr/bin/python3.11", b"2"))))
    assert set(archive.files) == {"opt/venv/x.py", "usr/bin/python3.11"}


def test_links_are_followed_within_the_archive_only() -> None:
    links = {
        "usr/bin/python3": "python3.11",
        "bin": "usr/bin",
        "opt/venv": "/srv/venv",
        "loop": "loop",
        "up": "../../x",
        "usr/local/bin/aside": "/srv/evil/bin",
        "usr/local/bin/python3": "aside/../python3.11",
    }
    archive = read(archive_of(*((member(path, tarfile.SYMTYPE, target), b"") for path, target in links.items())))
    ends = {
        "bin/python3": "usr/bin/python3.11",
        "opt/venv/bin": "srv/venv/bin",
        "loop/x": "loop" + "/x",
        "up": "x",
        "usr/local/bin/python3": "srv/evil/python3.11",
        "bin/../lib": "usr/lib",
        "elsewhere": "elsewhere",
    }
    assert {path: archive.real_path(path) for path in ends} == ends


def test_sources_and_bytecode_are_kept_in_the_spool_alone() -> None:
    spool: IO[bytes] = io.BytesIO()
    archive = Archive(spool)
    archive.take(io.BytesIO(archive_of(file("a.py", b"12"), file("a.txt", b"3"), file("__pycache__/a.pyc", b"456"))))
    assert archive.spooled == {"a.py": (0, 2), "__pycache__/a.pyc": (2, 3)}
    assert spool.seek(0) == 0
    assert spool.read() == b"12456"


def test_what_links_to_nothing_of_its_kind_is_not_in_the_spool() -> None:
    """But for empty files, which have nothing to be kept."""
    links = [(member(name, tarfile.LNKTYPE, target), b"") for name, target in (("a.py", "a.txt"), ("b.py", "b.txt"))]
    archive = Archive(io.BytesIO())
    archive.take(io.BytesIO(archive_of(file("a.txt", b"12"), file("b.txt", b""), *links)))
    assert archive.spooled == {"b.py": (0, 0)}


def test_folders_have_the_worst_of_their_modes() -> None:
    def folder(name: str, mode: int) -> tuple[tarfile.TarInfo, bytes]:
        info = member(name, tarfile.DIRTYPE)
        info.mode = mode
        return info, b""

    named = [
        folder("./", 0o755),
        folder("env", 0o1777),
        folder("env/", 0o755),
        folder("env/lib", 0o700),
        folder("x", 0),
    ]
    archive = read(archive_of(*named))
    assert archive.tree("env", "/x").modes == {"": 0o1777, "lib": 0o700}
    assert archive.tree("", "/x").modes == {"": 0o755, "env": 0o1777, "env/lib": 0o700, "x": 0}


def test_a_sparse_file_is_what_reading_it_gives(tmp_path: Path) -> None:
    path = tmp_path / "sparse.bin"
    with path.open("wb") as stream:
        stream.seek(1 << 20)
        stream.write(b"end")
    packed = tmp_path / "x.tar"
    if os.spawnlp(os.P_WAIT, "tar", "tar", "-cSf", str(packed), "-C", str(tmp_path), "sparse.bin"):
        pytest.skip("needs GNU tar")
    assert read(packed.read_bytes()).files["sparse.bin"][0] == sha256_hex(path.read_bytes())
