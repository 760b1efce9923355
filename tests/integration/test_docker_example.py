"""The example's Dockerfile, built by a real engine: an environment from lock and store alone, proven in the build."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.images import PYTHON, base_with_python, build, push, run_lockproof
from support.loopback import LoopbackIndex
from support.projects import Project, make_project
from support.toolwheels import pack_tools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lockproof.containers.engines import Engine

pytestmark = pytest.mark.integration
EXAMPLE = Path(__file__).parents[2] / "examples/docker"
BEFORE_THE_PROOF = "# The proof,"  # where the image is changed behind the lock's back


@pytest.fixture(scope="module")
def project(python: dict[str, Path], warm: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The example with a lock of test wheels, whose store was filled beforehand."""
    [version] = python
    project = make_project(tmp_path_factory.mktemp("example"), python)
    project.cache = warm
    for name in ("Dockerfile", ".dockerignore"):
        shutil.copy(EXAMPLE / name, project.folder / name)
    project.sample()
    project.requirements()
    text = (EXAMPLE / "matrix.yaml").read_text(encoding="utf-8").replace("3.13.0", version)
    project.write("matrix.yaml", text)
    project.variables |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(project.base / "wheels")}
    project.json("predict", "prod", "--store", "store")
    return project


@pytest.fixture(scope="module")
def arguments(
    docker: Engine, project: Project, registry_address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """What the build is told: the base by its digest, the cell, and an index with lockproof itself."""
    folder = tmp_path_factory.mktemp("tools")
    project.write("tools.txt", pack_tools(folder))
    base_with_python(docker, folder, next(iter(project.pythons.values())))
    with LoopbackIndex(folder) as index:
        yield {
            "BASE": push(docker, PYTHON, registry_address),
            "CELL": f"{next(iter(project.pythons))}-linux-x86_64-prod",
            "PIP_INDEX_URL": index.url,
        }


def test_the_image_is_proven_in_its_build_and_from_outside(
    docker: Engine, project: Project, arguments: dict[str, str]
) -> None:
    said = build(docker, project.folder, "example", arguments=arguments)
    with docker.created("example") as container:
        file = f"{container}:/srv/app/fingerprint.json"
        copy = [docker.program, "cp", file, str(project.folder / "expected.json")]
        subprocess.run(copy, check=True, capture_output=True, env=dict(docker.environ))

    ended = run_lockproof(docker, project, "verify", "docker-image:example", "--expect", "expected.json")

    assert f"match: .lockproof/{arguments['CELL']} is, to the byte, what {arguments['CELL']} says" in said
    assert (ended.code, ended.out) == (0, "match: docker-image:example is, to the byte, what expected.json says\n")


def test_a_build_in_which_something_is_changed_ends(
    docker: Engine, project: Project, arguments: dict[str, str], tmp_path: Path
) -> None:
    context = Path(shutil.copytree(project.folder, tmp_path / "context"))
    text = (context / "Dockerfile").read_text(encoding="utf-8")
    module = (
        f"/srv/app/.lockproof/${{CELL}}/lib/python{'.'.join(arguments['CELL'].split('.')[:2])}/site-packages/every.py"
    )
    change = f"RUN chmod u+w {module} && echo 'E = 2' >>{module}\n"
    (context / "Dockerfile").write_text(text.replace(BEFORE_THE_PROOF, f"{change}{BEFORE_THE_PROOF}"))

    with pytest.raises(AssertionError, match=r"site/every\.py"):
        build(docker, context, "changed", arguments=arguments)
