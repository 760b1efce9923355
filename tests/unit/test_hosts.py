"""Windows and macOS as hosts, as far as that can be seen from here: what they lack is not needed to begin."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lockproof.digests import sha256_hex
from lockproof.errors import why_of
from lockproof.proof.fingerprint import Finding
from lockproof.proof.prediction import normal_path
from lockproof.pythons.buildfiles import read_build
from lockproof.pythons.interpreters import Interpreter, base_executable
from lockproof.pythons.knownfiles import KnownFiles
from lockproof.pythons.layout import layout_for
from lockproof.pythons.platforms import Platform
from lockproof.pythons.probing import Probe
from lockproof.reading.inspection import interpreter_of
from lockproof.reading.reader import Tree
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

    pid = 7

    def __init__(self, code: int | None = None) -> None:
        self.code = code
        self.told: list[object] = []

    def poll(self) -> int | None:
        return self.code

    def kill(self) -> None:
        self.told.append("kill")

    def send_signal(self, number: int) -> None:
        self.told.append(number)


@pytest.mark.parametrize(
    ("code", "told"), [(None, [1, ["taskkill.exe", "/T", "/F", "/PID", "7"], "kill"]), (0, [1])], ids=["runs", "ended"]
)
def test_a_tree_on_windows_is_asked_by_a_break_and_then_killed(
    code: int | None, told: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = Recorded(code)

    def run(argv: list[str], **_settings: object) -> None:
        command.told.append([Path(argv[0]).name, *argv[1:]])

    monkeypatch.delattr(os, "killpg", raising=False)
    monkeypatch.setattr(signal, "CTRL_BREAK_EVENT", 1, raising=False)
    monkeypatch.setattr(subprocess, "run", run)
    process._signal_group(command, signal.SIGTERM)  # type: ignore[arg-type]
    process._signal_group(command, process._KILL)  # type: ignore[arg-type]

    assert command.told == told


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


@pytest.mark.parametrize(
    ("path", "windows", "macos"),
    [
        ("lib/site-packages/a.py", "site/a.py", "data/lib/site-packages/a.py"),
        ("LIB/x", "data/Lib/x", "data/LIB/x"),
        ("scripts/a", "scripts/a", "data/scripts/a"),
        ("include/a.h", "data/Include/a.h", "data/include/a.h"),
        ("libs/a.lib", "data/libs/a.lib", "data/libs/a.lib"),
        ("share/Lib/a", "data/share/Lib/a", "data/share/Lib/a"),
    ],
)
def test_a_file_lands_in_the_environment_s_own_folders_on_windows(path: str, windows: str, macos: str) -> None:
    found = [normal_path(f"data/{path}", layout_for("3.12.1", system)) for system in ("windows", "macos")]

    assert found == [windows, macos]


def windows_build(root: Path, *redirectors: str) -> Path:
    """A Python for Windows, as far as files tell; returns its executable."""
    for name in ("python.exe", "Lib/os.py", *(f"Lib/venv/scripts/nt/{name}" for name in redirectors)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root / "python.exe"


def said_by(root: Path, executable: Path, stdlib: str, version: str, system: str) -> Probe:
    return Probe(
        executable=executable, version=version, implementation="cpython", prefix=root, facts={}, archive=None,
        platform=Platform(os=system, machine="arm64"), configured_prefix=str(root), stdlib=root / stdlib,
        lib_dynload=None, libpython=None,
    )  # fmt: skip


def digest_of(text: str) -> str:
    return f"sha256:{sha256_hex(text.encode())}"


@pytest.mark.parametrize(
    ("version", "there", "taken"),
    [
        ("3.12.1", ("python.exe", "pythonw.exe"), ("python.exe", "pythonw.exe")),
        ("3.13.0", ("venvlauncher.exe", "venvwlauncher.exe"), ("venvlauncher.exe", "venvwlauncher.exe")),
        (
            "3.13.0t",
            ("venvlauncher.exe", "venvlaunchert.exe", "venvwlaunchert.exe"),
            ("venvlaunchert.exe", "venvwlaunchert.exe"),
        ),
        ("3.12.1", (), ()),
    ],
)
def test_the_redirectors_of_windows_are_part_of_a_build(
    version: str, there: tuple[str, ...], taken: tuple[str, ...], tmp_path: Path
) -> None:
    executable = windows_build(tmp_path, *there)

    digests = read_build(said_by(tmp_path, executable, "Lib", version, "windows"), KnownFiles(None)).digests

    found = {name: digest for name, digest in digests.items() if name.endswith("redirector")}
    wanted = zip(("redirector", "windowed redirector"), taken, strict=False)
    assert found == {name: digest_of(f"Lib/venv/scripts/nt/{file}") for name, file in wanted}


def test_the_program_that_a_framework_s_executable_starts_is_part_of_a_build(tmp_path: Path) -> None:
    root = tmp_path / "Python.framework/Versions/3.12"
    for name in ("bin/python3.12", "lib/python3.12/os.py", "Resources/Python.app/Contents/MacOS/Python"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(name)
    said = said_by(root, root / "bin/python3.12", "lib/python3.12", "3.12.1", "macos")

    before = dict(read_build(said, KnownFiles(None)).digests)
    (root / "Resources/Python.app/Contents/MacOS/Python").write_text("another")
    after = dict(read_build(said, KnownFiles(None)).digests)

    assert before == {**after, "app": digest_of("Resources/Python.app/Contents/MacOS/Python")}
    assert after["app"] == digest_of("another")


def windows_environment(root: Path, python: str, home: Path) -> Tree:
    """What is read of an environment whose python.exe has this content."""
    tree = Tree(str(root), str(root))
    status = os.stat_result((0o100644, 0, 0, 1, 0, 0, 1, 0, 0, 0))
    tree.files = {
        path: (sha256_hex(text.encode()), len(text), 0o100644, status)
        for path, text in {"Scripts/python.exe": python, "Lib/site-packages/a.py": "", "pyvenv.cfg": ""}.items()
    }
    tree.texts = {"pyvenv.cfg": f"home = {home}\r\nversion = 3.12.1\r\n".encode()}
    return tree


@pytest.mark.parametrize(
    ("python", "message"),
    [
        ("Lib/venv/scripts/nt/python.exe", ""),
        ("python.exe", ""),
        ("another", "is a program of its own, not the declared interpreter"),
    ],
    ids=["redirector", "copy", "another"],
)
def test_an_environment_s_redirector_leads_to_its_base(python: str, message: str, tmp_path: Path) -> None:
    executable = windows_build(tmp_path / "base", "python.exe")
    said = said_by(tmp_path / "base", executable, "Lib", "3.12.1", "windows")
    base = Interpreter(
        executable=executable, version=said.version, implementation="cpython", prefix=said.prefix,
        platform=said.platform, facts={}, files=read_build(said, KnownFiles(None)).digests,
    )  # fmt: skip
    tree = windows_environment(tmp_path / "env", python, executable.parent)

    found = interpreter_of(tree, {executable: base}.get, None)

    assert found == ((None, Finding("interpreter", "scripts/python", message)) if message else (base, None))


def test_a_redirector_stands_for_its_base_and_is_not_run(tmp_path: Path) -> None:
    executable = windows_build(tmp_path / "base")
    redirector = tmp_path / "env/Scripts/python.exe"
    redirector.parent.mkdir(parents=True)
    redirector.write_text("redirector")
    (tmp_path / "env/pyvenv.cfg").write_bytes(f"home = {executable.parent}\r\n".encode())

    assert base_executable(redirector) == executable


class WindowsError(OSError):
    """As Windows raises it."""

    winerror = 3


@pytest.mark.parametrize(
    ("kind", "names", "why"),
    [
        (WindowsError, ("C:/" + "a" * 257, "C:/b"), True),
        (WindowsError, ("C:/b", "C:/" + "a" * 257), True),
        (WindowsError, ("C:/b", "C:/c"), False),
        (OSError, ("/" + "a" * 259, "/b"), False),
    ],
    ids=["too long", "the second too long", "short", "not Windows"],
)
def test_a_path_that_windows_finds_too_long_is_told(kind: type[OSError], names: tuple[str, str], why: bool) -> None:
    error = kind(2, "No such file", names[0], None, names[1])

    more = ": a path has 260 characters, and Windows takes 260, of a folder 248, only with LongPathsEnabled"
    assert why_of(error) == f"No such file{more if why else ''}"
