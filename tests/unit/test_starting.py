"""What starts a container, and what is made of its end."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof.containers.engines import owner_label
from lockproof.containers.starting import (
    Mount,
    Start,
    emptied,
    named_container,
    start_arguments,
    user_arguments,
    what_became_of,
)
from lockproof.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from lockproof.containers.engines import Engine


@dataclass(kw_only=True)
class Fake:
    """An engine that answers from a list, and keeps what it was asked."""

    name: str = "docker"
    program: str = "/usr/bin/docker"
    answer: str = ""
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def ask(self, *arguments: str) -> str:
        self.asked.append(arguments)
        if self.answer == "gone":
            raise UsageError("no such container", why="No such container: it")
        return self.answer


def fake(**more: str) -> Engine:
    return Fake(**more)  # type: ignore[return-value, arg-type]


START = Start(
    image="sha256:1",
    program="python",
    arguments=("-c", "print(1)"),
    mounts=(Mount(Path("/a, b")), Mount(Path('/q"'), "/q", writable=True)),
    variables={"A": "x y"},
    passed=("TOKEN",),
    folder="/a, b",
    user=("--user", "1:2"),
)


def test_the_arguments_for_docker() -> None:
    assert start_arguments(fake(), "it", START) == [
        *("/usr/bin/docker", "run", "--name", "it", "--label", owner_label(), "--pull", "never"),
        *("--read-only", "--tmpfs", "/tmp:rw,exec,mode=1777", "--security-opt", "label=disable"),
        "--no-healthcheck",
        *("--network", "none", "--workdir", "/a, b", "--user", "1:2"),
        *("--mount", 'type=bind,"source=/a, b","target=/a, b",readonly'),
        *("--mount", 'type=bind,"source=/q""",target=/q'),
        *("--env", "TOKEN", "--env", "A=x y", "--entrypoint", "python", "sha256:1", "-c", "print(1)"),
    ]


def test_podman_takes_mounts_as_volumes() -> None:
    arguments = start_arguments(fake(name="podman"), "it", START)
    volumes = [value for flag, value in itertools.pairwise(arguments) if flag == "--volume"]
    assert volumes == ["/a, b:/a, b:ro", '/q":/q:rw']


def test_only_what_changes_code_is_emptied() -> None:
    image = {
        "PATH": "/bin",
        "PYTHON_VERSION": "3.11.7",
        "PYTHONPATH": "/evil",
        "LD_PRELOAD": "a",
        "LD_LIBRARY_PATH": "b",
    }
    assert emptied(image) == {"PYTHONPATH": "", "LD_PRELOAD": ""}


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="users have numbers on POSIX")
def test_what_is_written_belongs_to_the_user() -> None:
    own = f"{os.getuid()}:{os.getgid()}"
    assert user_arguments(fake(answer="[name=seccomp]")) == ("--user", own)
    assert user_arguments(fake(answer="[name=rootless]")) == ("--user", "0:0")
    assert user_arguments(fake(name="podman", answer="true\n")) == ("--userns=keep-id", "--user", own)
    assert user_arguments(fake(name="podman", answer="false\n")) == ("--user", own)


def test_a_container_is_gone_whatever_happens() -> None:
    engine = Fake(name="podman", answer="gone")
    with pytest.raises(KeyError), named_container(engine) as name:  # type: ignore[arg-type]
        raise KeyError
    assert engine.asked == [("rm", "--force", "--volumes", "--time", "0", name)]


@pytest.mark.parametrize(
    ("state", "code", "told"),
    [
        ("exited\n0\nfalse\n", 0, (0, "")),
        ("exited\n3\nfalse\n", 3, (3, "")),
        ("exited\n137\nfalse\n", 137, (137, "it was killed from outside, or by its own hand")),
        ("exited\n137\ntrue\n", 137, (137, "it ran out of memory")),
        ("created\n127\nfalse\nnot found", 127, (127, "not found")),
        ("created\n127\nfalse\n", 127, (127, "last")),
    ],
)
def test_how_a_command_ended(state: str, code: int, told: tuple[int, str]) -> None:
    assert what_became_of(fake(answer=state), "it", code, "last") == told


@pytest.mark.parametrize(
    ("state", "line", "why", "remedy"),
    [
        ("gone", "", "(the container is gone)", "look at what docker says"),
        ("created\n0\nfalse\n", "no space left on device", "no space left", "docker system prune"),
        ("created\n0\nfalse\n", "exec format error", "exec format error", "qemu-user-static"),
        ("created\n0\nfalse\n", "bind source path does not exist", "does not exist", "works on another machine"),
        ("running\n0\nfalse\n", "", "ended with 1 while its container was running", "look at"),
    ],
)
def test_a_command_that_never_ended(state: str, line: str, why: str, remedy: str) -> None:
    with pytest.raises(UnavailableError) as raised:
        what_became_of(fake(answer=state), "it", 1, line)
    assert why in raised.value.why
    assert remedy in raised.value.remedy
