"""`lockproof compare`, and what keeps a fingerprint in a bundle."""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING

from lockproof.commands.output import print_json
from lockproof.errors import UnavailableError, UsageError
from lockproof.proof.bundle import Bundle, find_bundle, is_bundle
from lockproof.proof.fingerprint import finding_to_json
from lockproof.proof.groups import Grouping, likeness, survey
from lockproof.proof.relations import compare as compare_two
from lockproof.reading.contents import folder_contents, nothing
from lockproof.reading.targets import read_target
from lockproof.reporters.comparisons import comparison_text, survey_text
from lockproof.reporters.diffs import comparison_diffs, survey_diffs

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence

    from lockproof.project import Project
    from lockproof.proof.fingerprint import Fingerprint
    from lockproof.proof.groups import Survey
    from lockproof.proof.relations import Comparison
    from lockproof.reading.contents import Contents

_RELATION_EXIT = {"identical": 0, "same files": 0, "same lock": 0, "drift": 3, "unproven": 4}
_EACH = 20  # up to so many environments, JSON holds the first against each of the others
_IN_MEMORY = 24  # whole fingerprints, while groups are compared


def add_to_bundle(options: argparse.Namespace, project: Project, found: Fingerprint) -> None:
    """Keep a fingerprint in the bundle that is named, and say so."""
    name = options.name or PurePath(options.target).name.removesuffix(".json").rpartition(":")[2]
    Bundle(project.places.folder / options.bundle, options.bundle).add(name, found)
    sys.stdout.write(f"{options.bundle}:{name}  {found.digest}\n")


def compare(options: argparse.Namespace, project: Project) -> int:
    """`lockproof compare`: two targets against each other, or more by what they share."""
    if options.expect:
        from lockproof.commands.fanin import fan_in  # only where cells are expected

        return fan_in(options, project)
    if options.github_summary:
        remedy = "name the predictions with --expect, or leave --github-summary out"
        raise UsageError("--github-summary is for the cells of a matrix", remedy=remedy)
    members = Members(options.targets, project)
    if len(members.names) < 2:
        why, remedy = "", "name a second target, or a bundle that has several"
        if is_bundle(project.places.folder / options.targets[0]):
            why = f"the bundle {options.targets[0]} holds {'one' if members.names else 'none'}"
        elif (project.places.folder / options.targets[0] / "members").is_dir():
            why = f"{options.targets[0]} looks like a bundle, and has no bundle.json"
        raise UsageError("compare needs two targets or more", why=why, remedy=remedy)
    if len(members.names) == 2:
        left, right = members.names
        comparison = compare_two(members.read(left), members.read(right))
        if options.json:
            rows = [_comparison_to_json(left, right, comparison)]
            print_json({"schema": "lockproof/comparison/v1", "relation": comparison.relation, "comparisons": rows})
        else:
            sys.stdout.write(comparison_text(left, right, comparison, verbose=options.verbose))
            if not options.no_diff:
                contents = [contents_of(name, project) for name in members.names]
                sys.stdout.write(comparison_diffs(comparison, *contents))
        return _RELATION_EXIT[comparison.relation]
    grouping = Grouping()
    for name in members.names:
        grouping.add(name, members.read(name))
    found = survey(grouping.groups(), members.again)
    if options.json:
        print_json(_survey_to_json(found, _each(members) if len(members.names) <= _EACH else []))
    else:
        sys.stdout.write(survey_text(found, verbose=options.verbose))
        if not options.no_diff:
            sys.stdout.write(survey_diffs(found, lambda name: contents_of(name, project)))
    return _RELATION_EXIT[found.relation]


def contents_of(target: str, project: Project) -> Contents:
    """The contents of a target's files: only a folder has them."""
    folder = project.places.folder / target
    return folder_contents(folder) if folder.is_dir() else nothing


class Members:
    """The environments that targets stand for: a bundle stands for all of its members, any other for itself.

    Saved ones are read again whenever they are needed, so that many need no memory; others are read once.
    """

    def __init__(self, targets: Sequence[str], project: Project) -> None:
        """Only names are looked at; nothing is read yet."""
        self.project = project
        self.bundled: dict[str, tuple[Bundle, str]] = {}
        self.names: list[str] = []
        self.seen: dict[str, str] = {}
        self.held: dict[str, Fingerprint] = {}
        for target in targets:
            bundle, member = find_bundle(project.places.folder, target) or (None, "")
            if bundle is None or member:
                self.names.append(target)
                continue
            names = {f"{target}:{name}" if targets[1:] else name: name for name in bundle.names()}
            self.bundled |= {shown: (bundle, name) for shown, name in names.items()}
            self.names += names
        self.again = lru_cache(_IN_MEMORY)(self.read)

    def read(self, name: str) -> Fingerprint:
        """The fingerprint of one; UnavailableError where it has changed since it was read before."""
        if name in self.held:
            return self.held[name]
        if name in self.bundled:
            bundle, member = self.bundled[name]
            fingerprint = bundle.read(member)
        else:
            fingerprint = read_target(name, self.project)
            if not (self.project.places.folder / name).is_file():
                self.held[name] = fingerprint
        now = likeness(fingerprint)
        if self.seen.setdefault(name, now) != now:
            raise UnavailableError("this fingerprint changed while it was compared", where=name, remedy="compare again")
        return fingerprint


def _each(members: Members) -> Iterator[dict[str, object]]:
    first, *others = members.names
    for name in others:
        yield _comparison_to_json(first, name, compare_two(members.again(first), members.again(name)))


def _survey_to_json(found: Survey, comparisons: Iterable[dict[str, object]]) -> dict[str, object]:
    groups = []
    for placed in found.groups:
        group = placed.group
        nearest = None if placed.against is None else found.groups[placed.against].group.sample_name
        row: dict[str, object] = {
            "members": list(group.members),
            "layers": dict(group.sample.layers),
            "outlier": placed.outlier,
            "nearest": placed.against,
            "shares": list(placed.shares),
            "comparison": placed.comparison and _comparison_to_json(str(nearest), group.sample_name, placed.comparison),
        }
        groups.append(row)
    return {
        "schema": "lockproof/comparison/v1",
        "relation": found.relation,
        "why": found.why,
        "environments": found.size,
        "groups": groups,
        "comparisons": list(comparisons),
    }


def _comparison_to_json(left: str, right: str, comparison: Comparison) -> dict[str, object]:
    return {
        "left": left,
        "right": right,
        "relation": comparison.relation,
        "why": comparison.why,
        "layers": list(comparison.layers),
        "only_left": list(comparison.only_left),
        "only_right": list(comparison.only_right),
        "files": [
            {"path": d.path, "distribution": d.owner or None, "left": d.left and list(d.left),
             "right": d.right and list(d.right)}
            for d in comparison.files
        ],
        "interpreter": [{"fact": f, "left": left, "right": right} for f, left, right in comparison.interpreter],
        "startup": [{"side": side, "line": line.split("\0")} for side, line in comparison.startup],
        "findings": [{"side": side, **finding_to_json(finding)} for side, finding in comparison.findings],
        "seeds": [{"name": seed.name, "left": seed.left, "right": seed.right} for seed in comparison.seeds],
    }  # fmt: skip
