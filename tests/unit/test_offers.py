"""What workers offer, and what a cell needs of them."""

from __future__ import annotations

from lockproof.cluster.offers import (
    has_platform,
    lockproof_resource,
    offered,
    python_resource,
    pythons_of,
    resources_for,
    version_of,
    why_not,
)
from support.lockdata import cell

WORKER = offered([("3.12.1", "linux-x86_64"), ("3.11.7", "linux-x86_64-musl")], "0.1.0", 4)


def test_a_worker_offers_its_pythons_and_its_lockproof_as_often_as_it_runs_cells_at_once() -> None:
    assert WORKER == {
        "lockproof:0.1.0": 4,
        "python:3.12.1-linux-x86_64": 4,
        "python:3.11.7-linux-x86_64-musl": 4,
    }
    assert (version_of(WORKER), version_of({"GPU": 1})) == ("0.1.0", "")
    assert pythons_of(WORKER) == ["3.11.7-linux-x86_64-musl", "3.12.1-linux-x86_64"]


def test_a_cell_needs_its_python_on_its_platform_and_the_client_s_lockproof() -> None:
    assert resources_for(cell(), "0.1.0") == {
        python_resource("3.12.1", "linux-x86_64"): 1,
        lockproof_resource("0.1.0"): 1,
    }


def test_a_platform_is_at_hand_where_any_python_of_it_is() -> None:
    found = [has_platform(WORKER, platform) for platform in ("linux-x86_64", "linux-x86_64-musl", "linux-aarch64")]
    assert found == [True, True, False]


def test_why_no_worker_can_have_a_cell() -> None:
    assert why_not(cell(), "0.1.0", {"tcp://a:1": WORKER}) == ""
    assert why_not(cell("3.11.7"), "0.1.0", {"tcp://a:1": WORKER}).splitlines() == [
        "no worker offers Python 3.11.7 on linux-x86_64: 1 is there",
        "  start one with `lockproof worker` where that Python is",
    ]
    assert why_not(cell(), "0.2.0", {"tcp://a:1": WORKER, "tcp://b:1": {"GPU": 2}}).splitlines() == [
        "the lockproof of client and worker must be the same: this is 0.2.0, tcp://a:1 has 0.1.0",
        "  install the same version on both, and start the worker again",
    ]


def test_two_halves_of_what_a_cell_needs_on_two_workers_are_no_whole() -> None:
    workers = {"tcp://a:1": offered([], "0.2.0", 1), "tcp://b:1": WORKER}
    assert "this is 0.2.0, tcp://b:1 has 0.1.0" in why_not(cell(), "0.2.0", workers)
