"""Asks an interpreter what it is, by running `probe.py` in it once, and remembers the answer on disk."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.digests import sha256_hex
from lockproof.pythons.knownfiles import is_settled, signature_of
from lockproof.pythons.layout import start_files
from lockproof.pythons.platforms import Platform
from lockproof.writing import write_if_possible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import IO

_SCRIPT = Path(__file__).with_name("probe.py")
_LONGEST_ANSWER = 1 << 16
# Nothing of the caller's environment; these two keep Windows and macOS honest about themselves.
_ENVIRONMENT = {"SYSTEM_VERSION_COMPAT": "0"}
_ENVIRONMENT_NEEDED = ("SYSTEMROOT",)


class NotAnInterpreterError(Exception):
    """A candidate that could not be run, or whose answer makes no sense; the text says which."""


class TooOldError(NotAnInterpreterError):
    """A Python that doesn't know -I, as 2.7: an interpreter, but never one that is asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """What one interpreter said of itself.

    `version` is exact ("3.11.7", "3.13.0t"); `prefix` the base prefix; `configured_prefix` the one in its
    files; `archive` the zip searched before `stdlib`; `libpython` None when the executable holds it; `facts`
    hold no path and nothing volatile. All paths are absolute.
    """

    executable: Path
    version: str
    implementation: str
    prefix: Path
    platform: Platform
    facts: Mapping[str, str]
    configured_prefix: str
    stdlib: Path
    archive: Path | None
    lib_dynload: Path | None
    libpython: Path | None

    @property
    def label(self) -> str:
        """The version as messages name it: "3.11.7", "pypy 3.10.16", "3.11.7 (debug build)"."""
        name = self.version if self.implementation == "cpython" else f"{self.implementation} {self.version}"
        return f"{name} (debug build)" if self.is_debug else name

    @property
    def is_debug(self) -> bool:
        """Whether this is a debug build, whose extension modules have an ABI of their own."""
        return self.facts.get("debug") == "yes"


def probe(
    executable: Path,
    *,
    cache: Path | None = None,
    timeout: float = 10.0,
    clock: Callable[[], int] = time.time_ns,
) -> Probe:
    """What the interpreter at `executable` (a real file, not a link) is.

    It is run with `-I -S -B`, so no site, no .pth and no sitecustomize is, unless `cache` (a folder) holds an
    answer of the same executable, libpython and C library. Raises NotAnInterpreterError, after `timeout`
    seconds at the latest; also where a file beside the executable, which no digest covers, decides where its library
    is. `clock` gives the present in ns since the epoch.
    """
    for beside in start_files(executable.name):
        if (executable.parent / beside).exists():
            raise NotAnInterpreterError(f"has {beside} beside it, which sends it to another standard library")
    store = cache / f"{cache_key(executable)}.json" if cache else None
    script = sha256_hex(_SCRIPT.read_bytes())
    if store and (remembered := _remembered(store, script, executable)):
        return remembered
    asked_at = clock()
    answer = _ask(executable, timeout)
    said = _probe_of(executable, answer)
    if store:
        _remember(store, script, answer, [str(executable), *_strings(answer.get("watched"))], asked_at)
    return said


def probe_script() -> Path:
    """The script that an interpreter is asked with."""
    return _SCRIPT


def answer_of(printed: str, executable: Path) -> Probe:
    """What an interpreter that isn't of this machine printed when it was asked; `executable` is its real path there.

    Raises NotAnInterpreterError.
    """
    return _probe_of(executable, _answer_in(printed), elsewhere=True)


def host_platform() -> Platform:
    """The platform of the running interpreter, with its libc's version; runs nothing but musl's loader."""
    from lockproof.pythons import probe as script  # late: `platform` and `sysconfig` cost 10 ms

    return _platform_of(script.this_platform())


def cache_key(executable: Path) -> str:
    """A file name's stem that stands for the path of an executable."""
    return sha256_hex(os.fsencode(executable))[:32]


def _ask(executable: Path, timeout: float) -> Mapping[str, object]:
    environment = _ENVIRONMENT | {name: os.environ[name] for name in _ENVIRONMENT_NEEDED if name in os.environ}
    try:
        process = subprocess.Popen(
            [executable, "-I", "-S", "-B", _SCRIPT],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise NotAnInterpreterError(f"can't be run ({error.strerror or error})") from error
    # Read only at the end: an answer fits in the pipe, and a candidate that floods it just waits for its end.
    with process:
        try:
            code = _exit_code(process, timeout)
        except subprocess.TimeoutExpired:
            _end(process)
            raise NotAnInterpreterError(f"gave no answer within {timeout:g} s") from None
        out, err = _what_is_in(process.stdout), _what_is_in(process.stderr)
    if code != 0:
        if b"Unknown option: -I" in err:
            raise TooOldError("knows no -I")
        last_line = err.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise NotAnInterpreterError(f"ended with code {code}{last_line and f' ({last_line[:200]})'}")
    return _answer_in(out)


def _exit_code(process: subprocess.Popen[bytes], timeout: float) -> int:
    """How it ended; raises TimeoutExpired. Popen looks ever less often, and so is 50 ms late: Linux tells at once."""
    if sys.platform == "linux":
        with suppress(OSError):  # a kernel before 5.3, or a sandbox
            descriptor = os.pidfd_open(process.pid)
            try:
                ended = select.poll()
                ended.register(descriptor, select.POLLIN)
                ended.poll(timeout * 1000)
                return process.wait(0)
            finally:
                os.close(descriptor)
    return process.wait(timeout)


def _answer_in(printed: str | bytes) -> Mapping[str, object]:
    try:
        answer: object = json.loads(printed)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise NotAnInterpreterError("printed something that is no answer")
    return answer


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the candidate, which has not been waited for, and what it started in the session it was given."""
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)


def _what_is_in(pipe: IO[bytes] | None) -> bytes:
    """What an ended process left in a pipe, without waiting for others that may hold it open."""
    assert pipe is not None
    if sys.platform != "win32":
        os.set_blocking(pipe.fileno(), False)
    try:
        return os.read(pipe.fileno(), _LONGEST_ANSWER)
    except BlockingIOError:
        return b""


def _probe_of(executable: Path, answer: Mapping[str, object], *, elsewhere: bool = False) -> Probe:
    match answer:
        case {
            "executable": str(said),
            "version": str(version),
            "implementation": str(implementation),
            "prefix": str(prefix),
            "configured_prefix": str(configured_prefix),
            "stdlib": str(stdlib),
            "archive": str(archive),
            "lib_dynload": str(lib_dynload),
            "libpython": str(libpython),
            "facts": dict(facts),
            "platform": dict(platform),
        }:
            if not elsewhere and not _same_file(said, executable):
                raise NotAnInterpreterError(f"runs another interpreter, {said or 'without a name'}")
            return Probe(
                executable=executable,
                version=version,
                implementation=implementation,
                prefix=Path(prefix),
                configured_prefix=configured_prefix,
                stdlib=Path(stdlib),
                archive=Path(archive) if archive else None,
                lib_dynload=Path(lib_dynload) if lib_dynload else None,
                libpython=Path(libpython) if libpython else None,
                facts={str(name): str(value) for name, value in facts.items()},
                platform=_platform_of(platform),
            )
    raise NotAnInterpreterError("printed something that is no answer")


def _platform_of(said: Mapping[str, object]) -> Platform:
    match said:
        case {
            "os": str(system),
            "machine": str(machine),
            "libc": str(libc),
            "version": [int(major), int(minor)],
        }:
            return Platform(os=system, machine=machine, libc=libc, version=(major, minor))
        case {"os": str(system), "machine": str(machine)}:
            return Platform(os=system, machine=machine)
    raise NotAnInterpreterError("printed something that is no answer")


def _same_file(said: str, executable: Path) -> bool:
    try:
        return executable.samefile(said)
    except (OSError, ValueError):
        return False


def _remembered(store: Path, script: str, executable: Path) -> Probe | None:
    """The stored answer, while the script that asked and all the files it depends on are the same."""
    try:
        document: object = json.loads(store.read_bytes())
        match document:
            case {"script": str(asked_by), "watched": dict(watched), "answer": dict(answer)}:
                same = asked_by == script and str(executable) in watched
                if same and all(_is_as_it_was(path, known) for path, known in watched.items()):
                    return _probe_of(executable, answer)
    except (OSError, ValueError, RecursionError, NotAnInterpreterError):
        return None
    return None


def _is_as_it_was(path: str, known: object) -> bool:
    return known == list(signature_of(Path(path).stat()))


def _remember(store: Path, script: str, answer: Mapping[str, object], watched: Sequence[str], asked_at: int) -> None:
    try:
        signatures = {path: signature_of(Path(path).stat()) for path in watched}
    except (OSError, ValueError):
        return
    if all(is_settled(signature, asked_at) for signature in signatures.values()):
        document = {"script": script, "watched": signatures, "answer": answer}
        write_if_possible(store, json.dumps(document).encode())


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
