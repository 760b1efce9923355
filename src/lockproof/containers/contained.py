"""What container cells run in: an engine, an image and the interpreter in it; the machine itself; or why nothing is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lockproof.errors import LockproofError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lockproof.cells.containerkeys import Container
    from lockproof.cells.matrix import Cell
    from lockproof.containers.engines import Engine, Image
    from lockproof.pythons.interpreters import Interpreter
    from lockproof.pythons.platforms import Platform


@dataclass(frozen=True, kw_only=True, slots=True)
class Contained:
    """What a cell of a container runs in; `user` is what `user_arguments` gives."""

    engine: Engine
    image: Image
    interpreter: Interpreter
    container: Container
    user: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Here:
    """A cell that runs in the container around us; `doubt` says why it stays unproven, if it does."""

    doubt: str


Place = Contained | Here | LockproofError
"""Where a container cell runs, or why it can't."""


def inside(cells: Sequence[Cell], places: Mapping[str, Place], host: Platform) -> tuple[Cell, ...]:
    """The cells with the platform that is really in their container, where somebody has looked.

    One that runs `Here` is from now on a cell of this machine.
    """

    def settled(cell: Cell) -> Cell:
        place = places.get(cell.id)
        if isinstance(place, Here):
            return replace(cell, container=None, on_host=True, platform=host)
        return replace(cell, platform=place.interpreter.platform) if isinstance(place, Contained) else cell

    return tuple(map(settled, cells))


def doubts(places: Mapping[str, Place]) -> dict[str, str]:
    """Why cells stay unproven, though their environments are what the lock says."""
    return {cell: why for cell, place in places.items() if (why := _doubt(place))}


def _doubt(place: Place) -> str:
    if isinstance(place, Here):
        return place.doubt
    if isinstance(place, LockproofError) or place.container.is_pinned:
        return ""
    return f"{place.container.image} is a tag: nothing says that it means the same image elsewhere"
