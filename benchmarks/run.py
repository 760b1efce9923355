"""Run lockproof and its peers side by side on one workload and print the ratios.

    python benchmarks/run.py [--rounds N] [--only filled empty start read] [--ssh HOST] [--write FILE] [--json FILE]

It needs Python 3.11 or later, the four CPythons, and a package index for its first run. See README.md beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks.figures import document, markdown, written_into
from benchmarks.races import empty_store, filled_store, start_up, write_project
from benchmarks.readings import readings
from benchmarks.stage import HERE, BenchmarkError, Stage, download_wheels, facts, find_pythons, install_tools

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.figures import Race

PYTHONS = ("3.10.13", "3.11.7", "3.12.1", "3.13.0")
RACES = ("filled", "empty", "start", "read")


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(description="lockproof and its peers side by side, on one workload.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count (default: 5)")
    parser.add_argument("--only", nargs="+", choices=RACES, default=RACES, help="these races (default: all)")
    parser.add_argument("--workload", type=Path, default=HERE / "workload", help="folder with a requirements.txt")
    parser.add_argument("--python", nargs="+", default=PYTHONS, help=f"exact versions (default: {' '.join(PYTHONS)})")
    parser.add_argument("--jobs", type=int, default=2, help="cells at a time, for everybody (default: 2)")
    parser.add_argument("--folder", type=Path, default=_cache(), help="where tools, caches and wheels are kept")
    parser.add_argument("--json", type=Path, help="write every round's seconds to this file")
    parser.add_argument("--write", type=Path, help="put the tables between the markers of this Markdown file")
    parser.add_argument("--ssh", metavar="HOST", default="", help="this machine's name for ssh: reads through it, too")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a goal was missed")
    return parser


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "lockproof-benchmarks")


def tell(text: str) -> None:
    """Say how far it is, with the load that this machine has now."""
    print(f"[load {os.getloadavg()[0]:.1f}] {text}", file=sys.stderr, flush=True)


def run_races(stage: Stage, only: Sequence[str], rounds: int, ssh: str = "") -> list[Race]:
    """Prepare what the races need, and run them in order."""
    stage.folder.mkdir(parents=True, exist_ok=True)
    tell("installing the tools")
    install_tools(stage)
    with tempfile.TemporaryDirectory(dir=stage.folder) as held:
        executables = find_pythons(stage, write_project(stage, Path(held, "project")))
    races: list[Race] = []
    if "filled" in only:
        races += filled_store(stage, executables, rounds, tell)
    if "empty" in only:
        tell("downloading the wheels")
        download_wheels(stage, executables)
        races += empty_store(stage, executables, rounds, tell)
    if "start" in only:
        races += start_up(stage, rounds, tell)
    if "read" in only:
        races += readings(stage, executables, rounds, tell, ssh)
    return races


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; the tables go to stdout, all else to stderr."""
    options = build_parser().parse_args(arguments)
    lock = options.workload / "requirements.txt"
    if options.rounds < 1 or not lock.is_file() or not shutil.which("xargs"):
        print("expected at least one round, a requirements.txt in the workload, and xargs", file=sys.stderr)
        return 2
    stage = Stage(
        folder=options.folder.absolute(), lock=lock.absolute(), pythons=tuple(options.python), jobs=options.jobs
    )
    try:
        races = run_races(stage, options.only, options.rounds, options.ssh)
        about = facts(stage)
        tables = markdown(races, about, _command(options))
        if options.write:
            options.write.write_text(written_into(options.write.read_text(), tables))
    except (BenchmarkError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    if options.json:
        options.json.write_text(json.dumps(document(races, about), indent=1) + "\n")
    print(tables)
    missed = [line for race in races for line in race.missed()]
    for line in missed:
        print(line, file=sys.stderr)
    return 1 if missed and options.check else 0


def _command(options: argparse.Namespace) -> str:
    """The command that makes these figures again."""
    parts = ["python benchmarks/run.py", f"--rounds {options.rounds}"]
    if set(options.only) != set(RACES):
        parts.append(f"--only {' '.join(options.only)}")
    return " ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
