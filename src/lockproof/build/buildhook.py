"""Calls one hook of a build backend (PEP 517, PEP 660), in the build's own environment.

Run as a script by the Python that is built for, so: the standard library only, nothing of ours, Python 3.6 syntax.
The first argument is a JSON object: `hook`, `backend`, `backend_path` (absolute folders), `wheels` (where a wheel
goes), `answer` (the file that the hook's answer is written to, as JSON). The current folder is the source tree.
"""

import sys

if __name__ == "__main__":
    del sys.path[0]  # this file's folder, whose modules are none of the backend's business

import json
import os
from importlib import import_module


def main() -> None:
    """Do what the first argument says."""
    asked = json.loads(sys.argv[1])
    end_with_parent()
    os.umask(0o022)
    sys.argv[1:] = []  # some setup.py look at it
    sys.path[:0] = asked["backend_path"]
    module, _, attributes = asked["backend"].partition(":")
    backend = import_module(module)
    refuse_foreign(backend, asked["backend_path"])
    for attribute in filter(None, attributes.split(".")):
        backend = getattr(backend, attribute)
    if asked["hook"].startswith("build_"):
        hook = getattr(backend, asked["hook"], None)
        if hook is None:  # of these two, build_editable (PEP 660) came later
            sys.exit("the backend {} has no {}".format(asked["backend"], asked["hook"]))
        answer = hook(asked["wheels"], None, None)
    else:
        hook = getattr(backend, asked["hook"], None)  # optional
        answer = hook(None) if hook else []
    with open(asked["answer"], "w", encoding="utf-8") as file:  # noqa: PTH123 - Python 3.6
        json.dump(answer, file)


def end_with_parent() -> None:
    """End when whoever started this does, even by kill -9: the next build is in the same folder (Linux)."""
    if sys.platform == "linux":
        try:
            import ctypes  # a Python can be built without it
            import signal

            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        except (ImportError, OSError, AttributeError):
            pass


def refuse_foreign(backend: object, folders: "list[str]") -> None:
    """With a backend-path, the backend must come from there (PEP 517, In-tree build backends)."""
    origin = os.path.realpath(getattr(backend, "__file__", None) or "")
    inside = [os.path.realpath(folder) + os.sep for folder in folders]
    if folders and not origin.startswith(tuple(inside)):
        sys.exit("the backend was found at {}, outside its backend-path".format(origin))  # noqa: UP032


if __name__ == "__main__":
    main()
