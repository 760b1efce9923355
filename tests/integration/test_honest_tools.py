"""poetry's and pdm's own environments are left in peace: made by the tools themselves, from locks that they made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.loopback import LoopbackIndex
from support.projects import make_project
from support.reports import findings_of
from support.tools import run, tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.projects import Project

pytestmark = pytest.mark.integration

TOOLS = Path(__file__).parent.parent.parent / "conformance" / "requirements.txt"
PROJECT = """
[project]
name = "one"
version = "0"
requires-python = ">=3.11"
dependencies = ["plain", "every-scheme", "space-one", "space-two", "native"]

[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "loopback"
url = "{url}"
priority = "primary"

[tool.pdm]
distribution = false
"""
LOCKING = {
    "poetry": (["poetry", "lock"], ["poetry", "install", "--no-root"]),
    "pdm": (["pdm", "lock", "--python", ">=3.11"], ["pdm", "sync", "--no-self"]),
}


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of poetry and pdm, from their hashed lock and the user's own index; in CI there has to be one."""
    folder, uv = tmp_path_factory.mktemp("tools") / "tools", tool("uv")
    run([*uv, "venv", "--quiet", "--python", sys.executable, folder], os.environ)
    install = [*uv, "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", "-r", str(TOOLS)]
    done = subprocess.run(
        [*install, "--python", str(folder / "bin" / "python")], capture_output=True, text=True, check=False
    )
    if done.returncode and os.environ.get("CI") != "true":
        pytest.skip(f"poetry and pdm can't be had: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return folder / "bin"


@pytest.fixture
def newest(tmp_path: Path, all_pythons: dict[str, Path], warm: Path) -> Project:
    """A project with every kind of wheel, for the newest Python."""
    version, python = list(all_pythons.items())[-1]
    project = make_project(tmp_path, {version: python}, warm=warm)
    project.sample()
    return project


@pytest.fixture
def server(newest: Project) -> Iterator[LoopbackIndex]:
    with LoopbackIndex(newest.base / "wheels") as server:
        yield server


@pytest.mark.parametrize("name", list(LOCKING))
def test_what_a_tool_installs_of_its_own_lock(name: str, newest: Project, server: LoopbackIndex, tools: Path) -> None:
    project, folder = newest, newest.folder / ".venv"
    [python] = project.pythons.values()
    project.write("pyproject.toml", PROJECT.format(url=server.url))
    run([python, "-m", "venv", "--without-pip", folder], project.environ)
    own = {
        **project.environ,
        "HOME": str(project.base / "home of a tool"),
        "PATH": f"{folder}/bin:{tools}:{os.environ['PATH']}",
        "VIRTUAL_ENV": str(folder),
        "PDM_CHECK_UPDATE": "0",
        "PDM_PYPI_URL": server.url,
        "POETRY_NO_INTERACTION": "1",
    }
    for command in LOCKING[name]:
        run([tools / command[0], *command[1:]], own, cwd=project.folder)
    assert len(list((folder / "lib").rglob("*.dist-info"))) == 5
    project.matrix(lock=f"{name}.lock")
    project.variables["PIP_INDEX_URL"] = server.url

    proof = project.json("verify", str(folder), "--cell", "*")

    assert (proof["verdict"], findings_of(proof)) == ("match", [])
