"""Wrappers are known by every byte; what is no wrapper is a rewritten script or an ordinary file."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lockproof.wheels.launchers import (
    EntryPointScript,
    Launcher,
    RewrittenScript,
    canonical_script_source,
    console_and_gui_scripts,
    for_python,
    left_out_script,
    parse_entry_points,
    parse_script,
    predict_script,
    render_launcher,
    render_script,
)

if TYPE_CHECKING:
    from pathlib import Path

SHORT, SPACED, LONG = "/e/bin/python", "/my env/bin/python", f"/{'l' * 130}/bin/python"
PYTHONS = [path.encode() for path in (SHORT, SPACED, LONG, "/it's x/bin/python", "/e/bin/python3.11")]

OLD_PIP = rb"""# -*- coding: utf-8 -*-
import re
import sys
from pkg.cli import main
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\.pyw|\.exe)?$', '', sys.argv[0])
    sys.exit(main())
"""
PIP_9 = rb"""# -*- coding: utf-8 -*-
import re
import sys

from pkg.cli import main

if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\.pyw?|\.exe)?$', '', sys.argv[0])
    sys.exit(main())
"""
PIP_25_3 = b"""import sys
from pkg.cli import main
if __name__ == '__main__':
    if sys.argv[0].endswith('.exe'):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit(main())
"""
NEW_PIP = b"""import sys
from pkg.cli import main
if __name__ == '__main__':
    sys.argv[0] = sys.argv[0].removesuffix('.exe')
    sys.exit(main())
"""
UV = b"""# -*- coding: utf-8 -*-
import sys
from pkg.cli import main
if __name__ == "__main__":
    if sys.argv[0].endswith("-script.pyw"):
        sys.argv[0] = sys.argv[0][:-11]
    elif sys.argv[0].endswith(".exe"):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit(main())
"""
INSTALLER = OLD_PIP.replace(b"'", b'"')
DISTLIB = OLD_PIP.replace(b"from pkg.cli import main\n", b"").replace(
    b"'__main__':\n", b"'__main__':\n    from pkg.cli import main\n"
)
BODIES = {
    "pip 19.2": OLD_PIP,
    "pip 9": PIP_9,
    "pip 25.3": PIP_25_3,
    "pip 26": NEW_PIP,
    "uv": UV,
    "installer": INSTALLER,
    "distlib": DISTLIB,
}


def sh(word: bytes) -> bytes:
    return b"#!/bin/sh\n'''exec' " + word + b' "$0" "$@"\n' + b"' '''\n"


FIRST_LINES = {
    "plain": b"#!/e/bin/python\n",
    "another name": b"#!/e/bin/python3.11\n",
    "pip, spaced": sh(b'"/my env/bin/python"'),
    "uv, spaced": sh(b"'/my env/bin/python'"),
    "long": sh(LONG.encode()),
    "uv, long": sh(b"'" + LONG.encode() + b"'"),
    "quote": sh(b"""'/it'"'"'s x/bin/python'"""),
    "uv, relocatable": sh(b""""$(dirname -- "$(realpath -- "$0")")"/'python'"""),
}


@pytest.mark.parametrize("first_lines", FIRST_LINES.values(), ids=list(FIRST_LINES))
@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
def test_a_known_wrapper_is_the_call_it_makes(first_lines: bytes, body: bytes) -> None:
    assert parse_script(first_lines + body, PYTHONS) == Launcher(module="pkg.cli", attr="main")


@pytest.mark.parametrize("body", BODIES.values(), ids=list(BODIES))
def test_an_attribute_may_be_dotted(body: bytes) -> None:
    dotted = body.replace(b"import main", b"import Tool").replace(b"exit(main())", b"exit(Tool.run())")

    assert parse_script(b"#!/e/bin/python\n" + dotted, PYTHONS) == Launcher(module="pkg.cli", attr="Tool.run")


@pytest.mark.parametrize(
    "edited",
    [
        NEW_PIP + b"\n",
        NEW_PIP.removesuffix(b"\n"),
        NEW_PIP.replace(b"import sys\n", b"import sys\nimport evil\n"),
        NEW_PIP.replace(b"exit(main())", b"exit(other())"),
        NEW_PIP.replace(b"\n", b"\r\n"),
        b"from evil import run\n" + NEW_PIP,
        NEW_PIP + b"    sys.exit(main())\n",
        NEW_PIP.replace(b"exit(main())", b"exit(main(open('x')))"),
    ],
)
def test_one_changed_byte_makes_it_a_script_like_any_other(edited: bytes) -> None:
    parsed = parse_script(b"#!/e/bin/python\n" + edited, PYTHONS)

    assert parsed == RewrittenScript(content=b"#!python\n" + edited)


@pytest.mark.parametrize(
    "first_lines",
    [
        b"#!/other/bin/python\n",
        b"#!/e/bin/python -E\n",
        b"#!/e/bin/python\r\n",
        b"#! /e/bin/python\n",
        b"#!/e/bin/python3.1\n",
        b"#!/usr/bin/env python\n",
        sh(b'"/other env/bin/python"'),
        sh(b"/e/bin/python").replace(b'"$@"', b'"$@" -x'),
        sh(b"/e/bin/python; evil"),
        b"",
        b"\x7fELF",
    ],
)
def test_other_first_lines_make_an_ordinary_file(first_lines: bytes) -> None:
    assert parse_script(first_lines + NEW_PIP, PYTHONS) is None


@pytest.mark.parametrize(
    ("folder", "first_lines"),
    [
        (b"/my env", b"#!/my env/bin/python\n"),  # the kernel runs /my
        (b"/my\tenv", b"#!/my\tenv/bin/python\n"),
        (b"/my\nenv", b"#!/my\nenv/bin/python\n"),
        (b"/my env", sh(b"/my env/bin/python")),  # and so does sh
        (b"/my;env", sh(b"/my;env/bin/python")),
        (b"/$HOME", sh(b"/$HOME/bin/python")),
        (b"/e*", sh(b"/e*/bin/python")),
        (b"/my $HOME", sh(b'"/my $HOME/bin/python"')),
        (b"/my `env`", sh(b'"/my `env`/bin/python"')),
        (b"/my\\\\env", sh(b'"/my\\\\env/bin/python"')),
    ],
)
def test_first_lines_that_call_another_program_make_an_ordinary_file(folder: bytes, first_lines: bytes) -> None:
    assert parse_script(first_lines + NEW_PIP, [folder + b"/bin/python"]) is None


def test_a_script_as_pip_writes_it_says_what_it_really_calls() -> None:
    script = b"#!/my env/bin/python\nprint(1)\n"

    assert parse_script(script, [b"/my env/bin/python"]) == RewrittenScript(
        content=b"#!python\nprint(1)\n", calls="/my"
    )


def test_a_path_of_other_letters_is_one_word_to_sh() -> None:
    python = f"/{'é' * 99}/bin/python".encode()

    assert parse_script(sh(python) + NEW_PIP, [python]) == Launcher(module="pkg.cli", attr="main")


def test_a_script_says_the_same_under_every_first_line() -> None:
    parsed = {parse_script(lines + b"print(1)\n", PYTHONS) for lines in FIRST_LINES.values()}

    assert parsed == {RewrittenScript(content=b"#!python\nprint(1)\n")}


def test_a_rewritten_script_has_digest_and_size() -> None:
    script = RewrittenScript(content=b"#!python\n")

    assert (script.sha256, script.size) == (hashlib.sha256(b"#!python\n").hexdigest(), 9)


def test_uv_repeats_a_declared_encoding_and_spells_the_path_in_octal() -> None:
    octal = b" ".join(b"'\\'0%03o" % byte for byte in b"/e/bin/python")
    lines = sh(b'"$(printf %b ' + octal + b')"').replace(b"sh\n", b"sh\n# coding: latin-1\n")
    body = b"# -*- coding: latin-1 -*-\nprint('\xe4')\n"

    assert parse_script(lines + body, PYTHONS) == RewrittenScript(content=b"#!python\n" + body)
    assert parse_script(lines + b"print('\xe4')\n", PYTHONS) is None  # an encoding that the script never declared
    assert parse_script(lines.replace(b"latin-1", b"utf-7") + body, PYTHONS) is None


@pytest.mark.parametrize(
    ("source", "canonical"),
    [
        (b"#!python\nx\n", b"#!python\nx\n"),
        (b"#!pythonw\nx\n", b"#!python\nx\n"),
        (b"#!python3 -E\nx\n", b"#!python\nx\n"),
        (b"#!python\r\nx\r\n", b"#!python\nx\r\n"),
        (b"#!python", b"#!python\n"),
        (b"#! python\nx\n", None),
        (b"#!/usr/bin/env python\nx\n", None),
        (b"\x7fELF", None),
        (b"", None),
    ],
)
def test_the_first_line_of_a_shipped_script(source: bytes, canonical: bytes | None) -> None:
    assert canonical_script_source(source) == canonical
    assert predict_script(source) == (None if canonical is None else RewrittenScript(content=canonical))


def test_a_shipped_script_that_looks_like_a_wrapper_is_predicted_as_one() -> None:
    assert predict_script(b"#!python3\n" + OLD_PIP) == Launcher(module="pkg.cli", attr="main")


@pytest.mark.parametrize("interpreter", [SHORT, SPACED, LONG, "/it's x/bin/python", "/é ü/py", "/a\\x b/py"])
def test_what_is_written_is_read_back(interpreter: str) -> None:
    own = [interpreter.encode()]
    script = b"#!pythonw\n# coding: latin-1\nprint('\xe4')\n"

    assert parse_script(render_launcher(interpreter, "pkg.cli", "Tool.run"), own) == Launcher(
        module="pkg.cli", attr="Tool.run"
    )
    assert parse_script(render_script(interpreter, script), own) == predict_script(script)
    assert render_script(interpreter, b"\x7fELF") == b"\x7fELF"


def test_the_kernel_gets_no_first_line_that_it_would_cut() -> None:
    fits, too_long = "/" + "p" * 123, "/" + "p" * 124

    assert render_launcher(fits, "m", "f").splitlines()[0] == b"#!" + fits.encode()
    assert len(b"#!" + fits.encode() + b"\n") == 127
    assert render_launcher(too_long, "m", "f").splitlines()[0] == b"#!/bin/sh"


@pytest.mark.parametrize("folder", ["plain", "with space", 'it\'s \\x "$HOME" `é`', "l" * 130])
def test_wrappers_and_scripts_really_run(tmp_path: Path, folder: str) -> None:
    scripts = tmp_path / folder
    scripts.mkdir()
    python = scripts / "python"
    python.symlink_to(sys.executable)
    (tmp_path / "m.py").write_text("import sys\nclass T:\n    def run(): print('ran', sys.argv[1:])\n")
    source = b"#!python\n# coding: latin-1\nprint('ran', ascii('\xe4'))\n"
    contents = {"w": render_launcher(str(python), "m", "T.run"), "s": render_script(str(python), source)}
    said = []
    for name, content in contents.items():
        (scripts / name).write_bytes(content)
        (scripts / name).chmod(0o755)
        said.append(
            subprocess.run(
                [scripts / name, "a b"],
                env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )

    assert said == ["ran ['a b']\n", "ran '\\xe4'\n"]


def test_entry_points_are_read_by_group() -> None:
    text = """
[console_scripts]
run = pkg.cli:main
extra=pkg : Tool.run [fast,slow]
# a comment
; another
run = pkg.cli:later
Case = pkg:Case

[gui_scripts]
show = pkg:show
Case = pkg:window
[other.group]
plain = pkg
odd row
"""
    assert parse_entry_points(text) == {
        "console_scripts": {
            "run": "pkg.cli:later",
            "extra": "pkg : Tool.run [fast,slow]",
            "Case": "pkg:Case",
        },
        "gui_scripts": {"show": "pkg:show", "Case": "pkg:window"},
        "other.group": {"plain": "pkg", "odd row": ""},
    }
    assert console_and_gui_scripts(text) == [
        EntryPointScript("run", "pkg.cli", "later", False),
        EntryPointScript("extra", "pkg", "Tool.run", False),
        EntryPointScript("Case", "pkg", "window", True),
        EntryPointScript("show", "pkg", "show", True),
    ]
    assert console_and_gui_scripts("") == []


@pytest.mark.parametrize("value", ["pkg", "pkg:", ":main", "pkg:main()", "pkg;evil:main", "pkg:a b", "a-b:main", ""])
def test_a_script_must_name_something_to_call(value: str) -> None:
    with pytest.raises(ValueError, match=r"\[console_scripts\] run = .*: expected module:attribute"):
        console_and_gui_scripts(f"[console_scripts]\nrun = {value}\n")


def test_pip_is_named_after_the_python_it_lands_in() -> None:
    text = "[console_scripts]\npip = p:main\npip3 = p:main\npip3.9 = p:main\npipx = p:x\n"
    rows = {script.name: script.attr for script in for_python(console_and_gui_scripts(text), (3, 13))}
    assert rows == {"pip": "main", "pip3": "main", "pip3.13": "main", "pipx": "x"}

    text = "[console_scripts]\neasy_install = s:main\neasy_install-3.8 = s:main\n"
    rows = {script.name: script.attr for script in for_python(console_and_gui_scripts(text), (3, 13))}
    assert rows == {"easy_install": "main", "easy_install-3.13": "main"}

    other = console_and_gui_scripts("[console_scripts]\npip3 = p:main\n[gui_scripts]\npip = p:window\n")
    assert for_python(other, (3, 13)) == other


def test_scripts_that_an_entry_point_replaces_are_left_out() -> None:
    names = ["y", "y-script.py", "y.exe", "y.EXE", "y.pya", "y-script.pyw", "Y", "y.py", "z"]

    assert [name for name in names if left_out_script(name, ["y"])] == [
        "y",
        "y-script.py",
        "y.exe",
        "y.EXE",
        "y.pya",
    ]
