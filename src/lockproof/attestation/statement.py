"""The in-toto Statement of one environment: what was proven of it, as one deterministic JSON document.

The Statement is that of in-toto's attestation framework, version 1; the predicate is ours. Its JSON schema is published
with the package: schemas/environment-v1.json.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from lockproof import __version__
from lockproof.attestation.envelope import not_an_attestation, strict_json
from lockproof.errors import UntrustedError, why_malformed
from lockproof.proof.compare import Tolerance
from lockproof.proof.fingerprint import (
    LAYERS,
    REPORTED,
    Distribution,
    Finding,
    Fingerprint,
    artifacts_digest,
    finding_to_json,
    interpreter_digest,
    platform_digest,
    set_digest,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lockproof.proof.compare import Proof

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
# A URN of a UUID (RFC 9562) needs no domain that could change hands; its fragment says what it names, and the version.
PREDICATE_TYPE = "urn:uuid:d0192cf2-2d6c-46f4-baad-e141a2723fe6#lockproof/environment/v1"
_KNOWN = (*LAYERS, *REPORTED)
_Value = TypeVar("_Value")


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """What one attestation says of an environment.

    `attested` is the fingerprint without its files: their layer's digest and those of the distributions stand for them.
    Its findings are those that the locked wheels bring with them wherever they are installed. `about` is as in a saved
    fingerprint; `told` has the notes that the proof had, `tolerated` what a policy let pass.
    """

    attested: Fingerprint
    about: Mapping[str, str]
    told: tuple[Finding, ...]
    tolerated: tuple[Tolerance, ...] = ()

    @property
    def subjects(self) -> tuple[tuple[str, str], ...]:
        """(name, sha256 in hexadecimal): the files of the environment, named by its cell, then the lock's wheels."""
        wheels = sorted(dist.artifact for dist in self.attested.distributions if dist.artifact is not None)
        return ((self.about["cell"], _hex(self.attested.layers["files"])), *wheels)


def statement_of(proof: Proof, about: Mapping[str, str]) -> Statement:
    """What can be said of an environment that was just proven to match; ValueError for any other verdict.

    `about` is what a saved prediction says of itself: cell, python, platform, lock, selector, verdict.
    """
    if proof.verdict != "match":
        raise ValueError(f"the verdict is {proof.verdict}: there is nothing to attest")
    attested = Fingerprint(
        layers={layer: proof.observed.layers[layer] for layer in _KNOWN if layer in proof.observed.layers},
        distributions=proof.observed.distributions,
        files={},
        interpreter=dict(proof.observed.interpreter),
        platform=dict(proof.observed.platform),
        findings=proof.predicted.findings,
    )
    said = {**about, "verdict": proof.verdict}
    return Statement(attested=attested, about=said, told=proof.findings, tolerated=proof.tolerated)


def statement_bytes(statement: Statement) -> bytes:
    """The JSON of a statement, the same bytes for the same facts: keys sorted, no spaces, ASCII, no time in it."""
    attested = statement.attested
    lock = {"digest": {"sha256": _hex(statement.about["lock"])}}
    predicate = {
        **{key: statement.about[key] for key in ("cell", "python", "platform", "selector", "verdict")},
        "lock": lock,
        "lockproof": __version__,
        "digest": attested.digest,
        "layers": dict(attested.layers),
        "distributions": [_distribution_to_json(dist) for dist in sorted(attested.distributions, key=lambda d: d.name)],
        "interpreter": dict(attested.interpreter),
        "system": dict(attested.platform),
        "tolerated": [tolerance._asdict() for tolerance in statement.tolerated],
        "expected": [finding_to_json(finding) for finding in attested.findings],
        "findings": [finding_to_json(finding) for finding in statement.told],
    }
    document = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": sha256}} for name, sha256 in statement.subjects],
        "predicateType": PREDICATE_TYPE,
        "predicate": predicate,
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _distribution_to_json(dist: Distribution) -> dict[str, object]:
    artifact = dist.artifact and {"filename": dist.artifact[0], "sha256": dist.artifact[1]}
    return {"name": dist.name, "version": dist.version, "artifact": artifact, "files": dist.files}


def parse_statement(payload: bytes, where: str) -> Statement:
    """The statement in a payload whose signature was checked.

    Raises UsageError, naming `where`, for one that isn't of our types or lacks something; UntrustedError for one that
    contradicts itself: subjects, digests of layers and distributions must say the same.
    """
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise not_an_attestation(where, why_malformed(error)) from error
    document = strict_json(text, where)
    if not isinstance(document, dict):
        raise not_an_attestation(where, "a statement is a JSON object")
    for key, expected in (("_type", STATEMENT_TYPE), ("predicateType", PREDICATE_TYPE)):
        if document.get(key) != expected:
            raise not_an_attestation(where, f"its {key} is {document.get(key)!r}, not {expected!r}")
    try:
        statement = _statement(_of(document["predicate"], dict))
        subjects = tuple((_text(row["name"]), _text(row["digest"]["sha256"])) for row in _of(document["subject"], list))
        contradiction = _contradiction(statement, subjects, _text(document["predicate"]["digest"]))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise not_an_attestation(where, why_malformed(error)) from error
    if contradiction:
        raise UntrustedError(
            "this statement contradicts itself", where=where, why=contradiction,
            remedy="it is signed, but lockproof didn't make it so: ask whose key this is",
        )  # fmt: skip
    return statement


def _statement(predicate: Mapping[str, object]) -> Statement:
    about = {key: _text(predicate[key]) for key in ("cell", "python", "platform", "selector", "verdict", "lockproof")}
    lock = _of(_of(predicate["lock"], dict)["digest"], dict)
    layers = {str(layer): _text(digest) for layer, digest in _of(predicate["layers"], dict).items()}
    if unknown := layers.keys() - set(_KNOWN):
        raise ValueError(f"a layer {min(unknown)!r} that this version doesn't know")
    attested = Fingerprint(
        layers=layers,
        distributions=tuple(_distribution(row) for row in _of(predicate["distributions"], list)),
        files={},
        interpreter=_facts(predicate["interpreter"]),
        platform=_facts(predicate["system"]),
        findings=_findings(predicate["expected"]),
    )
    return Statement(
        attested=attested,
        about={**about, "lock": f"sha256:{_text(lock['sha256'])}"},
        told=_findings(predicate["findings"]),
        tolerated=tuple(
            Tolerance(_text(row["rule"]), _text(row["path"]), _text(row["message"]))
            for row in _of(predicate["tolerated"], list)
        ),
    )


def _distribution(row: Mapping[str, object]) -> Distribution:
    artifact = None if row["artifact"] is None else _of(row["artifact"], dict)  # only what a policy tolerates has none
    return Distribution(
        name=_text(row["name"]),
        version=_text(row["version"]),
        files=_text(row["files"]),
        artifact=(_text(artifact["filename"]), _text(artifact["sha256"])) if artifact else None,
    )


def _facts(found: object) -> dict[str, str]:
    return {str(fact): _text(value) for fact, value in _of(found, dict).items()}


def _findings(rows: object) -> tuple[Finding, ...]:
    return tuple(
        Finding(_text(row["code"]), _text(row["path"]), _text(row["message"]), _text(row["level"]))
        for row in _of(rows, list)
    )


def _contradiction(statement: Statement, subjects: tuple[tuple[str, str], ...], claimed: str) -> str:
    """What in a statement says something else than the rest of it; empty where nothing does."""
    attested = statement.attested
    computed = {
        "set": set_digest((dist.name, dist.version) for dist in attested.distributions),
        "artifacts": artifacts_digest(attested.distributions),
        "interpreter": interpreter_digest(attested.interpreter),
        "platform": platform_digest(attested.platform) if "platform" in attested.layers else None,
    }
    if statement.about["verdict"] != "match":
        return f"its verdict is {statement.about['verdict']!r}"
    for layer in ("set", "files", "startup", "interpreter"):
        if layer not in attested.layers:
            return f"its {layer} layer is missing"
    for layer, digest in computed.items():
        if attested.layers.get(layer) != digest:
            return f"its {layer} layer is not the digest of what it lists"
    if attested.digest != claimed:
        return "its digest is not that of its layers"
    if subjects != statement.subjects:
        return "its subjects are not the files and the wheels that it lists"
    return ""


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a text")
    return value


def _of(value: object, kind: type[_Value]) -> _Value:
    if not isinstance(value, kind):
        raise ValueError(f"{value!r} is not a JSON {'object' if kind is dict else 'array'}")
    return value
