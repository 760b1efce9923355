"""Workflow commands and Markdown: nothing in a message can end them early or say something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lockproof.errors import UsageError
from lockproof.proof.fanin import gather
from lockproof.reporters.fanin import fan_in_text
from lockproof.reporters.github import Annotation, of_error, summary_file
from support.outcomes import ESCAPE, fingerprint

if TYPE_CHECKING:
    from pathlib import Path


def test_a_command_is_one_line_whatever_is_in_it() -> None:
    evil = Annotation("a,b:c.yml", 3, "t,itle::error::x", "100%\n::set-output name=x::y\r" + ESCAPE)
    command = evil.command()
    assert command.startswith(
        "::error file=a%2Cb%3Ac.yml,line=3,title=t%2Citle%3A%3Aerror%3A%3Ax::100%25%0A::set-output"
    )
    assert command.isprintable()
    assert Annotation("", 0, "t", "m").command() == "::error title=t::m"


def test_lines_of_an_error_that_name_a_file_become_annotations(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "matrix.yaml").write_text("")
    text = "matrix.yaml:3: python[0]: found 3.1\n  matrix.yaml:7:2: more\nnowhere.yaml:1: x\nhttp://h:80: y\n  a remedy"
    assert of_error(text, (tmp_path / "sub",), tmp_path, "t") == [
        Annotation("sub/matrix.yaml", 3, "t", "python[0]: found 3.1"),
        Annotation("sub/matrix.yaml", 7, "t", "more"),
    ]


def test_a_summary_needs_a_file() -> None:
    with pytest.raises(UsageError, match="GITHUB_STEP_SUMMARY is not set"):
        summary_file({})


def test_a_fan_in_in_words() -> None:
    about = {"cell": "a", "python": "3.12.1", "platform": "linux-x86_64", "selector": "s"}
    result = gather(
        {"a": fingerprint(about=about), "bb": fingerprint()},
        {},
        [("1", fingerprint(about=about)), ("2", fingerprint())],
    )
    assert fan_in_text(result, verbose=False) == (
        "a   match\n"
        "bb  missing   there is no fingerprint of it: its job did not hand one in\n"
        "2: it doesn't say which cell it is of\n"
        "2 cells: 1 match, 1 missing, 1 that belong nowhere; exit code 3\n"
    )
