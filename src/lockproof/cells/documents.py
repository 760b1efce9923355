"""Files of YAML text to plain data that knows its lines: the one place that reads YAML.

Built from the parser's events, one after the other, rather than from composed nodes: so that nesting, aliases
and size are bounded before anything grows, and no tag constructs an object.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import PurePath
from typing import TYPE_CHECKING

from lockproof.cells.config import read_matrix
from lockproof.cells.policykeys import read_policy
from lockproof.cells.shapes import Checker
from lockproof.cells.trees import Document, Node, TreeBuilder, clip
from lockproof.errors import MatrixError

if TYPE_CHECKING:
    from pathlib import Path

    import yaml

    from lockproof.cells.matrix import Spec
    from lockproof.cells.policykeys import Policy
    from lockproof.cells.trees import Value

MAX_BYTES = 1 << 20
_MAX_NUMBER = 40  # characters; longer ones cost quadratic time to read

# What a YAML text may hold (YAML 1.1, section 5.1), a byte order mark at the start aside.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_TAG = "tag:yaml.org,2002:"

# Fragments of what libyaml and PyYAML's own parser say, in plain words.
_MISFIT = "this doesn't fit the lines above; check the indentation and the quotes"
_PLAIN_WORDS = {
    "mapping values are not allowed": "`: ` can't stand here; quote the value, or check the indentation",
    "could not find expected ':'": "a key without `: `",
    "did not find expected key": _MISFIT,
    "did not find expected '-'": _MISFIT,
    "expected <block end>": _MISFIT,
    "cannot start any token": "a value can't start with this character; quote the value",
    "unknown escape": "an unknown escape in double quotes; use single quotes, or double the backslash",
}
_UNCLOSED = {  # told where it was opened
    "found unexpected end of stream": "a quote is opened and never closed",
    "',' or ']'": "a list opened with [ isn't closed, or a comma is missing in it",
    "',' or '}'": "a mapping opened with { isn't closed, or a comma is missing in it",
}


def load_matrix(path: Path, *, shown_as: str = "") -> Spec:
    """The spec in the matrix file `path`, with `.python-version` beside it as the default for `python`.

    `shown_as` is how messages name the file, `path` when empty. Raises MatrixError, all problems at once.
    """
    shown_as = shown_as or str(path)
    document = load_yaml(read_text(path, shown_as=shown_as), shown_as)
    python_version = path.with_name(".python-version")
    text = None
    if python_version.is_file():
        text = read_text(python_version, shown_as=str(PurePath(shown_as).with_name(".python-version")))
    return read_matrix(document, python_version=text)


def load_policy(path: Path, *, shown_as: str) -> Policy:
    """The policy in a file of its own, with the keys of `policy` in a matrix. Raises MatrixError, all at once."""
    if not path.exists():
        raise MatrixError("there is no such file", where=shown_as, remedy="name a file of YAML with --policy")
    check = Checker(load_yaml(read_text(path, shown_as=shown_as), shown_as))
    policy = read_policy(check, (), check.document.data)
    check.raise_problems()
    return policy


def read_text(path: Path, *, shown_as: str = "") -> str:
    """The text of a UTF-8 file of at most MAX_BYTES bytes. Raises MatrixError when it can't be had."""
    shown_as = shown_as or str(path)
    try:
        if path.exists() and not path.is_file():
            raise MatrixError("this is not a file", where=shown_as)
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        remedy = "Write one (`version: 1`, `lock:`, `python:`, `commands:`), or name another with --matrix or -C."
        raise MatrixError("there is no such file", where=shown_as, why=_nearby(path), remedy=remedy) from None
    except OSError as error:
        raise MatrixError("can't be read", where=shown_as, why=error.strerror or str(error)) from None
    if len(data) > MAX_BYTES:
        raise MatrixError(f"the file is larger than {MAX_BYTES} bytes", where=shown_as)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise MatrixError(
            f"the byte 0x{data[error.start]:02X} isn't UTF-8",
            where=f"{shown_as}:{line}",
            remedy="save the file as UTF-8",
        ) from None


def _nearby(path: Path) -> str:
    """What may be meant in place of a file that isn't there: one in a folder above, or the same with another ending."""
    path = path.absolute()
    for place in (path.with_suffix(".yml"), *(folder / path.name for folder in path.parent.parents)):
        with suppress(OSError):
            if place.is_file():
                return f"there is {place}"
    return ""


def load_yaml(text: str, path: str) -> Document:
    """The one document in `text`; `path` is how messages name it.

    Mapping keys are strings. Aliases are allowed as long as the file has at most MAX_NODES values with all of
    them written out, MAX_DEPTH deep. Numbers, booleans and null follow YAML 1.1, as PyYAML reads them; a date
    stays text. Raises MatrixError with file:line:column; duplicate and non-string keys are told all at once.
    """
    import yaml  # 20 ms that most commands don't need

    text = text.removeprefix("\ufeff")
    _refuse_odd_text(text, path)
    builder = TreeBuilder(path)
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    try:
        for event in yaml.parse(text, Loader=loader):
            _feed(builder, event)
    except yaml.YAMLError as error:
        raise _plain_error(error, text, path) from None
    if builder.problems:
        raise MatrixError("\n".join(f"{path}:{line}:{column}: {what}" for line, column, what in builder.problems))
    root = builder.root
    if root is None or root.value is None:
        raise MatrixError("the file is empty", where=f"{path}:1")
    return Document(path=path, data=root.value, root=root)


def _feed(builder: TreeBuilder, event: yaml.Event) -> None:
    import yaml  # already loaded

    mark = event.start_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    if isinstance(event, yaml.DocumentStartEvent):
        builder.start_document(line)
    elif isinstance(event, yaml.AliasEvent):
        builder.alias(line, column, event.anchor or "")
    elif isinstance(event, yaml.ScalarEvent):
        try:
            value = _scalar_value(event)
        except ValueError as error:
            raise builder.error(line, column, str(error)) from None
        builder.scalar(Node(line=line, column=column, value=value, written=event.value), event.anchor)
    elif isinstance(event, yaml.CollectionStartEvent):
        is_list = isinstance(event, yaml.SequenceStartEvent)
        if event.tag not in (None, "!", _TAG + ("seq" if is_list else "map")):
            raise builder.error(line, column, f"the tag {_shown_tag(event.tag)} isn't allowed")
        builder.open(Node(line=line, column=column, value=[] if is_list else {}), event.anchor)
    elif isinstance(event, yaml.CollectionEndEvent):
        builder.close()


def _scalar_value(event: yaml.ScalarEvent) -> Value:
    """The plain value of a scalar; a ValueError says why it has none."""
    from yaml import ScalarNode  # already loaded
    from yaml.constructor import SafeConstructor
    from yaml.resolver import Resolver

    tag = event.tag
    if tag in (None, "!"):
        # The stubs leave it open.
        tag = Resolver().resolve(ScalarNode, event.value, event.implicit)  # type: ignore[no-untyped-call]
    kind = str(tag).removeprefix(_TAG)
    if kind == "merge":
        raise ValueError("merge keys (<<) aren't read; write the keys out, or use an alias for a whole value")
    if kind in ("str", "timestamp", "value"):
        return event.value
    if kind not in ("int", "float", "bool", "null"):
        raise ValueError(f"the tag {_shown_tag(tag)} isn't allowed")
    if len(event.value) > _MAX_NUMBER:
        raise ValueError(f"a number of {len(event.value)} characters; quote it if it is text")
    try:
        value = SafeConstructor().construct_object(ScalarNode(tag=str(tag), value=event.value))
    except (ValueError, KeyError, IndexError):
        raise ValueError(f"{clip(event.value)} isn't of the type {_shown_tag(tag)}; quote it if it is text") from None
    assert value is None or isinstance(value, bool | int | float)
    return value


def _shown_tag(tag: str | None) -> str:
    return str(tag).replace(_TAG, "!!")


def _refuse_odd_text(text: str, path: str) -> None:
    if len(text) > MAX_BYTES:
        raise MatrixError(f"the file is larger than {MAX_BYTES} bytes", where=path)
    odd = _UNPRINTABLE.search(text)
    if odd:
        before = text[: odd.start()]
        line, column = before.count("\n") + 1, odd.start() - before.rfind("\n")
        raise MatrixError(
            f"the character U+{ord(odd[0]):04X} isn't allowed in YAML",
            where=f"{path}:{line}:{column}",
            remedy="remove it; in double quotes it can be written as an escape",
        )


def _plain_error(error: yaml.YAMLError, text: str, path: str) -> MatrixError:
    from yaml import MarkedYAMLError  # already loaded

    if not isinstance(error, MarkedYAMLError):
        return MatrixError(f"this isn't YAML: {error}", where=path)
    problem = error.problem or "it can't be read"
    mark = error.problem_mark or error.context_mark
    plain = ", ".join(part for part in (error.context, problem) if part)
    plain = next((words for fragment, words in _PLAIN_WORDS.items() if fragment in problem), plain)
    for fragment, words in _UNCLOSED.items():
        if fragment in problem:
            plain, mark = words, error.context_mark or mark
    if mark is None:
        return MatrixError(f"this isn't YAML: {plain}", where=path)
    lines = text.split("\n")
    if mark.line < len(lines) and re.match(r" *\t", lines[mark.line]):
        plain = "the line is indented with a tab; YAML indents with spaces"
    return MatrixError(f"this isn't YAML: {plain}", where=f"{path}:{mark.line + 1}:{mark.column + 1}")
