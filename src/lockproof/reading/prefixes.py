"""A Python's own prefix as an environment: pip-installed into /usr/local, a pyenv version, a conda prefix, Debian's.

It has no pyvenv.cfg. Its interpreter lies inside of it and is known by its content; it is never run. What in it belongs
to the environment: all of its site folders; beside them what a RECORD claims, and programs in its folder of scripts
that begin as a script of Python does. The rest is the interpreter's, or other software's, and no distribution's.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from lockproof.errors import UnavailableError
from lockproof.proof.fingerprint import Finding, interpreter_digest
from lockproof.pythons.carried import Holder, carried_build
from lockproof.pythons.layout import Layout
from lockproof.reading.bytecode import Held
from lockproof.reading.inspection import Inspection, bytecode_answers
from lockproof.reading.leftout import folder_findings
from lockproof.reading.observation import observe
from lockproof.reading.reader import ChangedDuringRead, Tree, read_file, read_tree
from lockproof.reading.readtree import bytecode_of, layout_of
from lockproof.reading.tarreader import follow_links
from lockproof.wheels.manifest import parse_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from lockproof.pythons.carried import Carried
    from lockproof.pythons.interpreters import Interpreter
    from lockproof.reading.inspection import Reading

    Answers = Mapping[str, Finding | None]
    Checked = Callable[["PrefixTree", Interpreter | None, Carried | None], Answers]

# The folders of a prefix that are read; what a RECORD claims elsewhere is looked up afterwards.
_PYTHON_PARTS = r"(bin|lib|include|lib/(libpython3[^/]*|python3[^/]*)|include/python3[^/]*)"
_READ = re.compile(rf"(local|(local/)?({_PYTHON_PARTS}|(bin|lib/python3[^/]*|include/python3[^/]*)/.*))", re.DOTALL)
# What CPython's own `make install` puts among the scripts (Makefile.pre.in: bininstall, scripts), and Debian's packages
# of Python (python3-minimal, python3, python3.Y).
_OF_PYTHON = re.compile(
    r"(python|idle|pydoc|2to3)[\d.-]*t?(-config|-gdb\.py)?|python3-config|pyvenv|py3(clean|compile|versions)|pygettext[\d.]*"
)
# Beside the executable these change where Python looks for its library (Modules/getpath.py).
_OF_START = re.compile(r"pyvenv\.cfg|pybuilddir\.txt|[^/]*\._pth")
_OUTSIDE = "(outside)"
# What CPython puts into an empty site-packages, byte for byte (Lib/site-packages/README.txt).
_README = "cba8fece8f62c36306ba27a128f124a257710e41fc619301ee97be93586917cb"


class PrefixTree(Tree):
    """What belongs to the environment of a prefix, laid out as `layout` says; `places` leads to the real files."""

    layout: Layout


def nobody(_carried: Carried) -> None:
    """No interpreter."""


def inspect_prefix(
    folder: Path,
    *,
    recognise: Callable[[Carried, str], Interpreter | None],
    declared: str = "",
    running: str = sys.base_prefix,
    vouched: Path | None = None,
    stand_in: Callable[[Carried], Interpreter | None] = nobody,
    reading: Reading | None = None,
) -> Inspection:
    """Read the prefix in `folder`, and say what the fingerprint of its environment is.

    `recognise` gives the interpreter of this machine, outside the folder that it is told, whose files are those of a
    build; for `stand_in` and `vouched` see `bytecode_answers`, for `reading` `read_tree`. `running` is the prefix of
    the Python that does the reading. Raises UsageError for a folder without a Python, UnavailableError for one that
    can't be read whole.
    """
    try:
        tree = read_tree(str(folder.absolute()), wanted=_READ.fullmatch, reading=reading)
        _read_claimed(tree)
        outside = _outside(tree)
    except (OSError, ChangedDuringRead) as error:
        raise UnavailableError(
            "the prefix can't be read whole", where=str(folder), why=str(error),
            remedy="nothing is said of it: make sure that nothing is running in it, and that you may read it",
        ) from error  # fmt: skip

    def check(shaped: PrefixTree, interpreter: Interpreter | None, carried: Carried | None) -> Answers:
        pairs = bytecode_of(shaped)
        places = {path: place.lstrip("/") for path, place in shaped.places.items()}
        held = Held("", {places[path]: fact for path, fact in shaped.files.items()})
        real = [(places[bytecode], places.get(source, "")) for bytecode, source in pairs]
        other = stand_in(carried) if pairs and carried and interpreter is None else None
        answers = bytecode_answers(held, real, interpreter, vouched, other)
        found = {path: answers[place] for (path, _), (place, _) in zip(pairs, real, strict=True)}
        return {path: finding and finding._replace(path=path) for path, finding in found.items()}

    found = inspect_as_prefix(
        tree,
        outside,
        recognise=lambda carried: recognise(carried, tree.real_root),
        check=check,
        declared=declared,
    )
    fingerprint = found.interpreter.told_by(found.fingerprint) if found.interpreter else found.fingerprint
    if f"{os.path.realpath(running)}/".startswith(f"{tree.real_root}/"):
        text = "lockproof runs on the Python of this prefix, which so speaks of itself"
        finding = Finding("self-reported", "", text, "unproven")
        fingerprint = replace(fingerprint, findings=tuple(sorted((*fingerprint.findings, finding))))
    return replace(found, fingerprint=fingerprint)


def inspect_as_prefix(
    tree: Tree,
    outside: Mapping[str, str],
    *,
    recognise: Callable[[Carried], Interpreter | None],
    check: Checked,
    declared: str = "",
) -> Inspection:
    """The environment of a prefix that was read; `outside` has the sha256 of files that links in it lead to.

    Of an archive's folders only those count that are read on disk.
    """
    links = {path: _within(tree, target) for path, target in tree.links.items()}
    digests = {path: fact[0] for path, fact in tree.files.items()} | {_marked(k): v for k, v in outside.items()}
    holder = Holder(digests, links, tree.texts, lambda path: follow_links(links, path, False))
    names = [f"bin/{name}" for name in ("python3", "python") if f"bin/{name}" in links or f"bin/{name}" in tree.files]
    carried = next((found for name in names if (found := carried_build(holder, name))), None)
    series = carried.series if carried else layout_of(tree).site.split("/")[1].removeprefix("python")
    shaped, findings = _shape(tree, series)
    interpreter = recognise(carried) if carried else None
    identity = interpreter.identity if interpreter else carried.identity if carried else {}
    if carried is None:
        text = f"{f'is not {declared}: ' if declared else ''}the prefix does not hold a Python whole"
        findings.append(Finding("interpreter", "scripts/python", text, "unproven"))
    fingerprint = observe(
        shaped,
        bytecode=check(shaped, interpreter, carried),
        interpreter=identity,
        interpreter_layer=interpreter_digest(identity) if identity else None,
    )
    findings += _other_pythons(holder, links, carried)
    read = {path: mode for path, mode in tree.modes.items() if not path or _READ.fullmatch(path)}
    findings += folder_findings(read, shaped.layout)
    findings += fingerprint.findings
    rows = carried.rows if carried else {}
    fingerprint = replace(fingerprint, findings=tuple(sorted(findings)), interpreter_files=rows)
    return Inspection(fingerprint=fingerprint, tree=shaped, interpreter=interpreter)


def _within(tree: Tree, target: str) -> str:
    """A link's target with the prefix as its root; what it can't hold is marked."""
    if not target.startswith("/"):
        return target
    for root in (tree.root, tree.real_root):
        if target.startswith(f"{root}/"):
            return target[len(root) :]
    return f"/{_marked(target)}"


def _marked(target: str) -> str:
    """One part of a path, in which nothing is resolved: the target was followed where it lies."""
    return _OUTSIDE + target.replace("/", "\0")


def _other_pythons(holder: Holder, links: Mapping[str, str], carried: Carried | None) -> list[Finding]:
    """That `python`, `python3` and `pythonX.Y` are not one and the same program."""
    if carried is None:
        return []
    names = [f"bin/{name}" for name in ("python", "python3", f"python{carried.series}")]
    ends = {
        name: holder.files.get(holder.real_path(name), "") for name in names if name in holder.files or name in links
    }
    other = [name for name, digest in ends.items() if f"sha256:{digest}" != carried.files["executable"]]
    return [Finding("interpreter-links", f"scripts/{name[4:]}", "is another program than python3") for name in other]


def _sites(paths: Iterable[str], series: str) -> list[str]:
    """The folders with distributions, as sys.path has them.

    Debian has its own: what pip installs is in /usr/local, what apt does in lib/python3.
    """
    ordered = (
        f"local/lib/python{series}/dist-packages",
        f"lib/python{series}/site-packages",
        f"lib/python{series}/dist-packages",
        "lib/python3/dist-packages",
    )
    return [site for site in ordered if any(path.startswith(f"{site}/") for path in paths)]


def _claimed(tree: Tree, sites: Iterable[str]) -> set[str]:
    """The paths outside the site folders that a RECORD lists."""
    claimed = set()
    for path, text in tree.texts.items():
        folder, _, name = path.rpartition("/")
        site = folder.rpartition("/")[0]
        if name == "RECORD" and folder.endswith(".dist-info") and site in sites:
            try:
                rows = [row for row, _digest, _size in parse_record(text) if ".." in row]
            except ValueError:
                continue  # which is a finding of its own
            claimed |= {posixpath.normpath(f"{site}/{row}") for row in rows}
    return {path for path in claimed if not path.startswith(("../", "/"))}


class _Sorting:
    """Which paths of a prefix are the environment's, and where they lie in it: Debian's `local` is folded in."""

    def __init__(self, tree: Tree, series: str) -> None:
        self.tree = tree
        self.sites = _sites([*tree.files, *tree.links], series)
        name = next((site.rpartition("/")[2] for site in self.sites), "site-packages")
        self.layout = Layout(site=f"lib/python{series}/{name}", scripts="bin", headers=f"include/python{series}")
        self.claimed = _claimed(tree, self.sites)
        self.pythons = ("python", "python3", f"python{series}")

    def place(self, path: str) -> str:
        """The path in the environment; empty for what is the interpreter's or other software's."""
        for site in self.sites:
            if path.startswith(f"{site}/"):
                return self.layout.site + path[len(site) :]
        return path.removeprefix("local/") if self._is_ours(path) else ""

    def _is_ours(self, path: str) -> bool:
        above = (self.layout.site, *self.sites)
        if path in self.claimed or any(f"{site}/".startswith(f"{path}/") for site in above):
            return True
        folder, _, name = path.rpartition("/")
        if folder not in ("bin", "local/bin"):
            return False
        if _OF_START.fullmatch(name) or name in self.pythons:
            return True
        first = self.tree.texts.get(path, b"")[:512].split(b"\n")[:3]
        is_script = first[0].startswith(b"#!") and any(b"python" in line for line in first)
        return is_script and not _OF_PYTHON.fullmatch(name)


def _shape(tree: Tree, series: str) -> tuple[PrefixTree, list[Finding]]:
    sort = _Sorting(tree, series)
    shaped, findings, left = PrefixTree(tree.root, tree.real_root), [], 0
    shaped.layout = sort.layout
    for path, fact in tree.files.items():
        place = sort.place(path)
        if not place or (fact[0] == _README and place == f"{sort.layout.site}/README.txt"):
            folder, _, name = path.rpartition("/")
            left += folder in ("bin", "local/bin") and not _OF_PYTHON.fullmatch(name)
        elif place in shaped.files:
            text = f"is in {path.rpartition('/')[0]}, too: which of the two is imported depends on sys.path"
            findings.append(Finding("shadowed", sort.layout.logical(place), text))
        else:
            shaped.files[place] = fact
            shaped.places[place] = tree.places.get(path, path)
            if path in tree.texts:
                shaped.texts[place] = tree.texts[path]
    for path, target in tree.links.items():
        if place := sort.place(path):
            shaped.links[place] = target
            if path in tree.resolved:
                shaped.resolved[place] = tree.resolved[path]
    shaped.special = [place for path in tree.special if (place := sort.place(path))]
    shaped.empty = [place for path in tree.empty if (place := sort.place(path))]
    if left:
        text = f"has {left} more programs, which no distribution claims and which are no scripts of Python"
        findings.append(Finding("programs", "scripts", text, "note"))
    return shaped, findings


def _read_claimed(tree: Tree) -> None:
    """Read what RECORDs list in other folders of the prefix; links on the way are not followed."""
    sites = {path.rpartition("/")[0].rpartition("/")[0] for path in tree.texts if path.endswith(".dist-info/RECORD")}
    sites = {site for site in sites if site.endswith(("/site-packages", "/dist-packages"))}
    for path in sorted(_claimed(tree, sites) - tree.files.keys() - tree.links.keys()):
        real = os.path.join(tree.real_root, path)  # noqa: PTH118
        try:
            status = os.lstat(real)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if os.path.realpath(os.path.dirname(real)) != os.path.dirname(real):  # noqa: PTH120
            continue  # which leaves the row without a file
        if stat.S_ISLNK(status.st_mode):
            tree.links[path] = os.readlink(real)  # noqa: PTH115
        elif stat.S_ISREG(status.st_mode):
            digest, _, status = read_file(real, status, False)
            tree.files[path] = (digest, status.st_size, status.st_mode, status)
            tree.places[path] = real
        else:
            tree.special.append(path)


def _outside(tree: Tree) -> dict[str, str]:
    """The sha256 of files outside that the standard library's links lead to: Debian keeps sitecustomize.py in /etc."""
    found = {}
    for path, target in tree.links.items():
        if (
            path.startswith("lib/python3")
            and path.endswith((".py", ".so"))
            and _within(tree, target).startswith(f"/{_OUTSIDE}")
        ):
            real = os.path.realpath(os.path.join(tree.root, path))  # noqa: PTH118
            try:
                status = os.lstat(real)
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                found[target] = read_file(real, status, False)[0]
    return found


def is_prefix(folder: Path) -> bool:
    """Whether a folder has no pyvenv.cfg, and a Python's library or folders of its distributions."""
    libraries = (library for part in ("lib", "local/lib") for library in (folder / part).glob("python3*"))
    return not (folder / "pyvenv.cfg").exists() and any(library.is_dir() for library in libraries)
