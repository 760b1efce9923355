"""Fingerprints and proofs as plain text: the answer in one sentence first, then what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockproof.proof.fingerprint import LAYERS, REPORTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lockproof.proof.compare import Proof, Tolerance
    from lockproof.proof.fingerprint import Finding, Fingerprint

_FIRST = (
    "attested",
    "seed",
    "interpreter",
    "interpreter-file",
    "platform",
    "interpreter-home",
    "pyvenv-version",
    "startup",
    "distribution",
    "unowned",
)
_ALIKE = 5  # findings that say the same of different files, until they share one line
_SHOWN = 20  # findings or files a list shows before it says how many more there are


def printable(text: str) -> str:
    """`text` without anything that a terminal would act on, each such sign escaped."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def finding_text(finding: Finding) -> str:
    """A finding in one line."""
    return ": ".join(printable(part) for part in (finding.level, finding.path, finding.message) if part)


def listing_text(rows: Sequence[Mapping[str, object]]) -> str:
    """The cells, one a line."""
    width = max((len(str(row["id"])) for row in rows), default=0)
    lines = []
    for row in rows:
        reason = str(row["reason"]).splitlines() or [""]
        lines.append(f"{row['id']!s:{width}}  {row['status']!s:<11}  {printable(reason[0])}\n")
    return "".join(lines)


def predictions_text(predictions: Sequence[Fingerprint]) -> str:
    """What each cell must be."""
    lines = []
    for fingerprint in predictions:
        lines.append(f"{fingerprint.about.get('cell', '')}  {fingerprint.digest}\n")
        lines += _layer_lines(fingerprint)
        lines += _finding_lines(fingerprint.findings, verbose=False)
    return "".join(lines)


def fingerprint_text(target: str, fingerprint: Fingerprint) -> str:
    """What an environment is."""
    lines = [f"{printable(target)}  {fingerprint.digest}\n", *_layer_lines(fingerprint)]
    lines.append(f"  {len(fingerprint.distributions)} distributions, {len(fingerprint.files)} files\n")
    lines += _finding_lines(folded(fingerprint.findings), verbose=True)
    return "".join(lines)


def _layer_lines(fingerprint: Fingerprint) -> list[str]:
    told = [layer for layer in (*LAYERS, *REPORTED) if layer in fingerprint.layers]
    return [f"  {layer:<11}  {fingerprint.layers[layer]}\n" for layer in told]


def proof_text(target: str, against: str, proof: Proof, *, verbose: bool) -> str:
    """Whether an environment is what it should be."""
    exactly = "is" if proof.tolerated else "is, to the byte,"
    sentence = {
        "match": f"match: {target} {exactly} what {against} says",
        "mismatch": f"mismatch: {target} is not what {against} says (layer: {proof.layer or 'findings'})",
        "unproven": f"unproven: whether {target} is what {against} says could not be found out",
    }[proof.verdict]
    if proof.tolerated:
        sentence += f"; {tolerances_text(proof.tolerated)}"
    lines = [f"  tolerated: {printable(path)}: {printable(text)}\n" for _, path, text in proof.tolerated]
    if not verbose and len(lines) > _SHOWN:
        lines[_SHOWN:] = [f"  … and {len(lines) - _SHOWN} more tolerated (--verbose shows all, --json too)\n"]
    found = proof.findings if verbose else folded(proof.findings)
    return "".join([f"{printable(sentence)}\n", *lines, *_finding_lines(found, verbose=verbose)])


def tolerances_text(tolerated: Iterable[Tolerance]) -> str:
    """The rules of a policy that a proof needed: `tolerated: seeds: pip, interpreter: build`; empty without any."""
    rules = dict.fromkeys(tolerance.rule for tolerance in tolerated)
    return f"tolerated: {', '.join(rules)}" if rules else ""


def attested_text(about: Mapping[str, str], keyid: str, tolerated: Iterable[Tolerance]) -> str:
    """What an attestation is of (`about` has its cell and lock), whose word it is, and what that word needed."""
    told = f"attestation of {about['cell']}, lock {about['lock']}, signed with key {keyid}"
    return printable("; ".join(filter(None, (told, tolerances_text(tolerated))))) + "\n"


def folded(findings: Iterable[Finding]) -> list[Finding]:
    """The findings, and one in the place of many that say the same of different files; mismatches are never folded."""
    alike: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        alike.setdefault((finding.level, finding.code, finding.message), []).append(finding)
    shown = []
    for same in alike.values():
        if len(same) <= _ALIKE or same[0].level == "mismatch":
            shown += same
        else:
            first = min(same)
            shown.append(first._replace(path=f"{first.path} and {len(same) - 1} more"))
    return shown


def _finding_lines(findings: Iterable[Finding], *, verbose: bool) -> list[str]:
    shown = [finding for finding in findings if verbose or finding.level != "note"]
    shown.sort(key=lambda finding: (finding.level == "note", _rank(finding), finding.path))
    counted: set[Finding] = set() if verbose else _of_other_distributions(shown)
    shown = [finding for finding in shown if finding not in counted]
    lines = [f"  {finding_text(finding)}\n" for finding in (shown if verbose else shown[:_SHOWN])]
    if counted:
        lines.append(f"  and {len(counted)} files of these distributions (--verbose shows all, --json too)\n")
    if len(shown) > len(lines):
        lines.append(f"  … and {len(shown) - len(lines)} more (--verbose shows all, --json too)\n")
    return lines


def _rank(finding: Finding) -> int:
    """What matters most comes first: another Python, what starts with it, other distributions, then files."""
    return _FIRST.index(finding.code) if finding.code in _FIRST else len(_FIRST)


def _of_other_distributions(findings: Iterable[Finding]) -> set[Finding]:
    """The files of distributions that are there as a whole and should not be, or the other way round."""
    others = {
        finding.path
        for finding in findings
        if finding.code == "distribution" and "no such distribution" in finding.message
    }
    return {
        finding
        for finding in findings
        if finding.code in ("file-added", "file-missing") and finding.message.split(" ", 1)[0] in others
    }
