"""What runs or changes `sys.path` when Python starts: the `startup` layer (site, PEP 405, pyvenv.cfg)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lockproof.digests import sha256_hex

if TYPE_CHECKING:
    from collections.abc import Mapping

# Modules that site imports by name, wherever they lie on sys.path.
_HOOKS = re.compile(r"site/(sitecustomize|usercustomize)(\.[^/]*|/__init__\.[^/]*)?")
_PATH_FILE = re.compile(r"site/[^/]*\.(pth|start)")
_LINE_END = re.compile("\r\n|\r|\n")
_LONGEST_LINE = 4000
_ODD_SIGN = re.compile("[\0-\x08\x0b-\x1f\x7f\x85\u2028\u2029]")
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

# The startup lines of every pyvenv.cfg that is right.
ISOLATED = ("pyvenv.cfg\0include-system-site-packages\0false",)


def is_startup_file(path: str) -> bool:
    """Whether the file at this logical path takes part in Python's start."""
    if path.endswith((".pth", ".start")) and _PATH_FILE.fullmatch(path):
        return True
    return "customize" in path and _HOOKS.fullmatch(path) is not None


def startup_lines(path: str, content: bytes) -> list[str]:
    """The canonical startup lines of one startup file: its digest, then each effective line of a path file."""
    lines = [startup_line(path, sha256_hex(content))]
    if _PATH_FILE.fullmatch(path):
        for line in _path_file_lines(content):
            effective = line.strip()
            if effective and not effective.startswith("#"):
                kind = "exec" if line.startswith(("import ", "import\t")) or path.endswith(".start") else "path"
                lines.append(f"{path}\0{kind}\0{effective}")
    return lines


def startup_line(path: str, sha256: str) -> str:
    """The line that every startup file has, whatever is in it."""
    return f"{path}\0sha256\0{sha256}"


def _path_file_lines(content: bytes) -> list[str]:
    """The lines that any site module might see: since 3.13 it ends them wherever str.splitlines does.

    What is no UTF-8 is read in the locale's encoding, where the byte 85 may end a line.
    """
    try:
        return content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        lines = content.decode("latin-1").splitlines()
        return [line.encode("latin-1").decode("utf-8-sig", "surrogateescape") for line in lines]


def parse_pyvenv(text: str) -> dict[str, str]:
    """pyvenv.cfg's keys, lower case, as site reads them: the last of two equal keys holds.

    Lines end where they do in a text file, and not at a form feed or the like.
    """
    pairs = (line.partition("=") for line in _LINE_END.split(text))
    return {key.strip().lower(): value.strip() for key, equals, value in pairs if equals}


def pyvenv_traps(text: str) -> list[str]:
    """What makes the readers of one pyvenv.cfg see different things in it, in words.

    Of two lines with one key site takes the last, and getpath, which finds the standard library, the first. To
    getpath only LF ends a line, and before 3.11 it cut lines at a fixed length and cared for case.
    """
    traps = []
    keys = [line.partition("=")[0].strip().lower() for line in _LINE_END.split(text) if "=" in line]
    traps += [f"has the key {key} twice" for key in sorted({key for key in keys if keys.count(key) > 1})]
    if _ODD_SIGN.search(text.replace("\r\n", "\n")):
        traps.append("has control characters in it, which end a line for some readers and not for others")
    if any(len(line) > _LONGEST_LINE for line in text.split("\n")):
        traps.append(f"has a line of more than {_LONGEST_LINE} characters, which some Pythons cut")
    return traps


def python_of_pyvenv(keys: Mapping[str, str]) -> str:
    """The `X.Y.Z` that pyvenv.cfg claims, whoever made it; empty where it doesn't say."""
    claimed = keys.get("version") or keys.get("version_info", "")
    return ".".join(claimed.split(".")[:3])


def pyvenv_lines(keys: Mapping[str, str]) -> list[str]:
    """The canonical startup lines of pyvenv.cfg: the system-site switch, and any key that isn't provenance.

    Without the switch, site takes the system's packages in. The version is the interpreter layer's matter: site does
    not act on what this file says of it.
    """
    switch = keys.get("include-system-site-packages", "true").lower()
    lines = [f"pyvenv.cfg\0include-system-site-packages\0{switch}"]
    known = _PROVENANCE_KEYS | {"version", "version_info", "include-system-site-packages"}
    lines += [f"pyvenv.cfg\0{key}\0{value}" for key, value in keys.items() if key not in known]
    return lines
