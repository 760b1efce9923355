"""Where interpreters are looked for, how the exact one is chosen, and what is said when it isn't there."""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lockproof.digests import digest_of_lines
from lockproof.errors import UnavailableError, UsageError
from lockproof.pythons.interpreters import (
    Discovery,
    Interpreter,
    base_executable,
    candidates,
    find_interpreter,
    identify,
    known_interpreters,
)
from lockproof.pythons.platforms import Platform
from lockproof.pythons.probe import facts as probe_facts
from support.interpreters import fake_python, runs_of, script


def discovery(tmp_path: Path, *, path: str = "", trusted: tuple[Path, ...] = (), **environ: str) -> Discovery:
    """A search that sees nothing of this machine: the running Python is a 3.10.1 of its own."""
    running = tmp_path / "running" / "bin" / "python3"
    if not running.exists():
        fake_python(running, "3.10.1")
    return Discovery(
        environ={"PATH": path, "HOME": str(tmp_path / "home"), **environ},
        running=running,
        trusted=trusted,
        cache=tmp_path / "cache",
        timeout=60.0,
        clock=lambda: time.time_ns() + 3600 * 10**9,
    )


def on_path(tmp_path: Path, folder: str, name: str, version: str, **changes: object) -> Path:
    return fake_python(tmp_path / folder / "bin" / name, version, **changes)


def test_the_running_python_is_found(tmp_path: Path) -> None:
    found = find_interpreter("3.10.1", discovery(tmp_path))
    empty = digest_of_lines("lockproof stdlib 2", [])
    assert (found.executable, found.version, found.implementation, found.prefix) == (
        tmp_path / "running/bin/python3",
        "3.10.1",
        "cpython",
        tmp_path / "running",
    )
    assert found.platform == Platform(os="linux", machine="x86_64", libc="glibc", version=(2, 36))
    assert found.files == {
        "executable": found.files["executable"],
        "libpython": "static",
        "lib-dynload": "none",
        "stdlib": empty,
    }


@pytest.mark.parametrize(
    ("place", "environ"),
    [
        ("pyenv/versions/mine/bin/python", {"PYENV_ROOT": "{tmp}/pyenv"}),
        ("home/.pyenv/versions/3.11.7/bin/python3", {}),
        ("uv/cpython-3.11.7-linux-x86_64-gnu/bin/python3.11", {"UV_PYTHON_INSTALL_DIR": "{tmp}/uv"}),
        ("data/uv/python/cpython-3.11-linux/bin/python", {"XDG_DATA_HOME": "{tmp}/data"}),
        ("home/.local/share/uv/python/any/bin/python", {}),
        ("folder/bin/python", {"PATH": "/nonexistent:{tmp}/folder/bin"}),
        ("folder/bin/python3", {"PATH": "{tmp}/folder/bin"}),
        ("folder/bin/python3.11", {"PATH": "{tmp}/folder/bin"}),
        ("folder/bin/python3.13t", {"PATH": "{tmp}/folder/bin"}),
    ],
)
def test_every_place_is_searched(place: str, environ: dict[str, str], tmp_path: Path) -> None:
    python = fake_python(tmp_path / place, "3.11.7")
    values = {name: value.format(tmp=tmp_path) for name, value in environ.items()}
    search = replace(discovery(tmp_path), environ={"HOME": f"{tmp_path}/home", **values})
    assert find_interpreter("3.11.7", search).executable == python


def test_a_name_proves_nothing(tmp_path: Path) -> None:
    on_path(tmp_path, "a", "python3.11", "3.12.1")
    right = on_path(tmp_path, "b", "python3.12", "3.11.7")
    search = discovery(tmp_path, path=f"{tmp_path}/a/bin:{tmp_path}/b/bin")
    assert find_interpreter("3.11.7", search).executable == right


@pytest.mark.parametrize("name", ["python2", "python2.7", "python3-config", "python3.11-config", "pythonw", "pypy3"])
def test_other_names_are_not_run(name: str, tmp_path: Path) -> None:
    python = on_path(tmp_path, "a", name, "3.11.7")
    with pytest.raises(UnavailableError):
        find_interpreter("3.11.7", discovery(tmp_path, path=f"{tmp_path}/a/bin"))
    assert runs_of(python) == []


def test_shims_and_relative_folders_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim = fake_python(tmp_path / "pyenv" / "shims" / "python", "3.11.7")
    relative = on_path(tmp_path, "relative", "python", "3.11.7")
    monkeypatch.chdir(tmp_path)
    search = discovery(tmp_path, path=f"{tmp_path}/pyenv/shims:relative/bin::.")
    with pytest.raises(UnavailableError):
        find_interpreter("3.11.7", search)
    assert runs_of(shim) + runs_of(relative) == []


def test_links_that_can_t_be_followed_are_passed_over(tmp_path: Path) -> None:
    right = on_path(tmp_path, "b", "python3.11", "3.11.7")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "python3.11").symlink_to("n" * 300)  # an error to stat, as what a closed folder holds
    search = discovery(tmp_path, path=f"{tmp_path}/a:{tmp_path}/b/bin")
    assert find_interpreter("3.11.7", search).executable == right


def test_the_order_among_equals(tmp_path: Path) -> None:
    trusted = on_path(tmp_path, "trusted", "python", "3.10.1")
    pyenv = fake_python(tmp_path / "pyenv/versions/a/bin/python", "3.10.1")
    first = on_path(tmp_path, "first", "python", "3.10.1")
    second = on_path(tmp_path, "second", "python", "3.10.1")
    uv = fake_python(tmp_path / "uv/a/bin/python", "3.10.1")
    search = discovery(
        tmp_path,
        path=f"{second.parent}:{first.parent}",
        trusted=(trusted,),
        PYENV_ROOT=f"{tmp_path}/pyenv",
        UV_PYTHON_INSTALL_DIR=f"{tmp_path}/uv",
    )
    assert list(candidates(search)) == [trusted, search.running, pyenv, second, first, uv]
    assert find_interpreter("3.10.1", search).executable == trusted


def test_one_whose_path_names_the_version_is_asked_before_others(tmp_path: Path) -> None:
    for version in ("3.11.6", "3.11.7", "3.11.8"):
        fake_python(tmp_path / f"pyenv/versions/{version}/bin/python", version)
    search = discovery(tmp_path, PYENV_ROOT=f"{tmp_path}/pyenv")
    find_interpreter("3.11.7", search)
    assert runs_of(tmp_path / "pyenv/versions/3.11.6/bin/python") == []


def test_several_names_of_one_file_are_one_candidate(tmp_path: Path) -> None:
    python = on_path(tmp_path, "a", "python3.11", "3.11.7")
    (python.parent / "python3").symlink_to("python3.11")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    search = discovery(tmp_path, path=f"{tmp_path}/a/bin:{tmp_path}/b/bin:{tmp_path}/a/bin")
    assert list(candidates(search)) == [search.running, python]


def test_a_near_miss_is_named_and_the_remedy_said(tmp_path: Path) -> None:
    near = on_path(tmp_path, "a", "python3.11", "3.11.2")
    on_path(tmp_path, "b", "python3.12", "3.12.1")
    with pytest.raises(UnavailableError) as caught:
        find_interpreter("3.11.7", discovery(tmp_path, path=f"{tmp_path}/a/bin:{tmp_path}/b/bin"))
    assert str(caught.value) == (
        f"Python 3.11.7 isn't here: found 3.11.2 at {near}\n"
        "  Install it (`pyenv install 3.11.7`, `uv python install 3.11.7`) or put it on PATH."
    )
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({"implementation": "pypy"}, "pypy 3.11.7"),
        ({"facts": {"debug": "yes"}}, "3.11.7 (debug build)"),
        ({"version": "3.11.7rc1"}, "3.11.7rc1"),
    ],
)
def test_another_build_of_the_version_is_a_near_miss(changes: dict[str, object], label: str, tmp_path: Path) -> None:
    version = str(changes.pop("version", "3.11.7"))
    near = on_path(tmp_path, "a", "python3", version, **changes)
    with pytest.raises(UnavailableError) as caught:
        find_interpreter("3.11.7", discovery(tmp_path, path=f"{tmp_path}/a/bin"))
    assert caught.value.why == f"found {label} at {near}"


def test_a_free_threaded_build_is_not_the_ordinary_one(tmp_path: Path) -> None:
    near = on_path(tmp_path, "a", "python3", "3.13.0t")
    search = discovery(tmp_path, path=f"{tmp_path}/a/bin")
    assert find_interpreter("3.13.0t", search).executable == near
    with pytest.raises(UnavailableError, match=r"found 3\.13\.0t at"):
        find_interpreter("3.13.0", search)


def test_without_one_of_the_series_all_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        find_interpreter("3.11.7", discovery(tmp_path))
    assert caught.value.why == f"found 3.10.1 at {tmp_path}/running/bin/python3"


def test_broken_candidates_are_skipped_and_named_only_when_nothing_fits(tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    script(folder / "python3.7", "echo nonsense")
    script(folder / "python3.8", "exec /bin/sleep 600")
    script(folder / "python3.9", "exit 3")
    (folder / "python3.10").write_text("")
    script(folder / "python", "echo 'Unknown option: -I' >&2; exit 2")
    search = replace(discovery(tmp_path, path=str(folder)), timeout=1.5)
    assert find_interpreter("3.10.1", search).version == "3.10.1"
    search.running.unlink()
    with pytest.raises(UnavailableError) as caught:
        find_interpreter("3.11.7", search)
    assert caught.value.why.split("; ") == [
        "no other was found either",
        f"{folder}/python3.10 can't be run (Permission denied)",
        f"{folder}/python3.7 printed something that is no answer",
        f"{folder}/python3.8 gave no answer within 1.5 s",
        f"{folder}/python3.9 ended with code 3",
    ]


def test_a_series_is_not_an_interpreter(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"write the patch version too, such as 3\.11\.0"):
        find_interpreter("3.11", discovery(tmp_path))


def test_all_that_work_are_known_and_nothing_is_hashed(tmp_path: Path) -> None:
    on_path(tmp_path, "a", "python3", "3.11.2")
    script(tmp_path / "b" / "python3", "echo nonsense")
    on_path(tmp_path, "c", "python3", "3.12.1", stdlib="/nonexistent")
    search = discovery(tmp_path, path=f"{tmp_path}/a/bin:{tmp_path}/b:{tmp_path}/c/bin")
    assert [said.label for said in known_interpreters(search)] == ["3.10.1", "3.11.2", "3.12.1"]


def environment(folder: Path, **keys: str) -> Path:
    """A virtual environment's folder, with its configuration; returns where its python goes."""
    (folder / "bin").mkdir(parents=True)
    lines = [f"{key.replace('_', '-')} = {value}\n" for key, value in keys.items()]
    (folder / "pyvenv.cfg").write_text("".join(lines))
    return folder / "bin" / "python3"


def test_an_environment_s_link_stands_for_its_base(tmp_path: Path) -> None:
    base = on_path(tmp_path, "base", "python3", "3.11.7")
    python = environment(tmp_path / "venv", home=str(base.parent))
    python.symlink_to(base)
    search = discovery(tmp_path, path=str(python.parent))
    assert find_interpreter("3.11.7", search).executable == base


@pytest.mark.parametrize("key", ["home", "executable", "base_executable"])
def test_an_environment_s_copy_stands_for_its_base_and_is_not_run(key: str, tmp_path: Path) -> None:
    base = on_path(tmp_path, "base", "python3", "3.11.7")
    copy = environment(tmp_path / "venv", **{key: str(base.parent if key == "home" else base)})
    fake_python(copy, "3.11.8")
    search = discovery(tmp_path, path=str(copy.parent))
    assert find_interpreter("3.11.7", search).executable == base
    assert runs_of(copy) == []


def test_an_environment_of_an_environment_stands_for_the_base_of_both(tmp_path: Path) -> None:
    base = on_path(tmp_path, "base", "python3", "3.11.7")
    inner = environment(tmp_path / "inner", home=str(base.parent))
    fake_python(inner, "3.11.7")
    outer = environment(tmp_path / "outer", home=str(inner.parent))
    fake_python(outer, "3.11.7")
    assert base_executable(outer) == base


def test_an_environment_without_a_base_is_no_candidate(tmp_path: Path) -> None:
    orphan = fake_python(environment(tmp_path / "orphan"), "3.11.7")
    itself = environment(tmp_path / "itself", home=str(tmp_path / "itself/bin"))
    fake_python(itself, "3.11.7")
    assert (base_executable(orphan), base_executable(itself)) == (None, None)


def test_links_in_a_circle_are_no_candidate(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert base_executable(tmp_path / "a") is None


def test_a_link_to_a_known_interpreter_is_identified(tmp_path: Path) -> None:
    base = on_path(tmp_path, "base", "python3", "3.11.7")
    python = environment(tmp_path / "venv", home=str(base.parent))
    python.symlink_to(base)
    search = discovery(tmp_path, path=str(base.parent))
    assert identify(python, search) == find_interpreter("3.11.7", search)


@pytest.mark.parametrize("kind", ["unknown", "copy", "missing", "folder"])
def test_what_is_not_known_is_not_identified_and_never_run(kind: str, tmp_path: Path) -> None:
    base = on_path(tmp_path, "base", "python3", "3.11.7")
    python = environment(tmp_path / "venv", home=str(base.parent))
    if kind == "folder":
        python.mkdir()
    elif kind != "missing":
        fake_python(python, "3.11.7")
    if kind == "unknown":
        (tmp_path / "venv/pyvenv.cfg").unlink()
    assert identify(python, discovery(tmp_path, path=str(base.parent))) is None
    assert runs_of(python) == []


def test_a_trusted_executable_is_identified(tmp_path: Path) -> None:
    python = on_path(tmp_path, "image", "python3", "3.11.7")
    found = identify(python, discovery(tmp_path, trusted=(python,)))
    assert found is not None
    assert found.version == "3.11.7"


def test_a_known_interpreter_that_is_broken_is_not_identified(tmp_path: Path) -> None:
    broken = script(tmp_path / "a" / "python3", "echo nonsense")
    assert identify(broken, discovery(tmp_path, path=str(broken.parent))) is None


def interpreter(facts: dict[str, str], files: dict[str, str], executable: str = "/usr/bin/python") -> Interpreter:
    return Interpreter(
        executable=Path(executable),
        version="3.11.7",
        implementation="cpython",
        prefix=Path(executable).parent.parent,
        platform=Platform(os="linux", machine="x86_64"),
        facts=facts,
        files=files,
    )


def test_the_layer_is_made_of_facts_and_files_in_any_order() -> None:
    one = interpreter({"soabi": "cpython-311", "build": "3.11.7"}, {"stdlib": "sha256:1", "executable": "sha256:2"})
    lines = [b"build\x003.11.7", b"executable\0sha256:2", b"soabi\0cpython-311", b"stdlib\0sha256:1"]
    assert one.layer == digest_of_lines("lockproof interpreter 1", lines)


def test_the_identity_is_all_facts_and_files() -> None:
    one = interpreter({"soabi": "cpython-311"}, {"stdlib": "sha256:1"})
    assert one.identity == {"soabi": "cpython-311", "stdlib": "sha256:1"}


def test_no_fact_has_the_name_of_a_file(tmp_path: Path) -> None:
    found = find_interpreter("3.10.1", discovery(tmp_path))
    assert probe_facts().keys() & found.files.keys() == set()


def test_the_layer_does_not_depend_on_the_place() -> None:
    here, there = (interpreter({"a": "b"}, {"c": "d"}, path) for path in ("/usr/bin/python", "/opt/x/bin/python"))
    assert here.layer == there.layer


@pytest.mark.parametrize(("facts", "files"), [({"a": "c"}, {"c": "d"}), ({"a": "b"}, {"c": "e"}), ({}, {"c": "d"})])
def test_the_layer_depends_on_every_fact_and_file(facts: dict[str, str], files: dict[str, str]) -> None:
    assert interpreter(facts, files).layer != interpreter({"a": "b"}, {"c": "d"}).layer


@pytest.mark.parametrize(("wanted", "asked"), [("3.10.2", 0), (".".join(map(str, sys.version_info[:3])), 1)])
def test_the_running_python_is_not_asked_first_for_a_version_that_it_has_not(
    wanted: str, asked: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = discovery(tmp_path, path=str(tmp_path / wanted / "bin"))
    monkeypatch.setattr(sys, "executable", str(search.running))
    other = on_path(tmp_path, wanted, "python3", wanted)
    assert find_interpreter(wanted, search).executable == other
    assert len(runs_of(search.running)) == asked


def test_an_edited_stdlib_changes_the_layer_of_an_interpreter_already_known(tmp_path: Path) -> None:
    search = discovery(tmp_path)
    module = tmp_path / "running/lib/os.py"
    module.write_text("one")
    before = find_interpreter("3.10.1", search)
    unchanged = find_interpreter("3.10.1", search)
    module.write_text("another")
    after = find_interpreter("3.10.1", search)
    assert unchanged == before
    assert [part for part in before.files if before.files[part] != after.files[part]] == ["stdlib"]
    assert after.layer != before.layer
    assert len(runs_of(search.running)) == 1


def test_this_process_is_where_a_search_begins() -> None:
    search = Discovery()
    assert search.environ is os.environ
    assert next(candidates(search)) == base_executable(search.running)
