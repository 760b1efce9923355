"""Two interpreters and two platforms against each other: the changed module is named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lockproof.proof.compare import prove
from lockproof.proof.fingerprint import Finding, interpreter_digest, platform_digest
from lockproof.proof.pythonfacts import fact_differences, interpreter_findings, platform_findings
from lockproof.proof.relations import compare
from lockproof.pythons.buildrows import part_digest
from support.outcomes import fingerprint

if TYPE_CHECKING:
    from lockproof.proof.fingerprint import Fingerprint

ROWS = {"stdlib/json/decoder.py": "1" * 64, "stdlib/os.py": "2" * 64}
POISONED = {**ROWS, "stdlib/json/decoder.py": "3" * 64, "stdlib/sitecustomize.py": "4" * 64}


def side(rows: dict[str, str], *, version: str = "3.12.1", artifact: bool = False) -> Fingerprint:
    facts = {"version": version, "stdlib": part_digest("stdlib", rows)}
    named = {} if artifact else {"artifact": None}
    one = fingerprint(interpreter=facts, layer=interpreter_digest(facts), **named)  # type: ignore[arg-type]
    return replace(one, interpreter_files=rows)


def on(libc: str) -> Fingerprint:
    facts = {"system": "linux", "glibc version": libc}
    one = fingerprint(artifact=None)
    return replace(one, platform=facts, layers={**one.layers, "platform": platform_digest(facts)})


def test_the_changed_module_is_named() -> None:
    digests = [part_digest("stdlib", rows) for rows in (ROWS, POISONED)]
    named = "json/decoder.py changed, sitecustomize.py added"
    assert interpreter_findings(side(ROWS), side(POISONED)) == [
        Finding("interpreter", "scripts/python", f"stdlib: {named}: expected {digests[0]}, found {digests[1]}"),
        Finding(
            "interpreter-file",
            "stdlib/json/decoder.py",
            f"changed: expected sha256 {'1' * 64}, found sha256 {'3' * 64}",
        ),
        Finding("interpreter-file", "stdlib/sitecustomize.py", f"added: expected nothing, found sha256 {'4' * 64}"),
    ]
    proof = prove(side(ROWS, artifact=True), side(POISONED))
    assert (proof.verdict, proof.layer) == ("mismatch", "interpreter")


def test_without_the_files_of_both_the_digests_are_told() -> None:
    poisoned = replace(side(POISONED), interpreter_files={})
    digests = [part_digest("stdlib", rows) for rows in (ROWS, POISONED)]
    assert interpreter_findings(side(ROWS), poisoned) == [
        Finding("interpreter", "scripts/python", f"stdlib: expected {digests[0]}, found {digests[1]}")
    ]


def test_files_of_another_version_are_not_listed() -> None:
    found = interpreter_findings(side(ROWS), side(POISONED, version="3.12.2"))
    assert [finding.code for finding in found] == ["interpreter", "interpreter"]


def test_an_interpreter_that_nobody_knows_says_nothing() -> None:
    unknown = replace(side(POISONED), layers={})
    assert interpreter_findings(side(ROWS), unknown) == []


def test_a_comparison_tells_facts_and_files() -> None:
    comparison = compare(side(ROWS), side(POISONED))
    assert comparison.relation == "same files"
    assert comparison.interpreter == (
        ("stdlib", part_digest("stdlib", ROWS), part_digest("stdlib", POISONED)),
        ("stdlib/json/decoder.py", "1" * 64, "3" * 64),
        ("stdlib/sitecustomize.py", "", "4" * 64),
    )


def test_another_libc_is_another_platform() -> None:
    expected = replace(on("2.36"), distributions=fingerprint().distributions)
    expected = replace(expected, layers={**fingerprint().layers, "platform": expected.layers["platform"]})
    proof = prove(expected, on("2.31"))
    assert (proof.verdict, proof.layer) == ("mismatch", "platform")
    assert proof.findings == (Finding("platform", "platform", "glibc version: expected 2.36, found 2.31"),)
    comparison = compare(on("2.36"), on("2.31"))
    assert (comparison.relation, comparison.layers) == ("same files", ("platform",))
    assert comparison.interpreter == (("glibc version", "2.36", "2.31"),)
    assert compare(on("2.36"), on("2.36")).relation == "identical"


def test_a_platform_that_one_side_does_not_know_is_not_compared() -> None:
    assert prove(fingerprint(), on("2.31")).verdict == "match"
    assert compare(fingerprint(artifact=None), on("2.31")).relation == "identical"
    assert platform_findings(fingerprint(), on("2.31")) == []


def test_facts_differ_by_name() -> None:
    assert fact_differences({"a": "1", "b": "2"}, {"b": "3", "c": "4"}) == [
        ("a", "1", ""),
        ("b", "2", "3"),
        ("c", "", "4"),
    ]
