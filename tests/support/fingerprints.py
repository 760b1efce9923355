"""Fingerprints of environments that never were, made from a few words: distributions, their files, a Python."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lockproof.digests import sha256_hex
from lockproof.proof.fingerprint import (
    Distribution,
    FileFact,
    Finding,
    Fingerprint,
    files_digests,
    interpreter_digest,
    owned_roots,
    set_digest,
    startup_digest,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

PYTHON = {"version": "3.12.1", "build": "one"}


def plain(content: str) -> FileFact:
    """A file with that text."""
    return FileFact("f", sha256_hex(content.encode()), len(content))


def environment(
    pins: Mapping[str, Mapping[str, str]],
    *,
    unowned: Mapping[str, str] | None = None,
    startup: tuple[str, ...] = (),
    python: Mapping[str, str] | None = None,
    findings: tuple[Finding, ...] = (),
    about: Mapping[str, str] | None = None,
) -> Fingerprint:
    """An environment with distributions by `name==version`, each with the text of its files by logical path.

    Each has a METADATA file, too. A text that starts with `module:` is an entry point. `unowned` belongs to nothing.
    """
    files: dict[str, FileFact] = {}
    groups: dict[str, list[str]] = {}
    for pin, texts in pins.items():
        name, _, version = pin.partition("==")
        own = {f"site/{name}-{version}.dist-info/METADATA": f"Name: {name}\nVersion: {version}\n", **texts}
        files |= {
            path: FileFact("e", text) if re.fullmatch(r"\w+:\w+", text) else plain(text) for path, text in own.items()
        }
        groups[pin] = list(own)
    files |= {path: plain(text) for path, text in (unowned or {}).items()}
    total, digests = files_digests(files, groups)
    roots = owned_roots(groups)
    distributions = tuple(
        Distribution(name=pin.partition("==")[0], version=pin.partition("==")[2], files=digests[pin], roots=roots[pin])
        for pin in sorted(pins)
    )
    facts = PYTHON if python is None else python
    return Fingerprint(
        layers={
            "set": set_digest((dist.name, dist.version) for dist in distributions),
            "files": total,
            "startup": startup_digest(startup),
            "interpreter": interpreter_digest(facts),
        },
        distributions=distributions,
        files=files,
        startup=startup,
        interpreter=facts,
        findings=(*findings, *(Finding("unowned", path, "is owned by nothing") for path in unowned or ())),
        about=about or {},
    )


def pip(version: str = "23.2.1", **files: str) -> dict[str, dict[str, str]]:
    """What ensurepip puts into an environment of Python 3.12."""
    own = {
        "site/pip/__init__.py": f"__version__ = {version}\n",
        "scripts/pip": "pip:main",
        "scripts/pip3.12": "pip:main",
    }
    return {f"pip=={version}": {**own, **files}}


DISTUTILS = "site/distutils-precedence.pth"
DISTUTILS_LINE = f"{DISTUTILS}\0exec\0import os; __import__('_distutils_hack').add_shim()"


def setuptools(version: str = "65.5.0") -> dict[str, dict[str, str]]:
    """What ensurepip puts into an environment before 3.12, beside pip; its startup line is DISTUTILS_LINE."""
    own = (
        "site/setuptools/__init__.py",
        "site/pkg_resources/__init__.py",
        "site/_distutils_hack/__init__.py",
        DISTUTILS,
    )
    return {f"setuptools=={version}": dict.fromkeys(own, f"# {version}\n")}
