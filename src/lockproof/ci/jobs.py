"""The jobs of a matrix: for each cell the runner, the exact Python, and what its steps need to know."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lockproof.errors import MatrixError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lockproof.cells.matrix import Cell

LIMIT = 256
"""How many jobs GitHub makes of one matrix at most."""
# Hosted runners by platform (https://docs.github.com/actions, "GitHub-hosted runners").
RUNNERS = {
    "linux-x86_64": "ubuntu-24.04",
    "linux-aarch64": "ubuntu-24.04-arm",
    "macos-arm64": "macos-15",
    "macos-x86_64": "macos-15-intel",
    "windows-x86_64": "windows-2025",
    "windows-arm64": "windows-11-arm",
}
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NEVER = re.compile(r"[^A-Za-z0-9._+-]")  # in ids and folders that files of CI services name


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One cell's job. `environment` is its environment's folder, `store` the key under which the store is cached."""

    cell: str
    python: str
    runner: str
    environment: str
    store: str


def parse_runners(lines: Sequence[str]) -> dict[str, str]:
    """Runners by platform, of lines `PLATFORM=LABEL`; UsageError for one that is something else."""
    runners = {}
    for line in lines:
        platform, equals, label = line.partition("=")
        if not equals or not platform or not _LABEL.fullmatch(label):
            remedy = "give it as --runner linux-x86_64=ubuntu-22.04; a label has letters, digits and . _ -"
            raise UsageError(f"{line!r} names no runner for a platform", remedy=remedy)
        runners[platform] = label
    return runners


def make_jobs(
    cells: Sequence[Cell],
    lock_sha256: str,
    environments: Mapping[str, str],
    runners: Mapping[str, str],
    hosted: Mapping[str, str] | None = None,
) -> tuple[Job, ...]:
    """The jobs of these cells, in their order; `runners` go before the `hosted` ones, which are GitHub's by default.

    Raises MatrixError for no cells, for platforms without a runner, and for ids that no file of CI can hold.
    """
    if not cells:
        raise MatrixError("the matrix has no cells", why="a job would run nothing and be green")
    known = {**(RUNNERS if hosted is None else hosted), **runners}
    without = sorted({_host_of(cell) for cell in cells if _host_of(cell) not in known})
    if without:
        raise MatrixError(
            f"no hosted runner has the platform {', '.join(without)}",
            remedy=f"Name one of your own, --runner {without[0]}=LABEL, or leave the cells out (cells.exclude).",
        )
    for cell in cells:
        if _NEVER.search(cell.id):
            raise MatrixError(f"the id {cell.id!r} can't stand in a file of CI", remedy="rename the axis value or cell")
    return tuple(
        Job(
            cell=cell.id,
            python=cell.python,
            runner=known[_host_of(cell)],
            environment=environments[cell.id],
            store=f"lockproof-{cell.platform.id}-{cell.python}-{lock_sha256}",
        )
        for cell in cells
    )


def parts(jobs: Sequence[Job]) -> tuple[tuple[Job, ...], ...]:
    """The jobs in as many matrices as are needed, none larger than LIMIT."""
    return tuple(tuple(jobs[start : start + LIMIT]) for start in range(0, len(jobs), LIMIT))


def matrix_json(jobs: Sequence[Job]) -> str:
    """The matrix for `fromJSON`, in one line."""
    rows = [
        {
            "cell": job.cell,
            "python": job.python,
            "runner": job.runner,
            "environment": job.environment,
            "store": job.store,
        }
        for job in jobs
    ]
    return json.dumps({"include": rows}, separators=(",", ":"))


def _host_of(cell: Cell) -> str:
    """The platform of the machine that runs a cell: a container's machine has glibc, whatever is in the container."""
    return cell.platform.id.removesuffix("-musl") if cell.container is not None else cell.platform.id
