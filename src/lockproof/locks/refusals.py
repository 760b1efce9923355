"""Why cells can't be planned: for want of a wheel, or of an answer to a marker."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lockproof.locks import INSTALLABLE_ADVICE, wheel_name
from lockproof.locks.markers import asks_of_kernel, with_kernel_answers
from lockproof.pythons.platforms import newer_platform, parse_python, told_tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.markers import Marker
    from packaging.tags import Tag

    from lockproof.cells.matrix import Cell
    from lockproof.errors import LockError
    from lockproof.locks import Lock

AGAIN = "Correct the lock, or make it again."
LEAVE_OUT = "Or leave the cell out (cells: exclude)."


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Refusal:
    """Why cells can't be planned; `index` is the package's, -1 for the whole lock. In the lock's order.

    `sdist` is the name of a package that could be built: those are told together, since they have one remedy.
    """

    index: int
    what: str
    why: str
    remedy: str
    sdist: str = ""


def whole_lock(what: str, why: str, remedy: str = AGAIN) -> Refusal:
    """What is wrong with a lock as a whole."""
    return Refusal(index=-1, what=what, why=why, remedy=remedy)


def hole(lock: Lock, index: int, missing: LockError | None, cell: Cell) -> Refusal:
    """A distribution without a wheel: told with the wheels that the lock has, or why it has no files.

    Where one fits the same platform at a later version, that is told too.
    """
    if missing:
        return Refusal(index=index, what=missing.what, why=missing.why, remedy=f"{missing.remedy} {LEAVE_OUT}")
    package = lock.pylock.packages[index]
    version = f" {package.version}" if package.version else ""
    tags = {tag for wheel in package.wheels or () if (parts := wheel_name(wheel.filename)) for tag in parts.tags}
    why = f"its wheels are for {told_tags(tags)}{_later(cell, tags)}" if package.wheels else "it has no file"
    if package.sdist and not package.wheels:
        by_hash = lock.kind in ("requirements", "pipenv")  # and the hash of a wheel may be wrong
        why = "the index has only an sdist under its hashes" if by_hash else "it has only an sdist"
    return Refusal(
        index=index,
        what=f"{package.name}{version} has no wheel",
        why=why,
        remedy=f"{INSTALLABLE_ADVICE} {LEAVE_OUT}",
        sdist=package.name if package.sdist else "",
    )


def _later(cell: Cell, tags: set[Tag]) -> str:
    later = newer_platform(parse_python(cell.python), cell.platform, tags)
    if later is None:
        return ""
    here = " here" if cell.on_host else ""
    return f"; one fits `platform: {later.spelling}`, and this is {cell.platform.spelling}{here}"


def without_kernel(lock: Lock) -> tuple[Lock, Mapping[int, Marker]]:
    """The lock with every question about a machine's kernel answered with no, and the markers with yes, by index.

    `platform_release` and `platform_version` (PEP 508) are those of one running kernel. Markers have no `not`: where a
    whole marker is the same for yes and for no, the kernel makes no difference.
    """
    from packaging.markers import Marker  # late: packaging takes 80 ms

    asking = {
        index: str(package.marker)
        for index, package in enumerate(lock.pylock.packages)
        if package.marker and asks_of_kernel(str(package.marker))
    }
    environments = [Marker(with_kernel_answers(str(marker), answer=False)) for marker in lock.pylock.environments or ()]
    packages = list(lock.pylock.packages)
    for index, marker in asking.items():
        packages[index] = replace(packages[index], marker=Marker(with_kernel_answers(marker, answer=False)))
    pylock = replace(lock.pylock, packages=packages, environments=environments or None)
    return replace(lock, pylock=pylock), {
        index: Marker(with_kernel_answers(marker, answer=True)) for index, marker in asking.items()
    }


def kernel_refusal(lock: Lock, index: int) -> Refusal:
    """A distribution that is installed or not as a kernel is of one version or another."""
    return Refusal(
        index=index,
        what=f"whether {lock.pylock.packages[index].name} is installed can't be said before",
        why="its marker hangs on platform_release or platform_version, which the kernel of each machine says",
        remedy="Make the lock again without such a marker.",
    )
