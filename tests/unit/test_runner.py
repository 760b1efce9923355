"""The schedule of a run: which cells run, who is told, what they add up to; the cells themselves are fakes."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from lockproof.cells.containerkeys import Container
from lockproof.errors import BuildMismatchError, HashMismatchError, LockproofError, UnavailableError
from lockproof.locks.artifacts import Plan
from lockproof.proof.compare import prove
from lockproof.proof.fingerprint import FileFact
from lockproof.running import runner
from lockproof.running.outcomes import Outcome
from lockproof.running.runner import Policy, Result, Runner
from support.lockdata import cell
from support.outcomes import MATCH, command, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lockproof.cells.matrix import Cell
    from lockproof.locks.artifacts import Artifact
    from lockproof.pythons.interpreters import Interpreter

CORE = "site/demo/core.py"
ENTRY = SimpleNamespace(tree="/store/demo/tree", files=[(CORE, "1" * 64)])
CHANGED = prove(fingerprint(), fingerprint(files={CORE: FileFact("f", "2" * 64, 11)}, artifact=None))


@dataclass(kw_only=True)
class Job:
    """What a cell is given."""

    cell: Cell
    interpreter: object
    entries: Sequence[object] = (ENTRY,)
    predicted: object = MATCH.predicted


@dataclass(kw_only=True)
class Cells:
    """Runs nothing: asks `answer` for each cell's outcome, and keeps who ran."""

    answer: Callable[[str, int], Outcome | BaseException] = lambda _id, _turn: Outcome(cell=cell(), status="passed")
    ran: list[str] = field(default_factory=list)
    together: list[str] = field(default_factory=list)
    released: int = 0
    proving: tuple[list[str], int] | None = None
    suspects: set[str] = field(default_factory=set)
    cannot: str = ""
    local: bool = True
    far: tuple[str, ...] = ()
    ended: int = 0
    idled: threading.Event = field(default_factory=threading.Event)

    def reaches(self, cell: Cell) -> bool:
        return cell.on_host or cell.container is not None or cell.id in self.far

    def idle(self) -> None:
        assert not self.idled.is_set()
        self.idled.set()

    def end(self) -> None:
        self.ended += 1

    def problem(self, _cell: Cell) -> str:
        return self.cannot

    def create_together(self, jobs: Sequence[Job]) -> None:
        self.together = [job.cell.id for job in jobs]

    def start_provers(self, jobs: Sequence[Job], at_once: int) -> None:
        self.proving = ([job.cell.id for job in jobs], at_once)

    def run(self, job: Job) -> Outcome:
        self.ran.append(job.cell.id)
        answer = self.answer(job.cell.id, self.ran.count(job.cell.id))
        if isinstance(answer, BaseException):
            raise answer
        return replace(answer, cell=job.cell)

    def release(self) -> None:
        self.released += 1


@dataclass(kw_only=True)
class Log:
    """Listener, downloads and processes in one: keeps what they are told."""

    events: list[str] = field(default_factory=list)
    brought: int = 0

    def begun(self, cells: Sequence[Cell], jobs: int) -> None:
        self.events.append(f"begun {len(cells)} {jobs}")

    def finished(self, outcome: Outcome) -> None:
        self.events.append(f"{outcome.cell.id} {outcome.status}")

    def note(self, message: str) -> None:
        self.events.append(message)

    def bring(self, artifacts: Iterable[Artifact]) -> dict[str, object]:
        list(artifacts)
        return {}

    def stop(self) -> None:
        self.events.append("downloads stopped")

    def end_all(self) -> None:
        self.events.append("processes ended")


def run(
    monkeypatch: pytest.MonkeyPatch,
    given: Sequence[Cell],
    cells: Cells | None = None,
    *,
    interpreters: Mapping[str, object] | None = None,
    broken: Mapping[str, LockproofError] | None = None,
    unbuilt: Mapping[str, LockproofError] | None = None,
    begin: Callable[[Sequence[tuple[Cell, Interpreter]]], None] | None = None,
    **policy: object,
) -> tuple[Result, list[str], Cells]:
    """Run those cells; `broken` are those whose wheels can't be had, `unbuilt` those whose sdists can't be built."""
    cells, log = cells or Cells(), Log()

    def make_job(plan: Plan, wheels: object, interpreter: object, landings: object) -> Job:
        if plan.cell.id in (broken or {}):
            raise (broken or {})[plan.cell.id]
        return Job(cell=plan.cell, interpreter=interpreter)

    monkeypatch.setattr(runner, "make_job", make_job)
    work = Runner(
        cells,  # type: ignore[arg-type]
        fetching=log,  # type: ignore[arg-type]
        processes=log,  # type: ignore[arg-type]
        listener=log,  # type: ignore[arg-type]
        policy=Policy(**{"jobs": 1, **policy}),  # type: ignore[arg-type]
        build=None if unbuilt is None else lambda here: [unbuilt.get(plan.cell.id, plan) for plan, _ in here],
        begin=begin,
    )
    plans = [Plan(cell=own, artifacts=(), selector="x") for own in given]
    return work.run(plans, interpreters or {}), log.events, cells  # type: ignore[arg-type]


def here(*names: str) -> list[Cell]:
    return [replace(cell(), id=name, on_host=True) for name in names]


def told(result: Result) -> list[tuple[str, str]]:
    return [(outcome.cell.id, outcome.status) for outcome in result.outcomes]


PASSED = Outcome(cell=cell(), status="passed", proof=MATCH)
FAILED = Outcome(cell=cell(), status="failed", proof=MATCH)
CONTESTED = Outcome(cell=cell(), status="mismatch", proof=CHANGED, link="hardlink", commands=(command(),))


def test_every_cell_runs_and_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    result, events, cells = run(monkeypatch, here("a", "b", "c"))
    assert (told(result), result.exit_code) == ([("a", "passed"), ("b", "passed"), ("c", "passed")], 0)
    assert events == ["begun 3 1", "a passed", "b passed", "c passed"]
    assert (cells.together, cells.released) == (["a", "b", "c"], 1)
    assert cells.proving == (["a", "b", "c"], 1)


@pytest.mark.parametrize("names", ["a", "ab", "abc", "abcd"])
def test_what_can_wait_is_done_while_the_last_cells_run(monkeypatch: pytest.MonkeyPatch, names: str) -> None:
    cells = Cells()

    def answer(name: str, _turn: int) -> Outcome:
        assert name != names[-1] or len(names) == 1 or cells.idled.wait(60)
        return PASSED

    cells.answer = answer
    assert run(monkeypatch, here(*names), cells, jobs=2)[0].exit_code == 0
    assert cells.idled.is_set()


def test_cells_that_have_their_interpreter_are_begun_before_anything_is_brought(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[tuple[str, object]] = []
    away = replace(cell(), id="away", on_host=False)
    own = here("a", "b")
    interpreter = object()
    run(
        monkeypatch,
        [*own, away],
        interpreters={own[0].python: interpreter},
        begin=lambda cells: begun.extend((cell.id, found) for cell, found in cells),
    )
    assert begun == [("a", interpreter), ("b", interpreter)]


def test_elsewhere_cells_of_other_platforms_run_without_an_interpreter_here(monkeypatch: pytest.MonkeyPatch) -> None:
    away = replace(cell("3.12.1", "macos-arm64"), id="away")
    missing = replace(cell("3.9.1"), id="missing", on_host=True)
    nowhere = replace(cell("3.12.1", "linux-aarch64"), id="nowhere")
    interpreters = {"3.9.1": UnavailableError("Python 3.9.1 isn't here")}
    given: list[object] = []

    def answer(name: str, _turn: int) -> Outcome:
        given.append(name)
        return PASSED

    cells = Cells(answer=answer, local=False, far=("away",))
    result, _, _ = run(monkeypatch, [away, missing, nowhere], cells, interpreters=interpreters)
    assert told(result) == [("away", "passed"), ("missing", "passed"), ("nowhere", "predicted")]
    assert given == ["away", "missing"]


def test_a_cell_that_can_not_have_its_link_mode_is_unavailable_and_brings_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result, _, cells = run(monkeypatch, here("a"), Cells(cannot="no overlays here"))
    assert (told(result), result.exit_code, cells.ran) == ([("a", "unavailable")], 4, [])
    assert result.outcomes[0].reason == "no overlays here"


def test_outcomes_are_in_the_matrix_s_order_whoever_ends_first(monkeypatch: pytest.MonkeyPatch) -> None:
    second = threading.Event()

    def answer(name: str, _turn: int) -> Outcome:
        if name == "a":
            assert second.wait(30)
        else:
            second.set()
        return PASSED

    result, events, _ = run(monkeypatch, here("a", "b"), Cells(answer=answer), jobs=2)
    assert told(result) == [("a", "passed"), ("b", "passed")]
    assert sorted(events) == ["a passed", "b passed", "begun 2 2"]


def test_what_isn_t_at_hand_is_never_green(monkeypatch: pytest.MonkeyPatch) -> None:
    away = replace(cell("3.12.1", "macos-arm64"), id="away")
    box = replace(cell(), id="box", on_host=False, container=Container(image="x"))
    missing = replace(cell("3.9.1"), id="missing", on_host=True)
    engine = UnavailableError("there is no container engine here")
    interpreters = {"3.9.1": UnavailableError("Python 3.9.1 isn't here"), "box": engine}
    given = [away, box, missing]
    result, _, cells = run(monkeypatch, given, interpreters=interpreters)
    assert told(result) == [("away", "predicted"), ("box", "unavailable"), ("missing", "unavailable")]
    assert [outcome.reason for outcome in result.outcomes] == [
        "macos-arm64 is not at hand: predicted, to be run where it is",
        "there is no container engine here",
        "Python 3.9.1 isn't here",
    ]
    assert (result.exit_code, cells.ran, result.outcomes[0].predicted) == (4, [], MATCH.predicted)

    skipped, _, _ = run(monkeypatch, given, interpreters=interpreters, skip_missing=True)
    assert (told(skipped), skipped.exit_code) == ([(name, "skipped") for name in ("away", "box", "missing")], 4)
    mixed, _, _ = run(monkeypatch, [*given, *here("a")], interpreters=interpreters, skip_missing=True)
    assert mixed.exit_code == 0


def test_a_wheel_that_can_t_be_had_fails_its_cells_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {"b": HashMismatchError("wrong bytes")}
    result, _, cells = run(monkeypatch, here("a", "b", "c"), broken=broken)
    assert told(result) == [("a", "passed"), ("b", "error"), ("c", "passed")]
    assert (result.exit_code, cells.ran, result.outcomes[1].reason) == (5, ["a", "c"], "wrong bytes")


def test_fail_fast_starts_no_further_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = Cells(answer=lambda name, _turn: FAILED if name == "b" else PASSED)
    result, events, _ = run(monkeypatch, here("a", "b", "c", "d"), cells, fail_fast=True)
    assert told(result) == [("a", "passed"), ("b", "failed"), ("c", "skipped"), ("d", "skipped")]
    assert result.outcomes[2].reason == "not run, since another cell was not right (--fail-fast)"
    assert (cells.ran, result.exit_code) == (["a", "b"], 1)
    assert events == ["begun 4 1", "a passed", "b failed", "c skipped", "d skipped"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_interrupted_it_ends_everything_and_tells_what_is_done(jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    first = threading.Event()

    def answer(name: str, _turn: int) -> Outcome | BaseException:
        if name == "a":
            first.set()
            return PASSED
        assert first.wait(30)
        return KeyboardInterrupt()

    cells = Cells(answer=answer)
    result, events, _ = run(monkeypatch, here("a", "b"), cells, jobs=jobs)
    assert result.exit_code == 130
    assert {"processes ended", "downloads stopped", "b skipped"} <= set(events)
    assert result.outcomes[1].reason == "interrupted"
    assert cells.ended > 0
    assert cells.released == 1


def test_a_cell_whose_files_another_may_have_changed_runs_again_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = Cells(answer=lambda name, turn: CONTESTED if name == "a" or turn == 1 else PASSED)
    result, events, _ = run(monkeypatch, here("a", "b"), cells, jobs=2)
    assert (told(result), result.exit_code) == ([("a", "mismatch"), ("b", "passed")], 3)
    assert cells.ran[2:] == ["a", "b"]
    note = "run again alone: a file that it shares with other cells was changed"
    assert events == ["begun 2 2", f"a: {note}", "a mismatch", f"b: {note}", "b passed"]


@pytest.mark.parametrize(
    ("outcome", "jobs"),
    [
        pytest.param(CONTESTED, 1, id="one at a time"),
        pytest.param(replace(CONTESTED, link="copy"), 2, id="copies"),
        pytest.param(replace(CONTESTED, commands=()), 2, id="before any command"),
        pytest.param(replace(CONTESTED, status="failed"), 2, id="another status"),
    ],
)
def test_any_other_mismatch_is_the_cell_s_own(outcome: Outcome, jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = Cells(answer=lambda name, _turn: outcome if name == "a" else PASSED)
    run(monkeypatch, here("a", "b"), cells, jobs=jobs)
    assert sorted(cells.ran) == ["a", "b"]


def test_no_cells_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, [])[0] == Result(outcomes=(), exit_code=4)


def test_a_cell_whose_sdists_can_not_be_built_is_told_and_the_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = [*here("built", "differs", "fails"), replace(cell(), id="elsewhere")]
    unbuilt = {
        "differs": BuildMismatchError("it differs"),
        "fails": UnavailableError("no compiler"),
        "elsewhere": UnavailableError("built there only"),
    }
    result, _, ran = run(monkeypatch, cells, unbuilt=unbuilt)
    assert told(result) == [
        ("built", "passed"),
        ("differs", "mismatch"),
        ("fails", "error"),
        ("elsewhere", "unavailable"),
    ]
    assert [outcome.exit_code for outcome in result.outcomes] == [0, 3, 4, 4]
    assert [outcome.reason for outcome in result.outcomes[1:]] == ["it differs", "no compiler", "built there only"]
    assert (ran.ran, result.exit_code) == (["built"], 3)
