"""How long it takes to plan 200 cells for CI, most of them of platforms that are not here.

    python benchmarks/plan_ci.py [--check]

Seconds on the clock of `lockproof ci github --json` and `ci gitlab --child` on the workload's lock: five rounds, the
median and the fastest. Every cell is planned on the lock, as the plan job of a workflow does it. With --check the exit
code is 1 where a median is 3 s or more.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SOURCES = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1] / "src")}
LOCK = Path(__file__).resolve().parent / "workload" / "requirements.txt"
PYTHONS = ["3.10.13", "3.11.7", "3.12.1", "3.13.0"]
PLATFORMS = ["linux-x86_64", "linux-aarch64", "macos-arm64", "macos-x86_64", "windows-x86_64"]
GOAL = 3.0  # seconds
ROUNDS = 5
TAGS = [f"--runner={platform}=tag" for platform in PLATFORMS]
COMMANDS = {"github": ["ci", "github", "--json"], "gitlab": ["ci", "gitlab", "--child", *TAGS]}


def plannable(folder: Path, store: str) -> list[str]:
    """The platforms for which the lock has wheels."""
    found = []
    for platform in PLATFORMS:
        write_matrix(folder, [platform], variants=1)
        command = lockproof(COMMANDS["github"], store)
        done = subprocess.run(command, cwd=folder, env=SOURCES, capture_output=True, check=False)
        found += [platform] if done.returncode == 0 else []
    return found


def write_matrix(folder: Path, platforms: list[str], variants: int) -> int:
    """A matrix of these platforms, so many variants of each; the number of cells."""
    axes: dict[str, dict[str, dict[str, str]]] = {"variant": {f"v{number}": {} for number in range(variants)}}
    document = {"version": 1, "lock": str(LOCK), "python": PYTHONS, "platform": platforms, "cells": {"axes": axes}}
    (folder / "matrix.yaml").write_text(json.dumps(document), encoding="utf-8")
    return len(PYTHONS) * len(platforms) * variants


def lockproof(words: list[str], store: str) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "lockproof", *words, "--store", store]


def main(arguments: list[str]) -> int:
    """Print the seconds; 1 where the goal was missed and --check was given."""
    missed = False
    with tempfile.TemporaryDirectory() as name:
        folder, store = Path(name), str(Path(name, "store"))
        platforms = plannable(folder, store)
        cells = write_matrix(folder, platforms, variants=-(-200 // (len(PYTHONS) * len(platforms))))
        print(f"{cells} cells: {len(PYTHONS)} Pythons on {', '.join(platforms)}")
        for service, words in COMMANDS.items():
            seconds = []
            for _ in range(ROUNDS):
                command, start = lockproof(words, store), time.perf_counter()
                subprocess.run(command, cwd=folder, env=SOURCES, check=True, stdout=subprocess.DEVNULL)
                seconds.append(time.perf_counter() - start)
            median = statistics.median(seconds)
            missed |= median >= GOAL
            print(f"{service}: {median:.2f} s, the fastest {min(seconds):.2f} s (goal: under {GOAL:.0f} s)")
    return 1 if missed and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
