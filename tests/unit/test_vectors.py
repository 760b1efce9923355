"""The specification is enough: a second implementation of it, and the published vectors, agree with this one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support import independent
from support.vectors import FOLDER, VECTORS, materialise, vector

if TYPE_CHECKING:
    from pathlib import Path


def published(name: str) -> dict[str, object]:
    document = json.loads((FOLDER / f"{name}.json").read_text())
    assert isinstance(document, dict)
    return document


def test_every_vector_is_published() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(VECTORS)


@pytest.mark.parametrize("name", VECTORS)
def test_a_vector_is_what_this_project_says(name: str, tmp_path: Path) -> None:
    assert json.loads(json.dumps(vector(name, tmp_path.resolve()))) == published(name)


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize("folder", ["env", "ënv"])
def test_a_vector_is_what_the_specification_says(name: str, folder: str, tmp_path: Path) -> None:
    root = tmp_path.resolve() / folder
    expected = published(name)
    materialise(expected["files"], root)  # type: ignore[arg-type]
    found = independent.read(root)
    lines = [line.decode("utf-8", "surrogateescape").split("\0", 2) for line in sorted(found.files)]
    assert lines == expected["lines"]
    assert sorted({line.decode("utf-8", "surrogateescape") for line in found.startup}) == expected["startup"]
    assert sorted(pin.decode() for pin in found.pins) == expected["set"]
    assert found.layers == expected["layers"]


@pytest.mark.parametrize(
    "folder", ["a folder", "$HOME", "tab\there", 'in "quotes"', "back\\slash", "back\\\\slash", "é" * 99]
)
def test_first_lines_are_taken_for_the_same_wherever_they_are(folder: str, tmp_path: Path) -> None:
    root = tmp_path.resolve() / folder
    lines = vector("scripts", root)["lines"]
    found = independent.read(root)

    assert [line.decode("utf-8", "surrogateescape").split("\0", 2) for line in sorted(found.files)] == lines


def test_the_specification_has_every_wrapper() -> None:
    from lockproof.wheels.launchers import _TEMPLATES

    pages = independent.PAGE.read_text().split("```python wrapper\n")[1:]
    assert [page.partition("```\n")[0] for page in pages] == list(_TEMPLATES)
