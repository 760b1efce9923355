"""The interpreter of an environment whose Python lies in a container's image: the links are read, and not followed.

What `python` leads to is meant inside the container; out here the same path may be nothing, or another Python.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from lockproof.proof.fingerprint import Finding
from lockproof.reading.surroundings import home_elsewhere
from lockproof.wheels.startup import parse_pyvenv

if TYPE_CHECKING:
    from lockproof.pythons.interpreters import Interpreter

_NAME = re.compile(r"python(?:3(?:\.\d+t?)?)?")
_LINKS = 8


def interpreter_inside(folder: Path, scripts: str, declared: Interpreter) -> tuple[Interpreter | None, Finding | None]:
    """`declared`, where every `python` of the environment in `folder` leads to it; else what is wrong.

    Its pyvenv.cfg must say the same: Python takes its standard library from where `home` is.
    """
    wanted = str(declared.executable)
    try:
        names = sorted(name for name in os.listdir(folder / scripts) if _NAME.fullmatch(name))  # noqa: PTH208 - a name each
    except OSError:
        names = []
    if "python" not in names:
        return None, Finding("interpreter", "scripts/python", "is not there")
    for name in names:
        end = _end(folder / scripts, name)
        if end != wanted:
            said = f"leads to {end}, not to {wanted} of the image" if end else "is a program of its own"
            return None, Finding("interpreter", f"scripts/{name}", said)
    try:
        home = parse_pyvenv((folder / "pyvenv.cfg").read_text(encoding="utf-8", errors="surrogateescape"))["home"]
    except (OSError, KeyError):
        home = ""
    own = str(PurePosixPath(wanted).parent)
    return declared, None if home == own else home_elsewhere(home, own)


def _end(scripts: Path, name: str) -> str:
    """The path outside that a link leads to, by links beside it at most; empty for a file."""
    for _ in range(_LINKS):
        try:
            target = os.readlink(scripts / name)  # noqa: PTH115 - as it is written
        except OSError:
            return ""
        if "/" in target:
            return target
        name = target
    return ""
