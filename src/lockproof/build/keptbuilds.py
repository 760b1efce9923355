"""What builds of sdists gave, as kept beside the lock so that other machines and later runs can be held to it.

    {"schema": "lockproof/builds/v1", "builds": [{"name", "version", "sdist": "sha256:…", "python": "3.12.1",
     "platform": "linux-x86_64", "requirements": "sha256:…", "interpreter": "sha256:…", "files": "sha256:…",
     "content": {"site/…": ["f", sha256, size], …}}, …]}

`files` is the digest of `content` as a fingerprint has it for a distribution. Pure: text in, values out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lockproof.digests import digest_of_lines, is_sha256
from lockproof.errors import BuildMismatchError, LockError
from lockproof.proof.fingerprint import FileFact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FILENAME = "lockproof.builds.json"
_SCHEMA = "lockproof/builds/v1"
_TEXTS = ("name", "version", "sdist", "python", "platform", "requirements", "interpreter")
_MOST_FILES = 8  # told: reports show a dozen lines of a reason


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildKey:
    """What a build depends on that others can have too; builds with equal keys must give equal files.

    `sdist` and `requirements` are `sha256:…`: of the sdist, and over the wheels of the build environment.
    """

    name: str
    version: str
    sdist: str
    python: str
    platform: str
    requirements: str


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptBuild:
    """What one build gave. `interpreter` is the layer of the interpreter it was built with, which is told only."""

    key: BuildKey
    interpreter: str
    content: Mapping[str, FileFact]

    @property
    def files(self) -> str:
        """The digest of all files, as a fingerprint has it for a distribution."""
        return files_digest(self.content)


def files_digest(content: Mapping[str, FileFact]) -> str:
    """`sha256:…` over the canonical lines of some files by logical path."""
    return digest_of_lines("lockproof files 1", sorted(fact.line(path) for path, fact in content.items()))


def requirements_digest(requirements: Iterable[tuple[str, str, str]]) -> str:
    """`sha256:…` over the (name, version, sha256) of a build environment's wheels."""
    return digest_of_lines("lockproof build requirements 1", sorted("\0".join(row).encode() for row in requirements))


def compare_builds(kept: KeptBuild, built: KeptBuild, *, against: str, remedy: str) -> None:
    """Raise BuildMismatchError, naming the files that differ, unless both gave the same; `against` names `kept`."""
    if kept.content == built.content:
        return
    key = built.key
    lines = list(different_files(kept.content, built.content))
    told = lines[:_MOST_FILES] + ([f"and {len(lines) - _MOST_FILES} more"] if len(lines) > _MOST_FILES else [])
    other = kept.interpreter != built.interpreter
    why = f"; it was built with another build of Python {key.python}" if other else ""
    raise BuildMismatchError(
        f"what {key.name} {key.version} builds with Python {key.python} is not what {against}{why}",
        why="".join(f"\n    {line}" for line in told),
        remedy=remedy,
    )


def different_files(left: Mapping[str, FileFact], right: Mapping[str, FileFact]) -> Iterable[str]:
    """A line for each file that isn't the same on both sides; `left` is what was, `right` what is."""
    for path in sorted(left.keys() | right.keys()):
        if path not in right:
            yield f"{path} is no longer built"
        elif path not in left:
            yield f"{path} was not built before"
        elif left[path] != right[path]:
            yield f"{path}: {_told(left[path])} became {_told(right[path])}"


def _told(fact: FileFact) -> str:
    return f"{fact.value[:12]} ({fact.size} bytes)" if fact.size >= 0 else fact.value


def builds_to_json(builds: Iterable[KeptBuild]) -> str:
    """The file's text: the same for the same builds in any order, and with a line for each file, to be reviewed."""
    rows = []
    for build in sorted(builds, key=lambda build: _order(build.key)):
        key = build.key
        head = {
            "name": key.name,
            "version": key.version,
            "sdist": key.sdist,
            "python": key.python,
            "platform": key.platform,
            "requirements": key.requirements,
            "interpreter": build.interpreter,
            "files": build.files,
        }
        lines = [f"   {json.dumps(path)}: {json.dumps(list(fact))}" for path, fact in sorted(build.content.items())]
        body = [f"   {json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
        files = ",\n".join(f" {line}" for line in lines)
        rows.append("  {\n" + ",\n".join([*body, f'   "content": {{\n{files}\n   }}']) + "\n  }")
    return f'{{\n "schema": "{_SCHEMA}",\n "builds": [\n' + ",\n".join(rows) + "\n ]\n}\n"


def _order(key: BuildKey) -> tuple[str, ...]:
    return (key.name, key.version, key.python, key.platform, key.sdist, key.requirements)


def builds_from_json(text: str, path: str) -> dict[BuildKey, KeptBuild]:
    """The builds in a file's text, which messages name `path`; raises LockError for one that can't be relied on."""
    try:
        document: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _broken(path, str(error)) from None
    if not isinstance(document, dict) or document.get("schema") != _SCHEMA:
        raise _broken(path, f"its schema is not {_SCHEMA}")
    rows = document.get("builds")
    builds = [_build(row, path) for row in (rows if isinstance(rows, list) else [None])]
    by_key = {build.key: build for build in builds}
    if len(by_key) != len(builds):
        raise _broken(path, "it has one build twice")
    return by_key


def _build(row: object, path: str) -> KeptBuild:
    if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in (*_TEXTS, "files")):
        raise _broken(path, "a build in it is not whole")
    texts = {name: row[name] for name in _TEXTS}
    interpreter = texts.pop("interpreter")
    content = row.get("content")
    what = f"{texts['name']} {texts['version']}"
    if not isinstance(content, dict):
        raise _broken(path, f"{what} has no content")
    build = KeptBuild(
        key=BuildKey(**texts),
        interpreter=interpreter,
        content={name: _fact(value, f"{what}, {name}", path) for name, value in content.items()},
    )
    try:
        right = build.files == row["files"]
    except ValueError:  # text that no file name is
        right = False
    if not right:
        raise _broken(path, f"the digest of {what} is not that of its content")
    return build


def _fact(value: object, what: str, path: str) -> FileFact:
    match value:
        case [str(kind), str(text), int(size)] if kind == "e" or is_sha256(text):
            return FileFact(kind, text, size)
    raise _broken(path, f"{what} is {json.dumps(value)[:80]}")


def _broken(path: str, why: str) -> LockError:
    return LockError(
        "the record of what was built can't be used", where=path, why=why,
        remedy="Restore it from version control, or remove it: the next run writes it anew, and holds nothing to it.",
    )  # fmt: skip


def still_locked(builds: Iterable[KeptBuild], locked: Sequence[tuple[str, str]]) -> list[KeptBuild]:
    """Those builds whose (name, version) is in the lock."""
    known = set(locked)
    return [build for build in builds if (build.key.name, build.key.version) in known]
