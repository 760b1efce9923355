"""What index pages say: the files of PEP 691 JSON and PEP 503 HTML, and which version a file name is of."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from lockproof.digests import is_sha256

if TYPE_CHECKING:
    from packaging.version import Version

JSON_TYPE = "application/vnd.pypi.simple.v1+json"
ARCHIVES = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz")


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexFile:
    """A wheel or sdist as a location offers it, with hash (hexadecimal) and size (bytes) if it says them."""

    filename: str
    url: str
    sha256: str | None = None
    size: int | None = None
    yanked: bool = False


def files_of_json(content: bytes, url: str) -> tuple[IndexFile, ...]:
    """The files of a PEP 691 page. Raises ValueError for anything else."""
    page: object = json.loads(content)
    entries = page.get("files") if isinstance(page, dict) else None
    if not isinstance(entries, list):
        raise ValueError("not a PEP 691 page")
    files = []
    for entry in entries:
        if not isinstance(entry, dict) or not {"filename", "url"} <= entry.keys():
            raise ValueError("not a PEP 691 page")
        hashes = entry.get("hashes")
        size = entry.get("size")
        files.append(
            IndexFile(
                filename=str(entry["filename"]),
                url=urljoin(url, str(entry["url"])),
                sha256=_known_hash(hashes.get("sha256") if isinstance(hashes, dict) else None),
                size=size if type(size) is int and size >= 0 else None,
                yanked=bool(entry.get("yanked")),
            )
        )
    return tuple(files)


def files_of_html(content: bytes, charset: str | None, url: str) -> tuple[IndexFile, ...]:
    """The archives that an HTML page at `url` links to (PEP 503)."""
    from unearth.collector import IndexPage, parse_html_page  # 0.2 s, and most indexes answer in JSON
    from unearth.link import Link

    page = IndexPage(Link(url), content, charset, "text/html")
    return tuple(
        IndexFile(
            filename=link.filename,
            url=link.url_without_fragment,
            sha256=hash_in(link.url),
            yanked=link.is_yanked,
        )
        for link in parse_html_page(page)
        if link.filename.endswith(ARCHIVES)
    )


def hash_in(url: str) -> str | None:
    """The sha256 of a URL's fragment, in hexadecimal (PEP 503)."""
    algorithm, _, value = urlsplit(url).fragment.partition("=")
    return _known_hash(value) if algorithm == "sha256" else None


def _known_hash(value: object) -> str | None:
    text = value.lower() if isinstance(value, str) else ""
    return text if is_sha256(text) else None


def is_file_of(filename: str, name: str, version: str) -> bool:
    """Whether a wheel's or sdist's file name is of this normalised name and version (PEP 440 equality)."""
    from packaging.utils import canonicalize_name

    stem = next((filename.removesuffix(end) for end in ARCHIVES if filename.endswith(end)), "")
    parts = stem.split("-")
    if filename.endswith(".whl"):
        splits = [1] if len(parts) in {5, 6} else []
        parts = parts[:2]
    else:  # old sdists have dashes in their names
        splits = list(range(1, len(parts)))
    wanted = _version(version)
    return wanted is not None and any(
        canonicalize_name("-".join(parts[:split])) == name and _version("-".join(parts[split:])) == wanted
        for split in splits
    )


@functools.lru_cache(maxsize=1 << 14)
def _version(text: str) -> Version | None:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(text)
    except InvalidVersion:
        return None
