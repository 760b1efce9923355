"""A real lock at full size: every way to make an environment of it gives what was predicted, to the byte."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from support.realworld import make_real_project, pythons_of_the_lock, run_patiently
from support.reports import is_right, layer_of, side_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.projects import Project
    from support.reports import Ran

pytestmark = pytest.mark.integration

COMMAND = 'python -c "import flask, numpy"'
WAYS = {
    "auto": {},
    "pip": {"installer": "pip"},
    "uv": {"installer": "uv"},
    "copy": {"link": "copy"},
    "hardlink": {"link": "hardlink"},
    "symlink": {"link": "symlink"},
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


@pytest.fixture(scope="module")
def ends(full: Project) -> tuple[str, str]:
    """The oldest and the newest of the Pythons."""
    oldest, *_, newest = full.pythons
    return oldest, newest


def of_python(ran: Ran, version: str) -> str:
    """The digest of all files of the one cell of a Python."""
    return layer_of(ran.cell(f"{version}-"))


def test_every_python_gets_what_was_predicted(full: Project, first: Ran) -> None:
    is_right(first)
    assert first.ended.code == 0
    assert [cell["python"] for cell in first.cells] == list(full.pythons)


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_other_installers_give_the_same_files(full: Project, first: Ran, ends: tuple[str, str], installer: str) -> None:
    for version in ends:
        ran = run_patiently(full, f"{version}-*-{installer}")
        is_right(ran)
        assert of_python(ran, version) == of_python(first, version)


@pytest.mark.parametrize("link", ["copy", "hardlink", "symlink"])
def test_every_link_mode_gives_the_same_files(full: Project, first: Ran, ends: tuple[str, str], link: str) -> None:
    _, newest = ends
    ran = run_patiently(full, f"{newest}-*-{link}")
    is_right(ran)
    assert of_python(ran, newest) == of_python(first, newest)


def test_a_private_checkout_elsewhere_is_identical(full: Project, first: Ran, ends: tuple[str, str]) -> None:
    second = full.checkout(full.base / "a second checkout")
    ran = run_patiently(second, *(f"{version}-*-auto" for version in ends), umask=0o077)
    is_right(ran)
    assert [side_of(ran.cell(f"{version}-")) for version in ends] == [
        side_of(first.cell(f"{version}-")) for version in ends
    ]
