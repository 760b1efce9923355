"""Many environments at once: groups, what each is nearest to, outliers, and the relation over all."""

from __future__ import annotations

from dataclasses import replace

from lockproof.proof.fingerprint import Finding, Fingerprint
from lockproof.proof.groups import Grouping, Survey, likeness, survey
from support.fingerprints import environment, pip

LIB = {f"lib{n}==1.0": {f"site/lib{n}.py": ""} for n in range(5)}
ONE = environment({**LIB, "app==1.0": {"site/app.py": "1"}})
TWO = environment({**LIB, "app==2.0": {"site/app.py": "2"}, "new==1.0": {"site/new.py": ""}})
EDITED = environment(
    {**LIB, "app==2.0": {"site/app.py": "edited"}, "new==1.0": {"site/new.py": ""}},
    findings=(Finding("record-hash", "site/app.py", "is not what RECORD says"),),
)
BUILD = environment({**LIB, "app==1.0": {"site/app.py": "1"}}, python={"version": "3.12.1", "build": "two"})


def surveyed(members: dict[str, Fingerprint]) -> Survey:
    grouping = Grouping()
    for name, fingerprint in members.items():
        grouping.add(name, fingerprint)
    groups = grouping.groups()
    assert all(group.sample.files == {} for group in groups)  # memory does not grow with the files
    return survey(groups, members.__getitem__)


def shown(found: Survey) -> list[tuple[tuple[str, ...], bool, int | None, str, tuple[str, ...]]]:
    return [
        (p.group.members, p.outlier, p.against, p.comparison.relation if p.comparison else "", p.shares)
        for p in found.groups
    ]


def test_identical_ones_are_one_group() -> None:
    found = surveyed({"a": ONE, "b": ONE, "c": ONE})
    assert (found.relation, found.why, found.size) == ("identical", "every layer is equal in all of them", 3)
    assert shown(found) == [(("a", "b", "c"), False, None, "", ())]


def test_groups_are_sorted_by_size_and_outliers_are_told_by_what_they_are_nearest_to() -> None:
    found = surveyed(
        {"edited": EDITED, "build": BUILD} | {f"a{n}": ONE for n in range(4)} | {f"b{n}": TWO for n in range(3)}
    )
    assert shown(found) == [
        (("a0", "a1", "a2", "a3"), False, None, "", ()),
        (("b0", "b1", "b2"), False, 0, "drift", ("startup", "interpreter")),
        (("build",), True, 0, "same files", ("set", "files", "startup")),
        (("edited",), True, 1, "drift", ("set", "startup", "interpreter")),
    ]
    assert (found.relation, found.why) == ("drift", "a0 and b0: they do not hold the same distributions")
    edited = found.groups[3].comparison
    assert edited is not None
    assert [difference.path for difference in edited.files] == ["site/app.py"]


def test_a_small_group_of_a_large_fleet_is_an_outlier() -> None:
    for twos, outlier in ((2, True), (3, False)):
        found = surveyed({f"a{n}": ONE for n in range(50)} | {f"b{n}": TWO for n in range(twos)})
        assert [placed.outlier for placed in found.groups] == [False, outlier]


def test_where_all_are_different_none_is_an_outlier_and_the_healthy_come_first() -> None:
    found = surveyed({"edited": EDITED, "one": ONE, "two": TWO, "build": BUILD})
    assert shown(found) == [
        (("one",), False, None, "", ()),
        (("two",), False, 0, "drift", ("startup", "interpreter")),
        (("build",), False, 0, "same files", ("set", "files", "startup")),
        (("edited",), False, 1, "drift", ("set", "startup", "interpreter")),
    ]


def test_the_same_distribution_with_other_files_is_nearer_than_none() -> None:
    app = {name: environment({**LIB, **pin}) for name, pin in {
        "without": {}, "two": {"app==2.0": {"site/app.py": "2"}}, "one": {"app==1.0": {"site/app.py": "1"}},
        "edited": {"app==1.0": {"site/app.py": "edited"}},
    }.items()}  # fmt: skip
    assert [placed.against for placed in surveyed(app).groups] == [None, 0, 1, 2]


def test_the_weakest_relation_holds_over_all() -> None:
    assert surveyed({"a": ONE, "b": ONE, "c": BUILD}).relation == "same files"
    seeded = environment({**LIB, "app==1.0": {"site/app.py": "1"}, **pip()})
    found = surveyed({"a": ONE, "b": ONE, "c": seeded})
    assert (found.relation, found.why) == (
        "same files",
        "a and c: every installed file is equal, leaving out seeds (pip none | 23.2.1)",
    )


def test_equal_ones_of_an_unknown_interpreter_are_unproven() -> None:
    unknown = replace(ONE, layers={k: v for k, v in ONE.layers.items() if k != "interpreter"})
    found = surveyed({"a": unknown, "b": unknown, "c": unknown})
    assert (found.relation, found.why) == (
        "unproven",
        "a: every installed file is equal, but neither side's interpreter is known",
    )


def test_a_member_that_was_proven_speaks_for_its_group() -> None:
    proven = replace(ONE, about={"verdict": "match", "lock": "sha256:1"})
    found = surveyed({"a": ONE, "b": proven, "c": ONE})
    assert (found.groups[0].group.sample_name, found.groups[0].group.members) == ("b", ("a", "b", "c"))


def test_notes_and_what_is_known_about_them_tell_none_apart() -> None:
    note = Finding("empty-folder", "site/x", "is empty", "note")
    assert likeness(replace(ONE, findings=(note,), about={"cell": "x"})) == likeness(ONE)
    assert likeness(replace(ONE, findings=(note._replace(level="unproven"),))) != likeness(ONE)
    for layer in ("project", "platform"):
        assert likeness(replace(ONE, layers={**ONE.layers, layer: "sha256:1"})) != likeness(ONE)
