"""Programs in machine code that wheels bring as scripts: copied as they are, of any size."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from lockproof.errors import LockError
from lockproof.wheels import unpack
from lockproof.wheels.manifest import LandingFile
from support.wheels import make_wheel, sha256_of

if TYPE_CHECKING:
    from pathlib import Path


def test_a_program_may_be_larger_than_any_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "_TEXT_LIMIT", 5000)
    program = b"\x7fELF" + bytes(range(256)) * 40
    wheel = make_wheel(tmp_path, "tool", "1.0", scripts={"tool": program})
    with unpack.WheelArchive(wheel, wheel.name, sha256_of(wheel)) as archive:
        manifest = archive.unpack(tmp_path / "out")
    landing = LandingFile(
        "scripts/tool", "tool-1.0.data/scripts/tool", hashlib.sha256(program).hexdigest(), len(program), executable=True
    )
    assert [file for file in manifest.files if file.path.startswith("scripts/")] == [landing]
    assert manifest.scripts == ()
    assert (tmp_path / "out" / "tree" / "scripts" / "tool").read_bytes() == program


def test_a_script_of_python_is_a_text_and_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "_TEXT_LIMIT", 5000)
    wheel = make_wheel(tmp_path, "tool", "1.0", scripts={"tool": b"#!python\n" + b"#" * 5000})
    with unpack.WheelArchive(wheel, wheel.name, sha256_of(wheel)) as archive, pytest.raises(LockError) as caught:
        archive.unpack(tmp_path / "out")
    assert str(caught.value) == (
        "the wheel tool-1.0-py3-none-any.whl can't be installed: "
        "its tool-1.0.data/scripts/tool is larger than any sane one (5009 bytes)\n"
        "  its bytes are what the lock says: report it to its maintainers, lock another version or build"
    )
