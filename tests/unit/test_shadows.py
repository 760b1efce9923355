"""What a stray file is imported in place of."""

from __future__ import annotations

import pytest

from lockproof.reading.shadows import what_it_hides

PATHS = {"site/other.py", "site/pkg/__init__.py", "site/pkg/mod.py", "site/fast.abi3.so"}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("site/other.cpython-312-x86_64-linux-gnu.so", ", and is imported in place of site/other.py"),
        ("site/pkg/mod.abi3.so", ", and is imported in place of site/pkg/mod.py"),
        ("site/pkg/mod.so", ", and is imported in place of site/pkg/mod.py"),
        ("site/other/__init__.py", ", and is imported in place of site/other.py"),
        ("site/other/__init__.abi3.so", ", and is imported in place of site/other.py"),
        ("site/fast/__init__.py", ", and is imported in place of site/fast.abi3.so"),
        ("site/json/__init__.py", ", and has the name of the standard library's json"),
        ("site/json.py", ", and has the name of the standard library's json"),
        ("site/json.pyc", ", and has the name of the standard library's json"),
        ("site/_ssl.abi3.so", ", and has the name of the standard library's _ssl"),
        ("site/pkg/json.py", ""),
        ("site/json.txt", ""),
        ("site/other.txt", ""),
        ("site/stray.py", ""),
        ("data/json.py", ""),
        ("scripts/json.py", ""),
    ],
)
def test_what_a_file_hides(path: str, said: str) -> None:
    assert what_it_hides(path, PATHS) == said
