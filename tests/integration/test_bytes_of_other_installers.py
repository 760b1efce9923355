"""Environments that people make themselves, the ordinary way: what the lock predicts is what pip and uv install."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.projects import Project, make_project
from support.reports import findings_of, is_right
from support.tools import run, tool
from support.wheels import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, pythons: dict[str, Path], warm: Path) -> Project:
    """A project with a requirements lock, whose own environments are made already."""
    project = make_project(tmp_path_factory.mktemp("others"), pythons, warm=warm)
    project.sample()
    project.requirements("--no-index", f"--find-links {project.base / 'wheels'}")
    project.matrix(lock="requirements.txt", commands=["plain"])
    is_right(project.run())
    return project


@pytest.mark.parametrize("name", ["pip", "uv", "pip compiled in a strict umask"])
def test_an_environment_made_by_hand_is_what_was_predicted(locked: Project, tmp_path: Path, name: str) -> None:
    python, executable = list(locked.pythons.items())[-1]
    command, umask = tool(name), 0o077 if "umask" in name else -1
    requirements = locked.folder / "requirements.txt"
    folder = tmp_path / "made by hand"
    if name == "uv":
        run([*command, "venv", "--no-config", "--python", executable, folder], locked.environ)
        install = ["pip", "install", "--no-config", "--python", folder / "bin" / "python", "--compile-bytecode"]
        run([*command, *install, "--require-hashes", "-r", requirements], locked.environ)
    else:
        run([executable, "-m", "venv", "--without-pip", folder], locked.environ, umask=umask)
        install = ["--python", folder / "bin" / "python", "install", "--disable-pip-version-check"]
        compiled = [] if "compiled" in name else ["--no-compile"]
        run([*command, *install, *compiled, "--require-hashes", "-r", requirements], locked.environ, umask=umask)
    cell = f"{python}-*"
    proof = locked.json("verify", str(folder), "--cell", cell)
    assert (proof["verdict"], findings_of(proof)) == ("match", [])
    assert proof["observed"] == proof["predicted"]
    ours = next((locked.folder / ".lockproof").glob(cell))
    assert locked.json("compare", str(ours), str(folder))["relation"] == "identical"


def test_one_distribution_more(locked: Project, tmp_path: Path) -> None:
    python, executable = list(locked.pythons.items())[-1]
    uv, folder = tool("uv"), tmp_path / "more"
    more = make_wheel(tmp_path, "more", "1.0")
    run([*uv, "venv", "--no-config", "--python", executable, folder], locked.environ)
    install = [*uv, "pip", "install", "--no-config", "--python", folder / "bin" / "python"]
    run([*install, "--require-hashes", "-r", locked.folder / "requirements.txt"], locked.environ)
    run([*install, "--no-deps", more], locked.environ)
    proof = locked.json("verify", str(folder), "--cell", f"{python}-*", code=3)
    found = findings_of(proof)
    assert ("distribution", "more") in found
    assert {path.split(".")[0].removesuffix("-1") for _, path in found} == {"more", "site/more"}


def test_the_environment_of_another_python(locked: Project, tmp_path: Path) -> None:
    wrong, right = locked.pythons
    folder = next((locked.folder / ".lockproof").glob(f"{wrong}-*"))
    proof = locked.json("verify", str(folder), "--cell", f"{right}-*", code=3)
    assert proof["verdict"] == "mismatch"
    assert {"site/native.py", "site/native-1.0.dist-info/WHEEL", "scripts/python"} <= {
        path for _, path in findings_of(proof)
    }
