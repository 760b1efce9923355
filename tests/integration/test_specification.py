"""The specification, implemented a second time, says of real environments what this project says of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from lockproof.proof.fingerprint import to_json
from lockproof.wheels.store import Store
from support import independent
from support.environments import inspect, make_proven, running
from support.projects import make_project
from support.tools import tool

if TYPE_CHECKING:
    from lockproof.proof.fingerprint import Fingerprint

pytestmark = pytest.mark.integration


def agree(folder: Path, ours: Fingerprint) -> None:
    second = independent.read(folder, running().executable.read_bytes())
    assert sorted(second.files) == sorted(fact.line(path) for path, fact in ours.files.items())
    assert second.layers == {layer: ours.layers[layer] for layer in ("files", "startup", "set")}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    project = make_project(tmp_path_factory.mktemp("wheels"), {running().version: running().executable})
    project.sample()
    return project.wheels


@pytest.mark.parametrize(
    "name", ["env", "it's an \\ odd folder with a name that no kernel takes in one line " + "x" * 90]
)
def test_one_made_here(wheels: list[Path], tmp_path: Path, name: str) -> None:
    made = make_proven(wheels, tmp_path.resolve() / name, Store(tmp_path / "store"))
    agree(made.folder, made.predicted)


@pytest.mark.parametrize("name", ["env", "it's an odd folder"])
@pytest.mark.parametrize("options", [(), ("--relocatable",)])
def test_one_made_by_uv(wheels: list[Path], tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    uv = [*tool("uv"), "--offline", "--no-config", "--cache-dir", str(tmp_path / "cache")]
    folder = tmp_path.resolve() / name
    made = [*uv, "venv", "--quiet", *options, "--python", str(running().executable), str(folder)]
    subprocess.run(made, check=True)
    install = [*uv, "pip", "install", "--quiet", "--no-index", "--compile-bytecode"]
    subprocess.run([*install, "--python", str(folder / "bin" / "python"), *map(str, wheels)], check=True)
    agree(folder, inspect(folder).fingerprint)


def test_the_one_that_runs_this() -> None:
    folder = Path(sys.prefix).resolve()
    if not (folder / "pyvenv.cfg").is_file():
        pytest.skip("the tests don't run in a virtual environment")
    agree(folder, inspect(folder).fingerprint)


def test_a_saved_fingerprint_has_all_that_its_digests_are_made_of(wheels: list[Path], tmp_path: Path) -> None:
    made = make_proven(wheels, tmp_path.resolve() / "env", Store(tmp_path / "store"))
    document = to_json(inspect(made.folder).fingerprint)
    claimed = dict(document["layers"]) | {"digest": document["digest"]}  # type: ignore[call-overload]
    assert independent.recomputed(cast("independent.Document", document)) == claimed
