"""The HTTP session by itself: what `abort` does to what is under way. More of it in test_download and test_index."""

from __future__ import annotations

import http.client
import threading
from typing import TYPE_CHECKING

import pytest

from lockproof.indexes.pipconfig import IndexConfig
from lockproof.indexes.replies import CannotConnectError, OfflineError
from lockproof.indexes.session import Session
from support.loopback import Fault, LoopbackIndex
from support.wheels import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

PATIENT = IndexConfig(index_urls=(), timeout=1000.0, retries=1000)


def test_an_abort_ends_what_is_stalled_and_nothing_is_tried_again(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "some", "1.0")
    with LoopbackIndex(tmp_path) as index:
        index.faults[wheel.name] = Fault(truncate=10, stall=True)
        session = Session(PATIENT)
        tries: list[str] = []
        raised: list[Exception] = []
        stalled = threading.Event()

        def fetch() -> bytes:
            tries.append("try")
            with session.get(f"{index.base}/files/{wheel.name}") as reply:
                reply.body.readinto(memoryview(bytearray(10)))
                stalled.set()
                return reply.body.read()

        def persist() -> None:
            try:
                session.persist(fetch)
            except (OSError, http.client.HTTPException) as error:
                raised.append(error)

        thread = threading.Thread(target=persist)
        thread.start()
        stalled.wait()
        session.abort()
        thread.join()
    assert (len(tries), len(raised)) == (1, 1)


def test_after_an_abort_nothing_starts(tmp_path: Path) -> None:
    with LoopbackIndex(tmp_path) as index:
        session = Session(PATIENT)
        session.abort()
        with pytest.raises(CannotConnectError, match="interrupted"):
            session.persist(lambda: session.get(index.url).__enter__())
        assert index.connections == 0


def test_offline_nothing_is_connected_or_tried_again(tmp_path: Path) -> None:
    waits: list[float] = []
    with LoopbackIndex(tmp_path) as index:
        session = Session(IndexConfig(index_urls=(), offline=True), waits.append)
        with pytest.raises(OfflineError, match="the network is not used with --offline"):
            session.persist(lambda: session.get(index.url).__enter__())
        assert (index.connections, waits) == (0, [])
