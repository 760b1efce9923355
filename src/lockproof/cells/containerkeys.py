"""`container` in matrix.yaml: the image that a cell runs in, and how."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lockproof.pythons.platforms import LINUX_MACHINES, Platform, parse_platform

if TYPE_CHECKING:
    from lockproof.cells.shapes import Checker
    from lockproof.cells.trees import KeyPath, Value

ENGINES = ("docker", "podman")
PROJECTS = ("read-only", "copy")
_KEYS = ("image", "platform", "engine", "network", "python", "project")
_IMAGE = "an image such as python:3.11.7-slim@sha256:…"
_REFERENCE = re.compile(r"(?!-)\S+")  # anything else about it is for the engine to say
_DIGEST = re.compile(r"(?:.+@)?sha256:[0-9a-f]{64}")
_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:=-]*")
_INSIDE = re.compile(r"/[^\0\n]*")
# Go's names of machines, which images are labelled with (OCI image-spec), and the kernel's.
_MACHINES = {
    "amd64": "x86_64", "arm64": "aarch64", "arm64/v8": "aarch64", "386": "i686", "arm/v7": "armv7l",
    "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64",
}  # fmt: skip
_PLATFORMS = tuple(f"linux/{name}" for name in _MACHINES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Container:
    """What a cell's container is made of.

    `image` is a reference as written; `platform` such as linux/arm64, empty for the machine's own; `engine` one of
    ENGINES, empty for the first that works; `network` as engines name it; `python` the path of an interpreter inside,
    empty to look for it; `project` one of PROJECTS: how commands see the checkout.
    """

    image: str
    platform: str = ""
    engine: str = ""
    network: str = "none"
    python: str = ""
    project: str = "read-only"

    @property
    def is_pinned(self) -> bool:
        """Whether the reference can only ever mean one image: it ends in a digest, or is an image's id."""
        return _DIGEST.fullmatch(self.image) is not None


def read_container(check: Checker, at: KeyPath, value: Value) -> Container | None:
    """The container that a mapping says; what is wrong with it is noted."""
    if not isinstance(value, dict):
        check.expected(at, value, "a mapping with image")
        return None
    data = check.mapping(at, value, _KEYS)
    image = check.text((*at, "image"), data.get("image"), _IMAGE)
    if image:
        check.pattern((*at, "image"), image, _REFERENCE, _IMAGE)
    platform = ""
    if "platform" in data and (
        platform := check.text((*at, "platform"), data["platform"], "a platform such as linux/amd64")
    ):
        check.choice((*at, "platform"), platform, _PLATFORMS)
    return Container(
        image=image,
        platform=platform,
        engine=(check.choice((*at, "engine"), data["engine"], ENGINES) or "") if "engine" in data else "",
        network=_pattern(check, at, data, "network", _NETWORK, "none, host or the name of a network") or "none",
        python=_pattern(check, at, data, "python", _INSIDE, "the absolute path of a Python in the image"),
        project=(check.choice((*at, "project"), data["project"], PROJECTS) if "project" in data else None)
        or "read-only",
    )


def _pattern(
    check: Checker, at: KeyPath, data: dict[str, Value], key: str, pattern: re.Pattern[str], expected: str
) -> str:
    return check.pattern((*at, key), data[key], pattern, expected) if key in data else ""


def container_platform(container: Container, host: Platform) -> Platform:
    """The platform that a container has before anybody looked inside: Linux, with the usual glibc."""
    name = container.platform.removeprefix("linux/")
    machine = _MACHINES.get(name, "") or {"arm64": "aarch64"}.get(host.machine, host.machine)
    return parse_platform(f"linux-{machine if machine in LINUX_MACHINES else 'x86_64'}")


def machine_of(platform: str) -> str:
    """The machine of an image's platform (linux/amd64 is x86_64); empty for one that isn't known."""
    system, _, name = platform.partition("/")
    return _MACHINES.get(name, _MACHINES.get(name.partition("/")[0], "")) if system == "linux" else ""
