"""`lockproof attest`, and `lockproof verify --attestation`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from lockproof.attestation.envelope import not_an_attestation
from lockproof.attestation.holding import against_cell, hold, nearest, together
from lockproof.attestation.keys import (
    PASSPHRASE,
    load_public_key,
    load_signer,
    read_statements,
    require_library,
    sign,
)
from lockproof.attestation.statement import statement_bytes, statement_of
from lockproof.cells.policykeys import STRICT
from lockproof.commands.looks import VERDICT_EXIT, chosen_policy, one_cell, proof_to_json
from lockproof.commands.output import print_json, progress
from lockproof.commands.places import jobs_of
from lockproof.errors import UsageError, why_malformed
from lockproof.proof.compare import prove
from lockproof.proof.policy import apply
from lockproof.reading.targets import observe_target, read_target
from lockproof.reporters.text import attested_text, proof_text
from lockproof.running.preparation import about, with_project

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from lockproof.attestation.statement import Statement
    from lockproof.cells.matrix import Cell
    from lockproof.project import Project

_LARGEST = 256 * 1024 * 1024  # bytes of a file of attestations


def attest(options: argparse.Namespace, project: Project) -> int:
    """`lockproof attest`: envelopes to a file or to stdout, one a line, if every environment matches; else none."""
    require_library()
    if not options.key:
        raise UsageError("attest needs a key to sign with", remedy="give the file of a private key with --key")
    output = project.places.folder / options.output if options.output else None
    if output is not None and (not output.absolute().parent.is_dir() or output.is_dir()):
        raise UsageError(
            "the attestation can't be written",
            where=str(output),
            why="it is a folder, or the folder for it is not there",
        )
    signer = load_signer(project.places.folder / options.key, options.key, lambda: _passphrase(options, project))
    cells, targets = _chosen(options, project)
    with progress(options) as listener:
        jobs = jobs_of(project, cells, listener)
    lines, told, codes = [], [], []
    for job, target in zip(jobs, targets, strict=True):
        observed = observe_target(target, project, job.interpreter)  # a saved one would be a mere claim
        proof = apply(job.cell.policy, prove(job.predicted, with_project(observed, job)))
        codes.append(VERDICT_EXIT[proof.verdict])
        if proof.verdict == "match":
            statement = statement_of(proof, about(job, project.lock))
            envelope = sign(statement_bytes(statement), signer)
            lines.append(json.dumps(envelope, separators=(",", ":")) + "\n")
            told.append(attested_text(statement.about, signer.public_key.keyid, statement.tolerated))
        else:
            sys.stderr.write(proof_text(target, job.cell.id, proof, verbose=options.verbose))
    if any(codes):
        sys.stderr.write("nothing was attested\n")
        return next(code for code in (3, 4) if code in codes)
    _write("".join(lines), output)
    sys.stderr.write("" if options.quiet else "".join(told))
    return 0


def _chosen(options: argparse.Namespace, project: Project) -> tuple[Sequence[Cell], list[str]]:
    """The cells, and the environment of each: one that is named with its cell, or those that `run` makes."""
    if options.cell is None:
        cells = project.select(options.what)
        return cells, [_own(cell, project) for cell in cells]
    if len(options.what) > 1:
        raise UsageError(
            "--cell says what one environment should be", remedy="name one TARGET, or cells without --cell"
        )
    cell = one_cell(options.cell, project)
    return [cell], options.what or [_own(cell, project)]


def _own(cell: Cell, project: Project) -> str:
    """The environment that `run` makes of a cell; UsageError where there is none yet."""
    folder = project.workspace.environment(cell.id)
    if not folder.is_dir():
        raise UsageError(f"{cell.id} has no environment here", remedy=f"make it with: lockproof run {cell.id}")
    return str(folder)


def _passphrase(options: argparse.Namespace, project: Project) -> bytes | None:
    given = project.environ.get(PASSPHRASE)
    if given is None and sys.stdin is not None and sys.stdin.isatty():
        from getpass import getpass  # only for a key that has one

        try:
            given = getpass(f"Passphrase of {options.key}: ")
        except EOFError:
            return None
    return None if given is None else given.encode()


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
        return
    from lockproof.wheels.store import write_where_asked

    try:
        write_where_asked(output.absolute(), text.encode())
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError("the attestation can't be written", where=str(output), why=why) from error


def verify_attestation(options: argparse.Namespace, project: Project) -> int:
    """`lockproof verify --attestation`: signature first, then what it says of the environment and of the cell."""
    require_library()
    if options.expect:
        raise UsageError("--expect and --attestation both say what should be", remedy="give one of them")
    if not options.key:
        raise UsageError(
            "an attestation is worth what its key is worth", why="no key is given",
            remedy="name the public key of whom you believe with --key",
        )  # fmt: skip
    key = load_public_key(project.places.folder / options.key, options.key)
    named = options.attestation
    policy = chosen_policy(options, project)
    statements = read_statements(_read(project.places.folder / named, named), key, named)
    job = None
    if options.cell:
        with progress(options) as listener:
            [job] = jobs_of(project, [one_cell(options.cell, project)], listener)
    observed = read_target(options.target, project, job.interpreter if job else None)
    if job is None:
        statement = nearest(statements, observed)
        proof, against = hold(statement, observed, policy or STRICT), named
    else:
        observed = with_project(observed, job)
        statement = nearest(statements, observed, job.cell.id)
        misfits = against_cell(statement, job.predicted, about(job, project.lock))
        policy = policy or job.cell.policy
        proofs = [hold(statement, observed, policy), apply(policy, prove(job.predicted, observed))]
        proof = together(proofs, misfits)
        against = f"{named} (with {job.cell.id})"
    if options.json:
        print_json({**proof_to_json(proof, options.target, against), "attestation": _summary(statement, key.keyid)})
    else:
        answer, _, found = proof_text(options.target, against, proof, verbose=options.verbose).partition("\n")
        whose = attested_text(statement.about, key.keyid, statement.tolerated)
        several = f"of {len(statements)} attestations: " if len(statements) > 1 else ""
        sys.stdout.write("".join([f"{answer}\n", "" if options.quiet else f"  {several}{whose}", found]))
    return VERDICT_EXIT[proof.verdict]


def _read(path: Path, named: str) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError("the attestation can't be read", where=named, why=why, remedy="name its file") from error
    try:
        if len(data) > _LARGEST:
            raise not_an_attestation(named, "it is too large")
        return data.decode()
    except UnicodeDecodeError as error:
        raise not_an_attestation(named, why_malformed(error)) from error


def _summary(statement: Statement, keyid: str) -> dict[str, object]:
    """Whose word it is, and what it says that no layer shows."""
    words = ("cell", "python", "platform", "lock", "selector", "lockproof")
    return {"keyid": keyid, **{word: statement.about[word] for word in words}}
