"""Seeds in a comparison: named, left out of account, and never a way around it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lockproof.proof.fingerprint import FileFact, Finding, Fingerprint
from lockproof.proof.relations import SeedDifference, compare
from support.fingerprints import DISTUTILS_LINE, environment, pip, setuptools

DEMO = {"demo==1.0": {"site/demo/core.py": "x = 1\n"}}
OTHER_BUILD = {"version": "3.12.1", "build": "two"}
DEV = environment(DEMO)
PROD = environment({**DEMO, **pip(), **setuptools()}, startup=(DISTUTILS_LINE,), python=OTHER_BUILD)
SEEDS = (
    SeedDifference(name="pip", left=None, right="23.2.1"),
    SeedDifference(name="setuptools", left=None, right="65.5.0"),
)


def test_seeds_and_another_build_are_the_same_files() -> None:
    found = compare(DEV, PROD)
    assert (found.relation, found.seeds) == ("same files", SEEDS)
    assert found.why == (
        "every installed file is equal, leaving out seeds (pip none | 23.2.1, setuptools none | 65.5.0); "
        "the interpreter layer is not"
    )
    assert found.interpreter == (("build", "one", "two"),)
    assert found.startup == ((">", DISTUTILS_LINE),)
    assert found.only_right == ("pip==23.2.1", "setuptools==65.5.0")
    assert compare(PROD, DEV).relation == "same files"


def test_seeds_alone_make_no_environments_identical() -> None:
    found = compare(DEV, environment({**DEMO, **pip()}))
    assert (found.relation, found.why) == (
        "same files",
        "every installed file is equal, leaving out seeds (pip none | 23.2.1)",
    )


def test_other_versions_of_a_seed_are_told_too() -> None:
    found = compare(environment({**DEMO, **pip("24.0")}), environment({**DEMO, **pip()}))
    assert (found.relation, found.seeds) == ("same files", (SeedDifference(name="pip", left="24.0", right="23.2.1"),))


def test_equal_seeds_are_like_any_distribution() -> None:
    side = environment({**DEMO, **pip()})
    found = compare(side, side)
    assert (found.relation, found.seeds) == ("identical", ())


def changed(side: Fingerprint, path: str, *findings: Finding) -> Fingerprint:
    pins = {**DEMO, **pip(), **setuptools()}
    if path in side.files:
        pins = {pin: {p: "changed" if p == path else text for p, text in files.items()} for pin, files in pins.items()}
    return environment(pins, startup=(DISTUTILS_LINE,), python=OTHER_BUILD, findings=findings)


WRONG = "is not what RECORD says"


@pytest.mark.parametrize(
    ("right", "why"),
    [
        pytest.param(
            changed(PROD, "site/demo/core.py", Finding("record-hash", "site/demo/core.py", WRONG)),
            f"site/demo/core.py {WRONG}",
            id="a byte of a package",
        ),
        pytest.param(
            changed(PROD, "site/demo/core.py"),
            "the Python and the platform are the same, the files are not",
            id="a byte of a package, and its RECORD",
        ),
        pytest.param(
            changed(PROD, "site/pip/__init__.py", Finding("record-hash", "site/pip/__init__.py", WRONG)),
            f"site/pip/__init__.py {WRONG}",
            id="a byte of a seed",
        ),
        pytest.param(
            replace(
                PROD, startup=(*PROD.startup, "site/x.pth\0exec\0import x"), layers={**PROD.layers, "startup": "x"}
            ),
            "the Python and the platform are the same, the files are not",
            id="a startup line that is no seed's",
        ),
        pytest.param(
            environment({**DEMO, **pip(**{"site/usercustomize.py": "evil"})}),
            "they do not hold the same distributions",
            id="a seed that claims more than it has",
        ),
    ],
)
def test_with_anything_changed_it_is_drift(right: Fingerprint, why: str) -> None:
    for left, other in ((DEV, right), (right, DEV)):
        found = compare(left, other)
        assert (found.relation, found.why) == ("drift", why)


@pytest.mark.parametrize("side", ["left", "right"])
def test_what_a_lock_asks_for_is_no_seed(side: str) -> None:
    matched = {"verdict": "match", "lock": "sha256:1"}
    left = environment({**DEMO, **pip("24.0")}, about=matched if side == "left" else None)
    right = environment({**DEMO, **pip()}, about=matched if side == "right" else None)
    found = compare(left, right)
    assert (found.relation, found.seeds) == ("drift", ())
    bare = compare(environment(DEMO, about=matched), right)  # this lock asks for no pip
    assert bare.relation == ("same files" if side == "left" else "drift")


def test_a_seed_is_no_excuse_for_a_file_of_another_distribution() -> None:
    extra = environment({**DEMO, **pip(), "extra==1.0": {"site/extra.py": ""}})
    found = compare(DEV, extra)
    assert (found.relation, found.why) == ("drift", "they do not hold the same distributions")
    assert [seed.name for seed in found.seeds] == ["pip"]
    linked = replace(DEV, files={**DEV.files, "site/pip": FileFact("l", "/elsewhere")})
    linked = replace(linked, layers={**DEV.layers, "files": "sha256:other"})
    assert compare(linked, environment({**DEMO, **pip()})).relation == "drift"
