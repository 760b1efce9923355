"""A statement held against environments and cells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lockproof.attestation.holding import against_cell, hold, nearest, together
from lockproof.attestation.statement import statement_of
from lockproof.cells.policykeys import Policy, Seed
from lockproof.proof.compare import prove
from lockproof.proof.fingerprint import EDITABLE, FileFact, Finding, Fingerprint
from support.attesting import ABOUT, environment, statement
from support.fingerprints import DISTUTILS_LINE, setuptools
from support.fingerprints import environment as seeded

CORE = "site/demo/core.py"
OTHER = {CORE: FileFact("f", "2" * 64, 11)}
NOTE = Finding("record-hash", CORE, "the wheel's own RECORD is wrong", "note")
FOUND = Finding("record-hash", CORE, "is not what RECORD says")
UNOWNED = Finding("unowned", "site/x.py", "belongs to no distribution")
BYTECODE = Finding("bytecode", "site/x.pyc", "can't be compared", "unproven")
SAME = environment(artifact=None)


def without(side: Fingerprint, layer: str) -> Fingerprint:
    return replace(side, layers={name: digest for name, digest in side.layers.items() if name != layer})


def test_the_environment_that_was_attested_matches() -> None:
    proof = hold(statement(), SAME)
    assert (proof.verdict, proof.findings, proof.observed.digest) == ("match", (), proof.predicted.digest)
    assert hold(statement(), replace(SAME, findings=(NOTE,))).verdict == "match"


def test_what_a_locked_wheel_brings_is_excused_as_in_every_proof() -> None:
    observed = replace(SAME, findings=(FOUND,))
    assert hold(statement(findings=(NOTE,)), observed).verdict == "match"
    assert hold(statement(), observed).verdict == "mismatch"


OTHER_FILES = environment(files=OTHER, artifact=None)
OTHER_PYTHON = replace(
    SAME, interpreter={"version": "3.12.2"}, layers={**SAME.layers, "interpreter": f"sha256:{'e' * 64}"}
)


@pytest.mark.parametrize(
    ("observed", "verdict", "layer", "found"),
    [
        (OTHER_FILES, "mismatch", "files", [("attested", "demo"), ("attested", "files")]),
        (
            environment(version="2.0", artifact=None),
            "mismatch",
            "set",
            [("attested", "set"), ("distribution", "demo")],
        ),
        (OTHER_PYTHON, "mismatch", "interpreter", [("attested", "interpreter"), ("interpreter", "scripts/python")]),
        (environment(startup=("x\0y",), artifact=None), "mismatch", "startup", [("attested", "startup")]),
        (replace(SAME, findings=(UNOWNED,)), "mismatch", "", [("unowned", "site/x.py")]),
        (replace(SAME, findings=(BYTECODE,)), "unproven", "", [("bytecode", "site/x.pyc")]),
        (without(SAME, "interpreter"), "unproven", "interpreter", []),
    ],
    ids=["files", "versions", "interpreter", "startup", "a finding", "unproven", "no interpreter"],
)
def test_what_differs_is_named(observed: Fingerprint, verdict: str, layer: str, found: list[tuple[str, str]]) -> None:
    proof = hold(statement(), observed)
    assert (proof.verdict, proof.layer) == (verdict, layer)
    assert sorted((finding.code, finding.path) for finding in proof.findings) == found


PROJECT = {"project": f"sha256:{'d' * 64}"}


def test_the_project_is_proven_by_its_wheel_and_unproven_where_it_is_editable() -> None:
    attested = statement().attested
    installed = replace(attested, layers={**attested.layers, **PROJECT})
    editable = replace(installed, findings=(Finding(EDITABLE, "demo", "is editable", "note"),))
    assert hold(replace(statement(), attested=installed), SAME).verdict == "match"
    assert hold(replace(statement(), attested=editable), SAME).verdict == "unproven"
    assert hold(replace(statement(), attested=editable), replace(SAME, layers={**SAME.layers, **PROJECT})).verdict == (
        "match"
    )


def test_a_cell_and_its_lock_must_be_those_attested() -> None:
    assert against_cell(statement(), environment(), ABOUT) == ()
    about = {**ABOUT, "cell": "3.11.7-linux-x86_64", "python": "3.11.7", "lock": f"sha256:{'d' * 64}"}
    assert [finding.path for finding in against_cell(statement(), environment(), about)] == ["cell", "python", "lock"]
    (found,) = against_cell(statement(), environment(artifact=("other.whl", "b" * 64)), ABOUT)
    assert (found.path, found.level) == ("demo", "mismatch")


def test_of_several_statements_the_nearest_is_taken() -> None:
    right, wrong = statement(), replace(statement(), attested=OTHER_FILES, about={**ABOUT, "cell": "other"})
    assert nearest([wrong, right], SAME) is right
    assert nearest([wrong, right], SAME, "other") is wrong
    assert nearest([wrong, right], SAME, "none") is right


def test_the_most_serious_of_several_verdicts_holds() -> None:
    match, mismatch = hold(statement(), SAME), hold(statement(), OTHER_FILES)
    unproven = hold(statement(), without(SAME, "interpreter"))
    predicted = prove(environment(), SAME)
    assert together([match, predicted], ()) == predicted
    assert together([match, unproven], ()).verdict == "unproven"
    assert together([mismatch, unproven], ()).verdict == "mismatch"
    found = Finding("attested", "cell", "x")
    both = together([match, predicted], [found])
    assert (both.verdict, both.findings) == ("mismatch", (found,))


def test_seeds_that_a_policy_names_may_be_beside_what_was_attested() -> None:
    demo = {"demo==1.0": {"site/demo/__init__.py": "one\n"}}
    attested = statement_of(prove(bare := seeded(demo), bare), ABOUT)
    observed = seeded({**demo, **setuptools()}, startup=(DISTUTILS_LINE,))
    policy = Policy(seeds=(Seed(name="setuptools"),))

    assert hold(attested, observed).verdict == "mismatch"
    proof = hold(attested, observed, policy)
    assert (proof.verdict, proof.findings) == ("match", ())
    assert [tolerance.rule for tolerance in proof.tolerated] == ["seeds: setuptools"]
