"""A second build of an interpreter that is here: its own executable and standard library, mostly links."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_ASK = "import json, sys, sysconfig; print(json.dumps([sysconfig.get_path('stdlib'), sys.base_prefix]))"
_OWN = ("json", "lib-dynload")  # folders whose files a test may change
_LEFT_OUT = ("__pycache__", "site-packages", "dist-packages")


@dataclass(frozen=True, kw_only=True)
class Build:
    """A Python with a standard library of its own, in which `json` and `lib-dynload` are no links."""

    executable: Path
    stdlib: Path

    @property
    def extension(self) -> Path:
        """One of its extension modules."""
        return sorted((self.stdlib / "lib-dynload").glob("*.so"))[0]

    def make_environment(self, folder: Path) -> Path:
        """A virtual environment of it, without pip."""
        subprocess.run([self.executable, "-m", "venv", "--without-pip", folder], check=True)
        return folder


def copy_build(python: Path, folder: Path) -> Build:
    """A copy of the build that `python` is of, in `folder`."""
    asked = subprocess.run([python, "-I", "-S", "-c", _ASK], check=True, capture_output=True, text=True)
    stdlib, prefix = map(Path, json.loads(asked.stdout))
    own = folder / stdlib.relative_to(prefix)
    own.mkdir(parents=True)
    for entry in stdlib.iterdir():
        if entry.name in _OWN:
            shutil.copytree(entry, own / entry.name)
        elif entry.name not in _LEFT_OUT:
            (own / entry.name).symlink_to(entry)
    executable = folder / "bin" / python.resolve().name
    executable.parent.mkdir()
    shutil.copy2(python, executable)
    return Build(executable=executable, stdlib=own)
