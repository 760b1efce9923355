"""What pdm reads of a pyproject.toml: groups, extras, what they require, what is left out (pdm's `project/core.py`)."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lockproof.errors import LockError
from lockproof.locks.entries import Entry
from lockproof.locks.pylock import toml_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DEFAULT = "default"
_SELF = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?\s*")


@dataclass(frozen=True, kw_only=True, slots=True)
class PdmProject:
    """A project; without a pyproject.toml `text` is None, and every group may be an extra too."""

    text: str | None = None
    where: str = ""
    name: str = ""
    extras: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    development: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    dependencies: tuple[object, ...] = ()
    is_dynamic: bool = False
    excluded: frozenset[str] = frozenset()
    hashed: Mapping[str, object] = field(default_factory=dict)

    @property
    def groups(self) -> frozenset[str]:
        """All groups that the project has, `default` too."""
        return frozenset((_DEFAULT, *self.extras, *self.development))

    def is_extra(self, group: str) -> bool:
        """Whether a group is an extra of the project."""
        return self.text is None or group in self.extras

    def is_self(self, name: str, values: Mapping[str, object]) -> bool:
        """Whether an entry of the lock is the project itself."""
        path = values.get("path")
        return isinstance(path, str) and (name == self.name or posixpath.normpath(path) == ".")

    def requirements(self, group: str) -> tuple[str, ...]:
        """The requirements of a group, with those of the extras of itself and of the groups that it includes.

        Raises LockError for what isn't a requirement.
        """
        lines: dict[str, None] = {}
        waiting, seen = [group], set[str]()
        while waiting:
            current = waiting.pop()
            if current in seen:
                continue
            seen.add(current)
            for item in self._items(current):
                further = list(self._included(item))
                waiting += further
                if isinstance(item, str) and not further and not self._is_bare_self(item):
                    lines.setdefault(item)
        return tuple(lines)

    def _items(self, group: str) -> tuple[object, ...]:
        if group == _DEFAULT:
            return self.dependencies
        if group not in self.extras and group not in self.development:
            raise self._error(f"there is no group {group}, which another one includes")
        return (*self.extras.get(group, ()), *self.development.get(group, ()))

    def _included(self, item: object) -> Iterator[str]:
        """The groups that an item stands for: `{include-group = "x"}`, or the project's own name with extras."""
        entry = Entry(values=item if isinstance(item, dict) else {}, where=self.where, remedy="Correct pyproject.toml.")
        if isinstance(item, dict):
            yield entry.normal(entry.text("include-group"))
        elif not isinstance(item, str):
            raise self._error(f"{item!r} is not a requirement")
        elif (match := _SELF.fullmatch(item)) and match[2] and entry.normal(match[1]) == self.name:
            yield from (entry.normal(extra.strip()) for extra in match[2].split(","))

    def _is_bare_self(self, item: str) -> bool:
        entry = Entry(values={}, where=self.where, remedy="")
        match = _SELF.fullmatch(item)
        return bool(match) and entry.normal(str(match and match[1]).rstrip("._-")) == self.name

    def _error(self, what: str) -> LockError:
        return LockError(what, where=self.where, remedy="Correct pyproject.toml.")


def read_project(text: str | None, where: str) -> PdmProject:
    """The project that a pyproject.toml's text says; messages name it `where`. Raises LockError."""
    if text is None:
        return PdmProject()
    head = Entry(values=toml_document(text, where), where=where, remedy="Correct pyproject.toml.")
    project, settings = head.table("project"), head.table("tool").table("pdm")
    extras = {head.normal(name): _listed(project.table("optional-dependencies"), name)
              for name in project.table("optional-dependencies").values}  # fmt: skip
    development: dict[str, tuple[object, ...]] = {}
    for table in (head.table("dependency-groups"), settings.table("dev-dependencies")):
        for name in table.values:
            development[head.normal(name)] = (*development.get(head.normal(name), ()), *_listed(table, name))
    resolution = settings.table("resolution")
    return PdmProject(
        text=text,
        where=where,
        name=head.normal(project.text("name")) if "name" in project.values else "",
        extras=extras,
        development=development,
        dependencies=_listed(project, "dependencies"),
        is_dynamic=bool({"dependencies", "optional-dependencies"} & set(project.texts("dynamic"))),
        excluded=frozenset(head.normal(name) for name in resolution.texts("excludes")),
        hashed={
            "sources": settings.values.get("source", []),
            "dependencies": project.values.get("dependencies", []),
            "dev-dependencies": {name: list(items) for name, items in development.items()},
            "optional-dependencies": project.values.get("optional-dependencies", {}),
            "requires-python": project.values.get("requires-python", ""),
            "resolution": resolution.values,
        },
    )


def _listed(table: Entry, key: str) -> tuple[object, ...]:
    value = table.values.get(key, [])
    if not isinstance(value, list):
        raise table.error(f"`{key}` can't be read", why="a list of requirements was expected")
    return tuple(value)
