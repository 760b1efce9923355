"""JSON that is kept in a cache folder: whole or not at all, and never an error when it can't be had."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lockproof.writing import write_if_possible

if TYPE_CHECKING:
    from pathlib import Path


def kept(path: Path) -> object:
    """What the file says; None where it isn't there or isn't whole. The caller checks every part that it uses."""
    try:
        content: object = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content


def keep(path: Path, content: object) -> None:
    """Write the file so that a reader sees all of it or nothing. A cache that can't be written costs only time."""
    write_if_possible(path, json.dumps(content).encode())
