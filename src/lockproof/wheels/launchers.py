"""What the files of a scripts folder are: wrappers of entry points, rewritten scripts, or neither.

Every installer writes other bytes for one entry point, and all of them name the environment's own Python in
the first line. So a wrapper is taken for what it stands for only if it equals, byte for byte, what one of the
known installers writes for that module, attribute and interpreter; any other byte makes it an ordinary file.

The forms below were recorded from pip 9 to 26.3, uv to 0.13.9, installer to 1.1.0 and distlib to 0.4.4
(virtualenv). Rules: entry points specification; PEP 427, "if the first line of a file in scripts/ starts with
exactly b'#!python'". A Windows launcher is an .exe around the same templates; those are not read yet.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lockproof.digests import sha256_hex

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

# The bodies of wrappers: {module} is imported from, {name} is the first part of {attr}.
_TEMPLATES = (
    # uv since 0.5; what this project writes too: it imports nothing but sys and runs on every Python 3
    """\
# -*- coding: utf-8 -*-
import sys
from {module} import {name}
if __name__ == "__main__":
    if sys.argv[0].endswith("-script.pyw"):
        sys.argv[0] = sys.argv[0][:-11]
    elif sys.argv[0].endswith(".exe"):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit({attr}())
""",
    # pip since 26.0
    """\
import sys
from {module} import {name}
if __name__ == '__main__':
    sys.argv[0] = sys.argv[0].removesuffix('.exe')
    sys.exit({attr}())
""",
    # pip 25.2 and 25.3
    """\
import sys
from {module} import {name}
if __name__ == '__main__':
    if sys.argv[0].endswith('.exe'):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit({attr}())
""",
    # pip 19.2 to 25.1, distlib 0.2.9 to 0.3
    r"""# -*- coding: utf-8 -*-
import re
import sys
from {module} import {name}
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\.pyw|\.exe)?$', '', sys.argv[0])
    sys.exit({attr}())
""",
    # installer, uv before 0.5
    r"""# -*- coding: utf-8 -*-
import re
import sys
from {module} import {name}
if __name__ == "__main__":
    sys.argv[0] = re.sub(r"(-script\.pyw|\.exe)?$", "", sys.argv[0])
    sys.exit({attr}())
""",
    # distlib since 0.4, and so virtualenv's seeds
    r"""# -*- coding: utf-8 -*-
import re
import sys
if __name__ == '__main__':
    from {module} import {name}
    sys.argv[0] = re.sub(r'(-script\.pyw|\.exe)?$', '', sys.argv[0])
    sys.exit({attr}())
""",
    # pip 9 to 19.1
    r"""# -*- coding: utf-8 -*-
import re
import sys

from {module} import {name}

if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\.pyw?|\.exe)?$', '', sys.argv[0])
    sys.exit({attr}())
""",
)
_IMPORT = re.compile(r"^ *from (\w+(?:\.\w+)*) import \w+$", re.MULTILINE)
_CALL = re.compile(r"^ +sys\.exit\((\w+(?:\.\w+)*)\(\)\)\n\Z", re.MULTILINE)
_ENTRY_POINT = re.compile(r"(?P<module>\w+(?:\.\w+)*)\s*:\s*(?P<attr>\w+(?:\.\w+)*)\s*(?:\[.*\])?")

_PLACEHOLDER = b"#!python\n"
_SIMPLE_LIMIT = 127  # bytes of a first line with `#!` and LF that every Linux kernel reads whole
_KERNEL_ENDS_AT = re.compile(rb"[ \t\n]")
# What doesn't stand for itself in a word of sh, and in one within `"` (POSIX, XCU 2.2; of `{`, where bash is sh).
_SPECIAL = re.compile(rb"[ \t\n|&;<>()$`\\\"'*?\[{]")
_SPECIAL_IN_QUOTES = re.compile(rb"[\"$`]|\\[\\\n]")
_SH = b"#!/bin/sh\n"
_BESIDE_THE_SCRIPT = b'"$(dirname -- "$(realpath -- "$0")")"/'  # uv, in a relocatable environment
_CODING_LINE = b"# coding: "
_DECLARED = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")  # PEP 263


@dataclass(frozen=True, kw_only=True, slots=True)
class Launcher:
    """A wrapper that does nothing but call `attr` of `module`, by this environment's Python."""

    module: str
    attr: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RewrittenScript:
    """A script run by this environment's Python; `content` begins with `#!python` in place of its path.

    `calls` is what a kernel runs in that Python's place, where the first line is one that pip writes and none can read.
    """

    content: bytes
    calls: str = ""

    @property
    def sha256(self) -> str:
        """The digest of `content`, 64 hexadecimal digits."""
        return sha256_hex(self.content)

    @property
    def size(self) -> int:
        """The size of `content` in bytes."""
        return len(self.content)


class EntryPointScript(NamedTuple):
    """One wrapper that a wheel's entry_points.txt asks for."""

    name: str
    module: str
    attr: str
    gui: bool


def parse_script(content: bytes, interpreters: Collection[bytes]) -> Launcher | RewrittenScript | None:
    """What a file of the scripts folder is; None for an ordinary file.

    `interpreters` are the paths that name this environment's Python (`<env>/bin/python`, `…/python3.11`), as
    bytes, all in the scripts folder itself. A first line with options or another path makes an ordinary file. In
    scripts, never in wrappers, pip names a path with a space plainly: these are scripts, and say what they call.
    """
    if not content.startswith(b"#!"):
        return None
    for interpreter in interpreters:
        for first_lines in _known_first_lines(interpreter, _coding_line_of_trampoline(content)):
            if content.startswith(first_lines):
                body = content[len(first_lines) :]
                return _parse_body(body) or RewrittenScript(content=_PLACEHOLDER + body)
        if content.startswith(b"#!" + interpreter + b"\n"):
            body = content[len(interpreter) + 3 :]
            calls = _called(interpreter).decode("utf-8", "surrogateescape")
            return None if _parse_body(body) else RewrittenScript(content=_PLACEHOLDER + body, calls=calls)
    return None


def _called(interpreter: bytes) -> bytes:
    """What a kernel runs by the plain first line that names an interpreter."""
    return _KERNEL_ENDS_AT.split(interpreter, maxsplit=1)[0]


def predict_script(content: bytes) -> Launcher | RewrittenScript | None:
    """What `parse_script` will say of a wheel's `.data/scripts` file once installed; None if copied as is.

    A wheel may ship a file that looks exactly like a wrapper: then a wrapper is what will be seen.
    """
    canonical = canonical_script_source(content)
    return None if canonical is None else parse_script(canonical, (b"python",))


def canonical_script_source(content: bytes) -> bytes | None:
    """A wheel's `.data/scripts` file with its first line as `#!python`; None for a file that is copied as is.

    A first line that starts with `#!python` (`#!pythonw`, `#!python3 -E`, CRLF too) is replaced whole,
    options and all, by pip, uv and installer alike. uv also ends a line at a lone CR: such a file differs.
    """
    if not content.startswith(b"#!python"):
        return None
    return _PLACEHOLDER + content.partition(b"\n")[2]


def render_launcher(interpreter: str, module: str, attr: str) -> bytes:
    """The wrapper that this project writes for an entry point, console or gui."""
    body = _TEMPLATES[0].format(module=module, name=attr.partition(".")[0], attr=attr).encode()
    return _own_first_lines(interpreter, None) + body


def render_script(interpreter: str, content: bytes) -> bytes:
    """A `.data/scripts` file as this project installs it: its `#!python` line names `interpreter`.

    An encoding that the script declares is declared again where /bin/sh has to be called first, since Python
    looks for it in the first two lines only (PEP 263).
    """
    canonical = canonical_script_source(content)
    if canonical is None:
        return content
    body = canonical.removeprefix(_PLACEHOLDER)
    return _own_first_lines(interpreter, _declared_encoding(body)) + body


def parse_entry_points(text: str) -> dict[str, dict[str, str]]:
    """entry_points.txt as group -> name -> value, read as importlib.metadata does; later rows win.

    Lines that are empty or begin with `#` or `;` are skipped. A row without `=` gets the value "".
    """
    groups: dict[str, dict[str, str]] = {}
    group: dict[str, str] = {}
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            group = groups.setdefault(line[1:-1].strip(), {})
        elif line and line[0] not in "#;":
            name, _, value = line.partition("=")
            group[name.strip()] = value.strip()
    return groups


def console_and_gui_scripts(text: str) -> list[EntryPointScript]:
    """The wrappers that entry_points.txt asks for; the gui one of two with the same name lands.

    Raises ValueError for a value that is not `module:attr` (extras in brackets are allowed, and ignored).
    """
    groups = parse_entry_points(text)
    scripts: dict[str, EntryPointScript] = {}
    for group, gui in (("console_scripts", False), ("gui_scripts", True)):
        for name, value in groups.get(group, {}).items():
            match = _ENTRY_POINT.fullmatch(value)
            if match is None:
                raise ValueError(f"[{group}] {name} = {value}: expected module:attribute")
            scripts[name] = EntryPointScript(name, match["module"], match["attr"], gui)
    return list(scripts.values())


def for_python(scripts: Iterable[EntryPointScript], python: tuple[int, int]) -> list[EntryPointScript]:
    """The wrappers that land under Python `(major, minor)`: pip's and easy_install's names carry its version.

    pip and uv both drop the versioned names that a pip wheel was built with, and write pip, pipX and pipX.Y.
    """
    named = {script.name: script for script in scripts}
    major, minor = python
    versioned = {
        "pip": (r"pip(\d+(\.\d+)?)?", ("pip", f"pip{major}", f"pip{major}.{minor}")),
        "easy_install": (r"easy_install(-\d+\.\d+)?", ("easy_install", f"easy_install-{major}.{minor}")),
    }
    for base, (pattern, names) in versioned.items():
        main = named.get(base)
        if main is not None and not main.gui:
            named = {n: s for n, s in named.items() if s.gui or not re.fullmatch(pattern, n)}
            named |= {name: main._replace(name=name) for name in names}
    return list(named.values())


def left_out_script(name: str, entry_points: Collection[str]) -> bool:
    """Whether pip and uv leave out a `.data/scripts` file, for an entry point makes its wrapper.

    `name` is the file's own name; `entry_points` are the names of the wheel's console and gui scripts.
    """
    lower = name.lower()
    ending = next((ending for ending in (".exe", "-script.py", ".pya") if lower.endswith(ending)), "")
    return name[: len(name) - len(ending)] in entry_points


def _parse_body(body: bytes) -> Launcher | None:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    imported, called = _IMPORT.search(text), _CALL.search(text)
    if imported is None or called is None:
        return None
    module, attr = imported[1], called[1]
    for template in _TEMPLATES:
        if text == template.format(module=module, name=attr.partition(".")[0], attr=attr):
            return Launcher(module=module, attr=attr)
    return None


def _known_first_lines(interpreter: bytes, encoding: bytes | None) -> Iterator[bytes]:
    """All that known installers write before the body; with `encoding`, the forms that declare it.

    For a path that a form doesn't carry it is left out: it calls another program, even where an installer wrote it.
    """
    name = interpreter.rpartition(b"/")[2]
    if encoding is not None:
        yield _trampoline(_octal(interpreter), encoding)
        yield _trampoline(_BESIDE_THE_SCRIPT + _octal(name), encoding)
        return
    if _called(interpreter) == interpreter:
        yield b"#!" + interpreter + b"\n"
    if not _SPECIAL.search(interpreter):
        yield _trampoline(interpreter)  # pip, installer: a long path
    if not _SPECIAL_IN_QUOTES.search(interpreter):
        yield _trampoline(b'"' + interpreter + b'"')  # pip: a path with a space
    yield _trampoline(_single_quoted(interpreter))  # uv
    yield _trampoline(_shell_word(interpreter))  # virtualenv, this project; installer unless there is a backslash
    yield _trampoline(_BESIDE_THE_SCRIPT + _single_quoted(name))


def _own_first_lines(interpreter: str, encoding: bytes | None) -> bytes:
    path = interpreter.encode("utf-8", "surrogateescape")
    if len(path) + len(b"#!\n") <= _SIMPLE_LIMIT and len(path.split()) == 1:
        return b"#!" + path + b"\n"
    return _trampoline(_shell_word(path) if encoding is None else _octal(path), encoding)


def _trampoline(word: bytes, encoding: bytes | None = None) -> bytes:
    """Lines that /bin/sh reads as `exec <word> "$0" "$@"`, and Python as a comment and a string."""
    coding = b"" if encoding is None else _CODING_LINE + encoding + b"\n"
    return _SH + coding + b"'''exec' " + word + b' "$0" "$@"\n' + b"' '''\n"


def _coding_line_of_trampoline(content: bytes) -> bytes | None:
    """The encoding that a trampoline declares; b"", which none writes, if the body declares another."""
    if not content.startswith(_SH + _CODING_LINE):
        return None
    _, coding, _, _, body = (content.split(b"\n", 4) + [b""] * 4)[:5]
    encoding = coding.removeprefix(_CODING_LINE)
    return encoding if encoding == _declared_encoding(body) else b""


def _declared_encoding(body: bytes) -> bytes | None:
    match = _DECLARED.match(body.partition(b"\n")[0])
    return match[1] if match else None


def _single_quoted(path: bytes) -> bytes:
    return b"'" + path.replace(b"'", b"'\"'\"'") + b"'"


def _shell_word(path: bytes) -> bytes:
    """Quoted where sh needs it, with backslashes doubled so that the line is valid Python too."""
    word = shlex.quote(path.decode("utf-8", "surrogateescape")).replace("\\", "'\"\\\\\"'")
    return word.encode("utf-8", "surrogateescape")


def _octal(path: bytes) -> bytes:
    """uv's ASCII spelling of a path, for scripts in any encoding: each byte as an octal escape of printf."""
    return b'"$(printf %b ' + b" ".join(b"'\\'0%03o" % byte for byte in path) + b')"'
