"""`lockproof worker`, and where `lockproof run --executor dask` gets its cells run."""

from __future__ import annotations

import gc
import os
import socket
import sys
from typing import TYPE_CHECKING

from lockproof.cluster.security import Connection, require_distributed
from lockproof.digests import sha256_hex
from lockproof.errors import UsageError
from lockproof.reporters.text import printable

if TYPE_CHECKING:
    import argparse

    from lockproof.build.projecttree import ProjectTree
    from lockproof.cluster.executor import ClusterCells
    from lockproof.project import Project
    from lockproof.reporters.progress import Progress
    from lockproof.running.cellcommands import Options


def worker(options: argparse.Namespace, project: Project) -> int:
    """`lockproof worker`."""
    connection = _connection(options)
    from lockproof.cluster.serving import Serving, pythons_here, serve

    gc.enable()  # it stays for days
    serving = Serving(
        connection=connection,
        cache=project.places.cache,
        cells=options.jobs or os.cpu_count() or 1,
        name=options.name or "",
        host=options.host or "",
        from_index=options.from_index and not options.offline,
        verbose=options.verbose,
    )
    return serve(serving, pythons_here(project.discovery, options.python), _tell)


def cells_on_cluster(
    options: argparse.Namespace, wanted: Options, project: Project, listener: Progress
) -> ClusterCells:
    """What runs cells on the workers of the scheduler that the options name; raises as `Cluster` does."""
    connection = _connection(options)
    from lockproof.cluster.connection import Cluster
    from lockproof.cluster.executor import ClusterCells

    gc.enable()  # Dask's loop makes garbage as long as it runs

    def tree() -> ProjectTree:
        from lockproof.build.projecttree import read_project

        return read_project(project.root, project.places.cache / "projects" / f"{identity[:32]}.json")

    place = f"{socket.gethostname()}\0{project.root}"
    identity = sha256_hex(place.encode("utf-8", "surrogateescape"))
    return ClusterCells(
        wanted,
        connect=lambda told: Cluster(connection, told),
        project=tree,
        identity=identity,
        workspace=project.workspace,
        listener=listener,
        patience=connection.timeout,
    )


def _connection(options: argparse.Namespace) -> Connection:
    if not options.scheduler:
        raise UsageError("no scheduler is named", remedy="say where it is: --scheduler tcp://host:8786")
    require_distributed()
    files = {name: getattr(options, f"tls_{name}") or "" for name in ("ca_file", "cert", "key")}
    return Connection(scheduler=options.scheduler, timeout=options.scheduler_timeout, **files)


def _tell(text: str) -> None:
    sys.stderr.write(f"lockproof: {printable(text)}\n")
    sys.stderr.flush()
