"""Container engines, through their own programs: docker and podman understand the same words.

The user's own set-up counts (DOCKER_HOST, contexts, CONTAINERS_CONF): the programs are run with the whole environment.
Nothing is ever pulled, and nothing is started: a file system is read from a container that was only created.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

from lockproof.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ENGINES = ("docker", "podman")
OWNER = "lockproof.owner"
"""The label of every container that is ours: its value says which process it belongs to."""

_Read = TypeVar("_Read")
_NO_COMMAND = "/lockproof-reads-and-never-runs"  # an image may have no command, and creating asks for one
_HEAD = 512  # bytes, in which a script says what it starts
_ABSENT = ("no such", "not known", "not found", "unable to find", "does not exist")
_REFUSED = ("permission denied", "cannot connect", "is the docker daemon running", "connection refused", "no such host")


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """What an engine says of an image: its id, its digests in registries, and the platform it was made for.

    `variables` are those that it sets for whatever runs in it; `command` is what a container of it runs.
    """

    id: str
    digests: tuple[str, ...]
    platform: str
    variables: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """What an engine says of a container: its image, what it runs with, and where something is mounted in it."""

    image: Image
    variables: Mapping[str, str]
    command: tuple[str, ...]
    mounts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Engine:
    """One engine: `name` is docker or podman, `program` the one on PATH."""

    name: str
    program: str
    environ: Mapping[str, str]

    def image(self, reference: str) -> Image:
        """The image of a reference (a name, a name with digest, an id).

        Raises UsageError where the engine has none such, UnavailableError where it can't be asked.
        """
        found = json.loads(self._ask("image", "inspect", _plain(reference, "image")))[0]
        config = found.get("Config") or {}
        return Image(
            id=_with_algorithm(str(found["Id"])),
            digests=tuple(sorted({str(digest).rpartition("@")[2] for digest in found.get("RepoDigests") or ()})),
            platform=f"{found['Os']}/{found['Architecture']}",
            variables=_variables(config),
            command=(*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())),
        )

    def container(self, reference: str) -> Container:
        """What a container is; raises what `image` raises."""
        found = json.loads(self._ask("container", "inspect", _plain(reference, "container")))[0]
        temporary = (found.get("HostConfig") or {}).get("Tmpfs") or {}
        return Container(
            image=self.image(str(found["Image"])),
            variables=_variables(found.get("Config") or {}),
            command=(str(found.get("Path") or ""), *(found.get("Args") or ())),
            mounts=(*sorted(str(mount["Destination"]) for mount in found.get("Mounts") or ()), *sorted(temporary)),
        )

    def has(self, reference: str) -> bool:
        """Whether the engine has such an image."""
        try:
            return bool(self.image(reference))
        except UsageError:
            return False

    def image_of_container(self, reference: str) -> Image:
        """The image that a container was made from; raises what `image` raises."""
        return self.container(reference).image

    def read_container(self, reference: str, read: Callable[[IO[bytes]], _Read]) -> _Read:
        """What `read` makes of the container's whole file system, which it gets as a tar stream.

        Raises UsageError where there is no such container, UnavailableError where the engine fails before the end: what
        was read by then is not the file system.
        """
        with tempfile.TemporaryFile() as words:
            with subprocess.Popen(
                [self.program, "export", _plain(reference, "container")],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=words, env=dict(self.environ),
            ) as process:  # fmt: skip
                if process.stdout is None:
                    raise UnavailableError(f"{self.name} gives no file system", where=reference)
                try:
                    result = read(process.stdout)
                    while process.stdout.read(1 << 20):  # what lies behind the end of the archive
                        pass
                except BaseException:
                    process.kill()
                    raise
            if process.returncode:
                words.seek(0)
                raise self._problem(words.read().decode("utf-8", "replace"), reference)
        return result

    def read_image(self, reference: str, read: Callable[[IO[bytes]], _Read]) -> _Read:
        """The same for an image, by way of a container that is created, never started, and removed."""
        with self.created(reference) as container:
            return self.read_container(container, read)

    @contextmanager
    def created(self, reference: str) -> Iterator[str]:
        """The id of a container of an image: made for this block, never started, and removed at its end."""
        self.sweep()
        image = self.image(reference).id
        label = owner_label()
        container = self._ask("create", "--network", "none", "--label", label, image, _NO_COMMAND).strip()
        try:
            yield container
        finally:
            with suppress(UnavailableError, UsageError):
                self._ask("rm", "--force", "--volumes", container)

    def sweep(self) -> int:
        """Remove the containers that processes of this machine left behind when they were killed; how many."""
        removed = 0
        rows = self._ask(
            "ps", "--all", "--no-trunc", "--filter", f"label={OWNER}", "--format", _label_format(self.name)
        )
        for row in rows.splitlines():
            container, _, owner = row.partition(" ")
            host, _, process = owner.partition("/")
            if host == socket.gethostname() and process.partition("-")[0].isdecimal() and _is_gone(owner):
                with suppress(UnavailableError, UsageError):
                    self._ask("rm", "--force", "--volumes", container)
                    removed += 1
        return removed

    def ask(self, *arguments: str) -> str:
        """What the engine answers; raises UsageError or UnavailableError where it says no."""
        return self._ask(*arguments)

    def _ask(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.program, *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, check=False, env=dict(self.environ),
        )  # fmt: skip
        if done.returncode:
            last = arguments[-2 if arguments[-1] == _NO_COMMAND else -1]
            about = "" if "{{" in last else last  # a question about all containers is about none
            raise self._problem(done.stderr.decode("utf-8", "replace"), about)
        return done.stdout.decode("utf-8", "replace")

    def _problem(self, words: str, reference: str) -> UnavailableError | UsageError:
        """What the engine's own words mean: they are told, and one of three remedies."""
        why = words.strip().splitlines()[-1] if words.strip() else "it gave no reason"
        said = words.lower()
        if any(sign in said for sign in _REFUSED):
            return UnavailableError(
                f"{self.name} can't be asked", where=reference, why=why,
                remedy=f"start it, and see that `{self.name} info` works for this user",
            )  # fmt: skip
        if any(sign in said for sign in _ABSENT):
            return UsageError(
                f"{self.name} has no such image or container", where=reference, why=why,
                remedy=f"`{self.name} images` and `{self.name} ps --all` list them; nothing is pulled",
            )  # fmt: skip
        full = f"`{self.name} system prune` makes room, if nothing else does" if "no space left" in said else ""
        return UnavailableError(
            f"{self.name} failed", where=reference, why=why, remedy=full or "see what it says, and try again"
        )


def owner_label() -> str:
    """The label of a container of this process."""
    return f"{OWNER}={_owner(os.getpid())}"


def find_engine(name: str, environ: Mapping[str, str]) -> Engine:
    """The engine of that name, or podman where that stands in for it; UnavailableError where it is not on PATH."""
    program = shutil.which(name, path=environ.get("PATH", os.defpath))
    if program is None:
        raise UnavailableError(
            f"{name} is not on PATH", why="containers and images are read through it",
            remedy=f"install {name}, or save the file system and name it: tar:FILE",
        )  # fmt: skip
    return Engine(name="podman" if _is_stand_in(program) else name, program=program, environ=environ)


def _plain(reference: str, kind: str) -> str:
    if not reference or reference.startswith("-"):
        raise UsageError(
            f"this names no {kind}", where=reference or "(nothing)", remedy=f"give the {kind}'s name or id"
        )
    return reference


def _with_algorithm(identity: str) -> str:
    return identity if ":" in identity else f"sha256:{identity}"  # podman leaves it out


def _variables(config: Mapping[str, list[str] | None]) -> dict[str, str]:
    rows = (str(row).partition("=") for row in config.get("Env") or ())
    return {name: value for name, _, value in rows}


def _label_format(engine: str) -> str:
    label = f'index .Labels "{OWNER}"' if engine == "podman" else f'.Label "{OWNER}"'
    return "{{.ID}} {{" + label + "}}"


def _is_stand_in(program: str) -> bool:
    """Whether a `docker` is podman: a link to it, or the script that podman-docker brings."""
    if Path(program).resolve().name == "podman":
        return True
    with suppress(OSError), Path(program).open("rb") as stream:
        head = stream.read(_HEAD)
        return head.startswith(b"#!") and b"podman" in head
    return False


def _owner(process: int) -> str:
    """Which process of which machine, as long as it lives: a number alone comes back, and is one of its namespace."""
    return f"{socket.gethostname()}/{process}-{_start_of(process)}-{_namespace()}"


def _is_gone(owner: str) -> bool:
    """Whether a process of this machine has ended; nobody knows of one whose number is of another namespace."""
    number, _, rest = owner.rpartition("/")[2].partition("-")
    start, _, namespace = rest.partition("-")
    if namespace and namespace != _namespace():
        return False
    now = _start_of(int(number))
    return now != start if now else not _lives(int(number))


def _lives(process: int) -> bool:
    """Whether there is such a process, where nothing says more of it: on macOS, or another user's behind hidepid."""
    if os.name != "posix":
        return True
    try:
        with suppress(PermissionError, OverflowError):
            os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _namespace() -> str:
    """The number of the namespace that processes are counted in; empty where there are none."""
    try:
        return "".join(filter(str.isdecimal, os.readlink("/proc/self/ns/pid")))  # noqa: PTH115 - it leads nowhere
    except OSError:
        return ""


def _start_of(process: int) -> str:
    """When a process started, in the kernel's own ticks; empty where it is gone or nothing says it."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return fields[19] if len(fields) > 19 else ""
