"""Environments that are overlays: proven like every other, and what commands write in them reaches nobody else."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof.environments.overlay import Overlay, marked, overlay_at
from lockproof.reading import reader
from lockproof.reading.layered import read_layers
from support.overlays import needs_overlays
from support.projects import finish
from support.reports import findings_of, is_right, proof_of, side_of

if TYPE_CHECKING:
    from support.projects import Project
    from support.reports import Ran

pytestmark = [pytest.mark.integration, needs_overlays]

START = (
    "import os, pathlib, shutil, sys, sysconfig",
    "site = pathlib.Path(sysconfig.get_paths()['purelib'])",
    "env, plain = pathlib.Path(sys.prefix), site / 'plain'",
)
# What a command does, and the paths that are named.
CHANGES = {
    "edit": (
        "(plain / '__init__.py').chmod(0o644); (plain / '__init__.py').open('a').write('# x')",
        {"site/plain/__init__.py"},
    ),
    "delete": ("(plain / 'data.txt').unlink()", {"site/plain/data.txt"}),
    "add": ("(plain / 'new.py').write_text('x = 1')", {"site/plain/new.py"}),
    "mode": ("(plain / 'data.txt').chmod(0o666)", {"site/plain/data.txt"}),
    "rename": (
        "(plain / 'data.txt').rename(plain / 'other.txt')",
        {"site/plain/data.txt", "site/plain/other.txt"},
    ),
    "a folder made anew": (
        "shutil.rmtree(plain); plain.mkdir(); (plain / 'new.py').write_text('')",
        {"site/plain/__init__.py", "site/plain/data.txt", "site/plain/new.py"},
    ),
    "a file in a folder's place": (
        "shutil.rmtree(plain); plain.write_text('')",
        {"site/plain/__init__.py", "site/plain/data.txt", "site/plain"},
    ),
}


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def ready(project: Project, *lines: str) -> Ran:
    """A run of the sample's wheels as overlays, with a command of these lines, or with all that uses them."""
    project.sample()
    project.lock()
    project.matrix(link="overlay", commands=[project.script(*START, *lines)] if lines else project.use_all())
    return project.run()


def overlay_of(project: Project, ran: Ran) -> Overlay:
    overlay = overlay_at(project.environment(ran), project.cache / "store" / "images")
    assert overlay
    return overlay


def told(cell: dict[str, object]) -> set[str]:
    return {path for _, path in findings_of(proof_of(cell))}


def test_it_is_what_every_other_environment_is(small: Project) -> None:
    ran = ready(small)
    is_right(ran)
    assert (ran.ended.code, ran.cells[0]["link"]) == (0, "overlay")
    assert os.listdir(small.environment(ran)) == ["README"]
    again = small.run()
    is_right(again)
    assert "created" not in again.ended.err
    small.matrix(link="copy", commands=small.use_all())
    copied = small.run()
    is_right(copied)
    assert side_of(copied.cells[0]) == side_of(ran.cells[0]) == side_of(again.cells[0])


def test_its_commands_see_a_whole_environment_in_the_usual_place(small: Project) -> None:
    environment = small.folder / ".lockproof"
    ran = ready(
        small, "print(env, plain.is_dir(), (env / 'pyvenv.cfg').is_file())", "import plain; print(plain.__file__)"
    )
    is_right(ran)
    log = Path(str(ran.cells[0]["commands"][0]["log"])).read_text()  # type: ignore[index]
    site = next(overlay_of(small, ran).image.glob("lib/*/site-packages")).relative_to(overlay_of(small, ran).image)
    place = environment / str(ran.cells[0]["id"])
    assert log.splitlines()[1:] == [f"{place} True True", str(place / site / "plain/__init__.py")]


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_command_changes_is_named_and_stays_with_it(small: Project, change: str) -> None:
    line, wanted = CHANGES[change]
    ran = ready(small, line)
    before = {wheel.name: files_of(wheel / "tree") for wheel in small.cache.glob("store/wheels/*/*/")}
    assert (ran.ended.code, ran.statuses) == (3, ["mismatch"]), ran.ended.err
    assert told(ran.cells[0]) == wanted
    overlay = overlay_of(small, ran)
    assert not overlay.is_untouched()
    assert small("verify", str(overlay.target), "--cell", str(ran.cells[0]["id"])).code == 3
    small.matrix(link="overlay", commands=small.use_all())
    right = small.run()
    is_right(right)
    assert overlay.is_untouched()
    assert {wheel.name: files_of(wheel / "tree") for wheel in small.cache.glob("store/wheels/*/*/")} == before


def test_cells_at_work_at_the_same_time_do_not_see_each_others_changes(project: Project) -> None:
    guilty = next(iter(project.pythons))
    project.sample()
    project.lock()
    command = project.script(*START, f"if os.environ['LOCKPROOF_CELL'].startswith({guilty!r}): shutil.rmtree(plain)")
    project.matrix(commands=[command], link="overlay")
    ran = project.run("-j", "2")
    assert (ran.ended.code, ran.statuses) == (3, ["mismatch", "passed"]), ran.ended.err


def test_layers_read_apart_are_the_tree_that_is_mounted(small: Project) -> None:
    """What is said of an overlay without mounting it, against what the kernel shows of it."""
    overlay = overlay_of(small, ready(small))
    known: reader.Known = {}
    layers = read_layers(
        overlay.target, overlay.skeleton, overlay.image, known=known, remember=False, marked=marked
    )  # fmt: skip
    assert layers
    command = [sys.executable, "-I", "-S", reader.__file__, str(overlay.target)]
    seen = json.loads(subprocess.run(overlay.inside(command), capture_output=True, check=True).stdout)
    tree = layers.tree
    assert {path: list(fact[:3]) for path, fact in tree.files.items()} == seen["files"]
    assert tree.links == seen["links"]
    assert tree.resolved == seen["resolved"]
    assert sorted(tree.empty) == sorted(seen["empty"])
    assert {path: content.decode("latin-1") for path, content in tree.texts.items()} == seen["texts"]


@pytest.mark.parametrize("where", ["skeleton", "image", "mark"])
def test_layers_that_were_changed_behind_its_back_are_made_again(small: Project, where: str) -> None:
    ran = ready(small)
    overlay = overlay_of(small, ran)
    site = next(overlay.image.glob("lib/*/site-packages"))
    if where == "skeleton":
        (overlay.skeleton / site.relative_to(overlay.image) / "added.py").write_text("x = 1\n")
    elif where == "image":
        (site / "added.py").write_text("x = 1\n")
    else:
        os.setxattr(overlay.skeleton / site.relative_to(overlay.image), "user.overlay.opaque", b"y")
    assert small("verify", str(overlay.target), "--cell", str(ran.cells[0]["id"])).code == 3
    again = small.run()
    is_right(again)
    assert "made again" in again.ended.err
    assert small("verify", str(overlay.target), "--cell", str(ran.cells[0]["id"])).code == 0


def test_a_command_that_writes_to_the_layers_themselves_is_found(small: Project) -> None:
    ran = ready(small, "image = pathlib.Path(sys.argv[0]).resolve()", "(plain / 'x.py').exists()")
    image = next(overlay_of(small, ran).image.glob("lib/*/site-packages"))
    small.matrix(link="overlay", commands=[small.script(f"open({str(image / 'behind.py')!r}, 'w').close()")])
    assert small.run().statuses == ["mismatch"]
    small.matrix(link="overlay", commands=small.use_all())
    is_right(small.run())


def precious(project: Project) -> Path:
    folder = project.base / ("f" * 64)
    folder.mkdir()
    (folder / "thesis.txt").write_text("x")
    return folder


def test_what_a_command_says_the_image_is_is_not_believed(small: Project) -> None:
    overlay, folder = overlay_of(small, ready(small)), precious(small)
    small.matrix(
        link="overlay", commands=[small.script(f"open({str(overlay.folder / 'image')!r}, 'w').write({str(folder)!r})")]
    )
    ran = small.run()
    assert (ran.ended.code, ran.statuses) == (3, ["mismatch"]), ran.ended.err
    verified = small("verify", str(overlay.target), "--cell", str(ran.cells[0]["id"]))
    assert verified.code == 4
    assert f"its image {folder} is none of those in " in verified.err
    small.matrix(link="overlay", commands=small.use_all())
    is_right(small.run())
    (overlay.folder / "image").write_text(str(folder))
    again = small.run()
    is_right(again)
    assert f"its image {folder} is none of those in " in again.ended.err
    assert overlay.image.is_dir()
    assert os.listdir(folder) == ["thesis.txt"]


def test_commands_run_on_no_other_image_than_that_of_the_lock(small: Project) -> None:
    """Even on one that lies where images lie, and whatever runs after the command that names it."""
    overlay = overlay_of(small, ready(small))
    other = overlay.image.with_name("0" * 64)
    small.matrix(
        link="overlay",
        commands=[
            small.script(
                "import pathlib, shutil",
                f"shutil.copytree({str(overlay.image)!r}, {str(other)!r})",
                f"evil = next(pathlib.Path({str(other)!r}).glob('lib/*/*/plain')) / '__init__.py'",
                "evil.unlink(); evil.write_text('ANSWER = 666')",
                f"pathlib.Path({str(overlay.folder / 'image')!r}).write_text({str(other)!r})",
            ),
            "python -c 'import plain; print(plain.ANSWER)'",
        ],
    )
    ran = small.run()
    assert (ran.ended.code, ran.statuses) == (3, ["mismatch"]), ran.ended.err
    assert "666" not in (small.folder / ".lockproof/.logs" / f"{ran.cells[0]['id']}.log").read_text().splitlines()
    assert small("verify", str(overlay.target), "--cell", str(ran.cells[0]["id"])).code == 3
    small.matrix(link="overlay", commands=small.use_all())
    is_right(small.run())


@pytest.mark.parametrize("options", [(), ("--paranoid",)])
def test_an_image_that_is_a_link_is_made_again(small: Project, options: tuple[str, ...]) -> None:
    overlay, folder = overlay_of(small, ready(small)), precious(small)
    shutil.rmtree(overlay.image)
    overlay.image.symlink_to(folder)
    again = small.run(*options)
    is_right(again)
    assert not overlay.image.is_symlink()
    assert os.listdir(folder) == ["thesis.txt"]


def test_a_store_and_a_project_behind_links_are_fine(small: Project) -> None:
    (small.base / "links").mkdir()
    small.sample()
    small.lock()
    small.matrix(link="overlay", commands=small.use_all())
    (small.base / "links" / "store").symlink_to(small.cache)
    small.cache.mkdir(exist_ok=True)
    for _ in range(2):
        ran = small.run("--store", str(small.base / "links" / "store"))
        is_right(ran)
    assert "created" not in ran.ended.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_no_mount(small: Project, number: signal.Signals) -> None:
    os.mkfifo(small.folder / "at-work")
    small.sample()
    small.lock()
    command = small.script(
        *START, "(plain / 'new.py').write_text('')", "open('at-work', 'w').close()", "import time; time.sleep(60)"
    )
    small.matrix(link="overlay", commands=[command])
    process = small.start("run")
    (small.folder / "at-work").open().close()
    process.send_signal(number)
    if number == signal.SIGINT:
        finish(process)
    else:
        process.communicate()
    assert str(small.folder) not in Path("/proc/self/mountinfo").read_text()
    small.matrix(link="overlay", commands=small.use_all())
    is_right(small.run())


def test_without_the_right_to_mount_a_user_namespace_does(small: Project) -> None:
    setpriv = shutil.which("setpriv")
    if not setpriv or os.geteuid() != 0:
        pytest.skip("needs root, which can take the right to mount away from itself (setpriv)")
    ran = ready(small)
    overlay = overlay_of(small, ran)
    command = overlay.inside(["/bin/sh", "-c", f"id -u; ls -d {overlay.target}/lib/*/site-packages/*/data.txt"])
    done = subprocess.run([setpriv, "--bounding-set=-sys_admin", *command], capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stdout.splitlines()), done.stdout[:2]) == (0, 2, "0\n"), done


def test_paths_with_odd_characters_are_fine(small: Project) -> None:
    odd = small.checkout(small.base / "comma, space \\ and = signs")
    odd.wheels = small.wheels
    odd.sample()
    odd.lock()
    odd.matrix(link="overlay", commands=["python -c 'import plain'"])
    is_right(odd.run())


def test_where_it_cannot_be_had_the_cell_is_unavailable_and_says_why(small: Project, tmp_path: Path) -> None:
    """A work folder that is an overlay itself: the kernel takes no such folder for what is written to."""
    small.sample()
    small.lock()
    small.matrix(link="overlay", commands=["python -c 'import plain'"])
    layers = tmp_path / "layers"
    for name in ("target", "skeleton", "upper", "work", "image"):
        (layers / name).mkdir(parents=True)
    shutil.copytree(small.folder, layers / "image", dirs_exist_ok=True)
    outer = Overlay(target=layers / "target", folder=layers, image=layers / "image")

    def lockproof(command: str) -> subprocess.CompletedProcess[str]:
        ours = [sys.executable, "-m", "lockproof", command, "-C", str(outer.target)]
        return subprocess.run(outer.inside(ours), env=small.environ, capture_output=True, text=True, check=False)

    assert small("list").out.split()[1] == "available"
    assert not (small.folder / ".lockproof").exists()
    listed = lockproof("list").stdout
    assert listed.split()[1] == "unavailable"
    assert f"{outer.target}/.lockproof: link: overlay can't be had here: " in listed
    assert not (layers / "upper" / ".lockproof").exists()
    done = lockproof("run")
    assert done.returncode == 4, done
    assert "link: overlay can't be had here" in done.stderr
    assert "Use link: auto" in done.stderr
