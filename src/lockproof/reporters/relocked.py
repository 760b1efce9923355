"""What came of making or checking a lock, as plain text: the answer first, then what moved, then what that touches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockproof.reporters.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lockproof.relocking.relock import Account, CellLayers, Change, Entry

_SIGNS = {"moved": " ", "added": "+", "removed": "-", "marker": "~", "files": "~"}
_WORDS = {"moved": "moved", "added": "added", "removed": "removed", "marker": "with other markers",
          "files": "with other files"}  # fmt: skip
_CELLS_SHOWN = 4


def account_text(account: Account, *, verbose: bool) -> str:
    """The account, one change, drift or cell a line."""
    lines = [f"{account.lock}: {_sentence(account)}\n"]
    lines += [_change_line(change, len(account.cells)) for change in account.changes if account.status != "made"]
    for drift in account.drift:
        name = f"{drift.name} " if drift.name else ""
        lines.append(f"  {printable(drift.where)}: {printable(name + drift.what)}\n")
    if account.cells and account.status != "made":
        lines += _cell_lines(account, verbose=verbose)
    elif verbose:
        lines += _layer_lines(account.cells)
    lines += [f"  note: {printable(note)}\n" for note in account.notes]
    return "".join(lines)


def _sentence(account: Account) -> str:
    made_from = f"from {', '.join(account.sources)}, by {account.resolver}"
    if account.status == "made":
        return f"made with {len(account.changes)} distributions for {len(account.cells)} cells, {made_from}"
    if account.status == "unchanged":
        return f"nothing moved ({made_from})"
    if account.status == "changed":
        kinds = [change.kind for change in account.changes]
        counts = [f"{kinds.count(kind)} {word}" for kind, word in _WORDS.items() if kind in kinds]
        return f"{', '.join(counts) or 'no entry changed'} ({made_from})"
    if account.status == "current":
        return f"current: it is what its sources say, for all cells, and the index has its files ({made_from})"
    if account.status == "drift":
        return f"drift: it is not what its sources, the matrix and the index say ({made_from})"
    return f"unproven: not all of its hashes could be held against the index ({made_from})"


def _change_line(change: Change, cells: int) -> str:
    old, new = _told(change.old), _told(change.new)
    if change.kind in ("moved", "marker"):
        what = f"{old} -> {new}"
    elif change.kind == "files":
        before, after = (sum(len(entry.files) for entry in entries) for entries in (change.old, change.new))
        what = f"{new}: {before} -> {after} files"
    else:
        what = new or old
    return f"  {_SIGNS[change.kind]} {change.name} {printable(what)}  ({_cells(change.cells, cells)})\n"


def _told(entries: Iterable[Entry]) -> str:
    return ", ".join(f"{entry.version} ; {entry.marker}" if entry.marker else entry.version for entry in entries)


def _cells(ids: Sequence[str], count: int) -> str:
    if not ids:
        return "no cell"
    if len(ids) == count:
        return "all cells"
    more = f" and {len(ids) - _CELLS_SHOWN} more" if len(ids) > _CELLS_SHOWN else ""
    return ", ".join(ids[:_CELLS_SHOWN]) + more


def _cell_lines(account: Account, *, verbose: bool) -> list[str]:
    changed = [cell for cell in account.cells if cell.changed]
    compared = f"compared: {', '.join(account.compared)}"
    if "files" not in account.compared:
        compared += "; --predict compares whole fingerprints"
    lines = [f"predicted fingerprints: {len(changed)} of {len(account.cells)} change ({compared})\n"]
    return lines + (_layer_lines(account.cells) if verbose else [f"  {cell.id}{_named(cell)}\n" for cell in changed])


def _named(cell: CellLayers) -> str:
    if cell.old is None:
        return ": the old lock had no plan for it"
    differing = [layer for layer in cell.new if cell.new[layer] != cell.old.get(layer) and layer != "digest"]
    return f": {', '.join(differing)}"


def _layer_lines(cells: Iterable[CellLayers]) -> list[str]:
    lines = []
    for cell in cells:
        lines.append(f"  {cell.id}\n")
        for layer, digest in cell.new.items():
            old = cell.old.get(layer, "") if cell.old else ""
            lines.append(f"    {layer:<11}  {f'{old} -> ' if old and old != digest else ''}{digest}\n")
    return lines
