"""Wrong bytes, dead indexes, full disks and odd folders: said clearly, and nothing half-made is left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support.loopback import Fault, LoopbackIndex
from support.reports import is_right
from support.wheels import sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.projects import Project

pytestmark = pytest.mark.integration

HASH = "0" * 64
IMPATIENT = {"PIP_RETRIES": "0"}


# hashes, downloads, indexes


@pytest.mark.parametrize("by", ["url", "path"])
def test_a_wrong_hash(small: Project, serve: Callable[[Project], LoopbackIndex], by: str) -> None:
    wheel = small.wheel("bad", "1.0")
    index = serve(small)
    small.lock(index=index.base if by == "url" else None, hashes={wheel.name: HASH})
    small.matrix()
    ran = small.run()
    reason = str(ran.cell()["reason"])
    assert (ran.ended.code, ran.statuses) == (5, ["error"])
    assert "pylock.toml:4: bad 1.0: bad-1.0-py3-none-any.whl is not the file that was locked" in reason
    assert f"the lock names sha256:{HASH}" in reason
    assert f"gave sha256:{sha256_of(wheel)}" in reason
    assert small.remains() == []


def test_a_file_that_was_swapped_in_the_index(small: Project, serve: Callable[[Project], LoopbackIndex]) -> None:
    wheel = small.wheel("bad", "1.0")
    index = serve(small)
    small.requirements(f"--index-url {index.url}")
    small.matrix(lock="requirements.txt")
    index.faults[wheel.name] = Fault(body=b"other bytes")
    ran = small.run()
    assert (ran.ended.code, ran.statuses) == (5, ["error"])
    assert "requirements.txt:2" in str(ran.cell()["reason"])
    assert small.remains() == []


def test_a_download_cut_short_is_kept_and_gone_on_with(
    small: Project, serve: Callable[[Project], LoopbackIndex]
) -> None:
    noise = bytes(range(256)) * 8
    wheel = small.wheel("cut", "1.0", {"cut.py": "", "noise.bin": noise})
    index = serve(small)
    small.lock(index=index.base)
    small.matrix()
    index.faults[wheel.name] = Fault(truncate=300, times=1)
    is_right(small.run())  # within one run
    assert index.requests[1].headers["range"] == "bytes=300-"

    shutil.rmtree(small.cache / "store")
    shutil.rmtree(small.folder / ".lockproof")
    index.faults[wheel.name] = Fault(truncate=0)
    none = {"PIP_RETRIES": "0", "PIP_INDEX_URL": index.url}
    ran = small.run(env=none)
    assert (ran.ended.code, ran.statuses) == (4, ["error"])
    assert "truncated after 0 of" in str(ran.cell()["reason"])
    assert small.remains() == []
    index.faults.clear()
    is_right(small.run())


def test_with_a_filled_store_no_network_is_needed(small: Project) -> None:
    small.sample()
    with LoopbackIndex(small.base / "wheels") as index:
        small.requirements(f"--index-url {index.url}")
        small.matrix(lock="requirements.txt", commands=["plain"])
        is_right(small.run())
    is_right(small.run("--recreate"))

    shutil.rmtree(small.cache / "store")
    shutil.rmtree(small.folder / ".lockproof")
    empty = small.run(env=IMPATIENT)
    assert (empty.ended.code, empty.statuses) == (4, ["error"])
    assert "can't be fetched" in str(empty.cell()["reason"])
    assert "Check the network" in str(empty.cell()["reason"])
    assert small.remains() == []
    shutil.rmtree(small.cache / "locks")
    unlisted = small("run", env=IMPATIENT)
    assert (unlisted.code, unlisted.out) == (4, "")
    assert "can't be asked" in unlisted.err


# disks


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Callable[[str, str], Path]]:
    """Mounts a tmpfs with options on a folder; skips where that can't be done."""
    mounted: list[Path] = []

    def mount(name: str, options: str) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        if sys.platform != "linux" or os.geteuid() != 0:
            pytest.skip("mounting a small file system needs Linux and root")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_under_the_store(small: Project, tiny_disk: Callable[[str, str], Path]) -> None:
    small.wheel("big", "1.0", {"big.bin": os.urandom(3 << 20)})
    small.lock()
    small.matrix()
    full = tiny_disk("disk", "size=2m")
    ran = small.run("--store", str(full))
    assert (ran.ended.code, ran.statuses) == (4, ["error"])
    reason = str(ran.cell()["reason"])
    assert "No space left on device" in reason
    assert str(full) in reason
    # What was downloaded so far is kept, to go on with when there is room.
    left = [path.suffix for path in (full / "store").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert left in ([], [".part"])
    is_right(small.run())


def test_a_full_disk_under_the_project(small: Project, tiny_disk: Callable[[str, str], Path]) -> None:
    small.wheel("big", "1.0", {"big.bin": os.urandom(3 << 20)})
    small.lock()
    small.matrix()
    full = tiny_disk("disk", "size=2m")
    project = small.checkout(full / "project")
    for wheel in project.wheels:
        assert wheel.exists()
    project.lock()
    ran = project.run()
    assert (ran.ended.code, ran.statuses) == (4, ["error"])
    assert "No space left on device" in str(ran.cell()["reason"])
    subprocess.run(["mount", "-o", "remount,size=64m", full], check=True)
    is_right(project.run())


@pytest.mark.parametrize("which", ["project", "store"])
def test_a_folder_that_cannot_be_written_to(small: Project, tiny_disk: Callable[[str, str], Path], which: str) -> None:
    small.wheel("some", "1.0")
    small.lock()
    small.matrix()
    folder = tiny_disk("disk", "size=8m")
    project = small.checkout(folder / "project") if which == "project" else small
    project.lock()
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    arguments = ["--store", str(folder)] if which == "store" else []
    ended = project("run", *arguments)
    assert ended.code == (2 if which == "project" else 4)
    assert "Read-only file system" in ended.err
    assert str(folder) in ended.err
    assert "writable" in ended.err


def test_a_project_that_becomes_read_only(small: Project, tiny_disk: Callable[[str, str], Path]) -> None:
    small.wheel("some", "1.0")
    small.lock()
    small.matrix()
    folder = tiny_disk("disk", "size=8m")
    project = small.checkout(folder / "project")
    project.lock()
    ran = project.run()
    is_right(ran)
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    for arguments in ([], ["--recreate"]):
        again = project.run(*arguments)
        assert (again.ended.code, again.statuses) == (4, ["error"])
        assert "Read-only file system" in str(again.cell()["reason"])
    environment, cell = str(project.environment(ran)), str(ran.cell()["id"])
    assert project.json("verify", environment, "--cell", cell)["verdict"] == "match"


def test_a_filled_store_that_is_read_only(small: Project, tiny_disk: Callable[[str, str], Path]) -> None:
    small.sample()
    small.lock()
    small.matrix(commands=["plain"])
    folder = tiny_disk("disk", "size=32m")
    is_right(small.run("--store", str(folder)))
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    elsewhere = {"TMPDIR": str(folder.parent)}  # virtualenv leaves folders where it can't use its cache
    is_right(small.run("--store", str(folder), env=elsewhere))
    is_right(small.run("--store", str(folder), "--recreate", env=elsewhere))


# places


ODD_NAMES = {"odd signs": "-ü 'q\"$#%41\\\n;", "a long path": "l" * 120 + "/" + "m" * 100}


@pytest.mark.parametrize("kind", ODD_NAMES)
def test_any_folder_will_do(small: Project, kind: str) -> None:
    small.sample()
    project = small.checkout(small.base / ODD_NAMES[kind] / "project")
    project.lock()
    project.matrix(commands=["plain", "every-script"])
    ran = project.run()
    is_right(ran)
    ended = project(
        "verify", str(project.environment(ran)), "--cell", str(ran.cell()["id"]), env={"PYTHONIOENCODING": "ascii"}
    )
    assert (ended.code, ended.out.partition(":")[0]) == (0, "match")


@pytest.mark.parametrize(("name", "why"), [("a:b", "separates paths"), ("\udcff", "not UTF-8")], ids=ascii)
def test_a_folder_that_will_not_do(small: Project, name: str, why: str) -> None:
    small.wheel("some", "1.0")
    project = small.checkout(small.base / name)
    project.lock()
    project.matrix()
    ran = project.run()
    assert (ran.ended.code, ran.statuses) == (2, ["error"])
    assert why in str(ran.cell()["reason"])
    assert not project.environment(ran).exists()
