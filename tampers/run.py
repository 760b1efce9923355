"""What is noticed of tampering with an environment, by lockproof and by other tools.

    python3 .ci/nox -s tampers -- [--only TEXT] [--write docs/reference/what-is-detected.md] [--json FILE]

An environment is made of a lock by uv. Each tamper is done to a fresh copy of it, and each tool is asked by its own
command. The exit code is 1 when lockproof misses one. The tools are locked in requirements.txt beside this file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
from tampers.catalogue import TAMPERS, Tamper
from tampers.peers import NOTHING, Answer, Tool, judge, no_advisories, tools
from tampers.stage import SOURCES, Stage, StageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HERE = Path(__file__).resolve().parent
BEGIN = "<!-- tampers/run.py writes from here -->"
END = "<!-- tampers/run.py writes to here -->"
OURS = "lockproof verify"
OLDEST = (3, 12)  # envstamp needs it


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the tools said: `answers` by tamper, then by tool; `versions` by tool, or why it could not be asked."""

    versions: Mapping[str, str]
    asked: Sequence[Tool]
    answers: Mapping[Tamper, Mapping[str, Answer]]

    def missed(self) -> list[str]:
        """The tampers that lockproof does not notice."""
        return [tamper.name for tamper, answers in self.answers.items() if answers[OURS].noticed == NOTHING]


def try_tampers(stage: Stage, tampers: Sequence[Tamper], tell: Callable[[str], object]) -> Outcome:
    """Do each to a fresh copy, and ask every tool that is here; StageError where one objects to the honest one."""
    stage.set()
    with no_advisories() as url:
        known = tools(url)
        asked = [tool for tool in known if not tool.missing(stage)]
        honest = {tool.name: tool.ask(stage) for tool in asked}
        for name, ended in honest.items():
            if ended.code != 0:
                raise StageError(f"{name} objects to an honest environment ({ended.code}):\n{ended.output}")
        answers = {}
        for tamper in tampers:
            tell(tamper.name)
            tamper.do(stage.reset())
            answers[tamper] = {tool.name: judge(tamper, honest[tool.name], tool.ask(stage)) for tool in asked}
        stage.reset()
        return Outcome(versions={tool.name: _version(stage, tool) for tool in known}, asked=asked, answers=answers)


def _version(stage: Stage, tool: Tool) -> str:
    if tool.missing(stage):
        return "not installed here"
    if not tool.program:
        return _first_version(stage.lockproof("--version").output)
    code = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
    return _first_version(stage.call(stage.tools / "python", "-c", code, tool.program).output)


def _first_version(text: str) -> str:
    found = re.search(r"\d[\w.+]*", text)
    return found[0] if found else "unknown"


# What is written of it


def markdown(outcome: Outcome, python: str) -> str:
    """The tools with their commands, then a table a family, and how many each noticed."""
    lines = [
        f"CPython {python}; {len(outcome.answers)} tampers.",
        "",
        "| tool | version | asked by |",
        "|---|---|---|",
        *(f"| {tool.name} | {outcome.versions[tool.name]} | `{tool.shown}` |" for tool in outcome.asked),
        "",
    ]
    names = [tool.name for tool in outcome.asked]
    lines += [f"{name} could not be asked: {why}.\n" for name, why in outcome.versions.items() if name not in names]
    family = ""
    for tamper, answers in outcome.answers.items():
        if tamper.family != family:
            family = tamper.family
            lines += ["", f"### {family}", "", *_head(names)]
        lines.append(f"| {tamper.name} | {' | '.join(answer.noticed for answer in answers.values())} |")
    counts = [sum(answers[name].noticed != NOTHING for answers in outcome.answers.values()) for name in names]
    lines += ["", "### All", "", *_head(names), f"| noticed | {' | '.join(map(str, counts))} |"]
    return "\n".join(lines) + "\n"


def _head(names: Sequence[str]) -> list[str]:
    return [f"| | {' | '.join(names)} |", f"|---{'|---' * len(names)}|"]


def document(outcome: Outcome, folder: Path) -> dict[str, object]:
    """Everything that was said, with exit codes; null for a tool that had to be stopped."""
    return {
        "schema": "lockproof/tampers/v1",
        "tools": dict(outcome.versions),
        "tampers": [
            {
                "family": tamper.family,
                "name": tamper.name,
                "answers": {
                    name: {
                        "noticed": answer.noticed,
                        "exit_code": answer.code,
                        "output": answer.output.replace(str(folder), "."),
                    }
                    for name, answer in answers.items()
                },
            }
            for tamper, answers in outcome.answers.items()
        ],
    }


def written_into(text: str, tables: str) -> str:
    """`text` with what stands between its two markers replaced; ValueError where they aren't there once, in order."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"expected the lines {BEGIN} and {END} in it, once each and in this order")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{tables.strip()}\n\n{END}{rest.split(END)[1]}"


# What it needs


def find_python(asked: str) -> tuple[str, Path]:
    """The newest interpreter of the project's own matrix that is here, or the one asked for: version, executable."""
    command = [sys.executable, "-m", "lockproof", "list", "--json", "-C", str(HERE.parent)]
    own = {**os.environ, "PYTHONPATH": str(SOURCES)}
    done = subprocess.run(command, env=own, stdout=subprocess.PIPE, text=True, check=True)
    cells = [cell for cell in json.loads(done.stdout)["cells"] if cell["status"] == "available"]
    found = {cell["python"]: Path(cell["reason"]) for cell in cells if cell["python"].startswith(asked)}
    usable = sorted((tuple(map(int, version.split("."))), version) for version in found)
    if not usable or usable[-1][0] < OLDEST:
        raise StageError(f"none of the matrix's Pythons from {OLDEST[0]}.{OLDEST[1]} on is here")
    return usable[-1][1], found[usable[-1][1]]


def install_tools(python: Path, work: Path) -> Path:
    """The scripts folder of an environment with the locked tools, made again when lock or Python have changed."""
    lock, folder = HERE / "requirements.txt", work / "tools"
    state = hashlib.sha256(lock.read_bytes() + str(python).encode()).hexdigest()
    stamp = folder / "stamp"
    if not stamp.exists() or stamp.read_text() != state:
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
        options = ("--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:")
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", *options, "-r", lock], check=True)
        stamp.write_text(state)
    return folder / "bin"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked; the tables go to stdout, all else to stderr."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="only tampers whose family or name has this in it")
    parser.add_argument("--python", default="", help="an exact Python of the project's matrix (default: its newest)")
    parser.add_argument("--write", type=Path, help="a document to put the tables into, between its two markers")
    parser.add_argument("--json", type=Path, help="a file for every tool's exit code and output")
    parser.add_argument("--work", type=Path, default=HERE.parent / ".tampers", help="where the tools are kept")
    options = parser.parse_args(arguments)
    chosen = [tamper for tamper in TAMPERS if options.only in f"{tamper.family}: {tamper.name}"]
    try:
        version, python = find_python(options.python)
        scripts = install_tools(python, options.work.resolve())
        with tempfile.TemporaryDirectory(prefix="tampers-") as folder:
            stage = Stage(folder=Path(folder).resolve(), python=python, version=version, tools=scripts)
            outcome = try_tampers(stage, chosen, lambda name: print(name, file=sys.stderr))
            if options.json:
                options.json.write_text(json.dumps(document(outcome, stage.folder), indent=1) + "\n")
        tables = markdown(outcome, version)
        if options.write:
            options.write.write_text(written_into(options.write.read_text(), tables))
    except (StageError, subprocess.CalledProcessError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(tables)
    for name in outcome.missed():
        print(f"missed by lockproof: {name}", file=sys.stderr)
    return int(bool(outcome.missed()))


if __name__ == "__main__":
    sys.exit(main())
