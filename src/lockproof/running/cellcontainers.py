"""Commands of container cells: how they are started, what they see, and what becomes of them."""

from __future__ import annotations

import fnmatch
import os
import shutil
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from lockproof.build.projecttree import read_project
from lockproof.containers.starting import (
    NOT_FOUND,
    Mount,
    Start,
    emptied,
    named_container,
    start_arguments,
    what_became_of,
)
from lockproof.errors import LockproofError
from lockproof.pythons.layout import layout_for
from lockproof.running.process import Finished
from lockproof.wheels.store import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from lockproof.cells.matrix import Cell
    from lockproof.containers.contained import Contained
    from lockproof.environments.workspace import Workspace
    from lockproof.running.process import Processes

_LAST_LINES = 5  # in which an engine tells why it started nothing
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # what engines give where an image says none


class ContainerCommand:
    """One cell's way to run commands in containers, a new one for each: none sees what another did to its own."""

    def __init__(self, cell: Cell, contained: Contained, *, project: Path, store: Path, workspace: Workspace) -> None:
        """`project` is where commands start, `store` what links of the environment may lead into."""
        self._cell = cell
        self._contained = contained
        self._project = project
        self._store = store
        self._workspace = workspace
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)

    @property
    def environment(self) -> Path:
        """The folder of the environment, here and inside."""
        return self._workspace.environment(self._cell.id)

    def variables(self) -> dict[str, str]:
        """The variables that are set for every command; those that the image sets and that change code are emptied."""
        cell, image = self._cell, self._contained.image.variables
        layout = layout_for(cell.python, cell.platform.os)
        return {
            **emptied(image),
            "HOME": "/tmp",  # noqa: S108 - the container's own, and gone with it
            "VIRTUAL_ENV": str(self.environment),
            "PATH": f"{self.environment / layout.scripts}:{image.get('PATH') or _PATH}",
            "PYTHONPYCACHEPREFIX": str(self._workspace.bytecode(cell.id)),
            "LOCKPROOF_CELL": cell.id,
            **cell.env,
        }

    def program(self, name: str) -> tuple[str, bool]:
        """What a command's first word means inside, and whether it is of the environment."""
        scripts = self.environment / layout_for(self._cell.python, self._cell.platform.os).scripts
        if os.sep in name:
            return str(self._project / name), (self._project / name).parent == scripts
        if (scripts / name).is_symlink() or shutil.which(name, path=str(scripts)):  # python leads to nothing out here
            return str(scripts / name), True
        return name, False

    @contextmanager
    def checkout(self) -> Iterator[None]:
        """Have the project ready as the cell wants it: as it is, or as a copy that ends with the block."""
        copy = self._workspace.copy(self._cell.id)
        remove_tree(copy)
        if self._contained.container.project != "copy":
            yield
            return
        try:
            read_project(self._project).copy_to(copy)
            for mounted in (self.environment, self._workspace.bytecode(self._cell.id)):
                (copy / mounted.relative_to(self._project)).mkdir(parents=True)
            yield
        finally:
            with suppress(OSError):
                remove_tree(copy)

    def run(
        self,
        program: str,
        arguments: Sequence[str],
        *,
        environ: Mapping[str, str],
        log: Path,
        processes: Processes,
        listen: Callable[[str], None],
    ) -> tuple[Finished, str]:
        """How a command ended, and what is to be said of it beside its exit code.

        Raises LockproofError for a program that isn't there, UnavailableError where the engine or somebody else ended
        it, and what `Processes.run` raises. The container is gone in any case.
        """
        self._last_lines.clear()

        def heard(line: str) -> None:
            self._last_lines.append(line)
            listen(line)

        engine = self._contained.engine
        start = self._start(program, arguments, environ)
        with named_container(engine) as name:
            finished = processes.run(
                start_arguments(engine, name, start),
                env={**environ, **engine.environ},
                cwd=self._project,
                log=log,
                timeout=self._cell.timeout,
                listen=heard,
            )
            if finished.timed_out:
                return finished, ""
            code, said = what_became_of(engine, name, finished.exit_code, self._problem())
            if code in NOT_FOUND and program in said:
                raise LockproofError(
                    f"the command {program!r} was not found", where=self._contained.container.image,
                    why=said, remedy="no locked distribution brings it, and the image does not have it",
                )  # fmt: skip
        return Finished(exit_code=code, seconds=finished.seconds), said

    def _problem(self) -> str:
        """Of the last lines that were printed the one that tells of an error, or else the very last."""
        lines = [line for line in self._last_lines if line.strip()]
        errors = [line for line in lines if "rror" in line or "not found" in line]
        return (errors or lines or [""])[-1]

    def _start(self, program: str, arguments: Sequence[str], environ: Mapping[str, str]) -> Start:
        cell, contained = self._cell, self._contained
        set_here = self.variables()
        passed = [
            name
            for name in environ
            if name not in set_here and any(fnmatch.fnmatchcase(name, pattern) for pattern in cell.pass_env)
        ]
        copy, copies = self._workspace.copy(cell.id), contained.container.project == "copy"
        bytecode = self._workspace.bytecode(cell.id)
        bytecode.mkdir(parents=True, exist_ok=True)
        mounts = [
            Mount(copy, str(self._project), writable=True) if copies else Mount(self._project),
            Mount(self.environment, writable=True),
            Mount(bytecode, writable=True),
            *([Mount(self._store)] if cell.link == "symlink" else []),
        ]
        return Start(
            image=contained.image.id,
            program=program,
            arguments=arguments,
            mounts=mounts,
            variables=set_here,
            passed=passed,
            folder=str(self._project),
            network=contained.container.network,
            user=contained.user,
        )
