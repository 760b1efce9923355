"""`lockproof list`: what can't be had is impossible, with every reason and what would close the hole."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from lockproof.commands.listing import list_cells
from lockproof.locks import INSTALLABLE_ADVICE
from lockproof.locks.refusals import LEAVE_OUT
from lockproof.project import Places, Project
from support.lockdata import HEAD, package

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

MATRIX = {"version": 1, "lock": "pylock.toml", "python": ["3.12.1"], "platform": ["macos-arm64", "windows-arm64"]}
LOCK = HEAD + "".join(
    (
        package("demo", "demo-1.0-py3-none-any.whl"),
        package("late", "late-1.0-cp312-cp312-macosx_14_0_arm64.whl", "late-1.0-cp312-cp312-win_arm64.whl"),
        package("source", "source-1.0.tar.gz", "source-1.0-cp312-cp312-win_arm64.whl", version="1.0"),
    )
)
LATER = "; one fits `platform: macos-arm64-14.0`, and this is macos-arm64-13.0"


def listed(folder: Path, capsys: pytest.CaptureFixture[str], *, as_json: bool) -> tuple[str, str]:
    (folder / "matrix.yaml").write_text(json.dumps(MATRIX))
    project = Project(Places(folder=folder, matrix="matrix.yaml", cache=folder / "cache"), {}, offline=True)
    assert list_cells(argparse.Namespace(cells=[], json=as_json), project) == 0
    said = capsys.readouterr()
    return said.out, said.err


def test_a_cell_that_the_lock_has_no_files_for_is_impossible(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pylock.toml").write_text(LOCK)

    out, err = listed(tmp_path, capsys, as_json=True)

    rows = {row["id"]: (row["status"], row["reason"].splitlines()) for row in json.loads(out)["cells"]}
    assert rows == {
        "3.12.1-macos-arm64": (
            "impossible",
            [
                "late has no wheel; source 1.0 has no wheel",
                f"late has no wheel: its wheels are for cp312 on win_arm64 macosx_14_0_arm64{LATER}",
                "source 1.0 has no wheel: its wheels are for cp312 on win_arm64",
                "Allow builds with `build: [source]`, and lock what they require (`build-lock`).",
                f"{INSTALLABLE_ADVICE} {LEAVE_OUT}",
            ],
        ),
        "3.12.1-windows-arm64": ("predicted", ["windows-arm64 is not at hand"]),
    }
    assert err == ""


def test_for_people_each_cell_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pylock.toml").write_text(LOCK)

    assert listed(tmp_path, capsys, as_json=False)[0].splitlines() == [
        "3.12.1-macos-arm64    impossible   late has no wheel; source 1.0 has no wheel",
        "3.12.1-windows-arm64  predicted    windows-arm64 is not at hand",
    ]


def test_a_lock_that_can_t_be_read_hides_no_cell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = listed(tmp_path, capsys, as_json=True)

    assert [row["status"] for row in json.loads(out)["cells"]] == ["predicted", "predicted"]
    assert err.startswith("note: whether the lock fits these cells was not seen: ")
    assert "pylock.toml" in err
    assert err.count("\n") == 1
