"""The project under test, built and installed in its cells: from hashed locks, once, and offline once that was done."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.backend import backend_wheel, write_app
from support.reports import is_right, log_of, proof_of, side_of
from support.wheels import sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.loopback import LoopbackIndex
    from support.projects import Project
    from support.reports import Json, Ran

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("git") is None, reason="these tests need git"),
]


def git_init(project: Project) -> None:
    for arguments in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *arguments], cwd=project.folder, env=project.environ, check=True)


def lock_with_extra_and_group(project: Project, index: LoopbackIndex) -> None:
    """pylock.toml of the backend, a dependency, one of the extra `color`, and one of the group `test`, by URL."""
    lines = ['lock-version = "1.0"', 'created-by = "test"', 'extras = ["color"]', 'dependency-groups = ["test"]']
    lines.append('default-groups = ["test"]')
    markers = {"color": "'color' in extras", "checker": "'test' in dependency_groups"}
    for wheel in sorted(project.wheels):
        name, version, _ = wheel.name.split("-", 2)
        lines += ["[[packages]]", f'name = "{name}"', f'version = "{version}"']
        lines += [f'marker = "{markers[name]}"'] if name in markers else []
        url = f"{index.base}/files/{wheel.name}"
        lines += ["[[packages.wheels]]", f'name = "{wheel.name}"', f'url = "{url}"']
        lines.append(f'hashes = {{sha256 = "{sha256_of(wheel)}"}}')
    project.write("pylock.toml", "\n".join(lines) + "\n")


def prepare(project: Project, serve: Callable[[Project], LoopbackIndex], **more: object) -> LoopbackIndex:
    """An app with a dependency, an extra, a group and a console script, in a repository, its lock served by an index."""
    write_app(project, requires=["lib>=1", "color; extra == 'color'"], extras=["color"], **more)
    backend_wheel(project)
    for name in ("lib", "color", "checker"):
        project.wheel(name, "1.0")
    index = serve(project)
    lock_with_extra_and_group(project, index)
    git_init(project)
    return index


def cells_of(package: str) -> dict[str, object]:
    """Three cells a Python: with the extra, without the group, and with neither of them."""
    values = {"all": {"extras": ["color"]}, "prod": {"extras": ["color"], "groups": []}, "bare": {"groups": []}}
    return {"package": package, "commands": ["app", "python -c 'import lib'"], "cells": {"axes": {"kind": values}}}


def notes_of(cell: Json) -> list[str]:
    findings = proof_of(cell)["findings"]
    assert isinstance(findings, list)
    return [finding["code"] for finding in findings]


def layers_of(ran: Ran) -> set[str]:
    return {str(side_of(cell)["layers"]["project"]) for cell in ran.cells}  # type: ignore[index]


@pytest.mark.parametrize("package", ["wheel", "editable"])
def test_an_extra_a_group_and_a_script_and_the_second_time_offline(
    project: Project, serve: Callable[[Project], LoopbackIndex], package: str
) -> None:
    index = prepare(project, serve)
    project.matrix(**cells_of(package))
    ran = project.run()
    is_right(ran)
    assert (len(ran.cells), ran.ended.code) == (6, 0)
    assert [note for cell in ran.cells for note in notes_of(cell)] == []
    has = {"all": " color checker", "prod": " color", "bare": ""}
    for cell in ran.cells:
        (said,) = log_of(cell)
        where = f"{project.folder}/src/app.py" if package == "editable" else f"{cell['environment']}/"
        assert said.startswith(f"app {where}")
        assert said.endswith(f"app.py{has[str(cell['id']).rpartition('-')[2]]}")
    index.__exit__()
    again = project.run("--offline")
    is_right(again)
    assert layers_of(again) == layers_of(ran)
    assert [side_of(cell) for cell in again.cells] == [side_of(cell) for cell in ran.cells]
    fresh = project.run("--offline", "--recreate")
    assert [side_of(cell) for cell in fresh.cells] == [side_of(cell) for cell in ran.cells]
    assert not (project.cache / "builds" / "project").exists()
    shutil.rmtree(project.cache / "builds")
    rebuilt = project.run("--offline")  # what was built can be built again from the store
    assert [side_of(cell) for cell in rebuilt.cells] == [side_of(cell) for cell in ran.cells]
