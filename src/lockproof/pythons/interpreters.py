"""Finds interpreters by exact version and says, by content, which build each one is.

A name is a hint and never a proof: every candidate is probed (`probing`). No candidate is an environment's
own executable: links are followed, and a copy in a virtual environment stands for its base (PEP 405).
"""

from __future__ import annotations

import os
import re
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.errors import UnavailableError, UsageError
from lockproof.proof.fingerprint import interpreter_digest, platform_digest, platform_facts
from lockproof.pythons.buildfiles import read_build
from lockproof.pythons.knownfiles import KnownFiles
from lockproof.pythons.platforms import parse_python
from lockproof.pythons.probing import NotAnInterpreterError, Probe, TooOldError, cache_key, probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lockproof.proof.fingerprint import Fingerprint
    from lockproof.pythons.platforms import Platform

_PYTHON_NAME = re.compile(r"python(?:3(?:\.[0-9]{1,2}t?)?)?(?:\.exe)?")
_NESTED_ENVIRONMENTS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Interpreter:
    """One base interpreter: where it is, what it says of itself, and what its files are.

    `executable` is a real file; `version` exact ("3.11.7", "3.13.0t"); `prefix` the base prefix; `platform`
    has the libc's version. `files` holds `sha256:…` of `executable`, `libpython` (or "static"), `lib-dynload`
    (or "none") and `stdlib`, which is the same in every path; `rows` the files behind the last two. `image` is the id
    of the container image that holds it, in which its paths are then meant; empty for one of this machine.
    """

    executable: Path
    version: str
    implementation: str
    prefix: Path
    platform: Platform
    facts: Mapping[str, str]
    files: Mapping[str, str]
    rows: Mapping[str, str] = field(default_factory=dict)
    image: str = ""

    @property
    def identity(self) -> dict[str, str]:
        """All facts and files by name, as a fingerprint tells them."""
        return {**self.facts, **self.files}

    @property
    def layer(self) -> str:
        """The digest of the fingerprint's interpreter layer: `sha256:…` over all facts and files."""
        return interpreter_digest(self.identity)

    def told_by(self, fingerprint: Fingerprint) -> Fingerprint:
        """`fingerprint`, of an environment of this interpreter, with its files and the platform it runs on."""
        platform = platform_facts(self.platform)
        layers = {**fingerprint.layers, "platform": platform_digest(platform)}
        return replace(fingerprint, interpreter_files=self.rows, platform=platform, layers=layers)


@dataclass(frozen=True, kw_only=True, slots=True)
class Discovery:
    """Where to look: `environ` gives PATH, PYENV_ROOT, UV_PYTHON_INSTALL_DIR and the home folder.

    `running` is this process's executable; `trusted` are further executables that may be run. Answers and
    digests are kept in the folder `cache` (None: nowhere). `timeout` is in seconds a candidate; `clock` gives
    the present in ns since the epoch.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    running: Path = field(default_factory=lambda: Path(sys.executable))
    trusted: tuple[Path, ...] = ()
    cache: Path | None = None
    timeout: float = 10.0
    clock: Callable[[], int] = time.time_ns

    def ask(self, candidate: Path) -> Probe:
        """What `candidate` says of itself; raises NotAnInterpreterError."""
        return probe(candidate, cache=self.cache, timeout=self.timeout, clock=self.clock)


def find_interpreter(python: str, discovery: Discovery) -> Interpreter:
    """The first CPython that is exactly `python` ("3.11.7", "3.13.0t"), release builds only.

    Trusted executables and the running one come first, then those whose path names the version, then pyenv's,
    PATH's and uv's. Raises UnavailableError naming what was found instead, and what to do; UsageError when
    `python` is no exact version.
    """
    try:
        wanted = str(parse_python(python))
    except ValueError as error:
        raise UsageError(str(error)) from error
    found: list[Probe] = []
    broken: list[str] = []
    for candidate in _likely_first(wanted, discovery):
        try:
            said = discovery.ask(candidate)
        except TooOldError:
            continue
        except NotAnInterpreterError as error:
            broken.append(f"{candidate} {error}")
            continue
        if said.label == wanted:
            return describe(said, discovery)
        found.append(said)
    raise _unavailable(wanted, found, broken)


def known_interpreters(discovery: Discovery) -> list[Probe]:
    """What every working interpreter that can be found says of itself, in the order of `candidates`.

    Nothing is hashed: `describe` makes an Interpreter of one of them.
    """
    found = []
    for candidate in candidates(discovery):
        with suppress(NotAnInterpreterError):
            found.append(discovery.ask(candidate))
    return found


def identify(executable: Path, discovery: Discovery) -> Interpreter | None:
    """The interpreter that `executable` is, or links to; None unless it is among the discovered or trusted.

    Nothing else is run, so a path out of an environment under test is safe here. A copied executable is not
    its base: it is None, as is a candidate that is broken.
    """
    try:
        real = executable.resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    if all(real != candidate for candidate in candidates(discovery)):  # trusted ones come first
        return None
    try:
        return describe(discovery.ask(real), discovery)
    except NotAnInterpreterError:
        return None


def describe(said: Probe, discovery: Discovery) -> Interpreter:
    """The interpreter that `said` it, with the digests of its files; only what has changed is read again.

    Raises UnavailableError for a file that can't be read or changes meanwhile.
    """
    cache = discovery.cache
    store = cache / f"{cache_key(said.executable)}.files.json" if cache else None
    known = KnownFiles(store, clock=discovery.clock)
    build = read_build(said, known)
    known.save()
    return Interpreter(
        executable=said.executable,
        version=said.version,
        implementation=said.implementation,
        prefix=said.prefix,
        platform=said.platform,
        facts=said.facts,
        files=build.digests,
        rows=build.rows,
    )


def candidates(discovery: Discovery) -> Iterator[Path]:
    """The real files that may be interpreters, each once: trusted, running, pyenv's, PATH's, uv's.

    None is run. Version managers' shims are left out: their answer depends on the current folder.
    """
    seen = set()
    for path in _named_paths(discovery):
        real = base_executable(path)
        if real and real not in seen:
            seen.add(real)
            yield real


def base_executable(executable: Path) -> Path | None:
    """The real file behind an executable: links are followed, and an environment's copy to its base.

    An environment is known by its pyvenv.cfg (PEP 405), whose `home` says where its base is. None when the
    trail ends at no file.
    """
    path = executable
    for _ in range(_NESTED_ENVIRONMENTS):
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError):
            return None
        places = (real.parent / "pyvenv.cfg", real.parent.parent / "pyvenv.cfg")
        configuration = next((place for place in places if place.is_file()), None)
        if configuration is None:
            return real if real.is_file() else None
        base = _base_named_in(configuration, real.name)
        if base is None:
            return None
        path = base
    return None


def _base_named_in(configuration: Path, name: str) -> Path | None:
    try:
        text = configuration.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    lines = [line.partition("=") for line in text.splitlines()]
    values = {key.strip().lower(): value.strip() for key, _, value in lines}
    # virtualenv writes the first of these, venv (3.11 and later) the second; `home` is the standard's own.
    for key in ("base-executable", "executable"):
        if values.get(key):
            return Path(values[key])
    return Path(values["home"], name) if values.get("home") else None


def _named_paths(discovery: Discovery) -> Iterator[Path]:
    environ = discovery.environ
    home = environ.get("USERPROFILE" if sys.platform == "win32" else "HOME", "")
    yield from discovery.trusted
    yield discovery.running
    pyenv = environ.get("PYENV_ROOT") or (home and str(Path(home, ".pyenv")))
    if pyenv:
        yield from _installed_below(Path(pyenv, "versions"))
    for folder in map(Path, dict.fromkeys(environ.get("PATH", "").split(os.pathsep))):
        # A relative entry would run what lies in the current folder.
        if folder.is_absolute() and folder.name != "shims":
            yield from _pythons_in(folder)
    yield from _installed_below(_uv_folder(environ, home))


def _uv_folder(environ: Mapping[str, str], home: str) -> Path:
    """Where uv keeps the interpreters it manages."""
    if chosen := environ.get("UV_PYTHON_INSTALL_DIR"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(environ.get("APPDATA", ""), "uv", "python")
    data = environ.get("XDG_DATA_HOME", "")
    return Path(data if Path(data).is_absolute() else Path(home, ".local", "share"), "uv", "python")


def _installed_below(root: Path) -> Iterator[Path]:
    """The pythons of a folder that holds one folder a version."""
    if root.is_absolute():
        for folder in _names_in(root):
            yield from _pythons_in(root / folder / "bin")
            yield from _pythons_in(root / folder)  # Windows


def _pythons_in(folder: Path) -> Iterator[Path]:
    for name in _names_in(folder, "python"):
        # A link may lead to where this user can't look: os.path says False, Path raises before Python 3.14.
        if _PYTHON_NAME.fullmatch(name) and os.path.isfile(folder / name):  # noqa: PTH113
            yield folder / name


def _names_in(folder: Path, beginning: str = "") -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.name.startswith(beginning))
    except OSError:
        return []


def _likely_first(wanted: str, discovery: Discovery) -> list[Path]:
    """All candidates; those that are trusted, running or named after the version before the others.

    This process knows its own version: where that is another one, its executable needs not be asked before the others.
    """
    own = ".".join(map(str, sys.version_info[:3]))
    is_another = discovery.running == Path(sys.executable) and not wanted.startswith(own)
    first = {base_executable(path) for path in (*discovery.trusted, *(() if is_another else (discovery.running,)))}
    return sorted(candidates(discovery), key=lambda path: (path not in first, wanted not in str(path)))


def _unavailable(wanted: str, found: list[Probe], broken: list[str]) -> UnavailableError:
    """Names the near misses (of the same series if there are any), and the candidates that did not work."""
    series = wanted.rpartition(".")[0]
    same_series = [said for said in found if said.version.startswith(f"{series}.")]
    near = [f"{said.label} at {said.executable}" for said in same_series or found]
    reasons = [f"found {', '.join(near)}" if near else "no other was found either", *broken]
    return UnavailableError(
        f"Python {wanted} isn't here",
        why="; ".join(reasons),
        remedy=f"Install it (`pyenv install {wanted}`, `uv python install {wanted}`) or put it on PATH.",
    )
