"""The memo of files' digests: what it trusts, what it reads again, and what it refuses."""

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from lockproof.errors import UnavailableError
from lockproof.pythons.knownfiles import KnownFiles, is_settled, read_unchanged, signature_of

LATER = time.time_ns() + 3600 * 10**9  # long after everything that a test writes


def later() -> int:
    return LATER


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def known_digest(memo: KnownFiles, path: Path) -> str:
    return memo.sha256_of(str(path), path.lstat())


def plant(store: Path, path: Path, value: object) -> None:
    """Makes `store` a memo that says `value` of the file's present state."""
    entry = [*signature_of(path.lstat()), value]
    store.write_text(json.dumps({"format": "lockproof known files 1", "files": {str(path): entry}}))


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "module.py"
    path.write_bytes(b"one\n")
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "known.json"


def test_a_file_that_is_not_known_is_read(module: Path) -> None:
    assert known_digest(KnownFiles(None), module) == digest(b"one\n")


def test_what_was_learnt_is_kept_as_four_numbers_and_a_digest(module: Path, store: Path) -> None:
    memo = KnownFiles(store, clock=later)
    known_digest(memo, module)
    assert memo.save()
    status = module.lstat()
    numbers = [status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns]
    assert json.loads(store.read_bytes()) == {
        "format": "lockproof known files 1",
        "files": {str(module): [*numbers, digest(b"one\n")]},
    }
    assert [path.name for path in store.parent.iterdir()] == ["known.json"]


def test_a_known_file_is_not_read_again(module: Path, store: Path) -> None:
    store.parent.mkdir()
    plant(store, module, "a" * 64)
    assert known_digest(KnownFiles(store), module) == "a" * 64


@pytest.mark.parametrize("index", range(4), ids=["size", "mtime", "inode", "ctime"])
def test_any_of_the_four_numbers_makes_it_read_again(index: int, module: Path, store: Path) -> None:
    store.parent.mkdir()
    plant(store, module, "a" * 64)
    document = json.loads(store.read_bytes())
    document["files"][str(module)][index] += 1
    store.write_text(json.dumps(document))
    assert known_digest(KnownFiles(store), module) == digest(b"one\n")


def test_an_edit_of_the_same_size_with_its_mtime_put_back_is_seen(module: Path, store: Path) -> None:
    memo = KnownFiles(store, clock=later)
    known_digest(memo, module)
    before = module.lstat()
    module.unlink()  # another inode: the clock of a file system may not have ticked since
    module.with_name("keeps-the-inode-busy").touch()
    module.write_bytes(b"two\n")
    os.utime(module, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert known_digest(memo, module) == digest(b"two\n")


def test_a_file_as_young_as_the_read_is_not_kept(module: Path, store: Path) -> None:
    status = module.lstat()
    memo = KnownFiles(store, clock=lambda: max(status.st_mtime_ns, status.st_ctime_ns) + 1_000_000)
    assert known_digest(memo, module) == digest(b"one\n")
    assert memo.save()
    assert not store.exists()


def test_a_known_file_that_became_young_again_is_forgotten(module: Path, store: Path) -> None:
    store.parent.mkdir()
    plant(store, module, "a" * 64)
    module.write_bytes(b"other\n")
    memo = KnownFiles(store, clock=lambda: module.lstat().st_ctime_ns)
    assert known_digest(memo, module) == digest(b"other\n")
    assert memo.save()
    assert json.loads(store.read_bytes())["files"] == {}


@pytest.mark.parametrize(
    ("mtime", "ctime", "now", "settled"),
    [
        (5, 5, 20_000_006, True),
        (5, 5, 20_000_005, False),
        (5, 30_000_000, 45_000_000, False),
        (30_000_000, 5, 45_000_000, False),
        (99_000_000_000, 5, 45_000_000, False),  # a file from the future is never settled
        (5, 1_000_000_000, 2_000_000_000, False),  # whole seconds: the file system may not count finer
        (5, 1_000_000_000, 3_000_000_001, True),
    ],
)
def test_what_is_settled(mtime: int, ctime: int, now: int, settled: bool) -> None:
    assert is_settled((1, mtime, 1, ctime), now) is settled


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"format": "another", "files": {}}',
        '{"format": "lockproof known files 1", "files": []}',
        "[" * 100_000,
        "\x00\xff",
    ],
)
def test_a_corrupted_store_is_an_empty_one_and_is_written_anew(text: str, module: Path, store: Path) -> None:
    store.parent.mkdir()
    store.write_bytes(text.encode("latin-1"))
    memo = KnownFiles(store, clock=later)
    assert known_digest(memo, module) == digest(b"one\n")
    assert memo.save()
    assert list(json.loads(store.read_bytes())["files"]) == [str(module)]


@pytest.mark.parametrize("value", [None, 7, "", "A" * 64, "a" * 63, ["a" * 64]])
def test_an_entry_without_a_digest_is_not_believed(value: object, module: Path, store: Path) -> None:
    store.parent.mkdir()
    plant(store, module, value)
    assert known_digest(KnownFiles(store), module) == digest(b"one\n")


@pytest.mark.parametrize("entry", [None, 7, "text", [], {}, [1]])
def test_an_entry_of_another_shape_is_not_believed(entry: object, module: Path, store: Path) -> None:
    store.parent.mkdir()
    files = {str(module): entry}
    store.write_text(json.dumps({"format": "lockproof known files 1", "files": files}))
    assert known_digest(KnownFiles(store), module) == digest(b"one\n")


def test_a_store_that_can_t_be_written_costs_only_time(module: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    memo = KnownFiles(tmp_path / "cache" / "known.json", clock=later)
    assert known_digest(memo, module) == digest(b"one\n")
    assert not memo.save()


def test_a_large_file_is_read_to_its_end(tmp_path: Path) -> None:
    data = b"0123456789abcdef" * 150_001
    (tmp_path / "large").write_bytes(data)
    assert known_digest(KnownFiles(None), tmp_path / "large") == digest(data)


def test_a_file_that_changed_after_its_lstat_is_an_error(module: Path) -> None:
    status = module.lstat()
    module.write_bytes(b"longer than before\n")
    with pytest.raises(UnavailableError) as caught:
        KnownFiles(None).sha256_of(str(module), status)
    assert str(caught.value) == (
        f"{module}: the file changed while it was read\n  let whatever writes there finish, and repeat"
    )


def test_a_file_that_changes_during_the_read_is_an_error(module: Path) -> None:
    read = []

    def change(piece: bytes) -> None:
        read.append(piece)
        with module.open("ab") as other:
            other.write(b"more\n")

    with pytest.raises(UnavailableError, match="changed while it was read"):
        read_unchanged(str(module), module.lstat(), change)
    assert read == [b"one\n"]


def test_a_file_that_is_shorter_than_it_says_is_an_error(module: Path) -> None:
    """As some file systems have them: the numbers are the same before and after."""
    numbers = list(module.stat())
    numbers[6] += 1  # st_size
    status = os.stat_result(numbers)
    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(UnavailableError, match="changed while it was read"),
    ):
        patch.setattr(os, "fstat", lambda _: status)
        read_unchanged(str(module), status, len)


def test_a_link_put_in_the_file_s_place_is_not_followed(module: Path, tmp_path: Path) -> None:
    status = module.lstat()
    module.rename(tmp_path / "elsewhere.py")
    module.symlink_to(tmp_path / "elsewhere.py")
    with pytest.raises(UnavailableError, match="the file can't be read"):
        KnownFiles(None).sha256_of(str(module), status)


def test_a_pipe_put_in_the_file_s_place_does_not_hang(module: Path) -> None:
    status = module.lstat()
    module.unlink()
    os.mkfifo(module)
    with pytest.raises(UnavailableError, match="changed while it was read"):
        KnownFiles(None).sha256_of(str(module), status)


def test_a_file_that_vanished_is_an_error_that_names_it(module: Path) -> None:
    status = module.lstat()
    module.unlink()
    with pytest.raises(UnavailableError) as caught:
        KnownFiles(None).sha256_of(str(module), status)
    assert str(caught.value) == f"{module}: the file can't be read: No such file or directory"
