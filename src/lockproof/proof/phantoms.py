"""Folders that hold nothing of a distribution's, and that Python takes for something all the same.

An empty folder has no line in the files layer. To `import`, it is a namespace package (PEP 420); to importlib.metadata
a folder `x-1.0.dist-info` or `x.egg-info` is a distribution, whatever is in it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lockproof.proof.fingerprint import Finding
from lockproof.proof.readtree import is_bytecode, text_of
from lockproof.pythons.layout import canonical_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from lockproof.proof.readtree import ReadTree
    from lockproof.pythons.layout import Layout

_METADATA_FOLDERS = (".dist-info", ".egg-info")
_HEADER_END = re.compile(r"\r?\n\r?\n")
_REQUIRED = re.compile(r"^Requires-Dist:[ \t]*([A-Za-z0-9][\w.-]*)", re.MULTILINE | re.IGNORECASE)


def phantom_findings(tree: ReadTree, layout: Layout, dist_infos: Collection[str]) -> Iterator[Finding]:
    """What is to be said of the empty folders in site-packages; `dist_infos` are the .dist-info folders below the root.

    A note, except where Python acts on one: a mismatch.
    """
    site = layout.site + "/"
    empty = [path for path in tree.empty if path.startswith(site)]
    of_metadata = [path for path in tree.files if path.endswith(".pyc") and "-info/" in path.lower()]
    tops = _tops(site, [f"{path}/" for path in empty] + of_metadata)
    if not tops:
        return
    held = _tops(site, (path for path in (*tree.files, *tree.links) if not is_bytecode(path)))
    ghosts = {top for top in tops - held if top.lower().endswith(_METADATA_FOLDERS)}
    for top in sorted(ghosts):
        yield Finding("phantom", f"site/{top}", "is taken for a distribution, and is none")
    wanted = _wanted(tree, dist_infos)
    for path in empty:
        top = path[len(site) :].partition("/")[0]
        if top in ghosts:
            continue
        if top not in held and canonical_name(top) in wanted:
            text = f"is a folder without files, with which `import {top}` succeeds, and {top} may be required"
            yield Finding("phantom", layout.logical(path), text)
        else:
            yield Finding("empty-folder", layout.logical(path), "is a folder without files", "note")


def _tops(site: str, paths: Iterable[str]) -> set[str]:
    """The names of the folders directly in site-packages that paths lie in."""
    cut = len(site)
    return {path[cut:].partition("/")[0] for path in paths if path.startswith(site) and "/" in path[cut:]}


def _wanted(tree: ReadTree, dist_infos: Iterable[str]) -> set[str]:
    """The normalised names of all that the distributions that are there may require, under whatever conditions."""
    texts = [_HEADER_END.split(text_of(tree, f"{folder}/METADATA"), maxsplit=1)[0] for folder in dist_infos]
    return {canonical_name(name) for text in texts for name in _REQUIRED.findall(text)}
