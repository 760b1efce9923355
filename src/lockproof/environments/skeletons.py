"""An empty environment of an interpreter that can't be run here: that of a container's image.

virtualenv asks the interpreter that it makes an environment of. What PEP 405 wants of one needs no asking: pyvenv.cfg
with `home`, links to the executable, and the folder of packages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lockproof.pythons.layout import layout_for

if TYPE_CHECKING:
    from pathlib import Path

    from lockproof.pythons.interpreters import Interpreter


def write_skeleton(interpreter: Interpreter, folder: Path) -> None:
    """Make the environment in `folder`, which isn't there yet; OSError where the disk says no.

    The links lead to the interpreter's path inside its image.
    """
    layout = layout_for(interpreter.version, interpreter.platform.os)
    release = interpreter.version.removesuffix("t")
    (folder / layout.site).mkdir(parents=True)
    scripts = folder / layout.scripts
    scripts.mkdir()
    (scripts / "python").symlink_to(interpreter.executable)
    for name in ("python3", f"python{release.rpartition('.')[0]}"):
        (scripts / name).symlink_to("python")
    lines = (
        f"home = {interpreter.executable.parent}",
        "implementation = CPython",
        f"version = {release}",
        "include-system-site-packages = false",
    )
    (folder / "pyvenv.cfg").write_text("\n".join(lines) + "\n", encoding="utf-8")
