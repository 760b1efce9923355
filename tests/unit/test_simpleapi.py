"""What pages and file names say."""

from __future__ import annotations

import json

import pytest

from lockproof.indexes.simpleapi import IndexFile, files_of_html, files_of_json, is_file_of

PAGE = "https://index.invalid/simple/demo/"
HASH = "0123456789abcdef" * 4


def test_json_with_sizes_hashes_and_yanks() -> None:
    files = [
        {
            "filename": "demo-1.0.tar.gz",
            "url": "../../files/demo-1.0.tar.gz",
            "hashes": {"sha256": HASH.upper()},
        },
        {
            "filename": "demo-1.0-py3-none-any.whl",
            "url": "https://files.invalid/d.whl",
            "size": 7,
            "yanked": "bad",
        },
    ]
    content = json.dumps({"meta": {"api-version": "1.1"}, "name": "demo", "files": files}).encode()
    assert files_of_json(content, PAGE) == (
        IndexFile(filename="demo-1.0.tar.gz", url="https://index.invalid/files/demo-1.0.tar.gz", sha256=HASH),
        IndexFile(filename="demo-1.0-py3-none-any.whl", url="https://files.invalid/d.whl", size=7, yanked=True),
    )


@pytest.mark.parametrize("size", [True, -5, 3.5, "7", None])
def test_what_is_no_size_says_nothing(size: object) -> None:
    content = json.dumps({"files": [{"filename": "a.whl", "url": "a.whl", "size": size}]}).encode()
    assert [file.size for file in files_of_json(content, PAGE)] == [None]


@pytest.mark.parametrize("content", [b"[]", b"{}", b"no", b'{"files": [{"filename": "a"}]}', b'{"files": [1]}'])
def test_json_that_is_no_page(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        files_of_json(content, PAGE)


def test_html_with_hashes_base_and_yanks() -> None:
    content = f"""<!DOCTYPE html><base href="https://files.invalid/x/"><a href="/">up</a>
        <a href="demo-1.0%2Bcpu-py3-none-any.whl#sha256={HASH}" data-yanked="">w</a>
        <a href="demo-1.0.tar.gz#md5=aa">s</a> <a>nowhere</a>""".encode()
    assert files_of_html(content, "utf-8", PAGE) == (
        IndexFile(
            filename="demo-1.0+cpu-py3-none-any.whl",
            url="https://files.invalid/x/demo-1.0%2Bcpu-py3-none-any.whl",
            sha256=HASH,
            yanked=True,
        ),
        IndexFile(filename="demo-1.0.tar.gz", url="https://files.invalid/x/demo-1.0.tar.gz"),
    )


@pytest.mark.parametrize(
    ("filename", "version", "expected"),
    [
        ("my_demo-1.0-py3-none-any.whl", "1.0", True),
        ("My.Demo-1.0.0-1-py3-none-any.whl", "1.0", True),
        ("my-demo-1.0.tar.gz", "1.0", True),
        ("my_demo-1.0.post1.zip", "1.0.post1", True),
        ("my_demo-1.0+cpu-py3-none-any.whl", "1.0", False),
        ("my_demo-1.0-py3-none-any.whl", "1.0.1", False),
        ("my_demo_extra-1.0-py3-none-any.whl", "1.0", False),
        ("my_demo-extra-1.0.tar.gz", "1.0", False),
        ("my_demo-1.0.exe", "1.0", False),
        ("my_demo-1.0-py3.whl", "1.0", False),
        ("my_demo-1.0.tar.gz", "not a version", False),
        ("my_demo-dev.tar.gz", "1.0", False),
    ],
)
def test_is_file_of(filename: str, version: str, expected: bool) -> None:
    assert is_file_of(filename, "my-demo", version) is expected
