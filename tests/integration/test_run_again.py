"""Environments that are looked at again, not read: only where the very same folder is looked at."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.reports import is_right

if TYPE_CHECKING:
    from support.projects import Project

pytestmark = pytest.mark.integration


def proven(project: Project, *options: str) -> None:
    """Two runs: when the second begins, nothing has changed for so long that it remembers what it saw."""
    project.wheel("demo", "1.0", {"demo/__init__.py": "A = 1\n"})
    project.lock()
    project.matrix(link="copy", commands=["python -c 'import demo; print(demo.A)'"])
    for _ in range(2):
        is_right(project.run(*options))
    assert list(project.folder.glob(".lockproof/.state/*.look"))


@pytest.mark.parametrize("options", [(), ("--paranoid",)])
def test_a_folder_that_a_link_leads_to_now_is_read(small: Project, options: tuple[str, ...]) -> None:
    """A release is put in the place of another by a link, and differs from it."""
    releases = small.base / "releases"
    releases.mkdir()
    small.folder.rename(releases / "one")
    small.folder.symlink_to(releases / "one")
    (releases / "wheels").symlink_to(small.base / "wheels")
    place = ("--matrix", str(small.folder / "matrix.yaml"))
    small.variables["PWD"] = str(small.folder)
    proven(small, *place)
    shutil.copytree(releases / "one", releases / "two", symlinks=True)
    next((releases / "two").rglob("demo/__init__.py")).write_text("A = 'OTHER'\n")
    small.folder.unlink()
    small.folder.symlink_to(releases / "two")
    again = small.run(*options, *place)
    is_right(again)
    assert "made again" in again.ended.err
    assert "OTHER" not in next((releases / "two/.lockproof/.logs").iterdir()).read_text()


@pytest.mark.parametrize("options", [(), ("--paranoid",)])
def test_what_is_mounted_in_an_environment_is_seen(small: Project, options: tuple[str, ...]) -> None:
    unshare = shutil.which("unshare")
    bind = "mount --bind"
    if not unshare or subprocess.run([unshare, "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs mounts in a namespace of its own (unshare)")
    proven(small)
    folder = next(small.folder.glob(".lockproof/3*/lib"))
    ours = shlex.join([sys.executable, "-m", "lockproof", "run", *options])
    inside = f"{bind} {shlex.quote(str(folder))} {shlex.quote(str(folder))} && exec {ours}"
    done = subprocess.run(
        [unshare, "-rm", "sh", "-c", inside],
        cwd=small.folder, env=small.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode != 0, "is mounted there from elsewhere" in done.stderr) == (True, True), done
