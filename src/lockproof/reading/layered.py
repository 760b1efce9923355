"""The layers of an overlay, read where they lie, as the one tree that they are when mounted.

That is the same as reading the mounted tree, as long as no path is in both layers except folders, and no folder of the
upper one hides what is below it: the kernel then shows the union of both (overlayfs.rst, "Upper and Lower", "Merged
directories"). Layers of which that can't be said are not read here (`read_layers` gives None).
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lockproof.errors import UnavailableError
from lockproof.reading.lastlook import LastLook, look_from_bytes, look_of
from lockproof.reading.reader import ChangedDuringRead, Tree, read_file, read_tree, wants_text
from lockproof.writing import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lockproof.reading.reader import Known


@dataclass(kw_only=True, slots=True)
class Union:
    """One tree, in the shape of `readtree.ReadTree`."""

    root: str
    real_root: str
    files: dict[str, tuple[str, int, int, object]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    resolved: dict[str, str] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    special: list[str] = field(default_factory=list)
    texts: dict[str, bytes] = field(default_factory=dict)
    folders: dict[str, object] = field(default_factory=dict)  # by their real paths


@dataclass(frozen=True, kw_only=True, slots=True)
class Layered:
    """What was read: `tree` is the union, the others what it came from; `look` None where times can't tell a change."""

    tree: Union
    skeleton: Tree
    image: Tree | None
    look: LastLook | None

    def still_holds(self, known: Known) -> bool:
        """Whether a look at every entry of both layers shows it as it was."""
        image = self.look.holds(known) if self.look else self.image is not None and self.image.still_holds(known)
        return image and self.skeleton.still_holds(known)


def image_look(image: Path) -> LastLook | None:
    """What an image looked like when it was last read; None where nobody remembers."""
    with suppress(OSError):
        return look_from_bytes(_look_of_image(image).read_bytes())
    return None


def _look_of_image(image: Path) -> Path:
    return image.with_name(f"{image.name}.look")


def read_layers(
    root: Path, skeleton: Path, image: Path, *, known: Known, remember: bool, marked: Callable[[Sequence[str]], bool]
) -> Layered | None:
    """The union of both layers as the environment at `root`; None where it has to be mounted to be known.

    `marked` says whether folders have a mark that hides what is below. With `remember`, an image that looks as it did
    when it was last read is not read again. Raises UnavailableError for what can't be read or changes meanwhile.
    """
    try:
        upper = read_tree(str(skeleton), known)
        lower, whole, look = _read_image(image, known, marked, remember=remember)
    except (OSError, ChangedDuringRead) as error:
        raise UnavailableError("the environment can't be read whole", where=str(root), why=str(error),
                               remedy="run it again with --recreate") from error  # fmt: skip
    if lower is None or upper.special or lower.special or _clash(upper, lower):
        return None
    if marked(list(upper.folders)) or _is_open(upper):
        return None
    tree = Union(root=str(root), real_root=os.path.realpath(root))
    for layer in (lower, _union_of(upper)):
        tree.files.update(layer.files)
        tree.links.update(layer.links)
        tree.resolved.update(layer.resolved)
        tree.texts.update(layer.texts)
    tree.empty = [path for path in upper.empty if f"{lower.real_root}/{path}" not in lower.folders]
    tree.empty += [path for path in lower.empty if f"{upper.real_root}/{path}" not in upper.folders]
    return Layered(tree=tree, skeleton=upper, image=whole, look=look)


def _is_open(tree: Tree) -> bool:
    """Whether anybody may put files into one of its folders: a finding, which is told of what is mounted."""
    return any(mode & stat.S_IWOTH for mode in tree.modes.values())


def _clash(upper: Tree, lower: Union) -> bool:
    """Whether a file or link of one layer lies where the other has anything."""
    mine, others = upper.files.keys() | upper.links.keys(), lower.files.keys() | lower.links.keys()
    if mine & others:
        return True
    return any(f"{lower.real_root}/{path}" in lower.folders for path in mine) or any(
        folder[len(upper.real_root) + 1 :] in others for folder in upper.folders
    )


def _read_image(
    image: Path, known: Known, marked: Callable[[Sequence[str]], bool], *, remember: bool
) -> tuple[Union | None, Tree | None, LastLook | None]:
    """What an image is, None for one with marks; as it was read, if it was; and its look."""
    if remember:
        with suppress(OSError, ChangedDuringRead):
            look = image_look(image)
            if look and look.holds(known) and (tree := _tree_of(look, str(image))):
                return tree, None, look
    started = time.time_ns()
    whole = read_tree(str(image), known)
    if marked(list(whole.folders)) or _is_open(whole):
        return None, None, None
    look = look_of(whole, started)
    if look and remember:
        with suppress(OSError):  # a store that can't be written to costs time, no more
            content = look.to_bytes()
            write_atomically(_look_of_image(image), content)
            look = replace(look, checksum=content[:32].hex())
    return _union_of(whole), whole, look


def _union_of(tree: Tree) -> Union:
    return Union(
        root=tree.root,
        real_root=tree.real_root,
        files=dict(tree.files),
        links=tree.links,
        resolved=tree.resolved,
        empty=tree.empty,
        special=tree.special,
        texts=tree.texts,
        folders=dict(tree.folders),
    )


def _tree_of(look: LastLook, root: str) -> Union | None:
    """The tree that a look is of, its texts read again; None for a look of another place."""
    tree, start = Union(root=root, real_root=root), len(root) + 1
    if look.links or not look.is_at(root) or root != os.path.realpath(root):
        return None
    for path, digest, _device, _inode, mode, size, _mtime, _ctime in look.files:
        tree.files[path[start:]] = (digest, size, mode, None)
    tree.folders = dict.fromkeys((folder for folder, *_ in look.folders), None)
    filled = {path.rpartition("/")[0] for path, *_ in look.files} | {path.rpartition("/")[0] for path in tree.folders}
    tree.empty = [folder[start:] for folder in tree.folders if folder not in filled and folder != root]
    for path, (digest, *_rest) in tree.files.items():
        if wants_text(path):
            content = _read_text(f"{root}/{path}", digest)
            if content is None:
                return None
            tree.texts[path] = content
    return tree


def _read_text(path: str, digest: str) -> bytes | None:
    found, content, _ = read_file(path, os.lstat(path), True)
    return content if found == digest else None
