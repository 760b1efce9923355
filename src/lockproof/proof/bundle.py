"""A bundle: the fingerprints of many environments in one folder, in which what they share lies once.

bundle.json             {"schema": "lockproof/bundle/v1"}
objects/<sha256>        manifests of files, and environments, under the digest of their own bytes
members/<name>.json     which environment that member is, its findings, and what is known about it

Files are only ever added whole, by one rename, and objects never change: any number of writers, also on other machines,
need no lock, and bundles are merged by copying one over the other. Every object is checked against its name when read.
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from lockproof.digests import is_sha256
from lockproof.errors import UnavailableError, UsageError, why_of
from lockproof.proof.manifests import address, environment_of, parse_manifest, parse_member, to_parts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lockproof.proof.fingerprint import FileFact, Fingerprint

_HEAD = b'{"schema": "lockproof/bundle/v1"}\n'
_OURS = {"bundle.json", "objects", "members"}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,127}")
_ENVIRONMENTS, _MANIFESTS = 16, 4096  # kept in memory once read


def is_bundle(folder: Path) -> bool:
    """Whether this folder is a bundle; what can't be looked into is none."""
    with suppress(OSError):
        return (folder / "bundle.json").is_file()
    return False


def find_bundle(base: Path, target: str) -> tuple[Bundle, str] | None:
    """The bundle that a target names, and the member where it names one (`FOLDER:MEMBER`), else ""."""
    if is_bundle(base / target):
        return Bundle(base / target, target), ""
    folder, colon, member = target.rpartition(":")
    if colon and folder and is_bundle(base / folder):
        return Bundle(base / folder, folder), member
    return None


def one_of(bundle: Bundle, member: str) -> Fingerprint:
    """The fingerprint of that member, or of the only one; UsageError where none of several is named."""
    names = bundle.names()
    if not member and len(names) != 1:
        raise UsageError(
            f"this is a bundle of {len(names)} fingerprints", where=bundle.named,
            remedy=f"name one of them: {bundle.named}:NAME; {_some(names)}",
        )  # fmt: skip
    return bundle.read(member or names[0])


class Bundle:
    """The bundle in one folder. Raises UsageError for a folder whose bundle.json says something else."""

    def __init__(self, folder: Path, named: str) -> None:
        """`named` is what the folder is called in messages. Nothing is made before `add`."""
        self.folder = folder
        self.named = named
        self._environment = lru_cache(_ENVIRONMENTS)(self._read_environment)
        self._manifest = lru_cache(_MANIFESTS)(self._read_manifest)
        try:
            is_other = is_bundle(folder) and (folder / "bundle.json").read_bytes() != _HEAD
        except OSError as error:
            raise UsageError("this bundle can't be read", where=named, why=why_of(error)) from error
        if is_other:
            raise UsageError(
                "this bundle is of another kind", where=f"{named}/bundle.json", why="it isn't lockproof/bundle/v1",
                remedy="read it with the version of lockproof that made it",
            )  # fmt: skip

    def add(self, name: str, fingerprint: Fingerprint) -> None:
        """Keep a fingerprint as the member `name`, in place of an earlier one.

        Raises UsageError for a name that is no plain file name, UnavailableError where the folder can't be written.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} can't be a member's name", where=self.named,
                remedy="give one with --name: letters, digits and . _ @ + -, at most 128, not starting with a sign",
            )  # fmt: skip
        try:
            parts = to_parts(fingerprint)
        except ValueError as error:
            raise UsageError("this fingerprint can't be kept", where=self.named, why=str(error)) from error
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if others := sorted({entry.name for entry in self.folder.iterdir() if entry.name[0] != "."} - _OURS):
                why = f"it holds {others[0]}"
                raise UsageError(
                    "this folder is no bundle", where=self.named, why=why, remedy="name a new or empty folder"
                )
            _put(self.folder / "bundle.json", _HEAD)
            for folder in ("objects", "members"):
                (self.folder / folder).mkdir(parents=True, exist_ok=True)
            for digest, content in parts.shared.items():
                _put(self._object(digest), content)
            _put(self.folder / "members" / f"{name}.json", parts.member)
        except OSError as error:
            raise UnavailableError("the bundle can't be written", where=self.named, why=why_of(error)) from error

    def names(self) -> list[str]:
        """The members, sorted."""
        try:
            files = [path.name for path in (self.folder / "members").iterdir()]
        except OSError as error:
            raise UsageError("this bundle can't be read", where=self.named, why=why_of(error)) from error
        return sorted(file[:-5] for file in files if file.endswith(".json") and _NAME.fullmatch(file[:-5]))

    def read(self, name: str) -> Fingerprint:
        """The fingerprint of a member, as it was added.

        Raises UsageError, naming the file, where there is none, or where a part is missing or not what its name says.
        """
        where = f"{self.named}:{name}"
        if not _NAME.fullmatch(name) or not (path := self.folder / "members" / f"{name}.json").is_file():
            raise UsageError("there is no such member in this bundle", where=where, remedy=_some(self.names()))
        try:
            text = path.read_bytes()
        except OSError as error:
            raise UsageError("this member can't be read", where=where, why=why_of(error)) from error
        member = parse_member(text, where)
        fingerprint = self._environment(member.environment)
        if fingerprint.digest != member.digest:
            raise UsageError("its digest isn't that of its content", where=where, remedy="it was altered: add it anew")
        return replace(fingerprint, findings=member.findings, about=member.about)

    def _object(self, digest: str) -> Path:
        kind, _, hexadecimal = digest.partition(":")
        if kind != "sha256" or not is_sha256(hexadecimal):
            raise UsageError("this is no address of an object", where=self.named, why=repr(digest))
        return self.folder / "objects" / hexadecimal

    def _bytes_of(self, digest: str) -> tuple[bytes, str]:
        path = self._object(digest)
        where = f"{self.named}/objects/{path.name}"
        try:
            content = path.read_bytes()
        except OSError as error:
            why = "a member refers to it" if isinstance(error, FileNotFoundError) else str(error)
            remedy = "copy the bundle again, or add that member anew"
            raise UsageError("this part of the bundle can't be read", where=where, why=why, remedy=remedy) from error
        if address(content) != digest:
            raise UsageError(
                "its content is not what its name says", where=where, remedy="it was altered: copy or add it anew"
            )
        return content, where

    def _read_environment(self, digest: str) -> Fingerprint:
        content, where = self._bytes_of(digest)
        return environment_of(content, where, self._manifest)

    def _read_manifest(self, digest: str) -> Mapping[str, FileFact]:
        content, where = self._bytes_of(digest)
        try:
            return parse_manifest(content)
        except ValueError as error:
            raise UsageError("this is no manifest", where=where, why=str(error)) from error


def _put(path: Path, content: bytes) -> None:
    """Put a file in place by one rename, unless it is there with these very bytes."""
    with suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return
    temporary = path.with_name(f".{path.name[:64]}.{secrets.token_hex(8)}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return f"its members are: {shown}{f' and {len(names) - 5} more' if len(names) > 5 else ''}"
