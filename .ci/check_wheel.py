"""Is a built wheel complete, true about itself, and the same when it is built again?

check_wheel.py FOLDER OTHER: one wheel lies in each folder. Run from the project's root, with src/ on the path.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

from lockproof import __version__

SOURCES = Path("src/lockproof")
OPTIONAL = {"nox", "uv"}  # imported only where the user has it
MODULE_OF = {"pyyaml": "yaml"}  # distributions whose module has another name


def main(folder: str, other: str) -> int:
    """Print what is wrong, one a line; the exit code says whether anything is."""
    (wheel,), (again,) = (sorted(Path(place).glob("*.whl")) for place in (folder, other))
    problems = [*contents(wheel), *metadata(wheel), *dependencies(), *imports(wheel)]
    if wheel.read_bytes() != again.read_bytes():
        problems.append("two builds of the same sources are not the same bytes")
    for problem in problems:
        print(f"{wheel}: {problem}")
    if not problems:
        print(f"{wheel}: complete, true about itself, and the same when built again")
    return 1 if problems else 0


def contents(wheel: Path) -> list[str]:
    """Files that are missing from the package, and files that are not of the sources."""
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    sources = {
        path.relative_to("src").as_posix()
        for path in SOURCES.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    missing, extra = sorted(sources - packed), sorted(packed - sources)
    return [f"{name} is missing" for name in missing] + [f"{name} does not belong there" for name in extra]


def metadata(wheel: Path) -> list[str]:
    """Where METADATA and the entry points are not what pyproject.toml and the package say."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    folder = f"lockproof-{__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        header, _, description = archive.read(f"{folder}/METADATA").partition(b"\n\n")
        points = archive.read(f"{folder}/entry_points.txt").decode()
    found = message_from_bytes(header)
    expected = {
        "Name": "lockproof",
        "Version": __version__,
        "Summary": project["description"],
        "Requires-Python": project["requires-python"],
        "License-Expression": project["license"],
        "License-File": "LICENSE",
    }
    wrong = [f"{key} is {found[key]!r}, not {value!r}" for key, value in expected.items() if found[key] != value]
    if "lockproof = lockproof.cli:main" not in points.splitlines():
        wrong.append("the command `lockproof` is not among its entry points")
    if description != Path("README.md").read_bytes():
        wrong.append("its description is not README.md")
    return wrong


def dependencies() -> list[str]:
    """Dependencies that no module imports, and imports that no dependency brings."""
    project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    names = [re.split(r"[\s<>=!~;\[]", line, maxsplit=1)[0] for line in lines]
    declared = {MODULE_OF.get(name, name) for name in names}
    imported = {module for path in SOURCES.rglob("*.py") for module in imported_modules(path)} - OPTIONAL
    unused, undeclared = sorted(declared - imported), sorted(imported - declared)
    return [f"no module imports {name}" for name in unused] + [f"{name} is no dependency" for name in undeclared]


def imported_modules(path: Path) -> set[str]:
    """The top-level modules that a source file imports, without the standard library's and our own."""
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"lockproof", "_typeshed"}  # the latter is the type checkers' own


def imports(wheel: Path) -> list[str]:
    """What goes wrong when the command starts from the wheel alone, its sources out of reach."""
    start = "import sys; sys.path.insert(0, sys.argv.pop(1)); from lockproof.cli import main; main()"
    command = [sys.executable, "-I", "-c", start, str(wheel.absolute()), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wanted = f"lockproof {__version__}\n"
    return [] if done.stdout == wanted else [f"`lockproof --version` printed {done.stdout + done.stderr!r}"]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
