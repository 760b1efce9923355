"""matrix.yaml's keys: what each means, and how each mistake is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lockproof.cells.config import read_matrix
from lockproof.cells.containerkeys import Container
from lockproof.cells.documents import load_yaml
from lockproof.cells.matrix import Axis, Exclude, Include, Settings, Spec
from lockproof.errors import MatrixError
from lockproof.pythons.platforms import Platform

MUSL = Platform(os="linux", machine="aarch64", libc="musl", version=(1, 2))
MAC = Platform(os="macos", machine="arm64", version=(13, 0))

EXACT = 'expected an exact quoted version such as "3.10.13"'


def read(text: str, *, python_version: str | None = None) -> Spec:
    return read_matrix(load_yaml(text, "matrix.yaml"), python_version=python_version)


def told(text: str, *, python_version: str | None = None) -> list[str]:
    with pytest.raises(MatrixError) as caught:
        read(text, python_version=python_version)
    return str(caught.value).splitlines()


def with_line(line: str) -> str:
    """A matrix that is right but for what `line`, its fourth, does."""
    return f'version: 1\nlock: pylock.toml\npython: ["3.11.7"]\n{line}\n'


def cases(table: str) -> list[tuple[str, str]]:
    """The pairs of a table: a line of a matrix and, indented under it, the problem told for it."""
    found: list[tuple[str, str]] = []
    for line in table.strip().splitlines():
        if line.startswith(" "):
            written, problem = found[-1]
            found[-1] = (written, f"{problem} {line.strip()}".strip())
        else:
            found.append((line, ""))
    return found


class TestRight:
    def test_the_least(self) -> None:
        assert read('version: 1\nlock: pylock.toml\npython: "3.11.7"\n') == Spec(
            path="matrix.yaml",
            lock="pylock.toml",
            pythons=("3.11.7",),
            platforms=(None,),
            settings=Settings(),
            axes=(),
            include=(),
            exclude=(),
        )

    def test_everything(self) -> None:
        text = """\
version: 1
lock: locks/pylock.toml
python: ["3.11.7", "3.13.0t"]
platform: [host, macos-arm64, linux-aarch64-musl]
extras: [socks]
groups: [test, dev]
package: wheel
commands: ["pytest -q {posargs}", "pytest -q {posargs}"]
env: {PYTHONHASHSEED: "0", EMPTY: ""}
pass_env: [CI, "GITHUB_*"]
link: hardlink
installer: uv
timeout: 90
cells:
  axes:
    django:
      "4.2": {groups: [django42], env: {A: b}}
      "5.0": {}
  include:
    - {name: prod, python: "3.12.1", platform: macos-arm64, container: {image: "x@sha256:0", network: host}}
    - python: "3.12.1"
      groups: []
      timeout: 1.5
  exclude:
    - {python: "3.11.7", platform: linux-aarch64-musl, django: "5.0"}
    - {name: prod}
    - {platform: host}
"""

        assert read(text) == Spec(
            path="matrix.yaml",
            lock="locks/pylock.toml",
            pythons=("3.11.7", "3.13.0t"),
            platforms=(None, MAC, MUSL),
            settings=Settings(
                extras=("socks",),
                groups=("test", "dev"),
                commands=("pytest -q {posargs}", "pytest -q {posargs}"),
                env={"PYTHONHASHSEED": "0", "EMPTY": ""},
                pass_env=("CI", "GITHUB_*"),
                link="hardlink",
                installer="uv",
                package="wheel",
                timeout=90.0,
            ),
            axes=(
                Axis(
                    name="django",
                    values={"4.2": Settings(groups=("django42",), env={"A": "b"}), "5.0": Settings()},
                ),
            ),
            include=(
                Include(
                    python="3.12.1",
                    platform=MAC,
                    name="prod",
                    settings=Settings(container=Container(image="x@sha256:0", network="host")),
                ),
                Include(python="3.12.1", settings=Settings(groups=(), timeout=1.5)),
            ),
            exclude=(
                Exclude(python="3.11.7", platform="linux-aarch64-musl", axes={"django": "5.0"}),
                Exclude(name="prod"),
                Exclude(platform="host"),
            ),
        )

    def test_absent_groups_are_the_locks_own_and_an_empty_list_is_none_of_them(self) -> None:
        assert read(with_line("")).settings.groups is None
        assert read(with_line("groups: []")).settings.groups == ()

    def test_included_and_excluded_cells_know_their_line(self) -> None:
        text = with_line("cells:\n  include:\n    - python: '3.12.1'\n  exclude:\n    - python: '3.11.7'")
        spec = read(text)

        assert [entry.where for entry in spec.include] == ["matrix.yaml:6"]
        assert [entry.where for entry in spec.exclude] == ["matrix.yaml:8"]


class TestPythonVersionFile:
    @pytest.mark.parametrize(
        ("text", "pythons"),
        [
            ("3.11.7", ("3.11.7",)),
            ("3.11.7\n", ("3.11.7",)),
            ("# ours\n\n  3.12.1 # why\r\n3.11.7 ignored\n3.12.1\n", ("3.12.1", "3.11.7")),
        ],
    )
    def test_is_the_default_of_python(self, text: str, pythons: tuple[str, ...]) -> None:
        assert read("version: 1\nlock: pylock.toml", python_version=text).pythons == pythons

    def test_is_not_looked_at_when_the_matrix_names_its_pythons(self) -> None:
        assert read(with_line(""), python_version="system").pythons == ("3.11.7",)

    def test_gives_an_included_cell_its_python(self) -> None:
        text = with_line("cells: {include: [{name: prod}]}")

        assert read(text, python_version="3.12.1").include == (Include(python="3.12.1", name="prod"),)

    def test_several_pythons_are_no_default_for_an_included_cell(self) -> None:
        assert told(with_line("cells: {include: [{name: prod}]}"), python_version="3.12.1\n3.11.7") == [
            f"matrix.yaml:4: cells.include[0].python: found nothing, {EXACT}; .python-version names 2"
        ]

    def test_no_file_is_no_default_for_an_included_cell(self) -> None:
        assert told(with_line("cells: {include: [{name: prod}]}")) == [
            f"matrix.yaml:4: cells.include[0].python: found nothing, {EXACT}"
        ]

    def test_versions_that_are_not_exact_are_told_with_their_line_once(self) -> None:
        first, second = told(
            "version: 1\nlock: pylock.toml\ncells: {include: [{name: prod}]}",
            python_version="# ours\n3.11\n3.11.7\nsystem\n",
        )

        assert first.startswith('.python-version:2: found "3.11", expected an exact version; ')
        assert "write the patch version too" in first
        assert second.startswith('.python-version:4: found "system", expected an exact version; ')

    def test_an_empty_one_is_an_error(self) -> None:
        assert told("version: 1\nlock: pylock.toml", python_version="# none\n") == [
            ".python-version:1: found nothing, expected an exact version such as 3.10.13"
        ]


EACH_KEY = r"""
platform: host
    platform: found "host", expected a list of platforms such as [host, linux-aarch64]
platform: [linux-x64]
    platform[0]: found "linux-x64", expected host or a platform such as linux-x86_64; did you mean
    `linux-x86_64`?
platform: [3]
    platform[0]: found 3 (a number), expected host or a platform such as linux-x86_64
platform: [host, host]
    platform[1]: found "host" a second time, expected it once
extras: socks
    extras: found "socks", expected a list of names such as [test]
extras: [a b]
    extras[0]: found "a b", expected a name of letters, digits and . _ - inside
groups:
    groups: found nothing, expected a list of names such as [test]
groups: [3]
    groups[0]: found 3 (a number), expected a name of letters, digits and . _ - inside; quote it:
    "3"
groups: [a, a]
    groups[1]: found "a" a second time, expected it once
commands: pytest
    commands: found "pytest", expected a list of command lines such as ["pytest {posargs}"]
commands: [[pytest, -q]]
    commands[0]: found a list, expected a command line
commands: [""]
    commands[0]: found "", expected a command line
commands: ["\0"]
    commands[0]: found "\u0000", expected a command line
commands: ["pytest 'x"]
    commands[0]: found "pytest 'x", expected a command line; a quote is opened and never closed
commands: ["{posargs}"]
    commands[0]: found "{posargs}", expected a command line; there is nothing to run
commands: ["a --b={posargs}"]
    commands[0]: found "a --b={posargs}", expected a command line; `{posargs}` must be a word of its
    own
env: [A=b]
    env: found a list, expected a mapping of names to text such as {PYTHONHASHSEED: "0"}
env: {A: 0}
    env.A: found 0 (a number), expected text; quote it: "0"
env: {A: 1.10}
    env.A: found 1.1 (a number), expected text; written 1.10, which YAML reads as 1.1; quote it:
    "1.10"
env: {A: true}
    env.A: found true (a boolean), expected text; quote it: "true"
env: {A: no}
    env.A: found no (a boolean), expected text; written no, which YAML reads as false; quote it:
    "no"
env: {A: }
    env.A: found nothing, expected text; write "" for an empty value
env: {A: [x]}
    env.A: found a list, expected text
env: {A=B: x}
    env["A=B"]: a variable's name must hold a character, no = and no NUL
pass_env: ["A=b"]
    pass_env[0]: found "A=b", expected a variable's name or a glob, without = and spaces
pass_env: CI
    pass_env: found "CI", expected a list of names or globs such as [CI, "GITHUB_*"]
link: hard-link
    link: found "hard-link", expected one of auto, clone, hardlink, copy, symlink, overlay; did you mean
    `hardlink`?
link: junction
    link: found "junction", expected one of auto, clone, hardlink, copy, symlink, overlay
installer: PIP
    installer: found "PIP", expected one of lockproof, pip, uv; did you mean `pip`?
timeout: 0
    timeout: found 0 (a number), expected a number of seconds above 0
timeout: .inf
    timeout: found inf (a number), expected a number of seconds above 0
timeout: .nan
    timeout: found nan (a number), expected a number of seconds above 0
timeout: yes
    timeout: found yes (a boolean), expected a number of seconds above 0
timeout: "60"
    timeout: found "60", expected a number of seconds above 0
build: yes
    build: found yes (a boolean), expected never, allow or a list of names such as [pyyaml]
build: alow
    build: found "alow", expected never, allow or a list of names such as [pyyaml]; did you mean
    `allow`?
build: pyyaml
    build: found "pyyaml", expected never, allow or a list of names such as [pyyaml]; for one
    distribution: [pyyaml]
build: [a b]
    build[0]: found "a b", expected a distribution's name
build: [A_b, a-b]
    build[1]: found "a-b" a second time, expected it once
build-lock: [a]
    build-lock: found a list, expected the path of a lock such as build.txt
build-groups: build
    build-groups: found "build", expected a list of names such as [test]
package: sdist
    package: found "sdist", expected one of none, wheel, editable
package:
    package: found nothing, expected one of none, wheel, editable
cells: []
    cells: found an empty list, expected a mapping with axes, include, exclude
cells: {axes: [django]}
    cells.axes: found a list, expected a mapping of axes, each a mapping of values to overrides
cells: {axes: {django: {}}}
    cells.axes.django: found an empty mapping, expected a mapping of one or more values to overrides
cells: {axes: {django: {x: }}}
    cells.axes.django.x: found nothing, expected a mapping of overrides, {} for a value without any
cells: {axes: {django: {a/b: {}}}}
    cells.axes.django["a/b"]: found "a/b", expected a value of 1 to 64 of the characters A-Z a-z 0-9
    . _ -, so that ids are safe in paths and shells
cells: {axes: {a b: {x: {}}}}
    cells.axes["a b"]: found "a b", expected a name of 1 to 64 of the characters A-Z a-z 0-9 . _ -,
    so that ids are safe in paths and shells
cells: {axes: {python: {x: {}}}}
    cells.axes.python: an axis can't be called python, which every cell has already
cells: {axes: {django: {x: {link: x}}}}
    cells.axes.django.x.link: found "x", expected one of auto, clone, hardlink, copy, symlink, overlay
cells: {include: {name: x}}
    cells.include: found a mapping, expected a list of mappings
cells: {include: [prod]}
    cells.include[0]: found "prod", expected a mapping with one or more keys
cells: {include: [{python: ['3.11.7']}]}
    cells.include[0].python: found a list, expected an exact quoted version such as "3.10.13"
cells: {include: [{python: 3.10}]}
    cells.include[0].python: found 3.1 (a number), expected an exact quoted version such as
    "3.10.13"; written 3.10, which YAML reads as 3.1
cells: {include: [{python: '3.12.1', name: a b}]}
    cells.include[0].name: found "a b", expected 1 to 64 of the characters A-Z a-z 0-9 . _ -, so
    that ids are safe in paths and shells
cells: {include: [{python: '3.12.1', name: ''}]}
    cells.include[0].name: found "", expected 1 to 64 of the characters A-Z a-z 0-9 . _ -, so that
    ids are safe in paths and shells
cells: {include: [{python: '3.12.1', platform: windows-x86-64}]}
    cells.include[0].platform: found "windows-x86-64", expected host or a platform such as
    linux-x86_64; did you mean `windows-x86_64`?
cells: {include: [{python: '3.12.1', container: docker}]}
    cells.include[0].container: found "docker", expected a mapping with image
cells: {include: [{python: '3.12.1', container: {}}]}
    cells.include[0].container.image: found nothing, expected an image such as
    python:3.11.7-slim@sha256:…
cells: {include: [{python: '3.12.1', container: {image: x, platform: [y]}}]}
    cells.include[0].container.platform: found a list, expected a platform such as linux/amd64
cells: {exclude: [{}]}
    cells.exclude[0]: found an empty mapping, expected a mapping with one or more keys
cells: {exclude: [{platform: macos-aarch64}]}
    cells.exclude[0].platform: found "macos-aarch64", expected host or a platform such as linux-x86_64;
    did you mean `macos-arm64`?
cells: {exclude: [{django: '4.3'}], axes: {django: {'4.2': {}}}}
    cells.exclude[0].django: found "4.3", expected one of 4.2; did you mean `4.2`?
cells: {exclude: [{django: 4.2}], axes: {django: {'4.2': {}}}}
    cells.exclude[0].django: found 4.2 (a number), expected one of 4.2; quote it: "4.2"
"""


class TestWrong:
    @pytest.mark.parametrize(
        ("line", "problem"),
        [
            ("pythons: x", "unknown key `pythons`; did you mean `python`?"),
            ("passenv: []", "unknown key `passenv`; did you mean `pass_env`?"),
            ("environment: {}", "unknown key `environment`; did you mean `env`?"),
            ("include: []", "unknown key `include`; did you mean `cells.include`?"),
            ("container: {image: x}", "unknown key `container`; did you mean `cells.include[0].container`?"),
            ("cells: {excludes: []}", "cells: unknown key `excludes`; did you mean `exclude`?"),
            ("cells: {zzz: []}", "cells: unknown key `zzz`; known keys are axes, include, exclude"),
            (
                "cells: {include: [{python: '3.12.1', platfrom: host}]}",
                "cells.include[0]: unknown key `platfrom`; did you mean `platform`?",
            ),
            (
                "cells: {exclude: [{python: '3.12.1', djnago: x}], axes: {django: {x: {}}}}",
                "cells.exclude[0]: unknown key `djnago`; did you mean `django`?",
            ),
            (
                "cells: {axes: {django: {'4.2': {extra: [x]}}}}",
                'cells.axes.django["4.2"]: unknown key `extra`; did you mean `extras`?',
            ),
        ],
    )
    def test_unknown_keys_get_a_hint(self, line: str, problem: str) -> None:
        assert told(with_line(line)) == [f"matrix.yaml:4: {problem}"]

    @pytest.mark.parametrize(
        ("value", "problem"),
        [
            ("3.10", f"found 3.1 (a number), {EXACT}; written 3.10, which YAML reads as 3.1"),
            ("3.11", f"found 3.11 (a number), {EXACT}"),
            ("3", f"found 3 (a number), {EXACT}"),
            ("on", f"found on (a boolean), {EXACT}; written on, which YAML reads as true"),
            ("", f"found nothing, {EXACT}"),
            ("{}", f"found an empty mapping, {EXACT}"),
        ],
    )
    def test_a_python_that_is_no_text(self, value: str, problem: str) -> None:
        head = "version: 1\nlock: pylock.toml\n"

        assert told(f"{head}python: {value}") == [f"matrix.yaml:3: python: {problem}"]
        assert told(f"{head}python:\n  - 3.11.7\n  - {value}") == [f"matrix.yaml:5: python[1]: {problem}"]

    @pytest.mark.parametrize("value", ["3.11", "3.11.x", ">=3.11.7", "pypy3.10-7.3.15", "3.011.7", " 3.11.7"])
    def test_a_python_that_is_not_exact(self, value: str) -> None:
        (problem,) = told(f'version: 1\nlock: pylock.toml\npython: ["{value}"]')

        assert problem.startswith(f'matrix.yaml:3: python[0]: found "{value}", {EXACT}; ')

    @pytest.mark.parametrize(("line", "problem"), cases(EACH_KEY))
    def test_each_key_says_what_it_found_and_expected(self, line: str, problem: str) -> None:
        assert told(with_line(line)) == [f"matrix.yaml:4: {problem}"]

    def test_a_platform_near_to_none_gets_the_known_forms(self) -> None:
        (problem,) = told(with_line("platform: [linux]"))

        assert problem.startswith(
            'matrix.yaml:4: platform[0]: found "linux", expected host or a platform such as linux-x86_64; '
            "'linux' is not a known platform; known forms are linux-<x86_64|"
        )

    @pytest.mark.parametrize("version", ["2", "true", '"1"', "1.0", ""])
    def test_another_version(self, version: str) -> None:
        (problem,) = told(f"version: {version}\nlock: pylock.toml\npython: ['3.11.7']")

        assert problem.startswith("matrix.yaml:1: version: found ")
        assert problem.endswith(", expected the number 1, the version of this file's format")

    def test_missing_keys_are_told_together(self) -> None:
        beside = "in a list, or a .python-version file beside this one"

        assert told("# nothing\nlink: copy") == [
            "matrix.yaml:2: lock: found nothing, expected the path of a lock such as pylock.toml",
            f"matrix.yaml:2: python: found nothing, {EXACT} {beside}",
            "matrix.yaml:2: version: found nothing, expected the number 1, the version of this file's format",
        ]

    def test_a_document_that_is_no_mapping_is_one_problem(self) -> None:
        (problem,) = told("- version: 1")

        assert problem.startswith("matrix.yaml:1: found a list, expected a mapping with version, lock, sources, ")

    def test_all_problems_come_at_once_in_the_order_of_the_lines(self) -> None:
        text = """\
version: 1
lock: pylock.toml
pythons: ["3.11.7"]
python:
  - 3.10
  - "3.11"
env:
  A: 1
cells:
  include:
    - python: 3.9
      link: copi
"""

        assert [problem.split(": ")[:2] for problem in told(text)] == [
            ["matrix.yaml:3", "unknown key `pythons`; did you mean `python`?"],
            ["matrix.yaml:5", "python[0]"],
            ["matrix.yaml:6", "python[1]"],
            ["matrix.yaml:8", "env.A"],
            ["matrix.yaml:11", "cells.include[0].python"],
            ["matrix.yaml:12", "cells.include[0].link"],
        ]

    def test_a_flood_of_problems_is_cut(self) -> None:
        problems = told(with_line("env:\n" + "\n".join(f"  A{number}: 1" for number in range(200))))

        assert len(problems) == 51
        assert problems[-1] == "and 150 more problems"

    def test_nothing_in_a_message_steers_a_terminal(self) -> None:
        (problem,) = told(with_line('link: "\\e[31m\\n"'))

        assert problem.startswith('matrix.yaml:4: link: found "\\u001b[31m\\u000a", expected one of auto, ')


REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "matrix.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", REFERENCE.read_text(encoding="utf-8"), re.DOTALL)


class TestReference:
    @pytest.mark.parametrize("example", EXAMPLES)
    def test_every_example_can_be_read(self, example: str) -> None:
        required = {"version": "1", "lock": "pylock.toml", "python": '["3.11.7"]'}
        missing = [f"{key}: {value}" for key, value in required.items() if f"\n{key}:" not in f"\n{example}"]

        read("\n".join([*missing, example]))
