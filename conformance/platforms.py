"""Is what lockproof predicts for platforms that aren't at hand what pip itself downloads for them?

For each platform and Python, uv says which pins of the lock are for that platform, pip downloads these for it
(`pip download --platform …`, wheels only, with the lock's hashes), and every file of these wheels, at the place where
its scheme puts it, is held against `lockproof predict`: the two must have the same files, to the byte. Where lockproof
says that a cell can't be had for want of a wheel, pip must find none either. The exit code is 1 where that isn't so.

    python3 .ci/nox -s platforms -- LOCK [--python X.Y.Z …] [--platform NAME …]

LOCK is a requirements file with hashes. Everything is asked of the configured index; nothing is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SOURCES = Path(__file__).resolve().parent.parent / "src"
# Written by installers, or bytecode: checked otherwise, and no part of the files (docs/reference/fingerprint.md).
LEFT_OUT = re.compile(
    r"[^/]+\.dist-info/(RECORD|INSTALLER|REQUESTED|direct_url\.json|provenance_url\.json)|(.*/)?__pycache__/[^/]+\.pyc"
)
PIN = re.compile(r"^ ?\+ ([a-z0-9-]+)==(\S+)$", re.MULTILINE)

Fact = list[str | int]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A platform as uv and pip name it."""

    uv: str
    pip: tuple[str, ...]


def _manylinux(machine: str) -> tuple[str, ...]:
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(28, 16, -1)]
    older = ["manylinux2010", "manylinux1", "manylinux_2_12", "manylinux_2_5"] if machine == "x86_64" else []
    return (*tags, f"manylinux2014_{machine}", *(f"{tag}_{machine}" for tag in older), f"linux_{machine}")


def _musllinux(machine: str) -> tuple[str, ...]:
    return (*(f"musllinux_1_{minor}_{machine}" for minor in (2, 1, 0)), f"linux_{machine}")


TARGETS = {
    "macos-arm64": Target(uv="aarch64-apple-darwin", pip=("macosx_13_0_arm64",)),
    "macos-x86_64": Target(uv="x86_64-apple-darwin", pip=("macosx_13_0_x86_64",)),
    "windows-x86_64": Target(uv="x86_64-pc-windows-msvc", pip=("win_amd64",)),
    "windows-arm64": Target(uv="aarch64-pc-windows-msvc", pip=("win_arm64",)),
    "linux-x86_64": Target(uv="x86_64-manylinux_2_28", pip=_manylinux("x86_64")),
    "linux-aarch64": Target(uv="aarch64-manylinux_2_28", pip=_manylinux("aarch64")),
    "linux-x86_64-musl": Target(uv="x86_64-unknown-linux-musl", pip=_musllinux("x86_64")),
    "linux-aarch64-musl": Target(uv="aarch64-unknown-linux-musl", pip=_musllinux("aarch64")),
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of one Python and platform: `same`, `different`, `hole` (for pip too), or `failed`."""

    cell: str
    outcome: str
    told: str


class Comparison:
    """One lock in a folder of its own, and the environment variables that say where the index is."""

    def __init__(self, lock: Path, work: Path, environ: Mapping[str, str]) -> None:
        self.lock, self.work = lock.absolute(), work
        self.environ = {**environ, "PYTHONPATH": str(SOURCES)}

    def verdict(self, python: str, platform: str) -> Verdict:
        """Predicted against downloaded."""
        cell = f"{python}-{platform}"
        matrix = {"version": 1, "lock": str(self.lock), "python": [python], "platform": [platform]}
        (self.work / "matrix.yaml").write_text(json.dumps(matrix))
        predicted = self._call("lockproof", "predict", "--json", f"{python}-{platform}*")
        wheels = self.work / cell
        downloaded = self._download(python, TARGETS[platform], wheels)
        if predicted.returncode:
            hole = predicted.returncode == 2 and "has no wheel for" in predicted.stderr
            missed = re.search(r"No matching distribution found for ([a-z0-9._-]+)==", downloaded.stderr)
            if hole and missed and f"{_normal(missed[1])} " in predicted.stderr:
                return Verdict(cell=cell, outcome="hole", told=predicted.stderr.strip())
            return Verdict(cell=cell, outcome="different" if hole else "failed", told=predicted.stderr.strip())
        if downloaded.returncode:
            return Verdict(cell=cell, outcome="failed", told=downloaded.stderr.strip()[-600:])
        return _compared(cell, json.loads(predicted.stdout)["files"], sorted(wheels.iterdir()))

    def _download(self, python: str, target: Target, folder: Path) -> subprocess.CompletedProcess[str]:
        """What pip says while it downloads the wheels of that platform; their pins are those that uv names."""
        asked = self._call(
            "uv", "pip", "install", "--dry-run", "--no-deps", "--require-hashes", "--only-binary=:all:",
            "--target", self.work / "nothing", "--python", sys.executable, "--python-version", python,
            "--python-platform", target.uv, "-r", self.lock,
        )  # fmt: skip
        pins = dict(PIN.findall(asked.stderr))
        if asked.returncode and not pins:  # a hole, which uv says in other words: pip is asked for all that is named
            pins = dict(_named(self.lock.read_text()))
        requirements = self.work / "pins.txt"
        requirements.write_text("".join(_requirements(self.lock.read_text(), pins)))
        platforms = [f"--platform={tag}" for tag in target.pip]
        return self._call(
            "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:", *platforms,
            "--implementation=cp", f"--python-version={python}", "--dest", folder, "-r", requirements,
        )  # fmt: skip

    def _call(self, module: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", module, *map(str, arguments)]
        return subprocess.run(command, env=self.environ, cwd=self.work, text=True, capture_output=True, check=False)


def _requirements(lock: str, pins: Mapping[str, str]) -> Iterator[str]:
    """The lock's rows of these pins, with their hashes and without their markers, which pip would take for its own."""
    for row in re.split(r"\n(?=[A-Za-z0-9])", lock.replace("\\\n", " ")):
        match = re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", row)
        if match and pins.get(_normal(match[1])) == match[2]:
            yield " ".join([match[0], *re.findall(r"--hash=\S+", row)]) + "\n"


def _named(lock: str) -> Iterator[tuple[str, str]]:
    for match in re.finditer(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock, re.MULTILINE):
        yield _normal(match[1]), match[2]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _compared(cell: str, predicted: Mapping[str, Fact], wheels: Sequence[Path]) -> Verdict:
    landed: dict[str, Fact] = {}
    for wheel in wheels:
        landed |= landing_of(wheel, cell)
    wrong = sorted(path for path in predicted.keys() | landed.keys() if predicted.get(path) != landed.get(path))
    if not wrong:
        return Verdict(cell=cell, outcome="same", told=f"{len(wheels)} wheels, {len(landed)} files")
    rows = [f"{path}: predicted {predicted.get(path)}, downloaded {landed.get(path)}" for path in wrong[:20]]
    return Verdict(cell=cell, outcome="different", told="\n".join([f"{len(wrong)} files", *rows]))


def landing_of(wheel: Path, cell: str) -> dict[str, Fact]:
    """Where the files of a wheel land in that cell, and what they are: by the binary distribution format alone.

    docs/reference/fingerprint.md says how paths and facts are written. On Windows the wrappers are programs.
    """
    name, version = wheel.name.split("-")[:2]
    windows, series = "-windows-" in cell, ".".join(cell.split(".")[:2])
    places = [("Lib/site-packages/", "site/"), ("Scripts/", "scripts/")]
    if not windows:
        places = [(f"lib/python{series}/site-packages/", "site/"), ("bin/", "scripts/")]
    landed: dict[str, Fact] = {}
    with zipfile.ZipFile(wheel) as archive:
        data, info = f"{name}-{version}.data/", f"{name}-{version}.dist-info/"
        for member in archive.namelist():
            if member.endswith("/") or LEFT_OUT.fullmatch(member):
                continue
            content = archive.read(member)
            path = f"site/{member}"
            if member.startswith(data):
                scheme, _, rest = member[len(data) :].partition("/")
                area = {"purelib": "site", "platlib": "site", "headers": f"headers/{_normal(name)}"}.get(scheme, scheme)
                path = f"{area}/{rest}"
            for real, logical in places:
                path = path.replace(f"data/{real}", logical, 1) if path.startswith(f"data/{real}") else path
            landed[path] = _fact(path, content)
        metadata = PathDistribution(zipfile.Path(archive, info))
        for point in metadata.entry_points:
            if point.group in ("console_scripts", "gui_scripts"):
                ended = f"{point.name.removesuffix('.py')}.exe" if windows else point.name
                window = " gui" if windows and point.group == "gui_scripts" else ""
                landed[f"scripts/{ended}"] = ["e", f"{point.module}:{point.attr}{window}"]
    return landed


def _fact(path: str, content: bytes) -> Fact:
    if path.startswith("scripts/") and content.startswith(b"#!python"):
        content = b"#!python\n" + content.partition(b"\n")[2]
        return ["s", hashlib.sha256(content).hexdigest(), len(content)]
    return ["f", hashlib.sha256(content).hexdigest(), len(content)]


def main() -> int:
    """Compare, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lock", type=Path)
    parser.add_argument("--python", nargs="+", default=["3.12.1"], metavar="X.Y.Z")
    parser.add_argument("--platform", nargs="+", default=["macos-arm64", "windows-x86_64"], choices=TARGETS)
    options = parser.parse_args()
    verdicts = []
    for python in options.python:
        for platform in options.platform:
            with tempfile.TemporaryDirectory() as folder:
                verdict = Comparison(options.lock, Path(folder), os.environ).verdict(python, platform)
            print(f"{verdict.cell}: {verdict.outcome}: {verdict.told}", flush=True)
            verdicts.append(verdict)
    return int(any(verdict.outcome in ("different", "failed") for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
