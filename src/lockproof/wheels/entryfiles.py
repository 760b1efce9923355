"""The files that we add to a wheel's own: INSTALLER, RECORD's rows for site-packages, and the store's manifest.json.

Pure: what they hold follows from the wheel's manifest alone, so it is the same in every store and environment.
"""

from __future__ import annotations

import hashlib
import json

from lockproof.digests import record_hash
from lockproof.proof.fingerprint import FileFact, Finding
from lockproof.wheels.launchers import EntryPointScript
from lockproof.wheels.manifest import LandingFile, LandingScript, Manifest

INSTALLER = b"lockproof\n"
_FORMAT = 2

# (logical path, sha256) of INSTALLER and RECORD, which every installer writes itself.
Added = list[tuple[str, str]]


def installer_files(manifest: Manifest, record: bytes) -> Added:
    """(logical path, sha256) of the two files that we add to a wheel's own: INSTALLER, and `static_record`."""
    folder = f"site/{manifest.dist_info}"
    return [
        (f"{folder}/INSTALLER", hashlib.sha256(INSTALLER).hexdigest()),
        (f"{folder}/RECORD", hashlib.sha256(record).hexdigest()),
    ]


def static_record(manifest: Manifest) -> bytes:
    """The rows of RECORD that are the same in every environment: those of files in site-packages."""
    rows = [(file.path[5:], record_hash(file.sha256), file.size) for file in manifest.files if file.path[:5] == "site/"]
    installer = record_hash(hashlib.sha256(INSTALLER).hexdigest())
    rows.append((f"{manifest.dist_info}/INSTALLER", installer, len(INSTALLER)))
    lines = [f"{quoted(path)},{digest},{size}\n" for path, digest, size in sorted(rows)]
    return "".join([*lines, f"{manifest.dist_info}/RECORD,,\n"]).encode("utf-8", "surrogateescape")


def quoted(path: str) -> str:
    """A path as a CSV field."""
    return '"' + path.replace('"', '""') + '"' if any(sign in path for sign in ',"\r\n') else path


def manifest_to_json(manifest: Manifest, added: Added) -> bytes:
    """A manifest as it lies in the store, with what is added to its files."""
    fields = {field: getattr(manifest, field) for field in manifest.__slots__}
    return json.dumps({"format": _FORMAT, "added": added, **fields}).encode()


def manifest_from_json(content: bytes) -> tuple[Manifest, Added]:
    """Read a manifest back, and what is added to its files; ValueError for anything else."""
    try:
        data = json.loads(content)
        if data.pop("format") != _FORMAT:
            raise ValueError("another format")
        added = [(str(path), str(sha256)) for path, sha256 in data["added"]]
        manifest = Manifest(
            name=str(data["name"]),
            version=str(data["version"]),
            filename=str(data["filename"]),
            sha256=str(data["sha256"]),
            dist_info=str(data["dist_info"]),
            files=tuple(LandingFile(*row) for row in data["files"]),
            scripts=tuple(LandingScript(row[0], row[1], row[2], FileFact(*row[3])) for row in data["scripts"]),
            launchers=tuple(EntryPointScript(*row) for row in data["launchers"]),
            startup=tuple(map(str, data["startup"])),
            findings=tuple(Finding(*row) for row in data["findings"]),
        )
    except (KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise ValueError(f"no manifest: {error}") from error
    return manifest, added
