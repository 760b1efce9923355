"""poetry.lock 2.1 and newer: groups and markers as poetry installs them (poetry's `packages/locker.py`)."""

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
from lockproof.locks import IndexOptions, Lock, raise_together
from lockproof.locks.entries import Entry, Item, LockedFile, locked_file, make_lock, package_of, source_refusal
from lockproof.locks.markers import all_of, any_of, in_group, python_marker, with_extras
from lockproof.locks.pylock import entry_lines, toml_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from packaging.markers import Marker
    from packaging.specifiers import SpecifierSet

_LOCK_AGAIN = "Run `poetry lock`, which keeps the locked versions."
_MAIN = "main"
_KNOWN_VERSION = "2.1"
_ANY_SOURCE = ""
_ALTERNATIVES = re.compile(r"\s*\|\|?\s*")
_CLAUSE = re.compile(r"(\^|~=|~|===|==|!=|<=|>=|<|>|=)?\s*v?(\d+(?:\.(?:\d+|[xX*]))*[^\s,]*)")
_RELEVANT_PROJECT = ("requires-python", "dependencies", "optional-dependencies")
_LEGACY = ("dependencies", "source", "extras", "dev-dependencies")
_GROUPS_HASHED = (2, 3)  # the poetry that puts [dependency-groups] into the content hash
_WRITTEN_BY = re.compile(r"^#[^\n]*Poetry (\d+)\.(\d+)")


def read_poetry(text: str, shown: str, *, folder: PurePath, project: str | None) -> Lock:
    """The lock that a poetry.lock's text says; messages name it `shown`, and `folder` is its absolute folder.

    `project` is the text of the pyproject.toml beside it: it says which groups are optional. The groups that
    aren't are the lock's default groups, as for `poetry install`; the group `main` is always taken. Packages
    from version control, source trees and source archives are refusals, told for the cells that select them.
    Raises LockError, or a ProblemsError of several, each with file and line.
    """
    from packaging.pylock import Pylock  # late: packaging takes 80 ms
    from packaging.version import Version

    document = toml_document(text, shown)
    head = Entry(values=document, where=shown, remedy=_LOCK_AGAIN)
    notes = _version_notes(head)
    declaring = toml_document(project, _beside(shown)) if project is not None else {}
    pyproject = Entry(values=declaring, where=_beside(shown), remedy="Correct pyproject.toml.")
    metadata = head.table("metadata")
    tables = head.tables("package")
    items, used, sources = _items(tables, entry_lines(text, len(tables), "package"), shown)
    requires, environments = _python_of(metadata)
    optional, declared = _project_groups(pyproject)
    groups = sorted((used | declared) - {_MAIN})
    if project is None and groups:
        notes.append(f"{shown}: no pyproject.toml beside it says which groups are optional; all of them are default")
    elif project is not None and _is_stale(metadata, pyproject, text):
        notes.append(f"{shown}: pyproject.toml has changed since it was made; run `poetry lock`")
    extras = [head.normal(name) for name in head.table("extras").values]
    pylock = Pylock(
        lock_version=Version("1.0"),
        created_by="poetry",
        requires_python=requires,
        environments=environments,
        extras=sorted(extras) or None,  # type: ignore[arg-type]  # normalised above
        dependency_groups=groups,
        default_groups=[group for group in groups if group not in optional],
        packages=[item.package for item in items],
    )
    lock = make_lock(text, shown, "poetry", pylock, items, folder, notes)
    return replace(lock, options=IndexOptions(extra_index_urls=tuple(sources))) if sources else lock


def _beside(shown: str) -> str:
    return posixpath.join(posixpath.dirname(PurePath(shown).as_posix()), "pyproject.toml")


def _version_notes(head: Entry) -> list[str]:
    from packaging.version import Version  # late, as above

    version = head.table("metadata").version("lock-version")
    if version < Version(_KNOWN_VERSION):
        why = "before 2.1 a poetry.lock doesn't say which groups and markers a package is for"
        raise head.error(f"lock-version {version} can't be read", why, "Run `poetry lock` of poetry 2 or newer.")
    if version >= Version("3"):
        raise head.error(f"lock-version {version} is not known", f"this version reads 2.x from {_KNOWN_VERSION}")
    if version > Version(_KNOWN_VERSION):
        return [f"{head.where}: lock-version {version} is newer than {_KNOWN_VERSION}, which is the one known here"]
    return []


def _items(tables: Sequence[Entry], lines: Sequence[int], shown: str) -> tuple[list[Item], set[str], list[str]]:
    """The packages, the groups they are in, and the indexes beside the default one that they come from."""
    items: list[Item] = []
    groups: set[str] = set()
    sources: dict[str, None] = {}
    problems = []
    for table, line in zip(tables, lines, strict=True):
        entry = Entry(values=table.values, where=f"{shown}:{line}", remedy=_LOCK_AGAIN)
        try:
            items.append(_item(entry))
            groups |= {entry.normal(group) for group in entry.texts("groups")}
            source = entry.table("source")
            if source.text("type", _ANY_SOURCE) == "legacy":
                sources.setdefault(source.text("url"))
        except LockError as problem:
            problems.append(problem)
    raise_together(problems)
    return items, groups, list(sources)


def _item(entry: Entry) -> Item:
    name, source = entry.name(), entry.table("source")
    kind = source.text("type", _ANY_SOURCE)
    files, refusal = _files(entry, source, kind), None
    if kind not in {_ANY_SOURCE, "legacy"} and not any(file.filename.endswith(".whl") for file in files):
        files, refusal = [], source_refusal(entry, name, kind)
    condition = _condition(entry)
    package = package_of(
        name,
        entry.version(),
        entry.marker(condition) if condition else None,
        files,
        _specifiers(entry, entry.text("python-versions", "*")),
    )
    return Item(package=package, where=entry.where, refusal=refusal)


def _files(entry: Entry, source: Entry, kind: str) -> list[LockedFile]:
    """The files of an entry; that of a `url` or `file` source with its whereabouts."""
    rows = [(row.text("file"), row.text("hash")) for row in entry.tables("files")]
    if kind not in {"url", "file"}:
        return [locked_file(entry, filename, digest) for filename, digest in rows]
    place = source.text("url")
    filename = posixpath.basename(unquote(_path_of(entry, place)) if kind == "url" else place)
    where = {"url": place} if kind == "url" else {"path": place}
    return [locked_file(entry, filename, digest, **where) for _, digest in rows[:1]]


def _path_of(entry: Entry, url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise entry.error("the source's URL can't be read", why=str(error)) from None
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise entry.error("the source's URL is neither http nor https")
    return parts.path


def _condition(entry: Entry) -> str:
    """When poetry installs a package: in one of its groups, under that group's marker."""
    markers = entry.values.get("markers", "")
    if isinstance(markers, str):
        of_group = dict.fromkeys(entry.texts("groups"), entry.text("markers", ""))
    else:
        table = entry.table("markers")
        of_group = {group: table.text(group, "") for group in entry.texts("groups")}
    if not of_group:
        raise entry.error("the package is in no group")
    of_group = {group: "" if marker == "*" else marker for group, marker in of_group.items()}
    for marker in filter(None, of_group.values()):
        entry.marker(marker)  # by itself: joined to others, a stray parenthesis could mean something else
    return any_of(
        all_of("" if group == _MAIN else in_group(entry.normal(group)), with_extras(marker))
        for group, marker in of_group.items()
    )


# What poetry calls a constraint: PEP 440 with ^, ~, || and bare versions (poetry-core's constraints/version/parser.py).


def _python_of(metadata: Entry) -> tuple[SpecifierSet | None, list[Marker] | None]:
    """The lock's Pythons: specifiers, or the environments of alternatives, which specifiers can't say."""
    alternatives = [_clauses(metadata, text) for text in _ALTERNATIVES.split(metadata.text("python-versions", "*"))]
    if len(alternatives) == 1:
        return metadata.specifiers(",".join(alternatives[0])) if alternatives[0] else None, None
    if [] in alternatives:
        return None, None
    return None, [metadata.marker(python_marker(metadata.specifiers(",".join(clauses)))) for clauses in alternatives]


def _specifiers(entry: Entry, constraint: str) -> SpecifierSet | None:
    """A package's own Pythons as specifiers. Alternatives count as none: poetry looked at them when it locked."""
    if _ALTERNATIVES.search(constraint):
        return None
    clauses = _clauses(entry, constraint)
    return entry.specifiers(",".join(clauses)) if clauses else None


def _clauses(entry: Entry, constraint: str) -> list[str]:
    rest = constraint.strip().rstrip(",").strip()
    if re.fullmatch(r"[xX*](\.[xX*])*", rest):
        return []
    matches = list(_CLAUSE.finditer(rest))
    between = _CLAUSE.sub("", rest)
    if not matches or between.strip(" ,"):
        raise entry.error("a requirement on Python can't be read", why=f"{constraint!r} is not understood")
    return [clause for match in matches for clause in _specifier(match[1] or "", match[2])]


def _specifier(operator: str, version: str) -> Iterator[str]:
    version = re.sub(r"\.[xX*].*$", ".*", version)
    release = [int(part) for part in re.findall(r"\d+", re.match(r"[\d.]*", version)[0])]  # type: ignore[index]
    if operator == "^":
        at = next((index for index, part in enumerate(release) if part), len(release) - 1)
        yield from (f">={version}", f"<{_after(release, at)}")
    elif operator == "~":
        yield from (f">={version}", f"<{_after(release, min(1, len(release) - 1))}")
    else:
        yield f"{'==' if operator in {'', '='} else operator}{version}"


def _after(release: Sequence[int], at: int) -> str:
    return ".".join(map(str, [*release[:at], release[at] + 1]))


# What pyproject.toml says


def _project_groups(pyproject: Entry) -> tuple[set[str], set[str]]:
    """The optional groups of a project, and all of them."""
    poetry = pyproject.table("tool").table("poetry")
    tables = poetry.table("group")
    optional = {pyproject.normal(name) for name in tables.values if tables.table(name).values.get("optional") is True}
    names = [
        *tables.values,
        *pyproject.table("dependency-groups").values,
        *(["dev"] if "dev-dependencies" in poetry.values else []),
    ]
    return optional, {pyproject.normal(name) for name in names}


def _is_stale(metadata: Entry, pyproject: Entry, text: str) -> bool:
    """Whether pyproject.toml's dependencies are others than those that the lock was made from."""
    expected = metadata.values.get("content-hash")
    if not isinstance(expected, str):
        return False
    found = {_content_hash(pyproject, with_groups=True)}
    written = _WRITTEN_BY.match(text)
    if written is None or (int(written[1]), int(written[2])) < _GROUPS_HASHED:
        found.add(_content_hash(pyproject, with_groups=False))
    return expected not in found


def _content_hash(pyproject: Entry, *, with_groups: bool) -> str:
    project, poetry = pyproject.table("project").values, pyproject.table("tool").table("poetry").values
    groups = pyproject.table("dependency-groups").values if with_groups else {}
    of_project = {key: project[key] for key in _RELEVANT_PROJECT if project.get(key) is not None}
    of_poetry = {
        key: poetry.get(key)
        for key in (*_LEGACY, "group")
        if poetry.get(key) is not None or (key in _LEGACY and not of_project and not groups)
    }
    content: dict[str, object] = {"project": of_project} if of_project else {}
    if groups:
        content["dependency-groups"] = groups
    content = {**content, "tool": {"poetry": of_poetry}} if content else dict(of_poetry)
    return sha256_hex(json.dumps(content, sort_keys=True, default=str).encode())
