"""The fingerprint of an environment as it was read: every file is placed, every exclusion is checked another way."""

from __future__ import annotations

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
from lockproof.pythons.layout import canonical_name
from lockproof.reading.leftout import (
    INSTALLER_FILES,
    ROOT_FILES,
    activator_findings,
    installer_finding,
    is_activator,
    is_patch,
    root_findings,
)
from lockproof.reading.ownership import ownership_findings, recorded_files
from lockproof.reading.phantoms import phantom_findings
from lockproof.reading.readtree import bytecode_of, is_bytecode, layout_of, text_of
from lockproof.wheels.launchers import Launcher, RewrittenScript, parse_script
from lockproof.wheels.manifest import metadata_identity
from lockproof.wheels.programs import parse_program
from lockproof.wheels.startup import (
    is_startup_file,
    parse_pyvenv,
    python_of_pyvenv,
    pyvenv_lines,
    pyvenv_traps,
    startup_line,
    startup_lines,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lockproof.proof.fingerprint import Worked
    from lockproof.pythons.layout import Layout
    from lockproof.reading.readtree import ReadTree

_PYTHON = re.compile(r"python(3(\.\d+)?)?t?(w?\.exe)?")


def observe(
    tree: ReadTree,
    *,
    bytecode: Mapping[str, Finding | None],
    interpreter: Mapping[str, str],
    interpreter_layer: str | None,
    worked: Worked | None = None,
    aliases: Sequence[str] = (),
) -> Fingerprint:
    """The fingerprint of what was read; `worked` spares working digests out of the same files once more.

    `aliases` are further names of the environment's folder, that scripts may call it by.

    `bytecode` answers for each file of `bytecode_of` with a finding, or None for one that is true to its source; one
    without an answer is a finding too. The interpreter's facts come from whoever could identify it; without them that
    layer is missing and the environment stays unproven.
    """
    return _Observation(tree, layout_of(tree), worked, aliases).fingerprint(bytecode, interpreter, interpreter_layer)


class _Observation:
    """One pass over a tree; each step adds facts or findings."""

    def __init__(
        self, tree: ReadTree, layout: Layout, worked: Worked | None = None, aliases: Sequence[str] = ()
    ) -> None:
        self._worked = worked
        self.tree = tree
        self.layout = layout
        self.facts: dict[str, FileFact] = {}
        self.findings: list[Finding] = []
        self.groups: dict[str, list[str]] = {}
        self.orphans: list[str] = []  # bytecode without a source
        self.places: dict[str, str] = {}  # of headers: logical to real path
        self.interpreter: Mapping[str, str] = {}
        scripts = f"{layout.scripts}/"
        names = {path for path in (*tree.links, *tree.files) if path.startswith(scripts) and self._is_python(path)}
        self.interpreters = {
            f"{base}/{name}".encode("utf-8", "surrogateescape")
            for base in (tree.root, tree.real_root, *aliases)
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
        self.findings += activator_findings(self.tree, self.layout)
        self.findings += root_findings(self.tree)
        self.findings += phantom_findings(self.tree, self.layout, self._dist_infos(), self.orphans)
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
            return name in ROOT_FILES
        if folder != self.layout.scripts:
            return is_patch(path, sha256, self.layout)
        if _PYTHON.fullmatch(name):  # a copy of the interpreter, not a program of that name
            programs = ("executable", "redirector", "windowed redirector")
            return f"sha256:{sha256}" in {self.interpreter.get(program) for program in programs}
        return is_activator(name)

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
            if mode & 0o6002 and path != ".lock":  # uv lets everybody write to its lock
                self._find("mode", self.layout.logical(path), f"its mode {mode & 0o7777:o} is setuid or world-writable")
            if path.startswith(site):
                if path.endswith(".pyc") and is_bytecode(path):
                    continue
                folder, _, name = path.rpartition("/")
                if folder in dist_infos and name in INSTALLER_FILES:
                    text = text_of(self.tree, path) if path in self.tree.texts else None
                    found = installer_finding(name, self.layout.logical(path), text)
                    self.findings += [found] if found else []
                    continue
                if folder == self.layout.site and is_patch(path, sha256, self.layout):
                    continue
                self.facts["site/" + path[len(site) :]] = FileFact("f", sha256, size)
            elif not self._left_out(path, sha256) and not is_bytecode(path):
                self._place_outside(path, sha256, size, mode)
        for path in self.tree.special:
            self._find("special-file", self.layout.logical(path), "is a FIFO, socket or device")

    def _place_outside(self, path: str, sha256: str, size: int, mode: int) -> None:
        logical = self.layout.logical(path)
        fact = FileFact("f", sha256, size)
        if logical.startswith("scripts/"):
            if not mode & 0o111:
                self._find("not-executable", logical, "is a script without its executable bit")
            content = self.tree.texts.get(path, b"")
            program = (
                parse_program(content, self.interpreters) if self.layout.program and path.endswith(".exe") else None
            )
            parsed = None if program else parse_script(content, self.interpreters)
            if program:
                fact = FileFact("e", program)
            elif isinstance(parsed, Launcher):
                fact = FileFact("e", f"{parsed.module}:{parsed.attr}")
            elif isinstance(parsed, RewrittenScript):
                fact = FileFact("s", parsed.sha256, parsed.size)
                if parsed.calls:
                    text = f"calls {parsed.calls}: a kernel reads no path with a space in a first line"
                    self._find("script-calls", logical, text, "note")
        if logical.startswith("headers/"):  # whose folders are named as their distributions are, in any spelling
            twin = self.places.setdefault(logical, path)
            if twin != path:
                self._find("twin-paths", logical, f"is there twice: {min(twin, path)} and {max(twin, path)}")
                if twin < path:
                    return
            self.places[logical] = path
        self.facts[logical] = fact

    def _place_links(self) -> None:
        for path, target in self.tree.links.items():
            if self._is_python(path) or (path == "lib64" and target.rstrip("/") in ("lib", f"{self.tree.root}/lib")):
                continue
            self.facts[self.layout.logical(path)] = FileFact("l", target)
        ends = {end for path, end in self.tree.resolved.items() if self._is_python(path)}
        if len(ends) > 1:
            self._find("interpreter-links", "scripts/python", f"its names lead to different files: {sorted(ends)}")
        names = {f"{self.layout.scripts}/{name}" for name in ("python", "python3")}
        there = names & {*self.tree.links, *self.tree.files}
        if self.layout.scripts == "bin" and there == {"bin/python"}:
            self._find("interpreter-links", "scripts/python3", "is not there: one of another folder of PATH is run")

    def _check_bytecode(self, bytecode: Mapping[str, Finding | None]) -> None:
        for path, source in bytecode_of(self.tree):
            if not source:
                self.orphans.append(path)
            if path not in bytecode:
                self._find("bytecode", self.layout.logical(path), "is bytecode that nobody compared with its source")
            elif (finding := bytecode[path]) is not None:
                self.findings.append(finding._replace(path=self.layout.logical(path)))

    def _distributions(self) -> tuple[str, tuple[Distribution, ...]]:
        """The digest of all files, and every distribution that has a METADATA file in site-packages."""
        identities: dict[str, tuple[str, str]] = {}
        for folder in sorted(self._dist_infos(), key=lambda folder: (folder != folder.lower(), folder)):
            path = f"{folder}/METADATA"
            raw_name, version = metadata_identity(self.tree.texts[path])
            canonical = canonical_name(raw_name) or folder.rpartition("/")[2]
            if canonical in identities:
                other = self.layout.logical(identities[canonical][1])
                self._find("twin-distributions", self.layout.logical(path), f"is a second {canonical}, beside {other}")
                canonical = f"{canonical}#{folder.rpartition('/')[2]}"
            identities[canonical] = (version, folder)
            self.groups[canonical], wrong = recorded_files(folder, self.tree, self.layout, self.facts)
            self.findings += wrong
        if (worked := self._worked) and worked.is_of(self.facts, self.groups):
            total, digests, roots = worked.total, worked.digests, worked.roots
        else:
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
        traps = pyvenv_traps(text_of(self.tree, "pyvenv.cfg"))
        if "pyvenv.cfg" in self.tree.files and "pyvenv.cfg" not in self.tree.texts:
            traps.append("is far larger than such a file can be")
        for trap in traps:
            self._find("pyvenv-trap", "data/pyvenv.cfg", trap)
        if "pyvenv.cfg" not in self.tree.files and "pyvenv.cfg" not in self.tree.links:
            keys = {"include-system-site-packages": "false"}  # a Python's own prefix: there are no others to let in
        lines = pyvenv_lines(keys)
        for logical, fact in self.facts.items():
            if is_startup_file(logical):
                content = self.tree.texts.get(self.layout.physical(logical))
                if fact.kind == "l":
                    lines.append(f"{logical}\0link\0{fact.value}")
                else:
                    lines += [startup_line(logical, fact.value)] if content is None else startup_lines(logical, content)
        return lines
