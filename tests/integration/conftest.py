"""Projects on which tests run the command line, each in a folder of its own, on interpreters that are really there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from lockproof.containers.engines import Engine, find_engine
from lockproof.errors import UsageError
from lockproof.pythons.interpreters import Discovery, known_interpreters
from support.attacks import make_target, put_back
from support.engines import ARM64, base_archive, docker_daemon, load, load_for, podman_set_up
from support.filesystems import cloning_file_system
from support.images import registry
from support.loopback import LoopbackIndex
from support.projects import Project, make_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.environments import Made

OLDEST_FOR_VIRTUALENV = 8


@pytest.fixture(scope="session")
def all_pythons(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every release build of CPython at hand that virtualenv knows, one a minor version, oldest first."""
    if sys.platform == "win32":
        pytest.skip("these tests are for POSIX: signals, modes and links")
    found: dict[int, tuple[str, Path]] = {}
    for said in known_interpreters(Discovery(cache=tmp_path_factory.mktemp("known"))):
        minor = int(said.version.split(".")[1])
        if said.label == said.version and minor >= OLDEST_FOR_VIRTUALENV:
            found.setdefault(minor, (said.version, said.executable))
    return dict(found[minor] for minor in sorted(found))


@pytest.fixture(scope="session")
def pythons(all_pythons: dict[str, Path]) -> dict[str, Path]:
    """Two of them: the newest that is at least a minor version below the newest of all, and that one."""
    if len(all_pythons) < 2:
        pytest.skip("these tests need two CPythons of different minor versions, 3.8 or newer")
    return dict(list(all_pythons.items())[-2:])


@pytest.fixture(scope="session")
def python(all_pythons: dict[str, Path]) -> dict[str, Path]:
    """One of them, for tests in which the Python makes no difference."""
    if not all_pythons:
        pytest.skip("these tests need a release build of CPython, 3.8 or newer")
    return dict(list(all_pythons.items())[-1:])


@pytest.fixture(scope="session")
def warm(all_pythons: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that knows the interpreters already: finding out takes seconds, and few tests are about it."""
    project = make_project(tmp_path_factory.mktemp("warm"), all_pythons)
    project.wheel("anything", "1.0")
    project.lock()
    project.matrix(commands=["python -V"])
    assert project.run().statuses == ["passed"] * len(all_pythons)
    return project.cache


@pytest.fixture
def project(tmp_path: Path, pythons: dict[str, Path], warm: Path) -> Project:
    """A project for two Pythons without matrix, lock and wheels."""
    return make_project(tmp_path, pythons, warm=warm)


@pytest.fixture
def small(tmp_path: Path, python: dict[str, Path], warm: Path) -> Project:
    """A project for one Python without matrix, lock and wheels."""
    return make_project(tmp_path, python, warm=warm)


@pytest.fixture
def serve() -> Iterator[Callable[[Project], LoopbackIndex]]:
    """Starts a loopback index over a project's wheels; all end with the test."""
    running: list[LoopbackIndex] = []

    def start(project: Project) -> LoopbackIndex:
        index = LoopbackIndex(project.base / "wheels")
        index.__enter__()
        running.append(index)
        return index

    yield start
    for index in running:
        index.__exit__()


@pytest.fixture(scope="session")
def attack_target(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_target(tmp_path_factory.mktemp("attacks"))


@pytest.fixture
def made(attack_target: Made) -> Iterator[Made]:
    """An environment of the running Python that was just found to match, for one attack."""
    yield attack_target
    put_back(attack_target)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return base_archive(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def docker(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with docker_daemon(tmp_path_factory.mktemp("docker")) as environ:
        load("docker", archive, environ)
        yield find_engine("docker", environ)


@pytest.fixture(scope="session")
def podman(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with podman_set_up(tmp_path_factory.mktemp("podman")) as environ:
        load("podman", archive, environ)
        yield find_engine("podman", environ)


@pytest.fixture(scope="session")
def registry_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(params=["docker", "podman"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Engine)
    return found


@pytest.fixture(scope="session")
def arm64_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return base_archive(tmp_path_factory.mktemp("arm64"), "arm64")


@pytest.fixture
def arm64(engine: Engine, arm64_archive: Path) -> str:
    """The image of a linux/arm64 with Python in the engine; its programs run here, emulated."""
    try:
        engine.image(ARM64)
    except UsageError:
        load_for("arm64", engine.program, arm64_archive, engine.environ, ARM64)
    return ARM64


@pytest.fixture(scope="session")
def cloning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder on a file system that clones files."""
    with cloning_file_system(tmp_path_factory.mktemp("cloning")) as folder:
        yield folder
