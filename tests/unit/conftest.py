"""What holds for every unit test."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def _bytecode_beside_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under `lockproof run`, bytecode goes to a folder of its own; tests look for what they make beside its source."""
    monkeypatch.setattr(sys, "pycache_prefix", None)
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
