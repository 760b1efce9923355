"""DSSE envelopes as text, read strictly: one JSON object a line, as in an in-toto bundle, or one over several lines."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import NoReturn, cast

from lockproof.errors import UsageError, why_malformed

PAYLOAD_TYPE = "application/vnd.in-toto+json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Envelope:
    """What one envelope holds: nothing of it is believed before a signature has been checked."""

    payload: bytes
    payload_type: str
    signatures: tuple[bytes, ...]


def parse_envelopes(text: str, where: str) -> tuple[Envelope, ...]:
    """The envelopes of a file, one or more; UsageError, naming `where`, for anything else (DSSE 1.0.2, "envelope").

    Key ids are not kept: they are hints that no signature covers, and a signature counts by the key that made it.
    """
    documents = _documents(text, where)
    if not documents:
        raise not_an_attestation(where, "it is empty")
    return tuple(_envelope(document, where) for document in documents)


def _documents(text: str, where: str) -> list[object]:
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and all(line.startswith("{") and line.rstrip().endswith("}") for line in lines):
        return [strict_json(line, where) for line in lines]
    return [strict_json(text, where)] if lines else []


def strict_json(text: str, where: str) -> object:
    """The value of a JSON text in which no object has a key twice and every number is one; else UsageError."""
    try:
        return cast("object", json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant))
    except (ValueError, RecursionError) as error:
        raise not_an_attestation(where, why_malformed(error)) from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} is there twice")
        found[key] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _envelope(document: object, where: str) -> Envelope:
    if not isinstance(document, dict):
        raise not_an_attestation(where, "a DSSE envelope is a JSON object")
    payload_type, signatures = document.get("payloadType"), document.get("signatures")
    if not isinstance(payload_type, str) or not payload_type.isascii():
        raise not_an_attestation(where, "payloadType is not a media type")
    if not isinstance(signatures, list) or not all(isinstance(signature, dict) for signature in signatures):
        raise not_an_attestation(where, "signatures is not a list of objects")
    return Envelope(
        payload=_bytes(document.get("payload"), "payload", where),
        payload_type=payload_type,
        signatures=tuple(_bytes(signature.get("sig"), "sig", where) for signature in signatures),
    )


def _bytes(value: object, key: str, where: str) -> bytes:
    """The bytes of a base64 text, of either alphabet (DSSE), and in the one way in which they are written."""
    if isinstance(value, str):
        for altchars in (b"+/", b"-_"):
            try:
                data = base64.b64decode(value, altchars, validate=True)
            except (binascii.Error, ValueError):
                continue
            if base64.b64encode(data, altchars).decode() == value:
                return data
    raise not_an_attestation(where, f"{key} is not base64")


def not_an_attestation(where: str, why: str) -> UsageError:
    """The error for a file that no tool has written so."""
    return UsageError(
        "this is not an attestation", where=where, why=why, remedy="make one with: lockproof attest CELL --key KEY"
    )
