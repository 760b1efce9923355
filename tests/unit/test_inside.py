"""The Python of an environment for a container: its links are read, and not followed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lockproof.environments.skeletons import write_skeleton
from lockproof.pythons.interpreters import Interpreter
from lockproof.pythons.platforms import Platform
from lockproof.reading.inside import interpreter_inside

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="containers' environments are POSIX's")

INSIDE = Interpreter(
    executable=Path("/opt/of/an/image/bin/python3.11"), version="3.11.7", implementation="cpython",
    prefix=Path("/opt/of/an/image"), platform=Platform(os="linux", machine="x86_64", libc="glibc", version=(2, 36)),
    facts={}, files={}, image="sha256:1",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_skeleton(INSIDE, tmp_path / "env")
    return tmp_path / "env"


def found(folder: Path) -> tuple[bool, tuple[str, str, str] | None]:
    interpreter, finding = interpreter_inside(folder, "bin", INSIDE)
    return interpreter is INSIDE, finding and (finding.code, finding.path, finding.message)


def test_what_was_written_is_right(folder: Path) -> None:
    assert found(folder) == (True, None)
    assert (folder / "pyvenv.cfg").read_text() == (
        "home = /opt/of/an/image/bin\nimplementation = CPython\nversion = 3.11.7\n"
        "include-system-site-packages = false\n"
    )
    assert (folder / "lib/python3.11/site-packages").is_dir()


@pytest.mark.parametrize("name", ["python", "python3", "python3.11"])
def test_a_name_that_leads_elsewhere(folder: Path, name: str) -> None:
    (folder / "bin" / name).unlink()
    (folder / "bin" / name).symlink_to("/tmp/python3.11")
    expected = "leads to /tmp/python3.11, not to /opt/of/an/image/bin/python3.11 of the image"
    assert found(folder) == (False, ("interpreter", "scripts/python", expected)) or found(folder) == (
        False,
        ("interpreter", f"scripts/{name}", expected),
    )


def test_a_program_of_its_own(folder: Path) -> None:
    (folder / "bin/python3").unlink()
    (folder / "bin/python3").write_text("#!/bin/sh\n")
    assert found(folder) == (False, ("interpreter", "scripts/python3", "is a program of its own"))


def test_a_loop_and_nothing(folder: Path) -> None:
    (folder / "bin/python").unlink()
    assert found(folder) == (False, ("interpreter", "scripts/python", "is not there"))
    (folder / "bin/python").symlink_to("python3")
    assert found(folder) == (False, ("interpreter", "scripts/python", "is a program of its own"))


def test_another_home(folder: Path) -> None:
    text = (folder / "pyvenv.cfg").read_text().replace("/opt/of/an/image/bin", "/elsewhere/bin")
    (folder / "pyvenv.cfg").write_text(text)
    expected = "says home = /elsewhere/bin, its interpreter is in /opt/of/an/image/bin"
    assert found(folder) == (True, ("interpreter-home", "data/pyvenv.cfg", expected))
