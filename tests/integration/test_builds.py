"""Wheels built from source trees, by backends in the tree and by setuptools, by real interpreters."""

from __future__ import annotations

import json
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from lockproof.build.builds import Bench, Source, built_wheel
from lockproof.build.sdists import sdist_source
from lockproof.errors import LockError, LockproofError, UnavailableError
from lockproof.locks.artifacts import Artifact
from lockproof.pythons.interpreters import Discovery, find_interpreter
from lockproof.running.process import Processes
from lockproof.wheels.store import Store
from support.builds import setuptools_wheel, stored
from support.sdists import MTIME, extension_files, make_sdist, pure_files
from support.wheels import make_wheel, sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lockproof.pythons.interpreters import Interpreter
    from lockproof.wheels.store import StoreEntry

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def interpreter(python: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Interpreter:
    """The newest CPython at hand."""
    ((version, executable),) = python.items()
    return find_interpreter(version, Discovery(trusted=(executable,), cache=tmp_path_factory.mktemp("known")))


def source_of(sdist: Path) -> Source:
    name, _, version = sdist.name.removesuffix(".tar.gz").partition("-")
    artifact = Artifact(name=name, version=version, filename=sdist.name, sha256=sha256_of(sdist), where="lock:3")
    return sdist_source(artifact, sdist)


def bench_at(folder: Path, interpreter: Interpreter, requirements: Sequence[StoreEntry] = ()) -> Bench:
    return Bench(
        folder=folder,
        log=folder.parent / "build.log",
        interpreter=interpreter,
        requirements=requirements,
        lock="build.txt" if requirements else "",
        processes=Processes(),
        app_data=folder.parent / "virtualenv",
        path="/usr/local/bin:/usr/bin:/bin",
    )


@contextmanager
def built(source: Source, bench: Bench) -> Iterator[dict[str, bytes]]:
    """The wheel's files by name; nothing but the log is left where it was built."""
    with built_wheel(source, bench) as wheel, zipfile.ZipFile(wheel) as opened:
        yield {"": wheel.name.encode(), **{name: opened.read(name) for name in opened.namelist()}}
    assert not bench.folder.exists()


def failure(source: Source, bench: Bench) -> LockproofError:
    with pytest.raises(LockproofError) as caught, built_wheel(source, bench):
        pass
    assert not bench.folder.exists()
    return caught.value


def test_a_backend_in_the_tree_needs_nothing(tmp_path: Path, interpreter: Interpreter) -> None:
    sdist = make_sdist(tmp_path, "pure", "1.0", pure_files("pure", "1.0"))
    with built(source_of(sdist), bench_at(tmp_path / "build", interpreter)) as files:
        assert files[""] == b"pure-1.0-py3-none-any.whl"
        assert files["pure.py"] == b'__version__ = "1.0"\n'


def test_what_a_build_sees_of_the_machine(
    tmp_path: Path, interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = """
import json, os, sys
mask = os.umask(0)
os.umask(mask)
SAYS = json.dumps({"variables": dict(os.environ), "umask": mask, "path": sys.path, "cwd": os.getcwd(),
    "prefix": sys.prefix, "home": os.listdir(os.environ["HOME"]), "argv": sys.argv[1:], "user": sys.flags.no_user_site})
"""
    monkeypatch.setenv("SECRET", "planted")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    sdist = make_sdist(tmp_path, "pure", "1.0", pure_files("pure", "1.0", says=says))
    folder = (tmp_path / "build").resolve()
    with built(source_of(sdist), bench_at(folder, interpreter)) as files:
        said = json.loads(files["pure_built.txt"])
    assert (said["umask"], said["cwd"], said["prefix"]) == (0o022, f"{folder}/src", f"{folder}/env")
    assert (said["home"], said["argv"], said["user"]) == ([], [], 1)
    assert said["path"][0] == f"{folder}/src/backend"
    assert [path for path in said["path"] if "lockproof" in path and str(folder) not in path] == []
    variables = said["variables"]
    variables.pop("__CF_USER_TEXT_ENCODING", None)  # macOS puts it there
    fixed = {"TZ": "UTC", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0", "PYTHONNOUSERSITE": "1",
             "PYTHONDONTWRITEBYTECODE": "1", "SOURCE_DATE_EPOCH": str(MTIME), "HOME": f"{folder}/home",
             "USERPROFILE": f"{folder}/home", "TMPDIR": f"{folder}/tmp", "TEMP": f"{folder}/tmp",
             "TMP": f"{folder}/tmp", "VIRTUAL_ENV": f"{folder}/env", "PIP_NO_INDEX": "1", "UV_OFFLINE": "1",
             "PIP_CONFIG_FILE": "/dev/null", "PATH": f"{folder}/env/bin:/usr/local/bin:/usr/bin:/bin"}  # fmt: skip
    assert {name: variables.pop(name) for name in fixed} == fixed
    proxies = {"http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"}
    assert variables.keys() == {*proxies, "CFLAGS", "CXXFLAGS"}


def test_an_extension_is_the_same_wherever_it_is_built(tmp_path: Path, interpreter: Interpreter) -> None:
    setuptools = stored(Store(tmp_path / "store"), setuptools_wheel())
    files = extension_files("fast", "1.0")
    files["setup.py"] = files["setup.py"].replace(
        '.c"]', '.c"], extra_compile_args=["-g"], depends=["x"], include_dirs=[__import__("os").getcwd()]'
    )
    source = source_of(make_sdist(tmp_path, "fast", "1.0", files))
    wheels = []
    for place in ("one/build", "another place/that is longer/build"):
        with built(source, bench_at(tmp_path / place, interpreter, [setuptools])) as wheel:
            wheels.append(wheel)
    assert wheels[0] == wheels[1]
    extensions = [content for name, content in wheels[0].items() if name.endswith(".so")]
    assert len(extensions) == 1
    assert str(tmp_path).encode() not in extensions[0]


def test_setup_py_alone_is_built_by_setuptools(tmp_path: Path, interpreter: Interpreter) -> None:
    setup = (
        "from setuptools import setup\nimport helper\nsetup(name='old', version=helper.VERSION, py_modules=['old'])\n"
    )
    files = {"setup.py": setup, "helper.py": "VERSION = '1.0'\n", "old.py": "O = 1\n"}
    setuptools = stored(Store(tmp_path / "store"), setuptools_wheel())
    with built(
        source_of(make_sdist(tmp_path, "old", "1.0", files)), bench_at(tmp_path / "b", interpreter, [setuptools])
    ) as wheel:
        assert (wheel[""], wheel["old.py"]) == (b"old-1.0-py3-none-any.whl", b"O = 1\n")


@pytest.mark.parametrize("asked", ["requires", "extra"])
def test_a_requirement_that_is_not_locked_stops_the_build(tmp_path: Path, interpreter: Interpreter, asked: str) -> None:
    requirements = {asked: ["helper>=2"]}
    files = pure_files("pure", "1.0", requires=requirements.get("requires", ()), extra=requirements.get("extra", ()))
    source = source_of(make_sdist(tmp_path, "pure", "1.0", files))
    helper = stored(Store(tmp_path / "store"), make_wheel(tmp_path, "helper", "1.0"))
    error = failure(source, bench_at(tmp_path / "build", interpreter, [helper]))
    assert isinstance(error, LockError)
    assert (error.what, error.why) == (
        "pure-1.0.tar.gz can't be built: it requires helper>=2",
        "the build lock build.txt has helper 1.0, for this Python",
    )


def test_what_is_locked_is_there_and_nothing_else(tmp_path: Path, interpreter: Interpreter) -> None:
    says = """
import helper, pkgutil
SAYS = sorted(m.name for m in pkgutil.iter_modules() if "site-packages" in m.module_finder.path)
"""
    files = pure_files("pure", "1.0", says=says, requires=["helper"])
    helper = stored(Store(tmp_path / "store"), make_wheel(tmp_path, "helper", "1.0"))
    source = source_of(make_sdist(tmp_path, "pure", "1.0", files))
    with built(source, bench_at(tmp_path / "build", interpreter, [helper])) as wheel:
        assert wheel["pure_built.txt"] == b"['helper']"


def test_a_build_can_not_reach_the_store(tmp_path: Path, interpreter: Interpreter) -> None:
    says = "import helper\nopen(helper.__file__, 'a').write('# changed')\nSAYS = 1"
    files = pure_files("pure", "1.0", says=says, requires=["helper"])
    helper = stored(Store(tmp_path / "store"), make_wheel(tmp_path, "helper", "1.0"))
    with built(source_of(make_sdist(tmp_path, "pure", "1.0", files)), bench_at(tmp_path / "b", interpreter, [helper])):
        pass
    assert helper.verify() == []


def test_a_failed_build_shows_the_end_of_its_output(tmp_path: Path, interpreter: Interpreter) -> None:
    says = "print('first')\nprint('line\\n' * 30, flush=True)\nraise SystemExit('no compiler')"
    bench = bench_at(tmp_path / "build", interpreter)
    error = failure(source_of(make_sdist(tmp_path, "pure", "1.0", pure_files("pure", "1.0", says=says))), bench)
    assert isinstance(error, UnavailableError)
    assert error.what == f"pure-1.0.tar.gz was not built with Python {interpreter.version}"
    assert error.why.startswith("build_wheel of own ended with exit code 1; its output ended with:\n    line\n")
    assert error.why.endswith("\n    no compiler")
    assert (error.where, error.remedy) == ("lock:3", f"All of the output is in {bench.log}")
    assert bench.log.read_text().startswith("first\nline\n")


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (pure_files("pure", "1.0", builds=("other", "1.0")), "it builds other 1.0"),
        (pure_files("pure", "1.0", builds=("pure", "1.0.1")), "it builds pure 1.0.1"),
        (pure_files("pure", "1.0", tag="cp27-none-any"), "it builds pure-1.0-cp27-none-any.whl, which doesn't fit"),
        (pure_files("pure", "1.0", tag="py3-none-win32"), "it builds pure-1.0-py3-none-win32.whl, which doesn't fit"),
    ],
)
def test_a_wheel_that_is_not_what_was_locked_is_refused(
    tmp_path: Path, interpreter: Interpreter, files: dict[str, str], why: str
) -> None:
    error = failure(source_of(make_sdist(tmp_path, "pure", "1.0", files)), bench_at(tmp_path / "b", interpreter))
    assert isinstance(error, LockError)
    assert (error.what, error.where) == ("pure-1.0.tar.gz can't be used", "lock:3")
    assert error.why.startswith(why)


@pytest.mark.parametrize(
    ("backend", "why"),
    [
        ("def build_wheel(*a): return '../pure-1.0-py3-none-any.whl'", "its backend has made no wheel"),
        ("def build_wheel(*a): return 'pure-1.0-py3-none-any.whl'", "its backend has made no wheel"),
        ("def build_wheel(*a): return 3", "its backend has made no wheel"),
        ("def build_wheel(*a): import os; os._exit(0)", "build_wheel of own gave no answer"),
        ("def get_requires_for_build_wheel(s): return 'a'", "its backend's list of requirements is no list of strings"),
        ("", "build_wheel of own ended with exit code 1"),
        ("import no_such_module", "get_requires_for_build_wheel of own ended with exit code 1"),
    ],
)
def test_a_backend_that_does_not_do_its_part_is_told(
    tmp_path: Path, interpreter: Interpreter, backend: str, why: str
) -> None:
    files = {**pure_files("pure", "1.0"), "backend/own.py": backend}
    error = failure(source_of(make_sdist(tmp_path, "pure", "1.0", files)), bench_at(tmp_path / "b", interpreter))
    assert isinstance(error, UnavailableError)
    assert error.why.startswith(why)


def test_a_backend_from_elsewhere_is_refused(tmp_path: Path, interpreter: Interpreter) -> None:
    files = {"pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "json"\nbackend-path = ["."]\n'}
    error = failure(source_of(make_sdist(tmp_path, "pure", "1.0", files)), bench_at(tmp_path / "b", interpreter))
    assert "outside its backend-path" in error.why
