"""The options of `lockproof ci`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockproof.relocking.lockoptions import Repeated

if TYPE_CHECKING:
    import argparse


def add_ci_options(ci: argparse.ArgumentParser) -> None:
    """What files and documents of a service are made of."""
    ci.add_argument("service", metavar="SERVICE", choices=("github", "gitlab"), help="github or gitlab")
    ci.add_argument("-o", "--output", metavar="FILE", help="write the file there; with --check, read it from there")
    ci.add_argument("--check", action="store_true", help="change nothing: does the committed file fit the matrix?")
    ci.add_argument("--json", action="store_true", help="github: only the matrix, as JSON in one line for fromJSON")
    ci.add_argument("--part", metavar="N", type=int, default=0, help="the N-th matrix of more than 256 cells")
    ci.add_argument("--child", action="store_true", help="gitlab: only the child pipeline")
    text = "the label of the runner for a platform (repeatable)"
    ci.add_argument("--runner", action=Repeated, metavar="PLATFORM=LABEL", default=[], help=text)
    ci.add_argument("--install", metavar="COMMAND", help="what makes lockproof a program of a job")
    ci.add_argument("--branch", metavar="NAME", default="main", help="github: the branch whose pushes run it")
