"""Where overlays can't be had, it is said why; what hides other layers is seen."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from lockproof.environments import namespace
from lockproof.environments.overlay import Overlay, marked, overlay_at, overlay_problem, remove_image
from lockproof.errors import UnavailableError
from support.overlays import needs_overlays


def make(work: Path) -> Overlay:
    """An overlay of a cell in a work folder, its layers still empty."""
    overlay = Overlay(target=work / "cell", folder=work / ".overlay" / "cell", image=work / "images" / ("0" * 64))
    for part in (overlay.target, overlay.skeleton, overlay.upper, overlay.folder / "work", overlay.image):
        part.mkdir(parents=True)
    (overlay.folder / "image").write_text(str(overlay.image))
    return overlay


def test_no_other_system_has_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert overlay_problem(tmp_path) == (
        f"{tmp_path}: link: overlay can't be had here: overlays are a thing of Linux\n"
        "  Use link: auto; or allow user namespaces, and work on a file system such as ext4, XFS or Btrfs."
    )


@pytest.mark.skipif(sys.platform != "linux", reason="overlays are a thing of Linux")
@pytest.mark.parametrize("refusing", ["enter", "mount"])
def test_what_the_kernel_says_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refusing: str) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "a mount namespace is not to be had")

    monkeypatch.setattr(namespace, "enter", lambda: None)
    monkeypatch.setattr(namespace, refusing, refuse)
    assert "can't be had here: a mount namespace is not to be had\n" in overlay_problem(tmp_path)
    assert list((tmp_path / ".overlay").iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="overlays are a thing of Linux")
def test_a_trial_that_is_killed_is_no_overlay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(namespace, "enter", lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert "can't be had here: the process that tried to mount one was ended\n" in overlay_problem(tmp_path)
    assert list((tmp_path / ".overlay").iterdir()) == []


def test_it_is_found_by_its_path_as_long_as_it_is_whole(tmp_path: Path) -> None:
    overlay = make(tmp_path)
    images = overlay.image.parent
    assert overlay_at(overlay.target, images) == overlay
    overlay.upper.rmdir()
    assert overlay_at(overlay.target, images) is None
    overlay.upper.symlink_to(tmp_path)
    assert overlay_at(overlay.target, images) is None
    overlay.upper.unlink()
    overlay.upper.mkdir()
    (overlay.target / "pyvenv.cfg").touch()
    assert overlay_at(overlay.target, images) is None
    assert overlay_at(tmp_path / "other", images) is None


def test_links_to_the_store_make_no_other_image(tmp_path: Path) -> None:
    overlay = make(tmp_path / "one")
    (tmp_path / "two").symlink_to("one")
    assert overlay_at(overlay.target, tmp_path / "two" / "images") == overlay
    (overlay.folder / "image").write_text(str(tmp_path / "two" / "images" / overlay.image.name))
    assert overlay_at(overlay.target, overlay.image.parent) == overlay


@pytest.mark.parametrize("named", ["{images}/../elsewhere/{key}", "{images}", "{images}/new", "{images}/{link}", ""])
def test_another_folder_is_never_an_image(tmp_path: Path, named: str) -> None:
    overlay, link = make(tmp_path), "1" * 64
    images, key = overlay.image.parent, overlay.image.name
    (tmp_path / "elsewhere" / key).mkdir(parents=True)
    (images / "new").mkdir()
    (images / link).symlink_to(tmp_path / "elsewhere")
    text = named.format(images=images, key=key, link=link)
    (overlay.folder / "image").write_text(text)
    with pytest.raises(UnavailableError, match=r"this overlay can't be read: its image .* is none of those in "):
        overlay_at(overlay.target, images)
    remove_image(Path(text), images)
    assert sorted(path.name for path in images.iterdir()) == [key, link, "new"]
    assert (tmp_path / "elsewhere" / key).is_dir()


def test_an_image_is_removed_alone(tmp_path: Path) -> None:
    images = make(tmp_path).image.parent
    (images / ("2" * 64)).mkdir()
    remove_image(images / ("0" * 64), images)
    assert sorted(path.name for path in images.iterdir()) == [".lock", "2" * 64]


@needs_overlays
def test_what_hides_other_layers_is_seen(tmp_path: Path) -> None:
    overlay = make(tmp_path)
    assert overlay.is_untouched()
    os.setxattr(overlay.upper, "user.overlay.opaque", b"y")
    assert not overlay.is_untouched()
    assert marked([str(tmp_path), str(overlay.upper)])
    assert not marked([str(tmp_path)])


@needs_overlays
def test_whatever_is_in_the_folder_of_changes_was_changed(tmp_path: Path) -> None:
    overlay = make(tmp_path)
    (overlay.upper / "x").touch()
    assert not overlay.is_untouched()
