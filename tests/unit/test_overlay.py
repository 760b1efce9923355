"""Where overlays can't be had, it is said why; what hides other layers is seen."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from lockproof.environments import namespace
from lockproof.environments.overlay import Overlay, marked, overlay_at, overlay_problem
from support.overlays import needs_overlays

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def make(work: Path) -> Overlay:
    """An overlay of a cell in a work folder, its layers still empty."""
    overlay = Overlay(target=work / "cell", folder=work / ".overlay" / "cell", image=work / "image")
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


def test_what_the_kernel_says_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    refuses = tmp_path / "refuses.py"
    refuses.write_text("import sys; sys.exit('lockproof: a mount namespace is not to be had')")
    monkeypatch.setattr(namespace, "__file__", str(refuses))
    assert "can't be had here: a mount namespace is not to be had\n" in overlay_problem(tmp_path)
    assert list((tmp_path / ".overlay").iterdir()) == []


def test_it_is_found_by_its_path_as_long_as_it_is_whole(tmp_path: Path) -> None:
    overlay = make(tmp_path)
    assert overlay_at(overlay.target) == overlay
    overlay.upper.rmdir()
    assert overlay_at(overlay.target) is None
    overlay.upper.mkdir()
    (overlay.target / "pyvenv.cfg").touch()
    assert overlay_at(overlay.target) is None
    assert overlay_at(tmp_path / "other") is None


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
