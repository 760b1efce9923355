"""Coverage-guided fuzzing of the lock readers: nothing but a lock or a lock error may come out of any text.

    python3.12 -m venv /tmp/fuzz && /tmp/fuzz/bin/pip install atheris hypothesis pytest 'packaging>=26.3'
    PYTHONPATH=src:tests /tmp/fuzz/bin/python fuzz/readers.py poetry values -max_total_time=600

The first word is the reader, the second what is changed of the locks in tests/data/locks: `bytes`, or `values`, which
keeps them TOML or JSON. The rest goes to libFuzzer. An input that breaks the rule is printed; it belongs into
tests/unit, with the mend.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["lockproof.locks", "lockproof.locks.plan"]):
    from hypothesis import given, settings

    from property.test_lock_readers import rebuilt
    from support.lockrules import READERS, SEEDS, held


def main() -> None:
    """Fuzz the reader that the command line names."""
    name, changed = sys.argv.pop(1), sys.argv.pop(1)
    read = READERS[name]

    @settings(deadline=None, database=None)
    @given(rebuilt(name))
    def values(text: str) -> None:
        held(read, text)

    corpus = Path(tempfile.mkdtemp(prefix="corpus-"))
    if changed == "bytes":
        for index, seed in enumerate(SEEDS[name]):
            (corpus / f"seed-{index}").write_text(seed, encoding="utf-8")
        atheris.Setup([*sys.argv, str(corpus)], lambda data: held(read, data.decode("utf-8", "replace")))
    else:
        for index in range(32):  # hypothesis rejects what is too short for its choices
            (corpus / f"seed-{index}").write_bytes(random.Random(index).randbytes(2048))
        atheris.Setup([*sys.argv, str(corpus)], values.hypothesis.fuzz_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
