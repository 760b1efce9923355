"""Bytecode that the store keeps: ours alone, verified before it is placed, and what Python then loads."""

from __future__ import annotations

import importlib.util
import json
import marshal
import os
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof.digests import sha256_hex
from lockproof.wheels.compiled import changed_compiled, compile_imported, place_compiled
from lockproof.wheels.store import Store, StoreEntry
from support.environments import make, running, stored
from support.wheels import make_wheel

if TYPE_CHECKING:
    from lockproof.wheels.compiled import Placed

pytestmark = pytest.mark.skipif(os.name == "nt", reason="environments of this platform are laid out otherwise")
ENDING = f".{sys.implementation.cache_tag}.pyc"
CORE = "site/demo/core.py"
SOURCE = "ANSWER = 42\nprint(ANSWER)\n"
BOTH = ["demo/__init__.py", "demo/core.py"]
LINKS = ["hardlink", "symlink"]  # in these a source has the time that it has in the store


@dataclass
class Cell:
    """An environment with the wheel `demo`, and the folder below which its commands keep bytecode."""

    folder: Path
    site: Path
    entry: StoreEntry
    prefix: Path

    def imports(self) -> tuple[str, list[str], list[str]]:
        """Import `demo.core`: what it printed, and which of demo's files were loaded from bytecode and compiled."""
        environ = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        done = subprocess.run(
            [self.folder / "bin" / "python", "-v", "-c", "import demo.core"],
            env={**environ, "PYTHONPYCACHEPREFIX": str(self.prefix)},
            cwd=self.folder,
            check=True,
            capture_output=True,
            text=True,
        )
        told = done.stderr.splitlines()
        loaded = [path for path in BOTH if f"# code object from {str(self.cached(path))!r}" in told]
        compiled = [path for path in BOTH if f"# code object from {self.site / path}" in told]
        return done.stdout, loaded, compiled

    def cached(self, path: str) -> Path:
        """Where Python keeps the bytecode of a source in site-packages."""
        return Path(f"{self.prefix}{self.site}/{path.removesuffix('.py')}{ENDING}")

    def written(self) -> list[str]:
        """The sources whose bytecode lies below the prefix as a file."""
        return [path for path in BOTH if self.cached(path).is_file() and not self.cached(path).is_symlink()]

    def linked(self) -> list[str]:
        """The sources whose bytecode lies below the prefix as a link into the store."""
        return [
            path
            for path in BOTH
            if self.cached(path).is_symlink() and Path(os.readlink(self.cached(path))).parent == self.kept
        ]

    @property
    def kept(self) -> Path:
        """The store's bytecode of this wheel for the running interpreter."""
        return self.entry.folder / "compiled" / running().layer[7:23]

    def kept_file(self, path: str = CORE) -> Path:
        """The store's bytecode of one source."""
        return self.kept / f"{sha256_hex(path.encode())[:24]}.pyc"

    def index(self) -> dict[str, list[object]]:
        """What the store says of its bytecode."""
        index: dict[str, list[object]] = json.loads((self.kept / "index.json").read_bytes())
        return index

    def place(self, *, paranoid: bool = False) -> Placed:
        """What a run does before its commands: an empty folder, and links to what the store has."""
        shutil.rmtree(self.prefix, ignore_errors=True)
        self.prefix.mkdir()
        return place_compiled(self.prefix, self.site, [self.entry], running(), paranoid=paranoid)

    def keep(self) -> None:
        """What a run does after its commands."""
        compile_imported(self.prefix, self.site, [self.entry], running())


def cell_of(folder: Path, link: str) -> Cell:
    wheel = make_wheel(folder, "demo", "1.0", {"demo/__init__.py": "", "demo/core.py": SOURCE, "demo/other.py": ""})
    [entry] = stored(Store(folder / "store"), [wheel])
    site = make([entry], folder / "env", link=link)
    return Cell(folder=folder / "env", site=site, entry=entry, prefix=folder / "prefix")


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    """One whose commands have run once, after which the store has compiled what they imported."""
    cell = cell_of(tmp_path, "symlink")
    cell.imports()
    cell.keep()
    return cell


def overwrite(path: Path, content: bytes) -> None:
    """Change a read-only file in place, as someone who may do everything would."""
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(0o444)


@pytest.mark.parametrize("link", LINKS)
def test_what_was_imported_lies_ready_for_the_next_run(tmp_path: Path, link: str) -> None:
    cell = cell_of(tmp_path, link)
    cell.place()
    assert (cell.imports(), cell.written()) == (("42\n", [], BOTH), BOTH)
    cell.keep()
    cell.place()
    assert (cell.linked(), cell.written()) == (BOTH, [])
    assert (cell.imports(), cell.linked(), cell.written()) == (("42\n", BOTH, []), BOTH, [])


def test_it_is_the_ordinary_bytecode_of_the_store_s_source(cell: Cell) -> None:
    source = Path(cell.entry.tree, CORE)
    content = cell.kept_file().read_bytes()
    stamp = struct.pack("<III", 0, int(source.stat().st_mtime), len(SOURCE))
    assert content[:16] == importlib.util.MAGIC_NUMBER + stamp
    code = marshal.loads(content[16:])
    assert (code, code.co_filename) == (compile(SOURCE, "", "exec", dont_inherit=True), str(source))
    assert cell.kept_file().stat().st_mode & 0o777 == 0o444
    status = cell.kept_file().stat()
    seen = [status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns]
    assert (sorted(cell.index()), cell.index()[CORE]) == (["site/demo/__init__.py", CORE], [sha256_hex(content), *seen])


def test_what_a_command_wrote_is_never_taken_over(tmp_path: Path) -> None:
    """The planted bytecode is one that Python takes for the source's."""
    cell = cell_of(tmp_path, "symlink")
    cell.imports()
    honest = cell.cached("demo/core.py").read_bytes()
    planted = honest[:16] + marshal.dumps(compile("print('evil')", str(cell.site / "demo/core.py"), "exec"))
    cell.cached("demo/core.py").write_bytes(planted)
    assert cell.imports() == ("evil\n", BOTH, [])
    cell.keep()
    kept = cell.kept_file().read_bytes()
    assert (kept[:16], marshal.loads(kept[16:])) == (honest[:16], compile(SOURCE, "", "exec", dont_inherit=True))
    cell.place()
    assert cell.imports() == ("42\n", BOTH, [])


def test_bytecode_of_what_is_no_file_of_a_wheel_is_left_alone(cell: Cell) -> None:
    cell.place()
    for path in ("stray.py", "demo/stray.py"):
        cell.cached(path).write_bytes(b"evil")
    cell.cached("demo/core.py").with_name(f"core.cpython-00{ENDING[-4:]}").write_bytes(b"of another Python")
    before = cell.index()
    cell.keep()
    assert cell.index() == before


def test_a_damaged_file_is_removed_and_not_placed(cell: Cell) -> None:
    content = cell.kept_file().read_bytes()
    overwrite(cell.kept_file(), content[:-1] + b"?")
    cell.place()
    assert (cell.linked(), cell.kept_file().exists()) == (["demo/__init__.py"], False)
    assert cell.imports() == ("42\n", ["demo/__init__.py"], ["demo/core.py"])
    cell.keep()
    cell.place()
    assert (cell.imports(), cell.linked()) == (("42\n", BOTH, []), BOTH)


def test_what_commands_did_to_a_file_that_lay_ready_is_told(cell: Cell) -> None:
    """They reach it through the link; it is removed before anyone else loads it."""
    placed = cell.place()
    assert changed_compiled(placed) == []
    overwrite(cell.cached("demo/core.py"), b"evil")
    assert (changed_compiled(placed), cell.kept_file().exists()) == ([CORE], False)


def test_a_touched_file_is_hashed_again_and_placed(cell: Cell) -> None:
    os.utime(cell.kept_file(), (1, 1))
    cell.place()
    assert cell.linked() == BOTH


@pytest.mark.parametrize(("paranoid", "linked"), [(False, BOTH), (True, ["demo/__init__.py"])])
def test_damage_that_no_lstat_shows_is_found_by_the_paranoid(cell: Cell, paranoid: bool, linked: list[str]) -> None:
    overwrite(cell.kept_file(), b"rot")
    status = cell.kept_file().stat()
    index = cell.index()
    index[CORE][1:] = [status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns]
    (cell.kept / "index.json").write_text(json.dumps(index))
    cell.place(paranoid=paranoid)
    assert (cell.linked(), cell.kept_file().exists()) == (linked, not paranoid)


@pytest.mark.parametrize("kind", ["folder", "link", "gone", "unnamed"])
def test_what_is_no_file_of_the_index_is_not_placed(cell: Cell, kind: str) -> None:
    if kind == "unnamed":
        (cell.kept / "index.json").unlink()
    else:
        other = cell.kept_file().rename(cell.kept / "other")
        if kind == "folder":
            cell.kept_file().mkdir()
        elif kind == "link":
            overwrite(other, b"evil")
            cell.kept_file().symlink_to(other)
    cell.place()
    assert cell.linked() == ([] if kind == "unnamed" else ["demo/__init__.py"])


UNREADABLE = {
    "empty": "",
    "cut off": "{",
    "too deep": "[" * 100_000,
    "a list": "[]",
    "a text": '"x"',
    "a number for a row": '{"site/demo/core.py": 1}',
    "a short row": '{"site/demo/core.py": ["x", 1]}',
    "no text": "\x00\xff",
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_an_index_that_can_t_be_read_is_one_without_rows(cell: Cell, text: str) -> None:
    (cell.kept / "index.json").write_text(text, encoding="latin-1")
    cell.place()
    assert (cell.linked(), cell.imports()) == ([], ("42\n", [], BOTH))
    cell.keep()
    assert sorted(cell.index()) == ["site/demo/__init__.py", CORE]


def test_a_source_that_is_not_the_expected_one_is_not_compiled(tmp_path: Path) -> None:
    cell = cell_of(tmp_path, "symlink")
    overwrite(Path(cell.entry.tree, CORE), SOURCE.replace("42", "43").encode())
    assert cell.imports() == ("43\n", [], BOTH)
    cell.keep()
    assert (list(cell.index()), cell.kept_file().exists()) == (["site/demo/__init__.py"], False)
    cell.place()
    assert cell.linked() == ["demo/__init__.py"]


def test_a_source_without_code_is_no_error(tmp_path: Path) -> None:
    """What was imported and can't be compiled by us: Python 2 templates lie in wheels, too."""
    cell = cell_of(tmp_path, "symlink")
    cell.imports()
    source = Path(cell.entry.tree, "site/demo/other.py")
    overwrite(source, b"print 'x'\n")
    cell.entry.files = [
        (path, sha256_hex(source.read_bytes()) if path == "site/demo/other.py" else sha256)
        for path, sha256 in cell.entry.files
    ]
    cell.cached("demo/other.py").write_bytes(b"whatever")
    cell.keep()
    assert sorted(cell.index()) == ["site/demo/__init__.py", CORE]


def test_a_healed_source_has_its_bytecode_compiled_anew(cell: Cell) -> None:
    """Python itself sees that the time isn't the same, and writes its own in the place of the link."""
    source = Path(cell.entry.tree, CORE)
    source.unlink()
    cell.entry.heal(CORE, dict(cell.entry.files)[CORE])
    os.utime(source, (1_000_000_000, 1_000_000_000))
    cell.place()
    assert (cell.imports(), cell.written()) == (("42\n", ["demo/__init__.py"], ["demo/core.py"]), ["demo/core.py"])
    cell.keep()
    cell.place()
    assert cell.imports() == ("42\n", BOTH, [])


def test_a_copy_has_times_of_its_own_and_reaches_nothing_in_the_store(cell: Cell, tmp_path: Path) -> None:
    """Runs don't place bytecode for copies; where someone does, Python compiles for itself and replaces the links."""
    cell.site = make([cell.entry], tmp_path / "copied", link="copy")
    cell.folder = tmp_path / "copied"
    for path in BOTH:
        os.utime(cell.site / path, (1_000_000_000, 1_000_000_000))
    before = {path.name: path.read_bytes() for path in cell.kept.iterdir()}
    cell.place()
    assert (cell.linked(), cell.imports(), cell.written()) == (BOTH, ("42\n", [], BOTH), BOTH)
    assert {path.name: path.read_bytes() for path in cell.kept.iterdir()} == before


def test_other_interpreters_have_other_folders(cell: Cell) -> None:
    (other := cell.kept.with_name("0" * 16)).mkdir()
    for path in cell.kept.iterdir():
        path.rename(other / path.name)
    cell.place()
    assert cell.linked() == []


@pytest.mark.parametrize("what", ["compiled", "index"])
def test_a_store_that_can_t_be_written_to_is_no_error(tmp_path: Path, what: str) -> None:
    """A file stands where a folder should be, and a folder where a file should: that stops root, too."""
    cell = cell_of(tmp_path, "symlink")
    cell.imports()
    if what == "compiled":
        (cell.entry.folder / "compiled").write_text("")
    else:
        (cell.kept / "index.json").mkdir(parents=True)
    cell.keep()
    cell.place()
    assert (cell.linked(), cell.imports()) == ([], ("42\n", [], BOTH))


def test_nothing_imported_is_nothing_compiled(tmp_path: Path) -> None:
    cell = cell_of(tmp_path, "symlink")
    cell.keep()
    assert not (cell.entry.folder / "compiled").exists()
