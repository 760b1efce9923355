"""Bytecode of wheels: made by us once a wheel and interpreter, kept in the store, verified like every other byte.

An environment holds no bytecode. What its commands imported is compiled after they are done, from the store's sources,
by the same interpreter, and next time lies ready below PYTHONPYCACHEPREFIX as links. Nothing that a command wrote is
ever taken over.

    wheels/<ab>/<sha256>/compiled/<interpreter>/<name>.pyc, index.json
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

from lockproof.digests import sha256_hex
from lockproof.reading.reader import ChangedDuringRead, read_file
from lockproof.wheels.joiner import make_folders
from lockproof.writing import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from lockproof.pythons.interpreters import Interpreter
    from lockproof.wheels.store import StoreEntry

    Row = tuple[str, int, int, int, int]
    # logical path of the source to (sha256, size, mtime_ns, inode, ctime_ns) of its bytecode
    Index = dict[str, Row]
    # (logical path of the source, real path of its bytecode, what that was)
    Placed = list[tuple[str, str, Row]]

# Runs inside the base interpreter: [source, sha256, target] rows in, the sha256 of what was written (or "") a line out.
# Bytecode of the ordinary kind (PEP 552): Python itself holds it against the source's mtime and size at every import.
_COMPILE = r"""
import hashlib, importlib.util, json, marshal, os, struct, sys
for source, expected, target in json.load(sys.stdin):
    digest = ""
    try:
        with open(source, "rb") as stream:
            status = os.fstat(stream.fileno())
            text = stream.read()
        if hashlib.sha256(text).hexdigest() == expected:
            code = compile(text, source, "exec", dont_inherit=True, optimize=0)
            stamp = struct.pack("<III", 0, int(status.st_mtime) & 0xFFFFFFFF, len(text) & 0xFFFFFFFF)
            data = importlib.util.MAGIC_NUMBER + stamp + marshal.dumps(code)
            with open(target + ".new", "wb") as stream:
                stream.write(data)
            os.chmod(target + ".new", 0o444)
            os.replace(target + ".new", target)
            digest = hashlib.sha256(data).hexdigest()
    except Exception:
        pass
    print(digest, flush=True)
"""


def place_compiled(
    prefix: Path, site: Path, entries: Iterable[StoreEntry], interpreter: Interpreter, *, paranoid: bool = False
) -> Placed:
    """Link what the store has compiled for this interpreter to where Python looks for it below `prefix`.

    Each file is hashed again where its lstat isn't what it was, or `paranoid` asks for it; a wrong one is removed.
    Returns what was placed, to be looked over once the commands are done.
    """
    ending = f".{_cache_tag(interpreter)}.pyc"
    below = f"{prefix}{site}/"
    placed: Placed = []
    for entry in entries:
        folder = _folder(entry, interpreter)
        for path, row in _load(folder).items():
            real = f"{folder}/{_name(path)}"
            if _is_right(real, row, paranoid=paranoid):
                placed.append((path, real, row))
    links = [(real, below + path[5:].removesuffix(".py") + ending) for path, real, _ in placed]
    make_folders({link.rpartition("/")[0] for _, link in links}, set())
    for target, link in links:
        with suppress(OSError):
            os.symlink(target, link)  # noqa: PTH211 - strings, for speed
    return placed


def changed_compiled(placed: Placed) -> list[str]:
    """The logical paths of sources whose bytecode was changed where it lay ready; it is removed."""
    return [path for path, real, row in placed if not _is_right(real, row, paranoid=False)]


def compile_imported(prefix: Path, site: Path, entries: Sequence[StoreEntry], interpreter: Interpreter) -> None:
    """Compile into the store what commands imported from these wheels and had to compile for themselves."""
    owners = {path: (entry, sha256) for entry in entries for path, sha256 in entry.files if path.endswith(".py")}
    missing: dict[str, list[tuple[str, str]]] = {}
    by_tree = {entry.tree: entry for entry in entries}
    for path in _written_below(f"{prefix}{site}", f".{_cache_tag(interpreter)}.pyc"):
        if path in owners:
            entry, sha256 = owners[path]
            missing.setdefault(entry.tree, []).append((path, sha256))
    rows = []
    for tree, files in missing.items():
        folder = _folder(by_tree[tree], interpreter)
        with suppress(OSError):  # a store that can't be written to costs time, no more
            folder.mkdir(parents=True, exist_ok=True)
            rows += [(f"{tree}/{path}", sha256, f"{folder}/{_name(path)}") for path, sha256 in files]
    if not rows:
        return
    done = subprocess.run(
        [str(interpreter.executable), "-I", "-S", "-B", "-W", "ignore", "-c", _COMPILE],
        input=json.dumps(rows).encode(),
        capture_output=True,
        check=False,
        env={"PATH": os.defpath},
    )
    digests = dict(zip((target for _, _, target in rows), done.stdout.decode().splitlines(), strict=False))
    for tree, files in missing.items():
        _remember(_folder(by_tree[tree], interpreter), [path for path, _ in files], digests)


def _cache_tag(interpreter: Interpreter) -> str:
    major, minor = interpreter.version.split(".")[:2]
    return f"cpython-{major}{minor}"


def _folder(entry: StoreEntry, interpreter: Interpreter) -> Path:
    return entry.folder / "compiled" / interpreter.layer[7:23]


def _name(path: str) -> str:
    return f"{sha256_hex(path.encode('utf-8', 'surrogateescape'))[:24]}.pyc"


def _load(folder: Path) -> Index:
    with suppress(OSError, ValueError, TypeError, AttributeError, LookupError, RecursionError):
        rows = json.loads((folder / "index.json").read_bytes())
        return {
            str(path): (str(row[0]), int(row[1]), int(row[2]), int(row[3]), int(row[4])) for path, row in rows.items()
        }
    return {}


def _is_right(real: str, row: Row, *, paranoid: bool) -> bool:
    """Whether a file is unchanged since it was hashed, or has its digest still; one that hasn't is removed."""
    try:
        status = os.lstat(real)
        if not paranoid and (status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns) == row[1:]:
            return True
        if read_file(real, status, keep=False)[0] == row[0]:
            return True
    except (OSError, ChangedDuringRead):
        pass
    with suppress(OSError):
        os.unlink(real)  # noqa: PTH108
    return False


def _remember(folder: Path, paths: Iterable[str], digests: dict[str, str]) -> None:
    index = _load(folder)
    for path in paths:
        target = f"{folder}/{_name(path)}"
        digest = digests.get(target, "")
        with suppress(OSError):
            status = os.lstat(target)
            if digest:
                seen = (status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)
                index[path] = (digest, *seen)
    with suppress(OSError):
        write_atomically(folder / "index.json", json.dumps(index).encode())


def _written_below(root: str, ending: str) -> list[str]:
    """The logical paths of sources whose bytecode commands wrote below `root`; links are what we had placed."""
    found = []
    pending = [("site/", root)]
    while pending:
        below, folder = pending.pop()
        with suppress(FileNotFoundError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append((f"{below}{entry.name}/", entry.path))
                elif entry.is_file(follow_symlinks=False) and entry.name.endswith(ending):
                    found.append(below + entry.name.removesuffix(ending) + ".py")
    return found
