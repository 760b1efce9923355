"""YAML text to data with lines: what is read, what is refused, and in which words."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

import pytest
import yaml

from lockproof.cells.documents import MAX_BYTES, load_matrix, load_yaml, read_text
from lockproof.cells.matrix import Settings, Spec
from lockproof.cells.trees import MAX_DEPTH, MAX_NODES
from lockproof.errors import MatrixError

if TYPE_CHECKING:
    from pathlib import Path

    from lockproof.cells.trees import KeyPath, Value

PARSERS = [
    pytest.param(
        True,
        id="libyaml",
        marks=pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML is built without libyaml"),
    ),
    pytest.param(False, id="python"),
]


@pytest.fixture(params=PARSERS)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Both of PyYAML's parsers, one after the other."""
    monkeypatch.setattr(yaml, "__with_libyaml__", request.param)
    return bool(request.param)


def told(text: str) -> str:
    with pytest.raises(MatrixError) as caught:
        load_yaml(text, "m.yaml")
    return str(caught.value)


TAB = "the line is indented with a tab; YAML indents with spaces"
COLON = "`: ` can't stand here; quote the value, or check the indentation"
MISFIT = "this doesn't fit the lines above; check the indentation and the quotes"
UNPRINTABLE = "isn't allowed in YAML\n  remove it; in double quotes it can be written as an escape"

EXAMPLE = textwrap.dedent("""\
    # a comment
    python:
      - 3.10
      - "3.11.7"
    env: &env
      A: yes
      B: 'x'
    cells:
      include:
        - env: *env
          name: prod
    """)


@pytest.mark.usefixtures("parser")
class TestLoadYaml:
    def test_data_is_plain(self) -> None:
        env = {"A": True, "B": "x"}

        assert load_yaml(EXAMPLE, "m.yaml").data == {
            "python": [3.1, "3.11.7"],
            "env": env,
            "cells": {"include": [{"env": env, "name": "prod"}]},
        }

    @pytest.mark.parametrize(
        ("key_path", "line"),
        [
            ((), 2),
            (("python",), 2),
            (("python", 0), 3),
            (("python", 1), 4),
            (("env", "A"), 6),
            (("cells", "include", 0), 10),
            (("cells", "include", 0, "env"), 10),
            (("cells", "include", 0, "env", "B"), 7),  # through the alias: where it is written
            (("cells", "include", 0, "name"), 11),
            (("python", 7), 2),  # not there: the nearest around it
            (("cells", "include", 0, "python", "x"), 10),
        ],
    )
    def test_every_key_knows_its_line(self, key_path: KeyPath, line: int) -> None:
        assert load_yaml(EXAMPLE, "m.yaml").line_of(key_path) == line

    @pytest.mark.parametrize(
        ("key_path", "written"),
        [
            (("python", 0), "3.10"),
            (("env", "A"), "yes"),
            (("env", "B"), "x"),
            (("env",), ""),
            (("python", 7), ""),
        ],
    )
    def test_every_scalar_knows_its_own_text(self, key_path: KeyPath, written: str) -> None:
        assert load_yaml(EXAMPLE, "m.yaml").written(key_path) == written

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("x", "x"),
            ("~", None),
            ("", None),
            ("no", False),
            ("On", True),
            ("012", 10),
            ("1_000", 1000),
            ("1:30", 90),
            ("1e3", "1e3"),  # YAML 1.1 wants 1.0e+3
            (".inf", float("inf")),
            ("2026-01-31", "2026-01-31"),
            ("'3.10'", "3.10"),
            ("!!str 3.10", "3.10"),
            ("!!float 3", 3.0),
            ("!!seq []", []),
            ("=", "="),
            ("|\n  a\n  b\n", "a\nb\n"),
        ],
    )
    def test_scalars_follow_yaml_1_1_except_that_dates_stay_text(self, text: str, value: Value) -> None:
        assert load_yaml(f"key: {text}", "m.yaml").data == {"key": value}

    def test_a_byte_order_mark_and_carriage_returns_are_read_over(self) -> None:
        document = load_yaml("\ufeffa: 1\r\nb: 2\r\n", "m.yaml")

        assert (document.data, document.line_of(("b",))) == ({"a": 1, "b": 2}, 2)

    @pytest.mark.parametrize(
        ("text", "place", "problem"),
        [
            ("a:\n\t- b", "2:1", TAB),
            ("a:\n  b: 1\n\tc: 2", "3:1", TAB),
            ("x: 1\na: 'x\nb: 2", "2:4", "a quote is opened and never closed"),
            ("x: 1\na: [1,\nb: 2", "2:4", "a list opened with [ isn't closed, or a comma is missing in it"),
            ("{a: 1, b: 2", "1:1", "a mapping opened with { isn't closed, or a comma is missing in it"),
            ("a: b: c", "1:5", COLON),
            ("a: 1\n b: 2", "2:3", COLON),
            ("a:\n  - b\n c: d", "3:2", MISFIT),
            ("- a\nb: 1", "2:1", MISFIT),
            ("a: 'b' c", "1:8", MISFIT),
            ("a: @x", "1:4", "a value can't start with this character; quote the value"),
        ],
    )
    def test_text_that_is_no_yaml_is_told_in_plain_words(self, text: str, place: str, problem: str) -> None:
        assert told(text) == f"m.yaml:{place}: this isn't YAML: {problem}"

    def test_what_has_no_plain_words_keeps_the_parsers_own(self) -> None:
        message = "m.yaml:1:1: this isn't YAML: found incompatible YAML document"

        assert told("%YAML 3.0\n---\na: 1").startswith(message)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a: 1\n---\nb: 2", "2:1: a second document starts here; a file holds one"),
            ("a: *x", "1:4: the alias *x has no anchor before it"),
            ("a: &x [*x]", "1:8: the alias *x stands inside its own anchor"),
            ("a: &x {b: [*x]}", "1:12: the alias *x stands inside its own anchor"),
            ("a: !!python/object/apply:x.y [x]", "1:4: the tag !!python/object/apply:x.y isn't allowed"),
            ("a: !!python/name:os.system x", "1:4: the tag !!python/name:os.system isn't allowed"),
            ("a: !mine x", "1:4: the tag !mine isn't allowed"),
            ("a: !!set {b}", "1:4: the tag !!set isn't allowed"),
            ("a: !!binary aGk=", "1:4: the tag !!binary isn't allowed"),
            ("a: !!int x", "1:4: x isn't of the type !!int; quote it if it is text"),
            ("a: 0x_", "1:4: 0x_ isn't of the type !!int; quote it if it is text"),
            (
                "a: &x {b: 1}\nc:\n  <<: *x",
                "3:3: merge keys (<<) aren't read; write the keys out, or use an alias for a whole value",
            ),
            ("a: 1\nb: \x07", f"2:4: the character U+0007 {UNPRINTABLE}"),
            ("a: \ud800", f"1:4: the character U+D800 {UNPRINTABLE}"),
            ("", "1: the file is empty"),
            ("# only a comment\n", "1: the file is empty"),
            ("---\n...\n", "1: the file is empty"),
        ],
    )
    def test_what_a_file_may_not_hold(self, text: str, message: str) -> None:
        assert told(text) == f"m.yaml:{message}"

    def test_duplicate_and_odd_keys_are_told_all_at_once(self) -> None:
        text = 'a: 1\nb:\n  c: 1\n  c: 2\na: 3\n3.10: x\non: y\n? [d]\n: e\n~: f\n"\\e[31m": 1\n"\\e[31m": 2\n'

        assert told(text).splitlines() == [
            "m.yaml:4:3: the key `c` stands twice, first on line 3",
            "m.yaml:5:1: the key `a` stands twice, first on line 1",
            'm.yaml:6:1: YAML reads the key 3.10 as a number; quote it: "3.10"',
            'm.yaml:7:1: YAML reads the key on as a boolean; quote it: "on"',
            "m.yaml:8:3: a key must be text, not a list",
            "m.yaml:10:1: a key is missing before `:`",
            "m.yaml:12:1: the key `\\u001b[31m` stands twice, first on line 11",
        ]

    def test_an_anchor_bomb_is_refused(self) -> None:
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]

        assert told("\n".join(lines)).endswith(f": more than {MAX_NODES} values, with every alias written out")

    def test_depth_is_bounded_also_through_aliases(self) -> None:
        plain = "[" * 100_000
        chain = ["a0: &a0 [x]"] + [f"a{level}: &a{level} [*a{level - 1}]" for level in range(1, 1000)]

        assert told(plain).endswith(f": nested more than {MAX_DEPTH} deep")
        assert told("\n".join(chain)).endswith(f": nested more than {MAX_DEPTH} deep")

    def test_the_deepest_allowed_is_read(self) -> None:
        assert load_yaml("[" * MAX_DEPTH + "]" * MAX_DEPTH, "m.yaml").line_of(()) == 1

    def test_many_values_are_refused(self) -> None:
        assert told("[" + "a," * 300_000 + "]").endswith(f"more than {MAX_NODES} values, with every alias written out")

    def test_a_number_that_takes_quadratic_time_is_refused(self) -> None:
        text = "1" + ":1" * 300_000

        assert told(f"a: {text}") == f"m.yaml:1:4: a number of {len(text)} characters; quote it if it is text"

    def test_a_text_over_the_limit_is_refused(self) -> None:
        assert told("#" * (MAX_BYTES + 1)) == f"m.yaml: the file is larger than {MAX_BYTES} bytes"


class TestReadText:
    def test_utf_8_with_a_byte_order_mark(self, tmp_path: Path) -> None:
        path = tmp_path / "m.yaml"
        path.write_bytes(b"\xef\xbb\xbfa: \xc3\xa9\n")

        assert read_text(path) == "a: é\n"

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"a: 1\nb: caf\xe9\n", "m.yaml:2: the byte 0xE9 isn't UTF-8\n  save the file as UTF-8"),
            ("a: 1".encode("utf-16"), "m.yaml:1: the byte 0xFF isn't UTF-8\n  save the file as UTF-8"),
            (b"#" * (MAX_BYTES + 1), f"m.yaml: the file is larger than {MAX_BYTES} bytes"),
        ],
    )
    def test_bytes_that_are_no_text(self, tmp_path: Path, content: bytes, message: str) -> None:
        path = tmp_path / "file"
        path.write_bytes(content)

        with pytest.raises(MatrixError) as caught:
            read_text(path, shown_as="m.yaml")

        assert str(caught.value) == message

    def test_a_missing_file_and_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(MatrixError, match=r"^m\.yaml: there is no such file\n  Write one \(`version: 1`, "):
            read_text(tmp_path / "none", shown_as="m.yaml")
        with pytest.raises(MatrixError, match=r"^m\.yaml: this is not a file$"):
            read_text(tmp_path, shown_as="m.yaml")
        inner = tmp_path / "src" / "app"
        inner.mkdir(parents=True)
        for near in (tmp_path / "matrix.yaml", inner / "matrix.yml"):
            near.touch()
            with pytest.raises(
                MatrixError, match=rf"^m\.yaml: there is no such file: there is {re.escape(str(near))}\n"
            ):
                read_text(inner / "matrix.yaml", shown_as="m.yaml")
        (tmp_path / "file").touch()
        with pytest.raises(MatrixError, match=r"^m\.yaml: can't be read: Not a directory$"):
            read_text(tmp_path / "file" / "m.yaml", shown_as="m.yaml")


class TestLoadMatrix:
    def test_reads_the_matrix_and_the_python_version_beside_it(self, tmp_path: Path) -> None:
        (tmp_path / "matrix.yaml").write_text("version: 1\nlock: pylock.toml\ncommands: [pytest]\n")
        (tmp_path / ".python-version").write_text("# ours\n3.11.7\n3.12.1\n")

        assert load_matrix(tmp_path / "matrix.yaml", shown_as="sub/matrix.yaml") == Spec(
            path="sub/matrix.yaml",
            lock="pylock.toml",
            pythons=("3.11.7", "3.12.1"),
            settings=Settings(commands=("pytest",)),
        )

    def test_problems_name_the_file_they_are_in(self, tmp_path: Path) -> None:
        (tmp_path / "matrix.yaml").write_text("version: 2\nlock: pylock.toml\n")
        (tmp_path / ".python-version").write_text("3.11\n")

        with pytest.raises(MatrixError) as caught:
            load_matrix(tmp_path / "matrix.yaml", shown_as="sub/matrix.yaml")

        first, second = str(caught.value).splitlines()
        assert first.startswith('sub/.python-version:1: found "3.11", expected an exact version; ')
        assert second.startswith("sub/matrix.yaml:1: version: found 2 (a number), expected the number 1")
