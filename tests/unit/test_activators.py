"""Scripts for activating: what a release wrote is known wherever it lies, and nothing else is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lockproof.digests import sha256_hex
from lockproof.environments.environment import make_skeleton
from lockproof.reading import activators
from lockproof.reading.activators import Place, digest_of, has_release, is_known, written_by
from lockproof.reading.leftout import activator_findings
from lockproof.reading.reader import read_tree
from lockproof.reading.readtree import layout_of
from support.environments import app_data, running

PLACE = Place(("/work/my env",), "/opt/python/bin", "lib/python3.11/site-packages")
TEXT = b"VIRTUAL_ENV='/work/my env'\nPS1=\"(my env) $PS1\"\nTCL_LIBRARY='/opt/python/lib/tcl8.6'\n"


def known(monkeypatch: pytest.MonkeyPatch, content: bytes = TEXT, place: Place = PLACE) -> None:
    monkeypatch.setattr(activators, "KNOWN", {"activate": {digest_of(content, place): "venv 3.99"}})


def test_the_same_script_elsewhere_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch)
    elsewhere = Place(("/x", "/private/x"), "/usr/bin", "lib/python3.12/site-packages")
    text = b"VIRTUAL_ENV=/private/x\nPS1=\"(x) $PS1\"\nTCL_LIBRARY=''\n"

    assert is_known("activate", TEXT, PLACE)
    assert is_known("activate", text, elsewhere)
    assert not is_known("activate.fish", text, elsewhere)


@pytest.mark.parametrize(
    "text",
    [
        TEXT + b"\n",
        TEXT.replace(b"'/work/my env'", b"/work/my env"),  # a space that no quotes hold
        TEXT.replace(b"/work/my env", b"/work/my envy"),
        TEXT.replace(b"/opt/python/lib/tcl8.6", b"/tmp/lib/tcl8.6"),  # Tcl runs what it finds there
        TEXT.replace(b"/lib/tcl8.6", b"/lib/tcl8.6/../../../../tmp"),
        TEXT.replace(b"'/work/my env'", b"'/work/my env''; evil; '"),
        TEXT.replace(b"'/work/my env'", b"@ENV@"),  # what stands for the folder in the digest is one to a shell
    ],
)
def test_anything_else_is_not(text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    known(monkeypatch)
    assert not is_known("activate", text, PLACE)


def test_a_prompt_stands_where_prompts_do(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"set -gx PATH '/x/env/''bin'\nif test -n ''\n  set -gx VIRTUAL_ENV_PROMPT ''\n"
    place = Place(("/x/env",), "/usr/bin", "site")
    known(monkeypatch, text, place)
    asked = place._replace(prompt="../../tmp/")

    assert is_known("activate", text.replace(b"-n ''", b"-n '../../tmp/'").replace(b"T ''", b"T '../../tmp/'"), asked)
    assert not is_known("activate", text.replace(b"''bin", b"'../../tmp/'bin"), asked)


def test_a_path_that_means_something_to_a_shell_is_never_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(("/x/$(evil)",), "/usr/bin", "site")
    known(monkeypatch, b"VIRTUAL_ENV='/x/y'", Place(("/x/y",), "/usr/bin", "site"))
    assert not is_known("activate", b'VIRTUAL_ENV="/x/$(evil)"', place)


def test_who_wrote_it() -> None:
    assert written_by({"virtualenv": "20.4.7", "version": "3.9"}) == "virtualenv 20.4.7"
    assert written_by({"uv": "0.9.1"}) == "uv 0.9.1"
    assert written_by({"version": "3.12.1"}) == "venv 3.12.1"
    assert has_release("virtualenv 20.4.7")
    assert not has_release("virtualenv 20.4")


@pytest.mark.parametrize("name", ["plain", "with space", "env", "ünï"])
def test_virtualenv_s_own_are_known(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    make_skeleton(running(), folder, app_data())
    tree = read_tree(str(folder))
    scripts = {path for path in tree.texts if path.startswith("bin/")}

    assert len(scripts) > 5
    assert {f.path.removeprefix("scripts/") for f in activator_findings(tree, layout_of(tree))} == set()


def test_venv_s_own_are_known_to_the_script_that_makes_the_table(tmp_path: Path) -> None:
    """Every release writes the same text into two environments, once their values are out of it."""
    digests = []
    for name in ("one", "another place"):
        folder = tmp_path / name / "env-x"
        subprocess.run([running().executable, "-m", "venv", "--without-pip", folder], check=True)
        layout = layout_of(tree := read_tree(str(folder)))
        place = Place((str(folder),), str(running().executable.parent), layout.site)
        digests.append({path: digest_of(text, place) for path, text in tree.texts.items() if path.startswith("bin/")})
    assert digests[0] == digests[1]
    assert sha256_hex(b"") not in digests[0].values()


@pytest.mark.parametrize("name", ["activate", "activate.bat", "activate.fish", "activate_this.py"])
def test_a_prompt_is_the_environment_s_own(name: str, tmp_path: Path) -> None:
    """uv gives its environments the name of the project as their prompt."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        pytest.skip("uv is not there")
    python = str(running().executable)
    for folder, more in (("plain", []), ("named", ["--prompt", "my project"])):
        command = [uv, "--no-config", "venv", "-q", "--no-cache", "--python", python, *more, str(tmp_path / folder)]
        subprocess.run(command, check=True)
    told = {}
    for folder in ("plain", "named"):
        tree = read_tree(str(tmp_path / folder))
        told[folder] = [f for f in activator_findings(tree, layout_of(tree)) if f.path == f"scripts/{name}"]
    assert told["named"] == told["plain"]
