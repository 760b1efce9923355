"""What the readers of poetry's, pdm's and pipenv's locks share: tables read strictly, files, markers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lockproof.digests import is_sha256, sha256_hex
from lockproof.errors import LockError
from lockproof.locks import INSTALLABLE_ADVICE, Lock, is_plain_filename

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import PurePath

    from packaging.markers import Marker
    from packaging.pylock import Package, Pylock
    from packaging.specifiers import SpecifierSet
    from packaging.version import Version

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")  # PEP 508
_SDISTS = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz", ".tar")  # the first is what PEP 625 prescribes


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A table of a lock, where it stands, and the command that makes the lock again, for messages."""

    values: Mapping[str, object]
    where: str
    remedy: str

    def error(self, what: str, why: str = "", remedy: str = "") -> LockError:
        """An error about this table."""
        return LockError(what, where=self.where, why=why, remedy=remedy or self.remedy)

    def _wrong(self, key: str, expected: str) -> LockError:
        found = type(self.values.get(key)).__name__ if key in self.values else "nothing"
        return self.error(f"`{key}` can't be read", why=f"{expected} was expected, and {found} found")

    def text(self, key: str, default: str | None = None) -> str:
        """The string under `key`; a missing one is an error without a default."""
        value = self.values.get(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, "a text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """The list of strings under `key`, empty when it isn't there."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong(key, "a list of texts")
        return tuple(map(str, value))

    def table(self, key: str) -> Entry:
        """The table under `key`, empty when it isn't there."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self._wrong(key, "a table")
        return Entry(values=value, where=self.where, remedy=self.remedy)

    def tables(self, key: str) -> tuple[Entry, ...]:
        """The list of tables under `key`, empty when it isn't there."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self._wrong(key, "a list of tables")
        return tuple(Entry(values=item, where=self.where, remedy=self.remedy) for item in value)

    def name(self, key: str = "name") -> str:
        """The normalised distribution name under `key`."""
        return self.normal(self.text(key))

    def normal(self, name: str) -> str:
        """A name of a distribution, an extra or a group, normalised (PEP 503)."""
        from packaging.utils import canonicalize_name  # late: packaging takes 80 ms

        if not _NAME.fullmatch(name):
            raise self.error(f"{name!r} is not a name", why="letters, digits, dots, dashes and underscores make one")
        return str(canonicalize_name(name))

    def version(self, key: str = "version") -> Version:
        """The version under `key` (PEP 440)."""
        from packaging.version import InvalidVersion, Version  # late, as above

        try:
            return Version(self.text(key))
        except InvalidVersion as error:
            raise self.error(f"`{key}` can't be read", why=str(error)) from None

    def marker(self, text: str) -> Marker:
        """A marker (PEP 508), with the variables `extras` and `dependency_groups` of PEP 751."""
        from packaging.markers import Marker  # late, as above

        try:
            return Marker(text)
        except (ValueError, SyntaxError, RecursionError) as error:
            why = str(error).split("\n", 1)[0]
            raise self.error("a marker can't be read", why=f"{_clipped(text)}: {why}") from None

    def specifiers(self, text: str) -> SpecifierSet:
        """Version specifiers (PEP 440)."""
        from packaging.specifiers import InvalidSpecifier, SpecifierSet  # late, as above

        try:
            return SpecifierSet(text)
        except InvalidSpecifier as error:
            raise self.error("a requirement on Python can't be read", why=str(error)) from None


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedFile:
    """A file that an entry locks, by name, with where it may be found when the lock says that."""

    filename: str
    sha256: str
    url: str | None = None
    path: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A package of the normal form with its place, and why it can't be had as files, if so."""

    package: Package
    where: str
    refusal: LockError | None = None


def locked_file(
    entry: Entry, filename: str, written: str, url: str | None = None, path: str | None = None
) -> LockedFile:
    """The file of that name whose hash is written as `sha256:…`. Raises LockError for others."""
    algorithm, _, digest = written.partition(":")
    if not is_plain_filename(filename):
        raise entry.error(f"{filename!r} is not a plain file name")
    if algorithm != "sha256":
        raise entry.error(
            f"{filename} has no sha256",
            why=f"it has {algorithm or 'no hash'}; files are known and proven by 64 hexadecimal digits of sha256",
            remedy="Lock again from an index that gives sha256.",
        )
    if not is_sha256(digest.lower()):
        raise entry.error(f"{filename} has a hash that is no sha256", why="64 hexadecimal digits were expected")
    return LockedFile(filename=filename, sha256=digest.lower(), url=url, path=path)


def package_of(
    name: str,
    version: Version | None,
    marker: Marker | None,
    files: Sequence[LockedFile] = (),
    requires_python: SpecifierSet | None = None,
) -> Package:
    """A package of those files: all wheels, and one sdist; eggs and installers are nobody's choice (PEP 751)."""
    from packaging.pylock import Package, PackageSdist, PackageWheel  # late, as above
    from packaging.utils import canonicalize_name

    wheels = [
        PackageWheel(name=file.filename, url=file.url, path=file.path, hashes={"sha256": file.sha256})
        for file in files
        if file.filename.endswith(".whl")
    ]
    archives = [file for ending in _SDISTS for file in files if file.filename.endswith(ending)]
    sdist = PackageSdist(
        name=archives[0].filename, url=archives[0].url, path=archives[0].path, hashes={"sha256": archives[0].sha256}
    ) if archives else None  # fmt: skip
    return Package(
        name=canonicalize_name(name),
        version=version,
        marker=marker,
        requires_python=requires_python,
        wheels=wheels or None,
        sdist=sdist,
    )


def make_lock(
    text: str, shown: str, kind: str, pylock: Pylock, items: Sequence[Item], folder: PurePath, notes: Iterable[str]
) -> Lock:
    """The lock of `items`, which are those of `pylock.packages` in their order."""
    lines: dict[tuple[str, str], int] = {}
    for item in items:
        line = item.where.rpartition(":")[2]
        if line.isdecimal():
            lines.setdefault((item.package.name, str(item.package.version or "")), int(line))
            lines.setdefault((item.package.name, ""), int(line))
    return Lock(
        path=shown,
        kind=kind,
        sha256=sha256_hex(text.encode(errors="surrogatepass")),
        pylock=pylock,
        lines=lines,
        places=tuple(item.where for item in items),
        folder=folder,
        notes=tuple(notes),
        refusals={index: item.refusal for index, item in enumerate(items) if item.refusal},
    )


def source_refusal(entry: Entry, name: str, kind: str) -> LockError:
    """Why a package that is locked as a checkout, a source tree or an archive can't be had as a file."""
    why = {
        "git": "a checkout has no sha256 to prove",
        "directory": "a source tree has no hash to prove",
    }.get(kind, "only wheels with a sha256 are installed as they are")
    return entry.error(f"{name} is locked as `{kind}`", why=why, remedy=INSTALLABLE_ADVICE)


def _clipped(text: str) -> str:
    return text if len(text) < 80 else f"{text[:77]}…"
