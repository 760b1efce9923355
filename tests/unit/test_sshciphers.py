"""Ciphers: another order only where nobody has named one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from lockproof.reading import sshciphers
from lockproof.reading.sshciphers import quick_ciphers

if TYPE_CHECKING:
    from pathlib import Path

OWN = "chacha20-poly1305@openssh.com,aes128-ctr,aes128-gcm@openssh.com,aes256-gcm@openssh.com"
QUICK = "Ciphers=aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr"
SSH = """import sys
assert sys.argv[-3:] == ["-G", "--", "box"]
own = "-F" in sys.argv[1:] and sys.argv[sys.argv.index("-F") + 1] == "none"
said = {own!r} if own else {configured!r}
print("user me\\n" + said + "\\nport 22") if said else sys.exit(255)
"""


@pytest.fixture(autouse=True)
def cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nflags\t\t: fpu sse2 aes avx\n")
    monkeypatch.setattr(sshciphers, "_CPU", path)
    return path


def ask(folder: Path, configured: str, own: str = f"ciphers {OWN}") -> tuple[str, ...]:
    script = folder / "ssh.py"
    script.write_text(SSH.format(own=own, configured=configured))
    return quick_ciphers([sys.executable, str(script)], "box")


def test_aes_comes_first_where_nobody_named_any(tmp_path: Path) -> None:
    assert ask(tmp_path, f"ciphers {OWN}") == (QUICK,)


@pytest.mark.parametrize(
    ("configured", "own"),
    [
        ("ciphers aes256-ctr", f"ciphers {OWN}"),
        ("", f"ciphers {OWN}"),
        ("", ""),
        (f"ciphers {OWN}", ""),
        ("compression no", "compression no"),
        ("ciphers aes256-ctr", "ciphers aes256-ctr"),
    ],
)
def test_otherwise_ssh_chooses(tmp_path: Path, configured: str, own: str) -> None:
    assert ask(tmp_path, configured, own) == ()


@pytest.mark.parametrize("said", ["flags : fpu sse2\n", "Features : fp asimd aesx\n", "", None])
def test_without_instructions_for_aes_ssh_chooses(tmp_path: Path, cpu: Path, said: str | None) -> None:
    cpu.unlink()
    if said is not None:
        cpu.write_text(said)
    assert ask(tmp_path, f"ciphers {OWN}") == ()


def test_an_ssh_that_is_not_there_chooses_nothing() -> None:
    assert quick_ciphers(["no-such-ssh"], "box") == ()
