"""An index made of local places: folders, pages and file: indexes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from lockproof.errors import UnavailableError
from lockproof.indexes.index import Index
from lockproof.indexes.pipconfig import IndexConfig
from lockproof.indexes.simpleapi import IndexFile

if TYPE_CHECKING:
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
