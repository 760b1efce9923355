"""What a build leaves behind, by sources that fail before anything is built. More of it in the integration tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

import pytest

from lockproof.build.builds import Bench, Source, built_wheel, write_record
from lockproof.errors import LockError, UnavailableError
from lockproof.running.process import Processes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lockproof.pythons.interpreters import Interpreter


def fail_after(leave: Callable[[Path], object], folder: Path) -> None:
    def unpack(tree: Path) -> int:
        leave(tree)
        raise LockError("enough")

    bench = Bench(
        folder=folder,
        log=folder.with_suffix(".log"),
        interpreter=cast("Interpreter", None),
        requirements=(),
        lock="",
        processes=Processes(),
        app_data=folder,
    )
    with (
        pytest.raises(LockError, match="enough"),
        built_wheel(Source(what="x", name="x", version="1", unpack=unpack), bench),
    ):
        pass


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is closed to this user")
def test_folders_that_nobody_may_enter_are_removed(tmp_path: Path) -> None:
    def leave(tree: Path) -> None:
        (tree / "closed" / "below").mkdir(parents=True)
        (tree / "closed" / "below" / "file").touch()
        (tree / "closed" / "below").chmod(0o000)
        (tree / "closed").chmod(0o000)

    fail_after(leave, tmp_path / "build")
    assert not (tmp_path / "build").exists()


def test_what_a_build_links_to_stays_as_it_is(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    outside.chmod(0o555)
    fail_after(lambda tree: (tree / "link").symlink_to(outside), tmp_path / "build")
    assert (outside.stat().st_mode & 0o777, (tmp_path / "build").exists()) == (0o555, False)


def test_a_store_that_can_not_note_a_build_is_told(tmp_path: Path) -> None:
    (tmp_path / "builds").write_text("a file")
    with pytest.raises(UnavailableError) as raised:
        write_record(tmp_path / "builds" / "key.json", {"filename": "x.whl"})
    assert (raised.value.what, raised.value.where) == (
        "what was built can't be noted in the store",
        str(tmp_path / "builds" / "key.json"),
    )
    write_record(tmp_path / "new" / "key.json", {"filename": "x.whl"})
    assert (tmp_path / "new" / "key.json").read_text() == '{"filename": "x.whl"}'
