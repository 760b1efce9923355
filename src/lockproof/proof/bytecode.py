"""Is bytecode what its source says? Answered by compiling the source again with the same interpreter, elsewhere.

The interpreter that is run is the environment's base (outside the environment, already identified), with `-I -S`, so
that nothing of the environment is imported; sources are compiled, never executed.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

from lockproof.proof.fingerprint import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# Runs inside the base interpreter (3.6 syntax): pairs of paths in, one word each out.
_COMPARE = r"""
import importlib.util, json, marshal, sys, types

def same(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, types.CodeType):
        names = [n for n in dir(a) if n.startswith("co_") and n != "co_filename" and not callable(getattr(a, n))]
        return all(same(getattr(a, n), getattr(b, n)) for n in names if n != "co_lnotab")
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, frozenset):
        return len(a) == len(b) and sorted(map(repr, a)) == sorted(map(repr, b))
    return repr(a) == repr(b)

def answer(bytecode, source):
    with open(bytecode, "rb") as stream:
        data = stream.read()
    if data[:4] != importlib.util.MAGIC_NUMBER:
        return "foreign"
    flags = int.from_bytes(data[4:8], "little")
    if flags not in (0, 3):
        return "unchecked"
    with open(source, "rb") as stream:
        text = stream.read()
    if flags == 3 and data[8:16] != importlib.util.source_hash(text):
        return "stale"
    level = 2 if ".opt-2." in bytecode else 1 if ".opt-1." in bytecode else 0
    fresh = compile(text, source, "exec", dont_inherit=True, optimize=level)
    return "true" if same(marshal.loads(data[16:]), fresh) else "false"

sys.setrecursionlimit(10000)
if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(0)
for bytecode, source in json.load(sys.stdin):
    try:
        word = answer(bytecode, source)
    except Exception as error:
        word = "unreadable"
    print(word, flush=True)
"""

_MEANING = {
    "foreign": ("bytecode-foreign", "is bytecode of another Python, which this one does not load", "note"),
    "unchecked": ("bytecode-unchecked", "is bytecode that would run whatever its source says", "mismatch"),
    "stale": ("bytecode-stale", "is bytecode of another source, which Python would not load", "note"),
    "false": ("bytecode-false", "is bytecode that does not do what its source says", "mismatch"),
    "unreadable": ("bytecode-unreadable", "is bytecode that can't be compared with its source", "unproven"),
}


def check_bytecode(
    root: str, pairs: Sequence[tuple[str, str]], executable: Path | None
) -> Mapping[str, Finding | None]:
    """For each (bytecode, source) pair of paths below `root`: None where the bytecode is true, else a finding."""
    answers: dict[str, Finding | None] = {}
    comparable = []
    for bytecode, source in pairs:
        if "-pytest-" in bytecode:
            answers[bytecode] = Finding(
                "bytecode-rewritten", bytecode, "is what pytest made of a test module", "unproven"
            )
        elif not source:
            answers[bytecode] = Finding("bytecode-orphan", bytecode, "is bytecode without a source: not loaded", "note")
        elif executable is None:
            answers[bytecode] = Finding("bytecode", bytecode, "can't be checked without its interpreter", "unproven")
        else:
            comparable.append((bytecode, source))
    if comparable and executable is not None:
        words = _ask(executable, [(os.path.join(root, b), os.path.join(root, s)) for b, s in comparable])  # noqa: PTH118
        for (bytecode, _), word in zip(comparable, words, strict=True):
            meaning = _MEANING.get(word)
            answers[bytecode] = meaning and Finding(meaning[0], bytecode, meaning[1], meaning[2])
    return answers


def _ask(executable: Path, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """One word a pair; whatever the interpreter could not answer, because it died, is unreadable."""
    done = subprocess.run(
        [str(executable), "-I", "-S", "-B", "-W", "ignore", "-c", _COMPARE],
        input=json.dumps(pairs).encode(),
        capture_output=True,
        check=False,
        env={"PATH": os.defpath},
    )
    words = done.stdout.decode("ascii", "replace").split()
    return [*words, *["unreadable"] * (len(pairs) - len(words))]
