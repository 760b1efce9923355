"""Prefixes laid out as pyenv, conda and Debian have them: what is the environment's, and what is not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lockproof.digests import record_hash, sha256_hex
from lockproof.reading.prefixes import inspect_prefix, is_prefix

if TYPE_CHECKING:
    from pathlib import Path

    from lockproof.proof.fingerprint import Fingerprint
    from lockproof.pythons.carried import Carried

pytestmark = pytest.mark.skipif(os.name == "nt", reason="prefixes of this kind are of POSIX systems")
PLAIN, DEBIAN = "lib/python3.11/site-packages", "local/lib/python3.11/dist-packages"


def write(root: Path, path: str, content: str = "x = 1\n", mode: int = 0o644) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(content)
    (root / path).chmod(mode)


def python(root: Path) -> None:
    """What `make install` leaves, in small."""
    write(root, "bin/python3.11", "\x7fELF", 0o755)
    for name, target in {"python3": "python3.11", "python": "python3"}.items():
        (root / "bin" / name).symlink_to(target)
    for name in ("idle3.11", "pydoc3.11", "2to3-3.11"):
        write(root, f"bin/{name}", f"#!{root}/bin/python3.11\n", 0o755)
    for name in ("os.py", "site.py", "json/__init__.py", "lib-dynload/math.so", "config-3.11-x/python-config.py"):
        write(root, f"lib/python3.11/{name}")
    write(root, "lib/python3.11/_sysconfigdata_x.py", f"build_time_vars = {{\n 'prefix': '{root}',\n}}\n")
    write(root, "lib/libpython3.11.so.1.0", "\x7fELF lib")
    write(root, "include/python3.11/Python.h")
    write(root, "include/python3.11/patchlevel.h", '#define PY_VERSION              "3.11.7"\n')
    write(root, "bin/openssl", "\x7fELF other", 0o755)
    write(root, "share/man/man1/python3.1")
    write(root, "var/huge")


def distribution(root: Path, site: str, name: str) -> None:
    """A distribution with a module, a script, a header and a data file, as pip installs it."""
    base = "local/" if site.startswith("local/") else ""
    up = os.path.relpath(root / base.rstrip("/"), root / site)
    files = {
        f"{name}.py": "y = 2\n",
        f"{name}-1.0.dist-info/METADATA": f"Name: {name}\nVersion: 1.0\n",
        f"{up}/bin/{name}": f"#!{root}/bin/python3.11\nimport {name}\n",
        f"{up}/include/python3.11/{name}/{name}.h": "int x;\n",
        f"{up}/share/{name}.txt": "text\n",
    }
    rows = []
    for path, content in files.items():
        write(root, os.path.normpath(f"{site}/{path}"), content, 0o755 if "/bin/" in path else 0o644)
        rows.append(f"{path},{record_hash(sha256_hex(content.encode()))},{len(content)}")
    write(root, f"{site}/{name}-1.0.dist-info/RECORD", "\n".join([*rows, f"{name}-1.0.dist-info/RECORD,,"]) + "\n")


def look(root: Path) -> Fingerprint:
    def recognise(carried: Carried, outside: str) -> None:
        assert (carried.series, carried.version, outside) == ("3.11", "3.11.7", str(root))

    return inspect_prefix(root, recognise=recognise).fingerprint


def told(found: Fingerprint) -> list[tuple[str, str, str]]:
    return [(finding.code, finding.path, finding.level) for finding in found.findings]


OURS = {
    "site/demo.py",
    "site/demo-1.0.dist-info/METADATA",
    "scripts/demo",
    "headers/demo/demo.h",
    "data/share/demo.txt",
}
OTHERS = ("programs", "scripts", "note")


@pytest.mark.parametrize("site", [PLAIN, DEBIAN, "lib/python3/dist-packages"])
def test_only_what_is_installed_counts(site: str, tmp_path: Path) -> None:
    python(tmp_path)
    distribution(tmp_path, site, "demo")
    assert is_prefix(tmp_path)
    found = look(tmp_path)
    assert set(found.files) == OURS
    assert found.files["scripts/demo"].kind == "s"
    assert told(found) == [OTHERS]
    assert {name: digest for name, digest in found.interpreter.items() if ":" not in digest} == {
        "implementation": "cpython",
        "version": "3.11.7",
    }


def test_it_is_the_same_wherever_its_distributions_lie(tmp_path: Path) -> None:
    layers = []
    for site in (PLAIN, DEBIAN):
        root = tmp_path / site.replace("/", "-")
        python(root)
        distribution(root, site, "demo")
        layers.append(look(root).layers)
    assert layers[0] == layers[1]


def test_debian_s_two_folders_are_one_environment(tmp_path: Path) -> None:
    python(tmp_path)
    distribution(tmp_path, DEBIAN, "demo")
    distribution(tmp_path, "lib/python3/dist-packages", "other")
    write(tmp_path, "lib/python3/dist-packages/demo.py", "another\n")
    found = look(tmp_path)
    assert [dist.name for dist in found.distributions] == ["demo", "other"]
    assert told(found) == [OTHERS, ("shadowed", "site/demo.py", "mismatch")]
    assert found.files["site/demo.py"].value == sha256_hex(b"y = 2\n")


STRAYS = {
    "a module": (f"{PLAIN}/stray.py", "", ("unowned", "site/stray.py")),
    "a path file": (f"{PLAIN}/x.pth", "import os\n", ("unowned", "site/x.pth")),
    "a sitecustomize": (f"{PLAIN}/sitecustomize.py", "", ("unowned", "site/sitecustomize.py")),
    "a script of Python": ("bin/evil", "#!/usr/bin/env python3\n", ("unowned", "scripts/evil")),
    "a README that is another": (f"{PLAIN}/README.txt", "import\n", ("unowned", "site/README.txt")),
    "Debian's folder": (f"{DEBIAN}/stray.py", "", ("unowned", "site/stray.py")),
}


@pytest.mark.parametrize("name", STRAYS)
def test_what_is_stray_is_named(name: str, tmp_path: Path) -> None:
    path, content, finding = STRAYS[name]
    python(tmp_path)
    distribution(tmp_path, PLAIN, "demo")
    write(tmp_path, path, content, 0o755)
    assert told(look(tmp_path)) == [OTHERS, (*finding, "mismatch")]


@pytest.mark.parametrize("name", ["pyvenv.cfg", "pybuilddir.txt", "python3.11._pth"])
def test_what_decides_where_python_looks_for_its_library_is_named(name: str, tmp_path: Path) -> None:
    python(tmp_path)
    write(tmp_path, f"bin/{name}", "/opt/evil\n")
    found = told(look(tmp_path))
    assert ("interpreter", "scripts/python", "unproven") in found
    assert ("unowned", f"scripts/{name}", "mismatch") in found


def test_a_folder_in_place_of_the_library_s_zip_is_no_whole_python(tmp_path: Path) -> None:
    python(tmp_path)
    write(tmp_path, "lib/python311.zip/json.py", "evil = 1\n")
    assert ("interpreter", "scripts/python", "unproven") in told(look(tmp_path))


def test_folders_that_everybody_may_write_are_named(tmp_path: Path) -> None:
    """But for those that are none of Python's."""
    python(tmp_path)
    distribution(tmp_path, PLAIN, "demo")
    for name in (PLAIN, "lib/python3.11/json", "var", "share"):
        (tmp_path / name).chmod(0o1777)
    found = [(finding.path, finding.message) for finding in look(tmp_path).findings if finding.code == "mode"]
    text = "its mode 1777 is world-writable"
    assert found == [("data/lib/python3.11/json", text), ("site", text)]


def test_what_came_with_python_or_is_not_python_is_left_in_peace(tmp_path: Path) -> None:
    python(tmp_path)
    write(tmp_path, f"{PLAIN}/README.txt", (
        "This directory exists so that 3rd party packages can be installed\n"
        "here.  Read the source for site.py for more details.\n"
    ))  # fmt: skip
    write(tmp_path, "bin/tool", "#!/bin/sh\n", 0o755)
    write(tmp_path, "conda-meta/history")
    found = look(tmp_path)
    assert (dict(found.files), told(found)) == ({}, [OTHERS])


def test_a_site_packages_that_is_a_link_is_named(tmp_path: Path) -> None:
    root = tmp_path / "root"
    python(root)
    distribution(root, PLAIN, "demo")
    (root / PLAIN).rename(tmp_path / "elsewhere")
    (root / PLAIN).symlink_to(tmp_path / "elsewhere")
    assert ("unowned", f"data/{PLAIN}", "mismatch") in told(look(root))


@pytest.mark.parametrize("path", ["bin/python3.11", "lib/python3.11/os.py", "lib/python3.11/lib-dynload/math.so"])
def test_a_changed_interpreter_is_another(path: str, tmp_path: Path) -> None:
    python(tmp_path)
    before = look(tmp_path)
    write(tmp_path, path, "changed", 0o755)
    after = look(tmp_path)
    assert before.layers["interpreter"] != after.layers["interpreter"]
    assert before.layers["files"] == after.layers["files"]


def test_names_of_python_that_are_different_programs_are_named(tmp_path: Path) -> None:
    python(tmp_path)
    (tmp_path / "bin/python").unlink()
    write(tmp_path, "bin/python", "#!/bin/sh\nexec evil\n", 0o755)
    assert ("interpreter-links", "scripts/python", "mismatch") in told(look(tmp_path))


def test_a_prefix_without_a_whole_python_stays_unproven(tmp_path: Path) -> None:
    distribution(tmp_path, PLAIN, "demo")
    found = inspect_prefix(tmp_path, recognise=lambda _carried, _outside: None).fingerprint
    assert "interpreter" not in found.layers
    assert ("interpreter", "scripts/python", "unproven") in told(found)


def test_a_python_s_word_on_itself_is_no_proof(tmp_path: Path) -> None:
    python(tmp_path)
    found = inspect_prefix(tmp_path, recognise=lambda _carried, _outside: None, running=str(tmp_path)).fingerprint
    assert told(found) == [OTHERS, ("self-reported", "", "unproven")]


def test_what_a_record_claims_is_not_reached_through_links(tmp_path: Path) -> None:
    root = tmp_path / "root"
    python(root)
    distribution(root, PLAIN, "demo")
    (root / "share").rename(tmp_path / "share")
    (root / "share").symlink_to(tmp_path / "share")
    assert ("record-ghost", "data/share/demo.txt", "mismatch") in told(look(root))


@pytest.mark.parametrize("target", ["../../../../bin/x.py", "{root}/../bin/x.py", "{root}/lib/../../bin/x.py"])
def test_a_link_that_leaves_the_prefix_is_not_taken_for_one_inside(target: str, tmp_path: Path) -> None:
    """Seen from a prefix that is a root, all of these would be its own bin/x.py."""
    root, module = tmp_path / "root", "lib/python3.11/json/__init__.py"
    python(root)
    before = look(root).layers["interpreter"]
    (root / module).rename(root / "bin/x.py")
    write(tmp_path, "bin/x.py", "evil = 1\n")
    (root / module).symlink_to(target.format(root=root))
    assert (root / module).read_text() == "evil = 1\n"

    found = inspect_prefix(root, recognise=lambda _carried, _outside: None).fingerprint

    assert found.layers.get("interpreter") != before


def test_links_to_the_outside_are_not_taken_for_each_other(tmp_path: Path) -> None:
    """What lies there is known by the very target of a link, which only the file system itself resolves."""
    root, module = tmp_path / "root", "lib/python3.11/json/__init__.py"
    python(root)
    write(tmp_path, "honest.py")
    write(tmp_path, "evil/honest.py", "evil = 1\n")
    (tmp_path / "evil/below").mkdir()
    (tmp_path / "aside").symlink_to(tmp_path / "evil/below")
    (root / module).unlink()
    (root / module).symlink_to(tmp_path / "honest.py")
    (root / "lib/python3.11/other.py").symlink_to(tmp_path / "honest.py")
    before = look(root).layers["interpreter"]
    (root / module).unlink()
    (root / module).symlink_to(f"{tmp_path}/aside/../honest.py")

    assert look(root).layers["interpreter"] != before
