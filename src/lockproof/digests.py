"""Digests as text: `sha256:<64 hex>`, and the urlsafe base64 form that RECORD uses (PEP 376, PEP 427)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_HEX = re.compile(r"[0-9a-f]{64}")
_HEX_FIELD = re.compile(rb",sha256=[0-9a-f]{64},")
_FIELDS = re.compile(r"(?:sha256=[\w+/-]{43}\n)*", re.ASCII)
_FIELD = len("sha256=") + 43 + 1
_FROM_URLSAFE = str.maketrans("-_", "+/")


def is_sha256(text: str) -> bool:
    """Whether `text` is 64 lower-case hexadecimal digits."""
    return _HEX.fullmatch(text) is not None


def sha256_hex(data: bytes) -> str:
    """The SHA-256 of `data`, as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest_of_lines(title: str, lines: Iterable[bytes]) -> str:
    """`sha256:…` over a title line and the given lines, each closed by LF; the caller has put them in order."""
    return f"sha256:{sha256_hex(text_of_lines(title, lines))}"


def text_of_lines(title: str, lines: Iterable[bytes]) -> bytes:
    """What `digest_of_lines` is the digest of."""
    return b"".join([title.encode(), b"\n", *(line + b"\n" for line in lines)])


def record_hash(hex_digest: str) -> str:
    """A RECORD hash field for a sha256 in hexadecimal: `sha256=<urlsafe base64 without padding>` (PEP 427)."""
    return "sha256=" + base64.urlsafe_b64encode(bytes.fromhex(hex_digest)).rstrip(b"=").decode()


def writes_hex(record: bytes) -> bool:
    """Whether a RECORD has digests in hexadecimal, which PEP 427 writes in base64; the same is meant."""
    return _HEX_FIELD.search(record) is not None


def hex_of_record_hash(field: str) -> str | None:
    """The hexadecimal sha256 of a RECORD hash field; None for another algorithm or malformed text."""
    algorithm, _, value = field.partition("=")
    if algorithm != "sha256":
        return None
    if is_sha256(value):
        return value
    try:  # an environment has thousands of these: straight to the function behind base64
        raw = binascii.a2b_base64(value.translate(_FROM_URLSAFE) + "=" * (-len(value) % 4))
    except (binascii.Error, ValueError):
        return None
    return raw.hex() if len(raw) == 32 else None


def hex_of_record_hashes(fields: Sequence[str]) -> list[str | None]:
    """`hex_of_record_hash` of each field, None for an empty one.

    An environment has thousands: those of the usual form are decoded in one go. 43 signs are 32 bytes and two
    bits; with one sign more they are 33 bytes, 66 digits, of which the first 64 count.
    """
    named = "".join([f"{field}\n" for field in fields if field])
    count = len(fields) - fields.count("")
    if len(named) != _FIELD * count or not _FIELDS.fullmatch(named):
        return [hex_of_record_hash(field) if field else None for field in fields]
    signs = named.replace("sha256=", "").replace("\n", "A").translate(_FROM_URLSAFE)
    digits = binascii.a2b_base64(signs).hex()
    starts = iter(range(0, 66 * count, 66))
    return [digits[(start := next(starts)) : start + 64] if field else None for field in fields]
