"""Whether lockproof itself runs in a container: then a container cell runs right here, and nothing is nested.

Which image a container was made of can't be seen from inside. Who starts it can say so: LOCKPROOF_IMAGE.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lockproof.cells.containerkeys import Container

IMAGE = "LOCKPROOF_IMAGE"
"""The variable that names the image of the container around us, as a matrix names it."""
_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))  # docker's, and podman's


def is_in_container(environ: Mapping[str, str]) -> bool:
    """Whether this process runs in a container, by what engines leave in one or what the environment says."""
    return bool(environ.get(IMAGE)) or any(mark.exists() for mark in _MARKS)


def doubt_here(container: Container, environ: Mapping[str, str]) -> str:
    """Why a cell of that container, run right here, stays unproven; empty where it is said that this is its image.

    Raises UnavailableError where it is said that this is another image.
    """
    said = environ.get(IMAGE, "")
    if not said:
        return f"nothing says that the container around it is of {container.image}: set {IMAGE}"
    if said.rpartition("@")[2] != container.image.rpartition("@")[2]:
        raise UnavailableError(
            "this container is of another image", where=container.image, why=f"{IMAGE} says {said}",
            remedy="run the cell in its own image, or where an engine is",
        )  # fmt: skip
    return "" if container.is_pinned else f"{container.image} is a tag: nothing says that it means the same elsewhere"
