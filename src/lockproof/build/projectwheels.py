"""The project's own wheels in the store, found again by what they were built from: `<store>/builds/<key>.json`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.build.builds import write_record
from lockproof.locks import wheel_name
from lockproof.locks.artifacts import Artifact
from lockproof.locks.caches import kept

if TYPE_CHECKING:
    from lockproof.wheels.store import Store, StoreEntry


class KeptWheels:
    """Which wheel of the store was built before from the same."""

    def __init__(self, store: Store, where: str, *, anew: bool = False) -> None:
        """`where` is said of each artifact; with `anew`, only what this one has written itself is found."""
        self._store = store
        self._where = where
        self._anew = anew
        self._written: set[str] = set()

    def read(self, key: str) -> tuple[Artifact, StoreEntry] | None:
        """The wheel of a key, if the store still has it and all the folders that it names are there."""
        if self._anew and key not in self._written:
            return None
        match kept(self._record(key)):
            case {"filename": str(filename), "sha256": str(sha256)}:
                artifact = wheel_artifact(filename, sha256, self._where)
                entry = self._store.entry(artifact) if artifact else None
                return (artifact, entry) if artifact and entry and _has_its_folders(entry) else None
        return None

    def write(self, key: str, wheel: Artifact) -> None:
        """Keep a wheel, which the store has, for the next time."""
        write_record(self._record(key), {"filename": wheel.filename, "sha256": wheel.sha256})
        self._written.add(key)

    def _record(self, key: str) -> Path:
        return self._store.folder / "builds" / f"{key}.json"


def wheel_artifact(filename: str, sha256: str, where: str) -> Artifact | None:
    """A wheel that was built, as its file's name says what it is; None if that is no wheel's name."""
    parts = wheel_name(filename)
    if parts is None:
        return None
    return Artifact(name=parts.name, version=parts.version, filename=filename, sha256=sha256, where=where)


def _has_its_folders(entry: StoreEntry) -> bool:
    """Whether the folders are there that an editable wheel puts on the path: its build may have made them."""
    for file in entry.manifest.files:
        if Path(file.path).parent == Path("site") and file.path.endswith(".pth"):
            try:
                text = Path(entry.tree, file.path).read_text(encoding="utf-8", errors="surrogateescape")
            except OSError:
                return False
            places = (Path(line.strip()) for line in text.splitlines())
            if not all(place.exists() for place in places if place.is_absolute()):
                return False
    return True
