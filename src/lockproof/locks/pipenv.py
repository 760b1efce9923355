"""Stub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockproof.errors import LockError

if TYPE_CHECKING:
    from lockproof.locks.requirements import RequirementsFile


def read_pipfile(text: str, shown: str) -> RequirementsFile:
    """Not yet."""
    del text
    raise LockError("pipenv locks are not yet read", where=shown)
