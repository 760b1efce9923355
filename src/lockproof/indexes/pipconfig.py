"""Where the user's own tools look for distributions: pip's configuration, and uv's where it is given.

Rules: pip's user guide, "Configuration": [global] of every file, then the command's section of every file,
then PIP_* variables; empty values are ignored; lists are separated by white space and replaced as a whole.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.errors import UsageError, why_malformed
from lockproof.indexes.uvconfig import TRUE_WORDS, beside, read_uv_settings, xdg_folders, xdg_home

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DEFAULT_INDEX = "default:"
"""Stands in `IndexConfig.index_urls` for the packaging libraries' default index; `index` looks its URL up."""

_FALSE = {"n", "no", "f", "false", "off", "0"}


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexConfig:
    """Indexes and flat locations in the order they are asked, and how they are reached.

    `index_urls` are simple indexes (PEP 503, PEP 691): http(s) or file URLs, or DEFAULT_INDEX. `find_links`
    are folders, files or URLs of pages and archives. `trusted_hosts` are `host` or `host:port`, reached
    without a check of certificates. `cert` is a CA bundle, `client_cert` a PEM file with key and certificate.
    `timeout` is in seconds. `offline` allows no connection at all, only local files. URLs may hold passwords, so they
    are left out of the repr.
    """

    index_urls: tuple[str, ...] = field(default=(DEFAULT_INDEX,), repr=False)
    find_links: tuple[str, ...] = field(default=(), repr=False)
    trusted_hosts: tuple[str, ...] = ()
    cert: str | None = None
    client_cert: str | None = None
    proxy: str | None = field(default=None, repr=False)
    timeout: float = 15.0
    retries: int = 5
    no_index: bool = False
    keyring_provider: str = "auto"  # auto, disabled, import, subprocess
    offline: bool = False

    def with_options(
        self,
        *,
        index_url: str | None = None,
        extra_index_urls: Iterable[str] = (),
        find_links: Iterable[str] = (),
        trusted_hosts: Iterable[str] = (),
        no_index: bool = False,
        folder: Path | None = None,
    ) -> IndexConfig:
        """This configuration under the option lines of a requirements file that lies in `folder`.

        As pip does: --index-url takes the place of all indexes, --no-index drops them, the others add.
        A relative --find-links that exists beside the file means that one.
        """
        no_index = no_index or self.no_index
        indexes = (index_url,) if index_url else self.index_urls
        return replace(
            self,
            index_urls=() if no_index else _unique([*indexes, *extra_index_urls]),
            find_links=_unique([*self.find_links, *(beside(folder, link) for link in find_links)]),
            trusted_hosts=_unique([*self.trusted_hosts, *trusted_hosts]),
            no_index=no_index,
        )


def read_index_config(environ: Mapping[str, str], folder: Path) -> IndexConfig:
    """The configuration that pip, and uv where it is configured, would use for a project in `folder`.

    The default index is left out when uv names another one and pip's configuration none. Raises UsageError,
    with the file or variable, for a configuration that can't be read.
    """
    pip = _pip_settings(environ)
    uv = read_uv_settings(environ, folder)
    no_index = _truth(pip, "no-index") or uv.no_index
    main = [pip["index-url"].value] if "index-url" in pip else []
    if not main and not uv.default_index:
        main = [DEFAULT_INDEX]
    indexes = [*main, *_words(pip, "extra-index-url"), *uv.indexes, *uv.default_index]
    provider = pip.get("keyring-provider")
    return IndexConfig(
        index_urls=() if no_index else _unique(indexes),
        find_links=_unique([*_words(pip, "find-links"), *uv.find_links]),
        trusted_hosts=_unique([*_words(pip, "trusted-host"), *uv.insecure_hosts]),
        cert=_text(pip, "cert"),
        client_cert=_text(pip, "client-cert"),
        proxy=_text(pip, "proxy"),
        timeout=_number(pip, "timeout", 15.0),
        retries=int(_number(pip, "retries", 5)),
        no_index=no_index,
        keyring_provider=provider.value if provider else uv.keyring_provider,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Setting:
    value: str
    where: str  # the file or variable that said it


def _pip_settings(environ: Mapping[str, str]) -> dict[str, _Setting]:
    """pip's settings by long option name: [global] of every file, [install] of every file, variables."""
    files: list[Path] = []
    if environ.get("PIP_CONFIG_FILE") != os.devnull:
        files = pip_config_files(environ, sys.platform, Path(sys.prefix))
    sections: dict[str, dict[str, _Setting]] = {"global": {}, "install": {}, "environment": {}}
    for file in files:
        for section, settings in _read_pip_file(file).items():
            if section in sections:
                sections[section].update(settings)
    for variable, value in environ.items():
        if variable.startswith("PIP_"):
            name = _option_name(variable.removeprefix("PIP_"))
            sections["environment"][name] = _Setting(value=value, where=variable)
    merged: dict[str, _Setting] = {}
    for settings in sections.values():
        merged.update({name: setting for name, setting in settings.items() if setting.value})
    return merged


def pip_config_files(environ: Mapping[str, str], system: str, prefix: Path) -> list[Path]:
    """Where pip looks for its configuration, weakest first: everyone's, the user's (old place, then new),
    that of the environment at `prefix`, PIP_CONFIG_FILE.

    The user's files are not read when PIP_CONFIG_FILE exists. `system` is as in sys.platform.
    """
    name = "pip.ini" if system == "win32" else "pip.conf"
    home = Path(environ.get("USERPROFILE" if system == "win32" else "HOME") or Path.home())
    if system == "win32":
        everyone = [Path(environ.get("PROGRAMDATA", "C:/ProgramData"), "pip")]
        own = [home / "pip", Path(environ.get("APPDATA") or home / "AppData/Roaming", "pip")]
    elif system == "darwin":
        library = home / "Library/Application Support/pip"
        everyone = [Path("/Library/Application Support/pip")]
        own = [home / ".pip", library if library.is_dir() else home / ".config/pip"]
    else:
        everyone = [*(folder / "pip" for folder in xdg_folders(environ)), Path("/etc")]
        own = [home / ".pip", xdg_home(environ, home) / "pip"]
    chosen = environ.get("PIP_CONFIG_FILE")
    if chosen and Path(chosen).exists():
        own = []
    files = [folder / name for folder in (*everyone, *own, prefix)]
    return [*files, Path(chosen)] if chosen else files


def _read_pip_file(file: Path) -> dict[str, dict[str, _Setting]]:
    import configparser  # only where there is a file to read

    parser = configparser.RawConfigParser()
    try:
        parser.read_string(file.read_text(encoding="utf-8"), str(file))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except configparser.ParsingError as error:  # its text quotes lines, which may hold passwords
        line: object = getattr(error, "lineno", None) or error.errors[0][0]
        raise _unreadable(f"{file}:{line}", "the line is no [section] and no setting of one") from None
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise _unreadable(str(file), why_malformed(error)) from error
    return {
        section: {_option_name(key): _Setting(value=value, where=str(file)) for key, value in parser.items(section)}
        for section in parser.sections()
    }


def _unreadable(where: str, why: str) -> UsageError:
    return UsageError(
        "pip's configuration can't be read",
        where=where,
        why=why,
        remedy="Correct the file, or set PIP_CONFIG_FILE to another one.",
    )


def _option_name(text: str) -> str:
    """An option's long name as pip spells it, whatever the file or variable's spelling; aliases resolved."""
    name = text.lower().replace("_", "-").removeprefix("--")
    return {"default-timeout": "timeout", "pypi-url": "index-url"}.get(name, name)


def _text(settings: Mapping[str, _Setting], name: str) -> str | None:
    return settings[name].value if name in settings else None


def _words(settings: Mapping[str, _Setting], name: str) -> list[str]:
    return settings[name].value.split() if name in settings else []


def _truth(settings: Mapping[str, _Setting], name: str) -> bool:
    if name not in settings:
        return False
    value = settings[name].value.lower()
    if value not in TRUE_WORDS | _FALSE:
        raise _misread(settings[name], name, "yes or no")
    return value in TRUE_WORDS


def _number(settings: Mapping[str, _Setting], name: str, default: float) -> float:
    if name not in settings:
        return default
    try:
        number = float(settings[name].value)
    except ValueError:
        number = -1
    if not 0 <= number < float("inf"):
        raise _misread(settings[name], name, "a number from 0")
    return number


def _misread(setting: _Setting, name: str, expected: str) -> UsageError:
    return UsageError(f"{name} is {setting.value!r}", where=setting.where, why=f"expected {expected}")


def _unique(items: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))
