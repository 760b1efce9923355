"""Parsed YAML as plain data that knows its lines, and the builder that bounds its size. Reads no YAML."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

from lockproof.errors import MatrixError

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
KeyPath: TypeAlias = tuple[str | int, ...]

MAX_NODES = 20_000  # values in a file, with every alias written out
MAX_DEPTH = 50


@dataclass(kw_only=True, slots=True)
class Node:
    """A value and where it stands; `size` counts the values in it, `height` how deep they nest."""

    line: int  # from 1; for a value of a mapping, the line of its key
    column: int
    value: Value
    written: str = ""
    size: int = 1
    height: int = 0
    children: dict[str | int, Node] = field(default_factory=dict)


@dataclass(kw_only=True, slots=True)
class _Open:
    """A collection whose end hasn't come yet; `key` waits for its value."""

    node: Node
    anchor: str | None
    nodes_before: int
    key: Node | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A YAML file as plain data (`data`); `path` is how messages name it. The data isn't to be changed."""

    path: str
    data: Value
    root: Node = field(repr=False, compare=False)

    def line_of(self, key_path: KeyPath) -> int:
        """The line (from 1) of a key or an item; of the nearest thing around it when it isn't there."""
        return self._find(key_path)[0].line

    def written(self, key_path: KeyPath) -> str:
        """A scalar as it stands in the file (`3.10` where `data` has 3.1); "" for anything else."""
        node, found = self._find(key_path)
        return node.written if found else ""

    def _find(self, key_path: KeyPath) -> tuple[Node, bool]:
        node = self.root
        for key in key_path:
            child = node.children.get(key)
            if child is None:
                return node, False
            node = child
        return node, True


class TreeBuilder:
    """The events of one YAML file in, in their order; one tree out, of bounded size.

    What can be read past is collected in `problems` (line, column, text); anything else raises MatrixError.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.problems: list[tuple[int, int, str]] = []
        self.root: Node | None = None
        self.documents = 0
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}  # None while the anchored collection is open
        self._count = 0

    def error(self, line: int, column: int, what: str) -> MatrixError:
        """An error at that place."""
        return MatrixError(what, where=f"{self.path}:{line}:{column}")

    def start_document(self, line: int) -> None:
        """A document starts; there may be one."""
        self.documents += 1
        if self.documents > 1:
            raise self.error(line, 1, "a second document starts here; a file holds one")

    def scalar(self, node: Node, anchor: str | None) -> None:
        """A value without children, and its anchor."""
        self._grow(node, 1)
        self._anchor(anchor, node)
        self._place(node)

    def alias(self, line: int, column: int, name: str) -> None:
        """The anchored value again: shared, but counted as if written out."""
        if name not in self._anchors:
            raise self.error(line, column, f"the alias *{clip(name)} has no anchor before it")
        target = self._anchors[name]
        if target is None:
            raise self.error(line, column, f"the alias *{clip(name)} stands inside its own anchor")
        node = replace(target, line=line, column=column)
        self._grow(node, node.size)
        self._place(node)

    def open(self, node: Node, anchor: str | None) -> None:
        """A list or a mapping starts."""
        nodes_before = self._count
        self._grow(node, 1)
        self._anchor(anchor, None)
        self._stack.append(_Open(node=node, anchor=anchor, nodes_before=nodes_before))

    def close(self) -> None:
        """The last opened list or mapping ends."""
        done = self._stack.pop()
        done.node.size = self._count - done.nodes_before
        done.node.height = 1 + max((child.height for child in done.node.children.values()), default=0)
        if done.anchor is not None:
            self._anchors[done.anchor] = done.node
        self._place(done.node)

    def _anchor(self, name: str | None, node: Node | None) -> None:
        if name is not None:
            self._anchors[name] = node

    def _grow(self, node: Node, count: int) -> None:
        self._count += count
        if self._count > MAX_NODES:
            why = f"more than {MAX_NODES} values, with every alias written out"
            raise self.error(node.line, node.column, why)
        if len(self._stack) + node.height > MAX_DEPTH:
            raise self.error(node.line, node.column, f"nested more than {MAX_DEPTH} deep")

    def _place(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        top = self._stack[-1]
        value = top.node.value
        if isinstance(value, list):
            top.node.children[len(value)] = node
            value.append(node.value)
        elif isinstance(value, dict):
            if top.key is None:
                top.key = node
            else:
                self._pair(top.node, value, top.key, node)
                top.key = None

    def _pair(self, owner: Node, data: dict[str, Value], key: Node, node: Node) -> None:
        name = key.value
        if not isinstance(name, str):
            self.problems.append((key.line, key.column, _odd_key(key)))
            name = key.written
        elif name in data:
            first = owner.children[name].line
            text = f"the key `{clip(name)}` stands twice, first on line {first}"
            self.problems.append((key.line, key.column, text))
        owner.children[name] = replace(node, line=key.line, column=key.column)
        data[name] = node.value


def kind_of(value: Value) -> str:
    """What a value is, in the words of messages: "a number", "text", "nothing" …"""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "a mapping"


def clip(text: str) -> str:
    """`text` fit for a message: at most 60 characters, none of which can steer a terminal."""
    if len(text) > 60:
        text = text[:57] + "..."
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def _odd_key(key: Node) -> str:
    if isinstance(key.value, list | dict):
        return f"a key must be text, not {kind_of(key.value)}"
    if key.value is None:
        return "a key is missing before `:`"
    written = clip(key.written)
    return f'YAML reads the key {written} as {kind_of(key.value)}; quote it: "{written}"'
