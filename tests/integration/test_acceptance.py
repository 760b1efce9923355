"""The 24 things that a fingerprint must tell, by number: where each is a test, and those that are nowhere else.

`ACCEPTANCE` names the tests of each number as pytest does; one name stands for all the cases of a test. A number that
has no test fails here, and so does a test that isn't there any more.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof.environments.environment import make_skeleton
from lockproof.proof.compare import prove
from lockproof.pythons.interpreters import Discovery, known_interpreters
from lockproof.reading import reader
from lockproof.wheels.store import Store
from support.attacks import make_target
from support.builds import setuptools_wheel
from support.environments import app_data, layout, make, observed, predicted, running, stored
from support.tools import run, tool
from support.wheels import make_wheel, sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name == "nt", reason="environments of this platform are laid out otherwise"),
]
TESTS = Path(__file__).parent.parent
HERE = "integration/test_acceptance.py::"
TAMPERED = "unit/test_inspection.py::test_a_tampered_environment_is_found_out"
ATTACK = "integration/test_attacks.py::test_an_attack_is_named"
INSPECTION, UNPACK = "unit/test_inspection.py::", "unit/test_unpack.py::"
PACKAGE = "integration/test_package.py::"
ACCEPTANCE: dict[int, tuple[str, list[str]]] = {
    1: (
        "one lock, any installer, path, umask, bytecode, use: one digest, the predicted one",
        [
            f"{HERE}test_one_lock_one_digest",
            "integration/test_full_lock.py::test_every_way_gives_the_same_files",
            "integration/test_bytes_of_other_installers.py::test_an_environment_made_by_hand_is_what_was_predicted",
        ],
    ),
    2: ("the reader by several Pythons: the same", [f"{HERE}test_the_reader_says_the_same_under_every_python"]),
    3: (
        "two Pythons: the same set, and the files that differ by distribution",
        ["integration/test_compare.py::test_two_pythons_have_the_same_lock_and_differ_where_their_wheels_do"],
    ),
    4: (
        "a byte appended, RECORD forged or its row dropped",
        [
            f"{TAMPERED}[a byte appended]",
            f"{TAMPERED}[a byte appended, RECORD forged]",
            f"{TAMPERED}[a byte appended, its row dropped]",
            f"{HERE}test_a_changed_file_is_told_with_its_distribution_and_both_hashes",
        ],
    ),
    5: (
        "a new .pth, .start, sitecustomize, usercustomize",
        [
            f"{TAMPERED}[a new {name}]"
            for name in (".pth", ".start", "sitecustomize.py", "usercustomize.py", "sitecustomize/__init__.py")
        ],
    ),
    6: (
        "a module of nothing, a stray extension, a sourceless .pyc, an .egg-link",
        [
            f"{TAMPERED}[{name}]"
            for name in (
                "a module owned by nothing",
                "a stray extension beside a module",
                "a sourceless .pyc",
                "an .egg-link",
            )
        ],
    ),
    7: (
        "an entry point more; a ghost",
        [f"{TAMPERED}[{name}]" for name in ("an entry point more", "a ghost without RECORD", "a ghost with RECORD")],
    ),
    8: (
        "a wrapper edited or of another Python; a moved environment",
        [
            f"{TAMPERED}[a wrapper edited]",
            f"{TAMPERED}[a wrapper of another Python]",
            f"{INSPECTION}test_a_moved_environment_with_regenerated_first_lines_matches",
        ],
    ),
    9: (
        "a file replaced by a link",
        [f"{TAMPERED}[a file replaced by a link]", f"{TAMPERED}[a folder replaced by a link]"],
    ),
    10: (
        "poisoned bytecode of three kinds; honest, pytest's, another version's",
        [
            f"{TAMPERED}[{name}]"
            for name in (
                "poisoned bytecode, never checked",
                "poisoned bytecode by hash",
                "poisoned bytecode by time",
                "honest bytecode by time",
                "honest bytecode by hash",
                "bytecode that imports made",
                "a module that pytest rewrote",
                "bytecode of another Python",
            )
        ],
    ),
    11: (
        "system packages, bin/python swapped, a key more in pyvenv.cfg: files match",
        [
            f"{TAMPERED}[system site-packages]",
            f"{ATTACK}[no switch for system packages, which turns it on]",
            f"{TAMPERED}[bin/python another program]",
            f"{TAMPERED}[a key more in pyvenv.cfg]",
            f"{HERE}test_start_and_interpreter_differ_while_the_files_are_equal",
        ],
    ),
    12: ("a script without its executable bit", [f"{TAMPERED}[a script without its executable bit]"]),
    13: ("a row that leaves", [f"{TAMPERED}[a row that leaves the environment]", f"{ATTACK}[RECORD with a row '/"]),
    14: ("an empty folder", [f"{TAMPERED}[an empty folder]"]),
    15: (
        "two wheels, one path, different bytes",
        ["unit/test_prediction.py::test_wheels_that_can_t_be_together_are_refused"],
    ),
    16: (
        "two wheels, one path, equal bytes",
        [
            "unit/test_prediction.py::test_equal_bytes_at_one_path_are_allowed",
            f"{INSPECTION}test_two_distributions_may_share_a_file_of_equal_bytes",
        ],
    ),
    17: ("a wheel that ships direct_url.json", [f"{UNPACK}test_an_odd_wheel_lands_with_a_note[direct_url.json]"]),
    18: (
        "a wheel whose RECORD or members are wrong",
        [
            *(
                f"{UNPACK}test_an_odd_wheel_lands_with_a_note[{name}]"
                for name in (
                    "a wrong hash",
                    "an unlisted member",
                    "a ghost row",
                    "a member twice",
                    "a member marked as a link",
                )
            ),
            f"{UNPACK}test_a_wheel_that_must_not_be_installed_is_refused[../]",
            f"{UNPACK}test_hexadecimal_digests_in_record_are_true",
            f"{TAMPERED}[rows with digests in hexadecimal]",
        ],
    ),
    19: (
        "twins in case or Unicode form",
        [
            "unit/test_prediction.py::test_wheels_that_can_t_be_together_are_refused[twins in case on macOS]",
            "unit/test_prediction.py::test_wheels_that_can_t_be_together_are_refused[twins in case on Windows]",
            "unit/test_prediction.py::test_twins_are_a_note_on_linux",
        ],
    ),
    20: ("uv's cache poisoned through a hard link", [f"{HERE}test_a_poisoned_cache_of_uv"]),
    21: ("a prediction by ranges", ["integration/test_preview.py::"]),
    22: (
        "a C sdist built in two folders, and in the fixed one",
        [
            f"{HERE}test_an_extension_built_in_two_folders_is_a_mismatch",
            "integration/test_sdists.py::test_an_extension_is_the_same_in_two_folders_with_a_store_each",
        ],
    ),
    23: (
        "an editable project, an edited source, an editable that was not declared",
        [
            f"{PACKAGE}test_what_is_edited_shows_at_once_in_an_editable_cell_and_only_in_its_project_layer",
            f"{TAMPERED}[direct_url.json of an editable project]",
            f"{ATTACK}[the finder of an editable project]",
        ],
    ),
    24: (
        "a file that changes while it is read",
        [
            f"{INSPECTION}test_a_file_that_changes_while_it_is_read_is_never_a_match",
            "unit/test_reader.py::test_a_change_during_the_read_is_an_error",
            "integration/test_attacks_on_readers.py::test_what_is_swapped_while_it_is_read_is_an_error",
        ],
    ),
}


def test_every_number_has_its_tests() -> None:
    """Each name of the list above is one that pytest finds, or the beginning of one."""
    files = sorted({name.partition("::")[0] for _, names in ACCEPTANCE.values() for name in names})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files],
        cwd=TESTS,
        capture_output=True,
        text=True,
        check=False,
    )
    found = [line.removeprefix("tests/") for line in done.stdout.splitlines() if "::" in line]
    missing = {
        (number, name)
        for number, (_, names) in ACCEPTANCE.items()
        for name in names
        if not any(line.startswith(name) for line in found)
    }
    assert missing == set(), done.stdout[-2000:]
    assert list(ACCEPTANCE) == list(range(1, 25))


# ------------------------------------------------------------------------------------------------------------- 1, 2


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("wheels")
    one = make_wheel(
        folder,
        "demo",
        "1.0",
        {"demo/__init__.py": "def main(): pass\n", "demo/core.py": "ANSWER = 42\n", "demo/data.txt": "d\n"},
        entry_points={"console_scripts": {"demo": "demo:main"}},
        scripts={"demo-tool": "#!python\nimport demo.core\n"},
        data={"data/share/demo.txt": "d\n", "headers/demo.h": "int d;\n"},
    )
    return [one, make_wheel(folder, "Other.Thing", "2.0", {"other.py": "x = 1\n", "other.pth": "import other\n"})]


def clean(command: Sequence[object], umask: int = -1) -> None:
    """Run a command that knows nothing of this process's settings."""
    environment = {"PATH": os.defpath, "PIP_CONFIG_FILE": os.devnull, "LANG": "C.UTF-8", "HOME": os.devnull}
    run(command, environment, umask=umask)


def installer(name: str, folder: Path) -> Sequence[str]:
    """The command of pip, of the pip that the running Python has with it, or of uv."""
    if name == "bundled pip":
        import ensurepip

        (bundled,) = (Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl")
        shutil.unpack_archive(bundled, folder / "bundled", "zip")
        return (sys.executable, "-I", str(folder / "bundled" / "pip"))
    return tool(name)


@pytest.mark.parametrize("umask", [0o022, 0o077], ids=["umask 022", "umask 077"])
@pytest.mark.parametrize("place", ["env", "an environment"])
@pytest.mark.parametrize("name", ["lockproof", "bundled pip", "pip", "uv"])
def test_one_lock_one_digest(name: str, place: str, umask: int, wheels: list[Path], tmp_path: Path) -> None:
    """Compiled where the umask is strict; and all of them again after use."""
    entries, folder = stored(Store(tmp_path / "store"), wheels), tmp_path / place
    if name == "lockproof":
        before = os.umask(umask)
        try:
            make(entries, folder)
        finally:
            os.umask(before)
    else:
        make_skeleton(running(), folder, app_data())
        lines = [f"{wheel.as_uri()} --hash=sha256:{sha256_of(wheel)}\n" for wheel in wheels]
        (tmp_path / "lock.txt").write_text("".join(lines))
        command, python, compiled = installer(name, tmp_path), folder / "bin" / "python", umask == 0o077
        if name == "uv":
            options = ["pip", "install", "--no-config", "--cache-dir", tmp_path / "cache", "--python", python]
            options += ["--compile-bytecode"] if compiled else []
        else:
            options = ["--python", python, "install", "--no-cache-dir", "--disable-pip-version-check"]
            options += [] if compiled else ["--no-compile"]
        clean([*command, *options, "--no-deps", "--require-hashes", "-r", tmp_path / "lock.txt"], umask)
    expected = predicted(entries)
    for use in ("import sys", "import demo.core, other"):
        clean([folder / "bin" / "python", "-c", use])
        proof = prove(expected, observed(folder))
        assert (proof.verdict, [f for f in proof.findings if f.level != "note"]) == ("match", [])
        assert proof.observed.digest == expected.digest


def test_the_reader_says_the_same_under_every_python(tmp_path: Path) -> None:
    made = make_target(tmp_path)
    found = {said.label: said.executable for said in known_interpreters(Discovery()) if said.version >= "3.6"}
    answers = {}
    for label, executable in found.items():
        done = subprocess.run(
            [executable, "-I", "-S", "-B", reader.__file__, made.folder], capture_output=True, check=False
        )
        assert done.returncode == 0, (label, done.stderr)
        answers[label] = json.dumps(json.loads(done.stdout), sort_keys=True)
    if len(answers) < 2:
        pytest.skip("there is one Python only")
    assert set(answers.values()) == {answers[next(iter(answers))]}


# ------------------------------------------------------------------------------------------------------------ 4, 11


def test_a_changed_file_is_told_with_its_distribution_and_both_hashes(tmp_path: Path) -> None:
    made = make_target(tmp_path)
    before = sha256_of(made.site / "demo/core.py")
    with (made.site / "demo/core.py").open("a") as module:
        module.write("#")
    after = sha256_of(made.site / "demo/core.py")
    (message,) = [f.message for f in made.prove().findings if f.code == "file-changed"]
    assert message == f"demo 1.0: expected sha256 {before} (12 bytes), found sha256 {after} (13 bytes)"


def to_another_program(folder: Path) -> None:
    (folder / "bin/python").unlink()
    (folder / "bin/python").symlink_to("/bin/sh")


def to_system_packages(folder: Path) -> None:
    text = (folder / "pyvenv.cfg").read_text()
    (folder / "pyvenv.cfg").write_text(text.replace("packages = false", "packages = true"))


@pytest.mark.parametrize(("change", "layer"), [(to_another_program, "interpreter"), (to_system_packages, "startup")])
def test_start_and_interpreter_differ_while_the_files_are_equal(
    change: Callable[[Path], None], layer: str, tmp_path: Path
) -> None:
    made = make_target(tmp_path)
    change(made.folder)
    proof = made.prove()
    assert (proof.verdict, proof.layer) == ("mismatch", layer)
    assert proof.observed.layers["files"] == proof.predicted.layers["files"]


# -------------------------------------------------------------------------------------------------------------- 20


def test_a_poisoned_cache_of_uv(wheels: list[Path], tmp_path: Path) -> None:
    """Hashes hold what comes into uv's cache, not what lies in it: both environments have the edit, and are told."""
    uv, entries = installer("uv", tmp_path), stored(Store(tmp_path / "store"), wheels)
    lines = [f"{wheel.as_uri()} --hash=sha256:{sha256_of(wheel)}\n" for wheel in wheels]
    (tmp_path / "lock.txt").write_text("".join(lines))

    def install(name: str, cache: str, mode: str) -> Path:
        folder = tmp_path / name
        make_skeleton(running(), folder, app_data())
        options = [
            "--no-config",
            "--cache-dir",
            tmp_path / cache,
            "--link-mode",
            mode,
            "--python",
            folder / "bin/python",
        ]
        clean([*uv, "pip", "install", *options, "--no-deps", "--require-hashes", "-r", tmp_path / "lock.txt"])
        return folder

    def said(folder: Path) -> tuple[str, set[tuple[str, str]]]:
        proof = prove(predicted(entries), observed(folder))
        return proof.verdict, {(f.code, f.path) for f in proof.findings if f.level != "note"}

    first = install("first", "cache", "hardlink")
    assert said(first) == ("match", set())
    with (first / layout().site / "demo/core.py").open("a") as module:
        module.write("EVIL = 1\n")
    second = install("second", "cache", "hardlink")
    edited = {("record-hash", "site/demo/core.py"), ("file-changed", "site/demo/core.py")}
    assert (said(first), said(second)) == (("mismatch", edited), ("mismatch", edited))
    assert said(install("third", "another cache", "copy")) == ("match", set())


# -------------------------------------------------------------------------------------------------------------- 22

SETUP = (
    "from setuptools import Extension, setup\n"
    "setup(name='fast', version='1.0', ext_modules=[Extension('fast', ['fast.c'])])\n"
)
SOURCE = """
#include <Python.h>
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fast", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_fast(void) { return PyModule_Create(&module); }
"""


def test_an_extension_built_in_two_folders_is_a_mismatch(tmp_path: Path) -> None:
    """As pip builds, each time in a temporary folder of its own, whose name debugging information keeps."""
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler")
    shutil.unpack_archive(setuptools_wheel(), tmp_path / "setuptools", "zip")
    built: list[Path] = []
    for place in ("one", "two"):
        folder = tmp_path / place
        folder.mkdir()
        (folder / "setup.py").write_text(SETUP)
        (folder / "fast.c").write_text(SOURCE)
        code = "from setuptools.build_meta import build_wheel; build_wheel('dist')"
        subprocess.run(
            [running().executable, "-c", code],
            cwd=folder,
            check=True,
            capture_output=True,
            env={"PATH": os.defpath, "CFLAGS": "-g", "PYTHONPATH": str(tmp_path / "setuptools")},
        )
        built += (folder / "dist").glob("*.whl")
    store = Store(tmp_path / "store")
    one, two = (stored(store, [wheel]) for wheel in built)
    make(two, tmp_path / "env")
    proof = prove(predicted(one), observed(tmp_path / "env"))
    changed = {f.path for f in proof.findings if f.code == "file-changed"}
    assert (proof.verdict, proof.layer, len(built)) == ("mismatch", "files", 2)
    assert [path for path in changed if path.startswith("site/fast.") and path.endswith(".so")]
