"""Many environments at once: those that are identical form a group, and each group is held against its nearest one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lockproof.digests import digest_of_lines
from lockproof.proof.fingerprint import LAYERS, REPORTED
from lockproof.proof.relations import RELATIONS, compare, relation_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lockproof.proof.fingerprint import Distribution, Fingerprint
    from lockproof.proof.relations import Comparison

_ALL = (*LAYERS, *REPORTED)
_RARE = 20  # a group of less than one in so many environments is an outlier
_NEAR = 50  # where no two are identical: so many groups are looked at to find the nearest


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Environments that are identical: all layers are equal, and so is what was found wrong.

    `members` are their names, in the order given. `sample` is the first of them, without its files; where one of them
    was proven to match a lock, it is the first such one.
    """

    members: tuple[str, ...]
    sample_name: str
    sample: Fingerprint


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """A group among the others. `against` is the index of the group that it is nearest to, None for the first."""

    group: Group
    outlier: bool
    against: int | None
    comparison: Comparison | None  # the sample of `against` is the left side
    shares: tuple[str, ...]  # layers that are equal in both


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """What n environments are to each other: the weakest relation that was found, why, and the groups in order."""

    relation: str
    why: str
    groups: tuple[Placed, ...]

    @property
    def size(self) -> int:
        """How many environments there are."""
        return sum(len(placed.group.members) for placed in self.groups)


class Grouping:
    """Collects environments one by one; of each group only one sample is kept, and no file of it."""

    def __init__(self) -> None:
        """Nothing is in it."""
        self._members: dict[str, list[str]] = {}
        self._samples: dict[str, tuple[str, Fingerprint]] = {}
        self._distributions: dict[Distribution, Distribution] = {}

    def add(self, name: str, fingerprint: Fingerprint) -> None:
        """Take one more environment; `name` is what it is called by."""
        key = likeness(fingerprint)
        self._members.setdefault(key, []).append(name)
        known = self._samples.get(key)
        if known is None or (not _is_proven(known[1]) and _is_proven(fingerprint)):
            self._samples[key] = (name, self._without_files(fingerprint))

    def groups(self) -> tuple[Group, ...]:
        """The groups so far, the largest first; of equal ones those with nothing wrong, then as they were given."""
        found = [
            Group(members=tuple(members), sample_name=self._samples[key][0], sample=self._samples[key][1])
            for key, members in self._members.items()
        ]
        return tuple(sorted(found, key=lambda group: (-len(group.members), _is_wrong(group.sample))))

    def _without_files(self, fingerprint: Fingerprint) -> Fingerprint:
        """Only what a group is told by; distributions that are equal are one and the same value."""
        kept = tuple(self._distributions.setdefault(dist, dist) for dist in fingerprint.distributions)
        return replace(fingerprint, files={}, interpreter_files={}, distributions=kept)


def likeness(fingerprint: Fingerprint) -> str:
    """A digest that two environments share if nothing but notes tells them apart."""
    layers = (f"{layer}\0{fingerprint.layers[layer]}" for layer in _ALL if layer in fingerprint.layers)
    findings = ("\0".join(finding) for finding in sorted(set(fingerprint.findings)) if finding.level != "note")
    lines = (line.encode("utf-8", "surrogateescape") for part in (layers, findings) for line in part)
    return digest_of_lines("lockproof likeness 1", lines)


def survey(groups: Sequence[Group], read: Callable[[str], Fingerprint]) -> Survey:
    """Place every group, in the order of `Grouping.groups`: each is held against the main group nearest to it.

    Main groups are those of two environments or more that have at least one in twenty of all, and the largest one; the
    others are outliers. Where no two are identical there are none, and each is held against the nearest before it.
    `read` gives the fingerprint of a member, with its files, by its name; it is asked for samples only.
    """
    total = sum(len(group.members) for group in groups)
    alike = any(len(group.members) > 1 for group in groups)
    candidates: list[int] = []
    placed: list[Placed] = []
    weakest = ("identical", "every layer is equal in all of them")
    for index, group in enumerate(groups):
        outlier = alike and index > 0 and (len(group.members) < 2 or len(group.members) * _RARE < total)
        against = _nearest(group, groups, candidates) if candidates else None
        if not outlier and (alike or index < _NEAR):
            candidates.append(index)
        fingerprint = read(group.sample_name)
        if len(group.members) > 1:
            verdict = relation_of(fingerprint, fingerprint)
            weakest = _weaker(weakest, verdict.relation, f"{group.sample_name}: {verdict.why}")
        if against is None:
            placed.append(Placed(group=group, outlier=outlier, against=None, comparison=None, shares=()))
            continue
        nearest = groups[against]
        comparison = compare(read(nearest.sample_name), fingerprint)
        told = f"{nearest.sample_name} and {group.sample_name}: {comparison.why}"
        weakest = _weaker(weakest, comparison.relation, told)
        shares = _shared(nearest.sample.layers, group.sample.layers)
        placed.append(Placed(group=group, outlier=outlier, against=against, comparison=comparison, shares=shares))
    return Survey(relation=weakest[0], why=weakest[1], groups=tuple(placed))


def _weaker(known: tuple[str, str], relation: str, why: str) -> tuple[str, str]:
    return (relation, why) if RELATIONS.index(relation) < RELATIONS.index(known[0]) else known


def _nearest(group: Group, groups: Sequence[Group], candidates: Sequence[int]) -> int:
    """The one of `candidates` with which it has the most in common: distributions first, then layers."""
    mine = _pinned(group.sample)

    def distance(index: int) -> tuple[int, int]:
        sample = groups[index].sample
        return _apart(mine, _pinned(sample)), -len(_shared(sample.layers, group.sample.layers))

    return min(candidates, key=distance)


def _pinned(fingerprint: Fingerprint) -> frozenset[tuple[str, str, str]]:
    return frozenset((dist.name, dist.version, dist.files) for dist in fingerprint.distributions)


def _apart(left: frozenset[tuple[str, str, str]], right: frozenset[tuple[str, str, str]]) -> int:
    """How far sets of distributions are apart: 1 for one with other files, 2 in another version, 3 on one side only."""
    pins = [{name: version for name, version, _ in side} for side in (left - right, right - left)]
    both = pins[0].keys() & pins[1].keys()
    return 3 * len(pins[0].keys() ^ pins[1].keys()) + sum(1 if pins[0][n] == pins[1][n] else 2 for n in both)


def _shared(left: Mapping[str, str], right: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(layer for layer in _ALL if layer in left and left[layer] == right.get(layer))


def _is_proven(fingerprint: Fingerprint) -> bool:
    return fingerprint.about.get("verdict") == "match"


def _is_wrong(fingerprint: Fingerprint) -> bool:
    return any(finding.level != "note" for finding in fingerprint.findings)
