"""Environments that are overlays: layers on disk, one folder for the commands of a cell and for nobody else.

<store>/images/<key>/             the wheels' files of one plan, joined once: the lowest layer, nobody writes there
<store>/images/<key>.look         what it looked like when it was last read (`reading.lastlook`)
.lockproof/<cell>/                where commands see the environment; outside, a note and nothing else
.lockproof/.overlay/<cell>/skeleton/   what virtualenv made, scripts, RECORDs: what knows the environment's path
.lockproof/.overlay/<cell>/upper/      what commands changed, and nothing else
.lockproof/.overlay/<cell>/work/       the kernel's
.lockproof/.overlay/<cell>/image       the path of the image; commands can write here, so only its last name counts
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from lockproof.digests import sha256_hex
from lockproof.environments import namespace
from lockproof.environments.environment import (
    Made,
    disk_error,
    has_scripts,
    host_layout,
    make_skeleton,
    note_link_mode,
    write_scripts_and_record,
)
from lockproof.errors import UnavailableError
from lockproof.proof.fingerprint import from_json
from lockproof.running.forks import Fork
from lockproof.wheels.linking import Joint, join, usable_mode
from lockproof.wheels.store import remove_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lockproof.environments.environment import Order
    from lockproof.proof.fingerprint import Fingerprint
    from lockproof.pythons.layout import Layout
    from lockproof.wheels.store import StoreEntry

_FORMAT = "lockproof image 1"
_KEY = re.compile(r"[0-9a-f]{64}")
# Our folder is appended, not put first: the standard library must win.
_START = "import sys; sys.path.append(sys.argv.pop(1)); from lockproof.cli import main; sys.exit(main(sys.argv[1:]))"
_NOTE = """\
Nothing lies here, and nothing is missing: this environment is an overlay (`link: overlay` in matrix.yaml), put together
while its commands run, and seen by them alone.

`lockproof verify` and `lockproof fingerprint` read it by this folder's path. What commands changed in it lies in
{upper}.
For an environment that can be activated and opened in an editor, use `link: auto`.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlay:
    """The parts of one environment: `target` is its path, `folder` has its own layers, `image` is the shared one."""

    target: Path
    folder: Path
    image: Path

    @property
    def skeleton(self) -> Path:
        """The layer of what knows the environment's path."""
        return self.folder / "skeleton"

    @property
    def upper(self) -> Path:
        """The layer of what commands changed."""
        return self.folder / "upper"

    def layers(self, *, writable: bool) -> tuple[str, str, str, list[str]]:
        """What `namespace.mount` is told; what is not writable has the changes as one more lower layer."""
        lower = [str(self.skeleton), str(self.image)]
        if writable:
            return str(self.target), str(self.upper), str(self.folder / "work"), lower
        return str(self.target), "", "", [str(self.upper), *lower]

    def inside(self, argv: Sequence[str], *, writable: bool = True) -> list[str]:
        """The command line that runs a command where the environment is seen."""
        target, upper, work, lower = self.layers(writable=writable)
        return [sys.executable, "-I", "-S", namespace.__file__, target, upper, work, str(len(lower)), *lower, *argv]

    def scripts(self, name: str) -> list[Path]:
        """Where the programs of its folder `name` lie, the topmost layer first."""
        return [layer / name for layer in (self.upper, self.skeleton, self.image)]

    def is_untouched(self) -> bool:
        """Whether no command has changed anything."""
        with os.scandir(self.upper) as entries:
            return next(entries, None) is None and not marked([str(self.upper)])


def marked(folders: Sequence[str]) -> bool:
    """Whether one of these folders hides or moves what is in the layers below it."""
    hiding = ("user.overlay.opaque", "user.overlay.redirect", "user.overlay.whiteout")
    for folder in folders:
        if (names := os.listxattr(folder, follow_symlinks=False)) and any(name in hiding for name in names):
            return True
    return False


def _parts_of(environment: Path) -> Path:
    return environment.parent / ".overlay" / environment.name


def overlay_at(environment: Path, images: Path) -> Overlay | None:
    """The overlay that has this path, seen from outside; None for any other folder.

    Raises UnavailableError for one whose image isn't one of those in the folder `images`.
    """
    environment = environment.absolute()
    folder = _parts_of(environment)
    if os.path.lexists(environment / "pyvenv.cfg") or environment.is_mount():
        return None
    try:
        named = Path((folder / "image").read_text(errors="surrogateescape"))
        real = os.path.realpath(named.parent)
    except (OSError, ValueError):
        return None
    overlay = Overlay(target=environment, folder=folder, image=_image_called(named.name, images))
    if not environment.is_dir() or not all(map(_is_folder, (overlay.skeleton, overlay.upper, folder / "work"))):
        return None
    if real == str(overlay.image.parent) and _is_image(overlay.image):
        return overlay
    raise UnavailableError(
        "this overlay can't be read", where=str(environment), why=f"its image {named} is none of those in {images}",
        remedy="name the cache that it was made with by --store, or run its cell again with --recreate",
    )  # fmt: skip


def _image_called(key: str, images: Path) -> Path:
    """An image's path, the same whichever links lead to the store."""
    return Path(os.path.realpath(images)) / key


def _is_image(path: Path) -> bool:
    return bool(_KEY.fullmatch(path.name)) and _is_folder(path)


def _is_folder(path: Path) -> bool:
    """Whether a folder lies there, and not a link to one."""
    return path.is_dir() and not path.is_symlink()


def overlay_problem(folder: Path) -> str:
    """Why no overlay can be mounted below `folder`, found out by trying, and what to do; empty where it can."""
    why = _refusal(folder)
    remedy = "Use link: auto; or allow user namespaces, and work on a file system such as ext4, XFS or Btrfs."
    error = UnavailableError("link: overlay can't be had here", where=str(folder), why=why, remedy=remedy)
    return str(error) if why else ""


def _refusal(folder: Path) -> str:
    if sys.platform != "linux":
        return "overlays are a thing of Linux"
    place = folder / ".overlay" / f".tried-{os.getpid()}"
    overlay = Overlay(target=place / "target", folder=place, image=place / "image")
    try:
        for layer in (overlay.target, overlay.skeleton, overlay.upper, place / "work", overlay.image):
            layer.mkdir(parents=True)
        fork = Fork[Overlay, str](_mounted)
        try:
            why = fork.ask(overlay)
        finally:
            fork.close()
    except OSError as error:
        return error.strerror or str(error)
    finally:
        remove_overlay_folder(place)
    return "the process that tried to mount one was ended" if why is None else why


def _mounted(overlay: Overlay) -> str:
    """Mount it, for this process; why that can't be, or nothing."""
    try:
        namespace.enter()
        namespace.mount(*overlay.layers(writable=True))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def remove_overlay_folder(folder: Path) -> None:
    """Remove the parts of an overlay; the kernel leaves a folder in `work` that not even its owner can list."""
    with suppress(OSError):
        (folder / "work" / "work").chmod(0o700)
    remove_tree(folder)


def fingerprint_inside(overlay: Overlay, cache: Path) -> Fingerprint:
    """The fingerprint of the environment as the kernel shows it, changes included; nobody can write while it is read.

    Another of ourselves reads it, where it is mounted. Raises UnavailableError where it can't be read.
    """
    here = namespace.__file__
    package = here[: here.rindex(f"{os.sep}lockproof{os.sep}")]
    ours = [sys.executable, "-I", "-c", _START, package]
    command = overlay.inside(
        [*ours, "fingerprint", str(overlay.target), "--json", "--store", str(cache)], writable=False
    )
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode == 0:
        return from_json(done.stdout.decode(errors="surrogateescape"), str(overlay.target))
    raise UnavailableError(
        "the environment can't be read whole", where=str(overlay.target),
        why=done.stderr.decode(errors="replace").strip(), remedy="nothing is said of it: run it again with --recreate",
    )  # fmt: skip


def make_overlays(orders: Sequence[Order], images: Path, app_data: Path) -> Made:
    """Make environments as overlays on images, those that are missing in one pass over the store.

    Raises UnavailableError where the disk says no.
    """
    replaced: list[str] = []
    for order in orders:
        try:
            made, image = _image(order, images)
            replaced += [*made, *_make_layers(order, image, app_data)]
        except OSError as error:
            raise disk_error(order.folder, error) from error
    return Made(links=("overlay",) * len(orders), replaced=tuple(replaced))


def _shared(order: Order) -> list[StoreEntry]:
    return [entry for entry in order.entries if entry.manifest.name not in order.own]


def image_of(order: Order, images: Path) -> Path:
    """Where the image of an order's wheels lies, made or not."""
    wheels = sorted(entry.manifest.sha256 for entry in _shared(order))
    site = host_layout(order.interpreter.version).site
    return _image_called(sha256_hex("\n".join((_FORMAT, site, *wheels)).encode()), images)


def _image(order: Order, images: Path) -> tuple[list[str], Path]:
    """The store files that had to be replaced, and the image of an order's wheels, made where it isn't there yet."""
    image = image_of(order, images)
    if _is_folder(image):
        return [], image
    images.mkdir(parents=True, exist_ok=True)
    with FileLock(images / ".lock"):
        if _is_folder(image):
            return [], image
        image.unlink(missing_ok=True)  # a link, which we never make
        for left in images.glob(".new-*"):  # by someone who was killed
            remove_tree(left)
        fresh = images / f".new-{os.getpid()}"
        layout = host_layout(order.interpreter.version)
        (fresh / layout.site).mkdir(parents=True)
        replaced = _join(_shared(order), layout, fresh)
        fresh.rename(image)
    return replaced, image


def _join(entries: Sequence[StoreEntry], layout: Layout, root: Path) -> list[str]:
    """Put wheels into a lower layer: nobody writes there, so that links, where there are any, are what costs least."""
    source = entries[0].folder / "manifest.json" if entries else None
    try:
        mode = usable_mode("hardlink", source, root)
    except UnavailableError:
        mode = "copy"
    return join([Joint(entries=entries, layout=layout, root=str(root))], mode, own_record=has_scripts)


def _make_layers(order: Order, image: Path, app_data: Path) -> list[str]:
    """The environment's own layers, made where it will be seen, since it knows its path, and moved then.

    Returns the store files that had to be replaced.
    """
    folder, target, version = _parts_of(order.folder), order.folder, order.interpreter.version
    remove_overlay_folder(folder)
    if not order.bare:
        make_skeleton(order.interpreter, target, app_data)
    own = [entry for entry in order.entries if entry.manifest.name in order.own]
    replaced = _join(own, host_layout(version), target)
    for entry in order.entries:
        if has_scripts(entry):
            write_scripts_and_record(entry, version, target)
    note_link_mode(target, "overlay")
    overlay = Overlay(target=target, folder=folder, image=image)
    overlay.upper.mkdir(parents=True)
    (folder / "work").mkdir()
    (folder / "image").write_text(str(image))
    target.rename(overlay.skeleton)
    target.mkdir()
    (target / "README").write_text(_NOTE.format(upper=overlay.upper))
    return replaced


def remove_image(image: Path, images: Path) -> None:
    """Take an image away that isn't what it should be: the next environment makes it again.

    Whatever isn't an image in the folder `images` stays where it is.
    """
    if image != _image_called(image.name, images) or not _is_image(image):
        return
    with FileLock(image.parent / ".lock"):
        gone = image.with_name(f".new-{os.getpid()}-{image.name}")
        with suppress(OSError):
            image.rename(gone)
        remove_tree(gone)
