"""JSON that is kept in a cache folder: whole or not at all, and never an error when it can't be had."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
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
    with contextlib.suppress(OSError):
        _write_whole(path, json.dumps(content))


def _write_whole(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
