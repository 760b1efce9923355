"""Logical paths and real ones: there and back, on each platform."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockproof.pythons.layout import Layout, canonical_name, layout_for

LAYOUTS = {
    ("3.11.7", "linux"): Layout(site="lib/python3.11/site-packages", scripts="bin", headers="include/site/python3.11"),
    ("3.13.0t", "macos"): Layout(
        site="lib/python3.13t/site-packages", scripts="bin", headers="include/site/python3.13t"
    ),
    ("3.12.1", "windows"): Layout(site="Lib/site-packages", scripts="Scripts", headers="Include", program=".exe"),
}


@pytest.mark.parametrize(("python", "os_name"), LAYOUTS)
def test_the_folders_of_an_environment(python: str, os_name: str) -> None:
    assert layout_for(python, os_name) == LAYOUTS[python, os_name]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=[os_name for _, os_name in LAYOUTS])
@given(
    area=st.sampled_from(["site", "scripts", "data", "headers/demo-thing"]),
    rest=st.lists(st.text(st.characters(exclude_characters="/\0"), min_size=1), min_size=1, max_size=3).map("/".join),
)
def test_a_path_comes_back(layout: Layout, area: str, rest: str) -> None:
    logical = f"{area}/{rest}"
    physical = layout.physical(logical)
    if area != "data" or layout.logical(physical).startswith("data/"):  # a data path may reach into another area
        assert layout.logical(physical) == logical
    assert layout.physical(layout.logical(physical)) == physical


@pytest.mark.parametrize(
    ("path", "logical"),
    [
        ("lib/python3.11/site-packages/a/b.py", "site/a/b.py"),
        ("lib/python3.11/site-packages", "data/lib/python3.11/site-packages"),
        ("lib/python3.11/site-packages-x/a", "data/lib/python3.11/site-packages-x/a"),
        ("lib/python3.12/site-packages/a.py", "data/lib/python3.12/site-packages/a.py"),
        ("bin/x", "scripts/x"),
        ("binary/x", "data/binary/x"),
        ("include/site/python3.11/Demo_Thing/x.h", "headers/demo-thing/x.h"),
        ("include/site/python3.11/x.h", "data/include/site/python3.11/x.h"),
        ("pyvenv.cfg", "data/pyvenv.cfg"),
    ],
)
def test_where_a_file_lies(path: str, logical: str) -> None:
    assert layout_for("3.11.7", "linux").logical(path) == logical


def test_record_names_files_from_site_packages() -> None:
    layout = layout_for("3.11.7", "linux")
    paths = [layout.relative_to_site(path) for path in ("site/a.py", "scripts/x", "data/share/x", "headers/demo/x.h")]
    assert paths == ["a.py", "../../../bin/x", "../../../share/x", "../../../include/site/python3.11/demo/x.h"]


@pytest.mark.parametrize(("name", "canonical"), [("Foo.Bar_baz", "foo-bar-baz"), ("a--_.b", "a-b"), ("x", "x")])
def test_names_are_normalised(name: str, canonical: str) -> None:
    assert canonical_name(name) == canonical
