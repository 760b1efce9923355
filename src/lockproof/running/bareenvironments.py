"""Environments with nothing in them yet, made in a fork while the run still looks for what goes into them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from lockproof.environments.environment import make_skeleton
from lockproof.environments.pycache import prepare_links
from lockproof.errors import LockproofError
from lockproof.running.forks import Fork, spare_cores
from lockproof.wheels.store import remove_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from lockproof.pythons.interpreters import Interpreter


class BareEnvironments:
    """Made by virtualenv as any other, but at the same time as something else. The caller holds the cells."""

    def __init__(self, app_data: Path, bytecode: Path) -> None:
        """`app_data` is virtualenv's own folder; in `bytecode` lie links to what interpreters have of it."""
        self._app_data = app_data
        self._bytecode = bytecode
        self._fork: Fork[None, list[Path]] | None = None
        self._begun: set[Path] = set()

    def begin(self, wanted: Mapping[Path, Interpreter]) -> None:
        """Begin to make one in each folder; for the main thread, before others do work. Without a fork none is made."""
        if not spare_cores(1):
            return
        with suppress(OSError):
            self._fork = Fork[None, "list[Path]"](lambda _: self._make(wanted))
            self._begun = set(wanted)
            self._fork.send(None)

    def take(self, folders: Iterable[Path]) -> set[Path]:
        """Wait for what was begun: which of these folders are made. All of these are the caller's from now on."""
        made = set((self._fork.receive() if self._fork else None) or ())
        self._end()
        taken = set(folders)
        self._begun -= taken
        return made & taken

    def close(self) -> None:
        """End the fork, and take away what was begun and is nobody's."""
        self._end()
        for folder in self._begun:
            with suppress(OSError):
                remove_tree(folder)
        self._begun.clear()

    def _make(self, wanted: Mapping[Path, Interpreter]) -> list[Path]:
        made = []
        for folder, interpreter in wanted.items():
            with suppress(LockproofError):  # whoever makes it again will tell
                make_skeleton(interpreter, folder, self._app_data)
                made.append(folder)
            prepare_links(interpreter, self._bytecode)  # their cells will need them
        return made

    def _end(self) -> None:
        if self._fork:
            self._fork.close()
            self._fork = None
