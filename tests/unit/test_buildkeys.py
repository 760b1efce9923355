from __future__ import annotations

import pytest

from lockproof.cells.buildkeys import ANY, NEVER, BuildLock, may_build, unbuilt_error, unknown_builds
from lockproof.cells.config import read_matrix
from lockproof.cells.documents import load_yaml
from lockproof.cells.matrix import Settings, Spec

HEAD = 'version: 1\nlock: pylock.toml\npython: ["3.12.1"]\n'


def spec(text: str) -> Spec:
    return read_matrix(load_yaml(HEAD + text, "matrix.yaml"))


@pytest.mark.parametrize(
    ("text", "build"),
    [
        ("", None),
        ("build: never", NEVER),
        ("build: allow", ANY),
        ("build: []", NEVER),
        ("build: [PyYAML, Some.Thing]", ("pyyaml", "some-thing")),
    ],
)
def test_build(text: str, build: tuple[str, ...] | None) -> None:
    assert spec(text).settings == Settings(build=build)


def test_a_cell_can_have_its_own() -> None:
    base, over = Settings(build=ANY), Settings(build=NEVER)
    assert (base.overlaid(over).build, base.overlaid(Settings()).build) == (NEVER, ANY)
    assert spec("cells: {include: [{python: 3.12.1, build: allow}]}").include[0].settings.build == ANY


@pytest.mark.parametrize(
    ("text", "lock"),
    [
        ("", None),
        ("build-lock: build.txt", BuildLock(path="build.txt")),
        ("build-lock: build.txt\nbuild-groups: []", BuildLock(path="build.txt", groups=())),
        ("build-groups: [build]", BuildLock(path="pylock.toml", groups=("build",))),
    ],
)
def test_the_build_lock(text: str, lock: BuildLock | None) -> None:
    assert spec(text).build_lock == lock


def test_what_may_be_built() -> None:
    assert [may_build(allowed, "a") for allowed in (NEVER, ANY, ("a", "b"), ("b",))] == [False, True, True, False]
    assert [unknown_builds(allowed, {"a"}) for allowed in (NEVER, ANY, ("a", "b"))] == [[], [], ["b"]]


def test_one_error_tells_all_sdists_and_the_ways_out() -> None:
    error = unbuilt_error(
        "r.txt", ["b", "a", "b"], ["r.txt:1: b has no wheel", "r.txt:2: a has none"], "Or do without."
    )
    assert str(error) == (
        "r.txt: 2 distributions would have to be built from source: what an sdist builds has no hash in the lock\n"
        "  r.txt:1: b has no wheel\n"
        "  r.txt:2: a has none\n"
        "  Allow it with `build: [b, a]` in matrix.yaml, and lock what the builds require in a file that `build-lock` "
        "names. Or do without."
    )
