"""Does a set of distributions hold all that its own metadata requires? What `pip check` would say, without running it.

Core metadata: Requires-Dist, Requires-Python and Provides-Extra, with the marker variables of the cell. An extra is
active where an active requirement of another distribution of the set asks for it; which extras the lock itself was
made with isn't known, and they are not held against it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from lockproof.proof.fingerprint import Finding
from lockproof.pythons.layout import canonical_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from packaging.requirements import Requirement

    from lockproof.wheels.manifest import Manifest

REQUIRES = "requires"
"""The code of findings that name something required and not there."""
_BODY = re.compile(rb"\r?\n\r?\n")  # what follows the first empty line is the description


@dataclass(frozen=True, kw_only=True, slots=True)
class Needs:
    """What one distribution's metadata asks for: `requires` and `requires_python` as written, `extras` normalised.

    `path` is the logical path of the METADATA file; `name` is normalised.
    """

    name: str
    version: str
    path: str
    requires: tuple[str, ...] = ()
    requires_python: str = ""
    extras: frozenset[str] = frozenset()


def metadata_path(manifest: Manifest) -> str:
    """The logical path of a wheel's METADATA."""
    return f"site/{manifest.dist_info}/METADATA"


def read_needs(metadata: bytes, manifest: Manifest) -> Needs:
    """What the METADATA of a wheel says; fields that can't be read count as absent."""
    from packaging.metadata import parse_email  # late: packaging takes 80 ms

    raw, _unparsed = parse_email(_BODY.split(metadata, 1)[0])
    return Needs(
        name=manifest.name,
        version=manifest.version,
        path=metadata_path(manifest),
        requires=tuple(raw.get("requires_dist", ())),
        requires_python=raw.get("requires_python", ""),
        extras=frozenset(map(canonical_name, raw.get("provides_extra", ()))),
    )


def check_closure(
    distributions: Iterable[Needs], environment: Mapping[str, str], asked: Iterable[tuple[str, str]] = ()
) -> tuple[Finding, ...]:
    """Everything that distributions require and the set does not hold, as notes, sorted.

    `environment` has the marker variables of PEP 508; `asked` are extras known to be wanted, as (name, extra).
    Pre-releases count as any other version: they were locked.
    """
    return tuple(sorted(_Closure(distributions, environment, asked).findings()))


def reached(requirements: Iterable[str], distributions: Iterable[Needs], environment: Mapping[str, str]) -> set[str]:
    """The names of those distributions that some requirements, and what they require in turn, come to."""
    root = Needs(name="", version="", path="", requires=tuple(requirements))
    active = _Closure([*distributions, root], environment).active()
    found, pending = {""}, [""]
    while pending:
        for requirement in active[pending.pop()]:
            name = canonical_name(requirement.name)
            if name in active and name not in found:
                found.add(name)
                pending.append(name)
    return found - {""}


@cache
def _requirement(text: str) -> Requirement:
    """A requirement, parsed once for all cells; nobody changes it."""
    from packaging.requirements import Requirement  # late, as above

    return Requirement(text)


class _Closure:
    """One set in one environment, its requirements parsed once."""

    def __init__(
        self, distributions: Iterable[Needs], environment: Mapping[str, str], asked: Iterable[tuple[str, str]] = ()
    ) -> None:
        self._environment = environment
        self._asked = {(canonical_name(name), canonical_name(extra)) for name, extra in asked}
        self._by_name = {needs.name: needs for needs in distributions}
        self._unreadable: list[Finding] = []
        self._requirements = {needs.name: list(self._parsed(needs)) for needs in self._by_name.values()}

    def _parsed(self, needs: Needs) -> Iterator[Requirement]:
        from packaging.markers import UndefinedComparison, UndefinedEnvironmentName  # late, as above
        from packaging.requirements import InvalidRequirement

        for text in needs.requires:
            try:
                requirement = _requirement(text)
                self._applies(requirement, "")
            except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName):
                message = f"{needs.name} {needs.version} has a requirement that can't be read: {text}"
                self._unreadable.append(Finding("requires-unreadable", needs.path, message, "note"))
            else:
                yield requirement

    def _applies(self, requirement: Requirement, extra: str) -> bool:
        return requirement.marker is None or requirement.marker.evaluate({**self._environment, "extra": extra})

    def active(self) -> dict[str, dict[Requirement, None]]:
        """The requirements of each distribution that hold, with the extras that they ask of each other."""
        active: dict[str, dict[Requirement, None]] = {name: {} for name in self._by_name}
        asked = {(name, "") for name in self._by_name} | {pair for pair in self._asked if pair[0] in self._by_name}
        pending = sorted(asked)
        while pending:
            name, extra = pending.pop()
            for requirement in self._requirements[name]:
                if requirement in active[name] or not self._applies(requirement, extra):
                    continue
                active[name][requirement] = None
                target = canonical_name(requirement.name)
                for further in map(canonical_name, requirement.extras):
                    if target in self._by_name and (target, further) not in asked:
                        asked.add((target, further))
                        pending.append((target, further))
        return active

    def findings(self) -> Iterator[Finding]:
        yield from self._unreadable
        for name, requirements in self.active().items():
            needs = self._by_name[name]
            for requirement in requirements:
                for code, problem in self._problems(requirement):
                    yield Finding(code, needs.path, f"{name} {needs.version} requires {problem}", "note")
            if problem := self._python_problem(needs):
                yield Finding(REQUIRES, needs.path, f"{name} {needs.version} requires {problem}", "note")

    def _problems(self, requirement: Requirement) -> Iterator[tuple[str, str]]:
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        wanted = f"{canonical_name(requirement.name)}{extras}{requirement.specifier}"
        found = self._by_name.get(canonical_name(requirement.name))
        if found is None:
            yield REQUIRES, f"{wanted}, which is not there"
            return
        if not requirement.specifier.contains(found.version, prereleases=True):
            yield REQUIRES, f"{wanted}, and {found.name} {found.version} is there"
        unknown = sorted(set(map(canonical_name, requirement.extras)) - found.extras)
        if unknown:
            named = ", ".join(unknown)
            yield "requires-extra", f"{wanted}, and {found.name} {found.version} has no extra {named}"

    def _python_problem(self, needs: Needs) -> str:
        from packaging.specifiers import InvalidSpecifier, SpecifierSet  # late, as above

        python = self._environment["python_full_version"]
        try:
            fits = SpecifierSet(needs.requires_python).contains(python, prereleases=True)
        except InvalidSpecifier:
            return ""  # pip, too, takes it as saying nothing
        return "" if fits else f"Python {needs.requires_python}, and this is {python}"


def closure_notes(cells: Sequence[tuple[str, Iterable[Finding]]]) -> list[str]:
    """What is required and not there, in words, each once, with the ids of the cells in which it isn't."""
    where: dict[str, list[str]] = {}
    for cell, findings in cells:
        for finding in findings:
            if finding.code == REQUIRES:
                where.setdefault(finding.message, []).append(cell)
    return [f"{message} ({', '.join(ids)})" for message, ids in where.items()]
