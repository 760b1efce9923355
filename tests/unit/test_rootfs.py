"""Which environments a root file system holds, which of them runs, and for which machine it is."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from lockproof.pythons.platforms import Platform
from lockproof.reading.rootfs import base_prefix, choose, environments_in, platform_of, variables_of_python
from lockproof.reading.tarreader import Archive

if TYPE_CHECKING:
    from collections.abc import Mapping


def archive_of(files: Mapping[str, bytes], links: Mapping[str, str] = {}) -> Archive:
    """An archive of these files and links."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for path, target in links.items():
            info = tarfile.TarInfo(path)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    stream.seek(0)
    archive = Archive()
    archive.take(stream)
    return archive


# An official Python image's, Debian's own beside it, and two virtual environments; /bin is a link, as in all of them.
FILES = {
    "usr/local/bin/python3.12": b"\x7fELF", "usr/local/lib/python3.12/os.py": b"",
    "usr/bin/python3.11": b"\x7fELF", "usr/lib/python3.11/os.py": b"",
    "opt/venv/pyvenv.cfg": b"home = /usr/local/bin\n", "opt/venv/bin/serve": b"#!/opt/venv/bin/python\n",
    "srv/.venv/pyvenv.cfg": b"home = /usr/bin\n", "srv/.venv/bin/python": b"\x7fELF",
    "usr/local/bin/entry.sh": b"#!/bin/sh\n", "usr/share/doc/pyvenv.cfg": b"", "usr/share/lib/python3.9/os.py": b"",
}  # fmt: skip
LINKS = {
    "bin": "usr/bin", "usr/bin/python3": "python3.11", "usr/local/bin/python3": "python3.12",
    "usr/local/bin/python": "python3", "opt/venv/bin/python": "/usr/local/bin/python",
    "srv/tools/python3": "/bin/python3",
}  # fmt: skip
ALL = ("opt/venv", "srv/.venv", "usr", "usr/local")


def test_all_environments_are_found() -> None:
    assert environments_in(archive_of(FILES, LINKS)) == ALL


FIRST = "the environment of the first Python on its PATH"


@pytest.mark.parametrize(
    ("path", "command", "folder", "why"),
    [
        ("/opt/venv/bin:/usr/local/bin:/bin", ("python",), "opt/venv", FIRST),
        ("/opt//venv/bin/", (), "opt/venv", FIRST),
        ("", (), "usr/local", FIRST),
        ("/bin", (), "usr", FIRST),
        ("/srv/tools:/usr/local/bin", (), "usr", FIRST),
        ("bin:/nothing:/bin", (), "usr", FIRST),
        ("", ("/opt/venv/bin/serve", "-x"), "opt/venv", "the environment of /opt/venv/bin/serve, which it runs"),
        ("", ("/srv/.venv/bin/python",), "srv/.venv", "the environment of /srv/.venv/bin/python, which it runs"),
        ("/bin", ("/usr/local/bin/entry.sh",), "usr", FIRST),
    ],
)  # fmt: skip
def test_the_environment_that_runs(path: str, command: tuple[str, ...], folder: str, why: str) -> None:
    choice = choose(archive_of(FILES, LINKS), {"PATH": path} if path else {}, command)

    assert choice is not None
    assert (choice.folder, choice.why) == (folder, why)
    assert choice.others == tuple(other for other in ALL if other != folder)


def test_the_only_environment_needs_no_path() -> None:
    files = {"python/bin/python3": b"", "python/lib/python3.13t/os.py": b""}

    choice = choose(archive_of(files), {"PATH": "/nothing"}, ())

    assert choice is not None
    assert (choice.folder, choice.why, choice.others) == ("python", "the only environment in it", ())


def test_nothing_is_chosen_where_nothing_says_it() -> None:
    assert choose(archive_of(FILES, LINKS), {"PATH": "/sbin"}, ()) is None
    assert choose(archive_of({"bin/sh": b""}), {}, ()) is None


@pytest.mark.parametrize(
    ("folder", "prefix"),
    [("opt/venv", "usr/local"), ("srv/.venv", "usr"), ("usr", "usr"), ("usr/local", "usr/local")],
)
def test_the_prefix_of_an_environment_s_python(folder: str, prefix: str) -> None:
    assert base_prefix(archive_of(FILES, LINKS), folder) == prefix


def program(machine: int, bits: int = 2, order: int = 1, loader: bytes = b"") -> bytes:
    """The beginning of an ELF executable."""
    number = machine.to_bytes(2, "little" if order == 1 else "big")
    return (b"\x7fELF" + bytes([bits, order]) + bytes(12) + number + bytes(100) + loader + b"\0").ljust(5000, b"\0")


GLIBC = b"\0GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n\0"
MUSL = b"\0musl libc (x86_64)\nVersion %s\n\0x1.2.3.4\0\x001.2.5\0"


@pytest.mark.parametrize(
    ("python", "libc", "platform"),
    [
        (program(62, loader=b"/lib64/ld-linux-x86-64.so.2"), {"usr/lib/x/libc.so.6": GLIBC}, "linux-x86_64-glibc2.36"),
        (program(183, loader=b"/lib/ld-linux-aarch64.so.1"), {"usr/lib/libc.so.6": GLIBC}, "linux-aarch64-glibc2.36"),
        (program(22, order=2, loader=b"/lib/ld64.so.1"), {"usr/lib/libc.so.6": GLIBC}, "linux-s390x-glibc2.36"),
        (program(62, loader=b"/lib/ld-musl-x86_64.so.1"), {"usr/lib/libc.so": MUSL}, "linux-x86_64-musl1.2"),
        (program(62, loader=b"/lib64/ld-linux-x86-64.so.2"), {}, "linux-x86_64"),
        (program(62), {"usr/lib/libc.so.6": GLIBC}, "linux-x86_64"),
        (program(62, bits=1), {}, ""),
        (b"#!/bin/sh\n", {}, ""),
    ],
)  # fmt: skip
def test_the_platform_is_told_by_the_python_s_own_files(python: bytes, libc: dict[str, bytes], platform: str) -> None:
    files = {"opt/bin/python3.12": python, "usr/lib/x/ld-linux-x86-64.so.2": b"", "usr/lib/ld64.so.1": b"", **libc}
    links = {
        "opt/bin/python3": "python3.12", "lib": "usr/lib", "lib64/ld-linux-x86-64.so.2": "/lib/x/ld-linux-x86-64.so.2",
        "usr/lib/ld-musl-x86_64.so.1": "libc.so",
    }  # fmt: skip

    found = platform_of(archive_of(files, links), "opt", lambda path: files.get(path, b""))

    assert (found.spelling if found else "") == platform
    assert found is None or isinstance(found, Platform)


def test_variables_that_python_heeds() -> None:
    given = {"PYTHONPATH": "/srv", "PYTHON_VERSION": "3.12.1", "LD_PRELOAD": "/x.so", "PATH": "/bin", "OLD_STYLE": "1"}

    assert variables_of_python(given) == {"LD_PRELOAD": "/x.so", "PYTHONPATH": "/srv"}
