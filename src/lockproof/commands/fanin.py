"""`lockproof compare --expect`: the fan-in of any CI."""

from __future__ import annotations

import glob
import json
import sys
from typing import TYPE_CHECKING

from lockproof.commands.output import print_json
from lockproof.errors import LockproofError, UsageError, why_malformed, why_of
from lockproof.proof.bundle import Bundle, is_bundle
from lockproof.proof.fanin import fan_in_to_json, gather
from lockproof.proof.fingerprint import from_json
from lockproof.reading.targets import read_target

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lockproof.cells.policykeys import Policy
    from lockproof.project import Project
    from lockproof.proof.fingerprint import Fingerprint

_PREDICTIONS = "lockproof/predictions/v1"


def fan_in(options: argparse.Namespace, project: Project) -> int:
    """Judge all cells of the matrix by the fingerprints that the targets name."""
    from lockproof.reporters.fanin import fan_in_text

    expected = _expected(project.places.folder / options.expect, options.expect, project)
    policies = _policies(project, expected, options.expect)
    expected = {cell: expected[cell] for cell in policies}  # in the order of the matrix
    named = list(_named(options.targets, project.places.folder))
    handed_in, unread = _read(named, project)
    result = gather(expected, policies, handed_in, unread)
    if options.json:
        print_json(fan_in_to_json(result))
    else:
        sys.stdout.write(fan_in_text(result, verbose=options.verbose))
    if options.github_summary:
        from lockproof.reporters.github import Places, tell_fan_in

        tell_fan_in(result, Places.of(project), options.expect)
    return result.exit_code


def _named(targets: Sequence[str], folder: Path) -> Iterator[str]:
    """The targets, globs written out (`**` are any folders), as shells do it that know how; each once."""
    seen: set[str] = set()
    for target in targets:
        is_glob = glob.has_magic(target) and not (folder / target).exists()
        names = sorted(glob.glob(target, root_dir=folder, recursive=True)) if is_glob else [target]  # noqa: PTH207 - told as given
        yield from (name for name in names if name not in seen)
        seen.update(names)


def _read(named: Sequence[str], project: Project) -> tuple[list[tuple[str, Fingerprint]], list[tuple[str, str]]]:
    """The fingerprints by name, and why the others can't be read: one broken file must not hide the other cells."""
    read, unread = [], []
    for name in named:
        try:
            read.append((name, read_target(name, project)))
        except LockproofError as error:
            unread.append((name, f"can't be read: {str(error).splitlines()[0]}"))
    return read, unread


def _policies(project: Project, expected: dict[str, Fingerprint], named: str) -> dict[str, Policy]:
    """The policy of each cell; UsageError where the cells of the matrix are not those that were predicted."""
    cells = {cell.id: cell for cell in project.cells}
    apart = [f"{cell} was not predicted" for cell in cells if cell not in expected]
    apart += [
        f"{cell.id} was predicted as something else"
        for cell in cells.values()
        if (about := expected[cell.id].about if cell.id in expected else None) is not None
        and (about.get("python"), about.get("platform")) != (cell.python, cell.platform.id)
    ]
    apart += [f"{cell} is not in {project.places.matrix}" for cell in expected if cell not in cells]
    if apart:
        more = f" and {len(apart) - 5} more" if len(apart) > 5 else ""
        raise UsageError(
            "the predictions are not those of this matrix", where=named, why="; ".join(apart[:5]) + more,
            remedy="Predict all cells of the matrix that is compared: lockproof predict --bundle FOLDER",
        )  # fmt: skip
    return {cell.id: cell.policy for cell in cells.values()}


def _expected(path: Path, named: str, project: Project) -> dict[str, Fingerprint]:
    """What was predicted, by cell: from a bundle, a folder of saved fingerprints, or a file of `predict --json`."""
    if is_bundle(path):
        bundle = Bundle(path, named)
        read = [(f"{named}:{name}", bundle.read(name)) for name in bundle.names()]
    elif path.is_dir():
        files = sorted(path.rglob("*.json"))
        read = [(str(file), read_target(str(file), project)) for file in files]
    else:
        read = _from_file(path, named)
    expected: dict[str, Fingerprint] = {}
    for where, fingerprint in read:
        cell = fingerprint.about.get("cell", "")
        if not cell or "selector" not in fingerprint.about:
            raise UsageError("this is no prediction of a cell", where=where, remedy="make one with: lockproof predict")
        if cell in expected:
            raise UsageError(f"{cell} is predicted twice", where=where)
        expected[cell] = fingerprint
    if not expected:
        raise UsageError("there is no prediction in it", where=named, remedy="make them with: lockproof predict")
    return expected


def _from_file(path: Path, named: str) -> list[tuple[str, Fingerprint]]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError("the predictions can't be read", where=named, why=why_of(error)) from error
    except UnicodeDecodeError as error:
        raise UsageError("these are no predictions", where=named, why=why_malformed(error)) from error
    try:
        document = json.loads(text)
        if not isinstance(document, dict) or document.get("schema") != _PREDICTIONS:
            return [(named, from_json(text, named))]
        rows = [json.dumps(row["fingerprint"]) for row in document["cells"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError("these are no predictions", where=named, why=why_malformed(error)) from error
    return [(f"{named}[{index}]", from_json(row, named)) for index, row in enumerate(rows)]
