"""Keys of every form, what they sign, and every forgery that must be refused."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lockproof.attestation.envelope import Envelope
from lockproof.attestation.keys import check_signature, load_public_key, load_signer, read_statements, sign
from lockproof.attestation.statement import statement_bytes
from lockproof.errors import LockproofError, UntrustedError, UsageError
from support.attesting import (
    KINDS,
    PAYLOAD_TYPE,
    Json,
    Private,
    envelope_of,
    holds,
    signature,
    statement,
    write_keys,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from securesystemslib.signer import SSlibKey

STATEMENT = statement()
PAYLOAD = statement_bytes(STATEMENT)
KEY = ed25519.Ed25519PrivateKey.generate()
STRANGER = ed25519.Ed25519PrivateKey.generate()
OTHER_KIND = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> SSlibKey:
    return load_public_key(write_keys(tmp_path_factory.mktemp("keys"), "key", KEY).with_name("key.pub"), "key.pub")


@pytest.mark.parametrize("passphrase", [None, b"open sesame"])
@pytest.mark.parametrize("form", ["pem", "ssh"])
@pytest.mark.parametrize("kind", KINDS)
def test_keys_of_both_forms_sign_and_verify(tmp_path: Path, kind: str, form: str, passphrase: bytes | None) -> None:
    key = KINDS[kind]()
    path = write_keys(tmp_path, "key", key, form=form, passphrase=passphrase)
    signer = load_signer(path, "key", lambda: passphrase)
    envelope = sign(PAYLOAD, signer)
    assert holds(key, envelope)
    public = load_public_key(path.with_name("key.pub"), "key.pub")
    assert public.keyid == signer.public_key.keyid
    (read,) = read_statements(json.dumps(envelope), public, "f")
    assert read.subjects == STATEMENT.subjects


def test_the_published_example_of_dsse_holds(tmp_path: Path) -> None:
    """From DSSE's protocol: its example key, payload and signature, which there is two numbers, and here DER."""
    x = 46950820868899156662930047687818585632848591499744589407958293238635476079160
    y = 5640078356564379163099075877009565129882514886557779369047442380624545832820
    raw = base64.b64decode("A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==")
    example = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    (tmp_path / "key.pub").write_bytes(example.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    der = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    kind = "http://example.com/HelloWorld"
    key = load_public_key(tmp_path / "key.pub", "key.pub")
    with pytest.raises(UsageError, match=r"payloadType is 'http://example\.com/HelloWorld'"):
        check_signature(Envelope(payload=b"hello world", payload_type=kind, signatures=(der,)), key, "f")
    with pytest.raises(UntrustedError):
        check_signature(Envelope(payload=b"hello World", payload_type=kind, signatures=(der,)), key, "f")


def changed(**keys: object) -> bytes:
    return json.dumps({**json.loads(PAYLOAD), **keys}).encode()


def predicate(**keys: object) -> bytes:
    document = json.loads(PAYLOAD)
    return changed(predicate={**document["predicate"], **keys})


def signed(payload: bytes, key: Private = KEY, payload_type: str = PAYLOAD_TYPE) -> Json:
    return envelope_of(payload, signature(key, payload, payload_type), payload_type=payload_type)


OWN = signature(KEY, PAYLOAD)
ALTERED = PAYLOAD.replace(b"3.12.1", b"3.12.2")
LAYERS = json.loads(PAYLOAD)["predicate"]["layers"]
# An envelope, or the text of a file; then what is said of it. Forgeries: exit 3.
FORGERIES: dict[str, tuple[Json, str]] = {
    "signed with another key": (signed(PAYLOAD, STRANGER), "another key"),
    "another key's signature under this key's id": (
        envelope_of(PAYLOAD, signature(STRANGER, PAYLOAD), keyid="909d01c9"),
        "another key",
    ),
    "an altered payload": (envelope_of(ALTERED, OWN), "altered"),
    "an altered signature": (envelope_of(PAYLOAD, bytes([OWN[0] ^ 1]) + OWN[1:]), "altered"),
    "a truncated signature": (envelope_of(PAYLOAD, OWN[:-1]), "altered"),
    "an empty signature": (envelope_of(PAYLOAD, b""), "altered"),
    "no signature": (envelope_of(PAYLOAD), "no signature"),
    "a signature of another algorithm": (signed(PAYLOAD, OTHER_KIND), "another key"),
    "a signature of the bare payload": (envelope_of(PAYLOAD, KEY.sign(PAYLOAD)), "altered"),
    "an altered type": (envelope_of(PAYLOAD, OWN, payload_type="application/vnd.in-toto+yaml"), "altered"),
    "many signatures, none of the key": (
        envelope_of(PAYLOAD, signature(STRANGER, PAYLOAD), signature(OTHER_KIND, PAYLOAD)),
        "another key",
    ),
    "a verdict that is none": (signed(predicate(verdict="unproven")), "its verdict is 'unproven'"),
    "other subjects than it lists": (signed(changed(subject=[])), "subjects"),
    "a layer that is not what it lists": (
        signed(predicate(layers={**LAYERS, "set": LAYERS["files"]})),
        "its set layer is not",
    ),
    "other files than its digest says": (
        signed(predicate(layers={**LAYERS, "files": LAYERS["set"]})),
        "its digest is not",
    ),
    "a layer that is missing": (
        signed(predicate(layers={name: digest for name, digest in LAYERS.items() if name != "startup"})),
        "its startup layer is missing",
    ),
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_forgeries_are_refused(public: SSlibKey, kind: str) -> None:
    envelope, part = FORGERIES[kind]
    with pytest.raises(UntrustedError) as caught:
        read_statements(json.dumps(envelope), public, "a.jsonl")
    assert (caught.value.exit_code, caught.value.where) == (3, "a.jsonl")
    assert part in caught.value.why


TWICE = PAYLOAD.replace(b'{"_type"', b'{"predicate": {}, "_type"')
# Signed by the key, but nothing that `attest` writes: exit 2.
MALFORMED: dict[str, tuple[bytes, str]] = {
    "a key twice": (TWICE, "'predicate' is there twice"),
    "truncated": (PAYLOAD[:-1], "it is not JSON (line 1, column"),
    "no JSON": (b"\xff", "no text in UTF-8"),
    "a list": (b"[]", "JSON object"),
    "another statement type": (changed(_type="https://in-toto.io/Statement/v0.1"), "its _type is"),
    "another predicate type": (changed(predicateType="https://slsa.dev/provenance/v1"), "its predicateType is"),
    "no predicate": (changed(predicate=None), "is not a JSON object"),
    "a subject without digest": (changed(subject=[{"name": "x"}]), "it has no 'digest'"),
    "a cell that is no text": (predicate(cell=1), "1 is not a text"),
    "layers that are a list": (predicate(layers=[]), "is not a JSON object"),
    "a layer that nobody knows": (predicate(layers={**LAYERS, "weather": "sha256:0"}), "'weather'"),
    "a distribution without wheel": (
        predicate(distributions=[{"name": "a", "version": "1", "artifact": "a.whl", "files": "x"}]),
        "'a.whl' is not a JSON object",
    ),
    "half a sign": (predicate(interpreter={"version": "\ud800"}), "surrogates not allowed"),
    "findings that are a text": (predicate(findings="none"), "is not a JSON array"),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_what_was_signed_but_is_no_statement_is_refused(public: SSlibKey, kind: str) -> None:
    payload, part = MALFORMED[kind]
    with pytest.raises(UsageError) as caught:
        read_statements(json.dumps(signed(payload)), public, "a.jsonl")
    assert part in caught.value.why


def test_another_payload_type_is_refused_though_it_is_signed(public: SSlibKey) -> None:
    with pytest.raises(UsageError, match="payloadType is 'text/plain'"):
        read_statements(json.dumps(signed(PAYLOAD, payload_type="text/plain")), public, "f")


def test_one_signature_of_the_key_is_enough_and_its_id_is_a_hint(public: SSlibKey) -> None:
    several = envelope_of(PAYLOAD, signature(STRANGER, PAYLOAD), b"rubbish", OWN, keyid="the same for all")
    unnamed = envelope_of(PAYLOAD, OWN)
    unnamed["signatures"] = [{"sig": base64.b64encode(OWN).decode()}]
    for envelope in (several, unnamed):
        assert len(read_statements(json.dumps(envelope), public, "f")) == 1


def test_one_forgery_spoils_a_bundle(public: SSlibKey) -> None:
    good, bad = json.dumps(signed(PAYLOAD)), json.dumps(signed(PAYLOAD, STRANGER))
    assert len(read_statements(f"{good}\n{good}\n", public, "f")) == 2
    with pytest.raises(UntrustedError):
        read_statements(f"{good}\n{bad}\n", public, "f")


def pem(key: Private | dsa.DSAPrivateKey | x25519.X25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


RSA = rsa.generate_private_key(65537, 2048)
SSH = KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
PUBLIC: dict[str, tuple[bytes, str]] = {
    "RSA": (pem(RSA), "it is RSA"),
    "RSA of OpenSSH": (RSA.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH), "'ssh-rsa'"),
    "a key of a token": (SSH.replace(b"ssh-", b"sk-ssh-"), "'sk-ssh-ed25519'"),
    "a certificate": (SSH.replace(b"ed25519", b"ed25519-cert-v01@openssh.com"), "cert-v01"),
    "a curve for agreement": (pem(x25519.X25519PrivateKey.generate()), "it is X25519"),
    "another curve": (pem(ec.generate_private_key(ec.SECP256K1())), "secp256k1"),
    "two keys": (pem(KEY) + pem(STRANGER), "one public key"),
    "two lines": (SSH + b"\n" + SSH, "one public key"),
    "nothing": (b"", "one public key"),
    "rubbish": (b"rubbish", "'rubbish'"),
    "a broken line": (SSH[:-9], ""),
    "broken PEM": (pem(KEY).replace(b"M", b"!", 1), ""),
    "a file that is no key": (b"x" * 100_000, "too large"),
}


@pytest.mark.parametrize("kind", PUBLIC)
def test_public_keys_that_are_refused(tmp_path: Path, kind: str) -> None:
    content, part = PUBLIC[kind]
    (tmp_path / "k").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load_public_key(tmp_path / "k", "k")
    assert str(caught.value).startswith("k: this key can't be used: ")
    assert part in caught.value.why


def refused_rsa(tmp_path: Path) -> object:
    return load_signer(write_keys(tmp_path, "k", RSA), "k", lambda: None)


def refused_rsa_of_ssh(tmp_path: Path) -> object:
    return load_signer(write_keys(tmp_path, "k", RSA, form="ssh"), "k", lambda: None)


def refused_without_passphrase(tmp_path: Path) -> object:
    return load_signer(write_keys(tmp_path, "k", KEY, passphrase=b"x"), "k", lambda: None)


def refused_wrong_passphrase(tmp_path: Path) -> object:
    return load_signer(write_keys(tmp_path, "k", KEY, form="ssh", passphrase=b"x"), "k", lambda: b"y")


def refused_public(tmp_path: Path) -> object:
    return load_signer(write_keys(tmp_path, "k", KEY).with_name("k.pub"), "k", lambda: None)


def refused_cut_off(tmp_path: Path) -> object:
    path = write_keys(tmp_path, "k", KEY)
    path.write_bytes(path.read_bytes()[:-40] + b"-----END PRIVATE KEY-----\n")
    return load_signer(path, "k", lambda: None)


def refused_private_as_public(tmp_path: Path) -> object:
    return load_public_key(write_keys(tmp_path, "k", KEY), "k")


def refused_folder(tmp_path: Path) -> object:
    return load_public_key(tmp_path, "k")


@pytest.mark.parametrize(
    ("attempt", "part"),
    [
        (refused_rsa, "it is RSA"),
        (refused_rsa_of_ssh, "it is RSA"),
        (refused_without_passphrase, "protected by a passphrase"),
        (refused_wrong_passphrase, ""),
        (refused_public, "no private key"),
        (refused_cut_off, ""),
        (refused_private_as_public, "it is a private key"),
        (refused_folder, ""),
    ],
)
def test_keys_that_are_refused(tmp_path: Path, attempt: Callable[[Path], object], part: str) -> None:
    with pytest.raises(LockproofError) as caught:
        attempt(tmp_path)
    assert (type(caught.value), caught.value.where, part in caught.value.why) == (UsageError, "k", True)
