"""How an interpreter is asked, what counts as an answer, and how long one is remembered."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from lockproof.pythons import probing
from lockproof.pythons.platforms import Platform
from lockproof.pythons.probing import NotAnInterpreterError, Probe, TooOldError, host_platform, probe
from support.interpreters import answer_of, fake_python, runs_of, script

LATER = time.time_ns() + 3600 * 10**9
SCRIPT = Path(probing.__file__).with_name("probe.py")


def later() -> int:
    return LATER


@pytest.fixture
def python(tmp_path: Path) -> Path:
    return tmp_path / "bin" / "python3.12"


def test_an_answer_becomes_a_value(python: Path, tmp_path: Path) -> None:
    fake_python(python, "3.12.1", libpython="/lib/libpython.so", archive="/lib/python312.zip")
    assert probe(python) == Probe(
        executable=python,
        version="3.12.1",
        implementation="cpython",
        prefix=tmp_path,
        platform=Platform(os="linux", machine="x86_64", libc="glibc", version=(2, 36)),
        facts={"implementation": "cpython", "debug": "no", "version": "3.12.1"},
        configured_prefix="",
        stdlib=tmp_path / "lib",
        archive=Path("/lib/python312.zip"),
        lib_dynload=None,
        libpython=Path("/lib/libpython.so"),
    )


@pytest.mark.parametrize("beside", ["pybuilddir.txt", "Modules/Setup.local", "python3.12._pth"])
def test_one_that_is_sent_to_another_library_is_refused(beside: str, python: Path, tmp_path: Path) -> None:
    """Even where it was asked before, and the answer is remembered."""
    fake_python(python, "3.12.1")
    probe(python, cache=tmp_path / "cache", clock=later)
    (python.parent / beside).parent.mkdir(exist_ok=True)
    (python.parent / beside).write_text("/opt/evil\n")
    with pytest.raises(NotAnInterpreterError) as caught:
        probe(python, cache=tmp_path / "cache", clock=later)
    assert str(caught.value) == f"has {beside} beside it, which sends it to another standard library"


def test_it_is_run_once_isolated_without_site_and_without_writing_bytecode(python: Path) -> None:
    probe(fake_python(python, "3.12.1"))
    assert runs_of(python) == [f"-I -S -B {SCRIPT}"]


def test_nothing_of_the_caller_s_environment_reaches_it(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYTHONPATH", "PYTHONHOME", "SECRET", "HOME", "DYLD_INSERT_LIBRARIES"):
        monkeypatch.setenv(name, "leak")
    script(python, f"/usr/bin/env > '{tmp_path}/environment'")
    with pytest.raises(NotAnInterpreterError):
        probe(python)
    names = {line.partition("=")[0] for line in (tmp_path / "environment").read_text().splitlines()}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"SYSTEM_VERSION_COMPAT"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("echo nonsense", "printed something that is no answer"),
        ("echo '[1]'", "printed something that is no answer"),
        ("echo '{}'", "printed something that is no answer"),
        ("true", "printed something that is no answer"),
        ("echo why >&2; echo because of this >&2; exit 3", "ended with code 3 (because of this)"),
        ("exit 4", "ended with code 4"),
        ("kill -9 $$", "ended with code -9"),
        ("exec /bin/sleep 600", "gave no answer within 0.2 s"),
        ("/bin/sleep 600 & wait", "gave no answer within 0.2 s"),
        ("while :; do echo nonsense; done", "gave no answer within 0.2 s"),
    ],
)
def test_what_is_no_answer_is_named(body: str, message: str, python: Path) -> None:
    script(python, body)
    timeout = 0.2 if "no answer within" in message else 10.0
    with pytest.raises(NotAnInterpreterError) as caught:
        probe(python, timeout=timeout)
    assert str(caught.value) == message


def test_a_child_that_keeps_the_pipe_open_is_not_waited_for(python: Path, tmp_path: Path) -> None:
    fake_python(python, "3.12.1")
    pid = tmp_path / "pid"
    python.write_text(f"{python.read_text()}/bin/sleep 600 & echo $! > '{pid}'\n")
    try:
        assert probe(python).version == "3.12.1"
    finally:
        # The child is this test's own: its number was written by the script above.
        os.kill(int(pid.read_text()), signal.SIGKILL)


@pytest.mark.parametrize("key", ["version", "stdlib", "facts", "platform", "libpython"])
def test_an_answer_that_lacks_something_is_none(key: str, python: Path) -> None:
    fake_python(python, "3.12.1", **{key: None})
    with pytest.raises(NotAnInterpreterError, match="printed something that is no answer"):
        probe(python)


@pytest.mark.parametrize("said", [{}, {"os": 7, "machine": "x86_64"}, {"os": "linux"}])
def test_a_platform_that_isn_t_one_is_no_answer(said: dict[str, object], python: Path) -> None:
    fake_python(python, "3.12.1", platform=said)
    with pytest.raises(NotAnInterpreterError, match="printed something that is no answer"):
        probe(python)


def test_a_platform_may_lack_a_version(python: Path) -> None:
    said = {"os": "windows", "machine": "arm64", "libc": "", "version": None}
    fake_python(python, "3.12.1", platform=said)
    assert probe(python).platform == Platform(os="windows", machine="arm64")


def test_a_wrapper_of_another_interpreter_is_named_with_it(python: Path, tmp_path: Path) -> None:
    other = fake_python(tmp_path / "other" / "bin" / "python3", "3.12.1")
    fake_python(python, "3.12.1", executable=str(other))
    with pytest.raises(NotAnInterpreterError) as caught:
        probe(python)
    assert str(caught.value) == f"runs another interpreter, {other}"


def test_a_file_that_can_t_be_run_is_named(python: Path) -> None:
    fake_python(python, "3.12.1").chmod(0o644)
    with pytest.raises(NotAnInterpreterError) as caught:
        probe(python)
    assert str(caught.value) == "can't be run (Permission denied)"


def test_python_2_is_too_old(python: Path) -> None:
    script(python, "echo 'Unknown option: -I' >&2; exit 2")
    with pytest.raises(TooOldError):
        probe(python)


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({}, "3.12.1"),
        ({"implementation": "pypy"}, "pypy 3.12.1"),
        ({"facts": {"debug": "yes"}}, "3.12.1 (debug build)"),
    ],
)
def test_how_it_is_called_in_messages(changes: dict[str, object], label: str, python: Path) -> None:
    assert probe(fake_python(python, "3.12.1", **changes)).label == label


def test_an_answer_is_remembered(python: Path, tmp_path: Path) -> None:
    fake_python(python, "3.12.1")
    first = probe(python, cache=tmp_path / "cache", clock=later)
    assert probe(python, cache=tmp_path / "cache", clock=later) == first
    assert len(runs_of(python)) == 1


def test_an_answer_of_a_file_as_young_as_itself_is_not_remembered(python: Path, tmp_path: Path) -> None:
    fake_python(python, "3.12.1")
    for _ in range(2):
        probe(python, cache=tmp_path / "cache", clock=lambda: python.stat().st_ctime_ns)
    assert len(runs_of(python)) == 2


def test_another_executable_in_its_place_is_asked_again(python: Path, tmp_path: Path) -> None:
    fake_python(python, "3.12.1")
    probe(python, cache=tmp_path / "cache", clock=later)
    fake_python(python, "3.12.10")
    assert probe(python, cache=tmp_path / "cache", clock=later).version == "3.12.10"


@pytest.mark.parametrize("change", ["another", "gone"])
def test_another_library_makes_it_asked_again(change: str, python: Path, tmp_path: Path) -> None:
    library = tmp_path / "libpython.so"
    library.write_text("one")
    fake_python(python, "3.12.1", watched=[str(library)])
    probe(python, cache=tmp_path / "cache", clock=later)
    if change == "gone":
        library.unlink()
    else:
        library.write_text("another")
    probe(python, cache=tmp_path / "cache", clock=later)
    assert len(runs_of(python)) == 2


def test_another_way_of_asking_makes_it_asked_again(python: Path, tmp_path: Path) -> None:
    fake_python(python, "3.12.1")
    probe(python, cache=tmp_path / "cache", clock=later)
    (store,) = (tmp_path / "cache").iterdir()
    document = json.loads(store.read_bytes())
    store.write_text(json.dumps({**document, "script": "0" * 64}))
    probe(python, cache=tmp_path / "cache", clock=later)
    assert len(runs_of(python)) == 2


@pytest.mark.parametrize("damage", ["", "{", "null", "[]", "no-answer", "nothing-watched", "null-watched"])
def test_a_corrupted_memory_is_ignored_and_rewritten(damage: str, python: Path, tmp_path: Path) -> None:
    fake_python(python, "3.12.1")
    first = probe(python, cache=tmp_path / "cache", clock=later)
    (store,) = (tmp_path / "cache").iterdir()
    sound = json.loads(store.read_bytes())
    damaged = {
        "no-answer": {**sound, "answer": {"version": "3.12.2"}},
        "nothing-watched": {**sound, "watched": {}, "answer": answer_of(python, "3.12.2")},
        "null-watched": {**sound, "watched": {str(python): None}, "answer": answer_of(python, "3.12.2")},
    }
    store.write_text(json.dumps(damaged[damage]) if damage in damaged else damage)
    assert probe(python, cache=tmp_path / "cache", clock=later) == first
    assert json.loads(store.read_bytes()) == sound


def test_a_folder_that_can_t_be_written_costs_only_time(python: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    fake_python(python, "3.12.1")
    for _ in range(2):
        assert probe(python, cache=tmp_path / "cache", clock=later).version == "3.12.1"
    assert len(runs_of(python)) == 2


def test_the_host_s_platform_is_what_a_probe_of_this_python_says() -> None:
    this_python = Path(sys.executable).resolve()
    assert host_platform() == probe(this_python).platform
