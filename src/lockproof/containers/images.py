"""From what a cell's `container` says to one engine and the one image in it, or to why there is none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lockproof.cells.containerkeys import ENGINES, machine_of
from lockproof.containers.engines import find_engine
from lockproof.errors import LockproofError, MatrixError, UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lockproof.cells.containerkeys import Container
    from lockproof.containers.engines import Engine, Image

_TAG = re.compile(r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")


def working_engine(name: str, environ: Mapping[str, str]) -> tuple[Engine, int]:
    """The engine of that name, or the first that works where none is named; and how many dead containers it had.

    Raises UnavailableError where there is none, or none that this user may ask.
    """
    problems: list[UnavailableError] = []
    for candidate in (name,) if name else ENGINES:
        try:
            engine = find_engine(candidate, environ)
            swept = engine.sweep()
        except UnavailableError as error:
            problems.append(error)
        else:
            return engine, swept
    told = [problem for problem in problems if not problem.what.endswith("not on PATH")]
    if told:
        raise told[0]
    raise UnavailableError(
        f"there is no {name or 'container engine'} here", why=f"{name or ' and '.join(ENGINES)} "
        f"{'is' if name else 'are'} not on PATH",
        remedy=f"install {name or 'docker or podman'}: container cells run in it",
    )  # fmt: skip


def image_of(container: Container, engine: Engine, *, allow_tags: bool, offline: bool) -> Image:
    """The image that a cell names; one that is not in the engine yet is pulled.

    Raises MatrixError for a reference that doesn't pin an image, unless tags are allowed; it has the digest to write
    instead. Raises UsageError or UnavailableError where there is no such image, or one for another machine.
    """
    image = _present(container, engine, offline=offline)
    if not container.is_pinned and not allow_tags:
        raise _unpinned(container, engine, image)
    wanted, found = machine_of(container.platform), machine_of(image.platform)
    if wanted and wanted != found:
        raise UnavailableError(
            f"{engine.name} has this image for {image.platform}, not for {container.platform}", where=container.image,
            remedy=f"`{engine.name} pull --platform {container.platform} {container.image}` brings the other one, if "
            "the digest is that of all platforms; else pin the digest of that platform's image",
        )  # fmt: skip
    return image


def _present(container: Container, engine: Engine, *, offline: bool) -> Image:
    try:
        return engine.image(container.image)
    except UsageError as error:
        if offline or container.image.startswith("sha256:"):
            raise _absent(container, engine, error, offline=offline) from error
        absent = error
    platform = ("--platform", container.platform) if container.platform else ()
    try:
        engine.ask("pull", "--quiet", *platform, container.image)
        return engine.image(container.image)
    except LockproofError as error:
        raise _absent(container, engine, error if error.why else absent, offline=False) from error


def _absent(container: Container, engine: Engine, error: LockproofError, *, offline: bool) -> UnavailableError:
    remedy = f"`{engine.name} pull {container.image}` brings it; run without --offline, and it is pulled"
    if container.image.startswith("sha256:"):
        remedy = (
            "an image's id means it where it was built: build it here, or name it with its registry's digest; "
            f"`{engine.name} images --digests` lists what is here"
        )
    elif not offline:
        remedy = "see that name and digest are right, and that its registry can be reached and lets you in"
    return UnavailableError(
        f"{engine.name} does not have this image, and can't get it", where=container.image, why=error.why,
        remedy=remedy,
    )  # fmt: skip


def _unpinned(container: Container, engine: Engine, image: Image) -> MatrixError:
    if image.digests:
        name = container.image.partition("@")[0]
        pinned = f"{name}@{image.digests[0]}"
        remedy = f"pin it: image: {pinned}"
    else:
        name = _TAG.sub("", container.image)
        remedy = f"{engine.name} knows it from no registry; here it can be pinned by its id: image: {image.id}"
    return MatrixError(
        f"the image is named by a tag, which can mean another image tomorrow: {container.image}",
        remedy=f"{remedy}\n  or run with --allow-tags: what is run so stays unproven",
    )  # fmt: skip
