"""Commands that change their environment: only the guilty cell is a mismatch, and the next run is right again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.projects import make_project
from support.reports import findings_of, is_right, proof_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.projects import Project
    from support.reports import Ran

    RightAgain = Callable[[Project, str], None]

pytestmark = pytest.mark.integration


START = (
    "import os, pathlib, py_compile, shutil, sys, sysconfig",
    "site = pathlib.Path(sysconfig.get_paths()['purelib'])",
    "env, plain = pathlib.Path(sys.prefix), site / 'plain'",
    "def edit_quietly(path):",
    "    old = path.stat()",
    "    path.chmod(0o644)",
    "    path.write_text('D\\n')",
    "    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))",
    "def deny(path):",
    "    path.write_text(path.read_text().partition('lockproof-link')[0])",
    "def poison(module):",
    "    target = module.parent / '__pycache__' / f'{module.stem}.{sys.implementation.cache_tag}.pyc'",
    "    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH",
    "    py_compile.compile(str(module), str(target), invalidation_mode=mode)",
)
# What the guilty cell does, and where the proof must see it.
CHANGES = {
    "edit": (
        "(plain / '__init__.py').chmod(0o644); (plain / '__init__.py').open('a').write('# x')",
        "site/plain/__init__.py",
    ),
    "edit with the old time": ("edit_quietly(plain / 'data.txt')", "site/plain/data.txt"),
    "delete": ("(plain / 'data.txt').unlink()", "site/plain/data.txt"),
    "add": ("(plain / 'new.py').write_text('x = 1')", "site/plain/new.py"),
    "mode": ("(plain / 'data.txt').chmod(0o666)", "site/plain/data.txt"),
    "path file": ("(site / 'added.pth').write_text('import os')", "site/added.pth"),
    "bytecode": ("poison(plain / '__init__.py')", "site/plain/__pycache__/__init__."),
    "mode of a folder": ("plain.chmod(0o777)", "site/plain"),
    "script": ("(env / 'bin' / 'plain').write_text('#!/bin/sh\\n')", "scripts/plain"),
    "activate of an environment that denies who made it": (
        "deny(env / 'pyvenv.cfg'); (env / 'bin' / 'activate').open('a').write('evil')",
        "scripts/activate",
    ),
    "namespace": ("(site / 'space' / 'three.py').write_text('')", "site/space/three.py"),
}


def changing(project: Project, link: str, *changes: str) -> Ran:
    """Run with cells that do nothing and one, the first Python's, that makes the changes."""
    guilty = next(iter(project.pythons))
    project.sample()
    project.lock()
    lines = "\n".join(f"    {change}" for change in changes)
    command = project.script(*START, f"if os.environ['LOCKPROOF_CELL'].startswith({guilty!r}):", lines)
    project.matrix(commands=[command], link=link)
    ran = project.run("-j", "2")
    assert (ran.ended.code, ran.statuses) == (3, ["mismatch", "passed"]), ran.ended.err
    assert "its commands changed the environment" in str(ran.cells[0]["reason"])
    assert side_digest(ran.cells[1], "predicted") == side_digest(ran.cells[1], "observed")
    return ran


def side_digest(cell: dict[str, object], side: str) -> object:
    proof = proof_of(cell)[side]
    assert isinstance(proof, dict)
    return proof["digest"]


def paths_found(cell: dict[str, object]) -> set[str]:
    return {path for _, path in findings_of(proof_of(cell))}


def trees(project: Project) -> dict[str, tuple[bytes | None, int]]:
    """Content and mode of everything that the store has unpacked."""
    wheels = project.cache / "store" / "wheels"
    paths = [path for tree in wheels.glob("*/*/tree") for path in tree.rglob("*")]
    return {
        path.relative_to(wheels).as_posix(): (path.read_bytes() if path.is_file() else None, path.lstat().st_mode)
        for path in paths
    }


@pytest.fixture(scope="module")
def pristine(
    tmp_path_factory: pytest.TempPathFactory, pythons: dict[str, Path], warm: Path
) -> dict[str, tuple[bytes | None, int]]:
    """What the store of the sample's wheels is where nobody has changed anything."""
    project = make_project(tmp_path_factory.mktemp("pristine"), pythons, warm=warm)
    project.sample()
    project.lock()
    project.matrix()
    is_right(project.run("--install-only"))
    return trees(project)


@pytest.fixture
def is_right_again(pristine: dict[str, tuple[bytes | None, int]]) -> RightAgain:
    """Asserts that a plain run of all cells, with commands that change nothing, is right; and so is the store."""

    def check(project: Project, link: str) -> None:
        project.matrix(commands=["plain"], link=link)
        ran = project.run()
        is_right(ran)
        assert ran.ended.code == 0
        found = trees(project)
        assert {
            path: found.get(path) for path in found.keys() | pristine.keys() if found.get(path) != pristine.get(path)
        } == {}

    return check


@pytest.mark.parametrize("change", [name for name in CHANGES if name not in ("script", "namespace")])
def test_what_a_command_changes_is_named_and_healed(project: Project, is_right_again: RightAgain, change: str) -> None:
    line, path = CHANGES[change]
    ran = changing(project, "auto", line)
    assert all(found.startswith(path) for found in paths_found(ran.cells[0])), paths_found(ran.cells[0])
    assert path in ran.ended.err
    is_right_again(project, "auto")


@pytest.mark.parametrize("change", ["edit", "delete", "add", "mode", "mode of a folder", "bytecode"])
def test_what_a_command_changes_through_a_symlink_is_healed(
    project: Project, is_right_again: RightAgain, change: str
) -> None:
    line, path = CHANGES[change]
    ran = changing(project, "symlink", line)
    assert all(found.startswith(path) for found in paths_found(ran.cells[0])), paths_found(ran.cells[0])
    is_right_again(project, "symlink")


def test_copies_are_nobody_elses(project: Project, is_right_again: RightAgain) -> None:
    changes = [CHANGES[name] for name in CHANGES if name not in ("delete", "edit with the old time")]
    ran = changing(project, "copy", *(line for line, _ in changes))
    wanted = {path for _, path in changes}
    found = {max((p for p in wanted if path.startswith(p)), key=len) for path in paths_found(ran.cells[0])}
    assert found == wanted
    is_right_again(project, "copy")


@pytest.mark.parametrize("link", ["hardlink", "symlink"])
def test_only_the_guilty_cell_is_told_when_others_ran_at_the_same_time(
    project: Project, is_right_again: RightAgain, link: str
) -> None:
    """The cells meet, the first time that they run: the file that they share is changed while both are at work."""
    guilty = next(iter(project.pythons))
    os.mkfifo(project.folder / "both-run")
    os.mkfifo(project.folder / "changed")
    command = project.script(
        *START,
        f"guilty = os.environ['LOCKPROOF_CELL'].startswith({guilty!r})",
        "alone = pathlib.Path('ran-' + os.environ['LOCKPROOF_CELL'])",
        "first = not alone.exists()",
        "alone.touch()",
        "if first: open('both-run', 'w' if guilty else 'r').close()",
        "if guilty:",
        "    f = plain / '__init__.py'; f.chmod(0o644); f.open('a').write('# x')",
        "if first: open('changed', 'w' if guilty else 'r').close()",
    )
    project.sample()
    project.lock()
    project.matrix(commands=[command], link=link)
    ran = project.run("-j", "2")
    assert (ran.ended.code, ran.statuses) == (3, ["mismatch", "passed"]), ran.ended.err
    assert paths_found(ran.cells[0]) == {"site/plain/__init__.py"}
    is_right_again(project, link)


def test_the_guilty_cell_is_told_also_when_another_sees_it_first(project: Project) -> None:
    """Through symlinks both see one file; the guilty cell goes on until the other is proven, or for 3 seconds."""
    guilty = next(iter(project.pythons))
    os.mkfifo(project.folder / "changed")
    command = project.script(
        *START,
        "import time",
        f"guilty = os.environ['LOCKPROOF_CELL'].startswith({guilty!r})",
        "alone = pathlib.Path('ran-' + os.environ['LOCKPROOF_CELL'])",
        "first = not alone.exists()",
        "alone.touch()",
        "module, end = plain / '__init__.py', time.monotonic() + 3",
        "if guilty: module.chmod(0o644); module.open('a').write('# x')",
        "if first: open('changed', 'w' if guilty else 'r').close()",
        "while first and guilty and module.read_text().endswith('# x') and time.monotonic() < end: time.sleep(0.01)",
    )
    project.sample()
    project.lock()
    project.matrix(commands=[command], link="symlink")
    ran = project.run("-j", "2")
    assert (ran.ended.code, ran.statuses) == (3, ["mismatch", "passed"]), ran.ended.err


@pytest.mark.parametrize("gone", ["pyvenv.cfg", "the environment"])
def test_a_command_that_destroys_its_environment(project: Project, is_right_again: RightAgain, gone: str) -> None:
    line = "(env / 'pyvenv.cfg').unlink()" if gone == "pyvenv.cfg" else "shutil.rmtree(env)"
    guilty = next(iter(project.pythons))
    project.sample()
    project.lock()
    project.matrix(commands=[project.script(*START, f"if {guilty!r} in os.environ['LOCKPROOF_CELL']: {line}")])
    ran = project.run()
    assert (ran.ended.code, ran.statuses) == (3, ["mismatch", "passed"]), ran.ended.err
    assert "its commands" in str(ran.cells[0]["reason"])
    is_right_again(project, "auto")


def test_a_command_that_swaps_the_interpreter(small: Project) -> None:
    small.sample()
    small.lock()
    swap = small.script(*START, "(env / 'bin' / 'python').unlink(); (env / 'bin' / 'python').symlink_to('/bin/sh')")
    small.matrix(commands=[swap])
    ran = small.run()
    assert (ran.ended.code, ran.statuses) == (3, ["mismatch"])
    assert "scripts/python" in paths_found(ran.cell())
    small.matrix(commands=["plain"])
    is_right(small.run())


def test_an_edit_in_one_project_does_not_stay_in_another(project: Project, tmp_path: Path) -> None:
    project.sample()
    project.lock()
    project.matrix(commands=["plain"])
    is_right(project.run())
    other = project.checkout(tmp_path / "other")
    ran = other.run()
    is_right(ran)
    module = other.site(ran, next(iter(other.pythons))) / "plain" / "__init__.py"
    module.chmod(0o644)
    module.write_text("def main():\n    print('something else')\n")
    here = project.run()
    is_right(here)
    assert "something else" not in "".join(log.read_text() for log in (project.folder / ".lockproof/.logs").iterdir())
    is_right(other.run())


def test_a_damaged_store_is_healed_and_named(small: Project) -> None:
    small.sample()
    small.lock()
    small.matrix(commands=["plain"], link="copy")
    is_right(small.run())
    (data,) = small.cache.glob("store/wheels/*/*/tree/site/plain/data.txt")
    data.chmod(0o644)
    data.write_text("e\n")
    (module,) = small.cache.glob("store/wheels/*/*/tree/site/plain/__init__.py")
    module.unlink()
    ran = small.run("--recreate")
    is_right(ran)
    assert "site/plain/data.txt in the store" in ran.ended.err
    assert "site/plain/__init__.py in the store" in ran.ended.err
    assert data.read_text() == "d\n"


def test_a_command_that_edits_the_bytecode_which_lies_ready_for_it(small: Project) -> None:
    where = "target = os.path.realpath(importlib.util.cache_from_source(plain.__file__))"
    use = small.script(
        "import importlib.util, os, plain", where, "print(plain.ANSWER, 'store' in target.split(os.sep))"
    )
    poison = small.script(
        "import importlib.util, marshal, os, plain",
        where,
        "os.chmod(target, 0o644)",
        "with open(target, 'r+b') as stream:",
        "    stream.seek(16)",
        "    stream.write(marshal.dumps(compile('ANSWER = 43', 'x', 'exec')))",
    )
    small.sample()
    small.lock()
    small.matrix(commands=[use])
    for _ in range(3):  # fetched, then compiled, then it lies ready
        ran = small.run()
        is_right(ran)
    log = Path(str(ran.cell()["commands"][0]["log"]))  # type: ignore[index]
    assert log.read_text().splitlines()[1] == "42 True"
    small.matrix(commands=[poison])
    changed = small.run()
    small.matrix(commands=[use])
    for _ in range(2):
        is_right(small.run())
        assert log.read_text().splitlines()[1].split()[0] == "42"
    assert (changed.ended.code, changed.statuses) == (3, ["mismatch"])
