"""Two lines of a noxfile make sessions of a matrix: real nox, on real interpreters."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.projects import Project

pytestmark = pytest.mark.integration

NOXFILE = "import lockproof.nox\n\nlockproof.nox.sessions()\n"


@pytest.fixture
def ready(project: Project) -> Project:
    """A project of four cells whose commands print the arguments that they get; one cell's platform is not here."""
    project.wheel("plain", "1.0", {"plain.py": "ANSWER = 42\n"})
    project.lock()
    say = project.script("import sys, plain", "print('say', *sys.argv[1:])", "sys.exit('fail' in sys.argv)")
    _, newer = project.pythons
    project.matrix(
        commands=[f"{say} {{posargs:nothing}}"],
        cells={
            "include": [
                {"name": "slow", "python": newer},
                {"name": "far", "python": newer, "platform": "macos-arm64"},
            ]
        },
    )
    project.write("noxfile.py", NOXFILE)
    return project


def nox(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What nox did; the folder of its own environments was not made."""
    done = subprocess.run(
        [sys.executable, "-m", "nox", *arguments],
        cwd=project.folder, env=project.environ, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stdout + done.stderr, done
    assert not list(project.folder.glob(".nox/*/bin"))
    return done


def ran(project: Project, *arguments: str, code: int = 0) -> dict[str, str]:
    """The sessions that ran and what came of each, as nox's own report says."""
    done = nox(project, "--report", "nox.json", *arguments)
    assert done.returncode == code, done
    rows = json.loads((project.folder / "nox.json").read_text())["sessions"]
    return {row["signatures"][0]: row["result"] for row in rows}


def signatures(project: Project, *arguments: str) -> list[str]:
    listed = nox(project, "--list", "--json", *arguments)
    assert listed.returncode == 0, listed
    return [row["session"] for row in json.loads(listed.stdout)]


def test_cells_are_listed_and_selected_by_noxs_own_options(ready: Project) -> None:
    older, newer = ready.pythons
    cells = [f"cell({id_})" for id_ in (f"{older}-linux-x86_64", f"{newer}-linux-x86_64", f"{newer}-linux-x86_64-slow")]
    far = f"cell({newer}-macos-arm64-far)"
    assert signatures(ready, "-s", "reproduce", "cell") == ["reproduce", *cells, far]
    assert signatures(ready) == ["reproduce"]
    assert signatures(ready, "-s", "cell", "-p", older) == cells[:1]
    assert signatures(ready, "-t", "host") == cells
    assert signatures(ready, "-k", f"py{''.join(newer.split('.')[:2])} and not far") == cells[1:]
    assert signatures(ready, "-s", cells[2]) == cells[2:]


def test_cells_run_and_get_the_arguments_as_nox_users_expect(ready: Project) -> None:
    older, newer = ready.pythons
    cell = f"cell({newer}-linux-x86_64-slow)"
    assert ran(ready, "-k", "slow", "--", "-k", "login") == {cell: "success"}
    (log,) = ready.folder.glob(f".lockproof/**/*{newer}-linux-x86_64-slow*.log")
    assert "say -k login" in log.read_text()
    assert ran(ready, "-s", "cell", "-t", "host", "--", "fail", code=1) == dict.fromkeys(
        [f"cell({older}-linux-x86_64)", f"cell({newer}-linux-x86_64)", cell], "failed"
    )
    assert ran(ready, "-k", "far", code=1) == {f"cell({newer}-macos-arm64-far)": "failed"}


def test_the_whole_takes_what_run_takes(ready: Project) -> None:
    older, _ = ready.pythons
    assert ran(ready, "--", f"{older}-*", "--json", "report.json", "--", "all") == {"reproduce": "success"}
    report = json.loads((ready.folder / "report.json").read_text())
    assert [(cell["id"], cell["status"]) for cell in report["cells"]] == [(f"{older}-linux-x86_64", "passed")]
    assert report["cells"][0]["commands"][0]["argv"][-1] == "all"
    assert ran(ready, "-s", "reproduce", code=1) == {"reproduce": "failed"}  # one platform is not here


def test_noxs_options_about_environments_are_handed_on(ready: Project) -> None:
    older, _ = ready.pythons
    chosen = ("-v", "-s", f"cell({older}-linux-x86_64)")
    made = nox(ready, *chosen, "--install-only")
    assert made.returncode == 0
    assert "--install-only" in made.stderr
    assert not list(ready.folder.glob(".lockproof/**/*.log"))
    plain = [nox(ready, *chosen, option) for option in ("--no-venv", "-R", "--reuse-venv=never")]
    assert [done.returncode for done in plain] == [0, 0, 0]
    asked = [("--offline" in done.stderr, "--recreate" in done.stderr) for done in plain]
    assert asked == [(False, False), (True, False), (False, True)]
    forced = nox(ready, *chosen, "-P", "3.1.4")
    assert forced.returncode != 0


def test_a_matrix_that_cannot_be_read_is_told_and_ends_nox(ready: Project) -> None:
    ready.write("matrix.yaml", "version: 1\nlock: pylock.toml\npython: [3.10]\n")
    done = nox(ready, "--list")
    assert done.returncode == 2
    assert "lockproof: matrix.yaml:3: python[0]: found 3.1 (a number)" in done.stderr
