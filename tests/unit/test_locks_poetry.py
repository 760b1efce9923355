"""poetry.lock: groups, extras and markers as poetry means them, and every refusal with its place."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from lockproof.errors import LockError, ProblemsError
from lockproof.locks.plan import plan_cells
from lockproof.locks.poetry import read_poetry
from support.lockdata import DATA, FOLDER, cell, hex_of

if TYPE_CHECKING:
    from lockproof.locks import Lock

PROJECT = """
[project]
name = "example"
[tool.poetry.group.docs]
optional = true
"""
METADATA = '[metadata]\nlock-version = "2.1"\npython-versions = ">=3.8"\n'


def package(name: str, *more: str, groups: str = '["main"]', files: str | None = None) -> str:
    """A [[package]] with one wheel; `more` are further lines."""
    wheel = f"{name}-1.0-py3-none-any.whl"
    rows = f'[{{file = "{wheel}", hash = "sha256:{hex_of(wheel)}"}}]' if files is None else files
    lines = [f'name = "{name}"', 'version = "1.0"', "optional = false", f"groups = {groups}", f"files = {rows}", *more]
    return "\n".join(("[[package]]", *lines, ""))


def read(*packages: str, tail: str = METADATA, project: str | None = PROJECT) -> Lock:
    """The lock of some packages, in a project with the optional group docs."""
    return read_poetry("".join(packages) + tail, "poetry.lock", folder=FOLDER, project=project)


def markers(lock: Lock) -> dict[str, str]:
    """The marker of each package."""
    return {package.name: str(package.marker or "") for package in lock.pylock.packages}


def told(*packages: str, tail: str = METADATA, project: str | None = PROJECT) -> tuple[str, str]:
    """Where and what is wrong."""
    with pytest.raises(LockError) as caught:
        read(*packages, tail=tail, project=project)
    return caught.value.where, f"{caught.value.what}: {caught.value.why}"


def test_a_real_lock_is_read_with_the_line_of_each_package() -> None:
    lock = read_poetry((DATA / "poetry.lock").read_text(), "poetry.lock", folder=FOLDER, project=PROJECT)

    assert lock.places == tuple(f"poetry.lock:{line}" for line in (3, 21, 34, 50, 74, 87))
    assert [str(found.name) for found in lock.pylock.packages] == [
        *("cffi", "colorama", "poetry-core", "pytest", "typing-extensions", "virtualenv")
    ]
    assert markers(lock)["colorama"] == (
        'os_name == "nt" or ("github-actions" in dependency_groups and sys_platform == "win32")'
        ' or ("test" in dependency_groups and sys_platform == "win32")'
    )
    assert lock.pylock.dependency_groups == ["dev", "docs", "github-actions", "test", "typing"]
    assert str(lock.pylock.requires_python) == "<4.0,>=3.10"


def test_groups_are_markers_and_those_that_are_not_optional_are_the_default() -> None:
    lock = read(
        package("a"),
        package("b", groups='["test"]'),
        package("c", groups='["Docs", "test"]'),
        package("d", "markers = {test = \"os_name == 'nt'\"}", groups='["main", "test"]'),
        package("e", "markers = {main = \"os_name == 'nt'\"}", groups='["main", "test"]'),
    )

    assert (lock.pylock.dependency_groups, lock.pylock.default_groups) == (["docs", "test"], ["test"])
    assert markers(lock) == {
        "a": "",
        "b": '"test" in dependency_groups',
        "c": '"docs" in dependency_groups or "test" in dependency_groups',
        "d": "",
        "e": 'os_name == "nt" or "test" in dependency_groups',
    }


def test_extras_are_asked_in_the_words_of_pep_751() -> None:
    lock = read(
        package("a", 'markers = \'python_version < "3.12" and (extra == "io" or extra != "x")\''),
        tail=f'[extras]\nio = ["a"]\nX = []\n{METADATA}',
    )

    assert lock.pylock.extras == ["io", "x"]
    assert markers(lock) == {"a": 'python_version < "3.12" and ("io" in extras or "x" not in extras)'}


@pytest.mark.parametrize(
    ("constraint", "specifiers"),
    [
        ("*", None),
        ("^3.8", "<4,>=3.8"),
        ("^0.2.3", "<0.3,>=0.2.3"),
        ("~3.9", "<3.10,>=3.9"),
        ("~3", "<4,>=3"),
        ("~=3.9", "~=3.9"),
        ("3.11.*", "==3.11.*"),
        ("3.11", "==3.11"),
        (">=3.8 <4.0", "<4.0,>=3.8"),
        (">=3.8,<4.0,", "<4.0,>=3.8"),
        ("!=3.9.*,>=3.8", "!=3.9.*,>=3.8"),
    ],
)
def test_constraints_of_poetry_become_specifiers(constraint: str, specifiers: str | None) -> None:
    lock = read(tail=METADATA.replace(">=3.8", constraint))

    assert (None if lock.pylock.requires_python is None else str(lock.pylock.requires_python)) == specifiers


def test_alternatives_become_environments() -> None:
    lock = read(tail=METADATA.replace(">=3.8", "^3.8 || 2.7.*"))

    assert lock.pylock.requires_python is None
    assert list(map(str, lock.pylock.environments or ())) == [
        'python_full_version < "4" and python_full_version >= "3.8"',
        'python_full_version == "2.7.*"',
    ]


def test_a_checkout_is_an_error_of_the_cells_that_select_it() -> None:
    source = '[package.source]\ntype = "git"\nurl = "https://code.invalid/b"\n'
    lock = read(package("a"), package("b", source, groups='["docs"]', files="[]"))

    assert [file.filename for plan in plan_cells(lock, [cell()]) for file in plan.artifacts] == [
        "a-1.0-py3-none-any.whl"
    ]
    with pytest.raises(LockError, match="b is locked as `git` for") as caught:
        plan_cells(lock, [cell(groups=("docs",))])
    assert (caught.value.where, caught.value.why) == ("poetry.lock:7", "a checkout has no sha256 to prove")


def test_a_wheel_at_a_url_or_a_path_is_a_file() -> None:
    sources = (
        'type = "url"\nurl = "https://files.index.invalid/a-1.0-py3-none-any.whl"',
        'type = "file"\nurl = "w/b-1.0-py3-none-any.whl"',
    )
    lock = read(*(package(name, f"[package.source]\n{source}") for name, source in zip("ab", sources, strict=True)))
    (plan,) = plan_cells(lock, [cell()])

    assert [file.urls for file in plan.artifacts] == [
        ("https://files.index.invalid/a-1.0-py3-none-any.whl",),
        ("file:///locks/w/b-1.0-py3-none-any.whl",),
    ]


def test_other_indexes_of_the_lock_are_asked_too() -> None:
    source = '[package.source]\ntype = "legacy"\nurl = "https://own.invalid/simple"\nreference = "own"\n'
    lock = read(package("a", source), package("b", source))

    assert lock.options is not None
    assert lock.options.extra_index_urls == ("https://own.invalid/simple",)
    assert "own.invalid" not in repr(lock.options)


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        (package("a", groups="[]"), "poetry.lock:1", "the package is in no group"),
        (package("a", "markers = 'x'"), "poetry.lock:1", "a marker can't be read"),
        (package("a", 'markers = \'os_name == "x") or (os_name == "y"\''), "poetry.lock:1", "a marker can't be read"),
        (package("a", "python-versions = '?'"), "poetry.lock:1", "a requirement on Python can't be read"),
        (package("a", files='[{file = "a.whl", hash = "md5:0"}]'), "poetry.lock:1", "a.whl has no sha256"),
        (package("a", files='[{file = "../a.whl", hash = "md5:0"}]'), "poetry.lock:1", "is not a plain file name"),
        (package("a b"), "poetry.lock:1", "'a b' is not a name"),
        (package("a", groups="['x y']"), "poetry.lock:1", "'x y' is not a name"),
        ("[[package]]\n", "poetry.lock:1", "`name` can't be read: a text was expected, and nothing found"),
        ("package = 3\n", "poetry.lock", "`package` can't be read"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, where: str, what: str) -> None:
    place, words = told(text)

    assert place == where
    assert what in words


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ProblemsError) as caught:
        read(package("a", groups="[]"), package("b", groups="[]"))

    assert [problem.where for problem in caught.value.problems] == ["poetry.lock:1", "poetry.lock:7"]


@pytest.mark.parametrize(
    ("version", "what"),
    [
        ("2.0", "before 2.1 a poetry.lock doesn't say which groups"),
        ("3.0", "lock-version 3.0 is not known"),
        ("x", "`lock-version` can't be read"),
    ],
)
def test_other_versions_are_refused(version: str, what: str) -> None:
    assert what in told(tail=METADATA.replace("2.1", version))[1]


def test_notes_tell_a_newer_version_and_a_missing_project() -> None:
    lock = read(package("a", groups='["test"]'), tail=METADATA.replace("2.1", "2.2"), project=None)

    assert lock.pylock.default_groups == ["test"]
    assert lock.notes == (
        "poetry.lock: lock-version 2.2 is newer than 2.1, which is the one known here",
        "poetry.lock: no pyproject.toml beside it says which groups are optional; all of them are default",
    )


def test_a_note_tells_that_the_project_has_changed() -> None:
    project = '[project]\nname = "x"\ndependencies = ["a"]\n'
    content = {"project": {"dependencies": ["a"]}, "tool": {"poetry": {}}}
    fresh = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    assert read(tail=f'{METADATA}content-hash = "{fresh}"\n', project=project).notes == ()
    assert read(tail=f'{METADATA}content-hash = "{fresh}"\n', project=PROJECT).notes == (
        "poetry.lock: pyproject.toml has changed since it was made; run `poetry lock`",
    )


def test_a_broken_project_is_told_with_its_file() -> None:
    where, what = told(package("a"), tail=f'{METADATA}content-hash = "0"\n', project='project = ""\n')
    assert (where, what) == ("pyproject.toml", "`project` can't be read: a table was expected, and str found")


@pytest.mark.parametrize("wheel", ["other-1.0-py3-none-any.whl", "a-2.0-py3-none-any.whl"])
def test_a_file_of_something_else_is_refused(wheel: str) -> None:
    lock = read(package("a", files=f'[{{file = "{wheel}", hash = "sha256:{hex_of(wheel)}"}}]'))
    with pytest.raises(LockError) as caught:
        plan_cells(lock, [cell()])
    what = f"{wheel} can't be used for 3.12.1-linux-x86_64"
    assert (caught.value.where, caught.value.what, caught.value.why) == (
        "poetry.lock:1",
        what,
        "it is no file of a 1.0",
    )
