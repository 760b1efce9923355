"""Locks got back from environments, as they are written, whole."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from lockproof.freeze.frozen import (
    Frozen,
    Proven,
    ProvenFile,
    Unproven,
    frozen_to_json,
    head_lines,
    pylock_lines,
    requirements_lines,
)
from lockproof.freeze.recovery import Change
from lockproof.locks.plan import plan_cells
from lockproof.locks.pylock import read_pylock
from lockproof.locks.requirements import parse_requirements
from lockproof.pythons.platforms import parse_platform, parse_python
from lockproof.reporters.frozen import frozen_text
from support.lockdata import cell

ONE, TWO = "1" * 64, "2" * 64
A = "a-1.0-py3-none-any.whl"
WHEELS = (
    ProvenFile(filename=A, url=f"https://index.invalid/{A}", sha256=TWO, size=12),
    ProvenFile(filename=A, url=f"https://other.invalid/{A}", sha256=ONE, size=None),
)
B = ProvenFile(filename="b-2.0-py3-none-any.whl", url="file:///w/b-2.0-py3-none-any.whl", sha256=ONE, size=None)
ALL = Frozen(
    python=parse_python("3.12.1"),
    platform=parse_platform("linux-x86_64-glibc2.36"),
    proven=(Proven(name="a", version="1.0", files=WHEELS), Proven(name="b", version="2.0", files=(B,))),
    unproven=(),
    loose=(),
    left_out=(("pip", "24.0"),),
    notes=("a note",),
)
CHANGES = tuple(Change(f"site/c/{number}.py", "is not what it was") for number in range(9))
PART = replace(
    ALL,
    unproven=(Unproven(name="c", version="3", reason="9 files are not as in c.whl", changes=CHANGES),),
    loose=(
        Change("site/x/a.py", "is owned by nothing"),
        Change("site/x/b/c.py", "is owned by nothing"),
        Change("site/stray\n.py", "is owned by nothing"),
    ),
)
HEAD = [
    "Made by `lockproof freeze` from an environment, and meant for one like it only:",
    "CPython 3.12.1 on linux-x86_64-glibc2.36. 2 of 2 distributions proven from bytes:",
    "each hash is that of a wheel whose content is what was installed.",
    "Left out: pip 24.0.",
]
MARKER = (
    "implementation_name == 'cpython' and python_full_version == '3.12.1' and sys_platform == 'linux' "
    "and platform_machine == 'x86_64'"
)


def test_requirements() -> None:
    assert list(requirements_lines(ALL)) == [
        *(f"# {line}" for line in HEAD),
        "a==1.0 \\",
        f"    --hash=sha256:{ONE} \\",
        f"    --hash=sha256:{TWO}",
        "b==2.0 \\",
        f"    --hash=sha256:{ONE}",
    ]


def test_pylock() -> None:
    assert list(pylock_lines(ALL)) == [
        *(f"# {line}" for line in HEAD),
        'lock-version = "1.0"',
        f'environments = ["{MARKER}"]',
        'requires-python = "==3.12.1"',
        'created-by = "lockproof"',
        "",
        "[[packages]]",
        'name = "a"',
        'version = "1.0"',
        'requires-python = "==3.12.1"',
        "wheels = [",
        f'    {{name = "{A}", url = "https://index.invalid/{A}", size = 12, hashes = {{sha256 = "{TWO}"}}}},',
        "]",
        "",
        "[[packages]]",
        'name = "b"',
        'version = "2.0"',
        'requires-python = "==3.12.1"',
        "wheels = [",
        f'    {{name = "{B.filename}", url = "{B.url}", hashes = {{sha256 = "{ONE}"}}}},',
        "]",
    ]


def test_what_is_written_is_read_back() -> None:
    def refuse(name: str) -> str:
        raise AssertionError(name)

    requirements = parse_requirements("\n".join(requirements_lines(PART)), "x.txt", refuse, {})
    assert {(pin.name, pin.version): set(pin.hashes) for pin in requirements.pins} == {
        ("a", "1.0"): {ONE, TWO},
        ("b", "2.0"): {ONE},
    }
    lock = read_pylock("\n".join(pylock_lines(ALL)), "pylock.toml", folder=PurePosixPath("/x"))
    (plan,) = plan_cells(lock, [cell("3.12.1", "linux-x86_64")])
    assert [(a.name, a.version, a.sha256, a.size) for a in plan.artifacts] == [
        ("a", "1.0", TWO, 12),
        ("b", "2.0", ONE, None),
    ]


def test_nothing_is_a_lock_too() -> None:
    empty = replace(ALL, proven=(), left_out=())
    assert read_pylock("\n".join(pylock_lines(empty)), "pylock.toml").pylock.packages == []
    assert empty.sentence == "0 of 0 distributions proven from bytes"


def test_the_head_says_what_is_missing() -> None:
    assert list(head_lines(replace(PART, left_out=()))) == [
        HEAD[0],
        "CPython 3.12.1 on linux-x86_64-glibc2.36. 2 of 3 distributions proven from bytes:",
        HEAD[2],
        "INCOMPLETE. It was installed, and could not be locked:",
        "  c 3: 9 files are not as in c.whl",
        *(f"    site/c/{number}.py" for number in range(5)),
        "    and 4 more",
        "INCOMPLETE. It was there, and belongs to no distribution:",
        "  site/x/a.py",
        "  site/x/b/c.py",
        "  site/stray\n.py",
    ]


@pytest.mark.parametrize(
    ("frozen", "code"),
    [
        (ALL, 0),
        (PART, 4),
        (replace(PART, unproven=()), 4),
        (replace(PART, loose=()), 4),
        (replace(PART, unproven=(replace(PART.unproven[0], failed_hash=True),)), 5),
    ],
)
def test_exit_codes(frozen: Frozen, code: int) -> None:
    assert frozen.exit_code == code


def test_the_document() -> None:
    document = json.loads(json.dumps(frozen_to_json(replace(PART, loose=PART.loose[:1]), "env")))
    assert document == {
        "schema": "lockproof/freeze/v1",
        "target": "env",
        "python": "3.12.1",
        "platform": "linux-x86_64-glibc2.36",
        "proven": [
            {
                "name": "a",
                "version": "1.0",
                "wheels": [
                    {"filename": A, "sha256": TWO, "url": f"https://index.invalid/{A}", "size": 12},
                    {"filename": A, "sha256": ONE, "url": f"https://other.invalid/{A}", "size": None},
                ],
            },
            {
                "name": "b",
                "version": "2.0",
                "wheels": [{"filename": B.filename, "sha256": ONE, "url": B.url, "size": None}],
            },
        ],
        "unproven": [
            {
                "name": "c",
                "version": "3",
                "reason": "9 files are not as in c.whl",
                "files": [{"path": path, "message": what} for path, what in CHANGES],
            }
        ],
        "unowned": [{"path": "site/x/a.py", "message": "is owned by nothing"}],
        "left_out": [{"name": "pip", "version": "24.0"}],
        "notes": ["a note"],
        "exit_code": 4,
    }


def test_the_text() -> None:
    assert frozen_text(PART, verbose=False, quiet=False).splitlines() == [
        "2 of 3 distributions proven from bytes (CPython 3.12.1 on linux-x86_64-glibc2.36)",
        "  unproven: c 3: 9 files are not as in c.whl",
        *(f"    site/c/{number}.py: is not what it was" for number in range(8)),
        "    … and 1 more (--verbose)",
        "  unproven: what belongs to no distribution",
        "    site/stray\\n.py: is owned by nothing",
        "    site/x/ (2 files): is owned by nothing",
        "  left out: pip 24.0",
        "  note: a note",
    ]
    assert frozen_text(ALL, verbose=True, quiet=True).splitlines() == [
        "2 of 2 distributions proven from bytes (CPython 3.12.1 on linux-x86_64-glibc2.36)"
    ]
