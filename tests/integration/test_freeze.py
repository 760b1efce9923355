"""From environments that pip and uv made back to locks: what comes out is what went in, or says why not."""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from lockproof.locks.pylock import read_pylock
from support.loopback import Fault
from support.realworld import LOCK, make_real_project, patiently, pythons_of_the_lock
from support.tools import run, tool
from support.wheels import make_wheel, sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from support.loopback import LoopbackIndex
    from support.projects import Project
    from support.reports import Json

pytestmark = pytest.mark.integration


def made_by(name: str, project: Project, folder: Path, *words: object) -> Path:
    """An environment without pip into which that tool installs; its site-packages."""
    (executable,) = project.pythons.values()
    command = tool(name)
    if name == "uv":
        run([*command, "venv", "--no-config", "--python", executable, folder], project.environ)
        install = ["pip", "install", "--no-config", "--no-cache", "--python", folder / "bin" / "python"]
    else:
        run([executable, "-m", "venv", "--without-pip", folder], project.environ)
        install = ["--python", folder / "bin" / "python", "install", "--disable-pip-version-check", "--no-cache-dir"]
    run([*command, *install, "--no-deps", *words], project.environ)
    (site,) = folder.glob("lib/python*/site-packages")
    return site


def renamed(wheel: Path, folder: Path, name: str) -> Path:
    return wheel.replace(folder / name)


def fill(project: Project) -> None:
    """The sample's wheels, one with a build-tagged twin of other content, and one twice with the same content."""
    project.sample()
    wheels, made = project.base / "wheels", project.base / "made"
    project.wheel("twin", "1.0", {"twin.py": "BUILD = None\n"})
    renamed(make_wheel(made, "twin", "1.0", {"twin.py": "BUILD = 1\n"}), wheels, "twin-1.0-1-py3-none-any.whl")
    project.wheel("same", "1.0", {"same/a.py": "A = 1\n", "same/b.py": "B = 2\n"})
    other = make_wheel(made, "same", "1.0", {"same/b.py": "B = 2\n", "same/a.py": "A = 1\n"})
    assert sha256_of(other) != sha256_of(project.wheels[-1])
    renamed(other, wheels, "same-1.0-2-py3-none-any.whl")
    foreign = make_wheel(made, "plain", "1.0", {"plain/__init__.py": "ANSWER = 0\n"}, tag="py3-none-win_amd64")
    renamed(foreign, wheels, foreign.name)


def pins(project: Project, *left_out: str) -> list[str]:
    """What a lock of the sample has to say: the wheels that this Python installs."""
    hashes: dict[str, list[str]] = {}
    for wheel in (project.base / "wheels").iterdir():
        name, version, *_ = wheel.name.split("-")
        chosen = "twin-1.0-1" if name == "twin" else name
        if wheel.name.startswith(f"{chosen}-") and "win_amd64" not in wheel.name and name not in left_out:
            hashes.setdefault(f"{name.replace('_', '-').replace('.', '-')}=={version}", []).append(sha256_of(wheel))
    lines = []
    for pin, found in sorted(hashes.items()):
        lines.append(" \\\n    ".join([pin, *(f"--hash=sha256:{sha256}" for sha256 in sorted(found))]))
    return lines


def pins_of(lock: Path | str) -> list[str]:
    """The entries of a requirements lock, without comments."""
    text = lock if isinstance(lock, str) else lock.read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return re.split(r"\n(?! )", "\n".join(lines)) if lines else []


ELSEWHERE = "it was built here or came from elsewhere"
REBUILT = "rebuilt-1.0-py3-none-any.whl"
NAMES = ("plain", "every-scheme", "space-one", "space-two", "native", "twin", "same")


@pytest.fixture
def served(small: Project, serve: Callable[[Project], LoopbackIndex]) -> Project:
    """A project whose wheels are on an index that the user has configured; it has neither matrix nor lock."""
    fill(small)
    index = serve(small)
    small.variables |= {"PIP_INDEX_URL": index.url, "UV_DEFAULT_INDEX": index.url}
    return small


def hashes_of(pylock: Path) -> list[str]:
    """What a pylock.toml says, as lines of a requirements file."""
    lines = []
    for package in read_pylock(pylock.read_text(), pylock.name, folder=pylock.parent).pylock.packages:
        hashes = sorted(wheel.hashes["sha256"] for wheel in package.wheels or ())
        lines.append(" \\\n    ".join([f"{package.name}=={package.version}", *(f"--hash=sha256:{h}" for h in hashes)]))
    return lines


@pytest.mark.parametrize(("tool", "name"), [("pip", "requirements.txt"), ("uv", "pylock.toml")])
def test_what_was_installed_comes_out_and_is_what_a_cell_of_that_lock_must_be(
    served: Project, tmp_path: Path, tool: str, name: str
) -> None:
    folder = tmp_path / "made by hand"
    made_by(tool, served, folder, *NAMES)
    ended = served("freeze", str(folder), "-o", name)
    (python,) = served.pythons
    assert (ended.code, ended.out) == (0, "")
    assert f"\n7 of 7 distributions proven from bytes (CPython {python} on linux-" in ended.err
    lock = served.folder / name
    assert (hashes_of(lock) if "toml" in name else pins_of(lock)) == pins(served)
    assert str(tmp_path) not in lock.read_text()
    served.matrix(lock=name)
    assert served.json("verify", str(folder), "--cell", "*")["verdict"] == "match"


def test_an_edited_file_is_named_and_the_rest_is_locked(served: Project, tmp_path: Path) -> None:
    site = made_by("pip", served, tmp_path / "edited", *NAMES)
    (site / "space" / "one.py").write_text("N = 2\n")
    ended = served("freeze", str(tmp_path / "edited"), "-q")
    (python,) = served.pythons
    head, *rest = ended.err.splitlines()
    assert ended.code == 4
    assert head.startswith(f"6 of 7 distributions proven from bytes (CPython {python} on linux-")
    assert rest == [
        "  unproven: space-one 1.0: 1 file is not as in space_one-1.0-py3-none-any.whl, the only wheel that fits",
        "    site/space/one.py: is not what space_one-1.0-py3-none-any.whl has",
    ]
    assert pins_of(ended.out) == pins(served, "space_one")
    assert "# INCOMPLETE. It was installed, and could not be locked:\n#   space-one 1.0: 1 file" in ended.out


def record_of(info: Path, *paths: str) -> None:
    info.joinpath("RECORD").write_text("".join(f"{path},,\n" for path in [*paths, f"{info.name}/RECORD"]))


def install_by_hand(site: Path, name: str, direct_url: str = "") -> None:
    """A distribution that nobody downloaded."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nTag: py3-none-any\n")
    (info / "direct_url.json").write_text(direct_url or '{"url": "file:///x.whl", "archive_info": {}}')
    (site / f"{name}.py").write_text("")
    rows = [f"{name}.py", *(f"{info.name}/{file}" for file in ("METADATA", "WHEEL", "direct_url.json"))]
    (info / "RECORD").write_text("".join(f"{row},,\n" for row in [*rows, f"{info.name}/RECORD"]))


def test_what_can_t_be_proven_is_listed_with_its_reason_and_no_code_is_run(served: Project, tmp_path: Path) -> None:
    wheels, folder = served.base / "wheels", tmp_path / "odd"
    (wheels / "built-1.0.tar.gz").write_bytes(b"an sdist")
    make_wheel(wheels, "rebuilt", "1.0", {"rebuilt.py": "", "*.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: x\n"})
    site = made_by("pip", served, folder, "plain", "space-one", "same")
    for name in ("built", "unknown", "rebuilt"):
        install_by_hand(site, name)
    install_by_hand(site, "editable", '{"url": "file:///home/me/x", "dir_info": {"editable": true}}')
    install_by_hand(site, "cloned", '{"url": "https://x.invalid/y", "vcs_info": {"vcs": "git", "commit_id": "abc"}}')
    (site / "space_one-1.0.dist-info" / "RECORD").unlink()
    (site / "same" / "a.py").unlink()
    (site / "stray.pth").write_text(f"import pathlib; pathlib.Path({str(tmp_path / 'was run')!r}).touch()\n")
    document = served.json("freeze", str(folder), "--exclude", "editable", code=4)
    assert [d["name"] for d in rows(document, "proven")] == ["plain"]
    listed = {d["name"]: (d["reason"], {file["path"] for file in rows(d, "files")}) for d in rows(document, "unproven")}
    assert listed == {
        "built": (f"the index has only an sdist of this version, so {ELSEWHERE}", set()),
        "cloned": (
            "it was built here, from commit abc of a git repository",
            {"site/cloned-1.0.dist-info/direct_url.json"},
        ),
        "rebuilt": (
            f"1 file is not as in {REBUILT}, the only wheel that fits; its WHEEL file is another, so {ELSEWHERE}",
            {"site/rebuilt-1.0.dist-info/WHEEL"},
        ),
        "same": ("1 file is not as in same-1.0-2-py3-none-any.whl, the most similar of 2 wheels", {"site/same/a.py"}),
        "space-one": (
            "it has no RECORD, so nothing says which files are its own",
            {f"site/space_one-1.0.dist-info/{name}" for name in ("RECORD", "METADATA", "WHEEL")},
        ),
        "unknown": ("the index has no file of this version", set()),
    }
    assert rows(document, "left_out") == [{"name": "editable", "version": "1.0"}]
    assert {file["path"] for file in rows(document, "unowned")} == {"site/space/one.py", "site/stray.pth"}
    assert not (tmp_path / "was run").exists()


def rows(document: Json, key: str) -> list[Json]:
    found = document[key]
    assert isinstance(found, list)
    return found


def test_a_candidate_that_fails_its_hash(served: Project, serve: Callable[[Project], LoopbackIndex]) -> None:
    made_by("pip", served, served.base / "made", "plain")
    index = serve(served)
    (plain,) = (served.base / "wheels").glob("plain-1.0-py3-none-any.whl")
    index.faults[plain.name] = Fault(body=b"x" * plain.stat().st_size)
    served.variables["PIP_INDEX_URL"] = index.url
    ended = served("freeze", str(served.base / "made"))
    assert ended.code == 5
    assert "unproven: plain 1.0: the wheels that it may have come from can't be had\n    plain-1.0-py3" in ended.err
    assert pins_of(ended.out) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["freeze", "nowhere"], "nowhere: this is no target: there is no such folder or file"),
        (["freeze", "../made/pyvenv.cfg"], "this is no target: it is a file, and the environment itself is needed"),
        (["freeze", "../made", "--exclude", "gone,away"], "away, gone can't be excluded: it is not installed"),
        (
            ["freeze", "../made", "-o", "no/folder"],
            "the lock can't be written: it is a folder, or the folder for it is not there",
        ),
        (["freeze", "../made", "--format", "yaml"], "'yaml' is neither requirements nor pylock"),
    ],
)
def test_what_is_refused(small: Project, arguments: list[str], told: str) -> None:
    (executable,) = small.pythons.values()
    run([executable, "-m", "venv", "--without-pip", small.base / "made"], small.environ)
    ended = small(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert told in ended.err


@pytest.fixture(scope="module")
def full(all_pythons: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A real lock on the newest Python that it is for, its wheels in the store, made by pip; nothing of it stays."""
    base = tmp_path_factory.mktemp("full")
    newest = list(pythons_of_the_lock(all_pythons).items())[-1]
    project = make_real_project(base, dict([newest]))
    project.matrix(lock="requirements.txt", installer="pip")
    assert patiently(project, "run", "--install-only", "--quiet").code == 0
    yield project
    shutil.rmtree(base)


def locked(path: Path) -> Mapping[str, set[str]]:
    """The hashes of each pin."""
    entries = path.read_text().replace("\\\n", " ").splitlines()
    pins: dict[str, set[str]] = {}
    for entry in entries:
        if "==" in entry and not entry.startswith("#"):
            pin, *words = entry.split()
            pins.setdefault(pin, set()).update(word for word in words if word.startswith("--hash="))
    return pins


def test_a_real_environment_gives_back_the_pins_of_its_lock(full: Project) -> None:
    user = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LOCKPROOF_"))}
    full.variables |= user  # the user's own index: which files a version has is asked anew
    (folder,) = (full.folder / ".lockproof").glob("3.*")
    ended = patiently(full, "freeze", str(folder), "-o", "frozen.txt")
    assert ended.code == 0, ended
    found, lock = locked(full.folder / "frozen.txt"), locked(LOCK)
    assert list(found) == [f"{dist['name']}=={dist['version']}" for dist in rows(full.json("predict"), "distributions")]
    assert all(hashes and hashes <= lock[pin] for pin, hashes in found.items())
