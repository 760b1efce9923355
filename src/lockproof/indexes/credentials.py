"""Who the user is to a host: credentials from URLs, netrc and keyring, asked in pip's order."""

from __future__ import annotations

import functools
import itertools
import os
import shutil
import threading
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from lockproof.indexes.urls import is_url

if TYPE_CHECKING:
    import netrc
    from collections.abc import Iterable

    from unearth.auth import KeyringBaseProvider

Login = tuple[str, str]
"""User and password."""

_Site = tuple[str, str, int | None]
"""Scheme, host, and port unless it is the scheme's own."""


class Credentials:
    """What may be sent to which host; `urls` are the configured ones, whose credentials hold for their hosts.

    `provider` is pip's --keyring-provider: auto, import, subprocess or disabled.
    """

    def __init__(self, urls: Iterable[str], provider: str) -> None:
        self._urls = [urlsplit(url) for url in urls if "@" in url and is_url(url)]
        self._provider = provider
        self._from_keyring: dict[tuple[_Site, str], Login | None] = {}
        self._lock = threading.Lock()

    def known(self, url: str) -> Login | None:
        """The login for a first request: the URL's own, that of the nearest configured URL, the keyring's
        earlier answer, netrc's; a user without a password comes last.
        """
        own = _login_of(urlsplit(url))
        if own and own[1]:
            return own
        near = self._configured(url)
        if near and near[1] and (own is None or own[0] == near[0]):
            return near
        user = (own or near or ("", ""))[0]
        remembered = self._from_keyring.get((_site(urlsplit(url)), user))
        return remembered or _from_netrc(urlsplit(url).hostname or "") or own or near

    def from_keyring(self, url: str) -> Login | None:
        """The keyring's login for a host that refused the known one; asked once for a host and user."""
        if self._provider == "disabled":
            return None
        near = _login_of(urlsplit(url)) or self._configured(url) or ("", "")
        key = (_site(urlsplit(url)), near[0])
        with self._lock:
            if key not in self._from_keyring:
                self._from_keyring[key] = self._ask_keyring(url, near[0] or None)
            return self._from_keyring[key]

    def _configured(self, url: str) -> Login | None:
        """The login of the configured URL that may go to the same host and shares the longest path with `url`."""
        asked = urlsplit(url)
        of_site = self._configured_for(asked)
        if not of_site:
            return None
        return _login_of(max(of_site, key=lambda parts: _shared_folders(parts.path, asked.path)))

    def _configured_for(self, asked: SplitResult) -> list[SplitResult]:
        """The configured URLs of the same host and port whose login may go there: one of https never to http."""
        scheme, *place = _site(asked)
        sites = ((parts, _site(parts)) for parts in self._urls)
        return [parts for parts, site in sites if list(site[1:]) == place and (site[0] == scheme or scheme == "https")]

    def _ask_keyring(self, url: str, user: str | None) -> Login | None:
        provider = self._keyring()
        if provider is None:
            return None
        asked = urlsplit(url)
        services = [parts._replace(netloc=_address(parts)).geturl() for parts in self._configured_for(asked)]
        for service in dict.fromkeys([*services, url, _address(asked)]):
            try:
                login = provider.get_auth_info(service, user)
            except Exception:  # noqa: BLE001  a keyring that is locked or broken has no credentials for us
                return None
            if login:
                return login
        return None

    def _keyring(self) -> KeyringBaseProvider | None:
        from unearth.auth import KeyringCliProvider, KeyringModuleProvider  # heavy, and rarely needed

        if self._provider in {"auto", "import"}:
            try:
                return KeyringModuleProvider()
            except Exception:  # noqa: BLE001  any failure of an import means: not by this way
                if self._provider == "import":
                    return None
        command = shutil.which("keyring")
        return KeyringCliProvider(command) if command else None


def _shared_folders(one: str, other: str) -> int:
    pairs = zip(one.strip("/").split("/"), other.strip("/").split("/"), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _login_of(parts: SplitResult) -> Login | None:
    if parts.username is None:
        return None
    return unquote(parts.username), unquote(parts.password or "")


def _address(parts: SplitResult) -> str:
    """Host and port as the URL has them, without credentials."""
    return parts.netloc.rpartition("@")[2].lower()


def _site(parts: SplitResult) -> _Site:
    default = 443 if parts.scheme == "https" else 80
    return parts.scheme, parts.hostname or "", None if parts.port == default else parts.port


def _from_netrc(host: str) -> Login | None:
    file = _netrc(os.environ.get("NETRC"))
    entry = file.authenticators(host) if file else None
    return (entry[0], entry[2] or "") if entry else None


@functools.cache
def _netrc(path: str | None) -> netrc.netrc | None:
    """The user's netrc, read once; one that is missing or can't be read has no credentials, as with pip."""
    import netrc  # only where a host is asked for without credentials in its URL

    try:
        return netrc.netrc(path)
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return None
