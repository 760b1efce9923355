"""The fingerprint of an environment as it was read: every file is placed, every exclusion is checked another way."""

from __future__ import annotations

import json
import posixpath
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from lockproof.digests import hex_of_record_hash
from lockproof.errors import UsageError
from lockproof.fingerprint import (
    Distribution,
    FileFact,
    Finding,
    Fingerprint,
    files_digests,
    owned_roots,
    set_digest,
    startup_digest,
)
from lockproof.launchers import Launcher, RewrittenScript, parse_script
from lockproof.layout import Layout, canonical_name, layout_for
from lockproof.manifest import metadata_identity, parse_record
from lockproof.startup import is_startup_file, parse_pyvenv, python_of_pyvenv, pyvenv_lines, startup_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PYTHON = re.compile(r"python(3(\.\d+)?)?t?(w?\.exe)?")
_SUPPORT = re.compile(r"([aA]ctivate|deactivate)(\.(bat|csh|fish|nu|ps1|xsh))?|activate_this\.py|pydoc\.bat")
_LIBRARY = re.compile(r"lib/python(3\.\d+t?)/")
# What Python makes of a source, as against a module of that name: `x.cpython-312.pyc`, `x.cpython-312.opt-1.pyc`.
_TAGGED = re.compile(r"[^/]+\.[\w-]+(\.opt-\w+)?\.pyc")
_ROOT_FILES = frozenset(("pyvenv.cfg", "CACHEDIR.TAG", ".gitignore", ".lock"))
_ORIGIN_FILES = frozenset(("direct_url.json", "uv_cache.json", "uv_build.json", "provenance_url.json"))
_INSTALLER_FILES = _ORIGIN_FILES | {"RECORD", "INSTALLER", "REQUESTED"}


class ReadTree(Protocol):
    """What `reader.read_tree` gives."""

    @property
    def root(self) -> str:
        """The folder that was read, as it was named."""

    @property
    def real_root(self) -> str:
        """The same without links."""

    @property
    def files(self) -> Mapping[str, tuple[str, int, int, object]]:
        """Path to sha256, size, mode and more."""

    @property
    def links(self) -> Mapping[str, str]:
        """Path to target."""

    @property
    def resolved(self) -> Mapping[str, str]:
        """For links in the scripts folder: path to where the chain ends."""

    @property
    def empty(self) -> Sequence[str]:
        """Folders without entries."""

    @property
    def special(self) -> Sequence[str]:
        """FIFOs, sockets, devices."""

    @property
    def texts(self) -> Mapping[str, bytes]:
        """The bytes of files that decide about others."""


def layout_of(tree: ReadTree) -> Layout:
    """The layout of the environment that was read: by its pyvenv.cfg, else by the folders it has.

    Raises UsageError where neither says which Python it is of.
    """
    version = python_of_pyvenv(parse_pyvenv(_text(tree, "pyvenv.cfg")))
    folders = {match[1] for path in (*tree.files, *tree.links, *tree.empty) if (match := _LIBRARY.match(path))}
    if not re.fullmatch(r"3\.\d+(\.\w+)*", version):
        version = min(folders, default="").removesuffix("t")
    if not version:
        raise UsageError(
            "this environment can't be read", where=tree.root, why="neither pyvenv.cfg nor a folder lib/pythonX.Y says "
            "which Python it is of", remedy="make it again",
        )  # fmt: skip
    if any(path.startswith("Scripts/") for path in tree.files):
        return layout_for(version, "windows")
    free_threaded = f"{'.'.join(version.split('.')[:2])}t" in folders
    return layout_for(version + ("t" if free_threaded else ""), "linux")


def is_bytecode(path: str) -> bool:
    """Whether a file is bytecode that Python made of a source beside its `__pycache__` folder."""
    folder, _, name = path.rpartition("/")
    return folder.rpartition("/")[2] == "__pycache__" and _TAGGED.fullmatch(name) is not None


def bytecode_of(tree: ReadTree) -> list[tuple[str, str]]:
    """The (bytecode, source) pairs of files in `__pycache__` folders, as paths below the root; source "" where gone."""
    pairs = []
    for path in tree.files:
        if path.endswith(".pyc") and is_bytecode(path):
            folder, _, name = path.rpartition("/")
            source = f"{folder.rpartition('/')[0]}/{name.partition('.')[0]}.py"
            pairs.append((path, source if source in tree.files else ""))
    return pairs


def observe(
    tree: ReadTree,
    *,
    bytecode: Mapping[str, Finding | None],
    interpreter: Mapping[str, str],
    interpreter_layer: str | None,
) -> Fingerprint:
    """The fingerprint of what was read.

    `bytecode` answers for each file of `bytecode_of` with a finding, or None for one that is true to its source; one
    without an answer is a finding too. The interpreter's facts come from whoever could identify it; without them that
    layer is missing and the environment stays unproven.
    """
    return _Observation(tree, layout_of(tree)).fingerprint(bytecode, interpreter, interpreter_layer)


@lru_cache(maxsize=4096)
def _record_rows(record: bytes) -> list[tuple[str, str | None, bool]]:
    """RECORD's rows as (path, sha256 in hexadecimal, whether the path is plain); environments share most of them."""
    return [
        (path, hex_of_record_hash(field) if field else None, not (path.startswith("/") or "//" in path or "./" in path))
        for path, field, _size in parse_record(record)
    ]


def _text(tree: ReadTree, path: str) -> str:
    return tree.texts.get(path, b"").decode("utf-8", "surrogateescape")


class _Observation:
    """One pass over a tree; each step adds facts or findings."""

    def __init__(self, tree: ReadTree, layout: Layout) -> None:
        self.tree = tree
        self.layout = layout
        self.facts: dict[str, FileFact] = {}
        self.findings: list[Finding] = []
        self.groups: dict[str, list[str]] = {}
        self.interpreter: Mapping[str, str] = {}
        names = {path for path in (*tree.links, *tree.files) if self._is_python(path)}
        self.interpreters = {
            f"{base}/{name}".encode("utf-8", "surrogateescape")
            for base in (tree.root, tree.real_root)
            for name in names
        }

    def fingerprint(
        self, bytecode: Mapping[str, Finding | None], interpreter: Mapping[str, str], interpreter_layer: str | None
    ) -> Fingerprint:
        self.interpreter = interpreter
        self._place_files()
        self._place_links()
        self._check_bytecode(bytecode)
        total, distributions = self._distributions()
        self._check_ownership()
        startup = self._startup()
        layers = {
            "set": set_digest((dist.name, dist.version) for dist in distributions),
            "files": total,
            "startup": startup_digest(startup),
        }
        if interpreter_layer is None:
            self._find("interpreter-unknown", "scripts/python", "its base interpreter can't be identified", "unproven")
        else:
            layers["interpreter"] = interpreter_layer
        return Fingerprint(
            layers=layers,
            distributions=distributions,
            files=self.facts,
            startup=tuple(sorted(set(startup))),
            interpreter=interpreter,
            findings=tuple(sorted(self.findings)),
        )

    def _find(self, code: str, path: str, message: str, level: str = "mismatch") -> None:
        self.findings.append(Finding(code, path, message, level))

    def _is_python(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        return folder == self.layout.scripts and _PYTHON.fullmatch(name) is not None

    def _left_out(self, path: str, sha256: str) -> bool:
        """Whether a file belongs to the environment itself (and is checked otherwise), not to a distribution."""
        folder, _, name = path.rpartition("/")
        if not folder:
            return name in _ROOT_FILES
        if folder != self.layout.scripts:
            return False
        if _PYTHON.fullmatch(name):  # a copy of the interpreter, not a program of that name
            return f"sha256:{sha256}" == self.interpreter.get("executable")
        return _SUPPORT.fullmatch(name) is not None

    def _dist_infos(self) -> set[str]:
        """The .dist-info folders of distributions: directly in site-packages, and with METADATA."""
        found = set()
        for path in self.tree.texts:
            folder, _, name = path.rpartition("/")
            if name == "METADATA" and folder.rpartition("/")[0] == self.layout.site:
                found.add(folder)
        return found

    def _place_files(self) -> None:
        site = self.layout.site + "/"
        dist_infos = self._dist_infos()
        for path, (sha256, size, mode, _status) in self.tree.files.items():
            if mode & 0o6002 and not self._left_out(path, sha256):
                self._find("mode", self.layout.logical(path), f"its mode {mode & 0o7777:o} is setuid or world-writable")
            if path.startswith(site):
                if path.endswith(".pyc") and is_bytecode(path):
                    continue
                folder, _, name = path.rpartition("/")
                if name in _INSTALLER_FILES and folder in dist_infos:
                    self._check_installer_file(path, name)
                    continue
                self.facts["site/" + path[len(site) :]] = FileFact("f", sha256, size)
            elif not self._left_out(path, sha256) and not is_bytecode(path):
                self._place_outside(path, sha256, size, mode)
        for path in self.tree.special:
            self._find("special-file", self.layout.logical(path), "is a FIFO, socket or device")
        for path in self.tree.empty:
            if path.startswith(site):
                self._find("empty-folder", self.layout.logical(path), "is a folder without files", "note")

    def _place_outside(self, path: str, sha256: str, size: int, mode: int) -> None:
        logical = self.layout.logical(path)
        fact = FileFact("f", sha256, size)
        if logical.startswith("scripts/"):
            if not mode & 0o111:
                self._find("not-executable", logical, "is a script without its executable bit")
            parsed = parse_script(self.tree.texts.get(path, b""), self.interpreters)
            if isinstance(parsed, Launcher):
                fact = FileFact("e", f"{parsed.module}:{parsed.attr}")
            elif isinstance(parsed, RewrittenScript):
                fact = FileFact("s", parsed.sha256, parsed.size)
        self.facts[logical] = fact

    def _place_links(self) -> None:
        for path, target in self.tree.links.items():
            if self._is_python(path) or (path == "lib64" and target.rstrip("/") in ("lib", f"{self.tree.root}/lib")):
                continue
            self.facts[self.layout.logical(path)] = FileFact("l", target)
        ends = {end for path, end in self.tree.resolved.items() if self._is_python(path)}
        if len(ends) > 1:
            self._find("interpreter-links", "scripts/python", f"its names lead to different files: {sorted(ends)}")

    def _check_installer_file(self, path: str, name: str) -> None:
        logical = self.layout.logical(path)
        text = _text(self.tree, path)
        if name == "INSTALLER" and not re.fullmatch(r"[\w.+-]{1,64}\s*", text):
            self._find("installer-file", logical, "is not one word")
        elif name == "REQUESTED" and text.strip():
            self._find("installer-file", logical, "is not empty")
        elif name in _ORIGIN_FILES:
            try:
                origin = json.loads(text)
            except ValueError:
                origin = None
            if not isinstance(origin, dict):
                self._find("origin", logical, "is not the JSON object that it should be")
            elif name == "direct_url.json" and "archive_info" not in origin:
                self._find(
                    "origin", logical, "says that it was installed from a folder or a repository, not from a wheel"
                )
            else:
                self._find("origin", logical, "says where it was installed from; its files are compared", "note")

    def _check_bytecode(self, bytecode: Mapping[str, Finding | None]) -> None:
        for path, _source in bytecode_of(self.tree):
            if path not in bytecode:
                self._find("bytecode", self.layout.logical(path), "is bytecode that nobody compared with its source")
            elif (finding := bytecode[path]) is not None:
                self.findings.append(finding._replace(path=self.layout.logical(path)))

    def _distributions(self) -> tuple[str, tuple[Distribution, ...]]:
        """The digest of all files, and every distribution that has a METADATA file in site-packages."""
        identities: dict[str, tuple[str, str]] = {}
        for path, content in self.tree.texts.items():
            folder, _, name = path.rpartition("/")
            if name != "METADATA" or folder.rpartition("/")[0] != self.layout.site:
                continue
            raw_name, version = metadata_identity(content)
            canonical = canonical_name(raw_name)
            if canonical in identities:
                self._find("twin-distributions", self.layout.logical(path), f"is a second {canonical}")
                canonical = f"{canonical}#{folder.rpartition('/')[2]}"
            identities[canonical] = (version, folder)
            self.groups[canonical] = self._recorded(folder)
        (total, digests), roots = files_digests(self.facts, self.groups), owned_roots(self.groups)
        distributions = tuple(
            Distribution(name=name, version=version, files=digests[name], roots=roots[name])
            for name, (version, _folder) in sorted(identities.items())
        )
        return total, distributions

    def _recorded(self, dist_info: str) -> list[str]:
        """The logical paths of the files that a distribution's RECORD lists and that are there; RECORD is checked."""
        record = f"{dist_info}/RECORD"
        where = self.layout.logical(record)
        if record not in self.tree.texts:
            self._find("record-missing", where, "is not there: its distribution's files belong to nothing")
            return []
        try:
            rows = _record_rows(self.tree.texts[record])
        except ValueError as error:
            self._find("record-unreadable", where, f"is no CSV: {error}")
            return []
        site = self.layout.site + "/"
        files, facts = self.tree.files, self.facts
        owned: dict[str, None] = {}
        for row, digest, plain in rows:
            path = site + row if plain else posixpath.normpath(site + row.replace("\\", "/"))
            if not plain and (path.startswith(("../", "/")) or row.startswith("/")):
                self._find("record-escape", where, f"has a row that leaves the environment: {row}")
                continue
            logical = "site/" + row if plain else self.layout.logical(path)
            fact = files.get(path)
            if fact is None:
                if not row.endswith(".pyc") and path not in self.tree.links:
                    self._find("record-ghost", logical, f"is a row of {where} without a file")
            elif digest is not None and digest != fact[0] and path != record and self._is_plain(logical):
                self._find("record-hash", logical, f"is not what {where} says")
            if logical in facts:
                owned[logical] = None
        return list(owned)

    def _is_plain(self, logical: str) -> bool:
        """Whether a file is compared as it is; wrappers and scripts are, without the path that they name."""
        fact = self.facts.get(logical)
        return fact is None or fact.kind == "f"

    def _check_ownership(self) -> None:
        owners: dict[str, str] = {}
        for owner, paths in self.groups.items():
            for path in paths:
                if path in owners:
                    self._find("owned-twice", path, f"is in the RECORD of {owners[path]} and of {owner}", "note")
                owners[path] = owner
        for path in self.facts.keys() - owners.keys():
            self._find("unowned", path, "is owned by nothing")

    def _startup(self) -> list[str]:
        keys = parse_pyvenv(_text(self.tree, "pyvenv.cfg"))
        actual = self.interpreter.get("version", "").removesuffix("t")
        if actual and python_of_pyvenv(keys) != actual:
            self._find(
                "pyvenv-version", "data/pyvenv.cfg", f"says {python_of_pyvenv(keys)}, its interpreter is {actual}"
            )
        lines = pyvenv_lines(keys)
        for path, content in self.tree.texts.items():
            logical = self.layout.logical(path)
            if is_startup_file(logical):
                lines += startup_lines(logical, content)
        for path, target in self.tree.links.items():
            logical = self.layout.logical(path)
            if is_startup_file(logical):
                lines.append(f"{logical}\0link\0{target}")
        return lines
