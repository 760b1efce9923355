"""A cell of linux/arm64 on a machine that isn't one: it is what was predicted without any such machine at hand."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest

from support.projects import finish, make_project
from support.realworld import LOCK, run_patiently
from support.reports import layer_of

if TYPE_CHECKING:
    from pathlib import Path

    from lockproof.containers.engines import Engine
    from support.projects import Project
    from support.reports import Json

pytestmark = pytest.mark.integration

DEBIANS = "3.11.2"  # the Python of the image
COMPILED = ("numpy", "markupsafe")
LAYERS = ("set", "files", "startup")
USE = (
    "import platform, sys, numpy, markupsafe._speedups",
    "matrix = numpy.array([[3.0, 1.0], [1.0, 2.0]])",
    "assert numpy.allclose(numpy.linalg.solve(matrix, [9.0, 8.0]), [2.0, 3.0])",
    "assert platform.machine() == 'aarch64', platform.machine()",
)


@pytest.fixture
def real(tmp_path: Path, python: dict[str, Path], engine: Engine) -> Project:
    """A project on the rows of real compiled packages, whose runs know one engine and the user's own index."""
    project = make_project(tmp_path, python)
    rows = re.split(r"\n(?=[a-z0-9])", LOCK.read_text())
    named = [row for row in rows if row.partition("==")[0] in COMPILED]
    project.write("requirements.txt", "\n".join(named) + "\n")
    user = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LOCKPROOF_"))}
    names = ("DOCKER_HOST", "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF")
    project.variables |= user | {name: engine.environ[name] for name in names if name in engine.environ}
    return project


def test_an_emulated_cell_is_what_was_predicted_on_another_machine(real: Project, engine: Engine, arm64: str) -> None:
    elsewhere = {"name": "elsewhere", "python": DEBIANS, "platform": "linux-aarch64-glibc2.36"}
    container = {"image": engine.image(arm64).id, "engine": engine.name, "platform": "linux/arm64"}
    inside = {"name": "inside", "python": DEBIANS, "container": container}
    command = real.script(*USE)
    real.matrix(lock="requirements.txt", python=[], commands=[command], cells={"include": [elsewhere, inside]})
    ended = finish(real.start("predict", "*-elsewhere", "--json"), timeout=300)
    if ended.code == 4 and os.environ.get("CI") != "true":
        pytest.skip(f"no index can be reached: {ended.err.strip()}")
    assert ended.code == 0, ended
    predicted = json.loads(ended.out)["layers"]

    ran = run_patiently(real, "*-inside")

    assert ran.statuses == ["passed"], ran.ended.told
    assert ran.cells[0]["id"] == f"{DEBIANS}-linux-aarch64-inside"
    assert layers_of(ran.cells[0]) == {name: predicted[name] for name in LAYERS}


def layers_of(cell: Json) -> dict[str, str]:
    return {name: layer_of(cell, name) for name in LAYERS}
