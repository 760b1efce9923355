"""What an engine's own words mean, told by programs that say them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lockproof.cli import main
from lockproof.containers.engines import find_engine, owner_label
from lockproof.errors import LockproofError, UnavailableError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

# As docker 20.10 and podman 4.3 word them.
REFUSED = (
    "Got permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: "
    'Get "http://%2Fvar%2Frun%2Fdocker.sock/v1.24/images/app/json": dial unix /var/run/docker.sock: connect: '
    "permission denied"
)
GONE = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
START = "start it, and see that `docker info` works for this user"
ABSENT = "Error: inspecting object: app: image not known"


def program(folder: Path, name: str, said: str) -> dict[str, str]:
    """An environment in which the engine of that name says this, and fails."""
    path = folder / name
    path.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}\nEND\nexit 1\n")
    path.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder)}


@pytest.mark.parametrize(
    ("said", "kind", "what", "remedy"),
    [
        (REFUSED, UnavailableError, "docker can't be asked", START),
        (GONE, UnavailableError, "docker can't be asked", START),
        (
            ABSENT, UsageError, "docker has no such image or container",
            "`docker images` and `docker ps --all` list them; nothing is pulled",
        ),
        (
            "no space left on device", UnavailableError, "docker failed",
            "`docker system prune` makes room, if nothing else does",
        ),
    ],
)  # fmt: skip
def test_what_an_engine_says(tmp_path: Path, said: str, kind: type[LockproofError], what: str, remedy: str) -> None:
    engine = find_engine("docker", program(tmp_path, "docker", said))

    with pytest.raises(kind) as caught:
        engine.image("app")

    assert (caught.value.what, caught.value.where) == (what, "app")
    assert (caught.value.why, caught.value.remedy) == (said, remedy)


@pytest.mark.parametrize(
    ("named", "code", "told"),
    [("docker-image:app", 4, "docker can't be asked"), ("podman:web", 4, "podman is not on PATH")],
)
def test_an_engine_without_permission_or_none_at_all_is_exit_code_4(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    named: str,
    code: int,
    told: str,
) -> None:
    environ = program(tmp_path, "docker", REFUSED)
    monkeypatch.setenv("PATH", str(tmp_path) if named.startswith("podman") else environ["PATH"])
    monkeypatch.setenv("LOCKPROOF_STORE", str(tmp_path / "store"))

    assert main(["fingerprint", named, "-C", str(tmp_path)]) == code

    said = capsys.readouterr()
    assert (said.out, f"{named}: {told}" in said.err) == ("", True)


def test_a_docker_that_is_podman_is_asked_as_podman(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/podman").write_text("#!/bin/sh\n")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/docker").symlink_to(tmp_path / "real/podman")
    (tmp_path / "script").mkdir()
    (tmp_path / "script/docker").write_text('#!/bin/sh\n[ -e /etc/containers/nodocker ]\nexec /usr/bin/podman "$@"\n')
    (tmp_path / "own").mkdir()
    (tmp_path / "own/docker").write_text("#!/bin/sh\nexec /opt/docker\n")
    for file in (tmp_path / "real/podman", tmp_path / "script/docker", tmp_path / "own/docker"):
        file.chmod(0o755)

    names = {
        folder: find_engine("docker", {"PATH": str(tmp_path / folder)}).name for folder in ("linked", "script", "own")
    }

    assert names == {"linked": "podman", "script": "podman", "own": "docker"}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing tells one process from the next of its number")
def test_only_what_is_surely_dead_is_swept(tmp_path: Path) -> None:
    """A number of another namespace, or of another machine, may be that of a process that lives there."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    alive = owner_label().partition("=")[2]
    host, _, process = alive.partition("/")
    namespace = process.rpartition("-")[2]
    rows = {
        "mine": alive,
        "another": f"{host}/{os.getpid()}-1-{namespace}",
        "dead": f"{host}/{gone.pid}-1-{namespace}",
        "foreign": f"{host}/{gone.pid}-1-1{namespace}",
        "remote": f"not-{host}/{gone.pid}-1-{namespace}",
    }
    told = "".join(f"echo '{name} {owner}'\n" for name, owner in rows.items())
    path = tmp_path / "docker"
    path.write_text(f"#!/bin/sh\nif [ $1 = ps ]; then\n{told}else echo $4 >> {tmp_path}/removed; fi\n")
    path.chmod(0o755)

    assert find_engine("docker", {"PATH": f"{tmp_path}:/usr/bin:/bin"}).sweep() == 2
    assert (tmp_path / "removed").read_text().split() == ["another", "dead"]
