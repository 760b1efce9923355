"""The project's own wheels, found again in the store by what they were built from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof.build.projectwheels import KeptWheels, wheel_artifact
from lockproof.wheels.store import Store
from support.wheels import make_wheel, sha256_of

if TYPE_CHECKING:
    from lockproof.locks.artifacts import Artifact

KEY = "ab" * 32
WHERE = "the project"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def kept_in(store: Store, tmp_path: Path, files: dict[str, str], key: str = KEY) -> Artifact:
    """A wheel of `files` that the store has and that was kept under `key`."""
    wheel = make_wheel(tmp_path / "wheels", "demo", "1.0", files)
    artifact = wheel_artifact(wheel.name, sha256_of(wheel), WHERE)
    assert artifact is not None
    store.ensure(artifact, lambda folder: Path(shutil.copy(wheel, folder)))
    KeptWheels(store, WHERE).write(key, artifact)
    return artifact


def found_in(store: Store, key: str = KEY) -> Artifact | None:
    found = KeptWheels(store, WHERE).read(key)
    return found and found[0]


def test_a_wheel_is_found_by_what_it_was_built_from(store: Store, tmp_path: Path) -> None:
    artifact = kept_in(store, tmp_path, {"demo.py": ""})

    assert found_in(store) == artifact
    assert found_in(store, "cd" * 32) is None


def test_anew_finds_only_what_it_wrote_itself(store: Store, tmp_path: Path) -> None:
    artifact = kept_in(store, tmp_path, {"demo.py": ""})
    wheels = KeptWheels(store, WHERE, anew=True)

    assert wheels.read(KEY) is None
    wheels.write(KEY, artifact)
    found = wheels.read(KEY)
    assert found is not None
    assert found[0] == artifact


def test_a_wheel_that_the_store_lost_is_not_found(store: Store, tmp_path: Path) -> None:
    kept_in(store, tmp_path, {"demo.py": ""})
    shutil.rmtree(store.folder / "wheels")

    assert found_in(Store(store.folder)) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"filename": 1, "sha256": 2}', '{"filename": "x", "sha256": "y"}'])
def test_a_damaged_record_finds_nothing(text: str, store: Store, tmp_path: Path) -> None:
    kept_in(store, tmp_path, {"demo.py": ""})
    (store.folder / "builds" / f"{KEY}.json").write_text(text, encoding="utf-8")

    assert found_in(store) is None


def test_an_editable_wheel_is_found_while_its_folders_are_there(store: Store, tmp_path: Path) -> None:
    sources = tmp_path / "src"
    sources.mkdir()
    artifact = kept_in(store, tmp_path, {"demo.pth": f"{sources}\n", "other.pth": "import os\n"})
    assert found_in(store) == artifact

    sources.rmdir()
    assert found_in(store) is None


def test_what_is_no_wheel_s_name_is_no_artifact() -> None:
    assert wheel_artifact("demo.zip", "0" * 64, WHERE) is None
