"""A lock that was got back from an environment: what is proven, what is not and why, and how it is written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lockproof.pythons.platforms import marker_environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lockproof.freeze.recovery import Change
    from lockproof.pythons.platforms import Platform, PythonVersion

_TOLD = 5  # changed files that a lock's comment names


@dataclass(frozen=True, kw_only=True, slots=True)
class ProvenFile:
    """A wheel whose content is what is installed; `url` has no credentials, `size` is in bytes where known."""

    filename: str
    url: str
    sha256: str
    size: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Proven:
    """A distribution and every wheel of it that was found to be what is installed; at least one."""

    name: str
    version: str
    files: tuple[ProvenFile, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Unproven:
    """A distribution that can't be locked, why, and the files that show it.

    `failed_hash`: a candidate's bytes were not those that the index names.
    """

    name: str
    version: str
    reason: str
    changes: tuple[Change, ...] = ()
    failed_hash: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Frozen:
    """What came of freezing one environment. `loose` is what belongs to no distribution, `left_out` was not asked for.

    `left_out` are (name, version); `notes` change nothing.
    """

    python: PythonVersion
    platform: Platform
    proven: tuple[Proven, ...]
    unproven: tuple[Unproven, ...]
    loose: tuple[Change, ...]
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 where all is proven, 5 where an artifact failed its hash, else 4."""
        if any(dist.failed_hash for dist in self.unproven):
            return 5
        return 4 if self.unproven or self.loose else 0

    @property
    def sentence(self) -> str:
        """How many distributions are proven."""
        count = len(self.proven) + len(self.unproven)
        return f"{len(self.proven)} of {count} distribution{'' if count == 1 else 's'} proven from bytes"

    @property
    def place(self) -> str:
        """The Python and platform that it is for: `CPython 3.12.1 on linux-x86_64-glibc2.36`."""
        return f"CPython {self.python} on {self.platform.spelling}"


def head_lines(frozen: Frozen) -> Iterator[str]:
    """The comment at the head of a lock: what was frozen, and what is missing in it."""
    yield "Made by `lockproof freeze` from an environment, and meant for one like it only:"
    yield f"{frozen.place}. {frozen.sentence}:"
    yield "each hash is that of a wheel whose content is what was installed."
    if frozen.left_out:
        yield f"Left out: {', '.join(f'{name} {version}' for name, version in frozen.left_out)}."
    if frozen.unproven:
        yield "INCOMPLETE. It was installed, and could not be locked:"
    for dist in frozen.unproven:
        yield f"  {dist.name} {dist.version}: {dist.reason}"
        yield from (f"    {change.path}" for change in dist.changes[:_TOLD])
        if len(dist.changes) > _TOLD:
            yield f"    and {len(dist.changes) - _TOLD} more"
    if frozen.loose:
        yield "INCOMPLETE. It was there, and belongs to no distribution:"
        yield from (f"  {change.path}" for change in frozen.loose[:_TOLD])
        if len(frozen.loose) > _TOLD:
            yield f"  and {len(frozen.loose) - _TOLD} more"


def _comments(frozen: Frozen) -> Iterator[str]:
    """The head as comments; a file's name can hold a line break, and would end the comment."""
    return (f"# {line.encode('unicode_escape').decode('ascii')}" for line in head_lines(frozen))


def requirements_lines(frozen: Frozen) -> Iterator[str]:
    """A hashed requirements file, line by line."""
    yield from _comments(frozen)
    for dist in frozen.proven:
        hashes = sorted({file.sha256 for file in dist.files})
        yield f"{dist.name}=={dist.version} \\"
        yield from (f"    --hash=sha256:{sha256} \\" for sha256 in hashes[:-1])
        yield f"    --hash=sha256:{hashes[-1]}"


def pylock_lines(frozen: Frozen) -> Iterator[str]:
    """A pylock.toml (PEP 751) for this Python and platform alone, line by line."""
    yield from _comments(frozen)
    yield 'lock-version = "1.0"'
    yield f"environments = [{_text(_marker(frozen))}]"
    yield f"requires-python = {_text(f'=={frozen.python.release}')}"
    yield 'created-by = "lockproof"'
    if not frozen.proven:
        yield "packages = []"
    for dist in frozen.proven:
        yield ""
        yield "[[packages]]"
        yield f"name = {_text(dist.name)}"
        yield f"version = {_text(dist.version)}"
        yield f"requires-python = {_text(f'=={frozen.python.release}')}"
        yield "wheels = ["
        yield from (f"    {_wheel(file)}," for file in _one_a_name(dist.files))
        yield "]"


def _marker(frozen: Frozen) -> str:
    environment = marker_environment(frozen.python, frozen.platform)
    names = ("implementation_name", "python_full_version", "sys_platform", "platform_machine")
    return " and ".join(f"{name} == '{environment[name]}'" for name in names)  # type: ignore[literal-required]


def _one_a_name(files: Sequence[ProvenFile]) -> Iterable[ProvenFile]:
    """The first file of each name: a lock in which one name has two hashes can't say which of them is meant."""
    return {file.filename: file for file in reversed(files)}.values()


def _wheel(file: ProvenFile) -> str:
    size = "" if file.size is None else f", size = {file.size}"
    hashes = f'{{sha256 = "{file.sha256}"}}'
    return f"{{name = {_text(file.filename)}, url = {_text(file.url)}{size}, hashes = {hashes}}}"


def _text(text: str) -> str:
    """A TOML string; names, markers and quoted URLs hold nothing that TOML and JSON write differently."""
    return json.dumps(text, ensure_ascii=False)


def frozen_to_json(frozen: Frozen, target: str) -> dict[str, object]:
    """The document `lockproof/freeze/v1`, as plain values for `json.dumps`."""
    return {
        "schema": "lockproof/freeze/v1",
        "target": target,
        "python": str(frozen.python),
        "platform": frozen.platform.spelling,
        "proven": [
            {"name": d.name, "version": d.version, "wheels": [_file_to_json(file) for file in d.files]}
            for d in frozen.proven
        ],
        "unproven": [
            {"name": d.name, "version": d.version, "reason": d.reason, "files": _changes_to_json(d.changes)}
            for d in frozen.unproven
        ],
        "unowned": _changes_to_json(frozen.loose),
        "left_out": [{"name": name, "version": version} for name, version in frozen.left_out],
        "notes": list(frozen.notes),
        "exit_code": frozen.exit_code,
    }  # fmt: skip


def _file_to_json(file: ProvenFile) -> dict[str, object]:
    return {"filename": file.filename, "sha256": file.sha256, "url": file.url, "size": file.size}


def _changes_to_json(changes: Iterable[Change]) -> list[dict[str, str]]:
    return [{"path": change.path, "message": change.what} for change in changes]
