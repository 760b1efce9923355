"""The fingerprint that a cell must have, from its plan and the manifests of its wheels: nothing is installed."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from lockproof.digests import digest_of_lines
from lockproof.errors import LockError
from lockproof.proof.fingerprint import (
    Distribution,
    FileFact,
    Finding,
    Fingerprint,
    Worked,
    artifacts_digest,
    owned_roots,
    set_digest,
    startup_digest,
)
from lockproof.wheels.launchers import for_python
from lockproof.wheels.programs import program_value
from lockproof.wheels.startup import ISOLATED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lockproof.pythons.layout import Layout
    from lockproof.wheels.launchers import EntryPointScript
    from lockproof.wheels.manifest import Manifest


class Landing:
    """What one wheel puts where; what follows from that is worked out when it is first asked for."""

    def __init__(self, facts: dict[str, FileFact]) -> None:
        """`facts` by logical path."""
        self.facts = facts

    @cached_property
    def lines(self) -> list[bytes]:
        """The canonical lines, sorted."""
        return sorted(fact.line(path) for path, fact in self.facts.items())

    @cached_property
    def digest(self) -> str:
        """The digest of the lines."""
        return digest_of_lines("lockproof files 1", self.lines)

    @cached_property
    def folders(self) -> frozenset[str]:
        """All folders above the files."""
        return _folders_above(self.facts)


Landings = dict[tuple[str, str], Landing]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """What follows from the wheels of a cell, but for their single files; `layers` are those without an interpreter."""

    layers: Mapping[str, str]
    distributions: tuple[Distribution, ...]
    startup: tuple[str, ...]
    findings: tuple[Finding, ...]


def predict(
    manifests: Sequence[Manifest],
    layout: Layout,
    *,
    python: str,
    os_name: str,
    interpreter: Mapping[str, str],
    interpreter_layer: str | None,
    landings: Landings | None = None,
    locked: Mapping[str, tuple[str, str]] | None = None,
    settled: Settled | None = None,
) -> Fingerprint:
    """What an environment of exactly these wheels is, whoever installs them, wherever.

    `landings` keeps, from one call to the next, what is worked out of wheels that several cells have. `locked` has, by
    name, (file name, sha256) of what the lock names: the sdist, where a wheel was built from one. `settled` is what
    `settle` says of the same, where that is known.

    `interpreter` and `interpreter_layer` are those of the declared interpreter; None leaves that layer out, for a
    platform that isn't at hand. Raises LockError, naming both sides, where two distributions put different bytes at
    one path, or (macOS, Windows) at paths that differ only in case or Unicode form.
    """
    landings = {} if landings is None else landings
    settled = settled or settle(manifests, layout, python, os_name, landings, locked or {})
    files: dict[str, FileFact] = {}
    for manifest in manifests:
        files.update(_landing(manifest, layout, python, landings).facts)
    return Fingerprint(
        layers={**settled.layers, **({} if interpreter_layer is None else {"interpreter": interpreter_layer})},
        distributions=settled.distributions,
        files=files,
        startup=settled.startup,
        interpreter=interpreter,
        findings=settled.findings,
    )


def settle(
    manifests: Sequence[Manifest],
    layout: Layout,
    python: str,
    os_name: str,
    landings: Landings,
    locked: Mapping[str, tuple[str, str]],
) -> Settled:
    """All of a prediction but the facts of the single files; arguments and errors are those of `predict`."""
    landed = [(manifest, _landing(manifest, layout, python, landings)) for manifest in manifests]
    owners, folders, shared = _together(landed)
    findings = [*shared, *(finding for manifest in manifests for finding in manifest.findings)]
    findings += [note for manifest in manifests for note in _not_executable(manifest, layout)]
    findings += _twins(folders | owners, os_name)
    startup = {line for manifest in manifests for line in manifest.startup}.union(ISOLATED)
    placed = _distributions(landed, locked)
    layers = {
        "set": set_digest((dist.name, dist.version) for dist in placed),
        "artifacts": artifacts_digest(placed) or "",
        "files": digest_of_lines("lockproof files 1", sorted({line for _, own in landed for line in own.lines})),
        "startup": startup_digest(startup),
    }
    return Settled(layers=layers, distributions=placed, startup=tuple(sorted(startup)), findings=tuple(findings))


def worked_out(
    predicted: Fingerprint, manifests: Sequence[Manifest], layout: Layout, python: str, landings: Landings
) -> Worked:
    """The digests of a prediction with what they were worked out of, for the observation of what should be the same."""
    return Worked(
        files=predicted.files,
        groups={manifest.name: _landing(manifest, layout, python, landings).facts.keys() for manifest in manifests},
        total=predicted.layers["files"],
        digests={dist.name: dist.files for dist in predicted.distributions},
        roots={dist.name: dist.roots for dist in predicted.distributions},
    )


def _together(
    landed: Iterable[tuple[Manifest, Landing]],
) -> tuple[dict[str, str], dict[str, str], list[Finding]]:
    """The owner of each file, one of each folder, and notes of files that two wheels bring.

    Raises LockError for collisions.
    """
    files: dict[str, FileFact] = {}
    owners: dict[str, str] = {}
    folders: dict[str, str] = {}
    shared = []
    for manifest, landing in landed:
        own = landing.facts
        for path in sorted(own.keys() & files.keys()):
            if own[path] != files[path]:
                raise _collision(path, owners[path], manifest)
            text = f"is put there by {owners[path]} and by {manifest.name}, with equal bytes"
            shared.append(Finding("owned-twice", path, text, "note"))
        files.update(own)
        owners.update(dict.fromkeys(own, manifest.name))
        folders.update(dict.fromkeys(landing.folders, manifest.name))
    _refuse_file_as_folder(owners, folders)
    return owners, folders, shared


def _distributions(
    landed: Sequence[tuple[Manifest, Landing]], locked: Mapping[str, tuple[str, str]]
) -> tuple[Distribution, ...]:
    roots = owned_roots({manifest.name: landing.facts for manifest, landing in landed})
    return tuple(
        Distribution(
            name=manifest.name,
            version=manifest.version,
            files=landing.digest,
            roots=roots[manifest.name],
            artifact=locked.get(manifest.name) or (manifest.filename, manifest.sha256),
        )
        for manifest, landing in landed
    )


def _landing(manifest: Manifest, layout: Layout, python: str, landings: Landings) -> Landing:
    """What a wheel puts where under that exact Python."""
    everywhere = not manifest.launchers and all(file.path.startswith("site/") for file in manifest.files)
    key = (f"{manifest.filename} {manifest.sha256}", "" if everywhere else f"{layout.headers} {python}")
    found = landings.get(key)
    if found is None:
        found = landings[key] = Landing(landing_facts(manifest, layout, python))
    return found


def landing_facts(manifest: Manifest, layout: Layout, python: str) -> dict[str, FileFact]:
    """The facts of one wheel's files as they will be observed under that exact Python, by logical path."""
    facts: dict[str, FileFact] = {}
    for path, _member, sha256, size, _executable in manifest.files:
        facts[normal_path(path, layout)] = FileFact("f", sha256, size)
    for script in manifest.scripts:
        facts[script.path] = script.fact
    for launcher in landing_launchers(manifest, python):
        value = program_value(launcher.module, launcher.attr, window=bool(layout.program) and launcher.gui)
        facts[layout.wrapper(launcher.name)] = FileFact("e", value)
    return facts


def landing_launchers(manifest: Manifest, python: str) -> list[EntryPointScript]:
    """The wrappers that a wheel gets under that exact Python."""
    major, minor = python.split(".")[:2]
    return for_python(manifest.launchers, (int(major), int(minor)))


def _not_executable(manifest: Manifest, layout: Layout) -> list[Finding]:
    """Files that a data scheme puts among the scripts, and whose wheel doesn't mark them executable: so they land."""
    return [
        Finding("not-executable", path, f"{manifest.filename} has it without an executable bit", "note")
        for file in manifest.files
        if not file.executable and (path := normal_path(file.path, layout)).startswith("scripts/")
    ]


def normal_path(path: str, layout: Layout) -> str:
    """A wheel's logical path as it is observed: its data scheme may reach into another area (`data/bin/x`)."""
    return layout.logical(layout.spelled(path[5:])) if path.startswith("data/") else path


def _collision(path: str, first: str, second: Manifest) -> LockError:
    return LockError(
        f"{first} and {second.name} {second.version} put different bytes at {path}",
        why="which of the two would win depends on the installer and on chance",
        remedy="lock only one of them, or versions that do not share the file",
    )


def _folders_above(paths: Iterable[str]) -> frozenset[str]:
    folders = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return frozenset(folders)


def _refuse_file_as_folder(owners: Mapping[str, str], folders: Mapping[str, str]) -> None:
    for path in sorted(owners.keys() & folders.keys()):
        raise LockError(
            f"{owners[path]} has a file at {path}, where {folders[path]} has a folder",
            remedy="lock only one of them, or versions that do not share the path",
        )


def _twins(owners: Mapping[str, str], os_name: str) -> list[Finding]:
    """Paths, of files and of folders, that a case-insensitive or normalising file system takes for one."""
    if not _may_have_twins(owners):
        return []
    seen: dict[str, str] = {}
    notes = []
    for path, owner in owners.items():
        other = seen.setdefault(_folded(path), path)
        if other == path:
            continue
        message = f"{owners[other]}'s {other} and {owner}'s {path} are one where case or Unicode form don't count"
        if os_name in ("macos", "windows"):
            raise LockError(message, remedy="lock versions that do not share the path, or leave this platform out")
        notes.append(Finding("twin-paths", path, message, "note"))
    return notes


def _may_have_twins(owners: Mapping[str, str]) -> bool:
    """Whether one of the few paths that aren't plain lower case has the folded form of another path."""
    odd = [path for path in owners if not (path.isascii() and path.islower())]
    folded = {_folded(path) for path in odd}
    return len(folded) < len(odd) or any(path in owners for path in folded.difference(odd))


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()
