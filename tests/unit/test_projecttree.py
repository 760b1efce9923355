"""The files of a project: what git tracks or would, in repositories made for each test."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from lockproof.build.projecttree import ProjectTree, git_state, read_project
from lockproof.digests import sha256_hex
from lockproof.errors import LockError, UnavailableError

if TYPE_CHECKING:
    from pathlib import Path


def git(folder: Path, *arguments: str) -> None:
    settings = ("-c", "user.name=t", "-c", "user.email=t@t.invalid", "-c", "protocol.file.allow=always")
    subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True)


def f(text: str, kind: str = "f") -> str:
    return f"{kind} {sha256_hex(text.encode())}"


@pytest.fixture(autouse=True)
def plain_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No configuration and no variables of whoever runs the tests."""
    for name in os.environ:
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    (root / "src").mkdir(parents=True)
    (root / ".gitignore").write_text("*.log\n")
    (root / "src" / "a.py").write_text("a")
    (root / "gone.py").write_text("gone")
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "one")
    return root


def test_tracked_and_not_ignored(repository: Path) -> None:
    (repository / "gone.py").unlink()
    (repository / "new é.py").write_text("new")
    (repository / "noise.log").write_text("ignored")
    (repository / ".lockproof").mkdir()
    (repository / ".lockproof" / "x").write_text("never")
    (repository / "run").write_text("run")
    (repository / "run").chmod(0o755)
    (repository / "link").symlink_to("nowhere")
    tree = read_project(repository)
    assert (tree.files, tree.untracked) == (
        {
            ".gitignore": f("*.log\n"),
            "link": "l nowhere",
            "new é.py": f("new"),
            "run": f("run", "x"),
            "src/a.py": f("a"),
        },
        "",
    )


def test_the_digest_is_of_names_bytes_modes_and_targets(repository: Path) -> None:
    before = read_project(repository)
    os.utime(repository / "src" / "a.py", (1, 1))
    (repository / "src" / "a.py").chmod(0o600)
    git(repository, "commit", "-q", "--allow-empty", "-m", "two")
    assert read_project(repository).digest == before.digest
    (repository / "src" / "a.py").chmod(0o744)
    (repository / "b.py").write_text("b")
    after = read_project(repository)
    assert after.digest != before.digest
    assert (before.changes(), after.changes()) == (["b.py", "src/a.py"], [])


def test_a_newline_in_a_name_makes_no_second_line(tmp_path: Path) -> None:
    one = ProjectTree(root=tmp_path, files={"a": "l x\nb\0f y"})
    two = ProjectTree(root=tmp_path, files={"a": "l x", "b": "f y"})
    assert one.digest != two.digest


def test_a_folder_below_the_repositorys_root(repository: Path) -> None:
    assert read_project(repository / "src").files == {"a.py": f("a")}


def test_repositories_inside(repository: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "lib.py").write_text("lib")
    git(library, "init", "-q")
    git(library, "add", ".")
    git(library, "commit", "-qm", "one")
    git(repository, "submodule", "add", "-q", str(library), "vendor/library")
    git(repository, "clone", "-q", str(library), "clone")
    files = read_project(repository).files
    assert {path: fact for path, fact in files.items() if "lib.py" in path} == {
        "clone/lib.py": f("lib"),
        "vendor/library/lib.py": f("lib"),
    }


def test_what_lies_behind_a_link_is_not_the_projects(repository: Path) -> None:
    (repository / "src").rename(repository / "moved")
    (repository / "src").symlink_to("moved")
    assert sorted(read_project(repository).files) == [".gitignore", "gone.py", "moved/a.py", "src"]


def test_variables_of_a_hook_do_not_lead_elsewhere(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = read_project(repository).digest
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    assert read_project(repository).digest == wanted


def test_without_a_repository(tmp_path: Path) -> None:
    root = tmp_path / "plain"
    for path in ("a.py", "package/b.py", ".venv/pyvenv.cfg", ".venv/lib/c.py", "package/__pycache__/b.pyc"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    (root / "link").symlink_to("package")
    tree = read_project(root)
    assert tree.files == {"a.py": f("a.py"), "link": "l package", "package/b.py": f("package/b.py")}
    assert tree.untracked.startswith("git says: fatal: not a git repository")


def test_a_project_that_an_outer_repository_ignores(repository: Path) -> None:
    (repository / ".gitignore").write_text("build/\n")
    project = repository / "build" / "app"
    project.mkdir(parents=True)
    (project / "setup.py").write_text("setup")
    (project / "a.py").write_text("a")
    tree = read_project(project)
    assert tree == ProjectTree(
        root=project, files={"a.py": f("a"), "setup.py": f("setup")}, untracked="git ignores its setup.py"
    )
    (project / "pyproject.toml").write_text("[project]")
    git(project, "add", "-f", "pyproject.toml")
    assert read_project(project).files == {"pyproject.toml": f("[project]")}


def test_no_program_of_a_repositorys_configuration_is_run(repository: Path, tmp_path: Path) -> None:
    monitor = tmp_path / "monitor"
    monitor.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
    monitor.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(monitor))
    read_project(repository)
    git_state(repository)
    assert not (tmp_path / "ran").exists()


def test_without_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    tree = read_project(repository)
    assert (tree.untracked, "src/a.py" in tree.files) == ("git can't be run (No such file or directory)", True)


def test_a_copy_is_the_same_tree(repository: Path, tmp_path: Path) -> None:
    (repository / "run").write_text("run")
    (repository / "run").chmod(0o777)
    (repository / "link").symlink_to("src")
    (repository / "noise.log").write_text("ignored")
    tree = read_project(repository)
    tree.copy_to(tmp_path / "copy")
    assert read_project(tmp_path / "copy").files == tree.files


@pytest.mark.parametrize("target", ["/etc/passwd", "../elsewhere", "up/../../elsewhere"])
def test_a_copy_with_a_link_that_leads_outside_is_refused(repository: Path, tmp_path: Path, target: str) -> None:
    (repository / "src" / "up").symlink_to("..")
    (repository / "src" / "itself").symlink_to("itself")
    (repository / "src" / "missing").symlink_to("../elsewhere")
    read_project(repository).copy_to(tmp_path / "fine")
    (repository / "link").symlink_to("src/" + target if target[0] == "u" else target)
    with pytest.raises(LockError) as caught:
        read_project(repository).copy_to(tmp_path / "copy")
    assert (caught.value.where, "a link that leads outside, to " in str(caught.value)) == (f"{repository}/link", True)


def test_a_copy_of_what_has_changed_is_refused(repository: Path, tmp_path: Path) -> None:
    tree = read_project(repository)
    (repository / "src" / "a.py").write_text("b")
    with pytest.raises(UnavailableError, match="changed while it was copied"):
        tree.copy_to(tmp_path / "one")
    (repository / "src" / "a.py").unlink()
    with pytest.raises(UnavailableError, match="changed while it was copied"):
        tree.copy_to(tmp_path / "two")


def test_what_is_known_is_not_read_again(repository: Path, tmp_path: Path) -> None:
    memo = tmp_path / "memo.json"
    for path in repository.rglob("*.py"):
        os.utime(path, (1, 1))
    first = read_project(repository, memo)
    assert read_project(repository, memo) == first
    (repository / "src" / "a.py").write_text("b")
    assert read_project(repository, memo).files["src/a.py"] == f("b")


def test_commits_and_tags_are_a_state_of_their_own(repository: Path, tmp_path: Path) -> None:
    states = [git_state(repository)]
    for action in (("tag", "v1"), ("commit", "-qm", "two", "--allow-empty"), ("tag", "v2")):
        git(repository, *action)
        states.append(git_state(repository))
    assert len(set(states)) == 4
    (tmp_path / "plain").mkdir()
    assert git_state(tmp_path / "plain") == ""
