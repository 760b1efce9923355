"""Laws of platforms: texts and values go back and forth; a newer libc takes all that an older one takes."""

from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.version import Version

from lockproof.locks import wheel_name
from lockproof.locks.plan import _fitting
from lockproof.pythons.platforms import (
    LINUX_MACHINES,
    MACOS_MACHINES,
    WINDOWS_MACHINES,
    Platform,
    PythonVersion,
    compatible_tags,
    marker_environment,
    parse_platform,
    parse_python,
    platform_tags,
)

small = st.integers(0, 99)
linux = st.builds(
    Platform,
    os=st.just("linux"),
    machine=st.sampled_from(LINUX_MACHINES),
    libc=st.sampled_from(["glibc", "musl"]),
    version=st.tuples(st.integers(1, 2), small),
)
macos = st.builds(
    Platform,
    os=st.just("macos"),
    machine=st.sampled_from(MACOS_MACHINES),
    version=st.tuples(st.integers(11, 30), small),
)
windows = st.builds(Platform, os=st.just("windows"), machine=st.sampled_from(WINDOWS_MACHINES))
platforms = st.one_of(linux, macos, windows)
pythons = st.integers(6, 20).flatmap(
    lambda minor: st.builds(
        PythonVersion,
        major=st.just(3),
        minor=st.just(minor),
        patch=small,
        pre=st.one_of(st.just(""), st.builds("{}{}".format, st.sampled_from(["a", "b", "rc"]), small)),
        freethreaded=st.booleans() if minor >= 13 else st.just(False),
    )
)


@given(platforms)
def test_a_spelling_is_read_as_what_it_spells(platform: Platform) -> None:
    assert parse_platform(platform.spelling) == platform


@given(platforms)
def test_an_id_is_read_as_a_platform_of_that_id(platform: Platform) -> None:
    assert parse_platform(platform.id).id == platform.id


@given(pythons)
def test_a_version_is_read_as_what_it_is_written_from(python: PythonVersion) -> None:
    assert parse_python(str(python)) == python


@given(st.one_of(st.text(max_size=12), st.from_regex(r"(linux|macos)-[a-z0-9_.-]{0,12}", fullmatch=True)))
def test_any_text_is_a_platform_or_a_value_error(text: str) -> None:
    try:
        platform = parse_platform(text)
    except ValueError:
        return
    assert text in {platform.id, platform.spelling}


@given(st.one_of(st.text(max_size=8), st.from_regex(r"3\.[0-9]{1,3}[0-9.abrct]{0,6}", fullmatch=True)))
def test_any_text_is_a_version_that_packaging_reads_too_or_a_value_error(text: str) -> None:
    try:
        python = parse_python(text)
    except ValueError:
        return
    assert str(python) == text
    assert str(Version(python.release)) == python.release


@given(platforms)
def test_platform_tags_are_distinct_and_never_none(platform: Platform) -> None:
    tags = list(platform_tags(platform))
    assert tags
    assert len(tags) == len(set(tags))


@given(linux, st.integers(1, 20))
def test_a_newer_libc_takes_all_that_an_older_one_takes_and_prefers_its_own(older: Platform, step: int) -> None:
    assert older.version is not None
    newer_version = (older.version[0], older.version[1] + step)
    newer = Platform(os=older.os, machine=older.machine, libc=older.libc, version=newer_version)
    known = set(platform_tags(older))
    assert [tag for tag in platform_tags(newer) if tag in known] == list(platform_tags(older))


@settings(max_examples=25)
@given(pythons, windows)
def test_every_tag_fits_the_python_and_the_platform(python: PythonVersion, platform: Platform) -> None:
    own = {f"cp3{python.minor}", f"py3{python.minor}"}
    older = {f"{kind}3{minor}" for kind in ("cp", "py") for minor in range(python.minor)} | {"py3"}
    tags = compatible_tags(python, platform)
    assert {tag.interpreter for tag in tags} <= own | older
    assert {tag.platform for tag in tags} == {*platform_tags(platform), "any"}
    assert tags[0].abi.endswith("t") is python.freethreaded


@given(pythons, platforms)
def test_all_eleven_marker_variables_are_there_and_nothing_volatile(python: PythonVersion, platform: Platform) -> None:
    markers = marker_environment(python, platform)
    assert len(markers) == 11
    assert markers["platform_release"] == markers["platform_version"] == ""
    marker = Marker(f"python_full_version == '{python.release}' and implementation_name == 'cpython'")
    assert marker.evaluate({name: str(value) for name, value in markers.items()})


_PARTS = st.sampled_from(
    ["py3", "PY3", "cp311", "cp312.cp311", "py2.py3", "none", "abi3", "any", "win_amd64", "", "x.y"]
)


@given(platforms, st.lists(_PARTS, max_size=5), st.sampled_from([".whl", ".WHL", "", ".tar.gz"]), st.data())
def test_a_wheel_fits_by_its_tags_alone(platform: Platform, parts: list[str], end: str, data: st.DataObject) -> None:
    tags = list(compatible_tags(parse_python("3.11.7"), platform))
    one = data.draw(st.sampled_from(tags))
    for filename in ("-".join(["a", "1", *parts]) + end, f"a-1-{one}{end}", f"a-1-2b-{str(one).upper()}{end}"):
        name = wheel_name(filename)
        assert _fitting(tags)(filename) == (name is not None and not name.tags.isdisjoint(tags))
