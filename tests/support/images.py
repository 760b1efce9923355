"""Images for tests, built by real engines from ordinary Dockerfiles; a registry on loopback that gives them digests."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.engines import BASE, need
from support.tools import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lockproof.containers.engines import Engine
    from support.projects import Project
    from support.reports import Ended

PYTHON = "lockproof-test-python"
_REGISTRY = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: "{folder}/data"}}}}
http: {{addr: "{address}"}}
"""


def pack_python(python: Path, target: Path) -> None:
    """The whole Python of an executable as a tar of its prefix, without what was installed into it, and bytecode."""
    executable = python.resolve()
    prefix = executable.parent.parent
    series = executable.name.removeprefix("python")

    def wanted(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        left_out = info.name.endswith((".a", "/__pycache__", f"lib/python{series}/site-packages"))
        info.uid = info.gid = 0
        return None if left_out else info

    with tarfile.open(target, "w") as tar:
        for path in (*prefix.glob("bin/python*"), *prefix.glob("lib/libpython*.so*"), prefix / f"lib/python{series}"):
            tar.add(path, path.relative_to(prefix).as_posix(), filter=wanted)
        headers = prefix / f"include/python{series}/patchlevel.h"
        tar.add(headers, headers.relative_to(prefix).as_posix())


def base_with_python(engine: Engine, folder: Path, python: Path) -> None:
    """Make the image PYTHON, in which a Python of this machine is the one in /usr/local, with its own pip.

    Skips the test where that Python has no prefix of its own.
    """
    if str(python.resolve().parent.parent) == "/usr":
        pytest.skip("this test puts a Python into an image, which takes one with a prefix of its own")
    context = folder / "python"
    if not context.exists():
        context.mkdir()
        pack_python(python, context / "python.tar")
    build(engine, context, PYTHON, f"FROM {BASE}\nADD python.tar /usr/local/\nRUN ldconfig && python3 -m ensurepip\n")


def build(
    engine: Engine, folder: Path, tag: str, dockerfile: str = "", arguments: Mapping[str, str] | None = None
) -> str:
    """Build the image of a folder's Dockerfile, as a user does; its steps use the machine's own network.

    Returns what was said; AssertionError with all of it where the build failed.
    """
    if dockerfile:
        (folder / "Dockerfile").write_text(dockerfile)
    layers = ["--layers=false"] if engine.name == "podman" else []  # one for each step takes long
    given = [word for name, value in (arguments or {}).items() for word in ("--build-arg", f"{name}={value}")]
    command = [engine.program, "build", "--force-rm", "--network", "host", "--tag", tag, *layers, *given, str(folder)]
    done = subprocess.run(
        command, env=dict(engine.environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def run_lockproof(engine: Engine, project: Project, *arguments: str) -> Ended:
    """lockproof of a project, as it speaks to this engine."""
    own = {name: value for name, value in engine.environ.items() if name.startswith(("DOCKER_", "CONTAINERS_"))}
    path = os.pathsep.join([str(Path(engine.program).parent), project.environ["PATH"], "/usr/sbin", "/sbin"])
    return project(*arguments, env={**own, "PATH": path})


def push(engine: Engine, tag: str, address: str) -> str:
    """Push an image to a registry; its reference there, by the digest that the registry gave it."""
    reference = f"{address}/{tag}"
    run([engine.program, "tag", tag, reference], engine.environ)
    options = ["--quiet", "--tls-verify=false"] if engine.name == "podman" else ["--quiet"]
    run([engine.program, "push", *options, reference], engine.environ)
    [digest] = engine.image(reference).digests
    return f"{reference}@{digest}"


@contextlib.contextmanager
def registry(folder: Path) -> Iterator[str]:
    """The address of a registry of our own on loopback, with everything of it in `folder`."""
    need("docker-registry")
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        address = f"localhost:{chosen.getsockname()[1]}"
    (folder / "config.yml").write_text(_REGISTRY.format(folder=folder, address=address))
    command = ["docker-registry", "serve", str(folder / "config.yml")]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"}) as server:  # fmt: skip
        assert server.stderr is not None
        try:
            said = []
            for line in server.stderr:
                said.append(line.decode("utf-8", "replace"))
                if b"listening on" in line:
                    break
            else:
                raise AssertionError(f"no registry starts here: {''.join(said[-3:])}")
            yield address
        finally:
            server.terminate()
