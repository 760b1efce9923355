"""What an image's variables change, told by what lies where they lead."""

from __future__ import annotations

import io
import tarfile

import pytest

from lockproof.digests import sha256_hex
from lockproof.proof.fingerprint import FileFact, Finding, Fingerprint
from lockproof.reading.imagevariables import variable_findings
from lockproof.reading.tarreader import Archive

SITE = "opt/venv/lib/python3.12/site-packages"
LINKS = {"srv/linked": "/srv/numpy-2", "srv/link/numpy": "/srv/numpy-2", "srv/lib/libpython3.12.so.1": "/srv/evil"}
FILES = (
    f"{SITE}/numpy/__init__.py", "srv/app/app/__init__.py", "srv/app/main.py", "srv/app/numpy/data.txt",
    "srv/package/numpy/__init__.py", "srv/module/numpy.cpython-312-x86_64-linux-gnu.so", "srv/site/sitecustomize.py",
    "srv/standard/json.py", "srv/numpy-2/__init__.py", "srv/deep/a/numpy.py", "srv/evil",
    "usr/lib/libpython3.12.so.1.0",
)  # fmt: skip
LOADED = "would be loaded in place of the Python's own"
READ = Fingerprint(
    layers={},
    distributions=(),
    files={"site/numpy/__init__.py": FileFact("f", "0", 1), "site/six.py": FileFact("f", "0", 1)},
    startup=(),
    interpreter={"libpython": f"sha256:{sha256_hex(b'usr/lib/libpython3.12.so.1.0')}"},
    findings=(),
    interpreter_files={"stdlib/json/__init__.py": "0", "stdlib/test/": "0", "lib-dynload/_json.so": "0"},
)


def archive() -> Archive:
    """Files that hold their own names, and links."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for path in FILES:
            info = tarfile.TarInfo(path)
            info.size = len(path)
            tar.addfile(info, io.BytesIO(path.encode()))
        for path, target in LINKS.items():
            info = tarfile.TarInfo(path)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    stream.seek(0)
    held = Archive()
    held.take(stream)
    return held


def effect(name: str, value: str) -> str | None:
    """What is told beyond the note; None where nothing is told at all."""
    found = variable_findings(archive(), {name: value}, READ, SITE)
    if not found:
        return None
    [finding] = found
    text = f"is set to {value!r}, which Python or its loader heeds"
    rest = finding.message.removeprefix(text).removeprefix(": ")
    assert finding == Finding("image-variable", name, f"{text}{rest and ': '}{rest}", "unproven" if rest else "note")
    return rest


@pytest.mark.parametrize(
    ("value", "hidden"),
    [
        ("/srv/app", ""),
        ("/nowhere:relative::", ""),
        (f"/{SITE}", ""),
        ("/srv/deep", ""),
        ("/srv/app:/srv/package", "numpy"),
        ("/srv/module", "numpy"),
        ("/srv/link/../link", "numpy"),
        ("/srv/site", "sitecustomize"),
        ("/srv/standard:/srv/package", "json, numpy"),
    ],
)
def test_modules_that_python_would_find_first(value: str, hidden: str) -> None:
    assert effect("PYTHONPATH", value) == (f"{hidden} would be imported from there" if hidden else "")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("LD_LIBRARY_PATH", "/usr/lib", ""),
        ("LD_LIBRARY_PATH", "/usr/lib:/srv/lib", f"/srv/lib/libpython3.12.so.1 {LOADED}"),
        ("PYTHONPATH", "/srv/evil", "/srv/evil is an archive of modules, which was not looked into"),
        ("PYTHONHOME", "/srv", "its standard library is taken from there"),
        ("PYTHONHOME", "", ""),
        ("PYTHONUNBUFFERED", "1", ""),
        ("PYTHON_VERSION", "3.12.1", None),
        ("PATH", "/srv", None),
    ],
)  # fmt: skip
def test_other_variables(name: str, value: str, told: str | None) -> None:
    assert effect(name, value) == told
