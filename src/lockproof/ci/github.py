"""A workflow of GitHub Actions that runs a matrix: plan, one job a cell, and the fan-in.

Values of the matrix reach commands through variables only, never by being written into them. Every action is pinned by
commit, and no job can do more than read the repository.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CHECKOUT = "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0"
SETUP_PYTHON = "actions/setup-python@e797f83bcb11b83ae66e0230d6156d7c80228e7c # v6.0.0"
CACHE = "actions/cache@0400d5f644dc74513175e3cd8d07132dd4860809 # v4.2.4"
UPLOAD = "actions/upload-artifact@ea165f8d65b6e75b540449e92b4886f43607fa02 # v4.6.2"
DOWNLOAD = "actions/download-artifact@634f93cb2916e3fdff6788551b99b062d0335ce0 # v5.0.0"
WORKFLOW = ".github/workflows/lockproof.yml"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What the workflow is made of: how many matrices, and what the user chose.

    `install` is a command that makes `lockproof` a program of the jobs; `python` runs it. `variables` are LOCKPROOF_…
    for all commands: so all of them mean the same matrix. `runner` is the label of the plan and the fan-in. `again` is
    the command that makes the file, `output` its name, quoted for a shell, where it isn't the usual one.
    """

    parts: int
    install: str
    variables: Mapping[str, str]
    again: str
    output: str = ""
    python: str = "3.13"
    runner: str = "ubuntu-24.04"
    branch: str = "main"


def workflow(wanted: Wanted) -> str:
    """The whole file."""
    jobs = [f"cells-{number}" for number in range(1, wanted.parts + 1)]
    return "\n".join(
        [*_head(wanted), *_plan(wanted, jobs), *(_cells(wanted, job) for job in jobs), _fan_in(wanted, jobs)]
    )


def _head(wanted: Wanted) -> list[str]:
    lines = [
        "# Made from the matrix. Don't edit it, make it again:",
        f"#   {wanted.again}",
        "# With --check the same command says whether it still fits the matrix.",
        "name: lockproof",
        "",
        "on:",
        "  push:",
        f"    branches: [{json.dumps(wanted.branch)}]",
        "  pull_request:",
        "  workflow_dispatch:",
        "",
        "permissions: {}",
        "",
        "concurrency:",
        "  group: lockproof-${{ github.ref }}",
        "  cancel-in-progress: ${{ github.event_name == 'pull_request' }}",
        "",
    ]
    if wanted.variables:
        lines += ["env:", *(f"  {name}: {json.dumps(value)}" for name, value in wanted.variables.items()), ""]
    return [*lines, "jobs:"]


def _plan(wanted: Wanted, jobs: list[str]) -> list[str]:
    outputs = [f"      {job}: ${{{{ steps.plan.outputs.{job} }}}}" for job in jobs]
    commands = []
    for number, job in enumerate(jobs, 1):
        commands += [f"          cells=$(lockproof ci github --json --part {number})",
                     f'          echo "{job}=$cells" >> "$GITHUB_OUTPUT"']  # fmt: skip
    return [
        "  plan:",
        "    name: Plan",
        *_job(wanted.runner, 20),
        "    outputs:",
        *outputs,
        "    steps:",
        *_ready(wanted),
        "      - name: Plan the cells, and check that this file still fits them",
        "        id: plan",
        "        run: |",
        *commands,
        f"          lockproof ci github --check{wanted.output and f' --output {wanted.output}'}",
        "      - name: Predict the fingerprint of every cell",
        '        run: lockproof predict --bundle "$RUNNER_TEMP/predicted"',
        *_store_variable(),
        f"      - uses: {UPLOAD}",
        "        with:",
        "          name: predicted",
        "          path: ${{ runner.temp }}/predicted",
        "          if-no-files-found: error",
        "",
    ]


def _cells(wanted: Wanted, job: str) -> str:
    return "\n".join([
        f"  {job}:",
        "    name: ${{ matrix.cell }}",
        "    needs: plan",
        *_job("${{ matrix.runner }}", 60),
        "    strategy:",
        "      fail-fast: false",
        f"      matrix: ${{{{ fromJSON(needs.plan.outputs.{job}) }}}}",
        "    env:",
        "      CELL: ${{ matrix.cell }}",
        "      ENVIRONMENT: ${{ matrix.environment }}",
        "    defaults:",
        "      run:",
        "        shell: bash",
        "    steps:",
        *_ready(wanted),
        f"      - uses: {SETUP_PYTHON}",
        "        with:",
        "          python-version: ${{ matrix.python }}",
        "      - name: Cache the wheels",
        f"        uses: {CACHE}",
        "        with:",
        "          path: ${{ runner.temp }}/lockproof-store/store",
        "          key: ${{ matrix.store }}",
        "      - name: Run the cell",
        '        run: lockproof run "$CELL" --junit "$RUNNER_TEMP/$CELL.xml" --github-summary',
        *_store_variable(),
        "      - name: Say what its environment is",
        "        if: ${{ !cancelled() }}",
        '        run: lockproof fingerprint "$ENVIRONMENT" --json > "$RUNNER_TEMP/$CELL.json"',
        *_store_variable(),
        f"      - uses: {UPLOAD}",
        "        if: ${{ !cancelled() }}",
        "        with:",
        "          name: lockproof-${{ matrix.cell }}",
        "          path: |",
        "            ${{ runner.temp }}/${{ matrix.cell }}.json",
        "            ${{ runner.temp }}/${{ matrix.cell }}.xml",
        "          if-no-files-found: error",
        "",
    ])  # fmt: skip


def _fan_in(wanted: Wanted, jobs: list[str]) -> str:
    return "\n".join([
        "  compare:",
        "    name: Compare",
        f"    needs: [plan, {', '.join(jobs)}]",
        "    if: ${{ always() }} # a job that is skipped would count as passed",
        *_job(wanted.runner, 20),
        "    steps:",
        *_ready(wanted),
        f"      - uses: {DOWNLOAD}",
        "        with:",
        "          name: predicted",
        "          path: ${{ runner.temp }}/predicted",
        f"      - uses: {DOWNLOAD}",
        "        with:",
        '          pattern: "lockproof-*"',
        "          path: ${{ runner.temp }}/results",
        "      - name: Hold all fingerprints against the predictions, and against each other",
        "        run: |",
        '          lockproof compare "$RUNNER_TEMP/results/**/*.json" \\',
        '            --expect "$RUNNER_TEMP/predicted" --github-summary',
        "      - name: See that every job succeeded",
        "        if: ${{ always() }}",
        "        env:",
        "          RESULTS: ${{ join(needs.*.result, ' ') }}",
        "        run: |",
        '          echo "$RESULTS"',
        "          for result in $RESULTS; do",
        '            [ "$result" = success ]',
        "          done",
        "",
    ])  # fmt: skip


def _job(runner: str, minutes: int) -> list[str]:
    return [
        f"    runs-on: {runner}",
        f"    timeout-minutes: {minutes}",
        "    permissions:",
        "      contents: read",
    ]


def _ready(wanted: Wanted) -> list[str]:
    """A checkout, and lockproof on the path, with a Python of its own: the cell's may be too old for it."""
    return [
        f"      - uses: {CHECKOUT}",
        "        with:",
        "          persist-credentials: false",
        f"      - uses: {SETUP_PYTHON}",
        "        with:",
        f"          python-version: {json.dumps(wanted.python)}",
        "      - name: Install lockproof",
        f"        run: {json.dumps(wanted.install)}",
    ]


def _store_variable() -> list[str]:
    return ["        env:", "          LOCKPROOF_STORE: ${{ runner.temp }}/lockproof-store"]
