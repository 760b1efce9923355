"""`lockproof freeze` and `lockproof lock`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lockproof.commands.output import end_in_order, print_json, progress
from lockproof.errors import UsageError
from lockproof.reading.targets import inspect_target

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from lockproof.project import Project


def freeze(options: argparse.Namespace, project: Project) -> int:
    """`lockproof freeze`: the lock to a file or to stdout, what is to be said of it to stderr."""
    from lockproof.freeze.freezing import Choice
    from lockproof.freeze.freezing import freeze as freeze_environment
    from lockproof.freeze.frozen import frozen_to_json, pylock_lines, requirements_lines
    from lockproof.reporters.frozen import frozen_text

    output = project.places.folder / options.output if options.output else None
    if output is not None and (not output.absolute().parent.is_dir() or output.is_dir()):
        raise UsageError(
            "the lock can't be written", where=str(output), why="it is a folder, or the folder for it is not there"
        )
    inspection = inspect_target(options.target, project)
    with progress(options) as listener:
        index, fetching = project.without_lock(listener.fetching)
        choice = Choice(everything=options.all, exclude=tuple(options.exclude))
        frozen = freeze_environment(inspection, choice, index=index, fetching=fetching)
    sys.stderr.write(frozen_text(frozen, verbose=options.verbose, quiet=options.quiet))
    is_pylock = (options.format or (output.suffix if output else "")) in ("pylock", ".toml")
    lines = pylock_lines(frozen) if is_pylock else requirements_lines(frozen)
    lock = "".join(f"{line}\n" for line in lines)
    if output is not None:
        _write_lock(output, lock)
    if options.json:
        print_json(frozen_to_json(frozen, options.target))
    elif output is None:
        sys.stdout.write(lock)
    return frozen.exit_code


def _write_lock(path: Path, text: str) -> None:
    from lockproof.wheels.store import write_where_asked

    try:
        write_where_asked(path.absolute(), text.encode())
    except OSError as error:
        raise UsageError("the lock can't be written", where=str(path), why=error.strerror or str(error)) from error


def lock(options: argparse.Namespace, project: Project) -> int:
    """`lockproof lock`."""
    from lockproof.relocking.exporting import export_lock, write_export
    from lockproof.relocking.locking import print_account, run_lock
    from lockproof.relocking.lockoptions import refuse_misfits

    refuse_misfits(options)
    if options.export:
        write_export(export_lock(options, project), options, project)
        return 0
    end_in_order()
    with progress(options) as listener:
        account = run_lock(options, project, listener.fetching)
    print_account(account, as_json=options.json, verbose=options.verbose)
    return account.exit_code
