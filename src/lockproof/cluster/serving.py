"""`lockproof worker`: a Dask worker that offers the exact Pythons of its machine, until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lockproof import __version__
from lockproof.cluster.offers import offered, pythons_of
from lockproof.cluster.task import NAME, Desk
from lockproof.errors import UnavailableError
from lockproof.pythons.interpreters import known_interpreters
from lockproof.pythons.platforms import parse_python

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lockproof.cluster.security import Connection
    from lockproof.pythons.interpreters import Discovery


@dataclass(frozen=True, kw_only=True, slots=True)
class Serving:
    """How a worker serves: so many `cells` at once; `host` is its own address, `name` what Dask shows of it."""

    connection: Connection
    cache: Path
    cells: int
    name: str = ""
    host: str = ""
    from_index: bool = False
    verbose: bool = False


def pythons_here(discovery: Discovery, wanted: Sequence[str]) -> list[tuple[str, str]]:
    """(exact version, platform id) of every release of CPython here, or of those that are wanted.

    Raises UnavailableError where one of those is missing, or where there is none at all.
    """
    found = {
        (said.version, said.platform.id)
        for said in known_interpreters(discovery)
        if said.label == said.version and _is_described(said.version)
    }
    missing = [python for python in wanted if all(python != version for version, _ in found)]
    if missing or not found:
        there = ", ".join(sorted(version for version, _ in found)) or "none"
        raise UnavailableError(
            f"Python {', '.join(missing) or '3.6 or newer'} isn't here", why=f"found: {there}",
            remedy="install it, or leave out --python to offer what is here",
        )  # fmt: skip
    return sorted(python for python in found if not wanted or python[0] in wanted)


def _is_described(version: str) -> bool:
    try:
        parse_python(version)
    except ValueError:
        return False
    return True


def serve(serving: Serving, pythons: Sequence[tuple[str, str]], tell: Callable[[str], None]) -> int:
    """Serve until a signal comes or the scheduler goes; the exit code: 0, or 130 after Ctrl-C.

    Raises UnavailableError where the scheduler can't be reached, or has gone, UsageError for an address that is none.
    """
    return asyncio.run(_serve(serving, offered(pythons, __version__, serving.cells), tell))


async def _serve(serving: Serving, resources: dict[str, float], tell: Callable[[str], None]) -> int:
    from distributed import Security, Worker, WorkerPlugin  # only here

    if not serving.verbose:  # importing it has set the levels; what fails until it serves is told as an error
        logging.getLogger("distributed").setLevel(logging.CRITICAL)

    class Plugin(WorkerPlugin):  # type: ignore[misc]  # what isn't installed everywhere has no types
        """Gives the worker its desk, and ends the cells that the scheduler no longer wants."""

        name = NAME

        def __init__(self) -> None:
            self.desk = Desk(serving.cache, from_index=serving.from_index)

        def transition(self, key: str, start: str, finish: str, **_more: object) -> None:
            if start in ("executing", "long-running") and finish not in ("memory", "error", "executing"):
                self.desk.end(key)

        async def teardown(self, **_worker: object) -> None:
            await asyncio.to_thread(self.desk.close)

    connection = serving.connection
    files = connection.files("worker")
    more = {"security": Security(**files)} if files else {}
    more.update({"name": serving.name} if serving.name else {})
    more.update({"host": serving.host} if serving.host else {})
    local = serving.cache / "dask"
    local.mkdir(parents=True, exist_ok=True)
    worker = Worker(
        connection.scheduler, nthreads=serving.cells, resources=resources, plugins=(Plugin(),), memory_limit=0,
        death_timeout=connection.timeout, local_directory=str(local), dashboard=False, **more,
    )  # fmt: skip
    try:
        await worker
    except (OSError, RuntimeError) as error:
        own = f"as {serving.host}: " if serving.host else ""
        raise connection.unreachable(own + _reason(error, connection.timeout)) from error
    if not serving.verbose:
        logging.getLogger("distributed").setLevel(logging.WARNING)
    tell(f"{worker.address} offers {', '.join(pythons_of(resources))}; cells at once: {serving.cells}")
    return await _until_stopped(worker, connection)


async def _until_stopped(worker: object, connection: Connection) -> int:
    stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def stop(code: int) -> None:
        if not stopped.done():
            stopped.set_result(code)

    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 0)):
        asyncio.get_running_loop().add_signal_handler(number, stop, code)
    finished = asyncio.ensure_future(worker.finished())  # type: ignore[attr-defined]
    await asyncio.wait((stopped, finished), return_when=asyncio.FIRST_COMPLETED)
    if not stopped.done():
        raise UnavailableError("the scheduler has gone", where=connection.scheduler)
    await worker.close(reason="stopped")  # type: ignore[attr-defined]
    await finished
    return stopped.result()


def _reason(error: BaseException, timeout: float) -> str:
    """The innermost reason, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, asyncio.CancelledError):
        return f"no answer within {timeout:g} s"
    return (str(error) or type(error).__name__).splitlines()[0]
