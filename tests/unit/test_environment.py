"""Environments: their skeleton, how store files get there, and what happens when the store or the disk isn't right."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof.digests import record_hash, sha256_hex
from lockproof.environments.environment import Order, make_environments, make_skeleton, write_script
from lockproof.errors import UnavailableError
from lockproof.wheels import linking
from lockproof.wheels.linking import usable_mode
from lockproof.wheels.manifest import parse_record
from lockproof.wheels.startup import parse_pyvenv
from lockproof.wheels.store import Store
from support.environments import app_data, layout, make, observed, predicted, running, stored
from support.wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable

    from lockproof.wheels.store import StoreEntry

MODULE = "site/demo/core.py"
LINKS = ["copy", "hardlink", "symlink"]


@pytest.fixture
def entry(tmp_path: Path) -> StoreEntry:
    wheel = make_wheel(
        tmp_path,
        "demo",
        "1.0",
        {"demo/__init__.py": "def main(): print('demo')\n", "demo/core.py": "x = 1\n", "demo/run.sh": "#!/bin/sh\n"},
        entry_points={"console_scripts": {"demo": "demo:main"}},
        scripts={"tool": "#!python\nprint('tool')\n"},
        data={"data/share/demo.txt": "d\n"},
        executables=["demo/run.sh"],
    )
    [entry] = stored(Store(tmp_path / "store"), [wheel])
    return entry


def order(entry: StoreEntry, folder: Path, link: str = "copy") -> Order:
    return Order(interpreter=running(), entries=[entry], folder=folder, link=link)


def test_the_skeleton_has_no_packages_and_runs(tmp_path: Path) -> None:
    site = make([], tmp_path / "env")
    assert list(site.iterdir()) == []
    code = "import sys; print(sys.prefix); print(sys.version.split()[0])"
    done = subprocess.run([tmp_path / "env/bin/python", "-I", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == [str(tmp_path / "env"), running().version]


def test_a_user_s_virtualenv_settings_have_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = tmp_path / "virtualenv.ini"
    configuration.write_text("[virtualenv]\nsystem-site-packages = true\n")
    monkeypatch.setenv("VIRTUALENV_CONFIG_FILE", str(configuration))
    monkeypatch.setenv("VIRTUALENV_SYSTEM_SITE_PACKAGES", "1")
    monkeypatch.setenv("VIRTUALENV_PROMPT", "evil")
    make([], tmp_path / "env")
    keys = parse_pyvenv((tmp_path / "env/pyvenv.cfg").read_text())
    assert (keys["include-system-site-packages"], "prompt" in keys) == ("false", False)


def test_whatever_was_there_is_gone(entry: StoreEntry, tmp_path: Path) -> None:
    site = make([], tmp_path / "env")
    (site / "evil.py").write_text("")
    (tmp_path / "env/evil.txt").write_text("")
    make([entry], tmp_path / "env")
    assert observed(tmp_path / "env").findings == ()


@pytest.mark.parametrize("link", LINKS)
def test_record_says_what_is_there(link: str, entry: StoreEntry, tmp_path: Path) -> None:
    site = make([entry], tmp_path / "env", link=link)
    rows = {
        path: (digest, size) for path, digest, size in parse_record((site / "demo-1.0.dist-info/RECORD").read_bytes())
    }
    assert rows.pop("demo-1.0.dist-info/RECORD") == ("", "")
    contents = {path: Path(os.path.normpath(site / path)).read_bytes() for path in rows}
    assert rows == {path: (record_hash(sha256_hex(content)), str(len(content))) for path, content in contents.items()}
    up = "../" * (layout().site.count("/") + 1)
    assert rows.keys() == {
        *("demo/__init__.py", "demo/core.py", "demo/run.sh"),
        *(f"demo-1.0.dist-info/{name}" for name in ("METADATA", "WHEEL", "entry_points.txt", "INSTALLER")),
        *(f"{up}{path}" for path in ("bin/demo", "bin/tool", "share/demo.txt")),
    }


@pytest.mark.parametrize("umask", [0o022, 0o077])
@pytest.mark.parametrize("link", LINKS)
def test_modes_do_not_hang_on_the_umask(link: str, umask: int, entry: StoreEntry, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        site = make([entry], tmp_path / "env", link=link)
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((site / name).stat().st_mode) for name in ("demo/core.py", "demo/run.sh")]
    assert modes == ([0o644, 0o755] if link == "copy" else [0o444, 0o555])
    assert [stat.S_IMODE((tmp_path / "env/bin" / name).stat().st_mode) for name in ("demo", "tool")] == [0o755, 0o755]


def test_scripts_run_in_a_folder_with_a_space_and_a_long_name(entry: StoreEntry, tmp_path: Path) -> None:
    for folder in (tmp_path / "an environment", tmp_path / ("long" * 35)):
        make([entry], folder)
        for name in ("demo", "tool"):
            done = subprocess.run([folder / "bin" / name], check=True, capture_output=True, text=True)
            assert done.stdout == f"{name}\n"


def test_many_are_made_at_once(entry: StoreEntry, tmp_path: Path) -> None:
    orders = [order(entry, tmp_path / f"env-{number}", link) for number, link in enumerate([*LINKS, "copy"])]
    made = make_environments(orders, app_data())
    assert (made.links, made.replaced) == (("copy", "hardlink", "symlink", "copy"), ())
    store = Store(tmp_path / "store")
    for one in orders:
        seen = observed(one.folder, store)
        assert (seen.files, seen.findings) == (predicted([entry]).files, ())


def damage_edit(path: Path) -> None:
    path.chmod(0o644)
    path.write_text("evil\n")


def damage_to_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def damage_to_link(path: Path) -> None:
    elsewhere = path.with_name("elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def damage_to_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "edited": damage_edit,
    "mode": lambda path: path.chmod(0o666),
    "deleted": Path.unlink,
    "folder deleted": lambda path: shutil.rmtree(path.parent),
    "a folder": damage_to_folder,
    "a link": damage_to_link,
    "a FIFO": damage_to_fifo,
}


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_store_file_never_gets_into_an_environment(
    name: str, link: str, entry: StoreEntry, tmp_path: Path
) -> None:
    DAMAGES[name](Path(entry.tree, MODULE))
    made = make_environments([order(entry, tmp_path / "env", link)], app_data())
    assert MODULE in made.replaced
    seen = observed(tmp_path / "env", Store(tmp_path / "store"))
    assert (seen.files, seen.findings) == (predicted([entry]).files, ())
    assert entry.verify() == []


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_record_never_gets_into_an_environment(name: str, entry: StoreEntry, tmp_path: Path) -> None:
    path = "demo-1.0.dist-info/RECORD"
    right = (make([entry], tmp_path / "env") / path).read_bytes()
    DAMAGES[name](Path(entry.tree, "site", path))
    assert (make([entry], tmp_path / "env") / path).read_bytes() == right


def test_one_that_is_bare_already_is_only_filled(entry: StoreEntry, tmp_path: Path) -> None:
    make_skeleton(running(), tmp_path / "env", app_data())
    (tmp_path / "env" / "left").touch()
    make_environments([replace(order(entry, tmp_path / "env"), bare=True)], app_data())
    assert (tmp_path / "env" / "left").exists()
    seen = observed(tmp_path / "env", Store(tmp_path / "store"))
    assert seen.files.keys() - predicted([entry]).files.keys() == {"data/left"}


def test_a_damaged_script_never_gets_into_an_environment(entry: StoreEntry, tmp_path: Path) -> None:
    script = Path(entry.tree, "scripts/tool")
    script.chmod(0o755)
    script.write_text("#!python\nprint('evil')\n")
    make([entry], tmp_path / "env")
    assert subprocess.run([tmp_path / "env/bin/tool"], check=True, capture_output=True).stdout == b"tool\n"


def test_a_deleted_script_is_healed(entry: StoreEntry, tmp_path: Path) -> None:
    Path(entry.tree, "scripts/tool").unlink()
    make([entry], tmp_path / "env")
    assert subprocess.run([tmp_path / "env/bin/tool"], check=True, capture_output=True).stdout == b"tool\n"


def test_a_folder_that_can_t_be_made_is_told(entry: StoreEntry, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file/env"
    with pytest.raises(UnavailableError) as caught:
        make([entry], folder)
    assert (caught.value.what, caught.value.where) == ("the environment can't be made", str(folder))


def no_link(error: int) -> Callable[[str, str], None]:
    def fail(source: str, target: str) -> None:
        raise OSError(error, os.strerror(error))

    return fail


def test_auto_takes_the_first_that_works(entry: StoreEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = entry.folder / "manifest.json"
    made: list[str] = []
    works = {mode: (lambda source, target, mode=mode: made.append(mode)) for mode in ("clone", "hardlink", "copy")}
    assert usable_mode("auto", None, tmp_path) == "copy"
    for broken, mode in (((), "clone"), (("clone",), "hardlink"), (("clone", "hardlink"), "copy")):
        monkeypatch.setattr(linking, "MAKERS", {**works, **{name: no_link(errno.EXDEV) for name in broken}})
        assert usable_mode("auto", source, tmp_path) == mode
    assert [usable_mode(mode, source, tmp_path) for mode in ("copy", "symlink")] == ["copy", "symlink"]
    assert made == ["clone", "hardlink"]


@pytest.mark.parametrize("mode", ["clone", "hardlink"])
def test_a_mode_asked_for_by_name_is_an_error_where_it_can_t_be_had(
    mode: str, entry: StoreEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking, "MAKERS", {mode: no_link(errno.EXDEV)})
    with pytest.raises(UnavailableError) as caught:
        usable_mode(mode, entry.folder / "manifest.json", tmp_path / "env")
    assert str(caught.value) == (
        f"link: {mode} does not work from {entry.folder} to {tmp_path / 'env'}: Invalid cross-device link\n"
        "  use link: auto, or put both on one file system that can do it (--store, LOCKPROOF_STORE)"
    )


def test_a_full_disk_is_no_reason_for_another_mode(
    entry: StoreEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking, "MAKERS", {"clone": no_link(errno.ENOSPC)})
    with pytest.raises(OSError, match="No space left"):
        usable_mode("auto", entry.folder / "manifest.json", tmp_path)


def test_a_script_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("other\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/x").symlink_to(tmp_path / "other")
    write_script(tmp_path / "bin/x", b"#!/bin/sh\n")
    assert ((tmp_path / "bin/x").read_bytes(), (tmp_path / "other").read_text()) == (b"#!/bin/sh\n", "other\n")
