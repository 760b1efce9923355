"""The fan-in: what the jobs of a matrix found, held against what was predicted, and against each other.

It is never green where a cell is missing: which cells there must be is known beforehand, not from what was handed in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lockproof.cells.policykeys import EXACT
from lockproof.proof.compare import is_editable, prove
from lockproof.proof.fingerprint import Finding
from lockproof.proof.groups import likeness
from lockproof.proof.policy import apply
from lockproof.proof.pythonfacts import interpreter_differences, misfits
from lockproof.proof.relations import compare
from lockproof.pythons.platforms import parse_platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lockproof.cells.policykeys import Policy
    from lockproof.proof.fingerprint import Fingerprint

_EXIT = {"match": 0, "mismatch": 3, "unproven": 4, "missing": 4}
_BY_SERIOUSNESS = (3, 4, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What came of one cell: match, mismatch, unproven or missing.

    `sources` are the names of its fingerprints; `why` is empty for a match; `notes` are what was not held against it.
    """

    cell: str
    verdict: str
    why: str = ""
    sources: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class FanIn:
    """What came of all cells, in the order in which they were expected, and of what belongs to none of them."""

    verdicts: tuple[Verdict, ...]
    strays: tuple[tuple[str, str], ...]  # the name of a fingerprint, and why it belongs nowhere
    unread: tuple[tuple[str, str], ...] = ()  # the name of what was handed in and is no fingerprint, and why

    @property
    def exit_code(self) -> int:
        """0 only where every expected cell is a match, and nothing else was handed in; 3 drift; 4 not proven."""
        codes = {_EXIT[verdict.verdict] for verdict in self.verdicts}
        codes |= ({3} if self.strays else set()) | ({4} if self.unread else set())
        return next((code for code in _BY_SERIOUSNESS if code in codes), 4)


def gather(
    expected: Mapping[str, Fingerprint],
    policies: Mapping[str, Policy],
    handed_in: Iterable[tuple[str, Fingerprint]],
    unread: Iterable[tuple[str, str]] = (),
) -> FanIn:
    """Judge every cell of `expected` by the fingerprints that were handed in, each with the name it is told by.

    A fingerprint says itself which cell it is of. Two of one cell must be alike. Cells of one exact Python and platform
    must have the same interpreter, unless the policy of one of them tolerates another build.
    """
    found: dict[str, list[tuple[str, Fingerprint]]] = {cell: [] for cell in expected}
    strays = []
    for name, fingerprint in handed_in:
        cell = fingerprint.about.get("cell", "")
        if cell in found:
            found[cell].append((name, fingerprint))
        else:
            why = f"{cell} is no cell of the matrix" if cell else "it doesn't say which cell it is of"
            strays.append((name, why))
    verdicts = [
        _verdict(cell, predicted, policies.get(cell), found[cell]) if found[cell] else _missing(cell)
        for cell, predicted in expected.items()
    ]
    kept = {cell: handed[0] for cell, handed in found.items() if handed}
    return FanIn(verdicts=tuple(_across(verdicts, kept, policies)), strays=tuple(strays), unread=tuple(unread))


def _missing(cell: str) -> Verdict:
    return Verdict(cell=cell, verdict="missing", why="there is no fingerprint of it: its job did not hand one in")


def _verdict(
    cell: str, predicted: Fingerprint, policy: Policy | None, handed: Sequence[tuple[str, Fingerprint]]
) -> Verdict:
    sources = tuple(name for name, _ in handed)
    (first, observed), *others = handed
    for name, other in others:
        if likeness(other) != likeness(observed):
            why = f"two fingerprints of it differ: {first} and {name}: {compare(observed, other).why}"
            return Verdict(cell=cell, verdict="mismatch", why=why, sources=sources)
    predicted, observed, notes = _as_far_as_known(predicted, observed)
    proof = prove(predicted, observed)
    if policy is not None:
        proof = apply(policy, proof)
    notes += tuple(f"tolerated ({rule}): {path}: {text}" for rule, path, text in proof.tolerated)
    foreign = _of_another_cell(predicted, observed)
    wrong = (*foreign, *(finding for finding in proof.findings if finding.level != "note"))
    levels = {proof.verdict, *(finding.level for finding in foreign)}
    verdict = next(word for word in ("mismatch", "unproven", "match") if word in levels)
    why = ""
    if verdict != "match":
        why = f"{wrong[0].path} {wrong[0].message}".strip() if wrong else f"the {proof.layer} layer differs"
    return Verdict(cell=cell, verdict=verdict, why=why, sources=sources, findings=wrong, notes=notes)


def _of_another_cell(predicted: Fingerprint, observed: Fingerprint) -> list[Finding]:
    """What the cell's exact Python and platform ask for and is not there: an interpreter need not be predicted."""
    python, platform = predicted.about.get("python", ""), parse_platform(predicted.about["platform"])
    rows = misfits(python, platform, observed)
    findings = [
        Finding("platform", "platform", f"{fact}: expected {wanted}, found {found}")
        for fact, wanted, found in rows
        if found and fact != "version"
    ]
    for fact, wanted, found in rows:
        if fact == "version":
            text, level = f"{fact}: expected {wanted}, found {found or 'nothing'}", "mismatch" if found else "unproven"
            findings.insert(0, Finding("interpreter", "scripts/python", text, level))
    return findings


def _as_far_as_known(predicted: Fingerprint, observed: Fingerprint) -> tuple[Fingerprint, Fingerprint, tuple[str, ...]]:
    """Both sides without the layers that can't be known where they were made, and a note for each.

    A prediction made on another machine knows no interpreter; the files of an editable project are not in its
    environment. What the cell's own run proved of both stands, as that job's result.
    """
    notes = []
    if "interpreter" in observed.layers and "interpreter" not in predicted.layers:
        notes.append("its interpreter was not predicted, only held against that of like cells")
        predicted = replace(
            predicted,
            layers={**predicted.layers, "interpreter": observed.layers["interpreter"]},
            interpreter=observed.interpreter,
            interpreter_files=observed.interpreter_files,
        )
    if is_editable(predicted) and "project" in predicted.layers and "project" not in observed.layers:
        notes.append("its project is installed editable: the project's files are those of its job's checkout")
        observed = replace(observed, layers={**observed.layers, "project": predicted.layers["project"]})
    return predicted, observed, tuple(notes)


def _across(
    verdicts: Sequence[Verdict], kept: Mapping[str, tuple[str, Fingerprint]], policies: Mapping[str, Policy]
) -> list[Verdict]:
    """The verdicts, with a mismatch for each match whose interpreter isn't that of the first cell like it."""
    first: dict[tuple[str, str], tuple[str, Fingerprint]] = {}
    judged = []
    for verdict in verdicts:
        policy = policies.get(verdict.cell)
        if verdict.verdict != "match" or (policy is not None and policy.interpreter != EXACT):
            judged.append(verdict)
            continue
        _, own = kept[verdict.cell]
        kind = (own.interpreter.get("version", ""), own.about.get("platform", ""))
        cell, like = first.setdefault(kind, (verdict.cell, own))
        if like.layers.get("interpreter") == own.layers.get("interpreter"):
            judged.append(verdict)
            continue
        facts = interpreter_differences(like, own)
        told = "; ".join(f"{fact}: {left or '-'} | {right or '-'}" for fact, left, right in facts[:3])
        why = f"its interpreter is not that of {cell}, which has the same Python and platform: {told}"
        finding = Finding("interpreter", "scripts/python", why)
        judged.append(replace(verdict, verdict="mismatch", why=why, findings=(finding,)))
    return judged


def fan_in_to_json(result: FanIn) -> dict[str, object]:
    """The document `lockproof/fan-in/v1`."""
    return {
        "schema": "lockproof/fan-in/v1",
        "cells": [
            {
                "id": verdict.cell,
                "verdict": verdict.verdict,
                "why": verdict.why,
                "fingerprints": list(verdict.sources),
                "findings": [finding._asdict() for finding in verdict.findings],
                "notes": list(verdict.notes),
            }
            for verdict in result.verdicts
        ],
        "strays": [{"fingerprint": name, "why": why} for name, why in (*result.strays, *result.unread)],
        "exit_code": result.exit_code,
    }
