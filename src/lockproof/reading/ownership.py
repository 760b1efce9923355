"""Which distribution owns which file: RECORD as it was read, held against the files that are there (PEP 376)."""

from __future__ import annotations

import posixpath
from functools import lru_cache
from typing import TYPE_CHECKING

from lockproof.digests import hex_of_record_hashes, writes_hex
from lockproof.proof.fingerprint import Finding
from lockproof.reading.shadows import what_it_hides
from lockproof.wheels.manifest import parse_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lockproof.proof.fingerprint import FileFact
    from lockproof.pythons.layout import Layout
    from lockproof.reading.readtree import ReadTree

    # path, sha256 in hexadecimal, size, what is odd, whether the path is plain
    _Row = tuple[str, str | None, str, str, bool]


def recorded_files(
    dist_info: str, tree: ReadTree, layout: Layout, facts: Mapping[str, FileFact]
) -> tuple[list[str], list[Finding]]:
    """The logical paths of the files that a distribution's RECORD lists and that are there, and what is wrong with it.

    `dist_info` is the folder below the root, `facts` what is known of files by logical path.
    """
    record = f"{dist_info}/RECORD"
    where = layout.logical(record)
    rows, unreadable = _rows_of(record, tree, where)
    if unreadable:
        return [], [unreadable]
    site = layout.site + "/"
    files = tree.files
    owned: dict[str, None] = {}
    findings = []
    wrong: dict[str, tuple[str, Finding]] = {}  # row to real path, and what is to be said if no other row has its hash
    if writes_hex(tree.texts[record]):
        findings.append(Finding("record-hex", where, "has digests in hexadecimal", "note"))
    for row, digest, size, odd, plain in rows:
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
            wrong[row] = path, Finding("record-hash", logical, f"is not what {where} says", "mismatch")
        elif size not in ("", str(fact[1])) and path != record and _is_plain(facts.get(logical)):
            level = "note" if digest else "mismatch"  # with a true hash, it is the wheel's own RECORD that errs
            findings.append(Finding("record-size", logical, f"has another size than {where} says", level))
        if odd and fact is not None:
            findings.append(Finding("record-odd", logical, f"{odd} in {where}", "note"))
        if logical in facts:
            owned[logical] = None
    if wrong:  # pip and uv keep a wheel's own row of what they write themselves, beside theirs
        true = {row for row, digest, *_ in rows if row in wrong and digest == files[wrong[row][0]][0]}
        findings += [finding for row, (_, finding) in wrong.items() if row not in true]
    return list(owned), findings


def _rows_of(record: str, tree: ReadTree, where: str) -> tuple[Sequence[_Row], Finding | None]:
    """The rows of a RECORD, or why there are none."""
    if record not in tree.texts:
        if record in tree.files:
            return (), Finding("record-unreadable", where, "is far larger than such a file can be")
        return (), Finding("record-missing", where, "is not there: its distribution's files belong to nothing")
    try:
        return _record_rows(tree.texts[record]), None
    except ValueError as error:
        return (), Finding("record-unreadable", where, f"is no CSV: {error}")


def ownership_findings(groups: Mapping[str, Iterable[str]], facts: Mapping[str, FileFact]) -> Iterator[Finding]:
    """Files that several distributions own, and those that none does; `groups` has each owner's logical paths."""
    owners: dict[str, str] = {}
    for owner, paths in groups.items():
        for path in paths:
            if path in owners:
                yield Finding("owned-twice", path, f"is in the RECORD of {owners[path]} and of {owner}", "note")
            owners[path] = owner
    for path in facts.keys() - owners.keys():
        yield Finding("unowned", path, f"is owned by nothing{what_it_hides(path, facts)}", "mismatch")


# What no RECORD has in it whose paths are all plain, however its fields are quoted.
_ODD_SLASHES = (b"//", b"./", b"\n/", b"\r/", b'"/')


@lru_cache(maxsize=4096)
def _record_rows(record: bytes) -> Sequence[_Row]:
    """RECORD's rows; environments share most of them."""
    parsed = parse_record(record)
    digests = hex_of_record_hashes([field for _, field, _ in parsed])
    plain = not (record.startswith(b"/") or any(sign in record for sign in _ODD_SLASHES))
    return [
        (path, digest, size, _oddity(field, digest) if field else "", plain or _is_plain_path(path))
        for (path, field, size), digest in zip(parsed, digests, strict=True)
    ]


def _is_plain_path(path: str) -> bool:
    """Whether a row's path is the one that is read there, sign for sign."""
    return not (path.startswith("/") or "//" in path or "./" in path)


def _oddity(field: str, digest: str | None) -> str:
    """What is odd about a hash that isn't SHA-256, with 43 signs in base64 without padding, or 64 in hexadecimal."""
    if digest is None:
        return f"has no SHA-256 but {field.partition('=')[0][:20]}" if "=" in field else "has a hash that is none"
    signs = len(field) - len("sha256=")
    return "" if signs in (43, 64) else "has its hash in another form than base64 without padding"


def _is_plain(fact: FileFact | None) -> bool:
    """Whether a file is compared as it is; wrappers and scripts are, without the path that they name."""
    return fact is None or fact.kind == "f"
