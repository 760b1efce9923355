"""The index and its session against real servers: formats, credentials, proxies, certificates."""

from __future__ import annotations

import hashlib
import shutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lockproof.errors import UnavailableError
from lockproof.indexes.download import Downloader
from lockproof.indexes.index import Index, default_index_url
from lockproof.indexes.pipconfig import IndexConfig
from lockproof.indexes.simpleapi import IndexFile
from lockproof.locks.artifacts import Artifact
from support.loopback import Fault, LoopbackIndex, Options, serve
from support.proxy import serve_proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

WHEEL = "demo-1.0-py3-none-any.whl"
SDIST = "demo-1.0.tar.gz"
CONTENT = {WHEEL: b"wheel" * 200_000, SDIST: b"source" * 100, "other-2.0-py3-none-any.whl": b"other"}


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxies, certificates or credentials but the test's own."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setitem(sys.modules, "keyring", None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the server has."""
    path = tmp_path / "served"
    path.mkdir()
    for name, content in CONTENT.items():
        (path / name).write_bytes(content)
    return path


@pytest.fixture
def server(folder: Path) -> Iterator[LoopbackIndex]:
    with serve(folder) as index:
        yield index


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-made certificate for 127.0.0.1 with its key, which is its own authority."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    key, cert, both = tmp_path / "key.pem", tmp_path / "cert.pem", tmp_path / "both.pem"
    command = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=loopback",
    ]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command, *names], check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + cert.read_bytes())
    return both


def listed(server: LoopbackIndex, filename: str, *, has_size: bool = True) -> IndexFile:
    content = CONTENT[filename]
    return IndexFile(
        filename=filename,
        url=server.file_url(filename),
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content) if has_size else None,
    )


def index_of(*index_urls: str, **settings: object) -> Index:
    """An index that does not wait between tries."""
    return Index(IndexConfig(index_urls=index_urls, **settings), wait=lambda _: None)  # type: ignore[arg-type]


def dead_url() -> str:
    """The URL of an index on a port where nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}/simple/"


def test_json_and_one_request_a_page(server: LoopbackIndex) -> None:
    index = index_of(server.url)
    expected = (listed(server, WHEEL), listed(server, SDIST))
    assert index.files("demo", "1.0") == expected
    assert index.files("Demo", "1.0.0") == expected
    assert index.files("demo", "2.0") == ()
    assert server.paths_asked() == ["/simple/demo/"]


def test_html_has_no_sizes(server: LoopbackIndex) -> None:
    server.options.json = False
    server.options.yanked = frozenset({SDIST})
    sdist = IndexFile(
        filename=SDIST,
        url=server.file_url(SDIST),
        sha256=hashlib.sha256(CONTENT[SDIST]).hexdigest(),
        yanked=True,
    )
    assert index_of(server.url).files("demo", "1.0") == (listed(server, WHEEL, has_size=False), sdist)


def test_a_compressed_page(server: LoopbackIndex) -> None:
    server.options.gzip = True
    assert index_of(server.url).files("demo", "1.0") == (listed(server, WHEEL), listed(server, SDIST))


def test_a_page_of_links_and_a_link_to_a_file(server: LoopbackIndex) -> None:
    index = index_of(find_links=(f"{server.base}/links.html", server.file_url("other-2.0-py3-none-any.whl")))
    assert index.files("demo", "1.0") == (
        listed(server, WHEEL, has_size=False),
        listed(server, SDIST, has_size=False),
    )
    other = listed(server, "other-2.0-py3-none-any.whl", has_size=False)
    bare = IndexFile(filename=other.filename, url=other.url)
    assert index.files("other", "2.0") == (other, bare)


def test_extra_index_and_unknown_projects(server: LoopbackIndex, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with serve(empty) as first:
        index = index_of(first.url, server.url)
        pins = [("demo", "1.0"), ("absent", "1.0"), ("other", "2.0")]
        assert index.files_of(pins) == {
            ("demo", "1.0"): (listed(server, WHEEL), listed(server, SDIST)),
            ("absent", "1.0"): (),
            ("other", "2.0"): (listed(server, "other-2.0-py3-none-any.whl"),),
        }
        asked = ["/simple/absent/", "/simple/demo/", "/simple/other/"]
        assert sorted(first.paths_asked()) == asked
        assert sorted(server.paths_asked()) == asked


def test_a_dead_host_is_an_error_unless_the_wanted_was_found_before(server: LoopbackIndex) -> None:
    dead = dead_url().replace("://", "://me:secret@")
    hashes = tuple(file.sha256 for file in (listed(server, WHEEL), listed(server, SDIST)) if file.sha256)
    assert len(index_of(server.url, dead).files("demo", "1.0", wanted=hashes)) == 2
    assert len(index_of(dead, server.url).files("demo", "1.0", wanted=hashes)) == 2
    with pytest.raises(UnavailableError) as raised:
        index_of(server.url, dead).files("demo", "1.0")
    shown = dead.replace("me:secret", "***")
    assert raised.value.what == f"the index {shown} can't be asked"
    assert raised.value.why == "Connection refused"


def test_a_page_is_tried_again_while_the_server_is_busy(server: LoopbackIndex) -> None:
    server.options.statuses["/simple/demo/"] = 503
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            server.options.statuses.clear()

    index = Index(IndexConfig(index_urls=(server.url,)), wait=wait)
    assert index.files("demo", "1.0") == (listed(server, WHEEL), listed(server, SDIST))
    assert waits == [0.25, 0.5, 1.0]


@pytest.mark.parametrize(("status", "reason"), [(403, "HTTP 403 Forbidden"), (500, "HTTP 500 Internal Server Error")])
def test_a_refusal_is_not_an_empty_index(server: LoopbackIndex, status: int, reason: str) -> None:
    server.options.statuses["/simple/demo/"] = status
    with pytest.raises(UnavailableError) as raised:
        index_of(server.url, retries=1).files("demo", "1.0")
    assert raised.value.why == reason
    assert len(server.requests) == (1 if status == 403 else 2)


def test_an_answer_that_is_no_page(server: LoopbackIndex) -> None:
    server.options.pages["/simple/demo/"] = b"[]"
    with pytest.raises(UnavailableError) as raised:
        index_of(server.url).files("demo", "1.0")
    assert str(raised.value) == (
        f"the index {server.url} can't be asked: not a PEP 691 page\n"
        "  Check that the URL is a simple index (PEP 503 or PEP 691)."
    )


@pytest.mark.parametrize("url", ["ftp://index.invalid/simple/", "http://[broken/", "http://index.invalid:x/"])
def test_an_index_that_is_no_url(url: str) -> None:
    with pytest.raises(UnavailableError, match="can't be asked"):
        index_of(url).files("demo", "1.0")


# credentials


@pytest.fixture
def private(folder: Path) -> Iterator[LoopbackIndex]:
    """A server that wants a login."""
    with LoopbackIndex(folder, options=Options(auth=("me", "s:cr@t"))) as index:
        yield index


def test_credentials_of_the_url_reach_the_files_and_stay_out_of_their_urls(
    private: LoopbackIndex, tmp_path: Path
) -> None:
    index = index_of(private.url_with_auth("me", "s:cr@t"))
    assert index.files("demo", "1.0") == (listed(private, WHEEL), listed(private, SDIST))
    assert fetch(index, private, tmp_path).read_bytes() == CONTENT[WHEEL]


def test_credentials_of_netrc(private: LoopbackIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text('machine 127.0.0.1 login me password "s:cr@t"\n')
    monkeypatch.setenv("NETRC", str(netrc))
    index = index_of(private.url)
    assert index.files("demo", "1.0") == (listed(private, WHEEL), listed(private, SDIST))
    assert len(private.requests) == 1


def test_credentials_of_the_keyring_command_are_asked_for_once(
    private: LoopbackIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, asked = tmp_path / "bin" / "keyring", tmp_path / "asked"
    command.parent.mkdir()
    command.write_text(f"#!/bin/sh\necho \"$3\" >> '{asked}'\necho me\necho s:cr@t\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent))
    index = index_of(private.url)
    assert index.files("demo", "1.0") == (listed(private, WHEEL), listed(private, SDIST))
    assert fetch(index, private, tmp_path).read_bytes() == CONTENT[WHEEL]
    assert asked.read_text() == f"{private.url}demo/\n"


def test_no_credentials_is_told_without_the_password(private: LoopbackIndex) -> None:
    index = index_of(private.url_with_auth("me", "wrong"), keyring_provider="disabled")
    with pytest.raises(UnavailableError) as raised:
        index.files("demo", "1.0")
    assert str(raised.value) == (
        f"the index {private.url.replace('127', '***@127')} can't be asked: HTTP 401 Unauthorized\n"
        "  Give credentials in the index's URL, in netrc or in a keyring."
    )


def test_credentials_do_not_follow_a_redirect_to_another_host(private: LoopbackIndex, server: LoopbackIndex) -> None:
    private.options.redirects["/simple/demo/"] = f"{server.url}demo/"
    index = index_of(private.url_with_auth("me", "s:cr@t"))
    assert index.files("demo", "1.0") == (listed(server, WHEEL), listed(server, SDIST))
    assert "authorization" in private.requests[0].headers
    assert "authorization" not in server.requests[0].headers


def test_redirects_in_a_circle_end(server: LoopbackIndex) -> None:
    server.options.redirects["/simple/demo/"] = "/simple/demo/"
    with pytest.raises(UnavailableError, match="can't be asked") as raised:
        index_of(server.url).files("demo", "1.0")
    assert raised.value.why == "more than 10 redirects"


# proxies and certificates


def test_a_proxy_of_the_environment_and_no_proxy(server: LoopbackIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve_proxy() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url("user:pass@"))
        assert index_of(server.url).files("demo", "1.0") == (listed(server, WHEEL), listed(server, SDIST))
        assert proxy.asked == [("GET", f"{server.url}demo/", "Basic dXNlcjpwYXNz")]
        assert server.requests[0].headers.get("proxy-authorization") is None
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert len(index_of(server.url).files("demo", "1.0")) == 2
        assert len(proxy.asked) == 1


def test_the_proxy_of_pip_is_over_the_environment(server: LoopbackIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", dead_url())
    with serve_proxy() as proxy:
        index = index_of(server.url, proxy=proxy.url())
        assert len(index.files("demo", "1.0")) == 2
        assert proxy.asked == [("GET", f"{server.url}demo/", None)]


def test_a_proxy_of_another_kind_is_refused(server: LoopbackIndex) -> None:
    with pytest.raises(UnavailableError) as raised:
        index_of(server.url, proxy="socks5://me:secret@proxy.invalid:1080").files("demo", "1.0")
    assert raised.value.what == "the proxy socks5://***@proxy.invalid:1080 can't be used"


def test_a_certificate_needs_its_authority(folder: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LoopbackIndex(folder, certificate=certificate) as server:
        with pytest.raises(UnavailableError) as raised:
            index_of(server.url).files("demo", "1.0")
        assert "certificate verify failed" in raised.value.why
        expected = (listed(server, WHEEL), listed(server, SDIST))
        authority = str(certificate.with_name("cert.pem"))
        assert index_of(server.url, cert=authority).files("demo", "1.0") == expected
        assert index_of(server.url, trusted_hosts=("127.0.0.1",)).files("demo", "1.0") == expected
        for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            monkeypatch.setenv(variable, authority)
            assert index_of(server.url).files("demo", "1.0") == expected
            monkeypatch.delenv(variable)


def test_no_credentials_follow_a_redirect_from_https_to_http(
    folder: Path, certificate: Path, server: LoopbackIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    authority = str(certificate.with_name("cert.pem"))
    with LoopbackIndex(folder, certificate=certificate) as secure:
        secure.options.redirects["/simple/demo/"] = f"{server.url}demo/"
        index = index_of(secure.url, cert=authority)
        assert index.files("demo", "1.0") == (listed(server, WHEEL), listed(server, SDIST))
        assert "authorization" in secure.requests[0].headers
    assert "authorization" not in server.requests[0].headers


def test_tls_through_a_proxy(folder: Path, certificate: Path) -> None:
    authority = str(certificate.with_name("cert.pem"))
    with LoopbackIndex(folder, certificate=certificate) as server, serve_proxy() as proxy:
        index = index_of(server.url, cert=authority, proxy=proxy.url("user:pass@"))
        assert index.files("demo", "1.0") == (listed(server, WHEEL), listed(server, SDIST))
        assert proxy.asked == [("CONNECT", f"127.0.0.1:{server.port}", "Basic dXNlcjpwYXNz")]
        index.session.close()


def test_a_missing_authority_file_is_named(server: LoopbackIndex, tmp_path: Path) -> None:
    missing = str(tmp_path / "ca.pem")
    with pytest.raises(UnavailableError) as raised:
        index_of("https://127.0.0.1:1/simple/", cert=missing).files("demo", "1.0")
    assert (raised.value.where, raised.value.why) == (missing, "No such file or directory")


def test_a_client_certificate_is_shown(folder: Path, certificate: Path) -> None:
    authority = str(certificate.with_name("cert.pem"))
    with LoopbackIndex(folder, certificate=certificate, client_authority=authority) as server:
        with pytest.raises(UnavailableError):
            index_of(server.url, cert=authority, retries=0).files("demo", "1.0")
        index = index_of(server.url, cert=authority, client_cert=str(certificate))
        assert index.files("demo", "1.0") == (listed(server, WHEEL), listed(server, SDIST))


# connections


def test_connections_are_kept_and_a_closed_one_is_replaced(server: LoopbackIndex, tmp_path: Path) -> None:
    index = index_of(server.url)
    index.files("demo", "1.0")
    index.files("other", "2.0")
    fetch(index, server, tmp_path / "one")
    assert server.connections == 1
    server.drop_connections()
    assert fetch(index, server, tmp_path / "two").read_bytes() == CONTENT[WHEEL]
    assert server.connections == 2


def test_a_server_that_says_nothing_is_tried_again(server: LoopbackIndex, tmp_path: Path) -> None:
    server.faults[WHEEL] = Fault(truncate=300_000, stall=True, times=1)
    index = index_of(server.url, timeout=1.5)
    assert fetch(index, server, tmp_path).read_bytes() == CONTENT[WHEEL]
    assert [seen.headers.get("range") for seen in server.requests] == [None, "bytes=262144-"]


def test_the_default_index_is_one_of_the_packaging_libraries() -> None:
    assert default_index_url().startswith("https://")


def fetch(index: Index, server: LoopbackIndex, folder: Path) -> Path:
    file = listed(server, WHEEL)
    assert file.sha256
    artifact = Artifact(name="demo", version="1.0", filename=WHEEL, sha256=file.sha256, urls=(file.url,))
    return Downloader(index).fetch(artifact, folder / "store", lambda _: None)
