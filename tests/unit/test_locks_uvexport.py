"""Exports of a uv.lock to one lock: hashes held against the entries, selections as markers, refusals."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from lockproof.errors import LockError, ProblemsError
from lockproof.locks import Selection
from lockproof.locks.plan import plan_cells
from lockproof.locks.uvexport import Export, Names, lock_of_exports
from lockproof.locks.uvlock import parse_uv_lock
from support.lockdata import FOLDER, cell, hex_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lockproof.cells.matrix import Cell
    from lockproof.locks import Lock

NAMES = Names(extras=("fast",), groups=("dev", "docs"), default_groups=("dev",))
PLAIN = Selection(extras=frozenset(), groups=frozenset({"dev"}))
BARE = Selection(extras=frozenset(), groups=frozenset())
FAST = Selection(extras=frozenset({"fast"}), groups=frozenset({"dev"}))


def locked(*packages: tuple[str, str, str]) -> str:
    """A uv.lock of (name, version, source), each with one wheel."""
    entries = [
        f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ {source} }}\n'
        f'wheels = [\n    {{ url = "x", hash = "sha256:{hex_of(name + version)}" }},\n]\n'
        for name, version, source in packages
    ]
    return "version = 1\n\n" + "\n".join(entries)


def wheel(name: str, version: str, sha256: str | None = None) -> dict[str, object]:
    url = f"https://files.index.invalid/{name}-{version}-py3-none-any.whl"
    return {"url": url, "hashes": {"sha256": sha256 or hex_of(name + version)}}


def package(name: str, version: str, **more: object) -> dict[str, object]:
    return {"name": name, "version": version, "wheels": [wheel(name, version)], **more}


def merged(text: str, exports: Mapping[Selection, Sequence[Mapping[str, object]]]) -> Lock:
    documents = [
        Export(selection=selection, document={"requires-python": ">=3.11", "packages": packages})
        for selection, packages in exports.items()
    ]
    return lock_of_exports(parse_uv_lock(text, "uv.lock"), documents, NAMES, sha256="0" * 64, folder=FOLDER)


def planned(lock: Lock, *cells: Cell) -> list[list[str]]:
    return [[f"{one.name} {one.version}" for one in plan.artifacts] for plan in plan_cells(lock, cells)]


REGISTRY = 'registry = "https://index.invalid/simple"'
TEXT = locked(("a", "1", REGISTRY), ("a", "2", REGISTRY), ("b", "1", REGISTRY))


def test_one_export_is_a_lock_with_the_places_of_its_entries() -> None:
    packages = [package("a", "2", marker="python_version >= '3.12'"), package("b", "1")]
    lock = merged(TEXT, {PLAIN: packages})

    assert (lock.kind, lock.path, lock.places) == ("uv", "uv.lock", ("uv.lock:11", "uv.lock:19"))
    assert (lock.pylock.extras, lock.pylock.dependency_groups, lock.pylock.default_groups) == (
        ["fast"],
        ["dev", "docs"],
        ["dev"],
    )
    assert [str(found.marker) for found in lock.pylock.packages] == ['python_version >= "3.12"', "None"]
    assert str(lock.pylock.requires_python) == ">=3.11"
    assert planned(lock, cell(), cell("3.11.7", groups=("dev",))) == [["a 2", "b 1"], ["b 1"]]


def test_several_exports_answer_for_their_selections() -> None:
    shared = package("b", "1")
    lock = merged(
        TEXT,
        {
            PLAIN: [package("a", "1", marker="python_version < '3.12'"), shared],
            BARE: [shared],
            FAST: [package("a", "2"), shared],
        },
    )

    assert [str(found.marker) for found in lock.pylock.packages] == [
        'python_version < "3.12" and ("dev" in dependency_groups and "fast" not in extras)',
        "None",
        '"dev" in dependency_groups and "fast" in extras',
    ]
    cells = [cell("3.11.7"), cell(), cell(groups=()), cell(extras=("Fast",)), cell(extras=("fast",), groups=("DEV",))]
    assert planned(lock, *cells) == [["a 1", "b 1"], ["b 1"], ["b 1"], ["a 2", "b 1"], ["a 2", "b 1"]]


def test_markers_have_only_the_names_that_tell_selections_apart() -> None:
    many = Selection(extras=frozenset({"fast"}), groups=frozenset({"dev", "docs"}))
    lock = merged(TEXT, {PLAIN: [package("a", "1")], many: [package("a", "2")]})

    assert [str(found.marker) for found in lock.pylock.packages] == [
        '"docs" not in dependency_groups',
        '"docs" in dependency_groups',
    ]


def test_a_selection_that_was_not_exported_is_refused() -> None:
    lock = merged(TEXT, {PLAIN: [package("b", "1")]})
    with pytest.raises(LockError, match="the lock was read for other extras and groups"):
        plan_cells(lock, [cell(groups=("docs",))])


def test_files_need_a_hash_that_stands_in_their_own_entry() -> None:
    bare = {**wheel("b", "1"), "hashes": {}}
    packages = [
        {**package("a", "1"), "wheels": [wheel("a", "1"), wheel("a", "1", "f" * 64)]},
        {**package("a", "2"), "sdist": {"name": "a-2.tar.gz", "path": "a-2.tar.gz", "hashes": {"sha512": "0"}}},
        {**package("b", "1"), "wheels": [bare]},
        {**package("c", "1")},
    ]
    with pytest.raises(ProblemsError) as caught:
        merged(TEXT, {PLAIN: packages})

    assert [str(problem).split(":\n")[0].splitlines()[0] for problem in caught.value.problems] == [
        "uv.lock:3: a: a-1-py3-none-any.whl has no sha256 in the lock: without one any file could take its place",
        "uv.lock:11: a: a-2.tar.gz has no sha256 in the lock: without one any file could take its place",
        "uv.lock:19: b: b-1-py3-none-any.whl has no sha256 in the lock: without one any file could take its place",
        "uv.lock: c is exported by uv, and is not in the lock",
    ]


def test_entries_of_one_version_are_told_apart_by_their_files() -> None:
    other = 'registry = "https://other.invalid/simple"'
    text = locked(("a", "1", other), ("a", "1", REGISTRY)).replace(hex_of("a1"), "e" * 64, 1)
    lock = merged(text, {PLAIN: [package("a", "1")]})

    assert lock.places == ("uv.lock:11",)


def test_wheels_and_sdists_by_url_and_path_are_files() -> None:
    hashes = {"sha256": hex_of("a1")}
    packages = [
        {"name": "a", "version": "1", "archive": {"path": "../w/a-1-py3-none-any.whl", "hashes": hashes}},
        {
            "name": "b",
            "version": "1",
            "archive": {"url": "https://x.invalid/b-1.tar.gz#x", "hashes": {"sha256": hex_of("b1")}},
        },
    ]
    lock = merged(locked(("a", "1", 'path = "../w"'), ("b", "1", 'url = "x"')), {PLAIN: packages})
    (one,), sdist = lock.pylock.packages[0].wheels or (), lock.pylock.packages[1].sdist

    assert (one.filename, one.path, one.hashes) == ("a-1-py3-none-any.whl", "../w/a-1-py3-none-any.whl", hashes)
    assert sdist is not None
    assert (sdist.filename, lock.refusals) == ("b-1.tar.gz", {})


@pytest.mark.parametrize(
    ("source", "found", "told"),
    [
        ('git = "https://git.invalid/a#1"', {"vcs": {"type": "git", "commit-id": "1"}}, "a git checkout"),
        ('directory = "../a"', {"directory": {"path": "../a"}}, "a folder"),
        ('editable = "../a"', {"directory": {"path": "../a", "editable": True}}, "an editable folder"),
        ('url = "x"', {"archive": {"url": "https://x.invalid/main.zip", "hashes": {"sha256": "0" * 64}}}, "a URL"),
        (
            'url = "x", subdirectory = "s"',
            {"archive": {"url": "https://x.invalid/a-1.zip", "hashes": {"sha256": "0" * 64}, "subdirectory": "s"}},
            "a URL",
        ),
        ('path = "a.zip"', {"archive": {"path": "a-1.zip", "hashes": {}}}, "a path"),
    ],
)
def test_what_is_no_file_is_refused_for_the_cells_that_select_it(
    source: str, found: Mapping[str, object], told: str
) -> None:
    packages = [{"name": "a", "version": "1", "marker": "sys_platform == 'win32'", **found}, package("b", "1")]
    lock = merged(locked(("a", "1", source), ("b", "1", REGISTRY)), {PLAIN: packages})

    assert planned(lock, cell()) == [["b 1"]]
    with pytest.raises(LockError) as caught:
        plan_cells(lock, [cell(platform="windows-x86_64")])
    assert caught.value.what == f"a 1 is locked from {told} for 3.12.1-windows-x86_64"
    assert (caught.value.where, bool(caught.value.why)) == ("uv.lock:3", True)
    assert caught.value.remedy.startswith("Build a wheel of it once")


def test_an_export_that_breaks_the_standard_is_an_error() -> None:
    document = tomllib.loads('environments = ["nonsense"]')
    with pytest.raises(LockError) as caught:
        lock_of_exports(
            parse_uv_lock(TEXT, "uv.lock"),
            [Export(selection=PLAIN, document={**document, "packages": []})],
            NAMES,
            sha256="0" * 64,
            folder=FOLDER,
        )

    assert caught.value.what.startswith("what uv exports breaks PEP 751")
