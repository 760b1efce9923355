"""The commands of one cell: what they get, where they run, what came of each, and the bytecode that they use."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lockproof.cells.posargs import substitute_posargs
from lockproof.environments.pycache import prepare_bytecode
from lockproof.errors import LockproofError, UnavailableError
from lockproof.proof.fingerprint import Finding
from lockproof.pythons.layout import layout_for
from lockproof.running.outcomes import CommandResult
from lockproof.running.process import allowed_environment, find_program
from lockproof.wheels.compiled import changed_compiled, compile_imported, place_compiled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lockproof.containers.contained import Contained
    from lockproof.environments.workspace import Workspace
    from lockproof.running.cellcontainers import ContainerCommand
    from lockproof.running.celloverlays import CellOverlays
    from lockproof.running.outcomes import Listener
    from lockproof.running.preparation import Job
    from lockproof.running.process import Finished, Processes
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


_NAMED = 20  # changed files of the project


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
    containers: Mapping[str, Contained] = field(default_factory=dict)  # by the ids of cells
    doubts: Mapping[str, str] = field(default_factory=dict)  # why such cells stay unproven

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
        inside = self._container(job)
        environment = inside.variables() if inside else self._command_environment(job)
        progress.inputs = {name: value for name, value in sorted(environment.items()) if _INPUTS.fullmatch(name)}
        with inside.checkout() if inside else nullcontext():
            return self._run_all(job, environment, log, progress)

    def _run_all(self, job: Job, environment: Mapping[str, str], log: Path, progress: Progress) -> str:
        cell = job.cell
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
        cell = job.cell
        inside = self._container(job)
        try:
            finished, own, said = (
                self._run_inside(inside, job, argv, log) if inside else self._run_here(job, argv, env, log)
            )
        except LockproofError as error:
            if inside and isinstance(error, UnavailableError):
                raise  # that was the engine, not the command
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
        return f"exit code {finished.exit_code}{said}" if finished.exit_code else ""

    def _run_here(self, job: Job, argv: list[str], env: Mapping[str, str], log: Path) -> tuple[Finished, bool, str]:
        program, own = self._program(argv[0], job, env)
        started = [program, *argv[1:]]
        finished = self._processes.run(
            overlay.inside(started) if (overlay := self._overlays.of(job)) else started,
            env=env,
            cwd=self._options.project,
            log=log,
            timeout=job.cell.timeout,
            listen=lambda line: self._listener.output(job.cell, line),
        )
        return finished, own, ""

    def _run_inside(self, inside: ContainerCommand, job: Job, argv: list[str], log: Path) -> tuple[Finished, bool, str]:
        program, own = inside.program(argv[0])
        finished, said = inside.run(
            program,
            argv[1:],
            environ=self._options.environ,
            log=log,
            processes=self._processes,
            listen=lambda line: self._listener.output(job.cell, line),
        )
        return finished, own, f": {said}" if said else ""

    def unproven(self, job: Job) -> str:
        """Why what the commands ran in can't be proven, though the environment was; empty where it can."""
        return self._options.doubts.get(job.cell.id, "")

    def _container(self, job: Job) -> ContainerCommand | None:
        contained = self._options.containers.get(job.cell.id)
        if contained is None:
            return None
        from lockproof.running.cellcontainers import ContainerCommand  # few cells have one

        project, store = self._options.project, self._options.cache / "store"
        return ContainerCommand(job.cell, contained, project=project, store=store, workspace=self._workspace)

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
        if job.interpreter is None or job.interpreter.image:
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
        if job.interpreter and not job.interpreter.image and mode in _STORES_TIMES:
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


def project_findings(job: Job) -> list[Finding]:
    """What the project's own files were while the commands ran: they may write there, and it is worth knowing."""
    try:
        changed = job.project.tree.changes() if job.project else []
    except LockproofError as error:  # another cell's command may be writing just now
        return [Finding("project-changed", "", f"can't be read: {error}", "note")]
    told = [Finding("project-changed", path, "was changed while the commands ran", "note") for path in changed[:_NAMED]]
    if len(changed) > _NAMED:
        told.append(Finding("project-changed", "", f"{len(changed) - _NAMED} more files were changed", "note"))
    return told
