"""Pipfile.lock: categories as groups, what pipenv would install last, and every refusal with its place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

import pytest

from lockproof.errors import LockError, ProblemsError
from lockproof.locks.matching import to_pylock
from lockproof.locks.pipenv import read_pipfile
from lockproof.locks.plan import plan_cells
from support.lockdata import DATA, FOLDER, cell, hex_of, listed

if TYPE_CHECKING:
    from lockproof.locks import Lock
    from lockproof.locks.requirements import RequirementsFile

Entry: TypeAlias = "dict[str, str | bool | list[str]]"
META = {"pipfile-spec": 6, "requires": {}, "sources": []}


def pin(name: str, version: str = "1.0", **more: str | bool | list[str]) -> dict[str, Entry]:
    """One entry with the hash of its wheel."""
    return {name: {"hashes": [f"sha256:{hex_of(wheel(name, version))}"], "version": f"=={version}", **more}}


def wheel(name: str, version: str = "1.0") -> str:
    """The name of the one wheel of a version."""
    return f"{name}-{version}-py3-none-any.whl"


def text(meta: object = META, **categories: dict[str, Entry]) -> str:
    """A Pipfile.lock as pipenv writes it."""
    return json.dumps({"_meta": meta, **categories}, indent=4)


def complete(pins: RequirementsFile) -> Lock:
    """The lock, out of an index that has a wheel for each pin."""
    files = {(found.name, found.version): [listed(wheel(found.name, found.version))] for found in pins.pins}
    return to_pylock(pins, files, sha256="0" * 64, folder=FOLDER)


def planned(
    locked: str, python: str = "3.12.1", platform: str = "linux-x86_64", groups: tuple[str, ...] | None = None
) -> list[str]:
    """What a cell gets, as name==version."""
    (plan,) = plan_cells(complete(read_pipfile(locked, "Pipfile.lock")), [cell(python, platform, groups=groups)])
    return [f"{file.name}=={file.version}" for file in plan.artifacts]


def told(locked: str) -> tuple[str, str]:
    """Where and what is wrong."""
    with pytest.raises(LockError) as caught:
        read_pipfile(locked, "Pipfile.lock")
    return caught.value.where, f"{caught.value.what}: {caught.value.why}"


def test_a_real_lock_is_read_with_the_line_of_each_entry() -> None:
    lock = read_pipfile((DATA / "Pipfile.lock").read_text(), "Pipfile.lock")

    assert (lock.kind, lock.groups, lock.default_groups, lock.refused) == ("pipenv", ("develop",), (), ())
    lines = (DATA / "Pipfile.lock").read_text().splitlines()
    assert all(f'"{found.name}": {{' in lines[found.line - 1] for found in lock.pins)
    assert lock.options.extra_index_urls == ("https://index.invalid/simple",)


def test_the_default_category_is_always_taken_and_the_others_are_groups() -> None:
    locked = text(default=pin("a"), develop=pin("b") | pin("a"), docs=pin("c", markers="os_name == 'nt'"))

    assert planned(locked) == planned(locked, groups=()) == ["a==1.0"]
    assert planned(locked, groups=("develop",)) == ["a==1.0", "b==1.0"]
    assert planned(locked, groups=("docs",)) == ["a==1.0"]
    assert planned(locked, platform="windows-x86_64", groups=("docs",)) == ["a==1.0", "c==1.0"]


def test_the_version_of_a_later_category_replaces_that_of_an_earlier_one() -> None:
    locked = text(
        default=pin("a", markers="python_version >= '3.9'"),
        develop=pin(
            "a", "2.0", markers="('dev' in dependency_groups) and (python_version >= '3.12' or os_name == 'nt')"
        ),
    )

    assert planned(locked) == ["a==1.0"]
    assert planned(locked, groups=("develop",)) == ["a==2.0"]
    assert planned(locked, python="3.11.7", groups=("develop",)) == ["a==1.0"]
    assert planned(locked, python="3.11.7", platform="windows-x86_64", groups=("develop",)) == ["a==2.0"]


def test_a_clash_that_cannot_be_decided_is_told_with_both_places() -> None:
    locked = text(default=pin("a"), develop=pin("a", "2.0", markers="python_version ~= '3.8'"))

    with pytest.raises(LockError, match="a is locked twice") as caught:
        planned(locked, groups=("develop",))
    assert (caught.value.where, caught.value.why) == ("Pipfile.lock:16", "the entry at Pipfile.lock:8 applies too")


def test_the_keys_of_a_pipfile_are_markers_too() -> None:
    locked = text(default=pin("a", sys_platform="== 'win32'", markers="python_version >= '3'"))

    assert planned(locked) == []
    assert planned(locked, platform="windows-x86_64") == ["a==1.0"]


@pytest.mark.parametrize(
    ("requires", "specifiers"),
    [
        ({"python_version": "3.12"}, "==3.12.*"),
        ({"python_version": "3.12", "python_full_version": "3.12.1"}, "==3.12.1"),
        ({"python_version": ">=3.8"}, ">=3.8"),
        ({"python_version": "*"}, None),
        ({}, None),
    ],
)
def test_the_pythons_of_the_pipfile_are_those_of_the_lock(requires: dict[str, str], specifiers: str | None) -> None:
    lock = read_pipfile(text({**META, "requires": requires}), "Pipfile.lock")

    assert (None if lock.requires_python is None else str(lock.requires_python)) == specifiers


def test_sources_are_asked_after_the_configured_index_with_their_variables_filled_in() -> None:
    urls = [
        "https://${USER}:$TOKEN@own.invalid/simple",
        "https://${NONE}@other.invalid/simple",
        "https://third.invalid",
    ]
    sources = [{"url": url, "verify_ssl": url != urls[0]} for url in urls]
    lock = read_pipfile(text({**META, "sources": sources}), "Pipfile.lock", environ={"USER": "me", "TOKEN": "secret"})

    assert lock.options.extra_index_urls == ("https://me:secret@own.invalid/simple", "https://third.invalid")
    assert lock.options.trusted_hosts == ("own.invalid",)
    assert "secret" not in repr(lock)


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ({"git": "https://code.invalid/a", "ref": "0"}, "a is locked as `git` for"),
        ({"path": "./lib", "editable": True}, "a is locked as `path` for"),
        ({"file": "https://x.invalid/a.whl"}, "a is locked as `file` for"),
        ({"version": "==1.0", "hashes": ["sha256:" + "0" * 64], "no_binary": True}, "a is locked as `no_binary` for"),
        ({"version": "*"}, "a is not pinned with == for"),
        ({"version": ">=1.0"}, "a is not pinned with == for"),
        ({"version": "==1.*"}, "a is not pinned with == for"),
        ({"version": "==1.0"}, "a has no sha256 for"),
        ({"version": "==1.0", "hashes": ["md5:0"]}, "a has no sha256 for"),
    ],
)
def test_what_is_no_file_is_an_error_of_the_cells_that_select_it(entry: Entry, what: str) -> None:
    docs: dict[str, Entry] = {"a": {**entry, "markers": "sys_platform == 'linux'"}}
    locked = text(default=pin("b"), docs=docs)

    assert planned(locked) == planned(locked, platform="windows-x86_64", groups=("docs",)) == ["b==1.0"]
    with pytest.raises(LockError, match=what.replace("*", r"\*")) as caught:
        planned(locked, groups=("docs",))
    assert (caught.value.where, bool(caught.value.remedy)) == ("Pipfile.lock:16", True)


def test_the_project_itself_is_left_out() -> None:
    example: dict[str, Entry] = {"example": {"path": ".", "editable": True}}

    assert planned(text(default=example | pin("a"))) == ["a==1.0"]


@pytest.mark.parametrize(
    ("locked", "where", "what"),
    [
        ("{", "Pipfile.lock:1:2", "this is not JSON"),
        ("[]", "Pipfile.lock", "the lock is not an object"),
        ('{"_meta": {}, "_meta": {}}', "Pipfile.lock", "_meta stands twice in one object"),
        (f'{{"_meta": {"[" * 200_000}', "Pipfile.lock", "this JSON can't be read"),
        (f'{{"_meta": {"1" * 5000}}}', "Pipfile.lock", "this JSON can't be read"),
        (text({"pipfile-spec": 5}), "Pipfile.lock", "pipfile-spec is 5: this version reads 6"),
        (
            '{"_meta": {"pipfile-spec": 6}, "default": {"a": "*"}}',
            "Pipfile.lock:1",
            "the entry of 'a' is not an object",
        ),
        ('{"_meta": {"pipfile-spec": 6}, "d\'x": {}}', "Pipfile.lock", "is not a name"),
        (text(default=pin("a b")), "Pipfile.lock:8", "'a b' is not a name"),
        (text(default=pin("a", "x")), "Pipfile.lock:8", "`version` can't be read"),
        (text(default=pin("a", markers="x")), "Pipfile.lock:8", "a marker can't be read"),
        (text(default=pin("a", hashes=["sha256:0"])), "Pipfile.lock:8", "a has a hash that is no sha256"),
        (text(default=pin("a-b") | pin("A_b")), "Pipfile.lock:14", "a-b is locked twice: Pipfile.lock:8 has it too"),
    ],
)
def test_what_cannot_be_meant_is_refused(locked: str, where: str, what: str) -> None:
    place, words = told(locked)

    assert place == where
    assert what in words


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ProblemsError) as caught:
        read_pipfile(text(default=pin("a", "x"), develop=pin("b", "x")), "Pipfile.lock")

    assert [problem.where for problem in caught.value.problems] == ["Pipfile.lock:8", "Pipfile.lock:16"]
