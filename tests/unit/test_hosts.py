"""Windows and macOS as hosts, as far as that can be seen from here: what they lack is not needed to begin."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from lockproof.pythons.layout import layout_for
from lockproof.running import process

# Everything is imported, forgotten, and imported again on a system that says it is another one and has less.
IMPORT_ALL = """
import importlib, os, pkgutil, signal, socket, sys
import lockproof

names = [module.name for module in pkgutil.walk_packages(lockproof.__path__, "lockproof.")]
names = [name for name in names if not name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
for name in [name for name in sys.modules if name.partition(".")[0] == "lockproof"]:
    del sys.modules[name]
for name in sys.argv[2].split():
    sys.modules[name] = None
for module in (os, signal, socket):
    for name in sys.argv[3].split():
        if hasattr(module, name):
            delattr(module, name)
sys.platform = sys.argv[1]
for name in names:
    importlib.import_module(name)
print(len(names))
"""
MODULES = "fcntl pwd grp resource termios pty tty syslog posix"
NAMES = """
fork geteuid getuid getegid getgid getgroups killpg setsid getpgid chown fchown lchown fchmod mkfifo mknod
sched_getaffinity statvfs fstatvfs uname wait4 waitid pread readv unshare confstr sysconf posix_fadvise
O_NOFOLLOW O_DIRECTORY O_NONBLOCK O_CLOEXEC SIGKILL SIGHUP SIGQUIT SIGUSR1 SIGCHLD SIGPIPE pthread_sigmask AF_UNIX
"""
LINUX_ONLY = "sched_getaffinity unshare posix_fadvise"


@pytest.mark.parametrize(
    ("system", "modules", "names"), [("win32", MODULES, NAMES), ("darwin", "", LINUX_ONLY)], ids=["Windows", "macOS"]
)
def test_every_module_is_imported_where_there_is_no_linux(system: str, modules: str, names: str) -> None:
    arguments = [sys.executable, "-c", IMPORT_ALL, system, modules, names]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    done = subprocess.run(arguments, env=environ, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 150


class Recorded:
    """A process that only notes what it is told."""

    pid = 1

    def __init__(self) -> None:
        self.told: list[object] = []

    def kill(self) -> None:
        self.told.append("kill")

    def send_signal(self, number: int) -> None:
        self.told.append(number)


def test_a_group_on_windows_is_asked_by_a_break_and_then_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "killpg", raising=False)
    monkeypatch.setattr(signal, "CTRL_BREAK_EVENT", 1, raising=False)
    command = Recorded()

    process._signal_group(command, signal.SIGTERM)  # type: ignore[arg-type]
    process._signal_group(command, process._KILL)  # type: ignore[arg-type]

    assert command.told == [1, "kill"]


@pytest.mark.parametrize(
    ("name", "windows"), [("tool", "scripts/tool.exe"), ("tool.py", "scripts/tool.exe"), ("a.b", "scripts/a.b.exe")]
)
def test_wrappers_are_programs_on_windows_alone(name: str, windows: str) -> None:
    assert layout_for("3.12.1", "windows").wrapper(name) == windows
    assert layout_for("3.12.1", "macos").wrapper(name) == f"scripts/{name}"


def test_the_layout_of_windows_is_read_back() -> None:
    layout = layout_for("3.12.1", "windows")
    paths = {"site/a/b.py": "Lib/site-packages/a/b.py", "scripts/a.exe": "Scripts/a.exe", "data/share/x": "share/x"}
    assert {path: layout.physical(path) for path in paths} == paths
    assert {layout.logical(real) for real in paths.values()} == set(paths)
    assert layout.relative_to_site("scripts/a.exe") == "../../Scripts/a.exe"
