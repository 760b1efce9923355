"""The fan-in of projects that install themselves, and of cells with policies."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.backend import backend_wheel, write_app

if TYPE_CHECKING:
    from support.projects import Project
    from support.reports import Json

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("git") is None, reason="these tests need git"),
]


def judged(project: Project, *cells: str, code: int) -> list[Json]:
    """The fan-in over the fingerprints of these cells as they are now."""
    results = project.base / "results"
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir()
    for cell in cells:
        (results / f"{cell}.json").write_text(project("fingerprint", f".lockproof/{cell}", "--json").out)
    told = project.json("compare", f"{results}/*.json", "--expect", str(project.base / "predicted"), code=code)
    found = told["cells"]
    assert isinstance(found, list)
    return found


def test_a_project_that_is_installed_as_wheel_or_editable(small: Project) -> None:
    write_app(small)
    backend_wheel(small)
    small.wheel("lib", "1.0")
    small.lock()
    for arguments in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *arguments], cwd=small.folder, env=small.environ, check=True)
    ways = {"built": {"package": "wheel"}, "linked": {"package": "editable"}}
    small.matrix(commands=["app"], cells={"axes": {"way": ways}})
    ran = small.run()
    assert ran.statuses == ["passed", "passed"]
    assert small("predict", "--bundle", str(small.base / "predicted")).code == 0
    cells = [str(cell["id"]) for cell in ran.cells]
    built, linked = judged(small, *cells, code=0)
    assert (built["verdict"], built["notes"]) == ("match", [])
    assert (linked["verdict"], linked["notes"]) == (
        "match",
        ["its project is installed editable: the project's files are those of its job's checkout"],
    )
    (installed,) = small.folder.glob(f".lockproof/{cells[0]}/lib/*/site-packages/app.py")
    installed.chmod(0o644)
    installed.write_text(installed.read_text() + "# one more line\n")
    assert [cell["verdict"] for cell in judged(small, *cells, code=3)] == ["mismatch", "match"]


def test_a_policy_holds_in_the_fan_in_too(small: Project) -> None:
    small.wheel("plain", "1.0")
    small.wheel("pip", "26.0", {"pip/__init__.py": ""})
    small.lock_of(small.wheels[:1], "pylock.toml")
    small.matrix(commands=["python -V"], cells={"axes": {"way": {"strict": {}, "lax": {"policy": {"seeds": ["pip"]}}}}})
    ran = small.run()
    assert small("predict", "--bundle", str(small.base / "predicted")).code == 0
    cells = [str(cell["id"]) for cell in ran.cells]
    assert [cell["verdict"] for cell in judged(small, *cells, code=0)] == ["match", "match"]
    for cell in cells:
        (site,) = small.folder.glob(f".lockproof/{cell}/lib/*/site-packages")
        shutil.unpack_archive(small.wheels[1], site, "zip")
    strict, lax = judged(small, *cells, code=3)
    assert (strict["verdict"], lax["verdict"]) == ("mismatch", "match")
    assert any(str(note).startswith("tolerated (seeds: pip)") for note in lax["notes"])  # type: ignore[attr-defined]
