"""What each command does: asks the project, hands values to reporters. Documents go to stdout, the rest to stderr."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING, TypeVar

from lockproof.errors import LockproofError, UsageError
from lockproof.fingerprint import finding_to_json, to_json
from lockproof.project import Places, Project, cache_folder, resolve_folder
from lockproof.reporters.text import (
    comparison_text,
    fingerprint_text,
    listing_text,
    predictions_text,
    printable,
    proof_text,
)
from lockproof.targets import inspect_target, read_target

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lockproof.compare import Comparison, Proof
    from lockproof.reporters.progress import Progress
    from lockproof.runner import Result

T = TypeVar("T")

_VERDICT_EXIT = {"match": 0, "mismatch": 3, "unproven": 4}
_RELATION_EXIT = {"identical": 0, "same files": 0, "same lock": 0, "drift": 3, "unproven": 4}


def run_command(options: argparse.Namespace, posargs: Sequence[str]) -> int:
    """Run the command that was parsed; its exit code."""
    folder = resolve_folder(options.directory)
    places = Places(folder=folder, matrix=options.matrix, cache=cache_folder(options.store, folder))
    project = Project(places, os.environ)
    functions: dict[str, Callable[[argparse.Namespace, Project], int]] = {
        "list": list_cells,
        "predict": predict,
        "fingerprint": fingerprint,
        "verify": verify,
        "compare": compare,
        "freeze": freeze,
        "lock": lock,
    }
    if options.command == "run":
        return run(options, posargs, project)
    return functions[options.command](options, project)


def _progress(options: argparse.Namespace, *, interactive: bool = True) -> Progress:
    from lockproof.reporters.choice import make_progress

    return make_progress(sys.stderr, os.environ, verbose=options.verbose, quiet=options.quiet, interactive=interactive)


def _print_json(document: object) -> None:
    json.dump(document, sys.stdout, indent=1)
    sys.stdout.write("\n")


def run(options: argparse.Namespace, posargs: Sequence[str], project: Project) -> int:
    """`lockproof run`."""
    from lockproof.cellcommands import Options
    from lockproof.cellrun import CellRunner
    from lockproof.outcomes import report_to_json
    from lockproof.process import Processes
    from lockproof.runner import Policy, Runner

    cells = project.select(options.cells)
    reports = _reports(options, project)
    found = _aside(lambda: project.interpreters(cells))
    plans = project.plans(cells)
    interpreters = found()
    try:
        project.workspace.prepare()
    except OSError as error:
        raise UsageError(
            "the project's folder can't be written to", where=str(project.workspace.folder),
            why=error.strerror or str(error), remedy="make it writable, or work in a copy",
        ) from error  # fmt: skip
    for note in project.lock.notes:
        sys.stderr.write(f"note: {printable(note)}\n")
    processes = Processes()
    _end_in_order()
    with _progress(options) as listener:
        fetching = project.fetching(listener.fetching)
        wanted = Options(
            project=project.root,
            cache=project.places.cache,
            lock_sha256=project.lock.sha256,
            environ=project.environ,
            posargs=posargs,
            recreate=options.recreate,
            install_only=options.install_only,
            paranoid=options.paranoid,
        )
        worker = CellRunner(
            wanted,
            store=project.store,
            workspace=project.workspace,
            discovery=project.discovery,
            processes=processes,
            listener=listener,
        )
        policy = Policy(jobs=options.jobs, fail_fast=options.fail_fast, skip_missing=options.skip_missing)
        runner = Runner(worker, fetching=fetching, processes=processes, listener=listener, policy=policy)
        result = runner.run(plans, interpreters)
        project.store.save_seen(artifact for plan in plans for artifact in plan.artifacts)
        listener.concluded(result.outcomes, result.exit_code)
    for kind, path in reports.items():
        _write_report(kind, path, result)
    if options.json == "-":
        _print_json(report_to_json(result.outcomes, result.exit_code))
    return result.exit_code


def _aside(find: Callable[[], T]) -> Callable[[], T]:
    """Begin to find something out in a fork where that helps; what is returned waits for it."""
    from lockproof.forks import Fork, spare_cores

    if not spare_cores(1):
        return find
    try:
        fork = Fork[None, T](lambda _: find())
    except OSError:
        return find
    fork.send(None)

    def result() -> T:
        try:
            return fork.receive() or find()
        finally:
            fork.close()

    return result


def _end_in_order() -> None:
    """Take being ended, or a terminal that closes, as Ctrl-C; what is ignored (`nohup`) stays ignored."""
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def _reports(options: argparse.Namespace, project: Project) -> dict[str, Path]:
    """The files that reports go to, by kind, seen from the folder of -C; UsageError where one can't be written."""
    named = {kind: getattr(options, kind) for kind in ("json", "junit", "html")}
    paths = {kind: project.places.folder / name for kind, name in named.items() if name and name != "-"}
    for path in paths.values():
        if not path.absolute().parent.is_dir() or path.is_dir():
            raise UsageError("the report can't be written", where=str(path), why="it is a folder, or has none")
    return paths


def _write_report(kind: str, path: Path, result: Result) -> None:
    from lockproof.store import write_atomically

    if kind == "json":
        from lockproof.outcomes import report_to_json

        content = json.dumps(report_to_json(result.outcomes, result.exit_code), indent=1).encode() + b"\n"
    elif kind == "junit":
        from lockproof.reporters.junit import junit_report  # xml: 15 ms

        content = junit_report(result.outcomes)
    else:
        from lockproof.reporters.html import html_report

        content = html_report(result.outcomes, result.exit_code)
    try:
        write_atomically(path.absolute(), content)
    except OSError as error:
        raise UsageError("the report can't be written", where=str(path), why=error.strerror or str(error)) from error


def list_cells(options: argparse.Namespace, project: Project) -> int:
    """`lockproof list`."""
    cells = project.select(options.cells)
    interpreters = project.interpreters(cells)
    rows: list[dict[str, object]] = []
    for cell in cells:
        found = interpreters.get(cell.python)
        if cell.container is not None:
            state, reason = "unavailable", "container cells are not run by this version"
        elif not cell.on_host:
            state, reason = "predicted", f"{cell.platform.id} is not at hand"
        elif found is None or isinstance(found, LockproofError):
            state, reason = "unavailable", str(found)
        else:
            state, reason = "available", str(found.executable)
        rows.append(
            {
                "id": cell.id,
                "python": cell.python,
                "platform": cell.platform.id,
                "status": state,
                "reason": reason,
                "commands": list(cell.commands),
                "environment": str(project.workspace.environment(cell.id)),
            }
        )
    if options.json:
        _print_json({"schema": "lockproof/list/v1", "cells": rows})
    else:
        sys.stdout.write(listing_text(rows))
    return 0


def predict(options: argparse.Namespace, project: Project) -> int:
    """`lockproof predict`."""
    from dataclasses import replace

    from lockproof.preparation import about

    cells = project.select(options.cells)
    with _progress(options) as listener:
        jobs = project.jobs(cells, listener.fetching)
    predictions = [replace(job.predicted, about=about(job, project.lock)) for job in jobs]
    if not options.json:
        sys.stdout.write(predictions_text(predictions))
    elif len(predictions) == 1:
        _print_json(to_json(predictions[0]))
    else:
        rows = [{"id": p.about["cell"], "fingerprint": to_json(p)} for p in predictions]
        _print_json({"schema": "lockproof/predictions/v1", "cells": rows})
    return 0


def fingerprint(options: argparse.Namespace, project: Project) -> int:
    """`lockproof fingerprint`."""
    found = read_target(options.target, project)
    if options.json:
        _print_json(to_json(found))
    else:
        sys.stdout.write(fingerprint_text(options.target, found))
    return 0


def verify(options: argparse.Namespace, project: Project) -> int:
    """`lockproof verify`."""
    from lockproof.compare import prove

    if options.cell and options.expect and options.cell == project.environ.get("LOCKPROOF_CELL"):
        options.cell = None  # what a run says to its commands gives way to what the command line says
    if bool(options.cell) == bool(options.expect):
        raise UsageError("verify needs to know against what", remedy="give --cell ID or --expect FILE")
    if options.expect:
        expected, interpreter, against = read_target(options.expect, project), None, options.expect
    else:
        cells = project.select([options.cell])
        if len(cells) != 1:
            raise UsageError(f"--cell {options.cell} names {len(cells)} cells", remedy="name one")
        with _progress(options) as listener:
            job = project.jobs(cells, listener.fetching)[0]
        expected, interpreter, against = job.predicted, job.interpreter, cells[0].id
    proof = prove(expected, read_target(options.target, project, interpreter))
    if options.json:
        _print_json(_proof_to_json(proof, options.target, against))
    else:
        sys.stdout.write(proof_text(options.target, against, proof, verbose=options.verbose))
    return _VERDICT_EXIT[proof.verdict]


def _proof_to_json(proof: Proof, target: str, against: str) -> dict[str, object]:
    return {
        "schema": "lockproof/proof/v1",
        "target": target,
        "against": against,
        "verdict": proof.verdict,
        "layer": proof.layer or None,
        "predicted": {"digest": proof.predicted.digest, "layers": dict(proof.predicted.layers)},
        "observed": {"digest": proof.observed.digest, "layers": dict(proof.observed.layers)},
        "findings": [finding_to_json(finding) for finding in proof.findings],
    }


def compare(options: argparse.Namespace, project: Project) -> int:
    """`lockproof compare`: the first target against each of the others."""
    from lockproof.compare import compare as compare_two

    if len(options.targets) < 2:
        raise UsageError("compare needs two targets or more", remedy="name a second folder or saved fingerprint")
    first, *others = [(named, read_target(named, project)) for named in options.targets]
    comparisons = [(named, compare_two(first[1], other)) for named, other in others]
    if options.json:
        rows = [_comparison_to_json(first[0], named, comparison) for named, comparison in comparisons]
        worst = _weakest([comparison for _, comparison in comparisons])
        _print_json({"schema": "lockproof/comparison/v1", "relation": worst, "comparisons": rows})
    else:
        for named, comparison in comparisons:
            sys.stdout.write(comparison_text(first[0], named, comparison, verbose=options.verbose))
    codes = [_RELATION_EXIT[comparison.relation] for _, comparison in comparisons]
    return next((code for code in (3, 4) if code in codes), 0)


def _weakest(comparisons: Sequence[Comparison]) -> str:
    order = ("drift", "unproven", "same lock", "same files", "identical")
    relations = {comparison.relation for comparison in comparisons}
    return next(relation for relation in order if relation in relations)


def _comparison_to_json(left: str, right: str, comparison: Comparison) -> dict[str, object]:
    return {
        "left": left,
        "right": right,
        "relation": comparison.relation,
        "why": comparison.why,
        "layers": list(comparison.layers),
        "only_left": list(comparison.only_left),
        "only_right": list(comparison.only_right),
        "files": [
            {"path": d.path, "distribution": d.owner or None, "left": d.left and list(d.left),
             "right": d.right and list(d.right)}
            for d in comparison.files
        ],
        "interpreter": [{"fact": f, "left": left, "right": right} for f, left, right in comparison.interpreter],
        "startup": [{"side": side, "line": line.split("\0")} for side, line in comparison.startup],
        "findings": [{"side": side, **finding_to_json(finding)} for side, finding in comparison.findings],
    }  # fmt: skip


def freeze(options: argparse.Namespace, project: Project) -> int:
    """`lockproof freeze`: the lock to a file or to stdout, what is to be said of it to stderr."""
    from lockproof.freezing import Choice
    from lockproof.freezing import freeze as freeze_environment
    from lockproof.frozen import frozen_to_json, pylock_lines, requirements_lines
    from lockproof.reporters.frozen import frozen_text

    output = project.places.folder / options.output if options.output else None
    if output is not None and (not output.absolute().parent.is_dir() or output.is_dir()):
        raise UsageError("the lock can't be written", where=str(output), why="it is a folder, or has none")
    inspection = inspect_target(options.target, project)
    with _progress(options) as listener:
        index, fetching = project.without_lock(listener.fetching)
        choice = Choice(everything=options.all, exclude=tuple(options.exclude))
        frozen = freeze_environment(inspection, choice, index=index, fetching=fetching)
    sys.stderr.write(frozen_text(frozen, verbose=options.verbose, quiet=options.quiet))
    is_pylock = (options.format or (output.suffix if output else "")) in ("pylock", ".toml")
    lines = pylock_lines(frozen) if is_pylock else requirements_lines(frozen)
    lock = "".join(f"{line}\n" for line in lines)
    if output is not None:
        _write_lock(output, lock)
    if options.json:
        _print_json(frozen_to_json(frozen, options.target))
    elif output is None:
        sys.stdout.write(lock)
    return frozen.exit_code


def _write_lock(path: Path, text: str) -> None:
    from lockproof.store import write_atomically

    try:
        write_atomically(path.absolute(), text.encode())
    except OSError as error:
        raise UsageError("the lock can't be written", where=str(path), why=error.strerror or str(error)) from error


def lock(options: argparse.Namespace, project: Project) -> int:
    """`lockproof lock`."""
    from lockproof.exporting import export_lock, write_export
    from lockproof.locking import print_account, run_lock
    from lockproof.lockoptions import refuse_misfits

    refuse_misfits(options)
    if options.export:
        write_export(export_lock(options, project), options, project)
        return 0
    _end_in_order()
    with _progress(options) as listener:
        account = run_lock(options, project, listener.fetching)
    print_account(account, as_json=options.json, verbose=options.verbose)
    return account.exit_code
