"""Whole outputs of the plain-text reporters; nothing in them can steer a terminal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockproof.proof.compare import Tolerance, prove
from lockproof.proof.fingerprint import FileFact, Finding
from lockproof.proof.relations import compare
from lockproof.reporters.comparisons import comparison_text
from lockproof.reporters.text import (
    attested_text,
    fingerprint_text,
    listing_text,
    predictions_text,
    printable,
    proof_text,
)
from support.outcomes import ESCAPE, ESCAPED, MATCH, fingerprint

CORE = "site/demo/core.py"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünï 🐍", "plain ünï 🐍"),
        (ESCAPE, ESCAPED),
        ("a\nb\tc\x00\x7f\x9b", "a\\nb\\tc\\x00\\x7f\\x9b"),
        ("\udcff", "\\udcff"),
        ("", ""),
    ],
)
def test_what_a_terminal_would_act_on_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_what_is_shown_is_printable_and_nothing_else_is_changed(text: str) -> None:
    assert printable(text).isprintable()
    assert (printable(text) == text) == text.isprintable()


def test_a_listing() -> None:
    rows: list[dict[str, object]] = [
        {"id": "3.11.7-linux-x86_64", "status": "available", "reason": "/usr/bin/python3.11"},
        {
            "id": "3.9",
            "status": "unavailable",
            "reason": f"Python 3.9 isn't {ESCAPE[:8]}here: found nothing\n  Install it",
        },
        {"id": "x", "status": "predicted", "reason": ""},
    ]
    assert listing_text(rows) == (
        "3.11.7-linux-x86_64  available    /usr/bin/python3.11\n"
        "3.9                  unavailable  Python 3.9 isn't \\x1b[31mredhere: found nothing\n"
        "x                    predicted    \n"
    )
    assert listing_text([]) == ""


def layer_lines(layers: dict[str, str]) -> str:
    order = ("set", "artifacts", "files", "startup", "interpreter")
    return "".join(f"  {layer:<11}  {layers[layer]}\n" for layer in order if layer in layers)


def test_predictions() -> None:
    one = fingerprint(about={"cell": "3.12.1-linux-x86_64"})
    assert predictions_text([one, MATCH.observed]) == (
        f"3.12.1-linux-x86_64  {one.digest}\n{layer_lines(dict(one.layers))}"
        f"  {MATCH.observed.digest}\n{layer_lines(dict(MATCH.observed.layers))}"
    )


def test_a_fingerprint() -> None:
    seen = fingerprint(findings=(Finding("z", "site/z", "is odd", "note"), Finding("mode", f"site/{ESCAPE}", ESCAPE)))
    assert fingerprint_text(f"env{ESCAPE}", seen) == (
        f"env{ESCAPED}  {seen.digest}\n{layer_lines(dict(seen.layers))}  1 distributions, 1 files\n"
        f"  mismatch: site/{ESCAPED}: {ESCAPED}\n"
        "  note: site/z: is odd\n"
    )


def test_a_match_is_one_sentence() -> None:
    assert proof_text("env", "cell", MATCH, verbose=False) == "match: env is, to the byte, what cell says\n"


def test_what_was_tolerated_is_told_with_the_verdict() -> None:
    many = tuple(Tolerance("interpreter: build", f"stdlib/{number:02}{ESCAPE}", "gone") for number in range(22))
    proof = replace(MATCH, tolerated=(Tolerance("seeds: pip", "pip", "pip 26.3 is there"), *many))
    head = "match: env is what cell says; tolerated: seeds: pip, interpreter: build\n"
    lines = ["  tolerated: pip: pip 26.3 is there\n"]
    lines += [f"  tolerated: stdlib/{number:02}{ESCAPED}: gone\n" for number in range(22)]
    assert proof_text("env", "cell", proof, verbose=True) == "".join([head, *lines])
    short = [head, *lines[:20], "  … and 3 more tolerated (--verbose shows all, --json too)\n"]
    assert proof_text("env", "cell", proof, verbose=False) == "".join(short)
    wrong = replace(proof, verdict="mismatch", tolerated=proof.tolerated[:1], observed=fingerprint(files={}))
    assert proof_text("env", "cell", wrong, verbose=False).startswith(
        "mismatch: env is not what cell says (layer: files); tolerated: seeds: pip\n  tolerated: pip: "
    )


def test_whose_word_an_attestation_is_and_what_it_needed() -> None:
    about = {"cell": f"c{ESCAPE}", "lock": "sha256:1", "python": "3.12.1"}
    assert attested_text(about, "abc", ()) == f"attestation of c{ESCAPED}, lock sha256:1, signed with key abc\n"
    assert attested_text(about, "abc", [Tolerance("seeds: pip", "pip", "pip 26.3 is there")]) == (
        f"attestation of c{ESCAPED}, lock sha256:1, signed with key abc; tolerated: seeds: pip\n"
    )


def test_a_mismatch_names_layer_and_files() -> None:
    names = [f"site/demo/{number:02}.py" for number in range(25)]
    files = {name: FileFact("f", "2" * 64, 1) for name in names}
    note = Finding("empty-folder", "site/a", "is empty", "note")
    proof = prove(fingerprint(files=files), fingerprint(files={}, artifact=None, findings=(note,)))
    lines = [f"  mismatch: {name}: demo 1.0: the file is gone\n" for name in names]
    head = f"mismatch: env{ESCAPED} is not what cell says (layer: files)\n"
    assert proof_text(f"env{ESCAPE}", "cell", proof, verbose=False) == "".join(
        [head, *lines[:20], "  … and 5 more (--verbose shows all, --json too)\n"]
    )
    assert proof_text(f"env{ESCAPE}", "cell", proof, verbose=True) == "".join(
        [head, *lines, "  note: site/a: is empty\n"]
    )


def test_what_runs_at_start_comes_first_and_other_distributions_are_counted() -> None:
    findings = [
        *(Finding("file-added", f"site/extra/{number}.py", "extra 1.0: a file") for number in range(30)),
        Finding("file-changed", "site/a.py", "demo 1.0: expected one, found another"),
        Finding("distribution", "extra", "extra: expected no such distribution, found 1.0"),
        Finding("startup", "site/stray.pth", "runs at start (exec): import os"),
        Finding("attested", "lock", "the attestation is of another"),
    ]
    proof = replace(MATCH, verdict="mismatch", findings=tuple(findings))
    assert proof_text("env", "cell", proof, verbose=False).splitlines()[1:] == [
        "  mismatch: lock: the attestation is of another",
        "  mismatch: site/stray.pth: runs at start (exec): import os",
        "  mismatch: extra: extra: expected no such distribution, found 1.0",
        "  mismatch: site/a.py: demo 1.0: expected one, found another",
        "  and 30 files of these distributions (--verbose shows all, --json too)",
    ]
    assert len(proof_text("env", "cell", proof, verbose=True).splitlines()) == 35


def test_what_stayed_unproven_says_so() -> None:
    odd = Finding("bytecode", CORE, "is odd", "unproven")
    proof = prove(fingerprint(), fingerprint(findings=(odd,), artifact=None))
    assert proof_text("env", "cell", proof, verbose=False) == (
        f"unproven: whether env is what cell says could not be found out\n  unproven: {CORE}: is odd\n"
    )


def test_a_finding_without_a_layer_is_told_too() -> None:
    proof = prove(fingerprint(), fingerprint(findings=(Finding("mode", CORE, "is odd"),), artifact=None))
    assert proof_text("env", "cell", proof, verbose=False) == (
        f"mismatch: env is not what cell says (layer: findings)\n  mismatch: {CORE}: is odd\n"
    )


def test_a_comparison_is_a_sentence_and_then_by_layer_distribution_and_file() -> None:
    left = fingerprint(startup=("site/a.pth\0exec\0import a",))
    right = fingerprint(
        version="2.0",
        files={CORE: FileFact("f", "2" * 64, 11), f"site/{ESCAPE}": FileFact("l", ESCAPE)},
        interpreter={"version": "3.12.1", "soabi": "x"},
        findings=(Finding("mode", CORE, ESCAPE),),
    )
    assert comparison_text("a", "b", compare(left, right), verbose=False) == (
        f"drift: a and b: {CORE} {ESCAPED}\n"
        "  layers that differ: set, artifacts, files, startup, interpreter\n"
        "  < demo==1.0\n"
        "  > demo==2.0\n"
        "  (no distribution): 1 file\n"
        f"    > site/{ESCAPED}\n"
        "  demo 1.0: 1 file\n"
        f"    {CORE}: sha256 {'1' * 64} (10 bytes) | sha256 {'2' * 64} (11 bytes)\n"
        "  < at start: site/a.pth exec import a\n"
        "  interpreter soabi: - | x\n"
        f"  > {CORE}: {ESCAPED}\n"
    )


def test_a_long_comparison_says_how_much_more_there_is() -> None:
    files = {f"site/demo/{number:02}.py": FileFact("f", "2" * 64, 1) for number in range(25)}
    comparison = compare(fingerprint(files=files), fingerprint(files={}))
    short, long = (comparison_text("a", "b", comparison, verbose=verbose).splitlines() for verbose in (False, True))
    assert (short[2], len(short)) == ("  demo 1.0: 25 files", 25)
    assert short[-2:] == ["    … and 5 more", "  (--verbose shows all, --json too)"]
    assert (len(long), long[-1]) == (28, "    < site/demo/24.py")


def test_identical_environments_are_one_line() -> None:
    text = comparison_text("a", "b", compare(fingerprint(), fingerprint()), verbose=False)
    assert text == "identical: a and b: every layer is equal\n"
