"""An environment that is attacked again and again: small, of two wheels, proven before and put back afterwards."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from lockproof.wheels.store import Store
from support.environments import Made, make_proven
from support.wheels import make_wheel

if TYPE_CHECKING:
    from pathlib import Path


def make_target(base: Path) -> Made:
    """The environment in `base/env`, found to match, and a copy in `base/kept` to go back to."""
    demo = make_wheel(
        base,
        "demo",
        "1.0",
        {"demo/__init__.py": "def main(): pass\n", "demo/core.py": "ANSWER = 42\n", "space/one.py": ""},
        entry_points={"console_scripts": {"demo": "demo:main"}},
        scripts={"demo-sh": "#!/bin/sh\n"},
        data={"headers/demo.h": "int d;\n"},
        requires=["six", "simplejson; extra == 'fast'"],
    )
    other = make_wheel(
        base, "Other.Thing", "2.0", {"other.py": "x = 1\n", "other.pth": "import other\n", "space/two.py": ""}
    )
    made = make_proven([demo, other], base / "env", Store(base / "store"))
    shutil.copytree(made.folder, base / "kept", symlinks=True)
    return made


def put_back(made: Made) -> None:
    """Make the environment what it was, whatever has become of it."""
    subprocess.run(["rm", "-rf", str(made.folder)], check=True)  # as deep as folders may be
    shutil.copytree(made.folder.parent / "kept", made.folder, symlinks=True)
