"""The commands that only look: predict, fingerprint, verify."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lockproof.cells.policykeys import STRICT
from lockproof.commands.output import print_json, progress
from lockproof.errors import UsageError
from lockproof.proof.bundle import Bundle
from lockproof.proof.fingerprint import finding_to_json, to_json
from lockproof.reading.targets import read_target

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from lockproof.cells.matrix import Cell
    from lockproof.cells.policykeys import Policy
    from lockproof.project import Project
    from lockproof.proof.compare import Proof

VERDICT_EXIT = {"match": 0, "mismatch": 3, "unproven": 4}


def predict(options: argparse.Namespace, project: Project) -> int:
    """`lockproof predict`."""
    from dataclasses import replace

    from lockproof.proof.closure import closure_notes
    from lockproof.reporters.text import predictions_text
    from lockproof.running.preparation import about

    if options.bundle and options.json:
        raise UsageError("--bundle and --json both say where predictions go", remedy="give one of them")
    cells = project.select(options.cells)
    if options.preview:
        predictions = project.previews(cells)
    else:
        with progress(options) as listener:
            jobs = project.jobs(cells, listener.fetching, listener.note)
            for note in closure_notes([(job.cell.id, job.predicted.findings) for job in jobs]):
                listener.note(note)
        predictions = [replace(job.predicted, about=about(job, project.lock)) for job in jobs]
    if options.bundle:
        bundle = Bundle(project.places.folder / options.bundle, options.bundle)
        for prediction in predictions:
            bundle.add(prediction.about["cell"], prediction)
        sys.stdout.write("".join(f"{options.bundle}:{p.about['cell']}  {p.digest}\n" for p in predictions))
    elif not options.json:
        sys.stdout.write(predictions_text(predictions))
    elif len(predictions) == 1:
        print_json(to_json(predictions[0]))
    else:
        rows = [{"id": p.about["cell"], "fingerprint": to_json(p)} for p in predictions]
        print_json({"schema": "lockproof/predictions/v1", "cells": rows})
    return 0


def fingerprint(options: argparse.Namespace, project: Project) -> int:
    """`lockproof fingerprint`."""
    if options.name and not options.bundle:
        raise UsageError("--name is the name in a bundle", remedy="name the bundle with --bundle, or leave --name out")
    if options.bundle and options.json:
        raise UsageError("--bundle and --json both say where the fingerprint goes", remedy="give one of them")
    found = read_target(options.target, project)
    if options.bundle:
        from lockproof.commands.comparing import add_to_bundle  # 30 ms of what compares many

        add_to_bundle(options, project, found)
    elif options.json:
        print_json(to_json(found))
    else:
        from lockproof.reporters.text import fingerprint_text  # after the reading: ssh need not wait for it

        sys.stdout.write(fingerprint_text(options.target, found))
    return 0


def verify(options: argparse.Namespace, project: Project) -> int:
    """`lockproof verify`."""
    from lockproof.commands.comparing import contents_of
    from lockproof.commands.places import jobs_of
    from lockproof.proof.compare import prove
    from lockproof.proof.policy import apply
    from lockproof.reading.contents import wheel_contents
    from lockproof.reporters.diffs import proof_diffs
    from lockproof.reporters.text import proof_text
    from lockproof.running.preparation import with_project

    if options.cell and options.expect and options.cell == project.environ.get("LOCKPROOF_CELL"):
        options.cell = None  # what a run says to its commands gives way to what the command line says
    if bool(options.cell) == bool(options.expect):
        remedy = "give --cell ID, --expect FILE, or --attestation FILE with --key"
        raise UsageError("verify needs to know against what", remedy=remedy)
    policy, job = chosen_policy(options, project), None
    if options.expect:
        expected, interpreter, against = read_target(options.expect, project), None, options.expect
    else:
        cell = one_cell(options.cell, project)
        with progress(options) as listener:
            [job] = jobs_of(project, [cell], listener)
        expected, interpreter, against = job.predicted, job.interpreter, cell.id
    observed = read_target(options.target, project, interpreter)
    proof = prove(expected, with_project(observed, job) if job else observed)
    proof = apply(policy or (job.cell.policy if job else STRICT), proof)
    if options.json:
        print_json(proof_to_json(proof, options.target, against))
    else:
        sys.stdout.write(proof_text(options.target, against, proof, verbose=options.verbose))
        if not options.no_diff:
            expected_contents = wheel_contents(job.entries) if job else contents_of(options.expect, project)
            sys.stdout.write(proof_diffs(proof, expected_contents, contents_of(options.target, project)))
    return VERDICT_EXIT[proof.verdict]


def one_cell(named: str, project: Project) -> Cell:
    """The one cell that `--cell` names; UsageError for a glob that names several."""
    cells = project.select([named])
    if len(cells) != 1:
        ids = ", ".join(cell.id for cell in cells)
        raise UsageError(f"--cell {named} names {len(cells)} cells: {ids}", remedy="name one of them")
    return cells[0]


def chosen_policy(options: argparse.Namespace, project: Project) -> Policy | None:
    """The policy in the file that the command line names; what is wrong in it is told before anything is read."""
    if not options.policy:
        return None
    from lockproof.cells.documents import load_policy

    return load_policy(project.places.folder / options.policy, shown_as=options.policy)


def proof_to_json(proof: Proof, target: str, against: str) -> dict[str, object]:
    """The document `lockproof/proof/v1`."""
    return {
        "schema": "lockproof/proof/v1",
        "target": target,
        "against": against,
        "verdict": proof.verdict,
        "layer": proof.layer or None,
        "tolerated": [tolerance._asdict() for tolerance in proof.tolerated],
        "predicted": {"digest": proof.predicted.digest, "layers": dict(proof.predicted.layers)},
        "observed": {"digest": proof.observed.digest, "layers": dict(proof.observed.layers)},
        "findings": [finding_to_json(finding) for finding in proof.findings],
    }


COMMANDS: Mapping[str, Callable[[argparse.Namespace, Project], int]] = {
    "predict": predict,
    "fingerprint": fingerprint,
    "verify": verify,
}
