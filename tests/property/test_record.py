"""Laws of RECORD: what we write is read back, by us and by the standard library, whatever files are called."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from lockproof.digests import hex_of_record_hash, hex_of_record_hashes, is_sha256, record_hash, sha256_hex
from lockproof.reading.ownership import _is_plain_path, _record_rows
from lockproof.wheels.entryfiles import INSTALLER, quoted, static_record
from lockproof.wheels.manifest import LandingFile, Manifest, parse_record

_SIGNS = st.sampled_from("\n\r \t,\"';#=\x1b\udc80\udcffé\u2028\U0001f40d/.ab")
_PATHS = st.text(_SIGNS, min_size=1, max_size=10)
_HEX = st.integers(0, 2**256 - 1).map("{:064x}".format)
FILES = st.lists(st.tuples(_PATHS, _HEX, st.integers(0, 2**40)), max_size=5, unique_by=lambda row: row[0])


def manifest_of(files: list[tuple[str, str, int]]) -> Manifest:
    landing = [LandingFile(f"site/{path}", path, digest, size, executable=False) for path, digest, size in files]
    outside = LandingFile("data/share/x", "x", "0" * 64, 1, executable=False)
    return Manifest(
        name="x",
        version="1",
        filename="x.whl",
        sha256="0" * 64,
        dist_info="x-1.dist-info",
        files=(*sorted(landing), outside),
    )


@given(FILES)
def test_the_static_record_is_read_back(files: list[tuple[str, str, int]]) -> None:
    rows = parse_record(static_record(manifest_of(files)))
    expected = [(path, record_hash(digest), str(size)) for path, digest, size in files]
    expected.append(("x-1.dist-info/INSTALLER", record_hash(sha256_hex(INSTALLER)), str(len(INSTALLER))))
    assert (sorted(rows[:-1]), rows[-1]) == (sorted(expected), ("x-1.dist-info/RECORD", "", ""))


@given(_PATHS)
def test_a_quoted_path_is_one_csv_field(path: str) -> None:
    [row] = csv.reader(io.StringIO(f"{quoted(path)},b\n", newline=""))
    assert row == [path, "b"]


@given(FILES)
def test_line_ends_do_not_matter(files: list[tuple[str, str, int]]) -> None:
    plain = [row for row in files if not set(row[0]) & {"\n", "\r"}]
    record = static_record(manifest_of(plain))
    assert parse_record(record.replace(b"\n", b"\r\n")) == parse_record(record)


@given(_HEX)
def test_a_hash_field_is_read_back(digest: str) -> None:
    assert hex_of_record_hash(record_hash(digest)) == digest
    assert hex_of_record_hash(f"{record_hash(digest)}=") == digest  # padding is tolerated
    assert hex_of_record_hash(f"sha256={digest}") == digest


@given(st.text(max_size=50) | st.text(max_size=50).map("sha256=".__add__))
def test_any_other_field_is_none_or_a_digest(field: str) -> None:
    digest = hex_of_record_hash(field)
    assert digest is None or is_sha256(digest)


@given(st.binary(max_size=200))
def test_any_bytes_are_rows_or_a_value_error(content: bytes) -> None:
    try:
        rows = parse_record(content)
    except ValueError:
        return
    assert all(len(row) == 3 for row in rows)


_FIELDS = _HEX.map(record_hash)
_ODD_FIELDS = st.one_of(
    st.just(""),
    _HEX.map(lambda digest: f"sha256={digest}"),
    _FIELDS.map(lambda field: f"{field}="),
    _FIELDS.map(lambda field: f"{field[:-1]}*"),
    st.tuples(_FIELDS, _FIELDS).map("\n".join),
    st.tuples(_FIELDS, _FIELDS).map("".join),
    st.text(max_size=50),
)


@given(st.lists(st.one_of(_FIELDS, st.just("")), max_size=8), st.lists(_ODD_FIELDS, max_size=2))
def test_many_hash_fields_are_read_as_each_is(usual: list[str], odd: list[str]) -> None:
    fields = [*usual, *odd]
    assert hex_of_record_hashes(fields) == [hex_of_record_hash(field) if field else None for field in fields]


@given(st.text(st.sampled_from('/."\n\r,a'), max_size=20).map(str.encode))
def test_a_row_is_plain_by_its_path_alone(record: bytes) -> None:
    assert all(plain == _is_plain_path(path) for path, _, _, _, plain in _record_rows(record))
