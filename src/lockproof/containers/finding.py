"""Finds the containers of cells: each with its engine, its image and the interpreter in it, or why it can't be had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockproof.containers.around import doubt_here, is_in_container
from lockproof.containers.contained import Contained, Here
from lockproof.containers.images import image_of, working_engine
from lockproof.containers.insides import Insides
from lockproof.containers.starting import user_arguments
from lockproof.errors import LockproofError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from lockproof.cells.containerkeys import Container
    from lockproof.cells.matrix import Cell
    from lockproof.containers.contained import Place
    from lockproof.containers.engines import Engine
    from lockproof.pythons.platforms import Platform


def misfit(cell: Cell) -> str:
    """Why a cell's environment, as it is to be made, can't be had in a container; empty where it can."""
    if cell.link != "overlay" and cell.installer == "lockproof":
        return ""
    kind = "link: overlay" if cell.link == "overlay" else f"installer: {cell.installer}"
    return f"{kind} is for environments of this machine, and this cell's Python is in an image"


class Containers:
    """Finds what container cells run in; an engine is asked once, and so is an image."""

    def __init__(self, environ: Mapping[str, str], cache: Path, *, allow_tags: bool, offline: bool) -> None:
        """Images' insides are kept in the folder `cache`; with `offline` nothing is pulled."""
        self._environ = environ
        self._insides = Insides(cache)
        self._allow_tags = allow_tags
        self._offline = offline
        self._engines: dict[str, tuple[Engine, tuple[str, ...]] | LockproofError] = {}
        self.swept: dict[str, int] = {}  # containers that killed runs had left, by engine

    def of(self, cells: Sequence[Cell], has_python: Callable[[str], bool], host: Platform) -> dict[str, Place]:
        """What each container cell runs in by its id, or why it can't.

        Where no engine works, but this is a container itself, and it has the cell's platform and Python, it is `Here`.
        """
        found: dict[str, Place] = {}
        for cell in cells:
            if cell.container is not None:
                try:
                    here = self._here(cell, cell.container, has_python, host)
                    found[cell.id] = here or self._contained(cell, cell.container)
                except LockproofError as error:
                    found[cell.id] = error
        return found

    def glance(self, cell: Cell, container: Container, has_python: Callable[[str], bool], host: Platform) -> str:
        """Where a container cell would run; nothing is started or pulled. Raises as for a run."""
        if here := self._here(cell, container, has_python, host):
            return f"in the container around it{f', unproven: {here.doubt}' if here.doubt else ''}"
        if why := misfit(cell):
            raise UnavailableError(why)
        engine, _ = self._engine(container.engine)
        try:
            image_of(container, engine, allow_tags=self._allow_tags, offline=True)
        except UnavailableError:
            if self._offline or container.image.startswith("sha256:") or engine.has(container.image):
                raise
            return f"in {engine.name}, which does not have {container.image} yet"
        return f"in {engine.name}, {container.image}"

    def _here(self, cell: Cell, container: Container, has_python: Callable[[str], bool], host: Platform) -> Here | None:
        """The container around us, where no engine works, and it will do; None where one works. Raises its error."""
        try:
            self._engine(container.engine)
        except UnavailableError:
            alike = (cell.platform.os, cell.platform.machine) == (host.os, host.machine)
            if not (alike and is_in_container(self._environ) and has_python(cell.python)):
                raise
            return Here(doubt=doubt_here(container, self._environ))
        return None

    def _contained(self, cell: Cell, container: Container) -> Contained:
        engine, user = self._engine(container.engine)
        image = image_of(container, engine, allow_tags=self._allow_tags, offline=self._offline)
        interpreter = self._insides.interpreter(cell.python, image, engine, named=container.python, user=user)
        wanted, inside = cell.platform, interpreter.platform
        if (wanted.os, wanted.machine) != (inside.os, inside.machine):
            raise UnavailableError(
                f"the image is for {inside.id}", where=container.image, why=f"the cell says {wanted.id}",
                remedy="let `platform` and `container` of the cell say the same",
            )  # fmt: skip
        return Contained(engine=engine, image=image, interpreter=interpreter, container=container, user=user)

    def _engine(self, name: str) -> tuple[Engine, tuple[str, ...]]:
        if name not in self._engines:
            try:
                engine, swept = working_engine(name, self._environ)
                self.swept[engine.name] = self.swept.get(engine.name, 0) + swept
                self._engines[name] = (engine, user_arguments(engine))
            except LockproofError as error:
                self._engines[name] = error
        found = self._engines[name]
        if isinstance(found, LockproofError):
            raise found
        return found
