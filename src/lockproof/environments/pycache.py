"""Where a cell's commands keep bytecode: outside the environment, and without compiling the standard library again.

PYTHONPYCACHEPREFIX moves all bytecode, that of the standard library too, which then would be compiled anew in every
run (0.6 s and more a command). So the part of the prefix that stands for the interpreter's own library leads to a
folder of links to the bytecode that the interpreter came with, made once an interpreter and looked over before use.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.digests import sha256_hex
from lockproof.wheels.joiner import make_folders

if TYPE_CHECKING:
    from lockproof.pythons.interpreters import Interpreter

_LEFT_OUT = frozenset(("site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "turtledemo"))


def prepare_bytecode(prefix: Path, interpreter: Interpreter, cache: Path) -> None:
    """Make the empty folder `prefix` ready for PYTHONPYCACHEPREFIX; links are kept in `cache`.

    Nothing depends on it but time: where it can't be done, Python compiles what it needs.
    """
    library = _library(interpreter)
    with suppress(OSError):
        tree = _tree_of_links(library, cache)
        place = Path(f"{prefix}{library}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(tree)


def prepare_links(interpreter: Interpreter, cache: Path) -> None:
    """Make the links that `prepare_bytecode` needs, where nobody has yet; `cache` as there."""
    library = _library(interpreter)
    with suppress(OSError):
        if not _place_of(library, cache).exists():
            _tree_of_links(library, cache)


def _library(interpreter: Interpreter) -> Path:
    major, minor = interpreter.version.split(".")[:2]
    return interpreter.prefix / "lib" / f"python{major}.{minor}{'t' if interpreter.version.endswith('t') else ''}"


def _place_of(library: Path, cache: Path) -> Path:
    return cache / sha256_hex(os.fsencode(library))[:32]


def _tree_of_links(library: Path, cache: Path) -> Path:
    """The folder of links for one library: as it should be, or made anew."""
    tree = _place_of(library, cache)
    wanted = _bytecode_below(str(library))
    if _links_below(str(tree)) == wanted:
        return tree
    cache.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=cache, prefix=".new"))
    make_folders({f"{fresh}/{path}".rpartition("/")[0] for path in wanted}, {str(fresh)})
    for path, target in wanted.items():
        os.symlink(target, f"{fresh}/{path}")  # noqa: PTH211 - strings, for speed
    old = fresh.with_name(f"{fresh.name}.old")
    with suppress(FileNotFoundError):
        tree.rename(old)
    try:
        fresh.rename(tree)
    except OSError:  # another run was quicker
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    return tree


def _bytecode_below(library: str) -> dict[str, str]:
    """The bytecode of a library by the path that it has below a prefix, to where it lies."""
    found: dict[str, str] = {}
    pending = [("", library)]
    while pending:
        below, folder = pending.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name == "__pycache__":
                    for name in os.listdir(entry.path):  # noqa: PTH208 - strings, for speed
                        found[below + name] = f"{entry.path}/{name}"
                elif entry.is_dir(follow_symlinks=False) and entry.name not in _LEFT_OUT:
                    pending.append((f"{below}{entry.name}/", entry.path))
    return found


def _links_below(tree: str) -> dict[str, str]:
    """What a folder of links holds: the target of each link, and "" for anything else."""
    found: dict[str, str] = {}
    pending = [("", tree)]
    while pending:
        below, folder = pending.pop()
        with suppress(FileNotFoundError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_symlink():
                    found[below + entry.name] = os.readlink(entry.path)  # noqa: PTH115
                elif entry.is_dir(follow_symlinks=False):
                    pending.append((f"{below}{entry.name}/", entry.path))
                else:
                    found[below + entry.name] = ""
    return found
