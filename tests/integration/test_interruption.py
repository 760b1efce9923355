"""Runs that are killed, interrupted or not alone: the next run is right, and nothing is left running.

No test sleeps to meet a moment. A run is killed when the number of files that it has made reaches a number drawn
beforehand: whatever the machine's speed, that is a point of the run's own progress, spread over all of it.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.loopback import Fault
from support.projects import Project, files_below, finish, processes_of, still_running
from support.reports import Ran, is_right, proof_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.loopback import LoopbackIndex

pytestmark = pytest.mark.integration

MOMENTS = 20
LONG = (
    "import os, signal, subprocess, sys",
    "ignoring = 'import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); signal.pause()'",
    "child = subprocess.Popen([sys.executable, '-c', ignoring], stdout=subprocess.PIPE)",
    "child.stdout.readline()",
    "open('pids', 'w').write('%d %d ' % (os.getpid(), child.pid))",
    "signal.pause()",
)


def files_made(project: Project) -> int:
    """How many files and folders a run has made so far, in the store and in the project."""
    count = 0
    for root in (project.cache / "store", project.folder / ".lockproof"):
        for _, folders, files in os.walk(root):
            count += len(folders) + len(files)
    return count


def forget(project: Project) -> None:
    for folder in (project.cache / "store", project.folder / ".lockproof"):
        shutil.rmtree(folder, ignore_errors=True)


def start_until(project: Project, count: int, *arguments: str) -> subprocess.Popen[str]:
    """Start a run, and return when it has made so many files, or has come to its end."""
    process = project.start("run", *arguments)
    while process.poll() is None and files_made(project) < count:
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.002)  # leave the processors to it
    return process


def kill_at(project: Project, count: int, *arguments: str) -> bool:
    """Kill a run once it has made so many files; False where it came to its end before."""
    process = start_until(project, count, *arguments)
    killed = process.poll() is None
    project.kill(process)
    return killed


def test_killed_at_any_moment_the_next_run_is_right(project: Project) -> None:
    project.sample()
    project.lock()
    project.matrix(commands=["plain", "every-script"])
    is_right(project.run("-j", "2"))
    clean, whole = files_made(project), proofs(project.run())
    chance = random.Random(751)
    killed = 0
    for moment in range(MOMENTS):
        from_nothing = moment % 2 == 0  # else: environments are made anew over those that are there
        if from_nothing:
            forget(project)
            killed += kill_at(project, chance.randrange(1, clean))
        else:
            shutil.rmtree(project.folder / ".lockproof")
            killed += kill_at(project, chance.randrange(clean // 3, clean), "--recreate")
        after = project.run()
        is_right(after)
        assert after.ended.code == 0
        assert proofs(after) == whole
    assert killed > MOMENTS // 2
    assert [path for path in project.remains() if "/.lockproof/." not in path and ".new" in path] == []


def test_interrupted_at_any_moment_nothing_is_left_running(project: Project) -> None:
    project.sample()
    project.lock()
    project.matrix(commands=["plain", "every-script"])
    is_right(project.run())
    whole = files_made(project)
    chance = random.Random(752)
    codes = []
    for _ in range(MOMENTS // 2):
        forget(project)
        process = start_until(project, chance.randrange(1, whole))
        process.send_signal(signal.SIGINT)
        codes.append(finish(process).code)
        assert processes_of(project) == []
    assert set(codes) <= {0, 130}
    assert codes.count(130) >= len(codes) // 2
    is_right(project.run())


def proofs(ran: Ran) -> list[object]:
    return [proof_of(cell) for cell in ran.cells]


def start_and_meet(project: Project, cells: int) -> tuple[subprocess.Popen[str], list[int]]:
    """Start a run whose commands never end; returns when as many as `cells` run, with the processes' ids."""
    project.sample()
    project.lock()
    project.matrix(commands=[project.script(*LONG)])
    os.mkfifo(project.folder / "pids")
    process = project.start("run", "-j", str(cells), "--json", str(project.base / "report.json"))
    pids: list[int] = []
    while len(pids) < 2 * cells:  # each reading waits for a command that writes
        pids += map(int, (project.folder / "pids").read_text().split())
    return process, pids


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_every_process_ends_and_the_report_is_written(project: Project, number: signal.Signals) -> None:
    process, pids = start_and_meet(project, len(project.pythons))
    process.send_signal(number)
    ended = finish(process)
    assert ended.code == 130
    assert (still_running(pids), processes_of(project)) == ([], [])
    report = json.loads((project.base / "report.json").read_text())
    assert report["exit_code"] == 130
    assert [(cell["status"], cell["reason"]) for cell in report["cells"]] == [("skipped", "interrupted")] * 2
    project.matrix(commands=["plain"])
    is_right(project.run())


def test_interrupted_twice_it_still_ends_in_order(small: Project) -> None:
    process, pids = start_and_meet(small, 1)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.code == 130
    assert still_running(pids) == []


def test_interrupted_while_it_downloads(small: Project, serve: Callable[[Project], LoopbackIndex]) -> None:
    small.sample()
    index = serve(small)
    for wheel in small.wheels:
        index.faults[wheel.name] = Fault(truncate=100, stall=True)
    small.lock(index=index.base)
    small.matrix()
    process = small.start("run", "--json", str(small.base / "report.json"))
    while len(index.requests) < len(small.wheels):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.code == 130
    assert json.loads((small.base / "report.json").read_text())["exit_code"] == 130
    index.faults.clear()
    is_right(small.run())
    assert not list(small.cache.glob("store/downloads/*"))


def test_a_run_killed_with_its_commands_at_work(project: Project) -> None:
    process, pids = start_and_meet(project, len(project.pythons))
    project.kill(process)
    project.matrix(commands=["plain"])
    is_right(project.run())
    for pid in still_running(pids, seconds=0):
        os.kill(pid, signal.SIGKILL)


def test_two_runs_of_one_project_at_once(project: Project) -> None:
    project.sample()
    project.lock()
    project.matrix(commands=["plain"])
    targets = [project.base / f"{number}.json" for number in range(3)]
    processes = [project.start("run", "--json", str(target)) for target in targets]
    runs = [
        Ran(ended=finish(process), report=json.loads(target.read_text()))
        for process, target in zip(processes, targets, strict=True)
    ]
    for ran in runs:
        is_right(ran)
        assert proofs(ran) == proofs(runs[0])
    is_right(project.run())


def test_two_projects_on_one_empty_store_at_once(project: Project, serve: Callable[[Project], LoopbackIndex]) -> None:
    project.sample()
    index = serve(project)
    project.lock(index=index.base)
    project.matrix(commands=["plain"])
    other = project.checkout(project.base / "other")
    processes = [(each, each.start("run", "--json", str(each.folder / "report.json"))) for each in (project, other)]
    for each, process in processes:
        ended = finish(process)
        is_right(Ran(ended=ended, report=json.loads((each.folder / "report.json").read_text())))
    fetched = [request.path for request in index.requests]
    assert sorted(fetched) == sorted(f"/files/{wheel.name}" for wheel in project.wheels)  # each once, for both
    assert files_below(project.cache / "store" / "downloads") == {}
    assert Path(project.cache, "store").exists()
