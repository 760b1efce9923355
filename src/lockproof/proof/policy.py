"""A proof under a policy: what a team declared that it tolerates is let pass, and listed wherever it was needed.

A tolerance is nothing but a change to what was observed, as if the declared difference were not there; then it is
proven anew, by the same rules. So what a policy does not name counts as ever, and none can excuse a locked file.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lockproof.cells.policykeys import BUILD, LIBC, REWRITTEN
from lockproof.proof.compare import Tolerance, differing_layers, prove
from lockproof.proof.fingerprint import Finding
from lockproof.proof.pythonfacts import fact_differences, file_differences_of_builds, platform_differences
from lockproof.proof.seeds import is_below, seeds_of, without
from lockproof.pythons.buildrows import STDLIB, may_differ_between_builds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lockproof.cells.policykeys import Policy, Seed
    from lockproof.proof.compare import Proof
    from lockproof.proof.fingerprint import Distribution, Fingerprint

# What tells one build of a version from another. Everything else that an interpreter says of itself decides which
# wheels fit it, or what they do.
_OF_A_BUILD = frozenset(("build", "compiler", "executable", "libpython", "lib-dynload", STDLIB))


def apply(policy: Policy, proof: Proof) -> Proof:
    """The proof as `policy` has it: the same where nothing that the policy names was found.

    Its digests stay those of what was observed; `tolerated` lists every tolerance that was used, whatever the verdict.
    """
    counted = proof.observed
    tolerated: tuple[Tolerance, ...] = ()
    for tolerate in (_without_seeds, _of_any_build, _on_any_libc, _with_rewritten_bytecode):
        counted, used = tolerate(policy, proof.predicted, counted)
        tolerated = (*tolerated, *used)
    refused = _refused_seeds(policy, proof.predicted, proof.observed)
    if not tolerated:
        return replace(proof, findings=(*refused, *proof.findings)) if refused else proof
    again = prove(proof.predicted, counted)
    differ = differing_layers(proof.predicted, again.observed)
    excused = tuple(layer for layer in differing_layers(proof.predicted, proof.observed) if layer not in differ)
    findings = (*refused, *again.findings)
    return replace(again, findings=findings, observed=proof.observed, tolerated=tolerated, excused=excused)


def _without_seeds(
    policy: Policy, predicted: Fingerprint, observed: Fingerprint
) -> tuple[Fingerprint, tuple[Tolerance, ...]]:
    """Seeds that the policy names, of the version it names, and all of whose files are in order, leave the picture."""
    declared = _declared(policy, predicted, observed)
    in_order = seeds_of(observed) if declared else ()
    seeds = [dist for seed, dist in declared if dist in in_order and seed.version in ("", dist.version)]
    tolerated = []
    for seed, dist in declared:
        if dist in seeds:
            files = sum(is_below(path, dist.roots) for path in observed.files)
            text = f"{dist.name} {dist.version} is there beside the lock: {files} files, true to its own RECORD"
            tolerated.append(Tolerance(f"seeds: {seed}", dist.name, text))
    return without(observed, seeds), tuple(tolerated)


def _declared(policy: Policy, predicted: Fingerprint, observed: Fingerprint) -> list[tuple[Seed, Distribution]]:
    """The distributions that are there, that the policy names, and that the lock doesn't."""
    locked = {dist.name for dist in predicted.distributions}
    found = {dist.name: dist for dist in observed.distributions if dist.name not in locked}
    return [(seed, found[seed.name]) for seed in policy.seeds if seed.name in found]


def _refused_seeds(policy: Policy, predicted: Fingerprint, observed: Fingerprint) -> list[Finding]:
    """Why a seed that the policy names is not tolerated, before the hundreds of files that are too many for it."""
    declared = _declared(policy, predicted, observed)
    in_order = seeds_of(observed) if declared else ()
    refused = []
    for seed, dist in declared:
        why = ""
        if seed.version not in ("", dist.version):
            why = f"{dist.version} is there"
        elif dist not in in_order:
            wrong = [f for f in observed.findings if f.level != "note" and is_below(f.path, dist.roots)]
            why = f"{wrong[0].path} {wrong[0].message}" if wrong else "its RECORD lists what is not its own"
        if why:
            refused.append(Finding("seed", dist.name, f"is no seed that the policy tolerates ({seed}): {why}"))
    return refused


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
    facts = platform_differences(predicted, observed)
    version = f"{predicted.platform.get('libc', '')} version"
    if [name for name, _, _ in facts] != [version]:
        return observed, ()
    tolerated = Tolerance(f"platform: {LIBC}", "platform", _in_words(facts[0]))
    return _with_layer("platform", predicted, observed, predicted.platform), (tolerated,)


def _with_rewritten_bytecode(
    policy: Policy, _predicted: Fingerprint, observed: Fingerprint
) -> tuple[Fingerprint, tuple[Tolerance, ...]]:
    """What pytest made of a test module, which can't be compared with its source, counts as not there."""
    rewritten = [f for f in observed.findings if f.code == "bytecode-rewritten" and policy.bytecode == REWRITTEN]
    if not rewritten:
        return observed, ()
    kept = tuple(finding for finding in observed.findings if finding not in rewritten)
    rule = f"bytecode: {REWRITTEN}"
    return replace(observed, findings=kept), tuple(Tolerance(rule, f.path, f.message) for f in rewritten)


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
