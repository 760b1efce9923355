"""Two fingerprints held against each other: a prediction and what is there (`prove`), or two targets (`compare`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from lockproof.proof.closure import REQUIRES
from lockproof.proof.fingerprint import (
    EDITABLE,
    LAYERS,
    REPORTED,
    Distribution,
    FileFact,
    Finding,
    Fingerprint,
    artifacts_digest,
    describe,
)
from lockproof.proof.pythonfacts import interpreter_differences, interpreter_findings, platform_findings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


TOLD = frozenset((REQUIRES, EDITABLE, "project-untracked", "project-replaces"))
"""The codes of a prediction's notes that a proof tells too: they are about the cell, not about a wheel by itself."""


class FileDifference(NamedTuple):
    """One path that is not the same on both sides; None where it isn't there. `owner` is `name version` or ""."""

    path: str
    owner: str
    left: FileFact | None
    right: FileFact | None


class Tolerance(NamedTuple):
    """A difference that a policy's `rule` ("seeds: pip", "interpreter: build") let pass, at a path and in words."""

    rule: str
    path: str
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """What holding an environment against its prediction showed. `verdict`: match, mismatch or unproven.

    `tolerated` is what a policy let pass, and `excused` the layers in which nothing else differs.
    """

    verdict: str
    predicted: Fingerprint
    observed: Fingerprint
    findings: tuple[Finding, ...]
    tolerated: tuple[Tolerance, ...] = ()
    excused: tuple[str, ...] = ()

    @property
    def layer(self) -> str:
        """The first layer that differs, those that both sides have before the others; empty where none does."""
        differ = [layer for layer in differing_layers(self.predicted, self.observed) if layer not in self.excused]
        both = self.predicted.layers.keys() & self.observed.layers.keys()
        return next((layer for layer in differ if layer in both), next(iter(differ), ""))


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


def differing_layers(left: Fingerprint, right: Fingerprint) -> tuple[str, ...]:
    """The layers whose digests differ, in the order in which they are reported; one side's missing layer differs.

    A reported layer differs only where both sides know it.
    """
    known = [layer for layer in REPORTED if layer in left.layers and layer in right.layers]
    return tuple(layer for layer in (*LAYERS, *known) if left.layers.get(layer) != right.layers.get(layer))


def attributed(predicted: Fingerprint, observed: Fingerprint) -> Fingerprint:
    """`observed` with the artifact of every distribution whose files are exactly those predicted from that artifact.

    An installed environment does not record which wheel it came from (PEP 710 is a draft); its bytes do. So the tree
    that the project's wheel was built from is known, too, where all wheels are.
    """
    known = {(dist.name, dist.version, dist.files): dist.artifact for dist in predicted.distributions}
    distributions = tuple(
        replace(dist, artifact=known.get((dist.name, dist.version, dist.files))) for dist in observed.distributions
    )
    digest = artifacts_digest(distributions)
    layers = {**observed.layers, **({"artifacts": digest} if digest else {})}
    if "project" in predicted.layers and digest == predicted.layers.get("artifacts") and not is_editable(predicted):
        layers.setdefault("project", predicted.layers["project"])
    return replace(observed, distributions=distributions, layers=layers)


def is_editable(fingerprint: Fingerprint) -> bool:
    """Whether it says that the project under test is installed editable."""
    return any(finding.code == EDITABLE for finding in fingerprint.findings)


def prove(predicted: Fingerprint, observed: Fingerprint) -> Proof:
    """Whether an environment is what was predicted. Match only where every layer of either side is equal in both."""
    observed = attributed(predicted, observed)
    excused = {(finding.code, finding.path) for finding in predicted.findings}
    findings = [
        finding._replace(level="mismatch") if finding.code == "owned-twice" else finding
        for finding in observed.findings
        if (finding.code, finding.path) not in excused
    ]
    findings += _claims(predicted, observed)
    named = {finding.path for finding in findings if finding.level == "mismatch"}
    findings += [
        _finding(difference)
        for difference in file_differences(predicted, observed)
        if difference.left is not None or difference.path not in named
    ]
    findings += _set_findings(predicted, observed)
    findings += _startup_findings(predicted, observed)
    findings += interpreter_findings(predicted, observed)
    findings += platform_findings(predicted, observed)
    differ = differing_layers(predicted, observed)
    # A layer that nobody could observe is unproven, not different, as long as all others are equal.
    missing = {layer for layer in differ if layer not in observed.layers or layer not in predicted.layers}
    findings += [
        Finding("layer-unknown", "", f"nothing says what the {layer} layer should be", "unproven")
        for layer in sorted(missing - {"artifacts"} - predicted.layers.keys())
    ]
    if "project" in missing & predicted.layers.keys():
        text = "nothing says what the project's files were, which are not in the environment"
        findings.append(Finding("layer-unknown", "", text, "unproven"))
    told = [finding for finding in predicted.findings if finding.level != "note" or finding.code in TOLD]
    levels = {finding.level for finding in findings} | {"unproven" for finding in told if finding.level == "unproven"}
    if set(differ) - missing or "mismatch" in levels:
        verdict = "mismatch"
    elif missing or "unproven" in levels:
        verdict = "unproven"
    else:
        verdict = "match"
    return Proof(verdict=verdict, predicted=predicted, observed=observed, findings=tuple(findings + told))


def _claims(predicted: Fingerprint, observed: Fingerprint) -> list[Finding]:
    """Files that one distribution's RECORD lists and that another one brings."""
    expected = {dist.name: set(dist.roots) for dist in predicted.distributions}
    owner_of = _owners(predicted.distributions)
    findings = []
    for dist in observed.distributions:
        for path in sorted(set(dist.roots) - expected.get(dist.name, set())):
            owner = owner_of(path.removesuffix("/"))
            if owner and owner != f"{dist.name} {dist.version}":
                findings.append(Finding("claimed", path, f"is in the RECORD of {dist.name}, and comes with {owner}"))
    return findings


def file_differences(left: Fingerprint, right: Fingerprint) -> tuple[FileDifference, ...]:
    """Every path whose fact differs, sorted, with the distribution it belongs to."""
    if left.layers["files"] == right.layers["files"]:
        return ()
    owner_of = _owners(left.distributions, right.distributions)
    changed = {path for path, _ in left.files.items() ^ right.files.items()}
    return tuple(
        FileDifference(path, owner_of(path), left.files.get(path), right.files.get(path)) for path in sorted(changed)
    )


class _Owners:
    """Finds the distribution to which a path belongs, by the roots of both sides."""

    def __init__(self, roots: Mapping[str, str]) -> None:
        self.roots = roots

    def __call__(self, path: str) -> str:
        if path in self.roots:
            return self.roots[path]
        folder = path.rpartition("/")[0]
        while folder:
            if f"{folder}/" in self.roots:
                return self.roots[f"{folder}/"]
            folder = folder.rpartition("/")[0]
        return ""


def _owners(*sides: Iterable[Distribution]) -> _Owners:
    roots: dict[str, str] = {}
    for side in sides:
        for dist in side:
            for root in dist.roots:
                roots.setdefault(root, f"{dist.name} {dist.version}")
    return _Owners(roots)


def _finding(difference: FileDifference) -> Finding:
    owner = difference.owner or "no distribution"
    if difference.left is None:
        return Finding("file-added", difference.path, f"{owner}: a file that the lock does not put there")
    if difference.right is None:
        return Finding("file-missing", difference.path, f"{owner}: the file is gone")
    text = f"{owner}: expected {describe(difference.left)}, found {describe(difference.right)}"
    return Finding("file-changed", difference.path, text)


def _set_findings(predicted: Fingerprint, observed: Fingerprint) -> list[Finding]:
    expected = {dist.name: dist.version for dist in predicted.distributions}
    found = {dist.name: dist.version for dist in observed.distributions}
    words = {None: "no such distribution", "": "one without a version"}
    findings = []
    for name in sorted(expected.keys() | found.keys()):
        left, right = expected.get(name), found.get(name)
        if left == right:
            continue
        text = f"expected {words.get(left, left)}, found {words.get(right, right)}"
        findings.append(Finding("distribution", name, f"{name}: {text}"))
    return findings


def _startup_findings(predicted: Fingerprint, observed: Fingerprint) -> list[Finding]:
    """What starts with Python and should not, or no longer does; a file already named elsewhere is named here too."""
    added, gone = set(observed.startup) - set(predicted.startup), set(predicted.startup) - set(observed.startup)
    findings = []
    for words, lines in (("runs at start", added), ("no longer runs at start", gone)):
        split = [line.split("\0", 2) for line in sorted(lines)]
        told = {path for path, kind, _ in split if kind != "sha256"}  # each line says more than the file's digest
        for path, kind, text in split:
            if kind != "sha256" or path not in told:
                findings.append(Finding("startup", path, f"{words} ({kind}): {text}"))
    return findings


def compare(left: Fingerprint, right: Fingerprint) -> Comparison:
    """How two environments differ, and what it means (see `Comparison`)."""
    layers = tuple(layer for layer in differing_layers(left, right) if layer in left.layers and layer in right.layers)
    files = file_differences(left, right)
    findings = _one_sided(left.findings, right.findings)
    relation, why = _relation(left, right, layers, files, findings)
    pins = [{f"{dist.name}=={dist.version}" for dist in side.distributions} for side in (left, right)]
    startup = [set(side.startup) for side in (left, right)]
    return Comparison(
        relation=relation,
        why=why,
        layers=layers,
        only_left=tuple(sorted(pins[0] - pins[1])),
        only_right=tuple(sorted(pins[1] - pins[0])),
        files=files,
        interpreter=tuple(interpreter_differences(left, right)),
        startup=tuple(
            [("<", line) for line in sorted(startup[0] - startup[1])]
            + [(">", line) for line in sorted(startup[1] - startup[0])]
        ),
        findings=findings,
    )


def _one_sided(left: Sequence[Finding], right: Sequence[Finding]) -> tuple[tuple[str, Finding], ...]:
    """The findings, notes aside, that only one side has."""
    sides = [{f for f in side if f.level != "note"} for side in (left, right)]
    return tuple(
        [("<", finding) for finding in sorted(sides[0] - sides[1])]
        + [(">", finding) for finding in sorted(sides[1] - sides[0])]
    )


def _relation(
    left: Fingerprint,
    right: Fingerprint,
    layers: Sequence[str],
    files: Sequence[FileDifference],
    findings: Sequence[tuple[str, Finding]],
) -> tuple[str, str]:
    """The strongest relation that holds, and why in words."""
    wrong = [finding for _, finding in findings if finding.level == "mismatch"]
    if wrong:
        return "drift", f"{wrong[0].path} {wrong[0].message}"
    if findings:
        return "unproven", f"{findings[0][1].path} {findings[0][1].message}"
    if "interpreter" not in left.layers or "interpreter" not in right.layers:
        return "unproven", "one side's interpreter isn't known"
    if any(is_editable(side) for side in (left, right)) and ("project" in left.layers) != ("project" in right.layers):
        return "unproven", "the project is installed editable, and one side doesn't say what its files are"
    if not layers:
        return "identical", "every layer is equal"
    if tuple(layers) == ("project",):
        return "drift", "the files of the project under test are not the same"
    if not {"set", "files", "startup", "project"} & set(layers):
        return "same files", f"every installed file is equal; the {' and '.join(layers)} layer is not"
    if "set" in layers and _kind(left) == _kind(right):
        return "drift", "they do not hold the same distributions"
    if _kind(left) == _kind(right):
        return "drift", "the Python and the platform are the same, the files are not"
    return _across(left, right, files)


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
