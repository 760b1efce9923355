"""`lockproof compare`: what a difference between environments means, in a sentence, by distribution and by file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from support.projects import Project, make_project
from support.reports import is_right

if TYPE_CHECKING:
    from pathlib import Path

    from support.reports import Json

pytestmark = pytest.mark.integration


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two checkouts of one project: their environments, by Python, and saved fingerprints of the first's."""

    project: Project
    first: list[Path]
    second: list[Path]
    saved: list[Path]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, pythons: dict[str, Path], warm: Path) -> Pair:
    project = make_project(tmp_path_factory.mktemp("compare"), pythons, warm=warm)
    project.sample()
    project.lock()
    project.matrix(commands=["plain"])
    ran = project.run()
    is_right(ran)
    other = project.checkout(project.base / "a second checkout")
    again = other.run()
    is_right(again)
    first = [project.environment(ran, python) for python in pythons]
    saved = []
    for number, folder in enumerate(first):
        saved.append(project.base / f"saved-{number}.json")
        saved[-1].write_text(json.dumps(project.json("fingerprint", str(folder))))
    return Pair(
        project=project, first=first, second=[other.environment(again, python) for python in pythons], saved=saved
    )


def only(document: Json) -> Json:
    (comparison,) = document["comparisons"]  # type: ignore[misc]
    return comparison  # type: ignore[no-any-return,has-type]


def test_two_checkouts_are_identical(pair: Pair) -> None:
    for left, right in (
        (pair.first[0], pair.second[0]),
        (pair.saved[0], pair.second[0]),
        (pair.saved[0], pair.saved[0]),
    ):
        document = pair.project.json("compare", str(left), str(right))
        found = only(document)
        assert (document["relation"], found["relation"]) == ("identical", "identical")
        differences = ("layers", "only_left", "only_right", "files", "interpreter", "startup", "findings")
        assert [found[key] for key in differences] == [[]] * len(differences)
    ended = pair.project("compare", str(pair.first[0]), str(pair.second[0]))
    assert (ended.code, ended.out.splitlines()[0].partition(":")[0]) == (0, "identical")
    assert len(ended.out.splitlines()) == 1


def test_two_pythons_have_the_same_lock_and_differ_where_their_wheels_do(pair: Pair) -> None:
    for left, right in ((pair.first[0], pair.first[1]), (pair.saved[0], pair.saved[1])):
        document = pair.project.json("compare", str(left), str(right))
        found = only(document)
        assert document["relation"] == "same lock"
        assert found["layers"] == ["files", "interpreter"] or found["layers"] == ["artifacts", "files", "interpreter"]
        files = [(file["path"], file["distribution"]) for file in found["files"]]  # type: ignore[attr-defined]
        assert files == [
            ("site/native-1.0.dist-info/WHEEL", "native 1.0"),
            ("site/native.py", "native 1.0"),
        ]
        assert (found["only_left"], found["only_right"], found["startup"], found["findings"]) == ([], [], [], [])
        facts = {fact["fact"]: (fact["left"], fact["right"]) for fact in found["interpreter"]}  # type: ignore[attr-defined]
        assert facts["version"] == tuple(pair.project.pythons)
    ended = pair.project("compare", str(pair.first[0]), str(pair.first[1]))
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0].startswith("same lock: ")
    assert "  native 1.0: 2 files" in lines


def test_a_tampered_environment_has_drifted(pair: Pair, tmp_path: Path) -> None:
    tampered = pair.project.checkout(tmp_path / "tampered")
    tampered.matrix(commands=["plain"], link="copy")
    ran = tampered.run()
    is_right(ran)
    folder, other = (tampered.environment(ran, python) for python in tampered.pythons)
    (module,) = folder.glob("lib/python*/site-packages/every.py")
    module.write_text("E = 2\n")
    for left, right in ((pair.first[0], folder), (pair.saved[0], folder), (folder, other)):
        document = pair.project.json("compare", str(left), str(right), code=3)
        found = only(document)
        assert document["relation"] == "drift"
        assert "site/every.py" in str(found["why"])
        files = {file["path"]: file["distribution"] for file in found["files"]}  # type: ignore[attr-defined]
        assert files["site/every.py"] == "every-scheme 2.0.post1"
    ended = pair.project("compare", str(pair.first[0]), str(folder))
    assert (ended.code, ended.out.splitlines()[0].partition(":")[0]) == (3, "drift")
    assert "site/every.py" in ended.out


def test_the_first_is_compared_with_each_of_the_others_and_the_weakest_counts(pair: Pair) -> None:
    document = pair.project.json("compare", str(pair.first[0]), str(pair.saved[0]), str(pair.saved[1]))
    assert document["relation"] == "same lock"
    assert [found["relation"] for found in document["comparisons"]] == ["identical", "same lock"]  # type: ignore[attr-defined]


def test_other_distributions_are_drift(pair: Pair, tmp_path: Path) -> None:
    other = pair.project.checkout(tmp_path / "other")
    other.wheels = [wheel for wheel in other.wheels if not wheel.name.startswith("every")]
    other.wheel("another", "3.0")
    other.lock()
    ran = other.run()
    is_right(ran)
    document = pair.project.json(
        "compare", str(pair.first[0]), str(other.environment(ran, next(iter(other.pythons)))), code=3
    )
    assert document["relation"] == "drift"
    found = only(document)
    assert (found["only_left"], found["only_right"]) == (["every-scheme==2.0.post1"], ["another==3.0"])


def test_a_saved_fingerprint_that_was_altered_is_refused(pair: Pair, tmp_path: Path) -> None:
    original = json.loads(pair.saved[0].read_text())
    altered = tmp_path / "altered.json"

    def refuse(document: object) -> None:
        altered.write_text(document if isinstance(document, str) else json.dumps(document))
        ended = pair.project("compare", str(pair.saved[0]), str(altered))
        assert (ended.code, ended.out) == (2, ""), document
        assert "altered.json" in ended.err

    refuse({**original, "files": {**original["files"], "site/native.py": ["f", "0" * 64, 1]}})
    refuse({**original, "digest": "sha256:" + "0" * 64})
    refuse({**original, "layers": {**original["layers"], "files": "sha256:" + "0" * 64}})
    refuse({**original, "distributions": original["distributions"][1:]})
    refuse({**original, "startup": []})
    refuse({**original, "interpreter": {**original["interpreter"], "version": "3.0.0"}})
    refuse({**original, "schema": "lockproof/fingerprint/v9"})
    refuse({})
    refuse([])
    refuse("{")
    refuse("[" * 100_000)


def test_one_target_is_not_enough(pair: Pair) -> None:
    ended = pair.project("compare", str(pair.first[0]))
    assert (ended.code, ended.out) == (2, "")
    assert "compare needs two targets" in ended.err
