"""Downloads over a loopback server with every kind of failure: the right bytes or an error, never anything else."""

from __future__ import annotations

import errno
import hashlib
import socket
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from typing import TYPE_CHECKING

import pytest

from lockproof.errors import HashMismatchError, LockError, UnavailableError
from lockproof.indexes import download
from lockproof.indexes.download import Downloader
from lockproof.indexes.index import Index
from lockproof.indexes.pipconfig import IndexConfig
from lockproof.locks.artifacts import Artifact
from support.loopback import Fault, LoopbackIndex, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WHEEL = "demo-1.0-py3-none-any.whl"
BODY = bytes(range(256)) * 4000  # 1,024,000 bytes: several chunks
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy and no netrc of the user's."""
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LoopbackIndex]:
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / WHEEL).write_bytes(BODY)
    with serve(folder) as index:
        yield index


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


class Client:
    """A downloader into one folder that notes its waits and its progress."""

    def __init__(self, store: Path, *index_urls: str, retries: int = 5, find_links: tuple[str, ...] = ()) -> None:
        self.waits: list[float] = []
        self.progress: list[int] = []
        self.store = store
        config = IndexConfig(index_urls=index_urls, retries=retries, find_links=find_links)
        self.downloader = Downloader(Index(config, wait=self.waits.append))

    def fetch(self, artifact: Artifact) -> bytes:
        path = self.downloader.fetch(artifact, self.store, self.progress.append)
        assert path == self.store / artifact.sha256
        return path.read_bytes()

    @property
    def left(self) -> list[str]:
        """What lies in the folder."""
        return sorted(path.name for path in self.store.iterdir())


def locked(*urls: str, size: int | None = len(BODY)) -> Artifact:
    return Artifact(
        name="demo", version="1.0", filename=WHEEL, sha256=SHA256, size=size, urls=urls, where="pylock.toml:7"
    )


def ranges(server: LoopbackIndex) -> list[str | None]:
    return [seen.headers.get("range") for seen in server.requests]


def leave_part(store: Path, content: bytes) -> None:
    store.mkdir()
    (store / f"{SHA256}.part").write_bytes(content)


def test_one_request_and_then_none(server: LoopbackIndex, store: Path) -> None:
    client = Client(store)
    assert client.fetch(locked(server.file_url(WHEEL))) == BODY
    assert (sum(client.progress), client.left, client.waits) == (len(BODY), [SHA256], [])
    assert client.fetch(locked(server.file_url(WHEEL))) == BODY
    assert sum(client.progress) == 2 * len(BODY)
    assert server.paths_asked() == [f"/files/{WHEEL}"]


def test_many_files_at_once_over_few_connections(server: LoopbackIndex, store: Path) -> None:
    artifacts = []
    for number in range(60):
        content = str(number).encode() * (number * 1000 + 1)
        (server.folder / f"f{number}-1.0-py3-none-any.whl").write_bytes(content)
        sha256 = hashlib.sha256(content).hexdigest()
        url = server.file_url(f"f{number}-1.0-py3-none-any.whl")
        artifacts.append(Artifact(name=f"f{number}", version="1.0", filename="", sha256=sha256, urls=(url,)))
    client = Client(store)
    with ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(client.fetch, artifacts))
    assert [hashlib.sha256(body).hexdigest() for body in bodies] == [artifact.sha256 for artifact in artifacts]
    assert client.left == sorted(artifact.sha256 for artifact in artifacts)
    assert len(server.requests) == 60
    assert server.connections <= 8


def test_a_harmed_earlier_result_is_replaced(server: LoopbackIndex, store: Path) -> None:
    store.mkdir()
    (store / SHA256).write_bytes(b"harmed")
    assert Client(store).fetch(locked(server.file_url(WHEEL))) == BODY


# resuming


@pytest.mark.parametrize("size", [len(BODY), None])
def test_a_truncated_body_is_resumed(server: LoopbackIndex, store: Path, size: int | None) -> None:
    server.faults[WHEEL] = Fault(truncate=300_000, times=2)
    client = Client(store)
    assert client.fetch(locked(server.file_url(WHEEL), size=size)) == BODY
    assert ranges(server) == [None, "bytes=300000-", "bytes=600000-"]
    assert (sum(client.progress), client.waits, client.left) == (len(BODY), [0.25, 0.5], [SHA256])


def test_a_body_that_stays_truncated_is_kept_for_another_try(server: LoopbackIndex, store: Path) -> None:
    server.faults[WHEEL] = Fault(truncate=100_000)
    client = Client(store, retries=1)
    url = server.file_url(WHEEL)
    with pytest.raises(UnavailableError) as raised:
        client.fetch(locked(url.replace("://", "://me:secret@")))
    assert str(raised.value) == (
        f"pylock.toml:7: demo 1.0: {WHEEL} can't be fetched: {url.replace('://', '://***@')}: "
        "truncated after 200000 of 1024000 bytes\n"
        "  Check the network and pip's index settings, then try again: what came so far is kept."
    )
    assert (store / f"{SHA256}.part").read_bytes() == BODY[:200_000]
    server.faults.clear()
    assert client.fetch(locked(url)) == BODY
    assert ranges(server) == [None, "bytes=100000-", "bytes=200000-"]


@pytest.mark.parametrize("fault", [Fault(no_ranges=True), Fault(wrong_range=True)])
def test_a_server_that_does_not_continue_sends_all_again(server: LoopbackIndex, store: Path, fault: Fault) -> None:
    leave_part(store, BODY[:1000])
    server.faults[WHEEL] = fault
    client = Client(store)
    assert client.fetch(locked(server.file_url(WHEEL))) == BODY
    assert (sum(client.progress), client.waits) == (len(BODY), [])


@pytest.mark.parametrize("size", [len(BODY), None])
@pytest.mark.parametrize(
    "leftover",
    [b"", BODY[:1], BODY, BODY + b"x", b"\0" * 1000, b"\0" * len(BODY), b"\0" * (len(BODY) + 1)],
    ids=["empty", "start", "whole", "whole and more", "foreign", "foreign of this size", "foreign and longer"],
)
def test_any_leftover_ends_well(server: LoopbackIndex, store: Path, leftover: bytes, size: int | None) -> None:
    leave_part(store, leftover)
    client = Client(store)
    assert client.fetch(locked(server.file_url(WHEEL), size=size)) == BODY
    assert (sum(client.progress), client.left, client.waits) == (len(BODY), [SHA256], [])


def test_a_whole_leftover_asks_nothing(server: LoopbackIndex, store: Path) -> None:
    leave_part(store, BODY)
    assert Client(store).fetch(locked(server.file_url(WHEEL))) == BODY
    assert server.requests == []


def test_a_server_that_is_busy_while_resuming_costs_no_bytes(server: LoopbackIndex, store: Path) -> None:
    leave_part(store, BODY[:1000])
    server.faults[WHEEL] = Fault(status=503, times=1)
    client = Client(store)
    assert client.fetch(locked(server.file_url(WHEEL))) == BODY
    assert ranges(server) == ["bytes=1000-", "bytes=1000-"]
    assert min(client.progress) > 0


# other sources


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server: LoopbackIndex, store: Path, status: int) -> None:
    server.faults[WHEEL] = Fault(status=status, times=3)
    client = Client(store)
    assert client.fetch(locked(server.file_url(WHEEL))) == BODY
    assert client.waits == [0.25, 0.5, 1.0]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_not_repeated_but_the_next_url_is_tried(server: LoopbackIndex, store: Path, status: int) -> None:
    server.options.statuses["/files/gone.whl"] = status
    client = Client(store)
    assert client.fetch(locked(server.file_url("gone.whl"), server.file_url(WHEEL))) == BODY
    assert server.paths_asked() == ["/files/gone.whl", f"/files/{WHEEL}"]
    assert client.waits == []


def test_a_dead_host_is_tried_once_for_all_files(server: LoopbackIndex, store: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}/{WHEEL}"
    client = Client(store, server.url)
    assert client.fetch(locked(dead)) == BODY
    assert server.paths_asked() == ["/simple/demo/", f"/files/{WHEEL}"]
    with pytest.raises(UnavailableError) as raised:
        Client(store / "other").fetch(locked(dead))
    assert raised.value.why == f"{dead}: Connection refused"


def test_the_index_knows_the_hash_under_another_name(server: LoopbackIndex, store: Path) -> None:
    (server.folder / WHEEL).rename(server.folder / "demo-1.0-1-py3-none-any.whl")
    (server.folder / WHEEL).write_bytes(b"other bytes under the locked name")
    server.options.statuses[f"/files/{WHEEL}"] = 404
    assert Client(store, server.url).fetch(locked(server.file_url(WHEEL))) == BODY
    assert server.paths_asked()[-1] == "/files/demo-1.0-1-py3-none-any.whl"


@pytest.mark.parametrize("filename", ["demo-1.0.tar.gz", "demo-1.0-cp311-cp311-win_amd64.whl"])
def test_a_name_that_the_lock_made_up_for_a_hash_is_refused(server: LoopbackIndex, store: Path, filename: str) -> None:
    (server.folder / WHEEL).rename(server.folder / filename)
    client = Client(store, server.url)
    with pytest.raises(LockError) as raised:
        client.fetch(locked(server.file_url(WHEEL)))
    assert raised.value.what == f"the lock gives {WHEEL} the hash of {filename}"
    assert client.left == []


def test_an_index_without_hashes_is_matched_by_name(server: LoopbackIndex, store: Path) -> None:
    server.options.hashes = False
    assert Client(store, server.url).fetch(locked()) == BODY


def test_a_find_links_folder_has_it(server: LoopbackIndex, store: Path) -> None:
    client = Client(store, find_links=(str(server.folder),))
    assert client.fetch(locked()) == BODY
    assert server.requests == []


def test_nobody_has_it(server: LoopbackIndex, store: Path) -> None:
    (server.folder / WHEEL).write_bytes(b"another release of the same name")
    client = Client(store, server.url)
    with pytest.raises(UnavailableError) as raised:
        client.fetch(locked())
    assert raised.value.why == f"no index or find-links has a file with sha256:{SHA256}"
    assert client.left == []


def test_an_index_that_cannot_be_asked_is_told(server: LoopbackIndex, store: Path) -> None:
    server.options.statuses["/simple/demo/"] = 403
    with pytest.raises(UnavailableError) as raised:
        Client(store, server.url).fetch(locked(server.file_url("gone.whl")))
    assert raised.value.why == (
        f"{server.file_url('gone.whl')}: HTTP 404 Not Found; the index {server.url} can't be asked: HTTP 403 Forbidden"
    )


def test_a_file_url(server: LoopbackIndex, store: Path, tmp_path: Path) -> None:
    missing = (tmp_path / "missing.whl").as_uri()
    client = Client(store)
    assert client.fetch(locked(missing, (server.folder / WHEEL).as_uri())) == BODY
    assert sum(client.progress) == len(BODY)
    with pytest.raises(UnavailableError) as raised:
        Client(store / "other").fetch(locked(missing))
    assert raised.value.why == f"{missing}: No such file or directory"


def test_a_url_of_another_kind(store: Path) -> None:
    with pytest.raises(UnavailableError) as raised:
        Client(store).fetch(locked("ftp://index.invalid/demo.whl"))
    assert raised.value.why == "ftp://index.invalid/demo.whl: not an http URL: ftp://index.invalid/demo.whl"


# wrong bytes


def test_wrong_bytes_are_an_error_at_once_and_are_not_kept(server: LoopbackIndex, store: Path) -> None:
    wrong = b"\0" * len(BODY)
    server.faults[WHEEL] = Fault(body=wrong)
    client = Client(store, server.url)
    url = server.file_url(WHEEL)
    with pytest.raises(HashMismatchError) as raised:
        client.fetch(locked(f"{url}?token=secret", url))
    found = hashlib.sha256(wrong).hexdigest()
    assert str(raised.value) == (
        f"pylock.toml:7: demo 1.0: {WHEEL} is not the file that was locked: the lock names sha256:{SHA256}, "
        f"{url}?*** gave sha256:{found} (1024000 bytes)\n"
        "  Find out why the file changed. Lock again only if the new one can be trusted."
    )
    assert raised.value.exit_code == 5
    assert (client.left, sum(client.progress), len(server.requests)) == ([], 0, 1)


def test_wrong_local_bytes(store: Path, tmp_path: Path) -> None:
    (tmp_path / WHEEL).write_bytes(b"wrong")
    client = Client(store)
    with pytest.raises(HashMismatchError):
        client.fetch(locked((tmp_path / WHEEL).as_uri()))
    assert client.left == []


def test_a_shorter_file_is_another_file(server: LoopbackIndex, store: Path) -> None:
    server.faults[WHEEL] = Fault(body=BODY[:-1])
    client = Client(store)
    with pytest.raises(HashMismatchError) as raised:
        client.fetch(locked(server.file_url(WHEEL)))
    assert "(1023999 bytes)" in raised.value.why
    assert client.left == []


@pytest.mark.parametrize("fault", [Fault(body=BODY * 2), Fault(endless=True)], ids=["longer", "endless"])
def test_a_longer_body_is_cut_off(server: LoopbackIndex, store: Path, fault: Fault) -> None:
    server.faults[WHEEL] = fault
    client = Client(store)
    with pytest.raises(HashMismatchError) as raised:
        client.fetch(locked(server.file_url(WHEEL)))
    assert raised.value.why.endswith("gave more than the 1024000 bytes that the lock names")
    assert max(client.progress) <= len(BODY) + 1
    assert (client.left, len(server.requests)) == ([], 1)


# the folder


class FullDisk(FileIO):
    """A file on a disk without room."""

    def write(self, data: object, /) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk(server: LoopbackIndex, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_opened", lambda path: FullDisk(path, "w+"))
    client = Client(store)
    with pytest.raises(UnavailableError) as raised:
        client.fetch(locked(server.file_url(WHEEL), server.file_url(WHEEL)))
    assert str(raised.value) == (
        f"{store}: the folder for downloads can't be written: No space left on device\n  Free some space."
    )
    assert (client.waits, len(server.requests)) == ([], 1)


def test_a_folder_that_cannot_be_made(server: LoopbackIndex, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError) as raised:
        Client(tmp_path / "file" / "store").fetch(locked(server.file_url(WHEEL)))
    assert raised.value.what == "the folder for downloads can't be written"
    assert server.requests == []


def test_two_fetches_of_one_file_do_not_disturb_each_other(server: LoopbackIndex, store: Path) -> None:
    first, second = Client(store), Client(store)
    bodies: list[bytes] = []
    left: list[list[str]] = []

    def in_the_middle(count: int) -> None:
        if count and not bodies:
            bodies.append(second.fetch(locked(server.file_url(WHEEL))))
            left.append(first.left)

    path = first.downloader.fetch(locked(server.file_url(WHEEL)), store, in_the_middle)
    assert (path.read_bytes(), bodies) == (BODY, [BODY])
    assert left == [[SHA256, f"{SHA256}.part"]]
    assert first.left == [SHA256]


def test_a_second_fetch_that_fails_takes_its_own_part_away(server: LoopbackIndex, store: Path) -> None:
    server.faults[WHEEL] = Fault(truncate=300_000, times=3)
    first, second = Client(store), Client(store, retries=0)
    failures: list[UnavailableError] = []

    def in_the_middle(count: int) -> None:
        if count and not failures:
            with pytest.raises(UnavailableError) as raised:
                second.fetch(locked(server.file_url(WHEEL)))
            failures.append(raised.value)
            assert second.left == [f"{SHA256}.part"]

    assert first.downloader.fetch(locked(server.file_url(WHEEL)), store, in_the_middle).read_bytes() == BODY
    assert len(failures) == 1


def test_an_interrupted_fetch_keeps_its_part(server: LoopbackIndex, store: Path) -> None:
    client = Client(store)

    def interrupt(count: int) -> None:
        if count:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.downloader.fetch(locked(server.file_url(WHEEL)), store, interrupt)
    assert client.left == [f"{SHA256}.part"]
    assert client.fetch(locked(server.file_url(WHEEL))) == BODY
    assert ranges(server) == [None, "bytes=262144-"]
