from __future__ import annotations

from typing import TYPE_CHECKING

from lockproof.errors import UnavailableError
from lockproof.locks.artifacts import Artifact
from lockproof.running.preparation import Fetching
from lockproof.wheels.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from lockproof.indexes.download import Downloader


def no_downloader() -> Downloader:
    raise AssertionError("nothing is to be downloaded")


def test_an_sdist_is_never_taken_for_a_wheel(tmp_path: Path) -> None:
    sdist = Artifact(name="pure", version="1.0", filename="pure-1.0.tar.gz", sha256="0" * 64, where="r.txt:1")
    fetching = Fetching(Store(tmp_path), no_downloader, lambda *_: None)
    error = fetching.bring([sdist])[sdist.sha256]
    assert isinstance(error, UnavailableError)
    assert (error.what, error.where) == ("pure-1.0.tar.gz would have to be built, which isn't done here", "r.txt:1")
    assert (fetching.brought, list(tmp_path.iterdir())) == (0, [])
