"""An index made of local places: folders, pages and file: indexes."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from lockproof.errors import UnavailableError
from lockproof.indexes.index import Index
from lockproof.indexes.pipconfig import IndexConfig
from lockproof.indexes.simpleapi import JSON_TYPE, IndexFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WHEEL = "my_demo-1.0-py3-none-any.whl"
SDIST = "my_demo-1.0.tar.gz"


def make_file(folder: Path, filename: str, content: bytes = b"content") -> IndexFile:
    """A file in a folder, as an index over it should list it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / filename
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return IndexFile(filename=filename, url=path.as_uri(), sha256=digest, size=len(content))


def index_of(*index_urls: str, find_links: tuple[str, ...] = ()) -> Index:
    return Index(IndexConfig(index_urls=index_urls, find_links=find_links))


@contextlib.contextmanager
def served(content: bytes, headers: dict[str, str]) -> Iterator[str]:
    """The URL of a server whose every page is this one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/simple"
        finally:
            server.shutdown()


def test_a_folder_of_files(tmp_path: Path) -> None:
    wheel = make_file(tmp_path, WHEEL)
    sdist = make_file(tmp_path, SDIST, b"source")
    make_file(tmp_path, "my_demo-2.0-py3-none-any.whl")
    make_file(tmp_path, "notes.txt")
    index = index_of(find_links=(str(tmp_path),))
    assert index.files("My_Demo", "1.0.0") == (wheel, sdist)


def test_a_folder_by_its_url_and_one_archive(tmp_path: Path) -> None:
    wheel = make_file(tmp_path / "a folder", WHEEL)
    sdist = make_file(tmp_path, SDIST, b"source")
    links = ((tmp_path / "a folder").as_uri(), str(tmp_path / SDIST))
    assert index_of(find_links=links).files("my-demo", "1.0") == (wheel, sdist)


def test_places_that_do_not_exist_have_no_files(tmp_path: Path) -> None:
    index = index_of((tmp_path / "simple").as_uri(), find_links=(str(tmp_path / "no"), (tmp_path / "no.html").as_uri()))
    assert index.files("my-demo", "1.0") == ()


def test_a_file_index_and_a_local_page(tmp_path: Path) -> None:
    wheel = make_file(tmp_path / "files", WHEEL)
    page = tmp_path / "simple" / "my-demo" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(f'<a href="../../files/{WHEEL}">x</a><a href="../../files/{SDIST}#sha256={"0" * 64}">y</a>')
    listed = IndexFile(filename=SDIST, url=(tmp_path / "files" / SDIST).as_uri(), sha256="0" * 64)
    assert index_of((tmp_path / "simple").as_uri()).files("my-demo", "1.0") == (wheel, listed)
    assert index_of(find_links=(str(page),)).files("my-demo", "1.0") == (wheel, listed)


def test_a_local_page_with_paths_that_no_file_can_have(tmp_path: Path) -> None:
    (tmp_path / "p.html").write_text(f'<a href="file:///tmp/%00/{WHEEL}">x</a>')
    listed = IndexFile(filename=WHEEL, url=f"file:///tmp/%00/{WHEEL}")
    assert index_of(find_links=(str(tmp_path / "p.html"),)).files("my-demo", "1.0") == (listed,)


JSON = {"Content-Type": JSON_TYPE}


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (gzip.compress(b'{"files": []}')[:-12], {**JSON, "Content-Encoding": "gzip"}),
        (b"[" * 200_000, JSON),
        (b'<a href="x-1.0-py3-none-any.whl">x</a>', {"Content-Type": "text/html; charset=nope"}),
    ],
    ids=["cut short", "deep", "charset"],
)
def test_a_page_that_cannot_be_read_is_the_fault_of_its_index(content: bytes, headers: dict[str, str]) -> None:
    with served(content, headers) as url, pytest.raises(UnavailableError) as raised:
        index_of(url).files("x", "1.0")
    assert raised.value.what == f"the index {url} can't be asked"
    assert raised.value.remedy == "Check that the URL is a simple index (PEP 503 or PEP 691)."


def test_a_server_names_no_files_of_this_machine(tmp_path: Path) -> None:
    secret = make_file(tmp_path, WHEEL)
    urls = [secret.url, "file:///tmp/%00x", f"FILE://{tmp_path}/{WHEEL}"]
    page = json.dumps({"files": [{"filename": WHEEL, "url": url} for url in urls]}).encode()
    with served(page, JSON) as url:
        assert index_of(url).files("my-demo", "1.0") == ()
    with served(f'<a href="{secret.url}">x</a>'.encode(), {"Content-Type": "text/html"}) as url:
        assert index_of(url).files("my-demo", "1.0") == ()


def test_equal_files_are_listed_once_and_others_of_the_same_name_too(tmp_path: Path) -> None:
    first = make_file(tmp_path / "a", WHEEL)
    make_file(tmp_path / "b", WHEEL)
    other = make_file(tmp_path / "c", WHEEL, b"other")
    links = tuple(str(tmp_path / name) for name in "abc")
    assert index_of(find_links=links).files("my-demo", "1.0") == (first, other)


def test_a_failed_place_matters_only_while_a_wanted_hash_is_missing(tmp_path: Path) -> None:
    wheel = make_file(tmp_path, WHEEL)
    assert wheel.sha256
    index = Index(IndexConfig(index_urls=("http://me:secret@index.invalid/simple/",), find_links=(str(tmp_path),)))
    assert index.files("my-demo", "1.0", wanted=(wheel.sha256,)) == (wheel,)
    with pytest.raises(UnavailableError) as raised:
        index.files("my-demo", "1.0", wanted=(wheel.sha256, "0" * 64))
    assert str(raised.value) == (
        "the index http://***@index.invalid/simple/ can't be asked: it is reached by plain http and "
        "its host is not trusted\n  Use https, or name the host under pip's trusted-host."
    )


def test_many_pins_at_once(tmp_path: Path) -> None:
    wheel = make_file(tmp_path, WHEEL)
    index = index_of(find_links=(str(tmp_path),))
    assert index.files_of([("my-demo", "1.0"), ("absent", "1.0"), ("my-demo", "1.0")]) == {
        ("my-demo", "1.0"): (wheel,),
        ("absent", "1.0"): (),
    }


def test_one_unreachable_index_is_one_error_for_many_pins() -> None:
    index = index_of("http://index.invalid/simple/")
    with pytest.raises(UnavailableError, match=r"^the index http://index\.invalid/simple/ can't be asked: "):
        index.files_of([("a", "1.0"), ("b", "1.0")])


def test_offline_only_local_places_are_looked_at(tmp_path: Path) -> None:
    wheel = make_file(tmp_path, WHEEL)
    assert wheel.sha256
    config = IndexConfig(index_urls=("https://index.invalid/simple",), find_links=(str(tmp_path),), offline=True)
    index = Index(config)
    assert index.is_offline
    assert index.files("my-demo", "1.0", wanted=(wheel.sha256,)) == (wheel,)
    with pytest.raises(UnavailableError) as raised:
        index.files_of([("my-demo", "1.0"), ("more", "2.0")])
    assert str(raised.value) == (
        "which files there are of my-demo 1.0, more 2.0 isn't known: no index may be asked with --offline, and no "
        "answer is remembered that says it\n  Run it without --offline."
    )
