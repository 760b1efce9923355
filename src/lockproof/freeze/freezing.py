"""From an environment that was read back to a lock: candidates from the index, fetched into the store, compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lockproof.errors import HashMismatchError, LockproofError, UsageError
from lockproof.freeze.frozen import Frozen, Proven, ProvenFile, Unproven
from lockproof.freeze.recovery import Change, differences, ranked, required_names, survey
from lockproof.indexes.urls import without_secrets
from lockproof.locks.artifacts import Artifact
from lockproof.pythons.layout import canonical_name
from lockproof.pythons.platforms import compatible_tags, marker_environment, parse_python
from lockproof.pythons.probing import host_platform
from lockproof.reading.readtree import text_of
from lockproof.wheels.startup import parse_pyvenv, python_of_pyvenv

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from packaging.tags import Tag

    from lockproof.freeze.recovery import Installed, Survey
    from lockproof.indexes.index import Index
    from lockproof.indexes.simpleapi import IndexFile
    from lockproof.pythons.platforms import Platform, PythonVersion
    from lockproof.reading.inspection import Inspection
    from lockproof.running.preparation import Fetching
    from lockproof.wheels.store import StoreEntry

_TIERS = 3
_TOLD = 3  # files that a reason names
# What makers of environments put into them for installing; setuptools and wheel only until Python 3.12.
_SEEDS = frozenset(("pip",))
_OLD_SEEDS = frozenset(("pip", "setuptools", "wheel"))
_SEEDED_WITH_PIP_ALONE = 12  # the first minor version without the last two


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What is to be frozen: without the names in `exclude`, and without seeds unless `everything`."""

    everything: bool = False
    exclude: tuple[str, ...] = ()


def freeze(inspection: Inspection, choice: Choice, *, index: Index, fetching: Fetching) -> Frozen:
    """The lock of an environment: for each distribution the wheels whose content is what is installed.

    Wheels are brought into the store under the hash that the index names, the likely ones first, and no more once one
    is found. Raises UsageError for an excluded name that isn't installed and for an environment that doesn't say which
    Python it is of, UnavailableError where the index can't be asked.
    """
    found = survey(inspection.tree, inspection.fingerprint)
    python, platform = _place(inspection, found)
    environment = {name: str(value) for name, value in marker_environment(python, platform).items()}
    left_out = _left_out(found.distributions, choice, python, environment)
    searches = [_Search(dist) for dist in found.distributions if dist.name not in left_out]
    _look_up(searches, index, frozenset(compatible_tags(python, platform)))
    for tier in range(_TIERS):
        _try(tier, searches, fetching, found, str(python))
    proven = tuple(search.proven() for search in searches if search.matching)
    unproven = tuple(search.unproven() for search in searches if not search.matching)
    return Frozen(
        python=python,
        platform=platform,
        proven=proven,
        unproven=unproven,
        loose=(*_shared_packages(inspection), *(Change(f.path, f.message) for f in found.loose)),
        left_out=tuple((dist.name, dist.version) for dist in found.distributions if dist.name in left_out),
        notes=tuple(_notes(found, proven)),
    )


def _place(inspection: Inspection, found: Survey) -> tuple[PythonVersion, Platform]:
    """The exact Python and the platform of an environment; without its interpreter what it says, and this host."""
    interpreter = inspection.interpreter
    if interpreter is not None:
        return parse_python(interpreter.version), interpreter.platform
    version = python_of_pyvenv(parse_pyvenv(text_of(inspection.tree, "pyvenv.cfg")))
    letter = "t" if found.layout.site.split("/")[1].endswith("t") else ""
    try:
        return parse_python(version + letter), host_platform()
    except ValueError as error:
        why = str(error) if version else "its interpreter is not known here, and no pyvenv.cfg names a version"
        raise UsageError(
            "nothing says which exact Python this environment is of", where=inspection.tree.root, why=why,
            remedy="make its interpreter known (PATH, pyenv, uv), or the environment anew",
        ) from error  # fmt: skip


def _left_out(
    dists: Sequence[Installed], choice: Choice, python: PythonVersion, environment: Mapping[str, str]
) -> frozenset[str]:
    """The names that are not to be frozen: those excluded, and seeds that nothing else requires."""
    names = {dist.name for dist in dists}
    excluded = frozenset(map(canonical_name, choice.exclude))
    if unknown := sorted(excluded - names):
        raise UsageError(
            f"{', '.join(unknown)} can't be excluded", why="it is not installed",
            remedy=f"installed are: {', '.join(sorted(names)) or 'none'}",
        )  # fmt: skip
    if choice.everything:
        return excluded
    seeds = _SEEDS if python.minor >= _SEEDED_WITH_PIP_ALONE else _OLD_SEEDS
    needed = {name for dist in dists if dist.name not in seeds | excluded for name in required_names(dist, environment)}
    return excluded | (seeds & names - needed)


@dataclass(slots=True)
class _Search:
    """The search for the wheels of one distribution, as far as it is."""

    dist: Installed
    tiers: Sequence[Sequence[IndexFile]] = ()
    listed: Sequence[IndexFile] = ()
    matching: list[ProvenFile] = field(default_factory=list)
    failures: list[tuple[IndexFile, LockproofError]] = field(default_factory=list)
    closest: tuple[IndexFile, tuple[Change, ...]] | None = None

    @property
    def is_open(self) -> bool:
        return not self.dist.obstacle and not self.matching

    def compare(self, file: IndexFile, entry: StoreEntry | LockproofError, found: Survey, python: str) -> None:
        """Hold the distribution against one candidate."""
        if isinstance(entry, LockproofError):
            self.failures.append((file, entry))
            return
        changes = differences(self.dist, entry.manifest, found.layout, python)
        if not changes:
            self.matching.append(_proven(file, entry))
        elif self.closest is None or len(changes) < len(self.closest[1]):
            self.closest = (file, changes)

    def proven(self) -> Proven:
        return Proven(name=self.dist.name, version=_pinned(self.dist.version), files=tuple(self.matching))

    def unproven(self) -> Unproven:
        dist = self.dist
        if self.closest:
            changes = self.closest[1]
        else:
            failures = (Change(file.filename, error.why or error.what) for file, error in self.failures)
            changes = (*(Change(f.path, f.message) for f in dist.findings), *failures)
        return Unproven(
            name=dist.name,
            version=dist.version,
            reason=dist.obstacle or self._reason(),
            changes=changes,
            failed_hash=any(isinstance(error, HashMismatchError) for _, error in self.failures),
        )

    def _reason(self) -> str:
        """Why no wheel of the index is what is installed."""
        if not self.listed:
            return "the index has no file of this version"
        wheels = [file for file in self.listed if file.filename.endswith(".whl")]
        if not wheels:
            return "the index has only an sdist of this version, so it was built here or came from elsewhere"
        if self.closest is None and self.failures:
            return "the wheels that it may have come from can't be had"
        if self.closest is None:
            unhashed = [file.filename for file in wheels if file.sha256 is None]
            if unhashed:
                return f"the index names no sha256 of {', '.join(unhashed[:_TOLD])}"
            return "the index has no wheel of this version for this Python and platform, so it was built elsewhere"
        tried = sum(map(len, self.tiers)) - len(self.failures)
        only = "the only wheel that fits" if tried == 1 else f"the most similar of {tried} wheels"
        file, changes = self.closest
        count = f"{len(changes)} file{' is' if len(changes) == 1 else 's are'}"
        other = any(change.path == f"{self.dist.folder}/WHEEL" for change in changes)
        built = "; its WHEEL file is another, so it was built here or came from elsewhere" if other else ""
        return f"{count} not as in {file.filename}, {only}{built}"


def _proven(file: IndexFile, entry: StoreEntry) -> ProvenFile:
    """A candidate that is what is installed; its size is that of the bytes, whatever the index says."""
    try:
        size = entry.archive.stat().st_size
    except OSError:  # the store is used without its archives too
        size = None
    return ProvenFile(filename=file.filename, url=without_secrets(file.url), sha256=str(file.sha256), size=size)


def _pinned(version: str) -> str:
    from packaging.version import Version  # late: packaging takes 80 ms

    return str(Version(version))


def _look_up(searches: Iterable[_Search], index: Index, supported: frozenset[Tag]) -> None:
    """Ask the index for the files of each version, and say in which order they are tried."""
    asked = [search for search in searches if search.is_open]
    listing = index.files_of((search.dist.name, search.dist.version) for search in asked)
    for search in asked:
        search.listed = listing[search.dist.name, search.dist.version]
        search.tiers = ranked(search.dist, search.listed, supported)


def _try(tier: int, searches: Iterable[_Search], fetching: Fetching, found: Survey, python: str) -> None:
    """Fetch and compare the candidates of one tier for all that have none yet."""
    wanted = [(search, file) for search in searches if search.is_open for file in search.tiers[tier]]
    entries = fetching.bring(_artifact(search.dist, file) for search, file in wanted)
    for search, file in wanted:
        search.compare(file, entries[str(file.sha256)], found, python)


def _artifact(dist: Installed, file: IndexFile) -> Artifact:
    return Artifact(
        name=dist.name,
        version=dist.version,
        filename=file.filename,
        sha256=str(file.sha256),
        size=file.size,
        urls=(file.url,),
    )


def _shared_packages(inspection: Inspection) -> tuple[Change, ...]:
    if "pyvenv.cfg" not in inspection.tree.files:  # a Python's own prefix, which has no base
        return ()
    keys = parse_pyvenv(text_of(inspection.tree, "pyvenv.cfg"))
    if keys.get("include-system-site-packages", "true").lower() == "true":
        return (Change("data/pyvenv.cfg", "lets in the base interpreter's packages, which were not looked at"),)
    return ()


def _notes(found: Survey, proven: Collection[Proven]) -> Iterable[str]:
    for finding in found.notes:
        yield f"{finding.path} {finding.message}"
    if local := sum(file.url.startswith("file:") for dist in proven for file in dist.files):
        yield f"{local} of the wheels were found in folders of this machine"
