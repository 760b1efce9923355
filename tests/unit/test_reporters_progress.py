"""A run as plain lines and on a terminal: whole outputs, colours, and which of the two it is."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lockproof.proof.compare import Proof, Tolerance, prove
from lockproof.proof.fingerprint import FileFact
from lockproof.reporters.choice import make_progress
from lockproof.reporters.live import LiveProgress
from lockproof.reporters.progress import Progress, wants_colour
from support.lockdata import cell
from support.outcomes import ESCAPE, ESCAPED, MATCH, command, fingerprint, outcome

if TYPE_CHECKING:
    from lockproof.cells.matrix import Cell

CELL = cell()
NAME = CELL.id


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def told(*, colour: bool = False, verbose: bool = False, quiet: bool = False) -> tuple[Progress, io.StringIO]:
    stream = io.StringIO()
    return Progress(stream, colour=colour, verbose=verbose, quiet=quiet), stream


def proof_of(count: int) -> Proof:
    files = {f"site/demo/{number:02}{ESCAPE}": FileFact("f", "2" * 64, 1) for number in range(count)}
    return prove(fingerprint(files=files), fingerprint(files={}, artifact=None))


def run(progress: Progress) -> None:
    """A run of three cells: one passes, one fails, one can't be had."""
    cells = [replace(CELL, id=name) for name in ("one", "second", "third")]
    progress.begun(cells, 2)
    progress.fetching(0, 2, 0)
    progress.fetching(-1, -1, 1_500_000)
    progress.fetching(1, 2, 0)
    progress.fetching(2, 2, 0)
    progress.phase(cells[0], "creating")
    progress.phase(cells[1], "waiting for another run that uses this cell")
    progress.output(cells[0], "fine")
    progress.output(cells[1], "F")
    progress.output(cells[1], "1 failed")
    progress.note(f"x{ESCAPE}")
    outcomes = [
        replace(outcome("passed", proof=MATCH, seconds={"create": 1, "prove": 0.126, "run": 2}), cell=cells[0]),
        replace(
            outcome(
                "failed",
                proof=MATCH,
                reason="pytest -q: exit code 1",
                commands=(command(), command(1)),
                seconds={"run": 1},
            ),
            cell=cells[1],
        ),
        replace(outcome("unavailable", reason=f"Python isn't here: {ESCAPE[:8]}\n  Install it"), cell=cells[2]),
    ]
    for one in outcomes:
        progress.finished(one)
    progress.concluded(outcomes, 1)


@pytest.mark.parametrize(("cells", "text"), [(1, "1 cell\n"), (2, "2 cells, 2 at once\n"), (9, "9 cells, 4 at once\n")])
def test_no_more_cells_are_said_to_run_at_once_than_there_are(cells: int, text: str) -> None:
    stream = io.StringIO()
    Progress(stream, colour=False, verbose=False).begun([cell()] * cells, 4)
    assert stream.getvalue() == text


def test_wheels_are_counted_anew_once_all_are_there() -> None:
    stream = io.StringIO()
    progress = Progress(stream, colour=False, verbose=False)
    for size in (1_500_000, 4_200):
        progress.fetching(0, 1, 0)
        progress.fetching(-1, -1, size)
        progress.fetching(1, 1, 0)
    fetching, both = "fetching 1 wheel\n", ("1.5 MB", "5 kB")
    assert stream.getvalue() == "".join(f"{fetching}fetched 1 wheel, {size}\n" for size in both)


RUN = (
    "3 cells, 2 at once\n"
    "fetching 2 wheels\n"
    "fetched 2 wheels, 1.5 MB\n"
    "second  waiting for another run that uses this cell\n"
    f"note: x{ESCAPED}\n"
    "one     passed       match     create 1.00 s  prove 0.13 s  run 2.00 s\n"
    "── second ──────────────────────────────────────────────────────\n"
    "F\n"
    "1 failed\n"
    "────────────────────────────────────────────────────────────────\n"
    "second  failed       match     run 1.00 s\n"
    "  pytest -q: exit code 1\n"
    "  log: /logs/x.log\n"
    "third   unavailable  -\n"
    "  Python isn't here: \\x1b[31mred\n"
    "    Install it\n"
    "3 cells: 1 passed, 1 failed, 1 unavailable; 2 proven (match); exit code 1\n"
)


def test_a_run_in_plain_lines() -> None:
    progress, stream = told()
    with progress:
        run(progress)
    assert stream.getvalue() == RUN


def test_what_was_tolerated_stands_in_the_line_of_its_cell() -> None:
    proof = replace(MATCH, tolerated=(Tolerance("seeds: pip", "pip", "pip 26.3 is there"),))
    progress, stream = told()
    progress.begun([cell()], 1)
    progress.finished(outcome("passed", proof=proof, seconds={"create": 1.0}))
    assert stream.getvalue().splitlines()[-1] == (
        "3.12.1-linux-x86_64  passed       match     create 1.00 s  tolerated: seeds: pip"
    )


def test_a_quiet_run_tells_only_what_is_not_right() -> None:
    progress, stream = told(quiet=True)
    run(progress)
    lines = RUN.splitlines(keepends=True)
    assert stream.getvalue() == "".join([lines[3], *lines[6:]])


def test_a_verbose_run_shows_all_output() -> None:
    progress, stream = told(verbose=True)
    run(progress)
    head = "── one ─────────────────────────────────────────────────────────\nfine\n" + "─" * 64 + "\n"
    assert stream.getvalue() == RUN.replace("one     passed", head + "one     passed")


def test_colours_frame_the_status_alone() -> None:
    progress, stream = told(colour=True)
    progress.begun([CELL], 1)
    for status, code in (("passed", 32), ("failed", 31), ("mismatch", 31), ("skipped", 33), ("unproven", 35)):
        progress.finished(outcome(status))
        assert stream.getvalue().splitlines()[-1] == f"{NAME}  \x1b[{code}m{status:<11}\x1b[0m  -"
    progress.concluded([outcome("skipped")], 4)
    last = "1 cell: 1 skipped; 0 proven (match); exit code 4"
    assert stream.getvalue().splitlines()[-1] == f"\x1b[31m{last}\x1b[0m"


def test_findings_are_told_but_not_without_end() -> None:
    progress, stream = told()
    progress.finished(outcome("mismatch", proof=proof_of(10), reason="changed"))
    shown = [f"  mismatch: site/demo/{number:02}{ESCAPED}: demo 1.0: the file is gone" for number in range(8)]
    assert stream.getvalue().splitlines() == [
        f"{NAME}  mismatch     mismatch",
        "  changed",
        *shown,
        "  … and 2 more in the report (--json)",
    ]


def test_nothing_of_ours_steers_the_terminal() -> None:
    progress, stream = told()
    odd = command(1, note="not of this environment", log=f"/logs/{ESCAPE}", argv=(f"tool{ESCAPE}",))
    progress.phase(CELL, f"waiting{ESCAPE}")
    progress.finished(outcome("error", reason=f"no{ESCAPE}", commands=(odd,)))
    assert stream.getvalue().splitlines() == [
        f"{NAME}  waiting{ESCAPED}",
        f"{NAME}  error        -",
        "  no\\x1b[31mred\\x1b[0m",
        "  \\u202e",
        f"  log: /logs/{ESCAPED}",
        f"  note: tool{ESCAPED} is not of this environment",
    ]


def test_cells_that_end_at_once_do_not_mix_their_lines() -> None:
    progress, stream = told()
    cells = [replace(CELL, id=f"cell-{number}") for number in range(8)]
    start = threading.Barrier(len(cells))

    def work(own: Cell) -> None:
        start.wait()
        for number in range(50):
            progress.output(own, f"{own.id} {number}")
        progress.finished(replace(outcome("failed"), cell=own))

    threads = [threading.Thread(target=work, args=(own,)) for own in cells]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = stream.getvalue().splitlines()
    assert len(lines) == len(cells) * 53
    for start_of in range(0, len(lines), 53):
        name = lines[start_of + 52].split()[0]
        assert lines[start_of + 1 : start_of + 51] == [f"{name} {number}" for number in range(50)]


@pytest.mark.parametrize(
    ("environ", "terminal", "colour"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, False, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": ""}, False, False),
    ],
)
def test_who_wants_colours(environ: dict[str, str], terminal: bool, colour: bool) -> None:
    assert wants_colour(Terminal() if terminal else io.StringIO(), environ) is colour


@pytest.mark.parametrize(
    ("environ", "terminal", "options", "live"),
    [
        ({}, True, {}, True),
        ({}, False, {}, False),
        ({"FORCE_COLOR": "1"}, False, {}, False),
        ({"NO_COLOR": "1"}, True, {}, True),
        ({"TERM": "dumb"}, True, {}, False),
        ({"CI": "true"}, True, {}, False),
        ({}, True, {"quiet": True}, False),
        ({}, True, {"interactive": False}, False),
    ],
)
def test_what_is_drawn_live(environ: dict[str, str], terminal: bool, options: dict[str, bool], live: bool) -> None:
    stream = Terminal() if terminal else io.StringIO()
    progress = make_progress(stream, environ, **{"verbose": False, "quiet": False, **options})
    assert type(progress) is (LiveProgress if live else Progress)


def test_on_a_terminal_the_same_lines_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    progress = LiveProgress(stream, colour=False, verbose=False)
    with progress:
        run(progress)
    drawn = stream.getvalue()
    for line in RUN.splitlines():
        assert line.rstrip() in drawn or "waiting" in line  # that one stands in the table


def test_drawing_and_printing_do_not_wait_for_each_other() -> None:
    progress = LiveProgress(Terminal(), colour=False, verbose=False)

    def draw() -> None:
        for _ in range(300):
            with progress._live._lock:  # as rich's own thread does
                progress._live.refresh()

    def tell() -> None:
        for _ in range(300):
            progress.note("x")

    with progress:
        threads = [threading.Thread(target=work, daemon=True) for work in (draw, tell)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert not any(thread.is_alive() for thread in threads)


def test_the_table_tells_what_is_under_way() -> None:
    from rich.console import Console

    progress = LiveProgress(Terminal(), colour=False, verbose=False)
    progress.begun([CELL, replace(CELL, id="other"), replace(CELL, id="third")], 2)
    progress.fetching(1, 4, 0)
    progress.fetching(-1, -1, 2_000_000)
    progress.phase(CELL, f"pytest {ESCAPE}")
    progress.phase(CELL, f"pytest -q {ESCAPE}")
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    console.print(progress._table())
    lines = [" ".join(line.split()[1:]) for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert lines == ["1/4 wheels 2.0 MB", f"{NAME} 0 s pytest -q {ESCAPED}", "to come"]
    progress.finished(outcome("passed"))
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    console.print(progress._table())
    assert NAME not in console.file.getvalue()  # type: ignore[attr-defined]
