"""The project under test, built and installed in its cells: from hashed locks, once, and offline once that was done."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.backend import SOURCE, backend_wheel, write_app
from support.builds import setuptools_wheel
from support.overlays import needs_overlays
from support.projects import files_below
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
    """An app with a dependency, an extra, a group and a script, in a repository, with its lock served by an index."""
    write_app(project, **{"requires": ["lib>=1", "color; extra == 'color'"], "extras": ["color"], **more})
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


@pytest.mark.parametrize(
    ("package", "link"),
    [("wheel", "auto"), ("editable", "auto"), pytest.param("wheel", "overlay", marks=needs_overlays)],
)
def test_an_extra_a_group_and_a_script_and_the_second_time_offline(
    project: Project, serve: Callable[[Project], LoopbackIndex], package: str, link: str
) -> None:
    index = prepare(project, serve)
    project.matrix(link=link, **cells_of(package))
    ran = project.run()
    is_right(ran)
    assert (len(ran.cells), ran.ended.code) == (6, 0)
    told = ["editable"] if package == "editable" else []
    assert [notes_of(cell) for cell in ran.cells] == [told] * 6
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
    assert [path.name for path in project.cache.glob("builds/*") if not path.name.endswith(".lock")] == []
    shutil.rmtree(project.cache / "store" / "builds")
    rebuilt = project.run("--offline")  # what was built can be built again from the store
    assert [side_of(cell) for cell in rebuilt.cells] == [side_of(cell) for cell in ran.cells]


def local(project: Project, **more: object) -> None:
    """The app and its backend in a repository, the lock's wheels by path."""
    write_app(project, **more)
    backend_wheel(project)
    project.lock()
    git_init(project)


def built_wheels(project: Project) -> list[str]:
    return sorted(path.name for path in project.cache.glob("store/wheels/*/*/app-*.whl"))


def test_a_pure_wheel_is_built_once_and_again_only_when_the_project_changes(project: Project) -> None:
    local(project)
    project.matrix(package="wheel", commands=["app"])
    ran = project.run()
    is_right(ran)
    (before,) = layers_of(ran)
    assert built_wheels(project) == ["app-1.0-py3-none-any.whl"]
    project.write("noise.log", "ignored")
    assert layers_of(project.run()) == {before}
    assert len(built_wheels(project)) == 1
    project.write("src/more.py", "not yet tracked")
    changed = project.run()
    is_right(changed)
    assert before not in layers_of(changed)
    assert len(built_wheels(project)) == 2
    assert len({side_of(cell)["digest"] for cell in (*ran.cells, *changed.cells)}) == 4


def test_a_wheel_for_one_python_is_built_by_each(project: Project) -> None:
    local(project, tag="THIS-none-any")
    project.matrix(package="wheel", commands=["app"])
    is_right(project.run())
    tags = ["cp" + "".join(python.split(".")[:2]) for python in project.pythons]
    assert built_wheels(project) == sorted(f"app-1.0-{tag}-none-any.whl" for tag in tags)


def test_nothing_is_written_to_the_project_and_nothing_ignored_gets_into_the_wheel(small: Project) -> None:
    local(small)
    small.write("src/ignored.log", "secret")
    small.matrix(package="wheel", commands=["python -c 'import app'"])
    before = files_below(small.folder)
    ran = small.run()
    is_right(ran)
    after = {path: said for path, said in files_below(small.folder).items() if not path.startswith(".lockproof/")}
    assert after == before
    assert not (small.site(ran) / "ignored.log").exists()
    assert (small.site(ran) / "app.py").exists()


def test_every_installer_puts_the_same_there(small: Project) -> None:
    local(small)
    kinds = {name: {"installer": name} for name in ("lockproof", "pip", "uv")}
    kinds |= {f"{name}-editable": {"installer": name, "package": "editable"} for name in ("lockproof", "pip", "uv")}
    small.matrix(package="wheel", commands=["app"], cells={"axes": {"kind": kinds}})
    ran = small.run()
    is_right(ran)
    assert len({side_of(cell)["digest"] for cell in ran.cells[:3]}) == 1
    assert len({side_of(cell)["digest"] for cell in ran.cells[3:]}) == 1


def test_what_is_edited_shows_at_once_in_an_editable_cell_and_only_in_its_project_layer(small: Project) -> None:
    local(small)
    small.matrix(package="editable", commands=["app"])
    first = small.run()
    small.write("src/app.py", "def main():\n    print('edited')\n")
    second = small.run()
    is_right(second)
    assert log_of(second.cell()) == ["edited"]
    layers = [dict(side_of(ran.cell())["layers"]) for ran in (first, second)]  # type: ignore[call-overload]
    assert {layer for layer in layers[0] if layers[0][layer] != layers[1][layer]} == {"project"}
    assert "made again" not in second.ended.err


def test_commands_that_write_to_the_project_are_told_of(small: Project) -> None:
    local(small)
    small.matrix(package="wheel", commands=[small.script("open('result.txt', 'w').close()")])
    ran = small.run()
    is_right(ran)
    findings = proof_of(ran.cell())["findings"]
    told = {"code": "project-changed", "path": "result.txt", "message": "was changed while the commands ran"}
    assert findings == [{**told, "level": "note"}]


def test_a_project_without_a_repository_has_no_layer(small: Project) -> None:
    write_app(small)
    backend_wheel(small)
    small.lock()
    small.matrix(package="wheel", commands=["app"])
    ran = small.run()
    is_right(ran)
    assert "project" not in side_of(ran.cell())["layers"]  # type: ignore[operator]
    assert notes_of(ran.cell()) == ["project-untracked"]
    assert "note: all files of the project's folder count as its own: git says: fatal: not a git" in ran.ended.err


def test_other_platforms_are_predicted_with_a_wheel_that_fits_them(small: Project) -> None:
    local(small)
    small.matrix(package="wheel", platform=["windows-x86_64", "host"])
    ran = small.run("--install-only")
    assert ran.statuses == ["predicted", "passed"]
    assert dict(side_of(ran.cells[0], "predicted")["layers"]).keys() >= {"files", "project"}  # type: ignore[call-overload]
    small.write("tiny.json", small.folder.joinpath("tiny.json").read_text()[:-1] + ', "tag": "THIS-none-linux_x86_64"}')
    ran = small.run("--install-only")
    assert ran.statuses == ["error", "passed"]
    assert "the project's wheel for" in str(ran.cells[0]["reason"])
    small.matrix(package="editable", platform=["windows-x86_64"])
    ended = small("predict")
    assert (ended.code, "an editable project is that of one machine" in ended.err) == (4, True)


def test_the_locks_own_copy_gives_way(small: Project) -> None:
    small.wheel("app", "0.9")
    local(small)
    small.matrix(package="wheel", commands=["app"])
    ran = small.run()
    is_right(ran)
    assert notes_of(ran.cell()) == ["project-replaces"]
    assert "note: the app 0.9 of the lock gives way to the project's own" in ran.ended.err
    fingerprint = small.json("predict")
    assert [row["version"] for row in fingerprint["distributions"] if row["name"] == "app"] == ["1.0"]  # type: ignore[attr-defined]


def test_an_environment_is_verified_with_its_project(small: Project) -> None:
    local(small)
    small.matrix(package="editable", commands=["app"])
    ran = small.run()
    where, id_ = str(small.environment(ran)), str(ran.cell()["id"])
    assert small("verify", where, "--cell", id_).code == 0
    saved = small.write("saved.log", small("predict", "--json").out)
    ended = small("verify", where, "--expect", str(saved))
    assert (ended.code, "nothing says what the project's files were" in ended.out) == (4, True)
    (small.site(ran) / "_editable_app.pth").write_text("/elsewhere\n")
    assert small("verify", where, "--cell", id_).code == 3


def test_a_lock_that_lacks_what_the_project_requires(small: Project) -> None:
    local(small, requires=["lib>=1"])
    small.matrix(package="wheel", commands=["app"])
    ran = small.run()
    is_right(ran)
    assert "note: app 1.0 requires lib>=1, which is not there" in ran.ended.err


@pytest.mark.parametrize("package", ["wheel", "editable"])
def test_what_keeps_a_project_from_being_built(small: Project, package: str) -> None:
    write_app(small)
    small.wheel("lib", "1.0")
    small.lock()
    small.matrix(package=package)
    ran = small.run()
    assert (ran.statuses, ran.ended.code) == (["error"], 2)
    assert str(ran.cell()["reason"]) == (
        f"{small.folder}/pyproject.toml: the project can't be built: it requires tiny>=1: pylock.toml has nothing of "
        f"the kind for {ran.cell()['id']}\n  Lock it, with hashes, in pylock.toml, or in a file of its own that "
        "`build-lock` names. If it is in a group that the cell doesn't take, name that group: `build-groups: [build]`."
    )
    small.wheel("tiny", "1.0", {"tiny.py": "def build_wheel(*_):\n    raise SystemExit('no way')\n"})
    small.lock()
    ran = small.run()
    assert (ran.statuses, ran.ended.code) == (["error"], 4)
    said = "no way" if package == "wheel" else "the backend tiny has no build_editable"
    assert said in str(ran.cell()["reason"])
    (small.folder / "pyproject.toml").unlink()
    ran = small.run()
    assert (ran.statuses, ran.ended.code) == (["error"], 2)
    assert "it has no pyproject.toml" in str(ran.cell()["reason"])


@pytest.mark.parametrize("package", ["wheel", "editable"])
def test_setuptools(small: Project, package: str) -> None:
    wheel = setuptools_wheel()
    shutil.copy(wheel, small.base / "wheels")
    small.wheels.append(small.base / "wheels" / wheel.name)
    small.lock()
    small.write(".gitignore", "*.log\n")
    small.write("src/app.py", "def main():\n    print('app')\n")
    small.write(
        "pyproject.toml",
        '[build-system]\nrequires = ["setuptools>=70"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "app"\nversion = "1.0"\nscripts = {app = "app:main"}\n',
    )
    git_init(small)
    small.matrix(package=package, commands=["app"])
    first, second = small.run("--offline"), small.run("--offline")
    for ran in (first, second):
        is_right(ran)
        assert log_of(ran.cell()) == ["app"]
        assert notes_of(ran.cell()) == (["editable"] if package == "editable" else [])
    assert side_of(first.cell()) == side_of(second.cell())


@pytest.mark.parametrize("package", ["wheel", "editable"])
def test_the_backend_asks_for_more_than_the_project_does(small: Project, package: str) -> None:
    write_app(small)
    more = f"\n\ndef get_requires_for_build_{package}(config_settings=None):\n    return ['helper>=1']\n"
    small.wheel("tiny", "1.0", {"tiny.py": SOURCE + more})
    small.wheel("helper", "1.0")
    small.lock()
    git_init(small)
    small.matrix(package=package, commands=["app"])
    is_right(small.run())


@pytest.mark.parametrize("package", ["wheel", "editable"])
def test_a_build_lock_of_its_own(small: Project, serve: Callable[[Project], LoopbackIndex], package: str) -> None:
    """The cell has nothing of what builds it; the second build, offline, has everything from the store."""
    write_app(small, requires=["lib>=1"])
    backend_wheel(small)
    index = serve(small)
    small.requirements(f"--index-url {index.url}").rename(small.folder / "build.txt")
    small.wheels.clear()
    small.wheel("lib", "1.0")
    small.lock(index=index.base)
    git_init(small)
    small.matrix(package=package, commands=["app", "python -c 'import lib'"], **{"build-lock": "build.txt"})
    ran = small.run()
    is_right(ran)
    assert not (small.site(ran) / "tiny.py").exists()
    index.__exit__()
    small.write("src/app.py", small.folder.joinpath("src/app.py").read_text() + "# edited\n")
    again = small.run("--offline")
    is_right(again)
    assert layers_of(again) != layers_of(ran)


@pytest.mark.parametrize("package", ["wheel", "editable"])
def test_a_wheel_of_another_name_than_the_projects(small: Project, package: str) -> None:
    local(small)
    pyproject = small.folder.joinpath("pyproject.toml").read_text()
    small.write("pyproject.toml", f'{pyproject}[project]\nname = "An.App"\nversion = "1.0"\n')
    small.matrix(package=package)
    ran = small.run()
    assert ran.statuses == ["error"]
    said = "pyproject.toml: the project's backend builds app: the project is called an-app\n"
    assert said in str(ran.cell()["reason"])


def test_recreate_builds_once_more_and_for_all_cells_once(project: Project) -> None:
    local(project)
    project.matrix(package="wheel", commands=["app"])
    told = "note: building the project (wheel)"
    assert [project.run(*more).ended.err.count(told) for more in ([], [], ["--recreate"], [])] == [1, 0, 1, 0]


def test_an_editable_wheel_is_built_again_when_what_it_names_is_gone(small: Project) -> None:
    write_app(small)
    made = (
        "\n\ndef build_editable(folder, *_):\n"
        "    os.makedirs('made.log', exist_ok=True)\n"
        "    open('made.log/app.py', 'w').write(open('src/app.py').read())\n"
        "    return _wheel(folder, {'_app.pth': os.path.abspath('made.log') + '\\n'}, 'py3-none-any')\n"
    )
    small.wheel("tiny", "1.0", {"tiny.py": SOURCE + made})
    small.lock()
    git_init(small)
    small.matrix(package="editable", commands=["app"])
    is_right(small.run())
    shutil.rmtree(small.folder / "made.log")
    again = small.run()
    is_right(again)
    assert "building the project (editable)" in again.ended.err


def test_cells_with_different_backends_have_what_theirs_builds(small: Project) -> None:
    """One lock with two versions of the backend, each in a group; cells that differ in other things share a wheel."""
    write_app(small)
    lines = ['lock-version = "1.0"', 'created-by = "test"', 'dependency-groups = ["one", "two", "more"]']
    for name, version, group in (("tiny", "1.0", "one"), ("tiny", "2.0", "two"), ("lib", "1.0", "more")):
        source = SOURCE.replace("files = {}\n", f"files = {{'backend.py': 'print({version})'}}\n")
        wheel = small.wheel(name, version, {f"{name}.py": source})
        lines += ["[[packages]]", f'name = "{name}"', f'version = "{version}"']
        lines += [f"marker = \"'{group}' in dependency_groups\"", "[[packages.wheels]]", f'name = "{wheel.name}"']
        lines += [f'path = "{wheel}"', f'hashes = {{sha256 = "{sha256_of(wheel)}"}}']
    small.write("pylock.toml", "\n".join(lines) + "\n")
    git_init(small)
    kinds = {"a": {"groups": ["one"]}, "b": {"groups": ["two"]}, "c": {"groups": ["one", "more"]}}
    small.matrix(package="wheel", commands=["python -m backend"], cells={"axes": {"kind": kinds}})
    ran = small.run()
    is_right(ran)
    assert [log_of(cell) for cell in ran.cells] == [["1.0"], ["2.0"], ["1.0"]]
    assert ran.ended.err.count("note: building the project (wheel)") == 2
