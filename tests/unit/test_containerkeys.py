"""`container` of a matrix: what it may say, and the platform that it means before anybody looked inside."""

from __future__ import annotations

import pytest

from lockproof.cells.config import read_matrix
from lockproof.cells.containerkeys import Container, container_platform, machine_of
from lockproof.cells.documents import load_yaml
from lockproof.errors import MatrixError
from lockproof.pythons.platforms import Platform

HOST = Platform(os="linux", machine="x86_64", libc="glibc", version=(2, 39))
MAC = Platform(os="macos", machine="arm64", version=(14, 0))
DIGEST = "sha256:" + "0" * 64


def read(container: str) -> Container | None:
    text = f"version: 1\nlock: a.txt\ncells: {{include: [{{python: '3.12.1', container: {container}}}]}}\npython: []\n"
    (entry,) = read_matrix(load_yaml(text, "matrix.yaml")).include
    return entry.settings.container


def test_every_key() -> None:
    text = "{image: 'a:1', platform: linux/arm64, engine: podman, network: host, python: /opt/p, project: copy}"
    assert read(text) == Container(
        image="a:1", platform="linux/arm64", engine="podman", network="host", python="/opt/p", project="copy"
    )
    assert read("{image: a}") == Container(
        image="a", platform="", engine="", network="none", python="", project="read-only"
    )


@pytest.mark.parametrize(
    ("container", "problem"),
    [
        ("{image: '-v'}", 'container.image: found "-v", expected an image such as'),
        ("{image: 'a b'}", 'container.image: found "a b", expected an image such as'),
        (
            "{image: a, platform: windows/amd64}",
            'container.platform: found "windows/amd64", expected one of linux/amd64',
        ),
        ("{image: a, engine: dockre}", "expected one of docker, podman; did you mean `docker`?"),
        ("{image: a, network: --privileged}", "container.network: found"),
        ("{image: a, python: python3}", "expected the absolute path of a Python in the image"),
        ("{image: a, project: writable}", "expected one of read-only, copy"),
        ("{image: a, ports: []}", "unknown key `ports`"),
    ],
)
def test_what_is_wrong_is_told(container: str, problem: str) -> None:
    with pytest.raises(MatrixError) as raised:
        read(container)
    assert problem in raised.value.what


@pytest.mark.parametrize(
    ("image", "pinned"),
    [(DIGEST, True), (f"a:1@{DIGEST}", True), ("a:1", False), ("a@sha256:0", False), (f"a{DIGEST}", False)],
)
def test_only_a_whole_digest_pins(image: str, pinned: bool) -> None:
    assert Container(image=image).is_pinned is pinned


def test_the_platform_before_anybody_looked_inside() -> None:
    assert container_platform(Container(image="a"), HOST).id == "linux-x86_64"
    assert container_platform(Container(image="a"), MAC).id == "linux-aarch64"
    assert container_platform(Container(image="a", platform="linux/arm64"), HOST).spelling == "linux-aarch64-glibc2.28"


def test_the_machine_of_an_image() -> None:
    images = ("linux/amd64", "linux/arm64", "linux/arm64/v8", "linux/mips", "windows/amd64")
    assert [machine_of(image) for image in images] == ["x86_64", "aarch64", "aarch64", "", ""]
