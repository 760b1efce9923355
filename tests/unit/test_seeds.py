"""Seeds: told by name, and only where all of their files are their own, in order, and where such files lie."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lockproof.proof.fingerprint import Finding, Fingerprint
from lockproof.proof.seeds import is_below, locked_names, seeds_of, without
from support.fingerprints import DISTUTILS_LINE, environment, pip, setuptools

DEMO = {"demo==1.0": {"site/demo/core.py": "x = 1\n"}}


def names(fingerprint: Fingerprint, locked: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    return [(dist.name, dist.version) for dist in seeds_of(fingerprint, locked)]


def test_seeds_are_found_beside_what_is_none() -> None:
    side = environment({**DEMO, **pip(), **setuptools()}, startup=(DISTUTILS_LINE,))
    assert names(side) == [("pip", "23.2.1"), ("setuptools", "65.5.0")]


def test_what_a_lock_asks_for_is_no_seed() -> None:
    side = environment({**DEMO, **pip(), **setuptools()})
    assert names(side, frozenset(["pip"])) == [("setuptools", "65.5.0")]


def test_the_names_that_a_lock_asks_for() -> None:
    side = environment({**DEMO, **pip()})
    assert locked_names(side) == frozenset()
    assert locked_names(replace(side, about={"verdict": "match"})) == {"demo", "pip"}
    known = tuple(replace(dist, artifact=("pip.whl", "0" * 64)) for dist in side.distributions if dist.name == "pip")
    assert locked_names(replace(side, distributions=known)) == {"pip"}


@pytest.mark.parametrize(
    "pins",
    [
        pytest.param(pip(**{"site/usercustomize.py": "evil"}), id="a module that pip has not"),
        pytest.param(pip(**{"site/evil.pth": "import evil"}), id="a path file"),
        pytest.param(pip(**{"scripts/ls": "evil"}), id="a command"),
        pytest.param(pip(**{"site/demo/core.py": "x = 1\n"}) | DEMO, id="another's file"),
    ],
)
def test_a_record_that_claims_more_makes_no_seed(pins: dict[str, dict[str, str]]) -> None:
    assert names(environment(pins)) == []


@pytest.mark.parametrize(
    ("finding", "in_order"),
    [
        (Finding("record-hash", "site/pip/__init__.py", "is not what RECORD says"), False),
        (Finding("record-ghost", "site/pip/gone.py", "is a row without a file"), False),
        (Finding("bytecode", "site/pip/__pycache__/x.pyc", "can't be compared", "unproven"), False),
        (Finding("not-executable", "scripts/pip", "is a script without its executable bit"), False),
        (Finding("record-ghost", "site/pip/_vendor/__pycache__", "is a row without a file"), True),
        (Finding("empty-folder", "site/pip/x", "is a folder without files", "note"), True),
        (Finding("record-hash", "site/demo/core.py", "is not what RECORD says"), True),
    ],
)
def test_a_seed_is_true_to_its_record(finding: Finding, in_order: bool) -> None:
    assert names(environment({**DEMO, **pip()}, findings=(finding,))) == [("pip", "23.2.1")] * in_order


def test_a_file_among_a_seed_s_that_is_not_its_own_makes_it_none() -> None:
    side = environment(pip(), unowned={"site/pip/evil.py": "evil"})
    assert names(replace(side, findings=())) == []  # the digest says so, too


def test_without_seeds_an_environment_is_what_it_would_be() -> None:
    note = Finding("empty-folder", "site/pip/x", "is a folder without files", "note")
    kept = Finding("empty-folder", "site/pipx", "is a folder without files", "note")
    seeded = environment({**DEMO, **pip(), **setuptools()}, startup=(DISTUTILS_LINE,), findings=(note, kept))
    bare = environment(DEMO, findings=(kept,))
    assert without(seeded, seeds_of(seeded)) == bare
    assert without(bare, ()) is bare


def test_a_path_lies_below_a_folder_or_is_the_file() -> None:
    roots = ("site/pip/", "scripts/pip")
    paths = ("site/pip/x/y.py", "scripts/pip", "scripts/pip3", "site/pipx/a.py", "site/pip")
    assert [is_below(path, roots) for path in paths] == [True, True, False, False, False]
