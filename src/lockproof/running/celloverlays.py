"""The overlays of cells, found by what a cell is made of: nothing that its commands can write says what is mounted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockproof.environments.environment import Order
from lockproof.environments.overlay import image_of, overlay_at
from lockproof.errors import LockproofError, UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from lockproof.environments.overlay import Overlay
    from lockproof.environments.workspace import Workspace
    from lockproof.running.preparation import Job


class CellOverlays:
    """Knows the overlays of one project's cells; `images` is the folder of the store that has their images."""

    def __init__(self, workspace: Workspace, images: Path) -> None:
        """Nothing is looked at before it is asked for."""
        self._workspace = workspace
        self.images = images

    def of(self, job: Job) -> Overlay | None:
        """The overlay of a cell; None for a cell whose environment is of another kind.

        Raises UnavailableError where it isn't whole, or is on another image than that of the cell's own wheels.
        """
        if job.cell.link != "overlay" or job.cell.installer != "lockproof":
            return None
        order = order_of(job, self._workspace)
        overlay = overlay_at(order.folder, self.images)
        if overlay is not None and overlay.image == image_of(order, self.images):
            return overlay
        raise UnavailableError(
            "this overlay isn't what was made", where=str(order.folder),
            why="it is on another image than that of its wheels" if overlay else "parts of it are gone",
            remedy="run it again with --recreate",
        )  # fmt: skip


def order_of(job: Job, workspace: Workspace) -> Order:
    """What a cell's environment is to be made of; LockproofError for a cell whose interpreter isn't here."""
    if job.interpreter is None:
        raise LockproofError(f"{job.cell.id} has no interpreter here")
    own = frozenset((job.project.name,)) if job.project else frozenset[str]()
    folder = workspace.environment(job.cell.id)
    return Order(interpreter=job.interpreter, entries=job.entries, folder=folder, link=job.cell.link, own=own)
