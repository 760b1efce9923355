"""The options of `lockproof lock`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lockproof.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Repeated(argparse.Action):
    """An option that may stand several times; what the command line gives takes the place of the default."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002 - the signature is argparse's
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,  # noqa: ARG002
    ) -> None:
        """One more value."""
        given = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [*([] if given is self.default else given), values])


def add_lock_options(lock: argparse.ArgumentParser) -> None:
    """The options of making, upgrading and checking a lock."""
    lock.add_argument(
        "sources",
        metavar="SOURCE",
        nargs="*",
        help="files to lock (default: `sources` of the matrix, or the one there)",
    )
    lock.add_argument("--extra", action=Repeated, metavar="NAME", default=[], help="an extra of pyproject.toml")
    lock.add_argument("--group", action=Repeated, metavar="NAME", default=[], help="a dependency group of it")
    lock.add_argument("--upgrade", action="store_true", help="let go of all pins: the newest versions of everything")
    lock.add_argument(
        "--upgrade-package", action=Repeated, metavar="NAME[==V]", default=[], help="let go of one pin (repeatable)"
    )
    lock.add_argument("--check", action="store_true", help="change nothing: is the lock what its sources say?")
    lock.add_argument("--predict", action="store_true", help="compare whole fingerprints; fetches wheels")
    lock.add_argument("--resolver", choices=("uv", "pip-tools"), default="uv", help="what resolves (default: uv)")
    lock.add_argument("--emit-index-url", action="store_true", help="write the index's URL into a requirements lock")
    lock.add_argument("--export", choices=("pylock.toml", "requirements.txt"), help="the present lock in this format")
    lock.add_argument("-o", "--output", metavar="FILE", help="where --export writes (default: standard output)")
    lock.add_argument("--json", action="store_true", help="the account as JSON")


def refuse_misfits(options: argparse.Namespace) -> None:
    """Raise UsageError for options of `lock` that don't go together."""
    making = [name for name in ("sources", "check", "upgrade", "upgrade_package", "predict", "emit_index_url", "json")
              if getattr(options, name)]  # fmt: skip
    if options.export and making:
        raise UsageError(f"--export and {_option(making[0])} don't go together", remedy="convert first, or lock first")
    if options.output and not options.export:
        raise UsageError("--output is for --export", remedy="the matrix names the lock that is made")
    changing = [name for name in ("upgrade", "upgrade_package", "predict") if getattr(options, name)]
    if options.check and changing:
        raise UsageError(f"--check and {_option(changing[0])} don't go together", why="a check changes nothing")


def _option(name: str) -> str:
    return "SOURCE" if name == "sources" else f"--{name.replace('_', '-')}"
