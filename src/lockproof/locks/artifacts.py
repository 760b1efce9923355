"""What is chosen for a cell: one artifact a distribution, and the plan that holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lockproof.cells.matrix import Cell


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """One file that a lock names: what it is called, what its bytes must be, where they may be found.

    `name` is normalised (PEP 503); `sha256` is 64 hexadecimal digits; `size` is in bytes when the lock says it.
    `urls` are tried in order: http(s) URLs, or absolute `file:` URLs for a lock's `path` entries. `built_from` is the
    sdist that a wheel was built from here: the lock has the sdist's hash, and the wheel's is that of one build.
    """

    name: str
    version: str
    filename: str
    sha256: str
    size: int | None = None
    urls: tuple[str, ...] = ()
    where: str = field(default="", compare=False)  # "pylock.toml:12" or "requirements.txt:40", for messages
    built_from: Artifact | None = None

    @property
    def is_sdist(self) -> bool:
        """Whether it has to be built before it can be installed."""
        return not self.filename.endswith(".whl")

    @property
    def locked(self) -> Artifact:
        """The file that the lock names: the sdist of a wheel that was built here, or the artifact itself."""
        return self.built_from or self


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The artifacts of one cell, sorted by name, and the selector ("packaging 26.3") that chose them."""

    cell: Cell
    artifacts: tuple[Artifact, ...]
    selector: str
