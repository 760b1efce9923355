"""The bytes behind facts, where they are at hand: in an environment's folder, or in the store's wheels.

What is handed out has the digest of the fact that it was asked for; wherever it was found, it is that file's content.
"""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from typing import TYPE_CHECKING

from lockproof.digests import sha256_hex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from lockproof.proof.fingerprint import FileFact
    from lockproof.wheels.store import StoreEntry

    Contents = Callable[[str, FileFact], bytes | None]

_PLACES = {
    "site": ("lib/python*/site-packages", "Lib/site-packages", "lib/python*/dist-packages"),
    "scripts": ("bin", "Scripts"),
    "headers": ("include/site/python*", "Include"),
}


def nothing(_path: str, _fact: FileFact) -> bytes | None:
    """The contents of what is known by digests only, such as a saved fingerprint."""
    return None


def folder_contents(root: Path) -> Contents:
    """The contents of the files below an environment's folder, by their logical paths."""
    folders = {area: [place for glob in globs for place in sorted(root.glob(glob))] for area, globs in _PLACES.items()}
    folders["data"] = [root]

    def read(path: str, fact: FileFact) -> bytes | None:
        area, _, rest = path.partition("/")
        return _fitting((_bytes_of(folder / rest, fact.size) for folder in folders.get(area, ())), fact)

    return read


def wheel_contents(entries: Iterable[StoreEntry]) -> Contents:
    """The contents of files as they lie in these wheels' archives, by their digests."""
    known = {file.sha256: (entry.archive, file.member) for entry in entries for file in entry.manifest.files}

    def read(_path: str, fact: FileFact) -> bytes | None:
        found = known.get(fact.value)
        return _fitting([_member_of(*found, fact.size)], fact) if found else None

    return read


def _fitting(candidates: Iterable[bytes | None], fact: FileFact) -> bytes | None:
    return next((content for content in candidates if content is not None and sha256_hex(content) == fact.value), None)


def _bytes_of(path: Path, size: int) -> bytes | None:
    """At most `size` + 1 bytes of a plain file; what took its place since must neither be followed nor block."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except (OSError, ValueError):
        return None
    try:
        return os.read(descriptor, size + 1) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _member_of(archive: Path, member: str, size: int) -> bytes | None:
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(member) as stream:
            return stream.read(size + 1)
    except (OSError, KeyError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        return None
