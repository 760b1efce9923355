"""Builds a wheel from a source tree, in an environment of exactly the wheels that are given (PEP 517).

The build sees as little of the machine as can be had without a container: a fixed folder, the sources' own time as
SOURCE_DATE_EPOCH, a fixed umask, locale, time zone and hash seed, an empty home, and no variables of the user's but
PATH. Nothing keeps a backend from using the network: it is told that there is none, which honest tools heed.
"""

from __future__ import annotations

import json
import os
import shlex
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.build.buildsystem import check_requirements, read_build_system
from lockproof.environments.environment import Order, disk_error, make_environments
from lockproof.errors import LockError, UnavailableError
from lockproof.locks import is_plain_filename, wheel_name
from lockproof.proof.closure import metadata_path, read_needs
from lockproof.pythons.layout import layout_for
from lockproof.pythons.platforms import compatible_tags, parse_python
from lockproof.wheels.store import remove_tree
from lockproof.writing import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from filelock import FileLock

    from lockproof.build.buildsystem import BuildSystem
    from lockproof.pythons.interpreters import Interpreter
    from lockproof.running.process import Processes
    from lockproof.wheels.store import StoreEntry

DEFAULT_EPOCH = 315532800  # 1980-01-01, the first day that a zip can tell
_HOOK = Path(__file__).with_name("buildhook.py")
_LINES_SHOWN = 8  # reports show a dozen lines of a reason
_NOWHERE = "http://127.0.0.1:9"  # the port that answers nobody (RFC 863)


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """What is built. `unpack(folder)` fills an empty folder with the source tree, and returns its SOURCE_DATE_EPOCH.

    `what` names it in messages; `name` is normalised, and the wheel must have it, unless it is "". So for `version`.
    `editable` is a source tree that the wheel shall refer to (PEP 660): it is built there, and `unpack` isn't called.
    """

    what: str
    name: str
    version: str
    unpack: Callable[[Path], int]
    where: str = ""
    editable: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """Where and with what it is built.

    All that a build makes lies in `folder`, which is emptied before and removed afterwards, but for its output, in
    `log`. `requirements` are the wheels that the build environment has, all of them and no others, from the lock that
    is called `lock` in messages. `path` is what PATH has behind the environment's own programs; `variables` are
    further ones that the build gets.
    """

    folder: Path
    log: Path
    interpreter: Interpreter
    requirements: Sequence[StoreEntry]
    lock: str
    processes: Processes
    app_data: Path
    path: str = os.defpath
    variables: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def built_wheel(source: Source, bench: Bench) -> Iterator[Path]:
    """The wheel that a source's backend builds, in a folder that is removed with the block.

    Whoever builds in the same folder waits for the end of the block. Raises LockError for a source that can't be used,
    lacks a build requirement, or builds a wheel of another name, version or Python; UnavailableError, with the end of
    the output and the log's place, where the build fails; KeyboardInterrupt once the processes were ended.
    """
    from filelock import FileLock  # 85 ms that only a build needs

    folder = bench.folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _held(FileLock(f"{folder}.lock", thread_local=False), bench.processes):
            _empty(folder)
            try:
                yield _Build(source, bench).run()
            finally:
                _empty(folder)
    except OSError as error:
        raise disk_error(folder, error) from error


@contextmanager
def _held(lock: FileLock, processes: Processes) -> Iterator[None]:
    from filelock import Timeout  # late, as above

    while not lock.is_locked:
        if processes.ended:
            raise KeyboardInterrupt
        with suppress(Timeout):
            lock.acquire(timeout=1)
    try:
        yield
    finally:
        lock.release()


def _empty(folder: Path) -> None:
    """Remove a build's folder, also folders in it that nobody may read or write."""
    if folder.is_dir() and not folder.is_symlink():
        _open(folder)
    for below, names, _ in os.walk(folder):  # it descends into those names only afterwards
        for child in (Path(below, name) for name in names):
            if not child.is_symlink():
                _open(child)
    remove_tree(folder)


def _open(folder: Path) -> None:
    with suppress(OSError):
        folder.chmod(0o700)


def write_record(path: Path, content: Mapping[str, str]) -> None:
    """Note in the store which wheel a build gave; raises UnavailableError where the disk says no."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(content).encode())
    except OSError as error:
        raise UnavailableError(
            "what was built can't be noted in the store", where=str(path), why=error.strerror or str(error),
            remedy="make room or make it writable, or name another folder with --store or LOCKPROOF_STORE",
        ) from error  # fmt: skip


class _Build:
    """One build, in a folder that is this build's alone."""

    def __init__(self, source: Source, bench: Bench) -> None:
        self._source = source
        self._bench = bench
        self._folder = bench.folder.resolve()  # compilers write the real path into what they make
        self._tree = source.editable or self._folder / "src"
        self._kind = "wheel" if source.editable is None else "editable"
        self._environment = self._folder / "env"
        self._wheels = self._folder / "wheels"
        self._epoch = DEFAULT_EPOCH

    def run(self) -> Path:
        for name in ("src", "home", "tmp", "wheels"):
            (self._folder / name).mkdir(parents=True)
        self._bench.log.write_bytes(b"")
        if self._source.editable is None:
            self._epoch = self._source.unpack(self._tree)
        system = read_build_system(self._pyproject(), self._source.what)
        self._check(system.requires)
        self._make_environment()
        self._check(self._texts(self._hook(f"get_requires_for_build_{self._kind}", system)))
        return self._checked(self._hook(f"build_{self._kind}", system))

    def _pyproject(self) -> str | None:
        path = self._tree / "pyproject.toml"
        if not path.exists():
            return None
        try:
            return path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, OSError) as error:
            raise self._refused(f"its pyproject.toml can't be read ({error})") from None

    def _check(self, requires: Sequence[str]) -> None:
        bench = self._bench
        check_requirements(
            requires,
            {entry.manifest.name: entry.manifest.version for entry in bench.requirements},
            python=parse_python(bench.interpreter.version),
            platform=bench.interpreter.platform,
            what=self._source.what,
            lock=bench.lock,
            requires_of=self._requires_of,
        )

    def _requires_of(self, name: str) -> Sequence[str]:
        entry = next(entry for entry in self._bench.requirements if entry.manifest.name == name)
        return read_needs(Path(entry.tree, metadata_path(entry.manifest)).read_bytes(), entry.manifest).requires

    def _make_environment(self) -> None:
        """Copies, for a build may write where it likes, and must not reach the store."""
        bench = self._bench
        order = Order(interpreter=bench.interpreter, entries=bench.requirements, folder=self._environment, link="copy")
        make_environments([order], bench.app_data)

    def _hook(self, hook: str, system: BuildSystem) -> object:
        answer = self._folder / f"{hook}.json"
        asked = {
            "hook": hook,
            "backend": system.backend,
            "backend_path": [str(self._tree / path) for path in system.backend_path],
            "wheels": str(self._wheels),
            "answer": str(answer),
        }
        python = self._environment / self._scripts / "python"
        argv = [str(python), "-s", str(_HOOK), json.dumps(asked)]
        finished = self._bench.processes.run(argv, env=self._variables(), cwd=self._tree, log=self._bench.log)
        if finished.exit_code:
            raise self._failed(f"{hook} of {system.backend} ended with exit code {finished.exit_code}")
        try:
            content: object = json.loads(answer.read_bytes())
        except (OSError, ValueError, RecursionError):
            raise self._failed(f"{hook} of {system.backend} gave no answer") from None
        return content

    @property
    def _scripts(self) -> str:
        return layout_for(self._bench.interpreter.version, "windows" if os.name == "nt" else "linux").scripts

    def _variables(self) -> dict[str, str]:
        """All that a build knows of its surroundings."""
        environment, temporary = self._environment, str(self._folder / "tmp")
        kept = {name: os.environ[name] for name in ("SYSTEMROOT", "COMSPEC", "PATHEXT") if name in os.environ}
        return {
            **kept,
            "PATH": os.pathsep.join([str(environment / self._scripts), self._bench.path]),
            "VIRTUAL_ENV": str(environment),
            "HOME": str(self._folder / "home"),
            "USERPROFILE": str(self._folder / "home"),
            **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), temporary),
            **dict.fromkeys(("LANG", "LC_ALL"), "C.UTF-8"),
            "TZ": "UTC",
            "SOURCE_DATE_EPOCH": str(self._epoch),
            "PYTHONHASHSEED": "0",
            "PYTHONNOUSERSITE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PIP_NO_INDEX": "1",
            "PIP_CONFIG_FILE": os.devnull,
            "UV_OFFLINE": "1",
            **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), _NOWHERE),
            **self._compiler_variables(),
            **self._bench.variables,
        }

    def _compiler_variables(self) -> dict[str, str]:
        """What makes GCC (8 and later) and Clang (10 and later) write fixed names in the place of our folders."""
        if os.name == "nt":
            return {}
        places = {str(self._bench.interpreter.prefix): "/python", str(self._folder): "/build"}
        flags = shlex.join(f"-ffile-prefix-map={place}={name}" for place, name in places.items())
        return dict.fromkeys(("CFLAGS", "CXXFLAGS"), flags)

    def _texts(self, answer: object) -> Sequence[str]:
        if isinstance(answer, list) and all(isinstance(item, str) for item in answer):
            return answer
        raise self._failed("its backend's list of requirements is no list of strings")

    def _checked(self, answer: object) -> Path:
        """The wheel whose name the backend has given, if it is what was asked for."""
        name = answer if isinstance(answer, str) else ""
        parts = wheel_name(name) if is_plain_filename(name) else None
        wheel = self._wheels / name
        if parts is None or not wheel.is_file() or wheel.is_symlink():
            raise self._failed(f"its backend has made no wheel: it answered {answer!r}")
        source, interpreter = self._source, self._bench.interpreter
        if parts.name != (source.name or parts.name) or parts.version != (source.version or parts.version):
            raise self._refused(f"it builds {parts.name} {parts.version}")
        if parts.tags.isdisjoint(compatible_tags(parse_python(interpreter.version), interpreter.platform)):
            raise self._refused(f"it builds {name}, which doesn't fit Python {interpreter.version}")
        return wheel

    def _refused(self, why: str) -> LockError:
        source = self._source
        remedy = "Report it to its maintainers, lock another version, or lock a wheel of it."
        return LockError(f"{source.what} can't be used", where=source.where, why=why, remedy=remedy)

    def _failed(self, why: str) -> UnavailableError:
        source, bench = self._source, self._bench
        lines = bench.log.read_text(encoding="utf-8", errors="replace").splitlines()
        shown = "".join(f"\n    {line}" for line in lines[-_LINES_SHOWN:])
        return UnavailableError(
            f"{source.what} was not built with Python {bench.interpreter.version}",
            where=source.where,
            why=f"{why}; its output ended with:{shown}" if shown else f"{why}, without output",
            remedy=f"All of the output is in {bench.log}",
        )
