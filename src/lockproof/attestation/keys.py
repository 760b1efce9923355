"""Keys as they lie in files, and signatures with them: ed25519 or ECDSA on a NIST curve, in PEM or OpenSSH's form.

The signatures are made and checked by securesystemslib and cryptography, which the extra `attest` brings; they are
imported where they are used, since few commands sign.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockproof.attestation.envelope import PAYLOAD_TYPE, Envelope, parse_envelopes
from lockproof.attestation.statement import parse_statement
from lockproof.errors import UnavailableError, UntrustedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
    from securesystemslib.signer import CryptoSigner, SSlibKey

    from lockproof.attestation.statement import Statement

PASSPHRASE = "LOCKPROOF_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable
_LARGEST = 64 * 1024  # bytes of a key's file
_SSH_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
_KINDS = "an ed25519 key, or an ECDSA key on P-256, P-384 or P-521"


def require_library() -> None:
    """UnavailableError where the extra isn't installed; said before any other work is done."""
    try:
        import cryptography  # noqa: F401
        import securesystemslib.signer  # noqa: F401
    except ImportError as error:
        raise UnavailableError(
            "attestations need libraries that are not installed", why=str(error),
            remedy='Install the extra: uv tool install "lockproof[attest]", or pip install "lockproof[attest]".',
        ) from error  # fmt: skip


def load_signer(path: Path, named: str, passphrase: Callable[[], bytes | None]) -> CryptoSigner:
    """The signer of a private key's file: PEM (PKCS #8) or OpenSSH's own format.

    `passphrase` is asked where the key is protected by one. Raises UsageError, naming the file as `named`, for a key
    that can't be read, can't be opened or is of another kind; UnavailableError where a library is missing.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from securesystemslib.signer import CryptoSigner

    data = _read(path, named)
    if b"PRIVATE KEY-----" not in data:
        why = "it holds no private key"
        raise _bad_key(named, why, "attest signs with the private key, verify takes the public one")
    try:
        try:
            private = _private_key(data, None)
        except TypeError:  # what both loaders say of a key that has a passphrase
            given = passphrase()
            if given is None:
                remedy = f"set {PASSPHRASE}, or start lockproof from a terminal"
                raise _bad_key(named, "it is protected by a passphrase", remedy) from None
            private = _private_key(data, given)
        _check_kind(private.public_key())
        return CryptoSigner(private)
    except UnsupportedAlgorithm as error:
        if "bcrypt" in str(error):
            raise UnavailableError(
                "this key's passphrase needs a library that is not installed", where=named, why=str(error),
                remedy='Install the extra: pip install "lockproof[attest]".',
            ) from error  # fmt: skip
        raise _bad_key(named, str(error), f"use {_KINDS}") from error
    except (ValueError, TypeError) as error:
        raise _bad_key(named, _first_line(error), f"use {_KINDS}, and its own passphrase") from error


def _private_key(data: bytes, passphrase: bytes | None) -> PrivateKeyTypes:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

    return (load_ssh_private_key if b"BEGIN OPENSSH" in data else load_pem_private_key)(data, passphrase)


def load_public_key(path: Path, named: str) -> SSlibKey:
    """The key of a public key's file: PEM (SubjectPublicKeyInfo), or the one line of an OpenSSH `.pub` file.

    Raises UsageError, naming the file as `named`, for anything else and for keys of another kind.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key, load_ssh_public_key
    from securesystemslib.signer import SSlibKey

    data = _read(path, named)
    lines = data.strip().splitlines()
    if b"PRIVATE KEY-----" in data:
        raise _bad_key(named, "it is a private key", "name the public one, and keep this one to yourself")
    is_pem = b"-----BEGIN" in data
    if data.count(b"-----BEGIN") > 1 or (not is_pem and len(lines) != 1):
        raise _bad_key(named, "it doesn't hold one public key", "name a file with exactly one")
    try:
        if is_pem:
            public: PublicKeyTypes = load_pem_public_key(data)
        else:
            kind = lines[0].split(b" ")[0].decode("ascii", "replace")
            if kind not in _SSH_TYPES:
                raise ValueError(f"{kind[:40]!r} is no kind of key that is used here")
            public = load_ssh_public_key(lines[0])
        _check_kind(public)
        return SSlibKey.from_crypto(public)
    except (ValueError, TypeError, NotImplementedError, UnsupportedAlgorithm) as error:
        raise _bad_key(named, _first_line(error), f"use {_KINDS}, in PEM or as a line of OpenSSH") from error


def _check_kind(public: PublicKeyTypes) -> None:
    """ValueError for a key of a kind that isn't used; securesystemslib knows further ones, RSA among them."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if not isinstance(public, Ed25519PublicKey | EllipticCurvePublicKey):
        raise ValueError(f"it is {type(public).__name__.removesuffix('PublicKey')}")


def sign(payload: bytes, signer: CryptoSigner) -> dict[str, object]:
    """The DSSE envelope of an in-toto payload, as plain values."""
    from securesystemslib.dsse import Envelope as Dsse

    envelope = Dsse(payload, PAYLOAD_TYPE, {})
    envelope.sign(signer)
    return dict(envelope.to_dict())


def check_signature(envelope: Envelope, key: SSlibKey, where: str) -> bytes:
    """The payload of an envelope that the key has signed, an in-toto document; it is not looked at before.

    One signature of the key is enough, and those of others count for nothing. Raises UntrustedError where there is
    none, UsageError where what was signed is no in-toto document.
    """
    from securesystemslib.dsse import Envelope as Dsse
    from securesystemslib.exceptions import UnverifiedSignatureError
    from securesystemslib.signer import Signature

    signed = Dsse(envelope.payload, envelope.payload_type, {}).pae()
    for signature in envelope.signatures:
        try:  # under the key's own id: the envelope's is a hint (DSSE), and `Envelope.verify` would insist on it
            key.verify_signature(Signature(key.keyid, signature.hex()), signed)
        except UnverifiedSignatureError:
            continue
        if envelope.payload_type != PAYLOAD_TYPE:
            raise UsageError(
                "this is not an attestation", where=where,
                why=f"its payloadType is {envelope.payload_type!r}, not {PAYLOAD_TYPE!r}",
                remedy="make one with: lockproof attest CELL --key KEY",
            )  # fmt: skip
        return envelope.payload
    count = len(envelope.signatures)
    why = "it has no signature" if not count else "it was altered, or signed with another key"
    raise UntrustedError(
        "this attestation is not signed with the key", where=where, why=why,
        remedy="nothing that it says is believed: get it anew from whom you have the key",
    )  # fmt: skip


def read_statements(text: str, key: SSlibKey, where: str) -> list[Statement]:
    """The statements of a file of envelopes, each of which the key has signed as it stands.

    Raises UntrustedError for a forgery, UsageError for what no tool has written so; both name the file as `where`.
    """
    payloads = [check_signature(envelope, key, where) for envelope in parse_envelopes(text, where)]
    return [parse_statement(payload, where) for payload in payloads]


def _read(path: Path, named: str) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except OSError as error:
        raise _bad_key(named, error.strerror or str(error), "name the file of a key with --key") from error
    if len(data) > _LARGEST:
        raise _bad_key(named, "it is too large for a key", "name the file of a key with --key")
    return data


def _bad_key(named: str, why: str, remedy: str) -> UsageError:
    return UsageError("this key can't be used", where=named, why=why, remedy=remedy)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
