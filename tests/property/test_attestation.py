"""No change of an envelope's bytes is believed."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockproof.attestation.keys import load_public_key, read_statements
from lockproof.attestation.statement import statement_bytes
from lockproof.errors import LockproofError, UntrustedError
from support.attesting import KINDS, Json, Private, envelope_of, signature, statement, write_keys

if TYPE_CHECKING:
    from securesystemslib.signer import SSlibKey

PAYLOAD = statement_bytes(statement())
KEYS: list[Private] = [KINDS["ed25519"](), KINDS["p256"](), KINDS["p384"]()]
SIGNED = [envelope_of(PAYLOAD, signature(key, PAYLOAD)) for key in KEYS]


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> list[SSlibKey]:
    folder = tmp_path_factory.mktemp("keys")
    paths = [write_keys(folder, f"k{number}", key) for number, key in enumerate(KEYS)]
    return [load_public_key(path.with_suffix(".pub"), path.name) for path in paths]


def flipped(data: bytes, place: int, by: int) -> bytes:
    return data[:place] + bytes([data[place] ^ by]) + data[place + 1 :]


@given(
    number=st.integers(0, len(KEYS) - 1),
    part=st.sampled_from(["payload", "sig"]),
    place=st.integers(0, 10_000),
    by=st.integers(1, 255),
)
def test_a_byte_that_is_not_what_was_signed_is_refused(
    public: list[SSlibKey], number: int, part: str, place: int, by: int
) -> None:
    sig = signature_bytes(SIGNED[number])
    assert read_statements(json.dumps(SIGNED[number]), public[number], "f")
    if part == "payload":
        envelope = envelope_of(flipped(PAYLOAD, place % len(PAYLOAD), by), sig)
    else:
        envelope = envelope_of(PAYLOAD, flipped(sig, place % len(sig), by))
    with pytest.raises(UntrustedError):
        read_statements(json.dumps(envelope), public[number], "f")


def signature_bytes(envelope: Json) -> bytes:
    signatures = envelope["signatures"]
    assert isinstance(signatures, list)
    return base64.b64decode(signatures[0]["sig"])


TEXT = json.dumps(SIGNED[0]).encode()


@given(place=st.integers(0, len(TEXT) - 1), by=st.integers(1, 255))
def test_a_changed_file_says_the_same_or_is_refused(public: list[SSlibKey], place: int, by: int) -> None:
    """Spaces, key ids and the alphabet of base64 mean nothing; whatever means something is signed."""
    text = flipped(TEXT, place, by).decode("utf-8", "replace")
    try:
        read = read_statements(text, public[0], "f")
    except LockproofError:
        return
    assert [statement_bytes(one) for one in read] == [PAYLOAD]
