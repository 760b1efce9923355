"""Which wheel an installed distribution came from: what is there, held against what each candidate would put there.

An environment does not record where its distributions came from (PEP 710 is a draft); their bytes do. A wheel is the
one that was installed if the files that it puts there, as they are observed, are those that the distribution's RECORD
lists: the comparison of a proof, for one distribution. Nothing that an installer writes itself takes part in it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from lockproof.digests import sha256_hex
from lockproof.locks import is_plain_filename, wheel_name
from lockproof.proof.fingerprint import FileFact
from lockproof.proof.prediction import landing_facts
from lockproof.pythons.layout import canonical_name
from lockproof.reading.ownership import recorded_files
from lockproof.reading.readtree import layout_of, text_of
from lockproof.wheels.manifest import metadata_identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from packaging.tags import Tag

    from lockproof.proof.fingerprint import Finding, Fingerprint
    from lockproof.pythons.layout import Layout
    from lockproof.reading.readtree import ReadTree
    from lockproof.wheels.manifest import Manifest

# Findings about what no wheel's hash says: they are told, and a distribution can be proven in spite of them.
_NOT_CONTENT = frozenset(("mode", "not-executable"))


class Built(NamedTuple):
    """What a wheel's own WHEEL file says of it (PEP 427): its tags (`cp312-cp312-linux_x86_64`), its build or ""."""

    tags: frozenset[str]
    build: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Installed:
    """One installed distribution: `name` is normalised, `folder` the logical path of its .dist-info folder.

    `facts` are of the files that its RECORD lists, `findings` what was found wrong with them. `obstacle` says why no
    wheel can be looked for; empty where one can. `metadata` is the bytes of METADATA.
    """

    name: str
    version: str
    folder: str
    facts: Mapping[str, FileFact]
    findings: tuple[Finding, ...]
    built: Built
    obstacle: str
    metadata: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """What is in an environment: distributions by name, what belongs to none, and what is only worth a note."""

    layout: Layout
    distributions: tuple[Installed, ...]
    loose: tuple[Finding, ...]
    notes: tuple[Finding, ...]


class Change(NamedTuple):
    """One path at which an environment is not what a wheel puts there; `what` is a clause without subject."""

    path: str
    what: str


class WheelFile(Protocol):
    """A file as an index lists it; `sha256` is 64 hexadecimal digits, or None where the index doesn't say it."""

    @property
    def filename(self) -> str: ...
    @property
    def sha256(self) -> str | None: ...


File = TypeVar("File", bound=WheelFile)


def survey(tree: ReadTree, fingerprint: Fingerprint) -> Survey:
    """The distributions of an environment that was read, each with its files and with what was found about them.

    `fingerprint` is that of the same reading. Raises UsageError where nothing says which Python it is of.
    """
    layout = layout_of(tree)
    wrong = [f for f in fingerprint.findings if f.level == "mismatch" and f.code not in _NOT_CONTENT]
    found = [_installed(folder, tree, layout, fingerprint.files, wrong) for folder in _dist_infos(tree, layout)]
    twins = {dist.name for dist in found if sum(other.name == dist.name for other in found) > 1}
    placed = {finding for dist in found for finding in dist.findings}
    return Survey(
        layout=layout,
        distributions=tuple(sorted((_named_twice(d) if d.name in twins else d for d in found), key=_identity)),
        loose=tuple(finding for finding in wrong if finding not in placed),
        notes=tuple(f for f in fingerprint.findings if f.level == "unproven" or f.code in _NOT_CONTENT),
    )


def _identity(dist: Installed) -> tuple[str, str, str]:
    return dist.name, dist.version, dist.folder


def _dist_infos(tree: ReadTree, layout: Layout) -> Iterator[str]:
    for path in tree.texts:
        folder, _, name = path.rpartition("/")
        if name == "METADATA" and folder.rpartition("/")[0] == layout.site:
            yield folder


def _installed(
    folder: str, tree: ReadTree, layout: Layout, facts: Mapping[str, FileFact], wrong: Sequence[Finding]
) -> Installed:
    metadata = tree.texts[f"{folder}/METADATA"]
    name, version = metadata_identity(metadata)
    owned, about_record = recorded_files(folder, tree, layout, facts)
    own, place = set(owned), layout.logical(folder)
    findings = tuple(
        f for f in wrong
        if f in about_record or f.path in own or f.path.startswith(f"{place}/") or _source_of(f.path) in own
    )  # fmt: skip
    return Installed(
        name=canonical_name(name),
        version=version,
        folder=place,
        facts={path: facts[path] for path in owned},
        findings=findings,
        built=_built(text_of(tree, f"{folder}/WHEEL")),
        obstacle=_obstacle(version, findings, text_of(tree, f"{folder}/direct_url.json")),
        metadata=metadata,
    )


def _named_twice(dist: Installed) -> Installed:
    return replace(dist, obstacle="it is installed twice, and which of the two is imported hangs on chance")


def _source_of(path: str) -> str:
    """The source of a bytecode file; another path is no file's."""
    folder, _, name = path.rpartition("/")
    return f"{folder.removesuffix('/__pycache__')}/{name.partition('.')[0]}.py" if name.endswith(".pyc") else ""


def _built(text: str) -> Built:
    lines = [line.partition(":") for line in text.splitlines()]
    values = [(key.strip().lower(), value.strip()) for key, _, value in lines]
    tags = frozenset(value for key, value in values if key == "tag")
    return Built(tags, next((value for key, value in values if key == "build"), ""))


def _obstacle(version: str, findings: Iterable[Finding], direct_url: str) -> str:
    from packaging.version import InvalidVersion, Version  # late: packaging takes 80 ms

    codes = {finding.code for finding in findings}
    if "record-missing" in codes:
        return "it has no RECORD, so nothing says which files are its own"
    if "record-unreadable" in codes:
        return "its RECORD can't be read, so nothing says which files are its own"
    if "origin" in codes:
        return _origin(direct_url)
    try:
        Version(version)
    except InvalidVersion:
        return f"its version {version!r} is none (PEP 440)"
    return ""


def _origin(direct_url: str) -> str:
    """Where a distribution came from that didn't come as an archive (PEP 610), without its path or URL."""
    try:
        origin = json.loads(direct_url)
    except (ValueError, RecursionError):
        origin = None
    match origin:
        case {"dir_info": {"editable": True}}:
            return "it is editable: its code is a folder, and no wheel"
        case {"dir_info": dict()}:
            return "it was built here, from a folder"
        case {"vcs_info": {"vcs": str(vcs), "commit_id": str(commit)}}:
            return f"it was built here, from commit {commit} of a {vcs} repository"
    return "what says where it was installed from can't be read"


def ranked(dist: Installed, files: Iterable[File], supported: AbstractSet[Tag]) -> tuple[tuple[File, ...], ...]:
    """The wheels that a distribution may have come from, the likely ones first: what is in one tier is tried together.

    First those that the target can install and whose names say what the installed WHEEL file says; then all others
    that the target can install; then those of the first kind that it can't. Wheels without a hash are left out.
    """
    likely: list[File] = []
    fitting: list[File] = []
    foreign: list[File] = []
    for file in files:
        parts = wheel_name(file.filename) if is_plain_filename(file.filename) else None
        if parts is None or file.sha256 is None or parts.name != dist.name:
            continue
        build = "".join(map(str, parts.build))
        same = frozenset(map(str, parts.tags)) == dist.built.tags and dist.built.build in ("", build)
        if not parts.tags.isdisjoint(supported):
            (likely if same else fitting).append(file)
        elif same:
            foreign.append(file)
    return tuple(likely), tuple(fitting), tuple(foreign)


def differences(dist: Installed, manifest: Manifest, layout: Layout, python: str) -> tuple[Change, ...]:
    """Where a distribution is not what a wheel puts there under that exact Python; empty: this wheel was installed.

    What was found wrong with a distribution counts too, unless it is the wheel itself that is so.
    """
    expected = landing_facts(manifest, layout, python)
    excused = {(finding.code, finding.path) for finding in manifest.findings}
    changes = {
        f.path: f.message for f in dist.findings
        if (f.code, f.path) not in excused and not (f.code == "record-ghost" and f.path.endswith("/__pycache__"))
    }  # fmt: skip
    traces = _traces_of_virtualenv(dist, expected, python)
    for path in expected.keys() | dist.facts.keys():
        if path not in dist.facts:
            changes[path] = "is missing" if path in changes else "is missing, or not in its RECORD"
        elif path not in expected:
            if traces.get(path) != dist.facts[path]:
                changes[path] = f"is not in {manifest.filename}"
        elif dist.facts[path] != expected[path]:
            changes[path] = f"is not what {manifest.filename} has"
    # Bytecode of a source that is itself another is no news.
    return tuple(Change(path, changes[path]) for path in sorted(changes) if _source_of(path) not in changes)


def _traces_of_virtualenv(dist: Installed, expected: Mapping[str, FileFact], python: str) -> dict[str, FileFact]:
    """What virtualenv adds to its seeds beside folders of bytecode in RECORD: an empty mark, and `pip-3.11`."""
    series = ".".join(python.split(".")[:2])
    traces = {f"{dist.folder.removesuffix('.dist-info')}.virtualenv": FileFact("f", sha256_hex(b""), 0)}
    wrappers = ((path, fact) for path, fact in expected.items() if path.startswith("scripts/") and fact.kind == "e")
    return traces | {f"{path}-{series}": fact for path, fact in wrappers}


def required_names(dist: Installed, environment: Mapping[str, str]) -> frozenset[str]:
    """The normalised names of what a distribution requires without extras, by its METADATA; `environment` is PEP 508's.

    A requirement that can't be read requires nothing.
    """
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName  # late, as above
    from packaging.metadata import parse_email
    from packaging.requirements import InvalidRequirement, Requirement

    names = set()
    for text in parse_email(dist.metadata)[0].get("requires_dist", ()):
        try:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({**environment, "extra": ""}):
                names.add(canonical_name(requirement.name))
        except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName):
            continue
    return frozenset(names)
