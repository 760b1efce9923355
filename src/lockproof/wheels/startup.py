"""What runs or changes `sys.path` when Python starts: the `startup` layer (site, PEP 405, pyvenv.cfg)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lockproof.digests import sha256_hex

if TYPE_CHECKING:
    from collections.abc import Mapping

# Modules that site imports by name, wherever they lie on sys.path.
_HOOKS = re.compile(r"site/(sitecustomize|usercustomize)(\.[^/]*|/__init__\.[^/]*)?")
_PATH_FILE = re.compile(r"site/[^/]+\.(pth|start)")
# Keys that say where an environment came from and lies: never the same twice, and of no effect on what is imported.
_PROVENANCE_KEYS = frozenset(
    [
        "home",
        "implementation",
        "executable",
        "command",
        "base-prefix",
        "base-exec-prefix",
        "base-executable",
        "virtualenv",
        "uv",
        "prompt",
        "python-version",
        "relocatable",
        "seed",
        "lockproof",
        "lockproof-link",
    ]
)


def is_startup_file(path: str) -> bool:
    """Whether the file at this logical path takes part in Python's start."""
    return bool(_PATH_FILE.fullmatch(path) or _HOOKS.fullmatch(path))


def startup_lines(path: str, content: bytes) -> list[str]:
    """The canonical startup lines of one startup file: its digest, then each effective line of a path file."""
    lines = [f"{path}\0sha256\0{sha256_hex(content)}"]
    if _PATH_FILE.fullmatch(path):
        text = content.decode("utf-8-sig", "surrogateescape")
        for line in text.splitlines():
            effective = line.strip()
            if effective and not effective.startswith("#"):
                kind = "exec" if line.startswith(("import ", "import\t")) or path.endswith(".start") else "path"
                lines.append(f"{path}\0{kind}\0{effective}")
    return lines


def parse_pyvenv(text: str) -> dict[str, str]:
    """pyvenv.cfg's keys, lower case, as site reads them: the last of two equal keys holds."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {key.strip().lower(): value.strip() for key, equals, value in pairs if equals}


def python_of_pyvenv(keys: Mapping[str, str]) -> str:
    """The `X.Y.Z` that pyvenv.cfg claims, whoever made it; empty where it doesn't say."""
    claimed = keys.get("version") or keys.get("version_info", "")
    return ".".join(claimed.split(".")[:3])


def pyvenv_lines(keys: Mapping[str, str]) -> list[str]:
    """The canonical startup lines of pyvenv.cfg: the system-site switch, and any key that isn't provenance.

    The version is the interpreter layer's matter: site does not act on what this file says of it.
    """
    switch = keys.get("include-system-site-packages", "false").lower()
    lines = [f"pyvenv.cfg\0include-system-site-packages\0{switch}"]
    known = _PROVENANCE_KEYS | {"version", "version_info", "include-system-site-packages"}
    lines += [f"pyvenv.cfg\0{key}\0{value}" for key, value in keys.items() if key not in known]
    return lines
