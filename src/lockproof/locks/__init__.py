"""Readers of lock formats, one a module, each yielding the normal form of PEP 751."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

from lockproof.digests import is_sha256
from lockproof.errors import ProblemsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.pylock import Pylock
    from packaging.tags import Tag

    from lockproof.errors import LockError

INSTALLABLE_ADVICE = "Build a wheel once and lock it by URL or path and sha256, or choose a version that has wheels."
_PLAIN_FILENAME = re.compile(r"[\w.!+-]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexOptions:
    """Where a lock says its files are: URLs as written, `find_links` paths joined to the file's folder.

    They may hold passwords, so they are left out of the repr.
    """

    index_url: str | None = field(default=None, repr=False)
    extra_index_urls: tuple[str, ...] = field(default=(), repr=False)
    find_links: tuple[str, ...] = field(default=(), repr=False)
    no_index: bool = False
    trusted_hosts: tuple[str, ...] = ()


class Selection(NamedTuple):
    """The extras and groups of a cell, with normalised names (PEP 685, PEP 735)."""

    extras: frozenset[str]
    groups: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lock:
    """A lock in its normal form, with what is needed to speak of it.

    `path` is how messages name the file; `sha256` is that of its bytes (and of the files it includes);
    `lines` gives the line of each (normalised name, version), or of a name alone under version "". `places`
    says "file:line" for each of `pylock.packages`, in their order: names and versions can repeat, and a
    requirements file can include others. `folder` is the lock's own, absolute: what `path` entries are
    relative to. `notes` are warnings that don't stop anything, `options` what the lock says of the index.
    `refusals` say why packages can't be had as files, by index: errors of the cells that select them.
    `selections` are the only ones that the lock answers for; None where it answers for any.
    """

    path: str
    kind: str  # "pylock", "requirements", "uv", "poetry", "pdm", "pipenv"
    sha256: str
    pylock: Pylock
    lines: Mapping[tuple[str, str], int]
    places: tuple[str, ...] = ()
    folder: PurePath = field(default_factory=PurePath)
    notes: tuple[str, ...] = ()
    options: IndexOptions | None = None
    refusals: Mapping[int, LockError] = field(default_factory=dict)
    selections: frozenset[Selection] | None = None

    def place(self, index: int) -> str:
        """Where `pylock.packages[index]` stands, as "file:line"; the file alone when that isn't known."""
        return self.places[index] if index < len(self.places) else self.path


class WheelName(NamedTuple):
    """The parts of a wheel's file name (PEP 427); `name` and `version` are normalised (PEP 503, PEP 440)."""

    name: str
    version: str
    build: tuple[()] | tuple[int, str]
    tags: frozenset[Tag]


def is_plain_filename(text: str) -> bool:
    """Whether `text` has only the characters of distributions' file names: no separator, drive or control."""
    return _PLAIN_FILENAME.fullmatch(text) is not None


@cache
def wheel_name(filename: str) -> WheelName | None:
    """What a wheel's file name says; None when it is not one.

    Kept for the life of the process: one lock's names are asked for once a cell, and parsing 2,000 takes 20
    ms.
    """
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename  # late: see compatible_tags

    try:
        name, version, build, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return None
    return WheelName(name, str(version), build, tags)


class SdistName(NamedTuple):
    """The parts of an sdist's file name (PEP 625), normalised."""

    name: str
    version: str


def sdist_name(filename: str) -> SdistName | None:
    """What an sdist's file name says; None when it is not one."""
    from packaging.utils import InvalidSdistFilename, parse_sdist_filename  # late, as above

    try:
        name, version = parse_sdist_filename(filename)
    except InvalidSdistFilename:
        return None
    return SdistName(name, str(version))


def sha256_of(hashes: Mapping[str, str]) -> str | None:
    """The sha256 among PEP 751 `hashes`, in lower case; None without one, or when it isn't 64 hex digits."""
    for algorithm, value in hashes.items():
        if algorithm.lower() == "sha256":
            return value.lower() if is_sha256(value.lower()) else None
    return None


def raise_together(problems: Iterable[LockError]) -> None:
    """Raise nothing, the one problem, or a ProblemsError of them all in their order."""
    found = list(problems)
    if len(found) == 1:
        raise found[0]
    if found:
        raise ProblemsError(found)
