"""Is bytecode what its source says? Answered by compiling the source again with the same interpreter, elsewhere.

The interpreter that is run is the environment's base (outside the environment, already identified), with `-I -S`, so
that nothing of the environment is imported; sources are compiled, never executed (`recompile`).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from lockproof.digests import sha256_hex
from lockproof.proof.fingerprint import Finding
from lockproof.reading.reader import ChangedDuringRead

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lockproof.pythons.interpreters import Interpreter
    from lockproof.reading.vouched import Vouched

SCRIPT = Path(__file__).with_name("recompile.py")
SECONDS = 20
"""What each file may take, on top of what its size allows."""
_BATCHES = 4  # a core: a long one at the end keeps no other waiting
_DEATHS = 16  # of processes, until no more is asked: bytecode that nobody can read must not cost hours
_HOOKED = re.compile(r"\.opt-(?![012]\.pyc)[^.]*\.pyc$")
# Of a module that pytest loads, Python itself never does: `test_x.cpython-312-pytest-8.4.2.pyc`.
_REWRITTEN = re.compile(r"\.(cpython-\d+t?|pypy\d+)-pytest-[^/]+\.pyc$")
_LEVEL = re.compile(r"\.opt-(\d)\.pyc$")

_MEANING = {
    "foreign": ("bytecode-foreign", "is bytecode of another Python, which this one does not load", "note"),
    "cut": ("bytecode-stale", "is cut short, so Python would not load it", "note"),
    "stale": ("bytecode-stale", "is bytecode of another source, which Python would not load", "note"),
    "unchecked": ("bytecode-unchecked", "is bytecode that would run whatever its source says", "mismatch"),
    "false": ("bytecode-false", "is bytecode that does not do what its source says", "mismatch"),
    "unreadable": ("bytecode-unreadable", "is bytecode that can't be compared with its source", "unproven"),
    "rewritten": ("bytecode-rewritten", "is what pytest made of a test module", "unproven"),
    "hooked": ("bytecode-hooked", "is what an import hook, or an odd level of -O, made of a module", "unproven"),
    "orphan": ("bytecode-orphan", "is bytecode without a source: not loaded", "note"),
    "linked": ("bytecode", "is bytecode of a source that is a link, which is not followed", "unproven"),
    "alone": ("bytecode", "can't be checked without its interpreter", "unproven"),
}


class Holds(Protocol):
    """Where files were read, or lie as they were read: `files` has sha256, size, and more, by paths below `root`."""

    @property
    def root(self) -> str: ...
    @property
    def files(self) -> Mapping[str, tuple[str, int, int, object]]: ...


class Held(NamedTuple):
    """Files that were read elsewhere, or are known by other paths there, than they lie at now."""

    root: str
    files: Mapping[str, tuple[str, int, int, object]]


class _Row(NamedTuple):
    """One comparison to make; paths are below the root, the digests those of the bytes that were read."""

    bytecode: str
    source: str
    level: int
    digests: tuple[str, str]
    size: int


def check_bytecode(
    tree: Holds, pairs: Sequence[tuple[str, str]], interpreter: Interpreter | None, vouched: Vouched | None = None
) -> Mapping[str, Finding | None]:
    """For each (bytecode, source) pair of paths below the root: None where the bytecode is true, else a finding.

    What `vouched` knows to be true is not compiled again, and what is found true is entered. Raises ChangedDuringRead
    where a file is not what it was when the tree was read.
    """
    words: dict[str, str] = {}
    rows = []
    for bytecode, source in pairs:
        if _REWRITTEN.search(bytecode):
            words[bytecode] = "rewritten"
        elif _HOOKED.search(bytecode):
            words[bytecode] = "hooked"
        elif not source:
            words[bytecode] = "orphan"
        elif source not in tree.files:
            words[bytecode] = "linked"
        elif interpreter is None:
            words[bytecode] = "alone"
        else:
            level = _LEVEL.search(bytecode)
            files = tree.files[bytecode], tree.files[source]
            digests, size = (files[0][0], files[1][0]), files[0][1] + files[1][1]
            rows.append(_Row(bytecode, source, int(level[1]) if level else 0, digests, size))
    if interpreter is not None and rows:
        words |= _compared(tree.root, rows, interpreter, vouched)
    answers: dict[str, Finding | None] = {}
    for bytecode, _ in pairs:
        meaning = _MEANING.get(words[bytecode])
        if meaning is None:
            answers[bytecode] = None
            continue
        code, text, weight = meaning
        if weight == "mismatch":  # no layer has its bytes: nothing else tells two such files apart
            text = f"{text}: sha256 {tree.files[bytecode][0]}"
        answers[bytecode] = Finding(code, bytecode, text, weight)
    return answers


def _compared(root: str, rows: Sequence[_Row], interpreter: Interpreter, vouched: Vouched | None) -> dict[str, str]:
    rules = sha256_hex(SCRIPT.read_bytes())
    keys = {row: vouched.key(rules, interpreter.layer, row.level, *row.digests) for row in rows} if vouched else {}
    words = {row: "true" for row in rows if vouched and vouched.holds(keys[row])}
    asked = [row for row in rows if row not in words]
    words |= _ask_all(root, asked, interpreter.executable, ())
    # PYTHONNODEBUGRANGES, where something was installed: the same code without columns.
    plain = [row for row in asked if words[row] == "false"]
    again = _ask_all(root, plain, interpreter.executable, ("-X", "no_debug_ranges"))
    words |= {row: word for row, word in again.items() if word == "true"}
    if vouched:
        vouched.add(key for row, key in keys.items() if words[row] == "true")
    return {row.bytecode: word for row, word in words.items()}


def _ask_all(root: str, rows: Sequence[_Row], executable: Path, options: Sequence[str]) -> dict[_Row, str]:
    """One word a row, worked out on all cores; the rows that cost most come first, each batch has some of them."""
    if not rows:
        return {}
    from concurrent.futures import ThreadPoolExecutor  # 15 ms that environments without bytecode do without

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    costly = sorted(rows, key=lambda row: -row.size)
    batches = [batch for start in range(cores * _BATCHES) if (batch := costly[start :: cores * _BATCHES])]
    deaths: list[_Row] = []
    command = [str(executable), "-I", "-S", "-B", "-W", "ignore", *options, str(SCRIPT)]
    with ThreadPoolExecutor(cores) as pool:
        answers = list(pool.map(lambda batch: _ask(root, batch, command, deaths), batches))
    return {row: word for answered in answers for row, word in answered}


def _ask(root: str, batch: Sequence[_Row], command: Sequence[str], deaths: list[_Row]) -> Iterable[tuple[_Row, str]]:
    """A batch's words. A process that dies has met bytecode that it can't survive; another one takes up the rest."""
    words: list[str] = []
    while len(words) < len(batch):
        rest = batch[len(words) :]
        if len(deaths) >= _DEATHS:
            words += ["unreadable"] * len(rest)
            break
        for row, line in zip(rest, _lines(root, rest, command), strict=False):
            words.append(_word(root, row, line))
        if len(words) < len(batch):
            deaths.append(batch[len(words)])
            words.append("unreadable")
    return zip(batch, words, strict=True)


def _lines(root: str, rows: Sequence[_Row], command: Sequence[str]) -> list[str]:
    paths = [(f"{root}/{row.bytecode}", f"{root}/{row.source}", row.level) for row in rows]
    needed = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    done = subprocess.run(
        command,
        input=json.dumps({"rows": paths, "seconds": SECONDS}).encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
        env={"PATH": os.defpath, **needed},
    )
    return [line for line in done.stdout.decode("ascii", "replace").split("\n") if line][: len(rows)]


def _word(root: str, row: _Row, line: str) -> str:
    word, *digests = line.split(" ")
    if digests == ["-", "-"] or len(digests) != 2 or word not in {"true", *_MEANING}:
        return "unreadable"
    for path, expected, found in zip((row.bytecode, row.source), row.digests, digests, strict=True):
        if expected != found:
            raise ChangedDuringRead(f"{root}/{path}")
    return word
