"""Honest environments are left in peace, whoever makes them and however they are used: `verify` finds notes at most.

Those that poetry and pdm make are in test_honest_tools.py; what they, pipenv and pip-tools make of many more locks is
compared by the session `conformance`.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.projects import Project, make_project
from support.reports import findings_of, is_right
from support.tools import run as run_command
from support.tools import tool

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.integration

USE = "import plain, every, every_pure, every_plat, native, space.one, space.two"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, all_pythons: dict[str, Path], warm: Path) -> Project:
    """A project for the oldest and the newest Python, with a requirements lock."""
    pythons = dict(list(all_pythons.items())[:: max(len(all_pythons) - 1, 1)])
    project = make_project(tmp_path_factory.mktemp("honest"), pythons, warm=warm)
    project.sample()
    lock(project)
    is_right(project.run())
    return project


def lock(project: Project) -> None:
    project.requirements("--no-index", f"--find-links {project.base / 'wheels'}")
    project.matrix(lock="requirements.txt", commands=["plain"])


def run(project: Project, *argv: object, **variables: str) -> str:
    alone = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "UV_OFFLINE": "1", "TMPDIR": str(project.base)}
    return run_command(argv, {**project.environ, **alone, **variables}, cwd=project.base)


def oldest(project: Project) -> tuple[str, Path]:
    return next(iter(project.pythons.items()))


def newest(project: Project) -> tuple[str, Path]:
    return list(project.pythons.items())[-1]


def left_in_peace(project: Project, folder: Path, version: str) -> None:
    """It matches its lock, and nothing but notes is said of it."""
    proof = project.json("verify", str(folder), "--cell", f"{version}-*")
    assert (proof["verdict"], findings_of(proof)) == ("match", [])


def venv(project: Project, python: Path, folder: Path, *options: str) -> Path:
    run(project, python, "-m", "venv", *options, folder)
    return folder


def by_pip(project: Project, folder: Path, *options: str) -> None:
    install = ("install", "--require-hashes", "-r", project.folder / "requirements.txt", *options)
    run(project, *tool("pip"), "--python", folder / "bin" / "python", *install)


def by_uv(project: Project, folder: Path, *options: str, **variables: str) -> None:
    install = ("pip", "install", "--no-config", "--require-hashes", "-r", project.folder / "requirements.txt", *options)
    cache = str(project.base / "uv")
    run(project, *tool("uv"), *install, "--python", folder / "bin" / "python", UV_CACHE_DIR=cache, **variables)


def bundled_pip(project: Project, python: Path) -> Path:
    """The wheel of pip that an interpreter brings along: as old as the interpreter."""
    script = "import ensurepip, pathlib; print(*(pathlib.Path(ensurepip.__path__[0], '_bundled').glob('pip-*.whl')))"
    found = run(project, python, "-I", "-c", script).split()
    if not found:
        pytest.skip(f"{python} brings no wheel of pip")
    return Path(found[0])


def test_an_old_pip_that_compiles(locked: Project, tmp_path: Path) -> None:
    version, python = oldest(locked)
    folder = venv(locked, python, tmp_path / "old", "--without-pip")
    pip = bundled_pip(locked, python) / "pip"
    run(locked, folder / "bin" / "python", pip, "install", "--require-hashes", "-r", locked.folder / "requirements.txt")
    assert list(folder.rglob("*.pyc"))
    left_in_peace(locked, folder, version)


@pytest.mark.parametrize(
    ("made", "options"),
    [((), ()), (("--copies",), ("--no-compile",)), (("--symlinks", "--prompt", "mine"), ("--force-reinstall",))],
)
def test_a_new_pip(locked: Project, tmp_path: Path, made: Sequence[str], options: Sequence[str]) -> None:
    version, python = newest(locked)
    folder = venv(locked, python, tmp_path / "new", "--without-pip", *made)
    by_pip(locked, folder, *options)
    if "--force-reinstall" in options:
        by_pip(locked, folder, *options)
    left_in_peace(locked, folder, version)


@pytest.mark.parametrize(
    ("mode", "options"), [("hardlink", ()), ("copy", ("--compile-bytecode",)), ("clone", ("--reinstall",))]
)
def test_uv(locked: Project, tmp_path: Path, mode: str, options: Sequence[str]) -> None:
    version, python = newest(locked)
    folder = tmp_path / "made by uv"
    run(locked, *tool("uv"), "venv", "--no-config", "--python", python, folder)
    by_uv(locked, folder, "--link-mode", mode, *options)
    left_in_peace(locked, folder, version)


def test_after_use(locked: Project, tmp_path: Path) -> None:
    """Imports at every level of optimisation, scripts, and all bytecode by compileall, twice."""
    version, python = newest(locked)
    folder = venv(locked, python, tmp_path / "used", "--without-pip")
    by_pip(locked, folder, "--no-compile")
    for flags in ([], ["-O"], ["-OO"]):
        run(locked, folder / "bin" / "python", *flags, "-c", USE, PYTHONPATH="")
        for mode in ("timestamp", "checked-hash"):
            command = ("-m", "compileall", "-q", "-f", "--invalidation-mode", mode, folder / "lib")
            run(locked, folder / "bin" / "python", *flags, *command)
    for script in ("plain", "every-script", "every-sh"):
        run(locked, folder / "bin" / script)
    left_in_peace(locked, folder, version)


def test_moved_with_its_first_lines_written_anew(locked: Project, tmp_path: Path) -> None:
    version, python = newest(locked)
    folder = venv(locked, python, tmp_path / "before", "--without-pip")
    by_pip(locked, folder)
    moved = folder.rename(tmp_path / "after")
    for path in (moved / "bin").iterdir():
        if not path.is_symlink():
            path.write_bytes(path.read_bytes().replace(os.fsencode(folder), os.fsencode(moved)))
    left_in_peace(locked, moved, version)


def test_relocatable_and_moved(locked: Project, tmp_path: Path) -> None:
    version, python = newest(locked)
    folder = tmp_path / "before"
    run(locked, *tool("uv"), "venv", "--no-config", "--relocatable", "--python", python, folder)
    by_uv(locked, folder)
    left_in_peace(locked, folder.rename(tmp_path / "after"), version)


def with_pip(project: Project, tmp_path: Path, pip: Path) -> Project:
    """The same project, whose lock names a wheel of pip too: seeds are distributions like any others."""
    shutil.copy(pip, project.base / "wheels")
    second = project.checkout(tmp_path / "seeded")
    second.wheels.append(project.base / "wheels" / pip.name)
    lock(second)
    return second


def test_venv_with_its_pip_locked(locked: Project, tmp_path: Path) -> None:
    version, python = newest(locked)
    seeded = with_pip(locked, tmp_path, bundled_pip(locked, python))
    folder = venv(seeded, python, tmp_path / "own pip")
    install = ("-m", "pip", "install", "--require-hashes", "-r", seeded.folder / "requirements.txt")
    run(seeded, folder / "bin" / "python", *install)
    left_in_peace(seeded, folder, version)


def test_virtualenv_with_its_seeds_declared(locked: Project, tmp_path: Path) -> None:
    """virtualenv marks its seeds, and gives pip a script more: locked as wheels they would be found wanting."""
    version, python = newest(locked)
    folder, policy = tmp_path / "virtual", tmp_path / "policy.yaml"
    seed = ("--pip", "embed", "--no-download", "--app-data", locked.base / "app-data")
    run(locked, sys.executable, "-m", "virtualenv", "--quiet", "--python", python, *seed, folder)
    by_pip(locked, folder)
    policy.write_text("seeds: [pip, setuptools]\n")
    proof = locked.json("verify", str(folder), "--cell", f"{version}-*", "--policy", str(policy))
    assert (proof["verdict"], findings_of(proof)) == ("match", [])


def test_uv_with_a_seed_that_is_locked(locked: Project, tmp_path: Path) -> None:
    version, python = newest(locked)
    pip = bundled_pip(locked, python)
    seeded = with_pip(locked, tmp_path, pip)
    folder = tmp_path / "seeded by uv"
    index = ("--no-index", "--find-links", pip.parent)
    cache = str(seeded.base / "uv")
    run(seeded, *tool("uv"), "venv", "--no-config", "--seed", *index, "--python", python, folder, UV_CACHE_DIR=cache)
    by_uv(seeded, folder)
    left_in_peace(seeded, folder, version)


@pytest.mark.parametrize("kind", ["system packages", "a pip that nobody declared", "links to a cache"])
def test_what_is_not_left_in_peace(locked: Project, tmp_path: Path, kind: str) -> None:
    version, python = newest(locked)
    folder = tmp_path / "other"
    if kind == "links to a cache":  # whoever changes or clears the cache changes the environment
        run(locked, *tool("uv"), "venv", "--no-config", "--python", python, folder)
        by_uv(locked, folder, "--link-mode", "symlink")
    else:
        venv(locked, python, folder, *(["--without-pip", "--system-site-packages"] * (kind == "system packages")))
        by_pip(locked, folder)
    proof = locked.json("verify", str(folder), "--cell", f"{version}-*", code=3)
    layers = {"system packages": "startup", "a pip that nobody declared": "set", "links to a cache": "set"}
    assert (proof["verdict"], proof["layer"]) == ("mismatch", layers[kind])
