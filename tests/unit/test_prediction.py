"""What is refused or noted when several wheels come together, and what a prediction is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lockproof.errors import LockError
from lockproof.proof.fingerprint import FileFact, Finding, files_digest, set_digest, startup_digest
from lockproof.proof.prediction import predict
from lockproof.pythons.layout import layout_for
from lockproof.wheels.launchers import EntryPointScript
from lockproof.wheels.manifest import LandingFile, LandingScript, Manifest

if TYPE_CHECKING:
    from lockproof.proof.fingerprint import Fingerprint

LINUX = layout_for("3.11.7", "linux")
ONE, TWO = "1" * 64, "2" * 64


def wheel(name: str, *paths: str, digest: str = ONE, launchers: tuple[EntryPointScript, ...] = ()) -> Manifest:
    """A wheel with these files, all of the same bytes."""
    files = tuple(LandingFile(path, path, digest, 1, executable=False) for path in sorted(paths))
    return Manifest(
        name=name,
        version="1.0",
        filename=f"{name}-1.0-py3-none-any.whl",
        sha256=digest,
        dist_info=f"{name}-1.0.dist-info",
        files=files,
        launchers=launchers,
    )


def together(
    *wheels: Manifest, os_name: str = "linux", python: str = "3.11.7", layer: str | None = None
) -> Fingerprint:
    layout = layout_for(python, os_name)
    return predict(wheels, layout, python=python, os_name=os_name, interpreter={}, interpreter_layer=layer)


REFUSED = {
    "different bytes at one path": (
        [wheel("a", "site/x.py"), wheel("b", "site/x.py", digest=TWO)],
        "linux",
        "a and b 1.0 put different bytes at site/x.py",
    ),
    "a wrapper and a file": (
        [wheel("a", "scripts/tool"), wheel("b", launchers=(EntryPointScript("tool", "b", "main", gui=False),))],
        "linux",
        "a and b 1.0 put different bytes at scripts/tool",
    ),
    "two wrappers": (
        [wheel(name, launchers=(EntryPointScript("tool", name, "main", gui=False),)) for name in "ab"],
        "linux",
        "a and b 1.0 put different bytes at scripts/tool",
    ),
    "a file through the data scheme": (
        [wheel("a", "site/x.py"), wheel("b", f"data/{LINUX.site}/x.py", digest=TWO)],
        "linux",
        "a and b 1.0 put different bytes at site/x.py",
    ),
    "a file and a folder": (
        [wheel("a", "site/x/y/z.py"), wheel("b", "site/x")],
        "linux",
        "b has a file at site/x, where a has a folder",
    ),
    "a folder and a file": (
        [wheel("b", "site/x"), wheel("a", "site/x/y/z.py")],
        "linux",
        "b has a file at site/x, where a has a folder",
    ),
    "twins in case on macOS": (
        [wheel("a", "site/Foo.py"), wheel("b", "site/foo.py")],
        "macos",
        "a's site/Foo.py and b's site/foo.py are one where case or Unicode form don't count",
    ),
    "twins in case on Windows": (
        [wheel("a", "site/Foo.py"), wheel("b", "site/foo.py")],
        "windows",
        "a's site/Foo.py and b's site/foo.py are one where case or Unicode form don't count",
    ),
    "twins in Unicode form on macOS": (
        [wheel("a", "site/e\u0301.py"), wheel("b", "site/\u00e9.py")],
        "macos",
        "a's site/e\u0301.py and b's site/\u00e9.py are one where case or Unicode form don't count",
    ),
    "folders that are twins on Windows": (
        [wheel("a", "site/Foo/a.py"), wheel("b", "site/foo/b.py")],
        "windows",
        "a's site/Foo and b's site/foo are one where case or Unicode form don't count",
    ),
    "a folder and a file that are twins on macOS": (
        [wheel("a", "site/Foo/a.py"), wheel("b", "site/foo")],
        "macos",
        "a's site/Foo and b's site/foo are one where case or Unicode form don't count",
    ),
    "twins in one wheel": (
        [wheel("a", "site/Foo.py", "site/foo.py")],
        "macos",
        "a's site/Foo.py and a's site/foo.py are one where case or Unicode form don't count",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_wheels_that_can_t_be_together_are_refused(name: str) -> None:
    wheels, os_name, what = REFUSED[name]
    with pytest.raises(LockError) as caught:
        together(*wheels, os_name=os_name)
    assert caught.value.what == what
    assert caught.value.remedy


def test_twins_are_a_note_on_linux() -> None:
    predicted = together(wheel("a", "site/Foo.py", "site/e\u0301.py"), wheel("b", "site/foo.py", "site/\u00e9.py"))
    same = "are one where case or Unicode form don't count"
    assert predicted.findings == (
        Finding("twin-paths", "site/foo.py", f"a's site/Foo.py and b's site/foo.py {same}", "note"),
        Finding("twin-paths", "site/\u00e9.py", f"a's site/e\u0301.py and b's site/\u00e9.py {same}", "note"),
    )


def test_equal_bytes_at_one_path_are_allowed() -> None:
    predicted = together(wheel("a", "site/ns/__init__.py"), wheel("b", "site/ns/__init__.py", "site/ns/b.py"))
    assert [(f.code, f.path, f.level) for f in predicted.findings] == [("owned-twice", "site/ns/__init__.py", "note")]
    assert [(dist.name, dist.roots) for dist in predicted.distributions] == [
        ("a", ("site/ns/__init__.py",)),
        ("b", ("site/ns/__init__.py", "site/ns/b.py")),
    ]


def test_a_prediction_says_all_of_it() -> None:
    script = LandingScript("scripts/run", "a.data/scripts/run", TWO, FileFact("s", TWO, 9))
    a = wheel(
        "a",
        "site/a.py",
        "data/bin/a-data",
        "data/share/a",
        launchers=(EntryPointScript("a", "a.cli", "main", gui=True),),
    )
    from dataclasses import replace

    a = replace(a, scripts=(script,), startup=("site/a.pth\0exec\0import a",))
    predicted = together(a, layer="sha256:0")
    files = {
        "site/a.py": FileFact("f", ONE, 1),
        "scripts/a-data": FileFact("f", ONE, 1),
        "data/share/a": FileFact("f", ONE, 1),
        "scripts/run": FileFact("s", TWO, 9),
        "scripts/a": FileFact("e", "a.cli:main"),
    }
    startup = ("pyvenv.cfg\0include-system-site-packages\0false", "site/a.pth\0exec\0import a")
    assert predicted.files == files
    assert predicted.startup == startup
    [dist] = predicted.distributions
    assert (dist.files, dist.artifact) == (files_digest(files), ("a-1.0-py3-none-any.whl", ONE))
    assert {k: v for k, v in predicted.layers.items() if k != "artifacts"} == {
        "set": set_digest([("a", "1.0")]),
        "files": files_digest(files),
        "startup": startup_digest(startup),
        "interpreter": "sha256:0",
    }


def test_wrappers_of_pip_bear_the_python_s_version() -> None:
    pip = wheel(
        "pip", launchers=tuple(EntryPointScript(name, "pip", "main", gui=False) for name in ("pip", "pip3", "pip3.9"))
    )
    for python, names in (("3.11.7", ["pip", "pip3", "pip3.11"]), ("3.13.0t", ["pip", "pip3", "pip3.13"])):
        assert sorted(together(pip, python=python).files) == [f"scripts/{name}" for name in names]


def test_the_order_of_wheels_changes_no_digest() -> None:
    wheels = [wheel("a", "site/a.py"), wheel("b", "site/b.py", digest=TWO), wheel("c", "site/a.py")]
    assert {together(*order).digest for order in (wheels, wheels[::-1], wheels[1:] + wheels[:1])} == {
        together(*wheels).digest
    }
