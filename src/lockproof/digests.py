"""Digests as text: `sha256:<64 hex>`, and the urlsafe base64 form that RECORD uses (PEP 376, PEP 427)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEX = re.compile(r"[0-9a-f]{64}")
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
