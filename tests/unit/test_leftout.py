"""What is left out of a fingerprint and checked another way: each kind of file, right, wrong, and worth a note."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lockproof.digests import sha256_hex
from lockproof.proof.fingerprint import Distribution, Finding, Fingerprint
from lockproof.pythons.layout import layout_for
from lockproof.reading.leftout import (
    held_to,
    installer_finding,
    is_patch,
    root_findings,
)
from lockproof.reading.reader import Tree, read_tree

if TYPE_CHECKING:
    from pathlib import Path

LAYOUT = layout_for("3.12.1", "linux")
SITE = LAYOUT.site
ONE, TWO = sha256_hex(b"1"), sha256_hex(b"2")
HERE = "site/x-1.0.dist-info/direct_url.json"


def tree(root: Path, files: dict[str, bytes]) -> Tree:
    for name, content in {"pyvenv.cfg": b"version = 3.12.1\n", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return read_tree(str(root))


def origin(**content: object) -> Finding | None:
    return installer_finding("direct_url.json", HERE, json.dumps({"url": "https://index.invalid/x.whl", **content}))


@pytest.mark.parametrize(
    "archive",
    [
        {"hashes": {"sha256": ONE}},
        {"hash": f"sha256={ONE}"},
        {"hash": f"sha256={ONE}", "hashes": {"sha256": ONE.upper(), "md5": "x"}},
    ],
)
def test_where_a_wheel_came_from_is_a_note_and_held_to_the_lock(archive: dict[str, object]) -> None:
    found = origin(archive_info=archive)
    assert found
    assert (found.code, found.path, found.level) == ("origin", HERE, "note")

    def locked(sha256: str | None, root: str = "site/x-1.0.dist-info/") -> Fingerprint:
        artifact = ("x-1.0-py3-none-any.whl", sha256) if sha256 else None
        dist = Distribution(name="x", version="1.0", files="", roots=(root,), artifact=artifact)
        return Fingerprint(layers={}, distributions=(dist,), files={})

    assert held_to(locked(ONE), found) == found
    assert held_to(locked(None), found) == found
    assert held_to(locked(TWO, "site/y-1.0.dist-info/"), found) == found
    other = held_to(locked(TWO), found)
    assert (other.code, other.path, other.level) == ("origin", HERE, "mismatch")
    assert ONE in other.message
    assert TWO in other.message


@pytest.mark.parametrize("archive", [{}, {"hashes": {"sha512": "x"}}, {"hash": "md5=0"}])
def test_an_origin_without_a_sha256_is_a_note(archive: dict[str, object]) -> None:
    found = origin(archive_info=archive)
    assert found
    assert found.level == "note"


@pytest.mark.parametrize(
    "content",
    [
        {"dir_info": {}},
        {"dir_info": {"editable": True}},
        {"vcs_info": {"vcs": "git", "commit_id": "1"}},
        {"archive_info": {}, "dir_info": {"editable": True}},
        {"archive_info": {}, "vcs_info": {}},
        {"archive_info": []},
        {"archive_info": {}, "url": 1},
        {"archive_info": {}, "url": "no url"},
        {"archive_info": {"hashes": {"sha256": "short"}}},
        {"archive_info": {"hashes": []}},
        {"archive_info": {"hash": "sha256"}},
        {"archive_info": {"hash": f"sha256={ONE}", "hashes": {"sha256": TWO}}},
        {},
    ],
)
def test_an_origin_that_is_no_wheel_s_or_makes_no_sense_is_a_mismatch(content: dict[str, object]) -> None:
    found = origin(**content)
    assert found
    assert (found.code, found.level) == ("origin", "mismatch")


@pytest.mark.parametrize(
    ("name", "text", "finding"),
    [
        ("INSTALLER", "pip\n", None),
        ("INSTALLER", "poetry 2.1.0", None),
        ("INSTALLER", "pip; import os", "mismatch"),
        ("REQUESTED", "", None),
        ("REQUESTED", "x", "mismatch"),
        ("RECORD", "anything", None),
        ("RECORD", None, None),
        ("INSTALLER", None, "mismatch"),
        ("uv_cache.json", "{}", "note"),
        ("uv_build.json", "[]", "mismatch"),
        ("direct_url.json", "[" * 100_000, "mismatch"),
        ("provenance_url.json", "{}", "mismatch"),
    ],
)
def test_files_of_installers(name: str, text: str | None, finding: str | None) -> None:
    found = installer_finding(name, f"site/x-1.0.dist-info/{name}", text)
    assert (found and found.level) == finding


def test_marks_in_the_root_are_small(tmp_path: Path) -> None:
    found = root_findings(tree(tmp_path, {".gitignore": b"*", ".lock": b"", "CACHEDIR.TAG": b"x" * 1025}))
    assert [(f.code, f.path, f.level) for f in found] == [("root-file", "data/CACHEDIR.TAG", "note")]


def test_only_virtualenv_s_own_patch_is_virtualenv_s(tmp_path: Path) -> None:
    text = b"import _virtualenv"
    for content, path, own in (
        (text, f"{SITE}/_virtualenv.pth", True),
        (text + b"\n", f"{SITE}/_virtualenv.pth", False),
        (text, f"{SITE}/other.pth", False),
        (text, f"{SITE}/pkg/_virtualenv.pth", False),
    ):
        assert is_patch(path, sha256_hex(content), LAYOUT) is own, (content, path)
