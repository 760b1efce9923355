"""A run on a terminal: finished cells scroll by, the ones under way stand below with what they are doing."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from lockproof.reporters.progress import Progress, told_size
from lockproof.reporters.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockproof.cells.matrix import Cell
    from lockproof.running.outcomes import Outcome


class LiveProgress(Progress):
    """Plain lines above, a small table of what is going on below them."""

    def __init__(self, stream: TextIO, *, colour: bool, verbose: bool) -> None:
        """Write to a terminal."""
        super().__init__(stream, colour=colour, verbose=verbose)
        self._console = Console(file=stream, no_color=not colour, highlight=False, markup=False, emoji=False)
        # A lock of its own, never held while anything is printed: rich asks for the table with its own lock held.
        self._state = threading.Lock()
        self._phases: dict[str, tuple[str, float]] = {}
        self._waiting = 0
        self._wheels = (0, 0)
        # Last: it asks for the table at once.
        self._live = Live(console=self._console, refresh_per_second=10, transient=True, get_renderable=self._table)

    def __enter__(self) -> Self:
        """Start drawing."""
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing; the table is gone, the lines stay."""
        self._live.stop()

    def _write(self, text: str) -> None:
        with self._guard:
            self._console.print(Text.from_ansi(text), soft_wrap=True)

    def _table(self) -> Table:
        grid = Table.grid(padding=(0, 2))
        with self._state:
            wheels, total = self._wheels
            if wheels < total:
                grid.add_row(Spinner("dots"), f"{wheels}/{total} wheels", f"{told_size(self._fetched)}", "")
            for cell, (phase, since) in self._phases.items():
                seconds = f"{time.monotonic() - since:.0f} s"
                grid.add_row(Spinner("dots"), cell, seconds, Text(printable(phase), overflow="ellipsis", no_wrap=True))
            if self._waiting:
                grid.add_row("", f"{self._waiting} to come", "", "")
        return grid

    def begun(self, cells: Sequence[Cell], jobs: int) -> None:
        """Say what will be done."""
        self._waiting = len(cells)
        super().begun(cells, jobs)

    def fetching(self, wheels: int, total: int, size: int) -> None:
        """Draw how far the wheels are."""
        if wheels >= 0:
            self._wheels = (wheels, total)
        super().fetching(wheels, total, size)

    def phase(self, cell: Cell, phase: str) -> None:
        """Draw what a cell is doing."""
        with self._state:
            if cell.id not in self._phases:
                self._waiting = max(0, self._waiting - 1)
            self._phases[cell.id] = (phase, time.monotonic())

    def finished(self, outcome: Outcome) -> None:
        """A cell's line joins those above."""
        with self._state:
            if self._phases.pop(outcome.cell.id, None) is None:
                self._waiting = max(0, self._waiting - 1)
        super().finished(outcome)
