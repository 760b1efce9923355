"""How two interpreters differ, by fact and by file, and two platforms: what a proof and a comparison tell of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockproof.proof.fingerprint import Finding, platform_facts
from lockproof.pythons.buildrows import EXTENSIONS, STDLIB, in_words, row_differences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lockproof.proof.fingerprint import Fingerprint
    from lockproof.pythons.buildrows import RowDifference
    from lockproof.pythons.platforms import Platform

_OF_A_PLATFORM = ("system", "machine", "libc")


def fact_differences(left: Mapping[str, str], right: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Every fact that differs as (name, left, right), sorted; empty where a side lacks it."""
    return [
        (fact, left.get(fact, ""), right.get(fact, ""))
        for fact in sorted(left.keys() | right.keys())
        if left.get(fact) != right.get(fact)
    ]


def platform_differences(left: Fingerprint, right: Fingerprint) -> list[tuple[str, str, str]]:
    """The facts of the platform layer that both sides know and that differ: of an image, other facts are known."""
    return [row for row in fact_differences(left.platform, right.platform) if row[1] and row[2]]


def told_differences(left: Mapping[str, str], right: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """The facts that differ and that both sides know: of a build that could not be asked, few are. Else all."""
    differ = fact_differences(left, right)
    return [row for row in differ if row[1] and row[2]] or differ


def file_differences_of_builds(left: Fingerprint, right: Fingerprint) -> tuple[RowDifference, ...]:
    """The interpreters' files that differ, where both sides know them and are of one version.

    Between two versions nearly all do, and none of them tells anything.
    """
    if left.interpreter.get("version") != right.interpreter.get("version"):
        return ()
    return row_differences(left.interpreter_files, right.interpreter_files)


def interpreter_differences(left: Fingerprint, right: Fingerprint) -> list[tuple[str, str, str]]:
    """What a comparison tells: the facts of interpreter and platform that differ, then the interpreters' files.

    Each is (name, left, right); the platform's facts are told where both sides know them.
    """
    facts = told_differences(left.interpreter, right.interpreter) + platform_differences(left, right)
    return facts + [(d.row, d.left or "", d.right or "") for d in file_differences_of_builds(left, right)]


def misfits(python: str, platform: Platform, observed: Fingerprint) -> list[tuple[str, str, str]]:
    """What a cell of that exact Python and platform asks for and is not there, as (fact, expected, found or "").

    That needs no prediction of the interpreter, which is only made where it is. Whether a build that could only be read
    is free-threaded is not among the facts: then its version is compared without the letter.
    """
    version = observed.interpreter.get("version", "")
    if "free-threaded" not in observed.interpreter:
        python, version = python.removesuffix("t"), version.removesuffix("t")
    wanted = platform_facts(platform)
    rows = [(fact, wanted[fact], observed.platform.get(fact, "")) for fact in _OF_A_PLATFORM if fact in wanted]
    return [row for row in [("version", python, version), *rows] if row[1] != row[2]]


def interpreter_findings(predicted: Fingerprint, observed: Fingerprint) -> list[Finding]:
    """What a proof tells of an interpreter that is not the predicted one; nothing where a side's isn't known."""
    if not all("interpreter" in side.layers for side in (predicted, observed)):
        return []
    rows = file_differences_of_builds(predicted, observed)
    findings = []
    for fact, left, right in told_differences(predicted.interpreter, observed.interpreter):
        named = in_words(fact, rows) if fact in (STDLIB, EXTENSIONS) else ""
        text = f"{fact}: {named and f'{named}: '}expected {left or 'nothing'}, found {right or 'nothing'}"
        findings.append(Finding("interpreter", "scripts/python", text))
    for row in rows:
        text = f"{row.word}: expected {_content(row.left)}, found {_content(row.right)}"
        findings.append(Finding("interpreter-file", row.row, text))
    return findings


def platform_findings(predicted: Fingerprint, observed: Fingerprint) -> list[Finding]:
    """What a proof tells of a platform that is not the predicted one; nothing where a side's isn't known."""
    if not all("platform" in side.layers for side in (predicted, observed)):
        return []
    return [
        Finding("platform", "platform", f"{fact}: expected {left}, found {right}")
        for fact, left, right in platform_differences(predicted, observed)
    ]


def _content(sha256: str | None) -> str:
    return f"sha256 {sha256}" if sha256 else "nothing"
