"""A fingerprint in parts that others can share: its files as manifests, all that identifies it, and the rest.

A manifest is the canonical text of some files, under the digest of that text: for a distribution it is the one that the
fingerprint itself gives for its files. What a fleet has in common is then one and the same manifest.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

from lockproof.digests import sha256_hex
from lockproof.errors import UsageError, why_malformed
from lockproof.proof.fingerprint import FileFact, files_text, finding_from_json, finding_to_json, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lockproof.proof.fingerprint import Finding, Fingerprint

MEMBER = "lockproof/member/v1"
ENVIRONMENT = "lockproof/shared/v1"
_TITLE = b"lockproof files 1\n"
_LINE = re.compile(rb"([^\0]+)\0([^\0]+)\0([^\0\n]*(?:\0n[^\0\n]*)*)\n")


class Parts(NamedTuple):
    """A fingerprint in parts: what is shared by address (`sha256:…` of the bytes), and what is its own."""

    shared: Mapping[str, bytes]  # manifests, and one environment that refers to them
    member: bytes


class MemberText(NamedTuple):
    """What a member says: which environment it is, and what no digest covers."""

    environment: str
    digest: str
    findings: tuple[Finding, ...]
    about: Mapping[str, str]


def to_parts(fingerprint: Fingerprint) -> Parts:
    """The parts of a fingerprint. Raises ValueError for files that no canonical line can stand for."""
    texts = [files_text(files) for files in _by_owner(fingerprint)]
    manifests = {address(text): text for text in texts}
    read: dict[str, FileFact] = {}
    for text in texts:
        read |= parse_manifest(text)
    if read != fingerprint.files:
        raise ValueError("its files can't be told from their canonical lines")
    whole = to_json(fingerprint)
    own = ("about", "findings", "files")
    document = {k: v for k, v in whole.items() if k not in own} | {
        "schema": ENVIRONMENT,
        "manifests": sorted(manifests),
    }
    environment = _encoded(document)
    member = {
        "schema": MEMBER,
        "digest": fingerprint.digest,
        "environment": address(environment),
        "about": dict(fingerprint.about),
        "findings": [finding_to_json(finding) for finding in fingerprint.findings],
    }
    return Parts(manifests | {address(environment): environment}, _encoded(member))


def environment_of(text: bytes, where: str, manifest: Callable[[str], Mapping[str, FileFact]]) -> Fingerprint:
    """What an environment's document stands for, without findings; `manifest` gives files by address.

    Raises UsageError as `from_json` does, where the parts are not those of one and the same fingerprint.
    """
    files: dict[str, FileFact] = {}
    try:
        document = json.loads(text)
        for digest in document["manifests"]:
            files |= manifest(str(digest))
        document["findings"] = []
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError("this is no part of a bundle", where=where, why=why_malformed(error)) from error
    return from_json(json.dumps(document), where, schema=ENVIRONMENT, files=files)


def parse_member(text: bytes, where: str) -> MemberText:
    """What a member's document says; UsageError for anything else."""
    try:
        document = json.loads(text)
        if document["schema"] != MEMBER:
            raise ValueError(f"its schema is {document['schema']!r}, not {MEMBER!r}")
        return MemberText(
            environment=str(document["environment"]),
            digest=str(document["digest"]),
            findings=tuple(map(finding_from_json, document["findings"])),
            about={str(k): str(v) for k, v in document["about"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError("this is no member of a bundle", where=where, why=why_malformed(error)) from error


def parse_manifest(text: bytes) -> dict[str, FileFact]:
    """The files of a manifest by path; ValueError where it isn't one."""
    if not text.startswith(_TITLE):
        raise ValueError("it is not a manifest of files")
    files = {}
    position = len(_TITLE)
    while position < len(text):
        line = _LINE.match(text, position)
        if line is None:
            raise ValueError(f"byte {position} begins no line of a manifest")
        path, kind, payload = (part.decode("utf-8", "surrogateescape") for part in line.groups())
        value, _, size = payload.rpartition(" ")
        if kind in ("f", "s") and size.isascii() and size.isdigit():
            files[path] = FileFact(kind, value, int(size))
        else:
            files[path] = FileFact(kind, payload.replace("\0n", "\n"))
        position = line.end()
    return files


def address(content: bytes) -> str:
    """The address of some bytes: `sha256:` and the digest."""
    return f"sha256:{sha256_hex(content)}"


def _encoded(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"


def _by_owner(fingerprint: Fingerprint) -> list[Mapping[str, FileFact]]:
    """The files below each distribution's roots, and those below none; every file is in one of them."""
    owner_of = {root: dist.name for dist in fingerprint.distributions for root in dist.roots}
    owners: dict[str, str] = {}  # by folder
    groups: dict[str, dict[str, FileFact]] = {}
    for path, fact in fingerprint.files.items():
        owner = owner_of.get(path)
        if owner is None:
            folder = path.rpartition("/")[0]
            if folder not in owners:
                owners[folder] = _owner_of_folder(folder, owner_of)
            owner = owners[folder]
        groups.setdefault(owner, {})[path] = fact
    return list(groups.values())


def _owner_of_folder(folder: str, owner_of: Mapping[str, str]) -> str:
    while folder:
        if f"{folder}/" in owner_of:
            return owner_of[f"{folder}/"]
        folder = folder.rpartition("/")[0]
    return ""
