"""Platforms and versions as written, and the markers and tags that follow from them."""

import pytest

from lockproof.pythons.platforms import (
    Platform,
    PythonVersion,
    compatible_tags,
    marker_environment,
    parse_platform,
    parse_python,
    platform_tags,
)


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux-x86_64", Platform(os="linux", machine="x86_64", libc="glibc", version=(2, 28))),
        ("linux-aarch64", Platform(os="linux", machine="aarch64", libc="glibc", version=(2, 28))),
        ("linux-riscv64", Platform(os="linux", machine="riscv64", libc="glibc", version=(2, 39))),
        ("linux-armv7l-glibc2.17", Platform(os="linux", machine="armv7l", libc="glibc", version=(2, 17))),
        ("linux-x86_64-musl", Platform(os="linux", machine="x86_64", libc="musl", version=(1, 2))),
        ("linux-i686-musl1.1", Platform(os="linux", machine="i686", libc="musl", version=(1, 1))),
        ("macos-arm64", Platform(os="macos", machine="arm64", version=(13, 0))),
        ("macos-x86_64-10.15", Platform(os="macos", machine="x86_64", version=(10, 15))),
        ("windows-x86_64", Platform(os="windows", machine="x86_64")),
        ("windows-arm64", Platform(os="windows", machine="arm64")),
    ],
)
def test_a_known_form_is_read(text: str, platform: Platform) -> None:
    assert parse_platform(text) == platform


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        "linux",
        "linux-amd64",
        "linux-x86_64-",
        "linux-x86_64-glibc",
        "linux-x86_64-glibc2",
        "linux-x86_64-2.28",
        "linux-x86_64-musl1.2\n",
        "linux-arm64",
        "macos-aarch64",
        "macos-arm64-musl",
        "windows-x86_64-10.0",
        "Linux-x86_64",
    ],
)
def test_another_form_is_an_error_that_names_the_known_ones(text: str) -> None:
    with pytest.raises(ValueError, match="known platform") as caught:
        parse_platform(text)
    assert str(caught.value) == (
        f"{text!r} is not a known platform; known forms are "
        "linux-<x86_64|aarch64|i686|armv7l|ppc64le|s390x|riscv64>, then -glibc2.28, -musl or -musl1.2 "
        "where the libc matters; macos-<arm64|x86_64>, then a deployment version as in macos-arm64-14.0 "
        "where it matters; windows-<x86_64|arm64|x86>"
    )


@pytest.mark.parametrize(
    ("text", "identity", "spelling"),
    [
        ("linux-x86_64", "linux-x86_64", "linux-x86_64-glibc2.28"),
        ("linux-x86_64-glibc2.36", "linux-x86_64", "linux-x86_64-glibc2.36"),
        ("linux-aarch64-musl", "linux-aarch64-musl", "linux-aarch64-musl1.2"),
        ("macos-arm64-14.0", "macos-arm64", "macos-arm64-14.0"),
        ("windows-x86", "windows-x86", "windows-x86"),
    ],
)
def test_the_id_is_without_versions_and_the_spelling_with_them(text: str, identity: str, spelling: str) -> None:
    platform = parse_platform(text)
    assert (platform.id, platform.spelling) == (identity, spelling)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("3.11.7", PythonVersion(major=3, minor=11, patch=7)),
        ("3.13.0t", PythonVersion(major=3, minor=13, patch=0, freethreaded=True)),
        ("3.14.0rc1", PythonVersion(major=3, minor=14, patch=0, pre="rc1")),
        ("3.15.0a2t", PythonVersion(major=3, minor=15, patch=0, pre="a2", freethreaded=True)),
    ],
)
def test_an_exact_version_is_read_and_written_back(text: str, version: PythonVersion) -> None:
    assert parse_python(text) == version
    assert str(version) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "3.13",
            "'3.13' is not an exact version of CPython: write the patch version too, such as 3.13.0",
        ),
        (
            "3.13t",
            "'3.13t' is not an exact version of CPython: write the patch version too, such as 3.13.0t",
        ),
        (
            "3.x",
            (
                "'3.x' is not an exact version of CPython: write three numbers: 3.13.0, "
                "3.13.0t for a free-threaded build, 3.14.0rc1 for a pre-release"
            ),
        ),
        ("3.5.10", "'3.5.10' is too old: the oldest CPython that can be described is 3.6"),
        ("3.12.1t", "'3.12.1t' never was: free-threaded builds begin with 3.13"),
    ],
)
def test_anything_else_is_an_error_that_says_what_to_write(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"CPython|builds") as caught:
        parse_python(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["3.011.7", "3.11.07", "3.11.7 ", "v3.11.7", "pypy3.10", ">=3.11", "3.11.7-1"])
def test_near_versions_are_errors_too(text: str) -> None:
    with pytest.raises(ValueError, match="is not an exact version"):
        parse_python(text)


def test_all_marker_variables_on_linux() -> None:
    assert marker_environment(parse_python("3.14.0rc1"), parse_platform("linux-aarch64-musl")) == {
        "implementation_name": "cpython",
        "implementation_version": "3.14.0c1",
        "os_name": "posix",
        "platform_machine": "aarch64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": "3.14.0rc1",
        "python_version": "3.14",
        "sys_platform": "linux",
    }


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("linux-i686", ("posix", "linux", "Linux", "i686")),
        ("macos-arm64", ("posix", "darwin", "Darwin", "arm64")),
        ("macos-x86_64", ("posix", "darwin", "Darwin", "x86_64")),
        ("windows-x86_64", ("nt", "win32", "Windows", "AMD64")),
        ("windows-arm64", ("nt", "win32", "Windows", "ARM64")),
        ("windows-x86", ("nt", "win32", "Windows", "x86")),
    ],
)
def test_the_platform_s_marker_variables(platform: str, expected: tuple[str, str, str, str]) -> None:
    markers = marker_environment(parse_python("3.13.0t"), parse_platform(platform))
    found = tuple(markers[name] for name in ("os_name", "sys_platform", "platform_system", "platform_machine"))
    assert found == expected
    assert markers["python_full_version"] == "3.13.0"


@pytest.mark.parametrize(
    ("platform", "tags"),
    [
        (
            "linux-aarch64-glibc2.19",
            [
                "linux_aarch64",
                "manylinux_2_19_aarch64",
                "manylinux_2_18_aarch64",
                "manylinux_2_17_aarch64",
                "manylinux2014_aarch64",
            ],
        ),
        (
            "linux-i686-glibc2.6",
            ["linux_i686", "manylinux_2_6_i686", "manylinux_2_5_i686", "manylinux1_i686"],
        ),
        ("linux-x86_64-glibc2.4", ["linux_x86_64"]),
        (
            "linux-x86_64-musl1.1",
            ["linux_x86_64", "musllinux_1_1_x86_64", "musllinux_1_0_x86_64"],
        ),
        ("windows-x86_64", ["win_amd64"]),
        ("windows-arm64", ["win_arm64"]),
        ("windows-x86", ["win32"]),
    ],
)
def test_platform_tags_from_the_most_specific(platform: str, tags: list[str]) -> None:
    assert list(platform_tags(parse_platform(platform))) == tags


def test_a_linux_whose_libc_is_unknown_takes_its_own_wheels_only() -> None:
    assert list(platform_tags(Platform(os="linux", machine="x86_64"))) == ["linux_x86_64"]


def test_macos_reaches_back_and_takes_universal_wheels() -> None:
    tags = list(platform_tags(parse_platform("macos-arm64-12.0")))
    assert tags[:5] == [
        "macosx_12_0_arm64",
        "macosx_12_0_universal2",
        "macosx_11_0_arm64",
        "macosx_11_0_universal2",
        "macosx_10_16_universal2",
    ]
    assert "macosx_13_0_arm64" not in tags


def test_all_tags_of_a_small_platform_in_order() -> None:
    tags = [str(tag) for tag in compatible_tags(parse_python("3.8.18"), parse_platform("windows-x86"))]
    assert tags == [
        "cp38-cp38-win32",
        "cp38-abi3-win32",
        "cp38-none-win32",
        *[f"cp3{minor}-abi3-win32" for minor in range(7, 1, -1)],
        "py38-none-win32",
        "py3-none-win32",
        *[f"py3{minor}-none-win32" for minor in range(7, -1, -1)],
        "cp38-none-any",
        "py38-none-any",
        "py3-none-any",
        *[f"py3{minor}-none-any" for minor in range(7, -1, -1)],
    ]


@pytest.mark.parametrize(
    ("python", "first", "stable"),
    [
        ("3.7.16", "cp37-cp37m-win_amd64", True),
        ("3.13.0", "cp313-cp313-win_amd64", True),
        ("3.13.0t", "cp313-cp313t-win_amd64", False),
    ],
)
def test_the_abi_of_each_build(python: str, first: str, stable: bool) -> None:
    tags = [str(tag) for tag in compatible_tags(parse_python(python), parse_platform("windows-x86_64"))]
    assert tags[0] == first
    assert ("cp37-abi3-win_amd64" in tags) is stable
