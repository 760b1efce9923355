"""The closure check of cells over wheels in the store: worked out once for a set of wheels and a marker environment."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.digests import sha256_hex
from lockproof.locks.caches import keep, kept
from lockproof.proof.closure import check_closure, metadata_path, read_needs
from lockproof.proof.fingerprint import Finding
from lockproof.pythons.platforms import marker_environment, parse_python

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockproof.proof.closure import Needs
    from lockproof.running.preparation import Job
    from lockproof.wheels.store import StoreEntry

_SCHEMA = "lockproof/closure/1"


class Dependencies:
    """Checks jobs, and keeps the answers in a folder: reading the metadata of 70 wheels takes 0.3 s, an answer none."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made when there is something to keep; one that can't be written to costs time, nothing else."""
        self._folder = folder
        self._needs: dict[str, Needs] = {}

    def checked(self, job: Job) -> Job:
        """The job, its prediction with a note for each thing that a distribution requires and that is not there."""
        cell = job.cell
        environment = dict(marker_environment(parse_python(cell.python), cell.platform).items())
        wheels = sorted(entry.manifest.sha256 for entry in job.entries)
        extras = [(job.project.name, extra) for extra in sorted(cell.extras)] if job.project else []
        question = json.dumps([_SCHEMA, job.plan.selector, environment, wheels, extras], sort_keys=True)
        answered = self._folder / f"{sha256_hex(question.encode())}.json"
        findings = _read(answered)
        if findings is None:
            texts = {name: str(value) for name, value in environment.items()}
            findings = check_closure(map(self.needs_of, job.entries), texts, extras)
            keep(answered, findings)
        if not findings:
            return job
        predicted = replace(job.predicted, findings=(*job.predicted.findings, *findings))
        return replace(job, predicted=predicted)

    def needs_of(self, entry: StoreEntry) -> Needs:
        """What a wheel's metadata asks for, read once."""
        manifest = entry.manifest
        if manifest.sha256 not in self._needs:
            self._needs[manifest.sha256] = read_needs(_metadata(entry), manifest)
        return self._needs[manifest.sha256]


def _metadata(entry: StoreEntry) -> bytes:
    """A wheel's METADATA as the wheel has it, whatever has become of the store's copy."""
    path = metadata_path(entry.manifest)
    wanted = next(file for file in entry.manifest.files if file.path == path)
    with suppress(OSError):
        content = Path(entry.tree, path).read_bytes()
        if sha256_hex(content) == wanted.sha256:
            return content
    from lockproof.wheels.unpack import reread  # zipfile is needed by damaged entries only

    return reread(entry.archive, entry.manifest.sha256, wanted.member)


def _read(path: Path) -> Sequence[Finding] | None:
    rows = kept(path)
    findings = []
    for row in rows if isinstance(rows, list) else [None]:
        match row:
            case [str(code), str(where), str(message), str(level)]:
                findings.append(Finding(code, where, message, level))
            case _:
                return None
    return findings
