"""Folders of an environment into which anybody may put files: whoever can, decides what is imported next."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from lockproof.proof.fingerprint import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lockproof.pythons.layout import Layout
    from lockproof.reading.reader import Tree


def modes_of(tree: Tree) -> dict[str, int]:
    """The modes of all folders that were read, by their paths below the root, which is "".

    Also of those that lie elsewhere, where links were followed to them. Raises OSError for one that has gone meanwhile.
    """
    modes = {}
    start = tree.real_root.rstrip(os.sep) + os.sep
    for folder in tree.folders:
        if folder.startswith(start) or folder == tree.real_root:
            modes[folder[len(start) :].replace(os.sep, "/")] = stat.S_IMODE(os.lstat(folder).st_mode)
    if len(modes) < len(tree.folders):
        modes |= {path: stat.S_IMODE(os.lstat(folder).st_mode) for path, folder in _followed(tree, start).items()}
    return modes


def _followed(tree: Tree, start: str) -> dict[str, str]:
    """The folders that have files and lie elsewhere than below `start`: path below the root to real path."""
    found: dict[str, str] = {}
    for path, real in tree.places.items():
        path, real = path.rpartition("/")[0], os.path.dirname(real)  # noqa: PTH120 - strings
        while real in tree.folders and not real.startswith(start) and path not in found:
            found[path] = real
            path, real = path.rpartition("/")[0], os.path.dirname(real)  # noqa: PTH120
    return found


def folder_findings(modes: Mapping[str, int], layout: Layout) -> Iterator[Finding]:
    """A mismatch for each folder, the root ("") among them, that is world-writable; a sticky bit is no excuse."""
    for path, mode in sorted(modes.items()):
        if mode & stat.S_IWOTH:
            logical = layout.logical(f"{path}/").removesuffix("/") if path else "data/."
            yield Finding("mode", logical, f"its mode {mode:o} is world-writable")
