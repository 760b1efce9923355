"""A proof under a policy: what a team declared that it tolerates is let pass, and listed wherever it was needed.

A tolerance is nothing but a change to what was observed, as if the declared difference were not there; then it is
proven anew, by the same rules. So what a policy does not name counts as ever, and none can excuse a locked file.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lockproof.cells.policykeys import BUILD, LIBC
from lockproof.proof.compare import Tolerance, differing_layers, prove
from lockproof.proof.pythonfacts import fact_differences, file_differences_of_builds
from lockproof.proof.seeds import is_below, seeds_of, without
from lockproof.pythons.buildrows import STDLIB, may_differ_between_builds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lockproof.cells.policykeys import Policy
    from lockproof.proof.compare import Proof
    from lockproof.proof.fingerprint import Fingerprint

# What tells one build of a version from another. Everything else that an interpreter says of itself decides which
# wheels fit it, or what they do.
_OF_A_BUILD = frozenset(("build", "compiler", "executable", "libpython", "lib-dynload", STDLIB))


def apply(policy: Policy, proof: Proof) -> Proof:
    """The proof as `policy` has it: the same where nothing tolerated was found.

    Its digests stay those of what was observed; `tolerated` lists every tolerance that was used, whatever the verdict.
    """
    counted = proof.observed
    tolerated: tuple[Tolerance, ...] = ()
    for tolerate in (_without_seeds, _of_any_build, _on_any_libc):
        counted, used = tolerate(policy, proof.predicted, counted)
        tolerated = (*tolerated, *used)
    if not tolerated:
        return proof
    again = prove(proof.predicted, counted)
    differ = differing_layers(proof.predicted, again.observed)
    excused = tuple(layer for layer in differing_layers(proof.predicted, proof.observed) if layer not in differ)
    return replace(again, observed=proof.observed, tolerated=tolerated, excused=excused)


def _without_seeds(
    policy: Policy, predicted: Fingerprint, observed: Fingerprint
) -> tuple[Fingerprint, tuple[Tolerance, ...]]:
    """Seeds that the policy names, of the version it names, and all of whose files are in order, leave the picture."""
    locked = {dist.name for dist in predicted.distributions}
    declared = {seed.name: seed for seed in policy.seeds}
    seeds = [
        dist
        for dist in (seeds_of(observed, locked) if declared else ())
        if dist.name in declared and declared[dist.name].version in ("", dist.version)
    ]
    tolerated = []
    for dist in seeds:
        files = sum(is_below(path, dist.roots) for path in observed.files)
        text = f"{dist.name} {dist.version} is there beside the lock: {files} files, true to its own RECORD"
        tolerated.append(Tolerance(f"seeds: {declared[dist.name]}", dist.name, text))
    return without(observed, seeds), tuple(tolerated)


def _of_any_build(
    policy: Policy, predicted: Fingerprint, observed: Fingerprint
) -> tuple[Fingerprint, tuple[Tolerance, ...]]:
    """Another build of the exact version counts as the predicted one, as long as its standard library is the same."""
    if policy.interpreter != BUILD or not _both_know("interpreter", predicted, observed):
        return observed, ()
    facts = fact_differences(predicted.interpreter, observed.interpreter)
    rows = file_differences_of_builds(predicted, observed)
    names = {name for name, _, _ in facts}
    # Where the files of both aren't known, nothing says in what the standard libraries differ.
    other_stdlib = STDLIB in names and not any(row.row.startswith(f"{STDLIB}/") for row in rows)
    if not names or names - _OF_A_BUILD or other_stdlib or not all(map(may_differ_between_builds, rows)):
        return observed, ()
    rule = f"interpreter: {BUILD}"
    tolerated = [Tolerance(rule, "scripts/python", _in_words(fact)) for fact in facts]
    tolerated += [Tolerance(rule, row.row, row.word) for row in rows]
    return _with_layer("interpreter", predicted, observed, predicted.interpreter), tuple(tolerated)


def _on_any_libc(
    policy: Policy, predicted: Fingerprint, observed: Fingerprint
) -> tuple[Fingerprint, tuple[Tolerance, ...]]:
    """Another version of the same C library counts as the predicted one."""
    if policy.platform != LIBC or not _both_know("platform", predicted, observed):
        return observed, ()
    facts = fact_differences(predicted.platform, observed.platform)
    version = f"{predicted.platform.get('libc', '')} version"
    if [name for name, _, _ in facts] != [version]:
        return observed, ()
    tolerated = Tolerance(f"platform: {LIBC}", "platform", _in_words(facts[0]))
    return _with_layer("platform", predicted, observed, predicted.platform), (tolerated,)


def _both_know(layer: str, *sides: Fingerprint) -> bool:
    return all(layer in side.layers for side in sides)


def _with_layer(layer: str, predicted: Fingerprint, observed: Fingerprint, facts: Mapping[str, str]) -> Fingerprint:
    layers = {**observed.layers, layer: predicted.layers[layer]}
    if layer == "platform":
        return replace(observed, layers=layers, platform=facts)
    return replace(observed, layers=layers, interpreter=facts, interpreter_files=predicted.interpreter_files)


def _in_words(fact: tuple[str, str, str]) -> str:
    name, left, right = fact
    return f"{name}: expected {left or 'nothing'}, found {right or 'nothing'}"
