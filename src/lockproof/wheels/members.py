"""Members of a wheel's archive, by a shorter way than zipfile's: with thousands of small files the way is the work.

Only what is small, and plain in every respect, is read here. Of anything else it is said that it isn't, and zipfile,
which knows every case and names what is wrong, is asked.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZIP_STORED

if TYPE_CHECKING:
    from pathlib import Path
    from zipfile import ZipInfo

# The local file header (APPNOTE.TXT 4.3.7): signature, flags, method, lengths of the name and of the extra field.
_HEADER = struct.Struct("<4s2xHH16xHH")
_SIGNATURE = b"PK\3\4"
_NAMED_IN_UTF8 = 1 << 11
_ODD = 1 | 1 << 5 | 1 << 6  # encrypted, patched, strongly encrypted
_MOST = 64 << 20  # bytes of one member in memory, however many it claims
_DEFLATE_RATIO = 1032  # deflate can't do better


class Members:
    """The bytes of one archive. Use as a context manager."""

    def __init__(self, archive: Path) -> None:
        """Open it; where it can't be mapped nothing in it is plain."""
        self._bytes: mmap.mmap | None = None
        with suppress(OSError, ValueError), archive.open("rb") as stream:
            self._bytes = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)

    def close(self) -> None:
        """Let go of the archive."""
        if self._bytes is not None:
            self._bytes.close()
            self._bytes = None

    def read(self, info: ZipInfo) -> bytes | None:
        """A member's bytes, as long as its directory entry says and with the CRC that it names; None for zipfile."""
        whole = self._bytes
        start = info.header_offset
        if max(info.file_size, info.compress_size * _DEFLATE_RATIO) > _MOST:
            return None
        if whole is None or not 0 <= start <= len(whole) - _HEADER.size:
            return None
        signature, flags, method, name, extra = _HEADER.unpack_from(whole, start)
        start += _HEADER.size
        packed_at = start + name + extra
        if signature != _SIGNATURE or (flags | info.flag_bits) & _ODD or method != info.compress_type:
            return None
        try:
            named = whole[start : start + name]
            kind = "utf-8" if flags & _NAMED_IN_UTF8 or named.isascii() else "cp437"
            if named.decode(kind) != info.orig_filename:
                return None
            packed = whole[packed_at : packed_at + info.compress_size]
            content = packed if method == ZIP_STORED else _inflated(packed, info.file_size, method)
        except (ValueError, zlib.error):
            return None
        right = content is not None and len(content) == info.file_size and len(packed) == info.compress_size
        return content if right and zlib.crc32(content or b"") == info.CRC else None


def _inflated(packed: bytes, size: int, method: int) -> bytes | None:
    """What is packed, all of it: so little can't become much."""
    return zlib.decompress(packed, -zlib.MAX_WBITS, bufsize=max(size, 1)) if method == ZIP_DEFLATED else None
