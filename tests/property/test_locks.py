"""Laws of locks: whatever a file says, it is read or refused; and plans are what packaging selects."""

from __future__ import annotations

import json
import tomllib
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.pylock import PackageWheel, PylockSelectError

from lockproof.errors import LockError, ProblemsError
from lockproof.locks.lockfile import detect_format
from lockproof.locks.plan import plan_cells
from lockproof.locks.pylock import entry_lines, read_pylock
from lockproof.locks.requirements import RequirementsFile, parse_requirements
from lockproof.pythons.platforms import compatible_tags, marker_environment, parse_python
from support.lockdata import DATA, FOLDER, cell, hex_of, package, pylock

if TYPE_CHECKING:
    from collections.abc import Callable

    from lockproof.locks import Lock

Tree: TypeAlias = "dict[str, Tree] | list[Tree] | str | int | float | bool | datetime"

PYLOCKS = [(DATA / name).read_text() for name in ("uv.pylock.toml", "pipenv.pylock.toml")]
REQUIREMENTS = [(DATA / name).read_text() for name in ("uv.requirements.txt", "pip-compile.requirements.txt")]
CELLS = [cell(), cell("3.10.13", "windows-x86_64")]
ODD_TEXTS = st.sampled_from(
    ["", "1.0", "2", "a b", "A_b", "../..", "/", "\\", "\x00", "é", "https://[", "https://x/%2F", "file:///", "C:\\x",
     "os_name == 'x'", "extra == 'x'", "os_name ~= 'x'", "(" * 300, ">=3", "x.whl", "a-1-py3-none-any.whl", "a-1.zip"]
)  # fmt: skip
ODD_VALUES: st.SearchStrategy[Tree] = st.one_of(
    ODD_TEXTS,
    st.integers(-1, 2**65),
    st.booleans(),
    st.floats(),
    st.builds(list[Tree]),
    st.builds(dict[str, Tree]),
    st.builds(lambda: [dict[str, Tree]()]),
    st.builds(lambda: {"sha256": 1}),
    st.datetimes(),
)


def refused_or(read: Callable[[], Lock | RequirementsFile]) -> Lock | RequirementsFile | None:
    """What is read; None when it is refused as a lock must be."""
    try:
        return read()
    except LockError:
        return None
    except ProblemsError as error:
        assert all(isinstance(problem, LockError) and problem.where for problem in error.problems)
        return None


def read_and_plan(text: str) -> None:
    """Read a pylock and plan it, letting nothing but refusals through."""
    lock = refused_or(lambda: read_pylock(text, "pylock.toml", folder=FOLDER))
    if lock is None or isinstance(lock, RequirementsFile):
        return
    assert len(lock.places) == len(lock.pylock.packages)
    try:
        plans = plan_cells(lock, CELLS)
    except (LockError, ProblemsError):
        return
    assert [plan.cell for plan in plans] == CELLS


@st.composite
def edited(draw: st.DrawFn, texts: list[str]) -> str:
    """A text of `texts` with a few spans removed, doubled or replaced."""
    text = draw(st.sampled_from(texts))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        stop = draw(st.integers(start, min(len(text), start + 60)))
        middle = draw(st.one_of(st.just(""), st.just(text[start:stop] * 2), ODD_TEXTS, st.text(max_size=6)))
        text = text[:start] + middle + text[stop:]
    return text


@st.composite
def edited_bytes(draw: st.DrawFn, texts: list[str]) -> str:
    """A text of `texts` with a few bytes replaced, decoded as far as that goes."""
    data = bytearray(draw(st.sampled_from(texts)).encode())
    for _ in range(draw(st.integers(1, 5))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return data.decode(errors="replace")


def toml_of(tree: Tree) -> str:
    """A TOML value, tables inline."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml_of(value)}" for key, value in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(toml_of, tree)) + "]"
    if isinstance(tree, datetime):
        return tree.isoformat()
    return str(tree) if isinstance(tree, float) else json.dumps(tree, ensure_ascii=True)


@st.composite
def rebuilt(draw: st.DrawFn) -> str:
    """A real pylock.toml with one value, at any depth, removed, doubled or replaced."""
    document: dict[str, Tree] = tomllib.loads(draw(st.sampled_from(PYLOCKS)))
    place: Tree = document
    while isinstance(place, dict | list) and place:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        child = place[key]  # type: ignore[call-overload,index]
        if isinstance(child, dict | list) and child and draw(st.integers(0, 5)):
            place = child
            continue
        change = draw(st.sampled_from(["remove", "double", "replace"]))
        if change == "remove":
            del place[key]  # type: ignore[arg-type]
        elif change == "double" and isinstance(place, list):
            place.append(child)
        else:
            place[key] = draw(ODD_VALUES)  # type: ignore[call-overload,index]
        break
    return "".join(f"{json.dumps(key)} = {toml_of(value)}\n" for key, value in document.items())


@settings(max_examples=150)
@given(st.one_of(edited(PYLOCKS), edited_bytes(PYLOCKS), st.text()))
def test_an_edited_pylock_is_read_or_refused(text: str) -> None:
    read_and_plan(text)


@settings(max_examples=250)
@given(rebuilt())
def test_a_pylock_with_another_value_anywhere_is_read_or_refused(text: str) -> None:
    tomllib.loads(text)
    read_and_plan(text)


@settings(max_examples=200)
@given(st.one_of(edited(REQUIREMENTS), edited_bytes(REQUIREMENTS), st.text()), st.text(max_size=40))
def test_edited_requirements_are_read_or_refused(text: str, included: str) -> None:
    found = refused_or(lambda: parse_requirements(text, "requirements.txt", lambda _: included, {}))

    if isinstance(found, RequirementsFile):
        assert all(pin.hashes and pin.name and pin.line > 0 for pin in found.pins)


@given(st.one_of(edited(PYLOCKS), edited(REQUIREMENTS), st.text()), st.text(max_size=9), st.integers(0, 4))
def test_every_text_has_a_format_and_lines(text: str, name: str, count: int) -> None:
    formats = {"pylock", "requirements", "uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock"}

    assert detect_format(text, name) in formats
    lines = entry_lines(text, count)
    assert len(lines) == count
    assert all(1 <= line <= text.count("\n") + 1 for line in lines)


@given(st.data())
def test_lines_may_be_joined_anywhere_between_words(data: st.DataObject) -> None:
    words = ["demo==1.0", "; os_name == 'x'", *(f"--hash=sha256:{hex_of(str(number))}" for number in range(4))]
    gap = st.sampled_from([" ", "  ", " \\\n", " \\\n    ", "\\\n\t "])
    gaps = data.draw(st.lists(gap, min_size=5, max_size=5))
    text = words[0] + "".join(space + word for space, word in zip(gaps, words[1:], strict=True))
    found = parse_requirements(text, "r", lambda _: "", {})

    assert found == parse_requirements(" ".join(words), "r", lambda _: "", {})


TAGS = st.sampled_from(
    ["py3-none-any", "py2.py3-none-any", "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64",
     "cp39-abi3-win_amd64", "cp39-abi3-manylinux_2_28_x86_64", "cp310-cp310-win_amd64", "cp312-none-any",
     "py312-none-linux_x86_64"]
)  # fmt: skip
MARKERS = st.sampled_from(
    ["os_name == 'posix'", "sys_platform == 'win32'", "python_version < '3.11'", "'test' in dependency_groups",
     "'io' in extras", "python_full_version >= '3.10'", "'main' in dependency_groups or os_name == 'nt'"]
)  # fmt: skip


@st.composite
def entries(draw: st.DrawFn) -> str:
    """A [[packages]] entry with wheels for some platforms, perhaps an sdist, a marker and a Python."""
    name = draw(st.sampled_from("abcd"))
    files = [f"{name}-1-{tag}.whl" for tag in draw(st.lists(TAGS, min_size=1, max_size=4, unique=True))]
    if draw(st.booleans()):
        files.append(f"{name}-1.tar.gz")
    keys = {}
    if draw(st.booleans()):
        keys["marker"] = draw(MARKERS)
    if draw(st.integers(0, 9)) == 0:
        keys["requires_python"] = ">=3.11"
    return package(name, *files, **keys)


HEAD = "lock-version='1.0'\ncreated-by='x'\nextras=['io']\ndependency-groups=['test']\ndefault-groups=['main']\n"


@given(
    st.lists(entries(), min_size=1, max_size=4),
    st.sampled_from([("3.12.1", "linux-x86_64"), ("3.10.13", "windows-x86_64")]),
    st.sampled_from([(), ("io",)]),
    st.sampled_from([None, (), ("test",), ("main", "test")]),
)
def test_a_plan_is_the_selection_of_packaging_or_an_error(
    packages: list[str], where: tuple[str, str], extras: tuple[str, ...], groups: tuple[str, ...] | None
) -> None:
    one = cell(*where, extras=extras, groups=groups)
    lock = pylock(*packages, head=HEAD)
    python = parse_python(one.python)
    expected: list[str] | None
    try:
        selection = lock.pylock.select(
            environment=marker_environment(python, one.platform),
            tags=compatible_tags(python, one.platform),
            extras=extras,
            dependency_groups=groups,
        )
        files = [file for _, file in selection]
        wheels = [file.filename for file in files if isinstance(file, PackageWheel)]
        expected = sorted(wheels) if len(wheels) == len(files) else None
    except PylockSelectError:
        expected = None

    if expected is None:
        with pytest.raises((LockError, ProblemsError)):
            plan_cells(lock, [one])
    else:
        assert [[file.filename for file in plan.artifacts] for plan in plan_cells(lock, [one])] == [expected]
