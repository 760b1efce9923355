"""What the reader printed on another machine, as the tree that it read there (`reader.as_json`)."""

from __future__ import annotations

import os
import stat

from lockproof.reading.reader import Tree


def tree_from_json(document: object) -> Tree:
    """The tree of a document of `reader.as_json`; ValueError for anything else."""
    match document:
        case {
            "root": str(root),
            "real_root": str(real_root),
            "files": dict(files),
            "links": dict(links),
            "resolved": dict(resolved),
            "empty": list(empty),
            "special": list(special),
            "texts": dict(texts),
        }:
            tree = Tree(root, real_root)
            for path, fact in files.items():
                match fact:
                    case [str(digest), int(size), int(mode)]:
                        status = os.stat_result((stat.S_IFREG | mode, 0, 0, 1, 0, 0, size, 0, 0, 0))
                        tree.files[str(path)] = (digest, size, mode, status)
                    case _:
                        raise ValueError(f"no fact of a file: {path!r}")
            tree.links = _texts(links)
            tree.resolved = _texts(resolved)
            tree.empty, tree.special = list(map(str, empty)), list(map(str, special))
            tree.texts = {path: text.encode("latin-1") for path, text in _texts(texts).items()}
            return tree
    raise ValueError("it is no reading of an environment")


def _texts(pairs: dict[object, object]) -> dict[str, str]:
    return {str(path): str(text) for path, text in pairs.items()}
