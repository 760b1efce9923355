"""The client's side of a cluster: what Dask raises or says becomes an error with a reason."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from lockproof.cluster.connection import Cluster
from lockproof.cluster.security import Connection
from lockproof.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

CONNECTION = Connection(scheduler="tcp://host:8786", timeout=1.0)


def packages(version: str) -> dict[str, dict[str, str]]:
    return {"packages": {"distributed": version}}


class FakeClient:
    """Stands for `distributed.Client`."""

    id = "Client-1"
    closed = False
    scheduler = packages("1")
    worker = packages("1")

    def __init__(self, *_arguments: object, **_options: object) -> None:
        """Connected."""

    def get_versions(self) -> dict[str, object]:
        return {"client": packages("1"), "scheduler": self.scheduler, "workers": {"tcp://a:1": self.worker, "b": None}}

    def subscribe_topic(self, topic: str, _handler: Callable[[tuple[float, object]], None]) -> None:
        assert topic == self.id

    def scheduler_info(self, *, n_workers: int) -> dict[str, object]:
        assert n_workers == -1
        return {"workers": {"tcp://a:1": {"resources": {"python:3.12.1-linux-x86_64": 2.0}}}}

    def submit(self, *_arguments: object, **_options: object) -> object:
        raise LookupError("Client is closed. Can't send update-graph message.")  # ClosedClientError is an Exception

    def close(self, timeout: float) -> None:
        assert timeout > 0
        type(self).closed = True


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> type[FakeClient]:
    """The client that a connection makes."""

    class Client(FakeClient):
        """One of this test."""

    distributed = ModuleType("distributed")
    distributed.Client = Client  # type: ignore[attr-defined]
    distributed.Security = dict  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "distributed", distributed)
    return Client


def connect() -> Cluster:
    return Cluster(CONNECTION, lambda _: None)


def test_what_workers_offer_is_told_by_their_addresses(client: type[FakeClient]) -> None:
    cluster = connect()
    assert cluster.workers() == {"tcp://a:1": {"python:3.12.1-linux-x86_64": 2.0}}
    cluster.close()
    assert client.closed


def test_a_scheduler_that_can_t_be_reached_is_named(client: type[FakeClient], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError("Timed out\nmore")

    monkeypatch.setattr(client, "__init__", refuse)
    with pytest.raises(UnavailableError, match="no Dask scheduler can be reached there") as caught:
        connect()
    assert (caught.value.where, caught.value.why) == ("tcp://host:8786", "Timed out")


@pytest.mark.parametrize(("side", "named"), [("scheduler", "the scheduler"), ("worker", "tcp://a:1")])
def test_another_dask_is_refused_and_left(client: type[FakeClient], side: str, named: str) -> None:
    setattr(client, side, packages("2"))
    with pytest.raises(UnavailableError) as caught:
        connect()
    assert caught.value.why == f"distributed is 1 here, {named} has 2"
    assert client.closed


def test_a_scheduler_that_has_gone_is_an_error_wherever_it_is_noticed(
    client: type[FakeClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = connect()
    with pytest.raises(UnavailableError, match="the scheduler has gone"):
        cluster.submit("key", b"", {})
    monkeypatch.setattr(client, "scheduler_info", client.submit)
    with pytest.raises(UnavailableError, match="the scheduler has gone"):
        cluster.workers()
