"""Runs a command where layers are seen as one folder, by it and its children alone: an overlay in a mount namespace.

A program of its own, of the quickest parts of the standard library only:

    python -I -S namespace.py TARGET UPPER WORK COUNT LOWER… COMMAND…

with so many LOWER, the topmost first. UPPER is written to, with WORK beside it; both are empty for reading only. It
becomes the command, so signals, output and the exit code are the command's own. The mount ends with the last process
that sees it, however that ends. Root's right to mount is used where there is one, else a user namespace in which
everybody is who they were (user_namespaces(7), mount_namespaces(7), the kernel's overlayfs.rst).
"""

from __future__ import annotations

import ctypes
import os
import sys

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_REC, _MS_PRIVATE = 1 << 14, 1 << 18
_NOT_MOUNTED = 125


def enter() -> None:
    """Give this process a mount namespace of its own; OSError where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWNS) != 0:
        if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), "a mount namespace is not to be had")
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - start-up time
                file.write(text)
    _mount(libc, b"none", "/", None, _MS_REC | _MS_PRIVATE, "")


def mount(target: str, upper: str, work: str, lower: list[str]) -> None:
    """Mount an overlay in a namespace that was entered; OSError where the kernel or a file system refuses.

    Layers are named by open files: nothing in a path needs to be escaped, and none is too long.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    paths = [*lower, *filter(None, (upper, work))]
    held = {path: os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in paths}
    names = {path: f"/proc/self/fd/{descriptor}" for path, descriptor in held.items()}
    options = f"userxattr,lowerdir={':'.join(names[path] for path in lower)}"
    if upper:
        options += f",upperdir={names[upper]},workdir={names[work]}"
    _mount(libc, b"overlay", target, b"overlay", 0, options)
    for descriptor in held.values():
        os.close(descriptor)


def _mount(libc: ctypes.CDLL, source: bytes, target: str, kind: bytes | None, flags: int, options: str) -> None:
    if libc.mount(source, os.fsencode(target), kind, ctypes.c_ulong(flags), options.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"the overlay can't be mounted: {os.strerror(number)}")


def _given_variables() -> dict[bytes, bytes]:
    """The variables that we were started with: Python adds one of its own where there is no locale (PEP 538)."""
    with open("/proc/self/environ", "rb") as file:  # noqa: PTH123 - start-up time
        pairs = [line.partition(b"=") for line in file.read().split(b"\0") if line]
    return {name: value for name, _, value in pairs}


def main(target: str, upper: str, work: str, count: str, *further: str) -> None:
    """Mount, and become the command."""
    lower, command = list(further[: int(count)]), list(further[int(count) :])
    try:
        enter()
        mount(target, upper, work, lower)
    except OSError as error:
        sys.stderr.write(f"lockproof: {error.strerror}\n")
        sys.exit(_NOT_MOUNTED)
    try:
        os.chdir(os.getcwd())  # noqa: PTH109 - what lies below is seen through the mount
        os.execve(command[0], command, _given_variables())  # noqa: S606 - that is what this is for
    except OSError as error:
        sys.stderr.write(f"lockproof: the command {command[0]!r} can't be started: {error.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main(*sys.argv[1:])
