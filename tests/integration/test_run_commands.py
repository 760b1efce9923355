"""The commands of cells: what they get, what becomes of what they print, and how they may end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.projects import Project, still_running
from support.reports import codes_of, is_right, log_of, proof_of

pytestmark = pytest.mark.integration


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
    prefix = str(small.folder / ".lockproof" / ".bytecode" / str(ran.cell()["id"]))
    assert ran.cell()["inputs"] == {"LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "PYTHONPYCACHEPREFIX": prefix}
    without = small.run()
    assert log_of(without.cell())[:2] == ["['before', 'after']", "['by', 'default']"]


def test_arguments_that_no_command_takes_are_told(small: Project) -> None:
    small.sample()
    small.lock()
    small.matrix(commands=["plain"])
    told = "note: no command takes the arguments after --: none of them has {posargs}\n"
    assert [told in small("run", *posargs).err for posargs in ((), ("--", "-x"))] == [False, True]


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
    small.matrix(commands=[endless, "python -V"], timeout=4.5)
    ran = small.run()
    assert (ran.ended.code, ran.statuses) == (1, ["failed"])
    assert "no end after 4.5 s" in str(ran.cell()["reason"])
    (line,) = log_of(ran.cell())
    assert still_running(map(int, line.split())) == []


def test_programs_of_the_system_are_noted(small: Project) -> None:
    small.sample()
    small.lock()
    small.matrix(commands=["true", "plain"])
    ran = small.run()
    is_right(ran)
    assert [command["note"] for command in ran.cell()["commands"]] == ["not of this environment", ""]  # type: ignore[attr-defined]
