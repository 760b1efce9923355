"""What can be wrong with a cell's container: each is told in words, with its exit code, and nothing is left behind."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from support.containers import DEBIANS, cell, containers, image_id, reach
from support.engines import BASE
from support.images import push, registry
from support.projects import finish, kill_group
from support.reports import proof_of
from support.tools import run

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from pathlib import Path

    from lockproof.containers.engines import Engine
    from support.projects import Project
    from support.reports import Json, Ran


@pytest.fixture
def boxed(small: Project, engine: Engine) -> Project:
    """A project whose runs know one engine."""
    small.wheel("plain", "1.0", {"plain.py": "ANSWER = 42\n"})
    small.lock()
    reach(small, engine)
    return small


def ran_with(project: Project, inside: Mapping[str, object], *arguments: str, **more: object) -> tuple[Ran, str]:
    """A run of one container cell, and the reason that it gives."""
    project.matrix(**{"python": [], "commands": ["python -V"], "cells": {"include": [inside]}, **more})
    ran = project.run(*arguments)
    return ran, str(ran.cell()["reason"])


class TestImages:
    def test_a_tag_is_an_error_that_says_what_to_pin(self, boxed: Project, engine: Engine) -> None:
        ran, reason = ran_with(boxed, cell(BASE, engine, DEBIANS))

        assert (ran.statuses, ran.ended.code) == (["error"], 2)
        image = engine.image(BASE)
        pinned = f"{BASE}@{image.digests[0]}" if image.digests else image.id
        assert f"image: {pinned}" in reason

    def test_a_tag_that_is_allowed_runs_and_stays_unproven(self, boxed: Project, engine: Engine) -> None:
        ran, reason = ran_with(boxed, cell(BASE, engine, DEBIANS), "--allow-tags")

        assert (ran.statuses, ran.ended.code) == (["unproven"], 4)
        assert proof_of(ran.cell())["verdict"] == "unproven"
        assert "is a tag" in reason
        assert [command["exit_code"] for command in ran.cell()["commands"]] == [0]  # type: ignore[attr-defined]

    @pytest.mark.parametrize("image", [f"sha256:{'0' * 64}", f"{BASE}@sha256:{'1' * 64}", f"no/such@sha256:{'2' * 64}"])
    def test_an_image_that_is_not_there(self, boxed: Project, engine: Engine, image: str) -> None:
        ran, reason = ran_with(boxed, cell(image, engine, DEBIANS), "--offline")

        assert (ran.statuses, ran.ended.code) == (["unavailable"], 4)
        assert f"{image}: {engine.name} does not have this image" in reason

    def test_an_image_with_another_patch_version(self, boxed: Project, engine: Engine) -> None:
        ran, reason = ran_with(boxed, cell(image_id(engine), engine, "3.11.1"))

        assert (ran.statuses, ran.ended.code) == (["unavailable"], 4)
        assert f"Python 3.11.1 isn't in the image: it has {DEBIANS} at /usr/bin/python3.11" in reason

    def test_an_image_without_python(self, boxed: Project, engine: Engine, tmp_path: Path) -> None:
        (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
        run([engine.program, "build", "--quiet", "--tag", "no-python", str(tmp_path)], engine.environ)
        ran, reason = ran_with(boxed, cell(engine.image("no-python").id, engine, "3.11.1"))

        assert (ran.statuses, ran.ended.code) == (["unavailable"], 4)
        assert "it has no CPython" in reason

    def test_an_image_of_another_platform(self, boxed: Project, engine: Engine) -> None:
        ran, reason = ran_with(boxed, cell(image_id(engine), engine, DEBIANS, platform="linux/s390x"))

        assert (ran.statuses, ran.ended.code) == (["unavailable"], 4)
        assert "for linux/amd64, not for linux/s390x" in reason

    def test_a_platform_without_emulation(self, boxed: Project, engine: Engine, tmp_path: Path) -> None:
        of_another_machine = (
            b"\x7fELF\x02\x02\x01" + bytes(9) + b"\0\x02\0\x16" + bytes(44)
        )  # an s390x's header, ELF(5)
        for path, content in (("bin/python3.11", of_another_machine), ("lib/python3.11/os.py", b"")):
            (tmp_path / "root" / path).parent.mkdir(parents=True)
            (tmp_path / "root" / path).write_bytes(content)
            (tmp_path / "root" / path).chmod(0o755)
        (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY root /usr\n")
        run([engine.program, "build", "--quiet", "--tag", "far", str(tmp_path)], engine.environ)
        ran, reason = ran_with(boxed, cell(engine.image("far").id, engine, DEBIANS))

        assert (ran.statuses, ran.ended.code) == (["unavailable"], 4)
        assert "exec format error" in reason
        assert "qemu-user-static" in reason

    def test_an_environment_of_this_machine_s_own_kind_can_t_be_had(self, boxed: Project, engine: Engine) -> None:
        ran, reason = ran_with(boxed, cell(image_id(engine), engine, DEBIANS), link="overlay")

        assert (ran.statuses, ran.ended.code) == (["unavailable"], 4)
        assert "link: overlay is for environments of this machine" in reason
        assert [words[1:3] for words in listed(boxed)] == [["unavailable", reason]]


class TestEngines:
    def test_none_is_there(self, small: Project, tmp_path: Path) -> None:
        small.wheel("plain", "1.0", {"plain.py": "A = 1\n"})
        small.lock()
        small.variables["PATH"] = str(tmp_path)
        inside = {"name": "box", "python": "3.9.99", "container": {"image": f"sha256:{'0' * 64}"}}
        ran, reason = ran_with(small, inside)

        assert (ran.statuses, ran.ended.code) == (["unavailable"], 4)
        assert reason == (
            "there is no container engine here: docker and podman are not on PATH\n"
            "  install docker or podman: container cells run in it"
        )

    def test_one_that_says_no(self, small: Project, tmp_path: Path) -> None:
        small.wheel("plain", "1.0", {"plain.py": "A = 1\n"})
        small.lock()
        refusing = tmp_path / "docker"
        refusing.write_text(
            "#!/bin/sh\necho permission denied while trying to connect to the daemon socket >&2\nexit 1\n"
        )
        refusing.chmod(0o755)
        small.variables["PATH"] = f"{tmp_path}:/bin"
        inside = {"name": "box", "python": "3.9.99", "container": {"image": f"sha256:{'0' * 64}", "engine": "docker"}}
        ran, reason = ran_with(small, inside)

        assert (ran.statuses, ran.ended.code) == (["unavailable"], 4)
        assert "docker can't be asked: permission denied" in reason


class TestCommands:
    def test_one_that_the_image_does_not_have(self, boxed: Project, engine: Engine) -> None:
        ran, reason = ran_with(boxed, cell(image_id(engine), engine, DEBIANS), commands=["no-such-program"])

        assert (ran.statuses, ran.ended.code) == (["failed"], 1)
        assert "the command 'no-such-program' was not found" in reason
        assert containers(engine) == []

    def test_one_that_never_ends(self, boxed: Project, engine: Engine) -> None:
        wait = boxed.script("import signal; signal.pause()")
        ran, reason = ran_with(boxed, cell(image_id(engine), engine, DEBIANS), commands=[wait], timeout=1)

        assert (ran.statuses, reason) == (["failed"], f"{wait}: no end after 1 s")
        assert containers(engine) == []


def started(project: Project, engine: Engine, wait: str) -> tuple[subprocess.Popen[str], str]:
    """A run whose command is waiting in a container, and that container's id."""
    project.matrix(
        python=[], commands=[wait], pass_env=["WAITING"], cells={"include": [cell(image_id(engine), engine, DEBIANS)]}
    )
    assert project.run("--install-only").statuses == ["passed"]  # the image is known from here on
    process = project.start("run", "--json", str(project.base / "report.json"), env={"WAITING": "yes"})
    while not (found := containers(engine, "--filter", "status=running")):
        assert process.poll() is None, finish(process)
    return process, found[0]


def waits(project: Project) -> str:
    return project.script("import os, signal", "if os.environ.get('WAITING'): signal.pause()")


class TestKilling:
    def test_what_a_killed_run_leaves_is_removed_by_the_next(self, boxed: Project, engine: Engine) -> None:
        process, _ = started(boxed, engine, waits(boxed))
        kill_group(process)
        assert len(containers(engine)) == 1

        ran = boxed.run()

        assert ran.statuses == ["passed"], ran.ended.told
        assert f"note: 1 container of {engine.name} removed, left by a run that was killed" in ran.ended.err
        assert containers(engine) == []

    def test_a_container_that_is_killed_from_outside(self, boxed: Project, engine: Engine) -> None:
        process, container = started(boxed, engine, wait := waits(boxed))
        run([engine.program, "kill", container], engine.environ)

        assert finish(process).code == 1
        (cell_,) = reported(boxed)
        assert (cell_["status"], cell_["reason"]) == (
            "failed", f"{wait}: exit code 137: it was killed from outside, or by its own hand"
        )  # fmt: skip
        assert containers(engine) == []

    def test_a_container_that_is_removed_from_outside(self, boxed: Project, engine: Engine) -> None:
        process, container = started(boxed, engine, waits(boxed))
        run([engine.program, "rm", "--force", container], engine.environ)

        assert finish(process).code == 4
        (cell_,) = reported(boxed)
        assert cell_["status"] == "error"
        assert "(the container is gone)" in str(cell_["reason"])
        assert boxed.run().statuses == ["passed"]

    def test_an_interrupt_leaves_nothing(self, boxed: Project, engine: Engine) -> None:
        process, _ = started(boxed, engine, waits(boxed))
        process.send_signal(signal.SIGINT)

        assert finish(process).code == 130
        assert containers(engine) == []


def listed(project: Project) -> list[list[str]]:
    """What `list` says of each cell: id, status, reason."""
    rows = project.json("list")["cells"]
    assert isinstance(rows, list)
    return [[row[key] for key in ("id", "status", "reason")] for row in rows]


def reported(project: Project) -> list[Json]:
    document = json.loads((project.base / "report.json").read_text())
    cells = document["cells"]
    assert isinstance(cells, list)
    return cells


def test_a_registry_s_digest_is_told_and_pulled(
    boxed: Project, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (folder := tmp_path_factory.mktemp("registry")).joinpath("Dockerfile").write_text(f"FROM {BASE}\nLABEL a=b\n")
    run([engine.program, "build", "--quiet", "--tag", "labelled", str(folder)], engine.environ)
    with registry(folder) as address:
        pinned = push(engine, "labelled", address)
        _, reason = ran_with(boxed, cell(f"{address}/labelled", engine, DEBIANS))
        assert f"pin it: image: {pinned}" in reason
        if engine.name == "podman":  # it asks this registry by TLS, which takes a file of the machine's to turn off
            return
        run([engine.program, "rmi", "--force", "labelled", f"{address}/labelled:latest"], engine.environ)

        ran, reason = ran_with(boxed, cell(pinned, engine, DEBIANS))

    assert ran.statuses == ["passed"], reason
