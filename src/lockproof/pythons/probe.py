"""What an interpreter says of itself, as one line of JSON.

Run by that interpreter, as a script with -I -S -B and an empty environment; so: the standard library only,
Python 3.6 syntax, nothing of ours. What goes in "facts" is digested: no paths, nothing volatile.
"""

import json
import os
import platform
import re
import struct
import subprocess
import sys
import sysconfig
from importlib.util import MAGIC_NUMBER
from pathlib import Path

_MAPS = Path("/proc/self/maps")  # Linux: every file that this process has mapped


def main() -> None:
    """Prints the answer."""
    sys.stdout.write(json.dumps(answer()) + "\n")


def answer() -> "dict[str, object]":
    """Everything that is asked, for the interpreter that runs this."""
    libpython = loaded_libpython()
    return {
        "executable": sys.executable,
        "version": exact_version(),
        "implementation": sys.implementation.name,
        "prefix": sys.base_prefix,
        "configured_prefix": configured_prefix(),
        "stdlib": sysconfig.get_path("stdlib"),
        "lib_dynload": extensions_folder(),
        "archive": next((path for path in sys.path if path.endswith(".zip")), ""),
        "libpython": libpython,
        "platform": this_platform(),
        "facts": facts(),
        "watched": [path for path in (libpython, loaded_file(r"libc[.-]|ld-musl-")) if path],
    }


def exact_version() -> str:
    """Such as 3.11.7, 3.14.0rc1, or 3.13.0t for a free-threaded build."""
    major, minor, patch, level, serial = sys.version_info
    pre = {"alpha": f"a{serial}", "beta": f"b{serial}", "candidate": f"rc{serial}"}.get(level, "")
    return f"{major}.{minor}.{patch}{pre}{'t' if is_freethreaded() else ''}"


def is_freethreaded() -> bool:
    """Whether this build has no global lock (PEP 703), be it turned on again or not."""
    return bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def facts() -> "dict[str, str]":
    """What tells this build from another one."""
    values = {
        "implementation": sys.implementation.name,
        "version": exact_version(),
        "build": sys.version,
        "compiler": platform.python_compiler(),
        "soabi": sysconfig.get_config_var("SOABI") or "",
        "extensions": sysconfig.get_config_var("EXT_SUFFIX") or "",
        "cache tag": sys.implementation.cache_tag or "",
        "bytecode magic": MAGIC_NUMBER.hex(),
        "platform": sysconfig.get_platform(),
        "pointer bits": str(8 * struct.calcsize("P")),
        "byte order": sys.byteorder,
        "debug": "yes" if hasattr(sys, "gettotalrefcount") else "no",
        "free-threaded": "yes" if is_freethreaded() else "no",
    }
    return {name: " ".join(value.split()) for name, value in values.items()}


def configured_prefix() -> str:
    """The prefix that was written into the build's own files, which is another one once it has been moved."""
    try:
        name = sysconfig._get_sysconfigdata_name()  # type: ignore[attr-defined]  # noqa: SLF001
        return str(__import__(name).build_time_vars["prefix"])
    except (AttributeError, ImportError, KeyError):  # Windows has no such file
        return sys.base_prefix


def extensions_folder() -> str:
    """Where the standard library's extension modules are; empty for a build that has them inside."""
    places = [
        Path(sysconfig.get_path("platstdlib"), "lib-dynload"),
        Path(sys.base_prefix, "DLLs"),  # Windows
    ]
    return next((str(place) for place in places if place.is_dir()), "")


def loaded_file(pattern: str) -> str:
    """The real path of the first file mapped here whose name begins with `pattern`; Linux only."""
    if not _MAPS.exists():
        return ""
    lines = os.fsdecode(_MAPS.read_bytes()).split("\n")
    paths = [Path(line[line.index("/") :]) for line in lines if "/" in line]
    return next((str(path.resolve()) for path in paths if re.match(pattern, path.name)), "")


def loaded_libpython() -> str:
    """The shared library that holds this interpreter; empty when the executable holds it."""
    if _MAPS.exists():
        return loaded_file(r"libpython3\.\d")
    if os.name == "nt":
        names = ["python{}{}{}.dll".format(*sys.version_info[:2], "t" if is_freethreaded() else "")]
    elif sysconfig.get_config_var("Py_ENABLE_SHARED") or sysconfig.get_config_var("PYTHONFRAMEWORK"):
        variables = [sysconfig.get_config_var(name) for name in ("INSTSONAME", "LDLIBRARY")]
        names = [name for name in variables if name] + ["Python"]
    else:
        return ""
    folders = [
        Path(sysconfig.get_config_var("LIBDIR") or "/"),
        Path(sys.base_prefix, "lib"),
        Path(sys.base_prefix),
    ]
    paths = [folder / name for folder in folders for name in names]
    return next((str(path.resolve()) for path in paths if path.is_file()), "")


def this_platform() -> "dict[str, object]":
    """Operating system, machine and C library, spelt as lockproof.pythons.platforms.Platform spells them."""
    if os.name == "nt":
        machine = {"win-amd64": "x86_64", "win-arm64": "arm64"}.get(sysconfig.get_platform(), "x86")
        return {"os": "windows", "machine": machine, "libc": "", "version": None}
    if sys.platform == "darwin":
        release, _, machine = platform.mac_ver()
        return {"os": "macos", "machine": machine, "libc": "", "version": two_numbers(release)}
    machine = sysconfig.get_platform().split("-", 1)[-1]
    if struct.calcsize("P") == 4:  # a 32-bit interpreter on a 64-bit kernel
        machine = {"x86_64": "i686", "aarch64": "armv7l"}.get(machine, machine)
    libc, version = c_library()
    return {"os": "linux", "machine": machine, "libc": libc, "version": version}


def c_library() -> "tuple[str, list[int] | None]":
    """glibc by confstr, musl by what its loader prints when run alone (PEP 656); ("", None) for neither."""
    try:
        name, _, release = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except (AttributeError, OSError, ValueError):
        name, release = "", ""
    if name == "glibc" and two_numbers(release):
        return "glibc", two_numbers(release)
    loader = loaded_file("ld-musl-")
    if loader:
        process = subprocess.run([loader], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        version = re.search(r"^Version (\S+)", process.stderr.decode("ascii", "replace"), re.MULTILINE)
        if version and two_numbers(version.group(1)):
            return "musl", two_numbers(version.group(1))
    return "", None


def two_numbers(release: str) -> "list[int] | None":
    """The first two numbers of a version: [2, 36] of 2.36-9; None where there aren't two."""
    match = re.match(r"(\d+)\.(\d+)", release)
    return [int(match.group(1)), int(match.group(2))] if match else None


if __name__ == "__main__":
    main()
