"""What JUnit's and HTML's reports tell of tolerances."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

from lockproof.proof.compare import Tolerance
from lockproof.reporters.html import html_report
from lockproof.reporters.junit import junit_report
from support.outcomes import ESCAPE, ESCAPED, MATCH, outcome

TOLERATED = (
    Tolerance("seeds: pip", "pip", "pip 26.3 is there"),
    Tolerance("interpreter: build", f"stdlib/<{ESCAPE}>", "gone"),
)
PROVEN = outcome("passed", proof=replace(MATCH, tolerated=TOLERATED))


def test_junit_has_them_as_the_output_of_the_proof() -> None:
    root = ET.fromstring(junit_report([PROVEN, outcome("passed", proof=MATCH)]))
    told = [case.findtext("system-out") for case in root.iter("testcase")]
    assert told == [
        f"tolerated (seeds: pip): pip: pip 26.3 is there\ntolerated (interpreter: build): stdlib/<{ESCAPED}>: gone",
        None,
    ]
    assert (root.get("failures"), root.get("errors")) == ("0", "0")


def test_html_has_them_as_a_list() -> None:
    page = html_report([PROVEN], 0).decode()
    assert "<li>seeds: pip: <code>pip</code>: pip 26.3 is there</li>" in page
    odd = ESCAPED.replace("\\n", "<br>")
    assert f"<code>stdlib/&lt;{odd}&gt;</code>: gone" in page
    assert "Tolerated" not in html_report([outcome("passed", proof=MATCH)], 0).decode()
