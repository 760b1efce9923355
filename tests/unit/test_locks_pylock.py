"""pylock.toml: what PEP 751 demands, what hashes demand, and that every refusal says where."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from lockproof.digests import sha256_hex
from lockproof.errors import LockError, ProblemsError
from lockproof.locks import Lock, is_plain_filename, sha256_of, wheel_name
from lockproof.locks.pylock import entry_lines, file_urls, read_pylock
from support.lockdata import DATA, FOLDER, HEAD, entry, hex_of, package, pylock

WHEEL = "demo-1.0-py3-none-any.whl"
DEMO = package("demo", WHEEL)


def told(text: str) -> tuple[str, str]:
    """Where and what the reader says is wrong with a text."""
    with pytest.raises(LockError) as caught:
        read_pylock(text, "pylock.toml", folder=FOLDER)
    return caught.value.where, f"{caught.value.what}: {caught.value.why}"


def test_a_lock_is_read_with_the_line_of_each_package() -> None:
    text = HEAD + DEMO + package("other", "other-2.0-py3-none-any.whl", version="2.0")
    lock = read_pylock(text, "locks/pylock.toml", folder=FOLDER)

    assert (lock.path, lock.kind, lock.sha256) == ("locks/pylock.toml", "pylock", sha256_hex(text.encode()))
    assert lock.places == ("locks/pylock.toml:3", "locks/pylock.toml:6")
    assert lock.lines == {("demo", ""): 3, ("other", "2.0"): 6, ("other", ""): 6}
    assert (lock.folder, lock.notes) == (FOLDER, ())
    assert [str(found.name) for found in lock.pylock.packages] == ["demo", "other"]


def test_a_real_lock_of_uv_is_read() -> None:
    lock = read_pylock((DATA / "uv.pylock.toml").read_text(), "pylock.toml", folder=FOLDER)

    assert lock.places == tuple(f"pylock.toml:{line}" for line in (5, 12, 19, 26, 33, 47))
    assert lock.lines["asgiref", "3.13.0"] == 19
    assert lock.lines["asgiref", ""] == 12
    assert str(lock.pylock.requires_python) == ">=3.10"


def test_names_that_are_not_normalised_are_read_with_a_note() -> None:
    lock = read_pylock((DATA / "pipenv.pylock.toml").read_text(), "pylock.toml", folder=FOLDER)

    assert [found.name for found in lock.pylock.packages] == [
        *("pytz", "alabaster", "arpeggio", "jaraco-classes", "pyenchant")
    ]
    assert lock.notes == ("pylock.toml:40: 'jaraco.classes' is not normalised (PEP 751); read as 'jaraco-classes'",)


def test_a_byte_order_mark_is_no_matter() -> None:
    assert read_pylock("\ufeff" + HEAD + DEMO, "pylock.toml").places == ("pylock.toml:3",)


def test_a_lock_without_packages_is_a_lock() -> None:
    assert read_pylock(HEAD + "packages = []\n", "pylock.toml").pylock.packages == []


@pytest.mark.parametrize(
    ("head", "what"),
    [
        ("lock-version = '2.0'", "lock-version '2.0' is not known"),
        ("lock-version = '0.9'", "lock-version '0.9' is not known"),
        ("lock-version = 'one'", "lock-version 'one' is not known"),
        ("lock-version = 1.0", "lock-version 1.0 is not known"),
        ("", "lock-version is missing"),
    ],
)
def test_other_major_versions_are_refused(head: str, what: str) -> None:
    assert told(f"{head}\ncreated-by = 'x'\n{DEMO}") == (
        "pylock.toml",
        f"{what}: this version reads 1.x, written as a string (PEP 751)",
    )


def test_a_newer_minor_version_is_read_with_a_note_on_unknown_keys(caplog: pytest.LogCaptureFixture) -> None:
    lock = pylock(DEMO, head="lock-version = '1.1'\ncreated-by = 'x'\nnews = 1\n")

    newer = "pylock.toml: lock-version 1.1 is newer than 1.0, which is the one known here"
    assert lock.notes == (f"{newer}; keys not known and ignored: news",)
    assert caplog.records == []  # packaging would log it, past every renderer


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        (
            "lock-version = '1.0'\n" + DEMO,
            "pylock.toml",
            "the lock breaks PEP 751 at created-by: Missing required",
        ),
        (HEAD, "pylock.toml", "the lock breaks PEP 751 at packages: Missing required value"),
        (HEAD + "packages = 3", "pylock.toml", "the lock breaks PEP 751 at packages: Unexpected type int"),
        (
            HEAD + "packages = [3]",
            "pylock.toml:3",
            "the lock breaks PEP 751 at packages[0]: Unexpected type int",
        ),
        (HEAD + "[[packages]]\nversion='1'", "pylock.toml:3", "at packages[0].name: Missing required value"),
        (HEAD + DEMO + "[[packages]]\nname = 'x'\n", "pylock.toml:6", "at packages[1]: Exactly one of vcs"),
        (
            HEAD + package("demo", WHEEL, marker="nonsense"),
            "pylock.toml:3",
            "at packages[0].marker: Expected a",
        ),
        (HEAD + package("other", WHEEL), "pylock.toml:3", "packages[0].wheels[0]: Name in 'demo-1.0-py3"),
        (
            HEAD + package("demo", WHEEL, version="2"),
            "pylock.toml:3",
            "Version in 'demo-1.0-py3-none-any.whl' is",
        ),
        (HEAD + package("demo", "demo.whl"), "pylock.toml:3", "Invalid wheel filename 'demo.whl'"),
        (
            HEAD + f"[[packages]]\nname='demo'\nwheels=[{{url='https://x/{WHEEL}'}}]",
            "pylock.toml:3",
            "hashes",
        ),
        (
            HEAD + f"[[packages]]\nname='demo'\nwheels=[{{url='https://x/{WHEEL}', hashes={{}}}}]",
            "pylock.toml:3",
            "At least one hash must be provided",
        ),
        (
            HEAD + f"[[packages]]\nname='demo'\nwheels=[{{name='{WHEEL}', hashes={{sha256='0'}}}}]",
            "pylock.toml:3",
            "path or url must be provided",
        ),
        (HEAD + "extras = ['A_b']\n" + DEMO, "pylock.toml", "at extras[0]: Name 'A_b' is not normalized"),
        (HEAD + "environments = ['x']\n" + DEMO, "pylock.toml", "at environments[0]: "),
        (HEAD + "requires-python = '3.x'\n" + DEMO, "pylock.toml", "at requires-python: "),
        (HEAD + "x =", "pylock.toml:3:4", "this is not TOML: "),
        (HEAD + "x = [1,", "pylock.toml:3:8", "this is not TOML: "),
        (HEAD + "x = '''\nab", "pylock.toml:4:3", "this is not TOML: "),
        (HEAD + "x = 1\nx = 2", "pylock.toml:4:6", "this is not TOML: Cannot overwrite a value"),
        (HEAD + "x = " + "9" * 5000, "pylock.toml", "this TOML can't be read: Exceeds the limit"),
        (HEAD + "x = " + "[" * 5000, "pylock.toml", "this TOML can't be read: maximum recursion depth"),
    ],
)
def test_what_breaks_the_standard_is_refused_with_its_place(text: str, where: str, what: str) -> None:
    found_where, found_what = told(text)

    assert (found_where.startswith(where), what in found_what) == (True, True), (found_where, found_what)


def test_source_trees_are_refused_all_at_once_with_the_way_out() -> None:
    text = (
        HEAD
        + "[[packages]]\nname='here'\ndirectory={path='.'}\n"
        + DEMO
        + "[[packages]]\nname='repo'\n[packages.vcs]\ntype='git'\nurl='https://x/y'\ncommit-id='1'\n"
        + "[[packages]]\nname='tar'\narchive={url='https://x/tar.zip', hashes={sha256='0'}}\n"
    )
    with pytest.raises(ProblemsError) as caught:
        read_pylock(text, "pylock.toml", folder=FOLDER)

    assert [(problem.where, problem.what) for problem in caught.value.problems] == [
        ("pylock.toml:3", "here is locked as `directory`"),
        ("pylock.toml:9", "repo is locked as `vcs`"),
        ("pylock.toml:15", "tar is locked as `archive`"),
    ]
    assert all(isinstance(problem, LockError) for problem in caught.value.problems)
    assert "--no-emit-project" in caught.value.problems[0].remedy
    assert caught.value.problems[1].remedy.startswith("Build a wheel once")


@pytest.mark.parametrize("hashes", ["{md5='0'}", "{sha512='00'}", "{sha256='abc'}", f"{{sha256='{'g' * 64}'}}"])
def test_another_hash_than_sha256_is_refused(hashes: str) -> None:
    text = HEAD + f"[[packages]]\nname='demo'\nwheels=[{{url='https://x/{WHEEL}', hashes={hashes}}}]"
    where, what = told(text)

    assert (where, what.split(":")[0]) == ("pylock.toml:3", f"{WHEEL} has no sha256")
    assert hashes.split("=")[0].strip("{") in what


def test_an_sdist_needs_a_sha256_too() -> None:
    text = HEAD + "[[packages]]\nname='demo'\nsdist={url='https://x/demo-1.tar.gz', hashes={md5='0'}}"

    assert told(text)[1].startswith("demo-1.tar.gz has no sha256")


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({"url": f"ftp://x/{WHEEL}"}, "is not one of http, https or file"),
        ({"url": f"ftp://me:secret@x/{WHEEL}"}, f"the URL 'ftp://***@x/{WHEEL}' is not one of http, https or file"),
        ({"url": WHEEL}, "is not one of http, https or file"),
        ({"url": f"https:///{WHEEL}"}, "is not one of http, https or file"),
        ({"url": f"https://[x/{WHEEL}", "name": WHEEL}, "can't be read: Invalid IPv6 URL"),
        ({"size": -1}, f"the size of {WHEEL} is -1"),
        ({"url": "https://x/demo-1.0-1%2F..%2Fx-py3-none-any.whl"}, "is not a plain file name"),
        ({"url": "https://x/demo-1.0-1%5Cx-py3-none-any.whl"}, "is not a plain file name"),
    ],
)
def test_odd_places_names_and_sizes_are_refused(keys: dict[str, str | int], what: str) -> None:
    where, found = told(HEAD + f"[[packages]]\nname='demo'\nwheels=[{entry(WHEEL, **keys)}]")

    assert (where, what in found) == ("pylock.toml:3", True), found


def test_control_characters_in_a_path_are_refused() -> None:
    text = f'[[packages]]\nname="demo"\nwheels=[{{path="a\\u0000/{WHEEL}", hashes={{sha256="{hex_of("")}"}}}}]'

    assert "has control characters" in told(HEAD + text)[1]


@pytest.mark.parametrize(
    ("keys", "urls"),
    [
        ({}, (f"https://files.index.invalid/{WHEEL}",)),
        ({"path": f"wheels/{WHEEL}", "url": ""}, (f"file:///locks/wheels/{WHEEL}",)),
        (
            {"path": f"wheels/{WHEEL}"},
            (f"file:///locks/wheels/{WHEEL}", f"https://files.index.invalid/{WHEEL}"),
        ),
        ({"path": f"wheels\\{WHEEL}", "url": ""}, (f"file:///locks/wheels/{WHEEL}",)),
        ({"path": f"../{WHEEL}", "url": ""}, (f"file:///locks/../{WHEEL}",)),
        ({"path": f"/else where/{WHEEL}", "url": ""}, (f"file:///else%20where/{WHEEL}",)),
    ],
)
def test_path_comes_before_url_and_is_relative_to_the_lock(keys: dict[str, str | int], urls: tuple[str, ...]) -> None:
    text = HEAD + f"[[packages]]\nname = 'demo'\nwheels = [{entry(WHEEL, **keys)}]\n"
    [wheel] = read_pylock(text.replace("\\\\", "\\"), "pylock.toml").pylock.packages[0].wheels or ()

    assert file_urls(wheel, FOLDER) == urls


def test_a_relative_folder_gives_no_urls() -> None:
    text = HEAD + f"[[packages]]\nname = 'demo'\nwheels = [{entry(WHEEL, path=WHEEL)}]\n"
    [wheel] = read_pylock(text, "pylock.toml").pylock.packages[0].wheels or ()

    with pytest.raises(ValueError, match="relative path"):
        file_urls(wheel, PurePath("locks"))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("[[packages]]\na=1\n\n  [[ packages ]] # x\n", (1, 4)),
        ("x = '''\n[[packages]]\n'''\n[[packages]]\n[[packages]]\n", (4, 5)),
        ("# [[packages]]\npackages = [{a='}'},\n# {\n {b={c=1}, d=[{}]}]\n", (2, 4)),
        ("packages = [\n  {},\n\n  {},\n]\ny = [{}]\n", (2, 4)),
        ("'packages' = [{},\n{}]", (1, 1)),
    ],
)
def test_the_lines_of_entries_are_found_in_every_form(text: str, lines: tuple[int, int]) -> None:
    assert entry_lines(text, 2) == lines


def test_small_parts() -> None:
    lock = Lock(path="x.toml", kind="pylock", sha256="", pylock=pylock(DEMO).pylock, lines={})
    assert (lock.place(0), pylock(DEMO).place(0)) == ("x.toml", "pylock.toml:3")
    assert sha256_of({"SHA256": "A" * 64, "md5": "x"}) == "a" * 64
    assert sha256_of({"sha256": "x"}) is None
    assert sha256_of({}) is None
    assert wheel_name("no wheel") is None
    assert (is_plain_filename("a_b-1.0+c!1-x.whl"), is_plain_filename("a/b")) == (True, False)
