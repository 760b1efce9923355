from __future__ import annotations

import errno
import io
import random
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from lockproof.build.builds import DEFAULT_EPOCH
from lockproof.build.sdists import unpack_sdist
from lockproof.errors import LockError
from support.sdists import MTIME, link, make_sdist

if TYPE_CHECKING:
    from pathlib import Path


def unpack(archive: Path) -> tuple[Path, int]:
    folder = archive.parent / "src"
    folder.mkdir()
    return folder, unpack_sdist(archive, archive.name, folder)


def why_refused(archive: Path) -> str:
    with pytest.raises(LockError) as caught:
        unpack(archive)
    assert caught.value.what == f"the sdist {archive.name} can't be built"
    assert sorted(path.name for path in archive.parent.iterdir() if not path.name.startswith("src")) == [archive.name]
    return caught.value.why


def member(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info


def test_the_tree_and_the_time_of_its_newest_member(tmp_path: Path) -> None:
    inside = [link("x-1.0/again.py", "src/x.py"), link("x-1.0/src/up.txt", "../PKG-INFO"), link("x-1.0/here", "src")]
    hard = link("x-1.0/hard.py", "x-1.0/src/x.py", tarfile.LNKTYPE)
    folder, epoch = unpack(make_sdist(tmp_path, "x", "1.0", {"src/x.py": "X = 1\n"}, extra_members=[*inside, hard]))
    assert epoch == MTIME
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()) == [
        "PKG-INFO", "again.py", "hard.py", "src/up.txt", "src/x.py"
    ]  # fmt: skip
    assert (folder / "again.py").read_text() == (folder / "hard.py").read_text() == "X = 1\n"


def test_a_zip(tmp_path: Path) -> None:
    archive = tmp_path / "x-1.0.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(zipfile.ZipInfo("x-1.0/setup.py", (2020, 9, 13, 12, 26, 40)), "pass\n")
    folder, epoch = unpack(archive)
    assert (epoch, (folder / "setup.py").read_text()) == (MTIME, "pass\n")


def test_a_time_before_1980_is_the_first_that_a_zip_can_tell(tmp_path: Path) -> None:
    archive = tmp_path / "x-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as opened:
        opened.addfile(member("x-1.0/a"))
    assert unpack(archive)[1] == DEFAULT_EPOCH


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([member("x-1.0/../../out")], "its member 'x-1.0/../../out' has a path that leaves the archive"),
        ([member("/out")], "its member '/out' has an absolute path"),
        ([link("x-1.0/l", "../../out")], "its member 'x-1.0/l' is a link out of it, to '../../out'"),
        ([link("x-1.0/l", "/etc/passwd")], "its member 'x-1.0/l' is a link out of it, to '/etc/passwd'"),
        ([link("x-1.0/l", "a/../../../o")], "its member 'x-1.0/l' is a link out of it, to 'a/../../../o'"),
        ([link("x-1.0/l", "a/../b")], "its member 'x-1.0/l' is a link out of it, to 'a/../b'"),
        ([link("x-1.0/l", "../out", tarfile.LNKTYPE)], "its member 'x-1.0/l' is a link out of it, to '../out'"),
        ([link("x-1.0/l", "."), member("x-1.0/l/file")], "its member 'x-1.0/l/file' goes through a link"),
        ([link("x-1.0/l", "."), link("x-1.0/m", "l/PKG-INFO")], "its member 'x-1.0/m' goes through a link"),
        ([member("x-1.0/pipe", tarfile.FIFOTYPE)], "it can't be unpacked ('x-1.0/pipe' is a special file)"),
        ([member("x-1.0/null", tarfile.CHRTYPE)], "it can't be unpacked ('x-1.0/null' is a special file)"),
        ([member("other/file")], "it has other, x-1.0 at its top, and not one folder"),
    ],
)
def test_what_would_get_out_is_refused(tmp_path: Path, members: list[tarfile.TarInfo], why: str) -> None:
    assert why_refused(make_sdist(tmp_path, "x", "1.0", extra_members=members)) == why


def at(time: str) -> tarfile.TarInfo:
    info = member("x-1.0/late")
    info.pax_headers = {"mtime": time}
    return info


@pytest.mark.parametrize(
    "members",
    [
        [at("inf")],
        [at("1e300")],
        [at("nan")],
        [link("x-1.0/l", "x-1.0/nothing", tarfile.LNKTYPE)],
        [member(f"x-1.0/{'n' * 300}")],
        [member(f"x-1.0/{'n/' * 3000}n")],
        [member("x-1.0/PKG-INFO/below")],
        [member("x-1.0/folder", tarfile.DIRTYPE), member("x-1.0/folder/a"), member("x-1.0/folder")],
    ],
    ids=["inf", "1e300", "nan", "hard link to nothing", "long name", "deep", "below a file", "on a folder"],
)
def test_what_cannot_be_unpacked_is_refused(tmp_path: Path, members: list[tarfile.TarInfo]) -> None:
    why = why_refused(make_sdist(tmp_path, "x", "1.0", extra_members=members))
    assert why.startswith("it can't be unpacked (")
    assert str(tmp_path) not in why


def test_a_full_disk_is_not_the_fault_of_an_sdist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "extractall", full)
    with pytest.raises(OSError, match="No space left"):
        unpack(make_sdist(tmp_path, "x", "1.0"))


def test_what_would_fill_the_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lockproof.build.sdists._BOMB_SIZE", 1 << 20)
    archive = make_sdist(tmp_path, "x", "1.0", extra_members=[member("x-1.0/big", size=1 << 20)])
    assert why_refused(archive).startswith(f"it would unpack from {archive.stat().st_size} to 1048")


@pytest.mark.parametrize("compression", ["xz", "bz2"])
def test_damaged_compression_is_refused(tmp_path: Path, compression: str) -> None:
    archive = tmp_path / f"x-1.0.tar.{compression}"
    noise = random.Random(0).randbytes(200_000)  # what doesn't shrink
    with tarfile.open(archive, f"w:{compression}") as opened:  # type: ignore[call-overload]
        opened.addfile(member("x-1.0/a", size=len(noise)), io.BytesIO(noise))
    content = bytearray(archive.read_bytes())
    content[100_000:100_100] = bytes(100)
    archive.write_bytes(content)
    why_refused(archive)


@pytest.mark.parametrize("name", ["x-1.0.tar.gz", "x-1.0.zip"])
@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00damaged"])
def test_what_is_no_archive_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert why_refused(tmp_path / name).startswith("it ")


def test_an_archive_cut_short_is_refused(tmp_path: Path) -> None:
    archive = make_sdist(tmp_path, "x", "1.0", {"a.py": "\n".join(map(str, range(9999)))})
    archive.write_bytes(archive.read_bytes()[:-2000])
    assert why_refused(archive).startswith("it can't be unpacked")


@pytest.mark.parametrize("name", ["../out.py", "/out.py", "x-1.0/../../out.py"])
def test_a_zip_that_leaves_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "x-1.0.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(name, "pass\n")
    assert why_refused(archive).startswith(f"its member {name!r} has ")
