"""uv.lock as uv itself makes it: what is planned for a selection is what `uv sync` with the same options installs."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from importlib.metadata import distributions
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof.environments.installers import find_tool
from lockproof.locks.lockfile import load_lock
from lockproof.locks.plan import plan_cells
from support.lockdata import FakeIndex, cell
from support.loopback import LoopbackIndex
from support.projects import Project, files_below
from support.reports import is_right
from support.wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = pytest.mark.integration

Selected = tuple[tuple[str, ...], tuple[str, ...] | None]  # extras and groups


@dataclass(kw_only=True)
class Uv:
    """uv with a home, a cache and an index of its own."""

    base: Path
    pythons: Mapping[str, Path]
    index: LoopbackIndex
    wheels: Path
    synced: int = field(default=0)

    def __call__(self, folder: Path, *arguments: str, **variables: str) -> None:
        env = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.base / "home"),
            "UV_CACHE_DIR": str(self.base / "cache"),
            "UV_DEFAULT_INDEX": self.index.url,
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_PYTHON": str(next(iter(self.pythons.values()))),
            **variables,
        }
        done = subprocess.run(
            [*find_tool("uv").command, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def sync(self, folder: Path, python: str, selected: Selected) -> set[tuple[str, str]]:
        """What uv installs into a fresh environment, but for the workspace's own members."""
        extras, groups = selected
        self.synced += 1
        environment = self.base / "synced" / str(self.synced)
        options = [f"--extra={extra}" for extra in extras]
        options += [] if groups is None else ["--no-default-groups", *(f"--group={group}" for group in groups)]
        self(
            folder,
            *("sync", "--frozen", "--no-install-workspace", *options),
            UV_PYTHON=str(self.pythons[python]),
            UV_PROJECT_ENVIRONMENT=str(environment),
        )
        (site,) = environment.glob("lib/python*/site-packages")
        return {(found.metadata["Name"], found.version) for found in distributions(path=[str(site)])}

    def lock(self, folder: Path, files: Mapping[str, str]) -> Path:
        """A project of these files, locked."""
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self(folder, "lock")
        return folder / "uv.lock"


@pytest.fixture(scope="module")
def uv(pythons: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Uv]:
    base = tmp_path_factory.mktemp("uv")
    wheels = base / "wheels"
    wheels.mkdir()
    newest = ".".join(list(pythons)[-1].split(".")[:2])
    for name in ("alpha", "beta", "delta", "devtool", "testtool", "doc", "windows-only"):
        make_wheel(wheels, name, "1.0", {f"{name}.py": ""})
    make_wheel(wheels, "alpha", "2.0", {"alpha.py": ""}, requires_python=f">={newest}")
    make_wheel(wheels, "beta", "2.0", {"beta.py": ""}, requires=["gamma"])
    make_wheel(wheels, "gamma", "1.0", {"gamma.py": ""}, requires=[f"delta; python_version >= '{newest}'"])
    with LoopbackIndex(wheels) as index:
        yield Uv(base=base, pythons=pythons, index=index, wheels=wheels)


def planned(
    lock: Path, cache: Path, python: str, selected: Selected, asked: Path | None = None
) -> set[tuple[str, str]]:
    """The names and versions of a cell's plan."""
    extras, groups = selected
    index = FakeIndex(files={})
    one = cell(python, extras=extras, groups=groups)
    loaded, missing = load_lock(
        lock, [one], folder_for_cache=cache, index_factory=index, environ={}, project=asked or lock.parent
    )
    (plan,) = plan_cells(loaded, [one], missing)
    assert index.options == []
    return {(artifact.name, artifact.version) for artifact in plan.artifacts}


def oldest(uv: Uv) -> str:
    return ".".join(next(iter(uv.pythons)).split(".")[:2])


ONE = """
[project]
name = "one"
version = "0"
requires-python = ">={oldest}"
dependencies = ["alpha", "windows-only; sys_platform == 'win32'"]

[project.optional-dependencies]
fast = ["beta>=2"]
old = ["beta<2"]
Nothing_More = []

[dependency-groups]
dev = ["devtool"]
test = ["testtool", {{include-group = "dev"}}]
Docs_X = ["doc"]
none = []

[tool.uv]
environments = ["sys_platform == 'linux'", "sys_platform == 'win32'"]
conflicts = [[{{extra = "fast"}}, {{extra = "old"}}]]
"""

SELECTIONS: list[Selected] = [
    ((), None),
    ((), ()),
    (("fast",), ()),
    (("old",), ("dev",)),
    (("nothing.more", "Fast"), ("docs_x", "none")),
    ((), ("test",)),
    (("old",), None),
]


@pytest.mark.parametrize("defaults", ["", 'default-groups = ["test", "docs-x"]\n', 'default-groups = "all"\n'])
def test_a_plan_is_what_uv_installs(uv: Uv, tmp_path: Path, defaults: str) -> None:
    lock = uv.lock(tmp_path / "one", {"pyproject.toml": ONE.format(oldest=oldest(uv)) + defaults})
    for python, selected in product(uv.pythons, SELECTIONS if not defaults else SELECTIONS[:2]):
        found = planned(lock, tmp_path / "cache", python, selected)
        assert found == uv.sync(lock.parent, python, selected), (python, selected)
        assert ("alpha", "2.0" if python == list(uv.pythons)[-1] else "1.0") in found


def test_one_lock_answers_for_all_selections_at_once(uv: Uv, tmp_path: Path) -> None:
    lock = uv.lock(tmp_path / "one", {"pyproject.toml": ONE.format(oldest=oldest(uv))})
    cells = [cell(python, extras=e, groups=g) for python, (e, g) in product(uv.pythons, SELECTIONS)]
    loaded, missing = load_lock(
        lock, cells, folder_for_cache=tmp_path / "cache", index_factory=FakeIndex(files={}), environ={}
    )

    for one, plan in zip(cells, plan_cells(loaded, cells, missing), strict=True):
        alone = planned(lock, tmp_path / "cache", one.python, (one.extras, one.groups))
        assert {(artifact.name, artifact.version) for artifact in plan.artifacts} == alone


ROOT = """
[project]
name = "root"
version = "0"
requires-python = ">={oldest}"
dependencies = ["member-b"]

[dependency-groups]
dev = ["devtool"]
root-only = ["doc"]

[tool.uv.sources]
member-b = {{workspace = true}}
"""
NO_PROJECT = """
[dependency-groups]
dev = ["devtool"]
root-only = ["doc"]
"""
WORKSPACE = """
[tool.uv.workspace]
members = ["packages/*"]
"""
MEMBER_A = """
[project]
name = "member-a"
version = "0"
requires-python = ">={oldest}"
dependencies = ["alpha", "member-b"]

[dependency-groups]
dev = ["testtool"]

[tool.uv.sources]
member-b = {{workspace = true}}
"""
MEMBER_B = """
[project]
name = "member-b"
version = "0"
requires-python = ">={oldest}"
dependencies = ["beta"]

[project.optional-dependencies]
fast = ["delta"]

[dependency-groups]
check = ["testtool"]
dev = ["alpha<2"]

[tool.uv]
default-groups = "all"
"""


@pytest.mark.parametrize("root", [ROOT, NO_PROJECT])
def test_a_workspace_is_installed_as_uv_does_in_the_same_folder(uv: Uv, tmp_path: Path, root: str) -> None:
    folder, low = tmp_path / "work", oldest(uv)
    files = {
        "pyproject.toml": (root + WORKSPACE).format(oldest=low),
        "packages/a/pyproject.toml": MEMBER_A.format(oldest=low),
        "packages/b/pyproject.toml": MEMBER_B.format(oldest=low),
        "packages/b/deep/er/matrix.yaml": "",
    }
    lock = uv.lock(folder, files)
    python = list(uv.pythons)[-1]
    asked: list[tuple[str, Selected]] = [
        *((at, ((), None)) for at in (".", "packages/a", "packages/b", "packages/b/deep/er", "packages")),
        *((at, ((), ())) for at in (".", "packages/a", "packages/b")),
        *((at, ((), ("root-only",))) for at in (".", "packages/a", "packages/b")),
        ("packages/b", (("fast",), ("check", "dev"))),
    ]
    if root == NO_PROJECT:
        asked.append((".", (("fast",), ("check",))))
    for at, selected in asked:
        found = planned(
            folder / at / ("../" * len(Path(at).parts)) / "uv.lock", tmp_path / "c", python, selected, folder / at
        )
        assert found == uv.sync(folder / at, python, selected), (at, selected)
    assert lock.is_file()


def test_a_matrix_in_a_member_s_folder_is_about_that_member(small: Project, uv: Uv) -> None:
    low = oldest(uv)
    files = {
        "pyproject.toml": (ROOT + WORKSPACE).format(oldest=low),
        "packages/a/pyproject.toml": MEMBER_A.format(oldest=low),
        "packages/b/pyproject.toml": MEMBER_B.format(oldest=low),
    }
    uv.lock(small.folder, files)
    matrix = small.matrix(lock="../../uv.lock", groups=["check"], commands=["python -c 'import beta, testtool'"])
    matrix.rename(small.folder / "packages" / "b" / "matrix.yaml")

    is_right(small.run("-C", "packages/b"))


def test_a_run_of_a_uv_lock_is_a_match_and_leaves_the_project_alone(small: Project, uv: Uv) -> None:
    python = next(iter(small.pythons))
    text = ONE.format(oldest=oldest(uv))
    uv.lock(small.folder, {"pyproject.toml": text})
    axes = {"selection": {"plain": {}, "old": {"extras": ["old"], "groups": []}, "all": {"groups": ["test", "docs-x"]}}}
    small.matrix(lock="uv.lock", commands=["python -c 'import alpha'"], cells={"axes": axes})
    before = files_below(small.folder)
    ran = small.run()

    is_right(ran)
    assert [cell["python"] for cell in ran.cells] == [python] * 3
    after = files_below(small.folder)
    assert {name: content for name, content in after.items() if not name.startswith(".lockproof/")} == before
    asked = len(uv.index.requests)
    is_right(small.run())
    assert len(uv.index.requests) == asked


def test_files_that_moved_are_found_by_their_hash(small: Project, uv: Uv, tmp_path: Path) -> None:
    """The index of the lock is gone; the one that is configured has the same files."""
    lock = uv.lock(small.folder, {"pyproject.toml": ONE.format(oldest=oldest(uv))})
    lock.write_text(lock.read_text().replace(uv.index.base, "http://127.0.0.1:9"))
    small.matrix(lock="uv.lock", commands=[])
    small.variables["PIP_INDEX_URL"] = uv.index.url

    is_right(small.run())


SOURCES = """
[project]
name = "one"
version = "0"
requires-python = ">={oldest}"
dependencies = ["alpha @ {base}/files/alpha-1.0-py3-none-any.whl", "near"]

[project.optional-dependencies]
folder = ["in-folder"]
flat = ["unhashed"]

[tool.uv.sources]
near = {{path = "../near/near-1.0-py3-none-any.whl"}}
in-folder = {{path = "../in-folder", editable = true}}
unhashed = {{index = "flat"}}

[[tool.uv.index]]
name = "flat"
url = "../flat"
format = "flat"
explicit = true
"""


def test_wheels_by_url_and_path_are_files_and_folders_are_refused(small: Project, uv: Uv) -> None:
    base = small.base
    for folder, name in (("near", "near"), ("flat", "unhashed")):
        (base / folder).mkdir()
        make_wheel(base / folder, name, "1.0", {f"{name}.py": ""})
    (base / "in-folder").mkdir()
    (base / "in-folder" / "pyproject.toml").write_text('[project]\nname = "in-folder"\nversion = "3"\n')
    uv.lock(small.folder, {"pyproject.toml": SOURCES.format(oldest=oldest(uv), base=uv.index.base)})
    lines = (small.folder / "uv.lock").read_text().splitlines()

    small.matrix(lock="uv.lock", commands=["python -c 'import near, alpha'"])
    is_right(small.run())

    small.matrix(lock="uv.lock", extras=["folder"])
    ended = small("run")
    assert ended.code == 2
    at = lines.index('name = "in-folder"')
    assert f"uv.lock:{at}: in-folder 3 is locked from an editable folder for {next(iter(small.pythons))}" in ended.err

    small.matrix(lock="uv.lock", extras=["flat"])
    ended = small("run")
    assert ended.code == 2
    at = lines.index('name = "unhashed"')
    assert f"uv.lock:{at}: unhashed: unhashed-1.0-py3-none-any.whl has no sha256 in the lock" in ended.err


def test_what_uv_says_is_told(small: Project, uv: Uv) -> None:
    lock = uv.lock(small.folder, {"pyproject.toml": ONE.format(oldest=oldest(uv))})
    small.matrix(lock="uv.lock", extras=["fast", "old"])
    ended = small("run")
    assert (ended.code, "Extras `fast` and `old` are incompatible" in ended.err) == (2, True)

    small.matrix(lock="uv.lock", extras=["fast", "slow"], groups=["docs"])
    ended = small("run")
    assert ended.code == 2
    assert "uv.lock: the lock has no extra slow, which is asked" in ended.err
    assert "it has fast, nothing-more, old" in ended.err
    assert "it has dev, docs-x, none, test" in ended.err

    text = lock.read_text()
    lock.write_text(text.replace("sha256:", "sha256:00", 1))
    small.matrix(lock="uv.lock")
    ended = small("run")
    assert (ended.code, "uv can't export the lock" in ended.err or "no sha256" in ended.err) == (2, True)
    assert "Traceback" not in ended.err
