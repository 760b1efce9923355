"""The project's own files agree with each other: matrix, workflow, lock, sessions, documents."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import cast

import pytest
import yaml

from lockproof.cells.documents import load_matrix
from lockproof.cells.matrix import expand, select
from lockproof.ci import github
from lockproof.cli import build_parser, main
from lockproof.pythons.platforms import parse_platform

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_ci_runs_the_pythons_of_the_matrix() -> None:
    workflow = yaml.safe_load(read(".github/workflows/ci.yml"))
    assert workflow["jobs"]["tests"]["strategy"]["matrix"]["python"] == yaml.safe_load(read("matrix.yaml"))["python"]


def test_the_workflow_of_the_matrix_is_what_lockproof_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["ci", "github", "--install", "sh .ci/put-on-path", "--check"]) == 0


def test_all_that_uses_an_action_uses_the_same_commit_of_it() -> None:
    used = [
        re.findall(r"uses: (actions/.+)", path.read_text(encoding="utf-8"))
        for path in (*WORKFLOWS, ROOT / ".github/actions/lockproof/action.yml", ROOT / "docs/how-to/run-in-ci.md")
    ]
    assert {line for lines in used for line in lines} == {
        github.CHECKOUT, github.SETUP_PYTHON, github.CACHE, github.UPLOAD, github.DOWNLOAD,
    }  # fmt: skip


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_have_no_rights_and_pin_actions_by_commit(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    workflow = cast("dict[str, object]", yaml.safe_load(text))
    used = re.findall(r"uses: ([^.].+)", text)  # one that begins with . is the project's own
    assert workflow["permissions"] == {}
    assert used
    assert [line for line in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_the_lock_has_hashes_for_everything_and_no_host() -> None:
    lock = read("requirements.txt")
    entries = re.split(r"\n(?=[a-z0-9])", lock.split("\n", 2)[2])
    assert len(entries) > 30
    assert [
        entry for entry in entries if not re.search(r"^[a-z0-9-]+==\S+ .*\n +--hash=sha256:[0-9a-f]{64}", entry)
    ] == []
    assert "//" not in lock


def test_the_lock_has_all_that_the_project_asks_for() -> None:
    project = tomllib.loads(read("pyproject.toml"))
    groups = project["dependency-groups"]
    wanted = project["project"]["dependencies"] + [
        line for group in groups.values() for line in group if isinstance(line, str)
    ]
    names = {re.split(r"[<>=!~ ;\[]", line, maxsplit=1)[0] for line in wanted}
    locked = set(re.findall(r"^([a-z0-9-]+)==", read("requirements.txt"), re.MULTILINE))
    assert names - locked == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_pages_and_headings_that_are_there(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, heading = target.partition("#")
        there = (page.parent / path) if path else page
        if not there.exists() or (heading and heading not in headings(there)):
            broken.append(target)
    assert broken == []


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_command_and_option_is_in_the_reference() -> None:
    reference = read("docs/reference/commands.md")
    help_of_all = build_parser().format_help()
    commands = re.findall(r"^    ([a-z]+)(?: |$)", help_of_all, re.MULTILINE)
    assert len(commands) >= 6
    missing = []
    for command in commands:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COLUMNS", "200")
            text = help_text(command)
        section = reference.partition(f"\n## {command}\n")[2].partition("\n## ")[0]
        common = reference.partition("\n## Options of every command\n")[2].partition("\n## ")[0]
        missing += [
            f"{command} {option}"
            for option in re.findall(r"(?<![\w-])--[a-z-]+", text)
            if f"`{option}" not in section and f"`{option}" not in common
        ]
    assert missing == []


def help_text(command: str) -> str:
    """What `lockproof COMMAND --help` prints."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit):
        build_parser().parse_args([command, "--help"])
    return out.getvalue()


def test_the_sessions_that_documents_name_are_there() -> None:
    tree = ast.parse(read("noxfile.py"))
    sessions = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and any(ast.unparse(d) == "nox.session" for d in node.decorator_list)
    }
    named = {
        session
        for page in [*PAGES, ROOT / ".ci/run", *WORKFLOWS]
        for words in re.findall(
            r"\.ci/nox -s ([a-z ]+?)(?:\s*(?:#|--|$|`))", page.read_text(encoding="utf-8"), re.MULTILINE
        )
        for session in words.split()
    }
    assert named >= {"reproduce", "tests"}
    assert named - sessions == set()


def test_the_dockerfile_s_cell_is_that_of_the_matrix_beside_it() -> None:
    spec = load_matrix(ROOT / "examples/docker/matrix.yaml")
    [prod] = select(expand(spec, parse_platform("macos-arm64")), ["prod"])

    assert set(re.findall(r"ARG CELL=(\S+)", read("examples/docker/Dockerfile"))) == {prod.id}
