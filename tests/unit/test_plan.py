"""Plans: what select picks for each cell, and every reason why a cell has none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import packaging
import pytest
from packaging.markers import Marker
from packaging.pylock import PackageWheel

from lockproof.cells.buildkeys import WHEELS_ONLY
from lockproof.errors import LockError, ProblemsError
from lockproof.locks.artifacts import Artifact, Plan
from lockproof.locks.matching import to_pylock
from lockproof.locks.plan import plan_cells, refused_cells, selected_packages
from lockproof.locks.pylock import read_pylock
from lockproof.locks.requirements import Pin, RequirementsFile
from lockproof.pythons.platforms import compatible_tags, marker_environment, parse_python
from support.lockdata import DATA, FOLDER, HEAD, cell, entry, hex_of, listed, package, pylock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lockproof.cells.matrix import Cell
    from lockproof.locks import Lock

PURE = "demo-1.0-py3-none-any.whl"


def planned(lock: Lock, *cells: Cell) -> list[list[str]]:
    """The file names of each cell's plan."""
    return [[artifact.filename for artifact in plan.artifacts] for plan in plan_cells(lock, cells)]


def told(
    lock: Lock, cells: Sequence[Cell], missing: Mapping[int, LockError] | None = None
) -> list[tuple[str, str, str]]:
    """Where, what and why, of every problem."""
    with pytest.raises((LockError, ProblemsError)) as caught:
        plan_cells(lock, cells, missing)
    error = caught.value
    problems = error.problems if isinstance(error, ProblemsError) else [error]
    assert all(isinstance(problem, LockError) and problem.remedy for problem in problems)
    return [(problem.where, problem.what, problem.why) for problem in problems]


def test_a_plan_has_the_artifacts_by_name_with_all_that_is_known() -> None:
    odd = "A_b-1.0-py3-none-any.whl"
    lock = pylock(
        package("zeta", "zeta-2.0rc1-py2.py3-none-any.whl"),
        f"[[packages]]\nname='a-b'\nversion='1.0'\nwheels=[{entry(odd, path='w/x', size=7, name=odd)}]\n",
    )
    one = cell()

    assert plan_cells(lock, [one]) == (
        Plan(
            cell=one,
            artifacts=(
                Artifact(
                    name="a-b",
                    version="1.0",
                    filename=odd,
                    sha256=hex_of(odd),
                    size=7,
                    urls=("file:///locks/w/x", f"https://files.index.invalid/{odd}"),
                ),
                Artifact(
                    name="zeta",
                    version="2.0rc1",
                    filename="zeta-2.0rc1-py2.py3-none-any.whl",
                    sha256=hex_of("zeta-2.0rc1-py2.py3-none-any.whl"),
                    urls=("https://files.index.invalid/zeta-2.0rc1-py2.py3-none-any.whl",),
                ),
            ),
            selector=f"packaging {packaging.__version__}",
        ),
    )
    assert [artifact.where for artifact in plan_cells(lock, [one])[0].artifacts] == ["pylock.toml:6", "pylock.toml:3"]


def test_each_cell_gets_the_wheel_that_fits_it_best() -> None:
    names = [
        "demo-1.0-py3-none-any.whl",
        "demo-1.0-cp312-cp312-win_amd64.whl",
        "demo-1.0-cp38-abi3-manylinux_2_17_x86_64.whl",
        "demo-1.0-cp312-cp312-manylinux2014_x86_64.manylinux_2_28_x86_64.whl",
        "demo-1.0-cp312-cp312-musllinux_1_2_x86_64.whl",
    ]
    found = planned(
        pylock(package("demo", *names)),
        cell(),
        cell("3.11.7"),
        cell("3.13.0", "windows-x86_64"),
        cell(platform="windows-x86_64"),
        cell(platform="linux-x86_64-musl"),
    )

    assert found == [[names[3]], [names[2]], [names[0]], [names[1]], [names[4]]]


def test_the_markers_are_the_cells_and_not_the_hosts() -> None:
    lock = pylock(
        package("win", "win-1-py3-none-any.whl", marker="sys_platform == 'win32'"),
        package("arm", "arm-1-py3-none-any.whl", marker="platform_machine == 'arm64'"),
        package("old", "old-1-py3-none-any.whl", marker="python_full_version < '3.12'"),
    )

    assert planned(
        lock, cell(platform="windows-x86_64"), cell(platform="macos-arm64"), cell("3.11.7"), cell("3.13.0")
    ) == [["win-1-py3-none-any.whl"], ["arm-1-py3-none-any.whl"], ["old-1-py3-none-any.whl"], []]


@pytest.mark.parametrize("name", ["uv.pylock.toml"])
@pytest.mark.parametrize("python", ["3.11.7", "3.13.0"])
@pytest.mark.parametrize("platform", ["linux-x86_64", "linux-x86_64-musl", "windows-x86_64"])
def test_a_plan_equals_the_plain_selection_of_packaging(name: str, python: str, platform: str) -> None:
    lock = read_pylock((DATA / name).read_text(), name, folder=FOLDER)
    one = cell(python, platform)
    version = parse_python(python)
    selection = lock.pylock.select(
        environment=marker_environment(version, one.platform), tags=compatible_tags(version, one.platform)
    )

    assert planned(lock, one) == [sorted(file.filename for _, file in selection if isinstance(file, PackageWheel))]


GROUPS = HEAD + "extras = ['fast-io']\ndependency-groups = ['Test']\ndefault-groups = ['main']\n"


@pytest.mark.parametrize(
    ("extras", "groups", "names"),
    [
        ((), None, ["base", "main"]),
        ((), (), ["base"]),
        ((), ("test",), ["base", "test"]),
        ((), ("main", "TEST"), ["base", "main", "test"]),
        (("Fast_IO",), None, ["base", "io", "main"]),
    ],
)
def test_extras_and_groups_are_the_cells_or_the_locks_defaults(
    extras: tuple[str, ...], groups: tuple[str, ...] | None, names: list[str]
) -> None:
    lock = pylock(
        package("base", "base-1-py3-none-any.whl"),
        package("main", "main-1-py3-none-any.whl", marker="'main' in dependency_groups"),
        package("test", "test-1-py3-none-any.whl", marker="'test' in dependency_groups"),
        package("io", "io-1-py3-none-any.whl", marker="'fast-io' in extras"),
        head=GROUPS,
    )
    [plan] = plan_cells(lock, [cell(extras=extras, groups=groups)])

    assert [artifact.name for artifact in plan.artifacts] == names


def test_unknown_extras_and_groups_are_told_with_the_known_ones() -> None:
    asked = [cell(extras=("x", "fast-io"), groups=("dev",)), cell("3.11.7", extras=("x",), groups=("Dev",))]

    assert told(pylock(package("demo", PURE), head=GROUPS), asked) == [
        (
            "pylock.toml",
            "the lock has no extra x, which is asked for 3.12.1-linux-x86_64, 3.11.7-linux-x86_64",
            "it has fast-io",
        ),
        ("pylock.toml", "the lock has no group Dev, which is asked for 3.11.7-linux-x86_64", "it has Test, main"),
        ("pylock.toml", "the lock has no group dev, which is asked for 3.12.1-linux-x86_64", "it has Test, main"),
    ]
    assert told(pylock(package("demo", PURE)), [cell(groups=("dev",))]) == [
        ("pylock.toml", "the lock has no group dev, which is asked for 3.12.1-linux-x86_64", "it has no groups"),
    ]


def test_a_lock_without_groups_is_told_apart_from_one_that_lacks_one() -> None:
    def remedy(head: str) -> str:
        with pytest.raises(LockError) as caught:
            plan_cells(pylock(package("demo", PURE), head=head), [cell(groups=("dev",))])
        return caught.value.remedy

    assert remedy(GROUPS) == "Correct `groups` in matrix.yaml, or make the lock again with them."
    assert remedy(HEAD) == (
        "Take `groups` out of matrix.yaml where `lockproof lock` makes the lock: what `sources` names is for every "
        "cell. Or make it with a tool that locks groups."
    )


def requirements(marker: str = "", *more: Pin) -> Lock:
    """A requirements lock of demo 1.0, pure."""
    one = Pin(
        name="demo",
        version="1.0",
        hashes=(hex_of(PURE),),
        file="sub/r.txt",
        line=4,
        marker=Marker(marker) if marker else None,
    )
    files = {("demo", "1.0"): [listed(PURE)], ("demo", "2.0"): [listed("demo-2.0-py3-none-any.whl")]}
    file = RequirementsFile(path="r.txt", pins=(one, *more))
    return to_pylock(file, files, sha256="", folder=FOLDER)


def test_a_requirements_lock_has_no_extras_and_groups() -> None:
    assert planned(requirements(), cell(groups=())) == [[PURE]]
    assert told(requirements(), [cell(extras=("x",), groups=("y",))]) == [
        (
            "r.txt",
            f"the lock has no {word} {name}, which is asked for 3.12.1-linux-x86_64",
            f"a requirements file has no {word}s; what it lists is installed, all of it",
        )
        for word, name in (("extra", "x"), ("group", "y"))
    ]


def test_two_pins_of_one_name_are_told_with_both_places() -> None:
    second = Pin(name="demo", version="2.0", hashes=(hex_of("demo-2.0-py3-none-any.whl"),), file="o.txt", line=9)

    assert told(requirements("", second), [cell()]) == [
        ("o.txt:9", "demo is locked twice for 3.12.1-linux-x86_64", "the entry at sub/r.txt:4 applies too")
    ]
    assert planned(requirements("python_version < '3'", second), cell()) == [["demo-2.0-py3-none-any.whl"]]


def test_the_version_is_that_of_the_wheel() -> None:
    local = "demo-1.0+cpu-py3-none-any.whl"
    pin = Pin(name="demo", version="1.0", hashes=(hex_of(local),), file="r.txt", line=1)
    lock = to_pylock(
        RequirementsFile(path="r.txt", pins=(pin,)),
        {("demo", "1.0"): [listed(local)]},
        sha256="",
        folder=FOLDER,
    )

    assert [artifact.version for artifact in plan_cells(lock, [cell()])[0].artifacts] == ["1.0+cpu"]


def test_a_lock_that_excludes_cells_is_an_error_that_names_them() -> None:
    head = HEAD + "requires-python = '>=3.12'\nenvironments = [\"sys_platform == 'linux'\", \"os_name == 'x'\"]\n"
    lock = pylock(package("demo", PURE), head=head)
    outside = [cell("3.10.13"), cell("3.11.7"), cell(platform="windows-x86_64"), cell(platform="macos-arm64"), cell()]

    assert told(lock, outside) == [
        (
            "pylock.toml",
            "the lock is not made for 3.10.13-linux-x86_64",
            "it requires Python >=3.12, and this is 3.10.13",
        ),
        (
            "pylock.toml",
            "the lock is not made for 3.11.7-linux-x86_64",
            "it requires Python >=3.12, and this is 3.11.7",
        ),
        (
            "pylock.toml",
            "the lock is not made for 3.12.1-windows-x86_64, 3.12.1-macos-arm64",
            'its environments are: sys_platform == "linux"; os_name == "x"',
        ),
    ]
    assert planned(lock, cell()) == [[PURE]]


def test_packages_that_exclude_or_repeat_are_all_told() -> None:
    lock = pylock(
        package("demo", PURE, requires_python=">=3.13"),
        package("twin", "twin-1-py3-none-any.whl"),
        package("twin", "twin-2-py3-none-any.whl", marker="os_name == 'posix'"),
        package("skip", "skip-1-py3-none-any.whl", requires_python="<3", marker="os_name == 'nt'"),
    )

    assert told(lock, [cell(), cell("3.13.0")]) == [
        ("pylock.toml:3", "demo is not made for 3.12.1-linux-x86_64", "it requires Python >=3.13"),
        (
            "pylock.toml:10",
            "twin is locked twice for 3.12.1-linux-x86_64, 3.13.0-linux-x86_64",
            "the entry at pylock.toml:7 applies too",
        ),
    ]


def test_every_hole_of_every_cell_is_told_with_what_the_lock_has() -> None:
    lock = pylock(
        package("built", "built-1.tar.gz", version="1"),
        package("demo", PURE),
        package("native", "native-1-cp312-cp312-win_amd64.whl", "native-1-cp312-abi3-macosx_11_0_arm64.whl"),
        package("both", "both-1.tar.gz", "both-1-cp313-none-any.whl"),
        package("other", "other-1-cp39-cp39-win32.whl", marker="sys_platform == 'darwin'"),
    )
    cells = [cell(), cell("3.13.0"), cell(platform="windows-x86_64")]
    ids, others = ", ".join(one.id for one in cells), f"{cells[0].id}, {cells[2].id}"

    assert told(lock, cells) == [
        (
            "pylock.toml",
            "2 distributions would have to be built from source",
            "\n  ".join(
                (
                    "what an sdist builds has no hash in the lock",
                    f"pylock.toml:3: built 1 has no wheel for {ids}: it has only an sdist",
                    f"pylock.toml:14: both has no wheel for {others}: its wheels are for cp313 on any",
                )
            ),
        ),
        (
            "pylock.toml:11",
            "native has no wheel for 3.12.1-linux-x86_64, 3.13.0-linux-x86_64",
            "its wheels are for cp312 cp312-abi3 on win_amd64 macosx_11_0_arm64",
        ),
    ]


def test_sdists_that_may_be_built_are_planned_where_no_wheel_fits() -> None:
    lock = pylock(
        package("built", "built-1.tar.gz", version="1"),
        package("demo", PURE),
        package("both", "both-1.tar.gz", "both-1-cp313-none-any.whl"),
        package("native", "native-1-cp312-cp312-linux_x86_64.whl"),
    )
    allowed = replace(cell(), build=("built", "both"))
    (plan,) = plan_cells(lock, [allowed])

    assert plan.artifacts[1] == Artifact(
        name="built",
        version="1",
        filename="built-1.tar.gz",
        sha256=hex_of("built-1.tar.gz"),
        urls=("https://files.index.invalid/built-1.tar.gz",),
    )
    assert [(artifact.filename, artifact.is_sdist) for artifact in plan.artifacts] == [
        ("both-1.tar.gz", True),
        ("built-1.tar.gz", True),
        (PURE, False),
        ("native-1-cp312-cp312-linux_x86_64.whl", False),
    ]
    assert planned(lock, replace(cell("3.12.1"), build=("*",))) == [[found.filename for found in plan.artifacts]]
    assert told(lock, [replace(cell(), build=("both",))])[0][1] == "built would have to be built from source"
    assert told(lock, [replace(cell("3.13.0"), build=("*",))]) == [
        ("pylock.toml:15", "native has no wheel for 3.13.0-linux-x86_64", "its wheels are for cp312 on linux_x86_64")
    ]


def test_of_a_build_lock_nothing_is_built() -> None:
    lock = pylock(package("built", "built-1.tar.gz", version="1"))
    assert told(lock, [replace(cell(), build=WHEELS_ONLY)]) == [
        ("pylock.toml:3", "built 1 has no wheel for 3.12.1-linux-x86_64", "it has only an sdist")
    ]


def test_build_names_only_what_the_lock_has() -> None:
    assert told(pylock(package("demo", PURE)), [replace(cell(), build=("demo", "dmeo"))]) == [
        ("pylock.toml", "`build` names dmeo for 3.12.1-linux-x86_64", "the lock has no such distribution")
    ]


def test_a_long_list_of_tags_is_cut() -> None:
    names = [f"demo-1.0-cp3{number}-cp3{number}-win32.whl" for number in range(20, 35)]
    [(_, _, why)] = told(pylock(package("demo", *names)), [cell()])

    assert why == f"its wheels are for {' '.join(f'cp3{number}' for number in range(20, 32))} and 3 more on win32"


@pytest.mark.parametrize(
    ("wheel", "platform", "later"),
    [
        ("macosx_14_0_arm64", "macos-arm64", "macos-arm64-14.0"),
        ("macosx_14_0_universal2", "macos-x86_64", "macos-x86_64-14.0"),
        ("manylinux_2_34_x86_64.manylinux_2_31_x86_64", "linux-x86_64", "linux-x86_64-glibc2.31"),
        ("musllinux_1_2_x86_64", "linux-x86_64-musl1.1", "linux-x86_64-musl1.2"),
        ("manylinux_2_34_aarch64", "linux-x86_64", ""),
        ("musllinux_1_2_x86_64", "linux-x86_64", ""),
        ("win_arm64", "windows-x86_64", ""),
    ],
)
def test_a_later_version_of_the_platform_that_a_wheel_fits_is_told(wheel: str, platform: str, later: str) -> None:
    one = cell(platform=platform)
    [(_, _, why)] = told(pylock(package("demo", f"demo-1.0-cp312-cp312-{wheel}.whl")), [one])

    ending = f"; one fits `platform: {later}`, and this is {one.platform.spelling}" if later else ""
    assert why == f"its wheels are for cp312 on {' '.join(sorted(wheel.split('.'), key=len))}{ending}".replace(
        "manylinux_2_34_x86_64 manylinux_2_31_x86_64", "manylinux_2_31_x86_64 manylinux_2_34_x86_64"
    )


def test_a_wheel_for_another_python_is_no_matter_of_the_platform_s_version() -> None:
    [(_, _, why)] = told(pylock(package("demo", "demo-1.0-cp311-cp311-macosx_14_0_arm64.whl")), [
        cell(platform="macos-arm64")
    ])  # fmt: skip
    assert why == "its wheels are for cp311 on macosx_14_0_arm64"


@pytest.mark.parametrize(
    "marker",
    ["platform_release >= '5.0'", "platform_version != 'x'", "python_version > '3' and 'arch' in platform_release"],
)
def test_what_hangs_on_a_kernel_can_t_be_said_before(marker: str) -> None:
    lock = pylock(package("demo", PURE), package("kernel", "kernel-1-py3-none-any.whl", marker=marker))
    assert told(lock, [cell(), cell(platform="macos-arm64")]) == [
        (
            "pylock.toml:6",
            "whether kernel is installed can't be said before for 3.12.1-linux-x86_64, 3.12.1-macos-arm64",
            "its marker hangs on platform_release or platform_version, which the kernel of each machine says",
        )
    ]


def test_a_kernel_that_makes_no_difference_is_not_asked() -> None:
    lock = pylock(
        package("never", "never-1-py3-none-any.whl", marker="sys_platform == 'win32' and platform_version ~= '10.0'"),
        package("ever", "ever-1-py3-none-any.whl", marker="os_name == 'posix' or platform_release < '5'"),
        package("named", "named-1-py3-none-any.whl", marker="os_name != 'platform_release == 1'"),
    )
    assert planned(lock, cell()) == [["ever-1-py3-none-any.whl", "named-1-py3-none-any.whl"]]
    assert len(told(lock, [cell(platform="windows-x86_64")])) == 2


def test_an_environment_of_the_lock_that_hangs_on_a_kernel_is_none() -> None:
    lock = pylock(package("demo", PURE), head=f"{HEAD}environments = [\"platform_release != 'x'\"]\n")
    assert told(lock, [cell()]) == [
        ("pylock.toml", "the lock is not made for 3.12.1-linux-x86_64", 'its environments are: platform_release != "x"')
    ]


def test_the_cells_that_are_refused_and_why() -> None:
    lock = pylock(
        package("both", "both-1.tar.gz", "both-1-cp312-cp312-win_amd64.whl"),
        package("demo", "demo-1.0-cp312-cp312-macosx_11_0_arm64.whl", marker="sys_platform != 'win32'"),
    )
    cells = [cell(), cell(platform="windows-x86_64"), cell(platform="macos-arm64")]

    refused = refused_cells(lock, cells)

    assert {one: [refusal.what for refusal in found] for one, found in refused.items()} == {
        cells[0].id: ["both has no wheel", "demo has no wheel"],
        cells[2].id: ["both has no wheel"],
    }


def test_a_wheel_whose_name_says_no_tags_fits_nowhere() -> None:
    odd = "demo-1.0-build-py3-none-any.whl"
    pin = Pin(name="demo", version="1.0", hashes=(hex_of(odd),), file="r.txt", line=1)
    file = RequirementsFile(path="r.txt", pins=(pin,))
    lock = to_pylock(file, {("demo", "1.0"): [listed(odd)]}, sha256="", folder=FOLDER)

    assert [what for _, what, _ in told(lock, [cell()])] == ["demo 1.0 has no wheel for 3.12.1-linux-x86_64"]


@pytest.mark.parametrize(
    ("marker", "why"),
    [
        ("extra == 'x'", "a marker can't be evaluated ('extra')"),
        ("os_name ~= 'x'", "a marker can't be evaluated (Undefined <Op('~=')> on 'posix' and 'x'.)"),
    ],
)
def test_a_marker_that_has_no_answer_is_an_error(marker: str, why: str) -> None:
    assert told(pylock(package("demo", PURE, marker=marker)), [cell()]) == [
        ("pylock.toml", "the lock can't be planned for 3.12.1-linux-x86_64", why)
    ]


def test_a_path_without_a_folder_is_an_error() -> None:
    text = HEAD + f"[[packages]]\nname = 'demo'\nwheels = [{entry(PURE, path=PURE)}]\n"
    [(where, what, why)] = told(read_pylock(text, "pylock.toml"), [cell()])

    assert (where, what) == ("pylock.toml:3", f"{PURE} can't be used for 3.12.1-linux-x86_64")
    assert "relative path" in why


def test_a_package_without_files_matters_to_the_cells_that_select_it() -> None:
    gone = Pin(
        name="gone", version="2", hashes=("0" * 64,), file="r.txt", line=9, marker=Marker("sys_platform == 'win32'")
    )
    lock = requirements("", gone, replace(gone, name="lost", line=12, marker=None))
    missing = {1: LockError("the index has none", why="it has x", remedy="Lock again.")}
    linux, windows = cell(), cell(platform="windows-x86_64")

    assert told(lock, [linux, windows], missing) == [
        ("r.txt:9", "the index has none for 3.12.1-windows-x86_64", "it has x"),
        ("r.txt:12", "lost 2 has no wheel for 3.12.1-linux-x86_64, 3.12.1-windows-x86_64", "it has no file"),
    ]
    assert planned(requirements("", gone), linux, cell("3.11.7")) == [[PURE], [PURE]]


def test_packages_are_selected_by_the_markers_of_any_cell() -> None:
    lock = pylock(
        package("base", "base-1-py3-none-any.whl"),
        package("win", "win-1-py3-none-any.whl", marker="sys_platform == 'win32'"),
        package("main", "main-1-py3-none-any.whl", marker="'main' in dependency_groups"),
        package("io", "io-1-py3-none-any.whl", marker="'fast-io' in extras"),
        package("odd", "odd-1-py3-none-any.whl", marker="extra == 'x'"),
        head=GROUPS,
    )
    every = range(5)

    assert selected_packages(lock, [], every) == set()
    assert selected_packages(lock, [cell()], every) == {0, 2}
    assert selected_packages(lock, [cell(groups=())], every) == {0}
    assert selected_packages(lock, [cell(), cell(platform="windows-x86_64", extras=("fast-io",))], every) == {
        0,
        1,
        2,
        3,
    }
    assert selected_packages(lock, [cell(platform="windows-x86_64")], [1, 3]) == {1}


def test_no_cells_make_no_plans() -> None:
    assert plan_cells(pylock(package("demo", PURE)), []) == ()


def test_a_clash_is_told_also_when_a_later_marker_has_no_answer() -> None:
    lock = pylock(
        package("demo", PURE), package("demo", PURE), package("other", "other-1-py3-none-any.whl", marker="'x' == 'y'")
    )

    assert [what for _, what, _ in told(lock, [cell()])] == ["demo is locked twice for 3.12.1-linux-x86_64"]
