"""Options and variables of `lockproof run`: which cells run, where the report goes, and exit codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.reports import is_right, proof_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.loopback import LoopbackIndex
    from support.projects import Project

pytestmark = pytest.mark.integration


def test_fail_fast_starts_no_further_cell(project: Project) -> None:
    project.sample()
    project.lock()
    project.matrix(commands=["python -c 'raise SystemExit(1)'"])
    second = list(project.pythons)[1]
    ran = project.run("--fail-fast", "-j", "1")
    assert (ran.ended.code, ran.statuses) == (1, ["failed", "skipped"])
    assert "--fail-fast" in str(ran.cell(second)["reason"])
    assert ran.cell(second)["commands"] == []
    slow = project.run("-j", "1")
    assert (slow.ended.code, slow.statuses) == (1, ["failed", "failed"])


def test_install_only_and_recreate(small: Project) -> None:
    small.sample()
    small.lock()
    small.matrix(commands=["python -c 'raise SystemExit(1)'"])
    made = small.run("--install-only")
    is_right(made)
    assert made.cell()["commands"] == []
    configuration = small.environment(made) / "pyvenv.cfg"
    inode = configuration.stat().st_ino
    configuration.with_name("mark").symlink_to("nowhere")
    (small.environment(made) / "mark").unlink()
    kept = small.run("--install-only")
    is_right(kept)
    assert configuration.stat().st_ino == inode
    kept_seconds, again = kept.cell()["seconds"], small.run("--install-only", "--recreate")
    is_right(again)
    assert kept_seconds["create"] == 0 < again.cell()["seconds"]["create"]  # type: ignore[index]


def test_the_environment_is_made_again_when_its_cell_asks_for_another(small: Project) -> None:
    small.sample()
    small.lock()
    small.matrix(link="hardlink")
    is_right(small.run())
    small.matrix(link="copy")
    copied = small.run()
    is_right(copied)
    assert copied.cell()["link"] == "copy"
    assert (small.site(copied) / "plain" / "data.txt").stat().st_nlink == 1
    small.wheels = [wheel for wheel in small.wheels if not wheel.name.startswith("plain")]
    small.lock()
    without = small.run()
    is_right(without)
    assert not (small.site(without) / "plain").exists()
    assert not (small.environment(without) / "bin" / "plain").exists()


def test_cells_are_chosen_by_id_and_glob(project: Project, serve: Callable[[Project], LoopbackIndex]) -> None:
    project.sample()
    index = serve(project)
    project.lock(index=index.base)
    project.matrix(commands=["plain"])
    first, second = project.pythons
    nothing = project("run", f"{first}-*", "3.99.*")
    assert (nothing.code, nothing.out) == (2, "")
    assert "no cell matches '3.99.*'" in nothing.err
    assert "lockproof list" in nothing.err
    assert project.remains() == []
    assert not (project.folder / ".lockproof").exists()
    assert index.requests == []
    only = project.run(f"{second}-*")
    is_right(only)
    assert [cell["python"] for cell in only.cells] == [second]
    both = project.run(only.cell()["id"], f"{first}*")  # type: ignore[arg-type]
    assert [cell["python"] for cell in both.cells] == [first, second]  # in the matrix's order


def test_an_interpreter_that_is_not_here(small: Project) -> None:
    small.sample()
    small.lock()
    (here,) = small.pythons
    missing = f"{here.rpartition('.')[0]}.99"
    small.matrix(python=[missing, here], commands=["plain"])
    ran = small.run()
    assert (ran.ended.code, ran.statuses) == (4, ["unavailable", "passed"])
    reason = str(ran.cell(missing)["reason"])
    assert f"Python {missing} isn't here" in reason
    assert f"{here} at " in reason
    assert f"pyenv install {missing}" in reason
    assert ran.cell(missing)["proof"] is None
    skipped = small.run("--skip-missing")
    assert (skipped.ended.code, skipped.statuses) == (0, ["skipped", "passed"])
    none = small.run("--skip-missing", f"{missing}-*")
    assert (none.ended.code, none.statuses) == (4, ["skipped"])
    assert "0 proven" in none.ended.err
    assert not (small.folder / ".lockproof" / str(none.cell()["id"])).exists()


def test_other_platforms_are_predicted(small: Project) -> None:
    small.sample()
    small.lock()
    platforms = ["host", "windows-x86_64", "macos-arm64"]
    small.matrix(platform=platforms, commands=["plain"])
    ran = small.run()
    assert (ran.ended.code, ran.statuses) == (4, ["passed", "predicted", "predicted"])
    foreign = proof_of(ran.cells[1])
    assert (foreign["verdict"], foreign["observed"]) == ("unproven", None)
    document = small.json("predict", str(ran.cells[1]["id"]))
    predicted = foreign["predicted"]
    assert (document["digest"], document["layers"]) == (predicted["digest"], predicted["layers"])  # type: ignore[index]
    assert ["scripts/plain.exe" in document["files"], document["about"]["platform"]] == [True, "windows-x86_64"]  # type: ignore[operator,index]
    skipped = small.run("--skip-missing")
    assert (skipped.ended.code, skipped.statuses) == (0, ["passed", "skipped", "skipped"])


def test_the_report_on_standard_output_is_all_there(small: Project) -> None:
    small.sample()
    small.lock()
    small.matrix(commands=["plain", "python -V"])
    ended = small("run", "--json", "-", "-v")
    report = json.loads(ended.out)
    assert (report["schema"], report["exit_code"], ended.code) == ("lockproof/report/v1", 0, 0)
    (cell,) = report["cells"]
    assert set(cell) >= {"id", "python", "platform", "status", "reason", "proof", "commands", "seconds"}
    assert set(cell["seconds"]) == {"create", "prove", "run"}
    assert set(cell["proof"]) >= {"verdict", "predicted", "observed", "findings"}
    assert [set(command) >= {"argv", "exit_code", "seconds", "log"} for command in cell["commands"]] == [True, True]
    assert cell["commands"][0]["argv"] == ["plain"]
    assert "plain says 42" in ended.err
    quiet = small("run", "-q")
    assert (quiet.code, quiet.out) == (0, "")
    assert len(quiet.err.splitlines()) == 1


def test_a_report_that_cannot_be_written_is_said_before_work_starts(small: Project) -> None:
    small.lock()
    small.matrix()
    ended = small("run", "--json", "no/such/folder/report.json")
    assert ended.code == 2
    assert "the report can't be written" in ended.err
    assert small.remains() == []


def test_options_as_variables(small: Project, tmp_path: Path) -> None:
    small.sample()
    small.lock()
    small.matrix(commands=["python -c 'raise SystemExit(1)'"])
    (small.folder / "matrix.yaml").rename(small.folder / "other.yaml")
    target = tmp_path / "by-variable.json"
    variables = {"LOCKPROOF_INSTALL_ONLY": "1", "LOCKPROOF_JSON": str(target), "LOCKPROOF_MATRIX": "other.yaml"}
    ended = small("run", cwd=tmp_path, env={"LOCKPROOF_DIRECTORY": str(small.folder), **variables})
    assert (ended.code, json.loads(target.read_text())["exit_code"]) == (0, 0)
    for name, value in {"LOCKPROOF_JOBS": "none", "LOCKPROOF_FAIL_FAST": "perhaps"}.items():
        wrong = small("run", "--matrix", "other.yaml", env={name: value})
        assert wrong.code == 2
        assert value in wrong.err
    over = small(
        "run", "--matrix", "other.yaml", "--jobs", "2", env={"LOCKPROOF_JOBS": "1", "LOCKPROOF_RECREATE": "false"}
    )
    assert over.code == 1
    listed = small.json("list", "--matrix", "other.yaml", env={"LOCKPROOF_JSON": "ignored.json"})
    assert [cell["status"] for cell in listed["cells"]] == ["available"]  # type: ignore[attr-defined]


def test_nothing_of_the_callers_configuration_gets_in(small: Project) -> None:
    """virtualenv's, pip's and Python's own variables and files have no say in what an environment is."""
    small.sample()
    small.lock()
    small.matrix(commands=small.use_all())
    plain = small.run()
    is_right(plain)
    home = small.base / "home"
    (home / ".config" / "virtualenv").mkdir(parents=True)
    (home / ".config" / "virtualenv" / "virtualenv.ini").write_text("[virtualenv]\nsystem-site-packages = true\n")
    odd = {
        "VIRTUALENV_SYSTEM_SITE_PACKAGES": "1",
        "PIP_TARGET": "/nowhere",
        "UV_LINK_MODE": "symlink",
        "VIRTUAL_ENV": "/x",
    }
    ran = small.run("--recreate", env=odd)
    is_right(ran)
    assert proof_of(ran.cell()) == proof_of(plain.cell())
