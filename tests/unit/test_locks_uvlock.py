"""uv.lock: entries and their lines, members, and what a folder's target has of extras and groups."""

from __future__ import annotations

import tomllib

import pytest

from lockproof.errors import LockError
from lockproof.locks.uvlock import Target, default_groups, groups_requiring, parse_uv_lock

HEAD = """version = 1
revision = 3
requires-python = ">=3.11"
"""
DEMO = """
[[package]]
name = "demo"
version = "1.0"
source = { registry = "https://index.invalid/simple" }
"""
ONE = """
[[package]]
name = "one"
version = "0"
source = { editable = "." }

[package.optional-dependencies]
fast = [{ name = "demo" }]

[package.dev-dependencies]
dev = [{ name = "demo" }]

[package.metadata]
requires-dist = [{ name = "demo", marker = "extra == 'fast'" }]
provides-extras = ["fast", "nothing"]

[package.metadata.requires-dev]
dev = [{ name = "demo" }]
empty = []
"""
MEMBER = """
[[package]]
name = "member"
source = { virtual = "packages/member" }

[package.metadata.requires-dev]
check = [{ name = "demo" }]
"""


def test_entries_have_their_lines_and_sources() -> None:
    git = '\n[[package]]\nname = "far"\nversion = "2"\nsource = { git = "https://git.invalid/far?rev=1#2" }\n'
    lock = parse_uv_lock("\ufeff" + HEAD + DEMO + ONE + git, "uv.lock")

    assert [(entry.name, entry.version, entry.line, entry.source, entry.at) for entry in lock.entries] == [
        ("demo", "1.0", 5, "registry", "https://index.invalid/simple"),
        ("one", "0", 10, "editable", "."),
        ("far", "2", 29, "git", "https://git.invalid/far?rev=1#2"),
    ]
    assert (lock.path, lock.folders, lock.root_groups) == ("uv.lock", (".",), ())


def test_a_project_has_its_own_names_wherever_it_is_asked_from() -> None:
    lock = parse_uv_lock(HEAD + DEMO + ONE, "uv.lock")
    expected = Target(
        package="", folder=".", extras=("fast", "nothing"), groups=("dev", "empty"), own_groups=("dev", "empty")
    )

    assert [lock.target(asked) for asked in (".", "src/deep", "packages/member")] == [expected] * 3


def test_a_member_also_has_the_groups_of_the_root() -> None:
    lock = parse_uv_lock(HEAD + '\n[manifest]\nmembers = ["member", "one"]\n' + DEMO + MEMBER + ONE, "uv.lock")
    member = Target(
        package="member", folder="packages/member", extras=(), groups=("check", "dev", "empty"), own_groups=("check",)
    )

    assert lock.folders == (".", "packages/member")
    assert [lock.target(asked).package for asked in (".", "packages", "packages/other")] == [""] * 3
    assert [lock.target(asked) for asked in ("packages/member", "packages/member/a/b")] == [member] * 2


def test_a_root_that_is_no_project_has_the_names_of_all_members() -> None:
    manifest = '\n[manifest]\nmembers = ["member", "one"]\n\n[manifest.dependency-groups]\ndocs = []\n'
    lock = parse_uv_lock(HEAD + manifest + MEMBER + ONE.replace('"."', '"packages/one"'), "uv.lock")

    groups = ("check", "dev", "docs", "empty")
    assert lock.target(".") == Target(
        package="", folder=".", extras=("fast", "nothing"), groups=groups, own_groups=groups
    )
    assert lock.target("packages/member").groups == ("check", "docs")


def test_an_editable_that_is_no_member_is_no_target() -> None:
    lock = parse_uv_lock(HEAD + DEMO + ONE + MEMBER, "uv.lock")

    assert (lock.folders, lock.target("packages/member").package) == ((".",), "")


@pytest.mark.parametrize(
    ("said", "own", "found"),
    [
        ("", ("dev", "test"), ("dev",)),
        ("", ("test",), ()),
        ("[tool.uv]\ndefault-groups = []", ("dev",), ()),
        ("[tool.uv]\ndefault-groups = ['Te_st', 'docs']", ("dev",), ("te-st", "docs")),
        ("[tool.uv]\ndefault-groups = 'all'", ("dev", "test"), ("dev", "test")),
        ("[tool]\nuv = 3", ("dev",), ("dev",)),
    ],
)
def test_default_groups_are_those_of_a_plain_sync(said: str, own: tuple[str, ...], found: tuple[str, ...]) -> None:
    target = Target(package="", folder=".", extras=(), groups=(*own, "root-only"), own_groups=own)

    assert default_groups(tomllib.loads(said), target) == found


def test_groups_can_require_other_pythons() -> None:
    text = "[tool.uv.dependency-groups]\nLate_One = {requires-python = '>=3.12'}\nodd = {}\nother = 3\n"

    assert groups_requiring(tomllib.loads(text)) == {"late-one": ">=3.12"}
    assert groups_requiring({}) == {}


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("version = 2\n", "uv.lock", "version 2 of uv.lock is not known"),
        ("", "uv.lock", "version None of uv.lock is not known"),
        ("version = \n", "uv.lock:1:11", "this is not TOML"),
        (HEAD + ONE.replace("[package.metadata]", "oops ="), "uv.lock:5", "this is not TOML"),
    ],
)
def test_what_is_no_uv_lock_is_an_error(text: str, where: str, what: str) -> None:
    with pytest.raises(LockError) as caught:
        parse_uv_lock(text, "uv.lock").target(".")

    assert (caught.value.where, caught.value.what) == (where, what)
    assert caught.value.remedy
