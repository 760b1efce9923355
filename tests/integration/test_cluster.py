"""Cells on the workers of a Dask cluster: real schedulers, workers and clients, each a process of its own."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from lockproof import __version__
from support.clusters import Host, Network
from support.projects import Project, make_project, still_running
from support.reports import codes_of, proof_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from support.clusters import Program
    from support.reports import Json

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(find_spec("distributed") is None, reason="Dask (distributed) isn't installed"),
]

# Where the host has a pipe of that name in its home, the command says who it is there, and stays until it is ended.
HOLDING = (
    "import os, signal, sys",
    "pipe = os.path.join(os.environ['HOME'], 'held-' + os.environ['LOCKPROOF_CELL'].split('-')[0])",
    "if os.path.exists(pipe):",
    "    with open(pipe, 'w') as stream:",
    "        stream.write('%d\\n' % os.getpid())",
    "    print('held', flush=True)",
    "    signal.pause()",
)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """This machine as a cluster of one."""
    host = Host(folder=tmp_path / "host")
    yield host
    host.close()


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    """Three hosts that share nothing but a network."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("hosts are made of network namespaces: root on Linux only")
    try:
        network = Network(tmp_path, ["client", "first", "second"])
    except FileNotFoundError:
        pytest.skip("hosts are made by iproute2's `ip`, which isn't here")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"hosts are made of network namespaces, which can't be had here: {error.stderr.strip()}")
    yield network
    network.close()


def pipe_for(host: Host, python: str) -> int:
    """Make cells of that Python stay on the host; the descriptor from which the ids of their processes come."""
    path = host.home / f"held-{python}"
    os.mkfifo(path)
    return os.open(path, os.O_RDWR)


def pids_from(pipe: int) -> list[int]:
    """The ids that have come, at least one of them: waits for it, but not for ever."""
    assert select.select([pipe], [], [], 60)[0], "no cell has come to its last command"
    return [int(line) for line in os.read(pipe, 4096).split()]


def cells_of(report: Path) -> dict[str, Json]:
    """The cells of a report by their ids."""
    return {cell["id"]: cell for cell in json.loads(report.read_text())["cells"]}


def told(cell: Json) -> Json:
    """What a report says of a cell, but for where it ran and how long it took."""
    left_out = ("commands", "seconds", "environment", "worker", "inputs")
    return {**{key: value for key, value in cell.items() if key not in left_out}, "codes": codes_of(cell)}


def run_on(host: Host, project: Project, scheduler: str, *arguments: str) -> tuple[Program, Path]:
    """Start a run of the project on a cluster, as a program of that host, and where its report will be."""
    report = project.base / "report.json"
    program = host.start(
        *(sys.executable, "-m", "lockproof", "run", "-C", str(project.folder), "--json", str(report)),
        *("--executor", "dask", "--scheduler", scheduler, *arguments),
        path=os.pathsep.join(str(python.parent) for python in project.pythons.values()),
        env={"LOCKPROOF_STORE": str(project.cache)},
    )
    return program, report


def sample(base: Path, pythons: Mapping[str, Path], **matrix: object) -> Project:
    """A project in a repository, with something that isn't to travel."""
    project = make_project(base, pythons)
    project.sample()
    project.lock()
    project.write("ignored.txt", "never travels\n")
    project.write(".gitignore", "ignored.txt\n.lockproof/\n__pycache__/\n")
    alone = project.script("import os", "assert not os.path.exists('ignored.txt')")
    project.matrix(commands=[alone, *project.use_all(), project.script(*HOLDING)], **matrix)
    for command in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *command], cwd=project.folder, check=True, env={"PATH": os.environ["PATH"]})
    return project


def test_cells_run_on_other_hosts_where_their_python_is_and_a_lost_worker_costs_only_time(
    network: Network, tmp_path: Path, all_pythons: dict[str, Path]
) -> None:
    if len(all_pythons) < 3:
        pytest.skip("workers that differ in what they offer need three CPythons")
    (old, _), (middle, _), (new, _) = newest = list(all_pythons.items())[-3:]
    pythons = dict(newest)
    client, first, second = (network.hosts[name] for name in ("client", "first", "second"))
    more = [{"name": name, "python": middle} for name in ("c", "d")]
    project = sample(client.folder / "work", pythons, cells={"axes": {"kind": {"a": {}, "b": {}}}, "include": more})
    held = pipe_for(second, middle)
    _, scheduler = client.scheduler()
    _, at_first = first.worker(scheduler, {old: pythons[old], middle: pythons[middle]}, "-j", "2")
    lost, at_second = second.worker(scheduler, {middle: pythons[middle], new: pythons[new]}, "-j", "6")

    run, report = run_on(client, project, scheduler)
    pids = pids_from(held)
    for kind in ("a", "b"):
        run.line(rf"^{new}-\S+-{kind} +passed +match")
    lost.stop(signal.SIGKILL)
    assert run.ended() == 0, run.lines
    if select.select([held], [], [], 0)[0]:
        pids += pids_from(held)  # of those that came to it later
    assert still_running(pids) == []

    cells = cells_of(report)
    assert len(cells) == 8
    where = {name: cell["worker"] for name, cell in cells.items()}
    assert {name: address for name, address in where.items() if name.startswith(new)} == {
        name: at_second for name in where if name.startswith(new)
    }
    assert {address for name, address in where.items() if name.startswith(old)} == {at_first}
    assert any(address == at_first for name, address in where.items() if name.startswith(middle))
    assert run.count(rf"note: {middle}\S+ {at_second} is lost: it runs again on {at_first}") >= len(pids)
    local = project.checkout(project.base / "local")
    (local.folder / "ignored.txt").unlink()
    ran = local.run("--store", str(tmp_path / "elsewhere"))
    assert [told(cell) for cell in cells.values()] == [told(cell) for cell in ran.cells]
    os.close(held)


def test_what_a_worker_has_is_not_sent_again_and_results_come_back_whole(
    host: Host, tmp_path: Path, python: dict[str, Path]
) -> None:
    project = sample(tmp_path / "work", python)
    _, scheduler = host.scheduler()
    worker, address = host.worker(scheduler, python, "-v")
    run, report = run_on(host, project, scheduler)
    assert run.ended() == 0, run.lines
    sent = worker.count("accept_pieces")
    assert sent > 0
    run, report = run_on(host, project, scheduler, "-v")
    assert run.ended() == 0, run.lines
    assert worker.count("accept_pieces") == sent
    (cell,) = cells_of(report).values()
    assert (cell["worker"], proof_of(cell)["verdict"]) == (address, "match")
    log = (project.folder / ".lockproof/.logs" / f"{cell['id']}.log").read_text()
    assert "plain says 42" in log
    assert "plain says 42" in run.lines

    project.write("script_0.py", "raise SystemExit(7)\n")
    run, report = run_on(host, project, scheduler)
    assert run.ended() == 1
    (cell,) = cells_of(report).values()
    assert (cell["status"], codes_of(cell)) == ("failed", [7])
    assert worker.count("accept_pieces") == sent + 1


def test_an_environment_that_its_commands_change_is_a_mismatch(
    host: Host, tmp_path: Path, python: dict[str, Path]
) -> None:
    project = make_project(tmp_path / "work", python)
    project.wheel("plain", "1.0", {"plain.py": "A = 1\n"})
    project.lock()
    change = project.script("import plain, os", "os.remove(plain.__file__)")
    project.matrix(commands=[change])
    _, scheduler = host.scheduler()
    host.worker(scheduler, python)
    run, report = run_on(host, project, scheduler)
    assert run.ended() == 3
    (cell,) = cells_of(report).values()
    assert str(cell["reason"]).startswith("its commands changed the environment: site/plain.py")


@pytest.mark.parametrize("what", ["client interrupted", "client killed", "worker stopped"])
def test_whoever_goes_cells_end_with_all_their_processes(
    what: str, host: Host, tmp_path: Path, python: dict[str, Path]
) -> None:
    (version,) = python
    project = sample(tmp_path / "work", python)
    held = pipe_for(host, version)
    _, scheduler = host.scheduler()
    worker, _ = host.worker(scheduler, python)
    run, _ = run_on(host, project, scheduler, "--scheduler-timeout", "1")
    pids = pids_from(held)
    if what == "client interrupted":
        run.process.send_signal(signal.SIGINT)
        assert run.ended() == 130, run.lines
    elif what == "client killed":
        run.stop(signal.SIGKILL)
    else:
        worker.process.send_signal(signal.SIGTERM)
        assert worker.ended() == 0, worker.lines
        assert run.ended() == 4, run.lines
        assert run.count("no worker offers Python") == 1
    assert still_running(pids) == []
    os.close(held)


def test_a_worker_of_another_version_is_given_nothing(host: Host, tmp_path: Path, python: dict[str, Path]) -> None:
    (version,) = python
    project = sample(tmp_path / "work", python)
    _, scheduler = host.scheduler()
    other = "import sys, lockproof; lockproof.__version__ = '99.1'; from lockproof.cli import main; sys.exit(main())"
    worker = host.start(
        *(sys.executable, "-c", other, "worker", "--scheduler", scheduler, "--python", version),
        path=str(python[version].parent),
    )
    address = worker.line(r"(\S+) offers ")[1]
    run, report = run_on(host, project, scheduler)
    assert run.ended() == 4
    (cell,) = cells_of(report).values()
    assert str(cell["reason"]).splitlines() == [
        f"the lockproof of client and worker must be the same: this is {__version__}, {address} has 99.1",
        "  install the same version on both, and start the worker again",
    ]


def test_a_scheduler_that_is_not_there_is_named(host: Host, small: Project) -> None:
    small.lock()
    small.matrix()
    for arguments in (["run", "--executor", "dask"], ["worker"]):
        ended = small(*arguments, "--scheduler", "tcp://127.0.0.1:1", "--scheduler-timeout", "1")
        assert (ended.code, ended.out) == (4, "")
        assert "lockproof: tcp://127.0.0.1:1: no Dask scheduler can be reached there: " in ended.err


def test_nothing_of_dask_is_imported_where_it_is_not_used(small: Project) -> None:
    small.lock()
    small.matrix(commands=["python -V"])
    ended = small("run", env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert ended.code == 0, ended
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in ended.err.splitlines()}
    assert "argparse" in imported
    assert imported.isdisjoint({"dask", "distributed", "tornado", "msgpack", "cloudpickle"})
    assert "lockproof.cluster" not in ended.err
