"""The arguments that start a container of ours, what became of it, and its end.

It sees its image read-only, an empty /tmp, and the folders that are mounted at the very paths that they have on this
machine, so that scripts' first lines hold. What it writes there belongs to the user who runs lockproof.
"""

from __future__ import annotations

import os
import re
import secrets
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lockproof.containers.engines import owner_label
from lockproof.errors import LockproofError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lockproof.containers.engines import Engine

NO_EMULATION = (
    "there is no emulation of its machine here: install qemu-user-static and binfmt-support, or choose an image of "
    "this machine's platform"
)
NOT_FOUND = (126, 127)  # the exit codes where there is no such program, or none that can be started
_DOCKER_ITSELF = 125  # the exit code of `docker run` and `podman run` where no command was started
_KILLED = 137
# Names that official images have for their own use, such as PYTHON_VERSION, are none of Python's.
_CHANGES_CODE = re.compile(r"PYTHON[A-Z0-9]+|LD_PRELOAD|LD_AUDIT")
_STATE = "{{.State.Status}}\n{{.State.ExitCode}}\n{{.State.OOMKilled}}\n{{.State.Error}}"


class Mount(NamedTuple):
    """A file or folder of this machine as a container sees it; at its own path where `target` is empty."""

    source: Path
    target: str = ""
    writable: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """What is started in a container: `passed` are variables whose values the engine's program has, `variables` others.

    `program` is found by the image's PATH where it is no path; `folder` is where it starts.
    """

    image: str
    program: str
    arguments: Sequence[str] = ()
    mounts: Sequence[Mount] = ()
    variables: Mapping[str, str]
    passed: Sequence[str] = ()
    folder: str = "/"
    network: str = "none"
    user: Sequence[str] = ()  # what `user_arguments` gives


def emptied(variables: Mapping[str, str]) -> dict[str, str]:
    """Of an image's variables those that change which code Python takes, without values: then they change nothing."""
    return {name: "" for name in variables if _CHANGES_CODE.fullmatch(name)}


def at_once(engine: Engine) -> tuple[str, ...]:
    """What lets `rm --force` end a container without waiting for it, as docker's does anyway."""
    return ("--time", "0") if engine.name == "podman" else ()


def user_arguments(engine: Engine) -> tuple[str, ...]:
    """Who the processes of containers are, so that what they write belongs to whoever runs lockproof.

    An engine without root takes its own root for the user who runs it; podman can keep his number.
    """
    if not hasattr(os, "getuid"):
        return ()
    own = f"{os.getuid()}:{os.getgid()}"
    if engine.name == "docker":
        return ("--user", "0:0" if "rootless" in engine.ask("info", "--format", "{{.SecurityOptions}}") else own)
    rootless = engine.ask("info", "--format", "{{.Host.Security.Rootless}}").strip() == "true"
    return ("--userns=keep-id", "--user", own) if rootless else ("--user", own)


@contextmanager
def named_container(engine: Engine) -> Iterator[str]:
    """A name for one container, which is gone when the block ends, whatever became of it."""
    name = f"lockproof-{secrets.token_hex(8)}"
    try:
        yield name
    finally:
        with suppress(LockproofError):
            engine.ask("rm", "--force", "--volumes", *at_once(engine), name)


def start_arguments(engine: Engine, name: str, start: Start) -> list[str]:
    """The whole command that starts a container and waits for its end."""
    arguments = [engine.program, "run", "--name", name, "--label", owner_label(), "--pull", "never"]
    arguments += ["--read-only", "--tmpfs", "/tmp:rw,exec,mode=1777", "--security-opt", "label=disable"]  # noqa: S108
    arguments += ["--no-healthcheck"]  # else the image's own runs beside the command, in the same environment
    arguments += ["--network", start.network, "--workdir", start.folder, *start.user]
    for mount in start.mounts:
        arguments += _mounted(engine, mount)
    for variable in start.passed:
        arguments += ["--env", variable]
    for variable, value in start.variables.items():
        arguments += ["--env", f"{variable}={value}"]
    return [*arguments, "--entrypoint", start.program, start.image, *start.arguments]


def what_became_of(engine: Engine, name: str, exit_code: int, last_line: str) -> tuple[int, str]:
    """(exit code, what is to be said of it) of the command in a container whose engine's program has ended.

    Raises UnavailableError where no command ran to its end: the container was never started, or taken away.
    """
    try:
        status, code, out_of_memory, error_told = engine.ask("container", "inspect", "--format", _STATE, name).split(
            "\n", 3
        )
    except LockproofError as error:
        raise _no_end(engine, f"{last_line or error.why} (the container is gone)") from error
    if exit_code in NOT_FOUND and status == "created":
        return exit_code, error_told.strip() or last_line
    if status == "created" or (status not in ("exited", "stopped") and exit_code == _DOCKER_ITSELF):
        raise _no_end(engine, last_line or "it was never started")
    if status not in ("exited", "stopped", "dead"):
        raise _no_end(engine, f"{engine.program} ended with {exit_code} while its container was {status}")
    if out_of_memory == "true":
        return int(code), "it ran out of memory"
    return int(code), "it was killed from outside, or by its own hand" if int(code) == _KILLED else ""


def _no_end(engine: Engine, why: str) -> UnavailableError:
    said = why.lower()
    remedy = f"look at what {engine.name} says, and run again"
    if "exec format error" in said:
        remedy = NO_EMULATION
    elif "no space left" in said:
        remedy = f"{engine.name} has no room left: `{engine.name} system prune` makes some"
    elif "source path does not exist" in said or "statfs" in said:
        remedy = (
            f"{engine.name} works on another machine, which does not see the files of this one: run lockproof there"
        )
    return UnavailableError(f"no command ran to its end in {engine.name}'s container", why=why, remedy=remedy)


def _mounted(engine: Engine, mount: Mount) -> list[str]:
    source, target = str(mount.source), mount.target or str(mount.source)
    if engine.name == "podman":  # its --mount knows no quotes in older releases; -v never makes a folder
        return ["--volume", f"{source}:{target}:{'rw' if mount.writable else 'ro'}"]
    fields = ["type=bind", f"source={source}", f"target={target}", *([] if mount.writable else ["readonly"])]
    return ["--mount", ",".join(map(_quoted, fields))]


def _quoted(field: str) -> str:
    """A field as docker's --mount reads it: of a line of CSV (RFC 4180)."""
    return '"' + field.replace('"', '""') + '"' if any(sign in field for sign in ',"') else field
