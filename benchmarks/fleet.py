"""Ten thousand fingerprints of a fleet, grouped: time, memory, and whether the groups are the right ones.

    python benchmarks/fleet.py [--members 10000] [--files 12600] [--saved 200] [--check]

A fleet is made up: hosts of three versions of an application, and seven outliers. Each has a member of its own in a
bundle. `--saved N` measures N of them as plain saved fingerprints, too. Nothing is installed, no index is asked.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

SOURCE = Path(__file__).resolve().parent.parent / "src"
sys.path.insert(0, str(SOURCE))
from lockproof.proof.bundle import Bundle  # noqa: E402
from lockproof.proof.fingerprint import (  # noqa: E402
    Distribution,
    FileFact,
    Finding,
    Fingerprint,
    files_digests,
    interpreter_digest,
    owned_roots,
    set_digest,
    startup_digest,
    to_json,
)
from lockproof.proof.manifests import to_parts  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECONDS, BYTES = 60, 1 << 30  # the goals for 10,000 members of 12,600 files
PYTHON = {"version": "3.12.1", "implementation": "cpython", "build": "one"}


def state(
    pins: Mapping[str, str],
    each: int,
    *,
    changed: Mapping[str, str | None] | None = None,
    startup: Sequence[str] = (),
    python: Mapping[str, str] = PYTHON,
    findings: Sequence[Finding] = (),
) -> Fingerprint:
    """An environment with these versions by name, each distribution with `each` files.

    `changed` gives another text to some files, or takes them away; one that lies nowhere else belongs to nothing.
    """
    groups = {
        name: [f"site/{name}/part{number // 50}/module{number:04}.py" for number in range(each - 1)]
        + [f"site/{name}-{version}.dist-info/METADATA"]
        for name, version in pins.items()
    }
    files = {path: _fact(f"{name} {pins[name]} {path}") for name, paths in groups.items() for path in paths}
    for path, text in (changed or {}).items():
        if text is None:
            del files[path]
        else:
            files[path] = _fact(text)
    groups = {name: [path for path in paths if path in files] for name, paths in groups.items()}
    (total, digests), roots = files_digests(files, groups), owned_roots(groups)
    return Fingerprint(
        layers={
            "set": set_digest(pins.items()),
            "files": total,
            "startup": startup_digest(startup),
            "interpreter": interpreter_digest(python),
        },
        distributions=tuple(
            Distribution(name=name, version=version, files=digests[name], roots=roots[name])
            for name, version in sorted(pins.items())
        ),
        files=files,
        startup=tuple(startup),
        interpreter=python,
        findings=tuple(findings),
    )


def _fact(text: str) -> FileFact:
    return FileFact("f", hashlib.sha256(text.encode()).hexdigest(), len(text))


def states(files: int, distributions: int = 70) -> tuple[list[Fingerprint], dict[str, tuple[Fingerprint, int]]]:
    """Three versions, and seven outliers by name, each with the index of the version that it is nearest to."""
    each = files // distributions
    pins = [
        {f"package{n:02}": f"{version}.0" if n < 10 * version else "1.0" for n in range(distributions)}
        for version in (1, 2, 3)
    ]
    module = "site/package42/part0/module0007.py"
    edited = Finding("record-hash", module, "is not what site/package42-1.0.dist-info/RECORD says")
    stray = Finding("unowned", "site/stray.py", "is owned by nothing")
    hook = "site/hook.pth\0exec\0import os"
    outliers = {
        "edited": (state(pins[0], each, changed={module: "edited"}, findings=[edited]), 0),
        "edited-with-record": (state(pins[1], each, changed={module: "edited"}), 1),
        "gone": (state(pins[1], each, changed={module: None}), 1),
        "stray": (state(pins[2], each, changed={"site/stray.py": "stray"}, findings=[stray]), 2),
        "hook": (state(pins[2], each, changed={"site/hook.pth": "import os"}, startup=[hook]), 2),
        "other-build": (state(pins[0], each, python={**PYTHON, "build": "two"}), 0),
        "other-version": (state({**pins[2], "package69": "1.1"}, each), 2),
    }
    return [state(some, each) for some in pins], outliers


def fleet(members: int, files: int) -> dict[str, Fingerprint]:
    """A fingerprint for each host, by name; every one says a cell of its own, which no digest covers."""
    versions, outliers = states(files)
    ordinary = members - len(outliers)
    hosts = {f"host-{number:05}": versions[number % 3] for number in range(ordinary)}
    return hosts | {name: fingerprint for name, (fingerprint, _) in outliers.items()}


def write_bundle(folder: Path, hosts: Mapping[str, Fingerprint]) -> None:
    """A bundle of them; hosts in the same state have the same environment, and each its own member."""
    bundle = Bundle(folder, folder.name)
    members: dict[int, str] = {}
    for name, fingerprint in hosts.items():
        key = id(fingerprint)
        if key not in members:
            bundle.add(name, fingerprint)
            members[key] = to_parts(fingerprint).member.decode()
        document = {**json.loads(members[key]), "about": {"cell": name}}
        (folder / "members" / f"{name}.json").write_text(json.dumps(document))


def write_saved(folder: Path, hosts: Mapping[str, Fingerprint]) -> list[Path]:
    """A saved fingerprint of each."""
    paths = []
    for name, fingerprint in hosts.items():
        paths.append(folder / f"{name}.json")
        paths[-1].write_text(json.dumps(to_json(replace(fingerprint, about={"cell": name}))))
    return paths


def wrong(document: Mapping[str, object], members: int, prefix: str = "", suffix: str = "") -> list[str]:
    """What is not right about a comparison of the whole fleet; empty: every group and every outlier is."""
    _, outliers = states(700)
    ordinary = members - len(outliers)
    expected = {frozenset(f"{prefix}host-{n:05}{suffix}" for n in range(first, ordinary, 3)) for first in range(3)}
    singles = {f"{prefix}{name}{suffix}": version for name, (_, version) in outliers.items()}
    found: list[dict[str, object]] = document["groups"]  # type: ignore[assignment]
    groups = [frozenset(map(str, group["members"])) for group in found]  # type: ignore[call-overload]
    problems = [f"{document['relation']} instead of drift"] * (document["relation"] != "drift")
    if set(groups[:3]) != expected:
        problems.append("the three versions are not the three largest groups")
    alone = {name: row for names, row in zip(groups[3:], found[3:], strict=True) for name in names}
    if alone.keys() != singles.keys() or len(groups) != 3 + len(singles):
        problems.append(f"the outliers are {sorted(alone)}")
    for name, row in alone.items():
        nearest = groups[int(str(row["nearest"]))]
        if not row["outlier"] or f"{prefix}host-{singles.get(name, 0):05}{suffix}" not in nearest:
            problems.append(f"{name} is not told by the version that it is nearest to")
    return problems


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """How long a command took, in seconds, the most memory that it had, in bytes, and what it said."""

    seconds: float
    memory: int
    document: dict[str, object]


def measure(targets: Sequence[str], folder: Path) -> Measured:
    """`lockproof compare TARGETS --json` in a process of its own."""
    command = [sys.executable, "-m", "lockproof", "compare", *targets, "--json"]
    began = time.perf_counter()
    with (folder / "answer.json").open("wb") as answer:
        process = subprocess.Popen(command, cwd=folder, stdout=answer, env={**os.environ, "PYTHONPATH": str(SOURCE)})
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode != 3:
        raise SystemExit(f"lockproof compare ended with {process.returncode} instead of 3")
    document = json.loads((folder / "answer.json").read_bytes())
    unit = 1 if sys.platform == "darwin" else 1024
    return Measured(seconds=seconds, memory=usage.ru_maxrss * unit, document=document)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the fleet, measure, and say what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--members", type=int, default=10_000)
    parser.add_argument("--files", type=int, default=12_600)
    parser.add_argument("--saved", type=int, default=0, help="so many as plain saved fingerprints, too")
    parser.add_argument("--check", action="store_true", help="exit code 1 where a goal was missed")
    options = parser.parse_args(arguments)
    missed = []
    with tempfile.TemporaryDirectory(prefix="lockproof-fleet-") as name:
        folder = Path(name)
        write_bundle(folder / "fleet", fleet(options.members, options.files))
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        found = measure(["fleet"], folder)
        print(f"bundle: {options.members} members, {options.files} files each, {size / 1e6:.1f} MB on disk")
        missed += _told(found, wrong(found.document, options.members))
        if options.saved:
            write_saved(folder, fleet(options.saved, options.files))
            found = measure(sorted(path.name for path in folder.glob("*.json") if path.name != "answer.json"), folder)
            print(f"saved: {options.saved} fingerprints, {options.files} files each")
            missed += _told(found, wrong(found.document, options.saved, suffix=".json"))
    return 1 if missed and options.check else 0


def _told(found: Measured, problems: list[str]) -> list[str]:
    print(f"  {found.seconds:.1f} s, {found.memory / (1 << 20):.0f} MiB, groups: {'; '.join(problems) or 'right'}")
    return problems + ["too slow"] * (found.seconds > SECONDS) + ["too much memory"] * (found.memory > BYTES)


if __name__ == "__main__":
    sys.exit(main())
