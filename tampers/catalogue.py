"""Every tamper: its name, what a report that names it says, and how it is done to an environment of `stage.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tampers.tricks import (
    EVIL,
    IMPORT,
    add_plugin,
    add_row,
    append,
    change_path_file,
    copy_dist,
    copy_of_python,
    edit_and_drop,
    edit_and_forge,
    edit_unseen,
    editable,
    forge_metadata,
    loop,
    make_fifo,
    new_script,
    odd_name,
    other_shebang,
    own_python,
    poison,
    remove,
    replace_by_link,
    second_info,
    set_key,
    shadow_extension,
    site_elsewhere,
    sourceless,
    without_info,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tampers.tricks import Subject

    Row = tuple[str, tuple[str, ...], str, Callable[[Subject], object]]


@dataclass(frozen=True, kw_only=True)
class Tamper:
    """`words` are texts of which a report that names the change has one; `distribution` is whose files it changes."""

    family: str
    name: str
    words: tuple[str, ...]
    do: Callable[[Subject], object]
    distribution: str = ""


FILES, UNOWNED, START = "Files of a distribution", "Files of nothing", "What runs at Python's start"
BYTECODE, SCRIPTS, DISTRIBUTIONS, ODD = "Bytecode", "Scripts", "Distributions", "Odd files"


def _of(family: str, *rows: Row) -> tuple[Tamper, ...]:
    return tuple(
        Tamper(family=family, name=name, words=words, do=do, distribution=own) for name, words, own, do in rows
    )


TAMPERS = (
    *_of(
        FILES,
        ("a byte appended to a module", ("plain/__init__.py",), "plain", lambda s: append(s.module, "#")),
        ("the same, and its row of RECORD forged", ("plain/__init__.py",), "plain", edit_and_forge),
        ("the same, and its row of RECORD dropped", ("plain/__init__.py",), "plain", edit_and_drop),
        ("a module edited, its size and times kept", ("plain/__init__.py",), "plain", edit_unseen),
        ("a module deleted", ("plain/words.py",), "plain", lambda s: (s.site / "plain" / "words.py").unlink()),
        ("a data file changed", ("plain/data.txt",), "plain", lambda s: append(s.site / "plain" / "data.txt", "d")),
        ("a module replaced by a link to an equal one", ("plain/__init__.py",), "plain", replace_by_link),
        (
            "a requirement taken out of METADATA, RECORD forged",
            ("METADATA",),
            "plain",
            lambda s: forge_metadata(s, "Requires-Dist: starts\n", ""),
        ),
        (
            "a requirement added to METADATA, RECORD forged",
            ("METADATA",),
            "plain",
            lambda s: forge_metadata(s, "Requires-Dist: starts\n", "Requires-Dist: starts>=2\n"),
        ),
        ("an entry point of a pytest plugin added, RECORD forged", ("entry_points.txt",), "plain", add_plugin),
        (
            "a C header changed",
            ("every.h",),
            "every-scheme",
            lambda s: append(next(s.folder.glob("include/**/every.h")), "int f;\n"),
        ),
        (
            "a file in share/ changed",
            ("share/every/table.txt",),
            "every-scheme",
            lambda s: append(s.folder / "share" / "every" / "table.txt", "t"),
        ),
    ),
    *_of(
        UNOWNED,
        ("a new module", ("stray.py",), "", lambda s: write(s.site / "stray.py", EVIL)),
        ("an extension module beside a module", ("words.abi3.so",), "", shadow_extension),
        ("bytecode without a source", ("stray.pyc",), "", sourceless),
        ("an .egg-link", ("stray.egg-link",), "", lambda s: write(s.site / "stray.egg-link", f"{s.beside}\n.\n")),
        (
            "a new portion of a namespace package",
            ("space/three.py",),
            "",
            lambda s: write(s.site / "space" / "three.py", EVIL),
        ),
        (
            "a package that has the name of a standard module",
            ("json/__init__.py",),
            "",
            lambda s: write(s.site / "json" / "__init__.py", EVIL),
        ),
        ("a module beside site-packages", ("stray.py",), "", lambda s: write(s.site.parent / "stray.py", EVIL)),
        (
            "a folder with another case",
            ("Plain/__init__.py",),
            "",
            lambda s: write(s.site / "Plain" / "__init__.py", EVIL),
        ),
    ),
    *_of(
        START,
        ("a new .pth with an import line", ("new.pth",), "", lambda s: write(s.site / "new.pth", IMPORT)),
        ("a new .pth with a path", ("new.pth",), "", lambda s: write(s.site / "new.pth", f"{s.beside}\n")),
        (
            "a new .pth with a byte order mark and lone CRs",
            ("new.pth",),
            "",
            lambda s: write(s.site / "new.pth", b"\xef\xbb\xbf# nothing\rimport os\r"),
        ),
        ("a line more in a wheel's own .pth, RECORD forged", ("starts.pth",), "", change_path_file),
        ("a new .start file", ("new.start",), "", lambda s: write(s.site / "new.start", "plain:main\n")),
        ("a sitecustomize.py", ("sitecustomize",), "", lambda s: write(s.site / "sitecustomize.py", IMPORT)),
        ("a usercustomize.py", ("usercustomize",), "", lambda s: write(s.site / "usercustomize.py", IMPORT)),
        (
            "pyvenv.cfg lets the system's packages in",
            ("include-system-site-packages",),
            "",
            lambda s: set_key(s, "include-system-site-packages", "true"),
        ),
        ("pyvenv.cfg has an unknown key", ("stray-key",), "", lambda s: set_key(s, "stray-key", "1")),
        ("pyvenv.cfg names another home", ("home = ",), "", lambda s: set_key(s, "home", str(s.beside))),
        ("bin/python is a program of its own", ("scripts/python", "bin/python"), "", own_python),
        ("bin/python leads to a copy of the interpreter", ("scripts/python", "bin/python"), "", copy_of_python),
        (
            "an edited activate script",
            ("scripts/activate", "bin/activate"),
            "",
            lambda s: append(s.scripts / "activate", "echo hello\n"),
        ),
    ),
    *_of(
        BYTECODE,
        ("of other code, unchecked hash", ("__init__.cpython-",), "plain", lambda s: poison(s, "unchecked")),
        ("of other code, checked hash", ("__init__.cpython-",), "plain", lambda s: poison(s, "checked")),
        (
            "of other code, with its source's time and size",
            ("__init__.cpython-",),
            "plain",
            lambda s: poison(s, "timestamp"),
        ),
    ),
    *_of(
        SCRIPTS,
        ("an edited wrapper", ("scripts/plain", "bin/plain"), "plain", lambda s: append(s.scripts / "plain", "#")),
        ("a wrapper that names another Python", ("scripts/plain", "bin/plain"), "plain", other_shebang),
        (
            "a script without its executable bit",
            ("every-sh",),
            "every-scheme",
            lambda s: (s.scripts / "every-sh").chmod(0o644),
        ),
        ("a module that everybody may write", ("plain/__init__.py",), "plain", lambda s: s.module.chmod(0o666)),
        ("a program in bin/ that belongs to nothing", ("scripts/ls", "bin/ls"), "", new_script),
    ),
    *_of(
        DISTRIBUTIONS,
        (
            "metadata of a distribution that isn't there",
            ("ghost-1.0.dist-info",),
            "ghost",
            lambda s: copy_dist(s, "ghost", "1.0", code=False),
        ),
        (
            "a distribution that isn't locked",
            ("more-1.0.dist-info", "more.py"),
            "more",
            lambda s: copy_dist(s, "more", "1.0", code=True),
        ),
        ("a distribution that is gone", ("plain/__init__.py",), "plain", remove),
        ("a distribution without its metadata", ("plain-1.0.dist-info", "plain/__init__.py"), "plain", without_info),
        ("a second version's metadata", ("plain-2.0.dist-info",), "plain", second_info),
        (
            "another version in METADATA, RECORD forged",
            ("METADATA",),
            "plain",
            lambda s: forge_metadata(s, "Version: 1.0", "Version: 1.1"),
        ),
        ("an editable install with code elsewhere", ("__editable__", "direct_url.json"), "plain", editable),
        ("no RECORD", ("plain-1.0.dist-info/RECORD",), "plain", lambda s: (s.info / "RECORD").unlink()),
        (
            "a row of RECORD that leaves the environment",
            ("../../../../../x",),
            "plain",
            lambda s: add_row(s, "../../../../../x"),
        ),
        ("a row of RECORD with an absolute path", ("/x",), "plain", lambda s: add_row(s, "/x")),
    ),
    *_of(
        ODD,
        ("a FIFO in a package", ("plain/queue",), "", make_fifo),
        ("a link that makes a loop", ("plain/loop",), "", loop),
        ("a name with a newline and a terminal's escape code", ("odd",), "", lambda s: odd_name(s, b"odd\n\x1b[2J.py")),
        ("a name that is no UTF-8", ("odd",), "", lambda s: odd_name(s, b"odd\xff.py")),
        ("site-packages is a link to elsewhere", ("site-packages",), "", site_elsewhere),
    ),
)
