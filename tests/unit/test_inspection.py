"""The heart: an environment made from the store is its prediction, and every tampering is found, named, and no more."""

from __future__ import annotations

import compileall
import importlib.util
import json
import marshal
import os
import py_compile
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof.digests import hex_of_record_hash, record_hash, sha256_hex
from lockproof.environments.environment import Order, make_environments, make_skeleton
from lockproof.environments.installers import find_tool, install
from lockproof.errors import UnavailableError, UsageError
from lockproof.proof.compare import prove
from lockproof.proof.fingerprint import from_json, to_json
from lockproof.wheels.store import Store
from support.environments import (
    Made,
    app_data,
    artifact_of,
    inspect,
    layout,
    make,
    make_proven,
    observed,
    predicted,
    running,
    stored,
    worked,
)
from support.wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lockproof.wheels.store import Known

pytestmark = pytest.mark.skipif(os.name == "nt", reason="environments of this platform are laid out otherwise")
CORE = "site/demo/core.py"
INFO = "site/demo-1.0.dist-info"
CACHED = f"site/demo/__pycache__/core.{sys.implementation.cache_tag}.pyc"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("wheels")
    demo = make_wheel(
        folder,
        "demo",
        "1.0",
        {
            "demo/__init__.py": "def main(): pass\n",
            "demo/core.py": "ANSWER = 42\nNAMES = frozenset(('a', 'b'))\ndef f(x=(1, -0.0)): return x in {1, 2}\n",
            "demo/ünï.py": "",
            'demo/a, "b".py': "",
            "demo/empty.txt": "",
            "space/one.py": "",
            "LICENSE": "the same in both\n",
        },
        entry_points={"console_scripts": {"demo": "demo:main"}, "plugins": {"demo": "demo.core"}},
        scripts={"demo-tool": "#!python\nprint(1)\n", "demo-sh": "#!/bin/sh\n"},
        data={"data/share/demo.txt": "d\n", "headers/demo.h": "int d;\n", "data/bin/demo-data": "#!/bin/sh\n"},
        executables=["demo-1.0.data/data/bin/demo-data"],
    )
    other = make_wheel(
        folder,
        "Other.Thing",
        "2.0",
        {
            "other.py": "x = 1\n",
            "other.pth": "import other\n",
            "space/two.py": "",
            "LICENSE": "the same in both\n",
            "vendored.dist-info.txt": "",
        },
        purelib=False,
    )
    return [demo, other]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture
def made(wheels: list[Path], store: Store, tmp_path: Path) -> Made:
    return make_proven(wheels, tmp_path / "env", store)


# ------------------------------------------------------------------------------------------------ what is done to it


def append(path: Path, content: bytes = b"#") -> None:
    with path.open("ab") as stream:
        stream.write(content)


def record_of(made: Made, dist: str = "demo-1.0") -> Path:
    return made.site / f"{dist}.dist-info" / "RECORD"


def rewrite(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text(), flags=re.MULTILINE)
    assert count
    path.write_text(text)


def edit(made: Made) -> None:
    append(made.site / "demo/core.py")


def edit_and_forge(made: Made) -> None:
    edit(made)
    content = (made.site / "demo/core.py").read_bytes()
    row = f"demo/core.py,{record_hash(sha256_hex(content))},{len(content)}"
    rewrite(record_of(made), r"^demo/core\.py,.*$", row)


def drop_row(made: Made) -> None:
    rewrite(record_of(made), r"^demo/core\.py,.*\n", "")


def edit_and_drop(made: Made) -> None:
    edit(made)
    drop_row(made)


def edit_keeping_times(made: Made) -> None:
    path = made.site / "demo/core.py"
    before = path.stat()
    content = path.read_bytes()
    path.write_bytes(content.replace(b"42", b"43"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def write(relative: str, content: str | bytes = "x = 1\n") -> Callable[[Made], None]:
    def tamper(made: Made) -> None:
        path = made.folder / relative.replace("SITE", layout().site)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    return tamper


def remove(relative: str) -> Callable[[Made], None]:
    return lambda made: (made.folder / relative.replace("SITE", layout().site)).unlink()


def both(*steps: Callable[[Made], None]) -> Callable[[Made], None]:
    def tamper(made: Made) -> None:
        for step in steps:
            step(made)

    return tamper


def ghost_with_record(made: Made) -> None:
    write("SITE/ghost-1.0.dist-info/METADATA", "Name: ghost\nVersion: 1.0\n")(made)
    write("SITE/ghost-1.0.dist-info/RECORD", "ghost-1.0.dist-info/METADATA,,\nghost-1.0.dist-info/RECORD,,\n")(made)


def replace_by_link(made: Made) -> None:
    path = made.site / "demo/core.py"
    real = path.rename(made.folder.parent / "elsewhere.py")
    path.symlink_to(real)


def replace_folder_by_link(made: Made) -> None:
    (made.site / "space").rename(made.folder.parent / "space")
    (made.site / "space").symlink_to(made.folder.parent / "space")


def swap_python(made: Made) -> None:
    (made.scripts / "python").unlink()
    (made.scripts / "python").write_text("#!/bin/sh\n")
    (made.scripts / "python").chmod(0o755)


def link_python(target: str) -> Callable[[Made], None]:
    def tamper(made: Made) -> None:
        (made.scripts / "python").unlink()
        (made.scripts / "python").symlink_to(target)

    return tamper


def swap_python3(made: Made) -> None:
    (made.scripts / "python3").unlink()
    write(f"{layout().scripts}/python3", "#!/bin/sh\necho not python\n")(made)
    (made.scripts / "python3").chmod(0o755)


def link_python3(made: Made) -> None:
    (made.scripts / "python3").unlink()
    (made.scripts / "python3").symlink_to("/bin/sh")


def configure(line: str) -> Callable[[Made], None]:
    return lambda made: append(made.folder / "pyvenv.cfg", f"{line}\n".encode())


def add_row(row: str) -> Callable[[Made], None]:
    return lambda made: append(record_of(made), f"{row}\n".encode())


def odd_name(made: Made) -> None:
    Path(os.fsdecode(os.fsencode(made.site) + b"/\xff\n.py")).write_text("")


def lead_lib64_away(made: Made) -> None:
    (made.folder / "lib64").unlink(missing_ok=True)
    (made.folder / "lib64").symlink_to("/tmp")


def chmod(relative: str, mode: int) -> Callable[[Made], None]:
    return lambda made: (made.folder / relative.replace("SITE", layout().site)).chmod(mode)


def move_row(made: Made) -> None:
    record = record_of(made)
    lines = record.read_text().splitlines(keepends=True)
    moved = [line for line in lines if line.startswith("demo/core.py,")]
    record.write_text("".join(line for line in lines if line not in moved))
    append(record_of(made, "other_thing-2.0"), "".join(moved).encode())


def tidy_differently(made: Made) -> None:
    """RECORD as another installer may leave it: CRLF, another order, rows twice."""
    record = record_of(made)
    rows = record.read_text().splitlines()
    record.write_bytes("\r\n".join([*reversed(rows), rows[0], ""]).encode())


def write_hex(made: Made) -> None:
    record = record_of(made)
    lines = record.read_bytes().splitlines(keepends=True)
    fields = {field for line in lines for field in line.split(b",") if field.startswith(b"sha256=")}
    text = b"".join(lines)
    for field in fields:
        text = text.replace(field, b"sha256=" + str(hex_of_record_hash(field.decode())).encode())
    record.write_bytes(text)


def poison(flags: int, *, name: str = "core") -> Callable[[Made], None]:
    """Bytecode of other code than its source's, with a header that the import system takes for right."""

    def tamper(made: Made) -> None:
        source = made.site / f"demo/{name}.py"
        text, status = source.read_bytes(), source.stat()
        if flags == 0:
            times = int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF
            key = b"".join(number.to_bytes(4, "little") for number in times)
        else:
            key = importlib.util.source_hash(text)
        code = compile(text.replace(b"42", b"43"), str(source), "exec", dont_inherit=True)
        content = importlib.util.MAGIC_NUMBER + flags.to_bytes(4, "little") + key + marshal.dumps(code)
        cached = made.site / CACHED[5:]
        cached.parent.mkdir(exist_ok=True)
        cached.write_bytes(content)

    return tamper


def honest(mode: py_compile.PycInvalidationMode) -> Callable[[Made], None]:
    def tamper(made: Made) -> None:
        for level in (0, 1, 2):
            assert compileall.compile_dir(str(made.site), quiet=2, optimize=level, invalidation_mode=mode, force=True)

    return tamper


def import_it(made: Made) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    code = "import demo.core, other, space.one; assert demo.core.ANSWER == 42"
    subprocess.run([made.scripts / "python", "-c", code], check=True, env=environment)
    assert (made.site / CACHED[5:]).exists()


def compiled_elsewhere(made: Made) -> None:
    poison(0)(made)
    cached = made.site / CACHED[5:]
    cached.write_bytes(b"\x00\x01\r\n" + cached.read_bytes()[4:])


def redirect_home(made: Made) -> None:
    """site and os from another folder: `home` is where getpath starts to look for the standard library."""
    other = made.folder.parent / "other-home/bin"
    other.mkdir(parents=True)
    rewrite(made.folder / "pyvenv.cfg", r"^home = .*$", f"home = {other}")


def fifo(relative: str) -> Callable[[Made], None]:
    return lambda made: os.mkfifo(made.folder / relative.replace("SITE", layout().site))


def sourceless(relative: str) -> Callable[[Made], None]:
    def tamper(made: Made) -> None:
        path = made.folder / relative.replace("SITE", layout().site)
        source = made.folder.parent / "evil.py"
        source.write_text("x = 1\n")
        py_compile.compile(str(source), cfile=str(path), doraise=True)

    return tamper


# ---------------------------------------------------------------------------------------- and what is said


@dataclass(frozen=True, kw_only=True)
class Case:
    """A tampering and all that must be said of it: verdict, first layer that differs, findings by code, path, level."""

    tamper: Callable[[Made], None]
    findings: Iterable[tuple[str, str] | tuple[str, str, str]]
    verdict: str = "mismatch"
    layer: str = ""

    def expected(self) -> set[tuple[str, str, str]]:
        return {(f[0], f[1], f[2] if len(f) > 2 else "mismatch") for f in self.findings}


SH, BIN = "#!/bin/sh\n", layout().scripts
NOTE, UNPROVEN = "note", "unproven"
DEMO_FILES = ["demo/__init__.py", "demo/core.py", "demo/ünï.py", 'demo/a, "b".py', "demo/empty.txt", "space/one.py"]
DEMO_FILES += [f"demo-1.0.dist-info/{name}" for name in ("METADATA", "WHEEL", "entry_points.txt")]
DEMO_OUTSIDE = ["scripts/demo", "scripts/demo-tool", "scripts/demo-sh", "scripts/demo-data", "data/share/demo.txt"]
DEMO_UNOWNED = [("unowned", f"site/{path}") for path in DEMO_FILES]
DEMO_UNOWNED += [("unowned", path) for path in (*DEMO_OUTSIDE, "headers/demo/demo.h")]

CASES = {
    # ---- files
    "a byte appended": Case(tamper=edit, layer="files", findings=[("record-hash", CORE), ("file-changed", CORE)]),
    "a byte appended, RECORD forged": Case(tamper=edit_and_forge, layer="files", findings=[("file-changed", CORE)]),
    "a byte appended, its row dropped": Case(
        tamper=edit_and_drop, layer="files", findings=[("unowned", CORE), ("file-changed", CORE)]
    ),
    "a byte changed, size and times kept": Case(
        tamper=edit_keeping_times, layer="files", findings=[("record-hash", CORE), ("file-changed", CORE)]
    ),
    "a file deleted": Case(
        tamper=remove("SITE/demo/core.py"), layer="files", findings=[("record-ghost", CORE), ("file-missing", CORE)]
    ),
    "an empty file deleted": Case(
        tamper=remove("SITE/demo/empty.txt"),
        layer="files",
        findings=[("record-ghost", "site/demo/empty.txt"), ("file-missing", "site/demo/empty.txt")],
    ),
    "a module owned by nothing": Case(
        tamper=write("SITE/demo/extra.py"), layer="files", findings=[("unowned", "site/demo/extra.py")]
    ),
    "a module that RECORD claims": Case(
        tamper=both(write("SITE/demo/extra.py"), add_row("demo/extra.py,,")),
        layer="files",
        findings=[("file-added", "site/demo/extra.py")],
    ),
    "a stray extension beside a module": Case(
        tamper=write("SITE/other.abi3.so", b"\x7fELF"), layer="files", findings=[("unowned", "site/other.abi3.so")]
    ),
    "a sourceless .pyc": Case(
        tamper=sourceless("SITE/json.pyc"), layer="files", findings=[("unowned", "site/json.pyc")]
    ),
    "an .egg-link": Case(
        tamper=write("SITE/x.egg-link", "/tmp\n"), layer="files", findings=[("unowned", "site/x.egg-link")]
    ),
    "a file with an odd name": Case(
        tamper=odd_name,
        layer="files",
        findings=[("unowned", "site/\udcff\n.py")],
    ),
    "a file beside the environment's own": Case(
        tamper=write("evil.txt"), layer="files", findings=[("unowned", "data/evil.txt")]
    ),
    "a module beside site-packages": Case(
        tamper=write(f"{os.path.dirname(layout().site)}/os.py"),
        layer="files",
        findings=[("unowned", f"data/{os.path.dirname(layout().site)}/os.py")],
    ),
    "a file replaced by a link": Case(tamper=replace_by_link, layer="files", findings=[("file-changed", CORE)]),
    "a folder replaced by a link": Case(
        tamper=replace_folder_by_link,
        layer="files",
        findings=[
            ("unowned", "site/space"),
            *(("record-ghost", f"site/space/{name}.py") for name in ("one", "two")),
            *(("file-missing", f"site/space/{name}.py") for name in ("one", "two")),
        ],
    ),
    "a header changed": Case(
        tamper=write(f"{layout().headers}/demo/demo.h", "int e;\n"),
        layer="files",
        findings=[("file-changed", "headers/demo/demo.h"), ("record-hash", "headers/demo/demo.h")],
    ),
    "an entry point more": Case(
        tamper=lambda made: append(made.site / "demo-1.0.dist-info/entry_points.txt", b"\n[pytest11]\nx = os\n"),
        layer="files",
        findings=[("record-hash", f"{INFO}/entry_points.txt"), ("file-changed", f"{INFO}/entry_points.txt")],
    ),
    # ---- distributions
    "a ghost without RECORD": Case(
        tamper=write("SITE/ghost-1.0.dist-info/METADATA", "Name: ghost\nVersion: 1.0\n"),
        layer="set",
        findings=[
            ("record-missing", "site/ghost-1.0.dist-info/RECORD"),
            ("unowned", "site/ghost-1.0.dist-info/METADATA"),
            ("distribution", "ghost"),
        ],
    ),
    "a ghost with RECORD": Case(
        tamper=ghost_with_record,
        layer="set",
        findings=[("file-added", "site/ghost-1.0.dist-info/METADATA"), ("distribution", "ghost")],
    ),
    "a twin": Case(
        tamper=both(
            write("SITE/Demo-9.dist-info/METADATA", "Name: Demo\nVersion: 9\n"),
            write("SITE/Demo-9.dist-info/RECORD", "Demo-9.dist-info/METADATA,,\n"),
        ),
        layer="set",
        findings=[
            ("twin-distributions", "site/Demo-9.dist-info/METADATA"),
            ("distribution", "demo#Demo-9.dist-info"),
        ],
    ),
    "another version in METADATA": Case(
        tamper=lambda made: rewrite(made.site / "demo-1.0.dist-info/METADATA", "^Version: 1.0$", "Version: 1.1"),
        layer="set",
        findings=[
            ("record-hash", f"{INFO}/METADATA"),
            ("file-changed", f"{INFO}/METADATA"),
            ("distribution", "demo"),
        ],
    ),
    # ---- RECORD
    "RECORD's row dropped": Case(tamper=drop_row, layer="artifacts", findings=[("unowned", CORE)]),
    "RECORD gone": Case(
        tamper=remove("SITE/demo-1.0.dist-info/RECORD"),
        layer="artifacts",
        findings=[("record-missing", f"{INFO}/RECORD"), *DEMO_UNOWNED],
    ),
    "RECORD no CSV": Case(
        tamper=write("SITE/demo-1.0.dist-info/RECORD", "x" * 200_000),
        layer="artifacts",
        findings=[("record-unreadable", f"{INFO}/RECORD"), *DEMO_UNOWNED],
    ),
    "a row that leaves the environment": Case(
        tamper=add_row("../../../../x,,"), findings=[("record-escape", f"{INFO}/RECORD")]
    ),
    "a row with an absolute path": Case(
        tamper=add_row("/etc/passwd,,"), findings=[("record-escape", f"{INFO}/RECORD")]
    ),
    "a row without a file": Case(tamper=add_row("demo/gone.py,,"), findings=[("record-ghost", "site/demo/gone.py")]),
    "rows in CRLF, reversed, one twice": Case(tamper=tidy_differently, verdict="match", findings=[]),
    "rows with digests in hexadecimal": Case(
        tamper=write_hex, verdict="match", findings=[("record-hex", f"{INFO}/RECORD", NOTE)]
    ),
    # ---- start-up
    "a new .pth": Case(
        tamper=write("SITE/evil.pth", "import os\n# a comment\n/tmp\n"),
        layer="files",
        findings=[("unowned", "site/evil.pth"), ("startup", "site/evil.pth")],
    ),
    "a new .start": Case(
        tamper=write("SITE/evil.start", "demo:main\n"),
        layer="files",
        findings=[("unowned", "site/evil.start"), ("startup", "site/evil.start")],
    ),
    "a wheel's .pth edited": Case(
        tamper=write("SITE/other.pth", "import os\n"),
        layer="files",
        findings=[(code, "site/other.pth") for code in ("record-hash", "file-changed", "startup")],
    ),
    "a wheel's .pth deleted": Case(
        tamper=remove("SITE/other.pth"),
        layer="files",
        findings=[(code, "site/other.pth") for code in ("record-ghost", "file-missing", "startup")],
    ),
    **{
        f"a new {name}": Case(
            tamper=write(f"SITE/{name}"),
            layer="files",
            findings=[("unowned", f"site/{name}"), ("startup", f"site/{name}")],
        )
        for name in (
            "sitecustomize.py",
            "usercustomize.py",
            "sitecustomize/__init__.py",
            "usercustomize.cpython-311-x86_64-linux-gnu.so",
            "sitecustomize.pyc",
        )
    },
    "a row of RECORD with another size": Case(
        tamper=lambda made: rewrite(record_of(made), r"^(demo/core\.py,sha256=[^,]+),\d+$", r"\1,1"),
        verdict="match",
        findings=[("record-size", CORE, NOTE)],
    ),
    "a row of RECORD with another size and no hash": Case(
        tamper=lambda made: rewrite(record_of(made), r"^demo/core\.py,.*$", "demo/core.py,,1"),
        findings=[("record-size", CORE)],
    ),
    "a row of RECORD with MD5": Case(
        tamper=lambda made: rewrite(record_of(made), r"^demo/core\.py,.*$", "demo/core.py,md5=1B2M2Y8AsgTpgAmY7PhCfg,"),
        verdict="match",
        findings=[("record-odd", CORE, NOTE)],
    ),
    "system site-packages": Case(
        tamper=lambda made: rewrite(made.folder / "pyvenv.cfg", "^(include-system-site-packages) .*", r"\1 = true"),
        layer="startup",
        findings=[("startup", "pyvenv.cfg")],
    ),
    "system site-packages beside the line that says no": Case(
        tamper=configure("include-system-site-packages = true"),
        layer="startup",
        findings=[("startup", "pyvenv.cfg"), ("pyvenv-trap", "data/pyvenv.cfg")],
    ),
    "a key more in pyvenv.cfg": Case(
        tamper=configure("future = yes"), layer="startup", findings=[("startup", "pyvenv.cfg")]
    ),
    "another patch version in pyvenv.cfg": Case(
        tamper=lambda made: rewrite(made.folder / "pyvenv.cfg", r"^version = (\d+\.\d+)\..*$", r"version = \1.99"),
        findings=[("pyvenv-version", "data/pyvenv.cfg")],
    ),
    # ---- the interpreter
    "bin/python a program of its own": Case(
        tamper=swap_python,
        layer="files",
        findings=[
            ("interpreter", "scripts/python"),
            ("interpreter-unknown", "scripts/python", UNPROVEN),
            ("unowned", "scripts/python"),
        ],
    ),
    "bin/python gone": Case(  # the scripts' first lines then name nothing that is here
        tamper=remove(f"{BIN}/python"),
        layer="files",
        findings=[
            ("interpreter", "scripts/python"),
            ("interpreter-unknown", "scripts/python", UNPROVEN),
            ("file-changed", "scripts/demo"),
            ("file-changed", "scripts/demo-tool"),
        ],
    ),
    "bin/python another program": Case(
        tamper=link_python("/bin/sh"),
        layer="interpreter",
        findings=[("interpreter", "scripts/python"), ("interpreter-unknown", "scripts/python", UNPROVEN)],
    ),
    "bin/python3 another than bin/python": Case(
        tamper=link_python3, findings=[("interpreter-links", "scripts/python")]
    ),
    # ---- scripts
    "a wrapper edited": Case(
        tamper=lambda made: append(made.scripts / "demo"),
        layer="files",
        findings=[("file-changed", "scripts/demo")],
    ),
    "a wrapper for other code": Case(
        tamper=lambda made: rewrite(made.scripts / "demo", r"from demo import", "from other import"),
        layer="files",
        findings=[("file-changed", "scripts/demo")],
    ),
    "a wrapper of another Python": Case(
        tamper=lambda made: rewrite(made.scripts / "demo", r"\A#!.*$", "#!/usr/bin/python3"),
        layer="files",
        findings=[("record-hash", "scripts/demo"), ("file-changed", "scripts/demo")],
    ),
    "a script that was not installed": Case(
        tamper=both(write(f"{BIN}/pip", SH), chmod(f"{BIN}/pip", 0o755)),
        layer="files",
        findings=[("unowned", "scripts/pip")],
    ),
    "a script without its executable bit": Case(
        tamper=chmod(f"{BIN}/demo-tool", 0o644), findings=[("not-executable", "scripts/demo-tool")]
    ),
    "a setuid script": Case(tamper=chmod(f"{BIN}/demo-sh", 0o4755), findings=[("mode", "scripts/demo-sh")]),
    "a world-writable site-packages": Case(tamper=chmod("SITE", 0o1777), findings=[("mode", "site")]),
    "a world-writable folder of a package": Case(tamper=chmod("SITE/demo", 0o757), findings=[("mode", "site/demo")]),
    "a world-writable environment": Case(tamper=chmod(".", 0o777), findings=[("mode", "data/.")]),
    "a world-writable pyvenv.cfg": Case(tamper=chmod("pyvenv.cfg", 0o666), findings=[("mode", "data/pyvenv.cfg")]),
    "a world-writable activate": Case(tamper=chmod(f"{BIN}/activate", 0o777), findings=[("mode", "scripts/activate")]),
    "a world-writable module": Case(tamper=chmod("SITE/demo/core.py", 0o666), findings=[("mode", CORE)]),
    # ---- what is left out of the lines
    "an odd INSTALLER": Case(
        tamper=write("SITE/demo-1.0.dist-info/INSTALLER", "three words long\n"),
        findings=[("installer-file", f"{INFO}/INSTALLER"), ("record-hash", f"{INFO}/INSTALLER")],
    ),
    "REQUESTED with text": Case(
        tamper=write("SITE/demo-1.0.dist-info/REQUESTED", "x"), findings=[("installer-file", f"{INFO}/REQUESTED")]
    ),
    "an empty REQUESTED": Case(tamper=write("SITE/demo-1.0.dist-info/REQUESTED", ""), verdict="match", findings=[]),
    "direct_url.json of a wheel": Case(
        tamper=write("SITE/demo-1.0.dist-info/direct_url.json", '{"url": "file:///x.whl", "archive_info": {}}'),
        verdict="match",
        findings=[("origin", f"{INFO}/direct_url.json", NOTE)],
    ),
    "direct_url.json of an editable project": Case(
        tamper=write("SITE/demo-1.0.dist-info/direct_url.json", '{"url": "file:///x", "dir_info": {"editable": true}}'),
        findings=[("origin", f"{INFO}/direct_url.json")],
    ),
    "direct_url.json that is no JSON": Case(
        tamper=write("SITE/demo-1.0.dist-info/direct_url.json", "{"), findings=[("origin", f"{INFO}/direct_url.json")]
    ),
    "an empty folder": Case(
        tamper=lambda made: (made.site / "empty").mkdir(),
        verdict="match",
        findings=[("empty-folder", "site/empty", NOTE)],
    ),
    "a FIFO in site-packages": Case(tamper=fifo("SITE/pipe.py"), findings=[("special-file", "site/pipe.py")]),
    "lib64 that leads elsewhere": Case(
        tamper=lead_lib64_away,
        layer="files",
        findings=[("unowned", "data/lib64")],
    ),
    "a RECORD that lists folders of bytecode, as virtualenv's seeds have it": Case(
        tamper=lambda made: append(record_of(made), b"demo/__pycache__,,\n"),
        verdict="match",
        findings=[],
    ),
    "a RECORD that lists a folder that isn't there": Case(
        tamper=lambda made: append(record_of(made), b"demo/cache,,\n"), findings=[("record-ghost", "site/demo/cache")]
    ),
    # ---- bytecode
    "honest bytecode by time": Case(
        tamper=honest(py_compile.PycInvalidationMode.TIMESTAMP), verdict="match", findings=[]
    ),
    "honest bytecode by hash": Case(
        tamper=honest(py_compile.PycInvalidationMode.CHECKED_HASH), verdict="match", findings=[]
    ),
    "bytecode that imports made": Case(tamper=import_it, verdict="match", findings=[]),
    "poisoned bytecode, never checked": Case(tamper=poison(1), findings=[("bytecode-unchecked", CACHED)]),
    "poisoned bytecode by hash": Case(tamper=poison(3), findings=[("bytecode-false", CACHED)]),
    "poisoned bytecode by time": Case(tamper=poison(0), findings=[("bytecode-false", CACHED)]),
    "bytecode that is cut off": Case(
        tamper=both(poison(0), lambda made: os.truncate(made.site / CACHED[5:], 40)),
        verdict="unproven",
        findings=[("bytecode-unreadable", CACHED, UNPROVEN)],
    ),
    "bytecode of another Python": Case(
        tamper=compiled_elsewhere, verdict="match", findings=[("bytecode-foreign", CACHED, NOTE)]
    ),
    "a module that pytest rewrote": Case(
        tamper=write(f"SITE/demo/__pycache__/core.{sys.implementation.cache_tag}-pytest-8.0.pyc", b"x"),
        verdict="unproven",
        findings=[("bytecode-rewritten", CACHED.replace(".pyc", "-pytest-8.0.pyc"), UNPROVEN)],
    ),
    "bytecode without a source": Case(
        tamper=both(poison(0), remove("SITE/demo/core.py")),
        layer="files",
        findings=[("record-ghost", CORE), ("file-missing", CORE), ("bytecode-orphan", CACHED, NOTE)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_tampered_environment_is_found_out(name: str, made: Made) -> None:
    case = CASES[name]
    case.tamper(made)
    proof = made.prove()
    assert prove(made.predicted, inspect(made.folder, worked=worked(made.entries)).fingerprint) == proof

    assert {(f.code, f.path, f.level) for f in proof.findings} == case.expected()
    assert (proof.verdict, proof.layer) == (case.verdict, case.layer)


# Tamperings that are taken for a match. Once one is found out, it belongs into CASES.
DETOURS = {
    "a standard library elsewhere (pyvenv.cfg: home)": (redirect_home, "pyvenv.cfg"),
    "bin/python3 a program of its own": (swap_python3, "scripts/python3"),
    "a sourceless module in x__pycache__": (
        both(lambda made: (made.site / "x__pycache__").mkdir(), sourceless("SITE/x__pycache__/evil.pyc")),
        "site/x__pycache__/evil.pyc",
    ),
    "a module in __pycache__ itself": (
        both(lambda made: (made.site / "__pycache__").mkdir(), sourceless("SITE/__pycache__/evil.pyc")),
        "site/__pycache__/evil.pyc",
    ),
    "a .dist-info without METADATA": (
        write("SITE/ghost-1.0.dist-info/RECORD", "x,,\n"),
        "site/ghost-1.0.dist-info/RECORD",
    ),
    "a name that only looks like activate": (
        both(write(f"{BIN}/activate\n", SH), chmod(f"{BIN}/activate\n", 0o755)),
        "scripts/activate\n",
    ),
    "RECORD with another distribution's row": (move_row, CORE),
}


@pytest.mark.parametrize("name", DETOURS)
def test_a_tampering_around_what_is_left_out_is_found_out(name: str, made: Made) -> None:
    tamper, path = DETOURS[name]
    tamper(made)
    proof = made.prove()

    assert proof.verdict == "mismatch"
    assert [f.path for f in proof.findings if f.level == "mismatch" and f.path.endswith(path)]


def test_an_edited_activate_is_found_out_and_noted_where_nobody_knows_who_wrote_it(made: Made) -> None:
    append(made.scripts / "activate", b"exec evil\n")
    assert [(f.path, f.level) for f in made.prove().findings] == [("scripts/activate", "mismatch")]
    rewrite(made.folder / "pyvenv.cfg", "^lockproof-link.*\n", "")
    assert [(f.path, f.level) for f in made.prove().findings] == [("scripts/activate", NOTE)]


@pytest.mark.parametrize("link", ["hardlink", "copy", "symlink"])
def test_every_link_mode_gives_the_predicted_environment(
    link: str, wheels: list[Path], store: Store, tmp_path: Path
) -> None:
    made = make_proven(wheels, tmp_path / "an environment", store, link=link)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run([made.scripts / "demo-tool"], check=True, capture_output=True, env=environment)
    assert done.stdout == b"1\n"
    subprocess.run([made.scripts / "demo"], check=True, env=environment)


@pytest.mark.parametrize("link", ["hardlink", "copy", "symlink"])
def test_an_edit_is_found_in_every_link_mode_and_the_store_is_healed(
    link: str, wheels: list[Path], tmp_path: Path
) -> None:
    own = Store(tmp_path / "store")
    made = make_proven(wheels, tmp_path / "env", own, link=link)
    path = made.site / "demo/core.py"
    path.chmod(0o644)
    edit(made)
    assert {(f.code, f.path) for f in made.prove().findings} == {("record-hash", CORE), ("file-changed", CORE)}

    reached = link != "copy"
    assert made.entries[0].verify() == ([CORE] if reached else [])
    assert made.entries[0].verify() == []
    again = make_proven(wheels, tmp_path / "again", own, link=link)
    assert again.prove().verdict == "match"


def test_a_damaged_store_file_is_named_and_replaced_on_the_way(wheels: list[Path], tmp_path: Path) -> None:
    own = Store(tmp_path / "store")
    [entry, _] = stored(own, wheels)
    damaged = Path(entry.tree, CORE)
    damaged.chmod(0o644)
    append(damaged)
    order = Order(interpreter=running(), entries=[entry], folder=tmp_path / "env", link="hardlink")
    result = make_environments([order], app_data())
    assert (result.links, result.replaced) == (("hardlink",), (CORE,))
    assert (tmp_path / "env" / layout().site / "demo/core.py").read_bytes().startswith(b"ANSWER = 42\n")


def test_what_is_known_is_not_believed_once_the_file_was_touched(made: Made) -> None:
    before, known = observed(made.folder), made.store.known
    first = inspect(made.folder, known=known)
    same = inspect(made.folder, known=known, previous=first)
    edit_keeping_times(made)
    later = inspect(made.folder, known=known, previous=same)

    assert (first.fingerprint, same.fingerprint) == (before, before)
    assert {f.path for f in later.fingerprint.findings if f.level != "note"} == {CORE}
    assert later.fingerprint.files[CORE] != first.fingerprint.files[CORE]


@pytest.mark.parametrize(
    "name", ["a byte changed, size and times kept", "an odd INSTALLER", "a setuid script", "an empty folder"]
)
def test_a_later_reading_sees_what_the_first_would(name: str, made: Made) -> None:
    known: Known = {}
    before = inspect(made.folder, known=known)
    CASES[name].tamper(made)
    later = inspect(made.folder, known=known, previous=before)
    assert later.fingerprint == observed(made.folder)
    assert later.fingerprint != before.fingerprint


def moved(made: Made, *, record: bool) -> Made:
    """The environment in another folder, first lines regenerated, and RECORD too where asked for."""
    folder = made.folder.rename(made.folder.parent / "moved")
    there = replace(made, folder=folder, site=folder / layout().site, scripts=folder / layout().scripts)
    for name in ("demo", "demo-tool"):
        path = there.scripts / name
        content = path.read_bytes().replace(os.fsencode(made.folder), os.fsencode(folder))
        path.write_bytes(content)
        if record:
            row = rf"\1{record_hash(sha256_hex(content))},{len(content)}"
            rewrite(record_of(there), rf"^(.*/{BIN}/{name},).*$", row)
    return there


def test_a_moved_environment_with_regenerated_first_lines_and_record_matches(made: Made) -> None:
    proof = moved(made, record=True).prove()
    assert (proof.verdict, {(f.code, f.level) for f in proof.findings}) == ("match", {("activate", NOTE)})
    assert {f.message for f in proof.findings} == {f"leads to {made.folder}: it was moved or copied"}


def test_a_moved_environment_with_regenerated_first_lines_matches(made: Made) -> None:
    assert moved(made, record=False).prove().verdict == "match"


def test_a_moved_environment_whose_scripts_still_lead_to_the_old_place_does_not_match(made: Made) -> None:
    folder = made.folder.rename(made.folder.parent / "moved")
    proof = replace(made, folder=folder).prove()
    assert {(f.code, f.path) for f in proof.findings if f.level != NOTE} == {
        ("file-changed", f"scripts/{name}") for name in ("demo", "demo-tool")
    }


def called(made: Made, folder: Path) -> None:
    """The scripts of an environment, as if `folder` had been named when it was made."""
    for name in ("demo", "demo-tool"):
        path = made.scripts / name
        path.write_bytes(path.read_bytes().replace(os.fsencode(made.folder), os.fsencode(folder)))


def test_scripts_may_call_the_environment_by_a_path_with_dots(made: Made) -> None:
    called(made, made.folder.parent / "wheels/.." / made.folder.name)
    assert made.prove().verdict == "match"


def test_a_path_with_dots_is_followed_as_the_kernel_does(made: Made, tmp_path: Path) -> None:
    """What stands before `..` is a link into another place, and from there the path leads to another Python."""
    (tmp_path / "elsewhere/deep").mkdir(parents=True)
    (made.folder.parent / "link").symlink_to(tmp_path / "elsewhere/deep")
    called(made, made.folder.parent / "link/.." / made.folder.name)
    assert {f.path for f in made.prove().findings if f.code == "file-changed"} == {"scripts/demo", "scripts/demo-tool"}


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_pip_and_uv_make_the_predicted_environment(tool: str, wheels: list[Path], store: Store, tmp_path: Path) -> None:
    try:
        find_tool("uv" if tool == "uv" else "pip")
    except UnavailableError as error:
        pytest.skip(str(error))
    entries = stored(store, wheels)
    make_skeleton(running(), tmp_path / "env", app_data())
    install(tool, [(artifact_of(wheel), wheel) for wheel in wheels], tmp_path / "env")
    proof = prove(predicted(entries), observed(tmp_path / "env"))
    assert (proof.verdict, {f.code for f in proof.findings}) == ("match", {"origin"} if tool == "uv" else set())


def test_a_vendored_dist_info_belongs_to_its_wheel(tmp_path: Path) -> None:
    """As in setuptools, whose _vendor folder holds the .dist-info folders of other projects whole."""
    files = {f"big/_vendor/small-1.dist-info/{name}": "x" for name in ("METADATA", "RECORD", "INSTALLER", "REQUESTED")}
    wheel = make_wheel(tmp_path, "big", "1.0", {"big/__init__.py": "", **files})
    assert make_proven([wheel], tmp_path / "env", Store(tmp_path / "store")).prove().verdict == "match"


def test_a_wheel_s_own_odd_record_is_excused(tmp_path: Path) -> None:
    def worse(rows: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
        wrong = [
            (path, record_hash("0" * 64), size) if path == "odd.py" else (path, digest, size)
            for path, digest, size in rows
        ]
        return [row for row in wrong if row[0] != "left_out.py"] + [("ghost.py", "", "")]

    wheel = make_wheel(tmp_path, "odd", "1.0", {"odd.py": "", "left_out.py": ""}, record=worse)
    made = make_proven([wheel], tmp_path / "env", Store(tmp_path / "store"))
    assert {(f.code, f.path, f.level) for f in made.predicted.findings} == {
        ("record-hash", "site/odd.py", "note"),
        ("record-unlisted", "site/left_out.py", "note"),
        ("record-ghost", "site/ghost.py", "note"),
    }


def test_rows_that_installers_keep_are_no_lies(tmp_path: Path) -> None:
    """What a wheel ships and installers write themselves: an INSTALLER, and a script by the name of an entry point."""
    wheel = make_wheel(
        tmp_path,
        "odd",
        "1.0",
        {"odd.py": "", "*.dist-info/INSTALLER": "somebody\n"},
        entry_points={"console_scripts": {"tool": "odd:main"}},
        scripts={"tool": "#!python\n"},
    )
    made = make_proven([wheel], tmp_path / "env", Store(tmp_path / "store"))
    record = made.site / "odd-1.0.dist-info/RECORD"
    digest = record_hash(sha256_hex(b"somebody\n"))
    rows = f"odd-1.0.data/scripts/tool,{digest},9\nodd-1.0.dist-info/INSTALLER,{digest},9\n"
    record.chmod(0o644)
    record.write_text(rows + record.read_text())

    assert [(f.code, f.path) for f in made.prove().findings if f.level != "note"] == []
    (made.site / "odd-1.0.dist-info/INSTALLER").chmod(0o644)
    (made.site / "odd-1.0.dist-info/INSTALLER").write_text("another\n")
    assert [(f.code, f.path) for f in made.prove().findings if f.level != "note"] == [
        ("record-hash", "site/odd-1.0.dist-info/INSTALLER")
    ]


def test_a_data_file_among_the_scripts_may_lack_its_executable_bit_where_the_wheel_says_so(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "odd", "1.0", data={"data/bin/odd-data": "no program\n"})
    made = make_proven([wheel], tmp_path / "env", Store(tmp_path / "store"))
    assert [(f.code, f.path, f.level) for f in made.predicted.findings] == [
        ("not-executable", "scripts/odd-data", "note")
    ]


def test_a_fingerprint_with_odd_names_survives_being_saved(made: Made) -> None:
    CASES["a file with an odd name"].tamper(made)
    seen = observed(made.folder)
    assert from_json(json.dumps(to_json(seen)), "saved") == seen


@pytest.mark.parametrize(
    "configuration",
    [
        pytest.param("home = /usr/bin\n", id="no version"),
        pytest.param("home = /usr/bin\nversion = three\n", id="a version that is none"),
        pytest.param("", id="empty"),
        pytest.param("home = /usr/bin\nversion_info = 3\n", id="one number"),
    ],
)
def test_a_poor_pyvenv_cfg_is_no_traceback(configuration: str, made: Made) -> None:
    (made.folder / "pyvenv.cfg").write_text(configuration)
    try:
        verdict = made.prove().verdict
    except (UsageError, UnavailableError):
        verdict = "refused"
    assert verdict != "match"


def test_pyvenv_cfg_as_a_link_is_no_traceback(made: Made) -> None:
    real = (made.folder / "pyvenv.cfg").rename(made.folder.parent / "elsewhere.cfg")
    (made.folder / "pyvenv.cfg").symlink_to(real)
    try:
        verdict = made.prove().verdict
    except (UsageError, UnavailableError):
        verdict = "refused"
    assert verdict != "match"


def test_a_folder_that_is_no_environment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        observed(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: this is not a virtual environment: it has no pyvenv.cfg\n"
        "  name the folder that has pyvenv.cfg, bin (or Scripts) and lib in it"
    )


def test_a_file_that_changes_while_it_is_read_is_never_a_match(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    read = os.read

    def grow(descriptor: int, size: int) -> bytes:
        content = read(descriptor, size)
        if content.startswith(b"ANSWER"):
            edit(made)
        return content

    monkeypatch.setattr(os, "read", grow)
    with pytest.raises(UnavailableError, match="changed while it was read"):
        made.prove()


def test_an_environment_within_reach_of_links_is_not_read_through_them(made: Made) -> None:
    """Only what says that it was joined by links may have links into the store."""
    entry = made.entries[0]
    (made.site / "demo/core.py").unlink()
    (made.site / "demo/core.py").symlink_to(f"{entry.tree}/{CORE}")
    assert {(f.code, f.path) for f in made.prove().findings} == {("file-changed", CORE)}


def test_two_distributions_may_share_a_file_of_equal_bytes(made: Made) -> None:
    roots = {dist.name: dist.roots for dist in made.predicted.distributions}
    assert "site/LICENSE" in roots["demo"]
    assert "site/LICENSE" in roots["other-thing"]
    assert {path for path, fact in made.predicted.files.items() if fact.kind != "f"} == {
        "scripts/demo",
        "scripts/demo-tool",
    }


def test_an_environment_without_wheels_holds_nothing(tmp_path: Path) -> None:
    make([], tmp_path / "env")
    seen = observed(tmp_path / "env")
    assert (dict(seen.files), seen.distributions, seen.findings) == ({}, (), ())
    assert prove(predicted([]), seen).verdict == "match"
