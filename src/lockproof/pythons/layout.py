"""Where things lie: logical paths (`site/…`, `scripts/…`, `headers/…`, `data/…`) to real ones and back.

The logical form is the same on every platform and for every installer, which is what makes fingerprints comparable.
The schemes are those of a virtual environment (sysconfig's `venv` scheme; headers as pip and uv place them).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CANONICAL = re.compile(r"[-_.]+")


def canonical_name(name: str) -> str:
    """A distribution's normalised name (PEP 503)."""
    return _CANONICAL.sub("-", name).lower()


def library_marks(series: str) -> list[str]:
    """What CPython, from its executable's folder upwards, knows its prefix by; for a series such as "3.13t"."""
    library, archive = f"python{series}", f"python{series.replace('.', '')}.zip"
    names = (archive, f"{library}/os.py", f"{library}/os.pyc", f"{library}/lib-dynload")
    return [f"{folder}/{name}" for folder in ("lib", "lib64") for name in names]


def start_files(executable: str) -> tuple[str, ...]:
    """The files beside an executable of that name by which CPython takes its library from elsewhere (getpath.py)."""
    return ("pybuilddir.txt", "Modules/Setup.local", f"{executable}._pth")


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The folders of one environment, relative to its root, with `/` and without a closing one.

    `program` is what the names of programs end with there: an entry point's wrapper is one.
    """

    site: str
    scripts: str
    headers: str
    program: str = ""

    def wrapper(self, name: str) -> str:
        """The logical path of the wrapper of an entry point of that name: pip and uv drop `.py` before `.exe`."""
        return f"scripts/{name.removesuffix('.py') if self.program else name}{self.program}"

    def physical(self, logical: str) -> str:
        """The path below the environment's root at which a logical path lies."""
        area, _, rest = logical.partition("/")
        if area == "data":
            return rest
        return f"{getattr(self, area)}/{rest}"

    def logical(self, path: str) -> str:
        """The logical path of a path below the environment's root."""
        if path.startswith(self.site + "/"):
            return "site/" + path[len(self.site) + 1 :]
        if path.startswith(self.scripts + "/"):
            return "scripts/" + path[len(self.scripts) + 1 :]
        if path.startswith(self.headers + "/"):
            name, slash, rest = path[len(self.headers) + 1 :].partition("/")
            if slash:
                return f"headers/{canonical_name(name)}/{rest}"
        return "data/" + path

    def spelled(self, path: str) -> str:
        """A path below the root as it lands: Windows knows the environment's own folders in whichever case."""
        if self.program:
            for folder in (self.site, self.site.partition("/")[0], self.scripts, self.headers):
                if path.lower().startswith(f"{folder.lower()}/"):
                    return folder + path[len(folder) :]
        return path

    def relative_to_site(self, logical: str) -> str:
        """The path as RECORD writes it: relative to site-packages, with `../` where it lies outside."""
        if logical.startswith("site/"):
            return logical[5:]
        up = "../" * (self.site.count("/") + 1)
        return up + self.physical(logical)


def layout_for(python: str, os_name: str) -> Layout:
    """The layout of an environment of that Python ("3.11.7", "3.13.0t") on linux, macos or windows."""
    if os_name == "windows":
        return Layout(site="Lib/site-packages", scripts="Scripts", headers="Include", program=".exe")
    major, minor = python.split(".")[:2]
    tag = f"python{major}.{minor}{'t' if python.endswith('t') else ''}"
    return Layout(site=f"lib/{tag}/site-packages", scripts="bin", headers=f"include/site/{tag}")
