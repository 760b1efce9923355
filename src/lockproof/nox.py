"""The cells of a matrix as nox sessions, for noxfiles; nothing else imports this module.

    import lockproof.nox

    lockproof.nox.sessions()

Inside this package `import nox` still is nox: imports are absolute.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nox

from lockproof.errors import LockproofError
from lockproof.project import Places, Project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockproof.cells.matrix import Cell

_ENDING = 60.0  # seconds that an interrupted run has to end the commands of its cells


def sessions(matrix: str = "matrix.yaml", *, cell: str = "cell", whole: str = "reproduce") -> None:
    """Register a session for each cell, `cell(<id>)`, and one for all of them, named by `whole`; "" registers none.

    `matrix` is seen from the noxfile's folder. A cell's session has its exact Python for `-p`, and `tags` for `-t` and
    `-k`. Sessions of cells are not among the default ones, since `whole` is. Arguments after `--` go to the commands of
    a cell; those of `whole` go to `lockproof run`.

    A matrix that can't be read ends nox with exit code 2.
    """
    if whole:
        _register_whole(matrix, whole)
    if not cell:
        return
    try:
        cells = Project(Places(folder=Path(), matrix=matrix, cache=Path()), os.environ).cells
    except LockproofError as error:
        sys.stderr.write(f"lockproof: {error}\n")
        sys.exit(error.exit_code)
    _register_cells(matrix, cell, cells)


def tags(cell: Cell) -> list[str]:
    """What a cell's session can be selected by: py312, linux, x86_64, musl, its axes' values, its name, `host`.

    `host` says that its platform is this machine's. nox wants identifiers after `-k`; `-t` takes any of them.
    """
    minor = "".join(cell.python.split(".")[:2])
    found = [f"py{minor}", *cell.platform.id.split("-"), *cell.axes.values(), *([cell.name] if cell.name else [])]
    return list(dict.fromkeys([*found, *(["host"] if cell.on_host else [])]))


def _register_whole(matrix: str, name: str) -> None:
    def run(session: nox.Session) -> None:
        """All cells of the matrix, by lockproof: `-- '3.12.*'` for some, `-- -- -k login` for their commands."""
        _run(session, matrix, session.posargs)

    nox.session(name=name, venv_backend="none")(run)


def _register_cells(matrix: str, name: str, cells: Sequence[Cell]) -> None:
    def run(session: nox.Session, cell: str, **forced: str) -> None:
        """One cell of the matrix, by lockproof; arguments after -- go to its commands."""
        if forced:
            session.error(f"the Python of {cell} is what {matrix} says: select cells with -p")
        _run(session, matrix, [cell, "--", *session.posargs])

    parameters = [nox.param(cell.python, cell.id, id=cell.id, tags=tags(cell)) for cell in cells]
    nox.session(name=name, venv_backend="none", default=False)(nox.parametrize("python,cell", parameters)(run))


def _run(session: nox.Session, matrix: str, arguments: Sequence[str]) -> None:
    """`lockproof run` with what nox's own options ask of it."""
    config = session._runner.global_config  # noqa: SLF001 - nox tells sessions of its options nowhere else
    options = ["--matrix", matrix]
    if config.install_only:
        options.append("--install-only")
    if config.no_install:  # -R: what is there is used, nothing is brought in
        options.append("--offline")
    if config.reuse_venv == "never":
        options.append("--recreate")
    session.run_install(  # `session.run` does nothing with --install-only
        sys.executable, "-m", "lockproof", "run", *options, *arguments,
        env=_sources(), external=True, interrupt_timeout=_ENDING,
    )  # fmt: skip


def _sources() -> dict[str, str | None]:
    """What lets a new process import the very lockproof that this is."""
    place = str(Path(__file__).parents[1])
    return {"PYTHONPATH": os.pathsep.join([place, *filter(None, [os.environ.get("PYTHONPATH")])])}
