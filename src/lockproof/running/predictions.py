"""Predictions, remembered: what follows from the wheels of a cell is worked out once for these wheels and that Python.

    <folder>/<key>.json      [sha256 of the text, text], the text in turn the JSON of a `Settled`

The key is the digest of everything that has a say. The facts of the single files aren't kept: they are taken from the
wheels' manifests each time, and so are the checks of what is observed. Whoever may write to the folder may lie in it,
as in the store's own records; `--paranoid` reads none of them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from lockproof import __version__
from lockproof.digests import sha256_hex
from lockproof.locks.caches import keep, kept
from lockproof.proof.fingerprint import Distribution, Finding
from lockproof.proof.prediction import Settled, predict, settle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lockproof.proof.fingerprint import Fingerprint
    from lockproof.proof.prediction import Landings
    from lockproof.pythons.layout import Layout
    from lockproof.wheels.manifest import Manifest

_SCHEMA = f"lockproof/settled/1 {__version__}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Predictions:
    """Makes predictions, for the cells of one run; `folder` is where they are remembered, None for nowhere."""

    folder: Path | None = None
    landings: Landings = field(default_factory=dict)

    def predict(
        self,
        manifests: Sequence[Manifest],
        layout: Layout,
        *,
        python: str,
        os_name: str,
        interpreter: Mapping[str, str],
        interpreter_layer: str | None,
        locked: Mapping[str, tuple[str, str]],
    ) -> Fingerprint:
        """What `prediction.predict` says; raises LockError for the same reasons."""
        settled = None
        if self.folder:
            question = [_SCHEMA, python, os_name, asdict(layout), locked, [_identity(wheel) for wheel in manifests]]
            path = self.folder / f"{sha256_hex(json.dumps(question, sort_keys=True).encode())}.json"
            settled = _read(path)
            if settled is None:
                settled = settle(manifests, layout, python, os_name, self.landings, locked)
                text = json.dumps(asdict(settled))
                keep(path, [sha256_hex(text.encode()), text])
        return predict(
            manifests,
            layout,
            python=python,
            os_name=os_name,
            interpreter=interpreter,
            interpreter_layer=interpreter_layer,
            landings=self.landings,
            locked=locked,
            settled=settled,
        )


def _identity(manifest: Manifest) -> tuple[str, str, str, str]:
    return manifest.name, manifest.version, manifest.filename, manifest.sha256


def _read(path: Path) -> Settled | None:
    match kept(path):
        case [str(digest), str(text)] if sha256_hex(text.encode()) == digest:
            data = json.loads(text)  # what we wrote ourselves, whole
        case _:
            return None
    return Settled(
        layers=data["layers"],
        distributions=tuple(
            Distribution(
                name=row["name"],
                version=row["version"],
                files=row["files"],
                roots=tuple(row["roots"]),
                artifact=row["artifact"] and tuple(row["artifact"]),
            )
            for row in data["distributions"]
        ),
        startup=tuple(data["startup"]),
        findings=tuple(Finding(*row) for row in data["findings"]),
    )
