"""The project's `.lockproof` folder: an environment a cell, their records, logs and locks.

.lockproof/<cell id>/           the environment, to be activated, opened in an editor, verified
.lockproof/.state/<cell id>.json   what it was proven to be; there only while that holds
.lockproof/.state/<cell id>.look   what it looked like then (`reading.lastlook`)
.lockproof/.state/<cell id>.lock   held by the run that uses the cell
.lockproof/.logs/<cell id>.log     the output of its commands
.lockproof/.copies/<cell id>/      the project as the commands of a container cell see it that asked for a copy
.lockproof/.bytecode/<cell id>/    PYTHONPYCACHEPREFIX of its commands, emptied before each run
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lockproof.wheels.store import remove_tree
from lockproof.writing import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lockproof.proof.fingerprint import Fingerprint


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What an environment was proven to be: its cell, the lock's sha256, the fingerprint's digest, how it was made."""

    cell: str
    platform: str
    lock: str
    digest: str
    layers: Mapping[str, str]
    link: str
    mode: str
    installer: str


class Workspace:
    """The `.lockproof` folder of one project."""

    def __init__(self, folder: Path) -> None:
        """Nothing is made before `prepare`."""
        self.folder = folder

    def prepare(self) -> None:
        """Make the folder, one that git ignores and backups skip; OSError where that can't be."""
        (self.folder / ".state").mkdir(parents=True, exist_ok=True)
        (self.folder / ".logs").mkdir(exist_ok=True)
        for name, text in (
            (".gitignore", "*\n"),
            ("CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n# Environments of lockproof\n"),
        ):
            if not (self.folder / name).exists():
                write_atomically(self.folder / name, text.encode())

    def environment(self, cell: str) -> Path:
        """Where a cell's environment lies."""
        return self.folder / cell

    def log(self, cell: str) -> Path:
        """The log of a cell's commands."""
        return self.folder / ".logs" / f"{cell}.log"

    def lock(self, cell: str) -> Path:
        """The file whose lock says that a run is using the cell."""
        return self.folder / ".state" / f"{cell}.lock"

    def look(self, cell: str) -> Path:
        """What a cell's environment looked like when it was last proven."""
        return self.folder / ".state" / f"{cell}.look"

    def bytecode(self, cell: str) -> Path:
        """Where a cell's commands keep their bytecode."""
        return self.folder / ".bytecode" / cell

    def copy(self, cell: str) -> Path:
        """Where the copy of the project lies that a cell's commands may write to."""
        return self.folder / ".copies" / cell

    def record(self, cell: str) -> Record | None:
        """What the cell's environment was last proven to be; None where nothing holds."""
        return read_record(self.environment(cell))

    def forget(self, cell: str) -> None:
        """Say that nothing is known of the cell's environment any more; done before it is touched."""
        (self.folder / ".state" / f"{cell}.json").unlink(missing_ok=True)

    def keep(self, cell: str, record: Record) -> None:
        """Say what the environment was proven to be."""
        fields = {name: getattr(record, name) for name in Record.__slots__}
        write_atomically(self.folder / ".state" / f"{cell}.json", json.dumps(fields).encode())

    def clear_bytecode(self, cell: str) -> None:
        """Empty the cell's bytecode folder: what an earlier run left there is not vouched for."""
        remove_tree(self.bytecode(cell))


def read_record(environment: Path) -> Record | None:
    """The record that lies beside an environment, if a run of ours made it and proved it."""
    path = environment.parent / ".state" / f"{environment.name}.json"
    try:
        data = json.loads(path.read_bytes())
        fields = {name: data[name] for name in Record.__slots__}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    texts = (value for name, value in fields.items() if name != "layers")
    if not isinstance(fields["layers"], dict) or not all(isinstance(text, str) for text in texts):
        return None
    return Record(**fields)


def describe_origin(environment: Path, fingerprint: Fingerprint) -> Mapping[str, str]:
    """What a saved fingerprint says about itself: cell, platform, lock, and whether it still is what was proven."""
    record = read_record(environment)
    if record is None:
        return {}
    unchanged = all(
        fingerprint.layers.get(k) == v for k, v in record.layers.items() if k not in ("artifacts", "project")
    )
    verdict = "match" if unchanged and all(f.level == "note" for f in fingerprint.findings) else "mismatch"
    return {"cell": record.cell, "platform": record.platform, "lock": f"sha256:{record.lock}", "verdict": verdict}
