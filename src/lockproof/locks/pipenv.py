"""Pipfile.lock (pipfile-spec 6): hashes without file names, by category, as `pipenv sync` installs them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lockproof.digests import is_sha256
from lockproof.errors import LockError
from lockproof.locks import INSTALLABLE_ADVICE, IndexOptions, raise_together
from lockproof.locks.entries import Entry
from lockproof.locks.markers import all_of, any_of, in_group, negated
from lockproof.locks.requirements import Pin, RefusedPin, RequirementsFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.specifiers import SpecifierSet

_LOCK_AGAIN = "Run `pipenv lock`."
_DEFAULT = "default"
_SPEC = 6
_SOURCES = {  # keys of entries that are no pins
    "git": "a checkout has no sha256 to prove",
    "hg": "a checkout has no sha256 to prove",
    "svn": "a checkout has no sha256 to prove",
    "bzr": "a checkout has no sha256 to prove",
    "path": "a source tree has no hash to prove",
    "file": "only files of an index are found by their hash",
}
_MARKERS = (  # pipenv takes these keys too, each with an operator and a value
    *("os_name", "sys_platform", "platform_machine", "platform_python_implementation", "platform_release"),
    *("platform_system", "platform_version", "python_version", "python_full_version"),
    *("implementation_name", "implementation_version"),
)
_IN_GROUP = re.compile(r"""(?:'[^']*'|"[^"]*")\s+in\s+dependency_groups\b""")
_PIN = re.compile(r"\s*==\s*([^\s,;*=]+)\s*")
_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")


class _RepeatedError(ValueError):
    """A key that stands twice in a JSON object."""


def read_pipfile(text: str, shown: str, *, environ: Mapping[str, str] | None = None) -> RequirementsFile:
    """The pins and indexes that a Pipfile.lock's text says; messages name it `shown`.

    `default` is always taken; every other category is a group, none of them by default, as for
    `pipenv install`: `develop` and those that the Pipfile names itself. `environ` has the values of `${NAME}`
    in the URLs of sources; a source with a variable that isn't set is left out. Checkouts, source trees and
    files are refusals, told for the cells that select them; the project itself is left out. Raises LockError,
    or a ProblemsError of several, each with file and line.
    """
    document = _json(text, shown)
    head = Entry(values=document, where=shown, remedy=_LOCK_AGAIN)
    meta = head.table("_meta")
    if meta.values.get("pipfile-spec") != _SPEC:
        found = repr(meta.values.get("pipfile-spec", "missing"))[:40]
        raise head.error(
            f"pipfile-spec is {found}", f"this version reads {_SPEC}", "Run `pipenv lock` of a newer pipenv."
        )
    categories = {name: head.table(name) for name in document if name != "_meta"}
    names = {name: head.normal(name) for name in categories if name != _DEFAULT}
    found_entries: list[_Locked] = []
    refused: list[RefusedPin] = []
    problems = []
    for category, entry in _located(text, shown, categories):
        try:
            group = names.get(category, "")
            locked = _entry(entry, group)
            found_entries += [locked] if isinstance(locked, _Locked) else []
            refused += [locked] if isinstance(locked, RefusedPin) else []
        except LockError as problem:
            problems.append(problem)
    problems += _repeated(found_entries)
    raise_together(problems)
    return RequirementsFile(
        path=shown,
        pins=tuple(_pins(found_entries)),
        options=_options(meta, environ or {}),
        kind="pipenv",
        groups=tuple(sorted(set(names.values()))),
        refused=tuple(refused),
        requires_python=_requires_python(meta.table("requires")),
    )


def _json(text: str, shown: str) -> dict[str, object]:
    def unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
        keys = [key for key, _ in pairs]
        if len(set(keys)) < len(keys):
            raise _RepeatedError(next(key for key in keys if keys.count(key) > 1))
        return dict(pairs)

    try:
        document: object = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        where = f"{shown}:{error.lineno}:{error.colno}"
        raise LockError("this is not JSON", where=where, why=error.msg, remedy=_LOCK_AGAIN) from None
    except _RepeatedError as error:
        raise LockError(f"{error} stands twice in one object", where=shown, remedy=_LOCK_AGAIN) from None
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, lists 1,000 deep
        raise LockError("this JSON can't be read", where=shown, why=str(error), remedy=_LOCK_AGAIN) from None
    if not isinstance(document, dict):
        raise LockError("the lock is not an object", where=shown, remedy=_LOCK_AGAIN)
    return document


def _located(text: str, shown: str, categories: Mapping[str, Entry]) -> Iterator[tuple[str, Entry]]:
    """Each entry with its category and line: json tells no positions, but keeps the order."""
    position, line, counted = 0, 1, 0
    for category, table in categories.items():
        position = _key(text, category, position)
        for name, value in table.values.items():
            position = _key(text, name, position)
            line, counted = line + text.count("\n", counted, position), position
            where = f"{shown}:{line}"
            if not isinstance(value, dict):
                raise LockError(f"the entry of {name!r} is not an object", where=where, remedy=_LOCK_AGAIN)
            yield category, Entry(values={**value, "name": name}, where=where, remedy=_LOCK_AGAIN)


def _key(text: str, key: str, start: int) -> int:
    """Where a key stands from `start` on; `start` itself when it's written with escapes."""
    match = re.compile(rf'"{re.escape(key)}"\s*:').search(text, start)
    return match.start() if match else start


@dataclass(frozen=True, kw_only=True, slots=True)
class _Locked:
    """A pin in one category; `condition` leaves the category out."""

    name: str
    version: str
    hashes: tuple[str, ...]
    group: str
    condition: str
    entry: Entry


def _entry(entry: Entry, group: str) -> _Locked | RefusedPin | None:
    """An entry as a pin or a refusal; None for the project itself.

    An entry for another platform can be without version and hashes: pipenv doesn't resolve what it can't install.
    """
    name, condition = entry.name(), _condition(entry, group)
    if entry.values.get("path") in {".", "./"}:
        return None
    hashes = _hashes(entry)
    version = _PIN.fullmatch(entry.text("version", ""))
    error = _source_error(entry, name)
    if error is None and version is None:
        why = "only one version with a sha256 names exact files"
        error = entry.error(f"{name} is not pinned with ==", why=why)
    if error is None and not hashes:
        error = entry.error(f"{name} has no sha256", why="without one any file could take its place")
    if error is None and version is not None:
        normal = str(Entry(values={"version": version[1]}, where=entry.where, remedy=entry.remedy).version())
        return _Locked(name=name, version=normal, hashes=hashes, group=group, condition=condition, entry=entry)
    assert error is not None
    asked = all_of(in_group(group) if group else "", condition)
    return RefusedPin(name=name, marker=entry.marker(asked) if asked else None, error=error)


def _source_error(entry: Entry, name: str) -> LockError | None:
    """Why an entry that isn't a release in an index can't be had as a file."""
    kind = next((key for key in (*_SOURCES, "editable", "no_binary") if entry.values.get(key)), "")
    if not kind:
        return None
    why = _SOURCES.get(kind, "what is built from source has no hash in the lock")
    return entry.error(f"{name} is locked as `{kind}`", why=why, remedy=INSTALLABLE_ADVICE)


def _condition(entry: Entry, group: str) -> str:
    """The entry's own marker. pipenv writes its category's group into it too, under either name: that holds."""
    texts = [entry.text("markers", "")]
    texts += [f"{key} {entry.text(key)}" for key in _MARKERS if key in entry.values]
    asked = [re.sub(_IN_GROUP, in_group(group) if group else "python_version >= '0'", text) for text in texts if text]
    for text in asked:
        entry.marker(text)  # by itself: joined to others, a stray parenthesis could mean something else
    return all_of(*asked)


def _hashes(entry: Entry) -> tuple[str, ...]:
    """The sha256 of an entry; others are left out."""
    found: dict[str, None] = {}
    for written in entry.texts("hashes"):
        algorithm, _, digest = written.partition(":")
        if algorithm == "sha256" and not is_sha256(digest.lower()):
            raise entry.error(f"{entry.name()} has a hash that is no sha256", why="64 hexadecimal digits were expected")
        if algorithm == "sha256":
            found[digest.lower()] = None
    return tuple(found)


def _pins(locked: Sequence[_Locked]) -> Iterator[Pin]:
    """One pin for each (name, version, hashes), wanted where one of its categories wants it.

    pipenv installs one category after the other, so that a later one's version replaces an earlier one's: the
    earlier one is wanted where the later isn't. Where that can't be said, the planner tells both places.
    """
    together: dict[tuple[str, str, tuple[str, ...]], list[_Locked]] = {}
    for one in locked:
        together.setdefault((one.name, one.version, tuple(sorted(one.hashes))), []).append(one)
    of_name: dict[str, list[list[_Locked]]] = {}
    for same in together.values():
        of_name.setdefault(same[0].name, []).append(same)
    for (name, version, _), same in together.items():
        versions = of_name[name]
        replaced = (negated(_wanted(later)) for later in versions[versions.index(same) + 1 :])
        marker = all_of(_wanted(same), *filter(None, replaced))
        first = same[0]
        file, _, line = first.entry.where.rpartition(":")
        yield Pin(
            name=name,
            version=version,
            marker=first.entry.marker(marker) if marker else None,
            hashes=first.hashes,
            file=file,
            line=int(line),
        )


def _repeated(locked: Sequence[_Locked]) -> Iterator[LockError]:
    """A category that has one name in two spellings: pip would refuse both."""
    seen: dict[tuple[str, str], _Locked] = {}
    for one in locked:
        known = seen.setdefault((one.group, one.name), one)
        if known is not one:
            yield one.entry.error(f"{one.name} is locked twice", why=f"{known.entry.where} has it too")


def _wanted(same: Sequence[_Locked]) -> str:
    return any_of(all_of(in_group(one.group) if one.group else "", one.condition) for one in same)


def _requires_python(requires: Entry) -> SpecifierSet | None:
    """The Pythons that the Pipfile requires: `python_version` 3.12 is any 3.12, `python_full_version` exactly one."""
    full, short = requires.text("python_full_version", ""), requires.text("python_version", "")
    if re.fullmatch(r"[\d.]+", full):
        return requires.specifiers(f"=={full}")
    if re.fullmatch(r"[\d.]+", short):
        return requires.specifiers(f"=={short}.*")
    written = full or short
    return requires.specifiers(written) if written not in {"", "*"} else None


def _options(meta: Entry, environ: Mapping[str, str]) -> IndexOptions:
    """The lock's sources as places to look after the configured index: a mirror of theirs has the same files."""
    urls: dict[str, None] = {}
    trusted: dict[str, None] = {}
    for source in meta.tables("sources"):
        url = source.text("url")
        needed = {first or second for first, second in _VARIABLE.findall(url)}
        if not all(environ.get(name) for name in needed):
            continue
        url = _VARIABLE.sub(lambda match: environ[match[1] or match[2]], url)
        urls.setdefault(url)
        host = re.match(r"https?://(?:[^/@]*@)?([^/?#]+)", url)
        if source.values.get("verify_ssl") is False and host:
            trusted.setdefault(host[1])
    return IndexOptions(extra_index_urls=tuple(urls), trusted_hosts=tuple(trusted))
