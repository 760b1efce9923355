"""The command line: options, their LOCKPROOF_… variables, exit codes. What the commands do is in `commands`."""

from __future__ import annotations

import argparse
import gc
import io
import os
import sys
from typing import TYPE_CHECKING

from lockproof import __version__
from lockproof.ci.options import add_ci_options
from lockproof.errors import LockproofError, ProblemsError
from lockproof.relocking.lockoptions import Repeated, add_lock_options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_EPILOG = """\
exit codes: 0 all proven and passed, 1 a command failed, 2 usage, matrix or lock error, 3 mismatch or drift,
4 something is not available or stayed unproven, 5 an artifact failed its hash, 130 interrupted.
Every option also has a variable: LOCKPROOF_JOBS for --jobs, LOCKPROOF_FAIL_FAST=1 for --fail-fast, and so on.
"""
_TARGET = (
    "a folder, tar:FILE[:/path], tar:-, ssh:[user@]host:/path, docker-image:IMAGE[:/path], docker:CONTAINER[:/path] "
    "(or podman), or a saved fingerprint"
)


def _common_options() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(prog="lockproof", add_help=False, allow_abbrev=False)
    common.add_argument("-C", "--directory", metavar="DIR", default=".", help="work as if started in DIR")
    common.add_argument("--matrix", metavar="FILE", default="matrix.yaml", help="the matrix (default: matrix.yaml)")
    common.add_argument("--store", metavar="DIR", help="folder of the store and caches (default: the user's)")
    common.add_argument("--offline", action="store_true", help="never use the network: the store and caches must do")
    common.add_argument("-v", "--verbose", action="store_true", help="print the output of every command, every note")
    common.add_argument("-q", "--quiet", action="store_true", help="print only what is not right, and the last line")
    return common


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    common = _common_options()
    parser = argparse.ArgumentParser(
        prog="lockproof",
        description="The lock predicts the environment; lockproof proves it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"lockproof {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, parents=[common], allow_abbrev=False)

    _add_run(command("run", "Plan, create, prove, run the commands, and prove again."))
    listing = command("list", "The cells, and whether each can run here.")
    listing.add_argument("cells", metavar="CELL", nargs="*", help="ids or globs (default: all)")
    listing.add_argument("--json", action="store_true", help="as JSON on standard output")
    predict = command("predict", "The fingerprint that each cell must have, without installing.")
    predict.add_argument("cells", metavar="CELL", nargs="*", help="ids or globs (default: all)")
    predict.add_argument("--json", action="store_true", help="as JSON: one fingerprint, or a list for several cells")
    predict.add_argument("--bundle", metavar="FOLDER", help="keep each in this bundle, under its cell's id")
    predict.add_argument("--preview", action="store_true", help="look into wheels where they lie: quick, and no proof")
    fingerprint = command("fingerprint", "What an environment is.")
    fingerprint.add_argument("target", metavar="TARGET", help=_TARGET)
    fingerprint.add_argument("--json", action="store_true", help="as JSON, to be saved and compared")
    fingerprint.add_argument("--bundle", metavar="FOLDER", help="keep it in this bundle of fingerprints")
    fingerprint.add_argument("--name", metavar="NAME", help="its name in the bundle (default: the target's)")
    _add_verify(command("verify", "Is an environment what the lock, or a saved fingerprint, says?"))
    _add_attest(command("attest", "Prove environments, and sign what was proven."))
    compare = command("compare", "How do environments differ, and what does it mean?")
    compare.add_argument("targets", metavar="TARGET", nargs="+", help=f"each {_TARGET}, or a bundle")
    compare.add_argument("--json", action="store_true", help="as JSON")
    text = "predictions: hold each cell of the matrix against them; TARGETs can be globs, also of no file"
    compare.add_argument("--expect", metavar="FILE", help=text)
    _add_summary(compare)
    compare.add_argument("--no-diff", action="store_true", help="show no lines of changed text files")
    _add_freeze(command("freeze", "From an environment back to a lock: every hash is proven from its bytes."))
    add_ci_options(command("ci", "Files and documents that run the matrix on GitHub Actions or GitLab."))
    _add_worker(command("worker", "Offer this machine's Pythons to a Dask cluster, and run the cells that come."))
    add_lock_options(command("lock", "Make the lock for all cells, keep it fresh, or check it."))
    return parser


def _add_verify(verify: argparse.ArgumentParser) -> None:
    verify.add_argument("target", metavar="TARGET", help=_TARGET)
    expected = verify.add_mutually_exclusive_group()
    expected.add_argument("--cell", metavar="ID", help="what the lock says for this cell of the matrix")
    expected.add_argument("--expect", metavar="FILE", help="what this saved fingerprint says")
    verify.add_argument("--attestation", metavar="FILE", help="what this attestation says; with --cell both must hold")
    verify.add_argument("--key", metavar="FILE", help="the public key that must have signed the attestation")
    verify.add_argument("--policy", metavar="FILE", help="what this file tolerates (default: the cell's policy)")
    verify.add_argument("--json", action="store_true", help="the proof as JSON")
    verify.add_argument("--no-diff", action="store_true", help="show no lines of changed text files")


def _add_attest(attest: argparse.ArgumentParser) -> None:
    attest.usage = "lockproof attest [options] --key FILE [CELL ... | TARGET --cell ID]"
    attest.add_argument("what", metavar="CELL", nargs="*", help="ids or globs (default: all); with --cell one TARGET")
    attest.add_argument("--cell", metavar="ID", help="attest the environment TARGET as this cell")
    attest.add_argument("--key", metavar="FILE", help="the private key to sign with: PEM or OpenSSH")
    attest.add_argument("-o", "--output", metavar="FILE", help="write to FILE (default: standard output)")


def _add_freeze(freeze: argparse.ArgumentParser) -> None:
    freeze.add_argument("target", metavar="TARGET", help="a virtual environment's folder")
    freeze.add_argument("-o", "--output", metavar="FILE", help="write the lock to FILE (default: standard output)")
    text = "requirements or pylock (default: pylock for a FILE that ends with .toml, else requirements)"
    freeze.add_argument("--format", metavar="FORMAT", type=_lock_format, help=text)
    freeze.add_argument("--all", action="store_true", help="pip, and setuptools and wheel before Python 3.12, too")
    freeze.add_argument(
        "--exclude", metavar="NAME", type=_names, action=_Several, default=[], help="leave a distribution out"
    )
    freeze.add_argument("--json", action="store_true", help="the result as JSON on standard output")


class _Several(argparse.Action):
    """An option that can be repeated; what the command line says takes the place of its variable."""

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        _option: str | None = None,
    ) -> None:
        """Add the values, to none where the default still stands."""
        given = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [*([] if given is self.default else given), *(values or ())])


def _lock_format(text: str) -> str:
    if text not in ("requirements", "pylock"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither requirements nor pylock")
    return text


def _names(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _add_run(run: argparse.ArgumentParser) -> None:
    run.usage = "lockproof run [options] [CELL ...] [-- POSARGS ...]"
    run.add_argument("cells", metavar="CELL", nargs="*", help="ids or globs (default: all)")
    run.add_argument("-j", "--jobs", metavar="N", type=_jobs, default="auto", help="cells at once (default: auto)")
    run.add_argument("--json", metavar="FILE", help="write the report as JSON (- for standard output)")
    run.add_argument("--junit", metavar="FILE", help="write the report as JUnit XML")
    run.add_argument("--html", metavar="FILE", help="write the report as an HTML page")
    _add_summary(run)
    run.add_argument("--fail-fast", action="store_true", help="start no further cell after one that is not right")
    run.add_argument("--recreate", action="store_true", help="make every environment, and the project's wheel, anew")
    run.add_argument("--install-only", action="store_true", help="make and prove the environments, run no commands")
    run.add_argument("--skip-missing", action="store_true", help="skip cells whose interpreter or platform is not here")
    run.add_argument("--allow-tags", action="store_true", help="run images named by tags, too: such cells are unproven")
    run.add_argument("--check-builds", action="store_true", help="build sdists anew, in two places, and compare")
    run.add_argument("--paranoid", action="store_true", help="read every byte again")
    text = "local (default), or dask: on the workers of a cluster"
    run.add_argument("--executor", metavar="NAME", type=_executor, default="local", help=text)
    _add_cluster(run)


def _add_cluster(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scheduler", metavar="ADDRESS", help="the Dask scheduler, such as tcp://host:8786")
    text = "wait so long for the scheduler (default: 10)"
    parser.add_argument("--scheduler-timeout", metavar="SECONDS", type=_seconds, default="10", help=text)
    parser.add_argument("--tls-ca-file", metavar="FILE", help="trust these authorities (default: Dask's configuration)")
    parser.add_argument("--tls-cert", metavar="FILE", help="the certificate to show")
    parser.add_argument("--tls-key", metavar="FILE", help="its private key")


def _add_worker(worker: argparse.ArgumentParser) -> None:
    worker.add_argument("-j", "--jobs", metavar="N", type=_jobs, default="auto", help="cells at once (default: auto)")
    text = "offer this exact Python only; can be repeated (default: all that are found)"
    worker.add_argument("--python", metavar="VERSION", type=_names, action=_Several, default=[], help=text)
    worker.add_argument("--name", metavar="NAME", help="what Dask calls the worker (default: its address)")
    worker.add_argument("--host", metavar="ADDRESS", help="this machine's address, as scheduler and clients reach it")
    text = "look for wheels in this machine's own index before the client is asked"
    worker.add_argument("--from-index", action="store_true", help=text)
    _add_cluster(worker)


def _executor(text: str) -> str:
    if text not in ("local", "dask"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither local nor dask")
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


def _add_summary(command: argparse.ArgumentParser) -> None:
    text = "for GitHub Actions: a summary in Markdown, and annotations"
    command.add_argument("--github-summary", action="store_true", help=text)


def _jobs(text: str) -> int:
    if text == "auto":
        return 0  # as many as there are processors, or on a cluster as it takes
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of cells (1 or more) or auto")
    return int(text)


def apply_variables(parser: argparse.ArgumentParser, environ: Mapping[str, str]) -> None:
    """Take the defaults of every long option from its LOCKPROOF_… variable; the command line overrides them."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list of a parser's options
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for sub in action.choices.values():
                apply_variables(sub, environ)
            continue
        names = [name for name in action.option_strings if name.startswith("--")]
        if not names or action.dest in ("help", "version"):
            continue
        variable = "LOCKPROOF_" + names[0][2:].upper().replace("-", "_")
        text = environ.get(variable)
        if text is None or text == "":
            continue
        if isinstance(action, Repeated):
            action.default = text.split()
        elif action.nargs != 0:
            action.default = text
        elif text.lower() in ("0", "1", "true", "false", "yes", "no"):
            action.default = text.lower() in ("1", "true", "yes")
        elif action.dest != "json":  # LOCKPROOF_JSON names a file for `run`, and says nothing to the others
            parser.error(f"{variable}={text!r}: expected 1 or 0")


def split_posargs(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The arguments before and after the first `--`."""
    if "--" not in arguments:
        return list(arguments), []
    cut = list(arguments).index("--")
    return list(arguments[:cut]), list(arguments[cut + 1 :])


def command_first(arguments: Sequence[str]) -> list[str]:
    """The arguments with the options that all commands have behind the command; others stay where they are."""
    if not arguments or not arguments[0].startswith("-"):
        return list(arguments)
    common = _common_options()
    common.usage = "lockproof [options] COMMAND ..."
    common.add_argument("rest", nargs=argparse.REMAINDER)
    known, unknown = common.parse_known_args(arguments)
    if unknown or not known.rest:
        return list(arguments)
    return [known.rest[0], *arguments[: -len(known.rest)], *known.rest[1:]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; every error a user can meet is told without a traceback."""
    _ready_streams()
    gc.disable()  # a command lives for seconds and keeps nearly all that it makes: looking for garbage is a tenth of it
    given, posargs = split_posargs(sys.argv[1:] if arguments is None else arguments)
    parser = build_parser()
    apply_variables(parser, os.environ)
    options, unknown = parser.parse_known_args(command_first(given))
    if unknown:
        hint = "; what is for the commands of cells stands behind --" if options.command == "run" else ""
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    if posargs and options.command != "run":
        parser.error("only `run` passes arguments after -- on")
    from lockproof import commands  # everything else: `--version` and `--help` don't need it

    try:
        return commands.run_command(options, posargs)
    except ProblemsError as error:
        _tell(str(error))
        return error.worst_exit_code
    except LockproofError as error:
        _tell(str(error))
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except PermissionError as error:
        if os.environ.get("LOCKPROOF_DEBUG") or not error.filename:
            raise
        text = f"{error.filename}: {error.strerror}, and nothing was proven"
        _tell(f"{text}\n  give this user access to it, or name another path")
        return 4
    except Exception as error:
        if os.environ.get("LOCKPROOF_DEBUG"):
            raise
        text = f"this is a bug in lockproof, and nothing was proven: {type(error).__name__}: {error}"
        _tell(f"{text}\n  set LOCKPROOF_DEBUG=1 to see where, and report it")
        return 4
    except KeyboardInterrupt:
        _tell("interrupted")
        return 130
    finally:
        gc.freeze()  # nor does Python look for any when it ends


def _ready_streams() -> None:
    """Make stdout and stderr take any text: a closed one nowhere, what an encoding lacks as an escape."""
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - open to the end
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _tell(text: str) -> None:
    """Say it on stderr, without what a terminal would act on: file names and wheels may hold anything."""
    from lockproof.reporters.text import printable  # only for messages

    print(*(printable(line) for line in f"lockproof: {text}".split("\n")), sep="\n", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
