"""What runs when Python starts, as lines; the rules are site.py's own, tried on it where they can be."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lockproof.digests import sha256_hex
from lockproof.wheels.startup import (
    is_startup_file,
    parse_pyvenv,
    python_of_pyvenv,
    pyvenv_lines,
    pyvenv_traps,
    startup_lines,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("path", "takes_part"),
    [
        ("site/x.pth", True),
        ("site/x.start", True),
        ("site/sub/x.pth", False),
        ("data/x.pth", False),
        ("site/x.pth.bak", False),
        ("site/sitecustomize.py", True),
        ("site/usercustomize.cpython-311-x86_64-linux-gnu.so", True),
        ("site/sitecustomize.pyc", True),
        ("site/sitecustomize/__init__.py", True),
        ("site/sitecustomize/other.py", False),
        ("site/mysitecustomize.py", False),
        ("site/pkg/sitecustomize.py", False),
        ("site/sitecustomize", True),  # a link to a folder
    ],
)
def test_which_files_take_part(path: str, takes_part: bool) -> None:
    assert is_startup_file(path) is takes_part


def test_a_path_file_s_lines() -> None:
    content = b"\xef\xbb\xbfimport one\r\n# comment\n\n  \n/folder \nimport\ttwo\n import three\nimporter\n\xff\n"
    lines = startup_lines("site/x.pth", content)
    assert lines == [
        f"site/x.pth\0sha256\0{sha256_hex(content)}",
        "site/x.pth\0exec\0import one",
        "site/x.pth\0path\0/folder",
        "site/x.pth\0exec\0import\ttwo",
        "site/x.pth\0path\0import three",
        "site/x.pth\0path\0importer",
        "site/x.pth\0path\0\udcff",
    ]


def test_what_is_said_to_be_run_is_what_site_runs(tmp_path: Path) -> None:
    """Each line would print its number; those that do are those said to be `exec`."""
    rows = [
        "import sys; print(1)",
        " import sys; print(2)",
        "import\tsys; print(3)",
        "#import sys; print(4)",
        "importsys; print(5)",
    ]
    (tmp_path / "x.pth").write_text("\n".join(rows))
    code = f"import site; site.addsitedir({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    run = [
        line.rpartition("\0")[2]
        for line in startup_lines("site/x.pth", (tmp_path / "x.pth").read_bytes())
        if "\0exec\0" in line
    ]
    assert [line[-2] for line in run] == done.stdout.split()


def test_other_files_are_their_digest() -> None:
    digest = sha256_hex(b"import x\n")
    assert startup_lines("site/sitecustomize.py", b"import x\n") == [f"site/sitecustomize.py\0sha256\0{digest}"]
    assert startup_lines("site/x.start", b"pkg:main\n")[1:] == ["site/x.start\0exec\0pkg:main"]


def test_pyvenv_cfg_as_site_reads_it() -> None:
    text = "home = /usr/bin\nHOME=/other\nno equals sign\nversion_info = 3.11.7.final.0\nKey = a = b \n"
    keys = parse_pyvenv(text)
    assert keys == {"home": "/other", "version_info": "3.11.7.final.0", "key": "a = b"}
    assert python_of_pyvenv(keys) == "3.11.7"
    assert python_of_pyvenv({"version": "3.12.1", "version_info": "3.11.7"}) == "3.12.1"
    assert python_of_pyvenv({}) == ""


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        ({}, ["include-system-site-packages\0true"]),
        ({"include-system-site-packages": "True"}, ["include-system-site-packages\0true"]),
        (
            {"home": "/x", "uv": "1", "relocatable": "true", "seed": "1", "include-system-site-packages": "false"},
            ["include-system-site-packages\0false"],
        ),
        ({"future": "yes"}, ["include-system-site-packages\0true", "future\0yes"]),
    ],
)
def test_pyvenv_cfg_s_lines(keys: dict[str, str], lines: list[str]) -> None:
    assert pyvenv_lines(keys) == [f"pyvenv.cfg\0{line}" for line in lines]


CONTROL = "has control characters in it, which end a line for some readers and not for others"


def test_pyvenv_cfg_is_split_into_lines_as_site_does() -> None:
    """At a form feed and the like a line goes on; at a lone CR it ends, as in every text file."""
    text = "include-system-site-packages = true\nprompt = x\x0cinclude-system-site-packages = false\rhome = /x\r\n"
    keys = parse_pyvenv(text)
    assert (keys["include-system-site-packages"], keys["home"]) == ("true", "/x")


@pytest.mark.parametrize(
    ("text", "traps"),
    [
        ("home = /x\r\nprompt =\ta \N{SNOWMAN}\n", []),
        ("home = /x\nversion = 3.11.7\nversion_info = 3.11.7.final.0\n", []),
        ("home = /x\n HOME=/y\n", ["has the key home twice"]),
        *(
            (f"prompt = a{sign}home = /x\n", [CONTROL])
            for sign in "\0\x0b\x0c\x1c\x85\u2028"
        ),
        ("prompt = a" + "a" * 4000, ["has a line of more than 4000 characters, which some Pythons cut"]),
    ],
)  # fmt: skip
def test_what_readers_of_pyvenv_cfg_disagree_about(text: str, traps: list[str]) -> None:
    assert pyvenv_traps(text) == traps


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xef\xbb\xbfimport os\n", id="a byte order mark"),
        pytest.param(b"# x\rimport os", id="a lone CR and no end"),
        pytest.param(b"# x\x0cimport os\n", id="a form feed in a comment"),
        pytest.param("# x\u2028import os\n".encode(), id="a line separator"),
        pytest.param(b"# caf\xe9 \x85import os\n", id="no UTF-8, and a next-line in latin-1"),
        pytest.param(b"import os # caf\xe9\n", id="no UTF-8"),
    ],
)
def test_no_encoding_and_no_line_end_hides_an_import(content: bytes) -> None:
    lines = [line for line in startup_lines("site/x.pth", content) if "\0exec\0" in line]
    assert [line.split("\0")[2].split(" #")[0] for line in lines] == ["import os"]
