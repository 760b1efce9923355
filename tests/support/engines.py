"""Real container engines for tests: a docker daemon of our own, podman with a store of its own, one small image.

Everything lies in one folder and ends with it; the machine's own engines and images are never touched. Where a program
is missing or the kernel says no, the test is skipped with the reason.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.tools import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BASE = "lockproof-test-base"
ARM64 = "lockproof-test-arm64"
PYTHON = "lockproof-test-same-python"
_PACKAGES = "python3,python3-venv,dash,coreutils,libc-bin,libstdc++6"  # the last for compiled packages
_PODMAN = """\
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
"""


def need(*programs: str) -> None:
    """Skip the test where a program is missing, or where we are not root, whom a daemon of our own needs."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"this test needs {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("this test starts an engine of its own, which takes root")


@contextlib.contextmanager
def docker_daemon(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which `docker` speaks to a daemon of our own, with everything of it in `folder`."""
    need("dockerd", "docker")
    address = f"unix://{folder}/docker.sock"
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            [
                "dockerd", "--iptables=false", "--bridge=none", f"--data-root={folder}/data",
                f"--exec-root={folder}/exec", f"--pidfile={folder}/pid", f"--host={address}",
            ],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    environ = {**os.environ, "DOCKER_HOST": address, "DOCKER_BUILDKIT": "0"}
    try:
        _wait_for_answer(daemon, folder / "log")
        yield environ
    finally:
        daemon.terminate()
        daemon.wait(30)
        _unmount_below(folder)


def _unmount_below(folder: Path) -> None:
    """Unmount what a daemon leaves mounted, as the network namespace of containers on the machine's own network."""
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for point in reversed([point for point in points if point.startswith(f"{folder}/")]):
        subprocess.run(["umount", "--lazy", point], check=True)


def _wait_for_answer(daemon: subprocess.Popen[bytes], log: Path) -> None:
    """Follow the daemon's log until it says that it listens; skip where it ends before."""
    follower = subprocess.Popen(
        ["tail", "--follow", "--lines=+1", f"--pid={daemon.pid}", str(log)], stdout=subprocess.PIPE, text=True
    )
    assert follower.stdout is not None
    with follower, follower.stdout as lines:
        said = []
        for line in lines:
            said.append(line)
            if "API listen on" in line:
                follower.terminate()
                return
    pytest.skip(f"no docker daemon starts here: {''.join(said[-3:])}")


@contextlib.contextmanager
def podman_set_up(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which `podman` keeps everything in `folder`."""
    need("podman", "runc")
    (folder / "containers.conf").write_text(_PODMAN)
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"\n'
    )
    yield {
        **os.environ,
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
    }


def base_archive(folder: Path, machine: str = "") -> Path:
    """The file system of a small Debian with Python, as a tar file; of `machine` in Debian's words, by default ours."""
    need("mmdebstrap", *(["arch-test"] if machine else []))
    if machine and subprocess.run(["arch-test", machine], capture_output=True, check=False).returncode:
        pytest.skip(
            f"programs for {machine} don't run here: mount binfmt_misc, and let qemu-user-static register itself"
        )
    archive = folder / "root.tar"
    command = ["mmdebstrap", "--quiet", "--variant=extract", f"--include={_PACKAGES}"]
    command += [f"--architectures={machine}"] if machine else []
    command += ["bookworm", str(archive)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no Debian can be made here: {done.stderr[-300:]}")
    return archive


def load(engine: str, archive: Path, environ: Mapping[str, str], name: str = BASE) -> str:
    """Import a file system as the image `name`; its id."""
    return run([engine, "import", str(archive), name], environ).strip()


def add_python(engine: str, executable: Path, environ: Mapping[str, str], name: str) -> None:
    """Make the image `name`: the base with a CPython of this machine at the same path, without its own tests."""
    prefix = executable.resolve().parent.parent
    series = executable.resolve().name

    def wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        skipped = ("/__pycache__", f"{series}/test", "/site-packages/", ".a", "/include")
        return None if member.name.endswith(skipped) or "/site-packages/" in member.name else member

    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(Path(folder, "python.tar"), "w") as tar:
            for part in ("bin", "lib"):
                tar.add(prefix / part, f"{prefix}/{part}", filter=wanted)
        Path(folder, "Dockerfile").write_text(f"FROM {BASE}\nADD python.tar /\n")
        run([engine, "build", "--quiet", "--tag", name, folder], environ)


def load_for(machine: str, engine: str, archive: Path, environ: Mapping[str, str], name: str) -> None:
    """Make a file system the image `name` for `machine` in the engines' words.

    What `docker save` writes is given to `load`: docker 20.10 imports everything as made for its own machine.
    """
    with archive.open("rb") as file:
        layer = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    config = {"os": "linux", "architecture": machine, "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer]}}
    manifest = [{"Config": "config.json", "RepoTags": [f"{name}:latest"], "Layers": ["layer.tar"]}]
    with (
        subprocess.Popen([engine, "load", "--quiet"], stdin=subprocess.PIPE, env=dict(environ)) as loading,
        tarfile.open(fileobj=loading.stdin, mode="w|") as saved,
    ):
        saved.add(archive, "layer.tar")
        for member, document in (("config.json", config), ("manifest.json", manifest)):
            content = json.dumps(document).encode()
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            saved.addfile(entry, io.BytesIO(content))
    assert loading.returncode == 0
