"""--offline: no connection is made by anything, and what is missing is named with the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.projects import SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.loopback import LoopbackIndex
    from support.projects import Project

pytestmark = pytest.mark.integration

# Every Python that the command line starts with its own environment notes here what it wants of the network.
_GUARD = """\
import os, sys

def guard(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        with open({log!r}, "a") as log:
            log.write(event + "\\n")
        raise OSError("the test allows no connection")

sys.addaudithook(guard)
"""


def guarded(project: Project) -> Path:
    """Let the project's command lines fail at every connection, and note it in the file that is returned."""
    log = project.base / "connections.txt"
    folder = project.base / "guard"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_GUARD.format(log=str(log)))
    project.variables["PYTHONPATH"] = f"{folder}:{SOURCES}"
    return log


def test_the_guard_sees_connections(small: Project, serve: Callable[[Project], LoopbackIndex]) -> None:
    small.wheel("plain", "1.0")
    small.lock(index=serve(small).base)
    small.matrix()
    log = guarded(small)
    assert small("predict").code == 4
    assert "socket.getaddrinfo" in log.read_text()


@pytest.mark.parametrize("installer", ["lockproof", "pip", "uv"])
def test_a_filled_store_needs_no_network(
    small: Project, serve: Callable[[Project], LoopbackIndex], installer: str
) -> None:
    small.wheel("plain", "1.0")
    index = serve(small)
    small.requirements(f"--index-url {index.url}")
    small.matrix(lock="requirements.txt", installer=installer, commands=["python -c 'import plain'"])
    assert small("predict").code == 0
    log, before = guarded(small), index.connections
    ran = small.run("--offline")
    assert (ran.statuses, ran.ended.code) == (["passed"], 0)
    assert small("predict", env={"LOCKPROOF_OFFLINE": "1"}).code == 0
    assert not log.exists()
    assert index.connections == before


def test_wheels_that_are_not_there_are_all_named(small: Project, serve: Callable[[Project], LoopbackIndex]) -> None:
    for name in ("one", "two"):
        small.wheel(name, "1.0")
    index = serve(small)
    small.lock(index=index.base)
    small.matrix()
    log = guarded(small)
    ran = small.run("--offline")
    assert (ran.statuses, ran.ended.code) == (["error"], 4)
    assert ran.cell()["reason"] == (
        "2 wheels are not in the store: one-1.0-py3-none-any.whl, two-1.0-py3-none-any.whl; the network is not used "
        "with --offline\n  Run once without --offline, or name a folder that has the files as pip's find-links."
    )
    assert not log.exists()
    assert index.connections == 0


def test_an_index_that_was_never_asked(small: Project, serve: Callable[[Project], LoopbackIndex]) -> None:
    for name in ("one", "two"):
        small.wheel(name, "1.0")
    index = serve(small)
    small.requirements(f"--index-url {index.url}")
    small.matrix(lock="requirements.txt")
    log = guarded(small)
    ended = small("run", "--offline")
    assert ended.code == 4
    assert "which files there are of one 1.0, two 1.0 isn't known" in ended.err
    assert not log.exists()
    assert index.connections == 0


def test_local_files_are_no_network(small: Project) -> None:
    small.wheel("plain", "1.0")
    small.lock()
    small.matrix()
    guarded(small)
    assert small.run("--offline").statuses == ["passed"]
    small.variables["PIP_FIND_LINKS"] = str(small.base / "wheels")
    small.requirements("--index-url https://index.invalid/simple")
    small.matrix(lock="requirements.txt")
    assert small.run("--offline").statuses == ["passed"]


def test_a_lock_is_made_of_what_the_resolver_has_at_hand(
    small: Project, serve: Callable[[Project], LoopbackIndex]
) -> None:
    small.wheel("plain", "1.0")
    index = serve(small)
    small.variables |= {"PIP_INDEX_URL": index.url, "UV_CACHE_DIR": str(small.base / "uv")}
    small.write("requirements.in", "plain\n")
    small.matrix(lock="requirements.txt", sources=["requirements.in"])
    ended = small("lock", "--offline")
    assert (ended.code, index.connections) == (4, 0), ended
    assert not (small.folder / "requirements.txt").exists()
    ended = small("lock", "--offline", "--resolver", "pip-tools")
    assert (ended.code, index.connections) == (2, 0), ended
    assert small("lock").code == 0
    before = index.connections
    assert small("run", "--offline").code == 4  # the lock's own look-up and the wheel
    assert index.connections == before
