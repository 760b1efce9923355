"""Which distribution owns which file: RECORD as it was read, held against the files that are there (PEP 376)."""

from __future__ import annotations

import posixpath
from functools import lru_cache
from typing import TYPE_CHECKING

from lockproof.digests import hex_of_record_hash
from lockproof.proof.fingerprint import Finding
from lockproof.wheels.manifest import parse_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lockproof.proof.fingerprint import FileFact
    from lockproof.proof.readtree import ReadTree
    from lockproof.pythons.layout import Layout


def recorded_files(
    dist_info: str, tree: ReadTree, layout: Layout, facts: Mapping[str, FileFact]
) -> tuple[list[str], list[Finding]]:
    """The logical paths of the files that a distribution's RECORD lists and that are there, and what is wrong with it.

    `dist_info` is the folder below the root, `facts` what is known of files by logical path.
    """
    record = f"{dist_info}/RECORD"
    where = layout.logical(record)
    if record not in tree.texts:
        message = "is not there: its distribution's files belong to nothing"
        return [], [Finding("record-missing", where, message, "mismatch")]
    try:
        rows = _record_rows(tree.texts[record])
    except ValueError as error:
        return [], [Finding("record-unreadable", where, f"is no CSV: {error}", "mismatch")]
    site = layout.site + "/"
    files = tree.files
    owned: dict[str, None] = {}
    findings = []
    for row, digest, plain in rows:
        path = site + row if plain else posixpath.normpath(site + row.replace("\\", "/"))
        if not plain and (path.startswith(("../", "/")) or row.startswith("/")):
            message = f"has a row that leaves the environment: {row}"
            findings.append(Finding("record-escape", where, message, "mismatch"))
            continue
        logical = "site/" + row if plain else layout.logical(path)
        fact = files.get(path)
        if fact is None:
            # virtualenv lists the folders of bytecode, too, be there any or not
            if not row.endswith((".pyc", "/__pycache__")) and path not in tree.links:
                message = f"is a row of {where} without a file"
                findings.append(Finding("record-ghost", logical, message, "mismatch"))
        elif digest is not None and digest != fact[0] and path != record and _is_plain(facts.get(logical)):
            findings.append(Finding("record-hash", logical, f"is not what {where} says", "mismatch"))
        if logical in facts:
            owned[logical] = None
    return list(owned), findings


def ownership_findings(groups: Mapping[str, Iterable[str]], facts: Mapping[str, FileFact]) -> Iterator[Finding]:
    """Files that several distributions own, and those that none does; `groups` has each owner's logical paths."""
    owners: dict[str, str] = {}
    for owner, paths in groups.items():
        for path in paths:
            if path in owners:
                yield Finding("owned-twice", path, f"is in the RECORD of {owners[path]} and of {owner}", "note")
            owners[path] = owner
    for path in facts.keys() - owners.keys():
        yield Finding("unowned", path, "is owned by nothing", "mismatch")


@lru_cache(maxsize=4096)
def _record_rows(record: bytes) -> list[tuple[str, str | None, bool]]:
    """RECORD's rows as (path, sha256 in hexadecimal, whether the path is plain); environments share most of them."""
    return [
        (path, hex_of_record_hash(field) if field else None, not (path.startswith("/") or "//" in path or "./" in path))
        for path, field, _size in parse_record(record)
    ]


def _is_plain(fact: FileFact | None) -> bool:
    """Whether a file is compared as it is; wrappers and scripts are, without the path that they name."""
    return fact is None or fact.kind == "f"
