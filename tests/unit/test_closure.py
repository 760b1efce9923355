"""What distributions require of each other: markers, extras to their fixed point, versions, Pythons."""

from __future__ import annotations

import pytest

from lockproof.proof.closure import Needs, check_closure, closure_notes, reached, read_needs
from lockproof.proof.fingerprint import Finding
from lockproof.pythons.platforms import marker_environment, parse_platform, parse_python
from lockproof.wheels.manifest import Manifest

LINUX = {
    key: str(value) for key, value in marker_environment(parse_python("3.11.7"), parse_platform("linux-x86_64")).items()
}


def needs(name: str, *requires: str, version: str = "1.0", python: str = "", extras: tuple[str, ...] = ()) -> Needs:
    return Needs(
        name=name,
        version=version,
        path=f"site/{name}-{version}.dist-info/METADATA",
        requires=requires,
        requires_python=python,
        extras=frozenset(extras),
    )


def said(*distributions: Needs, **environment: str) -> list[tuple[str, str]]:
    return [(found.code, found.message) for found in check_closure(distributions, {**LINUX, **environment})]


def test_a_whole_closure_has_nothing_to_say() -> None:
    assert said(needs("app", "Lib_One>=1", "lib.two"), needs("lib-one"), needs("lib-two", "app")) == []


def test_what_is_missing_or_of_another_version() -> None:
    found = check_closure([needs("app", "lib>=2,<3", "more~=1.0", "ok"), needs("lib"), needs("ok")], LINUX)
    path = "site/app-1.0.dist-info/METADATA"
    assert found == (
        Finding("requires", path, "app 1.0 requires lib<3,>=2, and lib 1.0 is there", "note"),
        Finding("requires", path, "app 1.0 requires more~=1.0, which is not there", "note"),
    )


def test_markers_are_the_cells_own() -> None:
    app = needs("app", "win; sys_platform == 'win32'", "old; python_version < '3.12'")
    assert said(app) == [("requires", "app 1.0 requires old, which is not there")]
    windows = {"sys_platform": "win32", "python_version": "3.12", "python_full_version": "3.12.1"}
    assert said(app, **windows) == [("requires", "app 1.0 requires win, which is not there")]


def test_extras_count_where_an_active_requirement_asks_for_them() -> None:
    a = needs("a", "b[Fast_Mode]")
    b = needs("b", "c[deep] ; extra == 'fast-mode'", "never ; extra == 'slow'", extras=("fast-mode", "slow"))
    c = needs("c", "d ; extra == 'deep'", extras=("deep",))
    assert said(a, b, c) == [("requires", "c 1.0 requires d, which is not there")]
    assert said(b, c) == []


def test_extras_of_a_distribution_by_itself() -> None:
    all_of_it = needs("x", "x[one]; extra == 'all'", "gone; extra == 'one'", extras=("all", "one"))
    assert said(needs("y", "x[all]"), all_of_it) == [("requires", "x 1.0 requires gone, which is not there")]


def test_extras_that_are_known_to_be_wanted() -> None:
    app = needs("app", "lib; extra == 'fast'", extras=("fast",))
    assert check_closure([app], LINUX) == ()
    (found,) = check_closure([app], LINUX, [("App", "Fast"), ("other", "x")])
    assert found.message == "app 1.0 requires lib, which is not there"


def test_what_requirements_come_to() -> None:
    backend = needs("backend", "helper", "win; sys_platform == 'win32'", "more; extra == 'all'", extras=("all",))
    distributions = [
        backend,
        needs("helper", "deep"),
        needs("deep", "backend"),
        needs("win"),
        needs("more"),
        needs("x"),
    ]
    assert reached(["Backend>=1", "unknown"], distributions, LINUX) == {"backend", "helper", "deep"}
    assert reached(["backend[all]; python_version > '3'"], distributions, LINUX) == {
        "backend",
        "helper",
        "deep",
        "more",
    }
    assert reached(["backend; python_version < '3'"], distributions, LINUX) == set()


def test_an_extra_that_is_not_provided() -> None:
    assert said(needs("a", "b[x,y]>0"), needs("b", extras=("x",))) == [
        ("requires-extra", "a 1.0 requires b[x,y]>0, and b 1.0 has no extra y")
    ]


@pytest.mark.parametrize(
    ("python", "problem"),
    [
        (">=3.8", []),
        (">=3.12", [("requires", "a 1.0 requires Python >=3.12, and this is 3.11.7")]),
        ("no specifier", []),
    ],
)
def test_the_python(python: str, problem: list[tuple[str, str]]) -> None:
    assert said(needs("a", python=python)) == problem


def test_a_locked_prerelease_fits() -> None:
    assert said(needs("a", "b>=1"), needs("b", version="2.0rc1")) == []


def test_requirements_that_can_not_be_read_are_told() -> None:
    assert said(needs("a", "b >=!", "c; nonsense == '1'")) == [
        ("requires-unreadable", "a 1.0 has a requirement that can't be read: b >=!"),
        ("requires-unreadable", "a 1.0 has a requirement that can't be read: c; nonsense == '1'"),
    ]


def test_metadata_as_a_wheel_has_it() -> None:
    text = (
        b"Metadata-Version: 2.1\nName: My.App\nVersion: 2.0\nRequires-Python: >=3.8\nProvides-Extra: Fast_Mode\n"
        b"Requires-Dist: lib>=1\nRequires-Dist: fast; extra == 'fast-mode'\n\nRequires-Dist: only in the text\n"
    )
    manifest = Manifest(
        name="my-app", version="2.0", filename="x.whl", sha256="0" * 64, dist_info="My.App-2.0.dist-info", files=()
    )
    assert read_needs(text, manifest) == Needs(
        name="my-app",
        version="2.0",
        path="site/My.App-2.0.dist-info/METADATA",
        requires=("lib>=1", "fast; extra == 'fast-mode'"),
        requires_python=">=3.8",
        extras=frozenset({"fast-mode"}),
    )


def test_notes_name_each_thing_once_with_its_cells() -> None:
    missing, odd = Finding("requires", "p", "a needs b", "note"), Finding("requires-extra", "p", "a has no x", "note")
    assert closure_notes([("one", [missing, odd]), ("two", []), ("three", [missing])]) == ["a needs b (one, three)"]
