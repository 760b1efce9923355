"""The wheels that tests are fed with are right unless a test asks for a wrong one."""

from __future__ import annotations

import csv
import hashlib
import stat
import zipfile
from typing import TYPE_CHECKING

from installer.sources import WheelFile

from lockproof.digests import record_hash
from support.wheels import Row, link_member, make_wheel, member, sha256_of

if TYPE_CHECKING:
    from pathlib import Path


def rows_of(wheel: Path) -> list[list[str]]:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        return list(csv.reader(archive.read(name).decode().splitlines()))


def test_a_plain_wheel_is_one_module_and_its_metadata(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "My.Project", "1.0", requires=["other>=2"], requires_python=">=3.8")

    assert wheel.name == "my_project-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        assert archive.namelist() == [
            "my_project.py",
            "my_project-1.0.dist-info/METADATA",
            "my_project-1.0.dist-info/WHEEL",
            "my_project-1.0.dist-info/RECORD",
        ]
        assert archive.read("my_project-1.0.dist-info/METADATA").decode() == (
            "Metadata-Version: 2.1\nName: My.Project\nVersion: 1.0\nRequires-Python: >=3.8\nRequires-Dist: other>=2\n"
        )
        assert archive.read("my_project-1.0.dist-info/WHEEL").decode() == (
            "Wheel-Version: 1.0\nGenerator: lockproof tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )


def test_the_bytes_do_not_depend_on_place_or_time(tmp_path: Path) -> None:
    first = make_wheel(tmp_path / "a", "project", "1.0")
    second = make_wheel(tmp_path / "b", "project", "1.0")

    assert sha256_of(first) == sha256_of(second) == hashlib.sha256(first.read_bytes()).hexdigest()


def test_every_part_lands_in_its_folder_and_an_independent_reader_accepts_it(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path,
        "project",
        "1.0",
        {"pkg/ünï.py": "", "pkg/tool": "#!/bin/sh\n", "*.dist-info/licenses/LICENSE": "free"},
        tag="py2.py3-none-any",
        entry_points={"console_scripts": {"run": "pkg:main"}, "gui_scripts": {"show": "pkg:show"}},
        scripts={"old": "#!python\n"},
        data={"headers/p.h": "int p;", "data/share/p.txt": b"p"},
        purelib=False,
        executables=["pkg/tool"],
    )

    with WheelFile.open(wheel) as source:
        source.validate_record(validate_contents=True)
        assert source.read_dist_info("entry_points.txt") == (
            "[console_scripts]\nrun = pkg:main\n\n[gui_scripts]\nshow = pkg:show\n"
        )
        assert source.read_dist_info("WHEEL").splitlines()[2:] == [
            "Root-Is-Purelib: false",
            "Tag: py2-none-any",
            "Tag: py3-none-any",
        ]
    with zipfile.ZipFile(wheel) as archive:
        modes = {info.filename: stat.filemode(info.external_attr >> 16) for info in archive.infolist()}
    assert modes == {
        "pkg/ünï.py": "-rw-r--r--",
        "pkg/tool": "-rwxr-xr-x",
        "project-1.0.data/scripts/old": "-rwxr-xr-x",
        "project-1.0.data/headers/p.h": "-rw-r--r--",
        "project-1.0.data/data/share/p.txt": "-rw-r--r--",
        "project-1.0.dist-info/METADATA": "-rw-r--r--",
        "project-1.0.dist-info/WHEEL": "-rw-r--r--",
        "project-1.0.dist-info/entry_points.txt": "-rw-r--r--",
        "project-1.0.dist-info/licenses/LICENSE": "-rw-r--r--",
        "project-1.0.dist-info/RECORD": "-rw-r--r--",
    }


def test_record_names_every_member_with_its_hash(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "project", "1.0", {"a, b.py": "x = 1\n"})

    rows = rows_of(wheel)
    assert rows[0] == ["a, b.py", record_hash(hashlib.sha256(b"x = 1\n").hexdigest()), "6"]
    assert rows[-1] == ["project-1.0.dist-info/RECORD", "", ""]
    with zipfile.ZipFile(wheel) as archive:
        assert [row[0] for row in rows] == archive.namelist()


def test_record_may_lie(tmp_path: Path) -> None:
    def without_the_module(rows: list[Row]) -> list[Row]:
        return [row for row in rows if row[0] != "project.py"] + [("ghost.py", "", "")]

    wheel = make_wheel(tmp_path, "project", "1.0", record=without_the_module)

    assert [row[0] for row in rows_of(wheel)] == [
        "project-1.0.dist-info/METADATA",
        "project-1.0.dist-info/WHEEL",
        "project-1.0.dist-info/RECORD",
        "ghost.py",
    ]


def test_raw_members_go_in_as_they_are(tmp_path: Path) -> None:
    extra = [member("project.py", "twice"), member("../out.py"), link_member("link", "project.py")]

    wheel = make_wheel(tmp_path, "project", "1.0", extra_members=extra)

    with zipfile.ZipFile(wheel) as archive:
        assert [(info.filename, archive.read(info)) for info in archive.infolist()[-4:-1]] == [
            ("project.py", b"twice"),
            ("../out.py", b""),
            ("link", b"project.py"),
        ]
        assert stat.S_ISLNK(archive.getinfo("link").external_attr >> 16)
