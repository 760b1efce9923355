"""A file system on which files can be cloned: Btrfs in a file, mounted for as long as a test needs it."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SIZE = 8 << 30  # bytes, of which the file has what is written


@contextmanager
def cloning_file_system(base: Path) -> Iterator[Path]:
    """A folder of that file system; skips the test, with the reason, where there can be none."""
    maker = shutil.which("mkfs.btrfs", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if maker is None or os.geteuid() != 0:
        pytest.skip("a file system that clones needs root and mkfs.btrfs (Debian: btrfs-progs)")
    image, place = base / "btrfs.image", base / "btrfs"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(_SIZE)
    for command in ([maker, "--quiet", str(image)], ["mount", "-o", "loop", str(image), str(place)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            image.unlink()
            pytest.skip(f"{command[0]}: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
        image.unlink()
