"""An environment on another machine, over `ssh`: its bytes come here as a tar stream, and are judged here.

Nothing of the environment runs there, and nothing that it says of itself is believed. Where the host has no `tar`, the
reader runs there by the host's own Python; what that says is labelled as reported by the host itself.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.errors import UnavailableError, UsageError
from lockproof.proof.fingerprint import Finding
from lockproof.reading.archives import inspect_archive, new_archive, take
from lockproof.reading.bytecode import check_bytecode
from lockproof.reading.inspection import Inspection
from lockproof.reading.observation import observe
from lockproof.reading.prefixes import nobody
from lockproof.reading.readtree import bytecode_of, layout_of, text_of
from lockproof.reading.reported import tree_from_json
from lockproof.reading.sshciphers import quick_ciphers
from lockproof.reading.surroundings import unread_python
from lockproof.wheels.startup import parse_pyvenv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from lockproof.reading.archives import Recognise
    from lockproof.reading.tarreader import Archive

_TARGET = re.compile(
    r"ssh:(?P<host>(?:[\w.+%][\w.+%-]*@)?(?:[\w.][\w.%-]*|\[[0-9a-fA-F:.%\w]+\])):(?P<path>/.*)", re.DOTALL
)
# Never a question, no waiting for a host that is gone.
_SETTINGS = ("BatchMode=yes", "ConnectTimeout=15", "ServerAliveInterval=15", "ServerAliveCountMax=4")
_CONNECTION_FAILED = 255
_BEGIN, _END = "lockproof-begin", "lockproof-end"
_MISSING, _NO_PYTHON = 9, 8  # exit codes of the scripts below
_HOPS = 4  # prefixes that links may lead through to a Python
_SHOWN = 400  # characters of what ssh says
_LONGEST_HEAD = 1 << 16
_CHUNK = 1 << 20

# The parts of a Python that its digests are made of, and what would send it elsewhere: see `pythons.carried`.
_FIND_PYTHON = """cd / || exit
prefix=$1 series=$2 zip=$3; set --
for file in "$prefix"/bin/python3* "$prefix/lib/python$series" "$prefix"/lib/libpython"$series"* \\
    "$prefix/lib/python$zip.zip" "$prefix/include/python$series/patchlevel.h" "$prefix"/lib/glibc-hwcaps/*/libpython* \\
    "$prefix/bin/pybuilddir.txt" "$prefix/bin/pyvenv.cfg" "$prefix/bin/Modules/Setup.local" \\
    "$prefix/bin/lib" "$prefix/bin/lib64"; do
  if [ -e "$file" ] || [ -h "$file" ]; then set -- "$@" "$file"; fi
done
own=$prefix/lib/python$series
"""
_PACK_PYTHON = """LC_ALL=C; export LC_ALL
exec tar -cf - --exclude="$own/site-packages" --exclude="$own/dist-packages" --exclude=__pycache__ --exclude='*.a' "$@"
"""
_SEND_PYTHON = f"""{_FIND_PYTHON}[ $# -gt 0 ] || exit {_MISSING}
{_PACK_PYTHON}"""
# One connection for all of it: where the folder is and its Python, the archive, and behind that one of that Python.
_SEND = f"""cd -- "$1" || exit {_MISSING}
folder=$(pwd -P) tar=$(command -v tar) python=$(readlink -f bin/python 2>/dev/null)
echo {_BEGIN}; pwd -P; echo {_END}; echo "$tar"; echo "$python"
[ "$tar" ] || exit 0
(LC_ALL=C; export LC_ALL; exec tar -cf - .) || exit
case $python in "$folder"/*) exit 0;; /*/bin/python3.*) ;; *) exit 0;; esac
prefix=${{python%/bin/*}} series=${{python##*/python}}
set -- "${{prefix#/}}" "$series" "$(echo "$series" | tr -d .)"
{_FIND_PYTHON}[ $# -gt 0 ] || exit 0
{_PACK_PYTHON}"""
_READ = f"""for python in python3 /usr/bin/python3 /usr/local/bin/python3 python; do
  if "$python" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null; then
    exec "$python" -I -S - "$1"
  fi
done
exit {_NO_PYTHON}"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Remote:
    """A folder on a host: `path` is absolute there; `command` is the ssh program and its first arguments.

    `settings` are further ones, as ssh_config has them.
    """

    host: str
    path: str
    command: tuple[str, ...] = ("ssh",)
    settings: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """As the command line names it."""
        return f"ssh:{self.host}:{self.path}"


def parse_remote(named: str, command: str = "") -> Remote:
    """The place that `ssh:[user@]host:/path` names; `command` is the ssh to use, in words as a shell splits them."""
    match = _TARGET.fullmatch(named)
    if match is None:
        raise UsageError(
            "this is no target", where=named, why="expected ssh:[user@]host:/path, with an absolute path",
            remedy="a port and a key are named in ssh's own configuration",
        )  # fmt: skip
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"LOCKPROOF_SSH={command!r} is no command line", why=str(error)) from error
    path = posixpath.normpath(match["path"])
    host = match["host"].replace("[", "").replace("]", "")
    return Remote(host=host, path=re.sub("^//", "/", path), command=tuple(words) or ("ssh",))


def inspect_remote(
    remote: Remote,
    recognise: Recognise,
    declared: str = "",
    vouched: Path | None = None,
    stand_in: Recognise = nobody,
) -> Inspection:
    """The environment in a folder of another machine, and its fingerprint.

    Its interpreter is read there, too, and is the one of this machine that has the same bytes, as `recognise` says.
    Raises UnavailableError where the host can't be reached, or the folder can't be read whole.
    """
    remote = replace(remote, settings=quick_ciphers(remote.command, remote.host))
    with new_archive() as archive:
        brought = _bring_folder(remote, archive)
        if brought is None:
            return _inspect_by_itself(remote)
        folder, python = brought
        _bring_python(remote, archive, folder)
        found = inspect_archive(
            archive,
            folder,
            recognise=recognise,
            place=remote.path,
            called=remote.path,
            declared=declared,
            vouched=vouched,
            stand_in=stand_in,
        )
        unread = unread_python(archive, f"{folder}/bin/python", python)
    findings = (*found.fingerprint.findings, *([unread] if unread else []))
    return replace(found, fingerprint=replace(found.fingerprint, findings=tuple(sorted(findings))))


def _bring_python(remote: Remote, archive: Archive, folder: str) -> None:
    """Read the Python that the environment's own leads to, through as many prefixes as links lead."""
    tree = archive.tree(folder, f"/{folder}")
    layout = layout_of(tree)
    series = layout.site.split("/")[1].removeprefix("python") if layout.site.startswith("lib/") else ""
    home = parse_pyvenv(text_of(tree, "pyvenv.cfg")).get("home", "")
    python = f"{folder}/{layout.scripts}/python"
    start = python if python in archive.links else f"{home}/python".strip("/")
    brought: set[str] = set()
    for _ in range(_HOPS):
        end = archive.real_path(start)
        prefix = posixpath.dirname(posixpath.dirname(end))
        if not series or end in archive.files or prefix in brought or f"{end}/".startswith(f"{folder}/"):
            return
        brought.add(prefix)
        arguments = (prefix or ".", series, series.replace(".", ""))
        _bring_prefix(remote, archive, arguments)


def _bring_folder(remote: Remote, archive: Archive) -> tuple[str, str] | None:
    """The folder's path without links and a leading `/`, once the archive has what is in it; None without `tar`.

    The archive has its Python, too, where the host found it. Behind the folder: where that is, "" if it can't say so.
    """
    with _running(remote, _SEND, (remote.path,)) as process:
        real, has_tar, python = _head(remote, process)
        if has_tar:
            _take(remote, archive, process, real.strip("/"), "")
    _expect_success(remote, process)
    _note_sockets(archive, process, real.strip("/"))
    return (real.strip("/"), python) if has_tar else None


def _head(remote: Remote, process: _Process) -> tuple[str, bool, str]:
    """What comes before the archive: the folder's path, whether the host has `tar`, where its Python is."""
    stream, said = process.stdout, b""
    assert stream is not None
    ending, path = f"\n{_END}\n".encode(), b""
    while (line := stream.readline(_LONGEST_HEAD)) and len(said) < _LONGEST_HEAD:
        said += line
        path = said.partition(f"{_BEGIN}\n".encode())[2]
        if path.endswith(ending):
            break
    real = path.removesuffix(ending).decode("utf-8", "surrogateescape")
    if not path.endswith(ending) or not real.startswith("/"):
        said += stream.read(_LONGEST_HEAD)
        _expect_success(remote, process)
        raise UnavailableError(
            "the host's shell can't be understood", where=remote.where,
            why=f"it said {said.decode('utf-8', 'surrogateescape')[:_SHOWN]!r}",
            remedy=f"see what `ssh {remote.host} pwd` prints",
        )  # fmt: skip
    has_tar = bool(stream.readline(_LONGEST_HEAD).strip())
    return real, has_tar, stream.readline(_LONGEST_HEAD).rstrip(b"\n").decode("utf-8", "surrogateescape")


def _take(remote: Remote, archive: Archive, process: _Process, *folders: str) -> None:
    """Add to the archive what a script on the host sends; where it breaks off, what the host says of that is told."""
    stream = process.stdout
    assert stream is not None
    try:
        take(archive, stream, remote.where, *folders)
    except UnavailableError:
        while stream.read(_CHUNK):
            pass
        _expect_success(remote, process)
        raise


def _bring_prefix(remote: Remote, archive: Archive, arguments: tuple[str, ...]) -> None:
    """Add to the archive the Python in a prefix, where there is one."""
    with _running(remote, _SEND_PYTHON, arguments) as process:
        try:
            _take(remote, archive, process)
        except UnavailableError:
            if process.wait() == _MISSING:
                return
            raise
    _expect_success(remote, process)
    _note_sockets(archive, process, "")


def _note_sockets(archive: Archive, process: _Process, folder: str) -> None:
    """Enter what no archive can hold, of which `tar` speaks: names that begin with a dot are the folder's."""
    for name in re.findall(r"tar: (.*): socket ignored", process.said):
        below = folder if name.startswith("./") else ""
        archive.special.append(posixpath.normpath(posixpath.join(below, name)))


class _Process(subprocess.Popen[bytes]):
    """A command on the host; `said` is what it has written to standard error, the file `errors`, once it has ended."""

    errors: IO[bytes] | None = None
    said = ""

    def end(self) -> int:
        """Wait for its end; its exit code."""
        code = self.wait()
        if self.errors and not self.errors.closed:
            self.errors.seek(0)
            self.said = self.errors.read().decode("utf-8", "replace")
        return code


@contextmanager
def _running(remote: Remote, script: str, arguments: tuple[str, ...], source: bytes = b"") -> Iterator[_Process]:
    """A script of the host's `sh`, with its arguments, and `source` as its input; it has ended at the block's end."""
    words = ["exec", "sh", "-c", shlex.quote(script), "sh", *map(shlex.quote, arguments)]
    argv = [
        *remote.command,
        "-T",
        *(word for setting in (*_SETTINGS, *remote.settings) for word in ("-o", setting)),
        "--",
        remote.host,
        " ".join(words),
    ]
    with tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as given:
        given.write(source)
        given.seek(0)
        try:
            process = _Process(argv, stdin=given, stdout=subprocess.PIPE, stderr=errors, bufsize=1 << 18)
        except (OSError, ValueError) as error:
            raise UnavailableError(
                f"{remote.command[0]} can't be run", where=remote.where, why=str(error),
                remedy="install an OpenSSH client, or name one in LOCKPROOF_SSH",
            ) from error  # fmt: skip
        process.errors = errors
        _widen(process)
        try:
            yield process
            process.wait()
        finally:
            if process.poll() is None:
                process.kill()
            process.end()
            if process.stdout:
                process.stdout.close()


def _widen(process: _Process) -> None:
    """Let the pipe hold more, so that ssh and this process take turns less often (Linux: F_SETPIPE_SZ)."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl  # Windows has none

        assert process.stdout is not None
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, _CHUNK)


def _expect_success(remote: Remote, process: _Process) -> None:
    code = process.end()
    if code == 0:
        return
    said = " ".join(process.said.split())[-_SHOWN:] or f"exit code {code}"
    if code == _CONNECTION_FAILED:
        raise UnavailableError(
            "the host can't be reached", where=remote.where, why=said,
            remedy=f"make `ssh {remote.host} true` work without a question: host keys, a key in the agent, the port",
        )  # fmt: skip
    if code == _MISSING:
        raise UnavailableError("the folder can't be entered", where=remote.where, why=said)
    raise UnavailableError(
        "the environment can't be read whole", where=remote.where, why=said,
        remedy="nothing is said of it: make sure that nothing is running in it, and that you may read it",
    )  # fmt: skip


def _inspect_by_itself(remote: Remote) -> Inspection:
    """What the host's own Python says, for want of `tar`; never proven."""
    source = Path(__file__).with_name("reader.py").read_bytes()
    with _running(remote, _READ, (remote.path,), source) as process:
        said = process.stdout.read() if process.stdout else b""
    if process.returncode == _NO_PYTHON:
        raise UnavailableError(
            "nothing can read there", where=remote.where, why="the host has neither tar nor Python 3.6 or newer",
            remedy="install tar there",
        )  # fmt: skip
    _expect_success(remote, process)
    try:
        tree = tree_from_json(json.loads(said))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnavailableError("the host's answer can't be read", where=remote.where, why=str(error)) from error
    answers = check_bytecode(tree, bytecode_of(tree), None)
    fingerprint = observe(tree, bytecode=answers, interpreter={}, interpreter_layer=None)
    text = "all of this is what the host's own Python says: it has no tar that could send the bytes"
    findings = (*fingerprint.findings, Finding("self-reported", "", text, "unproven"))
    return Inspection(
        fingerprint=replace(fingerprint, findings=findings, about={"read-by": "self"}), tree=tree, interpreter=None
    )
