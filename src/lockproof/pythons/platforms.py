"""Exact Python and platform to markers and tags, without asking the host (PEP 425, 508, 600, 656)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet

    from packaging.markers import Environment
    from packaging.tags import Tag

LINUX_MACHINES = ("x86_64", "aarch64", "i686", "armv7l", "ppc64le", "s390x", "riscv64")
MACOS_MACHINES = ("arm64", "x86_64")
WINDOWS_MACHINES = ("x86_64", "arm64", "x86")

# What a platform without a version means: what today's wheels are built for, and what uv assumes.
DEFAULT_GLIBC = (2, 28)  # manylinux_2_28
DEFAULT_GLIBC_OF = {"riscv64": (2, 39)}  # no manylinux image for riscv64 is older
DEFAULT_MUSL = (1, 2)  # musllinux_1_2
DEFAULT_MACOS = (13, 0)

_KNOWN_FORMS = (
    f"linux-<{'|'.join(LINUX_MACHINES)}>, then -glibc2.28, -musl or -musl1.2 where the libc matters; "
    f"macos-<{'|'.join(MACOS_MACHINES)}>, then a deployment version as in macos-arm64-14.0 where it matters; "
    f"windows-<{'|'.join(WINDOWS_MACHINES)}>"
)
_VERSION = r"(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})"
_LINUX = re.compile(rf"linux-({'|'.join(LINUX_MACHINES)})(?:-(glibc(?=[0-9])|musl)(?:{_VERSION})?)?")
_MACOS = re.compile(rf"macos-({'|'.join(MACOS_MACHINES)})(?:-{_VERSION})?")
_WINDOWS = re.compile(rf"windows-({'|'.join(WINDOWS_MACHINES)})")
_PYTHON = re.compile(
    r"3\.(?P<minor>0|[1-9][0-9]?)\.(?P<patch>0|[1-9][0-9]?)(?P<pre>(?:a|b|rc)(?:0|[1-9][0-9]?))?(?P<freethreaded>t)?"
)
_OLDEST_MINOR = 6  # what the reader and the tags below know
_TOLD = 12  # tags listed in a message
_FIRST_FREETHREADED_MINOR = 13  # PEP 703
# Aliases that came before PEP 600, each standing for one glibc.
_MANYLINUX_ALIASES = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """One operating system, machine and C library.

    `os` is linux, macos or windows; `machine` as the platform itself spells it (x86_64, aarch64, arm64);
    `libc` is glibc or musl on linux, else empty; `version` is the libc's, or macOS's deployment version.
    A linux without a libc is an interpreter that could not name its own: only `linux_<machine>` fits it.
    """

    os: str
    machine: str
    libc: str = ""
    version: tuple[int, int] | None = None

    @property
    def id(self) -> str:
        """The stable name used in matrix.yaml and cell ids: linux-x86_64, linux-x86_64-musl, macos-arm64 …"""
        tail = "-musl" if self.libc == "musl" else ""
        return f"{self.os}-{self.machine}{tail}"

    @property
    def spelling(self) -> str:
        """The full name with its version, as `parse_platform` reads it: linux-x86_64-glibc2.36 …"""
        version = "" if self.version is None else f"{self.version[0]}.{self.version[1]}"
        tail = f"-{self.libc}{version}" if self.libc or version else ""
        return f"{self.os}-{self.machine}{tail}"


@dataclass(frozen=True, kw_only=True, slots=True)
class PythonVersion:
    """One exact CPython release: 3.13.0, 3.13.0t (free-threaded, PEP 703), 3.14.0rc1 (`pre` is "rc1")."""

    major: int
    minor: int
    patch: int
    pre: str = ""
    freethreaded: bool = False

    @property
    def release(self) -> str:
        """The version without the free-threading letter, as `platform.python_version()` says it."""
        return f"{self.major}.{self.minor}.{self.patch}{self.pre}"

    def __str__(self) -> str:
        return f"{self.release}t" if self.freethreaded else self.release


def parse_platform(text: str) -> Platform:
    """The platform that `text` names, with default versions filled in.

    `<os>-<machine>`, then on linux `-glibc<version>`, `-musl` or `-musl<version>`, and on macOS `-<version>`.
    Defaults: glibc 2.28 (riscv64: 2.39), musl 1.2, macOS 13.0. Raises ValueError naming the known forms.
    """
    if match := _LINUX.fullmatch(text):
        machine, libc, major, minor = match.groups()
        libc = libc or "glibc"
        version = (int(major), int(minor)) if major else _default_libc_version(machine, libc)
        return Platform(os="linux", machine=machine, libc=libc, version=version)
    if match := _MACOS.fullmatch(text):
        machine, major, minor = match.groups()
        version = (int(major), int(minor)) if major else DEFAULT_MACOS
        return Platform(os="macos", machine=machine, version=version)
    if match := _WINDOWS.fullmatch(text):
        return Platform(os="windows", machine=match[1])
    raise ValueError(f"{text!r} is not a known platform; known forms are {_KNOWN_FORMS}")


def _default_libc_version(machine: str, libc: str) -> tuple[int, int]:
    return DEFAULT_MUSL if libc == "musl" else DEFAULT_GLIBC_OF.get(machine, DEFAULT_GLIBC)


def parse_python(text: str) -> PythonVersion:
    """The exact CPython that `text` names: `3.13.0`, `3.13.0t`, `3.14.0rc1`.

    Raises ValueError saying what to write for anything else: a series such as 3.13 is not one interpreter.
    """
    match = _PYTHON.fullmatch(text)
    if match is None:
        why = "write three numbers: 3.13.0, 3.13.0t for a free-threaded build, 3.14.0rc1 for a pre-release"
        if series := re.fullmatch(r"(3\.[0-9]{1,2})(t?)", text):
            why = f"write the patch version too, such as {series[1]}.0{series[2]}"
        raise ValueError(f"{text!r} is not an exact version of CPython: {why}")
    if int(match["minor"]) < _OLDEST_MINOR:
        raise ValueError(f"{text!r} is too old: the oldest CPython that can be described is 3.{_OLDEST_MINOR}")
    if match["freethreaded"] and int(match["minor"]) < _FIRST_FREETHREADED_MINOR:
        raise ValueError(f"{text!r} never was: free-threaded builds begin with 3.{_FIRST_FREETHREADED_MINOR}")
    return PythonVersion(
        major=3,
        minor=int(match["minor"]),
        patch=int(match["patch"]),
        pre=match["pre"] or "",
        freethreaded=match["freethreaded"] is not None,
    )


def marker_environment(python: PythonVersion, platform: Platform) -> Environment:
    """The 11 marker variables of PEP 508 for CPython `python` on `platform`; the host is not asked.

    `platform_release` and `platform_version` are empty: a lock can't hang on a kernel's build.
    `platform_machine` is the interpreter's own (i686 for a 32-bit Python, whatever the kernel is).
    """
    os_name, sys_platform, system = {
        "linux": ("posix", "linux", "Linux"),
        "macos": ("posix", "darwin", "Darwin"),
        "windows": ("nt", "win32", "Windows"),
    }[platform.os]
    machine = platform.machine
    if platform.os == "windows":
        machine = {"x86_64": "AMD64", "arm64": "ARM64"}.get(machine, machine)
    return {
        "implementation_name": "cpython",
        # PEP 508 takes the first letter of sys.implementation's release level: c for a candidate.
        "implementation_version": python.release.replace("rc", "c"),
        "os_name": os_name,
        "platform_machine": machine,
        "platform_release": "",
        "platform_system": system,
        "platform_version": "",
        "python_full_version": python.release,
        "platform_python_implementation": "CPython",
        "python_version": f"{python.major}.{python.minor}",
        "sys_platform": sys_platform,
    }


def compatible_tags(python: PythonVersion, platform: Platform) -> list[Tag]:
    """Every wheel tag that CPython `python` can install on `platform`, the most specific first (PEP 425).

    Equal to `packaging.tags.sys_tags()` run inside that interpreter by the same release of packaging.
    """
    from packaging import tags  # late: 80 ms that `list` and `--help` need not pay

    version = (python.major, python.minor)
    interpreter = f"cp{python.major}{python.minor}"
    letters = "m" if version < (3, 8) else "t" if python.freethreaded else ""
    platforms = list(platform_tags(platform))
    return [
        *tags.cpython_tags(version, [interpreter + letters], platforms),
        *tags.compatible_tags(version, interpreter, platforms),
    ]


def platform_tags(platform: Platform) -> Iterator[str]:
    """The platform part of the tags that fit `platform`, the most specific first; never empty."""
    if platform.os == "macos":
        from packaging.tags import mac_platforms  # late, as above

        yield from mac_platforms(platform.version or DEFAULT_MACOS, platform.machine)
    elif platform.os == "windows":
        yield {"x86_64": "win_amd64", "arm64": "win_arm64", "x86": "win32"}[platform.machine]
    else:
        yield f"linux_{platform.machine}"
        if platform.libc == "glibc" and platform.version:
            yield from _manylinux_tags(platform.machine, platform.version)
        elif platform.libc == "musl" and platform.version:
            major, newest = platform.version
            for minor in range(newest, -1, -1):
                yield f"musllinux_{major}_{minor}_{platform.machine}"


def _manylinux_tags(machine: str, glibc: tuple[int, int]) -> Iterator[str]:
    """PEP 600: from the platform's glibc down to the first that ever had wheels (2.5 on x86, else 2.17)."""
    oldest = 5 if machine in {"x86_64", "i686"} else 17
    for minor in range(glibc[1], oldest - 1, -1):
        yield f"manylinux_{glibc[0]}_{minor}_{machine}"
        if alias := _MANYLINUX_ALIASES.get((glibc[0], minor)):
            yield f"{alias}_{machine}"


def newer_platform(python: PythonVersion, platform: Platform, tags: AbstractSet[Tag]) -> Platform | None:
    """The same platform at the nearest later version that a wheel of such tags fits; None where no version helps."""
    prefix = {"macos": "macosx", "linux": "manylinux" if platform.libc == "glibc" else "musllinux"}.get(platform.os)
    if prefix is None or platform.version is None:
        return None
    named = (re.match(rf"{prefix}_(\d{{1,3}})_(\d{{1,3}})_", tag.platform) for tag in tags)
    versions = {(int(match[1]), int(match[2])) for match in named if match}
    for version in sorted(version for version in versions if version > platform.version):
        candidate = replace(platform, version=version)
        if not tags.isdisjoint(compatible_tags(python, candidate)):
            return candidate
    return None


def told_tags(tags: AbstractSet[Tag]) -> str:
    """The Pythons and platforms of some tags, for messages: `cp310 cp311 on manylinux_2_28_x86_64 win_amd64`."""
    return f"{_some(tags, _python_of)} on {_some(tags, lambda tag: tag.platform)}"


def _python_of(tag: Tag) -> str:
    return tag.interpreter if tag.abi in {"none", tag.interpreter} else f"{tag.interpreter}-{tag.abi}"


def _some(tags: AbstractSet[Tag], part: Callable[[Tag], str]) -> str:
    values = sorted({part(tag) for tag in tags}, key=lambda text: (len(text), text))
    more = f" and {len(values) - _TOLD} more" if len(values) > _TOLD else ""
    return " ".join(values[:_TOLD]) + more
