"""Where the container cells of a command run, and what runs that were killed had left there."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from lockproof.containers.contained import Contained, inside
from lockproof.errors import LockproofError
from lockproof.pythons.probing import host_platform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lockproof.cells.matrix import Cell
    from lockproof.containers.contained import Place
    from lockproof.project import Project
    from lockproof.pythons.interpreters import Interpreter
    from lockproof.reporters.progress import Progress
    from lockproof.running.preparation import Job


def settle(
    project: Project, cells: Sequence[Cell], *, allow_tags: bool = False
) -> tuple[tuple[Cell, ...], dict[str, Place]]:
    """The cells as they are where they run, and where those with a container do.

    Starts a container for each image that nobody has looked into yet. Containers of dead runs are removed, and told.
    """
    if all(cell.container is None for cell in cells):
        return tuple(cells), {}
    containers, host = project.containers(allow_tags=allow_tags), host_platform()
    places = containers.of(cells, partial(is_here, project), host)
    for engine, count in containers.swept.items():
        if count:
            text = f"{count} container{'s' if count > 1 else ''} of {engine} removed, left by a run that was killed"
            sys.stderr.write(f"note: {text}\n")
    return inside(cells, places, host), places


def is_here(project: Project, python: str) -> bool:
    """Whether that exact Python is found on this machine, as a cell without a container would find it."""
    from lockproof.pythons.interpreters import find_interpreter  # few cells need it

    try:
        return bool(find_interpreter(python, project.discovery))
    except LockproofError:
        return False


def interpreters_inside(places: Mapping[str, Place]) -> dict[str, Interpreter | LockproofError]:
    """The interpreter in each container by the cell's id, or why there is none."""
    return {
        cell: place.interpreter if isinstance(place, Contained) else place
        for cell, place in places.items()
        if isinstance(place, Contained | LockproofError)
    }


def jobs_of(project: Project, cells: Sequence[Cell], listener: Progress) -> list[Job]:
    """What environments of the cells should be, wheels fetched: those of container cells by what is in their image.

    Raises the first error, such as that of an engine that isn't there.
    """
    settled, places = settle(project, cells)
    inside = interpreters_inside(places)
    for found in inside.values():
        if isinstance(found, LockproofError):
            raise found
    return project.jobs(settled, listener.fetching, listener.note, inside)
