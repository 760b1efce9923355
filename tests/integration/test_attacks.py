"""Attacks on an environment that a lock describes, each with exactly what must be said of it; none is ever a match.

The table of `test_inspection` has the plain tamperings; here is what tries to get around the proof. What is done to the
reading itself, and to those who read its reports, is in `test_attacks_on_readers`.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lockproof.digests import record_hash, sha256_hex
from lockproof.errors import UnavailableError, UsageError
from support.attacks import put_back
from support.environments import Made, layout, running

if TYPE_CHECKING:
    from collections.abc import Callable

    Attack = Callable[[Made], object]

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name == "nt", reason="environments of this platform are laid out otherwise"),
]
SITE, BIN, HEADERS = layout().site, layout().scripts, layout().headers
LIBRARY = os.path.dirname(SITE)
INFO, OTHER = "site/demo-1.0.dist-info", "site/other_thing-2.0.dist-info"
NOTE, UNPROVEN = "note", "unproven"
BIG = 20 << 20  # bytes: more than a text may have that is kept whole


# ----------------------------------------------------------------------------------------------------------- attacks


def at(made: Made, path: str) -> Path:
    """Where a path lies; SITE stands for site-packages."""
    return made.folder / path.replace("SITE", SITE)


def write(path: str, content: str | bytes = "x = 1\n", mode: int = 0o644) -> Attack:
    def attack(made: Made) -> None:
        place = at(made, path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        place.chmod(mode)

    return attack


def big(path: str) -> Attack:
    """A file of many zeros, sparse."""

    def attack(made: Made) -> None:
        at(made, path).parent.mkdir(exist_ok=True)
        at(made, path).touch()
        os.truncate(at(made, path), BIG)

    return attack


def folder(path: str) -> Attack:
    return lambda made: at(made, path).mkdir(parents=True)


def link(path: str, target: str) -> Attack:
    def attack(made: Made) -> None:
        at(made, path).unlink(missing_ok=True)
        at(made, path).symlink_to(target)

    return attack


def chmod(path: str, mode: int) -> Attack:
    return lambda made: at(made, path).chmod(mode)


def edit(path: str, pattern: str, by: str) -> Attack:
    def attack(made: Made) -> None:
        text, count = re.subn(pattern, by, at(made, path).read_text(), flags=re.MULTILINE)
        assert count
        at(made, path).write_bytes(text.encode("utf-8", "surrogateescape"))

    return attack


def append(path: str, content: bytes) -> Attack:
    def attack(made: Made) -> None:
        with at(made, path).open("ab") as stream:
            stream.write(content)

    return attack


def both(*attacks: Attack) -> Attack:
    def attack(made: Made) -> None:
        for one in attacks:
            one(made)

    return attack


def claimed(path: str, content: str) -> Attack:
    """A file with a row in a RECORD that is true."""
    row = f"{path.removeprefix('SITE/')},{record_hash(sha256_hex(content.encode()))},{len(content)}\n"
    return both(write(path, content), append("SITE/demo-1.0.dist-info/RECORD", row.encode()))


def elsewhere(made: Made, name: str) -> Path:
    """A place beside the environment, emptied."""
    path = made.folder.parent / name
    shutil.rmtree(path, ignore_errors=True)
    return path


def home_beside_another_library(made: Made) -> None:
    """The folder that `home` names is the interpreter's own, by a link; what lies beside it is not."""
    evil = elsewhere(made, "evil")
    version = LIBRARY.rpartition("/")[2]
    (evil / "lib" / version).mkdir(parents=True)
    (evil / "lib" / version / "os.py").write_text("")
    (evil / "bin").symlink_to(running().executable.parent)
    edit("pyvenv.cfg", r"^home = .*$", f"home = {evil}/bin")(made)


def two_homes(made: Made) -> None:
    text = (made.folder / "pyvenv.cfg").read_text()
    (made.folder / "pyvenv.cfg").write_text(f"home = {elsewhere(made, 'evil')}/bin\n{text}")


def hidden_switch(made: Made) -> None:
    """A line that splitlines sees and site doesn't."""
    edit("pyvenv.cfg", "^include-system-site-packages = false$", "include-system-site-packages = true")(made)
    append("pyvenv.cfg", b"prompt = x\x0cinclude-system-site-packages = false\n")(made)


def hidden_home(made: Made) -> None:
    append("pyvenv.cfg", b"prompt = " + b"x" * 8192 + b"home = /evil/bin\n")(made)


def home_by_relative_path(made: Made) -> None:
    near = os.path.relpath(running().executable.parent, Path.cwd())
    edit("pyvenv.cfg", r"^home = .*$", f"home = {near}")(made)


def fifo_for_a_module(made: Made) -> None:
    (made.site / "other.py").unlink()
    os.mkfifo(made.site / "other.py")


def bind_socket(made: Made) -> None:
    here = Path.cwd()
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(made.site)  # the name of a socket is short
        try:
            listening.bind("socket.py")
        finally:
            os.chdir(here)


def device(made: Made) -> None:
    try:
        os.mknod(made.site / "zero.py", stat.S_IFCHR | 0o644, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root makes devices")


def hard_link_outside(made: Made) -> None:
    outside = elsewhere(made, "outside.py")
    outside.unlink(missing_ok=True)
    outside.write_text("x = 1\n")
    os.link(outside, made.site / "stray.py")


def bytes_path(made: Made, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(made.site) + b"/" + name)).write_text("")


# ---------------------------------------------------------------------------------------------- and what is said


@dataclass(frozen=True, kw_only=True)
class Case:
    """An attack and all that must be said of it, by code and path, each a mismatch unless told otherwise."""

    attack: Attack
    said: list[tuple[str, str] | tuple[str, str, str]]
    verdict: str = "mismatch"
    layer: str = "files"
    words: dict[str, str] = field(default_factory=dict)  # path to what a message about it contains

    def expected(self) -> set[tuple[str, str, str]]:
        return {(said[0], said[1], said[2] if len(said) > 2 else "mismatch") for said in self.said}


def stray(attack: Attack, path: str, *more: tuple[str, str], words: str = "is owned by nothing") -> Case:
    """A file too many."""
    return Case(attack=attack, said=[("unowned", path), *more], words={path: words})


def starts(name: str, content: str | bytes, words: str) -> Case:
    """A file too many that Python looks at when it starts."""
    path = f"site/{name}"
    return stray(write(f"SITE/{name}", content), path, ("startup", path), words=words)


def changed(path: str, attack: Attack, *more: tuple[str, str]) -> Case:
    return Case(attack=attack, said=[("record-hash", path), ("file-changed", path), *more])


IMPORT = "runs at start (exec): import os"
PATH_FILES = {
    "a .pth with a byte order mark": starts("x.pth", b"\xef\xbb\xbfimport os\n", IMPORT),
    "a .pth in UTF-16": starts("x.pth", "import os\n".encode("utf-16"), "runs at start (path)"),
    "a .pth in latin-1": starts("x.pth", b"# caf\xe9\nimport os\n", IMPORT),
    "a .pth in latin-1 whose line ends with byte 85": starts("x.pth", b"# caf\xe9\x85import os\n", IMPORT),
    "a .pth with CR only": starts("x.pth", b"# x\rimport os\r", IMPORT),
    "a .pth with an import behind a form feed": starts("x.pth", b"# x\x0cimport os\n", IMPORT),
    "a .pth with an import behind a line separator": starts("x.pth", "# x\u2028import os\n", IMPORT),
    "a .pth with NUL": starts("x.pth", b"\0\nimport os\n", IMPORT),
    "a .pth without an end": starts("x.pth", b"import os", IMPORT),
    "a .pth with a tab after import": starts("x.pth", b"import\tos", "runs at start (exec): import\tos"),
    "a .pth with a blank before import": starts("x.pth", b" import os\n", "runs at start (path): import os"),
    "a .pth of comments": starts("x.pth", b"# nothing\n", "runs at start (sha256)"),
    "an empty .pth": starts("x.pth", b"", "runs at start (sha256)"),
    "a hidden .pth": starts(".x.pth", b"import os", IMPORT),
    "a .pth named as an extension only": starts(".pth", b"import os", IMPORT),
    "a .pth that is too large to look at": Case(
        attack=big("SITE/x.pth"),
        said=[("unowned", "site/x.pth"), ("startup", "site/x.pth")],
        words={"site/x.pth": "runs at start (sha256)"},
    ),
    "a .pth that is a link": Case(
        attack=link("SITE/x.pth", "/nowhere.pth"),
        said=[("unowned", "site/x.pth"), ("startup", "site/x.pth")],
        words={"site/x.pth": "runs at start (link): /nowhere.pth"},
    ),
    "a .pth that is a folder": Case(
        attack=folder("SITE/x.pth"), said=[("empty-folder", "site/x.pth", NOTE)], verdict="match", layer=""
    ),
    "a .PTH": stray(write("SITE/x.PTH", "import os\n"), "site/x.PTH"),
    "a .pth in a package": stray(write("SITE/demo/x.pth", "import os\n"), "site/demo/x.pth"),
    "a .start that is hidden": starts(".x.start", "demo:main", "runs at start (exec): demo:main"),
    "an import added to a wheel's .pth": Case(
        attack=append("SITE/other.pth", b"import os\n"),
        said=[(code, "site/other.pth") for code in ("record-hash", "file-changed", "startup")],
        words={"site/other.pth": IMPORT},
    ),
    "the same with RECORD forged": Case(
        attack=both(
            append("SITE/other.pth", b"import os\n"),
            edit("SITE/other_thing-2.0.dist-info/RECORD", "^other.pth,.*$", "other.pth,,"),
        ),
        said=[(code, "site/other.pth") for code in ("file-changed", "startup")],
        words={"site/other.pth": IMPORT},
    ),
    "easy-install.pth": starts("easy-install.pth", "/evil\n", "runs at start (path): /evil"),
    "the finder of an editable project": Case(
        attack=both(
            write("SITE/__editable__.evil-1.0.pth", "import __editable___evil_finder; 1\n"),
            write("SITE/__editable___evil_finder.py", "x = 1\n"),
        ),
        said=[
            ("unowned", "site/__editable__.evil-1.0.pth"),
            ("startup", "site/__editable__.evil-1.0.pth"),
            ("unowned", "site/__editable___evil_finder.py"),
        ],
    ),
    "the finder of an editable project that RECORD claims": Case(
        attack=claimed("SITE/__editable__.evil-1.0.pth", "import evil\n"),
        said=[("file-added", "site/__editable__.evil-1.0.pth"), ("startup", "site/__editable__.evil-1.0.pth")],
    ),
    **{
        f"{hook} as {name}": starts(name.replace("HOOK", hook), b"\xfe\0", "runs at start (sha256)")
        for hook in ("sitecustomize", "usercustomize")
        for name in ("HOOK.py", "HOOK/__init__.py", "HOOK.abi3.so", "HOOK.pyc", "HOOK/__init__.pyc")
    },
    "sitecustomize too large to look at": Case(
        attack=big("SITE/sitecustomize.so"),
        said=[("unowned", "site/sitecustomize.so"), ("startup", "site/sitecustomize.so")],
    ),
    "sitecustomize as a link to a folder": Case(
        attack=link("SITE/sitecustomize", "/nowhere"),
        said=[("unowned", "site/sitecustomize"), ("startup", "site/sitecustomize")],
    ),
    "sitecustomize as a namespace": stray(write("SITE/sitecustomize/x.py"), "site/sitecustomize/x.py"),
}

PYVENV = "data/pyvenv.cfg"
CONFIGURATIONS = {
    "no switch for system packages, which turns it on": Case(
        attack=edit("pyvenv.cfg", "^include-system-site-packages.*\n", ""),
        said=[("startup", "pyvenv.cfg")],
        layer="startup",
        words={"pyvenv.cfg": "runs at start (include-system-site-packages): true"},
    ),
    "a switch in another case": Case(
        attack=edit("pyvenv.cfg", "^include-system-site-packages.*$", "Include-System-Site-Packages=TRUE"),
        said=[("startup", "pyvenv.cfg")],
        layer="startup",
    ),
    "a switch that only another reader takes for off": Case(
        attack=hidden_switch, said=[("startup", "pyvenv.cfg"), ("pyvenv-trap", PYVENV)], layer="startup"
    ),
    "a home beside another standard library": Case(
        attack=home_beside_another_library,
        said=[("interpreter-home", PYVENV)],
        layer="",
        words={PYVENV: "from where Python finds the standard library of"},
    ),
    "two homes": Case(
        attack=two_homes, said=[("pyvenv-trap", PYVENV)], layer="", words={PYVENV: "has the key home twice"}
    ),
    "a home at the end of a long line": Case(attack=hidden_home, said=[("pyvenv-trap", PYVENV)], layer=""),
    "a home that depends on where Python is started": Case(
        attack=home_by_relative_path, said=[("interpreter-home", PYVENV)], layer=""
    ),
    "a home in a comment": Case(
        attack=edit("pyvenv.cfg", "^home", "# home"),
        said=[("interpreter-home", PYVENV), ("startup", "pyvenv.cfg")],
        layer="startup",
    ),
    "a byte order mark before home": Case(
        attack=lambda made: (made.folder / "pyvenv.cfg").write_bytes(
            b"\xef\xbb\xbf" + (made.folder / "pyvenv.cfg").read_bytes()
        ),
        said=[("interpreter-home", PYVENV), ("startup", "pyvenv.cfg")],
        layer="startup",
    ),
    "a pyvenv.cfg that is too large to look at": Case(
        attack=big("pyvenv.cfg"),
        said=[
            ("pyvenv-trap", PYVENV),
            ("pyvenv-version", PYVENV),
            ("interpreter-home", PYVENV),
            ("startup", "pyvenv.cfg"),
        ],
        layer="startup",
    ),
    "a pyvenv.cfg in bin, which comes first": stray(
        write(f"{BIN}/pyvenv.cfg", "home = /evil\n", 0o755), "scripts/pyvenv.cfg"
    ),
    "a ._pth beside python, which replaces sys.path": stray(
        write(f"{BIN}/python._pth", "/evil\n", 0o755), "scripts/python._pth"
    ),
    "a home of its own below the environment": stray(
        write(f"{LIBRARY}/lib-dynload/_json.abi3.so"), f"data/{LIBRARY}/lib-dynload/_json.abi3.so"
    ),
    "an archive of a standard library": stray(
        write(f"lib/{LIBRARY.rpartition('/')[2].replace('.', '')}.zip"),
        f"data/lib/{LIBRARY.rpartition('/')[2].replace('.', '')}.zip",
    ),
}

MODULES = {
    "a package with the name of a standard one": stray(
        write("SITE/json/__init__.py"), "site/json/__init__.py", words="has the name of the standard library's json"
    ),
    "a module with the name of a standard one": stray(
        write("SITE/encodings.py"), "site/encodings.py", words="has the name of the standard library's encodings"
    ),
    "an extension module that comes before its source": stray(
        write("SITE/other.abi3.so", b"\x7fELF"), "site/other.abi3.so", words="is imported in place of site/other.py"
    ),
    "a package that comes before a module": stray(
        write("SITE/other/__init__.py"), "site/other/__init__.py", words="is imported in place of site/other.py"
    ),
    "an extension module for another one's package": stray(
        write("SITE/demo/core.so", b"\x7fELF"), "site/demo/core.so", words="is imported in place of site/demo/core.py"
    ),
    "a portion of a namespace package": stray(write("SITE/space/three.py"), "site/space/three.py"),
    "a namespace package made a package": stray(write("SITE/space/__init__.py", ""), "site/space/__init__.py"),
    "a portion of a namespace that RECORD claims": Case(
        attack=claimed("SITE/space/three.py", "x = 1\n"), said=[("file-added", "site/space/three.py")]
    ),
    "sourceless bytecode": stray(write("SITE/space/three.pyc"), "site/space/three.pyc"),
    "__pycache__ as a link": stray(link("SITE/demo/__pycache__", "/nowhere"), "site/demo/__pycache__"),
    "a folder that does nothing but be imported": Case(
        attack=folder("SITE/simplejson"),
        said=[("phantom", "site/simplejson")],
        layer="",
        words={"site/simplejson": "makes `import simplejson` succeed"},
    ),
    "the same with bytecode in it": Case(
        attack=write(f"SITE/simplejson/__pycache__/x.{sys.implementation.cache_tag}.pyc"),
        said=[
            ("phantom", "site/simplejson"),
            ("bytecode-orphan", f"site/simplejson/__pycache__/x.{sys.implementation.cache_tag}.pyc", NOTE),
        ],
        layer="",
    ),
    "an egg": stray(write("SITE/evil.egg", b"PK"), "site/evil.egg"),
    "an egg's folder": stray(write("SITE/evil.egg/evil.py"), "site/evil.egg/evil.py"),
    "a link to an egg": stray(write("SITE/evil.egg-link", "/evil\n.\n"), "site/evil.egg-link"),
    "a second site-packages of another version": stray(
        write("lib/python3.1/site-packages/x.py"), "data/lib/python3.1/site-packages/x.py"
    ),
    "a second site-packages in lib64": Case(
        attack=both(
            lambda made: (made.folder / "lib64").unlink(missing_ok=True),
            write(f"lib64/{LIBRARY.rpartition('/')[2]}/site-packages/x.py"),
        ),
        said=[("unowned", f"data/lib64/{LIBRARY.rpartition('/')[2]}/site-packages/x.py")],
    ),
    "a site-packages as on Windows": stray(write("Lib/site-packages/x.py"), "data/Lib/site-packages/x.py"),
    "a Scripts folder": stray(write("Scripts/pip.exe"), "data/Scripts/pip.exe"),
    "a library for free threading": stray(write(f"{LIBRARY}t/x.py"), f"data/{LIBRARY}t/x.py"),
    "a header too many": stray(write(f"{HEADERS}/demo/x.h"), "headers/demo/x.h"),
    "a file in share": stray(write("share/x"), "data/share/x"),
    "a hidden folder": stray(write(".hidden/x.py"), "data/.hidden/x.py"),
    "a hidden folder in site-packages": stray(write("SITE/.hidden/x.py"), "site/.hidden/x.py"),
}

DISTRIBUTIONS = {
    "an empty .dist-info": Case(
        attack=folder("SITE/ghost-1.0.dist-info"), said=[("phantom", "site/ghost-1.0.dist-info")], layer=""
    ),
    "an empty .egg-info": Case(
        attack=folder("SITE/ghost.EGG-INFO"), said=[("phantom", "site/ghost.EGG-INFO")], layer=""
    ),
    "an .egg-info file": stray(write("SITE/ghost.egg-info", "Name: ghost\n"), "site/ghost.egg-info"),
    "a .dist-info file": stray(write("SITE/ghost-1.0.dist-info", ""), "site/ghost-1.0.dist-info"),
    "a .DIST-INFO": stray(
        write("SITE/ghost-1.0.DIST-INFO/METADATA", "Name: ghost\n"), "site/ghost-1.0.DIST-INFO/METADATA"
    ),
    "metadata in lower case": stray(
        write("SITE/ghost-1.0.dist-info/metadata", "Name: ghost\n"), "site/ghost-1.0.dist-info/metadata"
    ),
    "METADATA that says nothing": Case(
        attack=write("SITE/ghost-1.0.dist-info/METADATA", b"\xff\0\n"),
        said=[
            ("record-missing", "site/ghost-1.0.dist-info/RECORD"),
            ("unowned", "site/ghost-1.0.dist-info/METADATA"),
            ("distribution", "ghost-1.0.dist-info"),
        ],
        layer="set",
    ),
    "METADATA that is too large to look at": Case(
        attack=big("SITE/ghost-1.0.dist-info/METADATA"), said=[("unowned", "site/ghost-1.0.dist-info/METADATA")]
    ),
    "two of one name, spelled otherwise": Case(
        attack=both(
            write("SITE/Other_THING-9.dist-info/METADATA", "Name: other_THING\nVersion: 9\n"),
            write("SITE/Other_THING-9.dist-info/RECORD", "Other_THING-9.dist-info/METADATA,,\n"),
        ),
        said=[
            ("twin-distributions", "site/Other_THING-9.dist-info/METADATA"),
            ("distribution", "other-thing#Other_THING-9.dist-info"),
        ],
        layer="set",
        words={"site/Other_THING-9.dist-info/METADATA": f"is a second other-thing, beside {OTHER}"},
    ),
    "METADATA that requires less": changed(
        f"{INFO}/METADATA", edit("SITE/demo-1.0.dist-info/METADATA", "^Requires-Dist: six\n", "")
    ),
    "METADATA gone, so that the distribution isn't there": Case(
        attack=lambda made: (made.site / "other_thing-2.0.dist-info/METADATA").unlink(),
        said=[
            *(("unowned", f"{OTHER}/{name}") for name in ("INSTALLER", "RECORD", "WHEEL")),
            *(("unowned", f"site/{name}") for name in ("other.py", "other.pth", "space/two.py")),
            ("file-missing", f"{OTHER}/METADATA"),
            ("distribution", "other-thing"),
        ],
        layer="set",
    ),
    "a pytest plugin more": changed(
        f"{INFO}/entry_points.txt",
        append("SITE/demo-1.0.dist-info/entry_points.txt", b"[pytest11]\nevil = os\n"),
    ),
    "a top_level.txt": stray(write("SITE/demo-1.0.dist-info/top_level.txt", "evil\n"), f"{INFO}/top_level.txt"),
    "a signature of RECORD": stray(write("SITE/demo-1.0.dist-info/RECORD.jws", "{}"), f"{INFO}/RECORD.jws"),
    "another signature of RECORD": stray(write("SITE/demo-1.0.dist-info/RECORD.p7s", ""), f"{INFO}/RECORD.p7s"),
    "RECORD that is too large to look at": Case(
        attack=big("SITE/other_thing-2.0.dist-info/RECORD"),
        said=[
            ("record-unreadable", f"{OTHER}/RECORD"),
            *(("unowned", f"{OTHER}/{name}") for name in ("METADATA", "WHEEL")),
            *(("unowned", f"site/{name}") for name in ("other.py", "other.pth", "space/two.py")),
        ],
        layer="artifacts",
    ),
    "RECORD as a link": Case(
        attack=both(
            lambda made: shutil.move(made.site / "other_thing-2.0.dist-info/RECORD", elsewhere(made, "RECORD")),
            lambda made: link("SITE/other_thing-2.0.dist-info/RECORD", str(made.folder.parent / "RECORD"))(made),
        ),
        said=[
            ("record-missing", f"{OTHER}/RECORD"),
            ("unowned", f"{OTHER}/RECORD"),
            *(("unowned", f"{OTHER}/{name}") for name in ("METADATA", "WHEEL")),
            *(("unowned", f"site/{name}") for name in ("other.py", "other.pth", "space/two.py")),
        ],
    ),
    **{
        f"RECORD with a row {row!r}": Case(
            attack=append("SITE/demo-1.0.dist-info/RECORD", f"{row},,\n".encode()),
            said=[("record-escape", f"{INFO}/RECORD")],
            layer="",
        )
        for row in ("/etc/passwd", "//etc/passwd", "../../../../etc/passwd", "demo/../../../../../x", "./../../../../x")
    },
    **{
        f"RECORD with a row {row!r} of no file": Case(
            attack=append("SITE/demo-1.0.dist-info/RECORD", f"{row},,\n".encode()),
            said=[("record-ghost", f"site/{row}")],
            layer="",
        )
        for row in ("..\\..\\x", "demo\\core.py", "..", "demo", "C:/x")
    },
    "an INSTALLER that is too large to look at": Case(
        attack=big("SITE/demo-1.0.dist-info/INSTALLER"),
        said=[("installer-file", f"{INFO}/INSTALLER"), ("record-hash", f"{INFO}/INSTALLER")],
        layer="",
    ),
    "a REQUESTED that is too large to look at": Case(
        attack=big("SITE/demo-1.0.dist-info/REQUESTED"), said=[("installer-file", f"{INFO}/REQUESTED")], layer=""
    ),
    "a direct_url.json that is too large to look at": Case(
        attack=big("SITE/demo-1.0.dist-info/direct_url.json"),
        said=[("installer-file", f"{INFO}/direct_url.json")],
        layer="",
    ),
    "a direct_url.json of many brackets": Case(
        attack=write("SITE/demo-1.0.dist-info/direct_url.json", "[" * 200_000),
        said=[("origin", f"{INFO}/direct_url.json")],
        layer="",
    ),
}

PROGRAMS: dict[str, str | bytes] = {
    "pip": "#!/bin/sh\n",
    "python3.99": "#!/bin/sh\nexec evil\n",
    "python3.99.exe": b"MZ",
    "tool": b"\x7fELF",
    "activate_that.py": "x = 1\n",
    "activate.fish.bak": "x\n",
    "Activate.py": "x = 1\n",
    "python-config": "#!/bin/sh\n",
}
SCRIPTS = {
    **{
        f"a script {name} that belongs to nothing": stray(write(f"{BIN}/{name}", content, 0o755), f"scripts/{name}")
        for name, content in PROGRAMS.items()
    },
    "a script in a folder below bin": stray(write(f"{BIN}/sub/tool", "#!/bin/sh\n", 0o755), "scripts/sub/tool"),
    "a script that calls what it should, and then more": Case(
        attack=append(f"{BIN}/demo", b"import os\n"), said=[("file-changed", "scripts/demo")]
    ),
    "a script for a link of another name": Case(
        attack=both(link(f"{BIN}/python3.99", "/bin/sh"), edit(f"{BIN}/demo", r"\A#!.*$", "#!/bin/sh")),
        said=[
            ("interpreter-links", "scripts/python"),
            ("record-hash", "scripts/demo"),
            ("file-changed", "scripts/demo"),
        ],
    ),
    "python3 gone, so that PATH gives another one": Case(
        attack=lambda made: (made.scripts / "python3").unlink(),
        said=[("interpreter-links", "scripts/python3")],
        layer="",
    ),
    "python3 a folder": Case(
        attack=both(lambda made: (made.scripts / "python3").unlink(), folder(f"{BIN}/python3")),
        said=[("interpreter-links", "scripts/python3"), ("empty-folder", "scripts/python3", NOTE)],
        layer="",
    ),
    **{
        f"a prompt that is {what} in {name}": Case(
            attack=both(append("pyvenv.cfg", f"prompt = {prompt}\n".encode()), edit(f"{BIN}/{name}", pattern, by)),
            said=[("activate", f"scripts/{name}")],
            layer="",
        )
        for what, name, prompt, pattern, by in (
            ("Tcl's library", "activate", "/evil", "TCL_LIBRARY=''", "TCL_LIBRARY='/evil'"),
            ("a folder of PATH", "activate.fish", "../../evil/", "'/''bin'", "'/'../../evil/'bin'"),
        )
    },
    "an activate of a folder named as what stands for it": Case(
        attack=edit(f"{BIN}/activate", r"VIRTUAL_ENV=(['\"]?)/.*\1$", "VIRTUAL_ENV=@ENV@"),
        said=[("activate", "scripts/activate")],
        layer="",
    ),
    "an activate that everybody may write": Case(
        attack=chmod(f"{BIN}/activate", 0o666), said=[("mode", "scripts/activate")], layer=""
    ),
}

ODD_NAMES = {
    "newline": b"a\nb.py",
    "no UTF-8": b"\xff\xfe.py",
    "escape code": b"\x1b[2J\x1b]0;evil\x07.py",
    "direction turned": "evil\u202eyp.exe".encode(),
    "zero width": "de\u200bmo.py".encode(),
    "backslash": b"demo\\core.py",
    "blank": b" .py",
    "another Unicode form": b"demo/cor\xcc\x81e.py",
    "quote": b"'\"$(x)`.py",
    "markup": b"<script>[red]&amp;.py",
}
SPECIAL = {
    "a FIFO": Case(
        attack=lambda made: os.mkfifo(made.site / "pipe.pth"), said=[("special-file", "site/pipe.pth")], layer=""
    ),
    "a socket": Case(attack=bind_socket, said=[("special-file", "site/socket.py")], layer=""),
    "a device": Case(attack=device, said=[("special-file", "site/zero.py")], layer=""),
    "a FIFO in place of a module": Case(
        attack=fifo_for_a_module,
        said=[("special-file", "site/other.py"), ("record-ghost", "site/other.py"), ("file-missing", "site/other.py")],
    ),
    "a loop of links": stray(link("SITE/loop", "loop"), "site/loop"),
    "a link to the folder above": stray(link("SITE/up", ".."), "site/up"),
    "a link to the environment": Case(
        attack=lambda made: link("SITE/demo/all", str(made.folder))(made), said=[("unowned", "site/demo/all")]
    ),
    "a hard link to a file outside": stray(hard_link_outside, "site/stray.py"),
    "a twin in another case": stray(write("SITE/Demo/core.py"), "site/Demo/core.py"),
    "a twin of a module in another case": stray(write("SITE/OTHER.py"), "site/OTHER.py"),
    "a header's folder in another case": Case(
        attack=write(f"{HEADERS}/DEMO/demo.h", "int evil;\n"),
        said=[("twin-paths", "headers/demo/demo.h"), ("file-changed", "headers/demo/demo.h")],
    ),
    "a header's folder that sorts behind": Case(
        attack=write(f"{HEADERS}/demo_/demo.h", "int evil;\n"),
        said=[("unowned", "headers/demo-/demo.h")],
    ),
    **{
        f"a file with a name with {what}": stray(
            lambda made, name=name: bytes_path(made, name),  # type: ignore[misc]
            f"site/{os.fsdecode(name)}",
        )
        for what, name in ODD_NAMES.items()
    },
}  # fmt: skip

CASES = {**PATH_FILES, **CONFIGURATIONS, **MODULES, **DISTRIBUTIONS, **SCRIPTS, **SPECIAL}


@pytest.mark.parametrize("name", CASES)
def test_an_attack_is_named(name: str, made: Made) -> None:
    case = CASES[name]
    case.attack(made)
    proof = made.prove()

    assert {(f.code, f.path, f.level) for f in proof.findings} == case.expected()
    assert (proof.verdict, proof.layer) == (case.verdict, case.layer)
    for path, words in case.words.items():
        assert [f for f in proof.findings if f.path == path and words in f.message], proof.findings


def fresh(path: Path, content: bytes) -> None:
    """Other bytes in a file of its own: nothing is ever written through a link, for that is the real interpreter."""
    path.unlink()
    path.write_bytes(content)
    path.chmod(0o755)


def with_link(path: Path) -> None:
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


CHANGES: dict[str, Callable[[Path], object]] = {
    "another first byte": lambda path: fresh(path, b"\0" + path.read_bytes()[1:]),
    "other content": lambda path: fresh(path, b"evil"),
    "gone": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),  # type: ignore[func-returns-value]
    "a FIFO": lambda path: (path.unlink(), os.mkfifo(path)),  # type: ignore[func-returns-value]
    "a link": with_link,
    "another name": lambda path: path.rename(path.with_name(f"{path.name}_")),
    "twice": lambda path: path.with_name(f"_{path.name}").write_bytes(b"x"),
}
# What is left out of the lines and may well differ: these have tests of their own.
LEFT_OUT = re.compile(r"(bin/(de)?activate.*|CACHEDIR\.TAG|\.gitignore|bin/python3\..*)")


@pytest.mark.parametrize("change", CHANGES)
def test_no_file_of_an_environment_can_be_changed_unseen(change: str, made: Made) -> None:
    """Every file and link in turn; and never is there anything but a mismatch or a refusal."""
    paths = sorted(path for path in made.folder.rglob("*") if path.is_symlink() or path.is_file())
    unseen = []
    for path in paths:
        name = path.relative_to(made.folder).as_posix()
        if LEFT_OUT.fullmatch(name):
            continue
        CHANGES[change](path)
        try:
            verdict = made.prove().verdict
        except (UsageError, UnavailableError):
            verdict = "refused"
        if verdict not in ("mismatch", "refused"):
            unseen.append(name)
        put_back(made)
    assert unseen == []


@pytest.mark.parametrize(
    ("name", "taken_in"),
    [
        ("no switch for system packages, which turns it on", f"'{running().prefix}'"),
        ("a switch that only another reader takes for off", f"'{running().prefix}'"),
        ("a home beside another standard library", "{base}/evil/" + LIBRARY),
    ],
)
def test_an_attack_by_pyvenv_cfg_is_none_that_python_ignores(name: str, taken_in: str, made: Made) -> None:
    CASES[name].attack(made)
    done = subprocess.run(
        [made.scripts / "python", "-c", "import site; print(site.PREFIXES)"],
        check=False,
        capture_output=True,
        text=True,
        env={},
    )
    assert taken_in.format(base=made.folder.parent) in done.stdout + done.stderr
