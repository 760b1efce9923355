"""What GitHub Actions shows: annotations at lines of files, and a summary in Markdown.

Workflow commands are lines on standard output or standard error; the summary is a file that the job appends to.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lockproof.cells.documents import load_yaml, read_text
from lockproof.errors import LockproofError, UsageError
from lockproof.reporters.fanin import summed_up
from lockproof.reporters.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lockproof.cells.matrix import Cell, Spec
    from lockproof.cells.trees import Document, KeyPath
    from lockproof.locks.artifacts import Plan
    from lockproof.project import Project
    from lockproof.proof.fanin import FanIn
    from lockproof.proof.fingerprint import Finding, Fingerprint
    from lockproof.running.outcomes import Outcome

VARIABLE = "GITHUB_STEP_SUMMARY"
_FEW = 5  # findings that are annotated, and listed, of each cell
_PLACE = re.compile(r"(?P<file>[^\s:][^:]*):(?P<line>[0-9]+)(?::(?P<column>[0-9]+))?: (?P<text>.*)")
_NOT_GREEN = ("failed", "mismatch", "unproven", "unavailable", "predicted", "error")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#~])")


class Annotation(NamedTuple):
    """One error at a line of a file (as seen from the checkout); `file` may be empty."""

    file: str
    line: int
    title: str
    message: str

    def command(self) -> str:
        """The workflow command, with all that could end it early escaped."""
        place = f"file={_property(self.file)},line={self.line}," if self.file else ""
        return f"::error {place}title={_property(self.title)}::{_data(self.message)}"


def summary_file(environ: Mapping[str, str]) -> Path:
    """The file that the summary is appended to; UsageError where the job names none."""
    named = environ.get(VARIABLE, "")
    if not named:
        raise UsageError(
            "there is nowhere to write the summary to", why=f"{VARIABLE} is not set",
            remedy="--github-summary is for jobs of GitHub Actions; elsewhere set the variable to a file",
        )  # fmt: skip
    return Path(named)


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Where things are said, and where in the project's files things stand."""

    summary: Path
    checkout: Path
    bases: tuple[Path, ...]  # the folders that names in messages are seen from
    spec: Spec
    document: Document

    @staticmethod
    def of(project: Project) -> Places:
        """Those of a project. Raises UsageError without a summary's file, MatrixError for a matrix that is none."""
        path, shown = project.matrix_path, project.places.matrix
        checkout = Path(project.environ.get("GITHUB_WORKSPACE") or ".")
        return Places(
            summary=summary_file(project.environ),
            checkout=checkout.absolute(),
            bases=(project.root, project.places.folder.absolute()),
            spec=project.spec,
            document=load_yaml(read_text(path, shown_as=shown), shown),
        )

    def at(self, where: str) -> tuple[str, int]:
        """The file, seen from the checkout, and the line of `pylock.toml:12`."""
        named, _, line = where.rpartition(":")
        return _seen_from(self.checkout, self.bases, named), int(line)

    def of_cell(self, cell: Cell | str) -> tuple[str, int]:
        """Where the matrix says a cell: its entry in `cells.include`, or else its Python."""
        at = self._key_of(cell)
        return self.at(f"{self.document.path}:{self.document.line_of(at)}")

    def of_command(self, cell: Cell, index: int) -> tuple[str, int]:
        """Where the matrix says the command of that index."""
        own = self._key_of(cell)
        axes: list[KeyPath] = [("cells", "axes", axis, value) for axis, value in cell.axes.items()]
        for place in (own, *reversed(axes), ()):
            at = (*place, "commands", index)
            if self.document.line_of(at) != self.document.line_of(place) or self.document.written(at):
                return self.at(f"{self.document.path}:{self.document.line_of(at)}")
        return self.of_cell(cell)

    def _key_of(self, cell: Cell | str) -> KeyPath:
        id_ = cell if isinstance(cell, str) else cell.id
        for index, entry in enumerate(self.spec.include):
            if entry.name and id_.startswith(f"{entry.python}-") and id_.endswith(f"-{entry.name}"):
                return ("cells", "include", index)
        pythons = [index for index, python in enumerate(self.spec.pythons) if id_.startswith(f"{python}-")]
        return ("python", pythons[0]) if pythons else ()


def tell_run(outcomes: Sequence[Outcome], code: int, plans: Sequence[Plan], places: Places) -> None:
    """The annotations and the summary of a run."""
    lines = ["| cell | status | proof | create | prove | run |", "|---|---|---|---:|---:|---:|"]
    annotations: list[Annotation] = []
    where = {(a.name, a.version): a.where for plan in plans for a in plan.artifacts if a.where}
    for outcome in outcomes:
        seconds = [f"{outcome.seconds.get(phase, 0.0):.1f} s" for phase in ("create", "prove", "run")]
        verdict = outcome.proof.verdict if outcome.proof else "-"
        row = (_code(outcome.cell.id), _sign(outcome.exit_code == 0) + outcome.status, verdict, *seconds)
        lines.append(f"| {' | '.join(row)} |")
        if outcome.status in _NOT_GREEN:
            annotations += _of_outcome(outcome, where, places)
    reasons = [f"- {_code(outcome.cell.id)}: {_escaped(outcome.reason)}" for outcome in outcomes if outcome.reason]
    _tell(annotations)
    _append(places.summary, [f"### lockproof run: exit code {code}", "", *lines, "", *reasons, ""])


def _of_outcome(outcome: Outcome, where: Mapping[tuple[str, str], str], places: Places) -> list[Annotation]:
    cell = outcome.cell
    failed = [(index, result) for index, result in enumerate(outcome.commands) if result.exit_code]
    if outcome.status == "failed" and failed:
        index, result = failed[0]
        text = f"`{' '.join(result.argv)}` ended with exit code {result.exit_code}"
        return [Annotation(*places.of_command(cell, index), cell.id, text)]
    findings = [f for f in outcome.proof.findings if f.level != "note"] if outcome.proof else []
    if findings and outcome.proof:
        predicted = outcome.proof.predicted
        return [
            Annotation(
                *_place_of(finding, predicted, where, places, cell), cell.id, f"{finding.path} {finding.message}"
            )
            for finding in findings[:_FEW]
        ]
    return of_error(outcome.reason, places.bases, places.checkout, cell.id) or [
        Annotation(*places.of_cell(cell), cell.id, outcome.reason or outcome.status)
    ]


def _place_of(
    finding: Finding, predicted: Fingerprint, where: Mapping[tuple[str, str], str], places: Places, cell: Cell
) -> tuple[str, int]:
    """The line of the lock that names the distribution which a file belongs to, or else that of the cell."""
    for dist in predicted.distributions:
        owns = any(finding.path == root or (root[-1:] == "/" and finding.path.startswith(root)) for root in dist.roots)
        if (owns or finding.path == dist.name) and (line := where.get((dist.name, dist.version))):
            return places.at(line)
    return places.of_cell(cell)


def tell_fan_in(result: FanIn, places: Places, predictions: str) -> None:
    """The annotations and the summary of a fan-in."""
    wrong = [verdict for verdict in result.verdicts if verdict.verdict != "match"]
    _tell([Annotation(*places.of_cell(v.cell), v.cell, f"{v.verdict}: {v.why}") for v in wrong])
    strays = (*result.strays, *result.unread)
    _tell([Annotation("", 0, name, why) for name, why in strays])
    lines = ["| cell | verdict | |", "|---|---|---|"]
    for verdict in result.verdicts:
        sign = _sign(verdict.verdict == "match")
        told = _escaped("; ".join(filter(None, [verdict.why, *verdict.notes])))
        lines.append(f"| {_code(verdict.cell)} | {sign}{verdict.verdict} | {told} |")
    lines += ["", *(f"- {_code(name)}: {_escaped(why)}" for name, why in strays)]
    head = f"### lockproof compare: {summed_up(result)}; exit code {result.exit_code}"
    _append(places.summary, [head, "", f"Held against {_code(predictions)} and each other.", "", *lines, ""])


def tell_error(error: LockproofError, project: Project) -> None:
    """An annotation for each line of an error that names a place in a file, or one for the whole."""
    checkout = Path(project.environ.get("GITHUB_WORKSPACE") or ".").absolute()
    bases = (project.root, project.places.folder.absolute())
    _tell(of_error(str(error), bases, checkout, "lockproof") or [Annotation("", 0, "lockproof", str(error))])


def of_error(text: str, bases: Iterable[Path], checkout: Path, title: str) -> list[Annotation]:
    """The annotations of the lines that begin with `file:line:`, where that is a file that is there."""
    found = []
    for line in text.splitlines():
        match = _PLACE.match(line.strip())
        if match and any((base / match["file"]).is_file() for base in bases):
            file = _seen_from(checkout, tuple(bases), match["file"])
            found.append(Annotation(file, int(match["line"]), title, match["text"]))
    return found


def _seen_from(checkout: Path, bases: Iterable[Path], named: str) -> str:
    """A file as the checkout names it, with `/`; as it was named where it lies elsewhere."""
    path = next((base / named for base in bases if (base / named).is_file()), Path(named))
    relative = os.path.relpath(os.path.realpath(path), os.path.realpath(checkout))
    return named if relative.startswith("..") else Path(relative).as_posix()


def _tell(annotations: Iterable[Annotation]) -> None:
    for annotation in annotations:
        sys.stderr.write(f"{annotation.command()}\n")


def _append(path: Path, lines: Iterable[str]) -> None:
    try:
        with path.open("a", encoding="utf-8") as stream:
            stream.write("".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise UsageError("the summary can't be written", where=str(path), why=error.strerror or str(error)) from error


def _data(text: str) -> str:
    lines = "\n".join(printable(line) for line in text.split("\n"))
    return lines.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _sign(good: bool) -> str:
    return ":white_check_mark: " if good else ":x: "


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    return "<br>".join(_MARKDOWN.sub(r"\\\1", printable(line)) for line in text.splitlines())


def _code(text: str) -> str:
    quoted = printable(text).replace("`", "'").replace("|", "/")
    return f"`{quoted}`"
