"""What runs when Python starts, as lines; the rules are site.py's own, tried on it where they can be."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lockproof.digests import sha256_hex
from lockproof.wheels.startup import is_startup_file, parse_pyvenv, python_of_pyvenv, pyvenv_lines, startup_lines

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
        ({}, ["include-system-site-packages\0false"]),
        ({"include-system-site-packages": "True"}, ["include-system-site-packages\0true"]),
        (
            {"home": "/x", "version": "3.11.7", "prompt": "p", "uv": "1", "relocatable": "true", "seed": "true"},
            ["include-system-site-packages\0false"],
        ),
        ({"future": "yes"}, ["include-system-site-packages\0false", "future\0yes"]),
    ],
)
def test_pyvenv_cfg_s_lines(keys: dict[str, str], lines: list[str]) -> None:
    assert pyvenv_lines(keys) == [f"pyvenv.cfg\0{line}" for line in lines]
