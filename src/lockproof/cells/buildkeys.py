"""What matrix.yaml says of builds: which sdists may be built, and which lock has what builds require."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lockproof.cells.shapes import did_you_mean
from lockproof.errors import LockError
from lockproof.pythons.layout import canonical_name

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from lockproof.cells.shapes import Checker
    from lockproof.cells.trees import KeyPath, Value

NEVER: tuple[str, ...] = ()
ANY = ("*",)  # no distribution is called so
WHEELS_ONLY = ("-",)  # nor so: of a build lock nothing is built, and no key of the matrix can change that
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")  # PEP 508
_EXPECTED = "never, allow or a list of names such as [pyyaml]"


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildLock:
    """The lock of build requirements, `path` relative to matrix.yaml, and those of its groups that are installed.

    `groups` None means the lock's own default groups.
    """

    path: str
    groups: tuple[str, ...] | None = None


def read_build(check: Checker, at: KeyPath, value: Value) -> tuple[str, ...]:
    """The normalised names whose sdists may be built: NEVER, ANY or a list; what is wrong is noted."""
    if isinstance(value, list):
        items = check.items(at, value, _EXPECTED)
        names = ((item_at, check.pattern(item_at, item, _NAME, "a distribution's name")) for item_at, item in items)
        return check.once((item_at, canonical_name(name)) for item_at, name in names)
    if value in ("never", "allow"):
        return NEVER if value == "never" else ANY
    hint = did_you_mean(value, ("never", "allow")) if isinstance(value, str) else ""
    if isinstance(value, str) and not hint and _NAME.fullmatch(value):
        hint = f"for one distribution: [{value}]"
    check.expected(at, value, _EXPECTED, hint)
    return NEVER


def read_build_lock(check: Checker, data: dict[str, Value], groups: tuple[str, ...] | None) -> BuildLock | None:
    """The build lock that the top of a matrix names: `groups` without a lock are those of the matrix's own."""
    if "build-lock" not in data and groups is None:
        return None
    value = data["build-lock"] if "build-lock" in data else data.get("lock")
    at: KeyPath = ("build-lock",) if "build-lock" in data else ("lock",)
    return BuildLock(path=check.text(at, value, "the path of a lock such as build.txt"), groups=groups)


def may_build(allowed: tuple[str, ...], name: str) -> bool:
    """Whether an sdist of that normalised name may be built."""
    return allowed == ANY or name in allowed


def unknown_builds(allowed: tuple[str, ...], known: Collection[str]) -> list[str]:
    """The names that may be built and that no distribution has."""
    return [name for name in allowed if allowed not in (ANY, WHEELS_ONLY) and name not in known]


def unbuilt_error(lock: str, names: Sequence[str], lines: Sequence[str], otherwise: str) -> LockError:
    """One error for all sdists that would have to be built, with a line for each, and the ways out."""
    names = list(dict.fromkeys(names))
    return LockError(
        f"{names[0] if len(names) == 1 else f'{len(names)} distributions'} would have to be built from source",
        where=lock,
        why="\n  ".join(["what an sdist builds has no hash in the lock", *lines]),
        remedy=f"Allow it with `build: [{', '.join(names)}]` in matrix.yaml, and lock what the builds require in a "
        f"file that `build-lock` names. {otherwise}",
    )
