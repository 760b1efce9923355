"""pip's configuration: where it is, what wins, what it means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lockproof.errors import UsageError
from lockproof.indexes import pipconfig
from lockproof.indexes.pipconfig import DEFAULT_INDEX, IndexConfig, pip_config_files, read_index_config

ONE, TWO, THREE = (f"https://index.invalid/{name}/simple" for name in ("one", "two", "three"))


def read(tmp_path: Path, **variables: str) -> IndexConfig:
    """The configuration from variables alone."""
    environ = {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", **variables}
    return read_index_config(environ, tmp_path)


@pytest.fixture
def pip_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A weaker and a stronger configuration file, both to be written by the test."""
    files = [tmp_path / "weak.conf", tmp_path / "strong.conf"]
    monkeypatch.setattr(pipconfig, "pip_config_files", lambda *_: files)
    return files


def test_nothing_configured_means_the_default_index(tmp_path: Path) -> None:
    assert read(tmp_path) == IndexConfig()
    assert IndexConfig().index_urls == (DEFAULT_INDEX,)


def test_every_variable_of_pip(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        PIP_INDEX_URL=ONE,
        PIP_EXTRA_INDEX_URL=f" {TWO}\n{THREE} ",
        PIP_FIND_LINKS="/wheels links.html",
        PIP_TRUSTED_HOST="a.invalid b.invalid:8080",
        PIP_CERT="/ca.pem",
        PIP_CLIENT_CERT="/me.pem",
        PIP_PROXY="http://proxy.invalid:3128",
        PIP_DEFAULT_TIMEOUT="180",
        PIP_RETRIES="2",
        PIP_KEYRING_PROVIDER="subprocess",
    )
    assert config == IndexConfig(
        index_urls=(ONE, TWO, THREE),
        find_links=("/wheels", "links.html"),
        trusted_hosts=("a.invalid", "b.invalid:8080"),
        cert="/ca.pem",
        client_cert="/me.pem",
        proxy="http://proxy.invalid:3128",
        timeout=180,
        retries=2,
        keyring_provider="subprocess",
    )


def test_no_index_leaves_only_find_links(tmp_path: Path) -> None:
    config = read(tmp_path, PIP_NO_INDEX="Yes", PIP_INDEX_URL=ONE, PIP_FIND_LINKS="/wheels")
    assert config == IndexConfig(index_urls=(), find_links=("/wheels",), no_index=True)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("PIP_NO_INDEX", "maybe", "PIP_NO_INDEX: no-index is 'maybe': expected yes or no"),
        ("PIP_TIMEOUT", "soon", "PIP_TIMEOUT: timeout is 'soon': expected a number from 0"),
        ("PIP_RETRIES", "-1", "PIP_RETRIES: retries is '-1': expected a number from 0"),
        ("PIP_TIMEOUT", "inf", "PIP_TIMEOUT: timeout is 'inf': expected a number from 0"),
        ("PIP_TIMEOUT", "nan", "PIP_TIMEOUT: timeout is 'nan': expected a number from 0"),
    ],
)
def test_a_value_that_is_none(tmp_path: Path, variable: str, value: str, expected: str) -> None:
    with pytest.raises(UsageError) as raised:
        read(tmp_path, **{variable: value})
    assert str(raised.value) == expected


def test_sections_before_files_before_variables(tmp_path: Path, pip_files: list[Path]) -> None:
    weak, strong = pip_files
    weak.write_text(f"[global]\nindex-url = {ONE}\ntimeout = 1\n[install]\nextra_index_url =\n  {TWO}\n  {THREE}\n")
    strong.write_text("[global]\ntimeout = 2\nextra-index-url = https://index.invalid/lost\n[freeze]\ntimeout = 9\n")
    config = read_index_config({"PIP_INDEX_URL": "", "PIP_RETRIES": "3", "UV_NO_CONFIG": "1"}, tmp_path)
    assert config == IndexConfig(index_urls=(ONE, TWO, THREE), timeout=2, retries=3)


def test_a_variable_replaces_a_list_as_a_whole(tmp_path: Path, pip_files: list[Path]) -> None:
    pip_files[0].write_text("[global]\nfind-links = /a /b\n")
    assert read_index_config({"PIP_FIND_LINKS": "/c", "UV_NO_CONFIG": "1"}, tmp_path).find_links == ("/c",)


@pytest.mark.parametrize(
    ("content", "line"), [("https://me:secret@host\n", 1), ("[global]\nindex-url = x\nsecret@host\nfoo\n", 3)]
)
def test_a_line_that_cannot_be_read_is_told_by_its_number_alone(
    tmp_path: Path, pip_files: list[Path], content: str, line: int
) -> None:
    pip_files[1].write_text(content)
    with pytest.raises(UsageError) as raised:
        read_index_config({}, tmp_path)
    assert str(raised.value) == (
        f"{pip_files[1]}:{line}: pip's configuration can't be read: "
        "the line is no [section] and no setting of one\n"
        "  Correct the file, or set PIP_CONFIG_FILE to another one."
    )


@pytest.mark.parametrize("content", [b"\xff[global]\n", b"[global]\na=1\na=2\n"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, pip_files: list[Path], content: bytes) -> None:
    pip_files[1].write_bytes(content)
    with pytest.raises(UsageError) as raised:
        read_index_config({}, tmp_path)
    assert raised.value.where == str(pip_files[1])
    assert raised.value.what == "pip's configuration can't be read"


def test_config_file_of_devnull_reads_no_file(tmp_path: Path, pip_files: list[Path]) -> None:
    pip_files[0].write_text(f"[global]\nindex-url = {ONE}\n")
    assert read(tmp_path) == IndexConfig()


def test_places_on_linux(tmp_path: Path) -> None:
    environ = {"HOME": "/home/me", "XDG_CONFIG_DIRS": "/etc/xdg:/opt/xdg"}
    expected = [
        Path("/etc/xdg/pip/pip.conf"),
        Path("/opt/xdg/pip/pip.conf"),
        Path("/etc/pip.conf"),
        Path("/home/me/.pip/pip.conf"),
        Path("/home/me/.config/pip/pip.conf"),
        Path("/env/pip.conf"),
    ]
    assert pip_config_files(environ, "linux", Path("/env")) == expected
    chosen = tmp_path / "chosen.conf"
    environ["PIP_CONFIG_FILE"] = str(chosen)
    assert pip_config_files(environ, "linux", Path("/env")) == [*expected, chosen]
    chosen.touch()  # one that exists hides the user's
    assert pip_config_files(environ, "linux", Path("/env")) == [*expected[:3], expected[5], chosen]


def test_places_on_macos_and_windows() -> None:
    assert pip_config_files({"HOME": "/Users/me"}, "darwin", Path("/env")) == [
        Path("/Library/Application Support/pip/pip.conf"),
        Path("/Users/me/.pip/pip.conf"),
        Path("/Users/me/.config/pip/pip.conf"),
        Path("/env/pip.conf"),
    ]
    windows = {
        "USERPROFILE": "C:/Users/me",
        "APPDATA": "C:/Users/me/Roaming",
        "PROGRAMDATA": "C:/ProgramData",
    }
    assert pip_config_files(windows, "win32", Path("C:/env")) == [
        Path("C:/ProgramData/pip/pip.ini"),
        Path("C:/Users/me/pip/pip.ini"),
        Path("C:/Users/me/Roaming/pip/pip.ini"),
        Path("C:/env/pip.ini"),
    ]


def test_uv_adds_its_indexes_and_its_default_takes_the_default_place(tmp_path: Path) -> None:
    assert read(tmp_path, UV_DEFAULT_INDEX=ONE, UV_INDEX=TWO).index_urls == (TWO, ONE)
    assert read(tmp_path, UV_DEFAULT_INDEX=ONE, PIP_INDEX_URL=THREE).index_urls == (THREE, ONE)
    assert read(tmp_path, UV_INDEX=TWO).index_urls == (DEFAULT_INDEX, TWO)
    assert read(tmp_path, UV_INDEX=TWO, PIP_EXTRA_INDEX_URL=TWO).index_urls == (DEFAULT_INDEX, TWO)


def test_options_of_a_lock(tmp_path: Path) -> None:
    (tmp_path / "wheels").mkdir()
    config = IndexConfig(index_urls=(ONE, TWO), find_links=("/a",), trusted_hosts=("a.invalid",), timeout=3)
    assert config.with_options() == config
    assert config.with_options(
        index_url=THREE,
        extra_index_urls=[TWO],
        find_links=["wheels", "missing", ONE],
        trusted_hosts=["a.invalid", "b.invalid"],
        folder=tmp_path,
    ) == IndexConfig(
        index_urls=(THREE, TWO),
        find_links=("/a", str(tmp_path / "wheels"), "missing", ONE),
        trusted_hosts=("a.invalid", "b.invalid"),
        timeout=3,
    )
    assert config.with_options(extra_index_urls=[THREE]).index_urls == (ONE, TWO, THREE)
    assert config.with_options(index_url=THREE, no_index=True).index_urls == ()


def test_no_index_of_the_user_holds_against_a_lock() -> None:
    config = IndexConfig(index_urls=(), no_index=True)
    assert config.with_options(index_url=ONE, extra_index_urls=[TWO]) == config


def test_the_repr_holds_no_password() -> None:
    config = IndexConfig(index_urls=("https://me:secret@index.invalid/",), proxy="http://me:secret@proxy.invalid")
    assert "secret" not in repr(config)
