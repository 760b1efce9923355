"""From where Python takes its standard library, and what is mounted into an environment."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lockproof.proof.fingerprint import Finding
from lockproof.reading import surroundings
from lockproof.reading.surroundings import home_finding, mount_findings
from support.environments import running

if TYPE_CHECKING:
    from pathlib import Path

    from lockproof.pythons.interpreters import Interpreter

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links and mounts of this platform are others")


@pytest.fixture
def base(tmp_path: Path) -> Interpreter:
    """An interpreter in `real/3.12`, as far as folders go."""
    prefix = tmp_path.resolve() / "real" / "3.12"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "lib/python3.12/lib-dynload").mkdir(parents=True)
    (prefix / "lib/python3.12/os.py").write_text("")
    return replace(running(), executable=prefix / "bin/python3.12", prefix=prefix, version="3.12.1")


def said(home: Path | str, base: Interpreter) -> str:
    finding = home_finding(str(home), base)
    assert finding is None or finding[:2] == ("interpreter-home", "data/pyvenv.cfg")
    return finding.message if finding else ""


def test_the_home_of_the_interpreter_itself(base: Interpreter) -> None:
    assert said(base.prefix / "bin", base) == ""
    assert said(base.prefix, base) == ""


def test_a_link_above_the_prefix_is_another_way_to_it(base: Interpreter, tmp_path: Path) -> None:
    """As uv links cpython-3.12 to cpython-3.12.1."""
    (tmp_path / "minor").symlink_to(base.prefix)
    assert said(tmp_path / "minor/bin", base) == ""


@pytest.mark.parametrize("mark", ["python3.12/os.py", "python3.12/os.pyc", "python3.12/lib-dynload", "python312.zip"])
def test_a_link_to_the_folder_of_the_interpreter_beside_another_library(
    mark: str, base: Interpreter, tmp_path: Path
) -> None:
    evil = tmp_path / "evil"
    (evil / "lib" / mark).mkdir(parents=True)
    (evil / "bin").symlink_to(base.prefix / "bin")
    assert said(evil / "bin", base) == (
        f"says home = {evil}/bin, from where Python finds the standard library of {evil}"
    )


def test_an_archive_above_a_link_to_the_prefix(base: Interpreter, tmp_path: Path) -> None:
    evil = tmp_path / "evil"
    (evil / "lib").mkdir(parents=True)
    (evil / "lib/python312.zip").write_text("")
    (evil / "linked").symlink_to(base.prefix)
    assert "standard library of" in said(evil / "linked/bin", base)


def test_an_old_home_that_is_a_build_folder(base: Interpreter) -> None:
    (base.prefix / "pybuilddir.txt").write_text("build")
    assert said(base.prefix, base).endswith("where pybuilddir.txt decides where Python finds its standard library")


@pytest.mark.parametrize("home", ["", "real/3.12/bin", "/nowhere"])
def test_another_home(home: str, base: Interpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative one leads from whatever folder Python is started in."""
    monkeypatch.chdir(tmp_path)
    assert said(home, base) == f"says home = {home}, its interpreter is in {base.prefix}/bin"


def test_mounts_below_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = ["/env", "/envy/site", "/env/lib/a\\040b", "/env/lib/a\\040b", "/env/\\134x", "/"]
    rows = [f"{number} 1 0:1 / {place} rw - tmpfs none rw\n" for number, place in enumerate(places)]
    (tmp_path / "mountinfo").write_text("".join(rows))
    monkeypatch.setattr(surroundings, "_MOUNTS", tmp_path / "mountinfo")
    text = "is mounted there from elsewhere"
    assert mount_findings("/env") == [Finding("mount", "data/\\x", text), Finding("mount", "data/lib/a b", text)]
    monkeypatch.setattr(surroundings, "_MOUNTS", tmp_path / "nothing")
    assert mount_findings("/env") == []
