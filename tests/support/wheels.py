"""Right and wrong wheels for tests, made in memory, the same bytes on every machine (PEP 427, PEP 491)."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import re
import stat
import warnings
import zipfile
from typing import TYPE_CHECKING

from lockproof.digests import record_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

Content = bytes | str
Row = tuple[str, str, str]  # path, "sha256=…", size: one row of RECORD
Member = tuple[zipfile.ZipInfo, bytes]  # one raw member of the archive


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, as 64 hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def member(name: str, content: Content = b"", mode: int = stat.S_IFREG | 0o644) -> Member:
    """A raw member of the archive, with any name and mode."""
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.create_system = 3  # unix: the mode below is read
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info, _bytes(content)


def link_member(name: str, target: str) -> Member:
    """A raw member that is a symbolic link to `target`."""
    return member(name, target, stat.S_IFLNK | 0o777)


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, Content] | None = None,
    *,
    tag: str = "py3-none-any",
    entry_points: Mapping[str, Mapping[str, str]] | None = None,
    scripts: Mapping[str, Content] | None = None,
    data: Mapping[str, Content] | None = None,
    requires: Iterable[str] = (),
    requires_python: str | None = None,
    purelib: bool = True,
    record: Callable[[list[Row]], list[Row]] | None = None,
    extra_members: Sequence[Member] = (),
    executables: Collection[str] = (),
) -> Path:
    """Write `<folder>/<name>-<version>-<tag>.whl` and return its path.

    `files` go to the root of the archive (default: one module named after the project); a path that starts
    with `*.dist-info/` goes to the dist-info folder and may replace a file there. `entry_points` is group ->
    name -> `module:attr`; `scripts` is name -> content for `.data/scripts`, `data` `scheme/path` -> content
    for the rest of `.data`. `executables` are archive paths with the execute bits; scripts have them
    always. `record` gets all the rows, RECORD's own last, and returns those to write. `extra_members` are put
    in as they are, before RECORD and unknown to it: duplicates, symbolic links, names with `..`.
    """
    stem = f"{re.sub(r'[-_.]+', '_', name).lower()}-{version}"
    info, data_folder = f"{stem}.dist-info", f"{stem}.data"
    if files is None:
        files = {f"{stem.split('-')[0]}.py": f'__version__ = "{version}"\n'}
    contents: dict[str, Content] = {path: text for path, text in files.items() if not path.startswith("*")}
    contents |= {f"{data_folder}/scripts/{path}": text for path, text in (scripts or {}).items()}
    executable = {*executables, *(path for path in contents if path.startswith(f"{data_folder}/scripts/"))}
    contents |= {f"{data_folder}/{path}": text for path, text in (data or {}).items()}
    contents[f"{info}/METADATA"] = _metadata(name, version, requires, requires_python)
    contents[f"{info}/WHEEL"] = _wheel_file(tag, purelib=purelib)
    if entry_points:
        contents[f"{info}/entry_points.txt"] = _entry_points(entry_points)
    contents |= {path.replace("*.dist-info", info): text for path, text in files.items() if path.startswith("*")}

    rows = [
        (path, record_hash(hashlib.sha256(_bytes(text)).hexdigest()), str(len(_bytes(text))))
        for path, text in contents.items()
    ]
    rows.append((f"{info}/RECORD", "", ""))
    members = [
        member(path, text, stat.S_IFREG | (0o755 if path in executable else 0o644)) for path, text in contents.items()
    ]
    members += [*extra_members, member(f"{info}/RECORD", _record(record(rows) if record else rows))]
    wheel = folder / f"{stem}-{tag}.whl"
    _write(wheel, members)
    return wheel


def _bytes(content: Content) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _metadata(name: str, version: str, requires: Iterable[str], requires_python: str | None) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    if requires_python is not None:
        lines.append(f"Requires-Python: {requires_python}")
    return "\n".join([*lines, *(f"Requires-Dist: {requirement}" for requirement in requires), ""])


def _wheel_file(tag: str, *, purelib: bool) -> str:
    """The WHEEL file; a compressed tag such as `py2.py3-none-any` becomes one line a meaning."""
    tags = itertools.product(*(part.split(".") for part in tag.split("-")[-3:]))
    lines = ["Wheel-Version: 1.0", "Generator: lockproof tests", f"Root-Is-Purelib: {str(purelib).lower()}"]
    return "\n".join([*lines, *(f"Tag: {'-'.join(parts)}" for parts in tags), ""])


def _entry_points(groups: Mapping[str, Mapping[str, str]]) -> str:
    return "\n".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in groups.items()
    )


def _record(rows: Iterable[Row]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _write(wheel: Path, members: Iterable[Member]) -> None:
    wheel.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(), zipfile.ZipFile(wheel, "w") as archive:
        warnings.filterwarnings("ignore", "Duplicate name")  # duplicates are made on purpose
        for info, content in members:
            archive.writestr(info, content)
