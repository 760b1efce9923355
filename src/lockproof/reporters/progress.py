"""A run as it happens, in plain lines, and its summary at the end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self, TextIO

from lockproof.reporters.text import finding_text, printable, tolerances_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lockproof.cells.matrix import Cell
    from lockproof.proof.compare import Proof
    from lockproof.running.outcomes import Outcome

_COLOURS = {"passed": "32", "failed": "31", "mismatch": "31", "error": "31", "skipped": "33"}
_REASON_LINES = 12
_FINDINGS = 8


def wants_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """NO_COLOR over FORCE_COLOR over TERM=dumb over whether it is a terminal."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return environ.get("TERM") != "dumb" and stream.isatty()


class Progress:
    """Plain lines: one when a cell is done, with its output under it where that matters."""

    def __init__(self, stream: TextIO, *, colour: bool, verbose: bool, quiet: bool = False) -> None:
        """Write to `stream`; every method may be called from any thread."""
        self.stream = stream
        self.colour = colour
        self.verbose = verbose
        self.quiet = quiet
        self._guard = threading.RLock()
        self._lines: dict[str, list[str]] = {}
        self._width = 0
        self._fetched = 0
        self._told: list[str] = []

    def __enter__(self) -> Self:
        """The reporter itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left on the terminal."""

    def _write(self, text: str) -> None:
        with self._guard:
            self.stream.write(text + "\n")
            self.stream.flush()

    def paint(self, text: str, status: str) -> str:
        """`text` in the colour of a status, where colours are wanted."""
        code = _COLOURS.get(status, "35")
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text

    def begun(self, cells: Sequence[Cell], jobs: int) -> None:
        """Say what will be done."""
        self._width = max((len(cell.id) for cell in cells), default=0)
        if not self.quiet:
            together = min(jobs, len(cells))
            self._write(_count(len(cells), "cell") + (f", {together} at once" if len(cells) > 1 else ""))

    def fetching(self, wheels: int, total: int, size: int) -> None:
        """Say when wheels are fetched, and when all are there."""
        with self._guard:
            self._fetched += size
        if self.quiet or wheels < 0:
            return
        if wheels == 0:
            self._write(f"fetching {_count(total, 'wheel')}")
        elif wheels == total:
            self._write(f"fetched {_count(total, 'wheel')}, {told_size(self._fetched)}")
            self._fetched = 0  # others may follow: those that build the project

    def phase(self, cell: Cell, phase: str) -> None:
        """Only waiting is worth a line."""
        if phase.startswith("waiting"):
            self._write(f"{cell.id:{self._width}}  {printable(phase)}")

    def output(self, cell: Cell, line: str) -> None:
        """Keep a line of a cell's output until the cell is done."""
        with self._guard:
            self._lines.setdefault(cell.id, []).append(line)

    def note(self, message: str) -> None:
        """Say it."""
        if not self.quiet:
            self._write(f"note: {printable(message)}")

    def finished(self, outcome: Outcome) -> None:
        """Say how a cell ended; show its output where a command failed, or when asked to."""
        lines = self._lines.pop(outcome.cell.id, [])
        if self.quiet and outcome.status in ("passed", "skipped"):
            return
        with self._guard:
            failed = outcome.status == "failed" or any(result.exit_code for result in outcome.commands)
            shown = self.verbose or failed
            if shown and lines:
                self._write(f"── {outcome.cell.id} " + "─" * max(0, 60 - len(outcome.cell.id)))
                for line in lines:
                    self._write(line)
                self._write("─" * 64)
            self._write(self.outcome_line(outcome))
            told = reason_lines(outcome)
            if told and told == self._told and outcome.reason:
                told = ["for the same reason"]
            else:
                self._told = told
            for line in told:
                self._write(f"  {line}")

    def outcome_line(self, outcome: Outcome) -> str:
        """One cell in one line."""
        status = self.paint(f"{outcome.status:<11}", outcome.status)
        verdict = outcome.proof.verdict if outcome.proof else "-"
        seconds = outcome.seconds
        times = "  ".join(f"{phase} {seconds[phase]:.2f} s" for phase in ("create", "prove", "run") if phase in seconds)
        tolerated = tolerances_text(outcome.proof.tolerated) if outcome.proof else ""
        return f"{outcome.cell.id:{self._width}}  {status}  {verdict:<8}  {times}  {tolerated}".rstrip()

    def concluded(self, outcomes: Sequence[Outcome], code: int) -> None:
        """The last line: how many of what, and what the exit code says."""
        counts: dict[str, int] = {}
        for outcome in outcomes:
            counts[outcome.status] = counts.get(outcome.status, 0) + 1
        matches = sum(1 for outcome in outcomes if outcome.proof and outcome.proof.verdict == "match")
        told = ", ".join(f"{number} {status}" for status, number in counts.items())
        line = f"{_count(len(outcomes), 'cell')}: {told}; {matches} proven (match); exit code {code}"
        self._write(self.paint(line, "passed" if code == 0 else "failed"))


def told_size(size: int) -> str:
    """A number of bytes, in MB or, where these would be next to none, in kB."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{-(-size // 1000)} kB"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def reason_lines(outcome: Outcome) -> list[str]:
    """Why a cell is not right, in a few lines, with the findings of its proof."""
    lines = [printable(line) for line in outcome.reason.splitlines()][:_REASON_LINES]
    if outcome.proof and outcome.proof.verdict != "match":
        lines += _findings(outcome.proof)
    for result in outcome.commands:
        if result.exit_code:
            lines.append(f"log: {printable(result.log)}")
        if result.note:
            lines.append(f"note: {printable(result.argv[0])} is {result.note}")
    return lines


def _findings(proof: Proof) -> list[str]:
    wrong = [finding for finding in proof.findings if finding.level != "note"]
    lines = [finding_text(finding) for finding in wrong[:_FINDINGS]]
    if len(wrong) > _FINDINGS:
        lines.append(f"… and {len(wrong) - _FINDINGS} more in the report (--json)")
    return lines
