"""A build backend (PEP 517, PEP 660) small enough for a wheel made in a test; it runs on every Python since 3.8.

The project says in tiny.json what it is called: name, version, requires, scripts, tag. Its code lies in src/.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from support.projects import Project

SOURCE = """\
import base64, hashlib, json, os, sys, zipfile


def _wheel(folder, files, tag):
    said = json.load(open("tiny.json"))
    name, version = said["name"], said["version"]
    stem = "{}-{}".format(name, version)
    tag = tag.replace("THIS", "cp{}{}".format(*sys.version_info[:2]))
    metadata = ["Metadata-Version: 2.1", "Name: " + name, "Version: " + version]
    metadata += ["Provides-Extra: " + extra for extra in said.get("extras", [])]
    metadata += ["Requires-Dist: " + requirement for requirement in said.get("requires", [])]
    scripts = ["{} = {}".format(*pair) for pair in sorted(said.get("scripts", {}).items())]
    files = dict(files)
    info = stem + ".dist-info/"
    files[info + "METADATA"] = "\\n".join(metadata) + "\\n"
    files[info + "WHEEL"] = "Wheel-Version: 1.0\\nGenerator: tiny\\nRoot-Is-Purelib: true\\nTag: {}\\n".format(tag)
    files[info + "entry_points.txt"] = "\\n".join(["[console_scripts]"] + scripts) + "\\n"
    rows = []
    for path, text in sorted(files.items()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append("{},sha256={},{}".format(path, digest, len(text.encode())))
    files[info + "RECORD"] = "\\n".join(rows + [info + "RECORD,,"]) + "\\n"
    filename = "{}-{}.whl".format(stem, tag)
    with zipfile.ZipFile(os.path.join(folder, filename), "w") as archive:
        for path, text in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(path), text)
    return filename


def build_wheel(folder, config_settings=None, metadata_directory=None):
    print("tiny builds a wheel with", sys.version_info[:2])
    files = {}
    for below, _, names in os.walk("src"):
        for name in names:
            path = os.path.join(below, name)
            files[os.path.relpath(path, "src").replace(os.sep, "/")] = open(path).read()
    return _wheel(folder, files, json.load(open("tiny.json")).get("tag", "py3-none-any"))


def build_editable(folder, config_settings=None, metadata_directory=None):
    name = json.load(open("tiny.json"))["name"]
    return _wheel(folder, {"_editable_{}.pth".format(name): os.path.abspath("src") + "\\n"}, "py3-none-any")
"""

_APP = """\
import importlib.util, os


def main():
    has = [name for name in ("color", "checker") if importlib.util.find_spec(name)]
    print("app", os.path.abspath(__file__), *has)
"""


def backend_wheel(project: Project) -> Path:
    """The backend as a wheel beside the project, to be locked with the next lock."""
    return project.wheel("tiny", "1.0", {"tiny.py": SOURCE})


def write_app(project: Project, **more: object) -> None:
    """A project called app with a console script; `more` are further keys of tiny.json."""
    said = {"name": "app", "version": "1.0", "scripts": {"app": "app:main"}, **more}
    project.write("pyproject.toml", '[build-system]\nrequires = ["tiny>=1"]\nbuild-backend = "tiny"\n')
    project.write("tiny.json", json.dumps(said))
    project.write("src/app.py", _APP)
    project.write(".gitignore", "*.log\n")
