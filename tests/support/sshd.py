"""A real sshd on loopback, with keys of its own, for the user who runs the tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACES = ("/usr/sbin", "/usr/local/sbin", "/sbin")


def _program(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *_PLACES]))
    if found is None:
        pytest.skip(f"{name} isn't there: install Debian's openssh-server, or its like")
    return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert isinstance(port, int)
    return port


@contextmanager
def ssh_server(folder: Path, *, path: str = "") -> Iterator[str]:
    """The command line of `ssh` that knows the host `box`; commands there get `path` as PATH where it is given."""
    sshd, keygen, _ = _program("sshd"), _program("ssh-keygen"), _program("ssh")
    folder.mkdir(mode=0o700)
    for name in ("host", "client"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    port = _free_port()
    lines = [
        f"Port {port}", "ListenAddress 127.0.0.1", f"HostKey {folder}/host", f"AuthorizedKeysFile {folder}/client.pub",
        f"PidFile {folder}/pid", "UsePAM no", "StrictModes no", "PasswordAuthentication no",
        "KbdInteractiveAuthentication no", *([f"SetEnv PATH={path}"] if path else []),
    ]  # fmt: skip
    (folder / "sshd_config").write_text("\n".join(lines) + "\n")
    host_key = " ".join((folder / "host.pub").read_text().split()[:2])
    (folder / "known").write_text(f"[127.0.0.1]:{port} {host_key}\n")
    lines = [
        "Host box", "HostName 127.0.0.1", f"Port {port}", f"IdentityFile {folder}/client", "IdentitiesOnly yes",
        f"UserKnownHostsFile {folder}/known", "StrictHostKeyChecking yes", "LogLevel ERROR",
    ]  # fmt: skip
    (folder / "config").write_text("\n".join(lines) + "\n")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd asks for it, and Debian makes it at boot
    command = [sshd, "-D", "-e", "-f", str(folder / "sshd_config")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            said = []
            for line in server.stderr:
                said.append(line)
                if "Server listening" in line:
                    break
            else:
                pytest.skip(f"sshd doesn't start: {''.join(said)}")
            yield f"ssh -F {folder}/config"
        finally:
            server.terminate()
