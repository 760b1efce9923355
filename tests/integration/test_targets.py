"""Environments in tar archives and behind ssh: the same fingerprint as of their folder, and no match for less."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lockproof
from lockproof.pythons.interpreters import Discovery, known_interpreters
from support.projects import Project, finish, make_sampled_project
from support.reports import is_right
from support.sshd import ssh_server
from support.tools import tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

pytestmark = pytest.mark.integration
READER = Path(lockproof.__file__).parent / "reading/reader.py"


@pytest.fixture(scope="module")
def project(python: dict[str, Path], warm: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with one proven environment."""
    project = make_sampled_project(tmp_path_factory.mktemp("project"), python, warm)
    is_right(project.run("--install-only"))
    return project


@pytest.fixture(scope="module")
def environment(project: Project) -> Path:
    [found] = [path for path in (project.folder / ".lockproof").iterdir() if (path / "pyvenv.cfg").exists()]
    return found


@pytest.fixture
def copy(environment: Path, tmp_path: Path) -> Path:
    """A copy that may be changed; its scripts still name the first."""
    return Path(shutil.copytree(environment, tmp_path / "copy", symlinks=True))


def prefix_of(python: Mapping[str, Path]) -> Path:
    """The folder of the interpreter."""
    return next(iter(python.values())).resolve().parent.parent


def parts_of(python: Mapping[str, Path]) -> list[Path]:
    """What a tar of a whole image has of the interpreter, without what isn't looked at."""
    prefix = prefix_of(python)
    series = ".".join(next(iter(python)).split(".")[:2])
    return [*(prefix / "bin").glob("python*"), *(prefix / "lib").glob("libpython*.so*"), prefix / f"lib/python{series}"]


def pack(
    target: Path, *folders: Path, change: Callable[[tarfile.TarInfo], tarfile.TarInfo | None] = lambda m: m
) -> Path:
    """A tar of folders by their full paths, without bytecode of the interpreter and what belongs to nobody here."""

    def wanted(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if not info.name.startswith(str(folders[0])[1:]) and info.name.endswith(("/site-packages", "/__pycache__")):
            return None
        return change(info)

    with tarfile.open(target, "w") as tar:
        for folder in folders:
            tar.add(folder, filter=wanted)
    return target


def verify(project: Project, target: str, **more: str) -> tuple[int, str, list[tuple[str, str, str]]]:
    """Exit code, verdict, and the findings above a note, of a proof against the only cell."""
    ended = finish(project.start("verify", target, "--cell", "*", "--json", env=more))
    if not ended.out:
        return ended.code, ended.err, []
    document = json.loads(ended.out)
    rows = [(row["code"], row["path"], row["level"]) for row in document["findings"] if row["level"] != "note"]
    return ended.code, document["verdict"], rows


def fingerprint(project: Project, target: str, **more: str) -> dict[str, object]:
    ended = finish(project.start("fingerprint", target, "--json", env=more))
    assert ended.code == 0, ended
    document = json.loads(ended.out)
    assert isinstance(document, dict)
    return document


def test_an_environment_and_its_interpreter_in_one_archive_match(
    project: Project, environment: Path, python: dict[str, Path], tmp_path: Path
) -> None:
    image = pack(tmp_path / "an image.tar", environment, *parts_of(python))
    assert verify(project, f"tar:{image}:{environment}") == (0, "match", [])
    assert (
        fingerprint(project, f"tar:{image}:{environment}")["digest"] == fingerprint(project, str(environment))["digest"]
    )

    def spoil(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if info.name.endswith("/textwrap.py") else info

    spoilt = pack(tmp_path / "spoilt.tar", environment, *parts_of(python), change=spoil)
    code, verdict, findings = verify(project, f"tar:{spoilt}:{environment}")
    assert (code, verdict) == (3, "mismatch")
    assert {(found, path) for found, path, _ in findings} == {("interpreter", "scripts/python")}


def test_an_archive_of_the_environment_alone_is_never_a_match(
    project: Project, environment: Path, tmp_path: Path
) -> None:
    alone = pack(tmp_path / "alone.tar", environment)
    unknown = [("interpreter", "scripts/python", "unproven"), ("interpreter-unknown", "scripts/python", "unproven")]
    assert verify(project, f"tar:{alone}") == (4, "unproven", unknown)
    inside = tmp_path / "inside.tgz"
    subprocess.run(["tar", "-czf", inside, "-C", environment, "."], check=True)
    place = [unknown[0], unknown[1], ("place", "scripts", "unproven")]
    assert verify(project, f"tar:{inside}") == (4, "unproven", sorted(place))
    cases = (f"tar:{alone}", f"tar:{inside}", f"tar:{alone}:{environment}")
    layers = [fingerprint(project, target)["layers"] for target in (*cases, str(environment))]
    for found in layers:
        assert isinstance(found, dict)
        found.pop("interpreter", None)
        found.pop("platform", None)
    assert layers == [layers[0]] * 4


def test_an_archive_comes_by_standard_input(project: Project, environment: Path, tmp_path: Path) -> None:
    packed = pack(tmp_path / "x.tar", environment)
    done = subprocess.run(
        [sys.executable, "-m", "lockproof", "fingerprint", "tar:-", "--json"],
        cwd=project.folder, env=project.environ, input=packed.read_bytes(), capture_output=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == fingerprint(project, f"tar:{packed}")
    ended = finish(project.start("fingerprint", "tar:-"))  # standard input is empty
    assert (ended.code, ended.err.splitlines()[0]) == (
        4,
        "lockproof: tar:-: the archive can't be read whole: it is empty",
    )


def test_a_change_inside_an_archive_is_named(project: Project, copy: Path, environment: Path, tmp_path: Path) -> None:
    [module] = copy.glob("lib/python3*/site-packages/plain/__init__.py")
    module.chmod(0o644)
    module.write_text(module.read_text() + "#")
    os.mkfifo(module.parent / "pipe")

    def as_if_there(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.name = info.name.replace(str(copy)[1:], str(environment)[1:])
        return info

    packed = tmp_path / "x.tar"
    with tarfile.open(packed, "w") as tar:
        tar.add(copy, filter=as_if_there)
    code, verdict, findings = verify(project, f"tar:{packed}")
    named = {(found, path) for found, path, level in findings if level == "mismatch"}
    assert (code, verdict) == (3, "mismatch")
    assert named == {
        ("file-changed", "site/plain/__init__.py"),
        ("record-hash", "site/plain/__init__.py"),
        ("special-file", "site/plain/pipe"),
    }


def test_bytecode_in_an_archive_is_compared_with_its_source(
    project: Project, python: dict[str, Path], environment: Path, copy: Path, tmp_path: Path
) -> None:
    executable = next(iter(python.values()))
    [module] = copy.glob("lib/python3*/site-packages/plain/__init__.py")
    subprocess.run([executable, "-m", "compileall", "-q", copy], check=True, stdout=subprocess.DEVNULL)

    def image(name: str) -> Path:
        def as_if_there(info: tarfile.TarInfo) -> tarfile.TarInfo:
            info.name = info.name.replace(str(copy)[1:], str(environment)[1:])
            return info

        return pack(tmp_path / name, copy, *parts_of(python), change=as_if_there)

    assert verify(project, f"tar:{image('honest.tar')}:{environment}") == (0, "match", [])
    [cached] = (module.parent / "__pycache__").glob("__init__.*.pyc")
    cached.write_bytes(cached.read_bytes().replace(b"plain says", b"EVIL! says"))
    findings = [("bytecode-false", f"site/plain/__pycache__/{cached.name}", "mismatch")]
    assert verify(project, f"tar:{image('poisoned.tar')}:{environment}") == (3, "mismatch", findings)


def test_what_only_an_archive_can_hold_is_told(
    project: Project, python: dict[str, Path], environment: Path, tmp_path: Path
) -> None:
    """Times and names that no disk takes, links between files of two kinds, and a folder open to everybody."""
    twin = tmp_path / "twin.py"
    twin.write_text("")
    command = [str(next(iter(python.values()))), "-m", "compileall", "-q", "-b", str(twin)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    bytecode = twin.with_suffix(".pyc").read_bytes()
    [site] = (str(path)[1:] for path in environment.glob("lib/python3*/site-packages"))
    tag = f"cpython-{python_tag(python)[2:]}"
    honest = pack(tmp_path / "honest.tar", environment, *parts_of(python))

    def cached(name: str, **pax: str) -> tuple[tarfile.TarInfo, bytes]:
        info = tarfile.TarInfo(f"{site}/plain/__pycache__/{name}.{tag}.pyc")
        info.size, info.pax_headers = len(bytecode), pax
        return info, bytecode

    def other(
        name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644
    ) -> tuple[tarfile.TarInfo, bytes]:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.mode = kind, link, mode
        return info, b""

    def with_more(*members: tuple[tarfile.TarInfo, bytes]) -> tuple[int, str, list[tuple[str, str, str]]]:
        packed = Path(shutil.copyfile(honest, tmp_path / "more.tar"))
        with tarfile.open(packed, "a") as tar:
            for info, content in members:
                tar.addfile(info, io.BytesIO(content))
        return verify(project, f"tar:{packed}:{environment}")

    assert with_more(cached("__init__", mtime="1e30"))[0] == 3  # the bytecode of nothing is not that of the module
    assert with_more(other(site, tarfile.DIRTYPE, mode=0o777)) == (3, "mismatch", [("mode", "site", "mismatch")])
    code, said, _ = with_more(other(f"{site}/{'q' * 300}.py"), cached("q" * 300))
    assert (code, "the archive's bytecode can't be compared: " in said, "bug" in said) == (4, True, False)
    metadata = next(environment.glob("lib/python3*/site-packages/plain-*/METADATA"))
    link = other(f"{site}/plain/twin.py", tarfile.LNKTYPE, str(metadata)[1:])
    _, _, findings = with_more(link, cached("twin"))
    assert ("bytecode-unreadable", f"site/plain/__pycache__/twin.{tag}.pyc", "unproven") in findings


def test_a_home_from_which_python_would_find_another_library_is_named(
    project: Project, python: dict[str, Path], environment: Path, tmp_path: Path
) -> None:
    home = str(prefix_of(python) / "bin")
    [series] = (path.name for path in (environment / "lib").glob("python3*"))

    def image(said: str) -> Path:
        packed = tmp_path / "x.tar"
        pack(packed, environment, *parts_of(python), change=lambda m: None if m.name.endswith("/pyvenv.cfg") else m)
        with tarfile.open(packed, "a") as tar:
            text = (
                (environment / "pyvenv.cfg").read_bytes().replace(f"home = {home}".encode(), f"home = {said}".encode())
            )
            for name, content in ((f"{environment}/pyvenv.cfg"[1:], text), (f"opt/fake/lib/{series}/os.py", b"evil")):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            link = tarfile.TarInfo("opt/fake/bin")
            link.type, link.linkname = tarfile.SYMTYPE, home
            tar.addfile(link)
        return packed

    findings = [("interpreter-home", "data/pyvenv.cfg", "mismatch")]
    assert verify(project, f"tar:{image(home)}:{environment}") == (0, "match", [])
    for other in ("/opt/fake/bin", home[1:]):
        assert verify(project, f"tar:{image(other)}:{environment}") == (3, "mismatch", findings)


def test_an_archive_without_one_environment_says_what_it_has(
    project: Project, environment: Path, tmp_path: Path
) -> None:
    (tmp_path / "else").write_text("")
    packed = pack(tmp_path / "x.tar", environment, tmp_path / "else")
    first, second = finish(project.start("fingerprint", f"tar:{packed}")).err.splitlines()
    assert first.startswith(f"lockproof: tar:{packed}: the archive is not one environment")
    assert second == f"  name the environment's folder as tar:FILE:/path (it has environments in {environment})"
    ended = finish(project.start("fingerprint", f"tar:{packed}:/nowhere"))
    assert (ended.code, ended.err.splitlines()[0]) == (
        2,
        f"lockproof: tar:{packed}:/nowhere: the archive has no such folder",
    )


# -------------------------------------------------------------------------------------------------------- prefixes


@pytest.fixture(scope="module")
def prefix(project: Project, python: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the interpreter's prefix, as a container has its Python, with the lock's wheels installed by pip."""
    pip = tool("pip")
    copy = tmp_path_factory.mktemp("prefix") / "usr local"
    skipped = shutil.ignore_patterns("site-packages", "__pycache__", "*.a", "pip3*", "pip")
    shutil.copytree(prefix_of(python), copy, symlinks=True, ignore=skipped)
    locked = [path for path in project.wheels if "native" not in path.name or python_tag(python) in path.name]
    subprocess.run(
        [*pip, "--python", copy / "bin/python3", "install", "--no-deps", "--no-index", "--no-compile", "-q",
         "--no-warn-script-location", "--root-user-action", "ignore", *locked],
        check=True, env={"PATH": os.defpath, "HOME": str(copy.parent)},
    )  # fmt: skip
    return copy


def python_tag(python: Mapping[str, Path]) -> str:
    return "cp" + "".join(next(iter(python)).split(".")[:2])


def test_wheels_installed_into_a_python_s_own_prefix_match(project: Project, prefix: Path, tmp_path: Path) -> None:
    document = json.loads(finish(project.start("verify", str(prefix), "--cell", "*", "--json")).out)
    assert document["verdict"] == "match", document["findings"]
    assert [row["path"] for row in document["findings"] if row["code"] not in ("origin", "programs")] == [
        "scripts/every-script"  # pip's first line of it doesn't heed the space in the prefix's path
    ]
    packed = tmp_path / "x.tar"
    with tarfile.open(packed, "w") as tar:
        tar.add(prefix)
    assert verify(project, f"tar:{packed}") == (0, "match", [])
    assert verify(project, f"tar:{packed}:{prefix}") == (0, "match", [])


def test_a_development_environment_and_a_prefix_are_compared(
    project: Project, environment: Path, prefix: Path, tmp_path: Path
) -> None:
    document = json.loads(finish(project.start("compare", str(environment), str(prefix), "--json")).out)
    assert document["relation"] == "identical", document
    copy = Path(shutil.copytree(prefix, tmp_path / "other" / "usr local", symlinks=True))
    for script in (copy / "bin").iterdir():  # a copy elsewhere: its scripts name the place they were made for
        text = script.read_bytes()
        if text.startswith(b"#!"):
            script.write_bytes(text.replace(os.fsencode(prefix), os.fsencode(copy)))
    [library] = (path for path in (copy / "lib").glob("python3*") if path.is_dir())
    (library / "textwrap.py").write_text("changed = True\n")
    document = json.loads(finish(project.start("compare", str(environment), str(copy), "--json")).out)
    assert document["relation"] == "same files", document
    assert {row["fact"] for row in document["comparisons"][0]["interpreter"]} >= {"stdlib"}
    module = library / "site-packages/plain/__init__.py"
    module.write_text(module.read_text() + "#")
    document = json.loads(finish(project.start("compare", str(environment), str(copy), "--json")).out)
    assert document["relation"] == "drift"
    assert [row["path"] for row in document["comparisons"][0]["files"]] == ["site/plain/__init__.py"]


# ------------------------------------------------------------------------------------------------------------- ssh


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ssh_server(tmp_path_factory.mktemp("server") / "sshd") as command:
        yield command


def test_an_environment_behind_ssh_matches(project: Project, environment: Path, ssh: str, copy: Path) -> None:
    assert verify(project, f"ssh:box:{environment}", LOCKPROOF_SSH=ssh) == (0, "match", [])
    link = copy.parent / "it's a link"
    link.symlink_to(environment)
    assert verify(project, f"ssh:box:{link}", LOCKPROOF_SSH=ssh) == (0, "match", [])
    [module] = copy.glob("lib/python3*/site-packages/plain/__init__.py")
    module.chmod(0o644)
    module.write_text("")
    code, verdict, findings = verify(project, f"ssh:box:{copy}", LOCKPROOF_SSH=ssh)
    assert (code, verdict) == (3, "mismatch")
    assert ("file-changed", "site/plain/__init__.py", "mismatch") in findings


def test_a_path_is_no_command(project: Project, ssh: str, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    for path in (f"/x; touch {trap}", f"/$(touch {trap})", f"/'; touch {trap}; '", f"/`touch {trap}`\ntouch {trap}"):
        ended = finish(project.start("fingerprint", f"ssh:box:{path}", env={"LOCKPROOF_SSH": ssh}))
        assert ended.code == 4
        assert "the folder can't be entered" in ended.err
    assert not trap.exists()


@pytest.mark.parametrize(
    ("target", "command", "code", "says"),
    [
        ("ssh:box:/usr/share", "{ssh}", 2, "ssh:box:/usr/share: this environment can't be read"),
        ("ssh:nobody@box:/usr", "{ssh} -o IdentityFile=none", 4, "the host can't be reached"),
        ("ssh:box:/usr", "{ssh} -p 1", 4, "ssh:box:/usr: the host can't be reached: ssh: connect to host"),
        ("ssh:box:/usr", "no-such-ssh", 4, "ssh:box:/usr: no-such-ssh can't be run"),
        ("ssh:box:/usr", "'", 2, 'LOCKPROOF_SSH="\'" is no command line'),
        ("ssh:box:/usr", "echo", 4, "ssh:box:/usr: the host's shell can't be understood"),
    ],
)
def test_what_goes_wrong_is_told(project: Project, ssh: str, target: str, command: str, code: int, says: str) -> None:
    ended = finish(project.start("fingerprint", target, env={"LOCKPROOF_SSH": command.format(ssh=ssh)}))
    assert (ended.code, "Traceback" in ended.err) == (code, False)
    assert says in ended.err


def test_a_host_without_tar_reports_itself_and_is_never_a_match(
    project: Project, environment: Path, tmp_path: Path
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "echo"):
        (tools / name).symlink_to(shutil.which(name) or pytest.skip(f"{name} isn't there"))
    with ssh_server(tmp_path / "sshd", path=str(tools)) as ssh:
        target = f"ssh:box:{environment}"
        ended = finish(project.start("fingerprint", target, env={"LOCKPROOF_SSH": ssh}))
        if "/usr" in ended.err or ended.code == 0:  # the system's own Python was found at its fixed place
            code, verdict, findings = verify(project, target, LOCKPROOF_SSH=ssh)
            assert (code, verdict) == (4, "unproven")
            assert ("self-reported", "", "unproven") in findings
        (tools / "python3").symlink_to(sys.executable)
        code, verdict, findings = verify(project, target, LOCKPROOF_SSH=ssh)
        assert (code, verdict) == (4, "unproven"), findings
        assert [finding for finding in findings if finding[2] == "mismatch"] == []
        assert ("self-reported", "", "unproven") in findings
        assert fingerprint(project, target, LOCKPROOF_SSH=ssh)["about"] == {"read-by": "self"}


# ----------------------------------------------------------------------------------------------------- the reader


@pytest.fixture(scope="module")
def every_python(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One CPython of each minor version that there is from 3.6 on: older ones, too, than an environment can have."""
    found: dict[int, Path] = {}
    for said in known_interpreters(Discovery(cache=tmp_path_factory.mktemp("every"))):
        if said.label == said.version and (minor := int(said.version.split(".")[1])) >= 6:
            found.setdefault(minor, said.executable)
    return [found[minor] for minor in sorted(found)]


def test_the_reader_says_the_same_under_every_python(every_python: list[Path], copy: Path) -> None:
    site = next(copy.glob("lib/python3*/site-packages"))
    for name in (b"\xff", b"a\nb", "ünï".encode()):
        Path(os.fsdecode(os.fsencode(site) + b"/" + name)).write_bytes(name)
    os.mkfifo(site / "pipe")
    (site / "loop").symlink_to(".")
    said = {
        subprocess.run(
            [python, "-I", "-S", "-", copy], input=READER.read_bytes(), capture_output=True, check=True,
            env={"LC_ALL": locale},
        ).stdout
        for python in every_python
        for locale in ("C", "C.UTF-8")
    }  # fmt: skip
    assert len({json.dumps(json.loads(text), sort_keys=True) for text in said}) == 1


def test_the_reader_of_archives_says_the_same_under_every_python(
    every_python: list[Path], environment: Path, tmp_path: Path
) -> None:
    """Sent as one file: the reader, and behind it what reads tar streams."""
    packed = tmp_path / "x.tgz"
    subprocess.run(["tar", "-czf", packed, "-C", environment, "."], check=True)
    parts = [READER.with_name(name).read_text() for name in ("reader.py", "tarheaders.py", "tarreader.py")]
    parts = [re.sub(r"^from lockproof[^(\n]*(\([^)]*\))?\n", "", part, flags=re.MULTILINE) for part in parts]
    last = "a = Archive(); a.take(sys.stdin.buffer); json.dump(as_json(a.tree('', sys.argv[1])), sys.stdout)"
    program = "\n".join([parts[0].partition("\nif __name__")[0], *parts[1:], last])
    said = {
        subprocess.run(
            [python, "-I", "-S", "-c", program, environment], input=packed.read_bytes(), capture_output=True, check=True
        ).stdout
        for python in every_python
    }
    assert len(said) == 1
    [text] = said
    on_disk = subprocess.run([sys.executable, "-I", "-S", READER, environment], capture_output=True, check=True).stdout
    trees = [json.loads(text), json.loads(on_disk)]
    assert [tree["files"] for tree in trees] == [trees[0]["files"]] * 2
    assert [tree["texts"] for tree in trees] == [trees[0]["texts"]] * 2
    assert [tree["links"] for tree in trees] == [trees[0]["links"]] * 2
