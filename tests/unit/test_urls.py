"""URLs as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockproof.indexes.urls import is_url, path_of, redact, without_login, without_secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://index.invalid/simple/", "https://index.invalid/simple/"),
        ("https://me:secret@index.invalid:8443/a", "https://***@index.invalid:8443/a"),
        ("https://token@index.invalid/a", "https://***@index.invalid/a"),
        ("https://a@b:secret@index.invalid/a", "https://***@index.invalid/a"),
        ("https://index.invalid/a?token=secret#secret", "https://index.invalid/a?***"),
        ("file:///wheels/a.whl#sha256=00", "file:///wheels/a.whl"),
        ("http://[secret", "a URL that can't be read"),
    ],
)
def test_redact(url: str, shown: str) -> None:
    assert redact(url) == shown


def test_without_login() -> None:
    assert without_login("https://me:secret@index.invalid:1/a?b=c") == "https://index.invalid:1/a?b=c"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://me:secret@index.invalid:1/a%2Bb.whl?token=c#sha256=d", "https://index.invalid:1/a%2Bb.whl"),
        ('https://index.invalid/é"\n.whl', "https://index.invalid/%C3%A9%22.whl"),
        ("file:///wheels/a+b~1.whl", "file:///wheels/a+b~1.whl"),
    ],
)
def test_without_secrets(url: str, kept: str) -> None:
    assert without_secrets(url) == kept


@pytest.mark.parametrize(
    "text", ["ftp://index.invalid", "https://", "http://[x", "http://a:port/", "links", "http://a:0"]
)
def test_no_url(text: str) -> None:
    assert not is_url(text)


def test_is_url() -> None:
    assert is_url("https://me:secret@[::1]:8080/simple")


def test_path_of_a_file_url() -> None:
    path = Path("/some folder/ä%.whl")
    assert path_of(path.as_uri()) == path
    assert path_of(path.as_uri().replace("file://", "file://localhost")) == path
