"""The files that `lockproof ci` makes: accepted by the checkers of others, and executed step by step."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof import __version__
from support.ci import Machine, run_pipeline, run_workflow
from support.projects import SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.loopback import LoopbackIndex
    from support.projects import Project

pytestmark = pytest.mark.integration

WORKFLOW = ".github/workflows/lockproof.yml"
INSTALL = {"github": "sh ./put-on-path", "gitlab": '. ./put-on-path && export PATH="$PWD/.lockproof/bin:$PATH"'}


def checker(name: str) -> str:
    """A program of the tests' own environment."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        pytest.skip(f"{name} is not installed beside the Python of the tests")
    return str(path)


def accepted(*command: str | Path, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def ready(project: Project, serve: Callable[[Project], LoopbackIndex]) -> Project:
    """A project of two cells in git, its wheels on an index, with both services' files."""
    project.wheel("plain", "1.0", {"plain/__init__.py": "ANSWER = 42\n", "plain/data.txt": "some data\n"})
    project.lock(index=serve(project).base)
    project.matrix(commands=[project.script("import plain", "assert plain.ANSWER == 42")])
    folder = 'bin="${RUNNER_TEMP:-.lockproof}/bin"; mkdir -p "$bin"'
    lines = [
        folder,
        "cat > \"$bin/lockproof\" <<'END'",
        "#!/bin/sh",
        f'PYTHONPATH="{SOURCES}" exec "{sys.executable}" -m lockproof "$@"',
        "END",
        'chmod +x "$bin/lockproof"',
        '[ -z "$GITHUB_PATH" ] || echo "$bin" >> "$GITHUB_PATH"',
    ]
    project.write("put-on-path", "\n".join(lines) + "\n")
    for service, file in (("github", WORKFLOW), ("gitlab", ".gitlab-ci.yml")):
        assert project("ci", service, "--install", INSTALL[service], "-o", file).code == 0
    commit(project)
    return project


def commit(project: Project) -> None:
    git = ["git", "-C", str(project.folder), "-c", "user.name=test", "-c", "user.email=test@index.invalid"]
    for words in (["init", "-q"], ["add", "-A", "-f", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *words], check=True, capture_output=True)


@pytest.fixture
def machine(ready: Project) -> Machine:
    return Machine(base=ready.base / "ci", repository=ready.folder, pythons=ready.pythons, warm=ready.cache)


def changes_a_byte(cell: str, before: str) -> Callable[[str, str, Path], None]:
    """Changes one byte of the environment of that cell, before that step."""

    def watch(name: str, step: str, checkout: Path) -> None:
        if name == cell and step.startswith(before):
            (file,) = checkout.glob(f".lockproof/{cell}/lib/*/site-packages/plain/data.txt")
            file.chmod(0o644)
            file.write_text("some dota\n")

    return watch


def test_a_workflow_runs_and_is_red_for_one_byte_or_one_missing_result(ready: Project, machine: Machine) -> None:
    text = (ready.folder / WORKFLOW).read_text()
    cells = [f"{python}-linux-x86_64" for python in ready.pythons]
    green = run_workflow(machine, text)
    assert green == {"plan": "success", "cells-1": "success", "compare": "success"}, machine.told
    matrix = json.loads(machine.outputs["plan"]["cells-1"])["include"]
    assert [(row["cell"], row["python"], row["runner"]) for row in matrix] == [
        (cell, python, "ubuntu-24.04") for cell, python in zip(cells, ready.pythons, strict=True)
    ]
    assert "2 cells: 2 match; exit code 0" in machine.told["compare"]
    assert f"| `{cells[0]}` | :white_check_mark: match |" in machine.summaries["compare"]
    assert f"| `{cells[1]}` | :white_check_mark: passed | match |" in machine.summaries[cells[1]]
    good = dict(machine.artifacts)
    assert sorted(good) == [*sorted(f"lockproof-{cell}" for cell in cells), "predicted"]

    del machine.artifacts[f"lockproof-{cells[0]}"]
    assert run_workflow(machine, text, only="compare")["compare"] == "failure"
    assert f"{cells[0]}  missing   there is no fingerprint of it" in machine.told["compare"]
    assert f"::error file=matrix.yaml,line=5,title={cells[0]}::missing: " in machine.told["compare"]

    machine.artifacts.update(good)
    watch = changes_a_byte(cells[1], "Say what")
    assert run_workflow(machine, text, only="cells-1", watch=watch)["cells-1"] == "success"
    assert run_workflow(machine, text, only="compare")["compare"] == "failure"
    assert f"{cells[1]}  mismatch  site/plain/data.txt" in machine.told["compare"]
    assert "2 cells: 1 match, 1 mismatch; exit code 3" in machine.told["compare"]
    assert f"| `{cells[1]}` | :x: mismatch | site/plain/data.txt" in machine.summaries["compare"]

    machine.artifacts.update(good)
    machine.results["cells-1"] = "failure"  # of a job whose fingerprint is right, a command may have failed
    assert run_workflow(machine, text, only="compare")["compare"] == "failure"


def test_a_pipeline_runs_and_is_red_for_one_byte(ready: Project, machine: Machine) -> None:
    text = (ready.folder / ".gitlab-ci.yml").read_text()
    cell = f"{next(iter(ready.pythons))}-linux-x86_64"
    assert run_pipeline(machine, text) == {"plan": "success", "cells": "success"}, machine.told
    assert "2 cells: 2 match; exit code 0" in machine.told["compare"]
    child = (machine.artifacts["plan"] / "lockproof-child.yml").read_text()
    run_pipeline(machine, child, only=cell, watch=changes_a_byte(cell, "lockproof fingerprint"))
    assert run_pipeline(machine, child, only="compare")["compare"] == "failure"
    assert f"{cell}  mismatch  site/plain/data.txt" in machine.told["compare"]
    del machine.artifacts[cell]
    assert run_pipeline(machine, child, only="compare")["compare"] == "failure"
    assert f"{cell}  missing" in machine.told["compare"]


def test_the_files_pass_the_checkers_of_others(ready: Project) -> None:
    wide = [f"3.12.{patch}" for patch in range(20)]
    values: dict[str, dict[str, str]] = {
        name: {} for name in ["no", "null", "1e3", "-x", "..", "~", "0x1f"] if name != "~"
    }
    ready.matrix(python=wide, cells={"axes": {"n": {**values, **{f"v{number}": {} for number in range(20)}}}})
    big = ready.write(".github/workflows/big.yml", ready("ci", "github").out)
    assert "cells-3:" in big.read_text()
    child = ready.write("child.yml", ready("ci", "gitlab", "--child").out)
    assert child.read_text().count("stage: cells\n") == len(wide) * 26
    accepted(checker("actionlint"), cwd=ready.folder)
    accepted(checker("zizmor"), "--offline", "--pedantic", ".", cwd=ready.folder)
    check, schema = checker("check-jsonschema"), "--builtin-schema"
    accepted(check, schema, "vendor.github-workflows", WORKFLOW, big, cwd=ready.folder)
    accepted(check, schema, "vendor.gitlab-ci", ".gitlab-ci.yml", child, cwd=ready.folder)


def test_the_projects_own_files_pass_them_too() -> None:
    root = Path(__file__).parents[2]
    workflows = sorted(root.glob(".github/workflows/*.yml"))
    accepted(checker("actionlint"), *workflows, cwd=root)
    accepted(checker("zizmor"), "--offline", ".github", cwd=root)
    check, schema = checker("check-jsonschema"), "--builtin-schema"
    accepted(check, schema, "vendor.github-workflows", *workflows, cwd=root)
    accepted(check, schema, "vendor.github-actions", ".github/actions/lockproof/action.yml", cwd=root)
    accepted(check, schema, "vendor.dependabot", ".github/dependabot.yml", cwd=root)


def test_a_committed_file_that_no_longer_fits_is_told(ready: Project) -> None:
    github = ("ci", "github", "--install", INSTALL["github"], "--check")
    assert ready(*github).code == 0
    ready.matrix(cells={"axes": {"n": {f"v{number}": {} for number in range(129)}}})
    drifted = ready(*github)
    assert drifted.code == 3
    assert "+  cells-2:" in drifted.out
    assert "258 cells are more than the 256 jobs that GitHub makes of a matrix" in drifted.err
    (ready.folder / WORKFLOW).unlink()
    assert ready(*github).code == 2


@pytest.mark.parametrize(
    "keys", [{"lock": "../uv.lock"}, {"build-lock": "uv.lock", "package": "wheel"}, {"installer": "uv"}]
)
def test_uv_comes_with_lockproof_where_the_matrix_needs_it(keys: dict[str, object], ready: Project) -> None:
    def installs(service: str) -> set[str]:
        lines = [line.strip() for line in ready("ci", service).out.splitlines()]
        return {line for line in lines if "install" in line and "lockproof==" in line}

    assert not [line for service in INSTALL for line in installs(service) if "inject" in line or "--with" in line]
    ready.matrix(**keys)
    expected = f'run: "pipx install --python python lockproof=={__version__} && pipx inject lockproof uv"'
    assert installs("github") == {expected}
    (line,) = installs("gitlab")
    assert f"uv tool install --python 3.13 --with uv lockproof=={__version__} && " in line


def test_more_than_256_jobs_are_split_and_said(ready: Project) -> None:
    ready.matrix(cells={"axes": {"n": {f"v{number}": {} for number in range(150)}}})
    whole = ready("ci", "github", "--json")
    assert (whole.code, "300 cells are more than the 256 jobs" in whole.err) == (2, True)
    parts = [json.loads(ready("ci", "github", "--json", "--part", part).out)["include"] for part in ("1", "2")]
    assert [len(part) for part in parts] == [256, 44]
    assert len({row["cell"] for part in parts for row in part}) == 300
    assert ready("ci", "github", "--json", "--part", "3").code == 2


def test_no_jobs_and_no_runner_are_errors(ready: Project) -> None:
    first = next(iter(ready.pythons))
    ready.matrix(python=[first], cells={"exclude": [{"python": first}]})
    for words in (("github", "--json"), ("github",), ("gitlab",), ("gitlab", "--child")):
        nothing = ready("ci", *words)
        assert (nothing.code, nothing.out) == (2, "")
        assert "the matrix has no cells" in nothing.err
    ready.matrix(python=[first], platform=["linux-riscv64"])
    assert "no hosted runner has the platform linux-riscv64" in ready("ci", "github", "--json").err
    row = json.loads(ready("ci", "github", "--json", "--runner", "linux-riscv64=my-board").out)["include"][0]
    assert (row["cell"], row["runner"]) == (f"{first}-linux-riscv64", "my-board")


@pytest.fixture
def handed_in(ready: Project) -> Path:
    """A folder with the fingerprints of both cells, and the predictions beside it."""
    assert ready.run().ended.code == 0
    results = ready.base / "results"
    results.mkdir()
    for python in ready.pythons:
        cell = f"{python}-linux-x86_64"
        (results / f"{cell}.json").write_text(ready("fingerprint", f".lockproof/{cell}", "--json").out)
    assert ready("predict", "--bundle", str(ready.base / "predicted")).code == 0
    return results


def test_a_fan_in_is_judged_by_the_matrix(ready: Project, handed_in: Path) -> None:
    first, second = (f"{python}-linux-x86_64" for python in ready.pythons)
    ready.write("predicted.json", ready("predict", "--json").out)
    words = ("compare", f"{handed_in}/**/*.json", "--expect")
    for predicted in (str(ready.base / "predicted"), "predicted.json"):
        told = ready.json(*words, predicted)
        assert [(cell["id"], cell["verdict"], cell["findings"]) for cell in told["cells"]] == [  # type: ignore[attr-defined]
            (first, "match", []),
            (second, "match", []),
        ]
    (handed_in / "again.json").write_bytes((handed_in / f"{first}.json").read_bytes())
    assert ready(*words, "predicted.json").code == 0  # one and the same twice is no contradiction
    data = next(ready.folder.glob(f".lockproof/{first}/lib/*/site-packages/plain/data.txt"))
    data.chmod(0o644)
    data.write_text("some dota\n")
    (handed_in / "again.json").write_text(ready("fingerprint", f".lockproof/{first}", "--json").out)
    contradictory = ready(*words, "predicted.json")
    assert contradictory.code == 3
    assert "two fingerprints of it differ: " in contradictory.out
    (handed_in / "again.json").unlink()

    ready.matrix(commands=["python -V"], cells={"include": [{"name": "new", "python": next(iter(ready.pythons))}]})
    assert f"{first}-new was not predicted" in ready(*words, "predicted.json").err
    ready.matrix(commands=["python -V"])
    document = json.loads((handed_in / f"{first}.json").read_text())
    for about, why in (({}, "doesn't say which cell"), ({"cell": "other"}, "other is no cell of the matrix")):
        (handed_in / "stray.json").write_text(json.dumps({**document, "about": about}))
        stray = ready(*words, "predicted.json")
        assert (stray.code, why in stray.out) == (3, True)
    for path in handed_in.iterdir():
        path.unlink()
    nothing = ready(*words, "predicted.json")
    assert nothing.code == 4
    assert nothing.out.endswith("2 cells: 2 missing; exit code 4\n")
    assert ready("compare", "x.json", "--expect", f"{ready.base}/nowhere").code == 2
