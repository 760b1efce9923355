"""Locks of poetry, pdm and pipenv name hashes and no URLs: the configured index has the files, and cells match."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.reports import is_right
from support.wheels import sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.loopback import LoopbackIndex
    from support.projects import Project

pytestmark = pytest.mark.integration

GROUPS = {"base-one": "", "base-two": "", "tool": "dev", "checker": "check"}
PYPROJECT = """
[project]
name = "one"
version = "0"
requires-python = ">=3.8"
dependencies = ["base-one", "base-two"]

[dependency-groups]
dev = ["tool"]
check = ["checker"]

[tool.poetry.group.check]
optional = true
"""


def name_of(wheel: Path) -> str:
    return wheel.name.split("-")[0].replace("_", "-")


def poetry(wheels: list[Path]) -> str:
    entries = [
        f'[[package]]\nname = "{name_of(wheel)}"\nversion = "1.0"\noptional = false\npython-versions = ">=3.8"\n'
        f'groups = ["{GROUPS[name_of(wheel)] or "main"}"]\n'
        f'files = [\n    {{file = "{wheel.name}", hash = "sha256:{sha256_of(wheel)}"}},\n]\n'
        for wheel in wheels
    ]
    end = '[metadata]\nlock-version = "2.1"\npython-versions = ">=3.8"\ncontent-hash = "0"\n'
    return "\n".join([*entries, end])


def pdm(wheels: list[Path]) -> str:
    entries = [
        f'[[package]]\nname = "{name_of(wheel)}"\nversion = "1.0"\nsummary = ""\n'
        f'groups = ["{GROUPS[name_of(wheel)] or "default"}"]\n'
        f'files = [\n    {{file = "{wheel.name}", hash = "sha256:{sha256_of(wheel)}"}},\n]\n'
        for wheel in wheels
    ]
    head = (
        '[metadata]\ngroups = ["default", "check", "dev"]\nstrategy = ["inherit_metadata"]\nlock_version = "4.5.0"\n'
        'content_hash = "sha256:0"\n\n[[metadata.targets]]\nrequires_python = ">=3.8"\n'
    )
    return "\n".join([head, *entries])


def pipenv(wheels: list[Path]) -> str:
    categories: dict[str, dict[str, object]] = {"default": {}, "dev": {}, "check": {}}
    for wheel in wheels:
        pin = {"hashes": [f"sha256:{sha256_of(wheel)}"], "version": "==1.0"}
        categories[GROUPS[name_of(wheel)] or "default"][name_of(wheel)] = pin
    meta = {"hash": {"sha256": "0"}, "pipfile-spec": 6, "requires": {}, "sources": []}
    return json.dumps({"_meta": meta, **categories}, indent=4)


@pytest.mark.parametrize(
    ("filename", "make", "defaults"),
    [
        ("poetry.lock", poetry, {"dev"}),
        ("pdm.lock", pdm, {"dev", "check"}),
        ("Pipfile.lock", pipenv, set[str]()),
    ],
)
def test_files_are_found_by_hash_and_groups_are_as_the_tool_means_them(
    small: Project,
    serve: Callable[[Project], LoopbackIndex],
    filename: str,
    make: Callable[[list[Path]], str],
    defaults: set[str],
) -> None:
    for name in GROUPS:
        small.wheel(name, "1.0", {f"{name.replace('-', '_')}.py": ""})
    small.write("pyproject.toml", PYPROJECT)
    small.write(filename, make(small.wheels))
    index = serve(small)
    small.variables["PIP_INDEX_URL"] = index.url
    axes = {"take": {"plain": {}, "none": {"groups": []}, "checks": {"groups": ["check"]}}}
    small.matrix(lock=filename, cells={"axes": axes})

    ran = small.run()
    is_right(ran)
    taken = {"plain": {"", *defaults}, "none": {""}, "checks": {"", "check"}}
    found = {}
    for take in taken:
        site = small.site(ran, f"{next(iter(small.pythons))}-{ran.cells[0]['platform']}-{take}")
        found[take] = {path.name.split("-")[0].replace("_", "-") for path in site.glob("*-1.0.dist-info")}
    assert found == {take: {name for name in GROUPS if GROUPS[name] in wanted} for take, wanted in taken.items()}
    asked = [path for path in index.paths_asked() if path.startswith("/simple/")]
    assert len(asked) == len(set(asked))  # one page a distribution

    before = len(index.requests)
    is_right(small.run())
    assert len(index.requests) == before  # all is in the store, and what was found is remembered

    small.matrix(lock=filename, groups=["nope"], extras=["more"])
    ended = small("run")
    assert ended.code == 2
    assert f"{filename}: the lock has no group nope" in ended.err
    assert "it has check, dev" in ended.err
    assert f"{filename}: the lock has no extra more, which is asked" in ended.err


def test_a_file_that_no_index_has_is_named_with_its_place(
    small: Project, serve: Callable[[Project], LoopbackIndex]
) -> None:
    wheel = small.wheel("base-one", "1.0", {"base_one.py": ""})
    small.write("poetry.lock", poetry([wheel]).replace(sha256_of(wheel), "0" * 64))
    small.variables["PIP_INDEX_URL"] = serve(small).url
    small.matrix(lock="poetry.lock")

    ended = small("run")
    assert ended.code == 4
    assert f"poetry.lock:1: base-one 1.0: {wheel.name} can't be fetched" in ended.told
    assert f"no index or find-links has a file with sha256:{'0' * 64}" in ended.told
