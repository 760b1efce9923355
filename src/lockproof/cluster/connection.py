"""The client's side of a Dask cluster: what its workers offer, cells submitted to them, files sent to them."""

from __future__ import annotations

import logging
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, cast

from lockproof.cluster.task import accept_pieces, run_cell
from lockproof.errors import LockproofError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lockproof.cluster.parcels import Piece
    from lockproof.cluster.security import Connection

    Packages = Mapping[str, Mapping[str, str | None]]

_LONGEST_GOODBYE = 5  # seconds


class Task(Protocol):
    """A cell that was submitted: `distributed.Future`."""

    key: str
    status: str

    def result(self) -> bytes:
        """Its answer; raises what the task raised."""

    def add_done_callback(self, called: Callable[[Task], None]) -> None:
        """Call it when the task is done, cancelled or lost."""


class Cluster:
    """A connection to a scheduler; safe to use from several threads."""

    def __init__(self, connection: Connection, told: Callable[[Mapping[str, object]], None]) -> None:
        """Connect. `told` hears, in a thread of Dask's, what happens to the cells that are submitted here.

        Raises UnavailableError where the scheduler can't be reached, or its Dask is of another version.
        """
        from distributed import Client, Security  # only here

        self._connection = connection
        warnings.filterwarnings("ignore", module=r"distributed\b")  # of versions: they are held against each other here
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        files = connection.files("client")
        more = {"security": Security(**files)} if files else {}
        try:
            self._client = Client(connection.scheduler, timeout=connection.timeout, set_as_default=False, **more)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise connection.unreachable((str(error) or type(error).__name__).splitlines()[0]) from error
        try:
            self._refuse_other_versions()
        except LockproofError:
            self.close()
            raise
        self._topic = str(self._client.id)  # what is told under a client's name the scheduler forgets with the client
        self._client.subscribe_topic(self._topic, lambda event: told(event[1]))

    def _refuse_other_versions(self) -> None:
        found = self._client.get_versions()
        ours = found["client"]["packages"]["distributed"]
        others = {"the scheduler": found["scheduler"], **found["workers"]}
        differing = [
            f"{name} has {theirs}"
            for name, said in others.items()
            if said and (theirs := cast("Packages", said)["packages"].get("distributed")) != ours
        ]
        if differing:
            raise UnavailableError(
                "the Dask of client and cluster must be the same", where=self._connection.scheduler,
                why=f"distributed is {ours} here, {', '.join(differing)}",
                remedy="install the same version of distributed on all of them",
            )  # fmt: skip

    def workers(self) -> dict[str, Mapping[str, float]]:
        """The resources that each worker offers, by its address; UnavailableError where the scheduler has gone."""
        try:
            found = self._client.scheduler_info(n_workers=-1)["workers"]
        except Exception as error:  # a client that is closed has errors of its own
            raise self.lost() from error
        return {str(address): worker["resources"] for address, worker in found.items()}

    def lost(self) -> UnavailableError:
        """The error of a scheduler that is no longer there."""
        return UnavailableError("the scheduler has gone", where=self._connection.scheduler)

    def submit(self, key: str, request: bytes, resources: Mapping[str, float]) -> Task:
        """Have a cell run by a worker that offers the resources; UnavailableError where the scheduler has gone."""
        wanted = dict(resources)
        try:
            task = self._client.submit(run_cell, key, self._topic, request, key=key, resources=wanted, pure=False)
        except Exception as error:  # a client that is closed has errors of its own
            raise self.lost() from error
        return cast("Task", task)

    def send(self, worker: str, sender: str, pieces: Sequence[Piece]) -> None:
        """Send pieces of files to one worker; raises UnavailableError where they don't get there."""
        try:
            self._client.run(accept_pieces, sender, [tuple(piece) for piece in pieces], workers=[worker])
        except Exception as error:  # whatever the worker has raised
            raise UnavailableError("files can't be sent to a worker", where=worker, why=str(error)) from error

    def cancel(self, tasks: Sequence[Task]) -> None:
        """Let the workers end these cells."""
        with suppress(Exception):  # where the scheduler has gone, they end by themselves
            self._client.cancel(list(tasks), force=True)

    def close(self) -> None:
        """Leave the cluster; what is still under way there is ended."""
        with suppress(Exception):  # there is nothing left to be saved
            self._client.close(timeout=_LONGEST_GOODBYE)
