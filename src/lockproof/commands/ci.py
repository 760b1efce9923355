"""`lockproof ci`: files and documents from which CI services run the matrix."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof import __version__
from lockproof.ci import github, gitlab
from lockproof.ci.jobs import LIMIT, make_jobs, matrix_json, parse_runners, parts
from lockproof.errors import MatrixError, UsageError, why_malformed

if TYPE_CHECKING:
    import argparse

    from lockproof.ci.jobs import Job
    from lockproof.project import Project

_UV_LOCK = "uv.lock"  # uv itself knows its lock by this name alone
_FILES = {"github": github.WORKFLOW, "gitlab": gitlab.PIPELINE}
_SHOWN = 40  # lines of a difference


def ci(options: argparse.Namespace, project: Project) -> int:
    """`lockproof ci`."""
    _refuse_misfits(options)
    if options.json:
        sys.stdout.write(f"{matrix_json(_part(_jobs(options, project), options.part))}\n")
        return 0
    if options.child:
        text = gitlab.child(_gitlab(options, project), _jobs(options, project))
    elif options.service == "gitlab":
        text = gitlab.parent(_gitlab(options, project))
        project.cells  # noqa: B018 - a matrix that can't be read is told now, not by the pipeline
    else:
        text = _workflow(options, project)
    if options.check:
        return _check(options, project, text)
    if options.output:
        _write(project.places.folder / options.output, options.output, text)
    else:
        sys.stdout.write(text)
    return 0


def _refuse_misfits(options: argparse.Namespace) -> None:
    parse_runners(options.runner)
    if options.json and options.service != "github":
        raise UsageError("--json is GitHub's", remedy="`lockproof list --json` has the cells for any other use")
    if options.child and options.service != "gitlab":
        raise UsageError("--child is GitLab's", remedy="leave it out")
    if options.part and not options.json:
        raise UsageError("--part chooses one of several matrices", remedy="give it with --json")
    if options.check and (options.json or options.child):
        raise UsageError("--check is for the file that is committed", remedy="leave --json or --child out")
    names = ("install", "branch", "output", "directory", "matrix")
    told = [name for name in names if not _is_plain(getattr(options, name) or "")]
    if told:
        why = "it holds ${{, a line's end or another sign that can't be written into the file as it is"
        raise UsageError(
            f"--{told[0]} can't be that", why=why, remedy="name it otherwise; a command can be a script of the project"
        )


def _is_plain(text: str) -> bool:
    return "${{" not in text and text.isprintable()


def _jobs(options: argparse.Namespace, project: Project) -> tuple[Job, ...]:
    """The jobs of all cells; raises what planning them raises, before any runs."""
    cells, folder = project.cells, project.places.folder.absolute()
    project.plans(cells)
    environments = {
        cell.id: Path(os.path.relpath(project.workspace.environment(cell.id).absolute(), folder)).as_posix()
        for cell in cells
    }
    hosted = None if options.service == "github" else gitlab.RUNNERS
    return make_jobs(cells, project.lock.sha256, environments, parse_runners(options.runner), hosted)


def _part(jobs: tuple[Job, ...], number: int) -> tuple[Job, ...]:
    """The jobs of one matrix; MatrixError where they need more than are asked for."""
    found = parts(jobs)
    if not number and len(found) > 1:
        raise MatrixError(
            f"{len(jobs)} cells are more than the {LIMIT} jobs that GitHub makes of a matrix",
            remedy=f"Ask for {len(found)} of them, --part 1 to --part {len(found)}, as the workflow does.",
        )
    if number < 0 or number > len(found):
        raise MatrixError(f"there is no part {number}", why=f"{len(jobs)} cells make {len(found)}")
    return found[max(number, 1) - 1]


def _install(options: argparse.Namespace, project: Project) -> str:
    """The command that makes lockproof a program of a job, with uv beside it where the matrix cannot do without."""
    if options.install:
        return str(options.install)
    spec = project.spec
    locks = [spec.lock, *([spec.build_lock.path] if spec.build_lock else [])]
    with_uv = _UV_LOCK in [Path(lock).name for lock in locks] or any(cell.installer == "uv" for cell in project.cells)
    if options.service == "github":
        return f"pipx install --python python lockproof=={__version__}" + " && pipx inject lockproof uv" * with_uv
    # The image's Python is the cell's, which may be too old for lockproof: uv brings one.
    uv = "python -m venv /tmp/uv && /tmp/uv/bin/pip install uv && /tmp/uv/bin/uv tool install"
    tool = "--with uv " * with_uv + f"lockproof=={__version__}"
    return f'{uv} --python 3.13 {tool} && export PATH="$HOME/.local/bin:$PATH"'


def _variables(options: argparse.Namespace) -> dict[str, str]:
    """What was chosen on the command line, as variables that all commands of the jobs see."""
    chosen = {
        "LOCKPROOF_DIRECTORY": options.directory if options.directory != "." else "",
        "LOCKPROOF_MATRIX": options.matrix if options.matrix != "matrix.yaml" else "",
        "LOCKPROOF_RUNNER": " ".join(options.runner),
        "LOCKPROOF_INSTALL": options.install or "",
        "LOCKPROOF_BRANCH": options.branch if options.branch != "main" else "",
    }
    return {name: value for name, value in chosen.items() if value}


def _again(options: argparse.Namespace) -> str:
    words = ["lockproof", "ci", options.service]
    words += ["-C", options.directory] * (options.directory != ".")
    words += ["--matrix", options.matrix] * (options.matrix != "matrix.yaml")
    words += [word for line in options.runner for word in ("--runner", line)]
    words += ["--install", options.install] * bool(options.install)
    words += ["--branch", options.branch] * (options.branch != "main")
    return shlex.join([*words, "-o", options.output or _FILES[options.service]])


def _elsewhere(options: argparse.Namespace) -> str:
    usual = _FILES[options.service]
    return shlex.quote(options.output) if options.output and options.output != usual else ""


def _workflow(options: argparse.Namespace, project: Project) -> str:
    wanted = github.Wanted(
        parts=-(-len(project.cells) // LIMIT),
        install=_install(options, project),
        variables=_variables(options),
        again=_again(options),
        output=_elsewhere(options),
        branch=options.branch,
        runner=parse_runners(options.runner).get("linux-x86_64", "ubuntu-24.04"),
    )
    if wanted.parts > 1:
        told = f"{len(project.cells)} cells are more than the {LIMIT} jobs that GitHub makes of a matrix"
        sys.stderr.write(f"note: {told}: the workflow has {wanted.parts} matrices\n")
    return github.workflow(wanted)


def _gitlab(options: argparse.Namespace, project: Project) -> gitlab.Wanted:
    return gitlab.Wanted(
        install=_install(options, project),
        variables=_variables(options),
        again=_again(options),
        output=_elsewhere(options),
    )


def _check(options: argparse.Namespace, project: Project, text: str) -> int:
    """Whether the committed file is what would be made now: 0, or 3 with the lines that differ."""
    import difflib  # only here

    named = options.output or _FILES[options.service]
    try:
        committed = (project.places.folder / named).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        remedy = f"make it: {_again(options)}"
        why = why_malformed(error)
        raise UsageError("the committed file can't be read", where=named, why=why, remedy=remedy) from error
    if committed == text:
        sys.stdout.write(f"current: {named} fits {project.places.matrix}\n")
        return 0
    lines = [
        *difflib.unified_diff(committed.splitlines(), text.splitlines(), named, "as it would be made", lineterm="")
    ]
    more = [f"… and {len(lines) - _SHOWN} lines more"] if len(lines) > _SHOWN else []
    sys.stdout.write(f"drift: {named} is not what {project.places.matrix} asks for; make it again: {_again(options)}\n")
    sys.stdout.write("".join(f"{line}\n" for line in [*lines[:_SHOWN], *more]))
    return 3


def _write(path: Path, named: str, text: str) -> None:
    from lockproof.wheels.store import write_where_asked

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_where_asked(path.absolute(), text.encode())
    except OSError as error:
        raise UsageError("the file can't be written", where=named, why=error.strerror or str(error)) from error
