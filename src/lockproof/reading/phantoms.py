"""Folders that hold nothing of a distribution's, and that Python takes for something all the same.

An empty folder has no line in the files layer. To `import`, it is a namespace package (PEP 420); to importlib.metadata
a folder `x-1.0.dist-info` or `x.egg-info` is a distribution, whatever is in it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lockproof.proof.fingerprint import Finding
from lockproof.pythons.layout import canonical_name
from lockproof.reading.readtree import is_bytecode, text_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from lockproof.pythons.layout import Layout
    from lockproof.reading.readtree import ReadTree

_METADATA_FOLDERS = (".dist-info", ".egg-info")
_HEADER_END = re.compile(r"\r?\n\r?\n")
_REQUIRED = re.compile(r"^Requires-Dist:[ \t]*([A-Za-z0-9][\w.-]*)", re.MULTILINE | re.IGNORECASE)


def phantom_findings(
    tree: ReadTree, layout: Layout, dist_infos: Collection[str], orphans: Collection[str]
) -> Iterator[Finding]:
    """What is to be said of folders, in site-packages and beside scripts, that are empty or have only bytecode in them.

    `dist_infos` are the .dist-info folders below the root, `orphans` is bytecode without a source. A note, except where
    Python acts on such a folder: a mismatch.
    """
    for folder in (layout.site, layout.scripts):  # Python looks beside a script that it runs, too, and there first
        yield from _phantoms_in(f"{folder}/", tree, layout, dist_infos, orphans)


def _phantoms_in(
    folder: str, tree: ReadTree, layout: Layout, dist_infos: Collection[str], orphans: Collection[str]
) -> Iterator[Finding]:
    empty = [path for path in tree.empty if path.startswith(folder)]
    tops = _tops(folder, (*(f"{path}/" for path in empty), *orphans))
    if not tops:
        return
    held = _tops(folder, (path for path in (*tree.files, *tree.links) if not is_bytecode(path)))
    ghosts = {top for top in tops - held if top.lower().endswith(_METADATA_FOLDERS)}
    for top in sorted(ghosts):
        yield Finding("phantom", layout.logical(folder + top), "is taken for a distribution, and is none")
    wanted = _wanted(tree, dist_infos)
    imported = {top for top in tops - held - ghosts if canonical_name(top) in wanted}
    for top in sorted(imported):
        text = f"has no module in it, and makes `import {top}` succeed: {top} may be required"
        yield Finding("phantom", layout.logical(folder + top), text)
    for path in empty:
        if path[len(folder) :].partition("/")[0] not in ghosts | imported:
            yield Finding("empty-folder", layout.logical(path), "is a folder without files", "note")


def _tops(folder: str, paths: Iterable[str]) -> set[str]:
    """The names of the folders directly in that folder that paths lie in."""
    cut = len(folder)
    return {path[cut:].partition("/")[0] for path in paths if path.startswith(folder) and "/" in path[cut:]}


def _wanted(tree: ReadTree, dist_infos: Iterable[str]) -> set[str]:
    """The normalised names of all that the distributions that are there may require, under whatever conditions."""
    texts = [_HEADER_END.split(text_of(tree, f"{folder}/METADATA"), maxsplit=1)[0] for folder in dist_infos]
    return {canonical_name(name) for text in texts for name in _REQUIRED.findall(text)}
