"""What a whole root file system holds: the environments in it, which of them runs, and for which machine it is.

Everything is told by the files. What an image says of itself counts only in the choice of an environment among several.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lockproof.pythons.platforms import Platform
from lockproof.reading.elf import program
from lockproof.wheels.startup import parse_pyvenv

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lockproof.reading.tarreader import Archive

_PYTHONS = ("python3", "python")
_LIBRARY = re.compile(r"(?P<prefix>(?:.*/)?)lib/python3\.\d+t?/os\.py", re.DOTALL)
# Where programs are looked for in an image that sets no PATH (moby's and podman's default).
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_VARIABLES = re.compile(r"PYTHON(?!_)\w*|LD_\w+")  # PYTHON_VERSION and its like are an image's notes to itself
_USER_SITE = re.compile(r"((?:.*/)?\.local/lib/python3\.\d+t?/site-packages)/", re.DOTALL)
_HEAD = 4096
_GLIBC = re.compile(rb"GNU C Library [^\n]*release version (?P<major>\d+)\.(?P<minor>\d+)")
# Of a loader that is musl's by its name; its version is a text of its own, which others may stand before or behind.
_MUSL = re.compile(rb"(?<![\d.])(?P<major>[1-9])\.(?P<minor>\d+)\.\d+(?:-[\w-]+)?\0")


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
            yield archive.real_path(entry), "the environment of the first Python on its PATH"


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


def user_sites(archive: Archive) -> tuple[str, ...]:
    """The folders with packages of single users (PEP 370), as their homes have them on Linux, sorted."""
    return tuple(sorted({match[1] for path in (*archive.files, *archive.links) if (match := _USER_SITE.match(path))}))


def variables_of_python(variables: Mapping[str, str]) -> dict[str, str]:
    """Those that change what Python or the loader does, by name."""
    return {name: variables[name] for name in sorted(variables) if _VARIABLES.fullmatch(name)}


def platform_of(archive: Archive, folder: str) -> Platform | None:
    """The machine that an environment's Python is made for, and the C library that it is loaded with.

    The loader that the program asks for says which C library, and that library's own bytes say its version. None for
    what is no Linux program; without a libc where the archive doesn't hold it, or it says no version.
    """
    python = _python_in(archive, f"{folder}/bin".lstrip("/"))
    told = program(archive.content(archive.real_path(python))) if python else None
    if told is None:
        return None
    machine, loader = told
    real = archive.real_path(loader)
    is_musl = posixpath.basename(loader).startswith("ld-musl-")  # musl's loader is the library itself
    library = real if is_musl else archive.real_path(f"{posixpath.dirname(real)}/libc.so.6")
    version = (_MUSL if is_musl else _GLIBC).search(archive.content(library)) if loader else None
    if version is None:
        return Platform(os="linux", machine=machine)
    numbers = (int(version["major"]), int(version["minor"]))
    return Platform(os="linux", machine=machine, libc="musl" if is_musl else "glibc", version=numbers)
