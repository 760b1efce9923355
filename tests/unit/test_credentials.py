"""Which login goes to which host."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING

import pytest

from lockproof.indexes.credentials import Credentials

if TYPE_CHECKING:
    from pathlib import Path

INDEX = "https://index.invalid/team/simple/"
FILE = "https://index.invalid/team/files/a.whl"


@pytest.fixture(autouse=True)
def no_netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The path that NETRC names; the file isn't there yet."""
    path = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(path))
    return path


def with_login(url: str, login: str) -> str:
    return url.replace("://", f"://{login}@")


def test_the_url_is_first() -> None:
    credentials = Credentials([with_login(INDEX, "me:index")], "auto")
    assert credentials.known(with_login(FILE, "you:own%40")) == ("you", "own@")


def test_the_nearest_configured_url_of_the_host() -> None:
    other = with_login("https://index.invalid/other/simple/", "other:1")
    credentials = Credentials([other, with_login(INDEX, "me:2"), "https://[broken@", "a@b/folder"], "auto")
    assert credentials.known(FILE) == ("me", "2")
    assert credentials.known("https://index.invalid/other/files/b.whl") == ("other", "1")
    assert credentials.known("https://files.invalid/team/a.whl") is None
    assert credentials.known("https://index.invalid:8443/team/a.whl") is None


def test_a_login_of_https_never_goes_to_http() -> None:
    credentials = Credentials([with_login(INDEX, "me:2"), "http://old:3@old.invalid/simple/"], "auto")
    assert credentials.known("http://index.invalid/team/files/a.whl") is None
    assert credentials.known("http://index.invalid:443/team/files/a.whl") is None
    assert credentials.known("https://index.invalid:443/team/files/a.whl") == ("me", "2")
    assert credentials.known("http://old.invalid:80/a.whl") == ("old", "3")
    assert credentials.known("https://old.invalid/a.whl") == ("old", "3")
    assert credentials.known("https://old.invalid:80/a.whl") is None


def test_an_answer_of_the_keyring_to_https_is_not_for_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", FakeKeyring({(INDEX, "me"): "secret"}))
    credentials = Credentials([with_login(INDEX, "me")], "auto")
    assert credentials.from_keyring(FILE) == ("me", "secret")
    plain = FILE.replace("https:", "http:")
    assert (credentials.known(plain), credentials.from_keyring(plain)) == (None, None)


def test_a_password_of_another_user_is_not_taken() -> None:
    assert Credentials([with_login(INDEX, "me:2")], "auto").known(with_login(FILE, "you")) == ("you", "")


def test_netrc(no_netrc: Path) -> None:
    no_netrc.write_text("machine index.invalid login me password secret\n")
    credentials = Credentials([], "auto")
    assert credentials.known(FILE) == ("me", "secret")
    assert credentials.known("https://files.invalid/a.whl") is None


def test_a_broken_netrc_has_nothing(no_netrc: Path) -> None:
    no_netrc.write_text("nonsense\n")
    assert Credentials([], "auto").known(FILE) is None


class FakeKeyring(types.ModuleType):
    """Stands for the keyring module; notes what it was asked."""

    def __init__(self, passwords: dict[tuple[str, str], str]) -> None:
        super().__init__("keyring")
        self.passwords = passwords
        self.asked: list[tuple[str, str | None]] = []

    def get_credential(self, service: str, user: str | None) -> types.SimpleNamespace | None:
        self.asked.append((service, user))
        for (known_service, known_user), password in self.passwords.items():
            if known_service == service and user in {None, known_user}:
                return types.SimpleNamespace(username=known_user, password=password)
        return None

    def get_password(self, service: str, user: str) -> str | None:
        return self.passwords.get((service, user))


def test_the_keyring_is_asked_once_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = FakeKeyring({(INDEX, "me"): "secret"})
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    credentials = Credentials([with_login(INDEX, "me")], "auto")
    assert credentials.known(FILE) == ("me", "")
    assert credentials.from_keyring(FILE) == ("me", "secret")
    assert credentials.from_keyring(FILE) == ("me", "secret")
    assert credentials.known(FILE) == ("me", "secret")
    assert keyring.asked == [(INDEX, "me")]


def test_the_keyring_may_know_the_host_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", FakeKeyring({("index.invalid", "me"): "secret"}))
    assert Credentials([], "import").from_keyring(FILE) == ("me", "secret")
    assert Credentials([], "disabled").from_keyring(FILE) is None


def test_a_keyring_that_fails_has_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = FakeKeyring({})
    monkeypatch.setattr(keyring, "get_credential", lambda *_: 1 / 0)
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    assert Credentials([], "import").from_keyring(FILE) is None


def test_the_keyring_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command = tmp_path / "keyring"
    command.write_text('#!/bin/sh\n[ "$1" = --mode=creds ] && echo me && echo secret\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Credentials([], "subprocess").from_keyring(FILE) == ("me", "secret")
    monkeypatch.setenv("PATH", "")
    assert Credentials([], "subprocess").from_keyring(FILE) is None
