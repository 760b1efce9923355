"""A prediction and what is there, held against each other: match, mismatch or unproven, and by what."""

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
from lockproof.proof.pythonfacts import interpreter_findings, platform_differences, platform_findings
from lockproof.pythons.carried import PARTS, has_files_of
from lockproof.reading.leftout import held_to

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


def differing_layers(left: Fingerprint, right: Fingerprint) -> tuple[str, ...]:
    """The layers whose digests differ, in the order in which they are reported; one side's missing layer differs.

    A reported layer differs only in what both sides know of it.
    """
    differ = [layer for layer in LAYERS if left.layers.get(layer) != right.layers.get(layer)]
    return (*differ, *REPORTED) if platform_differences(left, right) else tuple(differ)


def attributed(predicted: Fingerprint, observed: Fingerprint) -> Fingerprint:
    """`observed` with the artifact of every distribution whose files are exactly those predicted from that artifact.

    An installed environment does not record which wheel it came from (PEP 710 is a draft); its bytes do. So the tree
    that the project's wheel was built from is known, too, where all wheels are. Likewise an interpreter that could only
    be read, with exactly the predicted one's files, is that one.
    """
    observed = _with_known_interpreter(predicted, observed)
    known = {(dist.name, dist.version, dist.files): dist.artifact for dist in predicted.distributions}
    distributions = tuple(
        replace(dist, artifact=known.get((dist.name, dist.version, dist.files))) for dist in observed.distributions
    )
    digest = artifacts_digest(distributions)
    layers = {**observed.layers, **({"artifacts": digest} if digest else {})}
    if "project" in predicted.layers and digest == predicted.layers.get("artifacts") and not is_editable(predicted):
        layers.setdefault("project", predicted.layers["project"])
    return replace(observed, distributions=distributions, layers=layers)


def _with_known_interpreter(predicted: Fingerprint, observed: Fingerprint) -> Fingerprint:
    known, facts = observed.interpreter, predicted.interpreter
    if "build" in known or "interpreter" not in predicted.layers or not facts.keys() >= set(PARTS) <= known.keys():
        return observed
    if not has_files_of(known, facts):
        return observed
    layers = {**observed.layers, "interpreter": predicted.layers["interpreter"]}
    return replace(observed, interpreter=facts, layers=layers, interpreter_files=predicted.interpreter_files)


def is_editable(fingerprint: Fingerprint) -> bool:
    """Whether it says that the project under test is installed editable."""
    return any(finding.code == EDITABLE for finding in fingerprint.findings)


def prove(predicted: Fingerprint, observed: Fingerprint) -> Proof:
    """Whether an environment is what was predicted. Match only where every layer of either side is equal in both."""
    observed = attributed(predicted, observed)
    excused = {(finding.code, finding.path) for finding in predicted.findings}
    findings = [
        finding._replace(level="mismatch") if finding.code == "owned-twice" else held_to(predicted, finding)
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
