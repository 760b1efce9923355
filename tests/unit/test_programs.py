"""Wrappers on Windows: what distlib and installer write is known, and nothing that was changed."""

from __future__ import annotations

import io
import zipfile
from importlib.resources import files

import pytest
from installer.scripts import Script

from lockproof.wheels.programs import parse_program, render_program

ROOT = "C:\\Users\\me\\my env"
PYTHON = f"{ROOT}\\Scripts\\python.exe"
INTERPRETERS = [
    f"{ROOT}\\Scripts".replace("\\", "/").encode() + b"/" + name for name in (b"python.exe", b"pythonw.exe")
]
CALLS = ("demo.cli", "App.main")
MEANING = "demo.cli:App.main"
STUB = files("distlib").joinpath("t64.exe").read_bytes()


@pytest.mark.parametrize("kind", ["win-ia32", "win-amd64", "win-arm", "win-arm64"])
@pytest.mark.parametrize("section", ["console", "gui"])
def test_what_installer_writes_is_a_wrapper(kind: str, section: str) -> None:
    script = Script(name="demo", module=CALLS[0], attr=CALLS[1], section=section)  # type: ignore[arg-type]
    name, content = script.generate(PYTHON, kind)  # type: ignore[arg-type]
    assert (name, parse_program(content, INTERPRETERS)) == (
        "demo.exe",
        MEANING + (" gui" if section == "gui" else ""),
    )


def test_what_is_written_here_is_a_wrapper_and_always_the_same() -> None:
    content = render_program(STUB, PYTHON, *CALLS)
    assert parse_program(content, INTERPRETERS) == MEANING
    assert content == render_program(STUB, PYTHON, *CALLS)


def test_case_and_slashes_of_the_python_are_no_matter() -> None:
    content = render_program(STUB, PYTHON.upper().replace("\\", "/"), *CALLS)
    assert parse_program(content, INTERPRETERS) == MEANING


def archive(*members: tuple[str, bytes], comment: bytes = b"") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name, body in members:
            made.writestr(name, body)
        made.comment = comment
    return stream.getvalue()


WRAPPER = render_program(STUB, PYTHON, *CALLS)
BODY = zipfile.ZipFile(io.BytesIO(WRAPPER)).read("__main__.py")
LINE = f'#!"{PYTHON}"\r\n'.encode()

CHANGED = {
    "a byte of the stub": bytes([WRAPPER[0] ^ 1]) + WRAPPER[1:],
    "a stub of one's own": b"MZ" + WRAPPER[len(STUB) :],
    "bytes after the stub": STUB + b"\0" + LINE + archive(("__main__.py", BODY)),
    "another window": files("distlib").joinpath("w64.exe").read_bytes()[:-1] + WRAPPER[len(STUB) :],
    "another Python": STUB + b"#!C:\\evil\\python.exe\r\n" + archive(("__main__.py", BODY)),
    "options for Python": STUB + LINE.replace(b"\r\n", b" -X dev\r\n") + archive(("__main__.py", BODY)),
    "no line": STUB + archive(("__main__.py", BODY)),
    "another text": STUB + LINE + archive(("__main__.py", BODY.replace(b"import sys", b"import sys, os"))),
    "one member more": STUB + LINE + archive(("__main__.py", BODY), ("sys.py", b"")),
    "another name": STUB + LINE + archive(("__main__.pyc", BODY)),
    "a comment": STUB + LINE + archive(("__main__.py", BODY), comment=b"x"),
    "bytes behind it": WRAPPER + b"\0",
    "bytes before the archive": STUB + LINE + b"print(1)\r\n" + archive(("__main__.py", BODY)),
    "no archive": STUB + LINE,
    "nothing": b"",
}


@pytest.mark.parametrize("content", CHANGED.values(), ids=CHANGED)
def test_what_was_changed_is_no_wrapper(content: bytes) -> None:
    assert parse_program(WRAPPER, INTERPRETERS) == MEANING
    assert parse_program(content, INTERPRETERS) is None
