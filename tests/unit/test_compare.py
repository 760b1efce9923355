"""Two fingerprints against each other: the verdicts of a proof and the relations of a comparison."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lockproof.proof.compare import (
    FileDifference,
    attributed,
    differing_layers,
    file_differences,
    prove,
)
from lockproof.proof.fingerprint import EDITABLE, LAYERS, FileFact, Finding, Fingerprint, describe, interpreter_digest
from lockproof.proof.relations import compare
from support.outcomes import MATCH, fingerprint

CORE = "site/demo/core.py"
OTHER = {CORE: FileFact("f", "2" * 64, 11)}
SAME = fingerprint(artifact=None)


def without(side: Fingerprint, *layers: str) -> Fingerprint:
    return replace(side, layers={k: v for k, v in side.layers.items() if k not in layers})


def test_equal_sides_match() -> None:
    assert (MATCH.verdict, MATCH.layer, MATCH.findings) == ("match", "", ())
    assert MATCH.observed.digest == MATCH.predicted.digest
    assert MATCH.observed.distributions[0].artifact == ("demo-1.0-py3-none-any.whl", "a" * 64)


def test_an_artifact_is_attributed_only_to_exactly_its_files() -> None:
    observed = attributed(fingerprint(), fingerprint(files=OTHER, artifact=None))
    assert (observed.distributions[0].artifact, "artifacts" in observed.layers) == (None, False)


PARTS = {part: f"sha256:{part}" for part in ("executable", "libpython", "lib-dynload", "stdlib")}


@pytest.mark.parametrize(
    ("read", "verdict"),
    [
        (PARTS, "match"),
        ({**PARTS, "stdlib": "sha256:other"}, "mismatch"),
        ({**PARTS, "build": "another"}, "mismatch"),
        ({"executable": "sha256:executable"}, "mismatch"),
    ],
)
def test_an_interpreter_that_was_only_read_is_the_one_that_has_its_files(read: dict[str, str], verdict: str) -> None:
    facts = {**PARTS, "version": "3.12.1", "build": "this"}
    sides = [
        replace(side, interpreter=known, layers={**side.layers, "interpreter": interpreter_digest(known)})
        for side, known in ((fingerprint(), facts), (SAME, {"implementation": "cpython", **read}))
    ]

    proof = prove(*sides)

    assert proof.verdict == verdict
    assert (proof.layer == "interpreter") == (verdict == "mismatch")


@pytest.mark.parametrize(
    ("observed", "verdict", "layer", "findings"),
    [
        pytest.param(
            fingerprint(files=OTHER, artifact=None),
            "mismatch",
            "files",
            [
                (
                    "file-changed",
                    CORE,
                    f"demo 1.0: expected sha256 {'1' * 64} (10 bytes), found sha256 {'2' * 64} (11 bytes)",
                )
            ],
            id="a file changed",
        ),
        pytest.param(
            fingerprint(files={}, artifact=None),
            "mismatch",
            "files",
            [("file-missing", CORE, "demo 1.0: the file is gone")],
            id="a file gone",
        ),
        pytest.param(
            fingerprint(files={CORE: FileFact("f", "1" * 64, 10), "site/x.py": FileFact("l", "/x")}, artifact=None),
            "mismatch",
            "files",
            [("file-added", "site/x.py", "no distribution: a file that the lock does not put there")],
            id="a file more",
        ),
        pytest.param(
            fingerprint(version="2.0", artifact=None),
            "mismatch",
            "set",
            [("distribution", "demo", "demo: expected 1.0, found 2.0")],
            id="another version",
        ),
        pytest.param(
            fingerprint(startup=("site/x.pth\0sha256\0abc", "site/x.pth\0exec\0import x"), artifact=None),
            "mismatch",
            "startup",
            [("startup", "site/x.pth", "runs at start (exec): import x")],
            id="a path file more",
        ),
        pytest.param(
            fingerprint(startup=("site/sitecustomize.py\0sha256\0abc",), artifact=None),
            "mismatch",
            "startup",
            [("startup", "site/sitecustomize.py", "runs at start (sha256): abc")],
            id="a sitecustomize more",
        ),
        pytest.param(
            fingerprint(interpreter={"version": "3.12.2"}, artifact=None),
            "mismatch",
            "interpreter",
            [("interpreter", "scripts/python", "version: expected 3.12.1, found 3.12.2")],
            id="another interpreter",
        ),
        pytest.param(without(SAME, "interpreter"), "unproven", "interpreter", [], id="an interpreter that isn't known"),
        pytest.param(
            fingerprint(findings=(Finding("bytecode", CORE, "is odd", "unproven"),), artifact=None),
            "unproven",
            "",
            [("bytecode", CORE, "is odd")],
            id="something unproven",
        ),
        pytest.param(
            fingerprint(findings=(Finding("empty-folder", "site/x", "is empty", "note"),), artifact=None),
            "match",
            "",
            [("empty-folder", "site/x", "is empty")],
            id="a note",
        ),
        pytest.param(
            fingerprint(findings=(Finding("mode", CORE, "is odd"),), artifact=None),
            "mismatch",
            "",
            [("mode", CORE, "is odd")],
            id="a finding that no digest says",
        ),
    ],
)
def test_a_proof(observed: Fingerprint, verdict: str, layer: str, findings: list[tuple[str, str, str]]) -> None:
    proof = prove(fingerprint(), observed)
    assert (proof.verdict, proof.layer) == (verdict, layer)
    assert [(f.code, f.path, f.message) for f in proof.findings] == findings


def test_a_prediction_without_its_interpreter_proves_nothing() -> None:
    assert prove(without(fingerprint(), "interpreter"), SAME).verdict == "unproven"


def test_what_the_prediction_knew_is_excused_and_a_file_is_named_once() -> None:
    known = Finding("record-hash", CORE, "the wheel's own RECORD is wrong", "note")
    seen = Finding("record-hash", CORE, "is not what RECORD says")
    assert prove(fingerprint(findings=(known,)), fingerprint(findings=(seen,), artifact=None)).verdict == "match"
    stray = Finding("unowned", "site/x.py", "is owned by nothing")
    files = {**SAME.files, "site/x.py": FileFact("f", "3" * 64, 1)}
    proof = prove(fingerprint(), fingerprint(files=files, findings=(stray,), artifact=None))
    assert (proof.verdict, proof.findings) == ("mismatch", (stray,))


@pytest.mark.parametrize("layer", LAYERS)
def test_no_layer_may_differ_in_a_match(layer: str) -> None:
    wrong = {**SAME.layers, "artifacts": MATCH.predicted.layers["artifacts"], layer: "sha256:" + "0" * 64}
    assert differing_layers(fingerprint(), replace(SAME, layers=wrong)) == (layer,)
    if layer not in ("artifacts", "project"):  # one is computed from the others, the other need not be there
        assert prove(fingerprint(), replace(SAME, layers=wrong)).verdict == "mismatch"


def test_differences_name_their_owner() -> None:
    left, right = (
        fingerprint(),
        fingerprint(files={"site/demo/new/x.py": FileFact("f", "3" * 64, 1), "site/y.py": FileFact("e", "a:b")}),
    )
    assert file_differences(left, right) == (
        FileDifference(CORE, "demo 1.0", left.files[CORE], None),
        FileDifference("site/demo/new/x.py", "demo 1.0", None, right.files["site/demo/new/x.py"]),
        FileDifference("site/y.py", "", None, right.files["site/y.py"]),
    )
    assert file_differences(left, left) == ()


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (None, "nothing"),
        (FileFact("f", "1" * 64, 0), f"sha256 {'1' * 64} (0 bytes)"),
        (FileFact("s", "1" * 64, 5), f"script, sha256 {'1' * 64} (5 bytes)"),
        (FileFact("e", "a:b"), "entry point a:b"),
        (FileFact("l", "/x"), "link to /x"),
    ],
)
def test_a_fact_in_words(fact: FileFact | None, words: str) -> None:
    assert describe(fact) == words


LOCKED = {"lock": "sha256:1", "verdict": "match", "platform": "linux-x86_64"}
PY311 = {"version": "3.11.7"}
WHEEL_FILES = {"site/demo-1.0.dist-info/WHEEL": FileFact("f", "4" * 64, 1)}


@pytest.mark.parametrize(
    ("right", "relation", "why"),
    [
        pytest.param(fingerprint(about=LOCKED), "identical", "every layer is equal", id="equal"),
        pytest.param(
            fingerprint(about=LOCKED, layer="sha256:other build"),
            "same files",
            "every installed file is equal; the interpreter layer is not",
            id="another build",
        ),
        pytest.param(
            fingerprint(about=LOCKED, files=OTHER),
            "drift",
            "the Python and the platform are the same, the files are not",
            id="a file changed",
        ),
        pytest.param(
            fingerprint(about=LOCKED, version="2.0"),
            "drift",
            "they do not hold the same distributions",
            id="another version",
        ),
        pytest.param(
            fingerprint(about=LOCKED, findings=(Finding("mode", CORE, "is odd"),)),
            "drift",
            f"{CORE} is odd",
            id="a finding",
        ),
        pytest.param(
            fingerprint(about=LOCKED, findings=(Finding("bytecode", CORE, "is odd", "unproven"),)),
            "unproven",
            f"{CORE} is odd",
            id="something unproven",
        ),
        pytest.param(
            without(fingerprint(about=LOCKED), "interpreter"),
            "unproven",
            "every installed file is equal, but one side's interpreter isn't known",
            id="no interpreter",
        ),
        pytest.param(
            fingerprint(about=LOCKED, files=OTHER, interpreter=PY311, artifact=("demo-1.0-cp311.whl", "b" * 64)),
            "same lock",
            "each side is exactly what one lock prescribes for its Python and platform",
            id="another Python's wheel",
        ),
        pytest.param(
            fingerprint(
                about={**LOCKED, "verdict": "mismatch"}, files=OTHER, interpreter=PY311, artifact=("x", "b" * 64)
            ),
            "unproven",
            "they hold the same versions, but were not both proven against one lock",
            id="another Python, not proven",
        ),
        pytest.param(
            fingerprint(
                about={**LOCKED, "lock": "sha256:2"},
                files=OTHER,
                interpreter=PY311,
                artifact=("x", "b" * 64),
                version="2.0",
            ),
            "unproven",
            "their distributions differ, and neither was proven against one lock",
            id="another Python, another lock",
        ),
        pytest.param(
            fingerprint(about=LOCKED, files=OTHER, interpreter=PY311),
            "drift",
            f"demo 1.0 is the same wheel on both sides, but {CORE} differs",
            id="another Python, the same wheel changed",
        ),
        pytest.param(
            fingerprint(about=LOCKED, files={**SAME.files, "site/x.py": FileFact("f", "3" * 64, 1)}, interpreter=PY311),
            "drift",
            "site/x.py belongs to no distribution",
            id="another Python and a stray file",
        ),
    ],
)
def test_a_comparison(right: Fingerprint, relation: str, why: str) -> None:
    left = fingerprint(about=LOCKED)
    comparison = compare(left, right)
    assert (comparison.relation, comparison.why) == (relation, why)
    assert compare(right, left).relation == relation


def test_a_comparison_tells_each_side() -> None:
    finding = Finding("mode", CORE, "is odd")
    left = fingerprint(startup=("a\0path\0x",))
    right = fingerprint(version="2.0", files=OTHER, interpreter=PY311, startup=("b\0path\0y",), findings=(finding,))
    found = compare(left, right)
    assert found.layers == ("set", "artifacts", "files", "startup", "interpreter")
    assert (found.only_left, found.only_right) == (("demo==1.0",), ("demo==2.0",))
    assert found.files == (FileDifference(CORE, "demo 1.0", left.files[CORE], OTHER[CORE]),)
    assert found.interpreter == (("version", "3.12.1", "3.11.7"),)
    assert found.startup == (("<", "a\0path\0x"), (">", "b\0path\0y"))
    assert found.findings == ((">", finding),)


TREE, EDITED = {"project": "sha256:" + "a" * 64}, {"project": "sha256:" + "b" * 64}
EDITABLE_NOTE = Finding(EDITABLE, "", "the project's code is not in the environment", "note")


def with_project(side: Fingerprint, project: dict[str, str], *findings: Finding) -> Fingerprint:
    return replace(side, layers={**side.layers, **project}, findings=findings)


def test_the_tree_of_a_projects_wheel_follows_from_its_bytes() -> None:
    proof = prove(with_project(fingerprint(), TREE), SAME)
    assert (proof.verdict, proof.observed.digest) == ("match", proof.predicted.digest)


def test_an_editable_project_is_proven_only_with_its_files() -> None:
    predicted = with_project(fingerprint(), TREE, EDITABLE_NOTE)
    assert prove(predicted, with_project(SAME, TREE)).verdict == "match"
    assert prove(predicted, with_project(SAME, EDITED)).verdict == "mismatch"
    proof = prove(predicted, SAME)
    assert (proof.verdict, proof.layer) == ("unproven", "project")
    told = [("layer-unknown", "unproven"), (EDITABLE, "note")]
    assert [(found.code, found.level) for found in proof.findings] == told


@pytest.mark.parametrize(
    ("left", "right", "relation"),
    [
        (with_project(SAME, TREE), with_project(SAME, TREE), "identical"),
        (with_project(SAME, TREE), with_project(SAME, EDITED), "drift"),
        (with_project(SAME, TREE), SAME, "identical"),
        (with_project(SAME, TREE, EDITABLE_NOTE), SAME, "unproven"),
        (with_project(SAME, TREE, EDITABLE_NOTE), with_project(SAME, EDITED, EDITABLE_NOTE), "drift"),
    ],
)
def test_projects_are_compared_where_both_sides_tell_them(left: Fingerprint, right: Fingerprint, relation: str) -> None:
    assert compare(left, right).relation == relation
