"""Where `attest` takes the passphrase of a key from."""

from __future__ import annotations

import argparse
import getpass
import io
import sys
from typing import TYPE_CHECKING

import pytest

from lockproof.commands.attest import _passphrase
from lockproof.project import Places, Project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OPTIONS = argparse.Namespace(key="id")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def project(folder: Path, **environ: str) -> Project:
    return Project(Places(folder=folder, matrix="matrix.yaml", cache=folder), environ)


def ended(_prompt: str) -> str:
    raise EOFError


@pytest.mark.parametrize(
    ("environ", "stdin", "ask", "given"),
    [
        ({"LOCKPROOF_KEY_PASSPHRASE": "é"}, io.StringIO(), ended, "é".encode()),
        ({"LOCKPROOF_KEY_PASSPHRASE": "x"}, Terminal(), ended, b"x"),
        ({"LOCKPROOF_KEY_PASSPHRASE": ""}, Terminal(), ended, b""),
        ({}, Terminal(), lambda prompt: f"{prompt}!", b"Passphrase of id: !"),
        ({}, Terminal(), ended, None),
        ({}, io.StringIO("x\n"), ended, None),
        ({}, None, ended, None),
    ],
)
def test_the_variable_then_the_terminal(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    stdin: io.StringIO | None,
    ask: Callable[[str], str],
    given: bytes | None,
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(getpass, "getpass", ask)
    assert _passphrase(OPTIONS, project(tmp_path, **environ)) == given
