"""Folders of an environment into which anybody may put files: whoever can, decides what is imported next."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from lockproof.proof.fingerprint import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lockproof.pythons.layout import Layout
    from lockproof.reading.reader import Tree


def folder_findings(tree: Tree, layout: Layout) -> Iterator[Finding]:
    """A mismatch for each folder, the root among them, that is world-writable; a sticky bit is no excuse.

    Raises OSError for a folder that has gone meanwhile.
    """
    for folder in sorted(tree.folders):
        for root in (tree.root, tree.real_root):
            if folder == root or folder.startswith(root + os.sep):
                mode = os.lstat(folder).st_mode
                if mode & stat.S_IWOTH:
                    path = folder[len(root) + 1 :].replace(os.sep, "/")
                    logical = layout.logical(f"{path}/").removesuffix("/") if path else "data/."
                    yield Finding("mode", logical, f"its mode {stat.S_IMODE(mode):o} is world-writable")
                break
