"""Environments in tar streams: found in what the archive holds, and turned into fingerprints. Nothing is unpacked.

What a container engine, `ssh` or a file gives is the same to this module: a stream of bytes that is a tar archive.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.errors import UnavailableError, UsageError
from lockproof.proof.fingerprint import Finding, interpreter_digest, platform_digest, platform_facts
from lockproof.pythons.buildrows import NOT_THE_STDLIB
from lockproof.pythons.carried import Holder, carried_build
from lockproof.pythons.stdlibbytecode import HEADER, is_unchecked, unchecked_finding
from lockproof.reading.bytecode import Held, check_bytecode
from lockproof.reading.inspection import Inspection, bytecode_answers
from lockproof.reading.leftout import folder_findings
from lockproof.reading.observation import observe
from lockproof.reading.prefixes import inspect_as_prefix, nobody
from lockproof.reading.readtree import bytecode_of, layout_of, text_of
from lockproof.reading.rootfs import platform_of
from lockproof.reading.surroundings import carried_home_finding
from lockproof.reading.tarheaders import BrokenArchive
from lockproof.reading.tarreader import ARCHIVE, Archive, member_path
from lockproof.wheels.startup import parse_pyvenv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import IO

    from lockproof.proof.fingerprint import Fingerprint
    from lockproof.pythons.carried import Carried
    from lockproof.pythons.interpreters import Interpreter
    from lockproof.pythons.platforms import Platform
    from lockproof.reading.prefixes import Answers, Checked, PrefixTree
    from lockproof.reading.reader import Tree

    Recognise = Callable[[Carried], Interpreter | None]

_SHEBANG = re.compile(rb"(?:#![ \t]*|\n'''exec' \"?)(/[^\n\"]*?)/bin/python[\w.]*[\"\s]")
_TOLD = 5  # folders that an error names


@contextmanager
def new_archive() -> Iterator[Archive]:
    """An archive whose spool is an unnamed file, for as long as it is needed."""
    with tempfile.TemporaryFile() as spool:
        yield Archive(spool)


def take(archive: Archive, stream: IO[bytes], where: str, *folders: str) -> None:
    """Add a tar stream as `Archive.take` does; UnavailableError, naming `where` it came from, unless all is read."""
    try:
        archive.take(stream, *folders)
    except (BrokenArchive, OSError) as error:
        raise UnavailableError(
            "the archive can't be read whole", where=where, why=f"it {error}" if isinstance(error, BrokenArchive)
            else str(error), remedy="nothing is said of what is in it: make it again, as a tar archive",
        ) from error  # fmt: skip


def environment_in(archive: Archive, named: str, where: str) -> str:
    """The folder of the archive that `named` (a path, or "" for the only one) says, without a leading `/`.

    Raises UsageError where it holds no environment there.
    """
    if named:
        try:
            folder = archive.real_path(member_path(named))
        except BrokenArchive:
            folder = ""
        if not folder or not archive.holds(folder):
            raise UsageError("the archive has no such folder", where=f"{where}:{named}", remedy=_others(archive))
        return folder
    folder = os.path.commonpath(list(archive.files)) if archive.files else ""
    if f"{folder}/pyvenv.cfg".lstrip("/") not in archive.files and not _is_prefix(archive, folder):
        raise UsageError(
            "the archive is not one environment", where=where, why="there is no pyvenv.cfg in the folder that all of "
            "it is in", remedy=_others(archive),
        )  # fmt: skip
    return folder


def _is_prefix(archive: Archive, folder: str) -> bool:
    library = re.compile(re.escape(f"{folder}/lib/python3.".lstrip("/")) + r"\d+t?/os\.py")
    return any(library.fullmatch(path) for path in archive.files)


def _others(archive: Archive) -> str:
    found = sorted(path.rpartition("/")[0] for path in archive.files if path.endswith("/pyvenv.cfg"))[:_TOLD]
    hint = f"it has environments in {', '.join(f'/{path}' for path in found)}" if found else "no pyvenv.cfg is in it"
    return f"name the environment's folder as tar:FILE:/path ({hint})"


def inspect_archive(
    archive: Archive,
    folder: str,
    *,
    recognise: Recognise,
    place: str = "",
    called: str = "",
    declared: str = "",
    vouched: Path | None = None,
    stand_in: Recognise = nobody,
) -> Inspection:
    """The environment in one folder of an archive, and its fingerprint.

    `recognise` gives the interpreter of this machine whose files are those of a build. `place` is where the folder lay
    when it was read, where whoever made the archive knows; else it is what the archive's own path of it and the
    scripts' first lines agree upon. `called` is that path where links lead to the folder. `declared` is the name of
    its interpreter in messages; for `vouched` see `inspect_environment`, for `stand_in`, which
    gives another build, `bytecode_answers`.
    """
    lay, sure = (place, True) if place else _place(archive, folder, called)
    tree = archive.tree(folder, lay, f"/{folder}" if called else "")
    platform = platform_of(archive, folder)
    if "pyvenv.cfg" not in tree.files:
        check = partial(_check_bytecode, archive, folder, stand_in=stand_in, vouched=vouched)
        found = _inspect_prefix(archive, folder, tree, recognise, declared, check)
        return replace(found, fingerprint=_made_for(platform, found.fingerprint))
    interpreter, carried, findings = _interpreter_of(archive, tree, recognise, declared)
    if not sure:
        text = f"scripts name the Python of {lay}, and the archive doesn't say that it was made there"
        findings.append(Finding("place", "scripts", text, "unproven"))
    identity = interpreter.identity if interpreter else carried.identity if carried else {}
    fingerprint = observe(
        tree,
        bytecode=_check_bytecode(archive, folder, tree, interpreter, carried, stand_in=stand_in, vouched=vouched),
        interpreter=identity,
        interpreter_layer=interpreter_digest(identity) if identity else None,
    )
    rows = carried.rows if carried else {}
    findings += _library_s_bytecode(archive, "", carried)
    findings += (*folder_findings(tree.modes, layout_of(tree)), *fingerprint.findings)
    fingerprint = replace(fingerprint, findings=tuple(sorted(findings)), interpreter_files=rows)
    return Inspection(fingerprint=_made_for(platform, fingerprint), tree=tree, interpreter=interpreter)


def _made_for(platform: Platform | None, fingerprint: Fingerprint) -> Fingerprint:
    """With the platform layer, where the archive has the Python that tells it."""
    if platform is None:
        return fingerprint
    facts = platform_facts(platform)
    about = {**fingerprint.about, "platform": platform.id} if platform.libc else fingerprint.about
    layers = {**fingerprint.layers, "platform": platform_digest(facts)}
    return replace(fingerprint, platform=facts, layers=layers, about=about)


def _inspect_prefix(
    archive: Archive, folder: str, tree: Tree, recognise: Recognise, declared: str, check: Checked
) -> Inspection:
    """As of a folder that is a prefix. Links out of it are looked up in the archive."""
    ends = {target: archive.real_path(target) for target in tree.links.values() if target.startswith("/")}
    outside = {target: archive.files[end][0] for target, end in ends.items() if end in archive.files}
    library: list[Finding] = []

    def check_all(shaped: PrefixTree, interpreter: Interpreter | None, carried: Carried | None) -> Answers:
        library.extend(_library_s_bytecode(archive, folder, carried))
        return check(shaped, interpreter, carried)

    found = inspect_as_prefix(tree, outside, recognise=recognise, check=check_all, declared=declared)
    findings = tuple(sorted((*found.fingerprint.findings, *library)))
    return replace(found, fingerprint=replace(found.fingerprint, findings=findings))


def _library_s_bytecode(archive: Archive, root: str, carried: Carried | None) -> list[Finding]:
    """As `stdlibbytecode.unchecked_bytecode`, of a build whose paths are those below a folder of the archive."""
    if carried is None:
        return []
    library = "/".join(part for part in (root, carried.prefix, f"lib/python{carried.series}") if part)
    tag = f"cpython-{carried.series.removesuffix('t').replace('.', '')}"
    bytecode = re.compile(rf"(.*/)?__pycache__/[^/]*\.{tag}t?\.([^/]*\.)?pyc", re.DOTALL)
    findings = []
    for path in (*archive.files, *archive.links):
        relative = path[len(library) + 1 :]
        if not path.startswith(f"{library}/") or not bytecode.fullmatch(relative):
            continue
        real = archive.real_path(path)
        if relative.partition("/")[0] in NOT_THE_STDLIB or real not in archive.files:
            continue
        if real not in archive.spooled:
            text = "is bytecode that the archive has only as a link to a file of another kind"
            findings.append(Finding("bytecode-unreadable", f"stdlib/{relative}", text, "unproven"))
            continue
        if is_unchecked(archive.content(real)[:HEADER]):
            findings.append(unchecked_finding(relative))
    return findings


def _place(archive: Archive, folder: str, called: str) -> tuple[str, bool]:
    """Where the environment lay, and whether that is sure: its scripts say so, and the archive's paths agree or not."""
    start = f"{folder}/bin/".lstrip("/")
    texts = [text for path, text in archive.texts.items() if path.rpartition("/")[0] + "/" == start]
    claims = {match[1].decode("utf-8", "surrogateescape") for text in texts if (match := _SHEBANG.match(_head(text)))}
    own = f"/{called.strip('/') or folder}" if folder else ARCHIVE
    if len(claims) == 1 and own not in claims:
        [claim] = claims
        if not folder or claim.endswith(own):
            return claim, False
    return own, True


def _head(script: bytes) -> bytes:
    """The first line of a script; of one that the shell begins, the line that says which Python."""
    first, _, rest = script[:4096].partition(b"\n")
    return b"\n" + rest.partition(b"\n")[0] + b"\n" if first.strip() == b"#!/bin/sh" else first + b"\n"


def _interpreter_of(
    archive: Archive, tree: Tree, recognise: Recognise, declared: str
) -> tuple[Interpreter | None, Carried | None, list[Finding]]:
    """The interpreter that `python` leads to, or else what is known of it by its files alone, or what is wrong."""
    python = f"{layout_of(tree).scripts}/python"
    home = parse_pyvenv(text_of(tree, "pyvenv.cfg")).get("home", "")
    if python in tree.resolved:
        end = tree.resolved[python]
        if end.startswith(f"{tree.real_root}/"):
            return None, None, [Finding("interpreter", "scripts/python", f"leads to {end}, inside the environment")]
    elif python in tree.files:
        end = f"{home}/python"
    else:
        return None, None, [Finding("interpreter", "scripts/python", "is not there")]
    holder = _holder(archive)
    carried = carried_build(holder, end.lstrip("/"))
    if carried is None:
        text = f"leads to {end}, which the archive does not hold whole"
        return None, None, [Finding("interpreter", "scripts/python", text, "unproven")]
    if python in tree.files and carried.files["executable"] != f"sha256:{tree.files[python][0]}":
        text = f"is a program of its own, not the {declared or 'interpreter'} that pyvenv.cfg names"
        return None, None, [Finding("interpreter", "scripts/python", text)]
    elsewhere = carried_home_finding(home, carried, holder)
    return recognise(carried), carried, [elsewhere] if elsewhere else []


def _holder(archive: Archive) -> Holder:
    digests = {path: fact[0] for path, fact in archive.files.items()}
    return Holder(digests, archive.links, archive.texts, archive.real_path)


def _check_bytecode(
    archive: Archive,
    folder: str,
    tree: Tree,
    interpreter: Interpreter | None,
    carried: Carried | None,
    *,
    stand_in: Recognise,
    vouched: Path | None,
) -> Mapping[str, Finding | None]:
    """The answers of `check_bytecode`: only bytecode and its sources are written down, in a private folder."""
    pairs = bytecode_of(tree)
    other = stand_in(carried) if pairs and carried and interpreter is None else None
    if not pairs or (interpreter is None and other is None):
        return check_bytecode(tree, pairs, None)
    members = {path: f"{folder}/{tree.places.get(path, path)}".lstrip("/") for path in tree.files}
    apart = {pair for pair in pairs if any(path in members and members[path] not in archive.spooled for path in pair)}
    text = "is bytecode whose source, or which itself, the archive has only as a hard link to a file of another kind"
    answers: dict[str, Finding | None] = {
        path: Finding("bytecode-unreadable", path, text, "unproven") for path, _source in apart
    }
    asked = [pair for pair in pairs if pair not in apart]
    with tempfile.TemporaryDirectory(prefix="lockproof-") as held:
        try:
            _write_code(
                archive, {path: members[path] for pair in asked for path in pair if path in members}, Path(held)
            )
        except (OSError, ValueError) as error:
            raise UnavailableError(
                "the archive's bytecode can't be compared", where=tree.root, why=str(error),
                remedy="nothing is said of what is in it: it could not be unpacked either",
            ) from error  # fmt: skip
        return {**answers, **bytecode_answers(Held(held, tree.files), asked, interpreter, vouched, other)}


def _write_code(archive: Archive, members: Mapping[str, str], held: Path) -> None:
    for path, member in members.items():
        target = held / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(archive.content(member))
