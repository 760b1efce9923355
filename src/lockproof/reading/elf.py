"""What a Linux program says of itself: its machine, and the loader that it is started with."""

from __future__ import annotations

import struct

from lockproof.pythons.platforms import LINUX_MACHINES

_MAGIC = b"\x7fELF"
_PT_INTERP = 3
# e_machine and the class (1: 32 bits, 2: 64) of an ELF header: gABI, chapter 4.
_MACHINES = {
    (62, 2): "x86_64", (183, 2): "aarch64", (3, 1): "i686", (40, 1): "armv7l", (21, 2): "ppc64le", (22, 2): "s390x",
    (243, 2): "riscv64",
}  # fmt: skip
# By the class: of the header e_machine, e_phoff, e_phentsize and e_phnum, of a program header p_offset and p_filesz.
_HEADER = {1: "18xH8xI10xHH", 2: "18xH12xQ14xHH"}
_SEGMENT = {1: "4xI8xI", 2: "8xQ16xQ"}


def program(content: bytes) -> tuple[str, str] | None:
    """(machine, path of the loader) of an ELF program; None for what is none, or of a machine that isn't known.

    The loader is "" for a program that is started without one.
    """
    bits, order = content[4:5], content[5:6]
    if not content.startswith(_MAGIC) or bits not in (b"\1", b"\2") or order not in (b"\1", b"\2"):
        return None
    end = "<" if order == b"\1" else ">"
    try:
        number, start, size, count = struct.unpack_from(end + _HEADER[bits[0]], content)
        machine = _MACHINES.get((number, bits[0]), "")
        places = [start + size * index for index in range(count)]
        wanted = [at for at in places if struct.unpack_from(f"{end}I", content, at) == (_PT_INTERP,)]
        loader = b""
        if wanted:
            offset, length = struct.unpack_from(end + _SEGMENT[bits[0]], content, wanted[0])
            loader = content[offset : offset + length].rstrip(b"\0")
        return (machine, loader.decode("ascii")) if machine in LINUX_MACHINES else None
    except (struct.error, UnicodeDecodeError):
        return None
