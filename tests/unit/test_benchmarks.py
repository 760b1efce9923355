"""The benchmark's own arithmetic, its tables, and the projects that it gives to its contenders."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from benchmarks.figures import BEGIN, END, Race, Time, document, markdown, written_into
from benchmarks.races import write_project
from benchmarks.run import PYTHONS, main
from benchmarks.stage import Stage

ROOT = Path(__file__).parent.parent.parent
RACE = Race(
    key="made",
    title="Made",
    what="Something.",
    times={
        "lockproof": [Time(1.0, 0.5), Time(9.0, 0.25), Time(0.25, 0.5)],
        "other": [Time(2.0, 3.0), Time(10.0, 3.0), Time(2.5, 4.0)],
        "third": [Time(1.0, 1.0), Time(9.0, 1.0), Time(0.25, 1.0)],
    },
    goals={"other": 0.4},
)


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    assert (RACE.ratio("other"), RACE.ratio("third")) == (0.5, 1.0)  # that of the medians would be 0.4


def test_goals_that_are_missed_are_told() -> None:
    assert RACE.missed() == ["Made: 0.50 of other, the goal is 0.40"]


def test_tables() -> None:
    assert markdown([RACE], {"machine": "any"}, "python it") == (
        "Made by `python it`. Times are by the clock; work is what all processes did on all cores.\n"
        "\n"
        "- machine: any\n"
        "\n"
        "### Made\n"
        "\n"
        "Something.\n"
        "\n"
        "| | median | fastest | work, median | lockproof takes | goal |\n"
        "|---|---:|---:|---:|---:|---:|\n"
        "| lockproof | 1.0 s | 250 ms | 500 ms | | |\n"
        "| other | 2.5 s | 2.0 s | 3.0 s | 0.50 of it | 0.40 |\n"
        "| third | 1.0 s | 250 ms | 1.0 s | 1.00 of it | |\n"
    )


def test_json() -> None:
    assert document([RACE], {"machine": "any"}) == {
        "schema": "lockproof/benchmark/v1",
        "facts": {"machine": "any"},
        "races": [
            {
                "key": "made",
                "title": "Made",
                "seconds": {"lockproof": [1.0, 9.0, 0.25], "other": [2.0, 10.0, 2.5], "third": [1.0, 9.0, 0.25]},
                "work": {"lockproof": [0.5, 0.25, 0.5], "other": [3.0, 3.0, 4.0], "third": [1.0, 1.0, 1.0]},
                "ratios": {"other": {"ratio": 0.5, "goal": 0.4}, "third": {"ratio": 1.0, "goal": None}},
            }
        ],
    }


def test_tables_are_written_between_the_markers() -> None:
    once = written_into(f"before\n{BEGIN}\nold\n{END}\nafter\n", "new\n")
    assert once == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert written_into(once, "new\n") == once


@pytest.mark.parametrize("text", ["", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}"])
def test_a_file_without_its_markers_is_not_written_to(text: str) -> None:
    with pytest.raises(ValueError, match="once each and in this order"):
        written_into(text, "new")


def test_the_page_on_speed_has_the_markers() -> None:
    page = (ROOT / "docs" / "explanation" / "speed.md").read_text()
    assert "\n\nnew\n\n" in written_into(page, "new")


def test_contenders_get_the_same_project(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("a==1\n")
    stage = Stage(folder=tmp_path, lock=lock, pythons=("3.10.13", "3.12.1"), jobs=2)
    project = write_project(stage, tmp_path / "project")
    assert yaml.safe_load((project / "matrix.yaml").read_text()) == {
        "version": 1,
        "lock": "requirements.txt",
        "python": ["3.10.13", "3.12.1"],
        "commands": ['python -c "import flask, numpy"'],
    }
    assert (project / "requirements.txt").read_text() == "a==1\n"
    assert "env_list = py310,py312\n" in (project / "tox.ini").read_text()
    assert "@nox.session(python=['3.10', '3.12'])\n" in (project / "noxfile.py").read_text()
    assert stage.names == ("python3.10", "python3.12")


def test_variables_that_change_what_tools_do_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONDONTWRITEBYTECODE", "LOCKPROOF_STORE", "UV_CACHE_DIR", "TOX_ENV", "CI", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "theirs")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "kept")
    stage = Stage(folder=tmp_path, lock=tmp_path / "lock", pythons=PYTHONS, jobs=2)
    environment = stage.environment(UV_OFFLINE="1")
    assert "theirs" not in environment.values()
    assert (environment["UV_DEFAULT_INDEX"], environment["UV_OFFLINE"]) == ("kept", "1")


def test_what_is_asked_is_looked_at_before_anything_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "made"
    assert main(["--workload", str(tmp_path), "--folder", str(folder)]) == 2
    assert main(["--rounds", "0", "--folder", str(folder)]) == 2
    assert "requirements.txt" in capsys.readouterr().err
    assert not folder.exists()


@pytest.mark.parametrize("lock", ["requirements.txt", "workload/requirements.txt"])
def test_the_locks_are_hashed_and_name_no_host(lock: str) -> None:
    text = (ROOT / "benchmarks" / lock).read_text()
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    entries = [line for line in lines if line and not line.startswith("#")]
    assert entries
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
