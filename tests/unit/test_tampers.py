"""How the answers of other tools to a tamper are judged, and what is written of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from tampers.catalogue import TAMPERS, Tamper
from tampers.peers import DISTRIBUTION, FILE, HANGS, NOTHING, SOMETHING, judge
from tampers.run import BEGIN, END, main, written_into
from tampers.stage import Ended

TAMPER = Tamper(family="Any", name="any", words=("plain/a.py",), distribution="plain", do=lambda _: None)
HONEST = Ended(code=0, output="checked in 12ms\nplain 1.0\n")


@pytest.mark.parametrize(
    ("code", "output", "noticed"),
    [
        (0, "checked in 1.5s\nplain 1.0\n", NOTHING),
        (0, "checked in 3ms\nplain 1.0\nmore\n", SOMETHING),
        (0, "checked in 3ms\n", DISTRIBUTION),
        (0, "checked in 3ms\nplain 1.0\nplain-er and complain\n", SOMETHING),
        (1, "checked in 3ms\nplain 1.0\n", SOMETHING),
        (1, "checked in 3ms\nplain 1.0\nplain is missing\n", DISTRIBUTION),
        (1, "checked in 3ms\nplain 1.0\nplain: site/plain/a.py\n", FILE),
        (None, "", HANGS),
    ],
)
def test_an_answer_is_held_against_that_of_the_honest_environment(code: int | None, output: str, noticed: str) -> None:
    answer = judge(TAMPER, HONEST, Ended(code=code, output=output))
    assert (answer.noticed, answer.code, answer.output) == (noticed, code, output)


@pytest.mark.parametrize("key", ["packages", "dependencies"])
def test_of_a_list_of_packages_each_is_a_line(key: str) -> None:
    def said(version: str) -> Ended:
        listed = {"total": version, key: [{"name": "plain", "version": version}, {"name": "b"}]}
        return Ended(code=0, output=f"none known\n{json.dumps(listed, indent=1)}")

    assert judge(TAMPER, said("1"), said("1")).noticed == NOTHING
    assert judge(TAMPER, said("1"), said("2")).noticed == DISTRIBUTION


def test_every_tamper_is_there_once() -> None:
    names = [(tamper.family, tamper.name) for tamper in TAMPERS]
    assert len(names) == len(set(names)) >= 50


def test_tables_are_written_between_the_markers() -> None:
    assert written_into(f"a\n{BEGIN}\nold\n{END}\nb\n", "new\n") == f"a\n{BEGIN}\n\nnew\n\n{END}\nb\n"
    with pytest.raises(ValueError, match="once each"):
        written_into(f"a\n{END}\n{BEGIN}\n", "new")


def test_a_python_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--python", "3.99", "--work", str(tmp_path)]) == 2
    assert "is here" in capsys.readouterr().err
