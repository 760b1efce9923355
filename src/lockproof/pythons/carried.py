"""The interpreter whose files were read together with an environment: told by its content, and never run.

Of an archive, or of a prefix, nothing can be asked. What its executable, libpython, extension modules and standard
library are is digested as `buildfiles` does it on disk; a build whose four digests are known answers for the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lockproof.pythons.buildrows import (
    EXTENSIONS,
    IMPORTABLE,
    NOT_THE_STDLIB,
    STDLIB,
    digest_without,
    part_digest,
    rows_of,
    states_its_prefix,
)
from lockproof.pythons.layout import library_marks, start_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_NAME = re.compile(r"python(3\.\d+t?)")
_PREFIX_LINE = re.compile(rb"^\s*\{?\s*'prefix': '([^'\n]+)',", re.MULTILINE)
_PATCHLEVEL = re.compile(rb'^#define PY_VERSION\s+"([\w.+]+)"', re.MULTILINE)
# The parts of a build that decide what code runs, as an Interpreter's `files` has them.
PARTS = ("executable", "libpython", EXTENSIONS, STDLIB)


@dataclass(frozen=True, kw_only=True, slots=True)
class Carried:
    """A build's files: `prefix` is its folder, `series` such as "3.12" or "3.13t", `files` the digests of its PARTS.

    `version` is exact where a header says it, else empty; `rows` are the files behind the last two digests (see
    `buildrows`). Paths are those of whatever holds it.
    """

    prefix: str
    series: str
    version: str
    files: Mapping[str, str]
    rows: Mapping[str, str]

    @property
    def identity(self) -> dict[str, str]:
        """What is known of a build that could not be asked."""
        version = {"version": self.version} if self.version else {}
        return {"implementation": "cpython", **version, **self.files}

    def is_build(self, files: Mapping[str, str]) -> bool:
        """Whether these are the digests of this build."""
        return has_files_of(self.files, files)


def has_files_of(carried: Mapping[str, str], known: Mapping[str, str]) -> bool:
    """Whether the PARTS of a build that was only read are those of one that is known.

    An executable that has no shared libpython needs none, whatever lies beside it.
    """
    return all(
        known.get(part) == carried[part] or (part == "libpython" and known.get(part) == "static") for part in PARTS
    )


class Holder:
    """What holds a build's files: path to sha256, links and their targets, texts; and where a path's links lead."""

    def __init__(
        self,
        files: Mapping[str, str],
        links: Mapping[str, str],
        texts: Mapping[str, bytes],
        real_path: Callable[[str], str],
    ) -> None:
        """All paths are in one form; `real_path` gives that of what a path leads to."""
        self.files = files
        self.links = links
        self.texts = texts
        self.real_path = real_path
        self._folders: set[str] | None = None

    def has(self, path: str) -> bool:
        """Whether there is a file at that path, or a folder with anything in it; links are followed."""
        real = self.real_path(path)
        return real in self.files or self.is_folder(real)

    def is_folder(self, path: str) -> bool:
        """Whether anything lies below that path, in which there are no links."""
        if self._folders is None:
            self._folders = set()
            for found in (*self.files, *self.links):
                folder = found.rpartition("/")[0]
                while folder and folder not in self._folders:
                    self._folders.add(folder)
                    folder = folder.rpartition("/")[0]
        return path in self._folders


def carried_build(held: Holder, executable: str) -> Carried | None:
    """The build of the executable at this path; None where not all of it is held.

    Its standard library is `lib/pythonX.Y` beside its `bin`, which is where CPython looks for it first, unless a file
    beside the executable sends it elsewhere: then nothing is known.
    """
    real = held.real_path(executable)
    folder, _, name = real.rpartition("/")
    prefix = folder.rpartition("/")[0]
    match = _NAME.match(name)
    digest = held.files.get(real)
    if match is None or digest is None or not folder.endswith("bin"):
        return None
    beside = (*start_files(name), "pyvenv.cfg", *library_marks(match[1]))
    if any(held.has(f"{folder}/{other}") for other in beside):
        return None
    start = f"{prefix}/" if prefix else ""
    library, extensions = f"{start}lib/python{match[1]}/", f"{start}lib/python{match[1]}/lib-dynload/"
    if f"{library}os.py" not in held.files or extensions.rstrip("/") in held.links:
        return None
    stdlib = dict(_importable(held, library, NOT_THE_STDLIB))
    dynload = dict(_importable(held, extensions, frozenset()))
    archive = f"python{match[1].replace('.', '')}.zip"
    stdlib |= {f"../{archive}": digest for digest in _archive(held, f"{start}lib/{archive}")}
    libpython = _libpython(held, f"{start}lib/", match[1])
    if "" in stdlib.values() or "" in dynload.values() or libpython is None:
        return None
    rows = {EXTENSIONS: rows_of(EXTENSIONS, dynload.items()), STDLIB: rows_of(STDLIB, stdlib.items())}
    return Carried(
        prefix=prefix,
        series=match[1],
        version=_version(held, start, match[1]),
        files={
            "executable": f"sha256:{digest}",
            "libpython": libpython,
            EXTENSIONS: part_digest(EXTENSIONS, rows[EXTENSIONS]) if dynload else "none",
            STDLIB: part_digest(STDLIB, rows[STDLIB]),
        },
        rows={**rows[EXTENSIONS], **rows[STDLIB]},
    )


def _importable(held: Holder, folder: str, skipped: frozenset[str]) -> Iterator[tuple[str, str]]:
    """(path below `folder`, sha256) of every importable file; sha256 "" for what is not held."""
    own_prefix = _own_prefix(held, folder)
    cut = len(folder)
    for path in held.files:
        if path.startswith(folder) and _counts(path[cut:], skipped):
            yield path[cut:], _digest(held, path, path[cut:], own_prefix)
    for path in held.links:
        if path.startswith(folder) and "/__pycache__/" not in path and path[cut:].partition("/")[0] not in skipped:
            end = held.real_path(path)
            if path.endswith(IMPORTABLE):
                yield path[cut:], _digest(held, end, path[cut:], own_prefix)
            elif end not in held.files:
                yield path[cut:], ""  # a folder, or what is not held: who knows what can be imported from there


def _digest(held: Holder, real: str, relative: str, own_prefix: bytes) -> str:
    if real not in held.files or not states_its_prefix(relative):
        return held.files.get(real, "")
    text = held.texts.get(real)
    return "" if text is None else digest_without(own_prefix, text)


def _counts(relative: str, skipped: frozenset[str]) -> bool:
    return (
        relative.endswith(IMPORTABLE)
        and relative.partition("/")[0] not in skipped
        and "__pycache__" not in relative.split("/")[:-1]
    )


def _own_prefix(held: Holder, folder: str) -> bytes:
    """The prefix that the build was configured with, as its _sysconfigdata says."""
    for path, text in sorted(held.texts.items()):
        if path.startswith(f"{folder}_sysconfigdata") and (match := _PREFIX_LINE.search(text)):
            return match[1]
    return b"\0"


def _archive(held: Holder, path: str) -> Iterator[str]:
    """The sha256 of the zip that is searched before the standard library, if there is one.

    "" for one that is not held, and for a folder of that name: Python imports from that as well.
    """
    if path in held.files or path in held.links:
        yield held.files.get(held.real_path(path), "")
    elif held.is_folder(path):
        yield ""


def _libpython(held: Holder, folder: str, series: str) -> str | None:
    """The digest of the shared library, "static" without one; None where it can't be said which one is loaded."""
    # The loader looks below glibc-hwcaps first, and takes a file by its name there as well.
    name = re.compile(rf"(glibc-hwcaps/[^/]+/)?libpython{re.escape(series)}d?\.(so[\w.]*|dylib)")
    names = [
        path
        for paths in (held.files, held.links)
        for path in paths
        if path.startswith(folder) and name.fullmatch(path[len(folder) :])
    ]
    contents = {held.files.get(held.real_path(path), "") for path in names}
    if "" in contents or len(contents) > 1:
        return None
    return f"sha256:{contents.pop()}" if contents else "static"


def _version(held: Holder, start: str, series: str) -> str:
    text = held.texts.get(f"{start}include/python{series}/patchlevel.h", b"")
    match = _PATCHLEVEL.search(text)
    return match[1].decode() + ("t" if series.endswith("t") else "") if match else ""
