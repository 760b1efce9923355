"""uv's configuration of indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lockproof.errors import UsageError
from lockproof.indexes.uvconfig import UvSettings, read_uv_settings

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO, THREE = (f"https://index.invalid/{name}/simple" for name in ("one", "two", "three"))


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A user without any configuration of uv's."""
    return {"HOME": str(tmp_path / "home"), "XDG_CONFIG_DIRS": str(tmp_path / "system")}


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_variables(tmp_path: Path, environ: dict[str, str]) -> None:
    environ |= {
        "UV_DEFAULT_INDEX": f"main={ONE}",
        "UV_INDEX_MAIN_USERNAME": "me",
        "UV_INDEX_MAIN_PASSWORD": "p@ss",
        "UV_INDEX": f"my-own={TWO} {THREE}",
        "UV_EXTRA_INDEX_URL": "https://index.invalid/extra",
        "UV_FIND_LINKS": "/my wheels,https://index.invalid/links",
        "UV_INSECURE_HOST": "a.invalid b.invalid",
        "UV_KEYRING_PROVIDER": "subprocess",
    }
    assert read_uv_settings(environ, tmp_path) == UvSettings(
        default_index=["https://me:p%40ss@index.invalid/one/simple"],
        indexes=[TWO, THREE, "https://index.invalid/extra"],
        find_links=["/my wheels", "https://index.invalid/links"],
        insecure_hosts=["a.invalid", "b.invalid"],
        keyring_provider="subprocess",
    )


def test_a_query_is_no_name(tmp_path: Path, environ: dict[str, str]) -> None:
    environ["UV_INDEX"] = f"{ONE}?x=1"
    assert read_uv_settings(environ, tmp_path).indexes == [f"{ONE}?x=1"]


def test_project_over_user_over_system(tmp_path: Path, environ: dict[str, str]) -> None:
    project = tmp_path / "project"
    write(project / "pyproject.toml", f'[[tool.uv.index]]\nname = "a"\nurl = "{ONE}"\ndefault = true\n')
    write(tmp_path / "home/.config/uv/uv.toml", f'index-url = "{TWO}"\nextra-index-url = ["{TWO}/user"]\n')
    write(tmp_path / "system/uv/uv.toml", f'extra-index-url = ["{THREE}/system"]\nno-index = true\n')
    assert read_uv_settings(environ, project) == UvSettings(
        default_index=[ONE], indexes=[f"{TWO}/user", f"{THREE}/system"], no_index=True
    )


def test_uv_toml_hides_the_table_of_pyproject(tmp_path: Path, environ: dict[str, str]) -> None:
    write(tmp_path / "pyproject.toml", f'[tool.uv]\nindex-url = "{ONE}"\n')
    write(tmp_path / "uv.toml", f'index-url = "{TWO}"\nkeyring-provider = "subprocess"\n')
    expected = UvSettings(default_index=[TWO], keyring_provider="subprocess")
    assert read_uv_settings(environ, tmp_path) == expected


def test_paths_are_from_the_file_that_names_them(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "wheels").mkdir()
    write(
        tmp_path / "uv.toml",
        'find-links = ["wheels"]\nallow-insecure-host = ["a.invalid"]\n'
        '[[index]]\nname = "near"\nurl = "./simple"\n'
        '[[index]]\nname = "flat"\nurl = "wheels"\nformat = "flat"\n',
    )
    assert read_uv_settings(environ, tmp_path) == UvSettings(
        indexes=[(tmp_path / "simple").as_uri()],
        find_links=[(tmp_path / "wheels").as_uri(), str(tmp_path / "wheels")],
        insecure_hosts=["a.invalid"],
    )


def test_files_can_be_switched_off_or_chosen(tmp_path: Path, environ: dict[str, str]) -> None:
    write(tmp_path / "uv.toml", f'index-url = "{ONE}"\n')
    other = write(tmp_path / "other.toml", f'index-url = "{TWO}"\n')
    assert read_uv_settings({**environ, "UV_NO_CONFIG": "1"}, tmp_path) == UvSettings()
    chosen = read_uv_settings({**environ, "UV_CONFIG_FILE": str(other)}, tmp_path)
    assert chosen == UvSettings(default_index=[TWO])


@pytest.mark.parametrize("text", ["index-url = \n", "[[index]]\nname = 'no url'\n"])
def test_a_broken_file_is_named(tmp_path: Path, environ: dict[str, str], text: str) -> None:
    file = write(tmp_path / "uv.toml", text)
    with pytest.raises(UsageError) as raised:
        read_uv_settings(environ, tmp_path)
    assert raised.value.where == str(file)


def test_a_pyproject_without_uv_is_not_even_parsed(tmp_path: Path, environ: dict[str, str]) -> None:
    write(tmp_path / "pyproject.toml", "[broken\n")
    assert read_uv_settings(environ, tmp_path) == UvSettings()
