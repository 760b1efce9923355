"""URLs as text: what may be shown of them, and which path a file: URL means."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit


def is_url(text: str) -> bool:
    """Whether `text` is an http(s) URL that can be taken apart."""
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def redact(url: str) -> str:
    """`url` without what may be secret: user and password (either can be a token), query, fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "a URL that can't be read"
    _, has_login, address = parts.netloc.rpartition("@")
    netloc = f"***@{address}" if has_login else parts.netloc
    return parts._replace(netloc=netloc, query="***" if parts.query else "", fragment="").geturl()


def without_login(url: str) -> str:
    """`url` without user and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def without_secrets(url: str) -> str:
    """`url` in ASCII and without what may be secret or says nothing of the file: login, query, fragment."""
    parts = urlsplit(without_login(url))._replace(query="", fragment="")
    return quote(parts.geturl(), safe="%/:@!$&'()*+,;=~[]", errors="replace")


def path_of(file_url: str) -> Path:
    """The path that a file: URL means (RFC 8089)."""
    path = urlsplit(file_url).path
    if sys.platform == "win32":
        from urllib.request import url2pathname  # 20 ms, only where a location is local

        return Path(url2pathname(path))
    return Path(unquote(path, errors="surrogateescape"))  # a POSIX path is bytes, in any encoding or none
