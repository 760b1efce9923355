"""The races: who runs, in which project, and what is done before the clock starts."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import OURS, Race, Time
from benchmarks.stage import HERE, Stage, loopback_index, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

COMMAND = 'python -c "import flask, numpy"'
OVERLAY = "lockproof, link: overlay"
RAW, TOX, NOX, ALONE = "raw uv", "tox-uv", "nox with uv", "the commands alone"
_RUNS_A_ROUND = 5  # of a start, which takes milliseconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """One contender: its name, the command line that makes everything, and the one that does it again."""

    name: str
    first: Sequence[str | Path]
    again: Sequence[str | Path]


def _folder_of(contender: str) -> str:
    """A name that PATH can hold."""
    return "".join(sign if sign.isalnum() else "-" for sign in contender)


def write_project(stage: Stage, folder: Path) -> Path:
    """Make a project that asks the same of lockproof, tox and nox: the lock, each Python, one command."""
    minors = [version.rpartition(".")[0] for version in stage.pythons]
    folder.mkdir(parents=True)
    (folder / "requirements.txt").write_bytes(stage.lock.read_bytes())
    matrix = f"version: 1\nlock: requirements.txt\npython: {json.dumps(stage.pythons)}\ncommands: ['{COMMAND}']\n"
    (folder / "matrix.yaml").write_text(matrix)
    (folder / "overlay.yaml").write_text(f"{matrix}link: overlay\n")
    (folder / "tox.ini").write_text(
        f"[tox]\nenv_list = {','.join('py' + minor.replace('.', '') for minor in minors)}\nno_package = true\n"
        f"[testenv]\ndeps = -r requirements.txt\ncommands = {COMMAND}\n"
    )
    (folder / "noxfile.py").write_text(
        f'import nox\n\nnox.options.default_venv_backend = "uv"\n\n\n@nox.session(python={minors!r})\n'
        'def tests(session):\n    session.install("--require-hashes", "-r", "requirements.txt")\n'
        '    session.run("python", "-c", "import flask, numpy")\n'
    )
    return folder


def _lanes(stage: Stage) -> dict[str, Lane]:
    jobs = str(stage.jobs)
    ours = ["lockproof", "run", "-j", jobs]
    layers = ["--matrix", "overlay.yaml"]
    tox = ["tox", "run-parallel", "-p", jobs, "-q"]
    raw: list[str | Path] = [HERE / "raw-uv", jobs, "requirements.txt", "environments", *stage.names]
    alone = f"printf '%s\\n' environments/*/bin/python | xargs -P {jobs} -I{{}} env {{}} -c 'import flask, numpy'"
    lanes = [
        Lane(name=OURS, first=ours, again=ours),
        Lane(name=OVERLAY, first=[*ours, *layers], again=[*ours, *layers]),
        Lane(name=RAW, first=raw, again=["sh", "-c", alone]),
        Lane(name=TOX, first=tox, again=tox),
        Lane(name=NOX, first=["nox", "-j", jobs], again=["nox", "-R", "-j", jobs]),
    ]
    return {lane.name: lane for lane in lanes if lane.name != OVERLAY or sys.platform == "linux"}


def _rotated(names: Iterable[str], by: int) -> list[str]:
    """The names, begun with another one each round: nobody always runs after the same one."""
    listed = list(names)
    return listed[by % len(listed) :] + listed[: by % len(listed)]


def filled_store(stage: Stage, executables: Sequence[Path], rounds: int, tell: Callable[[str], None]) -> list[Race]:
    """New project folders with warm caches, and the same once more in each: two races.

    Nothing is removed before the last round is over: on ext4, inodes that were freed are passed over one by one for
    minutes, which slows the making of folders for whoever comes next.
    """
    lanes = _lanes(stage)
    # Nobody asks an index: what is locked is in everybody's cache after the first round, which isn't counted.
    warm = stage.environment(executables, UV_OFFLINE="1")
    first: dict[str, list[Time]] = {name: [] for name in lanes}
    again: dict[str, list[Time]] = {name: [] for name in lanes}
    with tempfile.TemporaryDirectory(dir=stage.folder, prefix="rounds-") as held:
        for number in range(rounds + 1):
            env, called = (warm, f"round {number}") if number else (stage.environment(executables), "warm-up")
            folders = {name: write_project(stage, Path(held, str(number), _folder_of(name))) for name in lanes}
            for phase, times in (("first", first), ("again", again)):
                for name in _rotated(lanes, number):
                    argv = lanes[name].first if times is first else lanes[name].again
                    time = timed(argv, cwd=folders[name], env=env)
                    tell(f"{called}: {name}, {phase}: {time}")
                    if number:
                        times[name].append(time)
    return [race for ours in (OURS, OVERLAY) if ours in lanes for race in _filled_races(stage, ours, first, again)]


def _filled_races(
    stage: Stage, ours: str, first: Mapping[str, Sequence[Time]], again: Mapping[str, Sequence[Time]]
) -> list[Race]:
    """The two races with `ours` as what lockproof is."""
    first, again = _ours_alone(ours, first), _ours_alone(ours, again)
    key, how = ("", "") if ours == OURS else ("-overlay", ", with `link: overlay`")
    made = f"{len(stage.pythons)} environments from one lock, and in each of them `{COMMAND}`"
    return [
        Race(
            key=f"filled{key}",
            title=f"A new project folder, everything downloaded before{how}",
            what=f"{made}; the store, uv's cache and everything else that the tools keep is filled.",
            times=first,
            goals={RAW: 0.75, TOX: 0.65, NOX: 0.65},
        ),
        Race(
            key=f"again{key}",
            title=f"The same command once more{how}",
            what="`lockproof run` proves the environments again, tox and `nox -R` take them as they lie.",
            times={ALONE if name == RAW else name: times for name, times in again.items()},
            goals={},
        ),
    ]


def _ours_alone(ours: str, times: Mapping[str, Sequence[Time]]) -> dict[str, Sequence[Time]]:
    return {OURS: times[ours]} | {name: own for name, own in times.items() if name not in (OURS, OVERLAY)}


def empty_store(stage: Stage, executables: Sequence[Path], rounds: int, tell: Callable[[str], None]) -> list[Race]:
    """Nothing is cached, and the wheels come from an index on this machine."""
    lanes = {name: lane for name, lane in _lanes(stage).items() if name in (OURS, RAW)}
    times: dict[str, list[Time]] = {name: [] for name in lanes}
    with loopback_index(stage) as url, tempfile.TemporaryDirectory(dir=stage.folder, prefix="empty-") as held:
        env = _asking_only(url, stage.environment(executables))
        for number in range(rounds):
            for name in _rotated(lanes, number):
                own = Path(held, f"{number}-{name.replace(' ', '-')}")
                project = write_project(stage, own / "project")
                caches = {"LOCKPROOF_STORE": f"{own}/store", "UV_CACHE_DIR": f"{own}/uv"}
                times[name].append(timed(lanes[name].first, cwd=project, env={**env, **caches}))
                tell(f"round {number + 1}: {name}, nothing cached: {times[name][-1]}")
    return [
        Race(
            key="empty",
            title="Nothing cached, the wheels behind an index on the same machine",
            what="The same work, with an empty store and an empty uv cache.",
            times=times,
            goals={RAW: 1.3},
        )
    ]


def _asking_only(url: str, env: Mapping[str, str]) -> dict[str, str]:
    """The variables with every setting of indexes replaced by one index, for pip's readers and for uv."""
    kept = {name: value for name, value in env.items() if not name.startswith(("PIP_", "UV_"))}
    index = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": url, "UV_NO_CONFIG": "1", "UV_DEFAULT_INDEX": url}
    return {**kept, **index, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "UV_PYTHON_DOWNLOADS": "never"}


def start_up(stage: Stage, rounds: int, tell: Callable[[str], None]) -> list[Race]:
    """How long a command takes that has nothing to do."""
    nox, python, tox = "nox --version", "python -c pass", "tox --version"
    bare = [str(stage.ours / "bin" / "python"), "-c", "pass"]
    lanes = {OURS: ["lockproof", "--version"], nox: nox.split(), tox: tox.split(), python: bare}
    times: dict[str, list[Time]] = {name: [] for name in lanes}
    env = stage.environment()
    with tempfile.TemporaryDirectory(dir=stage.folder) as held:
        for number in range(rounds * _RUNS_A_ROUND):
            for name in _rotated(lanes, number):
                times[name].append(timed(lanes[name], cwd=Path(held), env=env))
    tell(f"start-up: {rounds * _RUNS_A_ROUND} starts of each")
    return [
        Race(
            key="start",
            title="Start-up",
            what="`lockproof --version` beside the others' own.",
            times=times,
            goals={nox: 1 / 3},
        )
    ]
