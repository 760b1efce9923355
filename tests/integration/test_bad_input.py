"""What is wrong with a matrix, lock, wheel, index or disk is said clearly, and nothing half-made is left."""

from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

import pytest

from support.reports import Ended, is_right
from support.wheels import member, sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from support.loopback import LoopbackIndex
    from support.projects import Project

pytestmark = pytest.mark.integration

TOML = 'lock-version = "1.0"\ncreated-by = "test"\n'
HASH = "0" * 64
IMPATIENT = {"PIP_RETRIES": "0"}
MATRIX = 'version: 1\nlock: pylock.toml\npython: ["3.12.1"]\n'

# matrix.yaml, and what must be said: file and line first.
MATRICES = {
    "nothing": ("", ["matrix.yaml:1: the file is empty"]),
    "a tab": ("version: 1\n\tlock: x\n", ["matrix.yaml:2:1:", "tab"]),
    "an open list": ("version: 1\npython: ['3.12.1'\nlock: x\n", ["matrix.yaml:2:9:", "isn't closed"]),
    "binary": ("\x00\x01", ["matrix.yaml:1:1:", "U+0000"]),
    "a list": ("- 1\n", ["matrix.yaml:1: found a list, expected a mapping"]),
    "an anchor bomb": (
        "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
        ["matrix.yaml:5:8: more than 20000 values, with every alias written out"],
    ),
    "deep nesting": ("a: " + "[" * 5000 + "\n", ["matrix.yaml:1:", "nested"]),
    "a tag": (MATRIX + "env: !!python/object/apply:os.system [touch pwned]\n", ["matrix.yaml:4:"]),
    "several problems at once": (
        "version: 1\nlok: a\npython: [3.10, 3.11.7, '3.12']\ncommand: x\nlink: none\n",
        [
            "matrix.yaml:2: unknown key `lok`; did you mean `lock`?",
            "matrix.yaml:3: python[0]: found 3.1 (a number)",
            "written 3.10, which YAML reads as 3.1",
            "matrix.yaml:3: python[2]: found",
            "matrix.yaml:4: unknown key `command`; did you mean `commands`?",
            "matrix.yaml:5: link: found",
        ],
    ),
}
# pylock.toml, and what must be said.
PYLOCKS = {
    "no TOML": (TOML + "[[packages]\n", ["pylock.toml:3:11: this is not TOML"]),
    "another version": ('lock-version = "2.0"\ncreated-by = "x"\npackages = []\n', ["lock-version '2.0' is not known"]),
    "other Pythons": (TOML + 'requires-python = ">=3.99"\npackages = []\n', ["it requires Python >=3.99", "exclude"]),
    "other platforms": (
        TOML + "environments = [\"sys_platform == 'win32'\"]\npackages = []\n",
        ['its environments are: sys_platform == "win32"', "exclude"],
    ),
    "no hash": (
        TOML
        + '[[packages]]\nname = "a"\nversion = "1"\n'
        + 'wheels = [{url = "https://index.invalid/a-1-py3-none-any.whl", hashes = {}}]\n',
        ["pylock.toml:3:", "packages[0].wheels[0].hashes"],
    ),
    "sources": (
        TOML
        + '[[packages]]\nname = "a"\n'
        + f'vcs = {{type = "git", url = "https://index.invalid/a", commit-id = "{HASH[:40]}"}}\n'
        + '[[packages]]\nname = "b"\ndirectory = {path = ".", editable = true}\n'
        + '[[packages]]\nname = "c"\n'
        + f'archive = {{url = "https://index.invalid/c.zip", hashes = {{sha256 = "{HASH}"}}}}\n',
        [
            "pylock.toml:3: a is locked as `vcs`",
            "pylock.toml:6: b is locked as `directory`",
            "pylock.toml:9: c is locked as `archive`",
        ],
    ),
    "not text": ("\udcff", ["pylock.toml:1: the lock is not UTF-8"]),
}
REQUIREMENTS = [
    ("a==1", "has no hash"),
    ("b @ https://index.invalid/b.whl", "is a URL"),
    ("-e .", "is editable"),
    ("git+https://index.invalid/x", "is a version control checkout"),
    ("c>=1", "is not pinned with =="),
    ("./d-1-py3-none-any.whl", "is a local path"),
    (f"e==1 --hash=md5:{HASH[:32]}", "has no sha256"),
    ("-c constraints.txt", "constraints"),
]


def refused(project: Project, code: int = 2, *arguments: str, env: Mapping[str, str] | None = None) -> Ended:
    """A run that ends with `code`, says why, and leaves nothing behind."""
    ended = project("run", *arguments, env=env)
    assert (ended.code, ended.out) == (code, ""), ended
    assert ended.err.strip()
    return ended


@pytest.mark.parametrize("kind", MATRICES)
def test_a_matrix_that_is_none(small: Project, kind: str) -> None:
    text, said = MATRICES[kind]
    small.lock()
    small.write("matrix.yaml", text)
    err = refused(small).err
    assert [words for words in said if words not in err] == [], err
    assert set(os.listdir(small.folder)) == {"matrix.yaml", "pylock.toml"}


@pytest.mark.parametrize("kind", PYLOCKS)
def test_a_lock_that_is_none(small: Project, kind: str) -> None:
    text, said = PYLOCKS[kind]
    (small.folder / "pylock.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    small.matrix()
    err = refused(small).err
    assert [words for words in said if words not in err] == [], err
    assert small.remains() == []
    assert set(os.listdir(small.folder)) == {"matrix.yaml", "pylock.toml"}


def test_files_that_are_not_there(small: Project) -> None:
    assert "matrix.yaml: there is no such file" in refused(small).err
    small.matrix(lock="some.lock")
    err = refused(small).err
    assert "some.lock: there is no such lock file" in err
    assert "or correct its name in matrix.yaml" in err
    assert "no such folder" in refused(small, 2, "-C", "nowhere").err


def test_an_error_leaves_nothing_open(small: Project) -> None:
    small.write("requirements.txt", "")
    small.matrix(lock="requirements.txt")
    err = refused(small, env={"PYTHONDEVMODE": "1"}).err
    assert ("the lock is empty" in err, "Warning" in err) == (True, False), err


def test_requirements_that_name_no_exact_file(small: Project) -> None:
    small.write("requirements.txt", "\n".join(line for line, _ in REQUIREMENTS) + "\n")
    small.matrix(lock="requirements.txt")
    err = refused(small).err
    for number, (line, reason) in enumerate(REQUIREMENTS, 1):
        (told,) = [found for found in err.splitlines() if f"requirements.txt:{number}: " in found]
        assert reason in told, (line, told)


def test_what_no_wheel_fits_is_said_for_all_cells_before_anything_is_downloaded(
    project: Project, serve: Callable[[Project], LoopbackIndex]
) -> None:
    first, second = project.pythons
    tag = "cp" + "".join(first.split(".")[:2])
    project.wheel("fits", "1.0")
    project.wheel("only-windows", "1.0", tag="cp39-cp39-win_amd64")
    project.wheel("only-one", "1.0", tag=f"{tag}-none-any")
    index = serve(project)
    project.lock(index=index.base)
    project.matrix(platform=["host", "macos-arm64"])
    err = refused(project).err
    (windows,) = [line for line in err.splitlines() if "only-windows 1.0 has no wheel for" in line]
    assert all(f"{python}-{platform}" in windows for python in project.pythons for platform in ("linux", "macos-arm64"))
    (one,) = [line for line in err.splitlines() if "only-one 1.0 has no wheel for" in line]
    assert second in one
    assert first not in one.partition("its wheels are")[0]
    assert "pylock.toml:" in one
    assert index.requests == []
    assert project.remains() == []


# wheels


def refused_wheel(project: Project, code: int = 2) -> str:
    """What is said of a lock with a good wheel and a bad one; of the bad one nothing is left."""
    good = project.wheel("good", "1.0")
    project.lock()
    project.matrix(commands=["python -V"])
    ran = project.run()
    assert (ran.ended.code, ran.statuses) == (code, ["error"]), ran.ended.err
    assert ran.cell()["proof"] is None
    sha256 = sha256_of(good)
    assert project.remains() in ([], [f"cache/store/wheels/{sha256[:2]}/{sha256}"])
    return str(ran.cell()["reason"])


BAD_MEMBERS = {
    "leaves": ("../../evil.py", "leaves the environment"),
    "absolute": ("/evil.py", "absolute path"),
    "data": ("bad-1.0.data/data/../../../evil.py", "leaves the environment"),
}


@pytest.mark.parametrize("kind", BAD_MEMBERS)
def test_a_wheel_that_leaves_its_folder(small: Project, kind: str) -> None:
    name, why = BAD_MEMBERS[kind]
    small.wheel("bad", "1.0", extra_members=[member(name, "evil = 1")])
    reason = refused_wheel(small)
    assert "the wheel bad-1.0-py3-none-any.whl can't be installed" in reason
    assert why in reason
    assert "pylock.toml:" in reason
    assert list(small.base.rglob("evil*")) == []


def test_a_wheel_that_is_no_zip(small: Project) -> None:
    small.wheel("bad", "1.0").write_bytes(b"<html>Sign in to go on</html>" * 50)
    assert "bad-1.0-py3-none-any.whl can't be installed: it is no zip archive" in refused_wheel(small)


def test_a_wheel_that_is_damaged_inside(small: Project) -> None:
    wheel = small.wheel("bad", "1.0", {"bad.py": "x = 1\n" * 1000})
    content = bytearray(wheel.read_bytes())
    content[60:70] = b"\xff" * 10
    wheel.write_bytes(content)
    assert "its member 'bad.py' can't be unpacked" in refused_wheel(small)


def test_a_zip_bomb(small: Project) -> None:
    small.wheel("bad", "1.0", extra_members=[member("zeros.bin", bytes(300 << 20))])
    assert "a zip bomb" in refused_wheel(small)


def test_a_wheel_without_what_makes_a_wheel(small: Project) -> None:
    wheel = small.wheel("bad", "1.0")
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("bad.py", "x = 1\n")
    assert "bad-1.0-py3-none-any.whl" in refused_wheel(small)


def test_a_wheel_of_another_project(small: Project) -> None:
    other = small.wheel("other", "1.0")
    small.wheels = [other.rename(other.with_name("bad-1.0-py3-none-any.whl"))]
    small.lock()
    small.matrix()
    ran = small.run()
    assert (ran.ended.code, ran.statuses) == (2, ["error"])
    assert "bad-1.0-py3-none-any.whl is a wheel of other, not of bad" in str(ran.cell()["reason"])
    assert "pylock.toml:" in str(ran.cell()["reason"])


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ({"shared/x.py": "2"}, "put different bytes at site/shared/x.py"),
        ({"shared": "2"}, "has a file at site/shared, where aa has a folder"),
    ],
    ids=["file", "folder"],
)
def test_wheels_that_collide(small: Project, second: dict[str, str], why: str) -> None:
    small.wheel("aa", "1.0", {"shared/x.py": "1"})
    small.wheel("bb", "1.0", second)
    small.lock()
    small.matrix()
    ran = small.run()
    reason = str(ran.cell()["reason"])
    assert (ran.ended.code, ran.statuses) == (2, ["error"])
    assert why in reason
    assert "aa" in reason
    assert "bb" in reason
    assert not (small.folder / ".lockproof" / str(ran.cell()["id"])).exists()
    assert why in refused_predict(small).err


def refused_predict(project: Project) -> Ended:
    ended = project("predict")
    assert (ended.code, ended.out) == (2, "")
    return ended


def test_equal_bytes_at_one_path_are_allowed(small: Project) -> None:
    small.wheel("aa", "1.0", {"shared/x.py": "1", "aa.py": ""})
    small.wheel("bb", "1.0", {"shared/x.py": "1", "bb.py": ""})
    small.lock()
    small.matrix(commands=["python -c 'import shared.x, aa, bb'"])
    is_right(small.run())
    small.matrix(link="symlink", commands=["python -c 'import shared.x, aa, bb'"])
    is_right(small.run())
