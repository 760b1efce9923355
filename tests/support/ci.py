"""Runs what CI files say, step by step, on this machine: each job in a clone of its own, with a home of its own.

Only commands of the files are executed. Of actions there are stand-ins for those that the generated workflows use; a
value that a file takes from an expression is put in as the service does it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import yaml

Step = dict[str, object]
Job = dict[str, object]
# Told of each step before it runs: the job or cell, the step's name, the checkout.
Watch = Callable[[str, str, Path], None]


@dataclass(kw_only=True)
class Machine:
    """What all jobs share: a repository, the Pythons that can be set up, what fills a store, and the artifacts."""

    base: Path
    repository: Path
    pythons: Mapping[str, Path]
    warm: Path
    artifacts: dict[str, Path] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)  # what each job printed
    summaries: dict[str, str] = field(default_factory=dict)
    count: int = 0

    def place(self, name: str) -> tuple[Path, dict[str, str]]:
        """A clone, and the environment of a job in it; the cache of interpreters is the machine's."""
        self.count += 1
        place = self.base / f"{self.count}-{name}"
        for folder in ("home", "temp"):
            (place / folder).mkdir(parents=True)
        checkout = place / "checkout"
        subprocess.run(["git", "clone", "-q", str(self.repository), str(checkout)], check=True)
        variables = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(place / "home"),
            "LANG": "C.UTF-8",
            "CI": "true",
        }
        return checkout, variables

    def fill(self, store: Path) -> None:
        """Let a store know the machine's interpreters: finding out takes seconds."""
        store.mkdir(parents=True)
        for part in ("interpreters", "virtualenv"):
            if (self.warm / part).exists():
                shutil.copytree(self.warm / part, store / part)
        (store / "bytecode").symlink_to((self.warm / "bytecode").resolve())


def run_workflow(machine: Machine, text: str, only: str = "", watch: Watch | None = None) -> dict[str, str]:
    """Run a workflow's jobs in the order of their needs, or those of one name; the result of each by job and cell."""
    document = cast("dict[str, Job]", yaml.safe_load(text))
    variables = cast("dict[str, str]", document.get("env", {}))
    for name, job in cast("dict[str, Job]", document["jobs"]).items():
        if only and name != only:
            continue
        strategy = cast("dict[str, str]", job.get("strategy", {}))
        if not strategy:
            machine.results[name] = GitHubJob(machine, name, job, variables, {}, watch).run()
            continue
        matrix = json.loads(str(GitHubJob(machine, name, job, variables, {}, watch).value(strategy["matrix"])))
        found = [GitHubJob(machine, name, job, variables, row, watch).run() for row in matrix["include"]]
        machine.results[name] = "success" if set(found) == {"success"} else "failure"
    return dict(machine.results)


class GitHubJob:
    """One job, or one of a matrix."""

    def __init__(
        self, machine: Machine, name: str, job: Job, variables: dict[str, str], row: dict[str, str],
        watch: Watch | None,
    ) -> None:  # fmt: skip
        self.machine, self.job, self.row, self.watch = machine, job, row, watch
        self.name, self.shown = name, row.get("cell", name)
        self.workflow_variables = variables
        self.temp = Path()
        self.outputs: dict[str, dict[str, str]] = {}

    def run(self) -> str:
        """Run all steps; after one that failed, those whose condition says so."""
        self.checkout, self.environ = self.machine.place(self.shown)
        self.temp = self.checkout.parent / "temp"
        self.machine.fill(self.temp / "lockproof-store")
        files = {key: self.temp / key.lower() for key in ("GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")}
        self.environ |= {key: str(path) for key, path in files.items()}
        self.environ |= {"RUNNER_TEMP": str(self.temp), "GITHUB_WORKSPACE": str(self.checkout)}
        self.environ |= {**self.workflow_variables, **self.values(self.job.get("env", {}))}
        self.machine.told[self.shown] = ""
        good = True
        for step in cast("list[Step]", self.job["steps"]):
            if not good and str(step.get("if", "")) not in ("${{ always() }}", "${{ !cancelled() }}"):
                continue
            for path in files.values():
                path.touch()
            if self.watch:
                self.watch(self.shown, str(step.get("name", step.get("uses"))), self.checkout)
            if not self.step(step):
                good = False
            added = files["GITHUB_PATH"].read_text().splitlines()
            self.environ["PATH"] = os.pathsep.join([*added, self.environ["PATH"]])
            rows = (line.partition("=") for line in files["GITHUB_OUTPUT"].read_text().splitlines())
            self.outputs[str(step.get("id", ""))] = {key: value for key, _, value in rows}
            files["GITHUB_PATH"].unlink()
        wanted = cast("dict[str, str]", self.job.get("outputs", {}))
        self.machine.outputs[self.name] = {key: self.value(text) for key, text in wanted.items()}
        self.machine.summaries[self.shown] = files["GITHUB_STEP_SUMMARY"].read_text()
        return "success" if good else "failure"

    def step(self, step: Step) -> bool:
        """Whether one step succeeded."""
        if "uses" in step:
            action = str(step["uses"]).partition("@")[0].removeprefix("actions/")
            return self.action(action, self.values(step.get("with", {})))
        assert "${{" not in str(step["run"]), "values reach commands through variables"
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", str(step["run"])],
            cwd=self.checkout, env={**self.environ, **self.values(step.get("env", {}))},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        self.machine.told[self.shown] += done.stdout
        assert "Traceback" not in done.stdout, done.stdout
        return done.returncode == 0

    def action(self, action: str, given: dict[str, str]) -> bool:
        """What an action does, here."""
        if action == "setup-python":
            version = given["python-version"]
            if version.count(".") == 2:
                self.environ["PATH"] = f"{self.machine.pythons[version].parent}:{self.environ['PATH']}"
        elif action == "upload-artifact":
            return self.upload(given["name"], [Path(line) for line in given["path"].split("\n") if line])
        elif action == "download-artifact":
            return self.download(given)
        else:
            assert action in ("checkout", "cache"), action
        return True

    def upload(self, name: str, paths: list[Path]) -> bool:
        """Keep files as an artifact; one that exists already can't be written again."""
        there = [path for path in paths if path.exists()]
        target = self.machine.base / "artifacts" / f"{self.machine.count}-{name}"
        for path in there:
            if path.is_dir():
                shutil.copytree(path, target, dirs_exist_ok=True)
            else:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target / path.name)
        if there:
            self.machine.artifacts[name] = target
        return bool(there)

    def download(self, given: dict[str, str]) -> bool:
        """Fetch the artifact of a name, or all that a pattern matches, each into a folder of its own."""
        if "name" in given:
            if given["name"] not in self.machine.artifacts:
                return False
            shutil.copytree(self.machine.artifacts[given["name"]], given["path"])
            return True
        for name, artifact in self.machine.artifacts.items():
            if Path(name).match(given["pattern"]):
                shutil.copytree(artifact, Path(given["path"]) / name)
        return True

    def values(self, mapping: object) -> dict[str, str]:
        return {key: self.value(str(text)) for key, text in cast("dict[str, object]", mapping).items()}

    def value(self, text: str) -> str:
        """A text with its expressions put in."""
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: self.expression(match[1]), text)

    def expression(self, said: str) -> str:
        if match := re.fullmatch(r"fromJSON\((.*)\)", said):
            return self.expression(match[1])
        if said == "join(needs.*.result, ' ')":
            return " ".join(self.machine.results[need] for need in cast("list[str]", self.job["needs"]))
        if said == "runner.temp":
            return str(self.temp)
        kind, _, rest = said.partition(".")
        if kind == "matrix":
            return self.row[rest]
        name, _, output = rest.partition(".outputs.")
        return {"needs": self.machine.outputs, "steps": self.outputs}[kind][name][output]


def run_pipeline(machine: Machine, text: str, only: str = "", watch: Watch | None = None) -> dict[str, str]:
    """Run the jobs of a GitLab pipeline stage by stage, or one of them, and the child that it starts."""
    document = cast("dict[str, Job]", yaml.safe_load(text))
    variables = document.get("variables", {})
    before = cast("list[str]", document.get("default", {}).get("before_script", []))
    stages = cast("list[str]", cast("object", document["stages"]))
    jobs = {name: job for name, job in document.items() if "stage" in job}
    for name, job in sorted(jobs.items(), key=lambda item: stages.index(str(item[1]["stage"]))):
        if only and name != only:
            continue
        if "trigger" in job:
            child = (machine.artifacts["plan"] / "lockproof-child.yml").read_text()
            found = run_pipeline(machine, child, watch=watch)
            machine.results[name] = "success" if set(found.values()) == {"success"} else "failure"
            continue
        machine.results[name] = _gitlab_job(machine, name, job, variables, before, watch)
    return {name: machine.results[name] for name in jobs if name in machine.results}


def _variable(value: object, checkout: Path) -> str:
    """A variable's value: GitLab puts its own variables into it, and nothing for others, unless it is told not to."""
    if isinstance(value, dict):
        assert value["expand"] is False
        return str(value["value"])
    known = {"CI_PROJECT_DIR": str(checkout)}
    return re.sub(r"\$\{?(\w+)\}?", lambda match: known.get(match[1], ""), str(value))


def _gitlab_job(
    machine: Machine, name: str, job: Job, variables: dict[str, object], before: list[str], watch: Watch | None
) -> str:
    """Run a job's script in one shell that ends at the first error; its artifacts are kept even so."""
    checkout, environ = machine.place(name)
    if not (machine.base / "gitlab-store").exists():
        machine.fill(machine.base / "gitlab-store")
    (checkout / ".lockproof").mkdir()
    (checkout / ".lockproof" / "store").symlink_to(machine.base / "gitlab-store")  # a cache that was restored
    environ["CI_PROJECT_DIR"] = str(checkout)
    for key, value in {**variables, **cast("dict[str, object]", job.get("variables", {}))}.items():
        environ[key] = _variable(value, checkout)
    version = str(job["image"]).removeprefix("python:")
    if version in machine.pythons:
        environ["PATH"] = f"{machine.pythons[version].parent}:{environ['PATH']}"
    if "needs" not in job:
        for artifact in machine.artifacts.values():
            shutil.copytree(artifact, checkout, dirs_exist_ok=True)
    good, told, state = True, "", checkout.parent / "state"
    state.touch()
    for line in [*before, *cast("list[str]", job["script"])]:
        if watch:
            watch(name, line, checkout)
        script = f"set -eo pipefail; . {state}; {line}\nexport -p > {state}"
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-c", f"set -a; {script}"], cwd=checkout, env=environ,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        told += done.stdout
        assert "Traceback" not in done.stdout, done.stdout
        good = done.returncode == 0
        if not good:
            break
    machine.told[name] = told
    paths = cast("dict[str, list[str]]", job.get("artifacts", {})).get("paths", [])
    for path in paths:
        if (checkout / path).exists():
            target = machine.base / "artifacts" / f"{machine.count}-{name}" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (checkout / path).is_dir() else shutil.copy
            copy(checkout / path, target)
            machine.artifacts[name] = machine.base / "artifacts" / f"{machine.count}-{name}"
    return "success" if good else "failure"
