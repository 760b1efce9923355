"""An environment as `reader` gives it, and what its paths alone tell: its layout, and which files are bytecode."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

from lockproof.errors import UsageError
from lockproof.pythons.layout import Layout, layout_for
from lockproof.wheels.startup import parse_pyvenv, python_of_pyvenv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_VERSION = re.compile(r"3\.\d+(\.\w+)*")
_LIBRARY = re.compile(r"lib/python(3\.\d+t?)/")
# What Python makes of a source, as against a module of that name: `x.cpython-312.pyc`, `x.cpython-312.opt-1.pyc`.
_TAGGED = re.compile(r"([^/]+?)\.[\w-]+(\.opt-\w+)?\.pyc")


class ReadTree(Protocol):
    """What `reader.read_tree` gives."""

    @property
    def root(self) -> str:
        """The folder that was read, as it was named."""

    @property
    def real_root(self) -> str:
        """The same without links."""

    @property
    def files(self) -> Mapping[str, tuple[str, int, int, object]]:
        """Path to sha256, size, mode and more."""

    @property
    def links(self) -> Mapping[str, str]:
        """Path to target."""

    @property
    def resolved(self) -> Mapping[str, str]:
        """For links in the scripts folder: path to where the chain ends."""

    @property
    def empty(self) -> Sequence[str]:
        """Folders without entries."""

    @property
    def special(self) -> Sequence[str]:
        """FIFOs, sockets, devices."""

    @property
    def texts(self) -> Mapping[str, bytes]:
        """The bytes of files that decide about others."""


def layout_of(tree: ReadTree) -> Layout:
    """The layout of the environment that was read: by its pyvenv.cfg, else by the folders it has.

    Raises UsageError where neither says which Python it is of.
    """
    given = getattr(tree, "layout", None)
    if isinstance(given, Layout):  # a prefix, whose layout is that of its Python
        return given
    version = python_of_pyvenv(parse_pyvenv(text_of(tree, "pyvenv.cfg")))
    library = f"lib/python{'.'.join(version.split('.')[:2])}/"
    if _VERSION.fullmatch(version) and any(path.startswith(library) for path in tree.files):
        return layout_for(version, "linux")  # as nearly always, and this is asked often
    folders = {match[1] for path in (*tree.files, *tree.links, *tree.empty) if (match := _LIBRARY.match(path))}
    if not _VERSION.fullmatch(version):
        version = min(folders, default="").removesuffix("t")
    if not version:
        raise UsageError(
            "this environment can't be read", where=tree.root, why="neither pyvenv.cfg nor a folder lib/pythonX.Y says "
            "which Python it is of", remedy="make it again",
        )  # fmt: skip
    library = ".".join(version.split(".")[:2])
    if library not in folders and any(path.startswith("Lib/site-packages/") for path in tree.files):
        return layout_for(version, "windows")
    free_threaded = library not in folders and f"{library}t" in folders
    return layout_for(version + ("t" if free_threaded else ""), "linux")


def is_bytecode(path: str) -> bool:
    """Whether a file is bytecode that Python made of a source beside its `__pycache__` folder."""
    folder, _, name = path.rpartition("/")
    return folder.rpartition("/")[2] == "__pycache__" and _TAGGED.fullmatch(name) is not None


def bytecode_of(tree: ReadTree) -> list[tuple[str, str]]:
    """The (bytecode, source) pairs of files in `__pycache__` folders, as paths below the root; source "" where gone.

    A source may be a link.
    """
    pairs = []
    for path in tree.files:
        if path.endswith(".pyc") and is_bytecode(path):
            folder, _, name = path.rpartition("/")
            named = _TAGGED.fullmatch(name)
            source = f"{folder.removesuffix('__pycache__')}{named[1] if named else name}.py"
            # Windows runs .pyw files too, whose bytecode has the same name.
            places = (place for place in (source, f"{source}w") if place in tree.files or place in tree.links)
            pairs.append((path, next(places, "")))
    return pairs


def text_of(tree: ReadTree, path: str) -> str:
    """A file's text, as far as it is one; empty where it isn't there or wasn't kept."""
    return tree.texts.get(path, b"").decode("utf-8", "surrogateescape")
