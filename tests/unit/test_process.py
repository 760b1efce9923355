"""Commands: what they are given, what becomes of their output, and that nothing of them lives on."""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof.errors import LockproofError
from lockproof.running import process
from lockproof.running.process import Finished, Processes, allowed_environment, find_program

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs /bin/sh and FIFOs")
ENV = {"PATH": os.defpath}


def sh(
    folder: Path, script: str, *arguments: str, timeout: float | None = None, processes: Processes | None = None
) -> tuple[Finished, list[str]]:
    """Run a shell script; how it ended, and the lines that the listener got."""
    lines: list[str] = []
    runner = processes or Processes()
    argv = ["/bin/sh", "-c", script, "sh", *arguments]
    done = runner.run(argv, env=ENV, cwd=folder, log=folder / "log", timeout=timeout, listen=lines.append)
    return done, lines


def end_of(descriptor: int) -> bytes:
    """What was written to a FIFO until the last process that held it has ended."""
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read()


def fifo(folder: Path) -> tuple[str, int]:
    path = folder / "alive"
    os.mkfifo(path)
    return str(path), os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def test_no_variable_leaks_in() -> None:
    environ = {
        "PATH": "/bin",
        "HOME": "/home/x",
        "LC_TIME": "C",
        "PYTHONPATH": "/evil",
        "PYTHONSTARTUP": "/evil.py",
        "LD_PRELOAD": "/evil.so",
        "PIP_INDEX_URL": "https://secret@index.invalid",
        "VIRTUAL_ENV": "/other",
        "GITHUB_TOKEN": "secret",
        "GITHUB_SHA": "1",
        "CI": "1",
        "CITY": "x",
        "lc_time": "x",
    }
    assert allowed_environment(environ, ["CI", "GITHUB_S*"], {"HOME": "/set", "X": "1"}) == {
        "PATH": "/bin",
        "HOME": "/set",
        "LC_TIME": "C",
        "GITHUB_SHA": "1",
        "CI": "1",
        "X": "1",
    }


def test_a_planted_leak_does_not_reach_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAK", "planted")
    monkeypatch.setenv("PYTHONPATH", "/planted")
    env = allowed_environment({"LEAK": "planted", "PATH": os.defpath}, [], {"SET": "1"})
    code = "import os; print(sorted(os.environ))"
    lines: list[str] = []
    argv = [sys.executable, "-I", "-c", code]
    Processes().run(argv, env=env, cwd=tmp_path, log=tmp_path / "log", listen=lines.append)
    assert set(eval(lines[0])) - {"LC_CTYPE"} == {"PATH", "SET"}  # Python itself sets LC_CTYPE


def test_output_goes_to_the_log_as_it_is_and_to_the_listener_by_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"before\n")
    done, lines = sh(tmp_path, r"printf 'one\r\ntwo \377\n\033[31mred'; printf 'three\n' >&2; exit 7")
    assert (done.exit_code, done.timed_out) == (7, False)
    assert lines == ["one", "two \ufffd", "\x1b[31mredthree"]
    assert (tmp_path / "log").read_bytes() == b"before\none\r\ntwo \xff\n\x1b[31mredthree\n"


def test_a_signal_is_a_negative_exit_code(tmp_path: Path) -> None:
    assert sh(tmp_path, "kill -KILL $$")[0].exit_code == -signal.SIGKILL


def test_a_command_reads_nothing_from_us(tmp_path: Path) -> None:
    assert sh(tmp_path, "cat; echo end")[1] == ["end"]


def test_a_full_disk_under_the_log_does_not_stop_a_command(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full here")
    lines: list[str] = []
    argv = [
        "/bin/sh",
        "-c",
        "i=0; while [ $i -lt 3000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done",
    ]
    done = Processes().run(argv, env=ENV, cwd=tmp_path, log=full, timeout=60, listen=lines.append)
    assert (done.exit_code, done.timed_out, len(lines)) == (0, False, 3000)


@pytest.mark.parametrize("trap", ["", "trap '' TERM; "], ids=["polite", "deaf"])
def test_what_a_command_leaves_running_is_ended(trap: str, tmp_path: Path) -> None:
    path, descriptor = fifo(tmp_path)
    done, _ = sh(tmp_path, f'{trap}exec 3>"$1"; sleep 1000 >/dev/null 2>&1 & echo started >&3', path)
    assert done.exit_code == 0
    assert end_of(descriptor) == b"started\n"


@pytest.mark.parametrize(
    ("trap", "grace", "code"),
    [("", 60.0, -signal.SIGTERM), ("trap '' TERM; ", 0.1, -signal.SIGKILL)],
    ids=["polite", "deaf"],
)
def test_a_command_without_end_is_ended_with_its_group(
    trap: str, grace: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_GRACE", grace)
    path, descriptor = fifo(tmp_path)
    done, _ = sh(tmp_path, f'{trap}exec 3>"$1"; sleep 1000 & while :; do wait; done', path, timeout=1.5)
    assert (done.exit_code, done.timed_out) == (code, True)
    assert end_of(descriptor) == b""


@pytest.mark.parametrize("trap", ["", "trap '' TERM; "], ids=["polite", "deaf"])
def test_everything_ends_at_once(trap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_GRACE", 0.1)
    processes = Processes()
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
        os.mkfifo(folder / "alive")

    def run(folder: Path) -> object:
        script = f'{trap}exec 3>"$1"; echo started >&3; sleep 1000 & while :; do wait; done'
        with pytest.raises(KeyboardInterrupt):
            sh(folder, script, str(folder / "alive"), processes=processes)
        return folder

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(run, folder) for folder in folders]
        pipes = [os.open(folder / "alive", os.O_RDONLY) for folder in folders]  # waits for the command to open it
        assert [os.read(pipe, 8) for pipe in pipes] == [b"started\n"] * 2
        processes.end_all()
        assert [end_of(pipe) for pipe in pipes] == [b"", b""]
        assert [future.result() for future in running] == folders
    assert processes.ended
    with pytest.raises(KeyboardInterrupt):
        sh(tmp_path, "touch started", processes=processes)
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["/nowhere/tool"], "[Errno 2] No such file or directory: '/nowhere/tool'"),
        (["{folder}/plain"], "[Errno 13] Permission denied: '{folder}/plain'"),
        (["{folder}/odd"], "[Errno 8] Exec format error: '{folder}/odd'"),
        (["/bin/sh", "a\0b"], "embedded null byte"),
    ],
)
def test_what_can_t_be_started_is_told(argv: Sequence[str], why: str, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    (tmp_path / "odd").write_text("no program\n")
    (tmp_path / "odd").chmod(0o755)
    command = [word.format(folder=tmp_path) for word in argv]
    with pytest.raises(LockproofError) as caught:
        Processes().run(command, env=ENV, cwd=tmp_path, log=tmp_path / "log")
    assert str(caught.value) == (
        f"{tmp_path}: the command {command[0]!r} can't be started: {why.format(folder=tmp_path)}\n"
        "  look at the command in the matrix, and at the file's mode and first line"
    )


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_environment_s_own_programs_come_first(tmp_path: Path) -> None:
    scripts, other = tmp_path / "env/bin", tmp_path / "other"
    for path in (scripts / "both", other / "both", other / "only", tmp_path / "here"):
        program(path)
    (scripts / "plain").write_text("")
    environ = {"PATH": str(other)}
    found = {
        name: find_program(name, scripts, environ, tmp_path) for name in ("both", "only", "./here", "env/bin/both")
    }
    assert found == {
        "both": (str(scripts / "both"), True),
        "only": (str(other / "only"), False),
        "./here": (str(tmp_path / "here"), False),
        "env/bin/both": (str(scripts / "both"), True),
    }
    for name in ("nothing", "plain", "here"):
        with pytest.raises(LockproofError) as caught:
            find_program(name, scripts, environ, tmp_path)
        assert str(caught.value) == (
            f"{scripts}: the command {name!r} was not found\n"
            "  no locked distribution brings it: lock the one that does, or put it on PATH"
        )


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("cd", "it is a shell's own, and no shell runs: name one, as in sh -c '…'"),
        ("DEBUG=1", "no shell runs: variables are set with `env` in matrix.yaml"),
    ],
)
def test_what_only_a_shell_knows_is_told_as_that(name: str, remedy: str, tmp_path: Path) -> None:
    with pytest.raises(LockproofError) as caught:
        find_program(name, tmp_path, {"PATH": str(tmp_path)}, tmp_path)
    assert caught.value.remedy == remedy
