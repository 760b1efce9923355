"""Wrappers on Windows: programs that call this environment's Python, and what they stand for.

pip, installer and virtualenv write one and the same form (distlib's): a stub in machine code, a line that names the
Python, and a zip archive with nothing but the wrapper's text in it. The archive carries a time, so that two of them are
never compared byte by byte: one is taken for what it stands for if the stub is a known one, the line names this
environment's Python, and the archive is, byte for byte, the one that zipfile writes for that text and time.
"""

from __future__ import annotations

import io
import re
import zipfile
from typing import TYPE_CHECKING

from lockproof.digests import sha256_hex
from lockproof.wheels.launchers import Launcher, parse_script, render_launcher

if TYPE_CHECKING:
    from collections.abc import Iterable

# The stubs of distlib 0.2.4 to 0.4.4, by sha256, and whether they open a window instead of a console.
_STUBS = {
    "6b4195e640a85ac32eb6f9628822a622057df1e459df7c17a12f97aeabc9415b": False,  # t32.exe
    "7edb9bd5bb123d408e9c19fe782b5c6ab29393437408110fe7706e9a42315891": False,
    "352df104254095ddf925514d99bfb5411c95b5386e90caf06557979f82e16844": False,
    "ebc4c06b7d95e74e315419ee7e88e1d0f71e9e9477538c00a93a9ff8c66a6cfc": False,  # t64-arm.exe
    "f1618387a688f162408e7811350a72269076d52bf6d0f09860548d5b57d677ac": False,
    "81a618f21cb87db9076134e70388b6e9cb7c2106739011b6a51772d22cae06b7": False,  # t64.exe
    "88284e1badbb2d64c763cfa3cd2c25a3d4985396bed091f042ee00a83cfc23af": False,
    "a00a877acefcad45953343ad56a22152f7aaba5fcf2a10215d84169d47fbcd1d": False,
    "62aee48069f0715f96da0dbe35eab7868d5cb149f62133141ab0e126d62b9cfe": False,  # t_arm.exe
    "47872cc77f8e18cf642f868f23340a468e537e64521d9a3a416c8b84384d064b": True,  # w32.exe
    "34f60fa6decf22356a00112ed42cda6db0f21c7909a6ec3efea66aff8f07d23d": True,
    "949b6765d794c53656c9afc45b90d9a2cfcae6bb30444086b29225f19242217b": True,
    "c5dc9884a8f458371550e09bd396e5418bf375820a31b9899f6499bf391c7b2e": True,  # w64-arm.exe
    "43f1ddcd5bbdcf161d6816b79b4889e7f75d2ce12ab4f7bcc77d16003a17cdaf": True,
    "7a319ffaba23a017d7b1e18ba726ba6c54c53d6446db55f92af53c279894f8ad": True,  # w64.exe
    "61bfaaaf53901332fc29119393e5c75190f03129637d07999d5a1393e2b87bb1": True,
    "d1a473a0dd813bd3565b810dcb8ff8bc7907478a994c564d55200925894e0d32": True,
    "091feafac1542754885b1b2bc57bf8a66e89351e6aa2c05ebf053fd7b66a2aba": True,  # w_arm.exe
}
_MAIN = "__main__.py"
_LINE = re.compile(rb"#!(\"?)([^\"\r\n]+)\1\r?\n")
_LONGEST_LINE = 4096
_TIME = (1980, 1, 1, 0, 0, 0)


def render_program(stub: bytes, interpreter: str, module: str, attr: str) -> bytes:
    """The program that this project writes for an entry point, the same bytes each time; `stub` is one of distlib's."""
    body = render_launcher("python", module, attr).partition(b"\n")[2]
    quote = '"' if " " in interpreter else ""
    return stub + f"#!{quote}{interpreter}{quote}\r\n".encode() + _archive(zipfile.ZipInfo(_MAIN, _TIME), body)


def program_value(module: str, attr: str, *, window: bool) -> str:
    """What a fact says of a wrapper on Windows, where it makes a difference whether it has a console or a window."""
    return f"{module}:{attr}{' gui' if window else ''}"


def parse_program(content: bytes, interpreters: Iterable[bytes]) -> str | None:
    """The `program_value` of a file of a scripts folder; None for any that is no known wrapper of this environment.

    `interpreters` are the paths of the environment's Pythons; Windows' paths mind neither case nor the kind of slash.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            (member,) = archive.infolist()
            body = archive.read(member)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError, EOFError, OSError):
        return None
    again = zipfile.ZipInfo(_MAIN, member.date_time)
    again.create_system, again.external_attr = member.create_system, member.external_attr
    tail = _archive(again, body)
    if member.filename != _MAIN or not content.endswith(tail):
        return None
    head = content[: len(content) - len(tail)]
    start = head.rfind(b"#!", max(0, len(head) - _LONGEST_LINE))
    line = _LINE.fullmatch(head, start) if start >= 0 else None
    window = _STUBS.get(sha256_hex(head[:start]))
    if line is None or window is None:
        return None
    known = {_folded(path) for path in interpreters}
    wrapper = parse_script(b"#!python\n" + body, (b"python",))
    if _folded(line[2]) not in known or not isinstance(wrapper, Launcher):
        return None
    return program_value(wrapper.module, wrapper.attr, window=window)


def _archive(member: zipfile.ZipInfo, body: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(member, body)
    return stream.getvalue()


def _folded(path: bytes) -> bytes:
    return path.replace(b"\\", b"/").lower()
