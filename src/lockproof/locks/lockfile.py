"""The lock file that a matrix names: read, told apart by its content, completed by what an index lists."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from lockproof.digests import sha256_hex
from lockproof.errors import LockError
from lockproof.locks import IndexOptions
from lockproof.locks.caches import keep, kept
from lockproof.locks.matching import (
    ListedFile,
    Listing,
    contradicted_pins,
    matched_packages,
    matching_files,
    to_pylock,
    unmatched_error,
)
from lockproof.locks.plan import selected_packages
from lockproof.locks.pylock import read_pylock
from lockproof.locks.requirements import parse_requirements

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from lockproof.cells.matrix import Cell
    from lockproof.locks import Lock
    from lockproof.locks.requirements import Pin, RequirementsFile

CACHE_SCHEMA = "lockproof/matched-files/1"

_OTHER_FORMATS = ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock")  # the names that their tools give them


class Index(Protocol):
    """What a lock needs of an index."""

    def files_of(
        self, pins: Iterable[tuple[str, str]], wanted: Mapping[tuple[str, str], Collection[str]] | None = None
    ) -> Listing:
        """The files of each (name, version): none when the index doesn't know it; `wanted` has its hashes."""
        ...


IndexFactory: TypeAlias = Callable[[IndexOptions], Index]


class LoadedLock(NamedTuple):
    """A lock, and why packages that its cells need have no files, by their index."""

    lock: Lock
    missing: Mapping[int, LockError]


def load_lock(
    path: Path,
    cells: Sequence[Cell],
    *,
    folder_for_cache: Path,
    index_factory: IndexFactory,
    environ: Mapping[str, str],
    project: Path | None = None,
) -> LoadedLock:
    """The lock in the file `path`, which messages name as it is given here, as complete as `cells` need it.

    `project` is the folder that asks, by default the lock's: in a uv workspace it says which member is meant.
    Where a lock has hashes without file names, or one file name for several hashes, `index_factory` makes the
    index that lists files, from the lock's own options. It is asked for what a cell selects and no other. What
    was found is kept in `folder_for_cache` under the digest of the lock, so that the same lock needs no index
    again; what wasn't found is missing, and is asked again when a cell needs it. Raises LockError, or a
    ProblemsError of several; what the index raises is passed on.
    """
    return _Loading(path, cells, folder_for_cache, index_factory, environ, project).load()


def detect_format(text: str, filename: str) -> str:
    """`pylock`, `requirements`, or another format's usual name: by what the text says, else by `filename`."""
    top = re.split(r"^\s*\[", text, maxsplit=1, flags=re.MULTILINE)[0]  # what stands before the first TOML table
    if re.search(r"^lock-version\s*=", top, re.MULTILINE) or re.search(r"^\[\[packages\]\]", text, re.MULTILINE):
        return "pylock"
    if re.search(r"^\[\[package\]\]|^\[metadata\]", text, re.MULTILINE):
        if re.search(r"^lock_version\s*=", text, re.MULTILINE):
            return "pdm.lock"
        return "uv.lock" if re.search(r"^version\s*=\s*\d+\s*$", top, re.MULTILINE) else "poetry.lock"
    if text.lstrip().startswith("{") and '"_meta"' in text:
        return "Pipfile.lock"
    if filename in _OTHER_FORMATS:
        return filename
    return "pylock" if filename.endswith(".toml") else "requirements"


def describe_index(options: IndexOptions) -> str:
    """The indexes that `options` name, for messages: without user names, passwords and queries."""
    from lockproof.indexes.urls import redact  # late: only a first look-up needs it

    indexes = () if options.no_index else (*filter(None, [options.index_url]), *options.extra_index_urls)
    return ", ".join(map(redact, (*indexes, *options.find_links))) or "the configured index"


@dataclass(slots=True)
class _Files:
    """Reads the files of a lock, and remembers the digest of each."""

    digests: list[str] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """The sha256 of the one file's bytes; of several, that of their sha256 in the order of reading."""
        return self.digests[0] if len(self.digests) == 1 else sha256_hex("\n".join(self.digests).encode())

    def read(self, path: Path) -> str:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            by = "`lockproof lock` makes what `lock` names; uv.lock and its like are made by their own tools"
            remedy = f"Make it ({by}), or correct its name in matrix.yaml."
            raise LockError("there is no such lock file", where=str(path), remedy=remedy) from None
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            is_folder = os.path.isdir(path)  # noqa: PTH112 - where this user can't look, too; Path raises before 3.14
            why = "it is a folder" if is_folder else getattr(error, "strerror", None) or str(error)
            raise LockError("the lock can't be read", where=str(path), why=why, remedy="Name a file.") from None
        self.digests.append(sha256_hex(data))
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            remedy = "Save the file as UTF-8, or make the lock again."
            raise LockError("the lock is not UTF-8", where=f"{path}:{line}", remedy=remedy) from None


def _absolute(options: IndexOptions) -> IndexOptions:
    """The options with find-links that don't hang on the folder this process is in."""
    links = (link if ":" in link else str(Path(link).absolute()) for link in options.find_links)
    return replace(options, find_links=tuple(links))


@dataclass(frozen=True, slots=True)
class _Loading:
    """The arguments of `load_lock`."""

    path: Path
    cells: Sequence[Cell]
    cache: Path
    index_factory: IndexFactory
    environ: Mapping[str, str]
    project: Path | None

    def load(self) -> LoadedLock:
        files, path = _Files(), self.path
        text = files.read(path)
        kind = detect_format(text, path.name)
        if not text.strip():
            remedy = "Make it again; a lock without packages says so."
            raise LockError("the lock is empty", where=str(path), remedy=remedy)
        if kind == "requirements":
            included = parse_requirements(text, str(path), lambda target: files.read(Path(target)), self.environ)
            return self._matched(included, files)
        folder = path.absolute().parent
        if kind == "pylock":
            return self._uncontradicted(read_pylock(text, str(path), folder=folder))
        # A run needs one reader: those of other tools' own formats are imported for them only.
        if kind == "Pipfile.lock":
            from lockproof.locks.pipenv import read_pipfile

            return self._matched(read_pipfile(text, str(path), environ=self.environ), files)
        from lockproof.locks.exports import load_uv_lock, read_pyproject

        if kind == "uv.lock":
            lock = load_uv_lock(text, path, self.cells, folder_for_cache=self.cache, project=self.project)
            return self._uncontradicted(lock)
        beside = folder / "pyproject.toml"
        project = read_pyproject(beside) if beside.is_file() else None
        if kind == "poetry.lock":
            from lockproof.locks.poetry import read_poetry

            return self._uncontradicted(read_poetry(text, str(path), folder=folder, project=project))
        from lockproof.locks.pdm import read_pdm

        return self._uncontradicted(read_pdm(text, str(path), folder=folder, project=project))

    def _matched(self, pins: RequirementsFile, files: _Files) -> LoadedLock:
        """A lock of hashes without file names, with the files that the index has under them."""
        options, folder = _absolute(pins.options), self.path.absolute().parent
        return _Memory(self.cache, files.digest, options, dict(enumerate(pins.pins))).complete(
            lambda listing: replace(to_pylock(pins, listing, sha256=files.digest, folder=folder), options=options),
            self.cells,
            self.index_factory,
        )

    def _uncontradicted(self, lock: Lock) -> LoadedLock:
        """`lock` with the files of contradicted packages replaced by what the index has under their hashes.

        The configured index is asked, not `packages.index`: a mirror has the same files, and the hash decides.
        """
        pins = contradicted_pins(lock)
        if not pins:
            return LoadedLock(lock, {})

        def make(listing: Listing) -> Lock:
            packages = list(lock.pylock.packages)
            for index, package in zip(pins, matched_packages(pins.values(), listing), strict=True):
                packages[index] = replace(packages[index], wheels=package.wheels, sdist=package.sdist)
            return replace(lock, pylock=replace(lock.pylock, packages=packages), notes=(*lock.notes, note))

        names = ", ".join(sorted({pin.name for pin in pins.values()}))
        note = f"{lock.path}: one wheel name for several hashes; the index was asked which files they are: {names}"
        memory = _Memory(self.cache, lock.sha256, lock.options or IndexOptions(), pins)
        return memory.complete(make, self.cells, self.index_factory)


class _Memory:
    """The files found for some pins, kept in a JSON file; what in it isn't whole and fitting is ignored."""

    def __init__(self, folder: Path, digest: str, options: IndexOptions, pins: Mapping[int, Pin]) -> None:
        """`pins` has the index of each one's package in the lock."""
        places = (options.index_url, options.extra_index_urls, options.find_links, options.no_index)
        self._file = folder / f"{sha256_hex(json.dumps([CACHE_SCHEMA, digest, places]).encode())}.json"
        self._options = options
        self._pins = pins

    def complete(
        self, make: Callable[[Listing], Lock], cells: Sequence[Cell], index_factory: IndexFactory
    ) -> LoadedLock:
        """`make` with what is remembered, and what the index lists of pins that are missing there and needed."""
        listing = self._load()
        lock = make(listing)
        needed = selected_packages(lock, cells, self._missing(lock, self._pins))
        if not needed:
            return LoadedLock(lock, {})
        listing = self._asked([self._pins[index] for index in sorted(needed)], listing, index_factory)
        self._save(listing)
        lock, asked = make(listing), describe_index(self._options)
        missing = ((index, self._pins[index]) for index in self._missing(lock, needed))
        return LoadedLock(lock, {index: unmatched_error(pin, _listed(listing, pin), asked) for index, pin in missing})

    @staticmethod
    def _missing(lock: Lock, among: Iterable[int]) -> list[int]:
        packages = lock.pylock.packages
        return [index for index in among if not packages[index].wheels and not packages[index].sdist]

    def _asked(self, pins: Iterable[Pin], known: Listing, index_factory: IndexFactory) -> Listing:
        """What is known, with what the index lists for some pins."""
        wanted: dict[tuple[str, str], set[str]] = {}
        for pin in pins:
            wanted.setdefault((pin.name, pin.version), set()).update(pin.hashes)
        found = index_factory(self._options).files_of(wanted, wanted)
        # Pins of one version can have other hashes and markers: what one found stays when another asks.
        return {**known, **{key: (*known.get(key, ()), *found.get(key, ())) for key in wanted}}

    def _load(self) -> Listing:
        content = kept(self._file)
        entries = content.get("files") if isinstance(content, dict) else None
        listing: dict[tuple[str, str], Sequence[_FoundFile]] = {}
        for entry in entries if isinstance(entries, list) else ():
            match entry:
                case [str(name), str(version), list(rows)]:
                    listing[name, version] = [file for file in map(_found_file, rows) if file]
        return listing

    def _save(self, listing: Listing) -> None:
        entries: dict[tuple[str, str], list[list[str | int | None]]] = {}
        for pin in self._pins.values():
            for file in matching_files(pin, _listed(listing, pin)):
                rows = entries.setdefault((pin.name, pin.version), [])
                rows.append([file.filename, file.url, file.sha256, file.size])
        keep(self._file, {"schema": CACHE_SCHEMA, "files": [[*key, rows] for key, rows in entries.items()]})


def _listed(listing: Listing, pin: Pin) -> Sequence[ListedFile]:
    return listing.get((pin.name, pin.version), ())


class _FoundFile(NamedTuple):
    """A file that was found once; its hash is matched again at each use."""

    filename: str
    url: str
    sha256: str
    size: int | None


def _found_file(row: object) -> _FoundFile | None:
    match row:
        case [str(filename), str(url), str(sha256), int() | None as size]:
            return _FoundFile(filename, url, sha256, size)
    return None
