"""ELF programs of a few bytes: a header, and where there is a loader the segment that names it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Literal


def elf_program(machine: int, *, bits: Literal[32, 64] = 64, order: Literal["<", ">"] = "<", loader: str = "") -> bytes:
    """A program for that `e_machine`, which asks to be started by `loader` (PT_INTERP)."""
    wide = bits == 64
    text = loader.encode() + b"\0"
    header, segment = (64, 56) if wide else (52, 32)
    count = 2 if loader else 1
    end = header + count * segment
    number = "Q" if wide else "I"
    identity = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]).ljust(12, b"\0")
    content = identity + struct.pack(
        f"{order}HHI{number}{number}{number}IHHHHHH", 2, machine, 1, 0, header, 0, 0, header, segment, count, 0, 0, 0
    )
    for kind, offset, size in [(1, 0, end), (3, end, len(text))][:count]:
        if wide:
            content += struct.pack(f"{order}IIQQQQQQ", kind, 4, offset, offset, offset, size, size, 1)
        else:
            content += struct.pack(f"{order}IIIIIIII", kind, offset, offset, offset, size, size, 4, 1)
    return content + (text if loader else b"")
