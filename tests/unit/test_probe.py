"""The script that interpreters run: what it says of this one, and of libraries that this one doesn't have."""

import ast
import json
import os
import platform
import struct
import sys
import sysconfig
from pathlib import Path

import pytest

from lockproof.pythons import probe


def test_it_is_written_in_the_syntax_of_python_3_6() -> None:
    ast.parse(Path(probe.__file__).read_text(encoding="utf-8"), feature_version=(3, 6))


def test_it_imports_the_standard_library_only() -> None:
    tree = ast.parse(Path(probe.__file__).read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_it_prints_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    probe.main()
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert json.loads(printed) == probe.answer()


def test_what_it_says_of_this_python() -> None:
    answer = probe.answer()
    assert answer["executable"] == sys.executable
    assert str(answer["version"]).removesuffix("t") == platform.python_version()
    assert answer["prefix"] == sys.base_prefix
    assert Path(str(answer["stdlib"]), "os.py").is_file()


def test_facts_hold_no_path_and_stay_on_one_line() -> None:
    facts = probe.facts()
    assert facts["build"] == " ".join(sys.version.split())
    assert [name for name, value in facts.items() if sys.base_prefix in value or "\n" in value] == []


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("2.36", [2, 36]),
        ("2.20-2014.11", [2, 20]),
        ("14.5.1", [14, 5]),
        ("", None),
        ("two", None),
        ("2", None),
    ],
)
def test_two_numbers_of_a_version(text: str, numbers: "list[int] | None") -> None:
    assert probe.two_numbers(text) == numbers


def no_glibc(name: str) -> str:
    raise ValueError(name)


@pytest.mark.parametrize(
    ("printed", "libc"),
    [
        ("musl libc (x86_64)\\nVersion 1.2.5\\nDynamic Program Loader\\n", ("musl", [1, 2])),
        ("something else\\n", ("", None)),
    ],
)
def test_musl_is_known_by_what_its_loader_prints(
    printed: str, libc: "tuple[str, list[int] | None]", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = tmp_path / "ld-musl-x86_64.so.1"
    loader.write_text(f"#!/bin/sh\nprintf '{printed}' >&2\nexit 1\n")
    loader.chmod(0o755)
    maps = tmp_path / "maps"
    maps.write_text(f"7f00-7f01 r-xp 0 00:00 1    {loader}\n7f02-7f03 rw-p 0 00:00 0    [heap]\n")
    monkeypatch.setattr(probe, "_MAPS", maps)
    monkeypatch.setattr(os, "confstr", no_glibc)
    assert probe.c_library() == libc


def test_no_c_library_is_known_without_a_loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_MAPS", tmp_path / "missing")
    monkeypatch.setattr(os, "confstr", no_glibc)
    assert probe.c_library() == ("", None)


def test_macos_is_known_by_its_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "mac_ver", lambda: ("14.5.1", ("", "", ""), "arm64"))
    assert probe.this_platform() == {"os": "macos", "machine": "arm64", "libc": "", "version": [14, 5]}


@pytest.mark.parametrize(("name", "machine"), [("win-amd64", "x86_64"), ("win-arm64", "arm64"), ("win32", "x86")])
def test_windows_is_known_by_its_build(name: str, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:  # short: pathlib looks at os.name too
        patched.setattr(os, "name", "nt")
        patched.setattr(sysconfig, "get_platform", lambda: name)
        found = probe.this_platform()
    assert found == {"os": "windows", "machine": machine, "libc": "", "version": None}


@pytest.mark.parametrize(
    ("name", "bytes_of_a_pointer", "machine"),
    [("linux-aarch64", 8, "aarch64"), ("linux-x86_64", 4, "i686"), ("linux-armv7l", 4, "armv7l")],
)
def test_linux_is_known_by_its_machine_and_the_size_of_a_pointer(
    name: str, bytes_of_a_pointer: int, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sysconfig, "get_platform", lambda: name)
    monkeypatch.setattr(struct, "calcsize", lambda _: bytes_of_a_pointer)
    monkeypatch.setattr(probe, "c_library", lambda: ("musl", [1, 2]))
    assert probe.this_platform() == {"os": "linux", "machine": machine, "libc": "musl", "version": [1, 2]}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"Py_ENABLE_SHARED": 1, "INSTSONAME": "libpython3.12.dylib"}, "lib/libpython3.12.dylib"),
        ({"PYTHONFRAMEWORK": "Python", "LDLIBRARY": "Python.framework/Versions/3.12/Python"}, "Python"),
        ({"Py_ENABLE_SHARED": 1, "INSTSONAME": "missing"}, ""),
        ({"INSTSONAME": "libpython3.12.dylib"}, ""),
    ],
)
def test_the_library_is_found_by_the_build_s_own_words_where_nothing_is_mapped(
    variables: "dict[str, object]", expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/libpython3.12.dylib").touch()
    if "PYTHONFRAMEWORK" in variables:
        (tmp_path / "Python").touch()
    monkeypatch.setattr(probe, "_MAPS", tmp_path / "missing")
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    monkeypatch.setattr(sysconfig, "get_config_var", variables.get)
    assert probe.loaded_libpython() == (str(tmp_path / expected) if expected else "")


def test_a_build_without_configuration_files_has_the_prefix_it_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sysconfig, "_get_sysconfigdata_name")
    assert probe.configured_prefix() == sys.base_prefix
