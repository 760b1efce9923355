"""The standard library's bytecode below a prefix: links to what the interpreter came with, made anew when it isn't."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof.environments.pycache import prepare_bytecode, prepare_links
from support.environments import running

if TYPE_CHECKING:
    from collections.abc import Callable

    from lockproof.pythons.interpreters import Interpreter

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the standard library of this platform is laid out otherwise")
FILES = [
    "__pycache__/ast.cpython-312.pyc",
    "__pycache__/ast.cpython-312.opt-1.pyc",
    "ast.py",
    "json/__init__.py",
    "json/__pycache__/__init__.cpython-312.pyc",
    "json/deep/__pycache__/x.cpython-312.pyc",
    "lib-dynload/_json.so",
    "site-packages/__pycache__/left.cpython-312.pyc",
    "test/__pycache__/out.cpython-312.pyc",
]


class Base:
    """A fake interpreter with a library of its own, and a cache for its tree of links."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.library = folder / "base/lib/python3.12"
        for path in FILES:
            self.add(path)
        self.cache = folder / "cache"
        self.turns = 0

    def add(self, path: str) -> None:
        (self.library / path).parent.mkdir(parents=True, exist_ok=True)
        (self.library / path).write_text(path)

    @property
    def interpreter(self) -> Interpreter:
        return replace(running(), version="3.12.1", prefix=self.folder / "base")

    def prepare(self) -> Path:
        """Prepare a new prefix; returns what in it stands for the library."""
        self.turns += 1
        prefix = self.folder / f"prefix{self.turns}"
        prepare_bytecode(prefix, self.interpreter, self.cache)
        return Path(f"{prefix}{self.library}")

    def expected(self, *more: str) -> dict[str, str]:
        """What a tree of links must hold: where Python looks below the prefix, to where the bytecode lies."""
        paths = [
            "__pycache__/ast.cpython-312.pyc",
            "__pycache__/ast.cpython-312.opt-1.pyc",
            "json/__pycache__/__init__.cpython-312.pyc",
            "json/deep/__pycache__/x.cpython-312.pyc",
            *more,
        ]
        return {path.replace("__pycache__/", ""): str(self.library / path) for path in paths}


@pytest.fixture
def base(tmp_path: Path) -> Base:
    return Base(tmp_path)


def links_below(place: Path) -> dict[str, str]:
    """All that a folder of links holds: each link's target, and nothing for what is none."""
    return {
        str(Path(folder, name).relative_to(place)): os.readlink(path)
        if (path := Path(folder, name)).is_symlink()
        else ""
        for folder, _, names in os.walk(place)
        for name in names
    }


def inode_of(place: Path) -> int:
    return place.resolve().stat().st_ino


def test_the_library_s_part_of_the_prefix_leads_to_links_to_its_bytecode(base: Base) -> None:
    place = base.prepare()
    assert (place.is_symlink(), place.resolve().parent, links_below(place)) == (True, base.cache, base.expected())


def test_the_tree_is_kept_for_the_next_run(base: Base) -> None:
    first, second = base.prepare(), base.prepare()
    assert (first.resolve(), inode_of(first)) == (second.resolve(), inode_of(second))
    assert [path.name for path in base.cache.iterdir()] == [first.resolve().name]


def test_the_tree_can_be_made_before_and_is_not_made_twice(base: Base) -> None:
    prepare_links(base.interpreter, base.cache)
    (tree,) = base.cache.iterdir()
    inode = inode_of(tree)
    prepare_links(base.interpreter, base.cache)
    assert (base.prepare().resolve(), inode_of(tree), links_below(tree)) == (tree, inode, base.expected())


def test_each_library_has_its_own_tree(base: Base, tmp_path: Path) -> None:
    other = Base(tmp_path / "other")
    other.cache = base.cache
    assert (links_below(base.prepare()), links_below(other.prepare())) == (base.expected(), other.expected())
    assert len(list(base.cache.iterdir())) == 2


def put_in_the_place_of(path: Path, target: Path | None) -> None:
    """A link to `target` where something was, which is moved away; without a target a file."""
    path.rename(path.parent.parent / "moved")
    if target is None:
        path.write_text("evil")
    else:
        path.symlink_to(target)


ALTERED: dict[str, Callable[[Path], object]] = {
    "a file added": lambda tree: (tree / "json/evil.cpython-312.pyc").write_text("evil"),
    "a file in the place of a link": lambda tree: put_in_the_place_of(tree / "ast.cpython-312.pyc", None),
    "a link added": lambda tree: os.symlink("ast.cpython-312.pyc", tree / "evil.cpython-312.pyc"),
    "a link that leads elsewhere": lambda tree: put_in_the_place_of(tree / "ast.cpython-312.pyc", Path("/dev/null")),
    "a link gone": lambda tree: (tree / "ast.cpython-312.pyc").rename(tree.parent / "moved"),
    "a folder that is a link": lambda tree: put_in_the_place_of(tree / "json", tree.parent / "moved"),
    "all gone": lambda tree: tree.rename(tree.parent / "moved"),
}


@pytest.mark.parametrize("how", ALTERED)
def test_a_tree_that_was_altered_is_made_anew(base: Base, how: str) -> None:
    tree = base.prepare().resolve()
    ALTERED[how](tree)
    assert links_below(base.prepare()) == base.expected()


def test_a_library_that_was_altered_has_its_tree_made_anew(base: Base) -> None:
    base.prepare()
    base.add("json/__pycache__/new.cpython-312.pyc")
    place = base.prepare()
    assert links_below(place) == base.expected("json/__pycache__/new.cpython-312.pyc")
    (base.library / "json/__pycache__/new.cpython-312.pyc").unlink()
    assert links_below(base.prepare()) == base.expected()
    assert [path.name for path in base.cache.iterdir()] == [place.resolve().name]


def test_what_a_command_writes_over_a_link_does_not_reach_the_interpreter(base: Base) -> None:
    """Python puts bytecode in its place by a rename, which takes the link away and leaves what it led to."""
    place = base.prepare()
    (place / "new").write_text("a command's")
    (place / "new").rename(place / "ast.cpython-312.pyc")
    assert (base.library / "__pycache__/ast.cpython-312.pyc").read_text() == "__pycache__/ast.cpython-312.pyc"
    assert links_below(base.prepare()) == base.expected()


@pytest.mark.parametrize("what", ["the cache is a file", "the prefix is a file", "there is no library"])
def test_where_it_can_t_be_done_nothing_is_placed_and_that_is_no_error(base: Base, what: str) -> None:
    if what == "the cache is a file":
        base.cache.write_text("")
    elif what == "the prefix is a file":
        (base.folder / "prefix1").write_text("")
    else:
        base.library.rename(base.library.with_name("elsewhere"))
    assert not os.path.lexists(base.prepare())


def test_another_run_may_be_quicker(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its tree appears between our removing the old one and our putting the new one there."""
    tree = base.prepare().resolve()
    (tree / "evil").write_text("")
    rename = Path.rename

    def rename_late(path: Path, target: Path) -> Path:
        if target == tree:
            monkeypatch.setattr(Path, "rename", rename)
            base.prepare()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_late)
    assert links_below(base.prepare()) == base.expected()
    assert [path.name for path in base.cache.iterdir()] == [tree.name]


_IMPORT = "import json, textwrap; print(json.dumps([json.__cached__, textwrap.__cached__]))"


def test_python_loads_the_library_s_bytecode_through_the_links(tmp_path: Path) -> None:
    """And writes none of its own."""
    prefix = tmp_path / "prefix"
    prepare_bytecode(prefix, running(), tmp_path / "cache")
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [running().executable, "-S", "-v", "-c", _IMPORT],
        env={**environ, "PYTHONPYCACHEPREFIX": str(prefix)},
        check=True,
        capture_output=True,
        text=True,
    )
    paths = json.loads(done.stdout)
    if not all(Path(path).is_symlink() for path in paths):
        pytest.skip("this interpreter came without bytecode")
    told = done.stderr.splitlines()
    assert [f"# code object from {path!r}" in told for path in paths] == [True, True]
    assert "# wrote " not in done.stderr
    assert [path for path in prefix.rglob("*.pyc") if not path.is_symlink()] == []
