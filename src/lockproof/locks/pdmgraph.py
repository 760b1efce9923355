"""The walk through a pdm.lock that says no groups and markers: from the project's requirements to every package.

pdm resolves such a lock again at each install, with its own entries as the only candidates. What comes out is
what can be reached: by each path, under all the markers on it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeAlias

from lockproof.locks.entries import Entry
from lockproof.locks.markers import all_of, any_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from packaging.requirements import Requirement

    from lockproof.locks.pdmproject import PdmProject

Condition: TypeAlias = frozenset[str]
"""Marker texts that hold together: those on one path."""

_MAX_STEPS = 100_000


class Graph:
    """The entries of a lock by name and extras, and what is required of them and isn't there."""

    def __init__(self, entries: Sequence[Entry], own_name: str, remedy: str) -> None:
        """Raises LockError for a name that is locked in several versions: nothing says when which."""
        self.own_name = own_name
        self.remedy = remedy
        self.missing: list[tuple[str, str, str]] = []  # name, where it is required, the condition
        self.nodes: dict[tuple[str, tuple[str, ...]], Entry] = {}
        for entry in entries:
            key = (entry.name(), tuple(sorted(entry.normal(extra) for extra in entry.texts("extras"))))
            if key in self.nodes:
                why = f"{self.nodes[key].where} has it too, and without inherit_metadata nothing says when which"
                raise entry.error(f"{key[0]} is locked twice", why, remedy)
            self.nodes[key] = entry


def conditions_of(
    graph: Graph, roots: Iterable[tuple[str, str]], project: PdmProject
) -> Iterator[tuple[Entry, str, str]]:
    """Each entry that is reached, its name, and when: as a marker text, empty for always.

    `roots` are requirements with the condition of their group. Entries under an extra's name count as their
    plain ones. Leaves in `graph.missing` what is required and not locked. Raises LockError.
    """
    head = Entry(values={}, where=project.where, remedy="Correct pyproject.toml.")
    reached: dict[tuple[str, tuple[str, ...]], set[Condition]] = {}
    places: dict[str, str] = {}
    waiting: deque[tuple[Entry, str, Condition]] = deque(
        (head, line, frozenset(filter(None, [condition]))) for condition, line in roots
    )
    for _ in range(_MAX_STEPS):
        if not waiting:
            break
        source, line, path = waiting.popleft()
        requirement = _requirement(source, line)
        name, extras = source.normal(requirement.name), tuple(sorted(map(source.normal, requirement.extras)))
        if name == graph.own_name or name in project.excluded:
            continue
        condition = path | ({str(requirement.marker)} if requirement.marker else frozenset())
        key = (name, extras)
        places.setdefault(name, source.where)
        if not _added(reached.setdefault(key, set()), condition) or key not in graph.nodes:
            continue
        node = graph.nodes[key]
        waiting += [(node, further, condition) for further in node.texts("dependencies")]
    else:
        raise head.error("the lock's dependencies branch too often to be followed", remedy=graph.remedy)
    plain: dict[str, set[Condition]] = {}
    for (name, extras), conditions in reached.items():
        known = graph.nodes.get((name, extras)) or (not extras and graph.nodes.get((name, ())))
        plain.setdefault(name if known else f"{name}[{','.join(extras)}]" if extras else name, set()).update(conditions)
    for name, conditions in plain.items():
        entry = _entry_of(graph, name)
        if entry is None:
            graph.missing.append((name.partition("[")[0], places[name.partition("[")[0]], _text(conditions)))
        else:
            yield entry, name, _text(conditions)


def _entry_of(graph: Graph, name: str) -> Entry | None:
    return graph.nodes.get((name, ())) or next((node for key, node in graph.nodes.items() if key[0] == name), None)


def _requirement(source: Entry, line: str) -> Requirement:
    from packaging.requirements import InvalidRequirement, Requirement  # late: packaging takes 80 ms

    try:
        return Requirement(line)
    except (InvalidRequirement, ValueError, RecursionError) as error:
        raise source.error(f"{line!r} can't be followed", why=str(error).split("\n", 1)[0]) from None


def _added(conditions: set[Condition], new: Condition) -> bool:
    """Add a condition that isn't narrower than one that is there; those that are narrower go."""
    if any(known <= new for known in conditions):
        return False
    conditions -= {known for known in conditions if new < known}
    conditions.add(new)
    return True


def _text(conditions: Iterable[Condition]) -> str:
    return any_of(sorted(all_of(*sorted(condition)) for condition in conditions))
