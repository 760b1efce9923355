"""The commands of one cell: what they get, where they run, what came of each, and the bytecode that they use."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lockproof.cells.posargs import substitute_posargs
from lockproof.environments.pycache import prepare_bytecode
from lockproof.errors import LockproofError
from lockproof.proof.fingerprint import Finding
from lockproof.pythons.layout import layout_for
from lockproof.running.outcomes import CommandResult
from lockproof.running.process import allowed_environment, find_program
from lockproof.wheels.compiled import changed_compiled, compile_imported, place_compiled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lockproof.environments.workspace import Workspace
    from lockproof.running.celloverlays import CellOverlays
    from lockproof.running.outcomes import Listener
    from lockproof.running.preparation import Job
    from lockproof.running.process import Processes
    from lockproof.wheels.compiled import Placed

# What changes how programs behave, and is no part of an environment. Python's own variables only: another program's
# PYTHON_… may be a secret.
_INPUTS = re.compile(
    r"LANG|LANGUAGE|LC_[A-Z]+|TZ|(LD|DYLD)_[A-Z_]+"
    r"|PYTHON[A-Z0-9]+|PYTHON_(COLORS|CONTEXT_AWARE_WARNINGS|CPU_COUNT|FROZEN_MODULES|GIL|JIT|THREAD_INHERIT_CONTEXT)"
)
# Modes in which an edit in the environment reaches the store, and through it every environment that shares the file.
SHARING = ("hardlink", "symlink")
# Modes in which an environment's files have the times of the store's, and bytecode that was made of those is theirs.
_STORES_TIMES = (*SHARING, "overlay")


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What the user asked of a run; `project` is where commands start, `cache` what projects share."""

    project: Path
    cache: Path
    lock_sha256: str
    environ: Mapping[str, str]
    posargs: Sequence[str] = ()
    recreate: bool = False
    install_only: bool = False
    paranoid: bool = False

    @property
    def app_data(self) -> Path:
        """virtualenv's cache."""
        return self.cache / "virtualenv"


@dataclass(kw_only=True, slots=True)
class Progress:
    """What has come of a cell so far."""

    seconds: dict[str, float] = field(default_factory=dict)
    commands: list[CommandResult] = field(default_factory=list)
    mode: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the time of the block to a phase."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.monotonic() - started


class CellCommands:
    """Runs the commands of cells; one object serves all threads of a run."""

    def __init__(
        self,
        options: Options,
        *,
        workspace: Workspace,
        overlays: CellOverlays,
        processes: Processes,
        listener: Listener,
    ) -> None:
        """Everything that a command touches is given; nothing is looked up elsewhere."""
        self._options = options
        self._workspace = workspace
        self._overlays = overlays
        self._processes = processes
        self._listener = listener
        self._placed: dict[str, Placed] = {}

    def run(self, job: Job, progress: Progress) -> str:
        """Run the cell's commands in order; returns why it failed, or nothing."""
        cell = job.cell
        log = self._workspace.log(cell.id)
        log.write_bytes(b"")
        self._place_bytecode(job, progress.mode)
        environment = self._command_environment(job)
        progress.inputs = {name: value for name, value in sorted(environment.items()) if _INPUTS.fullmatch(name)}
        for command in cell.commands:
            argv = substitute_posargs(command, self._options.posargs)
            self._listener.phase(cell, shlex.join(argv))
            with log.open("ab") as stream:
                stream.write(f"$ {shlex.join(argv)}\n".encode())
            with progress.timed("run"):
                failure = self._command(job, argv, environment, log, progress)
            if failure:
                return f"{shlex.join(argv)}: {failure}"
        return ""

    def _command(self, job: Job, argv: list[str], env: Mapping[str, str], log: Path, progress: Progress) -> str:
        """Run one command; returns why it failed, or nothing."""
        cell, cwd = job.cell, self._options.project
        try:
            program, own = self._program(argv[0], job, env)
            started = [program, *argv[1:]]
            finished = self._processes.run(
                overlay.inside(started) if (overlay := self._overlays.of(job)) else started,
                env=env,
                cwd=cwd,
                log=log,
                timeout=cell.timeout,
                listen=lambda line: self._listener.output(cell, line),
            )
        except LockproofError as error:
            progress.commands.append(CommandResult(argv=tuple(argv), exit_code=127, seconds=0.0, log=str(log)))
            self._listener.output(cell, str(error))
            return str(error)
        note = "" if own else "not of this environment"
        progress.commands.append(
            CommandResult(
                argv=tuple(argv), exit_code=finished.exit_code, seconds=finished.seconds, log=str(log), note=note
            )
        )
        if finished.timed_out:
            return f"no end after {cell.timeout:g} s"
        return f"exit code {finished.exit_code}" if finished.exit_code else ""

    def _program(self, name: str, job: Job, env: Mapping[str, str]) -> tuple[str, bool]:
        """The path of a command's program, as the command sees it, and whether it is of the environment."""
        scripts, cwd = self._scripts(job), self._options.project
        if (overlay := self._overlays.of(job)) and os.sep not in name:
            for folder in overlay.scripts(scripts.name):
                if shutil.which(name, path=str(folder)):
                    return str(scripts / name), True
        return find_program(name, scripts, env, cwd)

    def _place_bytecode(self, job: Job, mode: str) -> None:
        """Empty the commands' bytecode folder, and put into it what is vouched for."""
        self._workspace.clear_bytecode(job.cell.id)
        prefix = self._workspace.bytecode(job.cell.id)
        if job.interpreter is None:
            return
        prepare_bytecode(prefix, job.interpreter, self._options.cache / "bytecode")
        if mode in _STORES_TIMES:  # elsewhere the sources' times are not those of the store
            self._placed[job.cell.id] = place_compiled(
                prefix, self._site(job), job.entries, job.interpreter, paranoid=self._options.paranoid
            )

    def bytecode_findings(self, job: Job) -> list[Finding]:
        """What the commands did to the bytecode that lay ready for them."""
        changed = changed_compiled(self._placed.pop(job.cell.id, []))
        return [
            Finding("bytecode-changed", path, "has bytecode that was changed where it lay ready") for path in changed
        ]

    def keep_bytecode(self, job: Job, mode: str) -> None:
        """Compile what was imported, for the next run."""
        if job.interpreter and mode in _STORES_TIMES:
            compile_imported(self._workspace.bytecode(job.cell.id), self._site(job), job.entries, job.interpreter)

    def _site(self, job: Job) -> Path:
        return self._workspace.environment(job.cell.id) / layout_for(job.cell.python, job.cell.platform.os).site

    def _scripts(self, job: Job) -> Path:
        return self._workspace.environment(job.cell.id) / layout_for(job.cell.python, job.cell.platform.os).scripts

    def _command_environment(self, job: Job) -> dict[str, str]:
        cell, environ = job.cell, self._options.environ
        passed = allowed_environment(environ, cell.pass_env, {})
        ours = {
            "VIRTUAL_ENV": str(self._workspace.environment(cell.id)),
            "PATH": f"{self._scripts(job)}:{passed.get('PATH', '/usr/bin:/bin')}",
            "PYTHONPYCACHEPREFIX": str(self._workspace.bytecode(cell.id)),
            "LOCKPROOF_CELL": cell.id,
        }
        return {**passed, **ours, **cell.env}
