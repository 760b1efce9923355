"""requirements.txt: what is read as pip reads it, what is refused, and hashes matched against an index."""

from __future__ import annotations

import pytest
from packaging.markers import Marker
from packaging.pylock import PackageWheel

from lockproof.errors import LockError, ProblemsError
from lockproof.locks import IndexOptions
from lockproof.locks.matching import contradicted_pins, matching_files, to_pylock, unmatched_error
from lockproof.locks.pylock import read_pylock
from lockproof.locks.requirements import Pin, RequirementsFile, parse_requirements
from support.lockdata import DATA, FOLDER, File, hex_of, listed

A, B = hex_of("a"), hex_of("b")


def read(text: str, path: str = "requirements.txt", **files: str) -> RequirementsFile:
    """The requirements in a text; `files` are others by stem."""

    def include(target: str) -> str:
        stem = target.removesuffix(".txt")
        if stem not in files:
            raise LockError("there is no such lock file", where=target)
        return files[stem]

    return parse_requirements(text, path, include, {"TOKEN": "s3cret", "EMPTY": ""})


def told(text: str, **files: str) -> list[tuple[str, str, str]]:
    """Where, what and why, of every problem of a text."""
    with pytest.raises((LockError, ProblemsError)) as caught:
        read(text, **files)
    error = caught.value
    problems = error.problems if isinstance(error, ProblemsError) else [error]
    return [(problem.where, problem.what, problem.why) for problem in problems]


def pin(name: str = "demo", version: str = "1.0", line: int = 1, *hashes: str, marker: str = "") -> Pin:
    """A pin of requirements.txt."""
    return Pin(
        name=name,
        version=version,
        hashes=hashes or (A,),
        file="requirements.txt",
        line=line,
        marker=Marker(marker) if marker else None,
    )


@pytest.mark.parametrize(
    ("text", "pins"),
    [
        (f"demo==1.0 --hash=sha256:{A}", (pin(),)),
        (f"demo==1.0 --hash sha256:{A}\n", (pin(),)),
        (f"demo == 1.0 --hash=sha256:{A.upper()}", (pin(),)),
        (f"\ufeffdemo==1.0 --hash=sha256:{A}", (pin(),)),
        (f'demo==1.0 --hash="sha256:{A}"', (pin(),)),
        (
            f"demo==1.0 \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n    # via x\n",
            (pin("demo", "1.0", 1, A, B),),
        ),
        (f"demo==1.0 --hash=sha256:{A} --hash=sha256:{A}", (pin(),)),
        (f"demo==1.0 --hash=md5:00 --hash=sha256:{A}", (pin(),)),
        (f"# top\n\n  demo==1.0 --hash=sha256:{A} # end\n", (pin(line=3),)),
        (f"# a comment joins nothing \\\ndemo==1.0 --hash=sha256:{A}", (pin(line=2),)),
        (f"demo==1.0 --hash=sha256:{A} \\", (pin(),)),
        (f"demo==1.0\\\n --hash=sha256:{A}\r\nB.b==2 --hash=sha256:{B}\r\n", (pin(), pin("b-b", "2", 3, B))),
        (f"demo==1.0;python_version<'3'--hash=sha256:{A}", None),
        (f"demo==1.0;python_version<'3' --hash=sha256:{A}", (pin(marker="python_version < '3'"),)),
        (
            f"demo==1.0 ; sys_platform == 'x-y' and os_name == '-' --hash=sha256:{A}",
            (pin(marker="sys_platform == 'x-y' and os_name == '-'"),),
        ),
        (f"demo==01.0+CPU --hash=sha256:{A}", (pin(version="1.0+cpu"),)),
    ],
)
def test_pins_are_read_as_pip_reads_them(text: str, pins: tuple[Pin, ...] | None) -> None:
    if pins is None:
        assert [what for _, what, _ in told(text)] != []
    else:
        assert read(text) == RequirementsFile(path="requirements.txt", pins=pins)


def test_extras_are_kept_aside() -> None:
    [found] = read(f"Celery[redis, Sqs]==5.6.3 --hash=sha256:{A}").pins

    assert (found.name, found.version, found.extras) == ("celery", "5.6.3", ("redis", "Sqs"))


def test_the_output_of_uv_is_read() -> None:
    found = read((DATA / "uv.requirements.txt").read_text())

    assert [(pin.name, pin.version, pin.line, len(pin.hashes)) for pin in found.pins] == [
        ("amqp", "5.4.2", 3, 2),
        ("asgiref", "3.12.1", 7, 2),
        ("asgiref", "3.13.0", 11, 2),
        ("colorama", "0.4.6", 15, 2),
        ("pycparser", "3.11", 19, 2),
        ("pycparser", "3.12", 23, 2),
        ("tzdata", "2026.6", 27, 2),
    ]


def test_the_output_of_pip_compile_is_read() -> None:
    found = read((DATA / "pip-compile.requirements.txt").read_text())

    assert [(pin.name, pin.extras, pin.line) for pin in found.pins] == [
        ("alembic", (), 7),
        ("alembic-postgresql-enum", (), 13),
        ("amqp", (), 17),
        ("celery", ("redis",), 21),
        ("celery-redbeat", (), 27),
        ("pyjwt", ("crypto",), 31),
    ]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("demo==1.0", "demo==1.0 has no hash"),
        ("demo==1.0 --hash=sha512:00 --hash=md5:00", "demo==1.0 has no sha256"),
        ("demo==1.0 --hash=sha256:00", "demo==1.0 has a hash that is no sha256"),
        ("demo==1.0 --hash", "demo==1.0 has no sha256"),
        (f"demo --hash=sha256:{A}", "demo is not pinned with =="),
        (f"demo>=1.0 --hash=sha256:{A}", "demo>=1.0 is not pinned with =="),
        (f"demo[x] ; os_name == 'y' --hash=sha256:{A}", "demo[x] ; os_name == 'y' is not pinned with =="),
        (f"demo==1.*  --hash=sha256:{A}", "demo==1.* is pinned to a series of versions"),
        (f"demo==1.0,>0 --hash=sha256:{A}", "demo==1.0,>0 is not pinned with =="),
        (
            f"demo===1.0 --hash=sha256:{A}",
            "demo===1.0 is pinned with ===, which compares text and not versions",
        ),
        (f"demo==one --hash=sha256:{A}", "demo==one is not a pin"),
        (f"demo==1.0 ; nonsense --hash=sha256:{A}", "the marker of demo can't be read"),
        (f"demo==1.0 ; os_name == '\\x' --hash=sha256:{A}", "the marker of demo can't be read"),
        (f"demo==1.0 ; {'(' * 5000} --hash=sha256:{A}", "the marker of demo can't be read"),
        ("git+https://x/y.git@1", "git+https://x/y.git@1 is a version control checkout"),
        ("demo @ git+ssh://x/y.git", "demo @ git+ssh://x/y.git is a version control checkout"),
        (f"demo @ https://x/demo-1.0.whl --hash=sha256:{A}", "demo @ https://x/demo-1.0.whl is a URL"),
        ("https://x/demo-1.0.whl", "https://x/demo-1.0.whl is a URL"),
        ("demo @ https://me:secret@x/demo.whl", "demo @ https://***@x/demo.whl is a URL"),
        ("-e git+https://me:secret@x/y", "git+https://***@x/y is editable"),
        ("./demo", "./demo is a local path"),
        (".", ". is a local path"),
        ("wheels\\demo.whl", "wheels\\demo.whl is a local path"),
        ("demo-1.0.tar.gz", "demo-1.0.tar.gz is a local path"),
        ("-e .", ". is editable"),
        ("--editable=git+https://x/y", "git+https://x/y is editable"),
        ("!", "! is not a requirement"),
        ("-c constraints.txt", "a constraints file is not read"),
        ("--no-binary :all:", "--no-binary can't be honoured"),
        ("--no-binary=demo", "--no-binary can't be honoured"),
        ("--made-up", "the option --made-up is not understood"),
        ("-x y", "the option -x is not understood"),
        ("--index-url", "--index-url has no value"),
        ("--index-url '", "the line can't be split into words"),
        (
            f"demo==1.0 --hash=sha256:{A} --config-settings=a=b",
            "--config-settings on the line of demo==1.0 is not understood",
        ),
        ("-r https://x/y.txt", "a requirements file at a URL is not read"),
        ("--extra-index-url https://${MISSING}@x/", "--extra-index-url needs the variable MISSING"),
        ("-i ${EMPTY}", "--index-url needs the variable EMPTY"),
    ],
)
def test_what_names_no_exact_file_is_refused_with_its_line(line: str, what: str) -> None:
    assert [found[:2] for found in told(f"# first\n{line}\n")] == [("requirements.txt:2", what)]


def test_all_problems_are_told_at_once() -> None:
    text = f"demo==1.0\ngood==1 --hash=sha256:{A}\n-e .\n-r more.txt\n-r gone.txt\nother>1\n"

    assert [found[:2] for found in told(text, more="\n./here\n")] == [
        ("requirements.txt:1", "demo==1.0 has no hash"),
        ("requirements.txt:3", ". is editable"),
        ("more.txt:2", "./here is a local path"),
        ("gone.txt", "there is no such lock file"),
        ("requirements.txt:6", "other>1 is not pinned with =="),
    ]


def test_no_secret_is_told() -> None:
    text = "--index-url https://u:${TOKEN}@x/ --made-up\n"

    assert "s3cret" not in str(told(text))
    assert "s3cret" not in repr(read("--index-url https://u:${TOKEN}@x/\n"))


def test_files_are_included_from_where_the_including_file_is() -> None:
    files = {
        "locks/base": f"demo==1.0 --hash=sha256:{A}\n",
        "locks/sub/test": f"-r ../base.txt\nother==2 --hash=sha256:{B}\n",
        "locks/sub/../base": f"demo==1.0 --hash=sha256:{A}\n",
    }
    found = parse_requirements(
        "-r base.txt\n--requirement=sub/test.txt\n",
        "locks/all.txt",
        lambda target: files[target.removesuffix(".txt")],
        {},
    )

    assert [(pin.name, pin.where) for pin in found.pins] == [  # what two files include counts once
        ("demo", "locks/base.txt:1"),
        ("other", "locks/sub/test.txt:2"),
    ]


@pytest.mark.parametrize(
    ("text", "files", "where"),
    [
        ("-r requirements.txt", {}, "requirements.txt:1"),
        ("-rx.txt", {"x": "\n-r ./requirements.txt"}, "x.txt:2"),
        ("-r x.txt", {"x": "-r y.txt", "y": "-r z/../x.txt"}, "y.txt:1"),
    ],
)
def test_a_file_that_includes_itself_is_refused(text: str, files: dict[str, str], where: str) -> None:
    [(found, what, _)] = told(text, **files)

    assert (found, what.endswith("includes itself")) == (where, True)


def test_one_name_with_two_entries_stays_for_the_plan_to_judge() -> None:
    text = f"demo==1 --hash=sha256:{A}\ndemo==2 --hash=sha256:{B}\ndemo==1 --hash=sha256:{A}\n"

    assert [(pin.version, pin.line) for pin in read(text).pins] == [("1", 1), ("2", 2)]


def test_index_options_are_gathered_from_all_files() -> None:
    text = (
        "-i https://first.invalid/simple\n--index-url=https://u:${TOKEN}@second.invalid/simple\n"
        "--extra-index-url https://extra.invalid --trusted-host extra.invalid\n"
        "-f wheels --find-links https://links.invalid/x.html\n-r more.txt\n"
        "--require-hashes --no-require-hashes\n--pre\n--prefer-binary\n--only-binary :all:\n--no-binary :none:\n"
    )
    more = {"locks/more": "--no-index\n--find-links=/abs\n--find-links ../up\n"}
    found = read(text, "locks/requirements.txt", **more)

    assert found == RequirementsFile(
        path="locks/requirements.txt",
        pins=(),
        options=IndexOptions(
            index_url="https://u:s3cret@second.invalid/simple",
            extra_index_urls=("https://extra.invalid",),
            find_links=("locks/wheels", "https://links.invalid/x.html", "/abs", "locks/../up"),
            no_index=True,
            trusted_hosts=("extra.invalid",),
        ),
    )


# Matching against an index

WHEEL, SDIST = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"


def test_the_listed_files_under_a_pins_hashes_become_a_package() -> None:
    hashes = (hex_of(SDIST), hex_of(WHEEL))
    requirements = RequirementsFile(
        path="requirements.txt", pins=(pin("demo", "1.0", 4, *hashes, marker="os_name=='x'"),)
    )
    listing = {
        ("demo", "1.0"): [
            listed(SDIST, size=3),
            listed(WHEEL, size=5),
            listed("demo-1.0-cp39-cp39-linux_x86_64.whl"),
        ]
    }
    lock = to_pylock(requirements, listing, sha256=A, folder=FOLDER)

    assert (lock.path, lock.kind, lock.sha256, lock.places, lock.lines, lock.folder) == (
        "requirements.txt",
        "requirements",
        A,
        ("requirements.txt:4",),
        {("demo", "1.0"): 4, ("demo", ""): 4},
        FOLDER,
    )
    assert lock.pylock.to_dict() == {
        "lock-version": "1.0",
        "created-by": "lockproof",
        "packages": [
            {
                "name": "demo",
                "version": "1.0",
                "marker": 'os_name == "x"',
                "sdist": {
                    "name": SDIST,
                    "url": f"https://files.index.invalid/{SDIST}",
                    "size": 3,
                    "hashes": {"sha256": hex_of(SDIST)},
                },
                "wheels": [
                    {
                        "name": WHEEL,
                        "url": f"https://files.index.invalid/{WHEEL}",
                        "size": 5,
                        "hashes": {"sha256": hex_of(WHEEL)},
                    }
                ],
            }
        ],
    }
    lock.pylock.validate()


@pytest.mark.parametrize(
    ("offered", "kept"),
    [
        (["demo-1.0-py3-none-any.whl"], ["demo-1.0-py3-none-any.whl"]),
        (["demo-1.0.zip", "Demo-1.0.tar.gz"], ["demo-1.0.zip", "Demo-1.0.tar.gz"]),
        (["demo-1.0.exe", "demo-1.0.py3.egg", "demo-1.0.rpm", "demo.whl"], []),
        (["other-1.0-py3-none-any.whl", "other-1.0.tar.gz"], []),
        (["demo-1.0-1/../x-py3-none-any.whl", "demo-1.0-py3-none-any.whl/x", "..\\demo-1.0.tar.gz"], []),
    ],
)
def test_only_wheels_and_sdists_of_the_project_count(offered: list[str], kept: list[str]) -> None:
    files = [listed(name, A) for name in offered]

    assert [file.filename for file in matching_files(pin(), files)] == kept


def test_one_name_with_other_bytes_does_not_count() -> None:
    right, twice = listed(WHEEL, A), File(filename=WHEEL, url="https://mirror.invalid/x", sha256=A)
    files = [listed(WHEEL, B), listed(WHEEL, None), right, twice]

    assert matching_files(pin(), files) == (right,)


def test_wheels_stand_in_one_order_whatever_the_index_says() -> None:
    names = [f"demo-1.0-{build}py3-none-any.whl" for build in ("10-", "9b-", "9a-", "")]
    hashes = [hex_of(name) for name in names]
    requirements = RequirementsFile(path="r", pins=(pin("demo", "1.0", 1, *hashes, A),))
    files = [listed(name) for name in names] + [listed(names[0], A)]
    orders = [
        [(wheel.filename, wheel.hashes["sha256"]) for wheel in lock.pylock.packages[0].wheels or ()]
        for offered in (files, files[::-1])
        for lock in [to_pylock(requirements, {("demo", "1.0"): offered}, sha256="", folder=FOLDER)]
    ]

    assert orders[0] == orders[1]
    assert orders[0] == [
        (names[0], hashes[0]),
        (names[0], A),
        (names[2], hashes[2]),
        (names[1], hashes[1]),
        (names[3], hashes[3]),
    ]


def test_a_pin_without_a_file_is_a_package_without_files() -> None:
    requirements = RequirementsFile(
        path="r", pins=(pin("demo", "1.0", 3, A), pin("gone", "2", 9, marker="os_name=='x'"))
    )
    lock = to_pylock(requirements, {("demo", "1.0"): [listed(WHEEL, A)]}, sha256="", folder=FOLDER)

    assert [
        (found.name, str(found.marker), len(found.wheels or ()), found.sdist) for found in lock.pylock.packages
    ] == [("demo", "None", 1, None), ("gone", 'os_name == "x"', 0, None)]
    assert lock.places == ("requirements.txt:3", "requirements.txt:9")


def test_a_pin_without_a_file_is_told_with_what_the_index_has() -> None:
    many = [listed(f"demo-1.0-cp3{number}-none-any.whl", None) for number in range(10)]
    first = unmatched_error(pin("demo", "1.0", 3, A, B), many, "https://index.invalid")
    second = unmatched_error(pin("gone", "2", 9), [], "https://index.invalid")

    assert first.where == "requirements.txt:3"
    assert first.what == "the index has no file of demo==1.0 under its 2 locked hashes"
    assert first.why.startswith(
        "https://index.invalid has demo-1.0-cp30-none-any.whl (sha256 not given), demo-1.0-cp31"
    )
    assert first.why.endswith(" and 2 more")
    assert (second.where, second.why) == (
        "requirements.txt:9",
        "https://index.invalid has no file of this version",
    )


def test_packages_whose_names_contradict_their_hashes_are_found() -> None:
    lock = read_pylock((DATA / "pipenv.pylock.toml").read_text(), "pylock.toml", folder=FOLDER)
    pins = contradicted_pins(lock)

    assert [(index, pin.name, pin.version, pin.where, len(pin.hashes)) for index, pin in pins.items()] == [
        (0, "pytz", "2026.1.post1", "pylock.toml:8", 2),
        (1, "alabaster", "1.0.0", "pylock.toml:18", 2),
        (2, "arpeggio", "2.0.3", "pylock.toml:29", 2),
        (3, "jaraco-classes", "3.4.0", "pylock.toml:40", 2),
        (4, "pyenchant", "3.3.0", "pylock.toml:51", 4),
    ]
    assert pins[1].marker == lock.pylock.packages[1].marker
    assert contradicted_pins(read_pylock((DATA / "uv.pylock.toml").read_text(), "x")) == {}


def test_a_contradicted_package_without_a_version_has_that_of_its_wheels() -> None:
    twice = ", ".join(f"{{url='https://x/{WHEEL}', hashes={{sha256='{digest}'}}}}" for digest in (A, B, A))
    sdist = f"{{url='https://x/{SDIST}', hashes={{sha256='{hex_of('c')}'}}}}"
    text = f"lock-version='1.0'\ncreated-by='x'\n[[packages]]\nname='demo'\nwheels=[{twice}]\nsdist={sdist}"
    lock = read_pylock(text, "requirements.txt")

    assert isinstance((lock.pylock.packages[0].wheels or ())[0], PackageWheel)
    assert contradicted_pins(lock) == {0: pin("demo", "1.0", 3, A, B, hex_of("c"))}
