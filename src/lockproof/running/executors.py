"""Where cells run: what a run asks of this machine (`cellrun`), or of any other place that takes its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockproof.cells.matrix import Cell
    from lockproof.running.outcomes import Outcome
    from lockproof.running.preparation import Job


class Executor(Protocol):
    """Takes the cells of a run; every method but `run` is called from one thread.

    `local` says that cells run on this machine, with the interpreters that were found here. `compiling` is set before
    the first cell. `suspects` are cells that may have changed what another one's proof put right.
    """

    compiling: bool
    suspects: set[str]

    @property
    def local(self) -> bool:
        """Whether cells run on this machine: then each needs its interpreter here."""

    def reaches(self, cell: Cell) -> bool:
        """Whether the cell's platform is at hand; if not, the cell is only predicted."""

    def problem(self, cell: Cell) -> str:
        """Why a cell of a platform that is at hand can't run all the same; empty where it can."""

    def create_together(self, jobs: Sequence[Job]) -> None:
        """Do for all cells at once what is quicker so; whatever fails here is told by the cell's own run."""

    def start_provers(self, jobs: Sequence[Job], at_once: int) -> None:
        """Get ready to run these cells, so many at once."""

    def run(self, job: Job) -> Outcome:
        """What came of the cell; an error is an outcome too, and only KeyboardInterrupt leaves. From any thread."""

    def idle(self) -> None:
        """Do what can wait until there are fewer cells left than could run at once, while the last of them run."""

    def end(self) -> None:
        """End all cells that are under way: their `run` raises KeyboardInterrupt."""

    def release(self) -> None:
        """Let go of everything, whether the cells have run or not."""
