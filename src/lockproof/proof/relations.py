"""What two environments are to each other: identical, same files, same lock, drift, or unproven."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lockproof.proof.compare import differing_layers, file_differences, is_editable
from lockproof.proof.pythonfacts import interpreter_differences
from lockproof.proof.seeds import locked_names, seeds_of, without

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lockproof.proof.compare import FileDifference
    from lockproof.proof.fingerprint import Distribution, FileFact, Finding, Fingerprint

RELATIONS = ("drift", "unproven", "same lock", "same files", "identical")
"""From the weakest to the strongest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """How two environments differ. `relation`: identical, same files, same lock, drift or unproven; `why` in words."""

    relation: str
    why: str
    layers: tuple[str, ...]
    only_left: tuple[str, ...]
    only_right: tuple[str, ...]
    files: tuple[FileDifference, ...]
    interpreter: tuple[tuple[str, str, str], ...]  # fact, left, right
    startup: tuple[tuple[str, str], ...]  # "<" or ">", line
    findings: tuple[tuple[str, Finding], ...]  # "<" or ">", finding that only that side has
    seeds: tuple[SeedDifference, ...] = ()  # what was left out of account


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedDifference:
    """A seed that is not the same on both sides, with its version there; None where it isn't."""

    name: str
    left: str | None
    right: str | None


class Verdict(NamedTuple):
    """A relation, why it is that one in words, and both sides as they were held against each other.

    `seeds` were left out of account, and are in neither side.
    """

    relation: str
    why: str
    seeds: tuple[SeedDifference, ...]
    left: Fingerprint
    right: Fingerprint


def compare(left: Fingerprint, right: Fingerprint) -> Comparison:
    """How two environments differ, and what it means (see `Comparison`); seeds' files are told where seeds count."""
    verdict = relation_of(left, right)
    pins = [{f"{dist.name}=={dist.version}" for dist in side.distributions} for side in (left, right)]
    startup = [set(side.startup) for side in (left, right)]
    return Comparison(
        relation=verdict.relation,
        why=verdict.why,
        layers=shared_layers_that_differ(left, right),
        only_left=tuple(sorted(pins[0] - pins[1])),
        only_right=tuple(sorted(pins[1] - pins[0])),
        files=file_differences(verdict.left, verdict.right),
        interpreter=tuple(interpreter_differences(left, right)),
        startup=tuple(
            [("<", line) for line in sorted(startup[0] - startup[1])]
            + [(">", line) for line in sorted(startup[1] - startup[0])]
        ),
        findings=_one_sided(verdict.left.findings, verdict.right.findings),
        seeds=verdict.seeds,
    )


def relation_of(left: Fingerprint, right: Fingerprint) -> Verdict:
    """The strongest relation that holds.

    Seeds that only one side has, or in another version, are left out of account where without them the answer could be
    another; the environments are then at most `same files`.
    """
    relation, why = _plain_relation(left, right)
    if relation in ("drift", "unproven") and (seeds := _differing_seeds(left, right)):
        names = {seed.name for seed in seeds}
        sides = [without(side, [dist for dist in side.distributions if dist.name in names]) for side in (left, right)]
        relation, why = _plain_relation(*sides)
        if relation in ("identical", "same files"):
            layers = shared_layers_that_differ(*sides)
            also = f"; the {' and '.join(layers)} layer is not" if layers else ""
            relation, why = "same files", f"every installed file is equal, leaving out seeds ({_told(seeds)}){also}"
        return Verdict(relation, why, seeds, *sides)
    return Verdict(relation, why, (), left, right)


def shared_layers_that_differ(left: Fingerprint, right: Fingerprint) -> tuple[str, ...]:
    """The layers that both sides know, and that are not equal."""
    return tuple(layer for layer in differing_layers(left, right) if layer in left.layers and layer in right.layers)


def _differing_seeds(left: Fingerprint, right: Fingerprint) -> tuple[SeedDifference, ...]:
    """Distributions that are seeds wherever they are, and not the same on both sides, by name."""
    locked = locked_names(left) | locked_names(right)
    sides = [{dist.name: dist for dist in seeds_of(side, locked)} for side in (left, right)]
    ordinary = {
        dist.name for side, seeds in zip((left, right), sides, strict=True) for dist in side.distributions
        if dist.name not in seeds
    }  # fmt: skip
    pairs = ((name, sides[0].get(name), sides[1].get(name)) for name in sorted(sides[0].keys() | sides[1].keys()))
    return tuple(
        SeedDifference(name=name, left=one.version if one else None, right=other.version if other else None)
        for name, one, other in pairs
        if name not in ordinary and not _is_one(one, other)
    )


def _is_one(left: Distribution | None, right: Distribution | None) -> bool:
    return left is not None and right is not None and (left.version, left.files) == (right.version, right.files)


def _told(seeds: Iterable[SeedDifference]) -> str:
    return ", ".join(f"{seed.name} {' | '.join(v or 'none' for v in (seed.left, seed.right))}" for seed in seeds)


def _one_sided(left: Sequence[Finding], right: Sequence[Finding]) -> tuple[tuple[str, Finding], ...]:
    """The findings, notes aside, that only one side has."""
    sides = [{f for f in side if f.level != "note"} for side in (left, right)]
    return tuple(
        [("<", finding) for finding in sorted(sides[0] - sides[1])]
        + [(">", finding) for finding in sorted(sides[1] - sides[0])]
    )


def _plain_relation(left: Fingerprint, right: Fingerprint) -> tuple[str, str]:
    """The strongest relation that holds, and why in words; every distribution counts."""
    layers = shared_layers_that_differ(left, right)
    findings = [finding for _side, finding in _one_sided(left.findings, right.findings)]
    wrong = [finding for finding in findings if finding.level == "mismatch"]
    if wrong:
        return "drift", f"{wrong[0].path} {wrong[0].message}"
    equal_files = not {"set", "files", "startup", "project"} & set(layers)
    if unknown := [side for side in (left, right) if "interpreter" not in side.layers]:
        whose = "one side's interpreter isn't known" if len(unknown) == 1 else "neither side's interpreter is known"
        return "unproven", f"every installed file is equal, but {whose}" if equal_files else whose
    if findings:
        return "unproven", f"{findings[0].path} {findings[0].message}"
    if any(is_editable(side) for side in (left, right)) and ("project" in left.layers) != ("project" in right.layers):
        return "unproven", "the project is installed editable, and one side doesn't say what its files are"
    if not layers:
        return "identical", "every layer is equal"
    if layers == ("project",):
        return "drift", "the files of the project under test are not the same"
    if equal_files:
        return "same files", f"every installed file is equal; the {' and '.join(layers)} layer is not"
    if "set" in layers and _kind(left) == _kind(right):
        return "drift", "they do not hold the same distributions"
    if _kind(left) == _kind(right):
        return "drift", "the Python and the platform are the same, the files are not"
    return _across(left, right, file_differences(left, right))


def _kind(fingerprint: Fingerprint) -> tuple[str, str]:
    """The Python and platform that decide which wheels a lock prescribes."""
    return fingerprint.interpreter.get("version", ""), fingerprint.about.get("platform", "")


def _across(left: Fingerprint, right: Fingerprint, files: Sequence[FileDifference]) -> tuple[str, str]:
    """The relation of two environments of different Pythons or platforms, whose files may rightly differ."""
    same_wheels = _same_wheels(left, right)
    for difference in files:
        if difference.owner in same_wheels:
            return "drift", f"{difference.owner} is the same wheel on both sides, but {difference.path} differs"
        if not difference.owner:
            return "drift", f"{difference.path} belongs to no distribution"
    locks = {side.about.get("lock", "") for side in (left, right)}
    if len(locks) == 1 and "" not in locks and all(s.about.get("verdict") == "match" for s in (left, right)):
        return "same lock", "each side is exactly what one lock prescribes for its Python and platform"
    if "set" in differing_layers(left, right):
        return "unproven", "their distributions differ, and neither was proven against one lock"
    return "unproven", "they hold the same versions, but were not both proven against one lock"


def _same_wheels(left: Fingerprint, right: Fingerprint) -> set[str]:
    """The distributions that came from one and the same wheel, by their artifact or by their WHEEL file."""
    same = set()
    others = {(dist.name, dist.version): dist for dist in right.distributions}
    for dist in left.distributions:
        other = others.get((dist.name, dist.version))
        if other is None:
            continue
        if dist.artifact and other.artifact:
            equal = dist.artifact == other.artifact and dist.artifact[0].endswith(".whl")  # an sdist is no wheel yet
        else:
            wheels = [_wheel_file(left, dist), _wheel_file(right, other)]
            equal = wheels[0] is not None and wheels[0] == wheels[1]
        if equal:
            same.add(f"{dist.name} {dist.version}")
    return same


def _wheel_file(side: Fingerprint, dist: Distribution) -> FileFact | None:
    for root in dist.roots:
        if root.endswith(".dist-info/"):
            return side.files.get(f"{root}WHEEL")
    return None
