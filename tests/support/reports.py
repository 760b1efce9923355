"""How the command line ended, and what its report says of cells and their proofs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

Json = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How the command line ended."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> str:
        """All that was printed."""
        return self.out + self.err


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A run with its report."""

    ended: Ended
    report: Json

    @property
    def cells(self) -> list[Json]:
        """The report's cells."""
        cells = self.report["cells"]
        assert isinstance(cells, list)
        return cells

    def cell(self, part: str = "") -> Json:
        """The one cell whose id begins with `part`."""
        (found,) = [cell for cell in self.cells if str(cell["id"]).startswith(part)]
        return found

    @property
    def statuses(self) -> list[str]:
        """The statuses of the cells, in their order."""
        return [str(cell["status"]) for cell in self.cells]


def proof_of(cell: Json) -> Json:
    """A cell's proof, or a part of it."""
    proof = cell["proof"]
    assert isinstance(proof, dict), cell["reason"]
    return proof


def side_of(cell: Json, side: str = "observed") -> Json:
    """What a cell's proof says was `predicted` or `observed`."""
    found = proof_of(cell)[side]
    assert isinstance(found, dict)
    return found


def layer_of(cell: Json, layer: str = "files") -> str:
    """The digest of one layer that was observed."""
    layers = side_of(cell)["layers"]
    assert isinstance(layers, dict)
    return str(layers[layer])


def findings_of(found: Json) -> list[tuple[str, str]]:
    """(code, path) of the findings of a proof that are more than notes."""
    findings = found["findings"]
    assert isinstance(findings, list)
    return [(finding["code"], finding["path"]) for finding in findings if finding["level"] != "note"]


def is_right(ran: Ran, status: str = "passed") -> None:
    """Assert that every cell is a match, with what was predicted equal to what was observed, whole."""
    for cell in ran.cells:
        assert (cell["status"], proof_of(cell)["verdict"]) == (status, "match"), (cell, ran.ended.err)
        assert side_of(cell, "predicted") == side_of(cell, "observed")
    assert ran.cells


def log_of(cell: Json) -> list[str]:
    """What a cell's commands printed, without the lines that say which command it was."""
    (path,) = {command["log"] for command in cell["commands"]}  # type: ignore[attr-defined]
    return [line for line in Path(path).read_text().splitlines() if not line.startswith("$ ")]


def codes_of(cell: Json) -> list[int]:
    """The exit codes of a cell's commands."""
    return [command["exit_code"] for command in cell["commands"]]  # type: ignore[attr-defined]
