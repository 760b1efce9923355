"""The project's sessions. `python3 .ci/nox -s NAME` needs nothing but Python; a nox installed elsewhere works too.

All sessions use `.venv`, which `.ci/nox` makes from the hashed lock, so none of them installs anything by itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import cast

import nox

ROOT = Path(__file__).resolve().parent
LOCKPROOF = ("-m", "lockproof")
SOURCES = {"PYTHONPATH": str(ROOT / "src")}

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "build", "reproduce", "tests"]


sys.path.insert(0, str(ROOT / "src"))
with contextlib.suppress(ModuleNotFoundError):  # a nox from elsewhere may lack what lockproof needs
    import lockproof.nox

    lockproof.nox.sessions(whole="")  # one session a cell: -s cell -p 3.12.1; `reproduce` below runs all of them


@cache
def python() -> str:
    """The Python of `.venv`: the one that runs nox, if that is it, else the one that `.ci/nox` makes."""
    if Path(sys.prefix).resolve() == ROOT / ".venv":
        return sys.executable
    made = subprocess.run([sys.executable, str(ROOT / ".ci/nox"), "--python"], stdout=subprocess.PIPE, check=False)
    if made.returncode != 0:
        sys.exit("noxfile.py: there is no .venv to work in (the reason is above)")
    return made.stdout.decode().strip()


def run(session: nox.Session, *arguments: str) -> None:
    """Run a module or script with the Python of `.venv`; `lockproof` is that of src/."""
    session.run(python(), *arguments, env=SOURCES, external=True)


@nox.session
def reproduce(session: nox.Session) -> None:
    """Run the project's own matrix with lockproof itself: `-s reproduce -- 3.12.1-*` for some of its cells."""
    install_missing_pythons(session)
    run(session, *LOCKPROOF, "run", *session.posargs)


def install_missing_pythons(session: nox.Session) -> None:
    """Let uv install the exact Pythons of the matrix that are not here; lockproof tells which are still missing."""
    command = [python(), *LOCKPROOF, "list", "--json"]
    listing = subprocess.run(command, cwd=ROOT, env={**os.environ, **SOURCES}, stdout=subprocess.PIPE, check=False)
    if listing.returncode != 0:
        session.error("the matrix can't be read (the reason is above)")
    cells = cast("list[dict[str, str]]", json.loads(listing.stdout)["cells"])
    named = [cell for cell in cells if any(fnmatchcase(cell["id"], word) for word in session.posargs)]
    missing = sorted({cell["python"] for cell in named or cells if cell["status"] == "unavailable"})
    if missing:
        session.log(f"not here: Python {', '.join(missing)}; uv may have them")
        install = ("-m", "uv", "python", "install", "--no-bin", *missing)
        session.run(python(), *install, external=True, success_codes=range(256))


@nox.session
def tests(session: nox.Session) -> None:
    """All tests, those on real interpreters and servers too; arguments after -- go to pytest."""
    run(session, "-m", "pytest", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """All tests, with the lines and branches that they reach."""
    run(
        session,
        "-m",
        "pytest",
        "--cov=lockproof",
        "--cov-branch",
        "--cov-report=term-missing:skip-covered",
        *session.posargs,
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Style and layout, by ruff."""
    run(session, "-m", "ruff", "check", *session.posargs)
    run(session, "-m", "ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Types, by mypy, strict and without explicit Any."""
    run(session, "-m", "mypy", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel twice into dist/, and check that it is the same, complete, and true about itself."""
    for folder in ("dist/again", "dist"):
        run(session, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, "--clean")
    run(session, ".ci/check_wheel.py", "dist", "dist/again")


@nox.session
def lock(session: nox.Session) -> None:
    """Make requirements.txt again from pyproject.toml: `-s lock -- --upgrade` moves all to their newest versions."""
    run(session, *LOCKPROOF, "lock", *session.posargs)


@nox.session
def benchmark(session: nox.Session) -> None:
    """The speed comparison with the peers: see benchmarks/README.md."""
    run(session, "benchmarks/run.py", *session.posargs)


@nox.session
def conformance(session: nox.Session) -> None:
    """What poetry, pdm, pipenv, uv and pip-tools install of a lock against what is predicted: `-- --help`."""
    run(session, "conformance/run.py", *session.posargs)


@nox.session
def platforms(session: nox.Session) -> None:
    """What pip downloads for platforms that aren't at hand, against what is predicted for them: `-- --help`."""
    run(session, "conformance/platforms.py", *session.posargs)


@nox.session
def tampers(session: nox.Session) -> None:
    """What lockproof and other tools notice of tampering with an environment: `-- --help`."""
    run(session, "tampers/run.py", *session.posargs)
