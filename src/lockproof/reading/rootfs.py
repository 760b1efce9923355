"""What a whole root file system holds: the environments in it, which of them runs, and for which machine it is.

Everything is told by the files. What an image says of itself counts only in the choice of an environment among several.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lockproof.pythons.platforms import LINUX_MACHINES, Platform
from lockproof.wheels.startup import parse_pyvenv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lockproof.reading.tarreader import Archive

_PYTHONS = ("python3", "python")
_LIBRARY = re.compile(r"(?P<prefix>(?:.*/)?)lib/python3\.\d+t?/os\.py", re.DOTALL)
# Where programs are looked for in an image that sets no PATH (moby's and podman's default).
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_VARIABLES = re.compile(r"PYTHON(?!_)\w*|LD_\w+")  # PYTHON_VERSION and its like are an image's notes to itself
_HEAD = 4096
_ELF = b"\x7fELF"
# e_machine and the class (64 bit: 2) of an ELF header: gABI, chapter 4.
_MACHINES = {
    (62, 2): "x86_64", (183, 2): "aarch64", (3, 1): "i686", (40, 1): "armv7l", (21, 2): "ppc64le", (22, 2): "s390x",
    (243, 2): "riscv64",
}  # fmt: skip
_LOADER = re.compile(rb"(/[\w./-]*/ld(?:64)?[\w.-]*\.so\.\d)\0")
_GLIBC = re.compile(rb"GNU C Library [^\n]*release version (\d+)\.(\d+)")
_MUSL = re.compile(rb"(?<![\d.])(1)\.(\d+)\.\d+[-\w]*\0")


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """An environment's folder, without a leading `/`, `why` it was chosen, and the folders of all others."""

    folder: str
    why: str
    others: tuple[str, ...]


def environments_in(archive: Archive) -> tuple[str, ...]:
    """The folders that are a virtual environment or a Python's own prefix, without a leading `/`, sorted."""
    found = set()
    for path in archive.files:
        if path.endswith("/pyvenv.cfg"):
            found.add(path.rpartition("/")[0])
        elif path.endswith("/os.py") and (match := _LIBRARY.fullmatch(path)):
            found.add(match["prefix"].rstrip("/"))
    return tuple(sorted(folder for folder in found if _python_in(archive, f"{folder}/bin".lstrip("/"))))


def choose(archive: Archive, variables: Mapping[str, str], command: Sequence[str]) -> Choice | None:
    """The only environment, or that of the Python which runs; None where that can't be said.

    What runs is the Python of the program that `command` names by its path, or else the first on PATH.
    """
    every = environments_in(archive)
    if len(every) == 1:
        return Choice(folder=every[0], why="the only environment in it", others=())
    for folder, why in _searched(archive, variables, command):
        if python := _python_in(archive, folder):
            own = posixpath.dirname(folder)
            # A Python may be linked into a folder of programs from elsewhere.
            found = own if own in every else posixpath.dirname(posixpath.dirname(archive.real_path(python)))
            if found in every:
                return Choice(folder=found, why=why, others=tuple(other for other in every if other != found))
    return None


def _searched(archive: Archive, variables: Mapping[str, str], command: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The folders, without links, in which the Python that runs may be, and in words which they are."""
    program = command[0] if command else ""
    folder = archive.real_path(posixpath.dirname(program)) if program.startswith("/") else ""
    if folder:
        name = f"{folder}/{posixpath.basename(program)}"
        first = archive.texts.get(archive.real_path(name), b"")[:_HEAD].partition(b"\n\n")[0]
        beside = f"{posixpath.dirname(program)}/python".encode("utf-8", "surrogateescape")
        if posixpath.basename(program).startswith("python") or (first.startswith(b"#!") and beside in first):
            yield folder, f"the environment of {program}, which it runs"
    for entry in (variables.get("PATH") or _DEFAULT_PATH).split(":"):
        if entry.startswith("/"):
            yield archive.real_path(posixpath.normpath(entry)), "the environment of the first Python on its PATH"


def _python_in(archive: Archive, folder: str) -> str:
    """The path of a Python in a folder; empty where there is none."""
    paths = (f"{folder}/{name}" for name in _PYTHONS)
    return next((path for path in paths if path in archive.files or path in archive.links), "")


def base_prefix(archive: Archive, folder: str) -> str:
    """The prefix of an environment's Python: the environment itself, or where its `python` leads to."""
    real = archive.real_path(_python_in(archive, f"{folder}/bin".lstrip("/")))
    prefix = posixpath.dirname(posixpath.dirname(real))
    configuration = archive.texts.get(f"{folder}/pyvenv.cfg", b"").decode("utf-8", "surrogateescape")
    home = parse_pyvenv(configuration).get("home", "")
    return archive.real_path(posixpath.dirname(home)) if prefix == folder and home else prefix


def variables_of_python(variables: Mapping[str, str]) -> dict[str, str]:
    """Those that change what Python or the loader does, by name."""
    return {name: variables[name] for name in sorted(variables) if _VARIABLES.fullmatch(name)}


def platform_of(archive: Archive, folder: str, content_of: Callable[[str], bytes]) -> Platform | None:
    """The machine that an environment's Python is made for, and the C library that it is loaded with.

    `content_of` gives a file's bytes by its path without links. None for what is no Linux program; without a libc where
    it has none, or its version isn't found.
    """
    python = _python_in(archive, f"{folder}/bin".lstrip("/"))
    head = content_of(archive.real_path(python))[:_HEAD] if python else b""
    if not head.startswith(_ELF) or len(head) < _HEAD:
        return None
    machine = _MACHINES.get((int.from_bytes(head[18:20], "little" if head[5] == 1 else "big"), head[4]))
    if machine not in LINUX_MACHINES:
        return None
    loader = _LOADER.search(head)
    if loader is None:
        return Platform(os="linux", machine=machine)
    real = archive.real_path(loader[1].decode())
    is_musl = "/ld-musl-" in loader[1].decode()
    file = real if is_musl else f"{posixpath.dirname(real)}/libc.so.6"
    version = (_MUSL if is_musl else _GLIBC).search(content_of(archive.real_path(file)))
    if version is None:
        return Platform(os="linux", machine=machine)
    return Platform(
        os="linux", machine=machine, libc="musl" if is_musl else "glibc", version=(int(version[1]), int(version[2]))
    )
