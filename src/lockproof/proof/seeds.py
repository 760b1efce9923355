"""Seeds: what makers of environments put in by themselves (ensurepip, virtualenv, images of Python), beside any lock.

A seed is told by its name, and only where all of it is in order: every file below its roots is its own by RECORD and
true to it, and lies where that project puts files. So a RECORD that claims anything else makes no seed.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from lockproof.proof.fingerprint import artifacts_digest, files_digest, set_digest, startup_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from lockproof.proof.fingerprint import Distribution, Finding, Fingerprint

_SETUPTOOLS = (
    r"site/(setuptools|pkg_resources|_distutils_hack|_markerlib)/"
    r"|site/(easy_install\.py|distutils-precedence\.pth)"
    r"|scripts/easy_install(-\d+\.\d+)?(\.exe)?"
)
# Where each puts its files, beside its own dist-info folder and virtualenv's mark of it.
_PLACES = {
    "pip": re.compile(r"site/pip/|scripts/pip(-?\d+(\.\d+)*)?(-\d+\.\d+)?(\.exe)?"),
    "setuptools": re.compile(_SETUPTOOLS),
    "distribute": re.compile(_SETUPTOOLS),
    "wheel": re.compile(r"site/wheel/|scripts/wheel(-?\d+(\.\d+)*)?(\.exe)?"),
}
SEEDS = frozenset(_PLACES)
"""The canonical names of what counts as a seed, unless a lock asks for it."""


def locked_names(fingerprint: Fingerprint) -> frozenset[str]:
    """The names that a lock asks for, as far as a fingerprint says: all of them where it was proven to match one.

    Elsewhere those whose artifact is known, as in a prediction.
    """
    proven = fingerprint.about.get("verdict") == "match"
    return frozenset(dist.name for dist in fingerprint.distributions if proven or dist.artifact is not None)


def seeds_of(fingerprint: Fingerprint, locked: Collection[str] = ()) -> tuple[Distribution, ...]:
    """The distributions that are seeds there; `locked` has the names that a lock asks for, which are none."""
    named = [dist for dist in fingerprint.distributions if dist.name in SEEDS and dist.name not in locked]
    if not named:
        return ()
    shared = _shared_roots(fingerprint)
    return tuple(dist for dist in named if shared.isdisjoint(dist.roots) and _is_in_order(fingerprint, dist))


def without(fingerprint: Fingerprint, seeds: Iterable[Distribution]) -> Fingerprint:
    """The same without these distributions: their files, startup lines, findings and notes; layers are made anew."""
    gone = tuple(seeds)
    if not gone:
        return fingerprint
    roots = [root for dist in gone for root in dist.roots]
    names = {dist.name for dist in gone}
    distributions = tuple(dist for dist in fingerprint.distributions if dist.name not in names)
    files = {path: fact for path, fact in fingerprint.files.items() if not is_below(path, roots)}
    startup = tuple(line for line in fingerprint.startup if not is_below(line.partition("\0")[0], roots))
    layers = {
        **fingerprint.layers,
        "set": set_digest((dist.name, dist.version) for dist in distributions),
        "files": files_digest(files),
        "startup": startup_digest(startup),
    }
    if artifacts := artifacts_digest(distributions) if "artifacts" in layers else None:
        layers["artifacts"] = artifacts
    return replace(
        fingerprint,
        layers=layers,
        distributions=distributions,
        files=files,
        startup=startup,
        findings=tuple(finding for finding in fingerprint.findings if not is_below(finding.path, roots)),
    )


def is_below(path: str, roots: Iterable[str]) -> bool:
    """Whether one of the roots (files, and folders with `/` at their end) is the path or has it inside."""
    return any(path == root or (root.endswith("/") and path.startswith(root)) for root in roots)


def _is_in_order(fingerprint: Fingerprint, dist: Distribution) -> bool:
    folder = f"site/{dist.name}-{dist.version}"
    places = (f"{folder}.dist-info/", f"{folder}.virtualenv")
    if places[0] not in dist.roots:
        return False
    if not all(root in places or _PLACES[dist.name].fullmatch(root) for root in dist.roots):
        return False
    if any(_counts(finding) and is_below(finding.path, dist.roots) for finding in fingerprint.findings):
        return False
    files = {path: fact for path, fact in fingerprint.files.items() if is_below(path, dist.roots)}
    return files_digest(files) == dist.files


def _counts(finding: Finding) -> bool:
    """Whether something is wrong; that virtualenv lists folders of bytecode in its seeds' RECORD is not."""
    harmless = finding.code == "record-ghost" and finding.path.endswith("/__pycache__")
    return finding.level != "note" and not harmless


def _shared_roots(fingerprint: Fingerprint) -> set[str]:
    """The roots that more than one distribution has: paths that several RECORDs list."""
    seen: set[str] = set()
    shared: set[str] = set()
    for dist in fingerprint.distributions:
        for root in dist.roots:
            (shared if root in seen else seen).add(root)
    return shared
