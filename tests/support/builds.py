"""What tests of builds share: setuptools from virtualenv's own wheels, which are at hand without any index."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename

from lockproof.locks.artifacts import Artifact
from support.wheels import sha256_of

if TYPE_CHECKING:
    from lockproof.wheels.store import Store, StoreEntry

FIRST_WITH_BDIST_WHEEL = 70  # the major version since which setuptools needs no `wheel`


def setuptools_wheel() -> Path:
    """The newest setuptools that virtualenv has with it."""
    import virtualenv.seed.wheels.embed as embedded

    found = Path(embedded.__file__ or "").parent.glob("setuptools-*.whl")
    newest = max(found, key=lambda path: parse_wheel_filename(path.name)[1])
    assert parse_wheel_filename(newest.name)[1].major >= FIRST_WITH_BDIST_WHEEL
    return newest


def stored(store: Store, wheel: Path) -> StoreEntry:
    """A wheel, put into a store."""
    name, version, *_ = parse_wheel_filename(wheel.name)
    artifact = Artifact(name=name, version=str(version), filename=wheel.name, sha256=sha256_of(wheel))

    def fetch(folder: Path) -> Path:
        return Path(shutil.copy(wheel, folder / artifact.sha256))

    return store.ensure(artifact, fetch)
