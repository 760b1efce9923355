"""The closure of cells, as a run and a prediction tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.reports import proof_of

if TYPE_CHECKING:
    from support.projects import Project
    from support.reports import Json

pytestmark = pytest.mark.integration


def notes_in(found: Json) -> list[tuple[str, str]]:
    """(code, path) of the findings, all of which are notes."""
    findings = found["findings"]
    assert isinstance(findings, list)
    assert {finding["level"] for finding in findings} <= {"note"}
    return [(finding["code"], finding["path"]) for finding in findings]


def test_a_lock_that_lacks_a_dependency(project: Project) -> None:
    """Told by each command, from the wheels or from what is remembered; it changes no verdict."""
    first = next(iter(project.pythons))
    project.wheel("app", "1.0", requires=["lib>=2", f"other; python_full_version == '{first}'"])
    project.wheel("lib", "1.0")
    project.lock()
    project.matrix()
    ids = [str(cell["id"]) for cell in project.run("--install-only").cells]
    notes = [
        f"note: app 1.0 requires lib>=2, and lib 1.0 is there ({', '.join(ids)})",
        f"note: app 1.0 requires other, which is not there ({ids[0]})",
    ]
    path = "site/app-1.0.dist-info/METADATA"
    for _ in range(2):  # the second time nothing is read again
        ran = project.run("--install-only")
        assert (ran.statuses, ran.ended.code) == (["passed", "passed"], 0)
        assert [line for line in ran.ended.err.splitlines() if line.startswith("note")] == notes
        assert [notes_in(proof_of(cell)) for cell in ran.cells] == [[("requires", path)] * 2, [("requires", path)]]
        assert [proof_of(cell)["verdict"] for cell in ran.cells] == ["match", "match"]
    for kept in project.cache.glob("closures/*.json"):
        kept.write_text("[1]")  # no answer
    ended = project("predict")
    assert (ended.code, ended.err.splitlines()) == (0, notes)
    assert notes_in(project.json("predict", ids[1])) == [("requires", path)]


def test_metadata_comes_from_the_archive_where_the_stores_copy_was_changed(small: Project) -> None:
    small.wheel("app", "1.0", requires=["lib"])
    small.lock()
    small.matrix()
    assert small("predict").code == 0
    for path in (*small.cache.glob("closures/*.json"), *small.cache.glob("store/wheels/*/*/tree/site/*/METADATA")):
        path.unlink()
    assert "app 1.0 requires lib, which is not there" in small("predict").err
