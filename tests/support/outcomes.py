"""Outcomes, proofs and fingerprints made by hand, for reporters and exit codes."""

from __future__ import annotations

from lockproof.proof.compare import prove
from lockproof.proof.fingerprint import (
    Distribution,
    FileFact,
    Finding,
    Fingerprint,
    artifacts_digest,
    files_digest,
    set_digest,
    startup_digest,
)
from lockproof.running.outcomes import CommandResult, Outcome
from support.lockdata import cell

ESCAPE = "\x1b[31mred\x1b[0m\r\n\u202e"
ESCAPED = "\\x1b[31mred\\x1b[0m\\r\\n\\u202e"


def fingerprint(
    *,
    files: dict[str, FileFact] | None = None,
    version: str = "1.0",
    artifact: tuple[str, str] | None = ("demo-1.0-py3-none-any.whl", "a" * 64),
    startup: tuple[str, ...] = (),
    interpreter: dict[str, str] | None = None,
    findings: tuple[Finding, ...] = (),
    about: dict[str, str] | None = None,
    layer: str | None = None,
) -> Fingerprint:
    """An environment with one distribution, `demo`, that owns everything in `site/demo/`."""
    facts = {"site/demo/core.py": FileFact("f", "1" * 64, 10)} if files is None else files
    own = files_digest({path: fact for path, fact in facts.items() if path.startswith("site/demo/")})
    demo = Distribution(name="demo", version=version, files=own, roots=("site/demo/",), artifact=artifact)
    facts_of_python = {"version": "3.12.1"} if interpreter is None else interpreter
    layers = {
        "set": set_digest([("demo", version)]),
        "files": files_digest(facts),
        "startup": startup_digest(startup),
        "interpreter": layer or startup_digest(f"{k}={v}" for k, v in facts_of_python.items()),
    }
    if digest := artifacts_digest([demo]):
        layers["artifacts"] = digest
    return Fingerprint(
        layers=layers,
        distributions=(demo,),
        files=facts,
        startup=startup,
        interpreter=facts_of_python,
        findings=findings,
        about=about or {},
    )


MATCH = prove(fingerprint(), fingerprint(artifact=None))


def outcome(status: str, **more: object) -> Outcome:
    """An outcome of the cell 3.12.1-linux-x86_64."""
    return Outcome(cell=cell(), status=status, **more)  # type: ignore[arg-type]


def command(
    exit_code: int = 0, *, note: str = "", log: str = "/logs/x.log", argv: tuple[str, ...] = ("pytest", "-q")
) -> CommandResult:
    """A command that took a second and a half."""
    return CommandResult(argv=argv, exit_code=exit_code, seconds=1.5, log=log, note=note)
