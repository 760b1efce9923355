"""Containers and images, read through real engines without running anything in them."""

from __future__ import annotations

import os
import socket
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from lockproof.containers.engines import OWNER, Engine, find_engine
from lockproof.errors import UnavailableError, UsageError
from support.engines import BASE
from support.tools import run

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO


def names(stream: IO[bytes]) -> set[str]:
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        return {member.name.removeprefix("./").removeprefix("/") for member in tar}


def containers(engine: Engine) -> list[str]:
    return run([engine.program, "ps", "--all", "--quiet"], engine.environ).split()


def test_an_image_s_file_system_is_read_and_nothing_is_left(engine: Engine) -> None:
    assert {"usr/bin/python3.11", "usr/lib/python3.11/json/decoder.py"} <= engine.read_image(BASE, names)
    assert containers(engine) == []


def test_a_container_is_read_as_it_is_and_stays(engine: Engine, tmp_path: Path) -> None:
    container = run([engine.program, "create", "--network", "none", BASE, "true"], engine.environ).strip()
    (tmp_path / "marker").touch()
    try:
        run([engine.program, "cp", str(tmp_path / "marker"), f"{container}:/usr/marker"], engine.environ)

        assert "usr/marker" in engine.read_container(container, names)
        assert engine.image_of_container(container) == engine.image(BASE)
        assert len(containers(engine)) == 1
    finally:
        run([engine.program, "rm", container], engine.environ)


def test_what_an_engine_says_of_an_image(engine: Engine) -> None:
    image = engine.image(BASE)

    assert image.platform == "linux/amd64"
    assert image.id == engine.image(image.id).id
    assert len(image.id) == len("sha256:") + 64


def test_a_reader_that_fails_leaves_nothing(engine: Engine) -> None:
    def fail(stream: IO[bytes]) -> None:
        stream.read(1)
        raise ValueError("it can't be read")

    with pytest.raises(ValueError, match="it can't be read"):
        engine.read_image(BASE, fail)
    assert containers(engine) == []


def test_what_a_killed_process_left_is_swept_and_others_stay(engine: Engine) -> None:
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    left = f"{OWNER}={socket.gethostname()}/{gone.pid}-1"
    elsewhere = f"{OWNER}=another-machine/{gone.pid}-1"
    made = {
        label: run([engine.program, "create", "--network", "none", "--label", label, BASE, "x"], engine.environ).strip()
        for label in (left, elsewhere, "someone=else")
    }
    try:
        engine.sweep()

        rows = run([engine.program, "ps", "--all", "--quiet", "--no-trunc"], engine.environ).split()
        assert sorted(rows) == sorted([made[elsewhere], made["someone=else"]])
    finally:
        for label in (elsewhere, "someone=else"):
            run([engine.program, "rm", made[label]], engine.environ)


@pytest.mark.parametrize("reference", ["nothing-of-that-name", "sha256:" + "0" * 64])
def test_an_image_that_isn_t_there(engine: Engine, reference: str) -> None:
    with pytest.raises(UsageError, match="has no such image") as caught:
        engine.read_image(reference, names)
    assert caught.value.where == reference


@pytest.mark.parametrize("reference", ["", "--help", "-v"])
def test_an_option_is_no_name(engine: Engine, reference: str) -> None:
    with pytest.raises(UsageError, match="this names no image"):
        engine.read_image(reference, names)


def test_a_daemon_that_isn_t_there(tmp_path: Path) -> None:
    environ = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/nobody.sock"}
    try:
        docker = find_engine("docker", environ)
    except UnavailableError:
        pytest.skip("this test needs docker")
    with pytest.raises(UnavailableError, match="docker can't be asked"):
        docker.read_image(BASE, names)


def test_an_engine_that_isn_t_installed(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="podman is not on PATH"):
        find_engine("podman", {"PATH": str(tmp_path)})
