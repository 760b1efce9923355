"""`lockproof run` on small wheels and real interpreters: environments proven, commands run, and exit codes."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.projects import Project, files_below, is_right, layer_of, proof_of, side_of, still_running

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.loopback import LoopbackIndex

pytestmark = pytest.mark.integration

SAID = ["uses 42 1 1 1 1 2", "True", "plain says 42", "plain says 42", "every 1", "sh"]


def use_all(project: Project) -> list[str]:
    """Commands that use everything that the sample's wheels bring."""
    use = project.script(
        "import sys, plain, every, every_pure, every_plat, native, space.one, space.two",
        "print('uses', plain.ANSWER, every.E, every_pure.P, every_plat.L, space.one.N, space.two.N)",
        "print(native.TAG == 'cp%d%d' % sys.version_info[:2])",
    )
    return [use, "plain", "plain-gui", "every-script", "every-sh"]


def log_of(cell: dict[str, object]) -> list[str]:
    """What a cell's commands printed, without the lines that say which command it was."""
    (path,) = {command["log"] for command in cell["commands"]}  # type: ignore[attr-defined]
    return [line for line in Path(path).read_text().splitlines() if not line.startswith("$ ")]


def argvs_of(cell: dict[str, object]) -> list[list[str]]:
    return [command["argv"] for command in cell["commands"]]  # type: ignore[attr-defined]


def codes_of(cell: dict[str, object]) -> list[int]:
    return [command["exit_code"] for command in cell["commands"]]  # type: ignore[attr-defined]


# proven, on every Python


def test_every_python_gets_exactly_what_was_predicted(
    all_pythons: dict[str, Path], project: Project, serve: Callable[[Project], LoopbackIndex]
) -> None:
    project.pythons = all_pythons
    project.sample()
    index = serve(project)
    project.lock(index=index.base)
    project.matrix(commands=use_all(project))
    first = project.run()
    is_right(first)
    assert first.ended.code == 0
    assert [cell["python"] for cell in first.cells] == list(all_pythons)
    assert [log_of(cell) for cell in first.cells] == [SAID] * len(all_pythons)
    asked = [request.path for request in index.requests]
    assert sorted(asked) == sorted(f"/files/{wheel.name}" for wheel in project.wheels)

    again = project.run()
    is_right(again)
    assert [request.path for request in index.requests] == asked  # everything is in the store
    assert [cell["seconds"]["create"] for cell in again.cells] == [0.0] * len(all_pythons)  # type: ignore[index]
    assert [proof_of(cell) for cell in again.cells] == [proof_of(cell) for cell in first.cells]


def test_everything_lands_where_it_belongs(small: Project) -> None:
    small.sample()
    small.lock()
    small.matrix(commands=use_all(small))
    ran = small.run()
    is_right(ran)
    folder, version = small.environment(ran), ".".join(next(iter(small.pythons)).split(".")[:2])
    site = f"lib/python{version}/site-packages"
    landed = files_below(folder, leave_out=("dist-info", "activate", "bin/python", "__pycache__", ".virtualenv"))
    assert {
        path for path in landed if path.startswith((site, "bin/", "include/", "share/")) and "bin/python" not in path
    } == {
        *(f"bin/{name}" for name in ("plain", "plain-gui", "every-script", "every-sh")),
        f"include/site/python{version}/every-scheme/every.h",
        "share/every/table.txt",
        *(f"{site}/{name}.py" for name in ("every", "every_pure", "every_plat", "native")),
        *(f"{site}/plain/{name}" for name in ("__init__.py", "data.txt")),
        *(f"{site}/space/{name}.py" for name in ("one", "two")),
    }
    assert (folder / "bin" / "every-script").read_text().splitlines()[0] == f"#!{folder}/bin/python"
    modes = [stat.S_IMODE((folder / "bin" / name).stat().st_mode) for name in ("plain", "every-script", "every-sh")]
    assert [mode & 0o555 for mode in modes] == [0o555] * 3
    assert not (folder / "bin" / "pip").exists()


def test_a_lock_without_packages(small: Project) -> None:
    small.lock()
    small.matrix(commands=["python -V"])
    ran = small.run()
    is_right(ran)
    assert [path.name for path in small.site(ran).iterdir()] == []


def test_a_requirements_lock_with_an_index_or_with_find_links(
    project: Project, serve: Callable[[Project], LoopbackIndex]
) -> None:
    project.sample()
    index = serve(project)
    project.requirements(f"--index-url {index.url}")
    project.matrix(lock="requirements.txt", commands=use_all(project))
    by_index = project.run()
    is_right(by_index)
    project.requirements("--no-index", "--find-links ../wheels")
    by_folder = project.run()
    is_right(by_folder)
    project.lock()
    project.matrix(commands=use_all(project))
    by_pylock = project.run()
    is_right(by_pylock)
    assert [proof_of(cell) for cell in by_folder.cells] == [proof_of(cell) for cell in by_index.cells]
    assert [proof_of(cell) for cell in by_pylock.cells] == [proof_of(cell) for cell in by_index.cells]


def test_links_installers_places_and_umasks_make_no_difference(project: Project, tmp_path: Path) -> None:
    project.sample()
    project.lock()
    ways: dict[str, dict[str, str]] = {
        "first": {},
        **{link: {"link": link} for link in ("hardlink", "copy", "symlink")},
        **{installer: {"installer": installer} for installer in ("pip", "uv")},
    }
    project.matrix(commands=use_all(project), cells={"axes": {"way": ways}})
    ran = project.run()
    is_right(ran)
    for python in project.pythons:
        cells = [cell for cell in ran.cells if cell["python"] == python]
        assert [cell["link"] for cell in cells][1:] == ["hardlink", "copy", "symlink", "copy", "copy"]
        assert [side_of(cell) for cell in cells] == [side_of(cells[0])] * len(ways)

    other = project.checkout(tmp_path / "a path with a space")
    other.matrix(commands=use_all(other))
    elsewhere = other.run("-C", str(other.folder), cwd=tmp_path, umask=0o077)
    is_right(elsewhere)
    assert [layer_of(cell) for cell in elsewhere.cells] == [
        layer_of(ran.cell(f"{python}-linux-x86_64-first")) for python in project.pythons
    ]
    assert elsewhere.report["cells"] != ran.report["cells"]


def test_clone_works_or_says_why_not(small: Project) -> None:
    small.sample()
    small.lock()
    small.matrix(link="clone", commands=use_all(small))
    ran = small.run()
    if ran.ended.code == 0:
        is_right(ran)
        assert ran.cell()["link"] == "clone"
        return
    assert (ran.ended.code, ran.statuses) == (4, ["error"])
    assert "link: clone does not work" in str(ran.cell()["reason"])
    assert "link: auto" in str(ran.cell()["reason"])
    assert proof_of(ran.cell())["verdict"] == "unproven"
    small.matrix(link="auto", commands=use_all(small))
    is_right(small.run())


# commands


def test_commands_get_posargs_and_variables_and_nothing_else(small: Project) -> None:
    small.sample()
    small.lock()
    shown = "print(sorted((k, v) for k, v in os.environ.items() if k in NAMES))"
    names = [
        "LEAK",
        "CI",
        "GITHUB_SHA",
        "PYTHONPATH",
        "PYTHONHASHSEED",
        "PYTHONDONTWRITEBYTECODE",
        "LOCKPROOF_STORE",
        "PIP_X",
    ]
    small.matrix(
        commands=[
            "python -c 'import sys; print(sys.argv[1:])' before {posargs} after",
            "python -c 'import sys; print(sys.argv[1:])' {posargs:by default}",
            small.script("import os", f"NAMES = {names}", shown),
            "python -c 'import os, sys; print(os.getcwd(), sys.stdin.read(), sys.prefix)'",
        ],
        env={"PYTHONHASHSEED": "0"},
        pass_env=["CI", "GITHUB_*"],
    )
    planted = {"LEAK": "secret", "CI": "true", "GITHUB_SHA": "abc", "PYTHONDONTWRITEBYTECODE": "1", "PIP_X": "1"}
    ran = small.run("--", "-k", "a b", "*", env=planted)
    is_right(ran)
    environment = small.environment(ran)
    passed = [("CI", "true"), ("GITHUB_SHA", "abc"), ("PYTHONHASHSEED", "0")]
    assert log_of(ran.cell()) == [
        "['before', '-k', 'a b', '*', 'after']",
        "['-k', 'a b', '*']",
        str(passed),
        f"{small.folder}  {environment}",
    ]
    assert "secret" not in json.dumps(ran.report) + ran.ended.told
    without = small.run()
    assert log_of(without.cell())[:2] == ["['before', 'after']", "['by', 'default']"]


def test_a_failing_command_fails_its_cell_and_shows_what_it_said(project: Project) -> None:
    project.sample()
    project.lock()
    bad, good = project.pythons
    fails = project.script(
        "import sys, os",
        f"bad = os.environ['LOCKPROOF_CELL'].startswith({bad!r})",
        "print('to stdout', flush=True); print('to stderr', file=sys.stderr, flush=True)",
        "sys.exit(7 if bad else 0)",
    )
    project.matrix(commands=[fails, "plain"])
    ran = project.run()
    assert (ran.ended.code, ran.statuses) == (1, ["failed", "passed"])
    assert codes_of(ran.cell(bad)) == [7]
    assert codes_of(ran.cell(good)) == [0, 0]
    assert log_of(ran.cell(bad)) == ["to stdout", "to stderr"]
    assert str(ran.cell(bad)["reason"]).endswith("exit code 7")
    assert proof_of(ran.cell(bad))["verdict"] == "match"
    told = ran.ended.err.splitlines()
    assert [told.count(line) for line in ("to stdout", "to stderr")] == [1, 1]  # the passed cell's stays in its log


def test_output_that_is_no_text_and_a_last_line_without_end(small: Project) -> None:
    small.sample()
    small.lock()
    small.matrix(
        commands=[small.script(r"import sys; sys.stdout.buffer.write(b'\xff\n\x1b[31mred\nlast'); sys.exit(1)")]
    )
    ran = small.run()
    assert (ran.ended.code, ran.statuses) == (1, ["failed"])
    log = Path(ran.cell()["commands"][0]["log"]).read_bytes()  # type: ignore[index]
    assert log.endswith(b"\xff\n\x1b[31mred\nlast")
    assert "last" in ran.ended.err.splitlines()


def test_a_command_that_is_nowhere_fails(small: Project) -> None:
    small.sample()
    small.lock()
    small.matrix(commands=["no-such-program --now", "python -V"])
    ran = small.run()
    assert (ran.ended.code, ran.statuses) == (1, ["failed"])
    assert codes_of(ran.cell()) == [127]
    assert "the command 'no-such-program' was not found" in ran.ended.err
    assert "lock the one that does, or put it on PATH" in ran.ended.err


def test_a_command_without_end_is_ended_with_all_it_started(small: Project) -> None:
    small.sample()
    small.lock()
    endless = small.script(
        "import os, signal, subprocess, sys",
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'])",
        "print(os.getpid(), child.pid, flush=True)",
        "signal.pause()",
    )
    small.matrix(commands=[endless, "python -V"], timeout=1.5)
    ran = small.run()
    assert (ran.ended.code, ran.statuses) == (1, ["failed"])
    assert "no end after 1.5 s" in str(ran.cell()["reason"])
    (line,) = log_of(ran.cell())
    assert still_running(map(int, line.split())) == []


def test_programs_of_the_system_are_noted(small: Project) -> None:
    small.sample()
    small.lock()
    small.matrix(commands=["true", "plain"])
    ran = small.run()
    is_right(ran)
    assert [command["note"] for command in ran.cell()["commands"]] == ["not of this environment", ""]  # type: ignore[attr-defined]


# options


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
    assert ["scripts/plain" in document["files"], document["about"]["platform"]] == [True, "windows-x86_64"]  # type: ignore[operator,index]
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
    small.matrix(commands=use_all(small))
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
