"""`lockproof list`: which cells can run here, which are predicted only, which are impossible, and why."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from lockproof.commands.output import print_json
from lockproof.errors import LockproofError
from lockproof.reporters.text import listing_text, printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lockproof.cells.containerkeys import Container
    from lockproof.cells.matrix import Cell
    from lockproof.locks.refusals import Refusal
    from lockproof.project import Project
    from lockproof.pythons.interpreters import Interpreter

    Glance = Callable[[Cell, Container], str]

_LONGEST_NOTE = 300


def list_cells(options: argparse.Namespace, project: Project) -> int:
    """`lockproof list`."""
    cells = project.select(options.cells)
    interpreters = project.interpreters(cells)
    try:
        refused = project.refused(cells)
    except LockproofError as error:
        refused = {}
        why = str(error).partition("\n")[0]
        why = why if len(why) <= _LONGEST_NOTE else f"{why[:_LONGEST_NOTE]} …"
        sys.stderr.write(f"note: whether the lock fits these cells was not seen: {printable(why)}\n")
    glance = _glance_of(project) if any(cell.container for cell in cells) else None
    overlays = _overlay_problem(project) if any(_is_overlaid(cell) for cell in cells) else ""
    rows: list[dict[str, object]] = []
    for cell in cells:
        state, reason = _state(cell, interpreters, refused.get(cell.id, ()), glance)
        if overlays and state == "available" and _is_overlaid(cell):
            state, reason = "unavailable", overlays
        rows.append(
            {
                "id": cell.id,
                "python": cell.python,
                "platform": cell.platform.id,
                "status": state,
                "reason": reason,
                "commands": list(cell.commands),
                "environment": str(project.workspace.environment(cell.id)),
            }
        )
    if options.json:
        print_json({"schema": "lockproof/list/v1", "cells": rows})
    else:
        sys.stdout.write(listing_text(rows))
    return 0


def _is_overlaid(cell: Cell) -> bool:
    """Whether the environment is an overlay of this machine, as `run` would make it."""
    return cell.link == "overlay" and cell.installer == "lockproof" and cell.on_host and cell.container is None


def _overlay_problem(project: Project) -> str:
    """Why no overlay can be had where environments will be, found out by trying; no folder stays that wasn't there."""
    from lockproof.environments.overlay import overlay_problem  # few cells need it

    folder = project.workspace.folder
    made = [place for place in (folder / ".overlay", folder) if not place.exists()]
    try:
        return overlay_problem(folder)
    finally:
        for place in made:
            with suppress(OSError):  # a run may have begun to use it
                place.rmdir()


def _glance_of(project: Project) -> Glance:
    """What says where a container cell would run; engines are asked once."""
    from lockproof.commands.places import is_here  # few cells have a container
    from lockproof.pythons.probing import host_platform

    containers, host = project.containers(), host_platform()
    return lambda cell, container: containers.glance(cell, container, partial(is_here, project), host)


def _told(refusals: Sequence[Refusal]) -> Iterator[str]:
    """All in one line, then each with its reason, then what would close the holes."""
    yield "; ".join(refusal.what for refusal in refusals)
    for refusal in refusals:
        yield f"{refusal.what}: {refusal.why}"
    if built := [refusal.sdist for refusal in refusals if refusal.sdist]:
        yield f"Allow builds with `build: [{', '.join(built)}]`, and lock what they require (`build-lock`)."
    yield from dict.fromkeys(refusal.remedy for refusal in refusals)


def _state(
    cell: Cell,
    interpreters: Mapping[str, Interpreter | LockproofError],
    refusals: Sequence[Refusal],
    glance: Glance | None,
) -> tuple[str, str]:
    """The status of a cell and the reason for it; what comes first explains it, remedies come last."""
    if refusals:
        return "impossible", "\n".join(_told(refusals))
    found = interpreters.get(cell.python)
    if cell.container is not None and glance is not None:
        try:
            return "available", glance(cell, cell.container)
        except LockproofError as error:
            return "unavailable", str(error)
    if not cell.on_host:
        return "predicted", f"{cell.platform.spelling} is not at hand"
    if found is None or isinstance(found, LockproofError):
        return "unavailable", str(found)
    return "available", str(found.executable)
