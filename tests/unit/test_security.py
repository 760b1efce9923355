"""Where a scheduler is, and TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lockproof.cluster.security import Connection
from lockproof.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "address", ["tcp://host:8786", "tls://host:1", "host:8786", "tcp://10.0.0.1:8786", "tcp://[::1]:8786"]
)
def test_addresses(address: str) -> None:
    assert Connection(scheduler=address, timeout=1).scheduler == address


@pytest.mark.parametrize(
    "address", ["", "host", "tcp://host", "tcp://host:port", "http://host:1", "tcp://a b:1", "a:b:1"]
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(UsageError, match="no scheduler's address"):
        Connection(scheduler=address, timeout=1)


def test_without_files_dask_s_own_configuration_decides() -> None:
    assert Connection(scheduler="tls://host:1", timeout=1).files("client") == {}


def test_files_are_those_of_the_role_and_nothing_is_spoken_in_the_clear(tmp_path: Path) -> None:
    paths = {name: str(tmp_path / name) for name in ("ca_file", "cert", "key")}
    for path in paths.values():
        (tmp_path / path).touch()
    assert Connection(scheduler="tls://host:1", timeout=1, **paths).files("worker") == {
        "tls_ca_file": paths["ca_file"],
        "tls_worker_cert": paths["cert"],
        "tls_worker_key": paths["key"],
        "require_encryption": True,
    }


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        Connection(scheduler="tls://host:1", timeout=1, cert=str(tmp_path / "no.pem")).files("client")
    assert (caught.value.where, caught.value.remedy) == (str(tmp_path / "no.pem"), "name the right one with --tls-cert")
