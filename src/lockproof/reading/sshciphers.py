"""Which cipher ssh should take first, where nobody has chosen one.

OpenSSH begins with chacha20-poly1305, which is quick everywhere. Where a processor has instructions for AES, AES in
Galois/Counter mode (RFC 5647) is as safe and takes half of the time; what travels is hundreds of megabytes.
"""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_CPU = Path("/proc/cpuinfo")  # Linux: x86 has "flags", ARM "Features"
_HEAD = 1 << 14  # bytes: all processors are alike
_QUICK = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
_TIMEOUT = 10  # seconds


def quick_ciphers(command: Sequence[str], host: str) -> tuple[str, ...]:
    """The setting `Ciphers=…` for a connection, as ssh_config(5) has it; none where ssh's own choice is to stand.

    It stands where any configuration names ciphers, where this machine has no instructions for AES, and where ssh
    doesn't say what it would do (`ssh -G`). The ciphers offered are those of ssh itself, in another order.
    """
    if not _has_aes():
        return ()
    asked = [[*command, *options, "-G", "--", host] for options in ((), ("-F", "none"))]
    configured, own = (_ciphers(said) for said in _say(asked))
    quick = [cipher for cipher in _QUICK if cipher in own]
    if configured != own or not quick:
        return ()
    return (f"Ciphers={','.join([*quick, *(cipher for cipher in own if cipher not in quick)])}",)


def _has_aes() -> bool:
    try:
        with _CPU.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return False
    lines = (line.split() for line in head.splitlines() if line.startswith((b"flags", b"Features")))
    return any(b"aes" in words for words in lines)


def _say(commands: Sequence[Sequence[str]]) -> list[str]:
    """What each command prints, all at once; nothing for one that fails."""
    said, processes = [], []
    for command in commands:
        with suppress(OSError, ValueError):
            null = subprocess.DEVNULL
            processes.append(subprocess.Popen(command, stdin=null, stdout=subprocess.PIPE, stderr=null))
    for process in processes:
        try:
            out, _ = process.communicate(timeout=_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            out, _ = process.communicate()
        said.append(out.decode("utf-8", "replace") if process.returncode == 0 else "")
    return said + [""] * (len(commands) - len(said))


def _ciphers(said: str) -> list[str]:
    lines = (line.partition(" ") for line in said.splitlines())
    return next((value.split(",") for key, _, value in lines if key == "ciphers"), [])
