"""What lies around an environment and decides about it all the same: the place of its base, and mounts inside it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.proof.fingerprint import Finding
from lockproof.pythons.layout import library_marks, start_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lockproof.pythons.carried import Carried, Holder
    from lockproof.pythons.interpreters import Interpreter
    from lockproof.reading.tarreader import Archive

_MOUNTS = Path("/proc/self/mountinfo")  # Linux: proc_pid_mountinfo(5)
_OCTAL = re.compile(rb"\\([0-7]{3})")


def home_finding(home: str, interpreter: Interpreter) -> Finding | None:
    """Whether Python takes its standard library from where that of the interpreter lies.

    It looks for it from pyvenv.cfg's `home` upwards (PEP 405, CPython's getpath), without following links: a folder
    that is a link to the interpreter's own can have another standard library beside it.
    """
    folder = interpreter.executable.parent
    if home == str(folder):
        return None
    # Old releases of virtualenv wrote the prefix itself.
    if not Path(home).is_absolute() or Path(home).resolve() not in (folder, interpreter.prefix.resolve()):
        return home_elsewhere(home, str(folder))
    if other := next(_other_prefixes(Path(home), interpreter), None):
        return _finds_elsewhere(home, str(other))
    return _decided_beside(home, next((name for name in start_files("") if Path(home, name).exists()), ""))


def _other_prefixes(home: Path, interpreter: Interpreter) -> Iterator[Path]:
    """The folders, seen from `home`, that would be taken for the interpreter's prefix and are not."""
    prefix = interpreter.prefix.resolve()
    major, minor = interpreter.version.split(".")[:2]
    letter = "t" if interpreter.version.endswith("t") else ""
    for mark in library_marks(f"{major}.{minor}{letter}"):
        found = next((place for place in (home, *home.parents) if (place / mark).exists()), None)
        if found is not None and found.resolve() != prefix:
            yield found


def carried_home_finding(home: str, carried: Carried, holder: Holder) -> Finding | None:
    """`home_finding` for an interpreter that was read together with the environment."""
    folder, prefix = f"{carried.prefix}/bin", carried.prefix
    parts = home.rstrip("/").split("/")[1:]
    # Old releases of virtualenv wrote the prefix itself.
    ends = [holder.real_path(end) for end in (folder, prefix)]
    if not home.startswith("/") or not {"", ".", ".."}.isdisjoint(parts) or holder.real_path(home) not in ends:
        return home_elsewhere(home, f"/{folder}")
    places = ["/".join(parts[:count]) for count in range(len(parts), -1, -1)]
    for mark in library_marks(carried.series):
        found = next((place for place in places if holder.has(f"{place}/{mark}".lstrip("/"))), None)
        if found is not None and holder.real_path(found) != prefix:
            return _finds_elsewhere(home, f"/{found}")
    beside = (name for name in start_files("") if holder.has(f"{home[1:]}/{name}"))
    return _decided_beside(home, next(beside, ""))


def unread_python(archive: Archive, python: str, real: str) -> Finding | None:
    """That the program to which an environment's `python` leads is not the one that was read.

    `real` is where it leads by the word of the system that has it, which knows all links; an archive of a part of a
    file system lacks some. "" where there is no such word.
    """
    ends = [archive.real_path(python), real.strip("/")]
    first, second = (archive.files.get(end) for end in ends)
    if not real or ends[0] == ends[1] or (first and second and first[0] == second[0]):
        return None
    return Finding("interpreter", "scripts/python", f"leads to {real}, and /{ends[0]} was read", "unproven")


def _finds_elsewhere(home: str, prefix: str) -> Finding:
    message = f"says home = {home}, from where Python finds the standard library of {prefix}"
    return Finding("interpreter-home", "data/pyvenv.cfg", message)


def _decided_beside(home: str, name: str) -> Finding | None:
    """That a file in `home` sends Python elsewhere."""
    message = f"says home = {home}, where {name} decides where Python finds its standard library"
    return Finding("interpreter-home", "data/pyvenv.cfg", message) if name else None


def home_elsewhere(home: str, folder: str) -> Finding:
    """That pyvenv.cfg's `home` is not the folder of its interpreter."""
    return Finding("interpreter-home", "data/pyvenv.cfg", f"says home = {home}, its interpreter is in {folder}")


def mount_findings(root: str) -> list[Finding]:
    """The mounts below an environment's folder, which is given without links; none where the system doesn't tell."""
    try:
        rows = _MOUNTS.read_bytes().splitlines()
    except OSError:
        return []
    points = {_OCTAL.sub(lambda match: bytes([int(match[1], 8)]), row.split()[4]) for row in rows}
    below = os.fsencode(root) + b"/"
    inside = sorted(os.fsdecode(point[len(below) :]) for point in points if point.startswith(below))
    return [Finding("mount", f"data/{path}", "is mounted there from elsewhere") for path in inside]
