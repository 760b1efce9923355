"""A folder that a host's shell and tar send: here those of this machine, by way of a program in the place of ssh."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from lockproof.errors import UnavailableError
from lockproof.proof.fingerprint import Finding
from lockproof.reading.remote import inspect_remote
from lockproof.reading.sshhost import parse_remote, sending

if TYPE_CHECKING:
    from pathlib import Path

    from lockproof.pythons.carried import Carried

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it needs a host with GNU tar and readlink -f")
SSH = """#!/bin/sh
while [ "$1" != -- ]; do [ "$1" = -G ] && exit 1; shift; done
shift 2; exec ${LOGIN_SHELL:-sh} -c "$*"
"""


def write(path: Path, content: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)


def python(prefix: Path, content: str) -> Path:
    write(prefix / "bin/python3.12", content, 0o755)
    write(prefix / "lib/python3.12/os.py", "")
    return prefix / "bin/python3.12"


def told(root: Path, target: str, about: str = "interpreter") -> tuple[list[Finding], list[str]]:
    """What is said, `about` the interpreter, of an environment in `root` whose python leads there; the builds met."""
    write(root / "venv/pyvenv.cfg", f"home = {root}/honest/bin\nversion = 3.12.1\n")
    (root / "venv/lib/python3.12/site-packages").mkdir(parents=True, exist_ok=True)
    (root / "venv/bin").mkdir()
    (root / "venv/bin/python").symlink_to(target)
    (root / "venv/bin/python3").symlink_to("python")
    write(root / "ssh", SSH, 0o755)
    met: list[str] = []

    def recognise(carried: Carried) -> None:
        met.append(f"/{carried.prefix}")

    with sending(parse_remote(f"ssh:box:{root}/venv", shlex.quote(f"{root}/ssh"))) as sent:
        found = inspect_remote(sent, recognise)
    return [one for one in found.fingerprint.findings if one.code.startswith(about)], met


@pytest.mark.parametrize("target", ["{root}/honest/bin/python3.12", "{root}/alias/bin/python3.12"])
def test_a_python_that_is_read_where_it_lies(target: str, tmp_path: Path) -> None:
    python(tmp_path / "honest", "honest")
    (tmp_path / "alias").symlink_to(tmp_path / "honest")
    write(tmp_path / "alias/README", "")

    findings, met = told(tmp_path, target.format(root=tmp_path))

    assert ([finding for finding in findings if finding.path == "scripts/python"], len(met)) == ([], 1)


def test_a_python_behind_a_link_that_was_not_sent_is_not_taken_for_another(tmp_path: Path) -> None:
    """What the archive has no link for looks like a folder, and `..` like what is above that."""
    python(tmp_path / "honest", "honest")
    evil = python(tmp_path / "evil", "evil")
    (tmp_path / "evil/below").mkdir()
    (tmp_path / "honest/aside").symlink_to(tmp_path / "evil/below")

    findings, _ = told(tmp_path, f"{tmp_path}/honest/aside/../bin/python3.12")

    text = f"leads to {evil}, and {tmp_path}/honest/bin/python3.12 was read"
    assert Finding("interpreter", "scripts/python", text, "unproven") in findings


def test_a_host_that_leaves_files_out_of_its_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GNU tar takes options from a variable, which a host may have set for backups."""
    monkeypatch.setenv("TAR_OPTIONS", "--exclude=*.pth")
    write(tmp_path / "venv/lib/python3.12/site-packages/evil.pth", "import evil\n")
    python(tmp_path / "honest", "honest")

    told(tmp_path, f"{tmp_path}/honest/bin/python3.12")

    with sending(parse_remote(f"ssh:box:{tmp_path}/venv", f"{tmp_path}/ssh")) as sent:
        found = inspect_remote(sent, lambda _: None)
    assert "site/evil.pth" in found.fingerprint.files


def test_a_folder_that_is_not_there_is_told_in_few_words(tmp_path: Path) -> None:
    write(tmp_path / "ssh", SSH, 0o755)
    with pytest.raises(UnavailableError, match=r"the folder can't be entered: sh: .{,9}cd: .{,20}/nowhere"):  # noqa: SIM117
        with sending(parse_remote("ssh:box:/nowhere", shlex.quote(f"{tmp_path}/ssh"))) as sent:
            inspect_remote(sent, lambda _: None)


def test_a_library_whose_links_leave_its_prefix(tmp_path: Path) -> None:
    """As those of Debian's do, in one step or two."""
    executable = python(tmp_path / "honest", "honest")
    write(tmp_path / "etc/real.py", "")
    (tmp_path / "etc/site.py").symlink_to("real.py")
    (tmp_path / "honest/lib/python3.12/sitecustomize.py").symlink_to(tmp_path / "etc/site.py")

    findings, met = told(tmp_path, str(executable))

    assert ([finding for finding in findings if finding.path == "scripts/python"], len(met)) == ([], 1)


def test_a_library_that_is_all_links_is_unproven(tmp_path: Path) -> None:
    executable = python(tmp_path / "honest", "honest")
    for number in range(3000):
        (tmp_path / f"honest/lib/python3.12/m{number}.py").symlink_to(tmp_path / f"elsewhere/m{number}.py")

    findings, _ = told(tmp_path, str(executable))

    assert {(finding.path, finding.level) for finding in findings} == {("scripts/python", "unproven")}


@pytest.mark.parametrize("tar", ["tar", "bsdtar", "busybox"])
def test_a_host_with_another_tar_says_the_same(tar: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if (program := shutil.which(tar)) is None:
        pytest.skip(f"{tar} is not here")
    for name in ("tar", "sh", "readlink", "tr") if tar == "busybox" else ("tar",):
        (tmp_path / "tools").mkdir(exist_ok=True)
        (tmp_path / "tools" / name).symlink_to(program)
    python(tmp_path / "honest", "honest")
    (tmp_path / "honest/bin/python").symlink_to("python3.12")
    write(tmp_path / "honest/lib/python3.12/site-packages/its_own.py", "")
    site = tmp_path / "venv/lib/python3.12/site-packages"
    write(site / "evil.pth", "import evil\n")
    (site / "linked.pth").hardlink_to(site / "evil.pth")
    write(site / f"{'n' * 120}/{'m' * 120}.py", "")
    os.mkfifo(site / "fifo")
    monkeypatch.chdir(site)  # sockets' paths are short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("socket")
        monkeypatch.setenv("PATH", f"{tmp_path}/tools:{os.environ['PATH']}")
        wrong, _ = told(tmp_path, f"{tmp_path}/honest/bin/python", "")

    assert [f"{finding.code} {finding.path}" for finding in wrong if finding.level == "mismatch"] == [
        "special-file site/fifo",
        "special-file site/socket",
        "unowned site/evil.pth",
        "unowned site/linked.pth",
        f"unowned site/{'n' * 120}/{'m' * 120}.py",
    ]
    assert [finding for finding in wrong if finding.path == "scripts/python" and finding.level == "unproven"] == []


@pytest.mark.parametrize("shell", ["sh", "bash", "tcsh"])
def test_a_host_whose_login_shell_is_another_one(shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not here")
    monkeypatch.setenv("LOGIN_SHELL", shell)
    root = tmp_path / "it's a $place!"
    python(root / "honest", "honest")

    findings, met = told(root, f"{root}/honest/bin/python3.12")

    assert ([finding for finding in findings if finding.path == "scripts/python"], len(met)) == ([], 1)
