"""Every error a user can meet: one root, one exit code a class, each saying what, where, why and what to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAY_BE_TOO_LONG = (3, 206)  # winerror.h: ERROR_PATH_NOT_FOUND, ERROR_FILENAME_EXCED_RANGE
_LONG = 248  # characters: MAX_PATH less the 12 that a short name in a folder takes
_LOGIN = re.compile(r"://[^/\s]*@")


class LockproofError(Exception):
    """What went wrong (`what`), at which file, line or key (`where`), why, and what to do (`remedy`).

    Messages quote files and variables as they are; the users and passwords of URLs are left out here, for all of them.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, what: str, *, where: str = "", why: str = "", remedy: str = "") -> None:
        super().__init__(without_logins(what))
        self.what = without_logins(what)
        self.where = where
        self.why = without_logins(why)
        self.remedy = without_logins(remedy)

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        if self.why:
            head = f"{head}: {self.why}"
        return f"{head}\n  {self.remedy}" if self.remedy else head


def without_logins(text: str) -> str:
    """`text` with stars for the user and password of every URL in it; either can be a token."""
    return _LOGIN.sub("://***@", text)


def why_of(error: OSError) -> str:
    """What the system said; of a path that Windows may have found too long (it says only that it isn't there), that."""
    why = error.strerror or str(error)
    longest = max((len(str(name)) for name in (error.filename, error.filename2) if name), default=0)
    if getattr(error, "winerror", None) not in _MAY_BE_TOO_LONG or longest < _LONG:
        return why
    return f"{why}: a path has {longest} characters, and Windows takes 260, of a folder 248, only with LongPathsEnabled"


def why_malformed(error: Exception) -> str:
    """What is wrong with a file, in words, where reading it raised this; a ValueError of ours has them already."""
    from json import JSONDecodeError  # only for messages

    if isinstance(error, OSError):
        return why_of(error)
    if isinstance(error, JSONDecodeError):
        return f"it is not JSON (line {error.lineno}, column {error.colno}: {error.msg})"
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]!r}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, TypeError | AttributeError | IndexError):
        return "a value in it is of the wrong kind"
    return str(error)


class UsageError(LockproofError):
    """A command line that asks for something that isn't there (exit 2)."""


class MatrixError(LockproofError):
    """matrix.yaml can't be read or doesn't say a matrix (exit 2)."""


class LockError(LockproofError):
    """A lock that can't be read, isn't hashed, or doesn't fit a cell (exit 2)."""


class MissingRequirementsError(LockError):
    """A build that requires what its environment does not have: `missing` has the requirements as written (exit 2)."""

    def __init__(self, what: str, missing: Sequence[str], *, why: str = "", remedy: str = "") -> None:
        super().__init__(what, why=why, remedy=remedy)
        self.missing = tuple(missing)


class HashMismatchError(LockproofError):
    """An artifact whose bytes are not the ones the lock names (exit 5)."""

    exit_code = 5


class UnavailableError(LockproofError):
    """An interpreter, artifact, network or platform that isn't at hand, or work that stayed unproven (exit 4)."""

    exit_code = 4


class NotFetchedError(UnavailableError):
    """A file that is neither in the store nor on this machine, while the network must not be used (exit 4)."""

    def __init__(self, filenames: Sequence[str], *, where: str = "") -> None:
        count = "a wheel is" if len(filenames) == 1 else f"{len(filenames)} wheels are"
        super().__init__(
            f"{count} not in the store",
            where=where,
            why=f"{', '.join(filenames)}; the network is not used with --offline",
            remedy="Run once without --offline, or name a folder that has the files as pip's find-links.",
        )
        self.filenames = tuple(filenames)


class BuildMismatchError(LockproofError):
    """A build whose files are not those that the same build gave before, or in another folder (exit 3)."""

    exit_code = 3


class UntrustedError(LockproofError):
    """An attestation that the given key did not sign as it stands, or that contradicts itself (exit 3)."""

    exit_code = 3


class ProblemsError(LockproofError):
    """Several errors told at once; the exit code is that of the most serious one (5, then 1, 4, 2)."""

    def __init__(self, problems: Sequence[LockproofError]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)

    @property
    def worst_exit_code(self) -> int:
        """The exit code of the most serious problem."""
        codes = {problem.exit_code for problem in self.problems}
        return next((code for code in (5, 3, 1, 4) if code in codes), 2)
