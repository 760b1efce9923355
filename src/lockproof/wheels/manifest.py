"""What a wheel puts into an environment: every file, launcher and startup line, known from its bytes alone (PEP 427).

`read_manifest` is pure: it is given what the archive holds (`WheelContents`) and says what will land. Nothing here
depends on an environment's path, on the installer or on the umask.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lockproof.digests import hex_of_record_hash, record_hash, sha256_hex, writes_hex
from lockproof.errors import LockError
from lockproof.proof.fingerprint import FileFact, Finding
from lockproof.pythons.layout import canonical_name
from lockproof.wheels.launchers import (
    EntryPointScript,
    Launcher,
    RewrittenScript,
    canonical_script_source,
    console_and_gui_scripts,
    left_out_script,
    predict_script,
)
from lockproof.wheels.startup import is_startup_file, startup_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SCHEMES = ("purelib", "platlib", "headers", "scripts", "data")
_NO_NAMES = frozenset(("", ".", ".."))
# Files that an installer writes itself, so a wheel's own copy never lands.
_INSTALLER_FILES = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "RECORD.jws", "RECORD.p7s")


class Member(NamedTuple):
    """One file of the archive: its name there, what its bytes are, and whether it is marked executable or a link."""

    name: str
    sha256: str
    size: int
    executable: bool = False
    symlink: bool = False


class LandingFile(NamedTuple):
    """One file that lands: its logical path, the archive's member, and its bytes as installed before any rewriting."""

    path: str
    member: str
    sha256: str
    size: int
    executable: bool


class LandingScript(NamedTuple):
    """A `.data/scripts` file whose first line will name the environment's Python.

    `sha256` is that of its bytes with `#!python` as first line; `fact` is how it will be observed: (kind, value, size).
    """

    path: str
    member: str
    sha256: str
    fact: FileFact


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What one wheel puts into an environment, in logical paths."""

    name: str
    version: str
    filename: str
    sha256: str
    dist_info: str
    files: tuple[LandingFile, ...]
    scripts: tuple[LandingScript, ...] = ()
    launchers: tuple[EntryPointScript, ...] = ()
    startup: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelContents:
    """What an archive holds: its members in order, and the bytes of those that decide about others.

    `texts` has, by member name, the .dist-info files, `.data/scripts` files and startup files. A script that does not
    start with `#!` may be there as b"".
    """

    filename: str
    sha256: str
    members: Sequence[Member]
    texts: Mapping[str, bytes]


def wants_text(member: str) -> bool:
    """Whether `read_manifest` needs this member's bytes."""
    folder, _, name = member.partition("/")
    if folder.endswith(".dist-info"):
        return name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")
    return ".data/scripts/" in member or is_startup_file(_landing_path(member, "", folder.removesuffix(".data")) or "")


def read_manifest(contents: WheelContents) -> Manifest:
    """The manifest of a wheel; raises LockError, naming the wheel, for one that must not be installed at all."""
    dist_info = _dist_info(contents)
    name, version = _identity(contents, dist_info)
    unique = {
        member.name: member for member in contents.members
    }  # a duplicate's last copy lands, as in every installer
    files: dict[str, LandingFile] = {}
    scripts: list[LandingScript] = []
    points = contents.texts.get(f"{dist_info}/entry_points.txt", b"").decode("utf-8", "replace")
    launchers = _launchers(points, contents)
    launcher_names = {launcher.name for launcher in launchers}
    findings = _findings(contents, dist_info, unique)
    startup: list[str] = []
    left_out: list[Finding] = []
    for member in unique.values():
        path = _landing_path(member.name, dist_info, name)
        if path is None:
            continue
        if path.startswith("scripts/") and left_out_script(path[8:], launcher_names):
            text = f"{contents.filename}: {member.name} gives way to an entry point; pip and uv keep its row in RECORD"
            left_out.append(Finding("record-ghost", f"site/{member.name}", text, "note"))
            continue
        if path.startswith("scripts/") and (script := _script(path, member, contents)) is not None:
            scripts.append(script)
            continue
        if path in files and files[path].sha256 != member.sha256:
            raise _refused(contents, f"two members land at {path}: {files[path].member} and {member.name}")
        executable = member.executable or path.startswith("scripts/")
        files[path] = LandingFile(path, member.name, member.sha256, member.size, executable)
        if is_startup_file(path):
            startup += startup_lines(path, contents.texts[member.name])
    _refuse_file_as_folder(contents, [*files, *(script.path for script in scripts)])
    return Manifest(
        name=canonical_name(name),
        version=version,
        filename=contents.filename,
        sha256=contents.sha256,
        dist_info=dist_info,
        files=tuple(sorted(files.values())),
        scripts=tuple(sorted(scripts)),
        launchers=tuple(launchers),
        startup=tuple(startup),
        findings=tuple(sorted((*findings, *left_out))),
    )


def _refused(contents: WheelContents, why: str) -> LockError:
    return LockError(
        f"the wheel {contents.filename} can't be installed",
        why=why,
        remedy="report it to its maintainers, and lock another version or build of it",
    )


def _refuse_file_as_folder(contents: WheelContents, paths: Sequence[str]) -> None:
    folders = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder not in folders and folder:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    for path in paths:
        if path in folders:
            raise _refused(contents, f"it has both a file and a folder at {path}")


def _script(path: str, member: Member, contents: WheelContents) -> LandingScript | None:
    """What becomes of a `.data/scripts` file; None for one that is copied as it is."""
    source = contents.texts[member.name]
    canonical, seen = canonical_script_source(source), predict_script(source)
    if canonical is None or seen is None:
        return None
    match seen:
        case Launcher():
            fact = FileFact("e", f"{seen.module}:{seen.attr}")
        case RewrittenScript():
            fact = FileFact("s", seen.sha256, seen.size)
    return LandingScript(path, member.name, sha256_hex(canonical), fact)


def _launchers(points: str, contents: WheelContents) -> list[EntryPointScript]:
    try:
        launchers = console_and_gui_scripts(points)
    except ValueError as error:
        raise _refused(contents, f"its entry_points.txt can't be read: {error}") from error
    for name, *_ in launchers:
        if "/" in name or "\\" in name or name in ("", ".", ".."):
            raise _refused(contents, f"its entry point {name!r} would leave the scripts folder")
    return launchers


def _dist_info(contents: WheelContents) -> str:
    folders = sorted({m.name.partition("/")[0] for m in contents.members if ".dist-info/" in m.name})
    folders = [folder for folder in folders if folder.endswith(".dist-info")]
    if len(folders) != 1:
        raise _refused(contents, f"it has {len(folders)} .dist-info folders ({', '.join(folders) or 'none'}), not one")
    return folders[0]


def _identity(contents: WheelContents, dist_info: str) -> tuple[str, str]:
    """Name and version, from METADATA; both must agree with the .dist-info folder (PEP 427)."""
    for needed in ("METADATA", "WHEEL", "RECORD"):
        if f"{dist_info}/{needed}" not in contents.texts:
            raise _refused(contents, f"it has no {dist_info}/{needed}")
    name, version = metadata_identity(contents.texts[f"{dist_info}/METADATA"])
    folder_name, _, folder_version = dist_info.removesuffix(".dist-info").partition("-")
    same_name = canonical_name(name) == canonical_name(folder_name)
    if not name or not version or not same_name or not _is_same_version(version, folder_version):
        raise _refused(contents, f"its METADATA says {name!r} {version!r}, which is not its folder {dist_info}")
    return name, version


def _is_same_version(left: str, right: str) -> bool:
    if left == right:
        return True
    from packaging.version import InvalidVersion, Version  # 80 ms, and nearly every wheel spells them alike

    try:
        return Version(left) == Version(right.replace("_", "-"))
    except InvalidVersion:
        return False


def metadata_identity(metadata: bytes) -> tuple[str, str]:
    """Name and version of a METADATA file's header ("" where missing)."""
    name = version = ""
    for line in metadata.decode("utf-8", "replace").splitlines():
        if not line:
            break
        key, _, value = line.partition(":")
        if key.lower() == "name" and not name:
            name = value.strip()
        elif key.lower() == "version" and not version:
            version = value.strip()
    return name, version


def _landing_path(member: str, dist_info: str, name: str) -> str | None:
    """The logical path at which a member lands; None for one that does not land."""
    folder, slash, rest = member.partition("/")
    if folder == dist_info and rest in _INSTALLER_FILES:
        return None
    if member.endswith(".pyc") and "__pycache__" in member.split("/"):
        return None  # bytecode is made from its source, never shipped: see the finding
    if not (slash and folder.endswith(".data")):
        return f"site/{member}"
    scheme, _, below = rest.partition("/")
    if scheme not in _SCHEMES or not below:
        return None
    if scheme in ("purelib", "platlib"):
        return f"site/{below}"
    if scheme == "headers":
        return f"headers/{canonical_name(name)}/{below}"
    return f"{scheme}/{below}"


def check_member_name(name: str) -> str | None:
    """Why a member of this name must not be unpacked; None for a good one."""
    if "\\" in name or "\0" in name:
        return "a backslash or NUL in its name"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "an absolute path"
    if not _NO_NAMES.isdisjoint(name.rstrip("/").split("/")):
        return "a path that leaves the environment"
    return None


def parse_record(content: bytes) -> list[tuple[str, str, str]]:
    """RECORD's rows as (path, hash field, size field); CRLF tolerated; ValueError for text that is no CSV (PEP 376)."""
    text = content.decode("utf-8", "surrogateescape")
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except csv.Error as error:
        raise ValueError(str(error)) from error
    return [(row[0], row[1] if len(row) > 1 else "", row[2] if len(row) > 2 else "") for row in rows]


def _findings(contents: WheelContents, dist_info: str, unique: Mapping[str, Member]) -> tuple[Finding, ...]:
    """What is odd about a wheel but doesn't keep it from being installed as locked: notes, each naming a member."""
    notes: list[tuple[str, str, str]] = []
    if len(unique) != len(contents.members):
        seen: set[str] = set()
        for member in contents.members:
            if member.name in seen:
                notes.append(("duplicate-member", member.name, "is in the archive twice; the last copy lands"))
            seen.add(member.name)
    for member in unique.values():
        if member.symlink:
            notes.append(("symlink-member", member.name, "is marked as a link; it lands as a file"))
        if "__pycache__" in member.name and member.name.endswith(".pyc"):
            notes.append(("shipped-bytecode", member.name, "is bytecode; it does not land"))
        if member.name == f"{dist_info}/direct_url.json":
            notes.append(("shipped-direct-url", member.name, "belongs to installers; it does not land"))
        folder, _, rest = member.name.partition("/")
        if folder.endswith(".data") and rest.partition("/")[0] not in _SCHEMES:
            notes.append(("unknown-scheme", member.name, "has no place in an environment; it does not land"))
    notes += _record_notes(contents.texts[f"{dist_info}/RECORD"], dist_info, unique)
    return tuple(
        Finding(code, f"site/{path}", f"{contents.filename}: {path} {text}", "note")
        for code, path, text in sorted(notes)
    )


def _is_another(field: str, sha256: str) -> bool:
    """Whether a hash field of RECORD, however written, is that of other bytes."""
    return hex_of_record_hash(field) not in (None, sha256)


def _record_notes(record: bytes, dist_info: str, unique: Mapping[str, Member]) -> list[tuple[str, str, str]]:
    try:
        rows = parse_record(record)
    except ValueError as error:
        return [("record-unreadable", f"{dist_info}/RECORD", f"is no CSV: {error}")]
    notes = [("record-hex", f"{dist_info}/RECORD", "has digests in hexadecimal")] if writes_hex(record) else []
    unlisted = {name for name in unique if not name.startswith(f"{dist_info}/RECORD")}
    for path, field, _size in rows:
        unlisted.discard(path)
        if path not in unique:
            notes.append(("record-ghost", path, "is a row of RECORD without a member"))
        elif field and field != record_hash(unique[path].sha256) and _is_another(field, unique[path].sha256):
            notes.append(("record-hash", path, "is not what the wheel's own RECORD says"))
    notes += [("record-unlisted", path, "is not listed in RECORD") for path in unlisted]
    return notes
