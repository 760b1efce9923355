"""A host behind `ssh`: the scripts that its shell is given, and what it means when one of them fails.

A connection takes its time. So it is begun with this module alone, and what judges the answer is imported meanwhile.
"""

from __future__ import annotations

import posixpath
import re
import shlex
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lockproof.errors import UnavailableError, UsageError
from lockproof.reading.sshciphers import quick_ciphers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

_TARGET = re.compile(
    r"ssh:(?P<host>(?:[\w.+%][\w.+%-]*@)?(?:[\w.][\w.%-]*|\[[0-9a-fA-F:.%\w]+\])):(?P<path>/.*)", re.DOTALL
)
# Never a question, no waiting for a host that is gone.
_SETTINGS = ("BatchMode=yes", "ConnectTimeout=15", "ServerAliveInterval=15", "ServerAliveCountMax=4")
_CONNECTION_FAILED = 255
BEGIN, END = "lockproof-begin", "lockproof-end"
MISSING, NO_PYTHON = 9, 8  # exit codes of the scripts below
SHOWN = 400  # characters of what ssh says
_CHUNK = 1 << 20

# Messages as they are known, and GNU tar's options ours alone: blocks of 64 KB take fewer turns than those of 10 KB.
_TAR = "LC_ALL=C TAR_OPTIONS=--blocking-factor=128; export LC_ALL TAR_OPTIONS"
# The parts of a Python that its digests are made of, and what would send it elsewhere: see `pythons.carried`.
_FIND_PYTHON = """cd / || exit
prefix=$1 series=$2 zip=$3; set --
for file in "$prefix/bin/python" "$prefix"/bin/python3* "$prefix/lib/python$series" "$prefix"/lib/libpython"$series"* \\
    "$prefix/lib/python$zip.zip" "$prefix/include/python$series/patchlevel.h" "$prefix"/lib/glibc-hwcaps/*/libpython* \\
    "$prefix/bin/pybuilddir.txt" "$prefix/bin/pyvenv.cfg" "$prefix/bin/Modules/Setup.local" \\
    "$prefix/bin/lib" "$prefix/bin/lib64"; do
  if [ -e "$file" ] || [ -h "$file" ]; then set -- "$@" "$file"; fi
done
own=$prefix/lib/python$series
"""
# Bytecode and static libraries are left out for speed, and what `own` has installed; not every BusyBox knows --exclude.
_PACK_PYTHON = f"""{_TAR}
if tar -cf /dev/null --exclude=x /dev/null 2>/dev/null; then
  set -- --exclude="$own/site-packages" --exclude="$own/dist-packages" --exclude=__pycache__ --exclude='*.a' "$@"
  exec tar -cf - "$@"
fi
for file do
  shift
  if [ "$file" != "$own" ]; then set -- "$@" "$file"; continue; fi
  for file in "$own"/*; do
    case $file in */site-packages|*/dist-packages|*/__pycache__) ;; *) set -- "$@" "$file";; esac
  done
done
exec tar -cf - "$@"
"""
SEND_PYTHON = f"""{_FIND_PYTHON}[ $# -gt 0 ] || exit {MISSING}
{_PACK_PYTHON}"""
SEND_FILES = f"""cd / || exit
for file do
  shift
  if [ -f "$file" ] || [ -h "$file" ]; then set -- "$@" "$file"; fi
done
[ $# -gt 0 ] || exit {MISSING}
{_TAR}
exec tar -cf - -- "$@"
"""
# One connection for all of it: where the folder is and its Python, the archive, and behind that one of that Python.
SEND = f"""cd -- "$1" || exit {MISSING}
folder=$(pwd -P) tar=$(command -v tar) python=$(readlink -f bin/python 2>/dev/null)
echo {BEGIN}; pwd -P; echo {END}; echo "$tar"; echo "$python"
[ "$tar" ] || exit 0
({_TAR}; exec tar -cf - .) || exit
case $python in "$folder"/*) exit 0;; /*/bin/python3.*) ;; *) exit 0;; esac
prefix=${{python%/bin/*}} series=${{python##*/python}}
set -- "${{prefix#/}}" "$series" "$(echo "$series" | tr -d .)"
{_FIND_PYTHON}[ $# -gt 0 ] || exit 0
{_PACK_PYTHON}"""
# The login shell may be csh, which acts on `!` and on ends of lines between quotes, too: printf brings them back.
_FOR_ANY_SHELL = str.maketrans({"\\": r"\0134", "\n": r"\n", "!": r"\0041"})
_RUN = 'eval "$(printf %b "$1")"'
READ = f"""for python in python3 /usr/bin/python3 /usr/local/bin/python3 python; do
  if "$python" -I -S -c 'import sys; sys.exit(sys.version_info < (3, 6))' 2>/dev/null; then
    exec "$python" -I -S - "$1"
  fi
done
exit {NO_PYTHON}"""


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


class Script(subprocess.Popen[bytes]):
    """A script that runs on `remote`'s host; `said` is what it has written to standard error, once it has ended."""

    remote: Remote
    errors: IO[bytes]
    said = ""

    def end(self) -> int:
        """Wait for its end; its exit code."""
        code = self.wait()
        if not self.errors.closed:
            self.errors.seek(0)
            self.said = self.errors.read().decode("utf-8", "replace")
        return code

    def expect_success(self) -> None:
        """Wait for its end; UnavailableError, with what ssh or the host says of it, unless all went well."""
        code, remote = self.end(), self.remote
        if code == 0:
            return
        said = " ".join(self.said.split())[-SHOWN:] or f"exit code {code}"
        if code == _CONNECTION_FAILED:
            raise UnavailableError(
                "the host can't be reached", where=remote.where, why=said,
                remedy=f"make `ssh {remote.host} true` work without a question: host keys, a key in the agent, "
                "the port",
            )  # fmt: skip
        if code == MISSING:
            raise UnavailableError("the folder can't be entered", where=remote.where, why=said)
        raise UnavailableError(
            "the environment can't be read whole", where=remote.where, why=said,
            remedy="nothing is said of it: make sure that nothing is running in it, and that you may read it",
        )  # fmt: skip


@contextmanager
def sending(remote: Remote) -> Iterator[Script]:
    """`SEND`, which begins at once: all of an environment, and of its Python. It has ended at the block's end."""
    remote = replace(remote, settings=quick_ciphers(remote.command, remote.host))
    with running(remote, SEND, (remote.path,)) as script:
        yield script


@contextmanager
def running(remote: Remote, script: str, arguments: tuple[str, ...], source: bytes = b"") -> Iterator[Script]:
    """A script of the host's `sh`, with its arguments, and `source` as its input; it has ended at the block's end."""
    whole = f"set -- {shlex.join(arguments)}\n{script}"
    words = ["exec", "sh", "-c", shlex.quote(_RUN), "sh", shlex.quote(whole.translate(_FOR_ANY_SHELL))]
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
            process = Script(argv, stdin=given, stdout=subprocess.PIPE, stderr=errors, bufsize=1 << 18)
        except (OSError, ValueError) as error:
            raise UnavailableError(
                f"{remote.command[0]} can't be run", where=remote.where, why=str(error),
                remedy="install an OpenSSH client, or name one in LOCKPROOF_SSH",
            ) from error  # fmt: skip
        process.remote, process.errors = remote, errors
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


def _widen(process: Script) -> None:
    """Let the pipe hold more, so that ssh and this process take turns less often (Linux: F_SETPIPE_SZ)."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl  # Windows has none

        assert process.stdout is not None
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, _CHUNK)
