"""Locks written in another format: what is kept, what is lost and said, what is refused."""

from __future__ import annotations

import tomllib
from pathlib import PurePath

import pytest
from packaging.markers import Marker

from lockproof.errors import LockError
from lockproof.locks.pylock import read_pylock
from lockproof.relocking.lockexports import Exported, selected_names, specialised, to_pylock, to_requirements, toml_text
from support.lockdata import FOLDER, HEAD, hex_of, package, pylock

CHOICES = 'extras = ["x", "y"]\ndependency-groups = ["t", "d"]\ndefault-groups = ["d"]\nrequires-python = ">=3.11"\n'


@pytest.mark.parametrize(
    ("marker", "left"),
    [
        ("'x' in extras", True),
        ("'z' in extras", False),
        ("'X' not in extras", False),
        ("'t' in dependency_groups or os_name == 'nt'", True),
        ("'u' in dependency_groups or os_name == 'nt'", 'os_name == "nt"'),
        ("'x' in extras and (os_name == 'nt' or os_name == 'posix')", 'os_name == "nt" or os_name == "posix"'),
        (
            "os_name == 'nt' and (python_version < '3' or 'z' in extras or os_name == 'a') or 'z' in extras",
            'os_name == "nt" and (python_version < "3" or os_name == "a")',
        ),
        ("'linux' in sys_platform", '"linux" in sys_platform'),
    ],
)
def test_a_marker_once_extras_and_groups_are_chosen(marker: str, left: str | bool) -> None:
    assert specialised(Marker(marker), {"x"}, {"t"}) == left


def test_requirements_of_a_selection_say_what_they_leave_out() -> None:
    lock = pylock(
        package("a", "a-1-py3-none-any.whl", "a-1.tar.gz", version="1"),
        package("b", "b-2-py3-none-any.whl", marker="'x' in extras and os_name == 'nt'"),
        package("c", "c-3-py3-none-any.whl", marker="'t' in dependency_groups"),
        head=HEAD + CHOICES,
    )
    hashes = sorted(hex_of(name) for name in ("a-1-py3-none-any.whl", "a-1.tar.gz"))
    exported = to_requirements(lock, extras={"x"}, groups={"d"}, folder=FOLDER, command="lockproof lock --export x")
    assert exported == Exported(
        text="# This file was made by the following command:\n#    lockproof lock --export x\n"
        "# It is for Python >=3.11\n"
        f"a==1 \\\n    --hash=sha256:{hashes[0]} \\\n    --hash=sha256:{hashes[1]}\n"
        f'b==2 ; os_name == "nt" \\\n    --hash=sha256:{hex_of("b-2-py3-none-any.whl")}\n',
        notes=(
            "a requirements file has no extras: with x, without y (choose with --extra)",
            "a requirements file has no groups: with d, without t (choose with --group)",
        ),
    )


def test_packages_locked_by_path_are_found_from_where_the_export_lies() -> None:
    text = f'{HEAD}[[packages]]\nname = "a"\nwheels = [{{path = "wheels/a-1-py3-none-any.whl", hashes = '
    text += f"{{sha256 = '{hex_of('a')}'}}}}]\n"
    lock = read_pylock(text, "pylock.toml", folder=PurePath("/locks"))
    there = to_requirements(lock, extras=set(), groups=set(), folder=PurePath("/other/place"), command="c")
    assert there.text.splitlines()[2:4] == ["--find-links ../../locks/wheels", "a==1 \\"]
    moved = to_pylock(lock, PurePath("/other"))
    assert tomllib.loads(moved.text)["packages"][0]["wheels"][0]["path"] == "../locks/wheels/a-1-py3-none-any.whl"


def test_a_pylock_has_no_logins_and_names_what_lies_on_this_machine() -> None:
    url = "https://me:s3cret@files.index.invalid/a-1-py3-none-any.whl"
    lock = pylock(
        f'[[packages]]\nname = "a"\nwheels = [{{url = "{url}", hashes = {{sha256 = "{hex_of("a")}"}}}}]\n',
        '[[packages]]\nname = "b"\nsdist = {url = "file:///w/b-1.tar.gz", hashes = {sha256 = "' + hex_of("b") + '"}}\n',
    )
    exported = to_pylock(lock, FOLDER)
    assert "s3cret" not in exported.text
    assert "https://files.index.invalid/a-1-py3-none-any.whl" in exported.text
    assert exported.notes == ("named by their place on this machine: b",)


def test_a_package_without_version_and_wheel_can_not_be_pinned() -> None:
    lock = pylock('[[packages]]\nname = "b"\nsdist = {url = "https://x.invalid/b-1.tar.gz", hashes = {sha256 = "'
                  + hex_of("b") + '"}}\n')  # fmt: skip
    with pytest.raises(LockError, match="b has no version to pin"):
        to_requirements(lock, extras=set(), groups=set(), folder=FOLDER, command="c")


def test_the_selection_is_the_defaults_or_what_is_named() -> None:
    lock = pylock(package("a", "a-1-py3-none-any.whl"), head=HEAD + CHOICES)
    assert selected_names(lock, [], []) == (set(), {"d"})
    assert selected_names(lock, ["y"], ["T"]) == ({"y"}, {"t"})
    with pytest.raises(LockError, match="the lock has no extra z: it has x, y"):
        selected_names(lock, ["z"], [])


def test_toml_has_a_file_a_line() -> None:
    files = [{"name": "a", "hashes": {"sha256": "0"}}, {"name": 'q"\x7f', "size": 3}]
    document = {"lock-version": "1.0", "packages": [{"name": "a", "wheels": files, "odd key": True}]}
    text = toml_text(document)
    assert text == (
        'lock-version = "1.0"\n\n[[packages]]\nname = "a"\nwheels = [\n'
        '    {name = "a", hashes = {sha256 = "0"}},\n    {name = "q\\"\\u007f", size = 3},\n]\n"odd key" = true\n'
    )
    assert tomllib.loads(text) == document
    assert tomllib.loads(toml_text({"packages": []})) == {"packages": []}
