"""What each command does: asks the project, hands values to reporters. Documents go to stdout, the rest to stderr."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.errors import LockproofError, UsageError
from lockproof.project import Places, Project

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def run_command(options: argparse.Namespace, posargs: Sequence[str]) -> int:
    """Run the command that was parsed; its exit code."""
    folder = _resolve_folder(options.directory)
    places = Places(folder=folder, matrix=options.matrix, cache=_cache_folder(options.store, folder))
    project = Project(places, os.environ, offline=options.offline)
    try:
        return _run_command(options, posargs, project)
    except LockproofError as error:
        if getattr(options, "github_summary", False):
            from lockproof.reporters.github import tell_error  # few errors are told there

            tell_error(error, project)
        raise


def _run_command(options: argparse.Namespace, posargs: Sequence[str], project: Project) -> int:
    if options.command == "ci":
        from lockproof.commands.ci import ci

        return ci(options, project)
    if options.command == "run":
        from lockproof.commands.run import run

        return run(options, posargs, project)
    if options.command == "worker":
        from lockproof.commands.clusters import worker

        return worker(options, project)
    if options.command in ("freeze", "lock"):
        from lockproof.commands import locks

        return {"freeze": locks.freeze, "lock": locks.lock}[options.command](options, project)
    if options.command == "attest" or (options.command == "verify" and options.attestation):
        from lockproof.commands.attest import attest, verify_attestation

        return (attest if options.command == "attest" else verify_attestation)(options, project)
    if options.command == "list":
        from lockproof.commands.listing import list_cells

        return list_cells(options, project)
    if options.command == "compare":
        from lockproof.commands.comparing import compare

        return compare(options, project)
    from lockproof.commands import looks

    return looks.COMMANDS[options.command](options, project)


def _cache_folder(named: str | None, folder: Path) -> Path:
    """The folder of the store and caches: the one that is named, seen from `folder`, else the user's cache folder."""
    if named:
        return (folder / Path(named).expanduser()).absolute()
    from platformdirs import user_cache_path

    return user_cache_path("lockproof", appauthor=False)


def _resolve_folder(named: str) -> Path:
    """The folder of `-C`; UsageError where there is none."""
    folder = Path(named)
    if not folder.is_dir():
        raise UsageError("there is no such folder", where=named, remedy="name an existing folder with -C")
    return folder
