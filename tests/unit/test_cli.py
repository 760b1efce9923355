"""The command line: options, their variables, what comes after --, and errors without tracebacks."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lockproof import __version__, cli, commands
from lockproof.cli import apply_variables, build_parser, command_first, main, split_posargs
from lockproof.errors import HashMismatchError, LockError, LockproofError, ProblemsError, UnavailableError
from support.outcomes import ESCAPE

if TYPE_CHECKING:
    from pathlib import Path

DEFAULTS: dict[str, object] = {
    "directory": ".",
    "matrix": "matrix.yaml",
    "store": None,
    "offline": False,
    "verbose": False,
    "quiet": False,
}
RUN: dict[str, object] = {
    **DEFAULTS,
    "command": "run",
    "cells": [],
    "jobs": 0,
    "json": None,
    "junit": None,
    "html": None,
    "fail_fast": False,
    "github_summary": False,
    "recreate": False,
    "install_only": False,
    "skip_missing": False,
    "allow_tags": False,
    "check_builds": False,
    "paranoid": False,
    "executor": "local",
    "scheduler": None,
    "scheduler_timeout": 10.0,
    "tls_ca_file": None,
    "tls_cert": None,
    "tls_key": None,
}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("LOCKPROOF_"):
            monkeypatch.delenv(name)


def parsed(*arguments: str, **variables: str) -> dict[str, object]:
    parser = build_parser()
    apply_variables(parser, variables)
    return vars(parser.parse_args(arguments))


FREEZE: dict[str, object] = {
    **DEFAULTS,
    "command": "freeze",
    "target": "x",
    "output": None,
    "format": None,
    "all": False,
    "exclude": [],
    "json": False,
}


@pytest.mark.parametrize(
    ("arguments", "variables", "changed"),
    [
        ([], {}, {}),
        (["--exclude", "a,b", "--exclude", "c d"], {}, {"exclude": ["a", "b", "c", "d"]}),
        ([], {"LOCKPROOF_EXCLUDE": "a b", "LOCKPROOF_ALL": "1"}, {"exclude": ["a", "b"], "all": True}),
        (["--exclude", "c"], {"LOCKPROOF_EXCLUDE": "a b"}, {"exclude": ["c"]}),
        (["-o", "y", "--format", "pylock"], {"LOCKPROOF_OUTPUT": "z"}, {"output": "y", "format": "pylock"}),
    ],
)
def test_the_options_of_freeze(arguments: list[str], variables: dict[str, str], changed: dict[str, object]) -> None:
    assert parsed("freeze", "x", *arguments, **variables) == FREEZE | changed


def test_a_worker_offers_the_pythons_that_are_named() -> None:
    assert parsed("worker")["python"] == []
    assert parsed("worker", "--python", "3.12.1", "--python", "3.11.7")["python"] == ["3.12.1", "3.11.7"]
    assert parsed("worker", LOCKPROOF_PYTHON="3.12.1 3.11.7")["python"] == ["3.12.1", "3.11.7"]


def test_the_defaults() -> None:
    assert parsed("run") == RUN
    assert parsed("list") == {**DEFAULTS, "command": "list", "cells": [], "json": False}
    predicting = {"cells": ["3.*"], "json": False, "bundle": None, "preview": False}
    assert parsed("predict", "3.*") == {**DEFAULTS, "command": "predict", **predicting}
    assert parsed("fingerprint", "env") == {
        **DEFAULTS, "command": "fingerprint", "target": "env", "json": False, "bundle": None, "name": None,
    }  # fmt: skip
    assert parsed("compare", "a", "b") == {
        **DEFAULTS, "command": "compare", "targets": ["a", "b"], "json": False, "no_diff": False,
        "expect": None, "github_summary": False,
    }  # fmt: skip
    assert parsed("attest", "3.*") == {
        **DEFAULTS, "command": "attest", "what": ["3.*"], "cell": None, "key": None, "output": None,
    }  # fmt: skip
    assert parsed("verify", "env", "--cell", "x") == {
        **DEFAULTS, "command": "verify", "target": "env", "cell": "x", "expect": None, "json": False,
        "attestation": None, "key": None, "policy": None, "no_diff": False,
    }  # fmt: skip


VARIABLES: dict[str, tuple[str, dict[str, object]]] = {
    "LOCKPROOF_DIRECTORY": ("/p", {"directory": "/p"}),
    "LOCKPROOF_MATRIX": ("m.yaml", {"matrix": "m.yaml"}),
    "LOCKPROOF_STORE": ("/s", {"store": "/s"}),
    "LOCKPROOF_OFFLINE": ("1", {"offline": True}),
    "LOCKPROOF_VERBOSE": ("1", {"verbose": True}),
    "LOCKPROOF_QUIET": ("true", {"quiet": True}),
    "LOCKPROOF_JOBS": ("3", {"jobs": 3}),
    "LOCKPROOF_JSON": ("report.json", {"json": "report.json"}),
    "LOCKPROOF_JUNIT": ("report.xml", {"junit": "report.xml"}),
    "LOCKPROOF_HTML": ("report.html", {"html": "report.html"}),
    "LOCKPROOF_FAIL_FAST": ("yes", {"fail_fast": True}),
    "LOCKPROOF_GITHUB_SUMMARY": ("1", {"github_summary": True}),
    "LOCKPROOF_RECREATE": ("1", {"recreate": True}),
    "LOCKPROOF_INSTALL_ONLY": ("1", {"install_only": True}),
    "LOCKPROOF_SKIP_MISSING": ("1", {"skip_missing": True}),
    "LOCKPROOF_ALLOW_TAGS": ("1", {"allow_tags": True}),
    "LOCKPROOF_CHECK_BUILDS": ("1", {"check_builds": True}),
    "LOCKPROOF_PARANOID": ("1", {"paranoid": True}),
    "LOCKPROOF_EXECUTOR": ("dask", {"executor": "dask"}),
    "LOCKPROOF_SCHEDULER": ("tcp://host:8786", {"scheduler": "tcp://host:8786"}),
    "LOCKPROOF_SCHEDULER_TIMEOUT": ("2.5", {"scheduler_timeout": 2.5}),
    "LOCKPROOF_TLS_CA_FILE": ("ca.pem", {"tls_ca_file": "ca.pem"}),
    "LOCKPROOF_TLS_CERT": ("me.pem", {"tls_cert": "me.pem"}),
    "LOCKPROOF_TLS_KEY": ("me.key", {"tls_key": "me.key"}),
}


def test_every_option_of_run_has_its_variable() -> None:
    parser = build_parser()
    [subparsers] = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    options = {s for a in subparsers.choices["run"]._actions for s in a.option_strings if s.startswith("--")} - {
        "--help"
    }
    assert {f"LOCKPROOF_{option[2:].upper().replace('-', '_')}" for option in options} == set(VARIABLES)


@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable_sets_what_the_option_would(name: str) -> None:
    text, changed = VARIABLES[name]
    assert parsed("run", **{name: text}) == {**RUN, **changed}
    assert parsed("run", **{name: ""}) == RUN


def test_the_command_line_overrides_variables() -> None:
    assert parsed("run", "-j", "2", "--json", "-", LOCKPROOF_JOBS="7", LOCKPROOF_JSON="x")["jobs"] == 2
    assert parsed("run", "--matrix", "a", LOCKPROOF_MATRIX="b")["matrix"] == "a"
    assert parsed("run", "--fail-fast", LOCKPROOF_FAIL_FAST="0")["fail_fast"] is True


def test_a_report_s_file_name_says_nothing_to_other_commands() -> None:
    assert parsed("list", LOCKPROOF_JSON="report.json")["json"] is False
    assert parsed("list", LOCKPROOF_JSON="1")["json"] is True


def test_verify_in_a_cell_takes_what_the_command_line_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "saved.json").write_text("{}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCKPROOF_CELL", "3.12.1-linux-x86_64")
        main(["verify", str(tmp_path), "--expect", str(tmp_path / "saved.json")])
    assert "verify needs to know against what" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variables", "arguments", "message"),
    [
        ({"LOCKPROOF_FAIL_FAST": "maybe"}, ["run"], "LOCKPROOF_FAIL_FAST='maybe': expected 1 or 0"),
        (
            {"LOCKPROOF_JOBS": "many"},
            ["run"],
            "argument -j/--jobs: 'many' is not a number of cells (1 or more) or auto",
        ),
        ({}, ["run", "--executor", "x"], "argument --executor: 'x' is neither local nor dask"),
        ({}, ["worker", "--scheduler-timeout", "0"], "argument --scheduler-timeout: '0' is not a number of seconds"),
        (
            {},
            ["worker", "--scheduler-timeout", "nan"],
            "argument --scheduler-timeout: 'nan' is not a number of seconds",
        ),
        ({}, ["run", "-j", "0"], "argument -j/--jobs: '0' is not a number of cells (1 or more) or auto"),
        ({}, ["run", "-j", "-1"], "argument -j/--jobs: '-1' is not a number of cells (1 or more) or auto"),
        ({}, ["list", "--fail"], "unrecognized arguments: --fail"),
        (
            {},
            ["run", "a", "-x"],
            "unrecognized arguments: -x; what is for the commands of cells stands behind --",
        ),
        ({}, [], "the following arguments are required: COMMAND"),
        ({}, ["-C"], "argument -C/--directory: expected one argument"),
        ({}, ["verify", "x", "--cell", "a", "--expect", "b"], "argument --expect: not allowed with argument --cell"),
        ({}, ["list", "--", "-x"], "only `run` passes arguments after -- on"),
    ],
)
def test_usage_errors(
    variables: dict[str, str],
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    captured = capsys.readouterr()
    assert (caught.value.code, captured.out) == (2, "")
    assert re.fullmatch(rf"(?s)usage: .*\nlockproof( \w+)?: error: {re.escape(message)}\n", captured.err)


@pytest.mark.parametrize(
    ("arguments", "split"),
    [
        ([], ([], [])),
        (["run", "a"], (["run", "a"], [])),
        (["run", "--"], (["run"], [])),
        (["run", "a", "--", "-k", "x", "--", "y"], (["run", "a"], ["-k", "x", "--", "y"])),
    ],
)
def test_what_comes_after_two_dashes(arguments: list[str], split: tuple[list[str], list[str]]) -> None:
    assert split_posargs(arguments) == split


@pytest.mark.parametrize(
    ("arguments", "sorted_so"),
    [
        ([], []),
        (["-C", "a", "run", "-q", "b"], ["run", "-C", "a", "-q", "b"]),
        (["-Ca", "--store=s", "-qv", "--offline", "list"], ["list", "-Ca", "--store=s", "-qv", "--offline"]),
        (["run", "-C", "a"], ["run", "-C", "a"]),
        (["--version"], ["--version"]),
        (["-q", "--help"], ["-q", "--help"]),
        (["--jobs", "2", "run"], ["--jobs", "2", "run"]),  # of one command only: refused, as it is
        (["-q"], ["-q"]),
    ],
)
def test_what_all_commands_share_may_stand_before_them(arguments: list[str], sorted_so: list[str]) -> None:
    assert command_first(arguments) == sorted_so


def test_the_version_needs_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys\nfrom lockproof.cli import main\n"
    code += "try: main(['--version'])\nexcept SystemExit: print(sorted(sys.modules))"
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    version, modules = done.stdout.split("\n", 1)
    assert version == f"lockproof {__version__}"
    heavy = (
        "yaml",
        "rich",
        "httpx",
        "packaging",
        "virtualenv",
        "unearth",
        "filelock",
        "lockproof.commands",
        "subprocess",
        "json",
    )
    assert [name for name in heavy if f"'{name}'" in modules] == []


ERRORS = [
    (
        LockError("the lock can't be read", where="pylock.toml:3", why="no", remedy="lock again"),
        2,
        "pylock.toml:3: the lock can't be read: no\n  lock again\n",
    ),
    (HashMismatchError("wrong bytes"), 5, "wrong bytes\n"),
    (UnavailableError("no disk"), 4, "no disk\n"),
    (ProblemsError([LockError("one"), HashMismatchError("two")]), 5, "one\ntwo\n"),
    (ProblemsError([LockError("one"), UnavailableError("two")]), 4, "one\ntwo\n"),
    (LockError(f"odd {ESCAPE[:8]}\u202e", why="a\nb"), 2, "odd \\x1b[31mred\\u202e: a\nb\n"),
    (KeyboardInterrupt(), 130, "interrupted\n"),
    (
        PermissionError(13, "Permission denied", f"/srv/{ESCAPE[:8]}"),
        4,
        (
            "/srv/\\x1b[31mred: Permission denied, and nothing was proven\n"
            "  give this user access to it, or name another path\n"
        ),
    ),
    (
        ValueError(f"odd {ESCAPE[:8]}"),
        4,
        (
            "this is a bug in lockproof, and nothing was proven: ValueError: odd \\x1b[31mred\n"
            "  set LOCKPROOF_DEBUG=1 to see where, and report it\n"
        ),
    ),
]


@pytest.mark.parametrize(("error", "code", "message"), ERRORS)
def test_errors_are_told_without_a_traceback(
    error: BaseException, code: int, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr(commands, "run_command", fail)
    assert main(["list"]) == code
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"lockproof: {message}")


def test_a_bug_shows_where_it_is_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCKPROOF_DEBUG", "1")
    monkeypatch.setattr(commands, "run_command", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        main(["list"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list"], "matrix.yaml: there is no such file\n"),
        (["-C"], ""),
        (["list", "-C", "gone"], "gone: there is no such folder\n  name an existing folder with -C\n"),
        (
            ["fingerprint", "gone"],
            "gone: this is no target: there is no such folder or file\n  name a folder or a saved fingerprint; what",
        ),
        (["fingerprint", ""], "an empty word is no target\n  name the current folder as .\n"),
        (["fingerprint", "x:y"], "x:y: this is no target: x: targets are not known\n"),
        (["fingerprint", "tar:gone.tar"], "tar:gone.tar: this archive can't be read: there is no such file\n"),
        (["fingerprint", "tar:."], "tar:.: this archive can't be read: it is a folder, and no archive\n"),
        (["fingerprint", "ssh:x"], "ssh:x: this is no target: expected ssh:[user@]host:/path, with an absolute path\n"),
        (["fingerprint", "ssh:-x:/y"], "ssh:-x:/y: this is no target: expected ssh:[user@]host:/path, with an"),
        (["fingerprint", "ssh:a@-x:/y"], "ssh:a@-x:/y: this is no target: expected ssh:[user@]host:/path, with an"),
        (["fingerprint", "."], ".: this is not a virtual environment: it has no pyvenv.cfg\n"),
        (["compare", "."], "compare needs two targets or more\n"),
        (
            ["verify", "."],
            "verify needs to know against what\n  give --cell ID, --expect FILE, or --attestation FILE with --key\n",
        ),
        (["fingerprint", "saved.json"], "saved.json: this is not a saved fingerprint: it has no 'schema'\n"),
        (
            ["fingerprint", "binary"],
            "binary: this is no saved fingerprint: it is no text\n  an archive is named as tar:",
        ),
        (["fingerprint", ".", "--name", "x"], "--name is the name in a bundle\n"),
        (["fingerprint", ".", "--bundle", "x", "--json"], "--bundle and --json both say where the fingerprint goes\n"),
    ],
)
def test_bad_input_ends_with_2_and_a_sentence(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCKPROOF_STORE", str(tmp_path / "cache"))
    (tmp_path / "saved.json").write_text("{}")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    try:
        code = main(arguments)
    except SystemExit as error:
        assert message == ""
        code = int(str(error.code))
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "")
    assert "Traceback" not in captured.err
    assert not message or captured.err.startswith(f"lockproof: {message}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["binary", "saved.json"]


def test_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    path = os.pathsep.join(sys.path)
    code = "import sys\nfrom lockproof import cli, commands\n"
    code += "def much(*_):\n for _ in range(50): sys.stdout.write('x' * 100000)\n"
    code += "commands.run_command = much\nsys.exit(cli.main(['list']))"
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_the_module_runs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-m", "lockproof", "--version"], env={"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"lockproof {__version__}\n")


def test_exit_codes_are_those_of_the_contract() -> None:
    assert {
        kind.__name__: kind.exit_code for kind in (LockproofError, LockError, HashMismatchError, UnavailableError)
    } == {
        "LockproofError": 2,
        "LockError": 2,
        "HashMismatchError": 5,
        "UnavailableError": 4,
    }
    assert "130 interrupted" in cli._EPILOG
