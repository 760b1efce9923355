"""What the variables of an image change: a folder that Python searches first, or a loader's, may hold what it runs.

Most images set some, and nothing comes of it: that is a note. Where the image's own files tell that other code than the
environment's would run, it stays unproven: whoever starts the image may set them otherwise.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lockproof.proof.fingerprint import Finding
from lockproof.reading.rootfs import variables_of_python

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lockproof.proof.fingerprint import Fingerprint
    from lockproof.reading.tarreader import Archive

_CUSTOMIZE = frozenset(("sitecustomize", "usercustomize"))  # modules that site imports wherever they are
_MODULE = re.compile(r"(\w+)(?:\.[\w-]+)*\.(?:pyc?|so)|(\w+)/__init__\.[^/]*")
_LIBRARY = re.compile(r"libpython3\.\d+t?d?\.so[\w.]*")
_TOLD = 3  # modules that a message names


def variable_findings(archive: Archive, variables: Mapping[str, str], read: Fingerprint, site: str) -> list[Finding]:
    """One for each variable that Python or its loader heeds.

    `read` is what was read of the environment, whose folder of distributions is `site`, without a leading `/`.
    """
    findings = []
    for name, value in variables_of_python(variables).items():
        effect = _effect(archive, name, value, read, site)
        text = f"is set to {value!r}, which Python or its loader heeds{effect and f': {effect}'}"
        findings.append(Finding("image-variable", name, text, "unproven" if effect else "note"))
    return findings


def _effect(archive: Archive, name: str, value: str, read: Fingerprint, site: str) -> str:
    """What else would run, in words; empty where the image's files show nothing such."""
    if name == "PYTHONHOME" and value:
        return "its standard library is taken from there"
    folders = [archive.real_path(folder) for folder in value.split(":") if folder.startswith("/")]
    if name == "PYTHONPATH":
        others = [folder for folder in folders if folder != site]
        hidden = sorted({module for folder in others for module in _modules(archive, folder)} & _names(read))
        if packed := next((other for other in others if other in archive.files), ""):
            return f"/{packed} is an archive of modules, which was not looked into"
        more = f" and {len(hidden) - _TOLD} more" if len(hidden) > _TOLD else ""
        return f"{', '.join(hidden[:_TOLD])}{more} would be imported from there" if hidden else ""
    if name == "LD_LIBRARY_PATH" and (own := read.interpreter.get("libpython", "")):
        other = next((path for folder in folders for path in _libraries(archive, folder, own)), "")
        return f"/{other} would be loaded in place of the Python's own" if other else ""
    return ""


def _names(read: Fingerprint) -> frozenset[str]:
    """The modules that the environment and the standard library have at their tops, and those that site looks for."""
    ours = {match for path in read.files if path.startswith("site/") for match in _named(path[len("site/") :])}
    own = {match for row in read.interpreter_files for match in _named(row.partition("/")[2])}
    return _CUSTOMIZE | ours | own


def _named(path: str) -> Iterator[str]:
    """The module that a file is, seen from the folder that is searched."""
    if match := _MODULE.fullmatch(path):
        yield match[1] or match[2]


def _modules(archive: Archive, folder: str) -> Iterator[str]:
    start = f"{folder}/" if folder else ""
    for path in archive.files:
        if path.startswith(start):
            yield from _named(path[len(start) :])
    for path in archive.links:
        if path.startswith(start) and "/" not in (name := path[len(start) :]):
            end = archive.real_path(path)
            yield from _named(name) if end in archive.files else (name,)  # a folder may be a package


def _libraries(archive: Archive, folder: str, own: str) -> Iterator[str]:
    """The libpythons right in a folder that are another one than the digest says."""
    for path in (*archive.files, *archive.links):
        above, _, name = path.rpartition("/")
        digest = archive.files.get(archive.real_path(path))
        if above == folder and _LIBRARY.fullmatch(name) and digest and own not in ("static", f"sha256:{digest[0]}"):
            yield path
