"""Cells as they are where they run: with the platform inside, or on this machine where it is a container itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof.cells.containerkeys import Container
from lockproof.cells.matrix import Cell
from lockproof.containers import around
from lockproof.containers.around import doubt_here, is_in_container
from lockproof.containers.contained import Contained, Here, doubts, inside
from lockproof.containers.engines import Engine, Image
from lockproof.errors import UnavailableError
from lockproof.pythons.interpreters import Interpreter
from lockproof.pythons.platforms import Platform, compatible_tags, parse_platform, parse_python

if TYPE_CHECKING:
    from lockproof.containers.contained import Place

HOST = Platform(os="linux", machine="x86_64", libc="glibc", version=(2, 39))
MUSL = Platform(os="linux", machine="x86_64", libc="musl", version=(1, 2))
DIGEST = "sha256:" + "0" * 64


def cell(name: str, image: str = DIGEST) -> Cell:
    return Cell(
        id=name,
        python="3.11.7",
        platform=parse_platform("linux-x86_64"),
        on_host=False,
        container=Container(image=image),
    )


def contained(image: str) -> Contained:
    interpreter = Interpreter(
        executable=Path("/usr/local/bin/python3.11"), version="3.11.7", implementation="cpython",
        prefix=Path("/usr/local"), platform=MUSL, facts={}, files={}, image=DIGEST,
    )  # fmt: skip
    engine = Engine(name="docker", program="/usr/bin/docker", environ={})
    found = Image(id=DIGEST, digests=(), platform="linux/amd64")
    return Contained(engine=engine, image=found, interpreter=interpreter, container=Container(image=image), user=())


def test_a_musl_image_is_planned_with_musllinux_wheels() -> None:
    (settled,) = inside([cell("box")], {"box": contained(DIGEST)}, HOST)

    assert settled.platform == MUSL
    tags = {str(tag) for tag in compatible_tags(parse_python(settled.python), settled.platform)}
    assert "cp311-cp311-musllinux_1_2_x86_64" in tags
    assert not any("manylinux" in tag for tag in tags)


def test_a_cell_that_runs_here_is_one_of_this_machine() -> None:
    (settled,) = inside([cell("box")], {"box": Here(doubt="")}, HOST)
    assert (settled.container, settled.on_host, settled.platform, settled.id) == (None, True, HOST, "box")


def test_a_cell_that_can_t_run_stays_as_the_matrix_says() -> None:
    given = cell("box")
    assert inside([given], {"box": UnavailableError("no engine")}, HOST) == (given,)


def test_what_stays_unproven() -> None:
    places: dict[str, Place] = {
        "pinned": contained(DIGEST), "tag": contained("app:1"), "sure": Here(doubt=""),
        "unsure": Here(doubt="who knows"), "not": UnavailableError("no engine"),
    }  # fmt: skip
    assert doubts(places) == {
        "tag": "app:1 is a tag: nothing says that it means the same image elsewhere",
        "unsure": "who knows",
    }


class TestAround:
    def test_a_container_is_known_by_its_mark_or_by_the_variable(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(around, "_MARKS", (tmp_path / "mark",))
        assert not is_in_container({})
        assert is_in_container({"LOCKPROOF_IMAGE": DIGEST})
        (tmp_path / "mark").touch()
        assert is_in_container({})

    def test_nobody_says_which_image_it_is(self) -> None:
        assert "set LOCKPROOF_IMAGE" in doubt_here(Container(image=DIGEST), {})

    def test_somebody_says_so(self) -> None:
        said = {"LOCKPROOF_IMAGE": f"mirror.invalid/app@{DIGEST}"}
        assert doubt_here(Container(image=f"app@{DIGEST}"), said) == ""
        with pytest.raises(UnavailableError, match="of another image"):
            doubt_here(Container(image="sha256:" + "1" * 64), said)
