from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lockproof.build.keptbuilds import (
    BuildKey,
    KeptBuild,
    builds_from_json,
    builds_to_json,
    compare_builds,
    files_digest,
    requirements_digest,
    still_locked,
)
from lockproof.errors import BuildMismatchError, LockError
from lockproof.proof.fingerprint import FileFact

FILE = FileFact("f", "1" * 64, 5)
KEY = BuildKey(
    name="fast",
    version="1.0",
    sdist=f"sha256:{'a' * 64}",
    python="3.12.1",
    platform="linux-x86_64",
    requirements=f"sha256:{'b' * 64}",
)
CONTENT = {"site/fast.py": FILE, "scripts/fast": FileFact("e", "fast:main"), 'site/"odd\udc80\n': FILE}
BUILD = KeptBuild(key=KEY, interpreter=f"sha256:{'c' * 64}", content=CONTENT)
OTHER = replace(BUILD, key=replace(KEY, python="3.13.0"), content={"site/fast.py": FILE})


def test_what_is_written_is_read_again_whatever_the_order() -> None:
    text = builds_to_json([OTHER, BUILD])
    assert text == builds_to_json([BUILD, OTHER])
    assert builds_from_json(text, "x.json") == {KEY: BUILD, OTHER.key: OTHER}
    assert builds_from_json(builds_to_json([]), "x.json") == {}
    assert text.isascii()


def test_the_form_has_a_line_for_each_file() -> None:
    small = {"site/a.py": FILE, "scripts/a": FileFact("e", "a:main")}
    build = replace(BUILD, content=small)
    assert json.loads(builds_to_json([build])) == {
        "schema": "lockproof/builds/v1",
        "builds": [
            {
                "name": "fast",
                "version": "1.0",
                "sdist": KEY.sdist,
                "python": "3.12.1",
                "platform": "linux-x86_64",
                "requirements": KEY.requirements,
                "interpreter": BUILD.interpreter,
                "files": files_digest(small),
                "content": {"scripts/a": ["e", "a:main", -1], "site/a.py": ["f", "1" * 64, 5]},
            }
        ],
    }
    assert f'    "site/a.py": ["f", "{"1" * 64}", 5]\n' in builds_to_json([build])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ("[]", "its schema is not lockproof/builds/v1"),
        ('{"schema": "lockproof/builds/v2", "builds": []}', "its schema is not lockproof/builds/v1"),
        ('{"schema": "lockproof/builds/v1"}', "a build in it is not whole"),
        ('{"schema": "lockproof/builds/v1", "builds": [3]}', "a build in it is not whole"),
        (builds_to_json([BUILD, BUILD]), "it has one build twice"),
        (
            builds_to_json([BUILD]).replace(KEY.sdist, KEY.sdist, 1).replace('"3.12.1"', "3"),
            "a build in it is not whole",
        ),
        (builds_to_json([BUILD]).replace("1" * 64, "2" * 64, 1), "the digest of fast 1.0 is not that of its content"),
        (builds_to_json([BUILD]).replace("1" * 64, "2" * 63, 1), 'fast 1.0, site/"odd'),
        (builds_to_json([BUILD]).replace("\\udc80", "\\ud800", 1), "the digest of fast 1.0 is not that of its content"),
        (builds_to_json([OTHER]).replace('["f", "' + "1" * 64 + '", 5]', "[]"), "fast 1.0, site/fast.py is []"),
        (builds_to_json([OTHER]).replace("content", "contents"), "fast 1.0 has no content"),
        ("[" * 100_000, "maximum recursion depth"),
    ],
)
def test_a_file_that_can_not_be_relied_on(text: str, why: str) -> None:
    with pytest.raises(LockError) as caught:
        builds_from_json(text, "x.json")
    assert (caught.value.what, caught.value.where) == ("the record of what was built can't be used", "x.json")
    assert caught.value.why.startswith(why)


def test_equal_builds_are_no_mismatch() -> None:
    compare_builds(BUILD, replace(BUILD, interpreter="another"), against="it was", remedy="Look.")


def test_a_mismatch_names_the_files() -> None:
    built = {
        "site/fast.py": FileFact("f", "2" * 64, 6),
        "scripts/fast": FileFact("e", "fast:other"),
        "site/new.py": FILE,
    }
    with pytest.raises(BuildMismatchError) as caught:
        compare_builds(
            replace(BUILD, content={**CONTENT, "site/gone.py": FILE}),
            replace(BUILD, content={**built, 'site/"odd\udc80\n': FILE}, interpreter="another"),
            against="it was",
            remedy="Look.",
        )
    assert caught.value.exit_code == 3
    assert str(caught.value) == (
        "what fast 1.0 builds with Python 3.12.1 is not what it was; "
        "it was built with another build of Python 3.12.1: \n"
        "    scripts/fast: fast:main became fast:other\n"
        "    site/fast.py: 111111111111 (5 bytes) became 222222222222 (6 bytes)\n"
        "    site/gone.py is no longer built\n"
        "    site/new.py was not built before\n"
        "  Look."
    )


def test_a_long_list_of_files_is_cut() -> None:
    many = {f"site/{number:02}.py": FILE for number in range(30)}
    with pytest.raises(BuildMismatchError) as caught:
        compare_builds(replace(BUILD, content={}), replace(BUILD, content=many), against="it was", remedy="")
    assert len(caught.value.why.splitlines()) == 10  # an empty one first
    assert caught.value.why.endswith("and 22 more")


def test_the_digest_of_requirements_minds_no_order() -> None:
    rows = [("a", "1", "0" * 64), ("b", "2", "1" * 64)]
    assert requirements_digest(rows) == requirements_digest(reversed(rows))
    assert requirements_digest(rows) != requirements_digest(rows[:1])


def test_what_is_not_locked_any_more_is_left_out() -> None:
    assert still_locked([BUILD, OTHER], [("fast", "1.0")]) == [BUILD, OTHER]
    assert still_locked([BUILD], [("fast", "1.1"), ("other", "1.0")]) == []
