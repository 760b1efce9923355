"""Cells of platforms that aren't at hand: what is predicted here is what pip downloads for them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from conformance.platforms import SOURCES, TARGETS, Comparison, Verdict
from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile

from support import independent
from support.loopback import LoopbackIndex, serve
from support.wheels import make_wheel, sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pip and uv are called with POSIX paths")

PYTHON = "3.12.1"
SCHEMES = {
    "purelib/pure/code.py": "CODE = 1\n",
    "platlib/native.txt": "native\n",
    "headers/everything.h": "#define EVERYTHING 1\n",
    "data/share/everything/page.txt": "page\n",
    "data/bin/reaches-scripts": "on POSIX this lands among the scripts\n",
    "data/Scripts/reaches-scripts.cmd": "on Windows this does\n",
}
COMPILED = (
    "cp312-cp312-macosx_11_0_arm64",
    "cp312-cp312-macosx_14_0_arm64",  # too new for a deployment version of 13.0
    "cp312-cp312-macosx_10_9_x86_64",
    "cp312-cp312-win_amd64",
    "cp311-abi3-win_amd64",
    "cp311-abi3-win_arm64",
    "cp312-cp312-manylinux_2_17_aarch64.manylinux2014_aarch64",
    "cp312-cp312-manylinux_2_28_aarch64",
    "cp312-cp312-manylinux_2_34_aarch64",  # too new for glibc 2.28
    "cp312-cp312-manylinux_2_28_x86_64",
    "cp312-cp312-musllinux_1_1_x86_64",
    "cp312-cp312-musllinux_1_2_aarch64",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Wheels of every scheme and for many platforms, each with other bytes, and the lock of all of them."""
    wheels = tmp_path / "wheels"
    made = [
        make_wheel(
            wheels,
            "Every_Thing",
            "1.0",
            {"everything.py": "def main(): ...\n", "package/data.bin": b"\0\1"},
            entry_points={
                "console_scripts": {"every": "everything:main", "thing.py": "everything:main"},
                "gui_scripts": {"every-window": "everything:main"},
            },
            scripts={"rewritten": "#!python -E\nprint(1)\n", "kept.sh": "#!/bin/sh\n", "program.exe": b"MZ\0"},
            data=SCHEMES,
        ),
        *(make_wheel(wheels, "compiled", "2.0", {"compiled.so": tag}, tag=tag, purelib=False) for tag in COMPILED),
        make_wheel(wheels, "windows-only", "3.0", {"windows_only.py": "w\n"}),
        make_wheel(wheels, "other", "4.0", {"other.py": "arm\n"}),
        make_wheel(wheels, "other", "5.0", {"other.py": "not arm\n"}),
    ]
    hashes: dict[str, str] = {}
    for wheel in made:
        pin = "==".join(wheel.name.split("-")[:2]).replace("_", "-")
        hashes[pin] = f"{hashes.get(pin, '')} --hash=sha256:{sha256_of(wheel)}"
    markers = {
        "windows-only==3.0": " ; sys_platform == 'win32' and os_name == 'nt'",
        "other==4.0": " ; platform_machine in 'aarch64 arm64 ARM64'",
        "other==5.0": " ; platform_machine not in 'aarch64 arm64 ARM64'",
    }
    lines = [f"{pin}{markers.get(pin, '')}{digests}\n" for pin, digests in hashes.items()]
    (tmp_path / "requirements.txt").write_text("".join(lines))
    return tmp_path


@pytest.fixture
def index(folder: Path) -> Iterator[LoopbackIndex]:
    with serve(folder / "wheels") as index:
        yield index


def variables(folder: Path, index: LoopbackIndex) -> Mapping[str, str]:
    (folder / "home").mkdir(exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder / "home"),
        "LOCKPROOF_STORE": str(folder / "store"),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_INDEX_URL": index.url,
        "PIP_NO_CACHE_DIR": "1",
        "UV_DEFAULT_INDEX": index.url,
        "UV_NO_CACHE": "1",
        "UV_NO_CONFIG": "1",
    }


def verdict(folder: Path, index: LoopbackIndex, platform: str) -> Verdict:
    (folder / "work").mkdir(exist_ok=True)
    comparison = Comparison(folder / "requirements.txt", folder / "work", variables(folder, index))
    return comparison.verdict(PYTHON, platform)


@pytest.mark.parametrize("platform", TARGETS)
def test_the_files_predicted_for_a_platform_are_those_of_the_wheels_that_pip_downloads_for_it(
    folder: Path, index: LoopbackIndex, platform: str
) -> None:
    wheels, files = ("4", 26) if platform.startswith("windows") else ("3", 23)
    told = verdict(folder, index, platform)
    assert (told.outcome, told.told) == ("same", f"{wheels} wheels, {files} files")


def test_a_hole_is_one_for_pip_too(folder: Path, index: LoopbackIndex) -> None:
    lock = folder / "requirements.txt"
    wheel = make_wheel(folder / "wheels", "holed", "6.0", tag="cp312-cp312-manylinux_2_17_x86_64")
    lock.write_text(f"{lock.read_text()}holed==6.0 --hash=sha256:{sha256_of(wheel)}\n")

    found = verdict(folder, index, "macos-arm64")

    assert found.outcome == "hole"
    assert "holed 6.0 has no wheel for 3.12.1-macos-arm64: its wheels are for cp312 on manylinux_2_17_x86_64" in (
        found.told
    )
    assert verdict(folder, index, "linux-x86_64").outcome == "same"


def test_what_installer_makes_of_a_wheel_on_windows_is_what_is_predicted(tmp_path: Path) -> None:
    made = make_wheel(
        tmp_path / "wheels",
        "demo",
        "1.0",
        {"demo.py": "def main(): ...\n"},
        entry_points={"console_scripts": {"demo": "demo:main"}, "gui_scripts": {"demo-window": "demo:main"}},
        data={"headers/demo.h": "#define DEMO\n", "data/share/demo.txt": "page\n"},
    )
    environment = tmp_path / "environment"
    places = {"purelib": "Lib/site-packages", "platlib": "Lib/site-packages", "scripts": "Scripts"}
    places |= {"headers": "Include/demo", "data": "."}
    python = environment / "Scripts" / "python.exe"
    destination = SchemeDictionaryDestination(
        {name: str(environment / place) for name, place in places.items()}, str(python), "win-amd64"
    )
    with WheelFile.open(made) as source:
        install(source, destination, {"INSTALLER": b"installer"})
    for name in ("python.exe", "pythonw.exe"):
        python.with_name(name).write_bytes(b"MZ")
    (environment / "pyvenv.cfg").write_text(
        f"home = C:\\Python\nversion = {PYTHON}\ninclude-system-site-packages = false\n"
    )
    lock = f"--no-index\n--find-links wheels\ndemo==1.0 --hash=sha256:{sha256_of(made)}\n"
    (tmp_path / "requirements.txt").write_text(lock)
    matrix = {"version": 1, "lock": "requirements.txt", "python": [PYTHON], "platform": ["windows-x86_64"]}
    (tmp_path / "matrix.yaml").write_text(json.dumps(matrix))

    predicted, observed = (files_of(tmp_path, *words) for words in (("predict",), ("fingerprint", str(environment))))

    for name in ("python.exe", "pythonw.exe"):
        del observed[f"scripts/{name}"]  # of no interpreter that is known here
    assert observed == predicted
    lines = {line for line in independent.read(environment).files if not line.startswith(b"scripts/python")}
    assert lines == {
        independent.as_bytes(path, str(kind), " ".join(map(str, rest))) for path, (kind, *rest) in predicted.items()
    }
    assert [predicted[f"scripts/{name}.exe"] for name in ("demo", "demo-window")] == [
        ["e", "demo:main"],
        ["e", "demo:main gui"],
    ]


def files_of(folder: Path, *words: str) -> dict[str, list[object]]:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), "LOCKPROOF_STORE": str(folder / "store")}
    command = [sys.executable, "-m", "lockproof", *words, "--json"]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout)["files"]
    assert isinstance(files, dict)
    return files
