"""What is remembered of predictions is the same as what would be worked out, and is used only where all of it fits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lockproof.proof.prediction import settle
from lockproof.pythons.layout import layout_for
from lockproof.running.predictions import Predictions
from lockproof.wheels.launchers import EntryPointScript
from lockproof.wheels.manifest import LandingFile, Manifest

if TYPE_CHECKING:
    from pathlib import Path

    from lockproof.proof.fingerprint import Fingerprint


def wheel(name: str, sha256: str, *launchers: EntryPointScript) -> Manifest:
    return Manifest(
        name=name,
        version="1",
        filename=f"{name}-1-py3-none-any.whl",
        sha256=sha256 * 64,
        dist_info=f"{name}-1.dist-info",
        files=(LandingFile(f"site/{name}/é.py", f"{name}/é.py", sha256 * 64, 3, executable=False),),
        launchers=launchers,
        startup=(f"site/{name}.pth\0import {name}",),
    )


WHEELS = (wheel("a", "1", EntryPointScript("tool", "a", "main", gui=False)), wheel("b", "2"))


def predicted(
    folder: Path | None,
    wheels: tuple[Manifest, ...] = WHEELS,
    *,
    python: str = "3.11.7",
    os_name: str = "linux",
    locked: dict[str, tuple[str, str]] | None = None,
) -> Fingerprint:
    return Predictions(folder=folder).predict(
        wheels,
        layout_for(python, os_name),
        python=python,
        os_name=os_name,
        interpreter={"version": python},
        interpreter_layer="sha256:3",
        locked=locked or {},
    )


@pytest.fixture
def worked_out(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The Pythons of all predictions that were not remembered."""
    done = []

    def noted(wheels: object, layout: object, python: str, *rest: object) -> object:
        done.append(python)
        return settle(wheels, layout, python, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("lockproof.running.predictions.settle", noted)
    return done


def test_what_is_remembered_is_what_is_worked_out(tmp_path: Path, worked_out: list[str]) -> None:
    alone = predicted(None)

    assert [predicted(tmp_path), predicted(tmp_path)] == [alone, alone]
    assert worked_out == ["3.11.7"]


@pytest.mark.parametrize(
    "another",
    [
        {"python": "3.12.1"},
        {"os_name": "windows"},
        {"wheels": WHEELS[:1]},
        {"wheels": (replace(WHEELS[0], sha256="4" * 64), WHEELS[1])},
        {"wheels": (replace(WHEELS[0], version="2"), WHEELS[1])},
        {"locked": {"a": ("a-1.tar.gz", "5" * 64)}},
    ],
    ids=["Python", "system", "wheels", "bytes", "version", "sdist"],
)
def test_another_question_has_another_answer(tmp_path: Path, worked_out: list[str], another: dict[str, object]) -> None:
    first = predicted(tmp_path)

    assert predicted(tmp_path, **another) == predicted(None, **another) != first  # type: ignore[arg-type]
    assert len(worked_out) == 2


@pytest.mark.parametrize("damage", [b"", b"[]", b'["0", "{}"]', b"\xff", b"[" * 100_000])
def test_what_is_damaged_is_worked_out_again(tmp_path: Path, worked_out: list[str], damage: bytes) -> None:
    first = predicted(tmp_path)
    [kept] = tmp_path.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(damage or whole.replace(b"sha256:", b"sha255:"))

    assert predicted(tmp_path) == first
    assert (len(worked_out), kept.read_bytes()) == (2, whole)


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path: Path, worked_out: list[str]) -> None:
    (tmp_path / "file").write_bytes(b"")

    assert predicted(tmp_path / "file") == predicted(tmp_path / "file") == predicted(None)
    assert len(worked_out) == 2
