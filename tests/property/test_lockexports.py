"""Laws of exports: every cell gets the same files from a lock and from its export; TOML says what it was given."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Marker

from lockproof.locks import sha256_of
from lockproof.locks.matching import to_pylock as normal_form
from lockproof.locks.plan import plan_cells
from lockproof.locks.pylock import read_pylock
from lockproof.locks.requirements import parse_requirements
from lockproof.relocking.lockexports import specialised, to_pylock, to_requirements, toml_text
from support.lockdata import DATA, FOLDER, HEAD, cell, listed, package, pylock

if TYPE_CHECKING:
    from lockproof.locks import Lock
    from lockproof.locks.artifacts import Plan

CELLS = [
    cell(python, platform)
    for python in ("3.10.13", "3.12.1", "3.13.0")
    for platform in ("linux-x86_64", "windows-x86_64")
]
ATOMS = ("'x' in extras", "'x' not in extras", "'t' in dependency_groups", "'d' in dependency_groups",
         "os_name == 'nt'", "python_version < '3.12'", "sys_platform != 'win32'")  # fmt: skip
MARKERS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.builds(lambda a, word, b: f"({a} {word} {b})", inner, st.sampled_from(["and", "or"]), inner),
    max_leaves=6,
)
CHOICES = 'extras = ["x"]\ndependency-groups = ["t", "d"]\ndefault-groups = ["d"]\n'
TAGS = st.lists(
    st.sampled_from(["py3-none-any", "cp310-cp310-win_amd64", "cp312-abi3-manylinux_2_17_x86_64"]),
    max_size=2,
    unique=True,
)


def chosen(plans: tuple[Plan, ...]) -> list[list[tuple[str, str, str, str]]]:
    return [[(a.name, a.version, a.filename, a.sha256) for a in plan.artifacts] for plan in plans]


def read_requirements(text: str, lock: Lock) -> Lock:
    """An exported requirements file, completed by an index that has the files of `lock`."""
    parsed = parse_requirements(text, "requirements.txt", lambda _: "", {})
    files = {
        (pin.name, pin.version): [
            listed(file.filename, sha256_of(file.hashes))
            for package in lock.pylock.packages
            for file in (*(package.wheels or ()), *([package.sdist] if package.sdist else ()))
            if package.name == pin.name
        ]
        for pin in parsed.pins
    }
    return normal_form(parsed, files, sha256="", folder=FOLDER)


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    entries = []
    for number, marker in enumerate(draw(st.lists(st.none() | MARKERS, max_size=4))):
        name = f"p{number}"
        wheels = [f"{name}-1-py3-none-any.whl", *(f"{name}-1-{tag}.whl" for tag in draw(TAGS) if tag[:3] != "py3")]
        keys = {"version": "1"} | ({"marker": marker} if marker else {})
        entries.append(package(name, *wheels, f"{name}-1.tar.gz", **keys))
    return pylock(*entries, head=HEAD + CHOICES + ("" if entries else "packages = []\n"))


@settings(max_examples=50)
@given(locks(), st.booleans(), st.sampled_from([(), ("t",), ("d",), ("d", "t")]))
def test_requirements_plan_as_their_lock(lock: Lock, with_x: bool, groups: tuple[str, ...]) -> None:
    extras = ("x",) if with_x else ()
    exported = to_requirements(lock, extras=set(extras), groups=set(groups), folder=FOLDER, command="c")
    cells = [cell(one.python, one.platform.id, extras=extras, groups=groups) for one in CELLS]
    assert chosen(plan_cells(read_requirements(exported.text, lock), CELLS)) == chosen(plan_cells(lock, cells))


@settings(max_examples=50)
@given(locks(), st.booleans(), st.sampled_from([None, (), ("t",)]))
def test_a_pylock_plans_as_its_lock(lock: Lock, with_x: bool, groups: tuple[str, ...] | None) -> None:
    again = read_pylock(to_pylock(lock, FOLDER).text, "pylock.toml", folder=FOLDER)
    cells = [cell(one.python, one.platform.id, extras=("x",) * with_x, groups=groups) for one in CELLS]
    assert plan_cells(again, cells) == plan_cells(lock, cells)
    assert again.pylock.to_dict() == lock.pylock.to_dict()


def test_a_real_lock_plans_alike_in_both_formats() -> None:
    lock = read_pylock((DATA / "uv.pylock.toml").read_text(), "pylock.toml", folder=FOLDER)
    there = to_requirements(lock, extras=set(), groups=set(), folder=FOLDER, command="c")
    plans = plan_cells(lock, CELLS[2:])
    assert chosen(plan_cells(read_requirements(there.text, lock), CELLS[2:])) == chosen(plans)
    assert plan_cells(read_pylock(to_pylock(lock, FOLDER).text, "pylock.toml", folder=FOLDER), CELLS[2:]) == plans


@given(MARKERS, st.sets(st.just("x")), st.sets(st.sampled_from(["t", "d"])), st.sampled_from(["nt", "posix"]))
def test_a_specialised_marker_is_true_where_the_whole_one_is(
    text: str, extras: set[str], groups: set[str], os_name: str
) -> None:
    environment: dict[str, str | frozenset[str]] = {
        "os_name": os_name,
        "python_version": "3.12",
        "sys_platform": "linux",
    }
    named = {"extras": frozenset(extras), "dependency_groups": frozenset(groups)}
    whole = Marker(text).evaluate({**environment, **named}, context="lock_file")
    left = specialised(Marker(text), extras, groups)
    assert (left if isinstance(left, bool) else Marker(left).evaluate(environment, context="requirement")) == whole


SCALARS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])), st.integers(-(2**63), 2**63 - 1), st.booleans(),
    st.floats(allow_nan=False), st.datetimes(timezones=st.none()), st.dates(),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=4).filter(lambda key: key != "packages"), VALUES, max_size=4),
       st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=4), max_size=3))  # fmt: skip
def test_toml_says_what_it_was_given(top: dict[str, object], packages: list[dict[str, object]]) -> None:
    document = {**top, "packages": packages}
    assert tomllib.loads(toml_text(document)) == document
