"""pip-tools: asked only where one Python speaks for all cells."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lockproof.errors import UnavailableError, UsageError
from lockproof.relocking.piptools import find_pip_tools, refuse_many_markers
from support.lockdata import cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockproof.cells.matrix import Cell

HERE = [replace(cell(python), on_host=True) for python in ("3.7.1", "3.7.9")]


def test_one_series_on_this_machine_is_fine() -> None:
    refuse_many_markers(HERE, sources_have_groups=False, kind="requirements")


@pytest.mark.parametrize(
    ("cells", "groups", "kind", "told"),
    [
        ([*HERE, replace(cell("3.8.1"), on_host=True)], False, "requirements", "not the same are 3.8.1-linux-x86_64"),
        ([*HERE, cell("3.7.1", "windows-x86_64")], False, "requirements", "not the same are 3.7.1-windows-x86_64"),
        (HERE, True, "requirements", "dependency groups"),
        (HERE, False, "pylock", "pylock.toml"),
    ],
)
def test_where_markers_differ_it_is_refused(cells: Sequence[Cell], groups: bool, kind: str, told: str) -> None:
    with pytest.raises(UsageError, match="pip-tools") as caught:
        refuse_many_markers(cells, sources_have_groups=groups, kind=kind)
    assert told in str(caught.value)


def test_without_pip_tools_it_says_where_it_was_looked_for() -> None:
    with pytest.raises(UnavailableError, match=r"there is no pip-tools for Python 3\.7"):
        find_pip_tools(HERE, [], {})
