"""Real seeds and real interpreters under a policy: what is declared passes and is listed, the rest is named."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.attesting import KINDS, payload_of, write_keys
from support.projects import make_project
from support.pythonbuilds import Build, copy_build
from support.reports import findings_of, is_right, proof_of

if TYPE_CHECKING:
    from pathlib import Path

    from support.projects import Project
    from support.reports import Json

pytestmark = pytest.mark.integration
SEEDS = "seeds: [pip, setuptools]\n"


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory, all_pythons: dict[str, Path], warm: Path) -> tuple[Project, Path]:
    """An environment as people make it: `python -m venv`, then its own pip; Python is one that still seeds more."""
    known = {version: path for version, path in all_pythons.items() if int(version.split(".")[1]) < 12}
    if not known:
        pytest.skip("this test needs a CPython from 3.8 to 3.11")
    version, python = list(known.items())[-1]
    project = make_project(tmp_path_factory.mktemp("policy"), {version: python}, warm=warm)
    project.wheel("plain", "1.0", {"plain/__init__.py": "ANSWER = 42\n"})
    project.lock()
    project.matrix()
    folder = project.base / "env"
    done = subprocess.run([python, "-m", "venv", folder], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("this Python has no ensurepip")
    pip: list[str | Path] = [
        folder / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "-f",
        project.base / "wheels",
    ]
    environ = {"PATH": os.defpath, "PIP_CONFIG_FILE": os.devnull, "HOME": str(project.base / "home")}
    subprocess.run([*pip, "plain"], check=True, env=environ, capture_output=True)
    return project, folder


def tolerated(proof: Json) -> list[str]:
    rows = proof["tolerated"]
    assert isinstance(rows, list)
    return [row["rule"] for row in rows]


def test_seeds_are_a_mismatch_unless_they_are_declared(seeded: tuple[Project, Path], tmp_path: Path) -> None:
    project, folder = seeded
    strict = project.json("verify", str(folder), "--cell", "*", code=3)
    assert (strict["verdict"], strict["layer"], strict["tolerated"]) == ("mismatch", "set", [])
    policy = tmp_path / "policy.yaml"
    policy.write_text(SEEDS)
    proof = project.json("verify", str(folder), "--cell", "*", "--policy", str(policy))
    assert (proof["verdict"], proof["layer"], findings_of(proof)) == ("match", None, [])
    assert tolerated(proof) == ["seeds: pip", "seeds: setuptools"]
    ended = project("verify", str(folder), "--cell", "*", env={"LOCKPROOF_POLICY": str(policy)})
    first, *more = ended.out.splitlines()
    assert first.startswith("match: ")
    assert first.endswith("; tolerated: seeds: pip, seeds: setuptools")
    assert len(more) == 2


def test_the_matrix_can_declare_them_and_a_file_takes_its_place(seeded: tuple[Project, Path], tmp_path: Path) -> None:
    project, folder = seeded
    project.matrix(policy={"seeds": ["pip", "setuptools"]})
    try:
        assert tolerated(project.json("verify", str(folder), "--cell", "*")) == ["seeds: pip", "seeds: setuptools"]
        policy = tmp_path / "policy.yaml"
        policy.write_text("seeds: [pip]\n")
        proof = project.json("verify", str(folder), "--cell", "*", "--policy", str(policy), code=3)
        assert tolerated(proof) == ["seeds: pip"]
        assert ("distribution", "setuptools") in findings_of(proof)
    finally:
        project.matrix()


@pytest.mark.parametrize("where", ["pip/__init__.py", "pip/more.py", "setuptools/__init__.py", "evil.pth"])
def test_a_seed_that_was_touched_is_a_mismatch(seeded: tuple[Project, Path], tmp_path: Path, where: str) -> None:
    project, folder = seeded
    (site,) = folder.glob("lib/python*/site-packages")
    policy = tmp_path / "policy.yaml"
    policy.write_text(SEEDS)
    path = site / where
    before = path.read_bytes() if path.exists() else None
    path.write_bytes((before or b"") + b"# more\n")
    try:
        proof = project.json("verify", str(folder), "--cell", "*", "--policy", str(policy), code=3)
        assert proof["verdict"] == "mismatch"
        assert f"site/{where}" in [found for _, found in findings_of(proof)]
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)


def test_what_is_wrong_in_a_policy_is_told_first(seeded: tuple[Project, Path], tmp_path: Path) -> None:
    project, folder = seeded
    policy = tmp_path / "policy.yaml"
    policy.write_text("seeds: [pip]\nlibc: any\n")
    ended = project("verify", str(folder), "--cell", "*", "--policy", str(policy))
    assert (ended.code, ended.out) == (2, "")
    assert f"{policy}:2: unknown key `libc`" in ended.err


@pytest.fixture
def build(small: Project, tmp_path: Path) -> Build:
    """A build of the project's Python, the only one there; an environment of it was made, and its prediction saved."""
    (python,) = small.pythons.values()
    made = copy_build(python, tmp_path / "build")
    small.variables["PATH"] = os.pathsep.join([str(made.executable.parent), "/usr/bin", "/bin"])
    small.wheel("plain", "1.0")
    small.lock()
    small.matrix()
    (tmp_path / "saved.json").write_text(json.dumps(small.json("predict")))
    ran = small.run("--install-only")
    is_right(ran)
    (tmp_path / "env").symlink_to(small.environment(ran))
    return made


def append(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"\n# changed\n")


def test_a_standard_library_that_was_changed_is_named_by_its_modules(
    small: Project, build: Build, tmp_path: Path
) -> None:
    saved, target = str(tmp_path / "saved.json"), str(tmp_path / "env")
    assert small.json("verify", target, "--expect", saved)["verdict"] == "match"
    append(build.stdlib / "json" / "decoder.py")
    (build.stdlib / "sitecustomize.py").write_text("print('here')\n")
    (build.stdlib / "antigravity.py").unlink()
    proof = small.json("verify", target, "--expect", saved, code=3)
    assert (proof["verdict"], proof["layer"]) == ("mismatch", "interpreter")
    assert findings_of(proof) == [
        ("interpreter", "scripts/python"),
        ("interpreter-file", "stdlib/antigravity.py"),
        ("interpreter-file", "stdlib/json/decoder.py"),
        ("interpreter-file", "stdlib/sitecustomize.py"),
    ]
    told = small("verify", target, "--expect", saved).out
    assert "stdlib: antigravity.py gone, json/decoder.py changed, sitecustomize.py added: expected sha256:" in told
    now = tmp_path / "now.json"
    now.write_text(json.dumps(small.json("fingerprint", target)))
    told = small("compare", saved, str(now)).out
    assert "same files: " in told
    assert "interpreter stdlib/json/decoder.py: " in told
    policy = tmp_path / "policy.yaml"
    policy.write_text("interpreter: build\n")
    proof = small.json("verify", target, "--expect", saved, "--policy", str(policy), code=3)
    assert (proof["verdict"], proof["tolerated"]) == ("mismatch", [])


def test_another_build_of_the_same_version_passes_where_that_is_declared(
    small: Project, build: Build, tmp_path: Path
) -> None:
    saved, target = str(tmp_path / "saved.json"), str(tmp_path / "env")
    append(build.extension)
    name = f"lib-dynload/{build.extension.name}"
    proof = small.json("verify", target, "--expect", saved, code=3)
    assert findings_of(proof) == [("interpreter", "scripts/python"), ("interpreter-file", name)]
    policy = tmp_path / "policy.yaml"
    policy.write_text("interpreter: build\n")
    proof = small.json("verify", target, "--expect", saved, "--policy", str(policy))
    assert (proof["verdict"], proof["layer"], findings_of(proof)) == ("match", None, [])
    assert tolerated(proof) == ["interpreter: build"] * 2


def test_bytecode_of_the_standard_library_that_nothing_checks_is_told(
    small: Project, build: Build, tmp_path: Path
) -> None:
    saved, target = str(tmp_path / "saved.json"), str(tmp_path / "env")
    other = tmp_path / "other.py"
    other.write_text("print('something else')\n")
    source = str(build.stdlib / "json" / "decoder.py")
    bytecode = "importlib.util.cache_from_source(sys.argv[2])"
    unchecked = "py_compile.PycInvalidationMode.UNCHECKED_HASH"
    code = f"import importlib.util, py_compile, sys; py_compile.compile(sys.argv[1], {bytecode}, invalidation_mode="
    subprocess.run([build.executable, "-I", "-c", f"{code}{unchecked})", str(other), source], check=True)
    proof = small.json("verify", target, "--expect", saved, code=3)
    ((code, path),) = findings_of(proof)
    assert (code, path.startswith("stdlib/json/__pycache__/decoder.")) == ("bytecode-unchecked", True)


def test_what_a_policy_tolerates_is_attested_as_tolerated(seeded: tuple[Project, Path]) -> None:
    """The environment is attested as it is, with its seeds; elsewhere it needs no policy to be recognised."""
    project, folder = seeded
    key = write_keys(project.base / "keys", "key", KINDS["ed25519"]())
    file = project.base / "out.jsonl"
    attest = ("attest", str(folder), "--cell", "*", "--key", str(key), "-o", str(file))
    project.matrix()
    assert project(*attest).code == 3
    project.matrix(policy={"seeds": ["pip", "setuptools"]})
    try:
        told = project(*attest)
        assert (told.code, told.out) == (0, "")
        assert told.err.startswith("attestation of ")
        assert told.err.endswith("; tolerated: seeds: pip, seeds: setuptools\n")
        verify = ("verify", str(folder), "--attestation", str(file), "--key", f"{key}.pub")
        alone, of_cell = project.json(*verify), project.json(*verify, "--cell", "*")
    finally:
        project.matrix()
    predicate = payload_of(json.loads(file.read_text()))["predicate"]
    assert isinstance(predicate, dict)
    assert [row["rule"] for row in predicate["tolerated"]] == ["seeds: pip", "seeds: setuptools"]
    assert (alone["verdict"], tolerated(alone)) == ("match", [])
    assert (of_cell["verdict"], tolerated(of_cell)) == ("match", ["seeds: pip", "seeds: setuptools"])


def test_a_run_tolerates_what_its_cell_declares(small: Project) -> None:
    """A command that installs a seed leaves what was not there before: a mismatch, unless the cell says otherwise."""
    small.wheel("plain", "1.0")
    small.lock()
    seeds = small.script(
        "import pathlib, sysconfig",
        "site = pathlib.Path(sysconfig.get_path('purelib'))",
        "(site / 'wheel').mkdir(); (site / 'wheel-1.0.dist-info').mkdir()",
        "(site / 'wheel/__init__.py').write_text('')",
        "(site / 'wheel-1.0.dist-info/METADATA').write_text('Metadata-Version: 2.1\\nName: wheel\\nVersion: 1.0\\n')",
        "rows = ['wheel/__init__.py,,', 'wheel-1.0.dist-info/METADATA,,', 'wheel-1.0.dist-info/RECORD,,']",
        "(site / 'wheel-1.0.dist-info/RECORD').write_text('\\n'.join(rows) + '\\n')",
    )
    (python,) = small.pythons
    lenient = {"name": "lenient", "python": python, "policy": {"seeds": ["wheel"]}}
    small.matrix(commands=[seeds], cells={"include": [lenient]})
    ran = small.run()
    assert (ran.ended.code, ran.statuses) == (3, ["mismatch", "passed"])
    strict, declared = (proof_of(cell) for cell in ran.cells)
    assert (strict["layer"], tolerated(strict)) == ("set", [])
    assert (declared["verdict"], declared["layer"], tolerated(declared)) == ("match", None, ["seeds: wheel"])
    assert "tolerated: seeds: wheel" in ran.ended.err
    saved = small.json("fingerprint", str(ran.cells[1]["environment"]))
    assert saved["about"] == {}  # what needed a tolerance is not said to be what the lock says
    assert small.run().statuses == ["mismatch", "passed"]  # each begins with an environment of the lock alone
