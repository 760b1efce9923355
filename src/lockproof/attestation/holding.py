"""A statement held against an environment and a cell, by the rules of every other proof."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lockproof.cells.policykeys import STRICT
from lockproof.proof.compare import Proof, attributed, differing_layers, prove
from lockproof.proof.fingerprint import Finding, Fingerprint
from lockproof.proof.policy import apply
from lockproof.proof.seeds import seeds_of, without

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lockproof.attestation.statement import Statement
    from lockproof.cells.policykeys import Policy

ATTESTED = "attested"
"""The code of what is not as an attestation says it."""
_VERDICTS = ("mismatch", "unproven", "match")  # the most serious first


def hold(statement: Statement, observed: Fingerprint, policy: Policy = STRICT) -> Proof:
    """Whether an environment is the one that a statement is of: every layer's digest, and no finding beside.

    What the policy tolerates may differ from what was attested, as from any prediction.

    A statement has no list of files, so what differs is named by layer and distribution.
    """
    attested = statement.attested
    own = {dist.name for dist in attested.distributions}
    beside = [seed for seed in seeds_of(observed, own) if seed.name not in own]  # what a policy may let pass
    proof = apply(policy, prove(_filled_in(attested, without(observed, beside)), observed))
    return replace(proof, findings=(*proof.findings, *_differences(proof)))


def _filled_in(attested: Fingerprint, observed: Fingerprint) -> Fingerprint:
    """What was attested, with what a statement leaves out as it was observed; the layers' digests decide about that."""
    roots = {(dist.name, dist.version, dist.files): dist.roots for dist in observed.distributions}
    return replace(
        attested,
        files=observed.files,
        startup=observed.startup,
        distributions=tuple(
            replace(dist, roots=roots.get((dist.name, dist.version, dist.files), ())) for dist in attested.distributions
        ),
    )


def _differences(proof: Proof) -> list[Finding]:
    attested, observed = proof.predicted, proof.observed
    found = {(dist.name, dist.version): dist for dist in observed.distributions}
    findings = [
        Finding(ATTESTED, dist.name, f"{dist.name} {dist.version}: its files are not those that were attested")
        for dist in attested.distributions
        if (there := found.get((dist.name, dist.version))) and there.files != dist.files
    ]
    both = attested.layers.keys() & observed.layers.keys()
    return findings + [
        Finding(ATTESTED, layer, f"the {layer} layer is {observed.layers[layer]}, attested is {attested.layers[layer]}")
        for layer in differing_layers(attested, observed)
        if layer in both and layer not in proof.excused
    ]


def against_cell(statement: Statement, predicted: Fingerprint, about: Mapping[str, str]) -> tuple[Finding, ...]:
    """Where a statement is not of the cell that `about` and its prediction describe.

    That the files are the predicted ones is for a proof of the environment to say; which wheels they came from, only
    the two documents can.
    """
    findings = [
        Finding(ATTESTED, key, f"the attestation is of {key} {statement.about[key]}, not of {about[key]}")
        for key in ("cell", "python", "platform", "lock")
        if statement.about[key] != about[key]
    ]
    wheels = {(dist.name, dist.version, dist.artifact) for dist in statement.attested.distributions}
    return tuple(findings) + tuple(
        Finding(ATTESTED, dist.name, f"{dist.name} {dist.version}: what was attested is not the artifact of the lock")
        for dist in predicted.distributions
        if (dist.name, dist.version, dist.artifact) not in wheels
    )


def nearest(statements: Sequence[Statement], observed: Fingerprint, cell: str = "") -> Statement:
    """The statement of the cell, where one is named and attested; else the one with the fewest layers that differ."""
    of_cell = [statement for statement in statements if statement.about["cell"] == cell]

    def distance(statement: Statement) -> int:
        return len(differing_layers(statement.attested, attributed(statement.attested, observed)))

    return min(of_cell or statements, key=distance)


def together(proofs: Iterable[Proof], findings: Sequence[Finding]) -> Proof:
    """Several proofs of one environment as one, that of the last with all findings; the most serious verdict holds."""
    every = list(proofs)
    verdicts = {proof.verdict for proof in every} | ({"mismatch"} if findings else set())
    said = dict.fromkeys([*findings, *(finding for proof in every for finding in proof.findings)])
    tolerated = dict.fromkeys(tolerance for proof in every for tolerance in proof.tolerated)
    verdict = next(verdict for verdict in _VERDICTS if verdict in verdicts)
    return replace(every[-1], verdict=verdict, findings=tuple(said), tolerated=tuple(tolerated))
