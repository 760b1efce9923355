"""What goes between client and worker, as JSON: what a cell is and needs, and what has come of it.

The worker's answer is read strictly: whatever is not of this form is an error, and never a result.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lockproof.cells.matrix import Cell
from lockproof.cells.policykeys import Policy, Seed
from lockproof.errors import LockproofError, UnavailableError, why_malformed
from lockproof.locks.artifacts import Artifact, Plan
from lockproof.proof.fingerprint import finding_from_json, finding_to_json, from_json, to_json
from lockproof.pythons.platforms import parse_platform
from lockproof.running.outcomes import CommandResult

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lockproof.cells.trees import Value
    from lockproof.proof.fingerprint import Finding, Fingerprint
    from lockproof.running.outcomes import Outcome

_CELL = ("id", "python", "name", "link", "installer", "package", "timeout")
_ARTIFACT = ("name", "version", "filename", "sha256", "size", "where")
STATUSES = ("passed", "failed", "mismatch", "unproven", "unavailable", "error")
_ERROR_CODES = (0, 2, 3, 4, 5)  # those of errors.py, and none


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A cell on its way to a worker.

    `project` names the client's project (64 hexadecimal digits); `files` are its files as `ProjectTree` has them, and
    `tracked` says whether git told which they are. `variables` are those of the client's that `pass_env` lets in.
    """

    version: str
    project: str
    plan: Plan
    lock_sha256: str
    files: Mapping[str, str]
    tracked: bool = True
    installed: str = ""  # the project's own name, where the cell installs it
    variables: Mapping[str, str] = field(default_factory=dict)
    posargs: tuple[str, ...] = ()
    recreate: bool = False
    install_only: bool = False
    paranoid: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a worker says has come of a cell; `interpreter` is the one that it declares.

    `observed` is None where no environment was read. `findings` are all that it told, `log` the commands' output.
    """

    status: str
    reason: str = ""
    error_code: int = 0
    observed: Fingerprint | None = None
    interpreter: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    commands: tuple[CommandResult, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    environment: str = ""
    link: str = ""
    log: bytes = b""


def request_to_json(request: Request) -> dict[str, object]:
    """A request as plain values."""
    plain = ("version", "project", "lock_sha256", "tracked", "installed", "recreate", "install_only", "paranoid")
    return {
        **{name: getattr(request, name) for name in plain},
        "files": dict(request.files),
        "variables": dict(request.variables),
        "posargs": list(request.posargs),
        "cell": _cell_to_json(request.plan.cell),
        "selector": request.plan.selector,
        "artifacts": [_artifact_to_json(artifact) for artifact in request.plan.artifacts],
    }


def request_from_json(data: Mapping[str, Value]) -> Request:
    """What `request_to_json` was given: the client is of the same version, and may run anything here anyhow."""
    plain = ("version", "project", "lock_sha256", "tracked", "installed", "recreate", "install_only", "paranoid")
    artifacts = tuple(_artifact_from_json(row) for row in _rows(data["artifacts"]))
    plan = Plan(cell=_cell_from_json(_mapping(data["cell"])), artifacts=artifacts, selector=str(data["selector"]))
    return Request(
        **{name: data[name] for name in plain},  # type: ignore[arg-type]
        plan=plan,
        files=_texts(data["files"]),
        variables=_texts(data["variables"]),
        posargs=_list(data["posargs"]),
    )


def _cell_to_json(cell: Cell) -> dict[str, object]:
    policy = cell.policy
    return {
        **{name: getattr(cell, name) for name in _CELL},
        "platform": cell.platform.spelling,
        "extras": list(cell.extras),
        "groups": None if cell.groups is None else list(cell.groups),
        "commands": list(cell.commands),
        "env": dict(cell.env),
        "pass_env": list(cell.pass_env),
        "axes": dict(cell.axes),
        "policy": {
            "seeds": [list(seed) for seed in policy.seeds],
            "interpreter": policy.interpreter,
            "platform": policy.platform,
            "bytecode": policy.bytecode,
        },
    }


def _cell_from_json(data: Mapping[str, Value]) -> Cell:
    policy = _mapping(data["policy"])
    return Cell(
        **{name: data[name] for name in _CELL},  # type: ignore[arg-type]
        platform=parse_platform(str(data["platform"])),
        on_host=True,
        extras=_list(data["extras"]),
        groups=None if data["groups"] is None else _list(data["groups"]),
        commands=_list(data["commands"]),
        env=_texts(data["env"]),
        pass_env=_list(data["pass_env"]),
        axes=_texts(data["axes"]),
        policy=Policy(
            seeds=tuple(Seed(*_list(seed)) for seed in _sequence(policy["seeds"])),
            **{name: str(policy[name]) for name in ("interpreter", "platform", "bytecode")},
        ),
    )


def _artifact_to_json(artifact: Artifact) -> dict[str, object]:
    """Without its URLs: they may hold the client's passwords, and a worker goes by the hash."""
    built_from = artifact.built_from and _artifact_to_json(artifact.built_from)
    return {**{name: getattr(artifact, name) for name in _ARTIFACT}, "built_from": built_from}


def _artifact_from_json(data: Mapping[str, Value]) -> Artifact:
    built_from = data["built_from"]
    return Artifact(
        **{name: data[name] for name in _ARTIFACT},  # type: ignore[arg-type]
        built_from=_artifact_from_json(_mapping(built_from)) if built_from else None,
    )


def answer_to_json(outcome: Outcome, interpreter: Mapping[str, str], log: bytes) -> dict[str, object]:
    """What has come of a cell, as plain values; `interpreter` is what the worker declares."""
    proof = outcome.proof
    return {
        "status": outcome.status,
        "reason": outcome.reason,
        "error_code": outcome.error_code,
        "observed": to_json(proof.observed) if proof else None,
        "interpreter": dict(interpreter),
        "findings": [finding_to_json(finding) for finding in proof.findings] if proof else [],
        "commands": [[list(one.argv), one.exit_code, one.seconds, one.note] for one in outcome.commands],
        "seconds": dict(outcome.seconds),
        "inputs": dict(outcome.inputs),
        "environment": outcome.environment,
        "link": outcome.link,
        "log": log.decode("utf-8", "surrogateescape"),
    }


def answer_from_json(text: str, worker: str, log: str) -> Answer:
    """A worker's answer; `log` is where the client keeps the output. Raises UnavailableError for anything else."""
    try:
        data = _mapping(json.loads(text))
        status = str(data["status"])
        if status not in STATUSES:
            raise ValueError(f"its status is {status!r}")
        if data["error_code"] not in _ERROR_CODES:
            raise ValueError(f"its error code is {data['error_code']!r}")
        observed = data["observed"]
        commands = [
            CommandResult(argv=_list(argv), exit_code=_whole(code), seconds=_number(seconds), log=log, note=str(note))
            for argv, code, seconds, note in map(_sequence, _sequence(data["commands"]))
        ]
        return Answer(
            status=status,
            reason=str(data["reason"]),
            error_code=_whole(data["error_code"]),
            observed=from_json(json.dumps(observed), worker) if observed is not None else None,
            interpreter=_texts(data["interpreter"]),
            findings=tuple(finding_from_json(dict(row)) for row in _rows(data["findings"])),
            commands=tuple(commands),
            seconds={name: _number(value) for name, value in _mapping(data["seconds"]).items()},
            inputs=_texts(data["inputs"]),
            environment=str(data["environment"]),
            link=str(data["link"]),
            log=str(data["log"]).encode("utf-8", "surrogateescape"),
        )
    except (ValueError, KeyError, TypeError, RecursionError, LockproofError) as error:
        raise UnavailableError("a worker's answer can't be read", where=worker, why=why_malformed(error)) from error


def _mapping(value: Value) -> Mapping[str, Value]:
    if not isinstance(value, dict):
        raise ValueError("something else where a mapping belongs")
    return value


def _sequence(value: Value) -> list[Value]:
    if not isinstance(value, list):
        raise ValueError("something else where a list belongs")
    return value


def _rows(value: Value) -> list[Mapping[str, Value]]:
    return [_mapping(row) for row in _sequence(value)]


def _list(value: Value) -> tuple[str, ...]:
    return tuple(str(item) for item in _sequence(value))


def _texts(value: Value) -> dict[str, str]:
    return {name: str(text) for name, text in _mapping(value).items()}


def _number(value: Value) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("something else where a number belongs")
    return float(value)


def _whole(value: Value) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("something else where a whole number belongs")
    return value
