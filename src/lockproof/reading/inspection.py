"""An environment on this machine, read and turned into a fingerprint; none of its code is run."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.errors import UnavailableError, UsageError
from lockproof.proof.fingerprint import Finding
from lockproof.reading.bytecode import check_bytecode
from lockproof.reading.inside import interpreter_inside
from lockproof.reading.leftout import folder_findings
from lockproof.reading.observation import observe
from lockproof.reading.reader import ChangedDuringRead, read_tree
from lockproof.reading.readtree import bytecode_of, layout_of
from lockproof.reading.surroundings import home_finding, mount_findings
from lockproof.reading.vouched import Vouched
from lockproof.wheels.startup import parse_pyvenv

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lockproof.proof.fingerprint import Fingerprint, Worked
    from lockproof.pythons.interpreters import Interpreter
    from lockproof.reading.bytecode import Holds
    from lockproof.reading.reader import Row, Tree, Unread
    from lockproof.reading.readtree import ReadTree
    from lockproof.wheels.store import Known

    Reading = Callable[[list[Unread]], list[Row]]

# A script's interpreter by a path with `..` in it, in any of the forms that installers write.
_CALLED = re.compile(rb"(/[^\n\"']*/\.\./[^\n\"']*?)/(?:bin|Scripts)/python[\w.]*")
_HEAD = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """A reading of an environment and its fingerprint; a later one of the same files need not be worked out again."""

    fingerprint: Fingerprint
    tree: Tree
    interpreter: Interpreter | None


def inspect_environment(
    folder: Path,
    *,
    identify: Callable[[Path], Interpreter | None],
    store: Path | None,
    declared: Path | None = None,
    known: Known | None = None,
    previous: Inspection | None = None,
    vouched: Path | None = None,
    worked: Worked | None = None,
    reading: Reading | None = None,
    contained: Interpreter | None = None,
) -> Inspection:
    """Read the virtual environment in `folder`, and say what its fingerprint is.

    `identify` says which interpreter an executable outside the environment is; `declared` is the one it should be.
    Links are followed only below `store` and only where pyvenv.cfg says that the environment was joined by links.
    `known` spares reading files whose bytes were hashed while they looked as they do now; what is read is entered.
    Where everything is as in `previous`, its fingerprint is the answer. `vouched` is a folder in which it is remembered
    which bytecode is true to its source; for `worked`, see `observe`, for `reading`, `read_tree`. `contained` is the
    interpreter that an environment for a container must be of: then nothing of this machine is asked. Raises UsageError
    for a folder that is no environment, UnavailableError for one that can't be read or changes meanwhile.
    """
    tree = _read(folder, store, known, previous, reading)
    if contained:
        interpreter, finding = interpreter_inside(folder, layout_of(tree).scripts, contained)
    else:
        interpreter, finding = interpreter_of(tree, identify, declared)
    further = ([finding] if finding else []) + mount_findings(tree.real_root)
    same = previous and tree is previous.tree and interpreter == previous.interpreter
    if previous and same and set(further) <= set(previous.fingerprint.findings):
        return Inspection(fingerprint=previous.fingerprint, tree=tree, interpreter=interpreter)
    runs_here = None if contained else interpreter  # what can't be run can't compile either
    answers = bytecode_answers(tree, bytecode_of(tree), runs_here, vouched)
    open_folders = folder_findings(tree.modes, layout_of(tree))
    fingerprint = observe(
        tree,
        bytecode=answers,
        interpreter=interpreter.identity if interpreter else {},
        interpreter_layer=interpreter.layer if interpreter else None,
        worked=worked,
        aliases=_aliases(tree),
    )
    if interpreter:
        fingerprint = interpreter.told_by(fingerprint)
    fingerprint = replace(fingerprint, findings=(*fingerprint.findings, *open_folders, *further))
    return Inspection(fingerprint=fingerprint, tree=tree, interpreter=interpreter)


def _read(
    folder: Path, store: Path | None, known: Known | None, previous: Inspection | None, reading: Reading | None
) -> Tree:
    configuration = folder / "pyvenv.cfg"
    if not configuration.is_file():
        raise UsageError(
            "this is not a virtual environment", where=str(folder), why="it has no pyvenv.cfg",
            remedy="name the folder that has pyvenv.cfg, bin (or Scripts) and lib in it",
        )  # fmt: skip
    try:
        keys = parse_pyvenv(configuration.read_text(encoding="utf-8", errors="surrogateescape"))
        follow = str((store / "wheels").resolve()) if store and keys.get("lockproof-link") == "symlink" else None
        earlier = previous.tree if previous else None
        return read_tree(str(folder.absolute()), known, follow, earlier, reading=reading)
    except (OSError, ChangedDuringRead) as error:
        raise _unreadable(str(folder), error) from error


def _unreadable(folder: str, error: Exception) -> UnavailableError:
    return UnavailableError(
        "the environment can't be read whole", where=folder, why=str(error),
        remedy="nothing is said of it: make sure that nothing is running in it, and that you may read it",
    )  # fmt: skip


def _aliases(tree: Tree) -> list[str]:
    """The folder's names with `..` in them by which its scripts call it: uv writes them for a path so named."""
    scripts = f"{layout_of(tree).scripts}/"
    heads = (text[:_HEAD] for path, text in tree.texts.items() if path.startswith(scripts))
    named = {os.fsdecode(match[1]) for head in heads for match in _CALLED.finditer(head)}
    return sorted(name for name in named if os.path.realpath(name) == tree.real_root)


def bytecode_answers(
    tree: Holds,
    pairs: Sequence[tuple[str, str]],
    interpreter: Interpreter | None,
    folder: Path | None,
    stand_in: Interpreter | None = None,
) -> Mapping[str, Finding | None]:
    """The answers of `check_bytecode`; what is true is remembered in `folder`.

    `stand_in` is another build, asked where the interpreter itself isn't at hand: what it compiles alike is true, and
    of what it compiles otherwise nothing is known. Raises UnavailableError where a file can't be read, or is not what
    it was.
    """
    if interpreter is None and stand_in is not None:
        answers = bytecode_answers(tree, pairs, stand_in, folder)
        return {path: finding and _unsure(finding) for path, finding in answers.items()}
    if not pairs:
        return {}
    vouched = Vouched(folder, interpreter.layer) if folder and interpreter else None
    try:
        answers = check_bytecode(tree, pairs, interpreter, vouched)
    except (OSError, ChangedDuringRead) as error:
        raise _unreadable(tree.root, error) from error
    if vouched:
        vouched.save()
    return answers


def _unsure(finding: Finding) -> Finding:
    """What another build says of bytecode that it would have compiled otherwise."""
    if finding.code != "bytecode-false":
        return finding
    return finding._replace(
        code="bytecode", message="is not what another build of its Python compiles", level="unproven"
    )


def interpreter_of(
    tree: ReadTree, identify: Callable[[Path], Interpreter | None], declared: Path | None, scripts: str = ""
) -> tuple[Interpreter | None, Finding | None]:
    """The interpreter that `python` in the folder `scripts` leads to; a finding where it isn't one to be trusted."""
    layout = layout_of(tree)
    python = f"{scripts or layout.scripts}/python{layout.program}"
    if python in tree.resolved:
        end = tree.resolved[python]
        if end.startswith(f"{tree.real_root}/"):
            return None, Finding("interpreter", "scripts/python", f"leads to {end}, inside the environment")
        interpreter = identify(Path(end))
        if interpreter is None:
            if declared is not None:
                return None, Finding("interpreter", "scripts/python", f"leads to {end}, not to {declared}")
            text = f"leads to {end}, which is no interpreter that was found on this machine"
            return None, Finding("interpreter", "scripts/python", text, "unproven")
        return interpreter, home_finding(_home(tree), interpreter)
    if python not in tree.files:
        return None, Finding("interpreter", "scripts/python", "is not there")
    home = _home(tree)
    interpreter = identify(Path(home, f"python{layout.program}")) if home else None
    # On Windows it is no copy but a program that starts the one in `home`.
    own = {interpreter.files.get("executable"), interpreter.files.get("redirector")} if interpreter else set()
    if interpreter and f"sha256:{tree.files[python][0]}" in own:
        return interpreter, home_finding(home, interpreter)
    return None, Finding("interpreter", "scripts/python", "is a program of its own, not the declared interpreter")


def _home(tree: ReadTree) -> str:
    return parse_pyvenv(tree.texts.get("pyvenv.cfg", b"").decode("utf-8", "surrogateescape")).get("home", "")
