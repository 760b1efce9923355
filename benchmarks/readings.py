"""The races of reading: `lockproof fingerprint` beside `sha256sum`, over the same files, warm."""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import OURS, Race, Time
from benchmarks.races import write_project
from benchmarks.stage import BenchmarkError, Stage, say, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PEER = "sha256sum, two processes"
_PREFERRED = "3.12.1"


def readings(
    stage: Stage, executables: Sequence[Path], rounds: int, tell: Callable[[str], None], ssh: str = ""
) -> list[Race]:
    """An environment as its folder, as a tar archive, behind ssh where `ssh` names this machine, and with bytecode."""
    env = stage.environment(executables)
    with tempfile.TemporaryDirectory(dir=stage.folder, prefix="readings-") as held:
        project = write_project(stage, Path(held, "project"))
        python = _PREFERRED if _PREFERRED in stage.pythons else stage.pythons[-1]
        say(["lockproof", "run", "--quiet", "--install-only", f"{python}-*"], env, project)
        found = [path for path in (project / ".lockproof").iterdir() if (path / "pyvenv.cfg").exists()]
        if len(found) != 1:
            raise BenchmarkError(f"expected one environment in {project}, found {len(found)}")
        folder, archive = found[0], Path(held, "environment.tar")
        say(["tar", "-cf", str(archive), "-C", "/", str(folder)[1:]], env)
        lanes = [
            ("read", "An environment, read", str(folder), 1.2),
            ("read-tar", "In a tar archive", f"tar:{archive}", 3.0),
        ]
        if ssh:
            lanes.append(("read-ssh", "Behind ssh", f"ssh:{ssh}:{folder}", 3.0))
        races = [_race(stage, lane, folder, rounds, tell) for lane in lanes]
        # Some wheels hold templates that are no Python, for which compileall ends with 1.
        say(
            ["sh", "-c", f"{shlex.quote(str(folder / 'bin/python'))} -m compileall -q . >/dev/null || true"],
            env,
            folder,
        )
        compiled = ("read-compiled", "With all of its bytecode", str(folder), 0.0)
        return [*races, _race(stage, compiled, folder, rounds, tell)]


def _race(
    stage: Stage, lane: tuple[str, str, str, float], folder: Path, rounds: int, tell: Callable[[str], None]
) -> Race:
    key, title, target, goal = lane
    hashing = f"find {shlex.quote(str(folder))} -type f -print0 | xargs -0 -P2 -n 500 sha256sum"
    lanes = {OURS: ["lockproof", "fingerprint", target], PEER: ["sh", "-c", hashing]}
    times: dict[str, list[Time]] = {name: [] for name in lanes}
    for number in range(rounds + 1):
        for name in list(lanes)[:: 1 if number % 2 else -1]:
            time = timed(
                lanes[name], cwd=stage.folder, env=stage.environment(LOCKPROOF_SSH=os.environ.get("LOCKPROOF_SSH", ""))
            )
            tell(f"{f'round {number}' if number else 'warm-up'}: {name}, {title.lower()}: {time}")
            if number:
                times[name].append(time)
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    size = sum(path.stat().st_size for path in files) / 1e6
    what = (
        f"`lockproof fingerprint` over {len(files):,} files, {size:.0f} MB; the peer: `find … | xargs -P2 sha256sum`."
    )
    return Race(key=key, title=title, what=what, times=times, goals={PEER: goal} if goal else {})
