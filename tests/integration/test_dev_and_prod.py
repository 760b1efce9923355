"""A developer's environment, made by uv, beside a production Python into which pip installed, as in a Dockerfile."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from support.projects import Project, finish, make_sampled_project
from support.tools import run, tool

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration
HASHED = ("--require-hashes", "--no-index")


@pytest.fixture(scope="module")
def project(python: dict[str, Path], warm: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return make_sampled_project(tmp_path_factory.mktemp("project"), python, warm)


@pytest.fixture(scope="module")
def dev(project: Project, python: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `uv venv` and `uv pip sync` make: no seeds, hard links."""
    uv, folder = tool("uv"), tmp_path_factory.mktemp("dev") / ".venv"
    interpreter = next(iter(python.values()))
    environ = {"PATH": os.defpath, "HOME": str(folder.parent), "UV_CACHE_DIR": str(folder.parent / "cache")}
    run([*uv, "--no-config", "venv", "--python", str(interpreter), str(folder)], environ)
    options = [*HASHED, "--find-links", str(project.base / "wheels"), "--python", str(folder / "bin/python")]
    run([*uv, "--no-config", "pip", "sync", *options, project.requirements()], environ)
    return folder


@pytest.fixture(scope="module")
def prod(project: Project, python: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python's own prefix, of another build, with the pip that it brings, which compiles what it installs."""
    prefix = next(iter(python.values())).resolve().parent.parent
    copy = tmp_path_factory.mktemp("prod") / "local"
    shutil.copytree(
        prefix, copy, symlinks=True, ignore=shutil.ignore_patterns("site-packages", "__pycache__", "pip", "pip3*")
    )
    executable = (copy / "bin/python3").resolve()
    executable.write_bytes(executable.read_bytes() + b"\0")  # another build, which runs as the first
    environ = {"PATH": os.defpath, "HOME": str(copy.parent), "LD_LIBRARY_PATH": str(copy / "lib")}
    run([str(executable), "-I", "-m", "ensurepip"], environ)
    install = [str(executable), "-I", "-m", "pip", "install", "--root-user-action", "ignore", "--no-deps"]
    run([*install, *HASHED, "--find-links", str(project.base / "wheels"), "-r", project.requirements()], environ)
    return copy


def compared(project: Project, dev: Path, prod: Path) -> tuple[int, str, dict[str, list[str]]]:
    """The exit code, the relation, and what is named of files, seeds and the interpreter."""
    ended = finish(project.start("compare", str(dev), str(prod), "--json"))
    [found] = json.loads(ended.out)["comparisons"]
    named = {"files": "path", "seeds": "name", "interpreter": "fact"}
    return ended.code, found["relation"], {key: [row[name] for row in found[key]] for key, name in named.items()}


def test_the_files_are_the_same_and_the_rest_is_named(project: Project, dev: Path, prod: Path) -> None:
    code, relation, named = compared(project, dev, prod)

    assert (code, relation, named["files"]) == (0, "same files", [])
    assert "pip" in named["seeds"]
    assert named["interpreter"] == ["executable"]


def test_one_byte_in_production_is_drift(project: Project, dev: Path, prod: Path) -> None:
    [module] = prod.glob("lib/python3*/site-packages/plain/__init__.py")
    before = module.read_bytes()
    try:
        module.write_bytes(before + b"#")
        code, relation, named = compared(project, dev, prod)
    finally:
        module.write_bytes(before)

    assert (code, relation, named["files"]) == (3, "drift", ["site/plain/__init__.py"])
