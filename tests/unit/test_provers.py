"""Provers give the proof that the run itself would find, or none."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import pytest

from lockproof.proof.compare import Proof, prove
from lockproof.proof.fingerprint import FileFact, Fingerprint, files_digest
from lockproof.running.provers import Provers, restored, stripped

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")
FILES = {"site/a.py": FileFact("f", "a" * 64, 3), "site/b.py": FileFact("f", "b" * 64, 4)}
OTHERS = {**FILES, "site/b.py": FileFact("f", "c" * 64, 4)}


def fingerprint(files: dict[str, FileFact]) -> Fingerprint:
    return Fingerprint(layers={"files": files_digest(files)}, distributions=(), files=files)


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "linux":
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


@pytest.mark.parametrize("files", [FILES, OTHERS, {}])
def test_a_proof_comes_back_whole(files: dict[str, FileFact]) -> None:
    proof = prove(fingerprint(FILES), fingerprint(files))
    assert restored(stripped(proof), proof.predicted) == proof


def test_an_empty_environment_is_not_taken_for_the_predicted_one() -> None:
    proof = prove(fingerprint(FILES), fingerprint({}))
    assert restored(stripped(proof), proof.predicted).observed.files == {}


@linux
def test_each_cell_has_its_own_proof() -> None:
    predicted = {"one": fingerprint(FILES), "two": fingerprint(FILES)}
    found = {"one": fingerprint(FILES), "two": fingerprint(OTHERS)}

    def proof_of(cell: str, again: bool) -> Proof:
        proof = prove(predicted[cell], found[cell])
        return replace(proof, verdict=f"{proof.verdict} {again}")

    provers = Provers(proof_of, predicted, at_once=2)
    proofs = [provers.prove(cell, again=again) for cell, again in (("one", False), ("two", False), ("one", True))]
    provers.close()
    assert [proof and proof.verdict for proof in proofs] == [
        "unproven False",  # these fingerprints lack the other layers
        "mismatch False",
        "unproven True",
    ]
    assert [proof and proof.observed for proof in proofs[:2]] == [
        prove(predicted[cell], found[cell]).observed for cell in ("one", "two")
    ]


@linux
def test_unknown_cells_and_errors_have_no_proof() -> None:
    def fail(cell: str, again: bool) -> Proof:
        raise ValueError(cell, again)

    provers = Provers(fail, {"one": fingerprint(FILES), "two": fingerprint(FILES)}, at_once=2)
    assert [provers.prove(cell, again=False) for cell in ("one", "three")] == [None, None]
    provers.close()
    assert provers.prove("one", again=False) is None


def test_one_cell_needs_no_provers() -> None:
    def unexpected(cell: str, again: bool) -> Proof:
        raise AssertionError((cell, again))

    provers = Provers(unexpected, {"one": fingerprint(FILES)}, at_once=2)
    assert provers.prove("one", again=False) is None
