"""What names a container or an image, and what an engine's fakes say of them."""

from __future__ import annotations

import io
import tarfile
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, TypeVar

import pytest

from lockproof.containers.engines import Container, Engine, Image
from lockproof.errors import UsageError
from lockproof.proof.fingerprint import Finding, platform_digest
from lockproof.reading.images import ImageTarget, find_image, inspect_image, parse_image_target
from support.elves import elf_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lockproof.pythons.carried import Carried

ID = f"sha256:{'1' * 64}"
DIGEST = f"sha256:{'a' * 64}"
_Read = TypeVar("_Read")


@pytest.mark.parametrize(
    ("named", "scheme", "reference", "path"),
    [
        ("docker:web", "docker", "web", ""),
        ("docker:web_1.a-b:/opt/venv", "docker", "web_1.a-b", "/opt/venv"),
        ("podman:0f3b:/", "podman", "0f3b", "/"),
        ("docker-image:app", "docker-image", "app", ""),
        ("docker-image:app:1.2:/opt/venv", "docker-image", "app:1.2", "/opt/venv"),
        ("docker-image:localhost:5000/app", "docker-image", "localhost:5000/app", ""),
        ("docker-image:localhost:5000/app:1:/a", "docker-image", "localhost:5000/app:1", "/a"),
        (f"docker-image:localhost:5000/app@{DIGEST}", "docker-image", f"localhost:5000/app@{DIGEST}", ""),
        (f"docker-image:r.example/a/b__c:1@{DIGEST}:/x", "docker-image", f"r.example/a/b__c:1@{DIGEST}", "/x"),
        ("docker-image:[::1]:5000/app", "docker-image", "[::1]:5000/app", ""),
        (f"docker-image:{ID}", "docker-image", ID, ""),
        (f"podman-image:{ID}:/usr", "podman-image", ID, "/usr"),
        ("podman-image:localhost/app:1:/srv/my app:/it's", "podman-image", "localhost/app:1", "/srv/my app:/it's"),
        ("podman-image:app:/a/../b//c/", "podman-image", "app", "/b/c"),
    ],
)  # fmt: skip
def test_where_the_reference_ends_and_the_path_begins(named: str, scheme: str, reference: str, path: str) -> None:
    assert parse_image_target(named) == ImageTarget(scheme=scheme, reference=reference, path=path)


@pytest.mark.parametrize(
    "named",
    [
        "docker-image:", "docker-image::/opt", "docker-image:App", "docker-image:-app", "docker-image:--help",
        "docker-image:a b", "docker-image:app:", "docker-image:app@sha256:12", "docker-image:app@",
        "docker-image:app:t@", "docker-image:a//b",
        "docker-image:app;reboot", "docker-image:app\n", "docker-image:äpp", "docker-image:a:1:2", "docker-image:/app",
        "docker:", "docker:-v", "docker:a/b", "docker:a b", "docker:web\n", "podman:$(x)", "podman::/opt",
    ],
)  # fmt: skip
def test_what_names_nothing(named: str) -> None:
    with pytest.raises(UsageError, match=r"this names no (image|container)") as caught:
        parse_image_target(named)
    assert caught.value.where == named


class FakeEngine(Engine):
    """An engine of images by reference, all with one file system."""

    __slots__ = ("archive", "created_of", "images", "running")

    images: dict[str, Image]
    archive: bytes
    created_of: list[str]
    running: Container

    def image(self, reference: str) -> Image:
        if reference not in self.images:
            raise UsageError("docker has no such image or container", where=reference)
        return self.images[reference]

    def container(self, reference: str) -> Container:
        del reference
        return self.running

    @contextmanager
    def created(self, reference: str) -> Iterator[str]:
        self.created_of.append(reference)
        yield "made"

    def read_container(self, reference: str, read: Callable[[IO[bytes]], _Read]) -> _Read:
        assert reference in ("made", "web")
        return read(io.BytesIO(self.archive))


def engine_of(
    files: Mapping[str, bytes], links: Mapping[str, str] = {}, *, mounts: tuple[str, ...] = (), **more: object
) -> FakeEngine:
    """An engine whose images have these files."""
    made = FakeEngine(name="docker", program="docker", environ={})
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for path, content in files.items():
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(content), 0o755
            tar.addfile(info, io.BytesIO(content))
        for path, target in links.items():
            info = tarfile.TarInfo(path)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    image = Image(id=ID, digests=(DIGEST,), platform="linux/amd64", **more)  # type: ignore[arg-type]
    values = {
        "archive": stream.getvalue(),
        "images": dict.fromkeys((ID, "app", f"app@{DIGEST}", "app:1"), image),
        "created_of": [],
        "running": Container(image=image, variables=image.variables, command=image.command, mounts=mounts),
    }
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made


def nobody(_carried: Carried) -> None:
    return None


VENV = {
    "opt/venv/pyvenv.cfg": b"home = /usr/local/bin\nversion = 3.12.1\n",
    "usr/local/lib/python3.12/os.py": b"",
    "usr/local/bin/python3.12": b"",
}
LINKS = {"opt/venv/bin/python": "/usr/local/bin/python3", "usr/local/bin/python3": "python3.12"}


def notes(engine: FakeEngine, named: str) -> list[Finding]:
    """What is told beside the environment itself."""
    codes = ("environment-chosen", "image-variable", "mount", "user-site", "bytecode-unchecked", "bytecode-unreadable")
    found = inspect_image(parse_image_target(named), engine, nobody).fingerprint
    return [finding for finding in found.findings if finding.code in codes]


def test_what_is_known_of_an_image_is_told() -> None:
    engine = engine_of(VENV, LINKS)

    found = inspect_image(parse_image_target("docker-image:app:/opt/venv"), engine, nobody).fingerprint

    assert dict(found.about) == {"image": ID, "environment": "/opt/venv", "image-digests": DIGEST}
    assert dict(found.platform) == {"image": ID}
    assert engine.created_of == [ID]


def test_an_image_with_musl_is_known_by_its_python_s_loader() -> None:
    files = {
        **VENV,
        "usr/local/bin/python3.12": elf_program(183, loader="/lib/ld-musl-aarch64.so.1"),
        "lib/ld-musl-aarch64.so.1": b"\x7fELF musl libc (aarch64)\nVersion %s\n\x001.2.5\0",
    }

    found = inspect_image(parse_image_target("docker-image:app:/opt/venv"), engine_of(files, LINKS), nobody).fingerprint

    facts = {"system": "linux", "machine": "aarch64", "libc": "musl", "musl version": "1.2", "image": ID}
    assert dict(found.platform) == facts
    assert found.layers["platform"] == platform_digest(facts)
    assert found.about["platform"] == "linux-aarch64-musl"


def test_the_environment_that_runs_is_taken_and_the_others_are_told() -> None:
    engine = engine_of(VENV, LINKS, variables={"PATH": "/opt/venv/bin:/usr/local/bin", "PYTHONPATH": "/srv"})

    assert notes(engine, "docker-image:app") == [
        Finding(
            "environment-chosen", "/opt/venv", "is the environment of the first Python on its PATH; there is "
            "/usr/local too, to be named as docker-image:app:/usr/local", "note",
        ),
        Finding("image-variable", "PYTHONPATH", "is set to '/srv', which Python or its loader heeds", "note"),
    ]  # fmt: skip


def test_environments_of_which_none_runs_are_told() -> None:
    engine = engine_of(VENV, LINKS, variables={"PATH": "/sbin"})

    with pytest.raises(UsageError, match="it can't be said which environment is meant") as caught:
        notes(engine, "docker-image:app")
    assert caught.value.remedy == (
        "name one of its environments, as docker-image:app:/opt/venv; it has /opt/venv, /usr/local"
    )


@pytest.mark.parametrize(
    ("mounts", "told"),
    [
        (("/srv", "/opt/data"), []),
        (("/opt/venv/lib",), [("data/lib", "mismatch")]),
        (("/usr/local/lib/python3.12",), [("/usr/local/lib/python3.12", "unproven")]),
        (("/usr",), [("/usr", "unproven")]),
    ],
)
def test_mounts_in_a_container_are_told_where_they_count(mounts: tuple[str, ...], told: list[tuple[str, str]]) -> None:
    engine = engine_of(VENV, LINKS, mounts=mounts)

    found = notes(engine, "docker:web:/opt/venv")

    assert [(finding.path, finding.level) for finding in found] == told
    assert engine.created_of == []


def test_an_environment_on_a_volume_is_not_read() -> None:
    with pytest.raises(UsageError, match="this folder is not the container's own") as caught:
        notes(engine_of(VENV, LINKS, mounts=("/opt",)), "docker:web:/opt/venv")
    assert caught.value.why == "/opt is mounted from elsewhere"


@pytest.mark.parametrize("path", ["/nothing", "/", "/opt/../.."])
def test_a_folder_that_the_image_doesn_t_have(path: str) -> None:
    with pytest.raises(UsageError, match="the image has no such folder") as caught:
        notes(engine_of(VENV, LINKS), f"docker-image:app:{path}")
    assert "it has /opt/venv, /usr/local" in caught.value.remedy


def test_an_image_without_python() -> None:
    with pytest.raises(UsageError, match="there is no Python environment in it") as caught:
        notes(engine_of({"bin/busybox": b""}), "docker-image:app")
    assert caught.value.where == "docker-image:app"


def test_a_digest_counts_and_a_tag_beside_it_does_not() -> None:
    assert find_image(engine_of({}), f"app:no-such-tag@{DIGEST}").id == ID


def test_a_wrong_digest_is_told_with_the_right_one() -> None:
    wrong = f"app:1@sha256:{'b' * 64}"
    with pytest.raises(UsageError, match="docker has no image of this digest") as caught:
        find_image(engine_of({}), wrong)
    assert (caught.value.where, caught.value.why) == (wrong, f"app:1 is there, and is {ID}: its digests are {DIGEST}")


def test_an_image_that_isn_t_there_by_any_digest() -> None:
    with pytest.raises(UsageError, match="docker has no such image"):
        find_image(engine_of({}), f"other@{DIGEST}")


USER = "home/me/.local/lib/python3.12/site-packages"


@pytest.mark.parametrize(
    ("folder", "files", "links", "told"),
    [
        ("/usr/local", {f"{USER}/demo.py": b""}, {}, [(f"/{USER}", "unproven")]),
        ("/usr/local", {}, {f"{USER}/evil.pth": "/srv/evil.pth"}, [(f"/{USER}", "unproven")]),
        ("/usr/local", {"home/me/.local/bin/demo": b""}, {}, []),
        ("/opt/venv", {f"{USER}/demo.py": b""}, {}, []),
    ],
)
def test_packages_in_a_home_count_for_a_python_s_own_environment(
    folder: str, files: dict[str, bytes], links: dict[str, str], told: list[tuple[str, str]]
) -> None:
    engine = engine_of({**VENV, **files}, {**LINKS, **links})
    assert [(found.path, found.level) for found in notes(engine, f"docker-image:app:{folder}")] == told


BYTECODE = "usr/local/lib/python3.12/__pycache__/os.cpython-312"
UNCHECKED, CHECKED, TIMED = (b"magi" + bytes([flags]) + bytes(11) for flags in (1, 3, 0))


@pytest.mark.parametrize("folder", ["/usr/local", "/opt/venv"])
@pytest.mark.parametrize(
    ("files", "links", "code"),
    [
        ({f"{BYTECODE}.pyc": UNCHECKED}, {}, "bytecode-unchecked"),
        ({f"{BYTECODE}.opt-1.pyc": UNCHECKED}, {}, "bytecode-unchecked"),
        ({"srv/__pycache__/x.pyc": UNCHECKED}, {f"{BYTECODE}.pyc": "/srv/__pycache__/x.pyc"}, "bytecode-unchecked"),
        ({"srv/x": UNCHECKED}, {f"{BYTECODE}.pyc": "/srv/x"}, "bytecode-unreadable"),
        ({f"{BYTECODE}.pyc": CHECKED, f"{BYTECODE}.opt-1.pyc": TIMED}, {}, ""),
        ({"usr/local/lib/python3.12/__pycache__/os.cpython-311.pyc": UNCHECKED}, {}, ""),
        ({}, {f"{BYTECODE}.pyc": "/not/there"}, ""),
    ],
)
def test_bytecode_of_the_standard_library_that_runs_unchecked_is_told(
    folder: str, files: dict[str, bytes], links: dict[str, str], code: str
) -> None:
    engine = engine_of({**VENV, **files}, {**LINKS, **links})
    found = notes(engine, f"docker-image:app:{folder}")
    assert [finding.code for finding in found] == ([code] if code else [])
    assert all(finding.path.startswith("stdlib/__pycache__/os.cpython-312") for finding in found)
