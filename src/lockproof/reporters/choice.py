"""Which reporter fits: a live table on a terminal, plain lines on a pipe and in CI."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from lockproof.reporters.progress import Progress, wants_colour

if TYPE_CHECKING:
    from collections.abc import Mapping


def make_progress(
    stream: TextIO, environ: Mapping[str, str], *, verbose: bool, quiet: bool, interactive: bool = True
) -> Progress:
    """The reporter that fits the stream: live only on a terminal, and not in CI."""
    colour = wants_colour(stream, environ)
    live = interactive and stream.isatty() and environ.get("TERM") != "dumb" and not environ.get("CI") and not quiet
    if live:
        from lockproof.reporters.live import LiveProgress  # rich takes 70 ms

        return LiveProgress(stream, colour=colour, verbose=verbose)
    return Progress(stream, colour=colour, verbose=verbose, quiet=quiet)
