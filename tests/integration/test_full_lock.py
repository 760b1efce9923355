"""A real lock at full size: every way to make an environment of it gives what was predicted, to the byte."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from support.overlays import PROBLEM
from support.projects import processes_of
from support.realworld import make_real_project, pythons_of_the_lock, run_patiently
from support.reports import is_right, layer_of, side_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.projects import Project
    from support.reports import Ran

pytestmark = pytest.mark.integration

KILLS = 20
COMMAND = 'python -c "import flask, numpy"'
WAYS = {
    "auto": {},
    "pip": {"installer": "pip"},
    "uv": {"installer": "uv"},
    "copy": {"link": "copy"},
    "hardlink": {"link": "hardlink"},
    "symlink": {"link": "symlink"},
    **({} if PROBLEM else {"overlay": {"link": "overlay"}}),
}


@pytest.fixture(scope="module")
def full(all_pythons: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The lock on every Python that it is for, in each of the ways; nothing of it stays on the disk."""
    base = tmp_path_factory.mktemp("full")
    project = make_real_project(base, pythons_of_the_lock(all_pythons))
    project.matrix(lock="requirements.txt", commands=[COMMAND], cells={"axes": {"way": WAYS}})
    yield project
    shutil.rmtree(base)


@pytest.fixture(scope="module")
def first(full: Project) -> Ran:
    """Every Python, the ordinary way."""
    return run_patiently(full, "*-auto")


def of_python(ran: Ran, version: str) -> str:
    """The digest of all files of the one cell of a Python."""
    return layer_of(ran.cell(f"{version}-"))


def test_every_python_gets_what_was_predicted(full: Project, first: Ran) -> None:
    is_right(first)
    assert first.ended.code == 0
    assert [cell["python"] for cell in first.cells] == list(full.pythons)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "auto"])
def test_every_way_gives_the_same_files(full: Project, first: Ran, way: str) -> None:
    ran = run_patiently(full, f"*-{way}")
    is_right(ran)
    assert [of_python(ran, version) for version in full.pythons] == [
        of_python(first, version) for version in full.pythons
    ]
    for cell in ran.cells:  # 275 MB each where they are copies
        shutil.rmtree(str(cell["environment"]))


def test_a_private_checkout_elsewhere_is_identical(full: Project, first: Ran) -> None:
    second = full.checkout(full.base / "a second checkout")
    ran = run_patiently(second, "*-auto", umask=0o077)
    is_right(ran)
    assert [side_of(ran.cell(f"{version}-")) for version in full.pythons] == [
        side_of(first.cell(f"{version}-")) for version in full.pythons
    ]


def test_clones_are_identical(full: Project, first: Ran, cloning: Path) -> None:
    second = full.checkout(cloning / "full")
    second.cache = shutil.copytree(full.cache, cloning / "full cache", symlinks=True)
    ran = run_patiently(second, "*-auto")
    is_right(ran)
    assert [cell["link"] for cell in ran.cells] == ["clone"] * len(full.pythons)
    assert [of_python(ran, version) for version in full.pythons] == [
        of_python(first, version) for version in full.pythons
    ]
    shutil.rmtree(second.cache)
    shutil.rmtree(second.folder)


def test_killed_at_random_moments_the_next_run_is_right(full: Project, first: Ran) -> None:
    started = time.monotonic()
    is_right(run_patiently(full, "*-auto", "--recreate"))
    whole = time.monotonic() - started
    chance, killed = random.Random(753), 0
    for _ in range(3 * KILLS):  # some come to their end before their moment
        process = full.start("run", "*-auto", "--recreate")
        try:
            process.communicate(timeout=chance.uniform(0, whole))  # any moment will do: nothing waits for it
            continue
        except subprocess.TimeoutExpired:
            full.kill(process)
        after = run_patiently(full, "*-auto")  # at once: nothing of the killed one may still be writing
        is_right(after)
        assert after.ended.code == 0
        assert [side_of(cell) for cell in after.cells] == [side_of(cell) for cell in first.cells]
        killed += 1
        if killed == KILLS:
            break
    assert killed == KILLS
    assert processes_of(full) == []
