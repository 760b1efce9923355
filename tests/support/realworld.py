"""Projects on the lock of the benchmarks: 82 real distributions, of which a Python gets about 67 with 12,600 files."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.projects import Project, finish, make_project
from support.reports import Ended, Ran

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCK = Path(__file__).parent.parent.parent / "benchmarks" / "workload" / "requirements.txt"
SERIES = range(10, 14)  # what the lock was tried with: 3.10 to 3.13
_LONG = 900.0  # seconds after which a run hangs; on two busy cores pip alone takes a minute for one cell
_UNAVAILABLE = 4  # the exit code that also says: nothing could be reached


def pythons_of_the_lock(pythons: Mapping[str, Path]) -> dict[str, Path]:
    """Those that the lock is for, oldest first; skips the test unless there are two."""
    found = {version: path for version, path in pythons.items() if int(version.split(".")[1]) in SERIES}
    if len(found) < 2:
        pytest.skip(f"these tests need two CPythons of 3.{SERIES[0]} to 3.{SERIES[-1]}")
    return found


@cache
def _shared_cache() -> Path:
    """One store for all tests of this process, for the wheels are 150 MB to download and 1 GB unpacked."""
    folder = Path(tempfile.mkdtemp(prefix="lockproof-real-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def make_real_project(base: Path, pythons: Mapping[str, Path]) -> Project:
    """A project on that lock whose wheels are all in the store; skips the test where no index can be reached.

    In CI an index has to be there, so that a skip can't pass for a success.
    """
    project = make_project(base, pythons)
    project.cache = _shared_cache()
    shutil.copy(LOCK, project.folder / "requirements.txt")
    project.matrix(lock="requirements.txt")
    user = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LOCKPROOF_"))}
    project.variables |= user  # the user's own index; later runs need none
    ended = patiently(project, "predict", "--quiet")
    for name in user:
        del project.variables[name]
    if ended.code == _UNAVAILABLE and os.environ.get("CI") != "true":
        pytest.skip(f"no index can be reached: {ended.err.strip()}")
    assert ended.code == 0, ended
    return project


def patiently(project: Project, *arguments: str, umask: int = -1) -> Ended:
    """Run the command line, with the time that a big lock needs."""
    return finish(project.start(*arguments, umask=umask), timeout=_LONG)


def run_patiently(project: Project, *arguments: str, umask: int = -1) -> Ran:
    """`lockproof run` with its report, with the time that a big lock needs."""
    target = project.base / "report.json"
    target.unlink(missing_ok=True)
    ended = patiently(project, "run", "--json", str(target), *arguments, umask=umask)
    assert target.exists(), ended
    return Ran(ended=ended, report=json.loads(target.read_text()))
