"""Does lockproof mean by a lock what the lock's own tool means by it?

For each lock, Python and selection, the tool's own `sync` or `install` makes an environment, and `lockproof verify`
holds it against what lockproof predicts from the same lock: names, versions, and every file. The exit code is 1 when
one of them differs. A lock that lockproof refuses is told with the reason; that is no difference.

    python3 .ci/nox -s conformance -- [--locks FOLDER] [--tool NAME …] [--python X.Y …] [--only defaults|everything]

Locks are those of --locks (`<name>.poetry.lock` beside `<name>.pyproject.toml`, and so on), and some that the tools
make on the spot. Everything is installed from the configured index; hosts in locks are replaced in a copy.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

HERE = Path(__file__).resolve().parent
SOURCES = HERE.parent / "src"
INVALID = re.compile(r"https://(?:files\.)?index\.invalid[^\"\s]*")
FILE_ROW = re.compile(r'url = "([^"]+/([^"/]+))", hash = "sha256:([0-9a-f]{64})"')

PROJECT = """\
[project]
name = "example"
version = "1"
requires-python = ">=3.11,<4"
dependencies = [
  "httpx[socks]>=0.27", "click>=8", "tomli>=2; python_version < '3.12'", "colorama; sys_platform == 'win32'"
]

[project.optional-dependencies]
fast = ["msgpack>=1"]
yaml = ["pyyaml>=6", "tomli>=2"]

[dependency-groups]
test = ["pytest>=8", "backports-tarfile; python_version < '3.12'"]
docs = ["jinja2>=3", { include-group = "test" }]
"""
PIPFILE = """\
[[source]]
name = "index"
url = "{index}"
verify_ssl = true

[packages]
httpx = {{extras = ["socks"], version = ">=0.27"}}
tomli = {{version = ">=2", markers = "python_version < '3.12'"}}
colorama = {{version = "*", markers = "sys_platform == 'win32'"}}

[dev-packages]
pytest = ">=8"

[docs]
jinja2 = "*"
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A lock in a project of its own, made by `make` in an empty folder."""

    name: str
    tool: str
    make: Callable[[Path], None]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of one lock, Python and selection: `same`, `different`, `refused` or `tool failed`."""

    case: str
    python: str
    selection: str
    outcome: str
    told: str = ""


class Bench:
    """The tools in an environment of their own, and the configured index."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.bin = work / "tools" / "bin"
        self.index = _configured_index()
        if not (self.bin / "poetry").exists():
            self._install_tools(Path(sys.executable), self.work / "tools")

    @staticmethod
    def _install_tools(python: Path, folder: Path) -> None:
        subprocess.run([python, "-m", "venv", folder], check=True)
        options = ("--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:")
        subprocess.run([folder / "bin/pip", "install", *options, "-r", HERE / "requirements.txt"], check=True)

    def pip_sync(self, python: Path) -> Path:
        """A pip-sync that runs on the interpreter it syncs for: it reads markers with its own."""
        folder = self.work / f"pip-tools-{sha256(str(python).encode()).hexdigest()[:12]}"
        if not (folder / "bin/pip-sync").exists():
            self._install_tools(python, folder)
        return folder / "bin/pip-sync"

    def call(self, folder: Path, command: Sequence[str | Path], environment: Path | None = None) -> str:
        """Run one of the tools in a project, in an environment; its output. Raises subprocess.CalledProcessError."""
        own = {
            "HOME": str(self.work / "home"),
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "PDM_CHECK_UPDATE": "0",
            "PDM_PYPI_URL": self.index,
            "UV_INDEX_URL": self.index,
            "POETRY_NO_INTERACTION": "1",
            "PIPENV_VERBOSITY": "-1",
            "PIPENV_NOSPIN": "1",
            "PIPENV_VENV_IN_PROJECT": "1",
        }
        if environment:
            own |= {"VIRTUAL_ENV": str(environment), "UV_PROJECT_ENVIRONMENT": str(environment)}
        done = subprocess.run(
            list(map(str, command)), cwd=folder, env={**os.environ, **own}, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, command, done.stdout)
        return done.stdout

    def pythons(self, asked: Sequence[str]) -> dict[str, Path]:
        """The interpreters of the project's own matrix by exact version, or those of the series that are asked."""
        listing = json.loads(_lockproof(self, HERE.parent, "list", "--json").stdout)
        found = {cell["python"]: Path(cell["reason"]) for cell in listing["cells"] if cell["status"] == "available"}
        return {version: path for version, path in found.items() if not asked or version.startswith(tuple(asked))}


def _configured_index() -> str:
    """The first index that pip would ask."""
    sys.path.insert(0, str(SOURCES))
    from lockproof.indexes.index import default_index_url
    from lockproof.indexes.pipconfig import DEFAULT_INDEX, read_index_config

    url = read_index_config(os.environ, Path.cwd()).index_urls[0]
    return default_index_url() if url == DEFAULT_INDEX else url


# The tools: how each installs what it locked, by default and with everything on


def sync_command(bench: Bench, tool: str, project: Path, interpreter: Path, everything: bool) -> list[str | Path]:
    """The tool's own command that makes an environment be what the lock says, without the project itself."""
    if tool == "uv":
        return [
            bench.bin / "uv",
            "sync",
            "--frozen",
            "--no-install-project",
            *(["--all-groups", "--all-extras"] * everything),
        ]
    if tool == "poetry":
        return [bench.bin / "poetry", "install", "--no-root", *(["--all-groups", "--all-extras"] * everything)]
    if tool == "pdm":
        return [bench.bin / "pdm", "sync", "--no-self"]  # all locked groups, extras too
    if tool == "pipenv":
        categories = ["packages", "dev-packages", *_categories(project)]
        return [bench.bin / "pipenv", "sync", *([f"--categories={' '.join(categories)}"] * everything)]
    return [bench.pip_sync(interpreter), "--python-executable", project / "env/bin/python", "requirements.txt"]


def _categories(project: Path) -> list[str]:
    locked = json.loads((project / "Pipfile.lock").read_text())
    return [name for name in locked if name not in {"_meta", "default", "develop"}]


def selection_lines(tool: str, project: Path, everything: bool) -> str:
    """What matrix.yaml says for the same selection."""
    if not everything:
        return ""
    if tool == "pipenv":
        return f"groups: {json.dumps(['develop', *_categories(project)])}\n"
    if not (project / "pyproject.toml").exists():
        return ""
    said = tomllib.loads((project / "pyproject.toml").read_text())
    of_tool = said.get("tool", {}).get("poetry", {}) if tool == "poetry" else {}
    groups = {*said.get("dependency-groups", {}), *of_tool.get("group", {})}
    extras = {*said.get("project", {}).get("optional-dependencies", {}), *of_tool.get("extras", {})}
    return f"groups: {json.dumps(sorted(groups))}\nextras: {json.dumps(sorted(extras))}\n"


LOCK_NAMES = {
    "uv": "uv.lock",
    "poetry": "poetry.lock",
    "pdm": "pdm.lock",
    "pipenv": "Pipfile.lock",
    "pip-tools": "requirements.txt",
}


# Locks


def given_cases(folder: Path, bench: Bench) -> Iterator[Case]:
    """The locks of a folder, with what lies beside them under the same name."""
    for path in sorted(folder.iterdir()):
        for tool, filename in LOCK_NAMES.items():
            name = path.name.removesuffix(f".{filename}")
            if name == path.name and not (tool == "pip-tools" and "requirements" in name and path.suffix == ".txt"):
                continue
            sources = "Pipfile" if tool == "pipenv" else "pyproject.toml"
            beside = {filename: path} | ({} if tool == "pip-tools" else {sources: folder / f"{name}.{sources}"})
            yield Case(name=path.name, tool=tool, make=_copier(beside, tool, bench))


def _copier(files: Mapping[str, Path], tool: str, bench: Bench) -> Callable[[Path], None]:
    def make(project: Path) -> None:
        for name, source in files.items():
            (project / name).write_text(source.read_text())
        lock = project / LOCK_NAMES[tool]
        if tool == "uv":
            lock.write_text(_with_reachable_files(lock.read_text(), bench.index))
        if tool == "pipenv":
            for path in (lock, project / "Pipfile"):
                path.write_text(INVALID.sub(bench.index, path.read_text()))
        if tool == "poetry":
            _use_index(project, bench)

    return make


def _with_reachable_files(lock: str, index: str) -> str:
    """A uv.lock with the URLs that the configured index has for the same hashes."""
    from lockproof.indexes.index import Index
    from lockproof.indexes.pipconfig import read_index_config

    wanted: dict[tuple[str, str], set[str]] = {}
    for block in lock.split("[[package]]")[1:]:
        named = re.search(r'name = "([^"]+)"\s+version = "([^"]+)"', block)
        hashes = {row[2] for row in FILE_ROW.findall(block)}
        if named and hashes:
            wanted.setdefault((named[1], named[2]), set()).update(hashes)
    listed = Index(read_index_config(os.environ, Path.cwd())).files_of(wanted, wanted)
    urls = {file.sha256: file.url for files in listed.values() for file in files}
    lock = FILE_ROW.sub(lambda row: f'url = "{urls.get(row[3], row[1])}", hash = "sha256:{row[3]}"', lock)
    return INVALID.sub(lambda match: index if match[0].endswith("/simple") else match[0], lock)


def _use_index(project: Path, bench: Bench) -> None:
    """Name the configured index to poetry, and leave out checkouts, which lockproof refuses; the lock stays fresh."""
    pyproject, lock = project / "pyproject.toml", project / "poetry.lock"
    source = f'\n[[tool.poetry.source]]\nname = "index"\nurl = "{bench.index}"\npriority = "primary"\n'
    pyproject.write_text(pyproject.read_text() + source)
    if not lock.exists():
        return
    blocks = re.split(r"(?m)^(?=\[\[package\]\]|\[extras\]|\[metadata\])", lock.read_text())
    kept = "".join(block for block in blocks if 'type = "git"' not in block)
    script = "from pathlib import Path; from poetry.factory import Factory; "
    script += "print(Factory().create_poetry(Path.cwd()).locker._get_content_hash())"
    digest = bench.call(project, [bench.bin / "python", "-c", script]).strip()
    lock.write_text(re.sub(r'(?m)^content-hash = ".*"$', f'content-hash = "{digest}"', kept))


def made_cases(bench: Bench) -> Iterator[Case]:
    """Locks that each tool makes of a small project with extras, groups and markers."""
    tools = bench.bin

    def make(tool: str, *command: str) -> Callable[[Path], None]:
        def made(project: Path) -> None:
            if tool == "pipenv":
                (project / "Pipfile").write_text(PIPFILE.format(index=bench.index))
            else:
                (project / "pyproject.toml").write_text(PROJECT)
            if tool == "poetry":
                _use_index(project, bench)
            bench.call(project, [tools / command[0], *command[1:]])

        return made

    yield Case(name="made by uv", tool="uv", make=make("uv", "uv", "lock"))
    yield Case(name="made by poetry", tool="poetry", make=make("poetry", "poetry", "lock"))
    lock = ("pdm", "lock", "--group", ":all", "--python", ">=3.11")
    yield Case(name="made by pdm", tool="pdm", make=make("pdm", *lock))
    without = (*lock, "--strategy", "no_inherit_metadata")
    yield Case(name="made by pdm, no metadata", tool="pdm", make=make("pdm", *without))
    yield Case(name="made by pdm, URLs", tool="pdm", make=make("pdm", *lock, "--strategy", "static_urls"))
    yield Case(
        name="made by pipenv",
        tool="pipenv",
        make=make("pipenv", "pipenv", "lock", "--categories=packages dev-packages docs"),
    )
    compile_ = (
        "pip-compile",
        "--quiet",
        "--generate-hashes",
        "--all-extras",
        "--no-emit-index-url",
        "--no-emit-find-links",
    )
    output = ("--output-file", "requirements.txt", "pyproject.toml")
    yield Case(name="made by pip-tools", tool="pip-tools", make=make("pip-tools", *compile_, *output))


# One comparison


def compare(bench: Bench, case: Case, project: Path, python: tuple[str, Path], everything: bool) -> Result:
    """Let the tool install a lock, and lockproof say whether that is what it predicts."""
    selection = "everything" if everything else "defaults"
    version, interpreter = python
    matrix = f'version: 1\nlock: {LOCK_NAMES[case.tool]}\npython: ["{version}"]\ncommands: []\n'
    (project / "matrix.yaml").write_text(matrix + selection_lines(case.tool, project, everything))

    def result(outcome: str, told: str = "") -> Result:
        return Result(case=case.name, python=version, selection=selection, outcome=outcome, told=told)

    predicted = _lockproof(bench, project, "predict", "--json")
    if predicted.returncode:
        return result("refused", predicted.stderr)
    planned = {distribution["name"] for distribution in json.loads(predicted.stdout)["distributions"]}
    try:
        _make_environment(bench, case, project, interpreter, everything, planned)
    except subprocess.CalledProcessError as error:
        return result("tool failed", str(error.output))
    verified = _lockproof(bench, project, "verify", "env", "--cell", "*", "--verbose")
    if verified.returncode == 0:
        return result("same", f"{len(planned)} distributions, to the byte")
    return result("different", verified.stdout + verified.stderr)


def _make_environment(
    bench: Bench, case: Case, project: Path, interpreter: Path, everything: bool, planned: AbstractSet[str]
) -> None:
    """Let the tool fill a new environment; seeds that the tool needed, and that aren't planned, are taken out."""
    environment = project / "env"
    shutil.rmtree(environment, ignore_errors=True)
    seeds = case.tool in {"pip-tools", "pipenv"}  # they run the environment's own pip
    bench.call(project, [interpreter, "-m", "venv", *(["--without-pip"] * (not seeds)), environment])
    (project / ".pdm-python").write_text(str(environment / "bin/python"))
    bench.call(project, sync_command(bench, case.tool, project, interpreter, everything), environment)
    for seed in {"pip", "setuptools"} - planned if seeds else ():
        python = environment / "bin/python"
        bench.call(project, [bench.bin / "pip", "--python", python, "uninstall", "--yes", "--quiet", seed])


def _lockproof(bench: Bench, project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    own = {"PYTHONPATH": str(SOURCES), "LOCKPROOF_STORE": str(bench.work / "store")}
    command = [sys.executable, "-m", "lockproof", *arguments]
    return subprocess.run(command, cwd=project, env={**os.environ, **own}, capture_output=True, text=True, check=False)


def results_of(bench: Bench, case: Case, pythons: Mapping[str, Path], selections: Sequence[str]) -> Iterator[Result]:
    """All comparisons of one lock."""
    with tempfile.TemporaryDirectory(dir=bench.work) as folder:
        project = Path(folder)
        try:
            case.make(project)
        except subprocess.CalledProcessError as error:
            yield Result(case=case.name, python="", selection="", outcome="tool failed", told=str(error.output))
            return
        for python in pythons.items():
            for selection in selections if case.tool != "pip-tools" else ["defaults"]:
                yield compare(bench, case, project, python, selection == "everything")


def main(arguments: Sequence[str]) -> int:
    """Run what is asked, print a table as it grows, then what differs; 1 when something differs or a tool failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--locks", type=Path, help="a folder of locks that nobody here made")
    parser.add_argument("--tool", action="append", choices=sorted(LOCK_NAMES), help="only locks of this tool")
    parser.add_argument(
        "--python", action="append", default=[], help="only these of the project's matrix: 3.12, 3.12.1"
    )
    parser.add_argument("--case", help="only locks whose name has this in it")
    parser.add_argument("--only", action="append", choices=["defaults", "everything"])
    parser.add_argument(
        "--work", type=Path, default=HERE.parent / ".conformance", help="where the tools and wheels are kept"
    )
    asked = parser.parse_args(arguments)
    asked.work.mkdir(parents=True, exist_ok=True)
    bench = Bench(asked.work.resolve())
    cases = [*(given_cases(asked.locks, bench) if asked.locks else ()), *made_cases(bench)]
    pythons = bench.pythons(asked.python)
    if not pythons:
        parser.error("none of these Pythons is in the project's matrix and at hand")
    results: list[Result] = []
    for case in cases:
        if (asked.tool and case.tool not in asked.tool) or (asked.case or "") not in case.name:
            continue
        for result in results_of(bench, case, pythons, asked.only or ["defaults", "everything"]):
            results.append(result)
            told = result.told if result.outcome == "same" else ""
            print(
                f"{result.case:34} {result.python:8} {result.selection:11} {result.outcome:12} {told}".rstrip(),
                flush=True,
            )
    for result in results:
        if result.outcome != "same":
            told = "\n".join(result.told.splitlines()[-25:])
            print(f"\n{result.case}, {result.python}, {result.selection}: {result.outcome}\n{told}")
    return int(any(result.outcome in {"different", "tool failed"} for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
