"""Bytecode on disk, compared with its source by another process, and remembered where it is true."""

from __future__ import annotations

import importlib.util
import marshal
import os
import py_compile
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof.digests import sha256_hex
from lockproof.reading import bytecode
from lockproof.reading.bytecode import check_bytecode
from lockproof.reading.reader import ChangedDuringRead, read_tree
from lockproof.reading.readtree import bytecode_of
from lockproof.reading.vouched import Vouched
from support.environments import running

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the limits that are tested here are POSIX's")
TAG = sys.implementation.cache_tag
SOURCE = "x = (1, 'two', 3.0)\ndef f(a=-0.0): return x in {1, 2}\n"
TIMED = importlib.util.MAGIC_NUMBER + bytes(12)
UNREADABLE = "bytecode-unreadable"


@pytest.fixture(autouse=True)
def _bytecode_beside_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under `lockproof run`, bytecode goes to a folder of its own. Meanwhile no import may write any."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)


def write(root: Path, files: dict[str, bytes | str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def compiled(root: Path, source: str, *, level: int = 0) -> Path:
    return Path(py_compile.compile(str(root / source), doraise=True, optimize=level) or "")


def codes(root: Path, vouched: Vouched | None = None) -> dict[str, str | None]:
    """The code of what was found about each bytecode file, by its path."""
    tree = read_tree(str(root))
    answers = check_bytecode(tree, bytecode_of(tree), running(), vouched)
    assert all(finding is None or finding.path == path for path, finding in answers.items())
    return {path: finding and finding.code for path, finding in answers.items()}


def mutations(body: bytes) -> Iterable[bytes]:
    """Every byte changed, every length cut, and garbage."""
    for position in range(len(body)):
        yield body[:position] + bytes([body[position] ^ 1]) + body[position + 1 :]
    for length in range(0, len(body), 7):
        yield body[:length]
    chance = random.Random(0)
    for _ in range(100):
        yield chance.randbytes(chance.randrange(100))


def test_no_changed_bytecode_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytecode, "_DEATHS", 1000)  # some of these do end the process
    name = str(tmp_path / "m.py")
    source = "x = (1, 'two', 3.0)\ndef f(a=-0.0): return a\n"  # nothing that counts how often it ran
    body = marshal.dumps(compile(source, name, "exec", dont_inherit=True))
    bodies = dict(enumerate(mutations(body)))
    write(tmp_path, {"m.py": source, **{f"__pycache__/m.t{n}.pyc": TIMED + each for n, each in bodies.items()}})
    found = codes(tmp_path)

    assert len(found) == len(bodies)
    assert set(found.values()) <= {None, "bytecode-false", UNREADABLE}
    spelled = range(body.index(name.encode()), body.index(name.encode()) + len(name))
    true = {n for n in bodies if found[f"__pycache__/m.t{n}.pyc"] is None}
    # The file name may be another, as in an environment that was moved. All else must load as the same code: CPython
    # 3.13 makes a stack of size 0 one of size 1.
    assert {n for n in true - set(spelled) if marshal.dumps(marshal.loads(bodies[n])) != body} == set()


def test_names_say_which_source_and_what_is_not_python_s(tmp_path: Path) -> None:
    write(tmp_path, {"m.py": "assert 1, 2\n", "a.b.py": "x = 1\n", "a.py": "y = 1\n", "w.pyw": "z = 1\n"})
    true = [compiled(tmp_path, "m.py", level=level) for level in (0, 1, 2)]
    true += [compiled(tmp_path, source) for source in ("a.b.py", "a.py")]
    shutil.copy(compiled(tmp_path, "w.pyw"), tmp_path / f"__pycache__/gone.{TAG}.pyc")
    for other in (f"m.{TAG}.opt-hook1.pyc", f"m.{TAG}.opt-3.pyc", f"m.{TAG}-pytest-8.0.1.pyc"):
        shutil.copy(true[0], tmp_path / "__pycache__" / other)
    shutil.copy(true[0], tmp_path / "__pycache__" / f"l.{TAG}.pyc")
    (tmp_path / "l.py").symlink_to("m.py")

    assert codes(tmp_path) == {
        **{str(path.relative_to(tmp_path)): None for path in true},
        f"__pycache__/w.{TAG}.pyc": None,
        f"__pycache__/gone.{TAG}.pyc": "bytecode-orphan",
        f"__pycache__/m.{TAG}.opt-hook1.pyc": "bytecode-hooked",
        f"__pycache__/m.{TAG}.opt-3.pyc": "bytecode-hooked",
        f"__pycache__/m.{TAG}-pytest-8.0.1.pyc": "bytecode-rewritten",
        f"__pycache__/l.{TAG}.pyc": "bytecode",
    }


def test_pytest_s_own_are_told_by_their_tag_and_by_nothing_else(tmp_path: Path) -> None:
    names = ("a-pytest-b/__pycache__/m", "__pycache__/m-pytest-8")
    evil = marshal.dumps(compile("x = 'evil'\n", "m.py", "exec", dont_inherit=True))
    write(tmp_path, {"a-pytest-b/m.py": SOURCE, "m-pytest-8.py": SOURCE})
    write(tmp_path, {f"{name}.{TAG}.pyc": TIMED + evil for name in names})

    assert codes(tmp_path) == {f"{name}.{TAG}.pyc": "bytecode-false" for name in names}


def test_two_that_are_false_in_different_ways_are_not_told_alike(tmp_path: Path) -> None:
    """The bytes of bytecode are in no layer, so that a comparison of two environments has nothing but what is found."""
    told = []
    for name, evil in (("one", "x = 'evil'\n"), ("two", "x = 'EVIL'\n"), ("three", "x = 'evil'\n")):
        write(tmp_path / name, {"m.py": "x = 1\n", "evil.py": evil})
        poisoned = marshal.dumps(compile(evil, "m.py", "exec", dont_inherit=True))
        write(tmp_path / name, {f"__pycache__/m.{TAG}.pyc": TIMED + poisoned})
        tree = read_tree(str(tmp_path / name))
        told.append(check_bytecode(tree, bytecode_of(tree), running()))
    assert told[0] != told[1]
    assert told[0] == told[2]


def test_the_time_in_the_header_decides_nothing(tmp_path: Path) -> None:
    write(tmp_path, {"m.py": SOURCE, "n.py": SOURCE})
    compiled(tmp_path, "m.py")
    compiled(tmp_path, "n.py")
    os.utime(tmp_path / "m.py", (1, 1))  # an environment that was copied: stale, and true all the same
    status = (tmp_path / "n.py").stat()
    write(tmp_path, {"n.py": SOURCE.replace("two", "TWO")})
    os.utime(tmp_path / "n.py", ns=(status.st_atime_ns, status.st_mtime_ns))

    assert codes(tmp_path) == {f"__pycache__/m.{TAG}.pyc": None, f"__pycache__/n.{TAG}.pyc": "bytecode-false"}


@pytest.mark.skipif(sys.version_info < (3, 11), reason="bytecode had no columns")
def test_bytecode_without_columns_is_true(tmp_path: Path) -> None:
    write(tmp_path, {"m.py": SOURCE})
    script = f"import py_compile; py_compile.compile({str(tmp_path / 'm.py')!r}, doraise=True)"
    subprocess.run([running().executable, "-X", "no_debug_ranges", "-c", script], check=True)
    assert codes(tmp_path) == {f"__pycache__/m.{TAG}.pyc": None}


def test_one_that_ends_the_process_takes_no_other_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "recompile.py"
    text = bytecode.SCRIPT.read_text(encoding="utf-8")
    deadly = '    if b"deadly" in source:\n        os._exit(3)\n    if bytecode[:4]'
    program.write_text(text.replace("    if bytecode[:4]", deadly, 1), encoding="utf-8")
    monkeypatch.setattr(bytecode, "SCRIPT", program)
    root = tmp_path / "root"
    write(root, {f"m{n}.py": "deadly = 1\n" if n % 2 else SOURCE for n in range(20)})
    for n in range(20):
        compiled(root, f"m{n}.py")
    expected = {f"__pycache__/m{n}.{TAG}.pyc": UNREADABLE if n % 2 else None for n in range(20)}
    assert codes(root) == expected

    monkeypatch.setattr(bytecode, "_DEATHS", 0)
    assert codes(root) == dict.fromkeys(expected, UNREADABLE)


@pytest.mark.parametrize("changed", ["m.py", f"__pycache__/m.{TAG}.pyc"])
def test_a_file_that_changes_after_it_was_read_is_an_error(changed: str, tmp_path: Path) -> None:
    write(tmp_path, {"m.py": SOURCE})
    compiled(tmp_path, "m.py")
    tree = read_tree(str(tmp_path))
    (tmp_path / changed).write_bytes((tmp_path / changed).read_bytes() + b"#")
    with pytest.raises(ChangedDuringRead, match=changed):
        check_bytecode(tree, bytecode_of(tree), running())


def test_without_the_interpreter_nothing_is_proven(tmp_path: Path) -> None:
    write(tmp_path, {"m.py": SOURCE})
    compiled(tmp_path, "m.py")
    tree = read_tree(str(tmp_path))
    [finding] = check_bytecode(tree, bytecode_of(tree), None).values()
    assert finding
    assert (finding.code, finding.level) == ("bytecode", "unproven")


# ------------------------------------------------------------------------------------------------ what is remembered


def test_what_is_true_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, folder = tmp_path / "root", tmp_path / "vouched"
    write(root, {"m.py": SOURCE, "n.py": SOURCE, f"__pycache__/n.{TAG}.pyc": TIMED + marshal.dumps(1)})
    compiled(root, "m.py")
    expected = {f"__pycache__/m.{TAG}.pyc": None, f"__pycache__/n.{TAG}.pyc": "bytecode-false"}
    first = Vouched(folder, running().layer)
    assert codes(root, first) == expected
    first.save()

    asked: list[str] = []
    lines = bytecode._lines

    def spy(root: str, rows: list[bytecode._Row], command: list[str]) -> list[str]:
        asked.extend(row.source for row in rows)
        return lines(root, rows, command)

    monkeypatch.setattr(bytecode, "_lines", spy)
    assert codes(root, Vouched(folder, running().layer)) == expected
    assert set(asked) == {"n.py"}  # only what is true is remembered

    asked.clear()
    assert codes(root, Vouched(folder, replace(running(), facts={}).layer)) == expected
    assert {"m.py", "n.py"} == set(asked)  # by this interpreter, not by another one


def test_another_level_source_or_program_is_another_comparison() -> None:
    layer = "sha256:" + "0" * 64
    digests = [sha256_hex(bytes([n])) for n in range(3)]
    keys = {
        Vouched.key(rules, layer, level, *pair)
        for rules in digests
        for level in (0, 1)
        for pair in ((digests[0], digests[1]), (digests[1], digests[0]), (digests[0], digests[2]))
    }
    assert len(keys) == 18


@pytest.mark.parametrize("damage", [b"", b"\0" * 64, None])
def test_a_damaged_memory_remembers_nothing(damage: bytes | None, tmp_path: Path) -> None:
    key = Vouched.key("", "sha256:1", 0, "", "")
    vouched = Vouched(tmp_path, "sha256:1")
    vouched.add([key])
    vouched.save()
    assert Vouched(tmp_path, "sha256:1").holds(key)

    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-1] if damage is None else damage)
    assert not Vouched(tmp_path, "sha256:1").holds(key)


def test_a_memory_that_can_not_be_kept_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    vouched = Vouched(tmp_path / "file", "sha256:1")
    vouched.add([b"0" * 32])
    vouched.save()
