"""Makes environments with many releases of venv, virtualenv and uv, and writes down what they write to activate them.

    python conformance/activators.py src/lockproof/reading/knownactivators.py

The releases come by `uvx` from the index that uv is set up for; venv's are those of the interpreters that lockproof
finds. What the table has already stays in it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from lockproof.digests import sha256_hex
from lockproof.pythons.interpreters import Discovery, known_interpreters
from lockproof.reading.activators import PATCHES, Place, digest_of
from lockproof.reading.knownactivators import KNOWN
from lockproof.wheels.startup import parse_pyvenv

VIRTUALENV = (
    "20.0.35 20.2.2 20.4.7 20.8.1 20.10.0 20.13.4 20.14.1 20.16.7 20.17.1 20.19.0 20.21.1 20.23.1 20.24.7 20.25.3 "
    "20.26.6 20.27.1 20.28.1 20.29.3 20.30.0 20.31.2 20.34.0 20.35.4 20.36.1 20.38.0 20.39.1 21.0.0 21.2.4 "
    "21.3.3 21.4.3 21.5.2 21.6.1 21.7.16 21.8.1 21.9.1 21.10.0 21.11.1 21.12.1 21.13.0 21.14.13 21.15.8"
)
UV = "0.4.30 0.5.31 0.6.17 0.7.22 0.8.24 0.9.30 0.10.12 0.11.33 0.12.24 0.13.9"
NAME = "Qx7-name"  # nothing else in any of the scripts


def main() -> None:
    """Make them all, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--virtualenv", nargs="*", default=VIRTUALENV.split())
    parser.add_argument("--uv", nargs="*", default=UV.split())
    options = parser.parse_args()
    known = {
        name: {digest: set(releases.split(", ")) for digest, releases in files.items()} for name, files in KNOWN.items()
    }
    pythons = {said.version: str(said.executable) for said in known_interpreters(Discovery())}
    some = [pythons[version] for start in ("3.9.", "3.12.") for version in sorted(pythons) if version.startswith(start)]
    makers: list[tuple[str, list[str]]] = [
        (f"venv {version}", [python, "-m", "venv", "--without-pip"])
        for version, python in pythons.items() if version.startswith("3.")
    ]  # fmt: skip
    for version in options.virtualenv:
        run = [
            "uvx",
            "--quiet",
            "--python",
            some[0],
            "--from",
            f"virtualenv=={version}",
            "virtualenv",
            "-q",
            "--no-seed",
        ]
        makers += [(f"virtualenv {version}", [*run, "--no-vcs-ignore", "-p", python]) for python in some]
    for version in options.uv:
        run = ["uvx", "--quiet", "--from", f"uv=={version}", "uv", "venv", "-q", "--no-project", "--python"]
        makers.append((f"uv {version}", [*run, some[-1]]))
    for release, command in makers:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder).resolve() / NAME
            if subprocess.run([*command, str(root)], stdout=sys.stderr, check=False).returncode:
                print(f"{release} made no environment", file=sys.stderr)
                continue
            for name, digest in scripts(root):
                known.setdefault(name, {}).setdefault(digest, set()).add(release)
    options.table.write_text(table(known), encoding="utf-8")


def scripts(root: Path) -> list[tuple[str, str]]:
    """The name and digest of each script of an environment."""
    keys = parse_pyvenv((root / "pyvenv.cfg").read_text(encoding="utf-8"))
    [site] = root.glob("lib/python3.*/site-packages")
    place = Place((str(root),), keys["home"], site.relative_to(root).as_posix())
    found = [(path.name, sha256_hex(path.read_bytes())) for path in site.iterdir() if path.name in PATCHES]
    for path in sorted((root / "bin").iterdir()):
        if not path.name.startswith(("python", "pypy")):
            text = path.read_bytes()
            assert NAME.encode() not in text.replace(str(root).encode(), b"") or digest_of(text, place)
            found.append((path.name, digest_of(text, place)))
    return found


def release_key(release: str) -> tuple[str, list[int]]:
    """How releases are sorted."""
    tool, version = release.split(" ")
    return tool, [int(part) for part in version.split(".") if part.isdigit()]


def table(known: dict[str, dict[str, set[str]]]) -> str:
    """The module's text."""
    lines = [
        '"""What releases write to activate an environment: made by conformance/activators.py, never by hand."""\n\n'
    ]
    lines.append("# file name to the sha256 of its normal form to the releases that write it\n")
    lines.append("KNOWN: dict[str, dict[str, str]] = {\n")
    for name, files in sorted(known.items()):
        lines.append(f'    "{name}": {{\n')
        for digest, releases in sorted(files.items(), key=lambda item: min(map(release_key, item[1]))):
            rows = textwrap.wrap(", ".join(sorted(releases, key=release_key)), 96)
            lines.append(f'        "{digest}": (\n')
            lines += [f'            "{row} "\n' for row in rows[:-1]]
            lines += [f'            "{rows[-1]}"\n', "        ),\n"]
        lines.append("    },\n")
    return "".join([*lines, "}\n"])


if __name__ == "__main__":
    main()
