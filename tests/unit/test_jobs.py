"""The jobs of a matrix, as values."""

from __future__ import annotations

import json

import pytest

from lockproof.ci.jobs import LIMIT, Job, make_jobs, matrix_json, parse_runners, parts
from lockproof.errors import MatrixError, UsageError
from support.lockdata import cell


def job(number: int) -> Job:
    return Job(cell=str(number), python="3.12.1", runner="r", environment="e", store="s")


def test_a_job_says_all_that_its_steps_need() -> None:
    own = cell()
    (made,) = make_jobs([own], "f" * 64, {own.id: f".lockproof/{own.id}"}, {})
    assert json.loads(matrix_json([made])) == {
        "include": [
            {
                "cell": "3.12.1-linux-x86_64",
                "python": "3.12.1",
                "runner": "ubuntu-24.04",
                "environment": ".lockproof/3.12.1-linux-x86_64",
                "store": f"lockproof-linux-x86_64-3.12.1-{'f' * 64}",
            }
        ]
    }
    assert "\n" not in matrix_json([made])
    (other,) = make_jobs([own], "f" * 64, {own.id: "e"}, parse_runners(["linux-x86_64=my-runner"]))
    assert other.runner == "my-runner"


def test_no_cells_are_an_error() -> None:
    with pytest.raises(MatrixError, match="no cells"):
        make_jobs([], "", {}, {})


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (LIMIT, [LIMIT]), (LIMIT + 1, [LIMIT, 1]), (600, [256, 256, 88])]
)
def test_no_matrix_is_larger_than_github_takes(count: int, sizes: list[int]) -> None:
    jobs = [job(number) for number in range(count)]
    split = parts(jobs)
    assert [len(part) for part in split] == sizes
    assert [one for part in split for one in part] == jobs


@pytest.mark.parametrize("line", ["linux-x86_64", "=x", "linux-x86_64=", "linux-x86_64=${{ x }}", "a=b c", "a=-x"])
def test_a_runner_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(UsageError, match="names no runner"):
        parse_runners([line])
