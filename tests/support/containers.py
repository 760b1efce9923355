"""Cells in containers: how a matrix names them, and how a project's runs come to their engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.engines import BASE
from support.tools import run

if TYPE_CHECKING:
    from lockproof.containers.engines import Engine
    from support.projects import Project

DEBIANS = "3.11.2"  # the Python of the base image


def cell(image: str, engine: Engine, python: str, **more: object) -> dict[str, object]:
    """An entry of `cells.include`, named after its engine."""
    container = {"image": image, "engine": engine.name, **more}
    return {"name": engine.name, "python": python, "container": container}


def reach(project: Project, *engines: Engine) -> None:
    """Let the project's runs speak to these engines, and to no other."""
    names = ("DOCKER_HOST", "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF")
    for engine in engines:
        project.variables.update({name: engine.environ[name] for name in names if name in engine.environ})
    project.variables["PATH"] = f"{project.environ['PATH']}:/usr/sbin:/sbin"  # where podman finds what it runs


def containers(engine: Engine, *filters: str) -> list[str]:
    """The ids of all containers that the engine has, or of some."""
    return run([engine.program, "ps", "--all", "--quiet", "--no-trunc", *filters], engine.environ).split()


def image_id(engine: Engine) -> str:
    """What pins the base image in this engine."""
    return engine.image(BASE).id
