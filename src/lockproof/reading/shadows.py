"""What a file that belongs to nothing does to those that belong to something, as far as its path tells."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

# In the order in which Python looks for a module in one folder: a package, an extension module, source, bytecode.
_EXTENSION = re.compile(r"(\w+)(\.[\w-]+)*\.(so|pyd)")
_MODULE = re.compile(r"(\w+)\.pyc?")


def what_it_hides(path: str, paths: Container[str]) -> str:
    """What Python imports in place of: ", and ..." for a message; "" for a file that hides nothing.

    `paths` are the logical paths of all files.
    """
    area, _, below = path.partition("/")
    if area != "site":
        return ""
    folder, _, name = path.rpartition("/")
    extension, module = _EXTENSION.fullmatch(name), _MODULE.fullmatch(name)
    if extension and f"{folder}/{extension[1]}.py" in paths:
        return f", and is imported in place of {folder}/{extension[1]}.py"
    if name.startswith("__init__.") and (extension or module):
        beside = next((f"{folder}{end}" for end in (".py", ".abi3.so", ".so") if f"{folder}{end}" in paths), "")
        return f", and is imported in place of {beside}" if beside else _standard(below.partition("/")[0])
    return _standard(name.partition(".")[0]) if "/" not in below and (extension or module) else ""


def _standard(name: str) -> str:
    return f", and has the name of the standard library's {name}" if name in sys.stdlib_module_names else ""
