"""The layers of the code: every module imports only from modules that stand above it in this list.

Imports inside functions count (they are there for start-up time, never to hide a cycle), and so do those under
TYPE_CHECKING: a type that points upwards is a dependency too.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import lockproof

ROOT = Path(lockproof.__file__).parent
PURE = [
    "__init__", "cells.__init__", "pythons.__init__", "relocking.__init__", "indexes.__init__", "wheels.__init__",
    "build.__init__", "proof.__init__", "reading.__init__", "freeze.__init__", "environments.__init__",
    "containers.__init__",
    "cluster.__init__",
    "running.__init__", "errors", "digests", "pythons.layout", "cells.trees", "cells.shapes", "cells.sources",
    "pythons.platforms", "reading.elf", "pythons.buildrows", "pythons.carried", "cells.policykeys",
    "cells.buildkeys", "cells.containerkeys", "cells.posargs", "cells.matrix", "cells.config",
    "locks.artifacts", "locks.__init__",
    "locks.pylock", "locks.requirements", "locks.matching", "locks.entries", "locks.markers", "locks.poetry",
    "locks.pdmproject", "locks.pdmgraph", "locks.pdm", "locks.pipenv", "locks.uvlock", "locks.uvexport",
    "locks.refusals", "locks.plan",
    "build.buildsystem", "proof.fingerprint", "wheels.startup", "wheels.launchers", "wheels.programs",
    "wheels.manifest",
    "wheels.entryfiles", "proof.prediction", "proof.closure", "reading.readtree", "reading.phantoms", "reading.shadows",
    "reading.knownactivators", "reading.activators", "reading.leftout", "reading.ownership", "proof.seeds",
    "reading.observation", "freeze.recovery", "freeze.frozen", "build.keptbuilds", "proof.pythonfacts",
    "proof.compare", "proof.policy", "proof.relations", "proof.groups", "proof.manifests", "running.outcomes",
    "cluster.offers", "cluster.messages",
    "relocking.relock", "attestation.__init__", "attestation.envelope", "attestation.statement",
    "attestation.holding", "proof.fanin", "ci.__init__", "ci.jobs", "ci.github", "ci.gitlab",
]  # fmt: skip
EDGES = [
    "writing", "reading.reader", "reading.tarheaders", "reading.tarreader", "reading.reported", "reading.lastlook",
    "indexes.urls", "pythons.knownfiles", "build.projecttree", "pythons.probe", "pythons.probing",
    "pythons.buildfiles", "pythons.interpreters", "pythons.stdlibbytecode",
    "cells.documents", "indexes.uvconfig", "indexes.credentials",
    "indexes.pipconfig", "indexes.replies", "indexes.session", "indexes.simpleapi", "indexes.index",
    "indexes.download", "indexes.ranges", "locks.caches", "environments.installers", "locks.exports",
    "locks.lockfile", "wheels.members",
    "wheels.unpack", "wheels.store", "wheels.joiner", "running.forks", "wheels.unpackers",
    "running.process", "reading.sharedwork", "reading.vouched", "reading.recompile",
    "reading.bytecode", "reading.layered",
    "environments.pycache", "reading.surroundings", "reading.inside", "reading.inspection", "reading.prefixes",
    "reading.rootfs", "reading.archives", "reading.sshciphers", "reading.sshhost", "reading.remote",
    "wheels.compiled", "wheels.linking",
    "containers.engines", "containers.around", "containers.images", "containers.starting",
    "containers.insides", "containers.contained", "containers.finding",
    "environments.skeletons", "environments.environment", "environments.namespace", "environments.overlay",
    "build.buildhook", "build.builds", "build.sdists", "environments.workspace",
    "running.predictions", "running.preparation", "running.previews", "proof.dependencies", "build.keptfile",
    "build.building",
    "build.projectwheels", "build.package",
    "running.provers", "freeze.freezing",
    "running.executors", "running.bareenvironments", "running.cellholds", "running.celloverlays",
    "running.cellcontainers",
    "running.cellcommands", "running.cellproofs", "running.cellrun",
    "running.runner", "cluster.judging", "cluster.parcels", "cluster.cellprocess", "cluster.task", "cluster.security",
    "cluster.serving", "cluster.connection", "cluster.executor",
    "project",
    "relocking.lockexports",
    "relocking.resolvers", "relocking.piptools", "relocking.lockinputs", "proof.bundle", "reading.contents",
    "reading.imagevariables", "reading.images", "reading.targets",
    "reporters.__init__", "reporters.text", "reporters.comparisons", "reporters.diffs",
    "reporters.progress", "reporters.live", "reporters.choice", "reporters.junit", "reporters.html",
    "reporters.frozen", "reporters.relocked", "relocking.locking", "relocking.exporting", "relocking.lockoptions",
    "reporters.fanin", "reporters.github", "ci.options",
    "commands.output", "commands.places", "commands.fanin", "commands.ci", "commands.clusters", "commands.run",
    "commands.locks", "commands.comparing", "commands.listing", "commands.looks", "attestation.keys",
    "commands.attest", "commands.__init__", "cli", "__main__", "nox",
]  # fmt: skip
ORDER = PURE + EDGES
FORBIDDEN_IN_PURE = {"os", "subprocess", "rich", "yaml", "shutil", "tempfile", "socket", "threading", "httpx"}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


TREES = {name_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in ROOT.rglob("*.py")}


def imported_by(module: str) -> set[str]:
    """Everything that a module imports anywhere in it: ours by their names in ORDER, others by their first name."""
    found = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            base = node.module or ""
            found |= {full if ours(full := f"{base}.{alias.name}") else base for alias in node.names}
    named = {ours(full) or full.partition(".")[0] for full in found}
    return named - {module}  # `nox`, which imports the library of that name


def ours(full: str) -> str:
    """The name in ORDER of a module of this package; empty for anything else."""
    if full == "lockproof":
        return "__init__"
    below = full.removeprefix("lockproof.")
    if below == full:
        return ""
    return below if below in TREES else f"{below}.__init__" if f"{below}.__init__" in TREES else ""


def test_the_list_names_every_module_once() -> None:
    assert sorted(ORDER) == sorted(TREES)


@pytest.mark.parametrize("module", ORDER)
def test_imports_only_from_modules_above(module: str) -> None:
    above = set(ORDER[: ORDER.index(module)])
    assert imported_by(module) & set(ORDER) <= above


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_touches_neither_system_nor_screen(module: str) -> None:
    assert imported_by(module) & FORBIDDEN_IN_PURE == set()


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_uses_paths_for_types_only(module: str) -> None:
    runtime = [node for node in TREES[module].body if isinstance(node, ast.ImportFrom) and node.module == "pathlib"]
    assert [alias.name for node in runtime for alias in node.names if not alias.name.startswith("Pure")] == []


def test_the_reader_stands_alone_and_is_python_3_6() -> None:
    assert imported_by("reading.reader") & set(ORDER) == set()
    assert imported_by("reading.reader") <= {"concurrent", "hashlib", "json", "os", "stat", "sys", "time", "typing"}
    assert imported_by("reading.tarreader") & set(ORDER) == {"reading.reader", "reading.tarheaders"}
    assert imported_by("reading.tarheaders") == {"typing", "zlib"}
    for name in ("reader", "tarheaders", "tarreader"):
        ast.parse((ROOT / f"reading/{name}.py").read_text(encoding="utf-8"), feature_version=(3, 6))
