"""Pipelines of GitLab that run a matrix: a parent that plans, and a child with one job a cell and the fan-in.

The child is made when the parent runs, so it always is the matrix's. Values of the matrix reach commands through
variables.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lockproof.ci.jobs import Job

PIPELINE = ".gitlab-ci.yml"
RUNNERS = {"linux-x86_64": "", "linux-aarch64": "saas-linux-small-arm64"}
"""The tag of GitLab's own runners by platform; the usual one needs none."""
CHILD = "lockproof-child.yml"
_WORK = ".lockproof"  # made so that git ignores it: what the jobs write is no part of the project
_RESULTS = f"$CI_PROJECT_DIR/{_WORK}/results"
_PREDICTED = f"$CI_PROJECT_DIR/{_WORK}/predicted"
_READY = f"mkdir -p {_WORK}/results && echo '*' > {_WORK}/.gitignore"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What the pipelines are made of; `install` is a command that makes `lockproof` a program of the job's shell."""

    install: str
    variables: Mapping[str, str]
    again: str
    output: str = ""
    python: str = "3.13"


def parent(wanted: Wanted) -> str:
    """The committed file: it plans, and starts the child."""
    lines = [
        "# Made from the matrix. Don't edit it, make it again:",
        f"#   {wanted.again}",
        "# With --check the same command says whether it still fits the matrix.",
        "stages: [plan, cells]",
        "",
        *_variables(wanted),
        "plan:",
        "  stage: plan",
        f"  image: {json.dumps(f'python:{wanted.python}')}",
        "  script:",
        f"    - {json.dumps(wanted.install)}",
        f"    - lockproof ci gitlab --check{wanted.output and f' --output {wanted.output}'}",
        f"    - lockproof ci gitlab --child > {CHILD}",
        "  artifacts:",
        f"    paths: [{CHILD}]",
        "",
        "cells:",
        "  stage: cells",
        "  needs: [plan]",
        "  trigger:",
        "    include:",
        f"      - artifact: {CHILD}",
        "        job: plan",
        "    strategy: depend",
        "  inherit:",
        "    variables: false",  # the child has its own, with what must not be replaced in them
        "",
    ]
    return "\n".join(lines)


def child(wanted: Wanted, jobs: Sequence[Job]) -> str:
    """The child: predictions, cells and the fan-in, which takes the fingerprints of all jobs before it."""
    lines = [
        "stages: [predict, cells, compare]",
        "",
        *_variables(wanted, LOCKPROOF_STORE=f"$CI_PROJECT_DIR/{_WORK}/store"),
        "default:",
        "  before_script:",
        f"    - {json.dumps(_READY)}",
        f"    - {json.dumps(wanted.install)}",
        "",
        "predict:",
        "  stage: predict",
        f"  image: {json.dumps(f'python:{wanted.python}')}",
        "  script:",
        f'    - lockproof predict --bundle "{_PREDICTED}"',
        "  artifacts:",
        f"    paths: [{_WORK}/predicted]",
        "",
    ]
    for job in jobs:
        lines += _cell(job)
    lines += [
        "compare:",
        "  stage: compare",
        "  when: always",
        f"  image: {json.dumps(f'python:{wanted.python}')}",
        "  script:",
        f'    - lockproof compare "{_RESULTS}/**/*.json" --expect "{_PREDICTED}"',
        "",
    ]
    return "\n".join(lines)


def _variables(wanted: Wanted, **more: str) -> list[str]:
    lines = [f"  {name}: {json.dumps(value)}" for name, value in more.items()]
    for name, value in wanted.variables.items():
        if "$" in value:  # for the shell of the job: GitLab would put its own variables there
            lines += [f"  {name}:", f"    value: {json.dumps(value)}", "    expand: false"]
        else:
            lines.append(f"  {name}: {json.dumps(value)}")
    return ["variables:", *lines, ""] if lines else []


def _cell(job: Job) -> list[str]:
    results = f"{_RESULTS}/$CELL"
    return [
        f"{json.dumps(job.cell)}:",
        "  stage: cells",
        "  needs: []",
        f"  image: {json.dumps(f'python:{job.python}')}",
        *([f"  tags: [{json.dumps(job.runner)}]"] if job.runner else []),
        "  variables:",
        f"    CELL: {json.dumps(job.cell)}",
        f"    ENVIRONMENT: {json.dumps(job.environment)}",
        "  cache:",
        f"    key: {json.dumps(job.store)}",
        f"    paths: [{_WORK}/store/store]",
        "  script:",
        f'    - code=0; lockproof run "$CELL" --junit "{results}.xml" || code=$?',
        f'    - lockproof fingerprint "$ENVIRONMENT" --json > "{results}.json"',
        '    - exit "$code"',
        "  artifacts:",
        "    when: always",
        f"    paths: [{_WORK}/results]",
        "    reports:",
        f"      junit: {_WORK}/results/*.xml",
        "",
    ]
