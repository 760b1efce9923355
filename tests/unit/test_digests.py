"""Digests as text, against values computed by other means."""

from __future__ import annotations

import hashlib

import pytest

from lockproof.digests import digest_of_lines, hex_of_record_hash, is_sha256, record_hash, sha256_hex

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
EMPTY_FIELD = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (EMPTY, True),
        (EMPTY.upper(), False),
        (EMPTY[:-1], False),
        (EMPTY + "0", False),
        (EMPTY + "\n", False),
        ("", False),
    ],
)
def test_what_a_sha256_looks_like(text: str, is_one: bool) -> None:
    assert is_sha256(text) is is_one


def test_known_digests() -> None:
    assert sha256_hex(b"") == EMPTY
    assert record_hash(EMPTY) == EMPTY_FIELD
    assert digest_of_lines("title", []) == "sha256:" + hashlib.sha256(b"title\n").hexdigest()
    assert digest_of_lines("title", [b"b", b"a"]) == "sha256:" + hashlib.sha256(b"title\nb\na\n").hexdigest()


@pytest.mark.parametrize(
    ("field", "digest"),
    [
        (EMPTY_FIELD, EMPTY),
        (EMPTY_FIELD + "=", EMPTY),
        (f"sha256={EMPTY}", EMPTY),
        (EMPTY_FIELD[:-1], None),
        ("sha256=", None),
        ("sha256", None),
        ("", None),
        ("md5=1B2M2Y8AsgTpgAmY7PhCfg", None),
        ("sha384=" + EMPTY_FIELD[7:], None),
        ("sha256=\u00e9", None),
    ],
)
def test_record_s_hash_fields(field: str, digest: str | None) -> None:
    assert hex_of_record_hash(field) == digest
