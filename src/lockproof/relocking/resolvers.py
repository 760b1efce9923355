"""uv and pip-tools resolve: from sources to the text of a lock, with the user's own indexes, in a folder of their own.

Both are given a copy of the lock that is there, whose pins they keep, and never the lock itself. Nothing is built: what
an sdist says of itself when it is built has no hash.
"""

from __future__ import annotations

import fnmatch
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.environments.installers import ToolVersion, find_tool
from lockproof.errors import LockError, UnavailableError
from lockproof.indexes.pipconfig import DEFAULT_INDEX, IndexConfig, read_index_config
from lockproof.indexes.urls import redact, without_login
from lockproof.running.process import ALWAYS_PASSED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lockproof.cells.sources import Source

# Beside what every command gets: how uv is configured, and how it comes to the network. No PYTHON*, no PIP_*.
_PASSED_ON = (
    *ALWAYS_PASSED,
    *("UV_*", "XDG_*", "PROGRAMDATA", "NETRC", "SSL_CERT_FILE", "SSL_CERT_DIR", "SSL_CLIENT_CERT"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
)
# Variables that would change what is written and not what is resolved; the options below say it.
_NOT_PASSED = ("UV_CUSTOM_COMPILE_COMMAND", "UV_SYSTEM_PYTHON", "UV_WORKING_DIR", "UV_PROJECT")
_UV_COMPILE = (
    *("pip", "compile", "--universal", "--generate-hashes", "--no-build", "--no-progress", "--color", "never"),
    *("--no-python-downloads",),
)
_INDEX_LINE = re.compile(r"^(--(?:index-url|extra-index-url|find-links)[ =])(\S+)$", re.MULTILINE)
_PIP_DEFAULT_TIMEOUT = 15.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is to be resolved.

    `root` is the folder that sources are named from. `python` is the lowest one that the lock is for. `present` is the
    text of the lock that is there: its pins are kept, but for those that `upgrade` (all) or `upgrade_packages`
    (`name` or `name==version`) let go. `command` is named in the lock's header.
    """

    root: Path
    sources: tuple[Source, ...]
    filename: str
    python: str
    command: str
    present: str | None = None
    upgrade: bool = False
    upgrade_packages: tuple[str, ...] = ()
    emit_index_url: bool = False


def find_uv() -> ToolVersion:
    """The uv beside the running Python, else the one on PATH; UnavailableError says how to get one."""
    try:
        return find_tool("uv")
    except UnavailableError as error:
        remedy = f"install it where lockproof is installed ({sys.executable} -m pip install uv), or put it on PATH"
        raise UnavailableError("there is no uv to resolve with", why=error.why, remedy=remedy) from None


def resolve_with_uv(wanted: Wanted, scratch: Path, environ: Mapping[str, str], tool: ToolVersion) -> Path:
    """The new lock, for all platforms from the lowest Python on, as a file in the empty folder `scratch`.

    Raises LockError with uv's own words where it finds no solution or can't read a source.
    """
    output = scratch / wanted.filename
    if wanted.present is not None:
        output.write_text(wanted.present, encoding="utf-8")
    options = ["--python-version", wanted.python, "--python", sys.executable]
    options += ["--custom-compile-command", wanted.command, "--output-file", str(output)]
    options += (
        ["--emit-index-url", "--emit-find-links"]
        if wanted.emit_index_url
        else ["--no-emit-index-url", "--no-emit-find-links"]
    )
    argv = [*tool.command, *_UV_COMPILE, *options, *_changes(wanted), *_sources(wanted.sources)]
    config = read_index_config(environ, wanted.root)
    run_resolver(tool.name, argv, resolver_environment(environ, wanted.root), wanted.root, config)
    return without_logins(output)


def without_logins(output: Path) -> Path:
    """A requirements file after taking users and passwords out of its index options."""
    text = output.read_text(encoding="utf-8")
    output.write_text(_INDEX_LINE.sub(lambda line: line[1] + without_login(line[2]), text), encoding="utf-8")
    return output


def _changes(wanted: Wanted) -> list[str]:
    options = ["--upgrade"] if wanted.upgrade else []
    return options + [word for name in wanted.upgrade_packages for word in ("--upgrade-package", name)]


def _sources(sources: Sequence[Source]) -> list[str]:
    words = []
    for source in sources:
        words += [source.file] if source.with_dependencies else []
        words += [word for name in source.extras for word in ("--extra", name)]
        words += [word for name in source.groups for word in ("--group", f"{source.file}:{name}")]
    return words


def run_resolver(name: str, argv: Sequence[str], env: Mapping[str, str], folder: Path, config: IndexConfig) -> None:
    """Run a resolver to its end; what it says when it fails is told without the passwords of indexes."""
    try:
        done = subprocess.run(
            argv,
            env=dict(env),
            cwd=folder,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise UnavailableError(f"{name} can't be started", where=argv[0], why=error.strerror or str(error)) from error
    if done.returncode == 0:
        return
    said = done.stderr.strip()
    for url in (*config.index_urls, *config.find_links):
        said = said.replace(url, redact(url)) if "@" in url else said
    unreachable = re.search(r"failed to fetch|network|error sending request|timed out|offline", said, re.IGNORECASE)
    kind = UnavailableError if unreachable else LockError
    remedy = "the lock stays as it is; look at the sources, and at the index's configuration"
    raise kind(f"{name} made no lock", why=said or f"it ended with {done.returncode}", remedy=remedy)


def resolver_environment(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """What uv learns from the caller's environment, and pip's configuration said in uv's words.

    uv reads its own configuration and not pip's, while lockproof looks for files where either says. Where pip's names
    indexes, uv is handed the same ones in the same order: the best version of all of them, as with pip, and of
    equal ones the first. URLs go into variables, for they may hold passwords, which a list of processes would show.
    """
    passed = passed_environment(environ)
    without_uv = {name: value for name, value in environ.items() if not name.startswith("UV_")}
    pip = read_index_config({**without_uv, "UV_NO_CONFIG": "1"}, folder)
    both = read_index_config(environ, folder)
    found: dict[str, str] = {}
    if pip.index_urls != (DEFAULT_INDEX,):
        found |= _index_variables(both)
    if pip.find_links:
        found["UV_FIND_LINKS"] = ",".join(both.find_links)
    if pip.trusted_hosts:
        found["UV_INSECURE_HOST"] = " ".join(both.trusted_hosts)
    if pip.proxy:
        found |= {"HTTPS_PROXY": pip.proxy, "HTTP_PROXY": pip.proxy}
    if pip.keyring_provider == "subprocess":
        found["UV_KEYRING_PROVIDER"] = "subprocess"
    if pip.timeout != _PIP_DEFAULT_TIMEOUT:
        found["UV_HTTP_TIMEOUT"] = str(max(1, round(pip.timeout)))
    certificates = {"SSL_CERT_FILE": pip.cert, "SSL_CLIENT_CERT": pip.client_cert}
    found |= {name: str(Path(path).expanduser()) for name, path in certificates.items() if path}
    strongest = ("UV_HTTP_TIMEOUT", "UV_KEYRING_PROVIDER", "UV_INDEX_STRATEGY", *certificates)
    return {**passed, **found, **{name: passed[name] for name in strongest if name in passed}}


def passed_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a resolver gets of the caller's environment."""
    return {
        name: value
        for name, value in environ.items()
        if name not in _NOT_PASSED and any(fnmatch.fnmatchcase(name, pattern) for pattern in _PASSED_ON)
    }


def _index_variables(config: IndexConfig) -> dict[str, str]:
    from lockproof.indexes.index import default_index_url

    if config.no_index:
        return {"UV_NO_INDEX": "1"}
    *others, last = [default_index_url() if url == DEFAULT_INDEX else url for url in config.index_urls]
    found = {"UV_DEFAULT_INDEX": last}
    if others:
        found |= {"UV_INDEX": " ".join(others), "UV_INDEX_STRATEGY": "unsafe-best-match"}
    return found
