"""lockproof and all that it requires as wheels, made of what is installed here, to be installed elsewhere."""

from __future__ import annotations

import importlib.metadata
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lockproof
from support.wheels import make_wheel, sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_SOURCES = Path(lockproof.__file__).parent


def pack_tools(folder: Path) -> str:
    """Write the wheels into a folder; the hashed requirements that lock them."""
    settings = tomllib.loads((_SOURCES.parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    own = {
        f"lockproof/{path.relative_to(_SOURCES).as_posix()}": path.read_bytes()
        for path in _SOURCES.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    points = {"console_scripts": settings["scripts"]}
    wheels = [make_wheel(folder, "lockproof", "0", own, entry_points=points)]
    wheels += [_packed(folder, dist) for dist in _closure(settings["dependencies"])]
    names = [wheel.name.split("-")[:2] for wheel in wheels]
    hashes = [sha256_of(wheel) for wheel in wheels]
    return "".join(
        f"{name}=={version} --hash=sha256:{sha}\n" for (name, version), sha in zip(names, hashes, strict=True)
    )


def _closure(requirements: Iterable[str]) -> list[importlib.metadata.Distribution]:
    """The installed distributions that these requirements need, extras left out."""
    found: dict[str, importlib.metadata.Distribution] = {}
    waiting = list(requirements)
    while waiting:
        requirement = Requirement(waiting.pop())
        name = canonicalize_name(requirement.name)
        if name not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            found[name] = importlib.metadata.distribution(name)
            waiting += found[name].requires or ()
    return list(found.values())


def _packed(folder: Path, dist: importlib.metadata.Distribution) -> Path:
    """An installed distribution as a wheel for any Python: what is compiled in it is left out, which these can do."""
    files = {
        path.as_posix(): Path(str(path.locate())).read_bytes()
        for path in dist.files or ()
        if ".." not in path.parts
        and ".dist-info" not in path.parts[0]
        and not path.name.endswith((".pyc", ".so", ".pth"))
    }
    points = dist.read_text("entry_points.txt")
    more = {"*.dist-info/entry_points.txt": points.encode()} if points else {}
    return make_wheel(folder, dist.name, dist.version, {**files, **more})
