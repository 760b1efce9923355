"""What a lock is made from: as a matrix writes it, as a command line names it, and as a lock's header tells it."""

from __future__ import annotations

import pytest

from lockproof.cells.config import read_matrix
from lockproof.cells.documents import load_yaml
from lockproof.cells.sources import Source, command_line, sources_of_command
from lockproof.errors import MatrixError, UsageError

HEAD = 'version: 1\nlock: requirements.txt\npython: ["3.12.1"]\n'
FILE = "the path of a file such as requirements.in or pyproject.toml"
ALONE = "only `groups` can stand without it, for those of pyproject.toml"


def read(sources: str) -> tuple[Source, ...]:
    return read_matrix(load_yaml(f"{HEAD}sources: {sources}\n", "matrix.yaml")).sources


def problems(sources: str) -> list[str]:
    with pytest.raises(MatrixError) as caught:
        read(sources)
    return str(caught.value).splitlines()


def test_files_extras_groups_and_groups_alone() -> None:
    assert read("[a.in, {file: sub/pyproject.toml, groups: [t]}, {groups: [dev]}]") == (
        Source(file="a.in"),
        Source(file="sub/pyproject.toml", groups=("t",)),
        Source(file="pyproject.toml", groups=("dev",), with_dependencies=False),
    )
    assert read("[{file: pyproject.toml, extras: [x]}]") == (Source(file="pyproject.toml", extras=("x",)),)


def test_without_the_key_there_are_none() -> None:
    assert read_matrix(load_yaml(HEAD, "matrix.yaml")).sources == ()


@pytest.mark.parametrize(
    ("sources", "told"),
    [
        ("a.in", 'sources: found "a.in", expected a list of files such as [requirements.in]'),
        ("[]",
         "sources: found an empty list, expected one file or more; leave the key out for the one beside this file"),
        ("[-i]", f'sources[0]: found "-i", expected {FILE}; it would be read as an option; write ./ before it'),
        ("[{files: a.in}]", "sources[0]: unknown key `files`; did you mean `file`?"),
        ("[{file: a.in, groups: [t]}]",
         'sources[0].file: found "a.in", expected a pyproject.toml: nothing else has extras and groups'),
        ("[{extras: [x]}]", f"sources[0].file: found nothing, expected {FILE}; {ALONE}"),
        ("[{file: a/pyproject.toml, extras: [x]}, pyproject.toml]",
         "sources: extras can be chosen only where there is one pyproject.toml: uv takes them from any"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(sources: str, told: str) -> None:
    assert f"matrix.yaml:4: {told}" in problems(sources)


def test_extras_and_groups_of_a_command_line_belong_to_its_project() -> None:
    assert sources_of_command([], ["x"], ["t"]) == (Source(file="pyproject.toml", extras=("x",), groups=("t",)),)
    assert sources_of_command(["a.in", "p/pyproject.toml"], [], ["t"]) == (
        Source(file="a.in"),
        Source(file="p/pyproject.toml", groups=("t",)),
    )
    for files in (["a.in"], ["a/pyproject.toml", "b/pyproject.toml"]):
        with pytest.raises(UsageError, match="belong to one"):
            sources_of_command(files, ["x"], [])
    with pytest.raises(UsageError, match="no name"):
        sources_of_command([], ["--upgrade"], [])


def test_a_header_names_the_command_that_makes_the_lock_again() -> None:
    named = sources_of_command(["my file.in", "pyproject.toml"], ["x"], ["t"])
    assert command_line(None, "matrix.yaml", resolver="uv", emit_index_url=False) == "lockproof lock"
    assert command_line(named, "ci/m.yaml", resolver="pip-tools", emit_index_url=True) == (
        "lockproof lock --matrix ci/m.yaml --resolver pip-tools --emit-index-url --extra x --group t "
        "'my file.in' pyproject.toml"
    )


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (Source(file="a.in"), "a.in"),
        (Source(file="pyproject.toml", extras=("x",), groups=("t", "u")), "pyproject.toml (extra x, group t, group u)"),
        (Source(file="pyproject.toml", groups=("t",), with_dependencies=False), "pyproject.toml (group t only)"),
    ],
)
def test_a_source_tells_what_it_is(source: Source, told: str) -> None:
    assert str(source) == told
