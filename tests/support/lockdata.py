"""Lock texts, cells and a fake index for tests of the lock readers and of plans."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from lockproof.cells.matrix import Cell
from lockproof.locks.pylock import read_pylock
from lockproof.pythons.platforms import parse_platform

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from lockproof.locks import IndexOptions, Lock
    from lockproof.locks.matching import ListedFile

DATA = Path(__file__).parent.parent / "data" / "locks"
FOLDER = PurePath("/locks")
HEAD = 'lock-version = "1.0"\ncreated-by = "test"\n'


def hex_of(text: str) -> str:
    """A sha256 that stands for the bytes of the file named `text`."""
    return hashlib.sha256(text.encode()).hexdigest()


def cell(
    python: str = "3.12.1",
    platform: str = "linux-x86_64",
    *,
    extras: tuple[str, ...] = (),
    groups: tuple[str, ...] | None = None,
) -> Cell:
    """A cell that differs from others in what a lock is asked."""
    return Cell(
        id=f"{python}-{platform}",
        python=python,
        platform=parse_platform(platform),
        on_host=False,
        extras=extras,
        groups=groups,
    )


def entry(filename: str, **more: str | int) -> str:
    """One file of a pylock.toml as an inline table; `more` are further keys, and can replace the `url`."""
    keys: dict[str, str | int] = {"url": f"https://files.index.invalid/{filename}", **more}
    body = ", ".join(f"{key} = {value!r}" for key, value in keys.items() if value != "")
    return f"{{{body}, hashes = {{sha256 = '{hex_of(filename)}'}}}}"


def package(name: str, *filenames: str, **keys: str) -> str:
    """A [[packages]] entry of the given files; `keys` are marker and requires_python."""
    lines = ["[[packages]]", f"name = '{name}'"]
    lines += [f'{key.replace("_", "-")} = "{value}"' for key, value in keys.items()]
    sdists = [file for file in filenames if not file.endswith(".whl")]
    lines += [f"sdist = {entry(file)}" for file in sdists]
    lines.append(f"wheels = [{', '.join(entry(file) for file in filenames if file.endswith('.whl'))}]")
    return "\n".join(lines) + "\n"


def pylock(*packages: str, head: str = HEAD) -> Lock:
    """The lock of some entries, read as /locks/pylock.toml."""
    return read_pylock(head + "".join(packages), "pylock.toml", folder=FOLDER)


@dataclass(frozen=True, kw_only=True)
class File:
    """What an index lists."""

    filename: str
    url: str
    sha256: str | None
    size: int | None = None


def listed(filename: str, sha256: str | None = "", size: int | None = None) -> File:
    """A listed file whose hash stands for its name when none is given."""
    url = f"https://files.index.invalid/{filename}"
    return File(filename=filename, url=url, sha256=hex_of(filename) if sha256 == "" else sha256, size=size)


@dataclass(kw_only=True)
class FakeIndex:
    """An index in memory that counts what it is asked."""

    files: Mapping[tuple[str, str], Sequence[ListedFile]]
    asked: list[tuple[str, str]] = field(default_factory=list)
    options: list[IndexOptions] = field(default_factory=list)

    def __call__(self, options: IndexOptions) -> FakeIndex:
        """The factory that load_lock wants."""
        self.options.append(options)
        return self

    def files_of(
        self, pins: Iterable[tuple[str, str]], wanted: Mapping[tuple[str, str], Collection[str]] | None = None
    ) -> Mapping[tuple[str, str], Sequence[ListedFile]]:
        """What was given for each pin."""
        pins = list(pins)
        assert wanted is not None
        assert set(wanted) == set(pins)
        self.asked += pins
        return {pin: self.files.get(pin, ()) for pin in pins}
