"""Markers as texts: joined, translated and negated, with packaging as the judge."""

from __future__ import annotations

import pytest
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet

from lockproof.locks.markers import all_of, any_of, negated, python_marker, with_extras

FACTS = [
    {"python_version": version, "sys_platform": platform, "os_name": "posix"}
    for version in ("3.9", "3.11", "3.12")
    for platform in ("linux", "win32")
]


def test_conditions_are_joined_and_the_empty_one_is_always_true() -> None:
    assert (all_of(), all_of(""), all_of("a", ""), all_of("a", "b")) == ("", "", "a", "(a) and (b)")
    assert (any_of([]), any_of(["a", ""]), any_of(["a", "a"]), any_of(["a", "b"])) == ("", "", "a", "(a) or (b)")


def test_extras_in_strings_are_left_alone() -> None:
    assert with_extras("extra=='a' or 'b' != extra or os_name == \"extra == 'c'\"") == (
        "'a' in extras or 'b' not in extras or os_name == \"extra == 'c'\""
    )


def test_specifiers_become_a_marker() -> None:
    assert python_marker(SpecifierSet(">=3.8,<4")) == "(python_full_version < '4') and (python_full_version >= '3.8')"
    assert python_marker(SpecifierSet("")) == ""


@pytest.mark.parametrize(
    "marker",
    [
        "python_version < '3.12'",
        "python_version >= '3.12' and sys_platform == 'linux'",
        "python_version >= '3.12' and sys_platform == 'linux' or sys_platform != 'linux' and python_version <= '3.9'",
        "(python_version > '3.9' or sys_platform == 'linux') and python_version != '3.11'",
        "sys_platform in 'linux darwin' or 'win' not in sys_platform",
        "((os_name == 'posix'))",
    ],
)
def test_a_negation_is_true_where_the_marker_is_not(marker: str) -> None:
    negation = negated(marker)

    assert negation is not None
    assert [Marker(negation).evaluate(dict(facts)) for facts in FACTS] == [
        not Marker(marker).evaluate(dict(facts)) for facts in FACTS
    ]


@pytest.mark.parametrize("marker", ["", "python_version ~= '3.8'", "os_name == 'x' and (python_version === '3.8')"])
def test_what_has_no_opposite_is_not_negated(marker: str) -> None:
    assert negated(marker) is None
