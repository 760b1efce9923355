"""Builds known by their files alone: what is held whole, and from where Python would take its library."""

from __future__ import annotations

from functools import partial

import pytest

from lockproof.digests import sha256_hex
from lockproof.proof.fingerprint import Finding
from lockproof.pythons.carried import Carried, Holder, carried_build
from lockproof.reading.surroundings import carried_home_finding
from lockproof.reading.tarreader import follow_links

PREFIX = "opt/python"
FILES = {
    "bin/python3.12": "executable",
    "lib/python3.12/os.py": "os",
    "lib/python3.12/lib-dynload/math.so": "math",
    "lib/libpython3.12.so.1.0": "library",
    "lib/libpython3.so": "stub",
}
LINKS = {f"{PREFIX}/bin/python3": "python3.12", f"{PREFIX}/lib/libpython3.12.so": "libpython3.12.so.1.0"}


def holder(files: dict[str, str] | None = None, links: dict[str, str] | None = None) -> Holder:
    """A build in `PREFIX`, with more files (below the root, and their content) and links."""
    held = {f"{PREFIX}/{path}": content for path, content in FILES.items()} | (files or {})
    all_links = {path: target for path, target in LINKS.items() if path not in held} | (links or {})
    digests = {path: sha256_hex(content.encode()) for path, content in held.items()}
    return Holder(digests, all_links, {}, lambda path: follow_links(all_links, path))


def build(files: dict[str, str] | None = None, links: dict[str, str] | None = None) -> Carried | None:
    return carried_build(holder(files, links), f"{PREFIX}/bin/python3")


def honest() -> Carried:
    found = build()
    assert found is not None
    return found


def test_a_whole_build() -> None:
    found = honest()
    assert (found.prefix, found.series) == (PREFIX, "3.12")
    assert found.files["libpython"] == f"sha256:{sha256_hex(b'library')}"
    assert sorted(found.rows) == ["lib-dynload/math.so", "stdlib/os.py"]


@pytest.mark.parametrize(
    ("files", "links"),
    [
        ({f"{PREFIX}/lib/python312.zip/json.py": "evil"}, {}),
        ({"opt/else/json.py": "evil"}, {f"{PREFIX}/lib/python312.zip": "/opt/else"}),
        ({}, {f"{PREFIX}/lib/python312.zip": "/not/held"}),
        ({}, {f"{PREFIX}/lib/python312.zip/json.py": "/not/held"}),
        ({f"{PREFIX}/lib/libpython3.12.so": "library", f"{PREFIX}/lib/libpython3.12.so.1.0": "evil"}, {}),
        ({f"{PREFIX}/lib/libpython3.12.so.1.1": "evil"}, {}),
        ({"opt/evil.so": "evil"}, {f"{PREFIX}/lib/libpython3.12.so.1": "/opt/evil.so"}),
        ({}, {f"{PREFIX}/lib/libpython3.12.so.1": "/not/held"}),
        ({f"{PREFIX}/lib/glibc-hwcaps/x86-64-v2/libpython3.12.so.1.0": "evil"}, {}),
        ({f"{PREFIX}/bin/pybuilddir.txt": "/opt/evil"}, {}),
        ({f"{PREFIX}/bin/Modules/Setup.local": ""}, {}),
        ({f"{PREFIX}/bin/python3.12._pth": "/opt/evil"}, {}),
        ({f"{PREFIX}/bin/pyvenv.cfg": "home = /opt/evil"}, {}),
        ({f"{PREFIX}/bin/lib/python3.12/os.py": "evil"}, {}),
        ({"opt/evil/python3.12/os.py": "evil"}, {f"{PREFIX}/bin/lib64": "/opt/evil"}),
        ({}, {f"{PREFIX}/lib/python3.12/json": "/not/held"}),
        ({"srv/python3.12": "evil"}, {f"{PREFIX}/bin/python3": "aside/../python3.12", f"{PREFIX}/bin/aside": "/srv/x"}),
    ],
)
def test_what_may_be_another_is_not_held_whole(files: dict[str, str], links: dict[str, str]) -> None:
    assert build(files, links) is None


def test_a_zip_counts_by_where_its_link_leads() -> None:
    found = build({"opt/evil.zip": "evil"}, {f"{PREFIX}/lib/python312.zip": "/opt/evil.zip"})
    assert found is not None
    assert found.rows["stdlib/../python312.zip"] == sha256_hex(b"evil")


def test_equal_copies_of_the_library_are_one() -> None:
    found = build({f"{PREFIX}/lib/libpython3.12.so": "library"})
    assert found is not None
    assert found.files == honest().files


def said(home: str, files: dict[str, str] | None = None, links: dict[str, str] | None = None) -> str:
    finding = carried_home_finding(home, honest(), holder(files, links))
    if finding is None:
        return ""
    assert finding == Finding("interpreter-home", "data/pyvenv.cfg", finding.message)
    return finding.message.removeprefix(f"says home = {home}, ")


@pytest.mark.parametrize("home", [f"/{PREFIX}/bin", f"/{PREFIX}/bin/", f"/{PREFIX}", "/usr/minor/bin"])
def test_a_home_from_which_python_finds_its_own_library(home: str) -> None:
    assert said(home, {"usr/lib/python3.11/os.py": "other"}, {"usr/minor": "/opt/python"}) == ""


@pytest.mark.parametrize(
    "home", [f"{PREFIX}/bin", "", "/usr/bin", f"/{PREFIX}/bin/../bin", f"/{PREFIX}/./bin", f"//{PREFIX}/bin"]
)
def test_a_home_that_is_elsewhere_or_not_sure(home: str) -> None:
    assert said(home) == f"its interpreter is in /{PREFIX}/bin"


@pytest.mark.parametrize("mark", ["python3.12/os.py", "python3.12/os.pyc", "python3.12/lib-dynload/x", "python312.zip"])
@pytest.mark.parametrize("folder", ["lib", "lib64"])
def test_a_link_to_the_interpreter_s_folder_beside_another_library(folder: str, mark: str) -> None:
    message = "from where Python finds the standard library of /opt/fake"
    assert said("/opt/fake/bin", {f"opt/fake/{folder}/{mark}": "evil"}, {"opt/fake/bin": "/opt/python/bin"}) == message


def test_a_link_below_another_library() -> None:
    found = said("/opt/fake/deep/bin", {"opt/fake/lib/python312.zip": ""}, {"opt/fake/deep/bin": "/opt/python/bin"})
    assert found == "from where Python finds the standard library of /opt/fake"


def test_an_old_home_that_is_a_build_folder() -> None:
    text = "where pybuilddir.txt decides where Python finds its standard library"
    assert said(f"/{PREFIX}", {f"{PREFIX}/pybuilddir.txt": "x"}) == text


def test_extension_modules_behind_a_link_are_not_held_whole() -> None:
    files = {f"{PREFIX}/{path}": path for path in FILES if "dynload" not in path}
    digests = {path: sha256_hex(content.encode()) for path, content in files.items()}
    links = {**LINKS, f"{PREFIX}/lib/python3.12/lib-dynload": "/opt/evil"}
    for held, whole in ((LINKS, True), (links, False)):
        found = carried_build(Holder(digests, held, {}, partial(follow_links, held)), f"{PREFIX}/bin/python3")
        assert (found is not None) == whole
