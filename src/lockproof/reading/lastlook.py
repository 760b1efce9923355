"""What everything in an environment looked like when its fingerprint was worked out: the next run need only look again.

Every folder and every file is asked for its lstat as before; what is spared is reading, and working out what it means.
A file that was linked again meanwhile counts where the store knows its new signature by the same bytes (`Known`).
A memory that is damaged, of another version, or that doesn't hold is none, and costs time only.
"""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from lockproof.proof.fingerprint import Fingerprint, finding_from_json, finding_to_json
from lockproof.reading.reader import TICK, ChangedDuringRead, read_file, signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lockproof.proof.fingerprint import Finding
    from lockproof.reading.reader import Known, Tree

    # real path, sha256, device, inode, mode, size, mtime_ns, ctime_ns
    Row = tuple[str, str, int, int, int, int, int, int]
    # real path, device, inode, mtime_ns, ctime_ns
    Folder = tuple[str, int, int, int, int]

_MAGIC = b"lockproof look 2\n"
_COARSE = 1_000_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class LastLook:
    """`root` is the path by which it was read; `files` and `folders` by their real paths, its own first; `links`: path
    to target; `ends`: path to where a chain of links ends.

    `unsettled` are the paths of files whose bytes must be read all the same. `layers` and `findings` are those of the
    fingerprint that came of it, `scripts` the folder of its programs; `lower` is the checksum of the look of the layer
    below, for one of several layers, `checksum` its own, where it is kept in a file.
    """

    root: str
    files: Sequence[Row]
    folders: Sequence[Folder]
    links: Mapping[str, str]
    ends: Mapping[str, str]
    unsettled: Sequence[str] = ()
    layers: Mapping[str, str] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    scripts: str = "bin"
    lower: str = ""
    checksum: str = ""

    def holds(self, known: Known) -> bool:
        """Whether everything is as it was, nothing was added, and nothing has gone."""
        lstat = os.lstat
        try:
            for folder, device, inode, mtime, ctime in self.folders:
                now = lstat(folder)
                if now.st_ino != inode or now.st_mtime_ns != mtime or now.st_ctime_ns != ctime or now.st_dev != device:
                    return False
            for path, digest, device, inode, mode, size, mtime, ctime in self.files:
                now = lstat(path)
                if now.st_ino != inode or now.st_mode != mode or now.st_size != size or now.st_dev != device:
                    return False
                if (now.st_ctime_ns != ctime or now.st_mtime_ns != mtime) and (
                    known.get((device, inode)) != (signature(now), digest)
                ):
                    return False
            return self._reads_the_same()
        except (OSError, ChangedDuringRead):
            return False

    def is_at(self, root: str) -> bool:
        """Whether it is of the folder that this path leads to, by whatever links, and was read by the same path."""
        return self.root == root and bool(self.folders) and self.folders[0][0] == os.path.realpath(root)

    def _reads_the_same(self) -> bool:
        """Whether links lead where they led, and files are the same that their times say nothing of."""
        if any(os.readlink(path) != target for path, target in self.links.items()):  # noqa: PTH115 - strings
            return False
        if any(os.path.realpath(path) != end for path, end in self.ends.items()):
            return False
        digests = {row[0]: row[1] for row in self.files} if self.unsettled else {}
        return all(read_file(path, os.lstat(path), False)[0] == digests[path] for path in self.unsettled)

    def to_bytes(self) -> bytes:
        """For a file: its checksum, a line of JSON, numbers, paths."""
        head = {
            "root": self.root,
            "links": self.links,
            "ends": self.ends,
            "unsettled": self.unsettled,
            "layers": dict(self.layers),
            "findings": [finding_to_json(finding) for finding in self.findings],
            "scripts": self.scripts,
            "lower": self.lower,
            "counts": [len(self.files), len(self.folders)],
        }
        numbers = array("q", chain.from_iterable(row[2:] for row in self.files))
        numbers.extend(chain.from_iterable(folder[1:] for folder in self.folders))
        digests = bytes.fromhex("".join(row[1] for row in self.files))
        names = "\0".join([*(row[0] for row in self.files), *(folder[0] for folder in self.folders)])
        parts = (json.dumps(head).encode(), b"\n", numbers.tobytes(), digests, os.fsencode(names))
        body = _MAGIC + b"".join(parts)
        return hashlib.sha256(body).digest() + body


def look_of(tree: Tree, started: int, fingerprint: Fingerprint | None = None, scripts: str = "bin") -> LastLook | None:
    """The look of a tree whose reading began at `started` (ns); None where a change since may not show in folders."""
    folders = []
    for path, (device, inode, mtime, ctime) in tree.folders.items():
        if not (ctime % _COARSE and max(mtime, ctime) < started - TICK):
            return None
        folders.append((path, device, inode, mtime, ctime))
    places = tree.places
    files = [
        (places[path], digest, then.st_dev, then.st_ino, mode, size, then.st_mtime_ns, then.st_ctime_ns)
        for path, (digest, size, mode, then) in tree.files.items()
    ]
    if tree.special:
        return None
    return LastLook(
        root=tree.root,
        files=files,
        folders=folders,
        links={f"{tree.root}/{path}": target for path, target in tree.links.items()},
        ends={f"{tree.root}/{path}": end for path, end in tree.resolved.items()},
        unsettled=[tree.places[path] for path in tree.unsettled],
        layers=fingerprint.layers if fingerprint else {},
        findings=fingerprint.findings if fingerprint else (),
        scripts=scripts,
    )


def look_from_bytes(content: bytes) -> LastLook | None:
    """What `to_bytes` gave; None for anything else."""
    checksum, body = content[:32], content[32:]
    if not body.startswith(_MAGIC) or hashlib.sha256(body).digest() != checksum:
        return None
    try:
        head = json.loads(body[len(_MAGIC) : (start := body.index(b"\n", len(_MAGIC)))])
        many, folders = (int(count) for count in head["counts"])
        numbers = array("q", body[start + 1 : (end := start + 1 + 8 * (6 * many + 4 * folders))])
        hexadecimal = body[end : (end := end + 32 * many)].hex()
        names = os.fsdecode(body[end:]).split("\0")
        digests = (hexadecimal[at : at + 64] for at in range(0, 64 * many, 64))
        columns = [iter(numbers[: 6 * many])] * 6
        return LastLook(
            root=str(head["root"]),
            files=list(zip(names[:many], digests, *columns, strict=True)),
            folders=list(zip(names[many:], *[iter(numbers[6 * many :])] * 4, strict=True)),
            links=_texts(head["links"]),
            ends=_texts(head["ends"]),
            unsettled=[str(path) for path in head["unsettled"]],
            layers=_texts(head["layers"]),
            findings=[finding_from_json(row) for row in head["findings"]],
            scripts=str(head["scripts"]),
            lower=str(head["lower"]),
            checksum=checksum.hex(),
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _texts(mapping: Mapping[object, object]) -> dict[str, str]:
    return {str(name): str(value) for name, value in mapping.items()}


def fingerprint_of(look: LastLook, predicted: Fingerprint, interpreter: Mapping[str, str], layer: str) -> Fingerprint:
    """The fingerprint of what still looks as it did, where that was what is predicted now (see `is_of`)."""
    return Fingerprint(
        layers={**{name: look.layers[name] for name in ("set", "files", "startup")}, "interpreter": layer},
        distributions=predicted.distributions,
        files=predicted.files,
        startup=predicted.startup,
        interpreter=interpreter,
        findings=tuple(look.findings),
    )


def is_of(look: LastLook, predicted: Fingerprint, names: Iterable[str] = ("set", "files", "startup")) -> bool:
    """Whether what was found then is what is predicted now, in every layer that comes from files."""
    return all(look.layers.get(name) == predicted.layers[name] for name in names)
