"""Every tamper of the catalogue is found and named; and the command that asks other tools about them works."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof.wheels.store import Store
from support.environments import Made, make_proven, running

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from tampers.catalogue import TAMPERS, Tamper
from tampers.peers import DISTRIBUTION, FILE, NOTHING
from tampers.run import OURS, document, markdown, try_tampers
from tampers.stage import Stage, make_wheels
from tampers.tricks import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

SAMPLE = (
    "a byte appended to a module",
    "a requirement added to METADATA, RECORD forged",
    "a sitecustomize.py",
    "a distribution that isn't locked",
)


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("tampers").resolve()
    make_wheels(folder / "wheels")
    wheels = sorted((folder / "wheels").iterdir())
    made = make_proven(wheels, folder / "environment", Store(folder / "store"))
    shutil.copytree(made.folder, folder / "pristine", symlinks=True)
    return made


@pytest.fixture
def subject(proven: Made) -> Iterator[Subject]:
    subject = Subject(folder=proven.folder, python=running().executable)
    yield subject
    shutil.rmtree(subject.folder)
    shutil.rmtree(subject.beside)
    shutil.copytree(subject.folder.with_name("pristine"), subject.folder, symlinks=True)


def cases() -> Iterator[object]:
    for tamper in TAMPERS:
        yield pytest.param(tamper, id=f"{tamper.family}: {tamper.name}")


@pytest.mark.parametrize("tamper", list(cases()))
def test_it_is_found_and_named(proven: Made, subject: Subject, tamper: Tamper) -> None:
    tamper.do(subject)
    proof = proven.prove()
    told = [f"{finding.path}: {finding.message}" for finding in proof.findings if finding.level == "mismatch"]
    assert proof.verdict == "mismatch"
    assert [line for line in told if any(word in line for word in (*tamper.words, *tamper.distribution.split()))], told


def test_the_command(tmp_path: Path, python: dict[str, Path]) -> None:
    """With the tools of the project's own environment: pip and uv, whose answers are known."""
    scripts = Path(sys.executable).parent
    if not ((scripts / "pip").exists() and (scripts / "uv").exists()):
        pytest.skip("pip and uv aren't installed beside the Python that runs the tests")
    ((version, executable),) = python.items()
    stage = Stage(folder=tmp_path.resolve() / "stage", python=executable, version=version, tools=scripts)
    told: list[str] = []
    outcome = try_tampers(stage, [tamper for tamper in TAMPERS if tamper.name in SAMPLE], told.append)
    assert tuple(told) == SAMPLE
    noticed = {tamper.name: {tool: a.noticed for tool, a in by.items()} for tamper, by in outcome.answers.items()}
    columns = ("pip check", "uv pip sync --dry-run", "uv sync --check", OURS)
    assert {name: tuple(by[tool] for tool in columns) for name, by in noticed.items()} == dict(
        zip(
            SAMPLE,
            [
                (NOTHING, NOTHING, NOTHING, FILE),
                (DISTRIBUTION, NOTHING, NOTHING, FILE),
                (NOTHING, NOTHING, NOTHING, FILE),
                (NOTHING, DISTRIBUTION, DISTRIBUTION, FILE),
            ],
            strict=True,
        )
    )
    assert outcome.missed() == []
    text, data = markdown(outcome, version), document(outcome, stage.folder)
    assert all(f"| {name} | " in text for name in SAMPLE)
    for name in ("pip-audit", "envstamp"):
        assert (scripts / name).exists() or f"{name} could not be asked: not installed here." in text
    assert str(tmp_path) not in repr(data)
