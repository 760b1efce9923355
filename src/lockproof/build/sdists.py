"""Source distributions on disk: unpacked with nothing getting out of the folder they go to (PEP 517, 625, 721)."""

from __future__ import annotations

import calendar
import errno
import lzma
import posixpath
import tarfile
import zipfile
import zlib
from typing import TYPE_CHECKING, NoReturn

from lockproof.build.builds import DEFAULT_EPOCH, Source
from lockproof.errors import LockError, UnavailableError
from lockproof.wheels.manifest import check_member_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from lockproof.locks.artifacts import Artifact

_BOMB_RATIO = 100  # sdists are text, which real ones pack 10:1
_BOMB_SIZE = 256 << 20
_DAMAGED = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
    *(ValueError, NotImplementedError, RuntimeError),
    OverflowError,  # a time beyond the machine's
)
_OF_THE_NAMES = frozenset(  # a disk says so of a member's name; None is said by bz2 and gzip, of damaged bytes
    (
        *(None, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.EINVAL),
        *(errno.EILSEQ, errno.ELOOP, errno.ENOENT),
    )
)


def sdist_source(artifact: Artifact, archive: Path) -> Source:
    """What is to be built of an sdist whose bytes were already checked against the lock."""

    def unpack(folder: Path) -> int:
        return unpack_sdist(archive, artifact.filename, folder)

    return Source(
        what=artifact.filename,
        name=artifact.name,
        version=artifact.version,
        unpack=unpack,
        where=artifact.where,
    )


def unpack_sdist(archive: Path, filename: str, folder: Path) -> int:
    """Put the contents of an sdist's one top folder into `folder`; the time of its newest member, in Unix seconds.

    Raises LockError for a damaged archive, and for one with members that leave the folder, links that do or that other
    members go through, devices, names that the disk refuses, or no single top folder. Nothing of such an archive is
    written outside of `folder`. Raises OSError where the disk says no for another reason.
    """
    inner = folder.with_name(f"{folder.name}.unpacked")
    inner.mkdir()
    try:
        newest = _unpack_zip(archive, inner) if filename.endswith(".zip") else _unpack_tar(archive, inner)
    except _RefusedError as error:
        _refuse(filename, str(error))
    except KeyError as error:  # a hard link to nothing
        _refuse(filename, f"it can't be unpacked ({error.args[0]})")
    except _DAMAGED as error:
        _refuse(filename, f"it can't be unpacked ({error})")
    except OSError as error:
        if error.errno not in _OF_THE_NAMES:
            raise
        _refuse(filename, f"it can't be unpacked ({error.strerror or error})")
    tops = sorted(path.name for path in inner.iterdir())
    top = inner / tops[0] if tops else inner
    if len(tops) != 1 or top.is_symlink() or not top.is_dir():
        _refuse(filename, f"it has {', '.join(tops[:3]) or 'nothing'} at its top, and not one folder")
    folder.rmdir()
    top.rename(folder)
    inner.rmdir()
    return max(newest, DEFAULT_EPOCH)


class _RefusedError(Exception):
    """Why an archive must not be unpacked."""


def _refuse(filename: str, why: str) -> NoReturn:
    raise LockError(
        f"the sdist {filename} can't be built",
        why=why,
        remedy="its bytes are what the lock says: report it to its maintainers, or lock another version",
    )


def _unpack_tar(archive: Path, folder: Path) -> int:
    if not hasattr(tarfile, "data_filter"):
        raise UnavailableError(
            "sdists can't be unpacked safely",
            why="the Python that lockproof runs on has no tarfile filters (PEP 706)",
            remedy="run lockproof on Python 3.11.4 or newer",
        )
    with tarfile.open(archive) as opened:
        members = [member for member in opened.getmembers() if member.name.strip("/.")]
        _check_names(member.name for member in members)
        _check_size(sum(member.size for member in members), archive)
        _check_links(members)
        opened.extractall(folder, members=members, filter="data")
        return int(max((member.mtime for member in members), default=0))


def _check_links(members: Sequence[tarfile.TarInfo]) -> None:
    """Links that stay inside as written, and that no member and no other link goes through.

    So what the file system makes of them is what is read here; `filter="data"` alone was led astray by chains of links.
    """
    links = {posixpath.normpath(member.name) for member in members if member.issym()}
    for member in members:
        places = [posixpath.normpath(member.name)]
        if member.issym() or member.islnk():
            base = posixpath.dirname(places[0]) if member.issym() else ""
            places.append(posixpath.normpath(posixpath.join(base, member.linkname)))
            if not _stays_inside(member.linkname, places[1]):
                raise _RefusedError(f"its member {member.name!r} is a link out of it, to {member.linkname!r}")
        if any(folder in links for place in places for folder in _folders_above(place)):
            raise _RefusedError(f"its member {member.name!r} goes through a link")


def _stays_inside(written: str, target: str) -> bool:
    """Whether a link's target is inside of the archive, whatever the folders are that it is written with."""
    parts = written.split("/")
    ups = next((count for count, part in enumerate(parts) if part != ".."), len(parts))
    return not (".." in parts[ups:] or written.startswith("/") or "\\" in written or target.split("/")[0] == "..")


def _folders_above(path: str) -> Iterable[str]:
    while path := posixpath.dirname(path):
        yield path


def _unpack_zip(archive: Path, folder: Path) -> int:
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        _check_names(member.filename for member in members)
        _check_size(sum(member.file_size for member in members), archive)
        opened.extractall(folder)  # noqa: S202 - names are checked, and links come out as plain files
        return max((calendar.timegm((*member.date_time, 0, 0, 0)) for member in members), default=0)


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if why := check_member_name(name.removeprefix("./")):
            raise _RefusedError(f"its member {name!r} has {why.replace('the environment', 'the archive')}")


def _check_size(size: int, archive: Path) -> None:
    packed = archive.stat().st_size
    if size > _BOMB_SIZE and size > _BOMB_RATIO * packed:
        raise _RefusedError(f"it would unpack from {packed} to {size} bytes")
