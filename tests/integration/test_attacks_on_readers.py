"""Attacks on whoever reads an environment: on the walk through its folders, and on people's terminals."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof.errors import UnavailableError
from lockproof.reading import reader
from support.environments import Made, inspect, layout, running
from support.projects import SOURCES, make_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.projects import Project

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name == "nt", reason="environments of this platform are laid out otherwise"),
]
SITE = layout().site


def said(made: Made) -> tuple[str, str, set[tuple[str, str]]]:
    """Verdict, layer, and the findings that count."""
    proof = made.prove()
    return proof.verdict, proof.layer, {(f.code, f.path) for f in proof.findings if f.level != "note"}


# ------------------------------------------------------------------------------------------------- folders by links


def test_an_environment_behind_a_link_is_honest(made: Made, tmp_path: Path) -> None:
    """Its scripts name the folder that they were made for, by one way or the other."""
    (tmp_path / "current").symlink_to(made.folder)
    assert replace(made, folder=tmp_path / "current").prove().findings == ()


def test_an_environment_below_a_link_is_honest(made: Made, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(made.folder.parent)
    assert replace(made, folder=tmp_path / "current" / "env").prove().verdict == "match"


def test_a_link_that_leads_elsewhere_meanwhile_is_read_anew(made: Made, tmp_path: Path) -> None:
    current = tmp_path / "current"
    current.symlink_to(made.folder)
    first = inspect(current)
    other = shutil.copytree(made.folder, tmp_path / "other", symlinks=True)
    (other / "evil.txt").write_text("")
    current.unlink()
    current.symlink_to(other)
    again = inspect(current, previous=first)
    assert ("unowned", "data/evil.txt") in {(f.code, f.path) for f in again.fingerprint.findings}


@pytest.mark.parametrize("whose", ["another environment's", "a folder of its own"])
def test_site_packages_as_a_link(made: Made, tmp_path: Path, whose: str) -> None:
    """What is behind the link is even right; it can be another thing a moment later."""
    if whose == "another environment's":
        there = shutil.copytree(made.folder, tmp_path / "other", symlinks=True) / SITE
        shutil.rmtree(made.site)
    else:
        there = Path(shutil.move(made.site, made.folder / "packages"))
    made.site.symlink_to(there)
    verdict, layer, findings = said(made)
    assert (verdict, layer) == ("mismatch", "set")
    assert {("unowned", f"data/{SITE}"), ("distribution", "demo"), ("distribution", "other-thing")} <= findings
    assert ("file-missing", "site/demo/core.py") in findings


@pytest.mark.parametrize("name", ["lib", "bin"])
def test_a_folder_of_the_environment_as_a_link(made: Made, name: str) -> None:
    (made.folder / name).rename(made.folder / "there")
    (made.folder / name).symlink_to("there")
    verdict, _, findings = said(made)
    assert verdict == "mismatch"
    assert ("unowned", f"data/{name}") in findings


def test_a_mount_is_named(made: Made, tmp_path: Path) -> None:
    """What is mounted is read like any other file, and can be swapped like a link; here it is right but for itself."""
    there = shutil.copytree(made.site / "demo", tmp_path / "demo")
    if not shutil.which("mount") or os.geteuid() != 0:
        pytest.skip("only root mounts")
    mounted = subprocess.run(["mount", "--bind", there, made.site / "demo"], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"mounts aren't allowed here: {mounted.stderr.decode().strip()}")
    try:
        assert said(made) == ("mismatch", "", {("mount", f"data/{SITE}/demo")})
    finally:
        subprocess.run(["umount", made.site / "demo"], check=True)
    assert said(made) == ("match", "", set())


# -------------------------------------------------------------------------------------------------- what can't be read


def test_folders_too_deep_for_a_path_are_an_error(made: Made) -> None:
    """Each is made from within the one above; no path leads to the last."""
    here = os.open(made.site, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    with pytest.raises(UnavailableError, match="the environment can't be read whole"):
        made.prove()


@pytest.mark.parametrize("name", ["other.py", "demo", "other.pth"])
def test_what_must_not_be_read_is_an_error(made: Made, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read all there is, so the kernel's answer is played."""
    denied, os_open, scandir = made.site / name, os.open, os.scandir

    def refuse(path: str | Path) -> None:
        if Path(path) == denied:
            raise PermissionError(13, "Permission denied", str(path))

    def open_(path: str, flags: int) -> int:
        refuse(path)
        return os_open(path, flags)

    def scandir_(path: str) -> Iterator[os.DirEntry[str]]:
        refuse(path)
        return scandir(path)

    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(os, "scandir", scandir_)
    with pytest.raises(UnavailableError, match="Permission denied"):
        made.prove()


# -------------------------------------------------------------------------------------------- what changes meanwhile


def new_file(made: Made) -> None:
    (made.site / "demo" / "evil.py").write_text("x = 1\n")


def removed_file(made: Made) -> None:
    (made.site / "demo" / "core.py").unlink()


def folder_to_link(made: Made) -> None:
    there = made.folder.parent / "swapped"
    shutil.rmtree(there, ignore_errors=True)
    (made.site / "demo").rename(there)
    (made.site / "demo").symlink_to(there)


def folder_swapped(made: Made) -> None:
    there = made.folder.parent / "swapped"
    shutil.rmtree(there, ignore_errors=True)
    (made.site / "demo").rename(there)
    shutil.copytree(there, made.site / "demo")


def file_swapped(made: Made) -> None:
    evil = made.site / "demo" / "new"
    evil.write_text("ANSWER = 43\n")
    evil.replace(made.site / "demo" / "core.py")


@pytest.mark.parametrize("change", [new_file, removed_file, folder_to_link, folder_swapped, file_swapped])
@pytest.mark.parametrize("when", ["before it is listed", "after it is listed", "at the end"])
def test_what_is_swapped_while_it_is_read_is_an_error(
    made: Made, when: str, change: Callable[[Made], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change comes between two steps of the walk: its folder is known, but not yet or already listed."""
    scandir, read_all = os.scandir, reader.read_all
    at = str(made.site if when == "before it is listed" else made.site / "demo")

    changed: list[str] = []

    def scandir_(path: str) -> object:
        if changed or path != at or when == "at the end":
            return scandir(path)
        changed.append(path)
        entries = list(scandir(path))
        change(made)
        return iter(entries)

    def read_all_(unread: list[reader.Unread]) -> object:
        rows = read_all(unread)
        if when == "at the end":
            change(made)
        return rows

    monkeypatch.setattr(os, "scandir", scandir_)
    monkeypatch.setattr(reader, "read_all", read_all_)
    if when == "before it is listed" and change in (new_file, removed_file, file_swapped):
        assert made.prove().verdict == "mismatch"  # as it is from then on
    else:
        with pytest.raises(UnavailableError, match=r"changed while it was read|No such file"):
            made.prove()


# ------------------------------------------------------------------------------------------------------- how many

MEASURE = """
import pathlib, resource, sys
from lockproof.reading.inspection import inspect_environment
seen = inspect_environment(pathlib.Path(sys.argv[1]), identify=lambda executable: None, store=None).fingerprint
print(len(seen.files), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_many_files_take_little_memory_each(tmp_path: Path) -> None:
    """At most 3 KiB each, each with a finding of its own: a million takes less than 3 GiB."""
    used = {}
    for count in (0, 20_000):
        folder = tmp_path / str(count)
        package = folder / layout().site / "many"
        package.mkdir(parents=True)
        (folder / "pyvenv.cfg").write_text(f"home = /nowhere\nversion = {running().version}\n")
        for number in range(count):
            os.close(os.open(package / f"module_{number}.py", os.O_CREAT | os.O_WRONLY))
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, folder],
            check=True,
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(SOURCES)},
        )
        files, kib = map(int, done.stdout.split())
        assert files == count
        used[count] = kib
    assert (used[20_000] - used[0]) / 20_000 < 3


# -------------------------------------------------------------------------------------------------- what is printed

HOSTILE = [
    b"\x1b[2J\x1b]0;evil\x07.py",
    b"two\nlines: mismatch.py",
    b"\r\x1b[Amatch.py",
    b"no\xff\xfeutf8.py",
    "turned\u202eyp.exe.py".encode(),
    "c1\x9b31mred.py".encode(),
    b"<script>alert(1)</script>",
    b"[red]markup[/red].py",
]
# All that a terminal or a reader might act on: controls but for the ends of lines, and what turns the direction.
ACTED_ON = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
METADATA = "Metadata-Version: 2.1\nName: ghost\x1b[31m\nVersion: 1\x07\n"


def plant(site: Path) -> None:
    """Files and distributions whose names are meant for whoever prints them."""
    for name in HOSTILE:
        place = os.fsencode(site) + b"/" + name.replace(b"/", b"\xe2\x88\x95")
        Path(os.fsdecode(place)).write_text("x\n")
    (site / "\x1b[1mghost-1.dist-info").mkdir()
    (site / "\x1b[1mghost-1.dist-info" / "METADATA").write_text(METADATA)
    (site / "\x1b[31m.pth").write_text("import os; print('\x1b]0;evil\x07')\n")
    (site / "linked").symlink_to("\x1b[2J/nowhere\n")
    with (site / "plain-1.0.dist-info" / "RECORD").open("a") as record:
        record.write('"../../../../\x1b[2J\nx",,\n')


PLANTING = (
    "import os, sysconfig",
    "from pathlib import Path",
    f"HOSTILE = {HOSTILE!r}",
    f"METADATA = {METADATA!r}",
    "site = Path(sysconfig.get_paths()['purelib'])",
    "(site / 'plain-1.0.dist-info' / 'RECORD').chmod(0o644)",
)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory, python: dict[str, Path], warm: Path) -> Project:
    project = make_project(tmp_path_factory.mktemp("printing"), python, warm=warm)
    project.sample()
    project.lock()
    return project


def test_nothing_raw_is_printed_by_the_commands_that_look(attacked: Project) -> None:
    attacked.matrix(commands=["plain"], link="copy")
    ran = attacked.run("--install-only")
    folder, cell = attacked.environment(ran), str(ran.cell()["id"])
    good = attacked("fingerprint", str(folder), "--json")
    (attacked.folder / "good.json").write_text(good.out)
    record = attacked.site(ran) / "plain-1.0.dist-info" / "RECORD"
    record.chmod(0o644)
    plant(attacked.site(ran))
    for code, arguments in {
        0: ("fingerprint", str(folder)),
        3: ("verify", str(folder), "--cell", cell, "--verbose"),
        -3: ("compare", "good.json", str(folder), "--verbose"),
    }.items():
        for env in ({}, {"FORCE_COLOR": "1"}, {"LANG": "C", "PYTHONUTF8": "0"}):
            ended = attacked(*arguments, env=env)
            assert ended.code == abs(code), ended.err
            assert ACTED_ON.findall(ended.told) == []
            assert "\\x1b[2J\\x1b]0;evil\\x07.py" in ended.told
    for arguments in (("fingerprint", str(folder)), ("verify", str(folder), "--cell", cell)):
        assert ACTED_ON.findall(attacked(*arguments, "--json").out) == []


def test_nothing_raw_is_printed_by_a_run_and_its_reports(attacked: Project) -> None:
    lines = Path(__file__).read_text(encoding="utf-8").partition("def plant")[2].partition("\n\n\n")[0]
    body = [line.strip("\n") for line in f"def plant{lines}".split("\n")]
    command = attacked.script(*PLANTING, *body, "plant(site)")
    attacked.matrix(commands=[command], link="copy")
    ran = attacked.run("--junit", "junit.xml", "--html", "page.html")
    assert ran.statuses == ["mismatch"], ran.ended.err
    for text in (ran.ended.told, (attacked.folder / "page.html").read_text(encoding="utf-8")):
        assert ACTED_ON.findall(text) == []
    document = (attacked.folder / "junit.xml").read_text(encoding="utf-8")
    assert ACTED_ON.findall(document) == []
    assert "<script>" not in (attacked.folder / "page.html").read_text(encoding="utf-8")


def test_nothing_raw_is_printed_of_a_target_that_is_none(attacked: Project) -> None:
    for name in ("\x1b[2Jnothing", "ssh:\x1b[2J", "two\nlines"):
        ended = attacked("fingerprint", name)
        assert (ended.code, ACTED_ON.findall(ended.told)) == (2, [])
