"""pip and uv install a plan the ordinary way: the strongest check that the prediction is right.

Both get the same: a requirements file of exact pins with one hash each, a folder that holds the chosen wheels
and nothing else, no index, no dependencies, no cache of anybody's, no configuration, no bytecode. The wheels
are found by `--find-links` and not named by path, so that no direct_url.json is written (PEP 610).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lockproof.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lockproof.locks.artifacts import Artifact

    Run = Callable[[Sequence[str], Mapping[str, str]], "CompletedText"]
    Wheels = Sequence[tuple[Artifact, Path]]

# All that pip and uv may learn from the caller's environment: nothing of PIP_*, UV_*, PYTHON*, no proxies.
_PASSED_ON = (
    "PATH",
    "HOME",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SYSTEMROOT",
    "USERPROFILE",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
)
_PIP_INSTALL = (
    *("--isolated", "--no-input", "--disable-pip-version-check", "--no-cache-dir"),
    *("install", "--no-compile", "--no-warn-script-location", "--progress-bar", "off"),
)
_UV_INSTALL = (
    *("pip", "install", "--no-config", "--offline", "--no-progress"),
    *("--link-mode", "copy", "--no-compile-bytecode"),
)
_LINES_SHOWN = 15


@dataclass(frozen=True, kw_only=True, slots=True)
class CompletedText:
    """How a command ended: its exit code, and what it wrote to stdout and stderr, as one text."""

    exit_code: int
    output: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolVersion:
    """An installer at hand: `name` (pip or uv), its version, and the command that starts it."""

    name: str
    version: str
    command: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def run_command(argv: Sequence[str], env: Mapping[str, str]) -> CompletedText:
    """Run a command to its end with exactly this environment; raises OSError if it can't start."""
    done = subprocess.run(
        argv,
        env=dict(env),
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    return CompletedText(exit_code=done.returncode, output=done.stdout)


def find_tool(name: Literal["pip", "uv"], *, run: Run = run_command) -> ToolVersion:
    """The installer next to the running Python (there the project's own lock pins it), else the one on PATH.

    Raises UnavailableError, saying how to get it, when there is none that can tell its version.
    """
    tried = []
    for command in _pip_commands() if name == "pip" else _uv_commands():
        try:
            done = run([*command, "--version"], tool_environment())
        except OSError as error:
            tried.append(f"{command[0]}: {error.strerror}")
            continue
        words = done.output.split()
        if done.exit_code == 0 and len(words) > 1 and words[0] == name:
            return ToolVersion(name=name, version=words[1], command=command)
        tried.append(f"{' '.join(command)} --version ended with {done.exit_code}: {_last_lines(done.output, 1)}")
    raise UnavailableError(
        f"{name} was not found",
        why="; ".join(tried) or f"it is neither installed beside {sys.executable} nor on PATH",
        remedy=f"install it where lockproof is installed ({sys.executable} -m pip install {name}), "
        "or use the built-in installer (installer: lockproof)",
    )


def install(name: str, wheels: Wheels, environment: Path) -> ToolVersion:
    """Install verified wheels into a fresh environment with pip or uv, as `name` says; raises UnavailableError."""
    return install_with_uv(environment, wheels) if name == "uv" else install_with_pip(environment, wheels)


def install_with_pip(
    environment: Path, wheels: Wheels, *, tool: ToolVersion | None = None, run: Run = run_command
) -> ToolVersion:
    """Install verified wheels into a fresh environment, which has no pip of its own; returns the pip used.

    `wheels` are a plan's artifacts and where their files lie. Raises UnavailableError with pip's last lines
    when it fails, and when this pip can't act on the environment's Python at all (`--python`: pip 22.3 or
    newer, and only for the Python versions that this pip supports itself).
    """
    tool = tool or find_tool("pip", run=run)
    python = _python_of(environment)
    if not wheels:
        return tool
    at_python = [*tool.command, "--python", str(python)]
    with tempfile.TemporaryDirectory(prefix="lockproof-pip-") as scratch:
        requirements, links = _prepare(Path(scratch), wheels)
        done = _start(run, tool, [*at_python, *_PIP_INSTALL, *_exactly(requirements, links)])
    if done.exit_code != 0:
        reached = _start(run, tool, [*at_python, "--version"])
        if reached.exit_code != 0:
            raise UnavailableError(
                f"{tool} can't install into {environment}",
                where=str(python),
                why=_last_lines(reached.output, 3),
                remedy="install a pip beside lockproof that knows this Python, or use the built-in installer",
            )
        raise _failed(tool, environment, done)
    return tool


def install_with_uv(
    environment: Path, wheels: Wheels, *, tool: ToolVersion | None = None, run: Run = run_command
) -> ToolVersion:
    """Install verified wheels into a fresh environment with uv, as copies out of a cache used only once.

    `wheels` are a plan's artifacts and where their files lie; returns the uv that did it. Raises
    UnavailableError with uv's last lines when it fails.
    """
    tool = tool or find_tool("uv", run=run)
    python = _python_of(environment)
    if not wheels:
        return tool
    with tempfile.TemporaryDirectory(prefix="lockproof-uv-") as scratch:
        requirements, links = _prepare(Path(scratch), wheels)
        target = ["--python", str(python), "--cache-dir", str(Path(scratch, "cache"))]
        done = _start(run, tool, [*tool.command, *_UV_INSTALL, *target, *_exactly(requirements, links)])
    if done.exit_code != 0:
        raise _failed(tool, environment, done)
    return tool


def _pip_commands() -> Iterator[tuple[str, ...]]:
    if importlib.util.find_spec("pip") is not None:
        yield sys.executable, "-I", "-m", "pip"
    elsewhere = shutil.which("pip")
    if elsewhere is not None:
        yield (elsewhere,)


def _uv_commands() -> Iterator[tuple[str, ...]]:
    if importlib.util.find_spec("uv") is not None:
        from uv import find_uv_bin  # only here, for uv is optional

        with contextlib.suppress(FileNotFoundError):  # the module without its binary
            yield (find_uv_bin(),)
    elsewhere = shutil.which("uv")
    if elsewhere is not None:
        yield (elsewhere,)


def _python_of(environment: Path) -> Path:
    """The environment's Python, absolute: it is what the installers write into first lines."""
    folder = environment.absolute()
    for python in (folder / "bin" / "python", folder / "Scripts" / "python.exe"):
        if python.exists():
            return python
    raise UnavailableError("the environment has no Python", where=str(environment), remedy="make it again")


def _prepare(scratch: Path, wheels: Wheels) -> tuple[Path, Path]:
    """A requirements file with one hashed pin a wheel, and a folder with the wheels under their own names."""
    links = scratch / "wheels"
    links.mkdir()
    pins = []
    for artifact, path in wheels:
        pins.append(f"{artifact.name}=={artifact.version} --hash=sha256:{artifact.sha256}\n")
        try:
            # not a hard link: that would change the stored file's ctime, by which it is known to be unchanged
            (links / artifact.filename).symlink_to(path.absolute())
        except OSError:  # Windows, without the right to make links
            shutil.copyfile(path, links / artifact.filename)
    requirements = scratch / "requirements.txt"
    requirements.write_text("".join(pins), encoding="utf-8")
    return requirements, links


def _exactly(requirements: Path, links: Path) -> list[str]:
    """The options, the same in pip and uv, that let in what the requirements pin and nothing else."""
    found = ["--no-index", "--find-links", str(links), "--only-binary", ":all:"]
    return ["--require-hashes", "--no-deps", *found, "--requirement", str(requirements)]


def tool_environment() -> dict[str, str]:
    """All that pip and uv may know of this process's environment; none of their own settings."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # Both tools start the environment's Python: it must leave no bytecode there, and see no user site.
    return passed | {"PIP_CONFIG_FILE": os.devnull, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1"}


def _start(run: Run, tool: ToolVersion, argv: Sequence[str]) -> CompletedText:
    try:
        return run(argv, tool_environment())
    except OSError as error:
        raise UnavailableError(f"{tool} could not be started", where=argv[0], why=str(error.strerror)) from error


def _failed(tool: ToolVersion, environment: Path, done: CompletedText) -> UnavailableError:
    return UnavailableError(
        f"{tool} failed with exit code {done.exit_code}",
        where=str(environment),
        why="its last lines were\n" + _last_lines(done.output, _LINES_SHOWN),
        remedy="the environment is incomplete; make it again, or use the built-in installer",
    )


def _last_lines(output: str, count: int) -> str:
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    return "\n".join(lines[-count:]) or "(no output)"
