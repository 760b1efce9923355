"""pip old and new and uv, really run: what each of them writes, and that it always says the same."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof.digests import record_hash
from lockproof.environments.installers import (
    CompletedText,
    ToolVersion,
    find_tool,
    install_with_pip,
    install_with_uv,
    run_command,
)
from lockproof.errors import UnavailableError
from lockproof.locks.artifacts import Artifact
from lockproof.wheels.launchers import Launcher, RewrittenScript, parse_script
from support.wheels import make_wheel, sha256_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

pytestmark = pytest.mark.integration
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
SITE = f"lib/{PYTHON}/site-packages"
FOLDERS = {"short": "e", "spaced": "an environment", "long": "l" * 130}
INSTALLERS = ("bundled pip", "pip", "uv")


def artifact_of(wheel: Path) -> Artifact:
    name, version, _ = wheel.name.split("-", 2)
    return Artifact(name=name.replace("_", "-"), version=version, filename=wheel.name, sha256=sha256_of(wheel))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Artifact, Path]]:
    folder = tmp_path_factory.mktemp("store")
    one = make_wheel(
        folder,
        "Some.Tool",
        "1.0",
        {
            "some/__init__.py": "def main(): pass\n",
            "some/ünï.py": "x = 1\n",
            'a, "b".py': "",
            "some/run": "#!/bin/sh\n",
        },
        entry_points={
            "console_scripts": {
                "tool": "some:main",
                "tool-dotted": "some.cli:Tool.run",
                "extra": "some:main [x]",
            },
            "gui_scripts": {"tool-gui": "some:window"},
        },
        scripts={
            "shipped": "#!python\nprint(1)\n",
            "shipped-w": "#!pythonw -E\nprint(1)\n",
            "shipped-latin": b"#!python3\r\n# coding: latin-1\r\nprint('\xe4')\r\n",
            "shipped-sh": "#!/bin/sh\n",
            "binary": b"\x7fELF\xff",
            "tool-script.py": "#!python\nleft out\n",
        },
        data={
            "headers/some.h": "int s;\n",
            "headers/sub/t.h": "int t;\n",
            "data/share/some/data.txt": "d\n",
            "purelib/some_pure.py": "p = 1\n",
            "platlib/some_plat.py": "p = 2\n",
        },
        executables=["some/run"],
    )
    two = make_wheel(folder, "other", "2.0", purelib=False, requires=["not-locked"])
    return [(artifact_of(wheel), wheel) for wheel in (one, two)]


@dataclass(frozen=True, kw_only=True)
class Installed:
    """An environment after an installation: the files that came, and which tool brought them."""

    folder: Path
    files: Mapping[str, bytes]
    tool: ToolVersion


def make_environment(folder: Path) -> None:
    import virtualenv

    virtualenv.cli_run(["--no-seed", "--no-periodic-update", str(folder)])


def files_of(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def bundled_pip(folder: Path) -> ToolVersion:
    """The pip that this Python's ensurepip holds, unpacked: an old one, as long as the Python is."""
    import ensurepip

    found = sorted((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    if not found:
        pytest.skip("this Python's ensurepip holds no pip")
    with zipfile.ZipFile(found[0]) as archive:
        archive.extractall(folder)
    version = found[0].name.split("-")[1]
    return ToolVersion(name="pip", version=version, command=(sys.executable, "-I", str(folder / "pip")))


@pytest.fixture(scope="module", params=[(tool, place) for tool in INSTALLERS for place in FOLDERS], ids="-".join)
def installed(
    request: pytest.FixtureRequest,
    wheels: list[tuple[Artifact, Path]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Installed:
    installer, place = request.param
    tmp = tmp_path_factory.mktemp("t")
    folder = tmp / FOLDERS[place]
    tool = bundled_pip(tmp / "bundled") if installer == "bundled pip" else find_tool(installer)
    make_environment(folder)
    before = files_of(folder)
    install = install_with_uv if installer == "uv" else install_with_pip
    assert install(folder, wheels, tool=tool) == tool
    after = files_of(folder)
    return Installed(
        folder=folder,
        tool=tool,
        files={path: after[path] for path in after if after[path] != before.get(path)},
    )


def test_every_script_says_the_same(installed: Installed) -> None:
    pythons = [os.fsencode(installed.folder / "bin" / name) for name in ("python", "python3", PYTHON)]
    scripts = {path[4:]: content for path, content in installed.files.items() if path.startswith("bin/")}
    beginning, space, _ = str(installed.folder).partition(" ")
    calls = beginning if space and installed.tool.name == "pip" else ""  # pip quotes it in wrappers only

    assert {name: parse_script(content, pythons) for name, content in scripts.items()} == {
        "tool": Launcher(module="some", attr="main"),
        "tool-dotted": Launcher(module="some.cli", attr="Tool.run"),
        "extra": Launcher(module="some", attr="main"),
        "tool-gui": Launcher(module="some", attr="window"),
        "shipped": RewrittenScript(content=b"#!python\nprint(1)\n", calls=calls),
        "shipped-w": RewrittenScript(content=b"#!python\nprint(1)\n", calls=calls),
        "shipped-latin": RewrittenScript(content=b"#!python\n# coding: latin-1\r\nprint('\xe4')\r\n", calls=calls),
        "shipped-sh": None,
        "binary": None,
    }
    assert all(os.access(installed.folder / "bin" / name, os.X_OK) for name in scripts)


def test_the_files_are_the_wheels_own_and_the_installers_few(installed: Installed) -> None:
    own = {
        *(f"{SITE}/{path}" for path in ("some/__init__.py", "some/ünï.py", 'a, "b".py', "some/run", "other.py")),
        *(f"{SITE}/{path}" for path in ("some_pure.py", "some_plat.py")),
        *(f"include/site/{PYTHON}/some-tool/{path}" for path in ("some.h", "sub/t.h")),
        "share/some/data.txt",
        *(f"{SITE}/some_tool-1.0.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")),
        *(f"{SITE}/other-2.0.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD")),
    }
    names = ("INSTALLER", "REQUESTED", *(["uv_cache.json"] if installed.tool.name == "uv" else []))
    added = {f"{SITE}/{stem}.dist-info/{name}" for stem in ("some_tool-1.0", "other-2.0") for name in names}
    if installed.tool.name == "uv":
        added.add(".lock")

    assert {path for path in installed.files if not path.startswith("bin/")} == own | added
    for stem in ("some_tool-1.0", "other-2.0"):
        assert installed.files[f"{SITE}/{stem}.dist-info/REQUESTED"] == b""
        assert installed.files[f"{SITE}/{stem}.dist-info/INSTALLER"].strip() == installed.tool.name.encode()


def test_record_lists_every_file_with_its_true_hash(installed: Installed) -> None:
    raw = installed.files[f"{SITE}/some_tool-1.0.dist-info/RECORD"].decode()
    rows = [tuple(row) for row in csv.reader(raw.splitlines())]
    ending = "\n" if installed.tool.name == "uv" else "\r\n"
    skipped = (".lock", f"{SITE}/other")
    ghost = b"#!python\nleft out\n"  # a script that was left out keeps the wheel's own row, in all installers
    hash_of_ghost = record_hash(hashlib.sha256(ghost).hexdigest())
    expected = [("some_tool-1.0.data/scripts/tool-script.py", hash_of_ghost, str(len(ghost)))]
    for path, content in installed.files.items():
        if path.startswith(skipped):
            continue
        name = path.removeprefix(f"{SITE}/") if path.startswith(SITE) else f"../../../{path}"
        hash_and_size = (record_hash(hashlib.sha256(content).hexdigest()), str(len(content)))
        expected.append((name, *(("", "") if name.endswith("/RECORD") else hash_and_size)))

    assert rows == sorted(expected)
    assert all(line.endswith(ending) for line in raw.splitlines(keepends=True))


def test_another_hash_is_refused_with_the_tools_own_words(wheels: list[tuple[Artifact, Path]], tmp_path: Path) -> None:
    artifact, path = wheels[1]
    tampered = tmp_path / path.name
    shutil.copy(path, tampered)
    with zipfile.ZipFile(tampered, "a") as archive:
        archive.writestr("evil.py", "")
    make_environment(tmp_path / "e")

    for install in (install_with_pip, install_with_uv):
        with pytest.raises(UnavailableError, match=r"failed with exit code 1(.|\n)*[Hh]ash"):
            install(tmp_path / "e", [(artifact, tampered)])
    assert not (tmp_path / "e" / SITE / "other.py").exists()


def test_the_callers_configuration_has_no_say(
    wheels: list[tuple[Artifact, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.conf").write_text("[install]\ntarget = nowhere\n")
    planted = {
        "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"),
        "PIP_TARGET": str(tmp_path / "target"),
        "UV_TARGET": str(tmp_path / "target"),
        "UV_SYSTEM_PYTHON": "1",
        "PYTHONPATH": str(tmp_path),
    }
    for name, value in planted.items():
        monkeypatch.setenv(name, value)
    seen: list[Mapping[str, str]] = []

    def run(argv: Sequence[str], env: Mapping[str, str]) -> CompletedText:
        seen.append(env)
        return run_command(argv, env)

    for number, install in enumerate((install_with_pip, install_with_uv)):
        folder = tmp_path / str(number)
        make_environment(folder)
        install(folder, wheels, run=run)
        assert (folder / SITE / "other.py").is_file()
    assert all(env.get(name) != value for env in seen for name, value in planted.items())


def test_the_stored_wheel_is_not_touched(wheels: list[tuple[Artifact, Path]], tmp_path: Path) -> None:
    make_environment(tmp_path / "e")
    before = [path.stat() for _, path in wheels]

    install_with_uv(tmp_path / "e", wheels)

    facts = [(stat.st_ino, stat.st_ctime_ns, stat.st_nlink) for stat in before]
    assert [(stat.st_ino, stat.st_ctime_ns, stat.st_nlink) for stat in (p.stat() for _, p in wheels)] == facts


def test_a_pip_that_cannot_act_on_that_python_says_so(wheels: list[tuple[Artifact, Path]], tmp_path: Path) -> None:
    make_environment(tmp_path / "e")

    def run(argv: Sequence[str], env: Mapping[str, str]) -> CompletedText:
        return CompletedText(exit_code=2, output="Usage: ...\n\nno such option: --python\n")

    old = ToolVersion(name="pip", version="20.0", command=("old-pip",))
    with pytest.raises(UnavailableError) as caught:
        install_with_pip(tmp_path / "e", wheels, tool=old, run=run)
    assert caught.value.what == f"pip 20.0 can't install into {tmp_path / 'e'}"
    assert caught.value.why == "Usage: ...\nno such option: --python"


def test_the_tools_beside_this_python_come_first() -> None:
    assert find_tool("pip").command == (sys.executable, "-I", "-m", "pip")
    assert str(find_tool("uv")) == find_tool("uv").name + " " + find_tool("uv").version


def test_no_tool_is_told_with_what_was_tried(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in ("pip", "uv"):
        with pytest.raises(UnavailableError, match=f"{name} was not found: it is neither installed beside"):
            find_tool(name)

    (tmp_path / "uv").write_text("#!/bin/sh\necho broken; exit 3\n")
    (tmp_path / "uv").chmod(0o755)
    with pytest.raises(UnavailableError, match="uv --version ended with 3: broken"):
        find_tool("uv")


def test_a_tool_that_cannot_start_and_a_folder_without_python(
    wheels: list[tuple[Artifact, Path]], tmp_path: Path
) -> None:
    missing = ToolVersion(name="uv", version="1", command=(str(tmp_path / "gone"),))
    with pytest.raises(UnavailableError, match="the environment has no Python"):
        install_with_uv(tmp_path / "e", wheels, tool=missing)
    make_environment(tmp_path / "e")
    with pytest.raises(UnavailableError, match="uv 1 could not be started: No such file"):
        install_with_uv(tmp_path / "e", wheels, tool=missing)
    assert install_with_uv(tmp_path / "e", [], tool=missing) == missing
