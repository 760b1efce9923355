"""Comparisons as plain text: the answer in one sentence first, then by layer, distribution and file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockproof.proof.fingerprint import describe
from lockproof.reporters.text import folded, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lockproof.proof.compare import FileDifference
    from lockproof.proof.fingerprint import FileFact
    from lockproof.proof.groups import Placed, Survey
    from lockproof.proof.relations import Comparison

_SHOWN = 20  # files a list shows before it says how many more there are
_FEW = 5  # the same where many environments are told of
_MORE = "(--verbose shows all, --json too)"


def comparison_text(left: str, right: str, comparison: Comparison, *, verbose: bool) -> str:
    """How two environments differ: a sentence, then by layer, distribution and file."""
    lines = [f"{comparison.relation}: {left} and {right}: {comparison.why}"]
    if comparison.layers:
        lines.append(f"  layers that differ: {', '.join(comparison.layers)}")
    every = _difference_lines(comparison, verbose=True)
    told = every if verbose else _difference_lines(comparison, verbose=False)
    return _written([*lines, *told, *([] if told == every else [f"  {_MORE}"])])


def _difference_lines(comparison: Comparison, *, verbose: bool) -> list[str]:
    limit = None if verbose else _SHOWN
    lines = []
    for side, pins in (("<", comparison.only_left), (">", comparison.only_right)):
        lines += _limited([f"  {side} {pin}" for pin in pins], limit)
    lines += _seed_lines(comparison)
    lines += _by_distribution(_of_interest(comparison), verbose=verbose)
    starts = [f"  {side} at start: {' '.join(line.split(chr(0)))}" for side, line in comparison.startup]
    lines += _limited(starts, limit)
    lines += _interpreter_lines(comparison.interpreter, verbose=verbose)
    for side in ("<", ">"):
        findings = [finding for whose, finding in comparison.findings if whose == side]
        told = findings if verbose else folded(findings)
        lines += _limited([f"  {side} {finding.path}: {finding.message}" for finding in told], limit)
    return lines


def _interpreter_lines(facts: Sequence[tuple[str, str, str]], *, verbose: bool) -> list[str]:
    """The facts that differ; one line where one side has none of many."""
    known = {"<" if a else ">" for _fact, a, b in facts if not (a and b)}
    if not verbose and len(facts) > _FEW and len(known) == 1 and not any(a and b for _fact, a, b in facts):
        return [f"  interpreter: {len(facts)} facts, known of {known.pop()} only"]
    return [f"  interpreter {fact}: {a or '-'} | {b or '-'}" for fact, a, b in facts]


def _seed_lines(comparison: Comparison) -> list[str]:
    return [
        f"  seed {seed.name}: {seed.left or '-'} | {seed.right or '-'} (left out of account, files not listed)"
        for seed in comparison.seeds
    ]


def _of_interest(comparison: Comparison) -> list[FileDifference]:
    """The files that differ, without those of seeds."""
    seeds = {f"{seed.name} {version}" for seed in comparison.seeds for version in (seed.left, seed.right) if version}
    return [difference for difference in comparison.files if difference.owner not in seeds]


def _by_distribution(files: Sequence[FileDifference], *, verbose: bool) -> list[str]:
    """The files that differ, under the distribution that they belong to; few of each where there are many."""
    lines = []
    owned = _owned(files)
    each = len(files) if verbose else _SHOWN if len(owned) <= _FEW else _FEW
    for owner, differences in owned if verbose else owned[:_SHOWN]:
        lines.append(f"  {owner}: {_count(len(differences), 'file')}")
        shown = differences[:each]
        for path, _owner, left, right in shown:
            if left is None or right is None:
                lines.append(f"    {'<' if right is None else '>'} {path}")
            else:
                lines.append(f"    {path}: {describe(left)} | {describe(right)}")
        if len(differences) > len(shown):
            lines.append(f"    … and {len(differences) - len(shown)} more")
    if not verbose and len(owned) > _SHOWN:
        lines.append(f"  … and files of {len(owned) - _SHOWN} more distributions")
    return lines


def survey_text(survey: Survey, *, verbose: bool) -> str:
    """What many environments are to each other: a sentence, then the groups, then what each outlier differs in."""
    told = _count(survey.size, "environment")
    if len(survey.groups) == survey.size:
        told = f"{told}, no two identical"
    elif len(survey.groups) > 1:
        told = f"{told} in {len(survey.groups)} groups"
    lines = [f"{survey.relation}: {told}: {survey.why}"]
    for outlier in (False, True):
        groups = [(number, placed) for number, placed in enumerate(survey.groups, 1) if placed.outlier is outlier]
        if outlier and groups:
            alone = sum(len(placed.group.members) for _, placed in groups)
            lines.append(f"outliers: {_count(alone, 'environment')}")
        shown = groups if verbose else groups[:_SHOWN]
        for number, placed in shown:
            lines += _group_lines(number, placed, survey, verbose=verbose)
        if len(groups) > len(shown):
            lines.append(f"  … and {_count(len(groups) - len(shown), 'more group')} {_MORE}")
    return _written(lines)


def _group_lines(number: int, placed: Placed, survey: Survey, *, verbose: bool) -> list[str]:
    members = placed.group.members
    named = ", ".join(members if verbose else members[:3])
    more = f" … and {len(members) - 3} more" if len(members) > 3 and not verbose else ""
    size = "" if len(members) == 1 else f"{_count(len(members), 'environment')}: "
    lines = [f"  group {number}: {size}{named}{more}"]
    if placed.comparison is None or placed.against is None:
        return lines
    found = placed.comparison
    nearest = survey.groups[placed.against].group.sample_name
    lines.append(f"    {found.relation} against group {placed.against + 1} ({nearest}): {found.why}")
    words = [f"differs in: {', '.join(found.layers)}"] if found.layers else []
    words += [f"shares: {', '.join(placed.shares)}"] if placed.shares else []
    lines.append(f"    {'; '.join(words)}")
    return lines + [f"  {line}" for line in _short_lines(found, None if verbose else _FEW)]


def _short_lines(comparison: Comparison, limit: int | None) -> list[str]:
    """The differences, `limit` of each kind, in short: of distributions in other versions no files are listed."""
    seeds = {seed.name for seed in comparison.seeds}
    pins = [dict(pin.split("==", 1) for pin in side) for side in (comparison.only_left, comparison.only_right)]
    others = {name: tuple(side.get(name) for side in pins) for name in sorted(pins[0].keys() | pins[1].keys())}
    lines = [f"  seed {seed.name}: {seed.left or '-'} | {seed.right or '-'}" for seed in comparison.seeds]
    lines += _limited([f"  {n}: {a or '-'} | {b or '-'}" for n, (a, b) in others.items() if n not in seeds], limit)
    rest = [difference for difference in comparison.files if difference.owner.split(" ")[0] not in others]
    owned = _owned(rest)
    for owner, differences in owned[:limit]:
        lines.append(f"  {owner}: {_count(len(differences), 'file')}")
        lines += _limited([f"    {path}: {_short(a)} | {_short(b)}" for path, _owner, a, b in differences], limit)
    if limit is not None and len(owned) > limit:
        lines.append(f"  … and files of {len(owned) - limit} more distributions")
    lines += _limited(
        [f"  {side} at start: {' '.join(line.split(chr(0)))}" for side, line in comparison.startup], limit
    )
    facts = [f"  interpreter {fact}: {_cut(a) or '-'} | {_cut(b) or '-'}" for fact, a, b in comparison.interpreter]
    lines += _limited(facts, limit)
    findings = [
        f"  {side} {finding.path}: {finding.message}"
        for side, finding in comparison.findings
        if f"{finding.path} {finding.message}" != comparison.why
    ]
    return lines + _limited(findings, limit)


def _owned(files: Iterable[FileDifference]) -> list[tuple[str, list[FileDifference]]]:
    owners: dict[str, list[FileDifference]] = {}
    for difference in files:
        owners.setdefault(difference.owner or "(no distribution)", []).append(difference)
    return sorted(owners.items())


def _limited(lines: list[str], limit: int | None) -> list[str]:
    if limit is None or len(lines) <= limit:
        return lines
    indent = " " * (len(lines[0]) - len(lines[0].lstrip()))
    return [*lines[:limit], f"{indent}… and {len(lines) - limit} more"]


def _short(fact: FileFact | None) -> str:
    """A fact in words, a digest by its first signs."""
    if fact is None:
        return "-"
    return describe(fact._replace(value=f"{fact.value[:12]}…") if fact.kind in ("f", "s") else fact)


def _cut(value: str) -> str:
    return value if len(value) <= 40 else f"{value[:39]}…"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _written(lines: Iterable[str]) -> str:
    return "".join(f"{printable(line)}\n" for line in lines)
