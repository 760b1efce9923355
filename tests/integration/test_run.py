"""`lockproof run` on real interpreters: every environment is what was predicted, however it was made."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from support.overlays import PROBLEM
from support.projects import Project, files_below, make_project
from support.reports import is_right, layer_of, log_of, proof_of, side_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.loopback import LoopbackIndex

pytestmark = pytest.mark.integration

SAID = ["uses 42 1 1 1 1 2", "True", "plain says 42", "plain says 42", "every 1", "sh"]


def test_every_python_gets_exactly_what_was_predicted(
    all_pythons: dict[str, Path], project: Project, serve: Callable[[Project], LoopbackIndex]
) -> None:
    project.pythons = all_pythons
    project.sample()
    index = serve(project)
    project.lock(index=index.base)
    project.matrix(commands=project.use_all())
    first = project.run()
    is_right(first)
    assert first.ended.code == 0
    assert [cell["python"] for cell in first.cells] == list(all_pythons)
    assert [log_of(cell) for cell in first.cells] == [SAID] * len(all_pythons)
    asked = [request.path for request in index.requests]
    assert sorted(asked) == sorted(f"/files/{wheel.name}" for wheel in project.wheels)

    again = project.run()
    is_right(again)
    assert [request.path for request in index.requests] == asked  # everything is in the store
    assert [cell["seconds"]["create"] for cell in again.cells] == [0.0] * len(all_pythons)  # type: ignore[index]
    assert [proof_of(cell) for cell in again.cells] == [proof_of(cell) for cell in first.cells]


def test_everything_lands_where_it_belongs(small: Project) -> None:
    small.sample()
    small.lock()
    small.matrix(commands=small.use_all())
    ran = small.run()
    is_right(ran)
    folder, version = small.environment(ran), ".".join(next(iter(small.pythons)).split(".")[:2])
    site = f"lib/python{version}/site-packages"
    landed = files_below(folder, leave_out=("dist-info", "activate", "bin/python", "__pycache__", ".virtualenv"))
    assert {
        path for path in landed if path.startswith((site, "bin/", "include/", "share/")) and "bin/python" not in path
    } == {
        *(f"bin/{name}" for name in ("plain", "plain-gui", "every-script", "every-sh")),
        f"include/site/python{version}/every-scheme/every.h",
        "share/every/table.txt",
        *(f"{site}/{name}.py" for name in ("every", "every_pure", "every_plat", "native")),
        *(f"{site}/plain/{name}" for name in ("__init__.py", "data.txt")),
        *(f"{site}/space/{name}.py" for name in ("one", "two")),
    }
    assert (folder / "bin" / "every-script").read_text().splitlines()[0] == f"#!{folder}/bin/python"
    modes = [stat.S_IMODE((folder / "bin" / name).stat().st_mode) for name in ("plain", "every-script", "every-sh")]
    assert [mode & 0o555 for mode in modes] == [0o555] * 3
    assert not (folder / "bin" / "pip").exists()


def test_a_lock_without_packages(small: Project) -> None:
    small.lock()
    small.matrix(commands=["python -V"])
    ran = small.run()
    is_right(ran)
    assert [path.name for path in small.site(ran).iterdir()] == []


def test_a_requirements_lock_with_an_index_or_with_find_links(
    project: Project, serve: Callable[[Project], LoopbackIndex]
) -> None:
    project.sample()
    index = serve(project)
    project.requirements(f"--index-url {index.url}")
    project.matrix(lock="requirements.txt", commands=project.use_all())
    by_index = project.run()
    is_right(by_index)
    project.requirements("--no-index", "--find-links ../wheels")
    by_folder = project.run()
    is_right(by_folder)
    project.lock()
    project.matrix(commands=project.use_all())
    by_pylock = project.run()
    is_right(by_pylock)
    assert [proof_of(cell) for cell in by_folder.cells] == [proof_of(cell) for cell in by_index.cells]
    assert [proof_of(cell) for cell in by_pylock.cells] == [proof_of(cell) for cell in by_index.cells]


def test_links_installers_places_and_umasks_make_no_difference(project: Project, tmp_path: Path) -> None:
    project.sample()
    project.lock()
    links = ["hardlink", "copy", "symlink", *([] if PROBLEM else ["overlay"])]
    ways: dict[str, dict[str, str]] = {
        "first": {},
        **{link: {"link": link} for link in links},
        **{installer: {"installer": installer} for installer in ("pip", "uv")},
    }
    project.matrix(commands=project.use_all(), cells={"axes": {"way": ways}})
    ran = project.run()
    is_right(ran)
    for python in project.pythons:
        cells = [cell for cell in ran.cells if cell["python"] == python]
        assert [cell["link"] for cell in cells][1:] == [*links, "copy", "copy"]
        assert [side_of(cell) for cell in cells] == [side_of(cells[0])] * len(ways)

    other = project.checkout(tmp_path / "a path with a space")
    other.matrix(commands=other.use_all())
    elsewhere = other.run("-C", str(other.folder), cwd=tmp_path, umask=0o077)
    is_right(elsewhere)
    assert [layer_of(cell) for cell in elsewhere.cells] == [
        layer_of(ran.cell(f"{python}-linux-x86_64-first")) for python in project.pythons
    ]
    assert elsewhere.report["cells"] != ran.report["cells"]


def test_what_is_done_to_a_clone_stays_there(cloning: Path, python: dict[str, Path], warm: Path) -> None:
    (cloning / "small").mkdir()
    project = make_project(cloning / "small", python, warm=warm)
    project.sample()
    project.lock()
    edit = project.script("import every", "with open(every.__file__, 'a') as file: file.write('#')")
    project.matrix(commands=[*project.use_all(), edit])
    edited = project.run()
    assert (edited.statuses, edited.cell()["link"]) == (["mismatch"], "clone")
    project.matrix(link="clone", commands=project.use_all())
    again = project.run()
    is_right(again)
    assert "put right" not in edited.ended.err + again.ended.err


def test_clone_works_or_says_why_not(small: Project) -> None:
    small.sample()
    small.lock()
    small.matrix(link="clone", commands=small.use_all())
    ran = small.run()
    if ran.ended.code == 0:
        is_right(ran)
        assert ran.cell()["link"] == "clone"
        return
    assert (ran.ended.code, ran.statuses) == (4, ["error"])
    assert "link: clone does not work" in str(ran.cell()["reason"])
    assert "link: auto" in str(ran.cell()["reason"])
    assert proof_of(ran.cell())["verdict"] == "unproven"
    small.matrix(link="auto", commands=small.use_all())
    is_right(small.run())
