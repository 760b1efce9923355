"""The lock file on disk: told apart by content, completed by an index once, and remembered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof.digests import sha256_hex
from lockproof.errors import LockError, UnavailableError
from lockproof.locks import IndexOptions
from lockproof.locks.lockfile import LoadedLock, describe_index, detect_format, load_lock
from lockproof.locks.plan import plan_cells
from support.lockdata import DATA, HEAD, FakeIndex, cell, hex_of, listed, package

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockproof.cells.matrix import Cell
    from lockproof.locks import Lock

WHEEL = "demo-1.0-py3-none-any.whl"
PYLOCK = HEAD + package("demo", WHEEL)
REQUIREMENTS = f"demo==1.0 --hash=sha256:{hex_of(WHEEL)}\n"


@pytest.fixture
def index() -> FakeIndex:
    return FakeIndex(files={("demo", "1.0"): [listed(WHEEL, size=3), listed("demo-1.0.tar.gz")]})


def loaded(
    path: Path, index: FakeIndex, cache: Path | None = None, host: str = "", cells: Sequence[Cell] = (cell(),)
) -> LoadedLock:
    folder = cache or path.parent / "cache"
    return load_lock(path, cells, folder_for_cache=folder, index_factory=index, environ={"HOST": host})


def load(
    path: Path, index: FakeIndex, cache: Path | None = None, host: str = "", cells: Sequence[Cell] = (cell(),)
) -> Lock:
    """The lock, of which nothing is missing."""
    lock, missing = loaded(path, index, cache, host, cells)
    assert missing == {}
    return lock


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_pylock_needs_no_index(tmp_path: Path, index: FakeIndex) -> None:
    path = write(tmp_path / "any.name", PYLOCK)
    lock = load(path, index)

    assert (lock.kind, lock.path, lock.folder) == ("pylock", str(path), tmp_path)
    assert lock.sha256 == sha256_hex(PYLOCK.encode())
    assert (index.options, list(tmp_path.iterdir())) == ([], [path])


def test_a_requirements_lock_asks_the_index_once(tmp_path: Path, index: FakeIndex) -> None:
    path = write(tmp_path / "requirements.txt", REQUIREMENTS)
    first, second = load(path, index), load(path, index)

    assert (index.asked, len(index.options)) == ([("demo", "1.0")], 1)
    assert first == second
    assert (first.kind, first.sha256, first.folder) == ("requirements", sha256_hex(REQUIREMENTS.encode()), tmp_path)
    [wheel] = first.pylock.packages[0].wheels or ()
    assert (wheel.filename, wheel.url, wheel.size, wheel.hashes) == (
        WHEEL,
        f"https://files.index.invalid/{WHEEL}",
        3,
        {"sha256": hex_of(WHEEL)},
    )
    assert first.pylock.packages[0].sdist is None
    assert [file.suffix for file in (tmp_path / "cache").iterdir()] == [".json"]


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{",
        "[]",
        '{"files": 3}',
        '{"files": [3, [], ["demo", 1, []]]}',
        '{"files": [["demo", "1.0", []]]}',
        '{"files": [["demo", "1.0", [3, ["a"], ["a", "b", "c", "d"]]]]}',
        json.dumps({"files": [["demo", "1.0", [[WHEEL, "https://evil.invalid", "0" * 64, None]]]]}),
        json.dumps({"files": [["demo", "1.0", [["other-1-py3-none-any.whl", "https://x", hex_of(WHEEL), 1]]]]}),
        "[" * 5000,
        "\udcff",
    ],
)
def test_a_damaged_memory_is_ignored_and_made_again(tmp_path: Path, index: FakeIndex, damage: str) -> None:
    path = write(tmp_path / "requirements.txt", REQUIREMENTS)
    whole = load(path, index)
    [memory] = (tmp_path / "cache").iterdir()
    content = memory.read_bytes()
    memory.write_bytes(damage.encode(errors="surrogateescape"))

    assert load(path, index) == whole
    assert len(index.options) == 2
    assert memory.read_bytes() == content


def test_a_memory_that_cannot_be_kept_is_no_error(tmp_path: Path, index: FakeIndex) -> None:
    path = write(tmp_path / "requirements.txt", REQUIREMENTS)
    write(tmp_path / "cache", "a file where the folder should be")

    assert load(path, index) == load(path, index)
    assert len(index.options) == 2


def test_another_lock_or_other_options_ask_again(tmp_path: Path, index: FakeIndex) -> None:
    path = tmp_path / "requirements.txt"
    for text, host in (
        (REQUIREMENTS, ""),
        ("# changed\n" + REQUIREMENTS, ""),
        ("-i https://${HOST}/simple\n" + REQUIREMENTS, "one.invalid"),
        ("-i https://${HOST}/simple\n" + REQUIREMENTS, "two.invalid"),
    ):
        load(write(path, text), index, host=host)

    assert [options.index_url for options in index.options] == [
        *(None, None, "https://one.invalid/simple", "https://two.invalid/simple")
    ]
    assert all(
        "invalid" not in file.read_text().replace("files.index.invalid", "") for file in (tmp_path / "cache").iterdir()
    )


def test_included_files_count_for_the_digest_and_for_places(tmp_path: Path, index: FakeIndex) -> None:
    base = write(tmp_path / "sub" / "base.txt", REQUIREMENTS)
    path = write(tmp_path / "requirements.txt", "-r sub/base.txt\n-f wheels\n-f https://x/\n")
    before = load(path, index)
    write(base, REQUIREMENTS + "# changed\n")
    after = load(path, index)

    assert before.places == after.places == (f"{tmp_path.as_posix()}/sub/base.txt:1",)
    assert before.sha256 != after.sha256
    assert len(index.options) == 2
    assert index.options[0].find_links == (str(tmp_path / "wheels"), "https://x/")


def test_find_links_of_a_relative_lock_are_absolute(
    tmp_path: Path, index: FakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "sub" / "requirements.txt", "-f wheels\n" + REQUIREMENTS)
    monkeypatch.chdir(tmp_path)
    lock = load(Path("sub/requirements.txt"), index, tmp_path / "cache")

    assert index.options[0].find_links == (str(tmp_path / "sub" / "wheels"),)
    assert (lock.path, lock.places) == (str(Path("sub/requirements.txt")), ("sub/requirements.txt:2",))


def test_a_requirements_lock_without_pins_asks_nothing(tmp_path: Path, index: FakeIndex) -> None:
    lock = load(write(tmp_path / "requirements.txt", "# nothing is needed\n"), index)

    assert (lock.pylock.packages, index.options) == ([], [])


def test_what_the_index_raises_is_passed_on(tmp_path: Path) -> None:
    def factory(options: IndexOptions) -> FakeIndex:
        raise UnavailableError("no network")

    path = write(tmp_path / "requirements.txt", REQUIREMENTS)
    with pytest.raises(UnavailableError, match="no network"):
        load_lock(path, [cell()], folder_for_cache=tmp_path, index_factory=factory, environ={})


def test_an_unmatched_pin_names_the_index_without_its_password(tmp_path: Path) -> None:
    text = "-i https://user:s3cret@index.invalid/simple?token=s3cret\n" + REQUIREMENTS
    _, missing = loaded(write(tmp_path / "requirements.txt", text), FakeIndex(files={}))

    assert list(missing) == [0]
    assert missing[0].where == f"{tmp_path.as_posix()}/requirements.txt:2"
    assert "@index.invalid/simple" in missing[0].why
    assert "s3cret" not in str(missing[0])


ELSEWHERE = "extra-1.0-py3-none-any.whl"
FOR_WINDOWS = f"extra==1.0 ; sys_platform == 'win32' --hash=sha256:{hex_of(ELSEWHERE)}\n"


def test_only_what_a_cell_selects_is_asked_of_the_index(tmp_path: Path, index: FakeIndex) -> None:
    path = write(tmp_path / "requirements.txt", FOR_WINDOWS + REQUIREMENTS)
    first, second = load(path, index), load(path, index)

    assert first == second
    assert [len(package.wheels or ()) for package in first.pylock.packages] == [0, 1]
    assert index.asked == [("demo", "1.0")]


def test_what_is_missing_is_asked_again_when_a_cell_needs_it(tmp_path: Path, index: FakeIndex) -> None:
    path = write(tmp_path / "requirements.txt", FOR_WINDOWS + REQUIREMENTS)
    both = (cell(), cell(platform="windows-x86_64"))
    for _ in range(2):
        _, missing = loaded(path, index, cells=both)
        assert {index: error.what for index, error in missing.items()} == {
            0: "the index has no file of extra==1.0 under its 1 locked hashes"
        }
    assert load(path, index).pylock.packages[1].wheels  # a cell that doesn't need it asks nothing
    assert index.asked == [("extra", "1.0"), ("demo", "1.0"), ("extra", "1.0")]

    index.files = {**index.files, ("extra", "1.0"): [listed(ELSEWHERE)]}
    for _ in range(2):
        lock, missing = loaded(path, index, cells=both)
        assert missing == {}
        assert [len(package.wheels or ()) for package in lock.pylock.packages] == [1, 1]
    assert index.asked[3:] == [("extra", "1.0")]


def test_an_index_that_cannot_be_reached_stops_only_the_cells_that_need_it(tmp_path: Path, index: FakeIndex) -> None:
    def unreachable(options: IndexOptions) -> FakeIndex:
        raise UnavailableError("no network")

    path = write(tmp_path / "requirements.txt", FOR_WINDOWS + REQUIREMENTS)
    cache, windows = tmp_path / "cache", cell(platform="windows-x86_64")
    known = load(path, index)

    assert load_lock(path, [cell()], folder_for_cache=cache, index_factory=unreachable, environ={}).lock == known
    with pytest.raises(UnavailableError, match="no network"):
        load_lock(path, [cell(), windows], folder_for_cache=cache, index_factory=unreachable, environ={})


def test_pins_of_one_version_keep_what_each_of_them_found(tmp_path: Path, index: FakeIndex) -> None:
    other = "demo-1.0-cp39-cp39-win32.whl"
    windows = f"demo==1.0 ; sys_platform == 'win32' --hash=sha256:{hex_of(other)}\n"
    linux = REQUIREMENTS.replace("==1.0", "==1.0 ; sys_platform == 'linux'")
    path = write(tmp_path / "requirements.txt", linux + windows)
    load(path, index)
    index.files = {("demo", "1.0"): [listed(other)]}  # as an index that was asked for one hash only
    lock, missing = loaded(path, index, cells=[cell(platform="windows-x86_64")])

    assert missing == {}
    assert [[wheel.filename for wheel in package.wheels or ()] for package in lock.pylock.packages] == [
        [WHEEL],
        [other],
    ]


def test_a_pylock_with_one_name_for_several_hashes_is_completed_by_the_index(tmp_path: Path) -> None:
    path = write(tmp_path / "pylock.toml", (DATA / "pipenv.pylock.toml").read_text())
    hashes = {str(found.name): found.wheels or () for found in load_contradicted(path).pylock.packages}
    lock_files = {
        ("pytz", "2026.1.post1"): ["pytz-2026.1.post1.tar.gz", "pytz-2026.1.post1-py2.py3-none-any.whl"],
        ("alabaster", "1.0.0"): ["alabaster-1.0.0-py3-none-any.whl"],
        ("arpeggio", "2.0.3"): ["Arpeggio-2.0.3-py2.py3-none-any.whl"],
        ("jaraco-classes", "3.4.0"): ["jaraco.classes-3.4.0-py3-none-any.whl"],
        ("pyenchant", "3.3.0"): ["pyenchant-3.3.0-py3-none-win_amd64.whl", "pyenchant-3.3.0-py3-none-any.whl"],
    }
    index = FakeIndex(
        files={
            (name, version): [
                listed(filename, wheel.hashes["sha256"])
                for filename, wheel in zip(filenames, hashes[name], strict=False)
            ]
            for (name, version), filenames in lock_files.items()
        }
    )
    cells = [cell(groups=("dev",))]
    lock = load(path, index, cells=cells)

    expected = lock_files | {("pyenchant", "3.3.0"): lock_files["pyenchant", "3.3.0"][::-1]}
    for found in lock.pylock.packages:
        names = [found.sdist.filename] if found.sdist else []
        assert names + [wheel.filename for wheel in found.wheels or ()] == expected.pop(
            (found.name, str(found.version))
        )
    assert expected == {}
    assert [found.marker for found in lock.pylock.packages] == [
        found.marker for found in load_contradicted(path).pylock.packages
    ]
    assert lock.notes[-1].endswith("which files they are: alabaster, arpeggio, jaraco-classes, pyenchant, pytz")
    assert index.options == [IndexOptions()]  # the index that is configured, not the one the lock names
    assert load(path, index, cells=cells) == lock
    assert len(index.options) == 1


def load_contradicted(path: Path) -> Lock:
    """The lock as it says itself, without an index."""
    from lockproof.locks.pylock import read_pylock

    return read_pylock(path.read_text(), str(path), folder=path.parent)


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [
        (PYLOCK, "requirements.txt", "pylock"),
        ("[[packages]]\nname = 'x'\n", "x", "pylock"),
        ("created-by = 'x'", "pylock.dev.toml", "pylock"),
        (REQUIREMENTS, "pylock.toml.in", "requirements"),
        ("# lock-version = '1.0'\n" + REQUIREMENTS, "constraints", "requirements"),
        ('version = 1\nrevision = 3\n\n[[package]]\nname = "a"\n', "x", "uv.lock"),
        ("version = 1\n", "uv.lock", "uv.lock"),
        ('# @generated by Poetry\n\n[[package]]\nname = "a"\n\n[metadata]\nlock-version = "2.1"\n', "x", "poetry.lock"),
        ('[metadata]\ngroups = []\nlock_version = "4.5.0"\n\n[[package]]\nname = "a"\n', "x", "pdm.lock"),
        ('{\n    "_meta": {"hash": {}}, "default": {}}', "x", "Pipfile.lock"),
    ],
)
def test_the_format_is_told_by_the_content_first(text: str, name: str, found: str) -> None:
    assert detect_format(text, name) == found


POETRY = f"""[[package]]
name = "demo"
version = "1.0"
optional = false
python-versions = ">=3.8"
groups = ["main", "dev"]
files = [{{file = "{WHEEL}", hash = "sha256:{hex_of(WHEEL)}"}}]

[metadata]
lock-version = "2.1"
python-versions = ">=3.8"
content-hash = "0"
"""
PDM = f"""[metadata]
groups = ["default", "dev"]
strategy = ["inherit_metadata"]
lock_version = "4.5.0"
content_hash = "sha256:0"

[[metadata.targets]]
requires_python = ">=3.8"

[[package]]
name = "demo"
version = "1.0"
groups = ["default", "dev"]
files = [{{file = "{WHEEL}", hash = "sha256:{hex_of(WHEEL)}"}}]
"""
PIPENV = json.dumps(
    {
        "_meta": {"hash": {"sha256": "0"}, "pipfile-spec": 6, "requires": {}, "sources": []},
        "default": {"demo": {"hashes": [f"sha256:{hex_of(WHEEL)}"], "version": "==1.0"}},
        "develop": {},
    }
)


@pytest.mark.parametrize(
    ("text", "kind", "group"), [(POETRY, "poetry", "dev"), (PDM, "pdm", "dev"), (PIPENV, "pipenv", "develop")]
)
def test_other_formats_are_read_whatever_they_are_called(
    tmp_path: Path, index: FakeIndex, text: str, kind: str, group: str
) -> None:
    path = write(tmp_path / "any.name", text)
    write(tmp_path / "pyproject.toml", "[dependency-groups]\ndev = ['demo']\n")
    cells = [cell(groups=()), cell(groups=(group,))]
    lock = load(path, index, cells=cells)

    assert (lock.kind, lock.path, lock.folder, lock.sha256) == (kind, str(path), tmp_path, sha256_hex(text.encode()))
    assert lock.pylock.dependency_groups is not None
    assert group in lock.pylock.dependency_groups
    files = [plan.artifacts[0].filename for plan in plan_cells(lock, cells)]
    assert files == [WHEEL, WHEEL]
    assert index.asked == ([("demo", "1.0")] if kind == "pipenv" else [])
    assert load(path, index, cells=cells) == lock
    assert len(index.options) == (1 if kind == "pipenv" else 0)


def test_a_pyproject_beside_the_lock_that_cannot_be_read_is_named(tmp_path: Path, index: FakeIndex) -> None:
    (tmp_path / "pyproject.toml").write_bytes(b"\xff")
    with pytest.raises(LockError) as caught:
        load(write(tmp_path / "poetry.lock", POETRY), index)

    assert (caught.value.what, caught.value.where) == (
        "this pyproject.toml can't be read",
        str(tmp_path / "pyproject.toml"),
    )


def test_one_wheel_name_for_several_hashes_is_asked_of_the_indexes_of_the_lock(tmp_path: Path) -> None:
    text = POETRY.replace("files = [", f'files = [{{file = "{WHEEL}", hash = "sha256:{"f" * 64}"}}, ')
    source = '[package.source]\ntype = "legacy"\nurl = "https://other.invalid/simple"\nreference = "other"\n\n'
    path = write(tmp_path / "poetry.lock", text.replace("[metadata]", source + "[metadata]"))
    index = FakeIndex(files={("demo", "1.0"): [listed(WHEEL)]})
    lock = load(path, index)

    assert index.options == [IndexOptions(extra_index_urls=("https://other.invalid/simple",))]
    assert [wheel.hashes["sha256"] for wheel in lock.pylock.packages[0].wheels or ()] == [hex_of(WHEEL)]


def test_files_that_are_not_there_or_not_text_are_refused(tmp_path: Path, index: FakeIndex) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin").write_bytes(b"# ok\n# caf\xe9\n")
    (tmp_path / "empty.txt").write_bytes(b" \n")
    told = {}
    for name in ("missing", "folder", "latin", "empty.txt", "nul\0name"):
        with pytest.raises(LockError) as caught:
            load(tmp_path / name, index, tmp_path / "cache")
        told[caught.value.where.removeprefix(f"{tmp_path}/")] = (caught.value.what, caught.value.why)

    assert told == {
        "missing": ("there is no such lock file", ""),
        "folder": ("the lock can't be read", "it is a folder"),
        "latin:2": ("the lock is not UTF-8", ""),
        "empty.txt": ("the lock is empty", ""),
        "nul\0name": ("the lock can't be read", "embedded null byte"),
    }


def test_indexes_are_described_as_the_options_name_them() -> None:
    options = IndexOptions(index_url="https://a.invalid", extra_index_urls=("https://b.invalid",), find_links=("/c",))

    assert describe_index(options) == "https://a.invalid, https://b.invalid, /c"
    assert describe_index(IndexOptions(index_url="https://a.invalid", no_index=True, find_links=("/c",))) == "/c"
    assert describe_index(IndexOptions()) == "the configured index"
