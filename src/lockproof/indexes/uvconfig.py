"""Where uv looks for distributions, as far as its configuration says it.

Rules: uv's references of settings and of environment variables. A variable is over the project's file, that
over the user's, that over the system's; lists are joined, the first single value wins.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from lockproof.errors import UsageError, why_malformed

if TYPE_CHECKING:
    from collections.abc import Mapping

TRUE_WORDS = frozenset({"y", "yes", "t", "true", "on", "1"})


@dataclass(kw_only=True, slots=True)
class UvSettings:
    """What uv's configuration says of indexes, strongest first; the meanings are those of `IndexConfig`."""

    indexes: list[str] = field(default_factory=list)
    default_index: list[str] = field(default_factory=list)
    find_links: list[str] = field(default_factory=list)
    insecure_hosts: list[str] = field(default_factory=list)
    no_index: bool = False
    keyring_provider: str = "auto"


def read_uv_settings(environ: Mapping[str, str], folder: Path) -> UvSettings:
    """What uv would use for a project in `folder`. Raises UsageError for a file that can't be read."""
    found = UvSettings(no_index=environ.get("UV_NO_INDEX", "").lower() in TRUE_WORDS)
    default = environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL")
    if default:
        found.default_index.append(_uv_index(environ, default))
    indexes = [*environ.get("UV_INDEX", "").split(), *environ.get("UV_EXTRA_INDEX_URL", "").split()]
    found.indexes.extend(_uv_index(environ, text) for text in indexes)
    found.find_links.extend(link for link in environ.get("UV_FIND_LINKS", "").split(",") if link)
    found.insecure_hosts.extend(environ.get("UV_INSECURE_HOST", "").split())
    for file in _uv_files(environ, folder):
        table = _read_uv_file(file)
        if table:
            _add_uv_table(found, table, file, environ)
    found.keyring_provider = environ.get("UV_KEYRING_PROVIDER") or found.keyring_provider
    del found.default_index[1:]  # the first one said wins
    return found


def _uv_files(environ: Mapping[str, str], folder: Path) -> list[Path]:
    """uv's files, strongest first; a folder's uv.toml hides the table in its pyproject.toml."""
    if environ.get("UV_NO_CONFIG", "").lower() in TRUE_WORDS:
        return []
    if environ.get("UV_CONFIG_FILE"):
        return [Path(environ["UV_CONFIG_FILE"])]
    own = folder / "uv.toml"
    project = own if own.is_file() else folder / "pyproject.toml"
    if sys.platform == "win32":
        roots = [Path(environ[name]) for name in ("APPDATA", "PROGRAMDATA") if environ.get(name)]
    else:
        home = Path(environ.get("HOME") or Path.home())
        roots = [xdg_home(environ, home), *xdg_folders(environ), Path("/etc")]
    return [project, *(root / "uv" / "uv.toml" for root in roots)]


def _read_uv_file(file: Path) -> Mapping[str, object] | None:
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable_uv_file(file, error) from error
    if file.name == "pyproject.toml" and "tool.uv" not in text:
        return None  # spares the parser, and errors that are another reader's to tell
    import tomllib  # only where uv is configured

    try:
        table: object = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _unreadable_uv_file(file, error) from error
    for key in ("tool", "uv") if file.name == "pyproject.toml" else ():
        table = table.get(key) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else None


def _unreadable_uv_file(file: Path, error: Exception) -> UsageError:
    remedy = "Correct the file, or set UV_NO_CONFIG=1."
    return UsageError("uv's configuration can't be read", where=str(file), why=why_malformed(error), remedy=remedy)


def _add_uv_table(found: UvSettings, table: Mapping[str, object], file: Path, environ: Mapping[str, str]) -> None:
    entries = table.get("index")
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict) or not isinstance(entry.get("url"), str):
            raise UsageError("an [[index]] has no url", where=str(file), why="expected a table with name and url")
        url = _uv_index(environ, str(entry["url"]), str(entry.get("name", "")), file.parent)
        if entry.get("format") == "flat":
            found.find_links.append(url)
        elif entry.get("default") is True:
            found.default_index.append(url)
        else:
            found.indexes.append(url)
    if isinstance(legacy := table.get("index-url"), str):
        found.default_index.append(_uv_index(environ, legacy, folder=file.parent))
    found.indexes.extend(_uv_index(environ, url, folder=file.parent) for url in _strings(table, "extra-index-url"))
    found.find_links.extend(beside(file.parent, link) for link in _strings(table, "find-links"))
    found.insecure_hosts.extend(_strings(table, "allow-insecure-host"))
    found.no_index = found.no_index or table.get("no-index") is True
    if found.keyring_provider == "auto" and isinstance(table.get("keyring-provider"), str):
        found.keyring_provider = str(table["keyring-provider"])


def _uv_index(environ: Mapping[str, str], text: str, name: str = "", folder: Path | None = None) -> str:
    """The URL of `url`, `name=url` or a path, with the credentials of a named index (UV_INDEX_<NAME>_…)."""
    label, equals, url = text.partition("=")
    if equals and label.replace("-", "").replace("_", "").replace(".", "").isalnum():
        name, text = label, url
    if "://" not in text:
        return Path(folder or ".", Path(text).expanduser()).absolute().as_uri()
    variable = "UV_INDEX_" + "".join(char if char.isalnum() else "_" for char in name.upper())
    user, password = environ.get(f"{variable}_USERNAME", ""), environ.get(f"{variable}_PASSWORD", "")
    if not name or not (user or password):
        return text
    scheme, _, rest = text.partition("://")
    return f"{scheme}://{quote(user, safe='')}:{quote(password, safe='')}@{rest}"


def _strings(table: Mapping[str, object], key: str) -> list[str]:
    value = table.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def xdg_home(environ: Mapping[str, str], home: Path) -> Path:
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config")


def xdg_folders(environ: Mapping[str, str]) -> list[Path]:
    return [Path(folder) for folder in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":") if folder]


def beside(folder: Path | None, link: str) -> str:
    """`link`, or the path beside the file that named it, where that exists."""
    if folder is None or "://" in link or not (folder / link).exists():
        return link
    return str((folder / link).absolute())
