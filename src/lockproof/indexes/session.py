"""One keep-alive HTTP session for indexes and artifacts: proxies, certificates, redirects, retries.

Made of the standard library's http.client, which reads a body straight into a buffer of ours: files come in
at twice the speed of httpx, and the start is 0.15 s shorter.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import sys
import threading
import weakref
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from lockproof import __version__
from lockproof.errors import UnavailableError
from lockproof.indexes.credentials import Credentials
from lockproof.indexes.replies import (
    CannotConnectError,
    OfflineError,
    Place,
    Reply,
    StatusError,
    is_transient,
    reason_of,
)
from lockproof.indexes.urls import is_url, redact

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping

    from lockproof.indexes.pipconfig import IndexConfig


_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 10
_SMALL = 1 << 16  # bytes of an unwanted body that are read to keep its connection
_BUNDLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR")
_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Exchange:
    place: Place
    connection: http.client.HTTPConnection
    response: http.client.HTTPResponse


class Session:
    """GET over shared connections, safe to use from many threads; `wait` gets the seconds between tries."""

    def __init__(self, config: IndexConfig, wait: Callable[[float], object] | None = None) -> None:
        self._config = config
        self._credentials = Credentials([*config.index_urls, *config.find_links], config.keyring_provider)
        self._idle: dict[Place, list[http.client.HTTPConnection]] = {}
        self._busy: dict[http.client.HTTPConnection, socket.socket] = {}
        self._aborted = threading.Event()
        self._wait = wait or self._aborted.wait
        self._unreachable: dict[Place, str] = {}
        self._contexts: dict[bool, ssl.SSLContext] = {}
        self._system_proxies: Mapping[str, str] | None = None
        self._lock = threading.Lock()
        weakref.finalize(self, _close_all, self._idle)

    def close(self) -> None:
        """Close the connections that are idle; the end of the session's life does the same."""
        _close_all(self._idle)

    def abort(self) -> None:
        """Let every exchange under way, in whatever thread, fail at once, and nothing be tried again."""
        with self._lock:
            self._aborted.set()
            busy = tuple(self._busy.values())
        for wire in busy:
            with contextlib.suppress(OSError):  # it was closed meanwhile
                socket.socket.shutdown(wire, socket.SHUT_RDWR)  # not TLS's own, which another thread is reading from

    def trusts(self, url: str) -> bool:
        """Whether the user trusts the host of `url` without a certificate."""
        return self._trusts(_place(urlsplit(url)))

    def persist(self, action: Callable[[], _Result]) -> _Result:
        """What `action` returns; tried again, ever later, while its failures are transient.

        Raises the last failure (OSError or http.client.HTTPException). A host that couldn't be connected to
        is not tried again in this session, so that a hundred files of a dead host don't wait a hundred times.
        """
        tries = 0
        while True:
            try:
                return action()
            except (OSError, http.client.HTTPException) as error:
                if self._aborted.is_set() or not is_transient(error) or tries >= self._config.retries:
                    if isinstance(error, CannotConnectError):
                        self._unreachable[error.place] = str(error)
                    raise
                self._wait(min(0.25 * 2**tries, 8.0))
                tries += 1

    @contextlib.contextmanager
    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Iterator[Reply]:
        """The answer to a GET of `url`, whatever its status; its body must be read before the block ends.

        Follows redirects; credentials go only to the host that they are for, and none to plain http once a redirect
        has led there from https. Raises OSError, which is CannotConnectError where there is no connection (OfflineError
        where none is allowed), or http.client.HTTPException; UnavailableError for a proxy or certificate file that
        can't be used.
        """
        was_secret = False
        for _ in range(_MOST_REDIRECTS + 1):
            if not is_url(url):
                raise http.client.InvalidURL(f"not an http URL: {redact(url)}")
            if self._config.offline:  # before anything else: looking for a proxy may ask a name server
                raise OfflineError(_place(urlsplit(url)))
            is_secret = urlsplit(url).scheme == "https"
            was_secret = was_secret or is_secret
            may_login = is_secret or not was_secret
            exchange = self._authorised(url, headers or {}) if may_login else self._request(url, headers or {}, None)
            try:
                response = exchange.response
                location = response.headers.get("Location")
                if response.status in _REDIRECTS and location:
                    url = urljoin(url, location)
                    response.read(_SMALL)
                    continue
                yield Reply(status=response.status, url=url, headers=response.headers, body=response)
                return
            finally:
                self._release(exchange)
        raise http.client.InvalidURL(f"more than {_MOST_REDIRECTS} redirects")

    # requests

    def _authorised(self, url: str, headers: Mapping[str, str]) -> _Exchange:
        known = self._credentials.known(url)
        exchange = self._request(url, headers, known)
        if exchange.response.status != http.HTTPStatus.UNAUTHORIZED:
            return exchange
        exchange.response.read(_SMALL)
        self._release(exchange)
        login = self._credentials.from_keyring(url)
        if login is None or login == known:
            raise StatusError(http.HTTPStatus.UNAUTHORIZED)
        return self._request(url, headers, login)

    def _request(self, url: str, headers: Mapping[str, str], login: tuple[str, str] | None) -> _Exchange:
        parts = urlsplit(url)
        place = _place(parts)
        proxy = self._proxy(parts)
        target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
        if parts.query:
            target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~?[]")
        sent = {"User-Agent": f"lockproof/{__version__}", **headers}
        if login:
            sent["Authorization"] = _basic(*login)
        if proxy and parts.scheme == "http":
            target = f"http://{parts.netloc.rpartition('@')[2]}{target}"
            sent.update(_proxy_login(proxy))
        while True:
            connection, is_reused = self._connection(place, proxy)
            try:
                connection.request("GET", target, headers=sent)
                return _Exchange(place=place, connection=connection, response=connection.getresponse())
            except (OSError, http.client.HTTPException) as error:
                self._drop(connection)
                # That a server has closed a kept connection meanwhile is no failure: try a fresh one.
                if not is_reused or isinstance(error, TimeoutError):
                    raise

    # connections

    def _connection(self, place: Place, proxy: SplitResult | None) -> tuple[http.client.HTTPConnection, bool]:
        """A connection, and whether it served before."""
        with self._lock:
            if self._aborted.is_set():
                raise CannotConnectError("interrupted", place)
            if pool := self._idle.get(place):
                connection = pool.pop()
                self._busy[connection] = connection.sock
                return connection, True
        if place in self._unreachable:
            raise CannotConnectError(self._unreachable[place], place)
        connection = self._new_connection(place, proxy)
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise CannotConnectError(reason_of(error), place) from error
        with self._lock:
            self._busy[connection] = connection.sock
        if self._aborted.is_set():
            self._drop(connection)
            raise CannotConnectError("interrupted", place)
        return connection, False

    def _new_connection(self, place: Place, proxy: SplitResult | None) -> http.client.HTTPConnection:
        scheme, host, port = place
        timeout = self._config.timeout or None
        near = (proxy.hostname or "", proxy.port or 80) if proxy else (host, port)
        if scheme == "http":
            return http.client.HTTPConnection(*near, timeout=timeout)
        context = self._context(is_trusted=self._trusts(place))
        connection = http.client.HTTPSConnection(*near, timeout=timeout, context=context)
        if proxy:
            connection.set_tunnel(host, port, headers=_proxy_login(proxy))
        return connection

    def _release(self, exchange: _Exchange) -> None:
        """Keep a connection whose answer was read to its end; close any other."""
        if not exchange.response.isclosed() or exchange.response.will_close:
            exchange.response.close()
            self._drop(exchange.connection)
            return
        with self._lock:
            self._busy.pop(exchange.connection, None)
            self._idle.setdefault(exchange.place, []).append(exchange.connection)

    def _drop(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._busy.pop(connection, None)
        connection.close()

    def _trusts(self, place: Place) -> bool:
        _, host, port = place
        return not {host, f"{host}:{port}"}.isdisjoint(self._config.trusted_hosts)

    def _context(self, *, is_trusted: bool) -> ssl.SSLContext:
        """The TLS settings, made at the first use: a CA bundle takes 40 ms to read."""
        import ssl

        with self._lock:
            if is_trusted not in self._contexts:
                named = [os.environ[name] for name in _BUNDLES if os.environ.get(name)]
                bundle = self._config.cert or next(iter(named), None)
                is_folder = bundle is not None and Path(bundle).is_dir()
                try:
                    context = ssl.create_default_context(
                        cafile=None if is_folder else bundle, capath=bundle if is_folder else None
                    )
                    if self._config.client_cert:
                        context.load_cert_chain(self._config.client_cert)
                except OSError as error:
                    raise UnavailableError(
                        "a certificate file can't be used",
                        where=self._config.client_cert or bundle or "",
                        why=reason_of(error),
                        remedy="Correct pip's cert and client-cert, or SSL_CERT_FILE.",
                    ) from error
                if is_trusted:
                    context.check_hostname = False
                    context.verify_mode = ssl.CERT_NONE
                self._contexts[is_trusted] = context
            return self._contexts[is_trusted]

    def _proxy(self, parts: SplitResult) -> SplitResult | None:
        """The proxy for a URL: pip's setting for all, else the environment's and the system's."""
        text = self._config.proxy
        if not text:
            if self._system_proxies is None:
                self._system_proxies = _system_proxies()
            text = self._system_proxies.get(parts.scheme) or self._system_proxies.get("all")
            if not text:
                return None
            import urllib.request  # only where there is a proxy

            if urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
                return None
        proxy = urlsplit(text if "://" in text else f"http://{text}")
        if proxy.scheme != "http":
            raise UnavailableError(
                f"the proxy {redact(text)} can't be used",
                why=f"{proxy.scheme} proxies are not supported",
                remedy="Set an http:// proxy, or name the host in NO_PROXY.",
            )
        return proxy


def _close_all(idle: dict[Place, list[http.client.HTTPConnection]]) -> None:
    for pool in list(idle.values()):
        while pool:
            pool.pop().close()


def _place(parts: SplitResult) -> Place:
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def _proxy_login(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    return {"Proxy-Authorization": _basic(unquote(proxy.username), unquote(proxy.password or ""))}


def _system_proxies() -> Mapping[str, str]:
    if sys.platform not in {"win32", "darwin"} and not any(name.lower().endswith("_proxy") for name in os.environ):
        return {}
    import urllib.request  # 20 ms, only where there may be a proxy

    return urllib.request.getproxies()
