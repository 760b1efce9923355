"""The members of tar streams: what `tarfile` reads of the same bytes, and refused where readers would not agree."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockproof.reading.tarheaders import (
    BLOCK,
    BrokenArchive,
    Stream,
    block_behind,
    content_of,
    decimal,
    is_sound,
    members,
    number,
    padded,
    pax_records,
)

KINDS = {"file": b"0", "link": b"2", "hard link": b"1", "folder": b"5", "special": b"6"}
Row = tuple[str, str, str, int, bytes]


def read(archive: bytes) -> list[Row]:
    """(name, kind, target, mode, content) of each member."""
    stream = Stream(io.BytesIO(archive))
    rows = []
    for member in members(stream, stream.read(BLOCK)):
        content = b"".join(content_of(stream, member)) if member.kind == "file" else b""
        assert len(content) == (member.size if member.kind == "file" else 0)
        rows.append((member.name.rstrip("/"), member.kind, member.target, member.mode, content))
    assert block_behind(stream) == b""
    return rows


def archive_of(rows: list[Row], form: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, encoding="utf-8", errors="surrogateescape") as tar:
        for name, kind, target, mode, content in rows:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode, info.size = KINDS[kind], target, mode, len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def names(longest: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1, max_size=longest)


ROWS = st.tuples(
    names(300),
    st.sampled_from(["file", "link", "hard link", "folder", "special"]),
    names(300),
    st.integers(0, 0o7777),
    st.binary(max_size=1200),
).map(
    lambda row: (
        row[0],
        row[1],
        row[2] if "link" in row[1] else "",
        row[3],
        row[4] if row[1] == "file" else b"",
    )
)


@given(st.lists(ROWS, max_size=5), st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
def test_what_was_written_is_read(rows: list[Row], form: int) -> None:
    assert read(archive_of(rows, form)) == rows


@given(st.lists(ROWS, min_size=1, max_size=3), st.data())
def test_a_changed_byte_is_read_as_tarfile_does_or_refused(rows: list[Row], data: st.DataObject) -> None:
    """In a header; the contents have no checksum."""
    whole = bytearray(archive_of(rows, tarfile.GNU_FORMAT))
    at = data.draw(st.integers(0, BLOCK - 1))
    whole[at] = data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))
    if 148 <= at < 156:
        try:
            read(bytes(whole))
        except BrokenArchive:
            return
    else:
        with pytest.raises(BrokenArchive):
            read(bytes(whole))
        return
    assert read(bytes(whole)) == rows


def header(name: str = "x", kind: bytes = b"0", *, magic: bytes = b"ustar\0", size: bytes = b"0", **at: bytes) -> bytes:
    """A header block; `at` are further bytes, by `_<offset>`."""
    block = bytearray(BLOCK)
    fields = {0: name.encode(), 100: b"0000644\0", 124: size, 156: kind, 257: magic}
    for start, content in (fields | {int(key[1:]): content for key, content in at.items()}).items():
        block[start : start + len(content)] = content
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def pax(kind: bytes = b"x", **records: str) -> bytes:
    payload = b"".join(record(key.replace("_", "."), value) for key, value in records.items())
    return header("pax", kind, size=b"%o" % len(payload)) + payload.ljust(padded(len(payload)), b"\0")


def record(key: str, value: str) -> bytes:
    rest = f" {key}={value}\n".encode()
    length = len(rest) + 1
    while len(str(length)) + len(rest) != length:
        length += 1
    return str(length).encode() + rest


def long(kind: bytes, name: str) -> bytes:
    return header("././@LongLink", kind, size=b"%o" % len(name)) + name.encode().ljust(padded(len(name)), b"\0")


END = bytes(2 * BLOCK)


@pytest.mark.parametrize(
    ("archive", "why"),
    [
        (pax(path="a") + pax(path="a") + header(), "has two extended headers for one member"),
        (long(b"L", "a") + pax(path="b") + header(), "has two names for one member: 'a' and 'b'"),
        (long(b"K", "a") + long(b"K", "b") + header(), "has two names for one member"),
        (pax(b"g", path="a") + header(), "has a global header that names or measures all its members alike"),
        (pax(b"g", size="1") + header(), "has a global header"),
        (pax(path="") + header(), "is cut off or damaged: invalid extended header"),
        (pax(size="-1") + header(), "is cut off or damaged: invalid extended header"),
        (pax(size="1_0") + header(), "is cut off or damaged: invalid extended header"),
        (pax(path="a\0b") + header(), "is cut off or damaged: invalid header"),
        (pax(hdrcharset="EBCDIC") + header(), "has names in 'EBCDIC'"),
        (pax(path="a"), "is cut off or damaged: an extended header of nothing"),
        (header("x", b"x", size=b"7777777"), "has an extended header of 2097151 bytes"),
        (header(_345=b"prefix", magic=b"ustar  "), "has a name, 'x', that not all readers begin alike"),
        (header(_345=b"prefix", magic=b""), "has a name, 'x', that not all readers begin alike"),
        (header("d", b"5", size=b"10"), "has 'd' with a content, which its kind has not"),
        (header("d/", b"\0", size=b"10"), "has 'd/' with a content, which its kind has not"),
        (header(size=b"\0" + b"1"), "is cut off or damaged: invalid header"),
        (header("l", b"1", size=b"10", _157=b"x"), "has 'l' with a content, which its kind has not"),
        (header(size=b"8"), "is cut off or damaged: invalid header"),
        (header(size=b"1 1"), "is cut off or damaged: invalid header"),
        (header(size=b"\xff" * 12), "is cut off or damaged: invalid header"),
        (header(size=b"1"), "is cut off inside 'x'"),
        (header(), "is cut off or damaged: empty header"),
        (pax(GNU_sparse_size="1", GNU_sparse_name="a") + header(), "has a sparse file in a form that is not known"),
        (pax(SCHILY_realsize="1") + header(), "has a sparse file in a form that is not known"),
        (pax(GNU_sparse_map="0,1,5", GNU_sparse_size="9") + header(), "is cut off or damaged: invalid extended"),
        (pax(GNU_sparse_numblocks="1", GNU_sparse_numbytes="1", GNU_sparse_offset="2", GNU_sparse_size="9")
         + header(size=b"1") + b"x" * BLOCK, "is cut off or damaged: invalid extended"),
        (pax(GNU_sparse_map="0,1", GNU_sparse_major="1", GNU_sparse_minor="0", GNU_sparse_size="9")
         + header(size=b"1") + b"x" * BLOCK, "has a sparse file in a form"),
        (pax(GNU_sparse_map="0,1", GNU_sparse_size="9", GNU_sparse_realsize="8")
         + header(size=b"1") + b"x" * BLOCK, "has a sparse file in a form"),
        (pax(GNU_sparse_map="5,1,0,1", GNU_sparse_size="9") + header(size=b"2") + b"x" * BLOCK, "has a sparse file"),
        (pax(GNU_sparse_map="0,1", GNU_sparse_size="9") + header(size=b"2") + b"x" * BLOCK, "has a sparse file, 'x'"),
        (pax(GNU_sparse_map="9,1", GNU_sparse_size="9") + header(size=b"1") + b"x" * BLOCK, "has a sparse file, 'x'"),
    ],
)  # fmt: skip
def test_what_readers_would_not_agree_on_is_refused(archive: bytes, why: str) -> None:
    with pytest.raises(BrokenArchive) as caught:
        read(archive + (b"" if "empty" in why or "inside" in why else END))
    assert str(caught.value).startswith(why)


def test_names_come_from_wherever_they_are() -> None:
    archive = (
        header("name", _345=b"prefix")
        + long(b"L", "long" * 99) + long(b"K", "target" * 99) + header("cut", b"2", magic=b"ustar  ")
        + pax(path="päx", linkpath="to", comment="=\n=") + header("cut", b"2")
        + pax(b"g", comment="by git") + header("old/", b"\0", magic=b"")
        + pax(hdrcharset="BINARY", mtime="1.5") + header("raw")
        + END
    )  # fmt: skip
    assert [row[:3] for row in read(archive)] == [
        ("prefix/name", "file", ""),
        ("long" * 99, "link", "target" * 99),
        ("päx", "link", "to"),
        ("old", "folder", ""),
        ("raw", "file", ""),
    ]


def test_the_extended_size_counts() -> None:
    assert read(pax(size="3") + header() + b"abc".ljust(BLOCK, b"\0") + END) == [("x", "file", "", 0o644, b"abc")]


SPARSE = {"GNU_sparse_size": "12", "GNU_sparse_numblocks": "2"}
ONE = record("GNU.sparse.size", "12") + record("GNU.sparse.numblocks", "2") + b"".join(
    record(f"GNU.sparse.{key}", value)
    for key, value in (("offset", "2"), ("numbytes", "3"), ("offset", "9"), ("numbytes", "2"))
)  # fmt: skip
MAP = b"2\n2\n3\n9\n2\n".ljust(BLOCK, b"\0")
STORED = b"abcde".ljust(BLOCK, b"\0")


@pytest.mark.parametrize(
    "archive",
    [
        header("pax", b"x", size=b"%o" % len(ONE)) + ONE.ljust(BLOCK, b"\0") + header(size=b"5") + STORED,
        pax(GNU_sparse_map="2,3,9,2", GNU_sparse_size="12", GNU_sparse_name="x") + header("odd", size=b"5") + STORED,
        pax(GNU_sparse_major="1", GNU_sparse_minor="0", GNU_sparse_realsize="12", GNU_sparse_name="x")
        + header("odd", size=b"%o" % (BLOCK + 5)) + MAP + STORED,
        header("x", b"S", size=b"5", magic=b"ustar  ", _386=b"2".ljust(12, b"\0") + b"3".ljust(12, b"\0"),
               _410=b"11".ljust(12, b"\0") + b"2".ljust(12, b"\0"), _483=b"14") + STORED,
        header("x", b"S", size=b"5", magic=b"ustar  ", _386=b"2".ljust(12, b"\0") + b"3".ljust(12, b"\0"),
               _482=b"\1", _483=b"14") + (b"11".ljust(12, b"\0") + b"2").ljust(BLOCK, b"\0") + STORED,
    ],
    ids=["0.0", "0.1", "1.0", "GNU's own", "GNU's own, longer"],
)  # fmt: skip
def test_sparse_files_are_whole(archive: bytes) -> None:
    assert read(archive + END) == [("x", "file", "", 0o644, b"\0\0abc\0\0\0\0de\0")]


def test_a_file_that_is_one_hole_is_zeros() -> None:
    assert read(header("x", b"S", magic=b"ustar  ", _483=b"1000") + END) == [("x", "file", "", 0o644, bytes(512))]


@pytest.mark.parametrize(
    ("field", "value"),
    [(b"0000644\0", 0o644), (b"    17 \0", 15), (b"", 0), (b"\0" * 8, 0), (b"\x80" + bytes(10) + b"\5", 5)],
)
def test_numbers(field: bytes, value: int) -> None:
    assert number(field) == value


@pytest.mark.parametrize("text", ["", "-1", "+1", " 1", "1.0", "0x1", "²", "٣"])
def test_no_decimals(text: str) -> None:
    with pytest.raises(BrokenArchive):
        decimal(text)


@pytest.mark.parametrize("payload", [b"1", b"8 path=a\n", b"5 a=b", b"6 a=b\nx", b"0 a=b\n", b"6 ab=\0", b"6 =ab\n"])
def test_records_that_are_none(payload: bytes) -> None:
    with pytest.raises(BrokenArchive):
        list(pax_records(payload))


def test_checksums_of_signed_bytes_count_too() -> None:
    """Sun's and NeXT's tar made them so."""
    block = bytearray(header("\u00fc"))
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(byte - 256 if byte > 127 else byte for byte in block)
    assert [row[0] for row in read(bytes(block) + END)] == ["\u00fc"]


@given(
    st.one_of(st.binary(min_size=BLOCK, max_size=BLOCK), st.integers(0, 255).map(lambda byte: bytes([byte] * BLOCK)))
)
def test_a_header_is_sound_by_the_sum_of_its_bytes(block: bytes) -> None:
    total = sum(block[:148] + b" " * 8 + block[156:])
    for said, sound in ((total, True), (total + 1, False), (total + 65521, False), (total - 65521, False)):
        if 0 <= said < 8**7:
            assert is_sound(block[:148] + f"{said:07o}\0".encode() + block[156:]) == sound
