"""What a benchmark needs around it: a folder of its own, the tools in it, wheels, an index, and timed commands."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import resource
import subprocess
import sys
import time
import urllib.request
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent
PEERS = ("uv", "tox", "tox-uv", "nox")
# Variables that change what one of the tools does. Nobody gets them.
_LEFT_OUT = ("PYTHON", "VIRTUAL", "LOCKPROOF_", "TOX", "NOX", "COV", "CI", "GITHUB_", "PYENV_VERSION", "UV_CACHE_DIR")


class BenchmarkError(Exception):
    """The benchmark can't go on: what happened, for people."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """`folder` holds everything that is made; `pythons` are exact versions; `jobs` cells are made at a time."""

    folder: Path
    lock: Path
    pythons: tuple[str, ...]
    jobs: int

    @property
    def peers(self) -> Path:
        """The virtual environment of the peers' tools."""
        return self.folder / "peers"

    @property
    def ours(self) -> Path:
        """The virtual environment of lockproof."""
        return self.folder / "lockproof"

    @property
    def wheels(self) -> Path:
        """All wheels of the lock, one folder a lock."""
        return self.folder / "wheels" / _digest(self.lock)[:16]

    @property
    def names(self) -> tuple[str, ...]:
        """The interpreters as the peers name them: python3.12."""
        return tuple(f"python{version.rpartition('.')[0]}" for version in self.pythons)

    def environment(self, executables: Sequence[Path] = (), **more: str) -> dict[str, str]:
        """The variables that everybody gets: the user's, but those that change what a tool does."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
        path = [self.ours / "bin", self.peers / "bin", *(executable.parent for executable in executables)]
        return {
            **kept,
            "PATH": os.pathsep.join([*map(str, path), os.environ.get("PATH", os.defpath)]),
            "LOCKPROOF_STORE": str(self.folder / "store"),
            "UV_CACHE_DIR": str(self.folder / "uv"),
            "UV_PYTHON_DOWNLOADS": "never",
            **more,
        }


def timed(argv: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str]) -> Time:
    """The time of a command that must succeed; BenchmarkError with its output where it does not."""
    os.sync()  # what others have left to write is not this command's work
    with (cwd / "output.log").open("w+b") as log:
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            log.seek(0)
            shown = log.read().decode(errors="replace")[-4000:]
            raise BenchmarkError(f"{' '.join(map(str, argv))} ended with {done.returncode}:\n{shown}")
    return Time(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def say(argv: Sequence[str | Path], env: Mapping[str, str], cwd: Path | None = None) -> str:
    """What a command prints; BenchmarkError where it fails."""
    done = subprocess.run(argv, env=env, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"{' '.join(map(str, argv))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def install_tools(stage: Stage) -> None:
    """The peers from their hashed lock, and lockproof from this checkout, as a user gets it; each if it has changed."""
    lock = HERE / "requirements.txt"
    sources = sorted(path for path in (CHECKOUT / "src").rglob("*") if path.suffix in (".py", ".json", ".typed"))
    _install(stage, stage.peers, _digest(lock), ["--require-hashes", "-r", str(lock)])
    _install(stage, stage.ours, _digest(CHECKOUT / "pyproject.toml", *sources), [str(CHECKOUT)])


def _install(stage: Stage, folder: Path, state: str, what: Sequence[str]) -> None:
    stamp = folder / "benchmark.stamp"
    state += sys.version
    if stamp.exists() and stamp.read_text() == state:
        return
    venv.create(folder, with_pip=True, clear=True)
    say([folder / "bin" / "python", "-m", "pip", "install", "-q", *what], stage.environment())
    stamp.write_text(state)


def _digest(*files: Path) -> str:
    total = hashlib.sha256()
    for file in files:
        total.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def find_pythons(stage: Stage, project: Path) -> list[Path]:
    """The executables of the Pythons in their order, as lockproof finds them; BenchmarkError if one is missing."""
    listing = json.loads(say(["lockproof", "list", "--json"], stage.environment(), project))
    missing = [f"{row['python']}: {row['reason']}" for row in listing["cells"] if row["status"] != "available"]
    if missing:
        raise BenchmarkError("interpreters are missing:\n" + "\n".join(missing))
    found = {row["python"]: Path(row["reason"]) for row in listing["cells"]}
    return [found[version] for version in stage.pythons]


def download_wheels(stage: Stage, executables: Sequence[Path]) -> None:
    """Bring every wheel of the lock that one of the Pythons takes, with pip, once."""
    done = stage.wheels / f"{'-'.join(stage.pythons)}.done"
    if done.exists():
        return
    options = ["--no-deps", "--only-binary", ":all:", "-d", str(stage.wheels)]
    pip = [str(stage.peers / "bin" / "python"), "-m", "pip", "-q"]
    for executable in executables:
        locked = ["--require-hashes", "-r", str(stage.lock)]
        say([*pip, "--python", str(executable), "download", *options, *locked], stage.environment())
    if left := _not_here(stage):  # pins for other platforms: who reads the lock as a whole asks for them, too
        say([*pip, "download", *options, *left], stage.environment())
    done.touch()


def _not_here(stage: Stage) -> list[str]:
    """The pins of the lock, as name==version, of which there is no wheel."""
    pins = re.findall(r"^([\w.-]+)==([^\s;]+)", stage.lock.read_text(), re.MULTILINE)
    here = {tuple(wheel.name.lower().split("-")[:2]) for wheel in stage.wheels.glob("*.whl")}
    normal = {f"{name}=={version}": (re.sub(r"[-_.]+", "_", name).lower(), version) for name, version in pins}
    return [pin for pin, parts in normal.items() if parts not in here]


@contextlib.contextmanager
def loopback_index(stage: Stage) -> Iterator[str]:
    """The URL of an index over the wheels, served by a process of its own; every hash is already worked out."""
    server = CHECKOUT / "tests" / "support" / "loopback.py"
    argv = [stage.ours / "bin" / "python", server, stage.wheels]
    with subprocess.Popen(argv, env=stage.environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip() if process.stdout else ""
            if not url:
                raise BenchmarkError("the loopback index did not start")
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            for project in {wheel.name.partition("-")[0].replace("_", "-") for wheel in stage.wheels.glob("*.whl")}:
                opener.open(f"{url}{project.lower()}/").read()
            yield url
        finally:
            process.terminate()


def facts(stage: Stage) -> dict[str, str]:
    """What the figures were made on, without names: the machine's kind, its load now, and the tools' versions."""
    code = "import sys\nfrom importlib.metadata import version\nprint(*(f'{n} {version(n)}' for n in sys.argv[1:]))"
    peers = say([stage.peers / "bin" / "python", "-c", code, *PEERS], stage.environment())
    ours = say([stage.ours / "bin" / "python", "-c", code, "lockproof"], stage.environment())
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "load average at the end": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "tools": f"{ours.strip()} {peers.strip()} on CPython {platform.python_version()}",
        "Pythons": ", ".join(stage.pythons),
        "cells at a time": str(stage.jobs),
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return platform.processor() or "unknown processor"
