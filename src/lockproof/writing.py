"""Files that are written whole or not at all: by one rename, so that nobody ever sees half of one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_atomically(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Put `content` at `path`, with that mode; OSError where that can't be done, and then nothing is left of it."""
    temporary = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        with temporary.open("xb") as stream:
            temporary.chmod(mode)
            stream.write(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_if_possible(path: Path, content: bytes) -> bool:
    """The same for what this user alone keeps; folders are made. False where it can't be, as in a read-only cache."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content, 0o600)
    except OSError:
        return False
    return True
