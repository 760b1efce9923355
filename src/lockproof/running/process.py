"""The one place that runs commands: an allow-listed environment, a process group each, output to a log."""

from __future__ import annotations

import fnmatch
import os
import shutil
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from lockproof.errors import LockproofError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

# What a process needs to find programs, its home and a language, and nothing that changes what Python imports.
ALWAYS_PASSED = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TEMP", "TMP", "TZ", "LANG", "LC_*",
    "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "APPDATA", "LOCALAPPDATA", "USERPROFILE",
)  # fmt: skip
_OWN_GROUP = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # Windows: a Ctrl-C is for us to hear
_OF_SHELLS = (".", "cd", "export", "set", "source", "ulimit", "umask", "unset")
_GRACE = 3.0  # seconds between asking a group to end and ending it
_KILL = 9  # SIGKILL, which Windows doesn't have


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """How a command ended: its exit code (negative: the signal), seconds of wall time, and whether time ran out."""

    exit_code: int
    seconds: float
    timed_out: bool = False


def allowed_environment(environ: Mapping[str, str], pass_env: Sequence[str], env: Mapping[str, str]) -> dict[str, str]:
    """The variables that a cell's commands get: the few that are always passed, those allowed, and those set."""
    patterns = (*ALWAYS_PASSED, *pass_env)
    passed = {k: v for k, v in environ.items() if any(fnmatch.fnmatchcase(k, pattern) for pattern in patterns)}
    return {**passed, **env}


def find_program(name: str, scripts: Path, environ: Mapping[str, str], cwd: Path) -> tuple[str, bool]:
    """(path, whether it is the environment's own) of a command's first word; the environment's scripts come first.

    Raises LockproofError for a program that is nowhere.
    """
    if os.path.dirname(name):  # noqa: PTH120 - as it is written; Windows knows two separators
        path = cwd / name
        return str(path), path.parent == scripts
    own = shutil.which(name, path=str(scripts))
    if own:
        return own, True
    other = shutil.which(name, path=environ.get("PATH", os.defpath))
    if other:
        return other, False
    remedy = "no locked distribution brings it: lock the one that does, or put it on PATH"
    if name in _OF_SHELLS:
        remedy = "it is a shell's own, and no shell runs: name one, as in sh -c '…'"
    elif "=" in name:
        remedy = "no shell runs: variables are set with `env` in matrix.yaml"
    raise LockproofError(f"the command {name!r} was not found", where=str(scripts), remedy=remedy)


class Processes:
    """All commands that are running, so that every one of them can be ended at once."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._live: set[subprocess.Popen[bytes]] = set()
        self._guard = threading.Lock()
        self._ended = threading.Event()

    @property
    def ended(self) -> bool:
        """Whether `end_all` was called: nothing more will start."""
        return self._ended.is_set()

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        log: Path,
        timeout: float | None = None,
        listen: Callable[[str], None] | None = None,
    ) -> Finished:
        """Run one command to its end in a process group of its own, its output appended to `log` as it comes.

        `listen` gets each line without its end. A command that runs longer than `timeout` seconds has its whole group
        ended. Raises LockproofError where it can't be started, KeyboardInterrupt where everything was ended.
        """
        started = time.monotonic()
        with log.open("ab", buffering=0) as sink:
            process = self._start(argv, env, cwd)
            reader = threading.Thread(target=_pump, args=(process, sink, listen), daemon=True)
            reader.start()
            timed_out = False
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                timed_out = True
                _end_group(process)
            finally:
                _signal_group(process, signal.SIGTERM)  # what a command leaves running must not outlive its proof
                with self._guard:
                    self._live.discard(process)
            reader.join(1.0)  # a grandchild that lives on may hold the pipe; its output is no longer the command's
            _signal_group(process, _KILL)
        if self.ended:
            raise KeyboardInterrupt
        return Finished(exit_code=process.returncode, seconds=time.monotonic() - started, timed_out=timed_out)

    def _start(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> subprocess.Popen[bytes]:
        with self._guard:
            if self.ended:
                raise KeyboardInterrupt
            try:
                process = subprocess.Popen(
                    argv,
                    env=dict(env),
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    creationflags=_OWN_GROUP,
                )
            except (OSError, ValueError) as error:
                raise LockproofError(
                    f"the command {argv[0]!r} can't be started", where=str(cwd), why=str(error),
                    remedy="look at the command in the matrix, and at the file's mode and first line",
                ) from error  # fmt: skip
            self._live.add(process)
        return process

    def end_all(self) -> None:
        """End every group: asked first, and after a short grace no longer asked. Nothing starts afterwards."""
        with self._guard:
            self._ended.set()
            live = tuple(self._live)
        for process in live:
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE
        for process in live:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            _signal_group(process, _KILL)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    _signal_group(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)
    _signal_group(process, _KILL)
    process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        elif number == _KILL:
            _kill_tree(process)
        else:  # Windows: what a group can be asked with, and what only a group of its own can be
            process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", number))


def _kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Windows: end a process and what it started, while it is there to say what that is."""
    if process.poll() is not None:
        return
    program = os.path.join(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "taskkill.exe")  # noqa: PTH118
    with suppress(OSError):
        subprocess.run([program, "/T", "/F", "/PID", str(process.pid)], capture_output=True, check=False)
    process.kill()


def _pump(process: subprocess.Popen[bytes], sink: BinaryIO, listen: Callable[[str], None] | None) -> None:
    """Copy a command's output to its log, line by line."""
    if process.stdout is None:
        return

    with process.stdout as lines:
        for line in lines:
            with suppress(ValueError, OSError):  # the log was closed, or its disk is full: the command goes on
                sink.write(line)
            if listen:
                listen(line.decode("utf-8", "replace").rstrip("\r\n"))
