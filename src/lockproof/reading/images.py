"""Environments in containers and images: read through an engine as a tar stream, running nothing in them."""

from __future__ import annotations

import posixpath
import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lockproof.errors import UsageError
from lockproof.proof.fingerprint import Finding, platform_digest
from lockproof.reading.archives import inspect_archive, new_archive, take
from lockproof.reading.imagevariables import variable_findings
from lockproof.reading.prefixes import nobody
from lockproof.reading.readtree import layout_of
from lockproof.reading.rootfs import (
    Choice,
    base_prefix,
    choose,
    environments_in,
    user_sites,
)
from lockproof.reading.tarheaders import BrokenArchive
from lockproof.reading.tarreader import member_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lockproof.containers.engines import Container, Engine, Image
    from lockproof.proof.fingerprint import Fingerprint
    from lockproof.reading.archives import Recognise
    from lockproof.reading.inspection import Inspection
    from lockproof.reading.tarreader import Archive

# The grammar of image references, as the engines share it (github.com/distribution/reference).
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}"
_IMAGE = re.compile(
    rf"(?P<name>(?:{_HOST}/)?{_PART}(?:/{_PART})*)(?::(?P<tag>\w[\w.-]{{0,127}}))?(?:@(?P<digest>{_DIGEST}))?", re.ASCII
)
_CONTAINER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_TOLD = 5  # folders that a message names
_MOUNTED = "is mounted there from elsewhere, and was not read"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageTarget:
    """A container or an image of an engine, and the folder in it; empty where what is there shall be found."""

    scheme: str
    reference: str
    path: str

    @property
    def engine(self) -> str:
        """The engine's name."""
        return self.scheme.partition("-")[0]

    @property
    def is_image(self) -> bool:
        """Whether it is an image, and no container."""
        return self.scheme.endswith("-image")

    @property
    def where(self) -> str:
        """As the command line names it, without the folder."""
        return f"{self.scheme}:{self.reference}"


def parse_image_target(named: str) -> ImageTarget:
    """What `docker:CONTAINER[:/path]` or `docker-image:IMAGE[:/path]` names, or the same of podman.

    The path begins at the first `:/`, which no reference has: a port and a tag are never empty.
    """
    scheme, _, rest = named.partition(":")
    reference, found, path = rest.partition(":/")
    target = ImageTarget(scheme=scheme, reference=reference, path=posixpath.normpath(f"/{path}") if found else "")
    if target.is_image and not _IMAGE.fullmatch(reference):
        raise UsageError(
            "this names no image", where=named,
            why=f"{reference!r} is not of the form [HOST[:PORT]/]NAME[:TAG][@DIGEST]",
            remedy=f"{target.engine} images lists them; names are in small letters, a digest is sha256: and 64 digits",
        )  # fmt: skip
    if not target.is_image and not _CONTAINER.fullmatch(reference):
        raise UsageError(
            "this names no container", where=named, why=f"{reference!r} is neither a container's name nor its id",
            remedy=f"{target.engine} ps --all lists them; an image is named as {target.engine}-image:IMAGE",
        )  # fmt: skip
    return target


def inspect_image(
    target: ImageTarget,
    engine: Engine,
    recognise: Recognise,
    declared: str = "",
    vouched: Path | None = None,
    stand_in: Recognise = nobody,
) -> Inspection:
    """The environment in a container or an image, and its fingerprint; for the rest see `inspect_archive`.

    Raises UsageError where it is not there or holds no such environment, UnavailableError where the engine can't be
    asked or fails before the end.
    """
    with _opened(target, engine) as (container, source), new_archive() as archive:
        engine.read_container(container, lambda stream: take(archive, stream, target.where))
        mounts = _mounted(archive, source)
        choice = _environment(archive, target, source, mounts)
        called = target.path or f"/{choice.folder}"
        inspection = inspect_archive(
            archive,
            choice.folder,
            recognise=recognise,
            place=called,
            called=called,
            declared=declared,
            vouched=vouched,
            stand_in=stand_in,
        )
        around = (*_mount_findings(archive, choice.folder, mounts), *_user_findings(archive, choice.folder))
        site = f"{choice.folder}/{layout_of(inspection.tree).site}".lstrip("/")
        variables = variable_findings(archive, source.variables, inspection.fingerprint, site)
    findings = (*_findings(target, choice), *around, *variables)
    fingerprint = _told(inspection.fingerprint, _image_of(source), called)
    findings = tuple(sorted((*fingerprint.findings, *findings)))
    return replace(inspection, fingerprint=replace(fingerprint, findings=findings))


@contextmanager
def _opened(target: ImageTarget, engine: Engine) -> Iterator[tuple[str, Image | Container]]:
    """The container to read, and what the engine says of it, or of the image that it was made of for this."""
    if not target.is_image:
        yield target.reference, engine.container(target.reference)
        return
    image = find_image(engine, target.reference)
    with engine.created(image.id) as container:
        yield container, image


def find_image(engine: Engine, reference: str) -> Image:
    """The image of a reference; where its digest is wrong the error says which the name has."""
    match = _IMAGE.fullmatch(reference)
    if match is None or not match["digest"]:
        return engine.image(reference)
    try:
        return engine.image(f"{match['name']}@{match['digest']}")  # the tag beside a digest counts for nothing
    except UsageError as error:
        plain = f"{match['name']}:{match['tag']}" if match["tag"] else match["name"]
        try:
            other = engine.image(plain)
        except UsageError:
            raise error from None
        has = f"its digests are {', '.join(other.digests)}" if other.digests else "no registry gave it a digest"
        raise UsageError(
            f"{engine.name} has no image of this digest", where=reference,
            why=f"{plain} is there, and is {other.id}: {has}",
            remedy="name the digest that it has, or fetch the image that is meant: nothing is pulled",
        ) from error  # fmt: skip


def _image_of(source: Image | Container) -> Image:
    from lockproof.containers.engines import Container

    return source.image if isinstance(source, Container) else source


def _mounted(archive: Archive, source: Image | Container) -> tuple[str, ...]:
    """Where something is mounted in a container: what is there is not in its own file system, nor was it read."""
    from lockproof.containers.engines import Container

    return tuple(archive.real_path(path) for path in source.mounts) if isinstance(source, Container) else ()


def _environment(archive: Archive, target: ImageTarget, source: Image | Container, mounts: tuple[str, ...]) -> Choice:
    """The environment that the target names, or else the one that runs."""
    choice = _named(archive, target) if target.path else choose(archive, source.variables, source.command)
    if choice is None:
        every = environments_in(archive)
        what = "it can't be said which environment is meant" if every else "there is no Python environment in it"
        raise UsageError(what, where=target.where, remedy=_choices(target, every))
    if over := next((mount for mount in mounts if f"{choice.folder}/".startswith(f"{mount}/")), ""):
        raise UsageError(
            "this folder is not the container's own", where=f"{target.where}:/{choice.folder}",
            why=f"/{over} is mounted from elsewhere", remedy="name the folder or the volume that is mounted there",
        )  # fmt: skip
    return choice


def _named(archive: Archive, target: ImageTarget) -> Choice:
    try:
        folder = archive.real_path(member_path(target.path))
    except BrokenArchive:
        folder = ""
    if not folder or not archive.holds(folder):
        kind = "image" if target.is_image else "container"
        raise UsageError(
            f"the {kind} has no such folder", where=f"{target.where}:{target.path}",
            remedy=_choices(target, environments_in(archive)),
        )  # fmt: skip
    return Choice(folder=folder, why="", others=())


def _choices(target: ImageTarget, every: tuple[str, ...]) -> str:
    if not every:
        return "neither a virtual environment nor a prefix with bin/python3 and lib/python3.Y is in it"
    more = f" and {len(every) - _TOLD} more" if len(every) > _TOLD else ""
    told = ", ".join(f"/{folder}" for folder in every[:_TOLD])
    return f"name one of its environments, as {target.where}:/{every[0]}; it has {told}{more}"


def _findings(target: ImageTarget, choice: Choice) -> Iterator[Finding]:
    """A note where there are several environments: which was taken."""
    if choice.others:
        others = ", ".join(f"/{folder}" for folder in choice.others[:_TOLD])
        text = f"is {choice.why}; there is {others} too, to be named as {target.where}:/{choice.others[0]}"
        yield Finding("environment-chosen", f"/{choice.folder}", text, "note")


def _mount_findings(archive: Archive, folder: str, mounts: tuple[str, ...]) -> Iterator[Finding]:
    """Mounts in a container's environment, or in its Python: what Python finds there is not what was read."""
    prefix = base_prefix(archive, folder)
    parts = tuple(f"{prefix}/{part}/".lstrip("/") for part in ("bin", "lib"))
    for mount in mounts:
        if prefix != folder and mount.startswith(f"{folder}/"):
            yield Finding("mount", f"data/{mount[len(folder) + 1 :]}", _MOUNTED)
        elif any(f"{mount}/".startswith(part) or part.startswith(f"{mount}/".lstrip("/")) for part in parts):
            yield Finding("mount", f"/{mount}", f"{_MOUNTED}: parts of its Python may be there", "unproven")


def _user_findings(archive: Archive, folder: str) -> Iterator[Finding]:
    """Packages of users, whom a Python lets go before its own: which of them runs it isn't known."""
    if f"{folder}/pyvenv.cfg" in archive.files:
        return  # a virtual environment has none; where it lets the system's in, that is another finding
    for site in user_sites(archive):
        text = (
            "has packages that Python takes before those of the environment where the user whose home it is in runs it"
        )
        yield Finding("user-site", f"/{site}", text, "unproven")


def _told(fingerprint: Fingerprint, image: Image, place: str) -> Fingerprint:
    """With what is known of the image, which is a part of the platform layer."""
    facts = {**fingerprint.platform, "image": image.id}
    about = {**fingerprint.about, "image": image.id, "environment": place}
    if image.digests:
        about["image-digests"] = " ".join(image.digests)
    layers = {**fingerprint.layers, "platform": platform_digest(facts)}
    return replace(fingerprint, platform=facts, layers=layers, about=about)
