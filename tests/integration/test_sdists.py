"""Projects whose lock has sdists: refused, built where that is allowed, held to what was built before."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.builds import setuptools_wheel
from support.projects import finish, kill_group, processes_of, still_running
from support.reports import is_right, side_of
from support.sdists import extension_files, pure_files
from support.wheels import sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.loopback import LoopbackIndex
    from support.projects import Project
    from support.reports import Json, Ran

pytestmark = pytest.mark.integration

KEPT = "lockproof.builds.json"
RANDOM = "import os\nSAYS = os.urandom(8).hex()"  # a build that is never the same


def kept(project: Project) -> Json:
    """What is kept beside the lock."""
    document = json.loads((project.folder / KEPT).read_text())
    assert isinstance(document, dict)
    return document


def reason(ran: Ran, part: str = "") -> str:
    return str(ran.cell(part)["reason"])


def notes(ran: Ran, word: str = "building") -> list[str]:
    return [line for line in ran.ended.err.splitlines() if word in line]


def test_sdists_are_refused_with_the_list_of_them(project: Project, serve: Callable[[Project], LoopbackIndex]) -> None:
    first, second = project.pythons
    tag = "cp" + "".join(first.split(".")[:2])
    project.wheel("fits", "1.0")
    project.wheel("partly", "1.0", tag=f"{tag}-none-any")
    project.sdist("partly", "1.0", pure_files("partly", "1.0"))
    project.sdist("pure", "2.0", pure_files("pure", "2.0"))
    index = serve(project)
    project.lock(index=index.base)
    project.matrix()
    ended = project("run")
    assert ended.code == 2
    (head, *lines, way_out) = ended.err.splitlines()
    assert head.endswith(
        "pylock.toml: 2 distributions would have to be built from source: what an sdist builds has no hash in the lock"
    )
    assert [re.sub(r"^  .*?pylock.toml:\d+: ", "", line).partition("-linux")[0] for line in lines] == [
        f"partly 1.0 has no wheel for {second}",
        f"pure 2.0 has no wheel for {first}",
    ]
    assert way_out.startswith(
        "  Allow it with `build: [partly, pure]` in matrix.yaml, and lock what the builds require"
    )
    assert index.requests == []


def test_an_sdist_is_built_once_for_an_interpreter_and_proven_like_a_wheel(
    project: Project, serve: Callable[[Project], LoopbackIndex]
) -> None:
    says = "import sys\nSAYS = sys.version_info[:2]"
    sdist = project.sdist("pure", "1.0", pure_files("pure", "1.0", says=says))
    project.wheel("other", "1.0")
    index = serve(project)
    project.lock(index=index.base)
    axes = {"axes": {"link": {"copy": {"link": "copy"}, "hardlink": {"link": "hardlink"}}}}
    project.matrix(build="allow", commands=[project.script("import pure, other")], cells=axes)
    ran = project.run()
    is_right(ran)
    assert ran.statuses == ["passed"] * 4
    assert len(notes(ran)) == 2
    assert index.paths_asked().count(f"/files/{sdist.name}") == 1
    first, second = project.pythons
    written = project.site(ran, f"{first}-linux-x86_64-copy") / "pure_built.txt"
    assert written.read_text() == str(tuple(map(int, first.split(".")[:2])))
    builds = kept(project)["builds"]
    assert isinstance(builds, list)
    assert [(build["name"], build["version"], build["python"]) for build in builds] == [
        ("pure", "1.0", first),
        ("pure", "1.0", second),
    ]
    assert all(set(build["content"]) >= {"site/pure.py", "site/pure_built.txt"} for build in builds)
    assert f"{KEPT}: 2 builds noted" in ran.ended.err

    before = (project.folder / KEPT).read_bytes()
    index.__exit__()
    again = project.run("--recreate")
    is_right(again)
    assert (notes(again), (project.folder / KEPT).read_bytes()) == ([], before)
    assert [side_of(cell)["digest"] for cell in again.cells] == [side_of(cell)["digest"] for cell in ran.cells]


def test_the_artifact_is_the_sdist_that_the_lock_names(small: Project) -> None:
    sdist = small.sdist("pure", "1.0", pure_files("pure", "1.0"))
    small.lock()
    small.matrix(build=["pure"])
    predicted = small.json("predict")
    distributions = predicted["distributions"]
    assert isinstance(distributions, list)
    (dist,) = distributions
    assert (dist["name"], dist["artifact"]["filename"]) == ("pure", sdist.name)
    assert not (small.folder / KEPT).exists()  # only a run writes
    ran = small.run()
    is_right(ran)
    assert side_of(ran.cell())["digest"] == predicted["digest"]
    ended = small("verify", str(small.environment(ran)), "--cell", str(ran.cell()["id"]))
    assert (ended.code, "match" in ended.out) == (0, True)


def test_three_installers_install_what_was_built(small: Project) -> None:
    small.sdist("pure", "1.0", pure_files("pure", "1.0"))
    small.lock()
    axes = {name: {"installer": name} for name in ("lockproof", "pip", "uv")}
    small.matrix(build="allow", commands=["python -c 'import pure'"], cells={"axes": {"installer": axes}})
    ran = small.run()
    is_right(ran)
    assert len({json.dumps(side_of(cell)["layers"]) for cell in ran.cells}) == 1


def test_an_extension_is_the_same_in_two_folders_with_a_store_each(small: Project, tmp_path: Path) -> None:
    small.sdist("fast", "1.0", extension_files("fast", "1.0"))
    small.lock()
    small.lock_of([setuptools_wheel()], "pylock.build.toml")
    check = "import fast; assert fast.answer() == 42; assert fast.where() == 'src/fast.c'"
    small.matrix(build="allow", commands=[small.script(check)], **{"build-lock": "pylock.build.toml"})
    ran = small.run("--check-builds")
    is_right(ran)
    assert len(notes(ran)) == 2
    elsewhere = small.checkout(tmp_path / "elsewhere" / "much deeper" / "project")
    shutil.copytree(small.base / "wheels", elsewhere.folder.parent / "wheels")
    elsewhere.cache = tmp_path / "another cache"
    shutil.copytree(small.cache / "interpreters", elsewhere.cache / "interpreters")
    (elsewhere.folder / "pylock.build.toml").unlink()
    elsewhere.lock_of([setuptools_wheel()], "pylock.build.toml")
    (elsewhere.folder / "pylock.toml").unlink()
    elsewhere.lock()
    there = elsewhere.run()
    is_right(there)
    assert len(notes(there)) == 1
    assert [side_of(cell)["digest"] for cell in there.cells] == [side_of(cell)["digest"] for cell in ran.cells]
    assert kept(elsewhere) == kept(small)


def test_build_requirements_can_be_a_group_of_the_lock(small: Project) -> None:
    small.sdist("pure", "1.0", pure_files("pure", "1.0", requires=["helper"]))
    small.wheel("helper", "1.0")
    small.lock(head='dependency-groups = ["build"]')
    text = (small.folder / "pylock.toml").read_text()
    text = text.replace('name = "helper"\n', 'name = "helper"\nmarker = "\'build\' in dependency_groups"\n')
    text = text.replace('name = "pure"\n', 'name = "pure"\nmarker = "\'build\' not in dependency_groups"\n')
    small.write("pylock.toml", text)
    small.matrix(build="allow", **{"build-groups": ["build"]})
    ran = small.run()
    is_right(ran)
    assert "helper.py" not in [path.name for path in small.site(ran).iterdir()]


def test_a_build_lock_is_found_by_hash_alone(small: Project, serve: Callable[[Project], LoopbackIndex]) -> None:
    small.sdist("pure", "1.0", pure_files("pure", "1.0", requires=["helper"]))
    small.lock()
    small.wheel("helper", "1.0")
    index = serve(small)
    hashes = small.requirements(f"--index-url {index.url}").read_text()
    small.write("build.txt", "\n".join(line for line in hashes.splitlines() if "pure" not in line))
    small.write("build.txt", re.sub(r"pure==1.0 \\\n *--hash=\S+\n", "", hashes))
    small.matrix(build="allow", **{"build-lock": "build.txt"})
    is_right(small.run())


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({}, "pure-1.0.tar.gz can't be built: it requires helper: there is no build lock; the build has nothing"),
        (
            {"build-lock": "pylock.build.toml"},
            "pure-1.0.tar.gz can't be built: it requires helper: the build lock pylock.build.toml has another 1.0",
        ),
    ],
)
def test_a_build_requirement_that_is_not_locked(small: Project, keys: dict[str, str], why: str) -> None:
    small.sdist("pure", "1.0", pure_files("pure", "1.0", requires=["helper"]))
    small.lock()
    small.lock_of([small.wheel("another", "1.0")], "pylock.build.toml")
    small.matrix(build="allow", **keys)
    ran = small.run()
    assert (ran.ended.code, ran.statuses) == (2, ["error"])
    assert why in reason(ran)


@pytest.mark.parametrize(
    ("name", "told"), [("none.toml", "there is no such lock file"), ("pylock.build.toml:4", "pure 1.0 has no wheel")]
)
def test_a_build_lock_that_can_not_be_used_is_told_before_anything_is_built(
    small: Project, name: str, told: str
) -> None:
    small.sdist("pure", "1.0", pure_files("pure", "1.0"))
    small.lock()
    small.lock_of(small.sdists, "pylock.build.toml")
    small.matrix(build="allow", **{"build-lock": name.partition(":")[0]})
    ended = small("run")
    assert ended.code == 2
    assert f"{name}: " in ended.err
    assert told in ended.err
    assert small.remains() == []


def test_a_failed_build_concerns_the_cells_that_need_it(project: Project) -> None:
    first = next(iter(project.pythons))
    series = tuple(map(int, first.split(".")[:2]))
    says = f"import sys\nif sys.version_info[:2] == {series}: sys.exit('needs a newer Python')\nSAYS = 1"
    project.sdist("pure", "1.0", pure_files("pure", "1.0", says=says))
    project.lock()
    project.matrix(build="allow")
    ran = project.run()
    assert (ran.ended.code, ran.statuses) == (4, ["error", "passed"])
    assert f"pure-1.0.tar.gz was not built with Python {first}" in reason(ran, first)
    assert "\n    needs a newer Python\n" in reason(ran, first)
    log = Path(reason(ran, first).rpartition("All of the output is in ")[2])
    assert log.read_text() == "needs a newer Python\n"
    assert list((project.cache / "builds").glob("*/")) == []


@pytest.mark.parametrize(
    ("builds", "why"), [(("other", "1.0"), "it builds other 1.0"), (("pure", "2.0"), "it builds pure 2.0")]
)
def test_a_wheel_of_something_else_is_not_installed(small: Project, builds: tuple[str, str], why: str) -> None:
    small.sdist("pure", "1.0", pure_files("pure", "1.0", builds=builds))
    small.lock()
    small.matrix(build="allow")
    ran = small.run()
    assert (ran.ended.code, ran.statuses) == (2, ["error"])
    assert why in reason(ran)


def test_an_sdist_with_other_bytes_is_never_unpacked(small: Project, serve: Callable[[Project], LoopbackIndex]) -> None:
    sdist = small.sdist("pure", "1.0", pure_files("pure", "1.0"))
    index = serve(small)
    small.lock(index=index.base, hashes={sdist.name: "0" * 64})
    small.matrix(build="allow")
    ran = small.run()
    assert (ran.ended.code, ran.statuses) == (5, ["error"])
    assert f"{sdist.name} is not the file that was locked" in reason(ran)
    assert not (small.cache / "builds").exists()


def test_what_is_built_is_held_to_what_is_kept_beside_the_lock(small: Project) -> None:
    small.sdist("pure", "1.0", pure_files("pure", "1.0", says=RANDOM))
    small.lock()
    small.matrix(build="allow", commands=[small.script("open('ran', 'a').write('x')")])
    is_right(small.run())
    before = (small.folder / KEPT).read_bytes()
    small.cache = small.cache.rename(small.base / "first")  # another machine
    shutil.copytree(small.cache / "interpreters", small.base / "second" / "interpreters")
    small.cache = small.base / "second"
    ran = small.run()
    assert (ran.ended.code, ran.statuses) == (3, ["mismatch"])
    assert f"what pure 1.0 builds with Python {next(iter(small.pythons))} is not what {KEPT} has of it" in reason(ran)
    assert re.search(r"site/pure_built.txt: \w{12} \(16 bytes\) became \w{12} \(16 bytes\)", reason(ran))
    assert "site/pure.py" not in reason(ran)
    assert ((small.folder / KEPT).read_bytes(), (small.folder / "ran").read_text()) == (before, "x")
    assert small("predict").code == 3


def test_check_builds_names_what_differs(small: Project) -> None:
    small.sdist("pure", "1.0", pure_files("pure", "1.0", says=RANDOM))
    small.lock()
    small.matrix(build="allow")
    ran = small.run("--check-builds")
    assert (ran.ended.code, ran.statuses) == (3, ["mismatch"])
    assert "is not what it built in another folder" in reason(ran)
    assert "site/pure_built.txt: " in reason(ran)
    assert not (small.folder / KEPT).exists()
    is_right(small.run())  # without the check, what it builds first is what it is


def test_check_builds_builds_anew(small: Project) -> None:
    small.sdist("pure", "1.0", pure_files("pure", "1.0"))
    small.lock()
    small.matrix(build="allow")
    small.run()
    ran = small.run("--check-builds")
    is_right(ran)
    assert len(notes(ran)) == 2


def test_what_left_the_lock_leaves_the_record(small: Project) -> None:
    small.sdist("pure", "1.0", pure_files("pure", "1.0"))
    small.lock()
    small.matrix(build="allow")
    small.run()
    small.sdists.clear()
    small.sdist("pure", "2.0", pure_files("pure", "2.0"))
    small.lock()
    is_right(small.run())
    builds = kept(small)["builds"]
    assert isinstance(builds, list)
    assert [build["version"] for build in builds] == ["2.0"]


def test_interrupted_while_it_builds_nothing_is_left(small: Project) -> None:
    pipe = small.folder / "pids"
    os.mkfifo(pipe)
    says = f"""
import os, signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
open({str(pipe)!r}, "w").write("%d %d" % (os.getpid(), child.pid))
signal.pause()
"""
    small.sdist("pure", "1.0", pure_files("pure", "1.0", says=says))
    small.lock()
    small.matrix(build="allow")
    process = small.start("run")
    pids = list(map(int, pipe.read_text().split()))  # waits for the build to write
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.code == 130
    assert (still_running(pids), processes_of(small)) == ([], [])
    assert (small.remains(), list((small.cache / "builds").glob("*/"))) == ([], [])


def test_a_killed_run_leaves_no_build_behind(small: Project) -> None:
    pipe = small.folder / "pids"
    os.mkfifo(pipe)
    forever = f"import os, signal\nif os.path.exists({str(pipe)!r}):\n open({str(pipe)!r}, 'w').write(str(os.getpid()))"
    says = f"{forever}\n signal.pause()\nSAYS = 1"
    small.sdist("pure", "1.0", pure_files("pure", "1.0", says=says))
    small.lock()
    small.matrix(build="allow")
    process = small.start("run")
    pid = int(pipe.read_text())
    kill_group(process)
    assert still_running([pid]) == []
    pipe.unlink()
    is_right(small.run())
    assert list((small.cache / "builds").glob("*/")) == []


def test_what_the_store_says_of_builds_is_not_relied_on_when_it_is_damaged(small: Project) -> None:
    small.sdist("pure", "1.0", pure_files("pure", "1.0"))
    other = small.wheel("other", "1.0")
    small.lock()
    small.matrix(build="allow")
    is_right(small.run())
    (record,) = (small.cache / "store" / "builds").glob("*.json")
    right = record.read_text()
    content = json.loads(right)
    of_another = {**content, "filename": other.name, "sha256": sha256_of(other)}
    nowhere = {**content, "sha256": "0" * 64}
    for damaged in ("", "[]", json.dumps(of_another), json.dumps(nowhere), json.dumps({**content, "sha256": "../x"})):
        record.write_text(damaged)
        ran = small.run("--recreate")
        is_right(ran)
        assert len(notes(ran)) == 1, damaged
        assert json.loads(record.read_text())["filename"] == content["filename"]


def test_runs_at_once_share_one_build(small: Project) -> None:
    small.sdist("pure", "1.0", pure_files("pure", "1.0", says=RANDOM))
    small.lock()
    small.matrix(build="allow")
    started = []
    for name in ("one", "two", "three"):
        other = small.checkout(small.base / name)
        started.append((other, other.start("run")))
    assert [finish(process).code for _, process in started] == [0, 0, 0]
    assert len({(other.folder / KEPT).read_bytes() for other, _ in started}) == 1


def test_other_build_requirements_are_another_build(small: Project) -> None:
    small.sdist(
        "pure", "1.0", pure_files("pure", "1.0", requires=["helper"], says="import helper; SAYS = helper.__version__")
    )
    small.lock()
    small.matrix(build="allow", **{"build-lock": "pylock.build.toml"})
    for version in ("1.0", "2.0"):
        small.lock_of([small.wheel("helper", version)], "pylock.build.toml")
        ran = small.run()
        is_right(ran)
        assert (small.site(ran) / "pure_built.txt").read_text() == version
        assert len(notes(ran)) == 1


@pytest.mark.parametrize("text", ["", "{}", '{"schema": "lockproof/builds/v1", "builds": [{}]}'])
def test_a_record_that_can_not_be_relied_on_stops_the_run(small: Project, text: str) -> None:
    small.sdist("pure", "1.0", pure_files("pure", "1.0"))
    small.lock()
    small.matrix(build="allow")
    small.write(KEPT, text)
    ended = small("run")
    assert (ended.code, f"{KEPT}: the record of what was built can't be used" in ended.err) == (2, True)


def test_a_cell_of_another_platform_says_that_its_sdists_are_built_there(small: Project) -> None:
    small.sdist("pure", "1.0", pure_files("pure", "1.0"))
    small.lock()
    small.matrix(build="allow", platform=["host", "macos-arm64"])
    ran = small.run()
    assert (ran.ended.code, ran.statuses) == (4, ["passed", "unavailable"])
    told = reason(ran, next(iter(small.pythons)) + "-macos")
    assert "pure-1.0.tar.gz can't be built for" in told
    assert "macos-arm64 isn't here, and what an sdist builds isn't known before" in told
    ended = small("predict", "*-macos-arm64")
    assert (ended.code, "macos-arm64 isn't here" in ended.err) == (4, True)
