"""How much it costs to compare an environment's bytecode with its sources, the first time and again.

    python benchmarks/bytecode.py ENVIRONMENT

Seconds on the clock and of processor time, children included, of `lockproof fingerprint`; the cache is empty the first
time and is removed at the end. The interpreter's own digests are made before, and counted in neither.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def seconds(environment: str, cache: str) -> tuple[float, float]:
    """(clock, processor) of one look."""
    before, start = os.times(), time.perf_counter()
    command = [sys.executable, "-m", "lockproof", "fingerprint", environment, "--store", cache]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - start, spent


def main(environment: str) -> None:
    """Print both."""
    with tempfile.TemporaryDirectory() as cache:
        seconds(environment, cache)
        for known in Path(cache, "vouched").iterdir():
            known.unlink()
        for name in ("first", "again"):
            clock, processor = seconds(environment, cache)
            print(f"{name}: {clock:.1f} s, {processor:.1f} s of processor time")


if __name__ == "__main__":
    main(sys.argv[1])
