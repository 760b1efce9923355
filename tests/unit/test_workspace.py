"""The project's folder: what is kept there, and that no state of it can do harm."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lockproof.environments.workspace import Record, Workspace, describe_origin, read_record
from lockproof.proof.fingerprint import Finding
from support.outcomes import fingerprint

if TYPE_CHECKING:
    from pathlib import Path

SEEN = fingerprint(artifact=None)
RECORD = Record(
    cell="c",
    platform="linux-x86_64",
    lock="abc",
    digest="sha256:1",
    layers={**SEEN.layers, "artifacts": "sha256:2"},
    link="auto",
    mode="hardlink",
    installer="lockproof",
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / ".lockproof")
    workspace.prepare()
    return workspace


def test_it_is_made_for_git_and_backups_to_skip(workspace: Workspace) -> None:
    workspace.prepare()
    folder = workspace.folder
    assert sorted(path.name for path in folder.iterdir()) == [".gitignore", ".logs", ".state", "CACHEDIR.TAG"]
    assert (folder / ".gitignore").read_text() == "*\n"
    assert (folder / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55\n")


def test_a_record_is_kept_and_forgotten(workspace: Workspace) -> None:
    assert workspace.record("c") is None
    workspace.keep("c", RECORD)
    assert (workspace.record("c"), workspace.record("d")) == (RECORD, None)
    workspace.forget("c")
    workspace.forget("c")
    assert workspace.record("c") is None
    assert list((workspace.folder / ".state").iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"5", b"[]", b"{}", b"\xff", b"[" * 200_000, json.dumps({"cell": "c"}).encode()],
)
def test_a_corrupted_record_is_none(content: bytes, workspace: Workspace) -> None:
    workspace.keep("c", RECORD)
    (workspace.folder / ".state/c.json").write_bytes(content)
    assert workspace.record("c") is None


@pytest.mark.parametrize("field", Record.__slots__)
@pytest.mark.parametrize("value", [None, 5, ["x"]])
def test_a_record_with_odd_values_is_none(field: str, value: object, workspace: Workspace) -> None:
    workspace.keep("c", replace(RECORD, **{field: value}))  # type: ignore[arg-type]
    assert workspace.record("c") is None


def test_bytecode_is_cleared(workspace: Workspace) -> None:
    folder = workspace.bytecode("c")
    (folder / "x").mkdir(parents=True)
    workspace.clear_bytecode("c")
    workspace.clear_bytecode("c")
    assert not folder.exists()


def test_what_lies_where(workspace: Workspace) -> None:
    folder = workspace.folder
    assert workspace.environment("c") == folder / "c"
    assert (workspace.log("c"), workspace.lock("c")) == (folder / ".logs/c.log", folder / ".state/c.lock")


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (SEEN, "match"),
        (fingerprint(version="2.0", artifact=None), "mismatch"),
        (fingerprint(artifact=None, findings=(Finding("mode", "site/x", "is odd"),)), "mismatch"),
        (fingerprint(artifact=None, findings=(Finding("empty-folder", "site/x", "is empty", "note"),)), "match"),
    ],
)
def test_what_a_fingerprint_says_of_itself(seen: object, verdict: str, workspace: Workspace) -> None:
    workspace.keep("c", RECORD)
    about = describe_origin(workspace.environment("c"), seen)  # type: ignore[arg-type]
    assert about == {"cell": "c", "platform": "linux-x86_64", "lock": "sha256:abc", "verdict": verdict}


def test_a_stranger_says_nothing_of_itself(tmp_path: Path) -> None:
    assert (read_record(tmp_path / "env"), describe_origin(tmp_path / "env", SEEN)) == (None, {})
