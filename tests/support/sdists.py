"""Sdists for tests, made in memory, the same bytes on every machine (PEP 517, PEP 625)."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

MTIME = 1_600_000_000  # what every member has
# A backend in the source tree itself, so that no build requirement is needed. It puts every .py file of `src` into the
# wheel, and `built.txt` with what the tree's `says.py` says.
BACKEND = """
import base64, hashlib, os, pathlib, runpy, zipfile

NAME, VERSION, TAG = {name!r}, {version!r}, {tag!r}
REQUIRES = {extra!r}

def get_requires_for_build_wheel(config_settings=None):
    return REQUIRES

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    files = {{}}
    for path in sorted(pathlib.Path("src").rglob("*.py")):
        files[path.relative_to("src").as_posix()] = path.read_bytes()
    if os.path.exists("says.py"):
        files[NAME + "_built.txt"] = str(runpy.run_path("says.py")["SAYS"]).encode()
    info = NAME + "-" + VERSION + ".dist-info/"
    files[info + "METADATA"] = ("Metadata-Version: 2.1\\nName: %s\\nVersion: %s\\n" % (NAME, VERSION)).encode()
    files[info + "WHEEL"] = ("Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: %s\\n" % TAG).encode()
    rows = []
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append("%s,sha256=%s,%d\\n" % (name, digest, len(content)))
    files[info + "RECORD"] = ("".join(rows) + info + "RECORD,,\\n").encode()
    filename = "%s-%s-%s.whl" % (NAME, VERSION, TAG)
    with zipfile.ZipFile(os.path.join(wheel_directory, filename), "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return filename
"""


def make_sdist(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, str] | None = None,
    *,
    extra_members: Iterable[tarfile.TarInfo] = (),
) -> Path:
    """Write `<folder>/<name>-<version>.tar.gz` of these files below its one top folder, and return its path.

    `extra_members` are put in behind them as they are: links, devices, names with `..`.
    """
    stem = f"{name}-{version}"
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, text in {"PKG-INFO": _metadata(name, version), **(files or {})}.items():
            info = tarfile.TarInfo(f"{stem}/{path}")
            info.size, info.mtime = len(text.encode()), MTIME
            archive.addfile(info, io.BytesIO(text.encode()))
        for member in extra_members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    sdist = folder / f"{stem}.tar.gz"
    folder.mkdir(parents=True, exist_ok=True)
    sdist.write_bytes(gzip.compress(raw.getvalue(), mtime=0))
    return sdist


def _metadata(name: str, version: str) -> str:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    """A member that is a link: `tarfile.SYMTYPE` or `tarfile.LNKTYPE`."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def pure_files(
    name: str,
    version: str,
    *,
    says: str = "",
    requires: Iterable[str] = (),
    extra: Iterable[str] = (),
    builds: tuple[str, str] | None = None,
    tag: str = "py3-none-any",
) -> dict[str, str]:
    """The files of a source tree with a backend of its own, in-tree.

    `says` is Python that sets SAYS; `requires` stands in pyproject.toml, `extra` is what the backend asks for beyond
    it; `builds` is the name and version that its wheel gets.
    """
    built_name, built_version = builds or (name, version)
    project = f'[build-system]\nrequires = {list(requires)}\nbuild-backend = "own:"\nbackend-path = ["backend"]\n'
    files = {
        "pyproject.toml": project.replace("own:", "own"),
        "backend/own.py": BACKEND.format(name=built_name, version=built_version, tag=tag, extra=list(extra)),
        f"src/{name}.py": f'__version__ = "{version}"\n',
    }
    return {**files, "says.py": says} if says else files


def extension_files(name: str, version: str) -> dict[str, str]:
    """The files of a source tree with a C extension, built by setuptools; it says __FILE__, and so its folder."""
    setup = f'from setuptools import Extension, setup\nsetup(ext_modules=[Extension("{name}", ["src/{name}.c"])])\n'
    return {
        "pyproject.toml": f'[build-system]\nrequires = ["setuptools>=70.1"]\nbuild-backend = "setuptools.build_meta"\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\n',
        "setup.py": setup,
        f"src/{name}.c": _EXTENSION.replace("NAME", name),
    }


_EXTENSION = """#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *arguments) { return PyLong_FromLong(42); }
static PyObject *where(PyObject *self, PyObject *arguments) { return PyUnicode_FromString(__FILE__); }
static PyMethodDef methods[] = {
    {"answer", answer, METH_NOARGS, "42"}, {"where", where, METH_NOARGS, "the source"}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "NAME", NULL, -1, methods};
PyMODINIT_FUNC PyInit_NAME(void) { return PyModule_Create(&module); }
"""
