"""Laws of wheels: whatever files one holds, what is predicted of it is what lands and what is seen."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockproof.proof.compare import attributed
from lockproof.wheels.entryfiles import installer_files, manifest_from_json, manifest_to_json, static_record
from lockproof.wheels.manifest import check_member_name
from lockproof.wheels.store import Store
from support.environments import make, observed, predicted, stored
from support.wheels import make_wheel

pytestmark = pytest.mark.skipif(os.name == "nt", reason="environments of this platform are laid out otherwise")
_PARTS = st.text(st.sampled_from("ab.,\"' \n\t#é\u0301-_"), min_size=1, max_size=5).filter(
    lambda part: part not in (".", "..") and not part.endswith((".data", ".dist-info"))
)
_PATHS = st.lists(_PARTS, min_size=1, max_size=3).map("/".join)
_CONTENTS = st.binary(max_size=20)


def no_file_is_a_folder(paths: list[str]) -> bool:
    return not any(other.startswith(f"{path}/") for path in paths for other in paths)


FILES = st.dictionaries(_PATHS, _CONTENTS, max_size=6).filter(lambda files: no_file_is_a_folder(list(files)))
POINTS = st.dictionaries(st.sampled_from(["one", "two-x", "three.y"]), st.sampled_from(["m:f", "m.n:C.g"]), max_size=2)
SCRIPTS = st.dictionaries(
    st.sampled_from(["s1", "s2"]),
    st.sampled_from(["#!python\nx", "#!pythonw -E\r\nx", "#!/bin/sh\n", b"\x7fELF\x00"]),
    max_size=2,
)


@settings(max_examples=25)
@given(files=FILES, points=POINTS, scripts=SCRIPTS, data=FILES, link=st.sampled_from(["copy", "hardlink", "symlink"]))
def test_an_environment_is_what_its_wheel_predicts(
    files: dict[str, bytes], points: dict[str, str], scripts: dict[str, str | bytes], data: dict[str, bytes], link: str
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = make_wheel(
            folder,
            "demo",
            "1.0",
            files,
            entry_points={"console_scripts": points},
            scripts=scripts,
            data={f"data/share/{path}": content for path, content in data.items()},
        )
        store = Store(folder / "store")
        entries = stored(store, [wheel])
        manifest = entries[0].manifest
        added = installer_files(manifest, static_record(manifest))
        assert manifest_from_json(manifest_to_json(manifest, added)) == (manifest, added)
        assert [(file.path, file.sha256) for file in manifest.files] + added == entries[0].files

        make(entries, folder / "env", link=link)
        expected, seen = predicted(entries), observed(folder / "env", store)
        assert seen.findings == ()
        assert dict(seen.files) == dict(expected.files)
        assert attributed(expected, seen).digest == expected.digest


@given(st.text(st.sampled_from("ab./\\:\0C"), max_size=8))
def test_a_name_that_is_let_in_stays_inside(name: str) -> None:
    if check_member_name(name) is None:
        path = os.path.normpath(f"/root/{name}")
        assert path.startswith("/root/")
        assert path == f"/root/{name}".rstrip("/")
        assert "\\" not in name
        assert "\0" not in name
