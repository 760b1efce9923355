"""What a fan-in found, as plain text: a line a cell, what is wrong under it, and the sum."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from lockproof.reporters.text import finding_text, printable

if TYPE_CHECKING:
    from lockproof.proof.fanin import FanIn

_FEW = 5  # findings and fingerprints that are told of each cell


def fan_in_text(result: FanIn, *, verbose: bool) -> str:
    """The verdict of every cell; with `verbose` all findings and notes."""
    width = max((len(verdict.cell) for verdict in result.verdicts), default=0)
    lines = []
    for verdict in result.verdicts:
        lines.append(f"{verdict.cell:{width}}  {verdict.verdict:<9} {printable(verdict.why)}".rstrip())
        told = [finding for finding in verdict.findings if f"{finding.path} {finding.message}" != verdict.why]
        shown = told if verbose else told[:_FEW]
        lines += [f"  {finding_text(finding)}" for finding in shown]
        if len(told) > len(shown):
            lines.append(f"  … and {len(told) - len(shown)} more (--verbose shows all, --json too)")
        if verbose:
            lines += [f"  note: {printable(note)}" for note in verdict.notes]
    lines += [f"{printable(name)}: {printable(why)}" for name, why in (*result.strays, *result.unread)]
    lines.append(f"{summed_up(result)}; exit code {result.exit_code}")
    return "".join(f"{line}\n" for line in lines)


def summed_up(result: FanIn) -> str:
    """How many cells came to what."""
    counts = Counter(verdict.verdict for verdict in result.verdicts)
    told = [f"{counts[word]} {word}" for word in ("match", "mismatch", "unproven", "missing") if counts[word]]
    strays = [f"{len(result.strays)} that belong nowhere"] if result.strays else []
    strays += [f"{len(result.unread)} that can't be read"] if result.unread else []
    cells = f"{len(result.verdicts)} cell{'' if len(result.verdicts) == 1 else 's'}"
    return f"{cells}: {', '.join([*told, *strays])}"
