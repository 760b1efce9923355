"""The scripts that venv, virtualenv and uv write to activate an environment: known by their text, paths aside.

Python never reads them, but people's shells do. What a release writes is the same for every environment except for a
few values; where each of these is exactly the environment's own, a placeholder stands for it, and the digest of what is
left is looked up in `knownactivators`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from lockproof.digests import sha256_hex
from lockproof.reading.knownactivators import KNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PATCHES = frozenset(("_virtualenv.py", "_virtualenv.pth"))
"""What virtualenv puts into site-packages for Pythons before 3.10: it undoes distutils settings that break pip."""
# Nothing that a shell acts on, whatever quotes it stands in; a space is so only within quotes.
_PLAIN = re.compile(r"[\w./+@=:,-]+")
_QUOTABLE = re.compile(r"[\w./+@=:, -]+")
_LEADS = re.compile(r"(?i:virtual_env) ?=? ?(?:r#|r)?['\"]?(/[\w./+@=:, -]*[\w./+@=:,-])")
# A prompt as scripts have it, and what is there without one.
_PROMPTS = (
    ("'{}'", "''"),
    ('"{}"', '""'),
    ('"x{}"', '"x"'),
    ('"x"{} ', "\"x\"'' "),
    ("PROMPT={}\n", "PROMPT=''\n"),
    ('PROMPT={}"\n', 'PROMPT="\n'),
    ('PROMPT={}"\r', 'PROMPT="\r'),
)
# Where prompts are: in comments, conditions, and what is shown; a quoted text elsewhere may be a folder of PATH.
_SHOWS = re.compile(r"\s*(#|(\} *else)?if\b)|.*(prompt|env_name|PS1|printf)", re.IGNORECASE)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_PLACEHOLDERS = (b"@ENV@", b"@NAME@", b"@SITE@")
_LIBRARIES = r"/lib/t(cl|k)[\w.]{1,8}"


class Place(NamedTuple):
    """What a release writes of an environment.

    `roots` are its folder as it was named and without links, `home` is pyvenv.cfg's, `site` is site-packages below it;
    `prompt` is pyvenv.cfg's, empty where the folder's name is shown.
    """

    roots: tuple[str, ...]
    home: str
    site: str
    prompt: str = ""


def is_known(name: str, content: bytes, place: Place) -> bool:
    """Whether a known release writes exactly this into a file of that name, for an environment in that place."""
    if any(sign in content for sign in _PLACEHOLDERS):  # none writes them, and they would pass for what they stand for
        return False
    digest = KNOWN.get(name, {})
    return any(form in digest for form in _forms(content, place))


def can_tell(place: Place) -> bool:
    """Whether scripts for that place can be known: each release quotes odd signs in a folder's name in its own way."""
    return any(_QUOTABLE.fullmatch(root) for root in place.roots)


def other_root(content: bytes) -> str:
    """The folder that a script for activating leads to, by its text; empty where there is none."""
    named = _LEADS.search(content.decode("utf-8", "surrogateescape"))
    return named[1] if named else ""


def is_known_file(name: str, sha256: str) -> bool:
    """The same of a file in which there is nothing of the environment."""
    return sha256 in KNOWN.get(name, {})


def digest_of(content: bytes, place: Place) -> str:
    """The digest of a script's normal form, for an environment that lies where it was made."""
    return next(iter(_forms(content, place)))


def written_by(keys: Mapping[str, str]) -> str:
    """`tool version` of who made an environment, by pyvenv.cfg's keys."""
    for tool in ("virtualenv", "uv"):
        if keys.get(tool):
            return f"{tool} {keys[tool]}"
    return f"venv {keys.get('version', '')}".strip()


def has_release(tool: str) -> bool:
    """Whether `tool version` is one of those whose scripts are all known."""
    return any(tool in releases.split(", ") for files in KNOWN.values() for releases in files.values())


def _forms(content: bytes, place: Place) -> Iterable[str]:
    text = content.decode("utf-8", "surrogateescape")
    texts = [text]
    if place.prompt and _QUOTABLE.fullmatch(place.prompt):  # virtualenv and uv write nothing where none is asked for
        texts.append(_without_prompt(text, place.prompt))
    for root in dict.fromkeys(place.roots):
        for form in texts:
            yield sha256_hex(_normal(form, root, place).encode("utf-8", "surrogateescape"))


def _without_prompt(text: str, prompt: str) -> str:
    """A script as it is written where no prompt is asked for, quoted in each of its ways."""
    alone = (f"'{prompt}'", f'"{prompt}"')
    lines = _LINE.findall(text)
    for number, line in enumerate(lines):
        if _SHOWS.match(line) or line.strip().strip("r#") in alone:
            for quoted, empty in _PROMPTS:
                lines[number] = lines[number].replace(quoted.format(prompt), empty)
    return "".join(lines)


def _normal(text: str, root: str, place: Place) -> str:
    for base in (place.home, place.home.rpartition("/")[0]):
        if _PLAIN.fullmatch(base):  # Tcl's and Tk's libraries, which virtualenv names, lie in the base
            text = re.sub(
                rf"'{re.escape(base)}{_LIBRARIES}'|(?<==){re.escape(base)}{_LIBRARIES}$", "''", text, flags=re.M
            )
    text = text.replace(place.site, "@SITE@")
    if not _QUOTABLE.fullmatch(root):
        return text
    for quoted in (f"'{root}'", f'"{root}"', ascii(root)):
        text = text.replace(quoted, "@ENV@")
    if _PLAIN.fullmatch(root):
        text = re.sub(rf"(?<![\w./-]){re.escape(root)}(?![\w./+-])", "@ENV@", text)
    names = [root.rpartition("/")[2], *([place.prompt] if _QUOTABLE.fullmatch(place.prompt) else [])]
    for name in names:
        for quote in "'\"":
            text = text.replace(f"{quote}{name}{quote}", "@NAME@")
        text = text.replace(f"({name}) ", "(@NAME@) ")
    return text
