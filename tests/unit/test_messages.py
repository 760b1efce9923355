"""What goes between client and worker: it comes out as it went in, and anything else is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lockproof.cells.policykeys import Policy, Seed
from lockproof.cluster.messages import Answer, Request, answer_from_json, answer_to_json, request_from_json
from lockproof.cluster.messages import request_to_json as to_json
from lockproof.errors import UnavailableError
from lockproof.locks.artifacts import Artifact, Plan
from lockproof.proof.fingerprint import Finding
from support.lockdata import cell
from support.outcomes import MATCH, command, outcome

SDIST = Artifact(name="demo", version="1.0", filename="demo-1.0.tar.gz", sha256="b" * 64, where="pylock.toml:3")
WHEEL = Artifact(
    name="demo", version="1.0", filename="demo-1.0-py3-none-any.whl", sha256="a" * 64, size=9, built_from=SDIST
)
CELL = replace(
    cell(extras=("x",), groups=("test",)),
    on_host=True,
    commands=("pytest {posargs}",),
    env={"A": "1"},
    pass_env=("CI",),
    timeout=2.5,
    axes={"kind": "a"},
    policy=Policy(seeds=(Seed("pip", "26.3"), Seed("wheel")), interpreter="build"),
)
REQUEST = Request(
    version="0.1.0",
    project="c" * 64,
    plan=Plan(cell=CELL, artifacts=(WHEEL,), selector="packaging 26.3"),
    lock_sha256="d" * 64,
    files={"a.py": "f " + "e" * 64, "odd\udcff": "l elsewhere"},
    tracked=False,
    installed="demo",
    variables={"CI": "1"},
    posargs=("-k", "x"),
    recreate=True,
)


def test_a_request_comes_out_as_it_went_in() -> None:
    assert request_from_json(json.loads(json.dumps(to_json(REQUEST)))) == REQUEST


def test_urls_stay_at_home() -> None:
    secret = replace(WHEEL, urls=("https://me:secret@index.invalid/demo.whl",))
    request = replace(REQUEST, plan=replace(REQUEST.plan, artifacts=(secret,)))
    assert "secret" not in json.dumps(to_json(request))


def written(**changes: object) -> str:
    told = replace(MATCH, findings=(Finding("project-changed", "a.py", "was changed", "note"),))
    result = outcome("passed", proof=told, commands=(command(),), seconds={"run": 1.5}, link="hardlink")
    return json.dumps({**answer_to_json(result, {"version": "3.12.1"}, b"said \xff\n"), **changes})


def observed_whole(text: str) -> str:
    """The text with an observation whose digests are those of its content."""
    data = json.loads(text)
    return json.dumps({**data, "observed": None})


def test_an_answer_comes_out_as_it_went_in() -> None:
    assert answer_from_json(observed_whole(written()), "tcp://a:1", "/here.log") == Answer(
        status="passed",
        interpreter={"version": "3.12.1"},
        findings=(Finding("project-changed", "a.py", "was changed", "note"),),
        commands=(command(log="/here.log"),),
        seconds={"run": 1.5},
        link="hardlink",
        log=b"said \xff\n",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "skipped"},
        {"status": None},
        {"commands": [["pytest", 0, 1.0, ""]]},
        {"commands": [[["pytest"], True, 1.0, ""]]},
        {"commands": [[["pytest"], 0, "1", ""]]},
        {"error_code": "0"},
        {"status": "error", "error_code": 7},
        {"status": "error", "error_code": -1},
        {"seconds": []},
        {"findings": [{"code": "x"}]},
        {"observed": {}},
        {"observed": {"schema": "lockproof/fingerprint/v1"}},
        {"interpreter": ["3.12.1"]},
    ],
)
def test_an_answer_of_another_form_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UnavailableError, match="a worker's answer can't be read") as caught:
        answer_from_json(json.dumps({**json.loads(observed_whole(written())), **changes}), "tcp://a:1", "/here.log")
    assert caught.value.where == "tcp://a:1"


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", "[" * 100_000])
def test_what_is_no_answer_at_all_is_refused(text: str) -> None:
    with pytest.raises(UnavailableError):
        answer_from_json(text, "tcp://a:1", "/here.log")
