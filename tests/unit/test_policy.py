"""A proof under a policy: what is declared passes and is listed, everything else counts as ever."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lockproof.cells.policykeys import BUILD, LIBC, REWRITTEN, STRICT, Policy, Seed
from lockproof.proof.compare import Proof, Tolerance, prove
from lockproof.proof.fingerprint import (
    FileFact,
    Finding,
    Fingerprint,
    artifacts_digest,
    files_digest,
    interpreter_digest,
    platform_digest,
)
from lockproof.proof.policy import apply
from lockproof.pythons.buildrows import part_digest
from support.fingerprints import DISTUTILS_LINE, environment, pip, setuptools

DEMO = {"demo==1.0": {"site/demo/core.py": "x = 1\n"}}
SEEDS = Policy(seeds=(Seed("pip"), Seed("setuptools")))
OTHER_BUILD = Policy(interpreter=BUILD)
OTHER_LIBC = Policy(platform=LIBC)
EVERYTHING = Policy(
    seeds=(Seed("pip"), Seed("setuptools"), Seed("wheel")), interpreter=BUILD, platform=LIBC, bytecode=REWRITTEN
)


def predicted(side: Fingerprint | None = None) -> Fingerprint:
    side = side or environment(DEMO)
    known = tuple(replace(dist, artifact=(f"{dist.name}.whl", "a" * 64)) for dist in side.distributions)
    layers = {**side.layers, "artifacts": artifacts_digest(known) or ""}
    return replace(side, distributions=known, layers=layers)


def proof_of(observed: Fingerprint, expected: Fingerprint | None = None) -> Proof:
    return prove(expected or predicted(), observed)


def seeded(**more: str) -> Fingerprint:
    return environment({**DEMO, **pip(**more), **setuptools()}, startup=(DISTUTILS_LINE,))


def built(rows: dict[str, str], **facts: str) -> Fingerprint:
    """The demo environment on a Python with these files and facts."""
    python = {"version": "3.12.1", "soabi": "cpython-312", "compiler": "GCC 12", **facts}
    python |= {part: part_digest(part, rows) for part in ("stdlib", "lib-dynload")}
    side = environment(DEMO)
    layers = {**side.layers, "interpreter": interpreter_digest(python)}
    return replace(side, interpreter=python, interpreter_files=rows, layers=layers)


def on(libc: str, name: str = "glibc") -> Fingerprint:
    facts = {"system": "linux", "libc": name, f"{name} version": libc}
    side = environment(DEMO)
    return replace(side, platform=facts, layers={**side.layers, "platform": platform_digest(facts)})


ROWS = {"stdlib/os.py": "1" * 64, "stdlib/test/": "2" * 64, "lib-dynload/_json.so": "3" * 64}


def test_declared_seeds_pass_and_are_listed() -> None:
    proof = apply(SEEDS, proof_of(seeded()))
    assert (proof.verdict, proof.layer, proof.findings) == ("match", "", ())
    assert [(t.rule, t.path) for t in proof.tolerated] == [("seeds: pip", "pip"), ("seeds: setuptools", "setuptools")]
    files = sum(1 for path in seeded().files if path.startswith(("site/pip", "scripts/pip")))
    assert proof.tolerated[0].message == (f"pip 23.2.1 is there beside the lock: {files} files, true to its own RECORD")
    assert proof.observed.layers["files"] == seeded().layers["files"]
    assert proof.excused == ("set", "artifacts", "files", "startup")


@pytest.mark.parametrize(
    ("policy", "rules"),
    [
        (STRICT, []),
        (Policy(seeds=(Seed("pip"),)), ["seeds: pip"]),
        (Policy(seeds=(Seed("pip", "23.2.1"), Seed("setuptools", "1.0"))), ["seeds: pip==23.2.1"]),
        (Policy(seeds=(Seed("wheel"),)), []),
    ],
)
def test_a_seed_that_is_not_declared_or_of_another_version_is_a_mismatch(policy: Policy, rules: list[str]) -> None:
    proof = apply(policy, proof_of(seeded()))
    assert (proof.verdict, proof.layer) == ("mismatch", "set")
    assert [tolerance.rule for tolerance in proof.tolerated] == rules
    refused = [finding for finding in proof.findings if finding.code == "seed"]
    text = "is no seed that the policy tolerates (setuptools==1.0): 65.5.0 is there"
    assert refused == [Finding("seed", "setuptools", text)] * (len(policy.seeds) == 2)


RECORD = "its RECORD lists what is not its own"


@pytest.mark.parametrize(
    ("observed", "why"),
    [
        pytest.param(seeded(**{"site/evil.pth": "import evil"}), RECORD, id="a path file in its RECORD"),
        pytest.param(seeded(**{"site/demo/more.py": "evil"}), RECORD, id="another's folder in its RECORD"),
        pytest.param(
            replace(seeded(), findings=(Finding("record-hash", "site/pip/__init__.py", "is not what RECORD says"),)),
            "site/pip/__init__.py is not what RECORD says",
            id="untrue to its RECORD",
        ),
        pytest.param(
            environment({**DEMO, **pip(), **setuptools()}, unowned={"site/pip/evil.py": "evil"}),
            "site/pip/evil.py is owned by nothing",
            id="a file of nobody",
        ),
    ],
)
def test_a_seed_that_is_not_in_order_is_a_mismatch_and_it_is_told_why(observed: Fingerprint, why: str) -> None:
    proof = apply(SEEDS, proof_of(observed))
    assert proof.verdict == "mismatch"
    assert "pip" not in [tolerance.path for tolerance in proof.tolerated]
    assert proof.findings[0] == Finding("seed", "pip", f"is no seed that the policy tolerates (pip): {why}")


def test_a_seed_that_is_locked_has_to_be_what_is_locked() -> None:
    expected = predicted(environment({**DEMO, **pip("26.0")}))
    proof = apply(Policy(seeds=(Seed("pip"),)), proof_of(environment({**DEMO, **pip()}), expected))
    assert (proof.verdict, proof.tolerated) == ("mismatch", ())


def test_what_is_wrong_beside_a_seed_still_counts() -> None:
    observed = seeded()
    files = {**observed.files, "site/demo/core.py": FileFact("f", "0" * 64, 1)}
    observed = replace(observed, files=files, layers={**observed.layers, "files": files_digest(files)})
    proof = apply(SEEDS, proof_of(observed))
    assert (proof.verdict, proof.layer, len(proof.tolerated)) == ("mismatch", "files", 2)
    assert [(f.code, f.path) for f in proof.findings] == [("file-changed", "site/demo/core.py")]


def test_another_build_passes_with_what_builds_differ_in() -> None:
    other = {**ROWS, "stdlib/test/": "5" * 64, "lib-dynload/_json.so": "6" * 64}
    expected = predicted(built(ROWS))
    proof = apply(OTHER_BUILD, proof_of(built(other, compiler="Clang 20"), expected))
    assert (proof.verdict, proof.layer, proof.findings, proof.excused) == ("match", "", (), ("interpreter",))
    assert {tolerance.rule for tolerance in proof.tolerated} == {"interpreter: build"}
    assert [tolerance.path for tolerance in proof.tolerated] == [
        *["scripts/python"] * 3, "lib-dynload/_json.so", "stdlib/test/",
    ]  # fmt: skip
    assert proof.tolerated[0].message == "compiler: expected GCC 12, found Clang 20"


@pytest.mark.parametrize(
    "observed",
    [
        pytest.param(built(ROWS, version="3.12.2"), id="version"),
        pytest.param(built(ROWS, soabi="cpython-312d"), id="ABI"),
        pytest.param(built({**ROWS, "stdlib/os.py": "9" * 64}), id="a changed module"),
        pytest.param(built({**ROWS, "stdlib/sitecustomize.py": "9" * 64}), id="an added module"),
        pytest.param(
            replace(built({**ROWS, "stdlib/test/": "9" * 64}), interpreter_files={}), id="another stdlib, files unknown"
        ),
    ],
)
def test_what_is_more_than_another_build_is_a_mismatch(observed: Fingerprint) -> None:
    proof = apply(EVERYTHING, proof_of(observed, predicted(built(ROWS))))
    assert (proof.verdict, proof.layer, proof.tolerated) == ("mismatch", "interpreter", ())


def test_an_interpreter_that_is_not_known_stays_unproven() -> None:
    unknown = {layer: digest for layer, digest in built(ROWS).layers.items() if layer != "interpreter"}
    proof = apply(EVERYTHING, proof_of(replace(built(ROWS), layers=unknown), predicted(built(ROWS))))
    assert (proof.verdict, proof.tolerated) == ("unproven", ())


def test_another_libc_passes() -> None:
    proof = apply(OTHER_LIBC, proof_of(on("2.31"), predicted(on("2.36"))))
    assert (proof.verdict, proof.layer, proof.excused) == ("match", "", ("platform",))
    text = "glibc version: expected 2.36, found 2.31"
    assert proof.tolerated == (Tolerance("platform: libc", "platform", text),)
    assert apply(OTHER_BUILD, proof_of(on("2.31"), predicted(on("2.36")))).verdict == "mismatch"


def test_a_c_library_of_another_kind_does_not() -> None:
    proof = apply(OTHER_LIBC, proof_of(on("1.2", "musl"), predicted(on("2.36"))))
    assert (proof.verdict, proof.layer, proof.tolerated) == ("mismatch", "platform", ())


def test_bytecode_that_pytest_rewrote_passes() -> None:
    path = "site/demo/__pycache__/test_x.cpython-312-pytest-9.0.pyc"
    rewritten = Finding("bytecode-rewritten", path, "is what pytest made of a test module", "unproven")
    other = Finding("bytecode-unreadable", path, "can't be compared", "unproven")
    proof = apply(EVERYTHING, proof_of(environment(DEMO, findings=(rewritten,))))
    assert (proof.verdict, proof.findings) == ("match", ())
    assert proof.tolerated == (Tolerance("bytecode: rewritten", path, rewritten.message),)
    assert apply(SEEDS, proof_of(environment(DEMO, findings=(rewritten,)))).verdict == "unproven"
    proof = apply(EVERYTHING, proof_of(environment(DEMO, findings=(rewritten, other))))
    assert (proof.verdict, proof.findings, len(proof.tolerated)) == ("unproven", (other,), 1)


def test_a_policy_that_is_not_needed_changes_nothing() -> None:
    proof = proof_of(environment(DEMO))
    assert proof.verdict == "match"
    assert apply(EVERYTHING, proof) is proof
