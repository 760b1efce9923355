"""The rule for every lock reader: what comes out is a lock that can be planned, or an error that helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockproof.errors import LockError, LockproofError, ProblemsError
from lockproof.locks.matching import to_pylock
from lockproof.locks.pdm import read_pdm
from lockproof.locks.pipenv import read_pipfile
from lockproof.locks.plan import plan_cells
from lockproof.locks.poetry import read_poetry
from lockproof.locks.pylock import read_pylock
from lockproof.locks.requirements import parse_requirements
from support.lockdata import DATA, FOLDER, cell, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lockproof.locks import Lock
    from lockproof.locks.requirements import RequirementsFile

CELLS = [cell(), cell("3.10.13", "windows-x86_64", groups=("test", "develop"), extras=("io",))]

PROJECT = """
[project]
name = "example"
dependencies = ["httpx[socks]>=0.28", "colorama; sys_platform == 'win32'"]
[project.optional-dependencies]
keyring = ["keyring", "example[io]"]
io = ["cffi"]
[dependency-groups]
test = ["pytest", {include-group = "docs"}]
docs = ["tomli; python_version < '3.11'"]
[tool.poetry.group.docs]
optional = true
"""


def _no_file(name: str) -> str:
    raise LockError("there is no such file", where=name, remedy="Write it.")


def _by_index(pins: RequirementsFile) -> Lock:
    files = {
        (pin.name, pin.version): [listed(f"{pin.name}-{pin.version}-py3-none-any.whl", pin.hashes[0])]
        for pin in pins.pins
    }
    return to_pylock(pins, files, sha256="0" * 64, folder=FOLDER)


def _pdm_walked(text: str) -> Lock:
    return read_pdm(text.replace("inherit_metadata", ""), "pdm.lock", folder=FOLDER, project=PROJECT)


READERS: Mapping[str, Callable[[str], Lock]] = {
    "pylock": lambda text: read_pylock(text, "pylock.toml", folder=FOLDER),
    "requirements": lambda text: _by_index(parse_requirements(text, "requirements.txt", _no_file, {})),
    "poetry": lambda text: read_poetry(text, "poetry.lock", folder=FOLDER, project=PROJECT),
    "poetry-project": lambda text: read_poetry(_seed("poetry.lock"), "poetry.lock", folder=FOLDER, project=text),
    "pdm": lambda text: read_pdm(text, "pdm.lock", folder=FOLDER, project=PROJECT),
    "pdm-walked": _pdm_walked,
    "pdm-project": lambda text: read_pdm(
        _seed("pdm.lock").replace("inherit_metadata", ""), "pdm.lock", folder=FOLDER, project=text
    ),
    "pipenv": lambda text: _by_index(read_pipfile(text, "Pipfile.lock", environ={"TOKEN": "secret"})),
}


def _seed(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


SEEDS: Mapping[str, Sequence[str]] = {
    "pylock": [_seed("uv.pylock.toml"), _seed("pipenv.pylock.toml")],
    "requirements": [_seed("uv.requirements.txt"), _seed("pip-compile.requirements.txt")],
    "poetry": [_seed("poetry.lock")],
    "poetry-project": [PROJECT],
    "pdm": [_seed("pdm.lock")],
    "pdm-walked": [_seed("pdm.lock")],
    "pdm-project": [PROJECT],
    "pipenv": [_seed("Pipfile.lock")],
}


def held(read: Callable[[str], Lock], text: str) -> Lock | None:
    """The lock that a text says, planned for two cells; None for a refusal, which names a place and a remedy."""
    try:
        lock = read(text)
    except LockproofError as error:
        _check(error)
        return None
    assert len(lock.places) == len(lock.pylock.packages)
    try:
        plans = plan_cells(lock, CELLS)
    except LockproofError as error:
        _check(error)
    else:
        assert [plan.cell for plan in plans] == CELLS
    return lock


def _check(error: LockproofError) -> None:
    for problem in error.problems if isinstance(error, ProblemsError) else (error,):
        assert isinstance(problem, LockError), type(problem)
        assert problem.where, problem
        assert problem.remedy, problem
        str(problem).encode("utf-8", "backslashreplace")
