"""Laws of the closure check, over small sets of distributions that require each other at random."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lockproof.proof.closure import Needs, check_closure, reached
from lockproof.pythons.platforms import marker_environment, parse_platform, parse_python

ENVIRONMENT = {
    name: str(value)
    for name, value in marker_environment(parse_python("3.12.1"), parse_platform("linux-x86_64")).items()
}
NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
EXTRAS = st.sampled_from(["", "[x]", "[x,y]"])
MARKERS = st.sampled_from(["", " ; extra == 'x'", " ; extra == 'y'", " ; sys_platform == 'win32'"])
REQUIREMENTS = st.builds("{}{}{}{}".format, NAMES, EXTRAS, st.sampled_from(["", ">=1", ">=2"]), MARKERS)


@st.composite
def sets_of_distributions(draw: st.DrawFn) -> list[Needs]:
    """Up to five distributions of version 1.0 that have the extras x and y."""
    names = draw(st.lists(NAMES, unique=True))
    return [
        Needs(
            name=name,
            version="1.0",
            path=f"site/{name}",
            requires=tuple(draw(st.lists(REQUIREMENTS, max_size=4))),
            extras=frozenset("xy"),
        )
        for name in names
    ]


@given(sets_of_distributions(), st.randoms())
def test_the_order_does_not_matter(distributions: list[Needs], random: object) -> None:
    shuffled = list(distributions)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert check_closure(shuffled, ENVIRONMENT) == check_closure(distributions, ENVIRONMENT)


@given(sets_of_distributions())
def test_asking_for_more_extras_never_finds_less(distributions: list[Needs]) -> None:
    asked = [(needs.name, extra) for needs in distributions for extra in "xy"]
    assert set(check_closure(distributions, ENVIRONMENT)) <= set(check_closure(distributions, ENVIRONMENT, asked))


@given(sets_of_distributions())
def test_once_everything_missing_is_there_nothing_is(distributions: list[Needs]) -> None:
    """With every name there, in a version that all accept, and requiring nothing itself where it was added."""
    there = {needs.name for needs in distributions}
    added = [
        Needs(name=name, version="2.0", path=f"site/{name}", extras=frozenset("xy"))
        for name in "abcde"
        if name not in there
    ]
    found = check_closure([*distributions, *added], ENVIRONMENT)
    assert [finding for finding in found if "which is not there" in finding.message] == []


@given(sets_of_distributions(), st.lists(REQUIREMENTS, max_size=3))
def test_what_is_reached_needs_nothing_else(distributions: list[Needs], requirements: list[str]) -> None:
    """A set cut down to what requirements come to lacks nothing that the whole set does not lack."""
    names = reached(requirements, distributions, ENVIRONMENT)
    kept = [needs for needs in distributions if needs.name in names]
    root = Needs(name="", version="", path="", requires=tuple(requirements))
    whole = set(check_closure([*distributions, root], ENVIRONMENT))
    assert set(check_closure([*kept, root], ENVIRONMENT)) <= whole
