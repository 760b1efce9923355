"""pdm.lock 4.4 and 4.5: what `pdm install` takes of it (pdm's `models/repositories/lock.py`)."""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from lockproof.digests import sha256_hex
from lockproof.errors import LockError
from lockproof.locks import Lock, raise_together
from lockproof.locks.entries import Entry, Item, LockedFile, locked_file, make_lock, package_of, source_refusal
from lockproof.locks.markers import all_of, any_of, in_extra, in_group, python_marker
from lockproof.locks.pdmgraph import Graph, conditions_of
from lockproof.locks.pdmproject import PdmProject, read_project
from lockproof.locks.pylock import entry_lines, toml_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from packaging.markers import Marker
    from packaging.specifiers import SpecifierSet

_LOCK_AGAIN = "Run `pdm lock --update-reuse`, which keeps the locked versions."
_DEFAULT = "default"
_OLDEST, _KNOWN, _NEXT = "4.4", "4.5.1", "4.6"
_VCS = ("git", "hg", "svn", "bzr")
_SYSTEMS = {"linux": "linux", "manylinux": "linux", "alpine": "linux", "musllinux": "linux"} | {
    "macos": "darwin",
    "windows": "win32",
}
_MACHINES = {"arm64": "aarch64", "amd64": "x86_64", "x86": "i686"}  # as Linux calls them
_OWN_MACHINES = {
    "darwin": {"aarch64": "arm64"},
    "win32": {"x86_64": "AMD64", "aarch64": "ARM64", "i686": "x86"},
    "linux": dict[str, str](),
}
_PLATFORM = re.compile(r"([a-z]+)(?:_\d+_\d+)?(?:_([a-z0-9_]+))?")


def read_pdm(text: str, shown: str, *, folder: PurePath, project: str | None) -> Lock:
    """The lock that a pdm.lock's text says; messages name it `shown`, and `folder` is its absolute folder.

    `project` is the text of the pyproject.toml beside it, which says which groups are extras, and from where
    packages are reached in a lock without `inherit_metadata`. All locked groups are default groups, as for
    `pdm install`; those that are extras can be asked for under both names. Packages from version control,
    source trees and archives are refusals, told for the cells that select them. Raises LockError, or a
    ProblemsError of several, each with file and line.
    """
    from packaging.pylock import Pylock  # late: packaging takes 80 ms
    from packaging.version import Version

    document = toml_document(text, shown)
    head = Entry(values=document, where=shown, remedy=_LOCK_AGAIN)
    metadata = head.table("metadata")
    notes = _version_notes(metadata, shown)
    known = read_project(project, _beside(shown))
    tables = head.tables("package")
    lines = entry_lines(text, len(tables), "package")
    entries = [replace(table, where=f"{shown}:{line}") for table, line in zip(tables, lines, strict=True)]
    locked = [head.normal(group) for group in metadata.texts("groups")] or sorted(known.groups)
    groups = [group for group in locked if group != _DEFAULT and (project is None or group in known.groups)]
    strategy = metadata.texts("strategy")
    if "inherit_metadata" in strategy:
        items = _inherited(entries, known)
    else:
        items = _reached(entries, known, [group for group in locked if group in known.groups], metadata)
    if project is not None and _is_stale(metadata, known):
        notes.append(f"{shown}: pyproject.toml has changed since it was made; run `pdm lock --update-reuse`")
    requires, environments = _targets(metadata)
    pylock = Pylock(
        lock_version=Version("1.0"),
        created_by="pdm",
        requires_python=requires,
        environments=environments,
        extras=[group for group in groups if known.is_extra(group)] or None,  # type: ignore[misc]  # normalised
        dependency_groups=groups,
        default_groups=groups,
        packages=[item.package for item in items],
    )
    return make_lock(text, shown, "pdm", pylock, items, folder, notes)


def _beside(shown: str) -> str:
    return posixpath.join(posixpath.dirname(PurePath(shown).as_posix()), "pyproject.toml")


def _version_notes(metadata: Entry, shown: str) -> list[str]:
    from packaging.version import Version  # late, as above

    version = metadata.version("lock_version")
    if not Version(_OLDEST) <= version < Version(_NEXT):
        raise metadata.error(f"lock_version {version} is not known", f"this version reads {_OLDEST} to {_KNOWN}")
    notes = []
    if version > Version(_KNOWN):
        notes.append(f"{shown}: lock_version {version} is newer than {_KNOWN}, which is the one known here")
    if not metadata.tables("targets") and "cross_platform" not in metadata.texts("strategy"):
        notes.append(f"{shown}: it doesn't say for which platforms and Pythons it was made")
    return notes


# With inherit_metadata each package says where it belongs.


def _inherited(entries: Sequence[Entry], known: PdmProject) -> list[Item]:
    items, problems = [], []
    plain = {_pinned(entry) for entry in entries if not entry.values.get("extras")}
    for entry in entries:
        if entry.values.get("extras") and _pinned(entry) in plain:
            continue  # the same files under an extra's name; the plain entry is wanted wherever this one is
        try:
            name = entry.name()
            if name in known.excluded or known.is_self(name, entry.values):
                continue
            items.append(_item(entry, name, _condition(entry, known)))
        except LockError as problem:
            problems.append(problem)
    raise_together(problems)
    return items


def _pinned(entry: Entry) -> str:
    return f"{entry.values.get('name')}=={entry.values.get('version')}"


def _condition(entry: Entry, known: PdmProject) -> str:
    groups = [entry.normal(group) for group in entry.texts("groups")]
    marker = entry.text("marker", "")
    if marker:
        entry.marker(marker)  # by itself: joined to others, a stray parenthesis could mean something else
    return all_of(any_of(asked_for(group, known) for group in groups), marker)


def asked_for(group: str, known: PdmProject) -> str:
    """When a group is taken: an extra of the project under `extras` and, as pdm has it, under `groups`."""
    if group == _DEFAULT:
        return ""
    return any_of([in_extra(group), in_group(group)]) if known.is_extra(group) else in_group(group)


# Without it, pdm walks from the project's requirements through those of the packages.


def _reached(entries: Sequence[Entry], known: PdmProject, groups: Iterable[str], metadata: Entry) -> list[Item]:
    command = "pdm lock --update-reuse --strategy inherit_metadata"
    if known.text is None:
        raise metadata.error(
            "the lock doesn't say which groups and markers its packages are for",
            why="it is made without inherit_metadata, and there is no pyproject.toml beside it to walk from",
            remedy=f"Run `{command}`.",
        )
    if known.is_dynamic:
        why = "it is made without inherit_metadata, and what the project requires is computed when it is built"
        raise metadata.error("the lock doesn't say which groups its packages are for", why, f"Run `{command}`.")
    graph = Graph(entries, known.name, f"Run `{command}`.")
    roots = [(asked_for(group, known), line) for group in groups for line in known.requirements(group)]
    items, problems = [], []
    for entry, name, condition in conditions_of(graph, roots, known):
        try:
            if name not in known.excluded and not known.is_self(name, entry.values):
                items.append(_item(entry, name, condition))
        except LockError as problem:
            problems.append(problem)
    for name, where, condition in graph.missing:
        package = package_of(name, None, metadata.marker(condition) if condition else None)
        why = "it is required, and has no entry"
        refusal = LockError(f"{name} is not in the lock", where=where, why=why, remedy=_LOCK_AGAIN)
        items.append(Item(package=package, where=where, refusal=refusal))
    raise_together(problems)
    return items


def _item(entry: Entry, name: str, condition: str) -> Item:
    kind = next((kind for kind in _VCS if kind in entry.values), "")
    files, refusal = _files(entry), None
    if kind or entry.values.get("editable"):
        refusal = source_refusal(entry, name, "git" if kind else "directory")
    elif {"path", "url"} & entry.values.keys() and not any(file.filename.endswith(".whl") for file in files):
        refusal = source_refusal(entry, name, "path" if "path" in entry.values else "url")
    package = package_of(
        name,
        entry.version() if "version" in entry.values else None,
        entry.marker(condition) if condition else None,
        [] if refusal else files,
        _requires_python(entry, entry.text("requires_python", "")),
    )
    return Item(package=package, where=entry.where, refusal=refusal)


def _requires_python(entry: Entry, text: str) -> SpecifierSet | None:
    return entry.specifiers(text) if text not in {"", "*"} else None


def _files(entry: Entry) -> list[LockedFile]:
    """The files of an entry: by name, by URL (`static_urls`), or the one that a URL or path names."""
    rows = entry.tables("files")
    direct = entry.text("url", "") or entry.text("path", "")
    if direct:
        place = {"url": direct} if "url" in entry.values else {"path": direct}
        filename = _filename(entry, direct) if "url" in place else posixpath.basename(direct)
        if not filename.endswith(".whl"):
            return []
        return [locked_file(entry, filename, row.text("hash"), **place) for row in rows[:1]]
    return [
        locked_file(entry, _filename(entry, url), row.text("hash"), url=url)
        if (url := row.text("url", ""))
        else locked_file(entry, row.text("file"), row.text("hash"))
        for row in rows
    ]


def _filename(entry: Entry, url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise entry.error("a file's URL can't be read", why=str(error)) from None
    if parts.scheme not in {"http", "https", "file"} or (parts.scheme != "file" and not parts.netloc):
        raise entry.error("a file's URL is not one of http, https or file")
    return posixpath.basename(unquote(parts.path))


# The targets that the lock is made for


def _targets(metadata: Entry) -> tuple[SpecifierSet | None, list[Marker] | None]:
    targets = metadata.tables("targets")
    if len(targets) == 1 and targets[0].values.keys() <= {"requires_python"}:
        return _requires_python(metadata, targets[0].text("requires_python", "")), None
    markers = [_target_marker(target) for target in targets]
    return None, [metadata.marker(marker) for marker in markers] if all(markers) else None


def _target_marker(target: Entry) -> str:
    """A target as a marker, as far as markers go: versions of libc and macOS are left to the wheels' tags."""
    specifiers = _requires_python(target, target.text("requires_python", ""))
    python = python_marker(specifiers) if specifiers is not None else ""
    implementation = target.text("implementation", "")
    if implementation and not implementation.isidentifier():
        raise target.error(f"a target's implementation {implementation!r} is not known")
    name = f"implementation_name == '{implementation.lower()}'" if implementation else ""
    return all_of(python, _platform_marker(target, target.text("platform", "")), name)


def _platform_marker(target: Entry, platform: str) -> str:
    match = _PLATFORM.fullmatch(platform)
    if not platform:
        return ""
    if match is None or match[1] not in _SYSTEMS:
        raise target.error(f"a target's platform {platform!r} is not known")
    system = _SYSTEMS[match[1]]
    machine = match[2] or ("aarch64" if system == "darwin" else "x86_64")
    machine = _MACHINES.get(machine, machine)
    machine = _OWN_MACHINES[system].get(machine, machine)
    return f"sys_platform == '{system}' and platform_machine == '{machine}'"


def _is_stale(metadata: Entry, known: PdmProject) -> bool:
    """Whether the project's dependencies are others than those that the lock was made from."""
    algorithm, _, expected = metadata.text("content_hash", "").partition(":")
    if algorithm != "sha256" or metadata.values.get("lock_inputs") is not None:
        return False
    return sha256_hex(json.dumps(known.hashed, sort_keys=True, default=str).encode()) != expected
