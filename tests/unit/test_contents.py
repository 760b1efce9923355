"""The bytes behind facts: only those that have the digest, wherever they lie; nothing is followed, nothing blocks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lockproof.reading.contents import folder_contents, nothing, wheel_contents
from lockproof.wheels.store import Store
from support.environments import stored
from support.fingerprints import plain
from support.wheels import make_wheel

if TYPE_CHECKING:
    from pathlib import Path


def test_files_of_an_environment_are_found_by_their_logical_paths(tmp_path: Path) -> None:
    places = {
        "site/demo/core.py": "lib/python3.12/site-packages/demo/core.py",
        "scripts/tool": "bin/tool",
        "data/share/x": "share/x",
    }
    for logical, real in places.items():
        (tmp_path / real).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / real).write_text(logical)
    read = folder_contents(tmp_path)
    for logical in places:
        assert read(logical, plain(logical)) == logical.encode()
        assert read(logical, plain("another")) is None
    assert read("site/gone.py", plain("gone")) is None
    assert read("odd", plain("odd")) is None
    assert nothing("site/demo/core.py", plain("site/demo/core.py")) is None


def test_a_link_or_a_pipe_is_not_read(tmp_path: Path) -> None:
    site = tmp_path / "lib/python3.12/site-packages"
    site.mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (site / "link.py").symlink_to(tmp_path / "secret")
    os.mkfifo(site / "pipe.py")
    (site / "folder.py").mkdir()
    read = folder_contents(tmp_path)
    assert [read(f"site/{name}.py", plain("secret")) for name in ("link", "pipe", "folder", "nul\0")] == [None] * 4


def test_files_of_wheels_are_found_by_their_digests(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "demo", "1.0", {"demo/core.py": "x = 1\n"})
    [entry] = stored(Store(tmp_path / "store"), [wheel])
    read = wheel_contents([entry])
    assert read("site/demo/core.py", plain("x = 1\n")) == b"x = 1\n"
    assert read("site/demo/core.py", plain("x = 2\n")) is None
    entry.archive.unlink()
    assert wheel_contents([entry])("site/demo/core.py", plain("x = 1\n")) is None
