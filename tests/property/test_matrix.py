"""Laws of the matrix: its expansion, its selectors, its command lines, and the reading of any document."""

from __future__ import annotations

import math
import shlex
import string
from dataclasses import replace
from fnmatch import fnmatchcase

from hypothesis import given, settings
from hypothesis import strategies as st

from lockproof.cells.config import read_matrix
from lockproof.cells.matrix import Axis, Cell, Exclude, Settings, Spec, expand, select
from lockproof.cells.posargs import substitute_posargs
from lockproof.cells.trees import Document, Node, Value
from lockproof.errors import MatrixError, UsageError
from lockproof.pythons.platforms import Platform

HOST = Platform(os="linux", machine="x86_64", libc="glibc", version=(2, 36))
PLATFORMS = (
    None,
    Platform(os="linux", machine="aarch64", libc="musl", version=(1, 2)),
    Platform(os="macos", machine="arm64", version=(13, 0)),
    Platform(os="windows", machine="x86_64"),
)

names = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=4)
words = st.text(st.characters(codec="utf-8", exclude_characters="\0{}"), max_size=8)
variants = st.builds(
    Settings,
    groups=st.none() | st.lists(names, max_size=2).map(tuple),
    env=st.dictionaries(names, names, max_size=2),
    timeout=st.none() | st.floats(1, 100),
)


@st.composite
def specs(draw: st.DrawFn) -> Spec:
    """Matrices whose axes' values hold no `-`, so that no two cells can have one id."""
    axes = draw(st.dictionaries(names, st.dictionaries(names, variants, min_size=1, max_size=3), max_size=2))
    return Spec(
        path="matrix.yaml",
        lock="pylock.toml",
        pythons=tuple(draw(st.lists(st.sampled_from(["3.9.18", "3.11.7", "3.12.1"]), min_size=1, unique=True))),
        platforms=tuple(draw(st.lists(st.sampled_from(PLATFORMS), min_size=1, unique=True))),
        settings=draw(variants),
        axes=tuple(Axis(name=name, values=values) for name, values in axes.items()),
    )


@given(specs())
def test_the_product_has_one_cell_a_combination_and_unique_ids(spec: Spec) -> None:
    cells = expand(spec, HOST)

    sizes = [len(spec.pythons), len(spec.platforms), *(len(axis.values) for axis in spec.axes)]
    assert len({cell.id for cell in cells}) == len(cells) == math.prod(sizes)
    assert [cell.id for cell in cells] == [
        "-".join([cell.python, cell.platform.id, *cell.axes.values()]) for cell in cells
    ]


@given(specs())
def test_the_last_axis_that_sets_something_wins(spec: Spec) -> None:
    for cell in expand(spec, HOST):
        layers = [spec.settings, *(axis.values[cell.axes[axis.name]] for axis in spec.axes)]
        groups = [layer.groups for layer in layers if layer.groups is not None]
        assert cell.groups == (groups[-1] if groups else None)
        assert cell.env == {name: value for layer in layers for name, value in layer.env.items()}


@given(specs(), st.data())
def test_excluding_one_cell_by_all_its_keys_leaves_the_others(spec: Spec, data: st.DataObject) -> None:
    cells = expand(spec, HOST)
    out = data.draw(st.sampled_from(cells))
    exclude = Exclude(python=out.python, platform=out.platform.id, axes=out.axes)
    rest = tuple(cell for cell in cells if cell != out)

    assert _expand_or_nothing(spec, exclude) == rest


def _expand_or_nothing(spec: Spec, exclude: Exclude) -> tuple[Cell, ...]:
    try:
        return expand(replace(spec, exclude=(exclude,)), HOST)
    except MatrixError as error:
        assert error.what == "the matrix has no cells"
        return ()


@given(specs(), st.data())
def test_select_keeps_order_and_finds_each_cell_by_its_id(spec: Spec, data: st.DataObject) -> None:
    cells = expand(spec, HOST)
    chosen = data.draw(st.lists(st.sampled_from(cells), min_size=1))

    assert select(cells, [cell.id for cell in chosen]) == tuple(cell for cell in cells if cell in chosen)
    assert select(cells, ["*"]) == select(cells, []) == cells


@given(specs(), st.lists(st.text("3.*?[]!-lx", max_size=6), min_size=1, max_size=3))
def test_select_is_the_union_of_its_patterns_or_an_error(spec: Spec, patterns: list[str]) -> None:
    cells = expand(spec, HOST)
    found = [[cell for cell in cells if fnmatchcase(cell.id, pattern)] for pattern in patterns]
    try:
        selected = select(cells, patterns)
    except UsageError:
        assert not all(found)
    else:
        assert all(found)
        assert list(selected) == [cell for cell in cells if any(cell in group for group in found)]


@given(st.lists(words, min_size=1), st.lists(st.text(max_size=8)), st.lists(words))
def test_arguments_pass_a_command_line_unchanged(argv: list[str], posargs: list[str], tail: list[str]) -> None:
    command = f"{shlex.join(argv)} {{posargs}} {shlex.join(tail)}"

    assert substitute_posargs(command, posargs) == argv + posargs + tail


@given(st.lists(words, min_size=1), st.lists(words))
def test_a_default_stands_in_for_no_arguments(argv: list[str], default: list[str]) -> None:
    command = f"{shlex.join(argv)} {{posargs:{shlex.join(default)}}}"

    assert substitute_posargs(command, []) == argv + default
    assert substitute_posargs(command, ["x"]) == [*argv, "x"]


@given(st.text(st.sampled_from("{posargs:} '\"\\a\0"), max_size=40), st.lists(st.text(max_size=3), max_size=2))
def test_any_command_line_is_split_or_told(command: str, posargs: list[str]) -> None:
    try:
        argv = substitute_posargs(command, posargs)
    except MatrixError:
        return
    assert argv


KEYS = (
    *("version", "lock", "python", "platform", "extras", "groups", "package", "commands", "env", "pass_env"),
    *(
        "link",
        "installer",
        "timeout",
        "cells",
        "axes",
        "include",
        "exclude",
        "name",
        "container",
        "image",
        "x",
    ),
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(
    ["3.11.7", "host", "{posargs}", "pytest {posargs}", "none", "copy"]
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=25,
)


@given(values, st.none() | st.text(max_size=20) | st.sampled_from(["3.11.7", "3.11.7\n3.12.1"]))
@settings(max_examples=300)
def test_any_document_is_a_spec_or_told(value: Value, python_version: str | None) -> None:
    document = Document(path="matrix.yaml", data=value, root=Node(line=1, column=1, value=value))
    try:
        spec = read_matrix(document, python_version=python_version)
    except MatrixError as error:
        assert all(": " in line or line.startswith("and ") for line in error.what.splitlines())
    else:
        assert isinstance(value, dict)
        assert spec.lock == value["lock"]
