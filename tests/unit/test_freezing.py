"""From an environment that was read to its lock, with an index and downloads that are made up."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, cast

import pytest

from lockproof.errors import HashMismatchError, LockproofError, UnavailableError, UsageError
from lockproof.freeze.freezing import Choice, freeze
from lockproof.freeze.frozen import Frozen, Unproven
from lockproof.freeze.recovery import Change
from lockproof.indexes.simpleapi import IndexFile
from lockproof.reading.inspection import inspect_environment
from lockproof.wheels.store import Store
from support.environments import artifact_of, bring, inspect, make, running, stored
from support.wheels import make_wheel, sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from lockproof.indexes.index import Index
    from lockproof.locks.artifacts import Artifact
    from lockproof.running.preparation import Fetching
    from lockproof.wheels.store import StoreEntry


@dataclass(kw_only=True)
class World:
    """An environment's folder, and wheels by what the index says of them; `fetched` are the rounds of downloads."""

    base: Path
    wheels: dict[str, Path] = field(default_factory=dict)  # by sha256
    files: list[IndexFile] = field(default_factory=list)
    failing: dict[str, LockproofError] = field(default_factory=dict)
    fetched: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = Store(self.base / "store")

    def wheel(self, name: str, content: str = "", *, listed: bool = True, number: int = 0, **more: object) -> Path:
        """A wheel; only its name tells two of one name apart."""
        path = make_wheel(self.base / f"wheels{number}", name, "1.0", {f"{name}.py": content}, **more)  # type: ignore[arg-type]
        self.wheels[sha256_of(path)] = path
        if listed:
            self.files.append(IndexFile(filename=path.name, url=path.as_uri(), sha256=sha256_of(path)))
        return path

    def install(self, *wheels: Path) -> Path:
        return make(stored(self.store, wheels), self.base / "env")

    def freeze(self, **choice: object) -> Frozen:
        found = inspect(self.base / "env", self.store)
        index, fetching = cast("Index", self), cast("Fetching", self)
        return freeze(found, Choice(**choice), index=index, fetching=fetching)  # type: ignore[arg-type]

    def files_of(self, pins: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Sequence[IndexFile]]:
        return {pin: [file for file in self.files if file.filename.startswith(f"{pin[0]}-")] for pin in pins}

    def bring(self, artifacts: Iterable[Artifact]) -> dict[str, StoreEntry | LockproofError]:
        wanted = {artifact.sha256: artifact for artifact in artifacts}
        if wanted:
            self.fetched.append(sorted(artifact.filename for artifact in wanted.values()))
        return {
            sha256: self.failing.get(artifact.filename)
            or self.store.ensure(artifact_of(self.wheels[sha256]), partial(bring, self.wheels[sha256]))
            for sha256, artifact in wanted.items()
        }


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(base=tmp_path)


def names(frozen: Frozen) -> list[str]:
    return [dist.name for dist in frozen.proven]


def test_only_likely_wheels_are_fetched(world: World) -> None:
    a, b = world.wheel("a", "A = 1\n"), world.wheel("b", "B = 1\n")
    world.wheel("a", "A = 2\n", tag="py2.py3-none-any")
    world.wheel("a", "A = 1\n", tag="py3-none-win_amd64")
    world.install(a, b)
    frozen = world.freeze()
    assert (frozen.exit_code, world.fetched) == (0, [[a.name, b.name]])
    assert (str(frozen.python), names(frozen)) == (running().version, ["a", "b"])
    assert [file.sha256 for file in frozen.proven[0].files] == [sha256_of(a)]
    assert frozen.notes == ("2 of the wheels were found in folders of this machine",)


def test_all_wheels_of_the_same_content_are_kept(world: World) -> None:
    a = world.wheel("a", "A = 1\n")
    twin = world.wheel("a", "A = 1\n", number=1, record=lambda rows: rows[::-1])
    world.install(a)
    (dist,) = world.freeze().proven
    assert [file.sha256 for file in dist.files] == [sha256_of(a), sha256_of(twin)]
    assert sha256_of(a) != sha256_of(twin)


@pytest.mark.parametrize("claimed", [None, 3])
def test_the_size_is_that_of_the_bytes(world: World, claimed: int | None) -> None:
    a = world.wheel("a", "A = 1\n")
    world.files = [replace(file, size=claimed) for file in world.files]
    world.install(a)
    assert [file.size for file in world.freeze().proven[0].files] == [a.stat().st_size]


def test_the_others_are_tried_where_the_likely_ones_are_wrong(world: World) -> None:
    right = world.wheel("a", "A = 1\n", listed=False)
    world.wheel("a", "A = 2\n", number=1)
    renamed = right.rename(right.with_name("a-1.0-py2.py3-none-any.whl"))
    world.wheels[sha256_of(renamed)] = renamed
    world.files.append(IndexFile(filename=renamed.name, url=renamed.as_uri(), sha256=sha256_of(renamed)))
    world.install(renamed)
    frozen = world.freeze()
    assert [file.filename for file in frozen.proven[0].files] == [renamed.name]
    assert world.fetched == [["a-1.0-py3-none-any.whl"], [renamed.name]]


FAILURES = {
    "its hash": (HashMismatchError("wrong", why="it has another hash"), 5),
    "the network": (UnavailableError("gone", why="it has another hash"), 4),
}


@pytest.mark.parametrize(("error", "code"), FAILURES.values(), ids=FAILURES)
def test_candidates_that_can_t_be_had(world: World, error: LockproofError, code: int) -> None:
    a = world.wheel("a")
    world.install(a)
    world.failing[a.name] = error
    frozen = world.freeze()
    reason, changes = "the wheels that it may have come from can't be had", (Change(a.name, "it has another hash"),)
    assert frozen.unproven == (
        Unproven(name="a", version="1.0", reason=reason, changes=changes, failed_hash=code == 5),
    )
    assert frozen.exit_code == code


def test_wheels_for_others_and_wheels_without_hash(world: World) -> None:
    a, b = world.wheel("a", listed=False), world.wheel("b", listed=False)
    world.wheel("a", tag="py3-none-win_amd64")
    world.files.append(IndexFile(filename=b.name, url=b.as_uri()))
    world.install(a, b)
    assert [dist.reason for dist in world.freeze().unproven] == [
        "the index has no wheel of this version for this Python and platform, so it was built elsewhere",
        "the index names no sha256 of b-1.0-py3-none-any.whl",
    ]
    assert world.fetched == []


def test_seeds_are_left_out_unless_they_are_needed_or_asked_for(world: World) -> None:
    world.install(world.wheel("pip"), world.wheel("app", requires=["extra-free; extra == 'x'"]))
    assert (names(world.freeze()), world.freeze().left_out) == (["app"], (("pip", "1.0"),))
    assert names(world.freeze(everything=True)) == ["app", "pip"]
    assert names(world.freeze(everything=True, exclude=("Pip",))) == ["app"]


def test_a_seed_that_another_distribution_requires_stays(world: World) -> None:
    world.install(world.wheel("pip"), world.wheel("app", requires=["pip>=1"]))
    assert names(world.freeze()) == ["app", "pip"]
    assert names(world.freeze(exclude=("app",))) == []


def test_excluding_what_is_not_there(world: World) -> None:
    world.install(world.wheel("a"))
    with pytest.raises(UsageError, match="b can't be excluded: it is not installed\n  installed are: a"):
        world.freeze(exclude=("b",))


def test_packages_of_the_base_interpreter(world: World) -> None:
    world.install(world.wheel("a"))
    configuration = world.base / "env" / "pyvenv.cfg"
    configuration.write_text(configuration.read_text().replace("site-packages = false", "site-packages = true"))
    frozen = world.freeze()
    assert [change.what for change in frozen.loose] == [
        "lets in the base interpreter's packages, which were not looked at"
    ]
    assert frozen.exit_code == 4


def test_an_interpreter_that_is_not_known_here(world: World) -> None:
    site = world.install(world.wheel("a"))
    (site / "__pycache__").mkdir()
    (site / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"")
    found = inspect_environment(world.base / "env", identify=lambda _: None, store=None)
    frozen = freeze(found, Choice(), index=cast("Index", world), fetching=cast("Fetching", world))
    assert (str(frozen.python), names(frozen), frozen.exit_code) == (running().version, ["a"], 0)
    assert [note.partition(" ")[0] for note in frozen.notes] == [
        "site/__pycache__/a.cpython-311.pyc",
        "scripts/python",
        "scripts/python",
        "1",
    ]


def test_an_environment_that_names_no_version(world: World) -> None:
    world.install(world.wheel("a"))
    (world.base / "env" / "pyvenv.cfg").write_text("home = /nowhere\n")
    found = inspect_environment(world.base / "env", identify=lambda _: None, store=None)
    with pytest.raises(UsageError) as caught:
        freeze(found, Choice(), index=cast("Index", world), fetching=cast("Fetching", world))
    assert caught.value.why == "its interpreter is not known here, and no pyvenv.cfg names a version"


def test_two_of_one_name(world: World) -> None:
    site = world.install(world.wheel("a"))
    info = site / "a-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: a\nVersion: 2.0\n")
    (info / "RECORD").write_text(f"{info.name}/METADATA,,\n{info.name}/RECORD,,\n")
    reason = "it is installed twice, and which of the two is imported hangs on chance"
    assert [(dist.version, dist.reason) for dist in world.freeze().unproven] == [("1.0", reason), ("2.0", reason)]
