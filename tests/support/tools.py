"""pip and uv, where they are at hand, and commands that must succeed."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from lockproof.environments.installers import find_tool
from lockproof.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def tool(name: str) -> tuple[str, ...]:
    """The words that start uv, or pip under any other name; skips the test where it isn't at hand."""
    try:
        return tuple(find_tool("uv" if name == "uv" else "pip").command)
    except UnavailableError as error:
        pytest.skip(str(error))


def run(argv: Iterable[object], environ: Mapping[str, str], *, cwd: Path | None = None, umask: int = -1) -> str:
    """The output of a command that must succeed, with this environment and no more."""
    words = [str(word) for word in argv]
    done = subprocess.run(words, env=dict(environ), cwd=cwd, umask=umask, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout
