"""uv.lock on disk: what uv is asked, what is kept of its answers, and what is told when it can't answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from lockproof.environments.installers import CompletedText
from lockproof.errors import LockError, ProblemsError, UnavailableError
from lockproof.locks.exports import load_uv_lock
from lockproof.locks.plan import plan_cells
from support.lockdata import cell, hex_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lockproof.cells.matrix import Cell
    from lockproof.locks import Lock

LOCK = f"""version = 1

[manifest]
members = ["member", "one"]

[[package]]
name = "demo"
version = "1.0"
source = {{ registry = "https://index.invalid/simple" }}
wheels = [
    {{ url = "https://files.index.invalid/demo-1.0-py3-none-any.whl", hash = "sha256:{hex_of("demo")}" }},
]

[[package]]
name = "member"
version = "0"
source = {{ virtual = "packages/member" }}

[package.metadata.requires-dev]
check = []

[[package]]
name = "one"
version = "0"
source = {{ virtual = "." }}

[package.metadata]
provides-extras = ["fast"]

[package.metadata.requires-dev]
dev = []
late = []
"""
PYPROJECT = "[tool.uv.dependency-groups]\nlate = {requires-python = '>=3.13'}\n"
EXPORT = f"""lock-version = "1.0"
created-by = "uv"

[[packages]]
name = "demo"
version = "1.0"
[[packages.wheels]]
url = "https://files.index.invalid/demo-1.0-py3-none-any.whl"
upload-time = 2026-01-01T00:00:00Z
hashes = {{ sha256 = "{hex_of("demo")}" }}
"""


@dataclass
class FakeUv:
    """A uv that tells its version, and otherwise what it was given; `asked` has the options behind --directory."""

    says: str = EXPORT
    code: int = 0
    version: str = "0.9.0"
    asked: list[list[str]] = field(default_factory=list)
    environments: list[Mapping[str, str]] = field(default_factory=list)

    def __call__(self, argv: Sequence[str], env: Mapping[str, str]) -> CompletedText:
        if argv[-1] == "--version":
            return CompletedText(exit_code=0, output=f"uv {self.version}\n")
        self.asked.append(list(argv[argv.index("--directory") + 1 :]))
        self.environments.append(env)
        assert {"--frozen", "--offline", "--no-config", "--no-emit-workspace"} <= set(argv)
        return CompletedText(exit_code=self.code, output=self.says)


@pytest.fixture
def uv() -> FakeUv:
    return FakeUv()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "packages" / "member").mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "packages" / "member" / "pyproject.toml").write_text("[tool.uv]\ndefault-groups = ['check']\n")
    (folder / "uv.lock").write_text(LOCK)
    return folder / "uv.lock"


def load(path: Path, uv: FakeUv, *cells: Cell, project: Path | None = None) -> Lock:
    return load_uv_lock(
        path.read_text(),
        path,
        cells or (cell(),),
        folder_for_cache=path.parent.parent / "cache",
        project=project,
        run=uv,
    )


def test_uv_is_asked_once_for_each_selection(path: Path, uv: FakeUv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://user:s3cret@index.invalid")
    cells = [
        cell(),
        cell("3.11.7"),
        cell(groups=()),
        cell(extras=("FAST",), groups=("dev",)),
        cell(extras=("fast",), groups=("Dev",)),
    ]
    lock = load(path, uv, *cells)

    assert uv.asked == [
        [str(path.parent)],
        [str(path.parent), "--no-default-groups"],
        [str(path.parent), "--extra=fast", "--no-default-groups", "--group=dev"],
    ]
    assert all("UV_DEFAULT_INDEX" not in env for env in uv.environments)
    assert [[one.name for one in plan.artifacts] for plan in plan_cells(lock, cells)] == [["demo"]] * 5
    assert (lock.pylock.default_groups, lock.folder) == (["dev"], path.parent)


def test_the_folder_of_a_member_means_that_member(path: Path, uv: FakeUv) -> None:
    lock = load(path, uv, project=path.parent / "packages" / "member" / "ci")
    load(path, uv, project=path.parent.parent)

    assert uv.asked == [[str(path.parent), "--package", "member"], [str(path.parent)]]
    assert (lock.pylock.default_groups, lock.pylock.dependency_groups) == (["check"], ["check", "dev", "late"])


def test_what_uv_said_is_kept(path: Path, uv: FakeUv) -> None:
    first = load(path, uv)
    assert (load(path, uv), len(uv.asked)) == (first, 1)

    for change in ("lock", "pyproject", "member", "version"):
        if change == "lock":
            path.write_text(LOCK + "# changed\n")
        elif change == "pyproject":
            (path.parent / "pyproject.toml").write_text(PYPROJECT + "# changed\n")
        elif change == "member":
            (path.parent / "packages" / "member" / "pyproject.toml").write_text("# changed\n")
        else:
            uv.version = "0.9.1"
        uv.asked.clear()
        load(path, uv)
        load(path, uv)
        assert len(uv.asked) == 1, change


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"sha256": "0", "export": {}}', None])
def test_a_damaged_cache_is_asked_again(path: Path, uv: FakeUv, damage: str | None) -> None:
    whole = load(path, uv)
    [file] = (path.parent.parent / "cache").iterdir()
    content = json.loads(file.read_bytes())
    content["export"]["packages"] = []
    file.write_text(json.dumps(content) if damage is None else damage)

    assert (load(path, uv), len(uv.asked)) == (whole, 2)


def test_unknown_names_are_left_to_the_planner(path: Path, uv: FakeUv) -> None:
    one = cell(extras=("fast", "slow"), groups=("docs",))
    lock = load(path, uv, one)

    assert uv.asked == [[str(path.parent), "--extra=fast", "--no-default-groups"]]
    with pytest.raises(ProblemsError) as caught:
        plan_cells(lock, [one])
    assert [(problem.what, problem.why) for problem in caught.value.problems] == [
        ("the lock has no extra slow, which is asked for 3.12.1-linux-x86_64", "it has fast"),
        ("the lock has no group docs, which is asked for 3.12.1-linux-x86_64", "it has dev, late"),
    ]


def test_a_group_for_other_pythons_is_refused(path: Path, uv: FakeUv) -> None:
    with pytest.raises(LockError) as caught:
        load(path, uv, cell(groups=("late",)), cell("3.13.0", groups=("late",)), cell("3.11.7"))

    assert caught.value.what == "the group late is not made for 3.12.1-linux-x86_64"
    assert caught.value.why == "it requires Python >=3.13 (tool.uv.dependency-groups)"


def test_what_uv_says_is_told_for_each_selection(path: Path, uv: FakeUv) -> None:
    uv.says, uv.code = "error: Extras are at odds\n", 2
    with pytest.raises(ProblemsError) as caught:
        load(path, uv, cell(extras=("fast",)), cell(groups=("dev",)))

    assert [(problem.what, problem.why) for problem in caught.value.problems] == [
        (
            "uv can't export the lock with the extras fast and its default groups",
            "uv 0.9.0 says: Extras are at odds",
        ),
        ("uv can't export the lock with no extras and the groups dev", "uv 0.9.0 says: Extras are at odds"),
    ]
    assert not (path.parent.parent / "cache").exists()


def test_a_uv_that_is_too_old_is_named_once(path: Path, uv: FakeUv) -> None:
    uv.says, uv.code = "error: invalid value 'pylock.toml' for '--format <FORMAT>'\n", 2
    with pytest.raises(UnavailableError) as caught:
        load(path, uv, cell(), cell(groups=()))

    assert (caught.value.what, caught.value.where) == ("uv 0.9.0 can't export a lock to pylock.toml", str(path))
    assert "uv 0.7 or newer" in caught.value.remedy


def test_an_answer_that_is_not_toml_is_an_error(path: Path, uv: FakeUv) -> None:
    uv.says = "oops"
    with pytest.raises(LockError, match="this is not TOML"):
        load(path, uv)


def test_without_uv_it_is_said_what_to_install(path: Path) -> None:
    def run(argv: Sequence[str], env: Mapping[str, str]) -> CompletedText:
        raise FileNotFoundError(2, "No such file or directory")

    with pytest.raises(UnavailableError) as caught:
        load_uv_lock(LOCK, path, [cell()], folder_for_cache=path.parent, run=run)
    assert caught.value.what == "uv.lock is read through uv, which was not found"
    assert "pip install uv" in caught.value.remedy
    assert "uv export --frozen" in caught.value.remedy


def test_a_lock_needs_its_name_and_its_pyproject(path: Path, uv: FakeUv) -> None:
    (path.parent / "pyproject.toml").unlink()
    with pytest.raises(LockError, match=r"uv\.lock needs the pyproject\.toml"):
        load(path, uv)
    with pytest.raises(LockError, match="knows it only by its name"):
        load(path.rename(path.with_name("other.lock")), uv)


@pytest.mark.parametrize(
    ("content", "what"), [(b"\xff", "this pyproject.toml can't be read"), (b"[", "this is not TOML")]
)
def test_a_pyproject_that_cannot_be_read_is_named(path: Path, uv: FakeUv, content: bytes, what: str) -> None:
    (path.parent / "pyproject.toml").write_bytes(content)
    with pytest.raises(LockError) as caught:
        load(path, uv)

    assert (caught.value.what, "pyproject.toml" in caught.value.where) == (what, True)
