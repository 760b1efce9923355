"""pip-tools resolves for one Python: honest only where all cells of a matrix have its markers."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from lockproof.environments.installers import ToolVersion
from lockproof.errors import UnavailableError, UsageError
from lockproof.indexes.pipconfig import read_index_config
from lockproof.pythons.platforms import parse_python
from lockproof.relocking.resolvers import passed_environment, run_resolver, without_logins

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from lockproof.cells.matrix import Cell
    from lockproof.pythons.interpreters import Interpreter
    from lockproof.relocking.resolvers import Wanted

_COMPILE = (
    *("-m", "piptools", "compile", "--quiet", "--no-config", "--generate-hashes", "--strip-extras", "--allow-unsafe"),
    *("--no-emit-trusted-host", "--no-emit-options", "--pip-args", "--only-binary :all:"),
)
_USE_UV = "resolve with uv, which makes one lock for all of them (--resolver uv)"


def refuse_many_markers(cells: Sequence[Cell], sources_have_groups: bool, kind: str) -> None:
    """Raise UsageError where pip-tools can't make the lock: cells whose markers differ, groups, pylock.toml."""
    first = cells[0]
    series = {(parse_python(cell.python).major, parse_python(cell.python).minor) for cell in cells}
    strange = [cell.id for cell in cells if not cell.on_host]
    if len(series) > 1:
        strange = [cell.id for cell in cells if parse_python(cell.python).minor != parse_python(first.python).minor]
    if strange:
        why = f"it evaluates markers for one Python on this machine; not the same are {', '.join(strange)}"
        raise UsageError("pip-tools can't make a lock for all cells", why=why, remedy=_USE_UV)
    if sources_have_groups or kind != "requirements":
        what = "dependency groups" if sources_have_groups else "pylock.toml"
        raise UsageError(f"pip-tools doesn't know {what}", remedy="resolve with uv (--resolver uv)")


def find_pip_tools(
    cells: Sequence[Cell], interpreters: Iterable[Interpreter], environ: Mapping[str, str]
) -> tuple[ToolVersion, str]:
    """pip-tools as an interpreter of the cells has it, or the running one, and that Python's exact version.

    Raises UnavailableError, saying how to get it, where neither has it.
    """
    minor = parse_python(cells[0].python).minor
    candidates = [(str(found.executable), found.version) for found in interpreters]
    if sys.version_info[:2] == (3, minor):
        candidates.insert(0, (sys.executable, ".".join(map(str, sys.version_info[:3]))))
    for executable, version in candidates:
        command = (executable, "-m", "piptools", "compile", "--version")
        done = subprocess.run(
            command, env=_environment(environ), check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if done.returncode == 0:
            return ToolVersion(name="pip-tools", version=done.stdout.split()[-1], command=(executable,)), version
    tried = ", ".join(executable for executable, _ in candidates) or "no interpreter"
    raise UnavailableError(
        f"there is no pip-tools for Python 3.{minor}", why=f"looked for in {tried}",
        remedy="install it there (python -m pip install pip-tools), or resolve with uv (--resolver uv)",
    )  # fmt: skip


def resolve_with_pip_tools(wanted: Wanted, scratch: Path, environ: Mapping[str, str], tool: ToolVersion) -> Path:
    """The new lock for the Python that pip-tools runs on, as a file in the empty folder `scratch`.

    pip's own configuration is what it reads. Raises LockError with its own words where it finds no solution.
    """
    output = scratch / wanted.filename
    if wanted.present is not None:
        output.write_text(wanted.present, encoding="utf-8")
    emit = "--emit" if wanted.emit_index_url else "--no-emit"
    options = [f"{emit}-index-url", f"{emit}-find-links", "--output-file", str(output)]
    options += ["--upgrade"] if wanted.upgrade else []
    options += [word for name in wanted.upgrade_packages for word in ("--upgrade-package", name)]
    for source in wanted.sources:
        options += [word for name in source.extras for word in ("--extra", name)]
    argv = [*tool.command, *_COMPILE, *options, *(source.file for source in wanted.sources)]
    env = {**_environment(environ), "CUSTOM_COMPILE_COMMAND": wanted.command}
    run_resolver(tool.name, argv, env, wanted.root, read_index_config(environ, wanted.root))
    return without_logins(output)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {**passed_environment(environ), **{name: environ[name] for name in environ if name.startswith("PIP_")}}
