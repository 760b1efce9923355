"""Which wheel was installed: the order in which candidates are tried, and what counts as a difference."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from lockproof.digests import sha256_hex
from lockproof.freeze.recovery import Built, Change, Installed, differences, ranked, required_names
from lockproof.proof.fingerprint import FileFact, Finding
from lockproof.pythons.layout import layout_for
from lockproof.pythons.platforms import compatible_tags, parse_platform, parse_python
from lockproof.wheels.launchers import EntryPointScript
from lockproof.wheels.manifest import LandingFile, Manifest

LAYOUT = layout_for("3.11.7", "linux")
TAGS = frozenset(compatible_tags(parse_python("3.11.7"), parse_platform("linux-x86_64-glibc2.28")))
ONE, TWO = "1" * 64, "2" * 64
CORE, TOOL, INFO = "site/demo/core.py", "scripts/tool", "site/demo-1.0.dist-info"
PURE = Built(frozenset(("py3-none-any",)), "")
WHEEL = Manifest(
    name="demo",
    version="1.0",
    filename="demo-1.0-py3-none-any.whl",
    sha256=ONE,
    dist_info="demo-1.0.dist-info",
    files=(LandingFile(CORE, "demo/core.py", ONE, 1, executable=False),),
    launchers=(EntryPointScript("tool", "demo", "main", gui=False),),
    findings=(Finding("record-hash", CORE, "the wheel's RECORD is wrong", "note"),),
)
RIGHT = {CORE: FileFact("f", ONE, 1), TOOL: FileFact("e", "demo:main")}
DEMO = Installed(
    name="demo", version="1.0", folder=INFO, facts=RIGHT, findings=(), built=PURE, obstacle="", metadata=b""
)


@dataclass(frozen=True)
class File:
    filename: str
    sha256: str | None = ONE


def names(tiers: tuple[tuple[File, ...], ...]) -> list[list[str]]:
    return [[file.filename.removeprefix("demo-1.0-") for file in tier] for tier in tiers]


RANKED = {
    "by what WHEEL says": (
        PURE,
        ["py3-none-any.whl", "1-py3-none-any.whl", "cp311-cp311-linux_x86_64.whl", "py2.py3-none-any.whl"],
        [["py3-none-any.whl", "1-py3-none-any.whl"], ["cp311-cp311-linux_x86_64.whl", "py2.py3-none-any.whl"], []],
    ),
    "by the build that WHEEL says": (
        PURE._replace(build="2b"),
        ["py3-none-any.whl", "1-py3-none-any.whl", "2b-py3-none-any.whl"],
        [["2b-py3-none-any.whl"], ["py3-none-any.whl", "1-py3-none-any.whl"], []],
    ),
    "compressed tags": (
        Built(frozenset(("py2-none-any", "py3-none-any")), ""),
        ["py3-none-any.whl", "py2.py3-none-any.whl"],
        [["py2.py3-none-any.whl"], ["py3-none-any.whl"], []],
    ),
    "what can't be installed there comes last, and only if WHEEL says so": (
        Built(frozenset(("cp312-cp312-win_amd64",)), ""),
        ["cp312-cp312-win_amd64.whl", "cp313-cp313-win_amd64.whl", "py3-none-any.whl"],
        [[], ["py3-none-any.whl"], ["cp312-cp312-win_amd64.whl"]],
    ),
}


@pytest.mark.parametrize(("built", "files", "expected"), RANKED.values(), ids=RANKED)
def test_the_order_of_candidates(built: Built, files: list[str], expected: list[list[str]]) -> None:
    assert names(ranked(replace(DEMO, built=built), [File(f"demo-1.0-{file}") for file in files], TAGS)) == expected


@pytest.mark.parametrize(
    "file",
    [
        File("demo-1.0.tar.gz"),
        File("demo-1.0-py3-none-any.whl", None),
        File("other-1.0-py3-none-any.whl"),
        File("demo-1.0.whl"),
        File('demo-1.0-py3-none-any\n".whl'),
    ],
)
def test_what_is_no_candidate(file: File) -> None:
    assert ranked(DEMO, [file], TAGS) == ((), (), ())


def change(path: str, what: str) -> tuple[Change, ...]:
    return (Change(path, what),)


SEEN = {
    "the wheel that was installed": (RIGHT, (), ()),
    "other bytes": (
        RIGHT | {CORE: FileFact("f", TWO, 1)}, (), change(CORE, "is not what demo-1.0-py3-none-any.whl has")
    ),
    "a file more": (
        RIGHT | {"site/more.py": FileFact("f", TWO, 1)}, (),
        change("site/more.py", "is not in demo-1.0-py3-none-any.whl"),
    ),
    "a wrapper that calls something else": (
        RIGHT | {TOOL: FileFact("e", "demo:other")}, (), change(TOOL, "is not what demo-1.0-py3-none-any.whl has")
    ),
    "a file that RECORD doesn't list": (
        {TOOL: RIGHT[TOOL]}, (), change(CORE, "is missing, or not in its RECORD")
    ),
    "a file that RECORD lists and that is gone": (
        {TOOL: RIGHT[TOOL]}, (Finding("record-ghost", CORE, "is a row without a file"),), change(CORE, "is missing")
    ),
    "a RECORD that is wrong in the wheel too": (RIGHT, (Finding("record-hash", CORE, "is not what it says"),), ()),
    "a RECORD that was made wrong": (
        RIGHT, (Finding("record-hash", TOOL, "is not what it says"),), change(TOOL, "is not what it says")
    ),
    "bytecode that lies": (
        RIGHT, (Finding("bytecode-false", "site/demo/__pycache__/core.cpython-311.pyc", "lies"),),
        change("site/demo/__pycache__/core.cpython-311.pyc", "lies"),
    ),
    "bytecode of a source that is another": (
        RIGHT | {CORE: FileFact("f", TWO, 1)},
        (Finding("bytecode-false", "site/demo/__pycache__/core.cpython-311.pyc", "lies"),),
        change(CORE, "is not what demo-1.0-py3-none-any.whl has"),
    ),
    "as virtualenv seeds it": (
        RIGHT | {
            "site/demo-1.0.virtualenv": FileFact("f", sha256_hex(b""), 0), "scripts/tool-3.11": RIGHT[TOOL],
        },
        (Finding("record-ghost", "site/demo/__pycache__", "is a row without a file"),),
        (),
    ),
    "not as virtualenv seeds it": (
        RIGHT | {
            "site/demo-1.0.virtualenv": FileFact("f", ONE, 1), "scripts/tool-3.11": FileFact("e", "demo:other"),
        },
        (),
        (
            Change("scripts/tool-3.11", "is not in demo-1.0-py3-none-any.whl"),
            Change("site/demo-1.0.virtualenv", "is not in demo-1.0-py3-none-any.whl"),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("facts", "findings", "expected"), SEEN.values(), ids=SEEN)
def test_differences(facts: dict[str, FileFact], findings: tuple[Finding, ...], expected: tuple[Change, ...]) -> None:
    found = differences(replace(DEMO, facts=facts, findings=findings), WHEEL, LAYOUT, "3.11.7")
    assert found == expected


def test_required_names() -> None:
    metadata = (
        b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nRequires-Dist: Some.Thing >=1\n"
        b"Requires-Dist: more; extra == 'more'\nRequires-Dist: old; python_version < '3'\nRequires-Dist: ==\n"
        b"Requires-Dist: here; sys_platform == 'linux'\n\nRequires-Dist: body\n"
    )
    environment = {"python_version": "3.11", "sys_platform": "linux"}
    assert required_names(replace(DEMO, metadata=metadata), environment) == {"some-thing", "here"}
