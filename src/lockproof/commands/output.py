"""Where commands write, and how they end."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from lockproof.reporters.progress import Progress


def progress(options: argparse.Namespace, *, interactive: bool = True) -> Progress:
    """The reporter that fits where standard error goes."""
    from lockproof.reporters.choice import make_progress

    return make_progress(sys.stderr, os.environ, verbose=options.verbose, quiet=options.quiet, interactive=interactive)


def print_json(document: object) -> None:
    """A document on standard output."""
    sys.stdout.write(json.dumps(document, indent=1) + "\n")  # in one piece: `json.dump` writes every comma by itself


def end_in_order() -> None:
    """Take being ended, or a terminal that closes, as Ctrl-C; what is ignored (`nohup`) stays ignored."""
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
