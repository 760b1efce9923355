"""pylock.toml: PEP 751, read with packaging.pylock and held to the rules that installing by hash needs."""

from __future__ import annotations

import re
from pathlib import PurePath, PureWindowsPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lockproof.digests import sha256_hex
from lockproof.errors import LockError
from lockproof.locks import INSTALLABLE_ADVICE, Lock, is_plain_filename, raise_together, sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.pylock import Package, PackageSdist, PackageWheel

_LOCK_AGAIN = "Make the lock again with the tool that wrote it."
_TOP_KEYS = frozenset(
    (
        *("lock-version", "environments", "requires-python", "extras", "dependency-groups"),
        *("default-groups", "created-by", "packages", "tool"),
    )
)
_EXPORT_ADVICE = "Export without the project itself, which matrix.yaml's `package` installs (uv: --no-emit-project)."
_DIRECT = {
    "directory": (
        "a source tree has no hash to prove",
        f"{_EXPORT_ADVICE} {INSTALLABLE_ADVICE}",
    ),
    "vcs": ("a checkout has no sha256 to prove", INSTALLABLE_ADVICE),
    "archive": (
        "an archive is built from source, so its hash doesn't say what is installed",
        INSTALLABLE_ADVICE,
    ),
}
_HEADER = r"^[ \t]*\[\[[ \t]*{}[ \t]*\]\]"
_INLINE = r"^[ \t]*{}[ \t]*=[ \t]*\["
_QUIET = re.compile(  # TOML strings and comments: what brackets are not counted in
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*', re.DOTALL
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def read_pylock(text: str, path: str, *, folder: PurePath | None = None) -> Lock:
    """The lock that a pylock.toml's text says; messages name it `path`, and `folder` is its absolute folder.

    Every rule of PEP 751 that begins with MUST is held, and beyond it every file must have a sha256, and
    every package must be files: `vcs`, `directory` and `archive` are refused. Names that are not normalised
    are normalised, with a note. A newer minor version of the format is read, with a note. Raises LockError,
    or a ProblemsError of several, each with file and line.
    """
    from packaging.pylock import Pylock, PylockValidationError  # late: packaging takes 80 ms

    document = toml_document(text, path)
    notes = _version_notes(document, path)
    entries = document.get("packages")
    packages = entries if isinstance(entries, list) else []
    lines = entry_lines(text, len(packages))
    places = tuple(f"{path}:{line}" for line in lines)
    raise_together(_direct_problems(packages, places))
    packages, name_notes = _normalised(packages, places)
    try:
        pylock = Pylock.from_dict({**document, "lock-version": "1.0"} | ({"packages": packages} if packages else {}))
    except PylockValidationError as error:
        raise _invalid(error.message, error.context or "", path, lines) from None
    raise_together(
        problem
        for package, place in zip(pylock.packages, places, strict=True)
        for problem in file_problems(package, place)
    )
    return Lock(
        path=path,
        kind="pylock",
        sha256=sha256_hex(text.encode(errors="surrogatepass")),
        pylock=pylock,
        lines=lines_by_name(pylock.packages, lines),
        places=places,
        folder=folder or PurePath(path).parent,
        notes=(*notes, *name_notes),
    )


def file_urls(file: PackageWheel | PackageSdist, folder: PurePath) -> tuple[str, ...]:
    """Where a file of a lock may be found: its `path` from `folder`, then its `url` (PEP 751, Installation).

    Windows separators in a relative path are read on every platform. Raises ValueError for a relative path
    when `folder` is not absolute.
    """
    urls = [file.url] if file.url else []
    if file.path:
        relative = file.path if "/" in file.path else PureWindowsPath(file.path).as_posix()
        urls.insert(0, (folder / relative).as_uri())
    return tuple(urls)


def entry_lines(text: str, count: int, key: str = "packages") -> tuple[int, ...]:
    """The lines, from 1, where the `count` entries of `key` begin: [[packages]] headers or inline.

    tomllib tells no positions. Where the entries can't be told apart, each has the first line of all.
    """
    header = re.compile(_HEADER.format(key), re.MULTILINE)
    starts = [match.start() for match in header.finditer(text)]
    if len(starts) != count:  # an inline array, or a header inside a string or comment
        bare = _QUIET.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
        array = re.search(_INLINE.format(key), bare, re.MULTILINE)
        starts = [match.start() for match in header.finditer(bare)] or list(_inline_starts(bare, array))
        if len(starts) != count:
            starts = [array.start() if array else 0] * count
    lines, line, position = [], 1, 0
    for start in starts:
        line += text.count("\n", position, start)
        position = start
        lines.append(line)
    return tuple(lines)


def _inline_starts(bare: str, array: re.Match[str] | None) -> Iterator[int]:
    """Where the inline tables of `packages = [ … ]` open, in a text without strings and comments."""
    depth = 0
    for bracket in re.compile(r"[\[\]{}]").finditer(bare, array.end()) if array else ():
        if bracket[0] in "[{":
            if depth == 0:
                yield bracket.start()
            depth += 1
        else:
            depth -= 1
        if depth < 0:
            return


def toml_document(text: str, path: str) -> Mapping[str, object]:
    """A TOML text, which messages name `path`, as plain data. Raises LockError with line and column."""
    import tomllib  # late: only some formats need it

    body = text.removeprefix("\ufeff")
    try:
        return tomllib.loads(body)
    except tomllib.TOMLDecodeError as error:
        where, why = path, str(error)
        if position := _POSITION.search(why):
            end = (body.count("\n") + 1, len(body) - body.rfind("\n"))
            line, column = position.groups() if position[1] else end
            where, why = f"{path}:{line}:{column}", why[: position.start()]
        raise LockError("this is not TOML", where=where, why=why, remedy=_LOCK_AGAIN) from None
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, arrays 1,000 deep
        raise LockError("this TOML can't be read", where=path, why=str(error), remedy=_LOCK_AGAIN) from None


def _version_notes(document: Mapping[str, object], path: str) -> tuple[str, ...]:
    """Refuse another major version; a newer minor one gives a note with the keys that 1.0 doesn't know."""
    from packaging.version import InvalidVersion, Version  # late, as above

    found = document.get("lock-version")
    try:
        version = Version(found) if isinstance(found, str) else None
    except InvalidVersion:
        version = None
    if version is None or not Version("1") <= version < Version("2"):
        raise LockError(
            "lock-version is missing" if found is None else f"lock-version {found!r} is not known",
            where=path,
            why="this version reads 1.x, written as a string (PEP 751)",
            remedy="Make the lock again in version 1.0, or use a lockproof that knows this version.",
        )
    if version <= Version("1.0"):
        return ()
    unknown = ", ".join(sorted(document.keys() - _TOP_KEYS))
    ignored = f"; keys not known and ignored: {unknown}" if unknown else ""
    return (f"{path}: lock-version {version} is newer than 1.0, which is the one known here{ignored}",)


def _direct_problems(packages: Sequence[object], places: Sequence[str]) -> Iterator[LockError]:
    for package, place in zip(packages, places, strict=True):
        for key, (why, remedy) in _DIRECT.items():
            if isinstance(package, dict) and key in package:
                name = package.get("name", "a package")
                yield LockError(f"{name} is locked as `{key}`", where=place, why=why, remedy=remedy)


def _normalised(packages: Sequence[object], places: Sequence[str]) -> tuple[list[object], tuple[str, ...]]:
    """The entries with normalised names: some tools write other spellings of the same name (PEP 503)."""
    from packaging.utils import canonicalize_name  # late, as above

    result: list[object] = []
    notes = []
    for package, place in zip(packages, places, strict=True):
        name = package.get("name") if isinstance(package, dict) else None
        if isinstance(package, dict) and isinstance(name, str) and canonicalize_name(name) != name:
            notes.append(f"{place}: {name!r} is not normalised (PEP 751); read as {canonicalize_name(name)!r}")
            result.append({**package, "name": canonicalize_name(name)})
        else:
            result.append(package)
    return result, tuple(notes)


def _invalid(message: str, context: str, path: str, lines: Sequence[int]) -> LockError:
    match = re.match(r"packages\[(\d+)\]", context)
    where = f"{path}:{lines[int(match[1])]}" if match and int(match[1]) < len(lines) else path
    key = f" at {context}" if context else ""
    return LockError(f"the lock breaks PEP 751{key}", where=where, why=message, remedy=_LOCK_AGAIN)


def file_problems(package: Package, place: str) -> Iterator[LockError]:
    """What is wrong with the files of a package, beyond PEP 751: no sha256, a name or URL that can't be used."""
    for file in (*(package.wheels or ()), *((package.sdist,) if package.sdist else ())):
        if sha256_of(file.hashes) is None:
            algorithms = ", ".join(sorted(file.hashes))
            yield LockError(
                f"{file.filename} has no sha256",
                where=place,
                why=f"it has {algorithms}; files are known and proven by 64 hexadecimal digits of sha256",
                remedy="Lock again with sha256, which PEP 751 recommends.",
            )
        if why := _wrong_source(file):
            yield LockError(f"{package.name}: {why}", where=place, remedy=_LOCK_AGAIN)


def _wrong_source(file: PackageWheel | PackageSdist) -> str:
    """What is wrong with a file's name, size or whereabouts; empty when nothing is."""
    if not is_plain_filename(file.filename):
        return f"{file.filename!r} is not a plain file name"
    if file.size is not None and file.size < 0:
        return f"the size of {file.filename} is {file.size}"
    if file.path and _CONTROL.search(file.path):
        return f"the path {file.path!r} has control characters"
    try:
        url = urlsplit(file.url or "file:///")
    except ValueError as error:
        return f"the URL {file.url!r} can't be read: {error}"
    if url.scheme not in {"http", "https", "file"} or (url.scheme != "file" and not url.netloc):
        return f"the URL {file.url!r} is not one of http, https or file"
    return ""


def lines_by_name(packages: Sequence[Package], lines: Sequence[int]) -> Mapping[tuple[str, str], int]:
    """`Lock.lines` of packages that begin at the given lines."""
    result: dict[tuple[str, str], int] = {}
    for package, line in zip(packages, lines, strict=True):
        result.setdefault((package.name, str(package.version or "")), line)
        result.setdefault((package.name, ""), line)
    return result
