"""What a command line names as TARGET: the folder of an environment, or a saved fingerprint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockproof.errors import UsageError
from lockproof.proof.bundle import find_bundle, one_of
from lockproof.proof.fingerprint import Fingerprint, from_json

if TYPE_CHECKING:
    from lockproof.project import Project
    from lockproof.proof.inspection import Inspection
    from lockproof.pythons.interpreters import Interpreter


def read_target(named: str, project: Project, expected: Interpreter | None = None) -> Fingerprint:
    """The fingerprint of a folder, of a saved fingerprint or of a bundle's member; UsageError for anything else."""
    from dataclasses import replace

    from lockproof.environments.workspace import describe_origin

    if found := find_bundle(project.places.folder, named):
        return one_of(*found)
    path = project.places.folder / named
    if path.is_file():
        try:
            return from_json(path.read_text(encoding="utf-8"), named)
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError("this saved fingerprint can't be read", where=named, why=str(error)) from error
    observed = observe_target(named, project, expected)
    return replace(observed, about=describe_origin(path.absolute(), observed))


def observe_target(named: str, project: Project, expected: Interpreter | None = None) -> Fingerprint:
    """The fingerprint of an environment's folder, as it is now; UsageError for anything else."""
    from lockproof.environments.overlay import fingerprint_inside, overlay_at

    path = project.places.folder / named
    if path.is_dir() and (overlay := overlay_at(path)):
        return fingerprint_inside(overlay, project.places.cache)
    return inspect_target(named, project, expected).fingerprint


def inspect_target(named: str, project: Project, expected: Interpreter | None = None) -> Inspection:
    """The reading of an environment's folder; UsageError for anything else."""
    from dataclasses import replace

    from lockproof.environments.overlay import overlay_at
    from lockproof.proof.inspection import inspect_environment
    from lockproof.pythons.interpreters import identify
    from lockproof.pythons.stdlibbytecode import unchecked_bytecode

    kind = named.partition(":")[0]
    path = project.places.folder / named
    if not path.is_dir():
        why = f"{kind}: targets are not read by this version" if ":" in named else "there is no such folder or file"
        why = "it is a file, and the environment itself is needed" if path.is_file() else why
        raise UsageError("this is no target", where=named, why=why, remedy="name a folder or a saved fingerprint")
    if overlay_at(path):
        raise UsageError("this environment is an overlay, which has no files of its own here", where=named,
                         remedy="run its cell with link: auto, and name that one")  # fmt: skip
    trusted = (expected.executable,) if expected else ()
    discovery = replace(project.discovery, trusted=trusted)
    inspection = inspect_environment(
        path,
        identify=lambda real: identify(real, discovery),
        store=project.store.folder,
        declared=expected.executable if expected else None,
        vouched=project.places.cache / "vouched",
    )
    if inspection.interpreter is None:
        return inspection
    wrong = unchecked_bytecode(discovery.ask(inspection.interpreter.executable))
    fingerprint = inspection.fingerprint
    return replace(inspection, fingerprint=replace(fingerprint, findings=(*fingerprint.findings, *wrong)))
