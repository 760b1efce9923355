"""An environment on another machine, over `ssh`: its bytes come here as a tar stream, and are judged here.

Nothing of the environment runs there, and nothing that it says of itself is believed. Where the host has no `tar`, the
reader runs there by the host's own Python; what that says is labelled as reported by the host itself.
"""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.errors import UnavailableError
from lockproof.proof.fingerprint import Finding
from lockproof.reading.archives import inspect_archive, new_archive, take
from lockproof.reading.bytecode import check_bytecode
from lockproof.reading.inspection import Inspection
from lockproof.reading.observation import observe
from lockproof.reading.prefixes import nobody
from lockproof.reading.readtree import bytecode_of, layout_of, text_of
from lockproof.reading.reported import tree_from_json
from lockproof.reading.sshhost import BEGIN, END, MISSING, NO_PYTHON, READ, SEND_FILES, SEND_PYTHON, SHOWN, running
from lockproof.reading.surroundings import unread_python
from lockproof.wheels.startup import parse_pyvenv

if TYPE_CHECKING:
    from lockproof.reading.archives import Recognise
    from lockproof.reading.sshhost import Remote, Script
    from lockproof.reading.tarreader import Archive

_SOCKET = re.compile(r": ((?:(?!: ).)+): (?:socket ignored|\w+ format cannot archive sockets)")  # GNU's, bsdtar's
_HOPS = 4  # prefixes that links may lead through to a Python
_ENDS = 200  # files that are asked for by name, in one command line; a library that is all links stays unproven
_LONGEST_HEAD = 1 << 16
_CHUNK = 1 << 20


def inspect_remote(
    sent: Script,
    recognise: Recognise,
    declared: str = "",
    vouched: Path | None = None,
    stand_in: Recognise = nobody,
) -> Inspection:
    """The environment that a host is `sending`, and its fingerprint.

    Its interpreter is read there, too, and is the one of this machine that has the same bytes, as `recognise` says.
    Raises UnavailableError where the host can't be reached, or the folder can't be read whole.
    """
    remote = sent.remote
    with new_archive() as archive:
        brought = _take_folder(sent, archive)
        if brought is None:
            return _inspect_by_itself(remote)
        folder, python = brought
        _bring_python(remote, archive, folder)
        found = inspect_archive(
            archive,
            folder,
            recognise=recognise,
            place=remote.path,
            called=remote.path,
            declared=declared,
            vouched=vouched,
            stand_in=stand_in,
        )
        unread = unread_python(archive, f"{folder}/bin/python", python)
    findings = (*found.fingerprint.findings, *([unread] if unread else []))
    return replace(found, fingerprint=replace(found.fingerprint, findings=tuple(sorted(findings))))


def _bring_python(remote: Remote, archive: Archive, folder: str) -> None:
    """Read the Python that the environment's own leads to, through as many prefixes as links lead."""
    tree = archive.tree(folder, f"/{folder}")
    layout = layout_of(tree)
    if not layout.site.startswith("lib/"):
        return
    series = layout.site.split("/")[1].removeprefix("python")
    home = parse_pyvenv(text_of(tree, "pyvenv.cfg")).get("home", "")
    python = f"{folder}/{layout.scripts}/python"
    start = python if python in archive.links else f"{home}/python".strip("/")
    brought: set[str] = set()
    for _ in range(_HOPS):
        end = archive.real_path(start)
        prefix = posixpath.dirname(posixpath.dirname(end))
        if f"{end}/".startswith(f"{folder}/"):
            return
        if end in archive.files:
            _bring_ends(remote, archive, f"{prefix}/lib/python{series}/".lstrip("/"))
            return
        if prefix in brought:
            return
        brought.add(prefix)
        _bring(remote, archive, SEND_PYTHON, (prefix or ".", series, series.replace(".", "")))


def _bring_ends(remote: Remote, archive: Archive, library: str) -> None:
    """Read the files that links of a standard library lead to: Debian's lead to `/etc` and to where libraries lie."""
    asked: set[str] = set()
    for _ in range(_HOPS):
        ends = {archive.real_path(link) for link in archive.links if link.startswith(library)}
        missing = sorted(ends - archive.files.keys() - asked)
        if not missing or len(missing) > _ENDS:
            return
        asked.update(missing)
        _bring(remote, archive, SEND_FILES, tuple(missing))


def _take_folder(sent: Script, archive: Archive) -> tuple[str, str] | None:
    """The folder's path without links and a leading `/`, once the archive has what is in it; None without `tar`.

    The archive has its Python, too, where the host found it. Behind the folder: where that is, "" if it can't say so.
    """
    real, has_tar, python = _head(sent)
    if has_tar:
        _take(sent, archive, real.strip("/"), "")
    sent.expect_success()
    _note_sockets(archive, sent, real.strip("/"))
    return (real.strip("/"), python) if has_tar else None


def _head(sent: Script) -> tuple[str, bool, str]:
    """What comes before the archive: the folder's path, whether the host has `tar`, where its Python is."""
    stream, said = sent.stdout, b""
    assert stream is not None
    ending, path = f"\n{END}\n".encode(), b""
    while (line := stream.readline(_LONGEST_HEAD)) and len(said) < _LONGEST_HEAD:
        said += line
        path = said.partition(f"{BEGIN}\n".encode())[2]
        if path.endswith(ending):
            break
    real = path.removesuffix(ending).decode("utf-8", "surrogateescape")
    if not path.endswith(ending) or not real.startswith("/"):
        said += stream.read(_LONGEST_HEAD)
        sent.expect_success()
        raise UnavailableError(
            "the host's shell can't be understood", where=sent.remote.where,
            why=f"it said {said.decode('utf-8', 'surrogateescape')[:SHOWN]!r}",
            remedy=f"see what `ssh {sent.remote.host} pwd` prints",
        )  # fmt: skip
    has_tar = bool(stream.readline(_LONGEST_HEAD).strip())
    return real, has_tar, stream.readline(_LONGEST_HEAD).rstrip(b"\n").decode("utf-8", "surrogateescape")


def _take(sent: Script, archive: Archive, *folders: str) -> None:
    """Add to the archive what a script on the host sends; where it breaks off, what the host says of that is told."""
    stream = sent.stdout
    assert stream is not None
    try:
        take(archive, stream, sent.remote.where, *folders)
    except UnavailableError:
        while stream.read(_CHUNK):
            pass
        sent.expect_success()
        raise


def _bring(remote: Remote, archive: Archive, script: str, arguments: tuple[str, ...]) -> None:
    """Add to the archive what a script sends, where there is any of it."""
    with running(remote, script, arguments) as sent:
        try:
            _take(sent, archive)
        except UnavailableError:
            if sent.wait() == MISSING:
                return
            raise
    sent.expect_success()
    _note_sockets(archive, sent, "")


def _note_sockets(archive: Archive, sent: Script, folder: str) -> None:
    """Enter what no archive can hold, of which `tar` speaks: names that begin with a dot are the folder's."""
    for name in _SOCKET.findall(sent.said):
        below = folder if name.startswith("./") else ""
        archive.special.append(posixpath.normpath(posixpath.join(below, name)))


def _inspect_by_itself(remote: Remote) -> Inspection:
    """What the host's own Python says, for want of `tar`; never proven."""
    source = Path(__file__).with_name("reader.py").read_bytes()
    with running(remote, READ, (remote.path,), source) as script:
        said = script.stdout.read() if script.stdout else b""
    if script.returncode == NO_PYTHON:
        raise UnavailableError(
            "nothing can read there", where=remote.where, why="the host has neither tar nor Python 3.6 or newer",
            remedy="install tar there",
        )  # fmt: skip
    script.expect_success()
    try:
        tree = tree_from_json(json.loads(said))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnavailableError("the host's answer can't be read", where=remote.where, why=str(error)) from error
    answers = check_bytecode(tree, bytecode_of(tree), None)
    fingerprint = observe(tree, bytecode=answers, interpreter={}, interpreter_layer=None)
    text = "all of this is what the host's own Python says: it has no tar that could send the bytes"
    findings = (*fingerprint.findings, Finding("self-reported", "", text, "unproven"))
    return Inspection(
        fingerprint=replace(fingerprint, findings=findings, about={"read-by": "self"}), tree=tree, interpreter=None
    )
