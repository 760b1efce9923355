"""The fingerprint of an environment as it was read: every file is placed, every exclusion is checked another way."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from lockproof.proof.fingerprint import (
    Distribution,
    FileFact,
    Finding,
    Fingerprint,
    files_digests,
    owned_roots,
    set_digest,
    startup_digest,
)
from lockproof.proof.ownership import ownership_findings, recorded_files
from lockproof.proof.readtree import bytecode_of, is_bytecode, layout_of, text_of
from lockproof.pythons.layout import canonical_name
from lockproof.wheels.launchers import Launcher, RewrittenScript, parse_script
from lockproof.wheels.manifest import metadata_identity
from lockproof.wheels.startup import is_startup_file, parse_pyvenv, python_of_pyvenv, pyvenv_lines, startup_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lockproof.proof.readtree import ReadTree
    from lockproof.pythons.layout import Layout

_PYTHON = re.compile(r"python(3(\.\d+)?)?t?(w?\.exe)?")
_SUPPORT = re.compile(r"([aA]ctivate|deactivate)(\.(bat|csh|fish|nu|ps1|xsh))?|activate_this\.py|pydoc\.bat")
_ROOT_FILES = frozenset(("pyvenv.cfg", "CACHEDIR.TAG", ".gitignore", ".lock"))
_ORIGIN_FILES = frozenset(("direct_url.json", "uv_cache.json", "uv_build.json", "provenance_url.json"))
_INSTALLER_FILES = _ORIGIN_FILES | {"RECORD", "INSTALLER", "REQUESTED"}


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
        self.findings += ownership_findings(self.groups, self.facts)
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
        text = text_of(self.tree, path)
        if name == "INSTALLER" and not re.fullmatch(r"[\w.+-]{1,64}( [\w.+-]{1,64})?\s*", text):
            self._find("installer-file", logical, "is not a tool's name, or its name and version")
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
            self.groups[canonical], wrong = recorded_files(folder, self.tree, self.layout, self.facts)
            self.findings += wrong
        (total, digests), roots = files_digests(self.facts, self.groups), owned_roots(self.groups)
        distributions = tuple(
            Distribution(name=name, version=version, files=digests[name], roots=roots[name])
            for name, (version, _folder) in sorted(identities.items())
        )
        return total, distributions

    def _startup(self) -> list[str]:
        keys = parse_pyvenv(text_of(self.tree, "pyvenv.cfg"))
        actual = self.interpreter.get("version", "").removesuffix("t")
        if actual and "pyvenv.cfg" in self.tree.files and python_of_pyvenv(keys) != actual:
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
