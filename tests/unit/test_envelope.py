"""DSSE envelopes: what is read, and everything that is refused as no envelope."""

from __future__ import annotations

import json

import pytest

from lockproof.attestation.envelope import PAYLOAD_TYPE, Envelope, parse_envelopes
from lockproof.errors import UsageError
from support.attesting import envelope_of

GIVEN = envelope_of(b"\xfb\xff{}", b"one", b"\xff\xfe\xfd")
READ = Envelope(payload=b"\xfb\xff{}", payload_type=PAYLOAD_TYPE, signatures=(b"one", b"\xff\xfe\xfd"))
LINE = json.dumps(GIVEN)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (LINE, 1),
        (LINE + "\n", 1),
        (json.dumps(GIVEN, indent=2), 1),
        (f"{LINE}\n\n{LINE}\n", 2),
        (LINE.replace("+", "-").replace("/", "_").replace("_vnd", "/vnd").replace("toto-json", "toto+json"), 1),
        (json.dumps({**GIVEN, "more": [1, 2.5, None]}), 1),
    ],
    ids=["a line", "a line and its end", "several lines", "a bundle", "the other alphabet", "further keys"],
)
def test_envelopes_are_read(text: str, count: int) -> None:
    assert parse_envelopes(text, "f") == (READ,) * count


def without(key: str) -> str:
    return json.dumps({name: value for name, value in GIVEN.items() if name != key})


REFUSED = {
    "nothing": ("", "empty"),
    "blank lines": ("\n \n", "empty"),
    "truncated": (LINE[:-9], "not JSON"),
    "a bundle that is truncated": (f"{LINE}\n{LINE[:-9]}", "not JSON"),
    "no JSON": ("x", "not JSON"),
    "a list": ("[]", "JSON object"),
    "a text": ('"x"', "JSON object"),
    "nested too deep": ("[" * 100_000, "nested too deeply"),
    "a key twice": (LINE.replace("{", '{"payload": "e30=", ', 1), "'payload' is there twice"),
    "a key twice further in": (LINE.replace('"sig"', '"sig": "e30=", "sig"', 1), "'sig' is there twice"),
    "no number": (LINE.replace("{", '{"x": NaN, ', 1), "NaN is no number"),
    "no payload": (without("payload"), "payload is not base64"),
    "no type": (without("payloadType"), "payloadType"),
    "a type that is none": (json.dumps({**GIVEN, "payloadType": "\ud800"}), "payloadType"),
    "no signatures": (without("signatures"), "signatures is not a list"),
    "signatures that are none": (json.dumps({**GIVEN, "signatures": ["e30="]}), "signatures is not a list"),
    "a signature without one": (json.dumps({**GIVEN, "signatures": [{"keyid": "x"}]}), "sig is not base64"),
    "both alphabets": (json.dumps({**GIVEN, "payload": "+-+-"}), "payload is not base64"),
    "odd bits at the end": (json.dumps({**GIVEN, "payload": "e31="}), "payload is not base64"),
    "no padding": (json.dumps({**GIVEN, "payload": "e30"}), "payload is not base64"),
    "a space": (json.dumps({**GIVEN, "payload": "e3 0="}), "payload is not base64"),
    "a sign beyond ASCII": (json.dumps({**GIVEN, "payload": "e30é"}), "payload is not base64"),
    "a number": (json.dumps({**GIVEN, "payload": 1}), "payload is not base64"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_envelope_is_refused(kind: str) -> None:
    text, part = REFUSED[kind]
    with pytest.raises(UsageError) as caught:
        parse_envelopes(text, "a.jsonl")
    assert str(caught.value).startswith("a.jsonl: this is not an attestation: ")
    assert part in caught.value.why
