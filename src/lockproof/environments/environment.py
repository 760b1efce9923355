"""Makes a cell's environment: virtualenv's skeleton without seeds, the store's files, RECORDs and scripts."""

from __future__ import annotations

import os
import platform
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.digests import record_hash, sha256_hex
from lockproof.environments.skeletons import write_skeleton
from lockproof.errors import LockproofError, UnavailableError, UsageError, why_of
from lockproof.proof.prediction import landing_launchers, normal_path
from lockproof.pythons.layout import layout_for
from lockproof.reading.activators import Place, can_tell, has_release
from lockproof.wheels.entryfiles import quoted, static_record
from lockproof.wheels.launchers import canonical_script_source, render_launcher, render_script
from lockproof.wheels.linking import Joint, join, usable_mode
from lockproof.wheels.programs import render_program
from lockproof.wheels.store import remove_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockproof.pythons.interpreters import Interpreter
    from lockproof.pythons.layout import Layout
    from lockproof.wheels.launchers import EntryPointScript
    from lockproof.wheels.store import StoreEntry

# virtualenv keeps process-wide state while it works.
_SKELETONS = threading.Lock()


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """An environment to be made: of that interpreter, with those wheels, in that folder, joined as `link` says.

    `bare`: it was just made there, by `make_skeleton`, and nothing was put into it.
    """

    interpreter: Interpreter
    entries: Sequence[StoreEntry]
    folder: Path
    link: str
    own: frozenset[str] = frozenset()  # wheels that no other environment has, by distribution
    bare: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """What came of orders: the link mode that each came to, and the store files that had to be replaced."""

    links: tuple[str, ...]
    replaced: tuple[str, ...]


def make_skeleton(interpreter: Interpreter, folder: Path, app_data: Path) -> None:
    """An environment of that interpreter with nothing installed, not even pip; whatever was there is gone.

    One of an image's interpreter, which can't be run here, is written by `skeletons`.

    The user's virtualenv configuration and VIRTUALENV_… variables have no say. Raises LockproofError where it fails.
    """
    import logging

    _refuse_unusable_path(str(folder))
    remove_tree(folder)
    if interpreter.image:
        return write_skeleton(interpreter, folder)
    from virtualenv import session_via_cli  # 190 ms

    arguments = [str(folder), "--python", str(interpreter.executable), "--no-seed", "--no-vcs-ignore"]
    arguments += ["--app-data", str(app_data), "--no-periodic-update"]
    # That Python is asked for its folders: a setuptools of its own has no say there, nor 0.3 s to be imported.
    quiet = {**os.environ, "VIRTUALENV_CONFIG_FILE": os.devnull, "SETUPTOOLS_USE_DISTUTILS": "stdlib"}
    quiet = {k: v for k, v in quiet.items() if not k.startswith("VIRTUALENV_") or k == "VIRTUALENV_CONFIG_FILE"}
    try:
        with _SKELETONS:
            logging.getLogger("virtualenv").setLevel(logging.ERROR)
            session_via_cli(arguments, setup_logging=False, env=quiet).run()
        for patch in folder.glob("lib/python*/site-packages/_virtualenv.p*"):
            patch.unlink()  # for Pythons before 3.10, against distutils settings that break pip: there is no pip here
    except (RuntimeError, SystemExit, ValueError) as error:
        raise LockproofError(f"virtualenv can't make an environment of Python {interpreter.version}", why=str(error),
                             where=str(folder), remedy=f"try: virtualenv {' '.join(arguments)}") from error  # fmt: skip
    except OSError as error:
        raise disk_error(folder, error) from error


def writes_known_activators(folder: Path) -> bool:
    """Whether the scripts for activating that `make_skeleton` writes into that folder are known by their text."""
    from virtualenv import __version__ as release  # 190 ms, and few environments are asked for

    return (
        os.name != "nt" and can_tell(Place((str(folder.absolute()),), "", "")) and has_release(f"virtualenv {release}")
    )


def _refuse_unusable_path(folder: str) -> None:
    """Raise UsageError for a path in which no environment can be."""
    why = f"it has {os.pathsep!r} in it, which separates paths in PATH" if os.pathsep in folder else ""
    try:
        folder.encode()
    except UnicodeEncodeError:
        why = "it is not UTF-8"
    if why:
        raise UsageError("no environment can be made in this path", where=folder, why=why, remedy="work elsewhere")


def disk_error(folder: Path, error: OSError) -> UnavailableError:
    """What a full disk or a folder that can't be written to means for an environment."""
    return UnavailableError(
        "the environment can't be made", where=str(folder), why=why_of(error),
        remedy="make room, or make the folder writable, and run again: nothing half-made will be used",
    )  # fmt: skip


def make_environments(orders: Sequence[Order], app_data: Path) -> Made:
    """Make all the environments, those that are joined alike in one pass over the store.

    Raises UnavailableError where the disk says no or a link mode asked for by name can't be had, and then none of them
    is whole.
    """
    modes: list[str] = []
    try:
        for order in orders:
            if not order.bare:
                make_skeleton(order.interpreter, order.folder, app_data)
            source = order.entries[0].folder / "manifest.json" if order.entries else None
            modes.append(usable_mode(order.link, source, order.folder))
        replaced: list[str] = []
        for mode in dict.fromkeys(modes):
            alike = [order for order, own in zip(orders, modes, strict=True) if own == mode]
            replaced += join([_joint_of(order) for order in alike], mode, own_record=has_scripts)
        for order, mode in zip(orders, modes, strict=True):
            note_link_mode(order.folder, mode)
    except OSError as error:
        raise disk_error(orders[min(len(modes), len(orders) - 1)].folder, error) from error
    return Made(links=tuple(modes), replaced=tuple(replaced))


def _joint_of(order: Order) -> Joint:
    version = order.interpreter.version
    write = partial(write_scripts_and_record, python=version, folder=order.folder)
    return Joint(entries=order.entries, layout=host_layout(version), root=str(order.folder), write=write)


def host_layout(python: str) -> Layout:
    """Where things lie in an environment of that Python here."""
    return layout_for(python, "windows" if os.name == "nt" else "linux")


def note_link_mode(folder: Path, mode: str) -> None:
    """Say in pyvenv.cfg who filled the environment, so that a reader knows when links into the store are right."""
    with (folder / "pyvenv.cfg").open("a", encoding="utf-8") as config:
        config.write(f"lockproof-link = {mode}\n")


def has_scripts(entry: StoreEntry) -> bool:
    """Whether the wheel's RECORD has rows that differ from one environment to another."""
    manifest = entry.manifest
    outside = any(not file.path.startswith("site/") for file in manifest.files)
    return bool(manifest.launchers or manifest.scripts or outside)


def write_scripts_and_record(entry: StoreEntry, python: str, folder: Path) -> None:
    """Write what a wheel has that differs from one environment to another."""
    manifest, layout = entry.manifest, host_layout(python)
    program = str(folder / layout.scripts / "python")
    outside = [file for file in manifest.files if not file.path.startswith("site/")]
    rows = [(normal_path(file.path, layout), file.sha256, file.size) for file in outside]
    written: dict[str, bytes] = {}
    for script in manifest.scripts:
        written[script.path] = render_script(program, _script_source(entry, script.path, script.sha256))
    for launcher in landing_launchers(manifest, python):
        written[layout.wrapper(launcher.name)] = _wrapper(program, launcher, layout)
    for path, content in written.items():
        write_script(folder / layout.physical(path), content)
        rows.append((path, sha256_hex(content), len(content)))
    lines = [
        f"{quoted(layout.relative_to_site(path))},{record_hash(digest)},{size}\n" for path, digest, size in sorted(rows)
    ]
    record = folder / layout.site / manifest.dist_info / "RECORD"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_bytes("".join(lines).encode("utf-8", "surrogateescape") + _site_rows(entry))


def _site_rows(entry: StoreEntry) -> bytes:
    """The rows of RECORD that are the same everywhere: the store's copy, checked, or worked out once more."""
    path = f"site/{entry.manifest.dist_info}/RECORD"
    wanted = next((sha256 for name, sha256 in reversed(entry.files) if name == path), "")
    real = Path(entry.tree, path)
    with suppress(OSError):
        content = real.read_bytes() if real.is_file() else b""  # a FIFO must not be opened
        if sha256_hex(content) == wanted:
            return content
    return static_record(entry.manifest)


def _wrapper(program: str, launcher: EntryPointScript, layout: Layout) -> bytes:
    """The wrapper of an entry point: a script, or what Windows starts."""
    if not layout.program:
        return render_launcher(program, launcher.module, launcher.attr)
    from importlib.resources import files  # only on Windows; distlib comes with virtualenv

    machine = "64-arm" if platform.machine() == "ARM64" else "64" if sys.maxsize > 1 << 32 else "32"
    stub = files("distlib").joinpath(f"{'w' if launcher.gui else 't'}{machine}.exe").read_bytes()
    python = f"{program}w.exe" if launcher.gui else f"{program}.exe"
    return render_program(stub, python, launcher.module, launcher.attr)


def _script_source(entry: StoreEntry, path: str, sha256: str) -> bytes:
    """A `.data/scripts` file's bytes from the store, checked, and from the archive where the store's are damaged."""
    real = Path(entry.tree, path)
    source = real.read_bytes() if real.is_file() and not real.is_symlink() else b""
    if sha256_hex(canonical_script_source(source) or b"") == sha256:
        return source
    remove_tree(real)
    entry.heal_script(path)
    return real.read_bytes()


def write_script(path: Path, content: bytes) -> None:
    """Write an executable file anew, whatever the umask."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
