"""Whole outputs of comparisons of many environments; nothing in them can steer a terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lockproof.proof.fingerprint import Finding
from lockproof.proof.groups import Grouping, survey
from lockproof.proof.relations import compare
from lockproof.reporters.comparisons import comparison_text, survey_text
from support.fingerprints import DISTUTILS_LINE, environment, pip, setuptools
from support.outcomes import ESCAPE, ESCAPED

if TYPE_CHECKING:
    from lockproof.proof.fingerprint import Fingerprint

DEMO = {"demo==1.0": {"site/demo/core.py": "x = 1\n"}}
ONE = environment(DEMO)


def text(members: dict[str, Fingerprint], *, verbose: bool = False) -> str:
    grouping = Grouping()
    for name, fingerprint in members.items():
        grouping.add(name, fingerprint)
    return survey_text(survey(grouping.groups(), members.__getitem__), verbose=verbose)


def test_seeds_are_one_line_each() -> None:
    prod = environment(
        {**DEMO, **pip(), **setuptools()}, startup=(DISTUTILS_LINE,), python={"version": "3.12.1", "build": "two"}
    )
    seeds = "seeds (pip none | 23.2.1, setuptools none | 65.5.0)"
    assert comparison_text("dev", "prod", compare(ONE, prod), verbose=False).splitlines() == [
        f"same files: dev and prod: every installed file is equal, leaving out {seeds}; the interpreter layer is not",
        "  layers that differ: set, files, startup, interpreter",
        "  > pip==23.2.1",
        "  > setuptools==65.5.0",
        "  seed pip: - | 23.2.1 (left out of account, files not listed)",
        "  seed setuptools: - | 65.5.0 (left out of account, files not listed)",
        "  > at start: site/distutils-precedence.pth exec import os; __import__('_distutils_hack').add_shim()",
        "  interpreter build: one | two",
    ]


def test_many_differences_of_two_are_few_lines() -> None:
    pins = {f"lib{n:02}==1.0": {f"site/lib{n:02}/{m}.py": "" for m in range(9)} for n in range(30)}
    odd = [Finding("bytecode", f"site/{n}.pyc", "can't be checked", "unproven") for n in range(9)]
    wrong = [Finding("mode", f"site/{n:02}", "can be written") for n in range(25)]
    facts = {f"fact {n}": "x" for n in range(9)}
    left = environment(pins, startup=tuple(f"site/{n:02}.pth\0exec\0import x" for n in range(25)), python=facts)
    right = replace(environment({}, findings=(*odd, *wrong)), interpreter={})
    comparison = compare(left, right)
    lines = comparison_text("a", "b", comparison, verbose=False).splitlines()
    assert lines[2:22] == [f"  < lib{n:02}==1.0" for n in range(20)]
    assert lines[22:31] == [
        "  … and 10 more",
        "  lib00 1.0: 10 files",
        "    < site/lib00-1.0.dist-info/METADATA",
        *(f"    < site/lib00/{m}.py" for m in range(4)),
        "    … and 5 more",
        "  lib01 1.0: 10 files",
    ]
    assert lines[23 + 7 * 20] == "  … and files of 10 more distributions"
    assert lines[24 + 7 * 20 + 20 :] == [
        "  … and 5 more",
        "  interpreter: 9 facts, known of < only",
        "  > site/0.pyc and 8 more: can't be checked",
        *(f"  > site/{n:02}: can be written" for n in range(19)),
        "  … and 6 more",
        "  (--verbose shows all, --json too)",
    ]
    whole = comparison_text("a", "b", comparison, verbose=True).splitlines()
    assert len(whole) == 2 + 30 + 30 * 11 + 25 + 9 + 9 + 25


def test_all_are_identical() -> None:
    assert text(dict.fromkeys("abcde", ONE)) == (
        "identical: 5 environments: every layer is equal in all of them\n"
        "  group 1: 5 environments: a, b, c … and 2 more\n"
    )
    assert text(dict.fromkeys("abcde", ONE), verbose=True).splitlines()[1:] == [
        "  group 1: 5 environments: a, b, c, d, e"
    ]


def test_groups_and_outliers() -> None:
    two = environment({"demo==2.0": {"site/demo/core.py": "x = 2\n"}})
    odd = environment(DEMO, unowned={f"site/{ESCAPE}.py": "x"}, startup=(f"site/x.pth\0exec\0{ESCAPE}",))
    members = {"a": ONE, "b": ONE, "c": two, "d": two, f"e{ESCAPE}": odd}
    assert text(members).splitlines() == [
        "drift: 5 environments in 3 groups: a and c: they do not hold the same distributions",
        "  group 1: 2 environments: a, b",
        "  group 2: 2 environments: c, d",
        "    drift against group 1 (a): they do not hold the same distributions",
        "    differs in: set, files; shares: startup, interpreter",
        "    demo: 1.0 | 2.0",
        "outliers: 1 environment",
        f"  group 3: e{ESCAPED}",
        f"    drift against group 1 (a): site/{ESCAPED}.py is owned by nothing",
        "    differs in: files, startup; shares: set, interpreter",
        "    (no distribution): 1 file",
        f"      site/{ESCAPED}.py: - | sha256 2d711642b726… (1 bytes)",
        f"    > at start: site/x.pth exec {ESCAPED}",
    ]


def test_of_each_kind_a_few_are_enough() -> None:
    pins = {f"lib{n}==1.0": {f"site/lib{n}/{m}.py": "" for m in range(9)} for n in range(9)}
    others = {pin: dict.fromkeys(files, "changed") for pin, files in pins.items()}
    members = {"a": environment(pins), "b": environment(pins), "c": environment(others)}
    lines = text(members).splitlines()
    assert lines[-2:] == ["      … and 4 more", "    … and files of 4 more distributions"]
    assert len(lines) == 6 + 5 * 7 + 1
    assert len(text(members, verbose=True).splitlines()) == 6 + 9 * 10


def test_many_groups_are_counted() -> None:
    members = {"a": ONE, "b": ONE} | {f"host-{n}": environment(DEMO, unowned={f"site/{n}.py": "x"}) for n in range(25)}
    lines = text(members).splitlines()
    assert lines[-1] == "  … and 5 more groups (--verbose shows all, --json too)"
    assert lines[0] == "drift: 27 environments in 26 groups: a and host-0: site/0.py is owned by nothing"
    assert text({name: side for name, side in members.items() if name != "b"}).startswith(
        "drift: 26 environments, no two identical: "
    )
