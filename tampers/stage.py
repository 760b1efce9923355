"""A small project with a lock, its environment as it should be, and as many fresh copies of it as are needed.

Everything is made on the spot, of wheels that are made here too: nothing is downloaded, and no index is asked.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tampers.tricks import Subject, write

from support.wheels import make_wheel, sha256_of

SOURCES = Path(__file__).resolve().parent.parent / "src"
NAMES = ("every-scheme", "plain", "space-one", "space-two", "starts")
PATIENCE = 30  # seconds


class StageError(Exception):
    """The stage can't be set: what happened, for people."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended: its exit code, None for one that had to be stopped, and all that it printed."""

    code: int | None
    output: str


@dataclass(frozen=True, kw_only=True)
class Stage:
    """`folder` holds everything, `tools` is a scripts folder; `python` the base interpreter, of that `version`."""

    folder: Path
    python: Path
    version: str
    tools: Path

    @property
    def project(self) -> Path:
        """The project, with its locks and its matrix."""
        return self.folder / "project"

    @property
    def subject(self) -> Subject:
        """The environment that is tampered with; it always lies in the same place."""
        return Subject(folder=self.folder / "environment", python=self.python)

    def call(self, *command: object, **variables: str) -> Ended:
        """Run a command in the project, with nothing of the user's own settings."""
        own = {
            "PATH": os.pathsep.join([str(self.python.parent), os.environ.get("PATH", os.defpath)]),
            "HOME": str(self.folder / "home"),
            "XDG_CONFIG_DIRS": str(self.folder / "home"),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_CACHE_DIR": str(self.folder / "uv"),
            "UV_LINK_MODE": "copy",
            "UV_OFFLINE": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_PROJECT_ENVIRONMENT": str(self.subject.folder),
            "LOCKPROOF_STORE": str(self.folder / "store"),
            **variables,
        }
        with tempfile.TemporaryFile(dir=self.folder) as log:
            process = subprocess.Popen(
                [str(word) for word in command], cwd=self.project, env=own, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                code: int | None = process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                code = None
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            log.seek(0)
            return Ended(code=code, output=log.read().decode(errors="backslashreplace"))

    def lockproof(self, *arguments: object) -> Ended:
        """Run lockproof, that of this checkout."""
        return self.call(sys.executable, "-m", "lockproof", *arguments, PYTHONPATH=str(SOURCES))

    def set(self) -> None:
        """Make wheels, project, locks and the environment; StageError where one of the tools doesn't do it."""
        for name in ("home", "project", "wheels"):
            (self.folder / name).mkdir(parents=True)
        make_wheels(self.folder / "wheels")
        self._write_project()
        if (told := self.lockproof("predict")).code != 0:  # its store is filled, so that later answers are alike
            raise StageError(f"lockproof can't predict:\n{told.output}")
        uv = self.tools / "uv"
        for command in (
            (uv, "lock", "--quiet", "--python", self.python),
            (uv, "sync", "--quiet", "--frozen", "--no-install-project", "--python", self.python),
        ):
            ended = self.call(*command)
            if ended.code != 0:
                raise StageError(f"{' '.join(map(str, command))} ended with {ended.code}:\n{ended.output}")
        shutil.copytree(self.subject.folder, self.folder / "pristine", symlinks=True)

    def reset(self) -> Subject:
        """The environment as it should be again."""
        subject = self.subject
        shutil.rmtree(subject.folder)
        shutil.rmtree(subject.beside)
        shutil.copytree(self.folder / "pristine", subject.folder, symlinks=True)
        return subject

    def _write_project(self) -> None:
        wheels = sorted((self.folder / "wheels").iterdir())
        rows = [f"{'=='.join(w.name.split('-')[:2])} --hash=sha256:{sha256_of(w)}".replace("_", "-") for w in wheels]
        place = f"--no-index\n--find-links {self.folder / 'wheels'}\n"
        write(self.project / "requirements.txt", place + "".join(f"{row}\n" for row in rows))
        write(
            self.project / "pyproject.toml",
            f'[project]\nname = "example"\nversion = "1"\nrequires-python = "=={self.version}"\n'
            f"dependencies = {json.dumps(NAMES)}\n\n"
            '[tool.uv]\npackage = false\nno-index = true\nfind-links = ["../wheels"]\n',
        )
        write(
            self.project / "matrix.yaml",
            f'version: 1\nlock: requirements.txt\npython: ["{self.version}"]\ncommands: []\n',
        )


def make_wheels(folder: Path) -> None:
    """Wheels with everything that a wheel can bring."""
    make_wheel(
        folder,
        "plain",
        "1.0",
        {
            "plain/__init__.py": "ANSWER = 42\n\n\ndef main():\n    print('plain says', ANSWER)\n",
            "plain/words.py": "WORDS = ('one', 'two')\n",
            "plain/data.txt": "d\n",
        },
        entry_points={"console_scripts": {"plain": "plain:main"}},
        requires=["starts"],
    )
    make_wheel(
        folder,
        "every-scheme",
        "2.0",
        {"every.py": "E = 1\n"},
        scripts={"every-script": "#!python\nimport every; print(every.E)\n", "every-sh": "#!/bin/sh\necho sh\n"},
        data={"headers/every.h": "int e;\n", "data/share/every/table.txt": "t\n", "platlib/every_plat.py": "L = 1\n"},
    )
    make_wheel(folder, "space-one", "1.0", {"space/one.py": "N = 1\n"})
    make_wheel(folder, "space-two", "1.0", {"space/two.py": "N = 2\n"})
    make_wheel(folder, "starts", "1.0", {"starts.py": "", "starts.pth": "import starts\n"})
