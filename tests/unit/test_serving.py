"""What a worker offers: the released CPythons that are there, or those that were asked for."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from lockproof.cluster import serving
from lockproof.cluster.serving import pythons_here
from lockproof.errors import UnavailableError
from lockproof.pythons.platforms import parse_platform

if TYPE_CHECKING:
    from lockproof.pythons.interpreters import Discovery

DISCOVERY = cast("Discovery", None)
LINUX = "linux-x86_64"


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two releases, one of them twice, a build that is none, and a version that no matrix can name."""
    names = {"3.13.0t": "3.13.0t", "3.12.1": "3.12.1", "3.11.7": "3.11.7 (debug)", "3.15.0+": "3.15.0+"}
    here = [
        SimpleNamespace(version=version, label=label, platform=parse_platform(LINUX))
        for version, label in [*names.items(), ("3.12.1", "3.12.1")]
    ]
    monkeypatch.setattr(serving, "known_interpreters", lambda _: here)


def test_releases_are_offered_once_each() -> None:
    assert pythons_here(DISCOVERY, []) == [("3.12.1", LINUX), ("3.13.0t", LINUX)]
    assert pythons_here(DISCOVERY, ["3.12.1"]) == [("3.12.1", LINUX)]


@pytest.mark.parametrize("wanted", ["3.13.0", "3.11.7", "3.15.0+"])
def test_a_python_that_is_not_there_is_told(wanted: str) -> None:
    with pytest.raises(UnavailableError, match="isn't here") as caught:
        pythons_here(DISCOVERY, ["3.12.1", wanted])
    assert caught.value.why == "found: 3.12.1, 3.13.0t"


def test_the_innermost_reason_is_told_in_one_line() -> None:
    inner = OSError("connection refused\nmore")
    outer = RuntimeError("Worker failed to start.")
    outer.__cause__ = inner
    assert serving._reason(outer, 5.0) == "connection refused"
    outer.__cause__ = asyncio.CancelledError()
    assert serving._reason(outer, 5.0) == "no answer within 5 s"
