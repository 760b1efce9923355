"""Folders that hold nothing, and what Python takes them for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from lockproof.proof.fingerprint import Finding
from lockproof.pythons.layout import layout_for
from lockproof.reading.phantoms import phantom_findings

if TYPE_CHECKING:
    from lockproof.reading.readtree import ReadTree

LAYOUT = layout_for("3.12.1", "linux")
SITE, INFO = LAYOUT.site, f"{LAYOUT.site}/demo-1.0.dist-info"
METADATA = b"Name: demo\nRequires-Dist: Simple_JSON>=3 ; extra == 'fast'\nrequires-dist: six\n\nRequires-Dist: prose\n"
EMPTY = Finding("empty-folder", "", "is a folder without files", "note")


def found(*empty: str, files: tuple[str, ...] = ()) -> list[Finding]:
    inside = {f"{SITE}/{path}": ("0" * 64, 1, 0o644, None) for path in ("demo/core.py", *files)}
    tree = SimpleNamespace(
        files={**inside, f"{INFO}/METADATA": ("0" * 64, 1, 0o644, None)},
        links={},
        empty=[f"{SITE}/{path}" for path in empty] + ["share/nothing"],
        texts={f"{INFO}/METADATA": METADATA},
    )
    orphans = [f"{SITE}/{path}" for path in files if path.endswith(".pyc")]
    return list(phantom_findings(cast("ReadTree", tree), LAYOUT, {INFO}, orphans))


def imported(name: str) -> Finding:
    text = f"has no module in it, and makes `import {name}` succeed: {name} may be required"
    return Finding("phantom", f"site/{name}", text)


def distribution(name: str) -> Finding:
    return Finding("phantom", f"site/{name}", "is taken for a distribution, and is none")


@pytest.mark.parametrize("name", ["ghost-1.0.dist-info", "Ghost.egg-info", "GHOST-1.DIST-INFO"])
def test_an_empty_folder_of_metadata_is_a_distribution(name: str) -> None:
    assert found(name) == [distribution(name)]
    assert found(f"{name}/licenses") == [distribution(name)]
    assert found(files=(f"{name}/__pycache__/x.cpython-312.pyc",)) == [distribution(name)]


def test_an_empty_folder_of_a_name_that_may_be_required_is_imported() -> None:
    assert found("six", "simple_json") == [imported("simple_json"), imported("six")]
    assert found(files=("six/__pycache__/x.cpython-312.pyc",)) == [imported("six")]
    assert found("prose", "demo/sub", "demo-1.0.dist-info/licenses") == [
        EMPTY._replace(path=f"site/{path}") for path in ("prose", "demo/sub", "demo-1.0.dist-info/licenses")
    ]


def test_python_looks_beside_a_script_too() -> None:
    tree = SimpleNamespace(
        files={f"{INFO}/METADATA": ("0" * 64, 1, 0o644, None)},
        links={"bin/python": "/usr/bin/python3"},
        empty=["bin/six", "bin/ghost.dist-info", "bin/prose"],
        texts={f"{INFO}/METADATA": METADATA},
    )
    assert list(phantom_findings(cast("ReadTree", tree), LAYOUT, {INFO}, [])) == [
        distribution("ghost.dist-info")._replace(path="scripts/ghost.dist-info"),
        imported("six")._replace(path="scripts/six"),
        EMPTY._replace(path="scripts/prose"),
    ]


def test_a_folder_with_files_is_what_they_are() -> None:
    assert found("six/sub", files=("six/__init__.py",)) == [EMPTY._replace(path="site/six/sub")]
    assert found(files=("ghost.dist-info/RECORD", "demo/__pycache__/core.cpython-312.pyc")) == []
