"""The matrix as values: expansion, ids, selection and command lines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lockproof.cells.containerkeys import Container
from lockproof.cells.matrix import (
    MAX_CELLS,
    Axis,
    Cell,
    Exclude,
    Include,
    Settings,
    Spec,
    expand,
    select,
)
from lockproof.errors import MatrixError, UsageError
from lockproof.pythons.platforms import Platform

HOST = Platform(os="linux", machine="x86_64", libc="glibc", version=(2, 36))
PLAIN_LINUX = Platform(os="linux", machine="x86_64", libc="glibc", version=(2, 28))
MAC = Platform(os="macos", machine="arm64", version=(13, 0))


def spec(
    *,
    pythons: tuple[str, ...] = ("3.11.7",),
    platforms: tuple[Platform | None, ...] = (None,),
    settings: Settings | None = None,
    axes: tuple[Axis, ...] = (),
    include: tuple[Include, ...] = (),
    exclude: tuple[Exclude, ...] = (),
) -> Spec:
    return Spec(
        path="matrix.yaml",
        lock="pylock.toml",
        pythons=pythons,
        platforms=platforms,
        settings=settings or Settings(),
        axes=axes,
        include=include,
        exclude=exclude,
    )


def ids(cells: tuple[Cell, ...]) -> list[str]:
    return [cell.id for cell in cells]


def axis(name: str, *values: str) -> Axis:
    return Axis(name=name, values={value: Settings() for value in values})


class TestExpand:
    def test_a_bare_matrix_has_one_cell_with_the_defaults(self) -> None:
        assert expand(spec(), HOST) == (
            Cell(
                id="3.11.7-linux-x86_64",
                python="3.11.7",
                platform=HOST,
                on_host=True,
                name="",
                extras=(),
                groups=None,
                commands=(),
                env={},
                pass_env=(),
                link="auto",
                installer="lockproof",
                timeout=None,
                container=None,
                axes={},
            ),
        )

    def test_the_product_comes_in_the_matrix_order(self) -> None:
        matrix = spec(
            pythons=("3.12.1", "3.11.7"),
            platforms=(None, MAC),
            axes=(axis("django", "5.0", "4.2"), axis("db", "pg")),
        )

        assert ids(expand(matrix, HOST)) == [
            "3.12.1-linux-x86_64-5.0-pg",
            "3.12.1-linux-x86_64-4.2-pg",
            "3.12.1-macos-arm64-5.0-pg",
            "3.12.1-macos-arm64-4.2-pg",
            "3.11.7-linux-x86_64-5.0-pg",
            "3.11.7-linux-x86_64-4.2-pg",
            "3.11.7-macos-arm64-5.0-pg",
            "3.11.7-macos-arm64-4.2-pg",
        ]

    def test_host_is_the_platform_given(self) -> None:
        (cell,) = expand(spec(), MAC)

        assert (cell.id, cell.platform, cell.on_host) == ("3.11.7-macos-arm64", MAC, True)

    def test_a_platform_with_the_hosts_id_is_on_host_and_stays_as_written(self) -> None:
        here, elsewhere = expand(spec(platforms=(PLAIN_LINUX, MAC)), HOST)

        assert (here.platform, here.on_host) == (PLAIN_LINUX, True)
        assert (elsewhere.platform, elsewhere.on_host) == (MAC, False)

    def test_axis_values_override_in_the_order_of_the_axes(self) -> None:
        base = Settings(
            extras=("base",),
            groups=("base",),
            commands=("base",),
            env={"A": "base", "B": "base", "C": "base"},
            pass_env=("BASE",),
            link="copy",
            installer="pip",
            timeout=1.0,
        )
        first = Settings(extras=("first",), env={"A": "first", "B": "first"}, timeout=2.0, link="symlink")
        second = Settings(extras=(), env={"B": "second"}, groups=(), container=Container(image="x"))
        axes = (Axis(name="one", values={"a": first}), Axis(name="two", values={"b": second}))

        assert expand(spec(settings=base, axes=axes), HOST) == (
            Cell(
                id="3.11.7-linux-x86_64-a-b",
                python="3.11.7",
                platform=PLAIN_LINUX,
                on_host=False,
                extras=(),
                groups=(),
                commands=("base",),
                env={"A": "first", "B": "second", "C": "base"},
                pass_env=("BASE",),
                link="symlink",
                installer="pip",
                timeout=2.0,
                container=Container(image="x"),
                axes={"one": "a", "two": "b"},
            ),
        )

    def test_an_included_cell_overrides_the_matrix_and_has_no_axes(self) -> None:
        matrix = spec(
            settings=Settings(groups=("test",), env={"A": "1"}),
            axes=(axis("django", "5.0"),),
            include=(
                Include(python="3.12.1", name="prod", settings=Settings(groups=(), env={"B": "2"})),
                Include(python="3.13.0", platform=MAC),
            ),
        )

        assert expand(matrix, HOST)[1:] == (
            Cell(
                id="3.12.1-linux-x86_64-prod",
                python="3.12.1",
                platform=HOST,
                on_host=True,
                name="prod",
                groups=(),
                env={"A": "1", "B": "2"},
            ),
            Cell(
                id="3.13.0-macos-arm64",
                python="3.13.0",
                platform=MAC,
                on_host=False,
                groups=("test",),
                env={"A": "1"},
            ),
        )

    def test_exclude_drops_what_matches_in_all_given_keys(self) -> None:
        matrix = spec(
            pythons=("3.11.7", "3.12.1"),
            platforms=(None, MAC),
            axes=(axis("django", "4.2", "5.0"),),
            exclude=(
                Exclude(python="3.12.1", platform="macos-arm64"),
                Exclude(platform="host", axes={"django": "4.2"}),
            ),
        )

        assert ids(expand(matrix, HOST)) == [
            "3.11.7-linux-x86_64-5.0",
            "3.11.7-macos-arm64-4.2",
            "3.11.7-macos-arm64-5.0",
            "3.12.1-linux-x86_64-5.0",
        ]

    def test_exclude_with_a_name_drops_the_included_cell_alone(self) -> None:
        matrix = spec(
            include=(Include(python="3.11.7", name="prod"), Include(python="3.11.7", name="dev")),
            exclude=(Exclude(name="prod"),),
        )

        assert ids(expand(matrix, HOST)) == ["3.11.7-linux-x86_64", "3.11.7-linux-x86_64-dev"]

    def test_a_product_cell_can_be_excluded_and_put_back_in_another_form(self) -> None:
        matrix = spec(
            pythons=("3.11.7", "3.12.1"),
            include=(Include(python="3.11.7", settings=Settings(link="copy")),),
            exclude=(Exclude(python="3.11.7"),),
        )

        assert [(cell.id, cell.link) for cell in expand(matrix, HOST)] == [
            ("3.12.1-linux-x86_64", "auto"),
            ("3.11.7-linux-x86_64", "copy"),
        ]

    def test_excludes_that_match_nothing_are_all_told(self) -> None:
        matrix = spec(
            include=(Include(python="3.12.1"),),
            exclude=(
                Exclude(python="3.12.1", where="matrix.yaml:9"),  # only an included cell has this Python
                Exclude(python="3.11.7", where="matrix.yaml:10"),
                Exclude(name="prod", where="matrix.yaml:11"),
            ),
        )

        with pytest.raises(MatrixError) as caught:
            expand(matrix, HOST)

        assert str(caught.value) == (
            "matrix.yaml:9: cells.exclude[0]: matches no cell\n"
            "matrix.yaml:11: cells.exclude[2]: matches no cell\n"
            "  remove the entry, or correct its values"
        )

    def test_no_cells_is_an_error(self) -> None:
        with pytest.raises(MatrixError, match=r"^matrix\.yaml: the matrix has no cells"):
            expand(spec(exclude=(Exclude(python="3.11.7"),)), HOST)

    def test_an_empty_product_with_an_included_cell_is_a_matrix(self) -> None:
        matrix = spec(pythons=(), include=(Include(python="3.11.7"),))

        assert ids(expand(matrix, HOST)) == ["3.11.7-linux-x86_64"]

    @pytest.mark.parametrize(
        ("matrix", "first", "second"),
        [
            (
                spec(platforms=(None, PLAIN_LINUX)),
                "3.11.7-linux-x86_64 (python 3.11.7, platform linux-x86_64-glibc2.36)",
                "3.11.7-linux-x86_64 (python 3.11.7, platform linux-x86_64-glibc2.28)",
            ),
            (
                spec(axes=(axis("a", "x-y", "x"), axis("b", "z", "y-z"))),
                "3.11.7-linux-x86_64-x-y-z (python 3.11.7, platform linux-x86_64-glibc2.36, a x-y, b z)",
                "3.11.7-linux-x86_64-x-y-z (python 3.11.7, platform linux-x86_64-glibc2.36, a x, b y-z)",
            ),
            (
                spec(include=(Include(python="3.11.7", where="matrix.yaml:14"),)),
                "3.11.7-linux-x86_64 (python 3.11.7, platform linux-x86_64-glibc2.36)",
                "3.11.7-linux-x86_64 (cells.include[0] at matrix.yaml:14)",
            ),
            (
                spec(include=(Include(python="3.11.7", name="Prod"), Include(python="3.11.7", name="prod"))),
                "3.11.7-linux-x86_64-Prod (cells.include[0] at matrix.yaml)",
                "3.11.7-linux-x86_64-prod (cells.include[1] at matrix.yaml)",
            ),
        ],
        ids=["two glibcs", "joined axis values", "included twice", "case alone"],
    )
    def test_two_cells_with_one_id_are_both_named(self, matrix: Spec, first: str, second: str) -> None:
        with pytest.raises(MatrixError) as caught:
            expand(matrix, HOST)

        assert caught.value.what == f"two cells have the same id: {first} and {second}"

    def test_a_product_that_explodes_is_refused_before_it_is_made(self) -> None:
        axes = tuple(axis(f"axis{number}", *"abcdefghij") for number in range(20))

        with pytest.raises(MatrixError) as caught:
            expand(spec(axes=axes), HOST)

        assert caught.value.what == f"the matrix has {10**20} cells"
        assert caught.value.why == f"at most {MAX_CELLS} are allowed"


class TestSelect:
    CELLS = expand(
        spec(
            pythons=("3.11.7", "3.12.1"),
            platforms=(None, MAC),
            include=(Include(python="3.11.7", name="prod"),),
        ),
        HOST,
    )

    def test_no_patterns_select_all(self) -> None:
        assert select(self.CELLS, []) == self.CELLS

    @pytest.mark.parametrize(
        ("patterns", "expected"),
        [
            (["3.12.1-macos-arm64"], ["3.12.1-macos-arm64"]),
            (["3.11.7-linux-x86_64"], ["3.11.7-linux-x86_64"]),  # not the cell whose id is longer
            (["*-prod", "3.11.7-linux-*"], ["3.11.7-linux-x86_64", "3.11.7-linux-x86_64-prod"]),
            (["3.1?.[17]-macos*"], ["3.11.7-macos-arm64", "3.12.1-macos-arm64"]),
            (["3.12.1-macos-arm64", "3.11.7-macos-arm64"], ["3.11.7-macos-arm64", "3.12.1-macos-arm64"]),
        ],
    )
    def test_ids_and_globs_select_in_the_matrix_order(self, patterns: list[str], expected: list[str]) -> None:
        assert ids(select(self.CELLS, patterns)) == expected

    def test_every_pattern_that_matches_nothing_is_told_with_close_ids(self) -> None:
        with pytest.raises(UsageError) as caught:
            select(self.CELLS, ["3.12.1-macos-arm46", "3.11.7-*", "", "3.11.7-LINUX-x86_64-PROD"])

        first, second, third = caught.value.what.splitlines()
        assert first.startswith("no cell matches '3.12.1-macos-arm46'; close to it: 3.12.1-macos-arm64")
        assert second == (
            "no cell matches ''; the cells are: 3.11.7-linux-x86_64, 3.11.7-macos-arm64, "
            "3.12.1-linux-x86_64, 3.12.1-macos-arm64, 3.11.7-linux-x86_64-prod"
        )
        assert third.startswith("no cell matches '3.11.7-LINUX-x86_64-PROD'; close to it: 3.11.7-linux-x86_64")

    @pytest.mark.parametrize(
        ("part", "glob"),
        [("3.12.1", "3.12.1*"), ("macos", "*macos*"), ("prod", "*prod*"), ("3.11.7-linux", "3.11.7-linux*")],
    )
    def test_a_part_of_an_id_is_told_as_a_glob(self, part: str, glob: str) -> None:
        with pytest.raises(UsageError) as caught:
            select([replace(cell, name="") for cell in self.CELLS], [part])
        assert caught.value.what == f"no cell matches {part!r}; a glob must match the whole id, as {glob!r} does"

    def test_many_cells_are_not_all_listed(self) -> None:
        cells = expand(spec(pythons=tuple(f"3.11.{patch}" for patch in range(8))), HOST)

        with pytest.raises(UsageError) as caught:
            select(cells, ["zzz"])

        assert caught.value.what.endswith(", 3.11.4-linux-x86_64 and 3 more")
