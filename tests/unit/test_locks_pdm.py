"""pdm.lock: what `pdm install` takes, with and without inherited metadata, and every refusal with its place."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from lockproof.errors import LockError, ProblemsError
from lockproof.locks.pdm import read_pdm
from lockproof.locks.plan import plan_cells
from support.lockdata import DATA, FOLDER, cell, hex_of

if TYPE_CHECKING:
    from lockproof.locks import Lock

PROJECT = """
[project]
name = "example"
dependencies = ["a[x]>=1", "w; sys_platform == 'win32'"]
[project.optional-dependencies]
io = ["b"]
all = ["example[io]", "c"]
[dependency-groups]
test = ["d", {include-group = "lint"}]
lint = ["e"]
"""
GROUPS = '["default", "io", "all", "test", "lint"]'


def package(name: str, *more: str, version: str = "1.0", files: str | None = None) -> str:
    """A [[package]] with one wheel; `more` are further lines."""
    wheel = f"{name}-{version}-py3-none-any.whl"
    rows = f'[{{file = "{wheel}", hash = "sha256:{hex_of(wheel)}"}}]' if files is None else files
    return "\n".join(("[[package]]", f'name = "{name}"', f'version = "{version}"', f"files = {rows}", *more, ""))


def head(
    strategy: str = '["inherit_metadata"]', targets: str = '[{requires_python = ">=3.8"}]', version: str = "4.5.1"
) -> str:
    """The five lines of [metadata]."""
    said = (f"groups = {GROUPS}", f"strategy = {strategy}", f'lock_version = "{version}"', f"targets = {targets}")
    return "\n".join(("[metadata]", *said, ""))


def read(*packages: str, metadata: str = "", project: str | None = PROJECT) -> Lock:
    """The lock of some packages."""
    return read_pdm((metadata or head()) + "".join(packages), "pdm.lock", folder=FOLDER, project=project)


def markers(lock: Lock) -> dict[str, str]:
    """The marker of each package."""
    return {package.name: str(package.marker or "") for package in lock.pylock.packages}


def planned(lock: Lock, python: str = "3.12.1", platform: str = "linux-x86_64", **asked: tuple[str, ...]) -> list[str]:
    """The names that a cell gets."""
    (plan,) = plan_cells(lock, [cell(python, platform, extras=asked.get("extras", ()), groups=asked.get("groups"))])
    return [file.name for file in plan.artifacts]


def test_a_real_lock_is_read_and_the_entries_of_extras_are_not_doubled() -> None:
    lock = read_pdm((DATA / "pdm.lock").read_text(), "pdm.lock", folder=FOLDER, project=None)

    assert [str(found.name) for found in lock.pylock.packages] == [
        *("cffi", "colorama", "httpcore", "httpx", "keyring", "pytest", "tomli")
    ]
    assert str(lock.pylock.requires_python) == ">=3.10"
    assert lock.pylock.default_groups == ["all", "doc", "keyring", "pytest", "test", "tox", "workflow"]
    assert planned(lock, groups=()) == ["httpcore", "httpx", "tomli"]


def test_groups_are_markers_and_extras_have_both_names() -> None:
    lock = read(
        package("a", 'groups = ["default", "test"]'),
        package("b", 'groups = ["io"]', "marker = \"os_name == 'nt'\""),
        package("c", 'groups = ["test", "lint"]'),
    )

    assert markers(lock) == {
        "a": "",
        "b": '("io" in extras or "io" in dependency_groups) and os_name == "nt"',
        "c": '"test" in dependency_groups or "lint" in dependency_groups',
    }
    assert lock.pylock.extras == ["io", "all"]
    assert (lock.pylock.dependency_groups, lock.pylock.default_groups) == (["io", "all", "test", "lint"],) * 2
    assert planned(lock) == ["a", "c"]
    for asked in ({"groups": (), "extras": ("io",)}, {"groups": ("io",)}):
        assert planned(lock, "3.12.1", "windows-x86_64", **asked) == ["a", "b"]


WALKED = (
    package("a", 'dependencies = ["f; python_version < \'3.12\'", "g"]'),
    package("a", 'extras = ["x"]', 'dependencies = ["a==1.0", "h"]'),
    package("b", 'dependencies = ["f"]'),
    package("c"),
    package("d", "dependencies = [\"a[x]; os_name == 'nt'\"]"),
    package("e"),
    package("f", "dependencies = [\"g; sys_platform == 'darwin'\"]"),
    package("g", 'dependencies = ["a"]'),
    package("h"),
    package("never"),
)


def test_without_metadata_packages_are_reached_from_the_project() -> None:
    lock = read(*WALKED, metadata=head("[]"))

    assert planned(lock, groups=()) == ["a", "g", "h"]
    assert planned(lock, python="3.11.7", groups=()) == ["a", "f", "g", "h"]
    assert planned(lock, groups=("io",)) == ["a", "b", "f", "g", "h"]
    assert planned(lock, groups=(), extras=("all",)) == ["a", "b", "c", "f", "g", "h"]
    assert planned(lock, groups=("test",)) == ["a", "d", "e", "g", "h"]
    assert planned(lock) == ["a", "b", "c", "d", "e", "f", "g", "h"]


def test_what_is_required_and_not_locked_is_an_error_of_the_cells_that_need_it() -> None:
    lock = read(*WALKED, metadata=head("[]"))

    with pytest.raises(LockError, match="w is not in the lock for") as caught:
        planned(lock, platform="windows-x86_64")
    assert caught.value.where == "pyproject.toml"


@pytest.mark.parametrize(
    ("project", "packages", "what"),
    [
        (None, (), "there is no pyproject.toml beside it"),
        (PROJECT + "[project.x]\n", (), "`dependencies`"),
        ('[project]\ndynamic = ["dependencies"]\n', (), "is computed when it is built"),
        (PROJECT, (package("a"), package("a", version="2.0")), "a is locked twice"),
        (PROJECT, (package("a", 'extras = ["x"]', 'dependencies = ["-e ."]'),), "'-e .' can't be followed"),
        ('[project]\n[dependency-groups]\ntest = [{include-group = "x"}]\n', (), "there is no group x"),
        ("[project]\n[dependency-groups]\ntest = [1]\n", (), "1 is not a requirement"),
    ],
)
def test_a_walk_that_cannot_be_made_is_refused(project: str | None, packages: tuple[str, ...], what: str) -> None:
    if project is not None and "[project.x]" in project:
        project = '[project]\ndependencies = "a"\n'
    with pytest.raises(LockError) as caught:
        read(*packages, metadata=head("[]"), project=project)
    assert what in str(caught.value)
    assert caught.value.remedy


def test_urls_are_kept() -> None:
    url = "https://files.index.invalid/a-1.0-py3-none-any.whl"
    lock = read(package("a", 'groups = ["default"]', files=f'[{{url = "{url}", hash = "sha256:{hex_of("a")}"}}]'))
    (plan,) = plan_cells(lock, [cell()])

    assert [(file.filename, file.urls) for file in plan.artifacts] == [("a-1.0-py3-none-any.whl", (url,))]


def test_the_project_itself_and_what_it_excludes_are_left_out() -> None:
    project = f'{PROJECT}[tool.pdm.resolution]\nexcludes = ["B"]\n'
    lock = read(
        package("example", 'path = "."', "editable = true", files="[]"), package("b"), package("c"), project=project
    )

    assert list(markers(lock)) == ["c"]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('git = "https://code.invalid/a"', "a is locked as `git` for"),
        ('path = "./lib"', "a is locked as `path` for"),
        ('path = "./lib"\neditable = true', "a is locked as `directory` for"),
        ('url = "https://code.invalid/a.zip"', "a is locked as `url` for"),
    ],
)
def test_sources_are_errors_of_the_cells_that_select_them(line: str, what: str) -> None:
    lock = read(package("a", 'groups = ["test"]', line, files="[]"), package("b", 'groups = ["default"]'))

    assert planned(lock, groups=()) == ["b"]
    with pytest.raises(LockError, match=what) as caught:
        planned(lock)
    assert caught.value.where == "pdm.lock:6"


@pytest.mark.parametrize(
    ("target", "marker"),
    [
        ('{requires_python = ">=3.11", platform = "linux"}',
         'python_full_version >= "3.11" and (sys_platform == "linux" and platform_machine == "x86_64")'),
        ('{platform = "manylinux_2_17_aarch64"}', 'sys_platform == "linux" and platform_machine == "aarch64"'),
        ('{platform = "macos_14_0_arm64", implementation = "cpython"}',
         '(sys_platform == "darwin" and platform_machine == "arm64") and implementation_name == "cpython"'),
        ('{platform = "windows_amd64"}', 'sys_platform == "win32" and platform_machine == "AMD64"'),
        ('{platform = "windows"}', 'sys_platform == "win32" and platform_machine == "AMD64"'),
    ],
)  # fmt: skip
def test_targets_become_environments(target: str, marker: str) -> None:
    lock = read(metadata=head(targets=f"[{target}]"))

    assert list(map(str, lock.pylock.environments or ())) == [marker]


def test_a_target_without_limits_is_every_environment() -> None:
    assert read(metadata=head(targets='[{platform = "linux"}, {}]')).pylock.environments is None


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (head(version="4.3"), "lock_version 4.3 is not known"),
        (head(version="5.0"), "lock_version 5.0 is not known"),
        (head(targets='[{platform = "plan9"}]'), "platform 'plan9' is not known"),
        (head(targets='[{implementation = "a b"}]'), "implementation 'a b' is not known"),
        (head() + package("a", "marker = 'x'"), "a marker can't be read"),
        (head() + package("a", files='[{file = "a.whl", hash = "md5:0"}]'), "a.whl has no sha256"),
        (head() + package("a", files='[{url = "ftp://x/a.whl", hash = "md5:0"}]'), "is not one of http, https or file"),
        (head() + package("a", "requires_python = 'x'"), "a requirement on Python can't be read"),
        (head() + "[[package]]\nname = []\n", "`name` can't be read"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, what: str) -> None:
    with pytest.raises(LockError) as caught:
        read_pdm(text, "pdm.lock", folder=FOLDER, project=PROJECT)
    assert what in str(caught.value)
    assert caught.value.where.startswith("pdm.lock")
    assert caught.value.remedy


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ProblemsError) as caught:
        read(package("a", "marker = 'x'"), package("b", "marker = 'x'"))

    assert [problem.where for problem in caught.value.problems] == ["pdm.lock:6", "pdm.lock:11"]


def test_notes() -> None:
    metadata = head(version="4.5.9", targets="[]")

    assert read(metadata=metadata).notes == (
        "pdm.lock: lock_version 4.5.9 is newer than 4.5.1, which is the one known here",
        "pdm.lock: it doesn't say for which platforms and Pythons it was made",
    )


def test_a_note_tells_that_the_project_has_changed() -> None:
    hashed = {"sources": [], "dependencies": ["a"], "dev-dependencies": {}, "optional-dependencies": {}}
    hashed |= {"requires-python": ">=3.8", "resolution": {}}
    digest = hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()
    metadata = f'{head()}content_hash = "sha256:{digest}"\n'
    project = '[project]\nname = "x"\nrequires-python = ">=3.8"\ndependencies = ["a"]\n'

    assert read(metadata=metadata, project=project).notes == ()
    assert read(metadata=metadata, project=PROJECT).notes == (
        "pdm.lock: pyproject.toml has changed since it was made; run `pdm lock --update-reuse`",
    )
