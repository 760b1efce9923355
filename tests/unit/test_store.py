"""The store: entries appear whole or not at all, damage is named and replaced, and any number may use it at once."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof.digests import sha256_hex
from lockproof.errors import HashMismatchError, LockError, LockproofError, UnavailableError
from lockproof.wheels.entryfiles import (
    INSTALLER,
    installer_files,
    manifest_from_json,
    manifest_to_json,
    static_record,
)
from lockproof.wheels.store import Store, remove_tree, write_where_asked
from support.environments import artifact_of, bring, stored
from support.wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable

    from lockproof.wheels.store import StoreEntry

MODULE = "site/demo/core.py"
RECORD = "site/demo-1.0.dist-info/RECORD"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(
        tmp_path / "wheels",
        "demo",
        "1.0",
        {"demo/__init__.py": "", "demo/core.py": "ANSWER = 42\n", "demo/run.sh": "#!/bin/sh\n"},
        entry_points={"console_scripts": {"demo": "demo:main"}},
        scripts={"tool": "#!python\nprint(1)\n"},
        executables=["demo/run.sh"],
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def files_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def no_fetch(folder: Path) -> Path:
    raise AssertionError("the wheel is in the store")


def leftovers(store: Store) -> list[str]:
    """Everything in the store's folder that is no entry, lock or empty folder."""
    kept = {"manifest.json", "seen"}
    return sorted(
        path.relative_to(store.folder).as_posix()
        for path in store.folder.rglob("*")
        if path.is_file()
        and not path.name.endswith(".lock")
        and not (path.parent / "manifest.json").exists()
        and "/tree/" not in path.as_posix()
        and path.name not in kept
    )


def unknown(entry: StoreEntry) -> list[str]:
    """The files whose bytes aren't known to be right as they lie there now."""
    found = {path: os.lstat(f"{entry.tree}/{path}") for path, _ in entry.files}
    now = {path: (status.st_size, status.st_mtime_ns, status.st_ctime_ns) for path, status in found.items()}
    return [path for path, sha256 in entry.files if entry.known_signature(path, sha256) != now[path]]


def test_an_entry_holds_the_wheel_s_files_and_the_two_of_ours(store: Store, wheel: Path) -> None:
    artifact = artifact_of(wheel)
    assert (store.holds(artifact), store.entry(artifact)) == (False, None)
    [entry] = stored(store, [wheel])

    assert store.holds(artifact)
    assert entry is store.entry(artifact) is store.ensure(artifact, no_fetch)
    assert list(store.entries()) == [entry]
    assert entry.folder == store.folder / "wheels" / artifact.sha256[:2] / artifact.sha256
    assert sorted(path.name for path in entry.folder.iterdir()) == [wheel.name, "manifest.json", "seen", "tree"]
    assert entry.archive.read_bytes() == wheel.read_bytes()
    tree = files_below(Path(entry.tree))
    assert {path: sha256_hex(content) for path, content in tree.items()} == {
        **dict(entry.files),
        "scripts/tool": sha256_hex(b"#!python\nprint(1)\n"),
    }
    assert tree["site/demo-1.0.dist-info/INSTALLER"] == INSTALLER
    assert tree[RECORD] == static_record(entry.manifest)
    assert not any(stat.S_IMODE(Path(entry.tree, path).stat().st_mode) & 0o222 for path in tree)
    assert leftovers(store) == []


def test_another_process_finds_the_entry_and_knows_its_files(store: Store, wheel: Path) -> None:
    [entry] = stored(store, [wheel])
    again = Store(store.folder).entry(artifact_of(wheel))
    assert again is not None
    assert (again.manifest, again.files) == (entry.manifest, entry.files)
    assert unknown(again) == []
    assert [again.known_signature(path, "0" * 64) for path, _ in again.files] == [None] * len(again.files)


def edit_in_place(path: Path) -> None:
    """Other bytes of the same size, and the old times: only ctime tells."""
    before = path.stat()
    path.chmod(0o644)
    path.write_bytes(bytes(reversed(path.read_bytes())))
    path.chmod(stat.S_IMODE(before.st_mode))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def make_folder(path: Path) -> None:
    path.unlink()
    (path / "inner").mkdir(parents=True)


def make_link(path: Path) -> None:
    """To the same bytes elsewhere: right for now, and out of our hands."""
    elsewhere = path.rename(path.parents[4] / "elsewhere")
    path.symlink_to(elsewhere)


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "edited, times kept": edit_in_place,
    "deleted": Path.unlink,
    "its folder deleted": lambda path: shutil.rmtree(path.parent),
    "made a folder": make_folder,
    "made a link": make_link,
    "made a FIFO": make_fifo,
}


@pytest.mark.parametrize("name", [*DAMAGES])
@pytest.mark.parametrize("path", [MODULE, RECORD, "site/demo/run.sh"])
def test_damage_is_named_and_replaced(name: str, path: str, store: Store, wheel: Path) -> None:
    [entry] = stored(store, [wheel])
    whole = files_below(Path(entry.tree))
    modes = {file: Path(entry.tree, file).stat().st_mode for file in whole}
    gone = [
        file
        for file, _ in entry.files
        if file == path or ("folder deleted" in name and os.path.dirname(file) == os.path.dirname(path))
    ]
    DAMAGES[name](Path(entry.tree, path))

    assert sorted(entry.verify()) == sorted(gone)
    assert entry.verify() == []
    assert files_below(Path(entry.tree)) == whole
    assert {file: Path(entry.tree, file).lstat().st_mode for file in whole} == modes
    assert unknown(entry) == []


def test_only_what_is_asked_for_is_verified(store: Store, wheel: Path) -> None:
    [entry] = stored(store, [wheel])
    edit_in_place(Path(entry.tree, MODULE))
    assert entry.verify([file for file in entry.files if file[0] == RECORD]) == []
    assert entry.verify([file for file in entry.files if file[0] == MODULE]) == [MODULE]


def test_healing_leaves_the_old_bytes_to_whoever_shares_them(store: Store, wheel: Path, tmp_path: Path) -> None:
    [entry] = stored(store, [wheel])
    shared = tmp_path / "shared.py"
    os.link(f"{entry.tree}/{MODULE}", shared)
    edit_in_place(shared)
    assert entry.verify() == [MODULE]
    assert (Path(entry.tree, MODULE).read_bytes(), shared.read_bytes()) == (b"ANSWER = 42\n", b"\n24 = REWSNA")


def test_a_script_is_healed(store: Store, wheel: Path) -> None:
    [entry] = stored(store, [wheel])
    edit_in_place(Path(entry.tree, "scripts/tool"))
    entry.heal_script("scripts/tool")
    path = Path(entry.tree, "scripts/tool")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"#!python\nprint(1)\n", 0o555)


def test_damage_to_file_and_archive_is_an_error_that_says_what_to_do(store: Store, wheel: Path) -> None:
    [entry] = stored(store, [wheel])
    edit_in_place(Path(entry.tree, MODULE))
    shutil.copy(make_wheel(wheel.parent / "other", "demo", "1.0", {"demo/core.py": "evil\n"}), entry.archive)
    with pytest.raises(LockproofError) as caught:
        entry.verify()
    assert str(caught.value) == (
        f"{entry.archive}: a wheel in the store is damaged: its sha256 is no longer the locked one\n"
        f"  remove the folder {entry.folder}: the wheel will be fetched again"
    )


CORRUPTED = {
    "empty": b"",
    "cut off": b'{"format": 2, "name": "demo", "ver',
    "no UTF-8": b"\xff\xfe",
    "null": b"null",
    "a number": b"5",
    "a list": b"[1, 2]",
    "another format": b'{"format": 999}',
    "keys missing": b'{"format": 2, "name": "demo"}',
    "nested without end": b"[" * 200_000,
}


@pytest.mark.parametrize("name", CORRUPTED)
def test_a_corrupted_manifest_is_no_entry_and_is_made_anew(name: str, store: Store, wheel: Path) -> None:
    [entry] = stored(store, [wheel])
    (entry.folder / "manifest.json").write_bytes(CORRUPTED[name])
    fresh = Store(store.folder)
    assert fresh.entry(artifact_of(wheel)) is None
    [again] = stored(fresh, [wheel])
    assert (again.manifest, again.verify()) == (entry.manifest, [])


@pytest.mark.parametrize("key", ["files", "scripts", "launchers", "findings", "added"])
@pytest.mark.parametrize("value", ["null", "5", '[["x"]]', "[5]", "[[]]"])
def test_a_manifest_with_odd_rows_is_no_entry(key: str, value: str, store: Store, wheel: Path) -> None:
    [entry] = stored(store, [wheel])
    path = entry.folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: json.loads(value)}))
    assert Store(store.folder).entry(artifact_of(wheel)) is None


def test_the_manifest_of_another_wheel_is_no_entry(store: Store, wheel: Path) -> None:
    other = make_wheel(wheel.parent / "other", "demo", "1.0", {"demo/core.py": "other\n"})
    one, two = stored(store, [wheel, other])
    shutil.copy(two.folder / "manifest.json", one.folder / "manifest.json")
    assert Store(store.folder).entry(artifact_of(wheel)) is None


@pytest.mark.parametrize("name", CORRUPTED)
def test_a_corrupted_memory_only_costs_time(name: str, store: Store, wheel: Path) -> None:
    [entry] = stored(store, [wheel])
    (entry.folder / "seen").write_bytes(CORRUPTED[name])
    again = Store(store.folder).entry(artifact_of(wheel))
    assert again is not None
    assert unknown(again) == [path for path, _ in again.files]
    assert again.verify() == []
    again.save_seen()
    third = Store(store.folder).entry(artifact_of(wheel))
    assert third is not None
    assert unknown(third) == []


def test_a_manifest_comes_back_from_json(store: Store, wheel: Path) -> None:
    [entry] = stored(store, [wheel])
    added = installer_files(entry.manifest, static_record(entry.manifest))
    assert manifest_from_json(manifest_to_json(entry.manifest, added)) == (entry.manifest, added)
    assert [*((file.path, file.sha256) for file in entry.manifest.files), *added] == entry.files


def test_what_a_killed_process_left_is_cleared_away(store: Store, wheel: Path) -> None:
    place = store._place(artifact_of(wheel).sha256)
    left = place.with_name(f".{place.name}.new4242")
    (left / "tree/site").mkdir(parents=True)
    (left / "tree/site/half.py").write_text("x")
    (place / "tree").mkdir(parents=True)  # without a manifest: never finished
    [entry] = stored(store, [wheel])
    assert sorted(path.name for path in place.parent.iterdir()) == [place.name, f"{place.name}.lock"]
    assert entry.verify() == []


@pytest.mark.parametrize("kind", ["wrong bytes", "refused", "fetch fails"])
def test_a_wheel_that_can_t_be_had_leaves_nothing(kind: str, store: Store, wheel: Path) -> None:
    artifact, error = artifact_of(wheel), LockproofError("no network")

    def fetch(folder: Path) -> Path:
        if kind == "fetch fails":
            raise error
        archive = bring(wheel, folder)
        if kind == "wrong bytes":
            archive.write_bytes(b"x")
        return archive

    expected: type[LockproofError] = {
        "wrong bytes": HashMismatchError,
        "refused": LockError,
        "fetch fails": LockproofError,
    }[kind]
    if kind == "refused":
        wheel = make_wheel(wheel.parent / "bad", "demo", "1.0", {"*.dist-info/METADATA": "Name: evil\n"})
        artifact = artifact_of(wheel)
    with pytest.raises(expected) as caught:
        store.ensure(artifact, fetch)
    if kind == "wrong bytes":
        assert str(caught.value) == (
            f"{wheel.name} is not the locked file: its sha256 is {sha256_hex(b'x')}, the lock says {artifact.sha256}"
        )
    assert (store.holds(artifact), leftovers(store)) == (False, [])
    assert sorted(path.name for path in store._place(artifact.sha256).parent.iterdir()) == [f"{artifact.sha256}.lock"]


def test_threads_that_want_one_wheel_fetch_it_once(store: Store, wheel: Path) -> None:
    fetched: list[int] = []
    start = threading.Barrier(4)

    def ensure(number: int) -> StoreEntry:
        start.wait()

        def fetch(folder: Path) -> Path:
            fetched.append(number)
            return bring(wheel, folder)

        return store.ensure(artifact_of(wheel), fetch)

    with ThreadPoolExecutor(4) as pool:
        entries = list(pool.map(ensure, range(4)))
    assert (len(fetched), len({id(entry) for entry in entries})) == (1, 1)


_CHILD = """
import os, resource, sys
from pathlib import Path
sys.path[:0] = {path!r}
from lockproof.errors import LockproofError
from lockproof.wheels.store import Store
from support.environments import artifact_of, bring

def ensure(store):
    return Store(Path(store)).ensure(artifact, lambda folder: bring(wheel, folder))

wheel = Path({wheel!r})
artifact = artifact_of(wheel)
{before}
sys.stdin.readline()
try:
    print(ensure({store!r}).verify())
except LockproofError as error:
    print(type(error).__name__, error)
"""


def child(store: Store, wheel: Path, before: str = "") -> subprocess.Popen[str]:
    """A process that puts the wheel into the store once it gets a line; `before` is run first."""
    program = _CHILD.format(path=sys.path, wheel=str(wheel), store=str(store.folder), before=before)
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_processes_that_want_one_wheel_all_get_it(store: Store, wheel: Path) -> None:
    children = [child(store, wheel) for _ in range(3)]
    done = [process.communicate("go\n") for process in children]
    assert [(out, error) for out, error in done] == [("[]\n", "")] * 3
    assert leftovers(store) == []


def test_a_full_disk_is_told_and_leaves_nothing_half_made(store: Store, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the download fits, a member doesn't."""
    big = make_wheel(tmp_path, "big", "1.0", {"big.bin": bytes(1 << 20)})
    limit = 64 << 10
    assert big.stat().st_size < limit < 1 << 20
    limits = f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))"
    assert child(store, big, limits).communicate("go\n") == (
        (
            f"UnavailableError {store.folder}: {big.name} can't be put into the store: File too large\n"
            "  make room or make it writable, or name another folder with --store or LOCKPROOF_STORE\n"
        ),
        "",
    )
    assert (store.holds(artifact_of(big)), leftovers(store)) == (False, [])
    [entry] = stored(store, [big])
    assert entry.verify() == []


def test_a_store_that_can_t_be_written_to_is_told(store: Store, wheel: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a file"
    folder.write_text("")
    with pytest.raises(UnavailableError) as caught:
        Store(folder).ensure(artifact_of(wheel), lambda target: bring(wheel, target))
    assert str(caught.value) == (
        f"{folder}: {wheel.name} can't be put into the store: Not a directory\n"
        "  make room or make it writable, or name another folder with --store or LOCKPROOF_STORE"
    )


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="another user is needed, and only root can become one"
)
def test_a_read_only_store_serves_what_it_has_and_refuses_the_rest(wheel: Path, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to others
        Path(folder).chmod(0o755)
        store = Store(Path(folder, "store"))
        stored(store, [wheel])
        other = make_wheel(wheel.parent, "other", "1.0")
        # All that is needed is imported, and the wheel read, while we still may.
        drop = f"ensure({str(tmp_path / 'scratch')!r})\nos.setuid(65534)"
        assert child(store, wheel, drop).communicate("go\n") == ("[]\n", "")
        assert child(store, other, drop).communicate("go\n") == (
            (
                f"UnavailableError {store.folder}: {other.name} can't be put into the store: Permission denied\n"
                "  make room or make it writable, or name another folder with --store or LOCKPROOF_STORE\n"
            ),
            "",
        )


def test_remove_tree_takes_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "folder/inner").mkdir(parents=True)
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    for name in ("folder", "link", "nothing"):
        remove_tree(tmp_path / name)
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept"]


def test_a_document_goes_where_the_user_said(tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    real.chmod(0o600)
    link.symlink_to(real)
    write_where_asked(link, b"new")
    assert (link.is_symlink(), real.read_text(), real.stat().st_mode & 0o777) == (True, "new", 0o600)
    write_where_asked(tmp_path / "fresh.txt", b"fresh")
    assert (tmp_path / "fresh.txt").read_text() == "fresh"


def test_a_pipe_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_where_asked(pipe, b"said")
    assert (os.read(reader, 10), pipe.is_fifo()) == (b"said", True)
    os.close(reader)


@pytest.mark.parametrize("trusting", [True, False])
def test_a_rewritten_manifest_is_found_where_nothing_is_trusted(trusting: bool, store: Store, wheel: Path) -> None:
    [entry] = stored(store, [wheel])
    path = entry.folder / "manifest.json"
    file, *others = json.loads(path.read_text())["files"]
    path.write_text(json.dumps({**json.loads(path.read_text()), "files": [[*file[:2], "0" * 64, *file[3:]], *others]}))
    again = Store(store.folder)
    again.trusting = trusting
    assert (again.entry(artifact_of(wheel)) is not None) == trusting


def test_true_entries_are_found_where_nothing_is_trusted(store: Store, wheel: Path) -> None:
    [entry] = stored(store, [wheel])
    before = sorted(path.name for path in entry.folder.iterdir())
    again = Store(store.folder)
    again.trusting = False
    assert again.entry(artifact_of(wheel)) is not None
    assert sorted(path.name for path in entry.folder.iterdir()) == before
    entry.archive.write_bytes(b"damaged")
    again = Store(store.folder)
    again.trusting = False
    assert again.entry(artifact_of(wheel)) is None
