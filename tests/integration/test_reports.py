"""What machines read of a run: the report in its schema, JUnit in another reader, annotations at lines of files."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING

import jsonschema  # type: ignore[import-untyped]
import pytest

if TYPE_CHECKING:
    from support.projects import Project
    from support.reports import Ran

pytestmark = pytest.mark.integration


def follows(document: object, name: str) -> None:
    schema = json.loads((files("lockproof") / "schemas" / f"{name}-v1.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)


@pytest.fixture
def ran(small: Project) -> Ran:
    """Cells that pass, fail, change what is locked, run nowhere, and lack their Python; with every report."""
    small.wheel("plain", "1.0", {"plain/__init__.py": "ANSWER = 42\n", "plain/data.txt": "some data\n"})
    small.lock()
    python = next(iter(small.pythons))
    change = small.script("import plain", "open(plain.__file__, 'a').write('# more\\n')")
    small.matrix(
        commands=["python -V", "python -c 'import plain'"],
        cells={
            "axes": {"way": {"good": {}, "bad": {"commands": ["python -V", "python -c 'raise SystemExit(7)'"]}}},
            "include": [
                {"name": "changed", "python": python, "link": "copy", "commands": [change]},
                {"name": "far", "python": python, "platform": "macos-arm64"},
                {"name": "old", "python": "3.6.0"},
            ],
        },
    )
    small.variables |= {"GITHUB_STEP_SUMMARY": str(small.base / "summary.md"), "GITHUB_WORKSPACE": str(small.base)}
    return small.run("--junit", str(small.base / "junit.xml"), "--github-summary")


def test_every_reader_gets_the_same_story(small: Project, ran: Ran) -> None:
    python = next(iter(small.pythons))
    assert ran.statuses == ["passed", "failed", "mismatch", "predicted", "unavailable"]
    follows(ran.report, "report")
    for words in (("predict", f"{python}-*-good"), ("fingerprint", f".lockproof/{python}-linux-x86_64-good")):
        follows(small.json(*words), "fingerprint")

    junitparser = pytest.importorskip("junitparser")
    read = junitparser.JUnitXml.fromfile(str(small.base / "junit.xml"))
    assert [(suite.name, suite.tests, suite.failures, suite.errors, suite.skipped) for suite in read] == [
        (f"{python}-linux-x86_64-good", 3, 0, 0, 0),
        (f"{python}-linux-x86_64-bad", 3, 1, 0, 0),
        (f"{python}-linux-x86_64-changed", 2, 1, 0, 0),
        (f"{python}-macos-arm64-far", 1, 0, 0, 1),
        ("3.6.0-linux-x86_64-old", 1, 0, 1, 0),
    ]
    assert [case.name for suite in read for case in suite if case.result] == [
        "python -c raise SystemExit(7)", "environment", "environment", "environment",
    ]  # fmt: skip
    summary = (small.base / "summary.md").read_text()
    assert summary.startswith("### lockproof run: exit code 3\n\n| cell | status |")
    assert f"| `{python}-linux-x86_64-bad` | :x: failed | match |" in summary


def test_annotations_point_to_the_lines_of_matrix_and_lock(small: Project, ran: Ran) -> None:
    python = next(iter(small.pythons))
    lines = {
        name: [
            number
            for number, line in enumerate(small.folder.joinpath(file).read_text().splitlines(), 1)
            if sign in line
        ]
        for name, file, sign in (
            ("bad", "matrix.yaml", "SystemExit(7)"),
            ("changed", "pylock.toml", "[[packages]]"),
            ("far", "matrix.yaml", '"name": "far"'),
            ("old", "matrix.yaml", '"name": "old"'),
        )
    }
    found = re.findall(r"::error file=project/([^,]+),line=(\d+),title=[^:]*-(\w+)::(.*)", ran.ended.err)
    told = {name: (file, [int(line)]) for file, line, name, _ in found}
    entry = {name: [number - 1] for name, (number,) in lines.items() if name in ("far", "old")}  # where the `{` is
    assert told == {
        "bad": ("matrix.yaml", lines["bad"]),
        "changed": ("pylock.toml", lines["changed"]),
        "far": ("matrix.yaml", entry["far"]),
        "old": ("matrix.yaml", entry["old"]),
    }
    messages = {name: message for _, _, name, message in found}
    assert messages["bad"] == "`python -c raise SystemExit(7)` ended with exit code 7"
    assert messages["changed"].startswith("site/plain/__init__.py ")
    assert python in ran.ended.err


def test_errors_before_the_run_are_annotated_too(small: Project) -> None:
    small.lock()
    small.variables |= {"GITHUB_STEP_SUMMARY": str(small.base / "summary.md")}
    small.write("matrix.yaml", 'version: 1\nlock: pylock.toml\npython: [3.10]\ncommands: ["a, b: {posargs"]\n')
    wrong = small("run", "--github-summary")
    assert wrong.code == 2
    places = re.findall(r"^::error file=([^,]+),line=(\d+),title=lockproof::", wrong.err, re.MULTILINE)
    assert places == [("matrix.yaml", "3"), ("matrix.yaml", "4")]


def test_a_summary_without_a_place_is_an_error_before_any_work(small: Project) -> None:
    small.lock()
    small.matrix(commands=["python -V"])
    nowhere = small("run", "--github-summary")
    assert nowhere.code == 2
    assert "GITHUB_STEP_SUMMARY is not set" in nowhere.err
    assert not (small.folder / ".lockproof").exists()
