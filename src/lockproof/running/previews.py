"""What cells would be by what their wheels say of themselves: without fetching them, and so without a proof.

A wheel's directory and its RECORD are read where it lies. The lock's hash is that of the whole file: it can't vouch for
parts of it. So a preview is labelled unproven, and whatever is held against it stays so.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BufferedReader
from typing import TYPE_CHECKING, BinaryIO

from lockproof.errors import LockproofError, UnavailableError
from lockproof.proof.fingerprint import Finding
from lockproof.running.preparation import about_plan, predict_plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lockproof.indexes.index import Index
    from lockproof.locks import Lock
    from lockproof.locks.artifacts import Artifact, Plan
    from lockproof.proof.fingerprint import Fingerprint
    from lockproof.pythons.interpreters import Interpreter
    from lockproof.wheels.manifest import Manifest
    from lockproof.wheels.store import Store

PREVIEW = "preview"
"""The code of the finding that a preview has, and the level that it is."""
_AT_ONCE = 8


def preview(
    plans: Sequence[Plan],
    interpreters: Mapping[str, Interpreter | LockproofError],
    *,
    store: Store,
    index: Index,
    lock: Lock,
) -> list[Fingerprint]:
    """The previews of planned cells; one whose wheels are all in the store is a prediction like any other.

    Raises UnavailableError for a cell that builds something, and for a wheel that can't be
    looked into; LockError for one that must not be installed.
    """
    for plan in plans:
        _refuse_builds(plan)
    wanted = {artifact.sha256: artifact for plan in plans for artifact in plan.artifacts}
    held = {sha256: entry.manifest for sha256, artifact in wanted.items() if (entry := store.entry(artifact))}
    missing = [artifact for sha256, artifact in wanted.items() if sha256 not in held]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        looked = dict(zip((a.sha256 for a in missing), pool.map(lambda a: _look_into(a, index), missing), strict=True))
    return [_predicted(plan, {**held, **looked}, looked, interpreters.get(plan.cell.python), lock) for plan in plans]


def _refuse_builds(plan: Plan) -> None:
    sdist = next((artifact for artifact in plan.artifacts if artifact.is_sdist), None)
    if sdist is None and plan.cell.package == "none":
        return
    raise UnavailableError(
        f"{plan.cell.id} has no preview",
        where=sdist.where if sdist else "",
        why=f"{sdist.filename if sdist else 'the project'} has to be built",
        remedy="Predict without --preview, or choose cells that build nothing.",
    )


def _predicted(
    plan: Plan,
    manifests: Mapping[str, Manifest],
    looked: Mapping[str, Manifest],
    found: Interpreter | LockproofError | None,
    lock: Lock,
) -> Fingerprint:
    cell = plan.cell
    interpreter = found if cell.on_host and not isinstance(found, LockproofError) else None
    predicted = predict_plan(plan, [manifests[artifact.sha256] for artifact in plan.artifacts], interpreter)
    unproven = sorted(artifact.filename for artifact in plan.artifacts if artifact.sha256 in looked)
    about = about_plan(plan, lock, "unproven" if unproven else "match")
    if not unproven:
        return replace(predicted, about={**about, "level": "proof"})
    text = f"{', '.join(unproven)}: only looked into where it lies; the lock's hash can't vouch for what is in it"
    findings = (*predicted.findings, Finding(PREVIEW, "", text, "unproven"))
    return replace(predicted, findings=findings, about={**about, "level": PREVIEW})


def _look_into(artifact: Artifact, index: Index) -> Manifest:
    """What a wheel says of itself at the first place that has it; UnavailableError where none lets itself be asked."""
    from lockproof.wheels.unpack import WheelArchive

    failures: list[UnavailableError] = []
    for url in _places(artifact, index):
        try:
            with (
                _opened(url, index) as file,
                WheelArchive(file, artifact.filename, artifact.sha256) as wheel,
            ):
                return wheel.preview()
        except UnavailableError as error:
            failures.append(error)
        except OSError as error:
            failures.append(UnavailableError("a wheel can't be looked into", where=url, why=str(error)))
    if failures:
        raise failures[0]
    raise UnavailableError(
        f"{artifact.filename} can't be looked into", where=artifact.where, why="no index or find-links has it"
    )


def _opened(url: str, index: Index) -> BinaryIO:
    from lockproof.indexes.ranges import RangeFile
    from lockproof.indexes.urls import path_of

    return path_of(url).open("rb") if url.startswith("file:") else BufferedReader(RangeFile(index.session, url))


def _places(artifact: Artifact, index: Index) -> Iterator[str]:
    yield from artifact.urls
    for file in index.files(artifact.name, artifact.version, wanted=(artifact.sha256,)):
        if file.sha256 == artifact.sha256 and file.url not in artifact.urls:
            yield file.url
