"""How a cluster is reached: its scheduler's address, TLS as Dask has it, and how long to wait."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lockproof.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


_ADDRESS = re.compile(r"(?:(?:tcp|tls|ws|wss)://)?(?:\[[0-9a-fA-F:.%]+\]|[^\s:/@\[\]]+):[0-9]{1,5}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """Where the scheduler is (`tcp://host:port`, `tls://host:port`), and how it is spoken to.

    `timeout` is in seconds. Files that are not named are those of Dask's own configuration.
    """

    scheduler: str
    timeout: float
    ca_file: str = ""
    cert: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        """Raise UsageError for what is no scheduler's address."""
        if not _ADDRESS.fullmatch(self.scheduler):
            raise UsageError(
                "this is no scheduler's address", where=self.scheduler,
                remedy="write tcp://host:8786, or tls://host:8786 for a cluster that uses TLS",
            )  # fmt: skip

    @property
    def has_tls(self) -> bool:
        """Whether files for TLS were named; then nothing is spoken in the clear."""
        return bool(self.ca_file or self.cert or self.key)

    def files(self, role: str) -> Mapping[str, object]:
        """What `distributed.Security` takes for the role `client` or `worker`; UsageError for files that aren't there.

        Empty where none is named: Dask's own configuration then decides.
        """
        if not self.has_tls:
            return {}
        named = {"tls_ca_file": self.ca_file, f"tls_{role}_cert": self.cert, f"tls_{role}_key": self.key}
        for name, file in named.items():
            if file and not Path(file).is_file():
                option = name.replace(f"_{role}", "").replace("_", "-")
                raise UsageError("there is no such file", where=file, remedy=f"name the right one with --{option}")
        return {**{name: file for name, file in named.items() if file}, "require_encryption": True}

    def unreachable(self, why: str) -> UnavailableError:
        """The error of a scheduler that can't be spoken to."""
        return UnavailableError(
            "no Dask scheduler can be reached there",
            where=self.scheduler,
            why=why,
            remedy="start one with `dask scheduler`, or look at the address, the network, and the TLS files",
        )


def require_distributed() -> None:
    """Raise UnavailableError where Dask isn't installed."""
    from importlib.util import find_spec  # only where a cluster is asked for

    if find_spec("distributed") is None:
        raise UnavailableError(
            "Dask isn't installed here", why="there is no module called distributed",
            remedy='install it with: pip install "lockproof[dask]"',
        )  # fmt: skip
