"""A parsed matrix.yaml to a spec: every problem in it is told at once, each with its line and key path."""

from __future__ import annotations

import math
import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from lockproof.cells.buildkeys import read_build, read_build_lock
from lockproof.cells.containerkeys import read_container
from lockproof.cells.matrix import (
    HOST,
    INSTALLERS,
    LINKS,
    PACKAGES,
    Axis,
    Exclude,
    Include,
    Settings,
    Spec,
)
from lockproof.cells.policykeys import read_policy
from lockproof.cells.posargs import substitute_posargs
from lockproof.cells.shapes import Checker, did_you_mean
from lockproof.cells.sources import read_sources
from lockproof.errors import MatrixError
from lockproof.pythons.platforms import LINUX_MACHINES, MACOS_MACHINES, WINDOWS_MACHINES, parse_platform, parse_python

if TYPE_CHECKING:
    from lockproof.cells.trees import Document, KeyPath, Value
    from lockproof.pythons.platforms import Platform

_SETTINGS = ("extras", "groups", "commands", "env", "pass_env", "link", "installer", "timeout", "build", "package",
             "policy")  # fmt: skip
_OVERRIDES = (*_SETTINGS, "container")
_MATRIX_KEYS = (
    *("version", "lock", "sources", "python", "platform", *_SETTINGS),
    *("build-lock", "build-groups", "cells"),
)
_CELLS_KEYS = ("axes", "include", "exclude")
_CELL_KEYS = ("name", "python", "platform")
# Keys that people write by habit or in the wrong place, and what they are called here.
_ELSEWHERE = {
    **{key: f"cells.{key}" for key in _CELLS_KEYS},
    "container": "cells.include[0].container",
    "environment": "env",
    "setenv": "env",
    "optional-dependencies": "extras",
    "dependency-groups": "groups",
}

_EXACT = 'an exact quoted version such as "3.10.13"'
_NAMES = "a list of names such as [test]"
_LOCK = "the path of a lock such as pylock.toml"
_PLATFORM = "host or a platform such as linux-x86_64"
_SAFE = "1 to 64 of the characters A-Z a-z 0-9 . _ -, so that ids are safe in paths and shells"
_SAFE_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_EXTRA_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")  # PEP 508; groups follow it (PEP 735)
_VARIABLE_GLOB = re.compile(r"[^=\0\s]+")
_KNOWN_PLATFORMS = (
    HOST,
    *(f"linux-{machine}" for machine in LINUX_MACHINES),
    *(f"linux-{machine}-musl" for machine in LINUX_MACHINES),
    *(f"macos-{machine}" for machine in MACOS_MACHINES),
    *(f"windows-{machine}" for machine in WINDOWS_MACHINES),
)


def read_matrix(document: Document, *, python_version: str | None = None) -> Spec:
    """The spec that `document` says; `python_version` is the text of `.python-version` beside it, or None.

    Raises one MatrixError with a line per problem: `matrix.yaml:7: python[1]: found …, expected …`.
    """
    check = Checker(document)
    data = check.mapping((), document.data, _MATRIX_KEYS, elsewhere=_ELSEWHERE)
    if data is not document.data:  # a list or text: there is nothing to read on in
        check.raise_problems()
    default = _DefaultPythons(check, python_version)
    _check_version(check, data)
    cells = check.mapping(("cells",), data.get("cells", {}), _CELLS_KEYS)
    axes = _axes(check, cells)
    include = _entries(check, cells, "include")
    exclude = _entries(check, cells, "exclude")
    spec = Spec(
        path=document.path,
        lock=check.text(("lock",), data.get("lock"), _LOCK),
        pythons=_pythons(check, data["python"]) if "python" in data else default.all_of_them(),
        platforms=_platforms(check, data),
        settings=_settings(check, (), data),
        axes=axes,
        include=tuple(_include(check, at, entry, default) for at, entry in include),
        exclude=tuple(_exclude(check, at, entry, axes) for at, entry in exclude),
        build_lock=read_build_lock(check, data, _names(check, ("build-groups",), data)),
        sources=read_sources(check, ("sources",), data["sources"]) if "sources" in data else (),
    )
    check.raise_problems()
    return spec


def _check_version(check: Checker, data: dict[str, Value]) -> None:
    value = data.get("version")
    if not isinstance(value, int) or isinstance(value, bool) or value != 1:
        check.expected(("version",), value, "the number 1, the version of this file's format")


class _DefaultPythons:
    """What `.python-version` says, in pyenv's format; its problems are told only where it is needed."""

    def __init__(self, check: Checker, text: str | None) -> None:
        self._check = check
        self._text = text
        self._path = str(PurePath(check.document.path).with_name(".python-version"))

    def all_of_them(self) -> tuple[str, ...]:
        """The default of `python`."""
        if self._text is None:
            self._check.missing(("python",), f"{_EXACT} in a list, or a .python-version file beside this one")
        return self._versions()

    def the_one(self, at: KeyPath) -> str:
        """The default of an included cell's `python`, at `at`."""
        versions = self._versions()
        if len(versions) == 1:
            return versions[0]
        if self._text is None or versions:
            count = f"; .python-version names {len(versions)}" if versions else ""
            self._check.missing(at, f"{_EXACT}{count}")
        return ""

    def _versions(self) -> tuple[str, ...]:
        if self._text is None:
            return ()
        found: list[str] = []
        words = [(number, line.split()) for number, line in enumerate(self._text.splitlines(), 1)]
        # pyenv takes the first word of a line, and skips the lines that are empty or start with #.
        words = [(number, line) for number, line in words if line and not line[0].startswith("#")]
        for number, (word, *_) in words:
            try:
                parse_python(word)
            except ValueError as error:
                self._check.note(self._path, number, f'found "{word}", expected an exact version; {error}')
            else:
                found.append(word)
        if not words:
            self._check.note(self._path, 1, "found nothing, expected an exact version such as 3.10.13")
        return tuple(dict.fromkeys(found))


def _pythons(check: Checker, value: Value) -> tuple[str, ...]:
    if not isinstance(value, list):
        return check.once([(("python",), _python(check, ("python",), value))])
    return check.once((at, _python(check, at, item)) for at, item in check.items(("python",), value, _EXACT))


def _python(check: Checker, at: KeyPath, value: Value) -> str:
    if not isinstance(value, str):
        check.expected(at, value, _EXACT, check.misread(at, value))
        return ""
    try:
        parse_python(value)
    except ValueError as error:
        check.expected(at, value, _EXACT, str(error))
        return ""
    return value


def _platforms(check: Checker, data: dict[str, Value]) -> tuple[Platform | None, ...]:
    expected = "a list of platforms such as [host, linux-aarch64]"
    items = check.items(("platform",), data.get("platform", [HOST]), expected)
    names = [(at, check.text(at, item, _PLATFORM)) for at, item in items]
    check.once(names)
    return tuple(_platform(check, at, name) for at, name in names)


def _platform(check: Checker, at: KeyPath, name: str) -> Platform | None:
    """The platform `name`; None for the host, for "" (noted before) and for what is no platform."""
    if name in ("", HOST):
        return None
    try:
        return parse_platform(name)
    except ValueError as error:
        hint = did_you_mean(name, _KNOWN_PLATFORMS, likeness=0.8)  # `linux` alone means none of them
        check.expected(at, name, _PLATFORM, hint or str(error))
        return None


def _settings(check: Checker, at: KeyPath, data: dict[str, Value]) -> Settings:
    return Settings(
        extras=_names(check, (*at, "extras"), data),
        groups=_names(check, (*at, "groups"), data),
        commands=_commands(check, (*at, "commands"), data),
        env=_env(check, (*at, "env"), data.get("env", {})),
        pass_env=_pass_env(check, (*at, "pass_env"), data),
        link=check.choice((*at, "link"), data["link"], LINKS) if "link" in data else None,
        installer=(check.choice((*at, "installer"), data["installer"], INSTALLERS) if "installer" in data else None),
        package=check.choice((*at, "package"), data["package"], PACKAGES) if "package" in data else None,
        timeout=_timeout(check, (*at, "timeout"), data["timeout"]) if "timeout" in data else None,
        container=read_container(check, (*at, "container"), data["container"]) if "container" in data else None,
        build=read_build(check, (*at, "build"), data["build"]) if "build" in data else None,
        policy=read_policy(check, (*at, "policy"), data["policy"]) if "policy" in data else None,
    )


def _names(check: Checker, at: KeyPath, data: dict[str, Value]) -> tuple[str, ...] | None:
    key = at[-1]
    if key not in data:
        return None
    expected = "a name of letters, digits and . _ - inside"
    items = check.items(at, data[str(key)], _NAMES)
    return check.once((item_at, check.pattern(item_at, item, _EXTRA_NAME, expected)) for item_at, item in items)


def _commands(check: Checker, at: KeyPath, data: dict[str, Value]) -> tuple[str, ...] | None:
    if "commands" not in data:
        return None
    expected = 'a list of command lines such as ["pytest {posargs}"]'
    commands: list[str] = []
    for item_at, item in check.items(at, data["commands"], expected):
        command = check.text(item_at, item, "a command line")
        try:
            if command:
                substitute_posargs(command, ())
                commands.append(command)
        except MatrixError as error:
            check.expected(item_at, command, "a command line", error.what)
    return tuple(commands)


def _env(check: Checker, at: KeyPath, value: Value) -> dict[str, str]:
    if not isinstance(value, dict):
        check.expected(at, value, 'a mapping of names to text such as {PYTHONHASHSEED: "0"}')
        return {}
    env: dict[str, str] = {}
    for name, item in value.items():
        item_at = (*at, name)
        if not name or "=" in name or "\0" in name:
            check.problem(item_at, "a variable's name must hold a character, no = and no NUL")
        elif isinstance(item, str) and "\0" not in item:
            env[name] = item
        else:
            hint = 'write "" for an empty value' if item is None else check.quote_it(item_at, item)
            check.expected(item_at, item, "text", hint)
    return env


def _pass_env(check: Checker, at: KeyPath, data: dict[str, Value]) -> tuple[str, ...] | None:
    if "pass_env" not in data:
        return None
    items = check.items(at, data["pass_env"], 'a list of names or globs such as [CI, "GITHUB_*"]')
    expected = "a variable's name or a glob, without = and spaces"
    return check.once((item_at, check.pattern(item_at, item, _VARIABLE_GLOB, expected)) for item_at, item in items)


def _timeout(check: Checker, at: KeyPath, value: Value) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 and math.isfinite(value):
        return float(value)
    check.expected(at, value, "a number of seconds above 0")
    return None


def _axes(check: Checker, cells: dict[str, Value]) -> tuple[Axis, ...]:
    at: KeyPath = ("cells", "axes")
    axes = cells.get("axes", {})
    if not isinstance(axes, dict):
        check.expected(at, axes, "a mapping of axes, each a mapping of values to overrides")
        return ()
    return tuple(_axis(check, (*at, name), name, values) for name, values in axes.items())


def _axis(check: Checker, at: KeyPath, name: str, values: Value) -> Axis:
    check.pattern(at, name, _SAFE_NAME, f"a name of {_SAFE}")
    if name in _CELL_KEYS:
        check.problem(at, f"an axis can't be called {name}, which every cell has already")
    if not isinstance(values, dict) or not values:
        check.expected(at, values, "a mapping of one or more values to overrides")
        return Axis(name=name, values={})
    variants: dict[str, Settings] = {}
    for value, overrides in values.items():
        value_at = (*at, value)
        if overrides is None:
            check.expected(value_at, None, "a mapping of overrides, {} for a value without any")
            overrides = {}
        check.pattern(value_at, value, _SAFE_NAME, f"a value of {_SAFE}")
        variants[value] = _settings(check, value_at, check.mapping(value_at, overrides, _OVERRIDES))
    return Axis(name=name, values=variants)


def _entries(check: Checker, cells: dict[str, Value], key: str) -> list[tuple[KeyPath, Value]]:
    entries: list[tuple[KeyPath, Value]] = []
    for at, item in check.items(("cells", key), cells.get(key, []), "a list of mappings"):
        if isinstance(item, dict) and item:
            entries.append((at, item))
        else:
            check.expected(at, item, "a mapping with one or more keys")
    return entries


def _include(check: Checker, at: KeyPath, value: Value, default: _DefaultPythons) -> Include:
    entry = check.mapping(at, value, (*_CELL_KEYS, *_OVERRIDES))
    python_at = (*at, "python")
    platform = check.text((*at, "platform"), entry.get("platform", HOST), _PLATFORM)
    name_at = (*at, "name")
    return Include(
        python=_python(check, python_at, entry["python"]) if "python" in entry else default.the_one(python_at),
        platform=_platform(check, (*at, "platform"), platform),
        name=check.pattern(name_at, entry["name"], _SAFE_NAME, _SAFE) if "name" in entry else "",
        settings=_settings(check, at, entry),
        where=f"{check.document.path}:{check.document.line_of(at)}",
    )


def _exclude(check: Checker, at: KeyPath, value: Value, axes: tuple[Axis, ...]) -> Exclude:
    entry = check.mapping(at, value, (*_CELL_KEYS, *(axis.name for axis in axes)))
    name = check.text((*at, "platform"), entry["platform"], _PLATFORM) if "platform" in entry else ""
    platform = _platform(check, (*at, "platform"), name)
    chosen = {
        axis.name: check.choice((*at, axis.name), entry[axis.name], tuple(axis.values)) or ""
        for axis in axes
        if axis.name in entry
    }
    return Exclude(
        python=_python(check, (*at, "python"), entry["python"]) if "python" in entry else "",
        platform=name if platform is None else platform.id,
        name=check.pattern((*at, "name"), entry["name"], _SAFE_NAME, _SAFE) if "name" in entry else "",
        axes=chosen,
        where=f"{check.document.path}:{check.document.line_of(at)}",
    )
