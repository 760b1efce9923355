"""Interpreters that aren't: shell scripts that answer the probe as they are told, and count how often."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

FACTS = {"implementation": "cpython", "debug": "no"}


def answer_of(path: Path, version: str, /, **changes: object) -> dict[str, object]:
    """What an interpreter at `path` would say of itself."""
    return {
        "executable": str(path),
        "version": version,
        "implementation": "cpython",
        "prefix": str(path.parent.parent),
        "configured_prefix": "",
        "stdlib": str(path.parent.parent / "lib"),
        "archive": "",
        "lib_dynload": "",
        "libpython": "",
        "platform": {"os": "linux", "machine": "x86_64", "libc": "glibc", "version": [2, 36]},
        "facts": {**FACTS, "version": version},
        "watched": [],
        **changes,
    }


def script(path: Path, body: str) -> Path:
    """An executable shell script; each run adds a line of its arguments to `<path>.runs`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho "$@" >> {shlex.quote(f"{path}.runs")}\n{body}\n')
    path.chmod(0o755)
    return path


def fake_python(path: Path, version: str, /, **changes: object) -> Path:
    """A script that answers as `version` at `path`, with an empty standard library beside it."""
    (path.parent.parent / "lib").mkdir(parents=True, exist_ok=True)
    return script(path, f"printf '%s\\n' {shlex.quote(json.dumps(answer_of(path, version, **changes)))}")


def runs_of(path: Path) -> list[str]:
    """The arguments of every run so far of a script."""
    log = Path(f"{path}.runs")
    return log.read_text().splitlines() if log.exists() else []
