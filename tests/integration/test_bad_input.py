"""What is wrong with a matrix, lock, wheel, index or disk is said clearly, and nothing half-made is left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from support.loopback import Fault, LoopbackIndex
from support.projects import Ended, Project, is_right
from support.wheels import member, sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

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
    assert "Make the lock, or correct its name in matrix.yaml" in err
    assert "no such folder" in refused(small, 2, "-C", "nowhere").err


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


# hashes, downloads, indexes


@pytest.mark.parametrize("by", ["url", "path"])
def test_a_wrong_hash(small: Project, serve: Callable[[Project], LoopbackIndex], by: str) -> None:
    wheel = small.wheel("bad", "1.0")
    index = serve(small)
    small.lock(index=index.base if by == "url" else None, hashes={wheel.name: HASH})
    small.matrix()
    ran = small.run()
    reason = str(ran.cell()["reason"])
    assert (ran.ended.code, ran.statuses) == (5, ["error"])
    assert "pylock.toml:4: bad 1.0: bad-1.0-py3-none-any.whl is not the file that was locked" in reason
    assert f"the lock names sha256:{HASH}" in reason
    assert f"gave sha256:{sha256_of(wheel)}" in reason
    assert small.remains() == []


def test_a_file_that_was_swapped_in_the_index(small: Project, serve: Callable[[Project], LoopbackIndex]) -> None:
    wheel = small.wheel("bad", "1.0")
    index = serve(small)
    small.requirements(f"--index-url {index.url}")
    small.matrix(lock="requirements.txt")
    index.faults[wheel.name] = Fault(body=b"other bytes")
    ran = small.run()
    assert (ran.ended.code, ran.statuses) == (5, ["error"])
    assert "requirements.txt:2" in str(ran.cell()["reason"])
    assert small.remains() == []


def test_a_download_cut_short_is_kept_and_gone_on_with(
    small: Project, serve: Callable[[Project], LoopbackIndex]
) -> None:
    noise = bytes(range(256)) * 8
    wheel = small.wheel("cut", "1.0", {"cut.py": "", "noise.bin": noise})
    index = serve(small)
    small.lock(index=index.base)
    small.matrix()
    index.faults[wheel.name] = Fault(truncate=300, times=1)
    is_right(small.run())  # within one run
    assert index.requests[1].headers["range"] == "bytes=300-"

    shutil.rmtree(small.cache / "store")
    shutil.rmtree(small.folder / ".lockproof")
    index.faults[wheel.name] = Fault(truncate=0)
    none = {"PIP_RETRIES": "0", "PIP_INDEX_URL": index.url}
    ran = small.run(env=none)
    assert (ran.ended.code, ran.statuses) == (4, ["error"])
    assert "truncated after 0 of" in str(ran.cell()["reason"])
    assert small.remains() == []
    index.faults.clear()
    is_right(small.run())


def test_with_a_filled_store_no_network_is_needed(small: Project) -> None:
    small.sample()
    with LoopbackIndex(small.base / "wheels") as index:
        small.requirements(f"--index-url {index.url}")
        small.matrix(lock="requirements.txt", commands=["plain"])
        is_right(small.run())
    is_right(small.run("--recreate"))

    shutil.rmtree(small.cache / "store")
    shutil.rmtree(small.folder / ".lockproof")
    empty = small.run(env=IMPATIENT)
    assert (empty.ended.code, empty.statuses) == (4, ["error"])
    assert "can't be fetched" in str(empty.cell()["reason"])
    assert "Check the network" in str(empty.cell()["reason"])
    assert small.remains() == []
    shutil.rmtree(small.cache / "locks")
    assert "can't be asked" in refused(small, 4, env=IMPATIENT).err


# disks


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Callable[[str, str], Path]]:
    """Mounts a tmpfs with options on a folder; skips where that can't be done."""
    mounted: list[Path] = []

    def mount(name: str, options: str) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        if sys.platform != "linux" or os.geteuid() != 0:
            pytest.skip("mounting a small file system needs Linux and root")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_under_the_store(small: Project, tiny_disk: Callable[[str, str], Path]) -> None:
    small.wheel("big", "1.0", {"big.bin": os.urandom(3 << 20)})
    small.lock()
    small.matrix()
    full = tiny_disk("disk", "size=2m")
    ran = small.run("--store", str(full))
    assert (ran.ended.code, ran.statuses) == (4, ["error"])
    reason = str(ran.cell()["reason"])
    assert "No space left on device" in reason
    assert str(full) in reason
    # What was downloaded so far is kept, to go on with when there is room.
    left = [path.suffix for path in (full / "store").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert left in ([], [".part"])
    is_right(small.run())


def test_a_full_disk_under_the_project(small: Project, tiny_disk: Callable[[str, str], Path]) -> None:
    small.wheel("big", "1.0", {"big.bin": os.urandom(3 << 20)})
    small.lock()
    small.matrix()
    full = tiny_disk("disk", "size=2m")
    project = small.checkout(full / "project")
    for wheel in project.wheels:
        assert wheel.exists()
    project.lock()
    ran = project.run()
    assert (ran.ended.code, ran.statuses) == (4, ["error"])
    assert "No space left on device" in str(ran.cell()["reason"])
    subprocess.run(["mount", "-o", "remount,size=64m", full], check=True)
    is_right(project.run())


@pytest.mark.parametrize("which", ["project", "store"])
def test_a_folder_that_cannot_be_written_to(small: Project, tiny_disk: Callable[[str, str], Path], which: str) -> None:
    small.wheel("some", "1.0")
    small.lock()
    small.matrix()
    folder = tiny_disk("disk", "size=8m")
    project = small.checkout(folder / "project") if which == "project" else small
    project.lock()
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    arguments = ["--store", str(folder)] if which == "store" else []
    ended = project("run", *arguments)
    assert ended.code == (2 if which == "project" else 4)
    assert "Read-only file system" in ended.err
    assert str(folder) in ended.err
    assert "writable" in ended.err


def test_a_project_that_becomes_read_only(small: Project, tiny_disk: Callable[[str, str], Path]) -> None:
    small.wheel("some", "1.0")
    small.lock()
    small.matrix()
    folder = tiny_disk("disk", "size=8m")
    project = small.checkout(folder / "project")
    project.lock()
    ran = project.run()
    is_right(ran)
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    for arguments in ([], ["--recreate"]):
        again = project.run(*arguments)
        assert (again.ended.code, again.statuses) == (4, ["error"])
        assert "Read-only file system" in str(again.cell()["reason"])
    environment, cell = str(project.environment(ran)), str(ran.cell()["id"])
    assert project.json("verify", environment, "--cell", cell)["verdict"] == "match"


def test_a_filled_store_that_is_read_only(small: Project, tiny_disk: Callable[[str, str], Path]) -> None:
    small.sample()
    small.lock()
    small.matrix(commands=["plain"])
    folder = tiny_disk("disk", "size=32m")
    is_right(small.run("--store", str(folder)))
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    elsewhere = {"TMPDIR": str(folder.parent)}  # virtualenv leaves folders where it can't use its cache
    is_right(small.run("--store", str(folder), env=elsewhere))
    is_right(small.run("--store", str(folder), "--recreate", env=elsewhere))


# places


ODD_NAMES = {"odd signs": "-ü 'q\"$#%41\\\n;", "a long path": "l" * 120 + "/" + "m" * 100}


@pytest.mark.parametrize("kind", ODD_NAMES)
def test_any_folder_will_do(small: Project, kind: str) -> None:
    small.sample()
    project = small.checkout(small.base / ODD_NAMES[kind] / "project")
    project.lock()
    project.matrix(commands=["plain", "every-script"])
    ran = project.run()
    is_right(ran)
    ended = project(
        "verify", str(project.environment(ran)), "--cell", str(ran.cell()["id"]), env={"PYTHONIOENCODING": "ascii"}
    )
    assert (ended.code, ended.out.partition(":")[0]) == (0, "match")


@pytest.mark.parametrize(("name", "why"), [("a:b", "separates paths"), ("\udcff", "not UTF-8")], ids=ascii)
def test_a_folder_that_will_not_do(small: Project, name: str, why: str) -> None:
    small.wheel("some", "1.0")
    project = small.checkout(small.base / name)
    project.lock()
    project.matrix()
    ran = project.run()
    assert (ran.ended.code, ran.statuses) == (2, ["error"])
    assert why in str(ran.cell()["reason"])
    assert not project.environment(ran).exists()
