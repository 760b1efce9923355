"""What a resolver is asked, what it learns of the user's environment, and what is told of its failures."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from lockproof.cells.sources import Source
from lockproof.environments import installers
from lockproof.environments.installers import ToolVersion
from lockproof.errors import LockError, UnavailableError
from lockproof.relocking.resolvers import Wanted, find_uv, resolve_with_uv, resolver_environment, without_logins

if TYPE_CHECKING:
    from pathlib import Path

MAIN, MORE = "https://me:s3cret@index.invalid/simple", "https://more.index.invalid/simple"
STUB = """\
import json, os, sys
out = sys.argv[sys.argv.index("--output-file") + 1]
had = open(out).read() if os.path.exists(out) else None
open(out, "w").write(json.dumps({"argv": sys.argv[1:], "environ": dict(os.environ), "cwd": os.getcwd(), "had": had}))
said = os.environ.get("UV_TEST_SAID")
if said:
    sys.stderr.write(said)
    sys.exit(2)
"""


@pytest.fixture
def stub(tmp_path: Path) -> ToolVersion:
    """A uv that writes down how it was called."""
    (tmp_path / "stub.py").write_text(STUB)
    return ToolVersion(name="uv", version="1", command=(sys.executable, str(tmp_path / "stub.py")))


def wanted(root: Path, **more: object) -> Wanted:
    said = {
        "root": root,
        "sources": (Source(file="a.in"), Source(file="pyproject.toml", groups=("t",), with_dependencies=False)),
        "filename": "requirements.txt",
        "python": "3.11.7",
        "command": "lockproof lock",
        **more,
    }
    return Wanted(**said)  # type: ignore[arg-type]


def environ(home: Path, **variables: str) -> dict[str, str]:
    return {
        "PATH": "/usr/bin",
        "HOME": str(home),
        "XDG_CONFIG_DIRS": str(home),
        "PIP_CONFIG_FILE": "/dev/null",
        **variables,
    }


def test_uv_is_asked_for_all_platforms_from_a_copy_of_the_lock(tmp_path: Path, stub: ToolVersion) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    asked = wanted(tmp_path, present="a==1\n", upgrade=True, upgrade_packages=("b==2",))
    made = resolve_with_uv(asked, scratch, environ(tmp_path), stub)
    assert made == scratch / "requirements.txt"
    call = json.loads(made.read_text())
    assert call["argv"] == [
        "pip", "compile", "--universal", "--generate-hashes", "--no-build", "--no-progress", "--color", "never",
        "--no-python-downloads", "--python-version", "3.11.7", "--python", sys.executable,
        "--custom-compile-command", "lockproof lock", "--output-file", str(made),
        "--no-emit-index-url", "--no-emit-find-links", "--upgrade", "--upgrade-package", "b==2",
        "a.in", "--group", "pyproject.toml:t",
    ]  # fmt: skip
    assert (call["had"], call["cwd"]) == ("a==1\n", str(tmp_path))


def test_passwords_go_by_variables_and_never_into_arguments_or_messages(tmp_path: Path, stub: ToolVersion) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    told = environ(tmp_path, PIP_INDEX_URL=MAIN, UV_TEST_SAID=f"error: no solution at {MAIN}")
    with pytest.raises(LockError) as caught:
        resolve_with_uv(wanted(tmp_path), scratch, told, stub)
    assert str(caught.value) == (
        "uv made no lock: error: no solution at https://***@index.invalid/simple\n"
        "  the lock stays as it is; look at the sources, and at the index's configuration"
    )
    call = json.loads((scratch / "requirements.txt").read_text())
    assert call["environ"]["UV_DEFAULT_INDEX"] == MAIN
    assert "s3cret" not in " ".join(call["argv"])
    told["UV_TEST_SAID"] = "error: Failed to fetch"
    with pytest.raises(UnavailableError):
        resolve_with_uv(wanted(tmp_path), scratch, told, stub)


def test_nothing_of_the_callers_environment_but_what_is_allowed(tmp_path: Path) -> None:
    passed = resolver_environment(
        environ(
            tmp_path, PYTHONPATH="x", LEAK="x", VIRTUAL_ENV="x", UV_SYSTEM_PYTHON="1", UV_CUSTOM_COMPILE_COMMAND="x",
            UV_EXCLUDE_NEWER="2026-01-01", https_proxy="http://proxy.invalid", UV_DEFAULT_INDEX=MORE,
        ),
        tmp_path,
    )  # fmt: skip
    assert passed == {
        "PATH": "/usr/bin",
        "HOME": str(tmp_path),
        "XDG_CONFIG_DIRS": str(tmp_path),
        "UV_EXCLUDE_NEWER": "2026-01-01",
        "https_proxy": "http://proxy.invalid",
        "UV_DEFAULT_INDEX": MORE,
    }


def test_what_pip_is_configured_with_is_said_in_uvs_words(tmp_path: Path) -> None:
    bare = environ(tmp_path)
    one = environ(tmp_path, PIP_INDEX_URL=MAIN, PIP_FIND_LINKS="/w", PIP_CERT="/ca.pem", PIP_TIMEOUT="60",
                  PIP_TRUSTED_HOST="a.invalid", PIP_PROXY="http://p.invalid",
                  PIP_KEYRING_PROVIDER="subprocess")  # fmt: skip
    said = resolver_environment(one, tmp_path)
    assert {name: said[name] for name in said.keys() - bare.keys()} == {
        "UV_DEFAULT_INDEX": MAIN,
        "UV_FIND_LINKS": "/w",
        "SSL_CERT_FILE": "/ca.pem",
        "UV_HTTP_TIMEOUT": "60",
        "UV_INSECURE_HOST": "a.invalid",
        "HTTP_PROXY": "http://p.invalid",
        "HTTPS_PROXY": "http://p.invalid",
        "UV_KEYRING_PROVIDER": "subprocess",
    }
    none = resolver_environment(environ(tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS="/w"), tmp_path)
    assert (none["UV_NO_INDEX"], none["UV_FIND_LINKS"]) == ("1", "/w")


def test_several_indexes_of_pip_are_one_to_uv_too_the_first_of_equals_first(tmp_path: Path) -> None:
    said = resolver_environment(
        environ(tmp_path, PIP_INDEX_URL=MAIN, PIP_EXTRA_INDEX_URL=MORE, UV_INDEX="https://own.index.invalid/simple"),
        tmp_path,
    )
    assert said["UV_INDEX"] == f"{MAIN} {MORE}"
    assert said["UV_DEFAULT_INDEX"] == "https://own.index.invalid/simple"
    assert said["UV_INDEX_STRATEGY"] == "unsafe-best-match"


def test_logins_are_taken_out_of_index_options(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"--index-url {MAIN}\n--extra-index-url={MORE}\n\na==1\n    # via me@x\n")
    assert without_logins(lock).read_text() == (
        f"--index-url https://index.invalid/simple\n--extra-index-url={MORE}\n\na==1\n    # via me@x\n"
    )


def test_without_uv_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installers, "_uv_commands", lambda: iter(()))
    with pytest.raises(UnavailableError) as caught:
        find_uv()
    assert caught.value.what == "there is no uv to resolve with"
    assert caught.value.remedy == (
        f"install it where lockproof is installed ({sys.executable} -m pip install uv), or put it on PATH"
    )
