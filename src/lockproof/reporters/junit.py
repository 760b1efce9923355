"""The report as JUnit XML: a suite a cell, a case for its proof and one for each command."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

from lockproof.reporters.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockproof.running.outcomes import Outcome

# What XML 1.0 has no way to write.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SKIPPED = ("skipped", "predicted")


def junit_report(outcomes: Sequence[Outcome]) -> bytes:
    """The XML document; what can't be had or was not proven is an error, a mismatch or failed command a failure."""
    root = ET.Element("testsuites", name="lockproof")
    for outcome in outcomes:
        root.append(_suite(outcome))
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _suite(outcome: Outcome) -> ET.Element:
    suite = ET.Element("testsuite", name=outcome.cell.id)
    seconds = outcome.seconds
    proof = _case(suite, outcome, "environment", seconds.get("create", 0.0) + seconds.get("prove", 0.0))
    if outcome.status in _SKIPPED:
        ET.SubElement(proof, "skipped", message=_text(outcome.reason))
    elif outcome.status in ("mismatch", "unproven", "unavailable", "error"):
        kind = "failure" if outcome.status == "mismatch" else "error"
        told = ET.SubElement(proof, kind, type=outcome.status, message=_text(outcome.reason))
        findings = outcome.proof.findings if outcome.proof else ()
        told.text = _text("\n".join(f"{f.level}: {f.path}: {f.message}" for f in findings if f.level != "note"))
    if outcome.proof and outcome.proof.tolerated:
        lines = [printable(f"tolerated ({rule}): {path}: {text}") for rule, path, text in outcome.proof.tolerated]
        ET.SubElement(proof, "system-out").text = _text("\n".join(lines))
    for result in outcome.commands:
        case = _case(suite, outcome, " ".join(result.argv), result.seconds)
        if result.exit_code:
            told = ET.SubElement(case, "failure", type="exit", message=f"exit code {result.exit_code}")
            told.text = _text(f"log: {result.log}")
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(sum(1 for case in cases if case.find(tag) is not None)))
    suite.set("time", f"{sum(seconds.values()):.3f}")
    return suite


def _case(suite: ET.Element, outcome: Outcome, name: str, seconds: float) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=outcome.cell.id, name=_text(name), time=f"{seconds:.3f}")


def _text(text: str) -> str:
    return _UNWRITABLE.sub("?", "\n".join(printable(line) for line in text.split("\n")))
