"""Which files the configured indexes (PEP 503, 691, 700) and find-links have for a version.

As with pip, a location that doesn't exist and a project that an index doesn't know have no files; unlike pip,
a host that can't be asked is an error unless every wanted hash was found elsewhere.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.client
import threading
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from lockproof.errors import LockproofError, ProblemsError, UnavailableError
from lockproof.indexes.pipconfig import DEFAULT_INDEX
from lockproof.indexes.replies import OfflineError, StatusError, reason_of
from lockproof.indexes.session import Session
from lockproof.indexes.simpleapi import (
    ARCHIVES,
    JSON_TYPE,
    IndexFile,
    files_of_html,
    files_of_json,
    hash_in,
    is_file_of,
)
from lockproof.indexes.urls import is_url, path_of, redact, without_login

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from lockproof.indexes.pipconfig import IndexConfig

Pin = tuple[str, str]
"""A normalised name and a version."""

_ACCEPT = f"{JSON_TYPE}, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"
_LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}
_THREADS = 8
_UNREADABLE = (ValueError, zlib.error, EOFError, RecursionError, LookupError)  # also of unpackers, parsers and charsets


class _UntrustedError(ValueError):
    """An index whose answers anyone on the way could have written."""


class _NotAskedError(UnavailableError):
    """Pins whose files only an index could list, while the network must not be used."""

    def __init__(self, pins: Iterable[Pin]) -> None:
        named = ", ".join(f"{name} {version}" for name, version in pins)
        super().__init__(
            f"which files there are of {named} isn't known",
            why="no index may be asked with --offline, and no answer is remembered that says it",
            remedy="Run it without --offline.",
        )


class Index:
    """The configured indexes and find-links as one; safe to use from many threads.

    Every page is asked for once in an object's life. `session` is the one that downloads should use.
    """

    def __init__(self, config: IndexConfig, wait: Callable[[float], object] | None = None) -> None:
        self._config = config
        self.session = Session(config, wait)
        self._pages: dict[str, Future[tuple[IndexFile, ...]]] = {}
        self._lock = threading.Lock()

    @property
    def is_offline(self) -> bool:
        """Whether nothing but local files is looked at."""
        return self._config.offline

    def files(self, name: str, version: str, wanted: Collection[str] = ()) -> tuple[IndexFile, ...]:
        """The wheels and sdists of exactly this version, find-links first, then the indexes in order.

        The first of equal files (name and sha256) is kept. Once every hash in `wanted` is found no further
        location is asked. Raises UnavailableError, naming what couldn't be asked (offline: for which pin), when a
        location failed and wanted hashes are missing, or none were given.
        """
        from packaging.utils import canonicalize_name

        name = str(canonicalize_name(name))
        found: dict[tuple[str, str | None], IndexFile] = {}
        failures: list[UnavailableError] = []
        for files_at in self._locations(name):
            try:
                offered = [file for file in files_at() if is_file_of(file.filename, name, version)]
            except UnavailableError as error:
                failures.append(error)
                continue
            for file in map(_with_hash, offered):
                found.setdefault((file.filename, file.sha256), file)
            if wanted and {file.sha256 for file in found.values()}.issuperset(wanted):
                return tuple(found.values())
        if any(isinstance(failure.__cause__, OfflineError) for failure in failures):
            raise _NotAskedError([(name, version)])
        if failures:
            raise failures[0] if len(failures) == 1 else _all_of(failures)
        return tuple(found.values())

    def files_of(
        self, pins: Iterable[Pin], wanted: Mapping[Pin, Collection[str]] | None = None
    ) -> dict[Pin, tuple[IndexFile, ...]]:
        """`files` of many pins, asked in parallel; `wanted` has each pin's hashes.

        Raises UnavailableError, or ProblemsError with one of them for each thing that couldn't be asked.
        """
        hashes = wanted or {}
        distinct = list(dict.fromkeys(pins))
        problems: dict[str, LockproofError] = {}
        not_asked: list[Pin] = []
        result: dict[Pin, tuple[IndexFile, ...]] = {}
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="index") as pool:
            answers = [(pin, pool.submit(self.files, *pin, hashes.get(pin, ()))) for pin in distinct]
        for pin, answer in answers:
            try:
                result[pin] = answer.result()
            except _NotAskedError:
                not_asked.append(pin)
            except LockproofError as error:
                problems.setdefault(str(error), error)
        if not_asked:
            problems.setdefault("", _NotAskedError(not_asked))
        if problems:
            errors = list(problems.values())
            raise errors[0] if len(errors) == 1 else ProblemsError(errors)
        return result

    # locations

    def _locations(self, name: str) -> Iterator[Callable[[], tuple[IndexFile, ...]]]:
        for link in self._config.find_links:
            yield functools.partial(self._once, link, self._flat)
        for url in self._config.index_urls:
            base = default_index_url() if url == DEFAULT_INDEX else url
            page = f"{base.rstrip('/')}/{quote(name)}/"
            yield functools.partial(self._once, page, functools.partial(self._project, base))

    def _once(self, location: str, read: Callable[[str], tuple[IndexFile, ...]]) -> tuple[IndexFile, ...]:
        """What `read` says of a location, or its error, without reading twice."""
        with self._lock:
            future = self._pages.get(location)
            is_ours = future is None
            if future is None:
                future = self._pages[location] = Future()
        if is_ours:
            try:
                future.set_result(read(location))
            except BaseException as error:
                future.set_exception(error)
                raise
        return future.result()

    def _project(self, base: str, page: str) -> tuple[IndexFile, ...]:
        if page.startswith("file:"):
            return _files_of_html(path_of(page) / "index.html")
        return self._page(page, base)

    def _flat(self, link: str) -> tuple[IndexFile, ...]:
        """The files of a find-links location: a folder, a local page or archive, or their URLs."""
        if link.startswith(("http://", "https://")):
            filename = unquote(urlsplit(link).path.rpartition("/")[2])
            if filename.endswith(ARCHIVES):
                return (IndexFile(filename=filename, url=link, sha256=hash_in(link)),)
            return self._page(link, link)
        path = path_of(link) if link.startswith("file:") else Path(link).expanduser().absolute()
        if path.is_dir():
            return tuple(file for child in sorted(path.iterdir()) for file in _files_of_local(child))
        return _files_of_local(path)

    def _page(self, url: str, location: str) -> tuple[IndexFile, ...]:
        """The files of a page; none for 404 and 410. Raises UnavailableError that names `location`."""
        try:
            self._check_trust(url)
            return self.session.persist(functools.partial(self._read_page, url))
        except (OSError, http.client.HTTPException, *_UNREADABLE) as error:
            raise _cannot_ask(location, error) from error

    def _read_page(self, url: str) -> tuple[IndexFile, ...]:
        with self.session.get(url, {"Accept": _ACCEPT, "Accept-Encoding": "gzip"}) as reply:
            if reply.status in {http.HTTPStatus.NOT_FOUND, http.HTTPStatus.GONE}:
                return ()
            if reply.status != http.HTTPStatus.OK:
                raise StatusError(reply.status)
            self._check_trust(reply.url)
            content = reply.body.read()
        if reply.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        page = without_login(reply.url)  # the files' URLs shall not spread a password
        if reply.headers.get_content_type() == JSON_TYPE:
            files = files_of_json(content, page)
        else:
            files = files_of_html(content, reply.headers.get_content_charset("utf-8"), page)
        return tuple(file for file in files if is_url(file.url))  # a server names no files of this machine

    def _check_trust(self, url: str) -> None:
        """As pip: an index is believed over https, on this machine, or where the user trusts the host."""
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname not in _LOCAL_HOSTS and not self.session.trusts(url):
            raise _UntrustedError("it is reached by plain http and its host is not trusted")


@functools.cache
def default_index_url() -> str:
    """The default index of the packaging libraries, as unearth knows it."""
    from unearth import PackageFinder  # 0.2 s, only where no index is configured

    return PackageFinder().sources[0]["url"]


def _files_of_local(path: Path) -> tuple[IndexFile, ...]:
    if path.suffix in {".html", ".htm"}:
        return _files_of_html(path)
    if path.name.endswith(ARCHIVES) and path.is_file():
        return (IndexFile(filename=path.name, url=path.as_uri()),)
    return ()


def _files_of_html(path: Path) -> tuple[IndexFile, ...]:
    try:
        return files_of_html(path.read_bytes(), "utf-8", path.as_uri())
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, *_UNREADABLE) as error:
        raise _cannot_ask(str(path), error) from error


def _with_hash(file: IndexFile) -> IndexFile:
    """A local file with its hash and size; others as they are."""
    if not file.url.startswith("file:"):
        return file
    path = path_of(file.url)
    try:
        return replace(file, sha256=file.sha256 or _hash_of(path), size=path.stat().st_size)
    except (OSError, ValueError):  # the latter for a path that no file can have
        return file


@functools.lru_cache(maxsize=1 << 12)
def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cannot_ask(location: str, error: Exception) -> UnavailableError:
    return UnavailableError(
        f"the index {redact(location)} can't be asked",
        why=reason_of(error),
        remedy=_remedy(error),
    )


def _remedy(error: Exception) -> str:
    if isinstance(error, StatusError) and error.status in {401, 403}:
        return "Give credentials in the index's URL, in netrc or in a keyring."
    if isinstance(error, _UntrustedError):
        return "Use https, or name the host under pip's trusted-host."
    if isinstance(error, _UNREADABLE):
        return "Check that the URL is a simple index (PEP 503 or PEP 691)."
    return "Check the network, pip's proxy and certificates, or take the index out of pip's configuration."


def _all_of(failures: list[UnavailableError]) -> UnavailableError:
    distinct = list({str(failure): failure for failure in failures}.values())
    return UnavailableError(
        "; ".join(failure.what for failure in distinct),
        why="; ".join(failure.why for failure in distinct),
        remedy=distinct[0].remedy,
    )
