"""The report as one HTML page that needs nothing but itself."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from lockproof.reporters.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockproof.running.outcomes import Outcome

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .7rem; border-bottom: 1px solid #8884; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font-size: .85em; overflow-wrap: anywhere; }
.passed { color: #1a7f37; } .failed, .mismatch, .error { color: #cf222e; }
.unproven, .unavailable, .predicted, .skipped { color: #9a6700; }
@media (prefers-color-scheme: dark) {
  .passed { color: #3fb950; } .failed, .mismatch, .error { color: #ff7b72; }
  .unproven, .unavailable, .predicted, .skipped { color: #d29922; }
}
"""
_SHOWN = 200  # findings of a cell


def html_report(outcomes: Sequence[Outcome], code: int) -> bytes:
    """The page: a table of the cells, then for each one what was found and what its commands did."""
    proven = sum(1 for outcome in outcomes if outcome.proof and outcome.proof.verdict == "match")
    rows = "".join(_row(outcome) for outcome in outcomes)
    details = "".join(_details(outcome) for outcome in outcomes)
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>lockproof: {proven} of {len(outcomes)} cells proven</title><style>{_STYLE}</style></head><body>
<h1>{proven} of {len(outcomes)} cells proven</h1>
<p>Exit code {code}.</p>
<table><thead><tr><th>Cell</th><th>Status</th><th>Proof</th><th>Files digest</th><th>Create</th><th>Prove</th>
<th>Run</th></tr></thead><tbody>{rows}</tbody></table>
{details}</body></html>
"""
    return page.encode("utf-8", "replace")


def _row(outcome: Outcome) -> str:
    proof = outcome.proof
    digest = proof.observed.layers.get("files", "") if proof else ""
    times = "".join(
        f'<td class="number">{outcome.seconds[phase]:.2f} s</td>' if phase in outcome.seconds else "<td></td>"
        for phase in ("create", "prove", "run")
    )
    return (
        f'<tr><td><a href="#{escape(outcome.cell.id)}">{escape(outcome.cell.id)}</a></td>'
        f'<td class="{outcome.status}">{outcome.status}</td><td>{proof.verdict if proof else ""}</td>'
        f"<td><code>{escape(digest)}</code></td>{times}</tr>\n"
    )


def _details(outcome: Outcome) -> str:
    parts = [f'<h2 id="{escape(outcome.cell.id)}">{escape(outcome.cell.id)}</h2>\n']
    if outcome.reason:
        parts.append(f'<p class="{outcome.status}">{_text(outcome.reason)}</p>\n')
    if outcome.commands:
        rows = "".join(
            f'<tr><td><code>{_text(" ".join(result.argv))}</code></td><td class="number">{result.exit_code}</td>'
            f'<td class="number">{result.seconds:.2f} s</td><td><code>{_text(result.log)}</code></td></tr>\n'
            for result in outcome.commands
        )
        head = "<tr><th>Command</th><th>Exit code</th><th>Time</th><th>Log</th></tr>"
        parts.append(f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>\n")
    tolerated = outcome.proof.tolerated if outcome.proof else ()
    if tolerated:
        items = "".join(
            f"<li>{_text(t.rule)}: <code>{_text(t.path)}</code>: {_text(t.message)}</li>\n" for t in tolerated[:_SHOWN]
        )
        more = f"<p>… and {len(tolerated) - _SHOWN} more in the JSON report</p>" if len(tolerated) > _SHOWN else ""
        parts.append(f"<p>Tolerated by the policy:</p><ul>{items}</ul>{more}\n")
    findings = outcome.proof.findings if outcome.proof else ()
    if findings:
        items = "".join(
            f"<li>{escape(f.level)}: <code>{_text(f.path)}</code>: {_text(f.message)}</li>\n" for f in findings[:_SHOWN]
        )
        more = f"<p>… and {len(findings) - _SHOWN} more in the JSON report</p>" if len(findings) > _SHOWN else ""
        parts.append(f"<ul>{items}</ul>{more}\n")
    return "".join(parts)


def _text(text: str) -> str:
    return "<br>".join(escape(printable(line)) for line in text.split("\n"))
