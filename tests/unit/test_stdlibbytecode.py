"""Bytecode of the standard library that nothing checks is told, and no other."""

from __future__ import annotations

import os
from importlib.util import MAGIC_NUMBER
from typing import TYPE_CHECKING

import pytest

from lockproof.errors import UnavailableError
from lockproof.proof.fingerprint import Finding
from lockproof.pythons.platforms import Platform
from lockproof.pythons.probing import Probe
from lockproof.pythons.stdlibbytecode import unchecked_bytecode

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "is bytecode that would run whatever its source says"


def probe_of(root: Path) -> Probe:
    return Probe(
        executable=root / "bin/python",
        version="3.12.1",
        implementation="cpython",
        prefix=root,
        platform=Platform(os="linux", machine="x86_64"),
        facts={"cache tag": "cpython-312", "bytecode magic": MAGIC_NUMBER.hex()},
        configured_prefix="",
        stdlib=root / "lib",
        archive=None,
        lib_dynload=None,
        libpython=None,
    )


def put(root: Path, name: str, flags: int, magic: bytes = MAGIC_NUMBER) -> None:
    path = root / "lib" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(magic + flags.to_bytes(4, "little") + b"\0" * 8)


def test_only_what_runs_unchecked_is_told(tmp_path: Path) -> None:
    put(tmp_path, "json/__pycache__/decoder.cpython-312.pyc", 1)
    put(tmp_path, "__pycache__/os.cpython-312.opt-1.pyc", 1)
    put(tmp_path, "__pycache__/re.cpython-312.pyc", 0)  # checked by time and size
    put(tmp_path, "__pycache__/ast.cpython-312.pyc", 3)  # checked by hash
    put(tmp_path, "__pycache__/abc.cpython-311.pyc", 1)  # of another Python
    put(tmp_path, "__pycache__/bdb.cpython-312.pyc", 1, magic=b"old\n")
    put(tmp_path, "site-packages/__pycache__/x.cpython-312.pyc", 1)  # not the standard library's
    put(tmp_path, "json/__pycache__/odd.cpython-312.pyc/readme", 1)
    (tmp_path / "lib/linked").symlink_to(tmp_path / "lib/json")
    (tmp_path / "lib/__pycache__/cmd.cpython-312.pyc").write_bytes(b"")
    assert unchecked_bytecode(probe_of(tmp_path)) == (
        Finding("bytecode-unchecked", "stdlib/__pycache__/os.cpython-312.opt-1.pyc", TEXT),
        Finding("bytecode-unchecked", "stdlib/json/__pycache__/decoder.cpython-312.pyc", TEXT),
    )


def test_what_can_t_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "__pycache__/os.cpython-312.pyc", 0)

    def refuse(path: str, *_more: object, **_named: object) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UnavailableError) as caught:
        unchecked_bytecode(probe_of(tmp_path))
    where = tmp_path / "lib/__pycache__/os.cpython-312.pyc"
    assert str(caught.value) == f"{where}: the bytecode of Python 3.12.1 can't be read: Permission denied"


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        unchecked_bytecode(probe_of(tmp_path))
    assert caught.value.where == str(tmp_path / "lib")
