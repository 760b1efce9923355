"""`policy` in a matrix and in a file of its own: what is read, and what is refused with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lockproof.cells.config import read_matrix
from lockproof.cells.documents import load_policy, load_yaml
from lockproof.cells.matrix import Spec, expand
from lockproof.cells.policykeys import BUILD, LIBC, REWRITTEN, STRICT, Policy, Seed
from lockproof.errors import MatrixError
from lockproof.pythons.platforms import parse_platform

if TYPE_CHECKING:
    from pathlib import Path

HEAD = 'version: 1\nlock: pylock.toml\npython: ["3.12.1"]\n'
SEED = "one of pip, setuptools, wheel, or one with its version such as pip==26.3"
ALL = "seeds: [pip==26.3, Setuptools]\ninterpreter: build\nplatform: libc\nbytecode: rewritten\n"
KEYS = "seeds, interpreter, platform, bytecode"
POLICY = Policy(seeds=(Seed("pip", "26.3"), Seed("setuptools")), interpreter=BUILD, platform=LIBC, bytecode=REWRITTEN)


def spec(text: str) -> Spec:
    return read_matrix(load_yaml(HEAD + text, "matrix.yaml"))


def policies(text: str) -> list[Policy]:
    return [cell.policy for cell in expand(spec(text), parse_platform("linux-x86_64"))]


def told(path: Path, text: str) -> list[str]:
    path.write_text(text)
    with pytest.raises(MatrixError) as caught:
        load_policy(path, shown_as="policy.yaml")
    return str(caught.value).splitlines()


def test_nothing_is_tolerated_unless_it_is_said() -> None:
    assert policies("") == policies("policy: {}") == [STRICT]
    assert policies("policy: {seeds: [], interpreter: exact, platform: exact, bytecode: exact}") == [STRICT]


def test_a_matrix_and_a_file_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(ALL)
    indented = "".join(f"  {line}\n" for line in ALL.splitlines())
    assert [load_policy(tmp_path / "p.yaml", shown_as="p.yaml")] == policies(f"policy:\n{indented}") == [POLICY]


def test_a_cell_can_have_its_own() -> None:
    prod = "cells: {include: [{name: prod, python: 3.12.1, policy: {interpreter: build}}]}"
    assert policies(f"policy: {{seeds: [pip]}}\n{prod}") == [
        Policy(seeds=(Seed("pip"),)),
        Policy(interpreter=BUILD),
    ]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("seed: [pip]", ["policy.yaml:1: unknown key `seed`; did you mean `seeds`?"]),
        (
            "interpreter: exact\nlibc: any",
            [f"policy.yaml:2: unknown key `libc`; known keys are {KEYS}"],
        ),
        ("- pip", [f"policy.yaml:1: found a list, expected a mapping with {KEYS}"]),
        ("interpreter: any", ['policy.yaml:1: interpreter: found "any", expected one of exact, build']),
        ("\nplatform: 2.36", ["policy.yaml:2: platform: found 2.36 (a number), expected one of exact, libc;"]),
        ("seeds: pip", ['policy.yaml:1: seeds: found "pip", expected a list such as [pip, setuptools, wheel]']),
        ("seeds: [pip, pip==26.3]", ["policy.yaml:1: seeds[1]: found pip a second time, expected it once"]),
        (
            "seeds:\n- pip\n- uv\n- pip>=26\n- 3",
            [
                f'policy.yaml:3: seeds[1]: found "uv", expected {SEED}; anything else belongs into the lock',
                f'policy.yaml:4: seeds[2]: found "pip>=26", expected {SEED};',
                f"policy.yaml:5: seeds[3]: found 3 (a number), expected {SEED}; anything else belongs into the lock",
            ],
        ),
        ("", ["policy.yaml:1: the file is empty"]),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, lines: list[str], tmp_path: Path) -> None:
    found = told(tmp_path / "policy.yaml", text)
    assert [line[: len(expected)] for line, expected in zip(found, lines, strict=True)] == lines


def test_in_a_matrix_the_key_path_leads_there() -> None:
    with pytest.raises(MatrixError) as caught:
        spec("cells: {include: [{python: 3.12.1, policy: {seeds: [uv], libc: any}}]}")
    at = "matrix.yaml:4: cells.include[0].policy"
    assert str(caught.value).splitlines() == [
        f'{at}.seeds[0]: found "uv", expected {SEED}; anything else belongs into the lock',
        f"{at}: unknown key `libc`; known keys are {KEYS}",
    ]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MatrixError) as caught:
        load_policy(tmp_path / "p.yaml", shown_as="p.yaml")
    assert str(caught.value) == "p.yaml: there is no such file\n  name a file of YAML with --policy"
