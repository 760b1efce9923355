from __future__ import annotations

import pytest

from lockproof.build.buildsystem import LEGACY_BACKEND, BuildSystem, check_requirements, read_build_system
from lockproof.errors import LockError, MissingRequirementsError
from lockproof.pythons.platforms import parse_platform, parse_python

SETUPTOOLS = BuildSystem(requires=("setuptools>=40.8.0",), backend=LEGACY_BACKEND)


@pytest.mark.parametrize(
    ("text", "system"),
    [
        (None, SETUPTOOLS),
        ("", SETUPTOOLS),
        ("[project]\nname = 'x'", SETUPTOOLS),
        ("[build-system]\nrequires = ['a']", BuildSystem(requires=("a",), backend=LEGACY_BACKEND)),
        (
            "[build-system]\nrequires = []\nbuild-backend = 'own:part.of'\nbackend-path = ['.', 'tools/build']",
            BuildSystem(requires=(), backend="own:part.of", backend_path=(".", "tools/build")),
        ),
    ],
)
def test_what_a_source_tree_says(text: str | None, system: BuildSystem) -> None:
    assert read_build_system(text, "x-1.0.tar.gz") == system


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[build-system", "it is not TOML"),
        ("x = " + "[" * 5000, "it is not TOML"),
        ("build-system = 3", "its build-system has no requires, which PEP 518 wants"),
        ("[build-system]\nbuild-backend = 'a'", "its build-system has no requires, which PEP 518 wants"),
        ("[build-system]\nrequires = 'a'", "its build-system.requires is no list of strings"),
        ("[build-system]\nrequires = [1]", "its build-system.requires is no list of strings"),
        ("[build-system]\nrequires = []\nbuild-backend = 1", "its build-backend is 1"),
        ("[build-system]\nrequires = []\nbuild-backend = ''", "its build-backend is ''"),
        ("[build-system]\nrequires = []\nbackend-path = ['a/../..']", "its backend-path 'a/../..' leaves the source"),
        ("[build-system]\nrequires = []\nbackend-path = ['/a']", "its backend-path '/a' leaves the source"),
        ("[build-system]\nrequires = []\nbackend-path = ['C:/a']", "its backend-path 'C:/a' leaves the source"),
    ],
)
def test_a_table_that_breaks_the_standards_is_refused(text: str, why: str) -> None:
    with pytest.raises(LockError) as caught:
        read_build_system(text, "x-1.0.tar.gz")
    assert caught.value.what == "the pyproject.toml of x-1.0.tar.gz can't be used"
    assert caught.value.why.startswith(why)


def check(*requires: str, lock: str = "build.txt") -> None:
    check_requirements(
        requires,
        {"setuptools": "80.0", "flit-core": "4.0b1"},
        python=parse_python("3.11.7"),
        platform=parse_platform("linux-x86_64"),
        what="x-1.0.tar.gz",
        lock=lock,
    )


def test_requirements_that_are_met() -> None:
    check()
    check("setuptools", "Flit_Core>=3", "SetupTools[toml]>=40,<81")
    check("wheel; sys_platform == 'win32'", "tomli; python_version < '3.11'", "more; extra == 'x'")


def test_all_that_is_missing_is_named_once() -> None:
    with pytest.raises(LockError) as caught:
        check("wheel", "setuptools>=81", "setuptools", "cython", "wheel", "flit-core @ file:///flit.whl")
    assert str(caught.value) == (
        "x-1.0.tar.gz can't be built: it requires wheel, setuptools>=81, cython, flit-core @ file:///flit.whl: "
        "the build lock build.txt has flit-core 4.0b1, setuptools 80.0, for this Python\n"
        "  Lock it, with hashes, in build.txt."
    )


def test_without_a_build_lock_the_way_to_one_is_told() -> None:
    with pytest.raises(LockError) as caught:
        check("wheel", lock="")
    assert caught.value.why.startswith("there is no build lock; ")
    assert "`build-lock` in matrix.yaml" in caught.value.remedy


@pytest.mark.parametrize("text", ["", "==1", "a b", "a; no_such == '1'"])
def test_a_requirement_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(LockError, match="can't be used"):
        check(text)


def test_an_extra_of_a_requirement_brings_what_belongs_to_it() -> None:
    has = {
        "scm": ("base", "tomli>=2; extra == 'toml'", "scm[rich]; extra == 'all'", "wheel; extra == 'rich'"),
        "rich": ("scm[all]; extra == 'x'",),
    }

    def missing(*requires: str, **more: str) -> tuple[str, ...]:
        try:
            check_requirements(
                requires, {"scm": "8.0", "rich": "1", **more},
                python=parse_python("3.11.7"), platform=parse_platform("linux-x86_64"), what="x", lock="build.txt",
                requires_of=lambda name: has.get(name, ()),
            )  # fmt: skip
        except MissingRequirementsError as error:
            return tuple(error.missing)
        return ()

    assert missing("scm", "scm[no_such]", "scm[toml]; python_version < '3'", "rich[y]") == ()
    assert missing("Scm[TOML]>=6") == ("tomli>=2",)
    assert missing("scm[toml]", tomli="1.0") == ("tomli>=2",)
    assert missing("scm[toml]", tomli="2.0") == ()
    assert missing("rich[x]") == ("wheel",)
