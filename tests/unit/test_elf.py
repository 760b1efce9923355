"""What a Linux program says of itself, and what is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lockproof.reading.elf import program
from support.elves import elf_program

LOADER = "/lib/ld-musl-x86_64.so.1"
WHOLE = elf_program(62, loader=LOADER)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (WHOLE, ("x86_64", LOADER)),
        (elf_program(183, loader="/lib/ld-linux-aarch64.so.1"), ("aarch64", "/lib/ld-linux-aarch64.so.1")),
        (elf_program(40, bits=32, loader="/lib/ld-linux-armhf.so.3"), ("armv7l", "/lib/ld-linux-armhf.so.3")),
        (elf_program(22, order=">", loader="/lib/ld64.so.1"), ("s390x", "/lib/ld64.so.1")),
        (elf_program(62), ("x86_64", "")),
        (WHOLE + b"/lib64/ld-linux-x86-64.so.2\0", ("x86_64", LOADER)),  # only the segment counts
        (elf_program(62, bits=32, loader=LOADER), None),  # x32
        (elf_program(8), None),
        (b"#!/bin/sh\n", None),
        (b"", None),
    ],
)
def test_what_a_program_says(content: bytes, told: tuple[str, str] | None) -> None:
    assert program(content) == told


@pytest.mark.parametrize("size", [4, 5, 6, 40, 63, 64, 100])
def test_what_is_cut_off_is_no_program(size: int) -> None:
    assert program(WHOLE[:size]) is None


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other programs")
def test_the_running_python_is_one() -> None:
    told = program(Path(sys.executable).resolve().read_bytes())

    assert told is not None
    assert told[1] == "" or Path(told[1]).exists()
