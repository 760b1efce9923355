"""Digests of a build's files: what changes them, and what must not."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lockproof.digests import digest_of_lines
from lockproof.errors import UnavailableError
from lockproof.pythons.buildfiles import read_build
from lockproof.pythons.knownfiles import KnownFiles
from lockproof.pythons.platforms import Platform
from lockproof.pythons.probing import Probe


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make_build(root: Path) -> Path:
    """A small build at `root`; one of its files states where it was put."""
    contents = {
        "bin/python3.12": "the executable",
        "lib/libpython3.12.so": "the library",
        "lib/python3.12/os.py": "os",
        "lib/python3.12/json/__init__.py": "json",
        "lib/python3.12/json/__pycache__/__init__.pyc": "bytecode",
        "lib/python3.12/LICENSE.txt": "license",
        "lib/python3.12/_sysconfigdata__linux.py": f"prefix = '{root}'; libdir = '{root}/lib'",
        "lib/python3.12/config-3.12/python-config.py": f"prefix = '{root}'",
        "lib/python3.12/lib-dynload/_json.so": "extension",
        "lib/python3.12/site-packages/thing.py": "third party",
        "lib/python3.12/dist-packages/thing.py": "third party",
        "lib/python3.12/test/site-packages/module.py": "not third party",
    }
    for name, content in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def probe_of(root: Path, *, configured: Path | None = None) -> Probe:
    return Probe(
        executable=root / "bin/python3.12",
        version="3.12.1",
        implementation="cpython",
        prefix=root,
        platform=Platform(os="linux", machine="x86_64"),
        facts={},
        configured_prefix=str(configured or root),
        stdlib=root / "lib/python3.12",
        archive=root / "lib/python312.zip",
        lib_dynload=root / "lib/python3.12/lib-dynload",
        libpython=root / "lib/libpython3.12.so",
    )


def digests(root: Path, *, configured: Path | None = None) -> dict[str, str]:
    return dict(read_build(probe_of(root, configured=configured), KnownFiles(None)).digests)


@pytest.fixture
def build(tmp_path: Path) -> Path:
    return make_build(tmp_path / "build")


def test_what_is_digested_and_how(build: Path) -> None:
    lines = {
        "_sysconfigdata__linux.py": b"prefix = '<prefix>'; libdir = '<prefix>/lib'",
        "config-3.12/python-config.py": b"prefix = '<prefix>'",
        "json/__init__.py": b"json",
        "os.py": b"os",
    }
    tests = f"site-packages/module.py\0{sha(b'not third party')}".encode()
    folder = digest_of_lines("lockproof stdlib folder 1", [b"test/" + tests]).removeprefix("sha256:")
    stdlib = [f"{name}\0{sha(content)}".encode() for name, content in lines.items()] + [f"test/\0{folder}".encode()]
    extensions = [f"_json.so\0{sha(b'extension')}".encode()]
    assert digests(build) == {
        "executable": f"sha256:{sha(b'the executable')}",
        "libpython": f"sha256:{sha(b'the library')}",
        "lib-dynload": digest_of_lines("lockproof lib-dynload 1", extensions),
        "stdlib": digest_of_lines("lockproof stdlib 2", stdlib),
    }


def test_the_same_build_in_another_place_has_the_same_digests(build: Path, tmp_path: Path) -> None:
    assert digests(make_build(tmp_path / "a longer place" / "build")) == digests(build)


def test_a_build_that_was_moved_has_the_same_digests(build: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(build, moved)
    assert digests(moved, configured=build) == digests(build)


def append(name: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write("!")

    return change


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("bin/python3.12", ["executable"]),
        ("lib/libpython3.12.so", ["libpython"]),
        ("lib/python3.12/lib-dynload/_json.so", ["lib-dynload"]),
        ("lib/python3.12/lib-dynload/_more.so", ["lib-dynload"]),
        ("lib/python3.12/os.py", ["stdlib"]),
        ("lib/python3.12/_sysconfigdata__linux.py", ["stdlib"]),
        ("lib/python3.12/sitecustomize.py", ["stdlib"]),
        ("lib/python3.12/json.so", ["stdlib"]),  # goes before json/__init__.py's siblings
        ("lib/python3.12/abc.pyc", ["stdlib"]),  # a module without a source
        ("lib/python3.12/test/site-packages/more.py", ["stdlib"]),
        ("lib/python3.12/ensurepip/_bundled/pip-26.3-py3-none-any.whl", ["stdlib"]),
        ("lib/python312.zip", ["stdlib"]),  # searched before the folder
        ("lib/python312.zip/json.py", ["stdlib"]),  # a folder of that name is searched, too
        ("lib/python312.zip/LICENSE.txt", []),
        ("lib/python3.12/site-packages/more.py", []),
        ("lib/python3.12/json/__pycache__/__init__.pyc", []),
        ("lib/python3.12/LICENSE.txt", []),
    ],
)
def test_a_change_shows_where_it_belongs(name: str, changed: list[str], build: Path) -> None:
    before = digests(build)
    append(name)(build)
    after = digests(build)
    assert [part for part in before if before[part] != after[part]] == changed


def test_a_file_under_another_name_is_another_stdlib(build: Path) -> None:
    before = digests(build)["stdlib"]
    (build / "lib/python3.12/os.py").rename(build / "lib/python3.12/so.py")
    assert digests(build)["stdlib"] != before


def test_a_link_counts_as_what_it_leads_to(build: Path, tmp_path: Path) -> None:
    before = digests(build)
    for name in ("os.py", "json"):
        path = build / "lib/python3.12" / name
        path.rename(tmp_path / name)
        path.symlink_to(tmp_path / name)
    assert digests(build) == before
    (tmp_path / "json/__init__.py").write_text("edited")
    assert digests(build)["stdlib"] != before["stdlib"]


def test_a_link_that_ends_nowhere_is_told_from_a_file(build: Path, tmp_path: Path) -> None:
    link = build / "lib/python3.12/sitecustomize.py"
    link.symlink_to(tmp_path / "target")
    dangling = digests(build)["stdlib"]
    (tmp_path / "target").write_text("dangling")
    assert digests(build)["stdlib"] != dangling


def test_folders_linked_in_a_circle_end(build: Path) -> None:
    (build / "lib/python3.12/json/loop").symlink_to(build / "lib/python3.12")
    assert digests(build) == digests(build)


def test_a_static_build_without_extensions(build: Path) -> None:
    static = replace(probe_of(build), libpython=None, lib_dynload=None)
    found = read_build(static, KnownFiles(None)).digests
    assert (found["libpython"], found["lib-dynload"]) == ("static", "none")
    assert found["stdlib"] == digests(build)["stdlib"]


def test_a_stdlib_that_isn_t_there_is_an_error_that_names_it(build: Path) -> None:
    shutil.rmtree(build / "lib/python3.12")
    with pytest.raises(UnavailableError) as caught:
        digests(build)
    where = build / "lib/python3.12/lib-dynload"
    assert str(caught.value) == f"{where}: the files of Python 3.12.1 can't be read: No such file or directory"


def test_only_what_changed_is_read_again(build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def memo() -> KnownFiles:
        return KnownFiles(tmp_path / "known.json", clock=lambda: 2**62)

    first = memo()
    before = read_build(probe_of(build), first).digests
    assert first.save()
    append("lib/python3.12/os.py")(build)

    read: list[str] = []

    def remember(path: str, status: object) -> str:
        read.append(path)
        return sha(Path(path).read_bytes())

    monkeypatch.setattr("lockproof.pythons.knownfiles.sha256_of_file", remember)
    after = read_build(probe_of(build), memo()).digests
    assert read == [str(build / "lib/python3.12/os.py")]
    assert [part for part in before if before[part] != after[part]] == ["stdlib"]
