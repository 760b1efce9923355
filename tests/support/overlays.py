"""Whether overlays can be had on this machine: tests that need them are skipped, with the kernel's reason."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from lockproof.environments.overlay import overlay_problem


def _problem() -> str:
    with tempfile.TemporaryDirectory() as folder:
        return overlay_problem(Path(folder))


PROBLEM = _problem()
needs_overlays = pytest.mark.skipif(bool(PROBLEM), reason=PROBLEM)
