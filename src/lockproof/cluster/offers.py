"""What workers offer, as the names of Dask resources: exact Pythons on a platform, and the lockproof that they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lockproof.cells.matrix import Cell

_PYTHON = "python:"
_LOCKPROOF = "lockproof:"


def python_resource(python: str, platform: str) -> str:
    """The resource `python:3.12.1-linux-x86_64` of an exact Python on the platform of that id."""
    return f"{_PYTHON}{python}-{platform}"


def lockproof_resource(version: str) -> str:
    """The resource `lockproof:0.1.0` of workers that run this version."""
    return f"{_LOCKPROOF}{version}"


def resources_for(cell: Cell, version: str) -> dict[str, float]:
    """What a worker must offer to be given the cell: its Python on its platform, and the client's own lockproof."""
    return {python_resource(cell.python, cell.platform.id): 1, lockproof_resource(version): 1}


def offered(pythons: Iterable[tuple[str, str]], version: str, cells: int) -> dict[str, float]:
    """What a worker offers that runs so many cells at once, with these (exact Python, platform id)."""
    names = [lockproof_resource(version), *(python_resource(*python) for python in pythons)]
    return dict.fromkeys(names, cells)


def version_of(resources: Mapping[str, float]) -> str:
    """The lockproof that a worker with these resources runs; empty for a worker of something else."""
    named = (name.removeprefix(_LOCKPROOF) for name in resources if name.startswith(_LOCKPROOF))
    return next(named, "")


def pythons_of(resources: Mapping[str, float]) -> list[str]:
    """The Pythons that a worker with these resources offers, as `3.12.1-linux-x86_64`."""
    return sorted(name.removeprefix(_PYTHON) for name in resources if name.startswith(_PYTHON))


def has_platform(resources: Mapping[str, float], platform: str) -> bool:
    """Whether a worker with these resources has any Python of the platform with that id."""
    return any(python.partition("-")[2] == platform for python in pythons_of(resources))


def why_not(cell: Cell, version: str, workers: Mapping[str, Mapping[str, float]]) -> str:
    """Why none of these workers (address to resources) can be given the cell; empty where one can."""
    wanted = resources_for(cell, version)
    if any(wanted.keys() <= resources.keys() for resources in workers.values()):
        return ""
    python = python_resource(cell.python, cell.platform.id)
    others = [f"{address} has {version_of(own)}" for address, own in workers.items() if python in own]
    if others:
        return (
            f"the lockproof of client and worker must be the same: this is {version}, {', '.join(others)}\n"
            "  install the same version on both, and start the worker again"
        )
    count = len(workers)
    return (
        f"no worker offers Python {cell.python} on {cell.platform.id}: {count} {'is' if count == 1 else 'are'} there\n"
        "  start one with `lockproof worker` where that Python is"
    )
