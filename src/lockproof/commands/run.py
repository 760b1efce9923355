"""`lockproof run`."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from lockproof.commands.output import end_in_order, print_json, progress
from lockproof.commands.places import interpreters_inside, settle
from lockproof.containers.contained import Contained, doubts
from lockproof.errors import UsageError
from lockproof.reporters.text import printable
from lockproof.running.forks import Fork, spare_cores

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from lockproof.containers.contained import Place
    from lockproof.project import Project
    from lockproof.reporters.progress import Progress
    from lockproof.running.cellcommands import Options
    from lockproof.running.executors import Executor
    from lockproof.running.runner import Result, Runner

T = TypeVar("T")


def run(options: argparse.Namespace, posargs: Sequence[str], project: Project) -> int:
    """`lockproof run`."""
    from lockproof.running.outcomes import report_to_json

    project.store.trusting = not options.paranoid
    cells = project.select(options.cells)
    reports = _reports(options, project)
    cells, places = settle(project, cells, allow_tags=options.allow_tags)
    with _aside(lambda: project.interpreters(cells)) as found:
        plans = project.plans(cells)
        interpreters = {**found(), **interpreters_inside(places)}
    try:
        project.workspace.prepare()
    except OSError as error:
        raise UsageError(
            "the project's folder can't be written to", where=str(project.workspace.folder),
            why=error.strerror or str(error), remedy="make it writable, or work in a copy",
        ) from error  # fmt: skip
    for note in project.lock.notes:
        sys.stderr.write(f"note: {printable(note)}\n")
    end_in_order()
    with progress(options) as listener:
        if posargs and not any("{posargs" in command for cell in cells for command in cell.commands):
            listener.note("no command takes the arguments after --: none of them has {posargs}")
        result = _runner(options, posargs, project, listener, places).run(plans, interpreters)
        project.store.save_seen()
        listener.concluded(result.outcomes, result.exit_code)
    for kind, path in reports.items():
        _write_report(kind, path, result)
    if options.github_summary:
        from lockproof.reporters.github import Places, tell_run

        tell_run(result.outcomes, result.exit_code, plans, Places.of(project))
    if options.json == "-":
        print_json(report_to_json(result.outcomes, result.exit_code))
    return result.exit_code


def _runner(
    options: argparse.Namespace,
    posargs: Sequence[str],
    project: Project,
    listener: Progress,
    places: Mapping[str, Place],
) -> Runner:
    """What runs the cells, put together from what the project has and the user asked."""
    from lockproof.running.cellrun import CellRunner
    from lockproof.running.predictions import Predictions
    from lockproof.running.process import Processes
    from lockproof.running.runner import Policy, Runner

    processes = Processes()
    fetching = project.fetching(listener.fetching)
    wanted = _wanted(options, posargs, project, places)
    jobs = options.jobs or os.cpu_count() or 1
    cells: Executor
    begin = None
    if options.executor == "dask":
        from lockproof.commands.clusters import cells_on_cluster  # Dask takes half a second

        jobs = options.jobs or max(1, len(project.cells))
        cells = cells_on_cluster(options, wanted, project, listener)
    else:
        if options.scheduler:
            listener.note("the cells run here: a scheduler is asked with --executor dask only")
        cells = here = CellRunner(
            wanted,
            store=project.store,
            workspace=project.workspace,
            discovery=project.discovery,
            processes=processes,
            listener=listener,
        )
        begin = here.begin
    return Runner(
        cells,
        fetching=fetching,
        processes=processes,
        listener=listener,
        policy=Policy(jobs=jobs, fail_fast=options.fail_fast, skip_missing=options.skip_missing),
        build=project.builder(fetching, listener.note, processes, check=options.check_builds, save=True),
        packager=project.packager(fetching, listener.note, processes, anew=options.recreate),
        dependencies=project.dependencies,
        begin=begin,
        predictions=Predictions(folder=None if options.paranoid else project.places.cache / "predictions"),
    )


def _wanted(
    options: argparse.Namespace, posargs: Sequence[str], project: Project, places: Mapping[str, Place]
) -> Options:
    from lockproof.running.cellcommands import Options

    return Options(
        project=project.root,
        cache=project.places.cache,
        lock_sha256=project.lock.sha256,
        environ=project.environ,
        posargs=posargs,
        recreate=options.recreate,
        install_only=options.install_only,
        paranoid=options.paranoid,
        containers={cell: place for cell, place in places.items() if isinstance(place, Contained)},
        doubts=doubts(places),
    )


@contextmanager
def _aside(find: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Begin to find something out in a fork where that helps; what is given waits for it."""
    fork: Fork[None, T] | None = None
    with suppress(OSError):  # no processes to be had
        fork = Fork(lambda _: find()) if spare_cores(1) else None
    try:
        if fork:
            fork.send(None)
        yield lambda: (fork.receive() if fork else None) or find()
    finally:
        if fork:
            fork.close()


def _reports(options: argparse.Namespace, project: Project) -> dict[str, Path]:
    """The files that reports go to, by kind, seen from the folder of -C; UsageError where one can't be written."""
    if options.github_summary:
        from lockproof.reporters.github import summary_file  # few runs are GitHub's

        summary_file(project.environ)
    named = {kind: getattr(options, kind) for kind in ("json", "junit", "html")}
    paths = {kind: project.places.folder / name for kind, name in named.items() if name and name != "-"}
    for path in paths.values():
        if not path.absolute().parent.is_dir() or path.is_dir():
            raise UsageError(
                "the report can't be written", where=str(path), why="it is a folder, or the folder for it is not there"
            )
    return paths


def _write_report(kind: str, path: Path, result: Result) -> None:
    from lockproof.wheels.store import write_where_asked

    if kind == "json":
        from lockproof.running.outcomes import report_to_json

        content = json.dumps(report_to_json(result.outcomes, result.exit_code), indent=1).encode() + b"\n"
    elif kind == "junit":
        from lockproof.reporters.junit import junit_report  # xml: 15 ms

        content = junit_report(result.outcomes)
    else:
        from lockproof.reporters.html import html_report

        content = html_report(result.outcomes, result.exit_code)
    try:
        write_where_asked(path.absolute(), content)
    except OSError as error:
        raise UsageError("the report can't be written", where=str(path), why=error.strerror or str(error)) from error
