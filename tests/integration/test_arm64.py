"""linux/arm64 on a machine that isn't one: its programs run emulated, in real containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.tools import run

if TYPE_CHECKING:
    from lockproof.containers.engines import Engine

SAYS = "import platform, sysconfig; print(platform.machine(), sysconfig.get_config_var('SOABI'), *platform.libc_ver())"


def test_the_python_of_an_arm64_image_runs_emulated(engine: Engine, arm64: str) -> None:
    emulated = ["run", "--rm", "--network", "none", "--platform", "linux/arm64", arm64, "python3", "-I", "-c", SAYS]

    assert run([engine.program, *emulated], engine.environ).split() == [
        "aarch64",
        "cpython-311-aarch64-linux-gnu",
        "glibc",
        "2.36",
    ]
    assert engine.image(arm64).platform == "linux/arm64"
