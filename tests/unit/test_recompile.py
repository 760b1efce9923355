"""What counts as the bytecode of a source, and that nothing else does."""

from __future__ import annotations

import ast
import importlib.util
import json
import marshal
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockproof.digests import sha256_hex
from lockproof.reading import recompile

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType

SOURCE = b'''
"""The module's text."""
SETS = ("a" in {"a", "b", "c", (1, 2.0, "d")}, 0.0, -0.0, 1, True, b"x", "x", ..., None, 1j, 10**30)
class K:
    """The class's text."""
    def f(self, a, *, b=(1, (2, 3))):
        try:
            return [a for a in (lambda: b)() if a in {1, 2}]
        except ValueError:
            assert a, "asserted"
            return 1
'''
NAME = "/somewhere/x.py"
TIMED = importlib.util.MAGIC_NUMBER + bytes(12)


def code(source: bytes = SOURCE, name: str = NAME, level: int = 0) -> CodeType:
    made: CodeType = compile(source, name, "exec", dont_inherit=True, optimize=level)
    return made


def nested(changed: CodeType, name: str, **changes: object) -> CodeType:
    """A code object in which the function of that name, however deep, is changed."""
    consts = tuple(
        nested(const, name, **changes) if hasattr(const, "co_code") else const for const in changed.co_consts
    )
    changed = changed.replace(co_consts=consts)
    return changed.replace(**changes) if changed.co_name == name else changed  # type: ignore[arg-type]


def answer(data: bytes, source: bytes = SOURCE, level: int = 0) -> str:
    return recompile.answer(data, source, NAME, level)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_what_the_source_compiles_to_is_true_at_its_own_level_only(level: int) -> None:
    data = TIMED + marshal.dumps(code(level=level))
    assert [answer(data, level=each) for each in (0, 1, 2)] == [
        "true" if each == level else "false" for each in range(3)
    ]


@pytest.mark.parametrize("version", [2, 3, 4])
def test_references_and_interning_do_not_matter(version: int) -> None:
    assert answer(TIMED + marshal.dumps(code(), version)) == "true"


def test_another_path_does_not_matter_but_two_of_them_do() -> None:
    moved = code(name="/elsewhere/x.py")
    assert answer(TIMED + marshal.dumps(moved)) == "true"
    assert answer(TIMED + marshal.dumps(nested(moved, "f", co_filename=NAME))) == "false"


CHANGES: dict[str, Callable[[CodeType], object]] = {
    "another constant": lambda c: c.replace(co_consts=(*c.co_consts, 1)),
    "a text of the same length": lambda c: nested(c, "f", co_names=tuple(n[::-1] for n in c.co_names)),
    "other lines": lambda c: nested(c, "f", co_linetable=b""),
    "another first line": lambda c: nested(c, "f", co_firstlineno=1),
    "other handlers": lambda c: nested(c, "f", co_exceptiontable=b""),
    "another stack": lambda c: c.replace(co_stacksize=c.co_stacksize + 1),
    "other flags": lambda c: c.replace(co_flags=c.co_flags | 0x20000),
    "another name": lambda c: nested(c, "f", co_qualname="g"),
    "no code at all": lambda _: 1,
    "another module": lambda _: code(b"import os"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_part_counts(name: str) -> None:
    assert answer(TIMED + marshal.dumps(CHANGES[name](code()))) == "false"  # type: ignore[arg-type]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="nothing was specialised (PEP 659)")
def test_what_runs_is_compared_not_only_what_co_code_shows() -> None:
    source = b"def f(): return len\n"
    honest = code(source)
    names: dict[str, Callable[[], object]] = {}
    exec(honest, names)
    for _ in range(1000):
        names["f"]()
    [function] = [const for const in code(source).co_consts if hasattr(const, "co_code")]
    warm: bytes = names["f"].__code__._co_code_adaptive  # type: ignore[attr-defined]
    body = marshal.dumps(code(source), 2).replace(function.co_code, warm)
    found = marshal.loads(body)

    assert warm != function.co_code
    assert marshal.dumps(found, 2) == marshal.dumps(code(source), 2)
    assert answer(TIMED + body, source) == "false"


# Pairs that are equal, or have one repr, and are not the same constant.
ALIKE = [
    (0.0, -0.0), (1, True), (0, False), (1, 1.0), (b"x", "x"), ((1,), (True,)), ((1, 2), frozenset((1, 2))),
    (1j, complex(-0.0, 1)), (frozenset((1,)), frozenset((True,))), (frozenset(((0.0,),)), frozenset(((-0.0,),))),
    (..., "Ellipsis"), (None, "None"), ("", b""), ((), frozenset()), (frozenset(("1",)), frozenset((1,))),
    (((0.0,),), ((-0.0,),)), (1, [1]), ((1,), [1]), (frozenset((1,)), {1}),
]  # fmt: skip


@pytest.mark.parametrize(("fresh", "found"), ALIKE)
def test_constants_that_only_look_alike_are_not_the_same(fresh: object, found: object) -> None:
    assert recompile.same(fresh, fresh)
    assert not recompile.same(found, fresh)
    assert not recompile.same((found,), (fresh,))


def constants() -> st.SearchStrategy[object]:
    texts = st.text(max_size=8) | st.binary(max_size=8)
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts | st.just(...)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4).map(tuple) | st.frozensets(inner, max_size=4),
        max_leaves=8,
    )


def shape(value: object) -> object:
    """The same question answered another way: types and reprs, nested."""
    if isinstance(value, tuple):
        return ("tuple", [shape(member) for member in value])
    if isinstance(value, frozenset):
        return ("frozenset", sorted(map(repr, map(shape, value))))
    return (type(value).__name__, repr(value))


@given(constants(), constants())
def test_constants_are_the_same_exactly_where_types_and_values_are(one: object, other: object) -> None:
    assert recompile.same(one, marshal.loads(marshal.dumps(one)))  # type: ignore[arg-type]
    assert recompile.same(one, other) == (shape(one) == shape(other))


def test_sets_are_the_same_in_any_order() -> None:
    words = [f"word {number}" for number in range(50)] + [("a", number) for number in range(50)]
    assert recompile.same(frozenset(words), frozenset(reversed(words)))
    assert not recompile.same(frozenset(words), frozenset(words[1:]))


def hashed(flags: int, source: bytes, body: CodeType) -> bytes:
    head = importlib.util.MAGIC_NUMBER + flags.to_bytes(4, "little") + importlib.util.source_hash(source)
    return head + marshal.dumps(body)


def test_headers() -> None:
    evil = code(b"import os")
    assert answer(hashed(3, SOURCE, code())) == "true"
    assert answer(hashed(3, SOURCE, evil)) == "false"
    assert answer(hashed(3, b"", evil)) == "stale"
    assert [answer(hashed(flags, SOURCE, code())) for flags in (1, 2, 4, 7)] == ["unchecked"] * 4
    assert answer(TIMED[:15]) == "cut"
    assert answer(b"") == answer(b"\0" * 16 + marshal.dumps(code())) == "foreign"
    assert answer(TIMED + marshal.dumps(code()) + b"more") == "false"


def test_a_source_that_compiles_to_nothing_has_no_bytecode() -> None:
    data = TIMED + marshal.dumps(code())
    assert [answer(data, source) for source in (b"def :", b"\0", b"\xff", b"# coding: nothing\n")] == ["false"] * 4


def test_the_program_stands_alone_and_is_python_3_6() -> None:
    text = Path(recompile.__file__).read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 6))
    assert "lockproof" not in text


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limits to set")
def test_each_row_is_answered_until_one_can_not_be_survived(tmp_path: Path) -> None:
    # A hash of nested tuples that hold each other twice takes 2**60 steps, within one call: nothing can interrupt it.
    bomb = b"\xbe\x01\0\0\0" + b"\xa9\x02" * 60 + b"i\0\0\0\0i\0\0\0\0"
    for depth in range(59):
        bomb += b"r" + (60 - depth).to_bytes(4, "little")
    hoard = b"(\xff\xff\xff\x7f"  # a tuple of 2**31 - 1 members
    contents = {"good": marshal.dumps(code()), "hoard": hoard, "bomb": bomb, "after": marshal.dumps(code())}
    source = tmp_path / "x.py"
    source.write_bytes(SOURCE)
    rows = []
    for name, body in contents.items():
        path = tmp_path / f"{name}.pyc"
        path.write_bytes(TIMED + body)
        rows.append((str(path), str(source), 0))
    question = json.dumps({"rows": rows, "seconds": 1}).encode()
    command = [sys.executable, "-I", "-S", "-B", recompile.__file__]
    done = subprocess.run(command, input=question, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)

    ours = sha256_hex(SOURCE)
    assert done.stdout.decode().splitlines() == [
        f"true {sha256_hex(TIMED + contents['good'])} {ours}",
        f"unreadable {sha256_hex(TIMED + hoard)} {ours}",
    ]
    assert done.returncode != 0
