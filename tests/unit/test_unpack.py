"""Wheels that must be refused, wheels that are odd but land, and where their files come to lie."""

from __future__ import annotations

import hashlib
import stat
import zipfile
from typing import TYPE_CHECKING

import pytest

from lockproof.errors import LockError, UnavailableError
from lockproof.wheels.unpack import WheelArchive, reread
from support.wheels import link_member, make_wheel, member, sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lockproof.wheels.manifest import Manifest

DATA = "demo-1.0.data"
INFO = "demo-1.0.dist-info"


def unpack(wheel: Path) -> Manifest:
    with WheelArchive(wheel, wheel.name, sha256_of(wheel)) as archive:
        return archive.unpack(wheel.parent / "unpacked")


def demo(folder: Path, **more: object) -> Path:
    return make_wheel(folder, "demo", "1.0", **more)  # type: ignore[arg-type]


def rebuilt(wheel: Path, change: Callable[[bytes], bytes]) -> Path:
    wheel.write_bytes(change(wheel.read_bytes()))
    return wheel


def without(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        whole = demo(folder / "whole")
        wheel = folder / whole.name
        with zipfile.ZipFile(whole) as source, zipfile.ZipFile(wheel, "w") as target:
            for info in source.infolist():
                if info.filename != f"{INFO}/{name}":
                    target.writestr(info, source.read(info))
        return wheel

    return make


def encrypted(folder: Path) -> Path:
    """The flag alone, in the first member's local header (byte 6) and in the central directory (byte 8)."""

    def flag(data: bytes) -> bytes:
        central = data.index(b"PK\x01\x02") + 8
        return data[:6] + b"\x01" + data[7:central] + b"\x01" + data[central + 1 :]

    return rebuilt(demo(folder), flag)


def bomb(folder: Path) -> Path:
    """Members of zeros that claim, and have, 257 MiB; deflated once and put in as often as is needed."""
    zeros = bytes(32 << 20)
    return demo(folder, files={f"zeros{number}.bin": zeros for number in range(9)})


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no zip": (
        lambda folder: rebuilt(demo(folder), lambda _: b"<html>"),
        "it is no zip archive (File is not a zip file)",
    ),
    "empty": (lambda folder: rebuilt(demo(folder), lambda _: b""), "it is no zip archive (File is not a zip file)"),
    "truncated": (
        lambda folder: rebuilt(demo(folder), lambda data: data[: len(data) * 2 // 3]),
        "it is no zip archive (File is not a zip file)",
    ),
    "a byte flipped": (
        lambda folder: rebuilt(
            demo(folder, files={"demo.py": "x" * 40}), lambda data: data.replace(b"demo.py", b"demo.pz", 1)
        ),
        "its member 'demo.py' can't be unpacked (File name in directory 'demo.py' and header b'demo.pz' differ.)",
    ),
    "../": (
        lambda folder: demo(folder, extra_members=[member("../evil.py")]),
        "its member '../evil.py' has a path that leaves the environment",
    ),
    "a/../../b": (
        lambda folder: demo(folder, extra_members=[member("a/../../b")]),
        "its member 'a/../../b' has a path that leaves the environment",
    ),
    "./": (
        lambda folder: demo(folder, extra_members=[member("./demo.py")]),
        "its member './demo.py' has a path that leaves the environment",
    ),
    "//": (
        lambda folder: demo(folder, extra_members=[member("a//b.py")]),
        "its member 'a//b.py' has a path that leaves the environment",
    ),
    "a folder ../": (
        lambda folder: demo(folder, extra_members=[member("../evil/")]),
        "its member '../evil/' has a path that leaves the environment",
    ),
    "absolute": (
        lambda folder: demo(folder, extra_members=[member("/etc/evil")]),
        "its member '/etc/evil' has an absolute path",
    ),
    "a drive": (
        lambda folder: demo(folder, extra_members=[member("C:evil")]),
        "its member 'C:evil' has an absolute path",
    ),
    "a backslash": (
        lambda folder: demo(folder, extra_members=[member("a\\..\\evil")]),
        "its member 'a\\\\..\\\\evil' has a backslash or NUL in its name",
    ),
    "out of the data folder": (
        lambda folder: demo(folder, extra_members=[member(f"{DATA}/purelib/../../x")]),
        f"its member '{DATA}/purelib/../../x' has a path that leaves the environment",
    ),
    "encrypted": (encrypted, "its member 'demo.py' is encrypted"),
    "a zip bomb": (bomb, "it would unpack from "),
    "file and folder": (
        lambda folder: demo(folder, files={"demo": "", "demo/x.py": ""}),
        "it has a file where it needs the folder ",
    ),
    "folder and file": (
        lambda folder: demo(folder, files={"demo/x.py": ""}, extra_members=[member("demo", "x")]),
        "it has both a file and a folder at 'demo'",
    ),
    "file and folder by way of the data folder": (
        lambda folder: demo(folder, files={"demo/x.py": ""}, data={"purelib/demo": ""}),
        "it has both a file and a folder at site/demo",
    ),
    "two files at one place": (
        lambda folder: demo(folder, files={"x.py": "1"}, data={"purelib/x.py": "2"}),
        f"two members land at site/x.py: x.py and {DATA}/purelib/x.py",
    ),
    "no .dist-info": (
        lambda folder: rebuilt(demo(folder), lambda data: data.replace(b"dist-info", b"dist-inFo")),
        "it has 0 .dist-info folders (none), not one",
    ),
    "two .dist-info": (
        lambda folder: demo(folder, extra_members=[member("evil-1.dist-info/METADATA")]),
        "it has 2 .dist-info folders (demo-1.0.dist-info, evil-1.dist-info), not one",
    ),
    "another name in METADATA": (
        lambda folder: demo(folder, files={"*.dist-info/METADATA": "Name: evil\nVersion: 1.0\n"}),
        f"its METADATA says 'evil' '1.0', which is not its folder {INFO}",
    ),
    "another version in METADATA": (
        lambda folder: demo(folder, files={"*.dist-info/METADATA": "Name: demo\nVersion: 2.0\n"}),
        f"its METADATA says 'demo' '2.0', which is not its folder {INFO}",
    ),
    "no name in METADATA": (
        lambda folder: demo(folder, files={"*.dist-info/METADATA": "Version: 1.0\n\nName: demo\n"}),
        f"its METADATA says '' '1.0', which is not its folder {INFO}",
    ),
    "an entry point that is none": (
        lambda folder: demo(folder, entry_points={"console_scripts": {"x": "import os"}}),
        "its entry_points.txt can't be read: [console_scripts] x = import os: expected module:attribute",
    ),
    "an entry point that leaves": (
        lambda folder: demo(folder, entry_points={"console_scripts": {"../x": "a:b"}}),
        "its entry point '../x' would leave the scripts folder",
    ),
    **{f"no {name}": (without(name), f"it has no {INFO}/{name}") for name in ("METADATA", "WHEEL", "RECORD")},
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wheel_that_must_not_be_installed_is_refused(name: str, tmp_path: Path) -> None:
    make, why = REFUSED[name]
    with pytest.raises(LockError) as caught:
        unpack(make(tmp_path))
    assert caught.value.what == "the wheel demo-1.0-py3-none-any.whl can't be installed"
    assert caught.value.why[: len(why)] == why
    assert caught.value.remedy
    assert not (tmp_path / "evil.py").exists()


def notes_of(manifest: Manifest) -> list[tuple[str, str, str]]:
    return [(finding.code, finding.path, finding.level) for finding in manifest.findings]


NOTED: dict[str, tuple[dict[str, object], list[tuple[str, str, str]]]] = {
    "nothing": ({}, []),
    "a member twice": (
        {"extra_members": [member("demo.py", "second\n")]},
        [("duplicate-member", "site/demo.py", "note"), ("record-hash", "site/demo.py", "note")],
    ),
    "a member marked as a link": (
        {"extra_members": [link_member("link.py", "/etc/passwd")]},
        [("record-unlisted", "site/link.py", "note"), ("symlink-member", "site/link.py", "note")],
    ),
    "direct_url.json": (
        {"files": {"demo.py": "", "*.dist-info/direct_url.json": '{"dir_info": {"editable": true}}'}},
        [("shipped-direct-url", f"site/{INFO}/direct_url.json", "note")],
    ),
    "bytecode": (
        {"files": {"demo.py": "", "__pycache__/demo.cpython-311.pyc": b"x"}},
        [("shipped-bytecode", "site/__pycache__/demo.cpython-311.pyc", "note")],
    ),
    "a scheme of its own": (
        {"data": {"stdlib/os.py": ""}},
        [("unknown-scheme", f"site/{DATA}/stdlib/os.py", "note")],
    ),
    "an unlisted member": ({"extra_members": [member("more.py")]}, [("record-unlisted", "site/more.py", "note")]),
    "a ghost row": (
        {"record": lambda rows: [*rows, ("ghost.py", "", "")]},
        [("record-ghost", "site/ghost.py", "note")],
    ),
    "a wrong hash": (
        {
            "record": lambda rows: (
                [(path, digest and "sha256=" + "A" * 43, size) for path, digest, size in rows[:1]] + rows[1:]
            )
        },
        [("record-hash", "site/demo.py", "note")],
    ),
    "RECORD that is no CSV": (
        {"files": {"demo.py": "", "*.dist-info/x": ""}, "record": lambda rows: [("x" * 200_000, "", "")]},
        [("record-unreadable", f"site/{INFO}/RECORD", "note")],
    ),
}


@pytest.mark.parametrize("name", NOTED)
def test_an_odd_wheel_lands_with_a_note(name: str, tmp_path: Path) -> None:
    more, notes = NOTED[name]
    manifest = unpack(demo(tmp_path, **more))
    assert notes_of(manifest) == notes


def test_hexadecimal_digests_in_record_are_true(tmp_path: Path) -> None:
    wheel = demo(tmp_path, files={"demo.py": "x"})
    digest = hashlib.sha256(b"x").hexdigest()
    other = demo(
        tmp_path / "hex", files={"demo.py": "x"}, record=lambda rows: [("demo.py", f"sha256={digest}", "1"), *rows[1:]]
    )
    assert notes_of(unpack(other)) == [("record-hex", f"site/{INFO}/RECORD", "note")]
    assert notes_of(unpack(wheel)) == []


def test_files_land_by_their_scheme_and_nothing_else_does(tmp_path: Path) -> None:
    wheel = demo(
        tmp_path,
        files={
            "demo/__init__.py": "",
            "demo/run.sh": "#!/bin/sh\n",
            "__pycache__/x.cpython-311.pyc": b"",
            "old.pyc": b"",
        },
        entry_points={"console_scripts": {"demo": "demo:main", "shadowed": "demo:other"}},
        scripts={
            "tool": "#!python\nx\n",
            "shadowed": "#!python\nleft out\n",
            "plain": "#!/bin/sh\n",
            "program": b"\x7fELF",
        },
        data={
            "headers/demo.h": "",
            "data/etc/demo.cfg": "",
            "platlib/plat.py": "",
            "purelib/pure.py": "",
            "stdlib/os.py": "",
        },
        executables=["demo/run.sh"],
    )
    manifest = unpack(wheel)
    landed = {(file.path, file.executable) for file in manifest.files}
    assert landed == {
        ("site/demo/__init__.py", False),
        ("site/demo/run.sh", True),
        ("site/old.pyc", False),
        ("site/plat.py", False),
        ("site/pure.py", False),
        *((f"site/{INFO}/{name}", False) for name in ("METADATA", "WHEEL", "entry_points.txt")),
        ("scripts/plain", True),
        ("scripts/program", True),
        ("headers/demo/demo.h", False),
        ("data/etc/demo.cfg", False),
    }
    assert [script.path for script in manifest.scripts] == ["scripts/tool"]
    assert [launcher.name for launcher in manifest.launchers] == ["demo", "shadowed"]

    tree = tmp_path / "unpacked/tree"
    modes = {
        path.relative_to(tree).as_posix(): stat.S_IMODE(path.lstat().st_mode)
        for path in tree.rglob("*")
        if path.is_file()
    }
    expected = {path: 0o555 if executable else 0o444 for path, executable in landed}
    assert modes == {**expected, "scripts/tool": 0o555}
    for file in manifest.files:
        content = (tree / file.path).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (file.sha256, file.size)


def test_a_plain_wheel_leaves_no_more_than_what_lands(tmp_path: Path) -> None:
    manifest = unpack(demo(tmp_path, files={"demo/x.py": "", "demo/__pycache__/x.cpython-311.pyc": b""}))
    tree = tmp_path / "unpacked/tree"
    assert {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()} == {
        f.path for f in manifest.files
    }


def test_the_last_of_two_equal_names_lands(tmp_path: Path) -> None:
    unpack(demo(tmp_path, extra_members=[member("demo.py", "second\n")]))
    assert (tmp_path / "unpacked/tree/site/demo.py").read_bytes() == b"second\n"


def test_a_link_lands_as_a_file_that_holds_its_target(tmp_path: Path) -> None:
    unpack(demo(tmp_path, extra_members=[link_member("link.py", "/etc/passwd")]))
    landed = tmp_path / "unpacked/tree/site/link.py"
    assert (landed.is_symlink(), landed.read_bytes(), stat.S_IMODE(landed.stat().st_mode)) == (
        False,
        b"/etc/passwd",
        0o444,
    )


def test_a_large_program_among_the_scripts_is_no_text(tmp_path: Path) -> None:
    """Linters and installers written in Rust are wheels of one such file."""
    program = b"\x7fELF" + bytes(33 << 20)
    manifest = unpack(demo(tmp_path, scripts={"program": program}))
    [landed] = [file for file in manifest.files if file.path == "scripts/program"]
    assert (landed.size, landed.sha256) == (len(program), hashlib.sha256(program).hexdigest())
    assert (tmp_path / "unpacked/tree/scripts/program").stat().st_size == len(program)


def test_a_member_without_unix_modes_is_a_plain_file(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("dos.py")
    info.create_system, info.external_attr = 0, 0
    unpack(demo(tmp_path, extra_members=[(info, b"")]))
    assert stat.S_IMODE((tmp_path / "unpacked/tree/site/dos.py").stat().st_mode) == 0o444


def test_rereading_gives_a_member_s_bytes_or_an_error(tmp_path: Path) -> None:
    wheel = demo(tmp_path, files={"demo.py": "x\n"})
    sha256 = sha256_of(wheel)
    assert reread(wheel, sha256, "demo.py") == b"x\n"
    wheel.write_bytes(wheel.read_bytes()[:-1])
    with pytest.raises(UnavailableError, match="remove the folder"):
        reread(wheel, sha256, "demo.py")
    wheel.unlink()
    with pytest.raises(UnavailableError, match="damaged"):
        reread(wheel, sha256, "demo.py")
