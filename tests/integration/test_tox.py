"""The tox.ini of the how-to: one line runs a cell under real tox."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.projects import SOURCES

if TYPE_CHECKING:
    from support.projects import Project

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(importlib.util.find_spec("tox") is None, reason="tox is not installed"),
]
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "use-from-tox.md"


@pytest.fixture
def ready(small: Project) -> Project:
    """A project of one cell with the page's tox.ini, its two names put in; `lockproof` is on the path."""
    python = next(iter(small.pythons))
    small.wheel("plain", "1.0", {"plain.py": "ANSWER = 42\n"})
    small.lock()
    say = small.script("import sys, plain", "print('say', *sys.argv[1:])", "sys.exit('fail' in sys.argv)")
    small.matrix(commands=[f"{say} {{posargs}}"])
    plain, named, _ = re.findall(r"```ini\n(.*?)```", PAGE.read_text(), re.DOTALL)
    text = plain.replace("3.11.7-linux-x86_64, 3.12.1-linux-x86_64", f"{python}-linux-x86_64, 3.6.0-linux-x86_64")
    small.write("tox.ini", text + "\n" + named.replace("3.12.1", python))
    sources, ours = shlex.quote(str(SOURCES)), shlex.quote(sys.executable)  # a checkout's folder may have a space
    program = small.write("bin/lockproof", f'#!/bin/sh\nPYTHONPATH={sources} exec {ours} -m lockproof "$@"\n')
    program.chmod(0o755)
    small.variables["PATH"] = f"{program.parent}:{small.environ['PATH']}"
    small.variables["TOX_OVERRIDE"] = "testenv.pass_env+=LOCKPROOF_*"
    return small


def tox(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tox", "run", *arguments],
        cwd=project.folder, env=project.environ, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def test_an_environment_is_a_cell(ready: Project) -> None:
    cell = f"{next(iter(ready.pythons))}-linux-x86_64"
    for name in (cell, "unit"):
        done = tox(ready, "-e", name, "--", "-k", "login")
        assert done.returncode == 0, done
        assert f"commands[0]> lockproof run {cell} -- -k login" in done.stdout
        assert "1 cell: 1 passed; 1 proven (match); exit code 0" in done.stderr
        (log,) = ready.folder.glob(f".lockproof/.logs/{cell}.log")
        assert "say -k login" in log.read_text()
    assert tox(ready, "-e", cell, "--", "fail").returncode == 1
    assert tox(ready, "-e", "3.6.0-linux-x86_64").returncode != 0  # no such cell
