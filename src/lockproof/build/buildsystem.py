"""How a source tree says that it is built, and whether distributions are all that it asks for (PEP 517, 518)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, cast

from lockproof.errors import LockError, MissingRequirementsError
from lockproof.pythons.layout import canonical_name
from lockproof.pythons.platforms import marker_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from packaging.requirements import Requirement

    from lockproof.pythons.platforms import Platform, PythonVersion

LEGACY_BACKEND = "setuptools.build_meta:__legacy__"
_LEGACY_REQUIRES = ("setuptools>=40.8.0",)  # the first that has the legacy backend
_REPORT = "Its sources say so: report it to its maintainers, lock another version, or lock a wheel of it."


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildSystem:
    """`requires` as written (PEP 508); `backend` is `module` or `module:object`; `backend_path` is relative."""

    requires: tuple[str, ...]
    backend: str
    backend_path: tuple[str, ...] = ()


def read_build_system(text: str | None, what: str) -> BuildSystem:
    """The build system that a pyproject.toml's text says; None, or none said, is setuptools as PEP 517 and 518 say.

    `what` names the source in messages. Raises LockError for a table that breaks the standards.
    """
    import tomllib  # late: only builds need it

    try:
        document = tomllib.loads(text or "")
    except (ValueError, RecursionError) as error:
        raise _broken(what, f"it is not TOML ({error})") from None
    table = document.get("build-system")
    if table is None:
        return BuildSystem(requires=_LEGACY_REQUIRES, backend=LEGACY_BACKEND)
    if not isinstance(table, dict) or "requires" not in table:
        raise _broken(what, "its build-system has no requires, which PEP 518 wants")
    backend = table.get("build-backend", LEGACY_BACKEND)
    paths = _texts(table.get("backend-path", []), "backend-path", what)
    if not isinstance(backend, str) or not backend or backend.startswith("-"):
        raise _broken(what, f"its build-backend is {backend!r}")
    for path in paths:
        parts = (*PurePosixPath(path).parts, *PureWindowsPath(path).parts)
        if ".." in parts or PurePosixPath(path).is_absolute() or PureWindowsPath(path).anchor:
            raise _broken(what, f"its backend-path {path!r} leaves the source")
    requires = _texts(table["requires"], "requires", what)
    return BuildSystem(requires=requires, backend=backend, backend_path=paths)


def project_name(text: str | None) -> str:
    """The normalised `[project].name` of a pyproject.toml that `read_build_system` has read; "" where it has none.

    No backend may change it (PEP 621).
    """
    import tomllib  # late, as above

    match tomllib.loads(text or ""):
        case {"project": {"name": str(name)}}:
            return canonical_name(name)
    return ""


def _texts(value: object, key: str, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _broken(what, f"its build-system.{key} is no list of strings")
    return tuple(value)


def _broken(what: str, why: str) -> LockError:
    return LockError(f"the pyproject.toml of {what} can't be used", why=why, remedy=_REPORT)


def check_requirements(
    requires: Iterable[str],
    installed: Mapping[str, str],
    *,
    python: PythonVersion,
    platform: Platform,
    what: str,
    lock: str,
    requires_of: Callable[[str], Iterable[str]] = lambda _: (),
) -> None:
    """Raise MissingRequirementsError, naming all that `installed` (name to version) lacks of what is required.

    Requirements whose marker excludes that Python and platform are not asked for. `lock` names the lock that the
    installed ones come from, "" for none. `requires_of` gives, as written, what an installed one requires (core
    metadata, Requires-Dist): where an extra of it is asked for, what belongs to that extra is required too.
    """
    missing = _missing(requires, installed, python, platform, what)
    missing += _missing_of_extras(requires, installed, python, platform, requires_of)
    if not missing:
        return
    where = f"the build lock {lock} has" if lock else "there is no build lock; the build has"
    has = ", ".join(f"{name} {version}" for name, version in sorted(installed.items())) or "nothing"
    remedy = "Lock it with hashes in a file of its own, and name that with `build-lock` in matrix.yaml."
    if lock:
        remedy = f"Lock it, with hashes, in {lock}."
    what = f"{what} can't be built: it requires {', '.join(missing)}"
    raise MissingRequirementsError(what, missing, why=f"{where} {has}, for this Python", remedy=remedy)


def _missing(
    requires: Iterable[str],
    installed: Mapping[str, str],
    python: PythonVersion,
    platform: Platform,
    what: str,
) -> list[str]:
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName  # late: packaging takes 80 ms
    from packaging.requirements import InvalidRequirement, Requirement

    environment = cast("dict[str, str | AbstractSet[str]]", {**marker_environment(python, platform), "extra": ""})
    missing: list[str] = []
    for text in dict.fromkeys(requires):
        try:
            requirement = Requirement(text)
            wanted = requirement.marker is None or requirement.marker.evaluate(environment)
        except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName) as error:
            raise _broken(what, f"its build requirement {text!r} can't be read ({error})") from None
        if wanted and not _is_met(requirement, installed):
            missing.append(text)
    return missing


def _missing_of_extras(
    requires: Iterable[str],
    installed: Mapping[str, str],
    python: PythonVersion,
    platform: Platform,
    requires_of: Callable[[str], Iterable[str]],
) -> list[str]:
    """What the extras lack that readable requirements ask of what is installed, and those extras' own in turn."""
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName  # late, as above
    from packaging.requirements import InvalidRequirement, Requirement

    environment = cast("dict[str, str | AbstractSet[str]]", {**marker_environment(python, platform)})
    missing: dict[str, None] = {}
    seen: set[tuple[str, str]] = set()
    pending = [(text, "") for text in requires]
    while pending:
        text, extra = pending.pop()
        try:
            requirement = Requirement(text)
            marker = requirement.marker
            if marker and not marker.evaluate({**environment, "extra": extra}):
                continue
            if extra and (not marker or marker.evaluate({**environment, "extra": ""})):
                continue  # it belongs to no extra
        except (InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName):
            continue
        if extra and not _is_met(requirement, installed):
            requirement.marker = None
            missing[str(requirement)] = None
        name = canonical_name(requirement.name)
        new = {(name, canonical_name(further)) for further in requirement.extras if name in installed} - seen
        seen |= new
        pending += [(its, further) for _, further in sorted(new) for its in requires_of(name)]
    return list(missing)


def _is_met(requirement: Requirement, installed: Mapping[str, str]) -> bool:
    """A requirement by URL is met by none: no lock's hash is that URL's."""
    from packaging.utils import canonicalize_name  # late, as above

    version = installed.get(canonicalize_name(requirement.name))
    return version is not None and not requirement.url and requirement.specifier.contains(version, prereleases=True)
