"""A production image, built by an ordinary Dockerfile: held against the lock, and against a developer's environment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from lockproof.containers.engines import Engine, find_engine
from lockproof.pythons.probing import host_platform
from lockproof.reading.images import inspect_image, parse_image_target
from lockproof.reading.prefixes import nobody
from support.engines import BASE
from support.images import PYTHON, base_with_python, build, push, run_lockproof
from support.loopback import LoopbackIndex
from support.projects import Project, make_project
from support.reports import is_right
from support.tools import run

if TYPE_CHECKING:
    from pathlib import Path

    from support.reports import Ended

pytestmark = pytest.mark.integration
DOCKERFILE = f"""\
FROM {PYTHON}
COPY requirements.txt ./
ARG INDEX
RUN python3 -m pip install --no-cache-dir --require-hashes --index-url "$INDEX" -r requirements.txt \\
    && python3 -m venv --without-pip "/srv/it's my app" \\
    && python3 -m pip --python "/srv/it's my app/bin/python" install --no-cache-dir --require-hashes \\
        --index-url "$INDEX" -r requirements.txt
CMD ["plain"]
"""
DEBIANS = """\
FROM app
COPY plain.txt ./
RUN /usr/bin/python3 -m venv --without-pip /venv \\
    && python3 -m pip --python /venv/bin/python install --no-cache-dir --no-compile --require-hashes \\
        --index-url {index} -r plain.txt
"""
QUOTED = "/srv/it's my app"
MODULE = "lib/python{series}/site-packages/plain/__init__.py"


@dataclass(frozen=True, kw_only=True)
class Built:
    """The image `app` of a project, and lockproof as it speaks to the engine that has it."""

    project: Project
    engine: Engine
    folder: Path

    @property
    def scheme(self) -> str:
        return f"{self.engine.name}-image"

    @property
    def cell(self) -> str:
        [version] = self.project.pythons
        return f"{version}-{host_platform().id}-prod"

    @property
    def series(self) -> str:
        return ".".join(self.cell.split(".")[:2])

    def __call__(self, *arguments: str) -> Ended:
        return run_lockproof(self.engine, self.project, *arguments)

    def verify(self, target: str, *more: str) -> Ended:
        return self("verify", target, "--cell", "prod", *more)

    def derived(self, name: str, dockerfile: str) -> str:
        """The target of another image, built on this one."""
        build(self.engine, self.folder, name, dockerfile)
        return f"{self.scheme}:{name}"

    def containers(self) -> str:
        return run([self.engine.program, "ps", "--all", "--quiet"], self.engine.environ)


@pytest.fixture(scope="module")
def project(python: dict[str, Path], warm: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a developer's cell, and one for production, in which pip's presence is declared."""
    [version] = python
    project = make_project(tmp_path_factory.mktemp("project"), python)
    project.cache = warm
    project.sample()
    project.requirements()
    project.variables |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(project.base / "wheels")}
    prod = {"name": "prod", "python": version, "policy": {"seeds": ["pip"], "platform": "libc"}}
    project.matrix(lock="requirements.txt", commands=[], cells={"include": [prod]})
    return project


@pytest.fixture(scope="module")
def context(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("context")
    (folder / "requirements.txt").write_bytes((project.folder / "requirements.txt").read_bytes())
    return folder


@pytest.fixture(scope="module", params=["docker", "podman"])
def built(request: pytest.FixtureRequest, project: Project, context: Path) -> Built:
    engine = request.getfixturevalue(request.param)
    assert isinstance(engine, Engine)
    with LoopbackIndex(project.base / "wheels") as index:
        base_with_python(engine, project.base, next(iter(project.pythons.values())))
        build(engine, context, "app", DOCKERFILE, {"INDEX": index.url})
    return Built(project=project, engine=engine, folder=context)


def test_an_image_by_its_digest_is_what_the_lock_says(built: Built, registry_address: str) -> None:
    reference = push(built.engine, "app", registry_address)
    ended = built.verify(f"{built.scheme}:{reference}", "-v")
    refused = built.verify(f"{built.scheme}:{reference[:-64]}{'0' * 64}")

    assert ended.code == 0, ended
    seeds = f"is what {built.cell} says; tolerated: seeds: pip"
    assert ended.out.startswith(f"match: {built.scheme}:{reference} {seeds}")
    told = f"is the environment of the first Python on its PATH; there is {QUOTED}, /usr too"
    assert f"note: /usr/local: {told}" in ended.out
    assert (refused.code, refused.out) == (2, "")
    assert f"{built.engine.name} has no image of this digest" in refused.err
    assert f"its digests are {reference.rpartition('@')[2]}" in refused.err
    assert built.containers() == ""


def test_an_environment_in_a_folder_that_needs_quoting(built: Built) -> None:
    target = f"{built.scheme}:app:{QUOTED}"

    ended = built.verify(target)

    assert ended.code == 0, ended
    assert ended.out.startswith(f"match: {target} is")


def test_an_image_is_held_against_a_cell_of_that_image(built: Built) -> None:
    """Its Python, Debian's, is none of this machine's: the cell is predicted by asking it in the image."""
    plain = "".join((built.folder / "requirements.txt").read_text().splitlines(keepends=True)[:2])
    for folder in (built.folder, built.project.folder):
        (folder / "plain.txt").write_text(plain)
    with LoopbackIndex(built.project.base / "wheels") as index:
        target = built.derived("debians", DEBIANS.format(index=index.url))
    container = {"image": built.engine.image("debians").id, "engine": built.engine.name, "python": "/usr/bin/python3"}
    cells = {"include": [{"name": "debian", "python": "3.11.2", "container": container}]}
    matrix = {"version": 1, "python": [], "lock": "plain.txt", "cells": cells, "policy": {"platform": "libc"}}
    (built.project.folder / "container.yaml").write_text(json.dumps(matrix))
    changed = built.derived(
        "other", "FROM debians\nRUN echo '# more' >> /venv/lib/python3.11/site-packages/plain/__init__.py\n"
    )

    honest = built("verify", f"{target}:/venv", "--cell", "debian", "--matrix", "container.yaml", "-v")
    drifted = built("verify", f"{changed}:/venv", "--cell", "debian", "--matrix", "container.yaml", "--json")

    assert honest.code == 0, honest
    assert honest.out.startswith(f"match: {target}:/venv is, to the byte, what 3.11.2-")
    named = {row["path"] for row in json.loads(drifted.out)["findings"] if row["level"] == "mismatch"}
    assert (drifted.code, named) == (3, {"site/plain/__init__.py"})


def test_one_byte_changed_in_a_layer_is_drift(built: Built) -> None:
    module = MODULE.format(series=built.series)
    (built.folder / "changed.py").write_text("ANSWER = 43\ndef main():\n    print('plain says', ANSWER)\n")
    target = built.derived("tampered", f"FROM app\nCOPY changed.py /usr/local/{module}\n")

    proof = json.loads(built.verify(target, "--json").out)
    compared = built("compare", f"{built.scheme}:app", target, "--json")

    changed = ("file-changed", "site/plain/__init__.py")
    assert (proof["verdict"], proof["layer"]) == ("mismatch", "files")
    assert changed in [(finding["code"], finding["path"]) for finding in proof["findings"]]
    bytecode = f"site/plain/__pycache__/__init__.cpython-{built.series.replace('.', '')}.pyc"
    named = {finding["path"] for finding in proof["findings"] if finding["level"] == "mismatch"}
    assert named == {changed[1], bytecode}
    [comparison] = json.loads(compared.out)["comparisons"]
    assert (compared.code, comparison["relation"]) == (3, "drift")
    assert [row["path"] for row in comparison["files"]] == [changed[1]]


def test_an_image_without_a_shell(built: Built) -> None:
    target = built.derived("distroless", "FROM scratch\nCOPY --from=app /usr/local /usr/local\n")

    ended = built.verify(target)

    assert ended.code == 0, ended
    assert ended.out.startswith(f"match: {target} is what {built.cell} says; tolerated: seeds: pip")
    assert built.containers() == ""


def test_a_developer_s_environment_beside_the_image(built: Built) -> None:
    is_right(built.project.run("--install-only", built.cell))
    dev = built.project.folder / ".lockproof" / built.cell

    ended = built("compare", str(dev), f"{built.scheme}:app", "--json")

    assert ended.code == 0, ended
    [comparison] = json.loads(ended.out)["comparisons"]
    assert (ended.code, comparison["relation"], comparison["files"]) == (0, "same files", [])
    assert [row["name"] for row in comparison["seeds"]] == ["pip"]


def test_the_image_s_lock_is_got_back(built: Built) -> None:
    frozen = built("freeze", f"{built.scheme}:app")

    assert frozen.code == 0, frozen
    pins = {line.split(" ")[0] for line in frozen.out.splitlines() if "==" in line and not line.startswith("#")}
    assert pins == {"every-scheme==2.0.post1", "native==1.0", "plain==1.0", "space-one==1.0", "space-two==1.0"}


def test_a_container_is_read_as_it_is(built: Built) -> None:
    program, environ = built.engine.program, built.engine.environ
    run([program, "create", "--network", "none", "--name", "web", built.engine.image("app").id], environ)
    try:
        before = built.verify(f"{built.engine.name}:web")
        (built.folder / "new.pth").write_text("import sys\n")
        site = f"/usr/local/lib/python{built.series}/site-packages"
        run([program, "cp", str(built.folder / "new.pth"), f"web:{site}/new.pth"], environ)
        after = built.verify(f"{built.engine.name}:web")
    finally:
        run([program, "rm", "web"], environ)

    assert (before.code, after.code) == (0, 3)
    assert "site/new.pth: runs at start (exec): import sys" in after.out


def test_an_image_without_python(built: Built) -> None:
    (built.folder / "hello").write_text("hello\n")
    target = built.derived("empty", "FROM scratch\nCOPY hello /hello\n")

    ended = built.verify(target)

    assert (ended.code, ended.out) == (2, "")
    assert f"{target}: there is no Python environment in it" in ended.err


def test_a_context_of_docker_s_own_is_honoured(docker: Engine, tmp_path: Path) -> None:
    environ = {name: value for name, value in docker.environ.items() if name != "DOCKER_HOST"}
    environ["DOCKER_CONFIG"] = str(tmp_path)
    run([docker.program, "context", "create", "own", "--docker", f"host={docker.environ['DOCKER_HOST']}"], environ)
    engine = find_engine("docker", {**environ, "DOCKER_CONTEXT": "own"})

    read = inspect_image(parse_image_target(f"docker-image:{BASE}"), engine, nobody).fingerprint

    assert read.about["environment"] == "/usr"
    assert [finding for finding in read.findings if finding.level != "note"] == []


def test_an_image_of_another_machine_is_read(engine: Engine, arm64: str) -> None:
    read = inspect_image(parse_image_target(f"{engine.name}-image:{arm64}"), engine, nobody).fingerprint

    image = engine.image(arm64).id
    system = {"system": "linux", "machine": "aarch64", "libc": "glibc", "glibc version": "2.36"}
    assert dict(read.platform) == {**system, "image": image}
    told = {"image": image, "environment": "/usr", "platform": "linux-aarch64"}
    assert told.items() <= read.about.items()  # podman gives every image a digest
    assert [finding for finding in read.findings if finding.level != "note"] == []
