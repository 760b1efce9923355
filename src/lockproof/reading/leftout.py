"""What a fingerprint leaves out because it rightly differs from install to install, checked in another way.

Each function gives the findings about one kind of such files; where a file is as it should be, there is none.
"""

from __future__ import annotations

import json
import re
import stat
from typing import TYPE_CHECKING

from lockproof.digests import is_sha256
from lockproof.proof.fingerprint import Finding
from lockproof.reading.activators import (
    PATCHES,
    Place,
    can_tell,
    has_release,
    is_known,
    is_known_file,
    other_root,
    written_by,
)
from lockproof.reading.readtree import text_of
from lockproof.wheels.startup import parse_pyvenv

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lockproof.proof.fingerprint import Fingerprint
    from lockproof.pythons.layout import Layout
    from lockproof.reading.readtree import ReadTree

ORIGIN_FILES = frozenset(("direct_url.json", "uv_cache.json", "uv_build.json", "provenance_url.json"))
INSTALLER_FILES = ORIGIN_FILES | {"RECORD", "INSTALLER", "REQUESTED"}
ROOT_FILES = frozenset(("pyvenv.cfg", "CACHEDIR.TAG", ".gitignore", ".lock"))
_ACTIVATOR = re.compile(r"([aA]ctivate|deactivate)(\.(bat|csh|fish|nu|ps1|xsh))?|activate_this\.py|pydoc\.bat")
_SMALL = 1024  # bytes: no tool writes more into the files of the root
_CLAIM = "says that it came from an archive whose sha256 is "


def is_activator(name: str) -> bool:
    """Whether a file of the scripts folder has a name that scripts for activating have."""
    return _ACTIVATOR.fullmatch(name) is not None


def place_of(tree: ReadTree, layout: Layout) -> Place:
    """Where the environment lies, as its activating scripts say it."""
    keys = parse_pyvenv(text_of(tree, "pyvenv.cfg"))
    prompt = keys.get("prompt", "").strip("'\"")  # venv writes its repr
    return Place(tuple(dict.fromkeys((tree.root, tree.real_root))), keys.get("home", ""), layout.site, prompt)


def activator_findings(tree: ReadTree, layout: Layout) -> Iterator[Finding]:
    """Scripts for activating that no known release writes: their text is a person's, or another release's.

    In an environment of lockproof's own it is known which release wrote them, and an edited one is a mismatch, unless
    its folder has a name that no two shells quote alike.
    """
    keys = parse_pyvenv(text_of(tree, "pyvenv.cfg"))
    place = place_of(tree, layout)
    maker = written_by(keys)
    ours = "lockproof-link" in keys and has_release(maker) and layout.scripts == "bin" and can_tell(place)
    for path, content in tree.texts.items():
        folder, _, name = path.rpartition("/")
        if folder == layout.scripts and is_activator(name) and not is_known(name, content, place):
            old = other_root(content)
            if old and is_known(name, content, place._replace(roots=(old,))):
                yield Finding("activate", layout.logical(path), f"leads to {old}: it was moved or copied", "note")
                continue
            text = f"is not what {maker} writes" if ours else "is not what any release known here writes"
            yield Finding("activate", layout.logical(path), text, "mismatch" if ours else "note")


def is_patch(path: str, sha256: str, layout: Layout) -> bool:
    """Whether a file is virtualenv's own in site-packages, as a known release wrote it for Pythons before 3.10."""
    folder, _, name = path.rpartition("/")
    return folder == layout.site and name in PATCHES and is_known_file(name, sha256)


def folder_findings(modes: Mapping[str, int], layout: Layout) -> Iterator[Finding]:
    """Folders that anybody may put files into, who so decides what is imported next; a sticky bit is no excuse.

    `modes` are those of all folders by their paths below the root, which is "".
    """
    for path, mode in sorted(modes.items()):
        if mode & stat.S_IWOTH:
            logical = layout.logical(f"{path}/").removesuffix("/") if path else "data/."
            yield Finding("mode", logical, f"its mode {mode:o} is world-writable")


def root_findings(tree: ReadTree) -> Iterator[Finding]:
    """Files of the root that are more than the mark that tools leave there."""
    for name in sorted(ROOT_FILES - {"pyvenv.cfg"}):
        if name in tree.files and tree.files[name][1] > _SMALL:
            yield Finding("root-file", f"data/{name}", f"has {tree.files[name][1]} bytes; tools write a few", "note")


def installer_finding(name: str, logical: str, text: str | None) -> Finding | None:
    """What is wrong with a file that installers write into .dist-info folders, or worth a note.

    `text` is None for one that is too large to have been kept.
    """
    if text is None:
        return None if name == "RECORD" else Finding("installer-file", logical, "is far larger than such a file can be")
    if name == "INSTALLER" and not re.fullmatch(r"[\w.+-]{1,64}( [\w.+-]{1,64})?\s*", text):
        return Finding("installer-file", logical, "is not a tool's name, or its name and version")
    if name == "REQUESTED" and text.strip():
        return Finding("installer-file", logical, "is not empty")
    return _origin_finding(name, logical, text) if name in ORIGIN_FILES else None


def _origin_finding(name: str, logical: str, text: str) -> Finding:
    try:
        origin = json.loads(text)
    except (ValueError, RecursionError):
        origin = None
    if not isinstance(origin, dict):
        return Finding("origin", logical, "is not the JSON object that it should be")
    if name not in ("direct_url.json", "provenance_url.json"):
        return Finding("origin", logical, "says where it was installed from; its files are compared", "note")
    if "dir_info" in origin or "vcs_info" in origin or "archive_info" not in origin:
        return Finding("origin", logical, "says that it was installed from a folder or a repository, not from a wheel")
    url, archive = origin.get("url"), origin["archive_info"]
    if not isinstance(url, str) or not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", url) or not isinstance(archive, dict):
        return Finding("origin", logical, "is not the JSON object that it should be")
    claims = _claims(archive)
    if claims is None or len(claims) > 1:
        return Finding("origin", logical, "has hashes that are none, or that contradict each other")
    if claims:
        return Finding("origin", logical, f"{_CLAIM}{min(claims)}", "note")
    return Finding("origin", logical, "says where it was installed from; its files are compared", "note")


def _claims(archive: Mapping[str, object]) -> set[str] | None:
    """The sha256s that `archive_info` names, in its old form and its new one; None where it makes no sense."""
    hashes = archive.get("hashes", {})
    old = archive.get("hash", "")
    if not isinstance(hashes, dict) or not isinstance(old, str) or (old and "=" not in old):
        return None
    claims = {str(hashes["sha256"]).lower()} if "sha256" in hashes else set()
    if old.startswith("sha256="):
        claims.add(old.removeprefix("sha256=").lower())
    return claims if all(map(is_sha256, claims)) else None


def held_to(predicted: Fingerprint, found: Finding) -> Finding:
    """What was found; a mismatch where a distribution says that it came from another archive than the locked one."""
    claim = found.message.removeprefix(_CLAIM)
    if found.code != "origin" or claim == found.message:
        return found
    for dist in predicted.distributions:
        ours = any(found.path.startswith(root) for root in dist.roots)
        if ours and dist.artifact and dist.artifact[1] != claim:
            return found._replace(message=f"{found.message}; the lock's is {dist.artifact[1]}", level="mismatch")
    return found
