"""Keys and envelopes for tests of attestations; the envelopes are made here without the code under test."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from lockproof.attestation.statement import Statement, statement_of
from lockproof.proof.compare import prove
from lockproof.proof.fingerprint import Fingerprint, interpreter_digest
from support.outcomes import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Private = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Json = dict[str, object]

PAYLOAD_TYPE = "application/vnd.in-toto+json"
KINDS: dict[str, Callable[[], Private]] = {
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
}
HASHES: dict[str, HashAlgorithm] = {"secp256r1": SHA256(), "secp384r1": SHA384(), "secp521r1": SHA512()}


def write_keys(folder: Path, name: str, key: Private, *, form: str = "pem", passphrase: bytes | None = None) -> Path:
    """`name` and `name.pub` in a folder, in PEM or OpenSSH's form; the path of the private one."""
    folder.mkdir(exist_ok=True, parents=True)
    is_pem = form == "pem"
    protection: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    kind = PrivateFormat.PKCS8 if is_pem else PrivateFormat.OpenSSH
    path = folder / name
    path.write_bytes(key.private_bytes(Encoding.PEM, kind, protection))
    public = key.public_key()
    if is_pem:
        text = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    else:
        text = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b" someone@example\n"
    path.with_name(f"{name}.pub").write_bytes(text)
    return path


def pae(payload_type: str, payload: bytes) -> bytes:
    """What a signature is over, written out from the DSSE protocol."""
    kind = payload_type.encode()
    return b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload])


def signature(key: Private, payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """A signature by bare cryptography."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(pae(payload_type, payload), ec.ECDSA(HASHES[key.curve.name]))
    assert isinstance(key, ed25519.Ed25519PrivateKey)
    return key.sign(pae(payload_type, payload))


def holds(key: Private, envelope: Json) -> bool:
    """Whether the first signature of an envelope is the key's, by bare cryptography; raises where it isn't."""
    payload, payload_type = base64.b64decode(str(envelope["payload"])), str(envelope["payloadType"])
    public, signed = key.public_key(), pae(payload_type, payload)
    first = signature_of(envelope)
    if isinstance(public, ec.EllipticCurvePublicKey):
        public.verify(first, signed, ec.ECDSA(HASHES[public.curve.name]))
    else:
        assert isinstance(public, ed25519.Ed25519PublicKey)
        public.verify(first, signed)
    return True


def signature_of(envelope: Json) -> bytes:
    """The bytes of the first signature."""
    signatures = envelope["signatures"]
    assert isinstance(signatures, list)
    return base64.b64decode(signatures[0]["sig"])


def envelope_of(payload: bytes, *signatures: bytes, payload_type: str = PAYLOAD_TYPE, keyid: str = "hint") -> Json:
    """An envelope, as plain values."""
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [{"keyid": keyid, "sig": base64.b64encode(sig).decode()} for sig in signatures],
    }


def payload_of(envelope: Json) -> Json:
    """The statement in an envelope."""
    statement = json.loads(base64.b64decode(str(envelope["payload"])))
    assert isinstance(statement, dict)
    return statement


ABOUT = {
    "cell": "3.12.1-linux-x86_64",
    "python": "3.12.1",
    "platform": "linux-x86_64",
    "lock": f"sha256:{'c' * 64}",
    "selector": "packaging 26.3",
    "verdict": "match",
}


def environment(**changed: object) -> Fingerprint:
    """One that a statement can be of: `demo` and a Python whose layer is the digest of its facts."""
    facts = {"version": "3.12.1"}
    return fingerprint(interpreter=facts, layer=interpreter_digest(facts), **changed)  # type: ignore[arg-type]


def statement(**changed: object) -> Statement:
    """That of such an environment, proven; what its wheels bring wherever they are is among `findings`."""
    return statement_of(prove(environment(**changed), environment(artifact=None)), ABOUT)
