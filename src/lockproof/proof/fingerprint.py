"""The fingerprint as a value: canonical lines, layers, digests, and the JSON form `lockproof/fingerprint/v1`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from lockproof.digests import digest_of_lines, sha256_hex, text_of_lines
from lockproof.errors import UsageError, why_malformed
from lockproof.pythons.buildrows import altered_part

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from lockproof.pythons.platforms import Platform

SCHEMA = "lockproof/fingerprint/v1"
# What the whole digest is made of, in the order in which a comparison reports the first difference.
LAYERS = ("set", "artifacts", "files", "startup", "interpreter", "project")
# Compared where both sides know it, and no part of the whole digest: where an environment lies is not what it is.
REPORTED = ("platform",)
EDITABLE = "editable"
"""The code of the note that the project is installed editable: what its files are is said by the project layer."""


class FileFact(NamedTuple):
    """What is at one logical path.

    `kind` is f for a file, s a script of this environment's Python, e an entry-point wrapper, l a link.
    `value` is a sha256 in hexadecimal (f, s), `module:attr` (e) or the link's target (l); `size` is in bytes, else -1.
    """

    kind: str
    value: str
    size: int = -1

    def line(self, path: str) -> bytes:
        """The canonical line of this fact: `<path> NUL <kind> NUL <payload>`, UTF-8 with surrogateescape.

        A newline in a link's target is written as NUL n, so that a line is a line (no target has a NUL).
        """
        payload = f"{self.value} {self.size}" if self.size >= 0 else self.value.replace("\n", "\0n")
        return f"{path}\0{self.kind}\0{payload}".encode("utf-8", "surrogateescape")


class Finding(NamedTuple):
    """Something seen that no digest says. `level` is mismatch, unproven, or note, which changes no verdict."""

    code: str
    path: str
    message: str
    level: str = "mismatch"


@dataclass(frozen=True, kw_only=True, slots=True)
class Distribution:
    """One distribution: `files` is the digest of its canonical lines, `roots` the path prefixes that only it owns.

    `artifact` is (file name, sha256) of the wheel it came from, None where that isn't known.
    """

    name: str
    version: str
    files: str
    roots: tuple[str, ...] = ()
    artifact: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fingerprint:
    """What an environment is, or must be. `about` says what cell, lock and verdict it has, and is not digested.

    `interpreter_files` are the rows behind the digests of its interpreter (see `buildrows`), empty where not known;
    `platform` what is known of the machine that it is for, or on.
    """

    layers: Mapping[str, str]
    distributions: tuple[Distribution, ...]
    files: Mapping[str, FileFact]
    startup: tuple[str, ...] = ()
    interpreter: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    interpreter_files: Mapping[str, str] = field(default_factory=dict)
    platform: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """One digest over all layers that are part of it."""
        lines = (f"{layer}\0{self.layers[layer]}".encode() for layer in LAYERS if layer in self.layers)
        return digest_of_lines("lockproof fingerprint 1", lines)


def describe(fact: FileFact | None) -> str:
    """A fact in words, as short as it can be without losing what tells it apart."""
    if fact is None:
        return "nothing"
    names = {"f": "sha256", "s": "script, sha256", "e": "entry point", "l": "link to"}
    size = f" ({fact.size} bytes)" if fact.size >= 0 else ""
    return f"{names.get(fact.kind, fact.kind)} {fact.value}{size}"


def files_text(files: Mapping[str, FileFact]) -> bytes:
    """The canonical lines of these files below their title, sorted as bytes: what `files_digest` is the digest of."""
    return text_of_lines("lockproof files 1", sorted(fact.line(path) for path, fact in files.items()))


def files_digest(files: Mapping[str, FileFact]) -> str:
    """The digest of the canonical lines of these files, sorted as bytes."""
    return f"sha256:{sha256_hex(files_text(files))}"


def files_digests(files: Mapping[str, FileFact], groups: Mapping[str, Iterable[str]]) -> tuple[str, dict[str, str]]:
    """The digest of all files, and that of each owner's own paths; a path that two owners share counts for both."""
    lines = {path: fact.line(path) for path, fact in files.items()}
    own = {
        owner: digest_of_lines("lockproof files 1", sorted(lines[path] for path in set(paths) if path in lines))
        for owner, paths in groups.items()
    }
    return digest_of_lines("lockproof files 1", sorted(lines.values())), own


class Worked(NamedTuple):
    """Digests that were worked out before, and what of: all files, and each owner's paths."""

    files: Mapping[str, FileFact]
    groups: Mapping[str, Collection[str]]
    total: str
    digests: Mapping[str, str]
    roots: Mapping[str, tuple[str, ...]]

    def is_of(self, files: Mapping[str, FileFact], groups: Mapping[str, Iterable[str]]) -> bool:
        """Whether it would be worked out of just the same."""
        if groups.keys() != self.groups.keys() or files != self.files:
            return False
        return all(set(paths) == set(self.groups[owner]) for owner, paths in groups.items())


def startup_digest(lines: Iterable[str]) -> str:
    """The digest of the startup layer; equal lines count once."""
    return digest_of_lines("lockproof startup 1", sorted({line.encode("utf-8", "surrogateescape") for line in lines}))


def interpreter_digest(facts: Mapping[str, str]) -> str:
    """The digest of the interpreter layer: all that identifies the base interpreter, by name."""
    return digest_of_lines("lockproof interpreter 1", sorted(f"{k}\0{v}".encode() for k, v in facts.items()))


def platform_facts(platform: Platform) -> dict[str, str]:
    """What the platform layer tells: `system`, `machine`, and where they are known `libc` and the version of it."""
    version = ".".join(map(str, platform.version or ()))
    facts = {
        "system": platform.os,
        "machine": platform.machine,
        "libc": platform.libc,
        f"{platform.libc or platform.os} version": version,
    }
    return {name: value for name, value in facts.items() if value}


def platform_digest(facts: Mapping[str, str]) -> str:
    """The digest of the platform layer."""
    return digest_of_lines("lockproof platform 1", sorted(f"{k}\0{v}".encode() for k, v in facts.items()))


def set_digest(pins: Iterable[tuple[str, str]]) -> str:
    """The digest of the sorted `name==version` lines."""
    return digest_of_lines("lockproof set 1", sorted(f"{name}=={version}".encode() for name, version in pins))


def artifacts_digest(distributions: Iterable[Distribution]) -> str | None:
    """The digest of name, version, file name and sha256 of every artifact; None when one isn't known."""
    lines = []
    for dist in distributions:
        if dist.artifact is None:
            return None
        lines.append("\0".join((dist.name, dist.version, *dist.artifact)).encode())
    return digest_of_lines("lockproof artifacts 1", sorted(lines))


def owned_roots(groups: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """For each owner the shortest prefixes (folders closed by `/`, or files) below which every path is its own.

    Areas such as `site` themselves are never a root.
    """
    of_folder: dict[str, str | None] = {}
    files_in: dict[str, dict[str, list[str]]] = {}
    for owner, paths in groups.items():
        inside = files_in[owner] = {}
        for path in paths:
            inside.setdefault(path.rpartition("/")[0], []).append(path)
        for folder in inside:
            above = folder
            while "/" in above:
                known = of_folder.get(above, "")
                if known is None or known == owner:  # what lies above was settled when this was
                    break
                of_folder[above] = None if known else owner
                above = above.rpartition("/")[0]
    return {owner: _roots_of(owner, inside, of_folder) for owner, inside in files_in.items()}


def _roots_of(owner: str, inside: Mapping[str, list[str]], of_folder: Mapping[str, str | None]) -> tuple[str, ...]:
    roots = set()
    for folder, paths in inside.items():
        if of_folder.get(folder) != owner:
            roots.update(paths)
            continue
        top = folder
        while of_folder.get(top.rpartition("/")[0]) == owner:
            top = top.rpartition("/")[0]
        roots.add(f"{top}/")
    return tuple(sorted(roots))


def to_json(fingerprint: Fingerprint) -> dict[str, object]:
    """The published form, as plain values for `json.dumps`."""
    return {
        "schema": SCHEMA,
        "digest": fingerprint.digest,
        "about": dict(fingerprint.about),
        "layers": dict(fingerprint.layers),
        "distributions": [_distribution_to_json(dist) for dist in fingerprint.distributions],
        "startup": list(fingerprint.startup),
        "interpreter": dict(fingerprint.interpreter),
        "interpreter_files": dict(fingerprint.interpreter_files),
        "platform": dict(fingerprint.platform),
        "files": {path: _fact_to_json(fact) for path, fact in sorted(fingerprint.files.items())},
        "findings": [finding_to_json(finding) for finding in fingerprint.findings],
    }


def _fact_to_json(fact: FileFact) -> list[str | int]:
    return [fact.kind, fact.value] if fact.size < 0 else [fact.kind, fact.value, fact.size]


def _distribution_to_json(dist: Distribution) -> dict[str, object]:
    artifact = dist.artifact and {"filename": dist.artifact[0], "sha256": dist.artifact[1]}
    return {
        "name": dist.name,
        "version": dist.version,
        "artifact": artifact,
        "files": dist.files,
        "roots": list(dist.roots),
    }


def finding_to_json(finding: Finding) -> dict[str, str]:
    """A finding as plain values."""
    return {"code": finding.code, "path": finding.path, "message": finding.message, "level": finding.level}


def from_json(
    text: str, where: str, *, schema: str = SCHEMA, files: Mapping[str, FileFact] | None = None
) -> Fingerprint:
    """Read a saved fingerprint back and check its digests against its content.

    `files` are those of a document of another `schema`, which has none of its own.
    Raises UsageError, naming `where`, for anything that is not a whole and unaltered fingerprint: layers that can be
    computed from the document (all but the project's) are, and must be the ones it claims.
    """
    try:
        data = json.loads(text)
        if data["schema"] != schema:
            raise UsageError(
                f"its schema is {data['schema']!r}", where=where, remedy=f"a fingerprint says {schema!r}: make one anew"
            )
        fingerprint = Fingerprint(
            layers={str(k): str(v) for k, v in data["layers"].items()},
            distributions=tuple(
                Distribution(
                    name=str(row["name"]),
                    version=str(row["version"]),
                    files=str(row["files"]),
                    roots=tuple(map(str, row.get("roots", ()))),
                    artifact=row["artifact"] and (str(row["artifact"]["filename"]), str(row["artifact"]["sha256"])),
                )
                for row in data["distributions"]
            ),
            files={str(p): _fact_from_json(fact) for p, fact in data["files"].items()} if files is None else files,
            startup=tuple(map(str, data.get("startup", ()))),
            interpreter={str(k): str(v) for k, v in data.get("interpreter", {}).items()},
            findings=tuple(finding_from_json({"level": "mismatch", **row}) for row in data["findings"]),
            about={str(k): str(v) for k, v in data.get("about", {}).items()},
            interpreter_files={str(k): str(v) for k, v in data.get("interpreter_files", {}).items()},
            platform={str(k): str(v) for k, v in data.get("platform", {}).items()},
        )
        claimed = str(data["digest"])
        if any("\0" in path + fact.value for path, fact in fingerprint.files.items()):
            raise ValueError("a path or a link that no line of a digest can stand for")
        altered = _altered_part(fingerprint, claimed)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise UsageError(
            "this is not a saved fingerprint", where=where, why=why_malformed(error),
            remedy="make one with: lockproof fingerprint TARGET --json",
        ) from error  # fmt: skip
    if altered:
        raise UsageError(
            f"its {altered} digest isn't that of its content", where=where, remedy="the file was altered: make it anew"
        )
    return fingerprint


def finding_from_json(row: Mapping[str, object]) -> Finding:
    """A finding of plain values; KeyError, TypeError or ValueError for one that is not made of texts."""
    texts = [text for name in Finding._fields if isinstance(text := row[name], str)]
    if len(texts) < len(Finding._fields):
        raise ValueError("a finding that is not made of texts")
    "".join(texts).encode("utf-8", "surrogateescape")  # what can't be written is no text
    return Finding(*texts)


def _fact_from_json(row: object) -> FileFact:
    """A fact of plain values; ValueError for anything else, such as a size of True, which a digest's line hides."""
    match row:
        case [str(kind), str(value)]:
            return FileFact(kind, value)
        case [str(kind), str(value), int(size)] if type(size) is int and size >= 0:
            return FileFact(kind, value, size)
    raise ValueError("a file that is not told by a kind, a text and a size")


def _altered_part(fingerprint: Fingerprint, claimed: str) -> str | None:
    """The first part of a document whose claimed digest is not the computed one."""
    computed = {
        "set": set_digest((dist.name, dist.version) for dist in fingerprint.distributions),
        "files": files_digest(fingerprint.files),
        "startup": startup_digest(fingerprint.startup),
    }
    if "interpreter" in fingerprint.layers:
        computed["interpreter"] = interpreter_digest(fingerprint.interpreter)
    if "platform" in fingerprint.layers or fingerprint.platform:
        computed["platform"] = platform_digest(fingerprint.platform)
    if "artifacts" in fingerprint.layers:
        computed["artifacts"] = artifacts_digest(fingerprint.distributions) or ""
    for layer, digest in computed.items():
        if fingerprint.layers[layer] != digest:
            return layer
    if part := altered_part(fingerprint.interpreter, fingerprint.interpreter_files):
        return part
    return None if fingerprint.digest == claimed else "whole"
