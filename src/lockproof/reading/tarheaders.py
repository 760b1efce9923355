"""The members of a tar stream, one behind the other: POSIX ustar and pax, and what GNU tar makes of them.

Standard library only, Python 3.6 syntax, importing nothing of ours. Where readers would not agree on what a header says
(pax(1), "pax Interchange Format"; GNU tar's manual, "Basic Tar Format" and "Storing Sparse Files"), it is an error.
"""

from typing import IO, Dict, Iterator, List, Optional, Set, Tuple
from zlib import adler32

BLOCK = 512
CHUNK = 1 << 20
SMALL = 1 << 16
FILE, FOLDER, LINK, HARD_LINK, SPECIAL = "file", "folder", "link", "hard link", "special"
KINDS = {b"0": FILE, b"\0": FILE, b"7": FILE, b"S": FILE, b"5": FOLDER, b"2": LINK, b"1": HARD_LINK}
WITHOUT_CONTENT = (b"1", b"2", b"3", b"4", b"5", b"6")
EXTENDED, GLOBAL, LONG_NAME, LONG_LINK, SPARSE = (b"x", b"X"), b"g", b"L", b"K", b"S"
END = bytes(BLOCK)
LONGEST_HEADER = 1 << 20  # bytes of an extended header, or a name
CHARSETS = ("BINARY", "ISO-IR 10646 2000 UTF-8")
PIECE = ("GNU.sparse.offset", "GNU.sparse.numbytes")  # one behind the other, for each piece of a sparse file
NO_ONES_OWN = ("path", "linkpath", "size", "hdrcharset")  # nothing that a global header can say of every member

Extents = List[Tuple[int, int]]


class BrokenArchive(Exception):
    """A stream that is no whole and unambiguous tar archive; the text says why."""


class Member:
    """What one header says: `name` and `target` (of a link) as they stand there, `kind` one of the words above.

    `stored` bytes of content follow in the stream. `extents` are, for a sparse file, where the stored bytes belong in
    it: offset and size; all between is zeros.
    """

    __slots__ = ("extents", "kind", "mode", "mtime", "name", "size", "stored", "target")

    def __init__(self, name: str, kind: str, target: str, mode: int, size: int, mtime: int) -> None:
        """A member whose content is stored as it is."""
        self.name, self.kind, self.target, self.mode, self.size, self.mtime = name, kind, target, mode, size, mtime
        self.stored = size
        self.extents: Optional[Extents] = None


class Stream:
    """Bytes read once from their beginning to their end; `at` says how many."""

    def __init__(self, source: IO[bytes]) -> None:
        """Nothing is read yet."""
        self.source = source
        self.at = 0

    def read(self, size: int) -> bytes:
        """So many bytes, fewer only at the end."""
        content = self.source.read(size)
        self.at += len(content)
        return content

    def exactly(self, size: int) -> bytes:
        """So many bytes; BrokenArchive where there are no more."""
        content = self.read(size)
        if len(content) != size:
            raise BrokenArchive("is cut off or damaged: truncated header")
        return content

    def skip_to(self, offset: int) -> None:
        """Read on to `offset`."""
        while self.at < offset:
            if not self.read(min(offset - self.at, CHUNK)):
                raise BrokenArchive("is cut off or damaged: unexpected end of data")


def members(stream: Stream, header: bytes) -> Iterator[Member]:
    """Each member, with the stream at its content, of which as much may be read as is wanted, to the end mark.

    `header` is the first block, which was read already. Raises BrokenArchive.
    """
    said = Said()
    while header != END:
        if len(header) != BLOCK or not is_sound(header):
            raise BrokenArchive(_no_header(header, stream.at - len(header)))
        kind = header[156:157]
        if kind in EXTENDED or kind in (GLOBAL, LONG_NAME, LONG_LINK):
            said.take(kind, _payload(stream, number(header[124:136])))
            header = stream.read(BLOCK)
            continue
        member, is_map_ahead = said.member(header, kind), said.is_map_ahead
        said = Said()
        if kind == SPARSE:
            member.extents = _old_extents(stream, header)
            member.size = number(header[483:495])
        end = stream.at + padded(member.stored)
        if is_map_ahead:
            start = stream.at
            member.extents = _extents_ahead(stream)
            member.stored -= stream.at - start
        if member.extents is not None:
            _expect_sense(member)
        yield member
        stream.skip_to(end)
        header = stream.read(BLOCK)
    if said.given:
        raise BrokenArchive("is cut off or damaged: an extended header of nothing")


def block_behind(stream: Stream) -> bytes:
    """The first block behind an archive that is not zeros; empty at the stream's end."""
    block = stream.read(BLOCK)
    while block and block.count(0) == len(block):  # whoever writes the padding must not meet a closed pipe
        block = stream.read(BLOCK)
    return block


def content_of(stream: Stream, member: Member) -> Iterator[bytes]:
    """The content of a file, right behind its header, in pieces; BrokenArchive where it is cut off."""
    if member.extents is None:
        if 0 < member.stored <= SMALL:  # with what fills its last block: a read less
            content = stream.read(padded(member.stored))[: member.stored]
            if len(content) != member.stored:
                raise BrokenArchive(f"is cut off inside {member.name!r}")
            yield content
        else:
            yield from _stored(stream, member, member.stored)
        return
    at = 0
    for offset, size in [*member.extents, (member.size, 0)]:
        for start in range(at, offset, CHUNK):
            yield bytes(min(CHUNK, offset - start))
        yield from _stored(stream, member, size)
        at = offset + size


def _stored(stream: Stream, member: Member, size: int) -> Iterator[bytes]:
    while size:
        piece = stream.read(min(size, CHUNK))
        if not piece:
            raise BrokenArchive(f"is cut off inside {member.name!r}")
        size -= len(piece)
        yield piece


def padded(size: int) -> int:
    """The bytes that a content of `size` takes: whole blocks."""
    return -(-size // BLOCK) * BLOCK


def number(field: bytes) -> int:
    """A number: octal digits between spaces and NULs, or with a first byte of 80 (hexadecimal) the rest in base 256."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if digits.strip(b"01234567") or (digits and not field[0]):  # behind a NUL some see a number, and others nothing
        raise BrokenArchive("is cut off or damaged: invalid header")
    return int(digits or b"0", 8)


def decimal(text: str) -> int:
    """A number as extended headers have it."""
    if not text or text.strip("0123456789"):
        raise BrokenArchive("is cut off or damaged: invalid extended header")
    return int(text)


def is_sound(header: bytes) -> bool:
    """Whether a header has its checksum: of its bytes, signed or not, its own field taken for spaces."""
    try:
        expected = number(header[148:156])
    except BrokenArchive:
        return False
    # Adler-32 has the sum of so few bytes, plus one, in its lower half, and is ten times as quick as `sum`.
    total = (adler32(header[:256]) & 0xFFFF) + (adler32(header[256:]) & 0xFFFF) - 2 - sum(header[148:156]) + 256
    return total == expected or total - 256 * sum(1 for byte in header if byte > 127) == expected


def _no_header(header: bytes, at: int) -> str:
    if at == 0:
        return "is no tar archive" if header else "is empty"
    word = "empty header" if not header else "truncated header" if len(header) < BLOCK else "bad checksum"
    return "is cut off or damaged: " + word


def _payload(stream: Stream, size: int) -> bytes:
    if size > LONGEST_HEADER:
        raise BrokenArchive(f"has an extended header of {size} bytes")
    return stream.exactly(padded(size))[:size]


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "surrogateescape")


class Said:
    """What was said of the next member before its own header."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.given: Set[object] = set()
        self.records: Dict[str, str] = {}
        self.extents: Optional[Extents] = None
        self.is_map_ahead = False  # of the content of a sparse file

    def take(self, kind: bytes, payload: bytes) -> None:
        """Add an extended header, or a long name of GNU tar's; each comes once."""
        if kind in (LONG_NAME, LONG_LINK):
            self._once("path" if kind == LONG_NAME else "linkpath", _text(payload))
            return
        records = list(pax_records(payload))
        if kind == GLOBAL:
            if any(key in NO_ONES_OWN or key.startswith("GNU.") for key, _ in records):
                raise BrokenArchive("has a global header that names or measures all its members alike")
            return
        if EXTENDED in self.given:
            raise BrokenArchive("has two extended headers for one member")
        self.given.add(EXTENDED)
        pieces = [(key, decimal(value)) for key, value in records if key in PIECE]
        if any(key != PIECE[at % 2] for at, (key, _) in enumerate(pieces)):
            raise BrokenArchive("is cut off or damaged: invalid extended header")
        for key, value in dict(records).items():
            self._once(key, value)
        self._take_extents([value for _, value in pieces])

    def _once(self, key: str, value: str) -> None:
        if self.records.setdefault(key, value) != value:
            raise BrokenArchive(f"has two names for one member: {self.records[key]!r} and {value!r}")
        self.given.add(key)

    def _take_extents(self, listed: List[int]) -> None:
        """The three ways of pax to describe a sparse file, one at a time: GNU tar's formats 0.0, 0.1 and 1.0."""
        ways = ("GNU.sparse.map" in self.records, bool(listed), "GNU.sparse.major" in self.records)
        sizes = {self.records[key] for key in ("GNU.sparse.size", "GNU.sparse.realsize") if key in self.records}
        if sum(ways) > 1 or len(sizes) > 1:
            raise BrokenArchive("has a sparse file in a form that is not known")
        if "GNU.sparse.map" in self.records:
            self.extents = _pairs([decimal(part) for part in self.records["GNU.sparse.map"].split(",") if part])
        elif "GNU.sparse.numblocks" in self.records:
            self.extents = _pairs(listed)
        elif (self.records.get("GNU.sparse.major"), self.records.get("GNU.sparse.minor")) == ("1", "0"):
            self.extents, self.is_map_ahead = [], True
        elif any(key.startswith(("GNU.sparse.", "SCHILY.real")) for key in self.records):
            raise BrokenArchive("has a sparse file in a form that is not known")
        if self.records.get("hdrcharset", CHARSETS[0]) not in CHARSETS:
            raise BrokenArchive(f"has names in {self.records['hdrcharset']!r}")

    def member(self, header: bytes, kind: bytes) -> Member:
        """The member of this header, by all that was said of it."""
        name, ustar = _text(header[:100]), header[257:263] == b"ustar\0"
        if header[345] and "path" not in self.records:
            if not ustar:
                raise BrokenArchive(f"has a name, {name!r}, that not all readers begin alike")
            name = _text(header[345:500]) + "/" + name
        records = self.records
        name = records.get("GNU.sparse.name", records.get("path", name))
        size = decimal(records["size"]) if "size" in records else number(header[124:136])
        word = FOLDER if kind == b"\0" and name.endswith("/") else KINDS.get(kind, SPECIAL)
        if (kind in WITHOUT_CONTENT or word == FOLDER) and size:
            raise BrokenArchive(f"has {name!r} with a content, which its kind has not")
        mtime = 0 if header[136] > 127 else number(header[136:148])
        member = Member(
            name, word, records.get("linkpath", _text(header[157:257])), number(header[100:108]), size, mtime
        )
        if self.extents is not None:
            member.extents = self.extents
            member.size = decimal(records.get("GNU.sparse.realsize", records.get("GNU.sparse.size", "")))
        if "\0" in name + member.target:
            raise BrokenArchive("is cut off or damaged: invalid header")
        return member


def pax_records(payload: bytes) -> Iterator[Tuple[str, str]]:
    """The records `<length> <key>=<value>` of an extended header; whatever is none is an error."""
    at = 0
    while at < len(payload):
        length = payload[at : at + 20].partition(b" ")[0]
        end = at + int(length) if length.isdigit() else 0
        key, equals, value = payload[at + len(length) + 1 : end - 1].partition(b"=")
        if not equals or not key or end > len(payload) or payload[end - 1 : end] != b"\n":
            raise BrokenArchive("is cut off or damaged: invalid extended header")
        text = value.decode("utf-8", "surrogateescape")
        if not text and key in (b"path", b"linkpath", b"size"):
            raise BrokenArchive("is cut off or damaged: invalid extended header")
        yield key.decode("utf-8", "surrogateescape"), text
        at = end


def _old_extents(stream: Stream, header: bytes) -> Extents:
    """Where the content of a sparse file of GNU tar's own format belongs, as the header and those behind it say."""
    rows = [header[at : at + 24] for at in range(386, 482, 24)]
    more = header[482]
    while more:
        block = stream.exactly(BLOCK)
        rows += [block[at : at + 24] for at in range(0, 504, 24)]
        more = block[504]
    pairs = [(number(row[:12]), number(row[12:])) for row in rows if row.strip(b"\0")]
    return pairs or [(number(header[483:495]), 0)]


def _extents_ahead(stream: Stream) -> Extents:
    """The map that stands before the content: decimal numbers, a line each, the first of them says how many pairs."""
    text, count, needed = b"", 0, 1
    while count < needed:
        text += stream.exactly(BLOCK)
        count = text.count(b"\n")
        if count:
            needed = 1 + 2 * decimal(text.partition(b"\n")[0].decode("latin-1"))
        if len(text) > LONGEST_HEADER:
            raise BrokenArchive("has a sparse file of too many pieces")
    return _pairs([decimal(line.decode("latin-1")) for line in text.split(b"\n")[1:needed]])


def _pairs(numbers: List[int]) -> Extents:
    if len(numbers) % 2:
        raise BrokenArchive("is cut off or damaged: invalid extended header")
    return [(numbers[at], numbers[at + 1]) for at in range(0, len(numbers), 2)]


def _expect_sense(member: Member) -> None:
    """The pieces of a sparse file lie one behind the other, within it, and are what is stored."""
    at, stored = 0, 0
    for offset, size in member.extents or []:
        if offset < at or size < 0:
            at = -1
            break
        at, stored = offset + size, stored + size
    if at < 0 or at > member.size or stored != member.stored:
        raise BrokenArchive(f"has a sparse file, {member.name!r}, whose pieces make no whole")
