"""Cells in containers of real engines: made and proven from outside, run inside, and nothing left behind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof.containers.starting import Start, named_container, start_arguments
from support.containers import DEBIANS, cell, containers, image_id, reach
from support.engines import BASE, PYTHON, add_python
from support.realworld import make_real_project, run_patiently
from support.reports import codes_of, is_right, layer_of, log_of, proof_of, side_of
from support.tools import run

if TYPE_CHECKING:
    from lockproof.containers.engines import Engine
    from support.projects import Project
    from support.reports import Json, Ran


@pytest.fixture
def image(engine: Engine, python: dict[str, Path]) -> str:
    """The id of an image in the engine that has, beside its own Python, the very build of CPython of `python`."""
    if not engine.has(PYTHON):
        (executable,) = python.values()
        add_python(engine.program, executable, engine.environ, PYTHON)
    return engine.image(PYTHON).id


@pytest.fixture
def boxed(small: Project, engine: Engine) -> Project:
    """A project whose runs know one engine."""
    small.wheel("plain", "1.0", {"plain.py": "ANSWER = 42\n"}, entry_points={"console_scripts": {"plain": "plain:f"}})
    small.lock()
    reach(small, engine)
    return small


def test_a_venv_and_a_container_of_the_same_python_are_the_same(
    small: Project, engine: Engine, image: str, python: dict[str, Path]
) -> None:
    (version,) = python
    small.sample()
    small.lock()
    reach(small, engine)
    small.matrix(commands=small.use_all(), cells={"include": [cell(image, engine, version)]})

    ran = small.run()
    here, inside = ran.cells

    assert ran.statuses == ["passed", "passed"], ran.ended.told
    assert installed(inside) == installed(here) == installed(inside, "predicted")
    assert [command["exit_code"] for command in inside["commands"]] == [0] * 5  # type: ignore[attr-defined]
    assert containers(engine) == []

    again = small.run()
    assert again.statuses == ["passed", "passed"], again.ended.told
    assert side_of(again.cells[1]) == side_of(inside)


def test_a_real_lock_in_a_venv_in_docker_and_in_podman_is_one_set_of_files(
    all_pythons: dict[str, Path], docker: Engine, podman: Engine, tmp_path: Path
) -> None:
    series = DEBIANS.rpartition(".")[0]
    here = {version: path for version, path in all_pythons.items() if version.startswith(f"{series}.")}
    if not here:
        pytest.skip(f"this test needs a CPython {series}, the one of the images")
    project = make_real_project(tmp_path, here)
    reach(project, docker, podman)
    look = project.script(
        "import cryptography, django, flask, numpy, os, pandas, platform, sys",
        "print(platform.python_version(), sys.prefix)",
        "print(os.path.exists('/.dockerenv'), os.environ.get('container'))",  # by which docker and podman are known
        "print(pandas.DataFrame({'a': numpy.arange(4)}).a.sum())",
    )
    boxes = [cell(image_id(engine), engine, DEBIANS) for engine in (docker, podman)]
    project.matrix(lock="requirements.txt", commands=[look, "flask --version"], cells={"include": boxes})

    ran = run_patiently(project)

    assert ran.ended.code == 0, ran.ended.told
    is_right(ran)
    marks = [f"{Path('/.dockerenv').exists()} None", "True None", "False podman"]
    assert [codes_of(cell) for cell in ran.cells] == [[0, 0]] * 3
    assert [log_of(cell)[:4] for cell in ran.cells] == [
        [f"{cell['python']} {cell['environment']}", mark, "6", f"Python {cell['python']}"]
        for cell, mark in zip(ran.cells, marks, strict=True)
    ]
    assert len({layer_of(cell) for cell in ran.cells}) == 1


def installed(cell: Json, side: str = "observed") -> list[str]:
    """The digests that speak of what is installed; the image's Python lacks its own tests."""
    layers = side_of(cell, side)["layers"]
    return [layers[name] for name in ("set", "files", "startup")]  # type: ignore[index]


def test_what_a_command_in_a_container_sees(boxed: Project, engine: Engine) -> None:
    look = boxed.script(
        "import os, socket, sys, plain",
        "print('python', sys.version.split()[0], 'at', sys.prefix)",
        "told = sorted(name for name in os.environ if name.startswith(('SEEN', 'HIDDEN', 'LOCKPROOF')))",
        "print('in', os.getcwd(), 'with', told)",
        "for place in ('.', '/usr', sys.prefix, '/tmp'):",
        "    try:",
        "        open(os.path.join(place, 'written'), 'w').close()",
        "        print(place == sys.prefix and 'environment' or place, 'can be written to')",
        "    except OSError as error:",
        "        print(place, error.strerror)",
        "if os.path.exists(sys.prefix + '/written'): os.remove(sys.prefix + '/written')",
        "try: socket.create_connection(('127.0.0.1', 9), 5)",
        "except OSError as error: print(error.strerror)",
    )
    boxed.matrix(
        python=[], commands=[look], pass_env=["SEEN_*"], cells={"include": [cell(image_id(engine), engine, DEBIANS)]}
    )

    ran = boxed.run(env={"SEEN_ONE": "1", "HIDDEN": "2"})

    (only,) = ran.cells
    assert ran.statuses == ["passed"], ran.ended.told
    log = Path(str(only["commands"][0]["log"]))  # type: ignore[index]
    assert log.read_text(encoding="utf-8").splitlines()[1:] == [
        f"python {DEBIANS} at {only['environment']}",
        f"in {boxed.folder} with ['LOCKPROOF_CELL', 'SEEN_ONE']",
        ". Read-only file system",
        "/usr Read-only file system",
        "environment can be written to",
        "/tmp can be written to",
        "Connection refused",
    ]
    assert not (boxed.folder / "written").exists()


def test_the_health_check_of_an_image_is_not_run(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {BASE}\nHEALTHCHECK CMD /bin/true\n")
    kind = ["--format", "docker"] if engine.name == "podman" else []  # OCI's own knows no health checks
    run([engine.program, "build", *kind, "--quiet", "--tag", "checked", str(tmp_path)], engine.environ)
    look = ("inspect", "--format", "{{json .Config.Healthcheck.Test}}")

    with named_container(engine) as name:
        start = Start(image=engine.image("checked").id, program="/bin/true", variables={})
        run(start_arguments(engine, name, start), engine.environ)
        told = [engine.ask(kind, *look, of).strip() for kind, of in (("image", "checked"), ("container", name))]

    assert told == ['["CMD-SHELL","/bin/true"]', '["NONE"]']


def test_the_environment_of_a_container_cell_is_verified(boxed: Project, engine: Engine) -> None:
    boxed.matrix(python=[], commands=["plain"], cells={"include": [cell(image_id(engine), engine, DEBIANS)]})
    boxed.run("--install-only")
    [folder] = (boxed.folder / ".lockproof").glob(f"{DEBIANS}-*")

    honest = boxed("verify", str(folder), "--cell", engine.name)
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to("/usr/bin/python3.13")
    other = boxed("verify", str(folder), "--cell", engine.name)

    assert (honest.code, honest.out) == (0, f"match: {folder} is, to the byte, what {folder.name} says\n"), honest
    assert other.code == 3, other
    assert "leads to /usr/bin/python3.13, not to /usr/bin/python3.11 of the image" in other.out


def test_a_copy_of_the_checkout_can_be_written_to_and_is_gone(boxed: Project, engine: Engine) -> None:
    write = boxed.script("import pathlib", "pathlib.Path('written').touch()", "print(sorted(pathlib.Path().glob('*')))")
    inside = cell(image_id(engine), engine, DEBIANS, project="copy")
    boxed.matrix(python=[], commands=[write], cells={"include": [inside]})

    ran = boxed.run()

    assert ran.statuses == ["passed"], ran.ended.told
    assert not (boxed.folder / "written").exists()
    assert os.listdir(boxed.folder / ".lockproof" / ".copies") == []


def test_a_command_that_changes_the_environment_is_found_out_from_outside(boxed: Project, engine: Engine) -> None:
    change = boxed.script("import plain", "open(plain.__file__, 'a').write('#')")
    boxed.matrix(
        python=[], link="copy", commands=[change], cells={"include": [cell(image_id(engine), engine, DEBIANS)]}
    )

    ran = boxed.run()

    assert ran.statuses == ["mismatch"]
    findings = proof_of(ran.cell())["findings"]
    assert {finding["path"] for finding in findings} == {"site/plain.py"}  # type: ignore[attr-defined]


def test_what_runs_on_arm64_is_what_was_predicted_without_any(small: Project, engine: Engine, arm64: str) -> None:
    for machine in ("x86_64", "aarch64"):
        tag = f"cp311-cp311-manylinux_2_17_{machine}"
        small.wheel("compiled", "1.0", {"compiled.py": f"MACHINE = {machine!r}\n"}, tag=tag, purelib=False)
    small.lock()
    reach(small, engine)
    look = small.script("import compiled, platform; assert compiled.MACHINE == platform.machine() == 'aarch64'")
    far = {"name": "far", "python": DEBIANS, "platform": "linux-aarch64"}
    emulated = cell(engine.image(arm64).id, engine, DEBIANS, platform="linux/arm64")
    small.matrix(python=[], commands=[look], cells={"include": [far, emulated]})

    predicted = small.json("predict", "*-far", env={"PATH": "/nothing-is-here"})
    ran = small.run("*aarch64-" + engine.name)

    assert ran.statuses == ["passed"], ran.ended.told
    assert proof_of(ran.cell())["verdict"] == "match"
    assert ran.cell()["platform"] == "linux-aarch64"
    assert side_of(ran.cell())["layers"]["files"] == predicted["layers"]["files"]  # type: ignore[index]


class TestInAContainer:
    """Where no engine is, and lockproof itself is said to be in a container."""

    IMAGE = f"sha256:{'0' * 64}"

    def ran(self, project: Project, python: dict[str, Path], said: str) -> Ran:
        project.wheel("plain", "1.0", {"plain.py": "A = 1\n"})
        project.lock()
        (version,), (executable,) = python, python.values()
        inside = {"name": "box", "python": version, "container": {"image": f"app@{self.IMAGE}"}}
        project.matrix(python=[], commands=["python -c 'import plain'"], cells={"include": [inside]})
        return project.run(env={"PATH": str(executable.parent), "LOCKPROOF_IMAGE": said})

    def listed(self, project: Project, python: dict[str, Path], said: str) -> tuple[object, object]:
        env = {"PATH": str(next(iter(python.values())).parent), "LOCKPROOF_IMAGE": said}
        rows = project.json("list", env=env)["cells"]
        assert isinstance(rows, list)
        return rows[0]["status"], rows[0]["reason"]

    def test_a_cell_of_that_image_runs_right_here(self, small: Project, python: dict[str, Path]) -> None:
        ran = self.ran(small, python, f"registry.invalid/app@{self.IMAGE}")

        assert ran.statuses == ["passed"], ran.ended.told
        assert proof_of(ran.cell())["verdict"] == "match"
        assert self.listed(small, python, f"app@{self.IMAGE}") == ("available", "in the container around it")

    def test_a_cell_of_another_image_does_not(self, small: Project, python: dict[str, Path]) -> None:
        ran = self.ran(small, python, f"sha256:{'1' * 64}")

        assert (ran.statuses, ran.ended.code) == (["unavailable"], 4)
        assert "this container is of another image" in str(ran.cell()["reason"])
        assert self.listed(small, python, f"sha256:{'1' * 64}") == ("unavailable", ran.cell()["reason"])

    def test_a_command_that_fails_is_told_beside_what_stays_unproven(
        self, small: Project, python: dict[str, Path]
    ) -> None:
        small.lock()
        (version,), (executable,) = python, python.values()
        inside = {"name": "box", "python": version, "container": {"image": "app:1"}}
        small.matrix(python=[], commands=["python -c 'raise SystemExit(7)'"], cells={"include": [inside]})
        ran = small.run("--allow-tags", env={"PATH": str(executable.parent), "LOCKPROOF_IMAGE": "app:1"})

        assert (ran.statuses, ran.ended.code) == (["unproven"], 1)
        assert ran.cell()["reason"] == (
            "app:1 is a tag: nothing says that it means the same elsewhere\n"
            "python -c 'raise SystemExit(7)': exit code 7"
        )
