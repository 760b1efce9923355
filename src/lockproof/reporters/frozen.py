"""What came of freezing an environment, as text: the answer in one sentence first, then what is not in the lock."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from lockproof.reporters.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lockproof.freeze.frozen import Frozen
    from lockproof.freeze.recovery import Change

_SHOWN = 8  # files a distribution shows before it says how many more there are


def frozen_text(frozen: Frozen, *, verbose: bool, quiet: bool) -> str:
    """How much of an environment is proven; each distribution that isn't with its reason and its files."""
    lines = [f"{frozen.sentence} ({frozen.place})"]
    for dist in frozen.unproven:
        lines.append(f"  unproven: {dist.name} {dist.version}: {dist.reason}")
        lines += _change_lines(dist.changes, verbose=verbose)
    if frozen.loose:
        lines.append("  unproven: what belongs to no distribution")
        lines += _change_lines(_by_folder(frozen.loose), verbose=verbose)
    if not quiet:
        if frozen.left_out:
            names = ", ".join(f"{name} {version}" for name, version in frozen.left_out)
            lines.append(f"  left out: {names}")
        lines += [f"  note: {note}" for note in (frozen.notes if verbose else frozen.notes[:_SHOWN])]
        if not verbose and len(frozen.notes) > _SHOWN:
            lines.append(f"  … and {len(frozen.notes) - _SHOWN} more notes (--verbose)")
    return "".join(f"{printable(line)}\n" for line in lines)


def _change_lines(changes: Sequence[Change], *, verbose: bool) -> Iterator[str]:
    shown = changes if verbose else changes[:_SHOWN]
    yield from (f"    {change.path}: {change.what}" for change in shown)
    if len(changes) > len(shown):
        yield f"    … and {len(changes) - len(shown)} more (--verbose)"


def _by_folder(changes: Sequence[Change]) -> list[Change]:
    """One change a folder directly in its area (`site/x/`) where several are the same in it."""
    result = []
    for (top, what), alike in groupby(sorted(changes), lambda change: (_top(change.path), change.what)):
        group = list(alike)
        result += group if len(group) == 1 else [group[0]._replace(path=f"{top} ({len(group)} files)", what=what)]
    return result


def _top(path: str) -> str:
    parts = path.split("/")
    return path if len(parts) < 3 else f"{parts[0]}/{parts[1]}/"
