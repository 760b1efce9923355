"""Compiles sources again and says of each whether the bytecode beside it is what comes of it.

Run by an environment's base interpreter, outside the environment: `python -I -S -B recompile.py`. One file, standard
library only, Python 3.6 syntax, importing nothing of ours. Nothing that is compiled or unmarshalled is executed.

stdin is JSON: rows of [bytecode, source, optimise level], and the seconds that a row may take. Each is answered by a
line `word sha256 sha256`: of the bytecode, and of the source, as they were when they were compared. A process that ends
early met a row that it could not survive; the rest is for another.
"""

import faulthandler
import hashlib
import importlib.util
import json
import marshal
import os
import sys
import types
from typing import Tuple

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

MEMORY = 2 << 30  # bytes of address space: what claims to be a tuple of two thousand million items gets none
BYTES_A_SECOND = 20000  # of source and bytecode, on top of the seconds that every row has
HEADER = 16  # PEP 552
NESTED = 20000  # marshal itself goes down 2,000 levels, each of which is some calls of `same`
OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a FIFO must not make us wait
# All that marshal writes of a code object except the file name, which is made equal before anything is compared.
# co_linetable decides what tracebacks, tracers and co_positions say; co_exceptiontable what is run after an error.
# _co_code_adaptive is what is executed: co_code, and what marshal writes, have each specialised instruction as the
# general one, and nothing of the inline caches (PEP 659). Python takes both from a file as they are, and believes them.
PARTS = (
    "co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_nlocals", "co_stacksize", "co_flags", "co_code",
    "co_consts", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_filename", "co_name", "co_qualname",
    "co_firstlineno", "co_linetable" if sys.version_info >= (3, 10) else "co_lnotab", "co_exceptiontable",
    "_co_code_adaptive",
)  # fmt: skip


def answer(bytecode: bytes, source: bytes, name: str, level: int) -> str:
    """true, false, unchecked, stale, foreign or cut; raises whatever compile and marshal do. `name` is the source's."""
    if bytecode[:4] != importlib.util.MAGIC_NUMBER:
        return "foreign"
    if len(bytecode) < HEADER:
        return "cut"
    flags = int.from_bytes(bytecode[4:8], "little")
    if flags not in (0, 3):
        return "unchecked"
    if flags == 3 and bytecode[8:HEADER] != importlib.util.source_hash(source):
        return "stale"
    try:
        fresh = compile(source, name, "exec", dont_inherit=True, optimize=level)
    except (SyntaxError, ValueError):  # nothing comes of such a source
        return "false"
    body = bytecode[HEADER:]
    if marshal.dumps(fresh) == body:
        return "true"  # nothing was unmarshalled
    found = marshal.loads(body)
    if not isinstance(found, types.CodeType) or is_padded(body):
        return "false"
    if found.co_filename != name:  # an environment that was moved, or compiled under another path
        fresh = compile(source, found.co_filename, "exec", dont_inherit=True, optimize=level)
    if marshal.dumps(fresh) == body:
        return "true"
    # Without columns, none is read either: then whatever a file says of them would be the same.
    return "true" if "no_debug_ranges" not in sys._xoptions and is_same(found, fresh) else "false"  # noqa: SLF001


def is_padded(body: bytes) -> bool:
    """Whether anything lies behind what marshal reads."""
    try:
        marshal.loads(body[:-1])
    except (EOFError, ValueError, TypeError):
        return False
    return True


def is_same(found: types.CodeType, fresh: types.CodeType) -> bool:
    """Whether two code objects, neither of which ever ran, are equal in everything that a file says of them."""
    try:  # what no attribute tells, as the kinds of variables; sets are written in order from Python 3.11 on
        if sys.version_info >= (3, 11) and plain(found) != plain(fresh):
            return False
    except ValueError:  # a constant that marshal's version 2 doesn't know
        pass
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(NESTED)
    try:
        return same(found, fresh)
    finally:
        sys.setrecursionlimit(limit)


def same(found: object, fresh: object) -> bool:
    """Whether a value is `fresh`, which comes from a source: it is never looked into any deeper than that goes."""
    if type(found) is not type(fresh):
        return False
    if isinstance(fresh, types.CodeType):
        return all(same(getattr(found, part, None), getattr(fresh, part, None)) for part in PARTS)
    if isinstance(found, tuple) and isinstance(fresh, tuple):
        return len(found) == len(fresh) and all(map(same, found, fresh))
    if isinstance(found, frozenset) and isinstance(fresh, frozenset):
        return written(found) == written(fresh)
    if isinstance(found, slice) and isinstance(fresh, slice):
        return same((found.start, found.stop, found.step), (fresh.start, fresh.stop, fresh.step))
    return plain(found) == plain(fresh)


def plain(value: object) -> bytes:
    """A value in bytes by marshal's version 2, which has no references and knows no interning.

    So equal values are equal bytes: 1 is not True, 0.0 not -0.0, and each NaN itself only.
    """
    return marshal.dumps(value, 2)  # type: ignore[arg-type]  # all that marshal read can be written by it


def written(value: object) -> bytes:
    """A constant in bytes, the same for equal ones in whatever order sets of them are walked through."""
    if not isinstance(value, (tuple, frozenset)):
        return plain(value)
    parts = [written(member) for member in value]
    if isinstance(value, frozenset):
        parts.sort()
    return type(value).__name__.encode() + b"".join(b"%d:%b" % (len(part), part) for part in parts)


def read(path: str) -> Tuple[bytes, str]:
    """A file's bytes and their sha256."""
    with os.fdopen(os.open(path, OPEN_FLAGS), "rb") as stream:
        content = stream.read()
    return content, hashlib.sha256(content).hexdigest()


def main() -> None:
    """Answer every row of stdin, for as long as this process lives."""
    if resource is not None:
        try:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        except (OSError, ValueError):  # a system that has no such limit
            pass
    question = json.load(sys.stdin)
    for path, source, level in question["rows"]:
        word, digests = "unreadable", ("-", "-")
        try:
            (bytecode, ours), (text, theirs) = read(path), read(source)
            digests = (ours, theirs)
            # It needs no lock of the interpreter's, so that not even a bomb within one call stops it.
            faulthandler.dump_traceback_later(
                question["seconds"] + (len(bytecode) + len(text)) / BYTES_A_SECOND, exit=True
            )
            word = answer(bytecode, text, source, level)
        except Exception:  # noqa: BLE001, S110 - whatever it is, nothing was shown
            pass
        print(word, *digests, flush=True)
    faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    main()
