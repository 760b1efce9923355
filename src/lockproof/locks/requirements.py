"""requirements.txt with hashes: pip's Requirements File Format, held to what names exact files."""

from __future__ import annotations

import posixpath
import re
import shlex
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from lockproof.digests import is_sha256
from lockproof.errors import LockError
from lockproof.locks import INSTALLABLE_ADVICE, IndexOptions, raise_together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from packaging.markers import Marker
    from packaging.specifiers import SpecifierSet

_HASH_ADVICE = "Lock with hashes: pip-compile --generate-hashes, or uv pip compile --generate-hashes."
_PIN_ADVICE = "Pin it as name==version with its hashes: uv pip compile --generate-hashes writes such files."
_WHEEL_ADVICE = "Delete the option: only wheels are installed, and a package without one is told by name."

_COMMENT = re.compile(r"(?:^|\s+)#.*$")
_FIRST_OPTION = re.compile(r"(?:^|\s)(?=-)")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")  # as pip: capitals only, in braces
_PIN = re.compile(
    r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*"  # name (PEP 508)
    r"(?:\[([A-Za-z0-9._,\s-]*)\])?\s*"  # extras
    r"==\s*([^\s;,=*]+)\s*"  # version
    r"(?:;\s*(.+))?"  # marker
)
_REFUSALS = (  # the first pattern found in an entry that is no pin says what it is
    (r"(?:^|@\s*)(?:git|hg|svn|bzr)\+", "is a version control checkout", INSTALLABLE_ADVICE),
    (r"://|@\s*file:", "is a URL", INSTALLABLE_ADVICE),
    (r"^[^;]*[/\\]|^[.~]|^[^;]*\.(?:whl|zip|tar\.\w+)(?:\s|;|$)", "is a local path", INSTALLABLE_ADVICE),
    (r"^[^;]*===", "is pinned with ===, which compares text and not versions", "Write ==."),
    (r"^[^;]*==[^;,]*\*", "is pinned to a series of versions", _PIN_ADVICE),
    (
        r"^[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?\s*\(?\s*(?:$|[<>=!~;])",
        "is not pinned with ==",
        _PIN_ADVICE,
    ),
    (r"", "is not a requirement", "Correct the line; it should read name==version --hash=sha256:…"),
)
_SHORT = {
    "-i": "--index-url",
    "-f": "--find-links",
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
}
# They choose among candidates or loosen the check of hashes; here a pin is exact, and the check stays.
_IDLE_FLAGS = frozenset(("--require-hashes", "--no-require-hashes", "--pre", "--prefer-binary"))
_IDLE_WITH_VALUE = frozenset(("--only-binary", "--all-releases", "--only-final", "--use-feature"))
_WITH_VALUE = _IDLE_WITH_VALUE | frozenset(
    (
        *("--index-url", "--pypi-url", "--extra-index-url", "--find-links", "--trusted-host"),
        *("--requirement", "--constraint", "--editable", "--no-binary"),
    )
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """One entry `name==version ; marker --hash=sha256:…`, with name and version normalised."""

    name: str
    version: str
    hashes: tuple[str, ...]  # sha256 in the file's order, 64 lower-case hexadecimal digits
    file: str
    line: int
    marker: Marker | None = None
    extras: tuple[str, ...] = ()  # told, not used: a lock lists what extras bring

    @property
    def where(self) -> str:
        """The place of the entry as "file:line"."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True, slots=True)
class RefusedPin:
    """An entry that can't be had as a file, and why: an error of the cells that its marker selects."""

    name: str
    error: LockError
    marker: Marker | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RequirementsFile:
    """The pins of a requirements file and of all it includes, in order, and where it says its files are.

    A Pipfile.lock is of this kind too, and has more: `groups` that its markers speak of, of which
    `default_groups` are taken when none are asked, entries that can't be had as files, and its Pythons.
    """

    path: str
    pins: tuple[Pin, ...]
    options: IndexOptions = field(default_factory=IndexOptions)
    kind: str = "requirements"
    groups: tuple[str, ...] = ()
    default_groups: tuple[str, ...] = ()
    refused: tuple[RefusedPin, ...] = ()
    requires_python: SpecifierSet | None = None


def parse_requirements(
    text: str, path: str, include: Callable[[str], str], environ: Mapping[str, str]
) -> RequirementsFile:
    """The pins and index options of a requirements file whose name in messages is `path`.

    `include` gives the text of another file, named by its path joined to that of the file that includes it;
    it may raise LockError. `environ` has the values of `${NAME}` in option lines. An entry repeated word for
    word, as when two files include a third, counts once. Raises LockError, or a ProblemsError of several,
    each with file and line: for entries that are not hashed pins, for files that include themselves, and for
    options that aren't understood.
    """
    reader = _Reader(include=include, environ=environ)
    reader.read(text, path, ())
    raise_together(reader.problems)
    unique: dict[tuple[object, ...], Pin] = {}
    for pin in reader.pins:
        unique.setdefault((pin.name, pin.version, str(pin.marker), pin.hashes), pin)
    return RequirementsFile(path=path, pins=tuple(unique.values()), options=reader.options)


@dataclass(kw_only=True, slots=True)
class _Reader:
    """Reads files one in another, gathering pins, options and problems."""

    include: Callable[[str], str]
    environ: Mapping[str, str]
    pins: list[Pin] = field(default_factory=list)
    options: IndexOptions = field(default_factory=IndexOptions)
    problems: list[LockError] = field(default_factory=list)

    def read(self, text: str, path: str, parents: tuple[str, ...]) -> None:
        files = (*parents, _plain(path))
        for line, logical in _logical_lines(text.removeprefix("\ufeff")):
            try:
                if logical.startswith("-"):
                    for option, value in _options(logical, self.environ):
                        self._apply(option, value, path, files)
                else:
                    self.pins.append(_pin(logical, path, line))
            except LockError as problem:
                problem.where = problem.where or f"{path}:{line}"
                self.problems.append(problem)

    def _apply(self, option: str, value: str, path: str, files: tuple[str, ...]) -> None:
        if option == "--requirement":
            self._include(value, path, files)
        elif option == "--editable":
            raise LockError(f"{value} is editable", why="source has no hash to prove", remedy=INSTALLABLE_ADVICE)
        elif option == "--constraint":
            raise LockError(
                "a constraints file is not read",
                why="every entry of a lock is pinned, so a constraint can only contradict it",
                remedy="Delete the line.",
            )
        elif option == "--no-binary" and value != ":none:":
            why = f"it asks to build {value} from source, and what is built has no hash in the lock"
            raise LockError("--no-binary can't be honoured", why=why, remedy=_WHEEL_ADVICE)
        else:
            self.options = _with_option(self.options, option, value, path)

    def _include(self, value: str, path: str, files: tuple[str, ...]) -> None:
        if "://" in value:
            raise LockError("a requirements file at a URL is not read", remedy="Keep a copy beside the lock.")
        target = (PurePath(path).parent / value).as_posix()
        if _plain(target) in files:
            raise LockError(f"{target} includes itself", remedy="Delete one of the -r lines.")
        self.read(self.include(target), target, files)


def _plain(path: str) -> str:
    return posixpath.normpath(PurePath(path).as_posix())


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines joined at a final backslash, without comments and blank lines, each with its first number."""
    first, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        first = first if parts else number
        is_comment = line.lstrip().startswith("#")  # a comment's backslash joins nothing, but the comment ends a join
        parts.append(" " + line if is_comment else line.removesuffix("\\"))
        if line.endswith("\\") and not is_comment:
            continue
        if logical := _without_comment("".join(parts)):
            yield first, logical
        parts.clear()
    if logical := _without_comment("".join(parts)):
        yield first, logical


def _without_comment(line: str) -> str:
    return (_COMMENT.sub("", line) if "#" in line else line).strip()


def _pin(logical: str, path: str, line: int) -> Pin:
    from packaging.markers import Marker  # late: packaging takes 80 ms
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion, Version

    option = _FIRST_OPTION.search(logical)
    head = logical[: option.start()].strip() if option else logical
    match = _PIN.fullmatch(head)
    if match is None:
        raise _refusal(head)
    name, extras, version, marker = match.groups()
    try:
        return Pin(
            name=canonicalize_name(name),
            version=str(Version(version)),
            marker=Marker(marker) if marker else None,
            extras=tuple(extra.strip() for extra in extras.split(",") if extra.strip()) if extras else (),
            hashes=_hashes(logical[option.start() :].split() if option else [], head),
            file=path,
            line=line,
        )
    except InvalidVersion as error:
        raise LockError(f"{head} is not a pin", why=str(error), remedy=_PIN_ADVICE) from None
    except (ValueError, SyntaxError, RecursionError) as error:  # what Marker raises
        why = str(error).split("\n", 1)[0]
        raise LockError(f"the marker of {name} can't be read", why=why, remedy="Correct it (PEP 508).") from None


def _refusal(head: str) -> LockError:
    why, remedy = next((why, remedy) for pattern, why, remedy in _REFUSALS if re.search(pattern, head))
    return LockError(f"{head} {why}", why="only name==version with a sha256 names exact files", remedy=remedy)


def _hashes(options: Sequence[str], head: str) -> tuple[str, ...]:
    """The sha256 of `--hash=sha256:…` and `--hash sha256:…`; another option than --hash is refused."""
    found, others = dict[str, None](), set[str]()
    rest = iter(options)
    for token in rest:
        option, _, value = token.partition("=")
        if option != "--hash":
            raise LockError(f"{option} on the line of {head} is not understood", remedy="Delete the option.")
        algorithm, _, digest = (value or next(rest, "")).strip("\"'").partition(":")
        if algorithm != "sha256":
            others.add(algorithm)
        elif is_sha256(digest.lower()):
            found[digest.lower()] = None
        else:
            raise LockError(
                f"{head} has a hash that is no sha256",
                why="64 hexadecimal digits were expected",
                remedy=_HASH_ADVICE,
            )
    if found:
        return tuple(found)
    if others:
        why = f"its hashes are {', '.join(sorted(others))}; files are known and proven by sha256"
        raise LockError(f"{head} has no sha256", why=why, remedy=_HASH_ADVICE)
    raise LockError(f"{head} has no hash", why="without one any file could take its place", remedy=_HASH_ADVICE)


def _options(logical: str, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The options of a line under their long names, with their values, variables filled in."""
    try:
        tokens = iter(shlex.split(logical))
    except ValueError as error:
        raise LockError("the line can't be split into words", why=str(error), remedy="Close its quotes.") from None
    for token in tokens:
        if token.startswith("--"):
            option, equals, value = token.partition("=")
        else:
            option, equals, value = _SHORT.get(token[:2], token), token[2:], token[2:]
        if option in _WITH_VALUE:
            value = value if equals else next(tokens, "")
            if not value:
                raise LockError(f"{option} has no value", remedy="Give it one, or delete the line.")
        elif option not in _IDLE_FLAGS and option != "--no-index":
            raise LockError(f"the option {option} is not understood", remedy="Delete it, or correct its spelling.")
        yield option, _expanded(value, option, environ)


def _expanded(value: str, option: str, environ: Mapping[str, str]) -> str:
    """`value` with each `${NAME}` filled in; pip leaves a name without a value as it is, here that fails."""
    for name in _VARIABLE.findall(value):
        if not environ.get(name):
            raise LockError(
                f"{option} needs the variable {name}",
                why="it is not set, or empty",
                remedy=f"Set {name} before running.",
            )
    return _VARIABLE.sub(lambda match: environ[match[1]], value)


def _with_option(options: IndexOptions, option: str, value: str, path: str) -> IndexOptions:
    """`options` after one more, said in the file `path`; the last --index-url wins, as with pip."""
    if option in {"--index-url", "--pypi-url"}:
        return replace(options, index_url=value)
    if option == "--extra-index-url":
        return replace(options, extra_index_urls=(*options.extra_index_urls, value))
    if option == "--find-links":
        place = value if "://" in value or value.startswith("file:") else (PurePath(path).parent / value).as_posix()
        return replace(options, find_links=(*options.find_links, place))
    if option == "--trusted-host":
        return replace(options, trusted_hosts=(*options.trusted_hosts, value))
    return replace(options, no_index=True) if option == "--no-index" else options
