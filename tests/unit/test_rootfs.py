"""Which environments a root file system holds, which of them runs, and for which machine it is."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from lockproof.reading.rootfs import base_prefix, choose, environments_in, platform_of, variables_of_python
from lockproof.reading.tarreader import Archive
from support.elves import elf_program

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
    archive = Archive(io.BytesIO())
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


GLIBC = b"\0GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n\0"
# As musl's loader has it: the text that it prints, and apart from it its version. What else is there is none.
MUSL = b"\x7fELF\0musl libc (x86_64)\nVersion %s\n\0001.2.3.4\0\0001.1.9x\0\0001.2.3\0"
LOADER = "/lib/ld-musl-x86_64.so.1"


@pytest.mark.parametrize(
    ("python", "libc", "platform"),
    [
        (elf_program(62, loader="/lib64/ld-linux-x86-64.so.2"), {"usr/lib/x/libc.so.6": GLIBC}, "x86_64-glibc2.36"),
        (elf_program(183, loader="/lib/ld-linux-aarch64.so.1"), {"usr/lib/libc.so.6": GLIBC}, "aarch64-glibc2.36"),
        (elf_program(22, order=">", loader="/lib/ld64.so.1"), {"usr/lib/libc.so.6": GLIBC}, "s390x-glibc2.36"),
        (elf_program(62, loader=LOADER), {"usr/lib/musl/libc.so": MUSL}, "x86_64-musl1.2"),
        (elf_program(3, bits=32, loader="/lib/ld-musl-i386.so.1"), {"lib/ld-musl-i386.so.1": MUSL}, "i686-musl1.2"),
        (elf_program(62, loader=LOADER), {"usr/lib/libc.so.6": GLIBC}, "x86_64"),
        (elf_program(62, loader=LOADER), {"usr/lib/musl/libc.so": b"\x7fELF"}, "x86_64"),
        (elf_program(62, loader="/lib64/ld-linux-x86-64.so.2"), {}, "x86_64"),
        (elf_program(62), {"usr/lib/libc.so.6": GLIBC, "usr/lib/musl/libc.so": MUSL}, "x86_64"),
        (b"#!/bin/sh\n", {}, ""),
    ],
)  # fmt: skip
def test_the_platform_is_told_by_the_python_s_own_files(python: bytes, libc: dict[str, bytes], platform: str) -> None:
    files = {"opt/bin/python3.12": python, "usr/lib/x/ld-linux-x86-64.so.2": b"", "usr/lib/ld64.so.1": b"", **libc}
    links = {"opt/bin/python3": "python3.12", "lib64/ld-linux-x86-64.so.2": "/lib/x/ld-linux-x86-64.so.2"}
    if "lib/ld-musl-i386.so.1" not in files:
        links |= {"lib": "usr/lib", "usr/lib/ld-musl-x86_64.so.1": "musl/libc.so"}

    found = platform_of(archive_of(files, links), "opt")

    assert (found.spelling if found else "") == (f"linux-{platform}" if platform else "")


def test_nothing_is_known_without_a_python() -> None:
    assert platform_of(archive_of({"opt/bin/sh": elf_program(62)}), "opt") is None


def test_variables_that_python_heeds() -> None:
    given = {"PYTHONPATH": "/srv", "PYTHON_VERSION": "3.12.1", "LD_PRELOAD": "/x.so", "PATH": "/bin", "OLD_STYLE": "1"}

    assert variables_of_python(given) == {"LD_PRELOAD": "/x.so", "PYTHONPATH": "/srv"}
