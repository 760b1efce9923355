"""A fleet compared by the command: bundles, saved fingerprints in numbers, and seeds of real environments."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from benchmarks.fleet import fleet, write_bundle, write_saved, wrong

from lockproof.cli import main
from support.fingerprints import environment

if TYPE_CHECKING:
    from support.reports import Json

pytestmark = pytest.mark.integration
HOSTS = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("fleets")
    write_bundle(made / "fleet", fleet(HOSTS, 700))
    return made


def compare(folder: Path, capsys: pytest.CaptureFixture[str], *targets: str, code: int) -> str:
    assert main(["compare", "-C", str(folder), "--store", "store", *targets]) == code
    return capsys.readouterr().out


def test_a_fleet_in_a_bundle_is_grouped_right(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document: Json = json.loads(compare(folder, capsys, "fleet", "--json", code=3))
    assert wrong(document, HOSTS) == []
    assert (document["environments"], document["comparisons"]) == (HOSTS, [])
    lines = compare(folder, capsys, "fleet", code=3).splitlines()
    assert lines[:3] == [
        "drift: 300 environments in 10 groups: host-00000 and host-00001: they do not hold the same distributions",
        "  group 1: 98 environments: host-00000, host-00003, host-00006 … and 95 more",
        "  group 2: 98 environments: host-00001, host-00004, host-00007 … and 95 more",
    ]
    start = lines.index("outliers: 7 environments")
    assert lines[start + 1 : start + 6] == [
        "  group 4: edited-with-record",
        "    drift against group 2 (host-00001): the Python and the platform are the same, the files are not",
        "    differs in: files; shares: set, startup, interpreter",
        "    package42 1.0: 1 file",
        "      site/package42/part0/module0007.py: sha256 a1e3ee5a57a4… (48 bytes) | sha256 1fb9f4097256… (6 bytes)",
    ]
    assert len(lines) < 80


def test_saved_fingerprints_are_grouped_as_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [path.name for path in write_saved(tmp_path, fleet(40, 700))]
    document: Json = json.loads(compare(tmp_path, capsys, *names, "--json", code=3))
    assert wrong(document, 40, suffix=".json") == []


def test_a_bundle_beside_other_targets(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = compare(folder, capsys, "fleet:host-00000", "fleet:host-00003", code=0)
    assert out == "identical: fleet:host-00000 and fleet:host-00003: every layer is equal\n"
    three = ["fleet:host-00000", "fleet:other-build", "fleet:host-00003"]
    document: Json = json.loads(compare(folder, capsys, *three, "--json", code=0))
    assert (document["relation"], document["schema"]) == ("same files", "lockproof/comparison/v1")
    rows: list[Json] = document["comparisons"]  # type: ignore[assignment]
    assert [(row["left"], row["right"], row["relation"]) for row in rows] == [
        ("fleet:host-00000", "fleet:other-build", "same files"),
        ("fleet:host-00000", "fleet:host-00003", "identical"),
    ]
    why = "every installed file is equal; the interpreter layer is not"
    assert compare(folder, capsys, *three, code=0).splitlines() == [
        f"same files: 3 environments in 2 groups: fleet:host-00000 and fleet:other-build: {why}",
        "  group 1: 2 environments: fleet:host-00000, fleet:host-00003",
        "outliers: 1 environment",
        "  group 2: fleet:other-build",
        f"    same files against group 1 (fleet:host-00000): {why}",
        "    differs in: interpreter; shares: set, files, startup",
        "    interpreter build: one | two",
    ]


def test_a_broken_member_ends_the_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_bundle(tmp_path / "fleet", fleet(12, 700))
    member = json.loads((tmp_path / "fleet/members/hook.json").read_text())
    broken = tmp_path / "fleet/objects" / member["environment"].removeprefix("sha256:")
    broken.write_bytes(broken.read_bytes() + b" ")
    assert main(["compare", "-C", str(tmp_path), "fleet"]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.partition(":")[0]) == ("", "lockproof")
    assert f"fleet/objects/{broken.name}: its content is not what its name says" in said.err


def test_a_bundle_with_too_few_is_told_as_what_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept, remedy = tmp_path / "kept", "\n  name a second target, or a bundle that has several\n"
    write_bundle(kept, {"only": environment({"demo==1.0": {}})})
    for left, why in (
        ("members/only.json", "the bundle kept holds one"),
        ("bundle.json", "the bundle kept holds none"),
        ("members", "kept looks like a bundle, and has no bundle.json"),
    ):
        assert main(["compare", "-C", str(tmp_path), "kept"]) == 2
        assert capsys.readouterr().err == f"lockproof: compare needs two targets or more: {why}{remedy}"
        if (kept / left).is_file():
            (kept / left).unlink()


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same Python's environment without seeds (dev), and with those of ensurepip (prod)."""
    made = tmp_path_factory.mktemp("seeded")
    for name, options in (("dev", ["--without-pip"]), ("prod", [])):
        subprocess.run([sys.executable, "-m", "venv", *options, made / name], check=True)
    for bytecode in [*made.rglob("__pycache__")]:  # it would be compared with its source, which takes seconds
        shutil.rmtree(bytecode)
    return made


def test_seeds_of_a_real_environment_are_named_and_left_out_of_account(
    seeded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document: Json = json.loads(compare(seeded, capsys, "dev", "prod", "--json", code=0))
    assert document["relation"] == "same files"
    rows: list[Json] = document["comparisons"]  # type: ignore[assignment]
    found: list[Json] = rows[0]["seeds"]  # type: ignore[assignment]
    names = [path.name.split("-")[0] for path in (seeded / "prod").glob("lib/*/site-packages/*.dist-info")]
    assert [(seed["name"], seed["left"]) for seed in found] == [(name, None) for name in sorted(names)]
    lines = compare(seeded, capsys, "dev", "prod", code=0).splitlines()
    assert lines[0].startswith(
        "same files: dev and prod: every installed file is equal, leaving out seeds (pip none | "
    )
    assert not any("site/pip/" in line for line in lines)


def test_one_byte_in_a_seed_is_drift(seeded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (module,) = (seeded / "prod").glob("lib/*/site-packages/pip/__main__.py")
    right = module.read_bytes()
    try:
        module.write_bytes(right + b"\n")
        out = compare(seeded, capsys, "dev", "prod", code=3)
    finally:
        module.write_bytes(right)
    assert out.startswith("drift: dev and prod: site/pip/__main__.py is not what site/pip-")


def test_environments_are_kept_in_a_bundle_under_their_names(seeded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options, member in ((["prod"], "prod"), (["dev"], "dev"), (["prod", "--name", "web-1"], "web-1")):
        assert main(["fingerprint", "-C", str(seeded), "--store", "store", *options, "--bundle", "kept"]) == 0
        name, _, digest = capsys.readouterr().out.strip().partition("  ")
        assert (name, digest.partition(":")[0]) == (f"kept:{member}", "sha256")
    out = compare(seeded, capsys, "kept:web-1", "prod", code=0)
    assert out == "identical: kept:web-1 and prod: every layer is equal\n"
    assert compare(seeded, capsys, "kept", code=0).splitlines()[1:3] == [
        "  group 1: 2 environments: prod, web-1",
        "outliers: 1 environment",
    ]
