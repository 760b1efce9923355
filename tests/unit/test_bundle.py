"""Bundles: read back as they were, shared where equal, and nothing believed that is not what its name says."""

from __future__ import annotations

import hashlib
import json
import threading
from typing import TYPE_CHECKING

import pytest

from lockproof.errors import UnavailableError, UsageError
from lockproof.proof.bundle import Bundle, find_bundle, one_of
from lockproof.proof.fingerprint import FileFact, Finding, Fingerprint
from support.fingerprints import environment, pip

if TYPE_CHECKING:
    from pathlib import Path

DEMO = {"demo==1.0": {"site/demo/core.py": "x = 1\n"}}
BARE = environment(DEMO, about={"cell": "dev"})
SEEDED = environment({**DEMO, **pip()}, unowned={"site/odd\n\udcff.py": "odd"})


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    made = Bundle(tmp_path / "fleet", "fleet")
    made.add("dev", BARE)
    made.add("prod.example", SEEDED)
    return made


def again(bundle: Bundle) -> Bundle:
    """The same, with nothing read yet."""
    return Bundle(bundle.folder, bundle.named)


def test_members_are_read_back_as_they_were_added(bundle: Bundle) -> None:
    fresh = again(bundle)
    assert fresh.names() == ["dev", "prod.example"]
    assert (fresh.read("dev"), fresh.read("prod.example")) == (BARE, SEEDED)


def test_what_is_equal_lies_there_once_under_its_digest(bundle: Bundle) -> None:
    objects = sorted((bundle.folder / "objects").iterdir())
    assert [path.name for path in objects] == [hashlib.sha256(path.read_bytes()).hexdigest() for path in objects]
    digests = {dist.files for side in (BARE, SEEDED) for dist in side.distributions}
    assert len(digests) == 2
    assert digests < {f"sha256:{path.name}" for path in objects}
    assert len(objects) == 5  # demo's and pip's files, those that nothing owns, and two environments
    before = {path: path.stat().st_mtime_ns for path in objects}
    again(bundle).add("another", BARE)
    assert {path: path.stat().st_mtime_ns for path in (bundle.folder / "objects").iterdir()} == before


def test_a_member_is_replaced(bundle: Bundle) -> None:
    again(bundle).add("dev", SEEDED)
    assert again(bundle).read("dev") == SEEDED


def test_an_object_that_is_not_what_its_name_says_is_refused_and_made_anew(bundle: Bundle) -> None:
    (demo,) = (dist.files.removeprefix("sha256:") for dist in BARE.distributions)
    path = bundle.folder / "objects" / demo
    right = path.read_bytes()
    for content in (right.replace(b" 6", b" 7"), right[:-1], b""):
        path.write_bytes(content)
        with pytest.raises(UsageError) as caught:
            again(bundle).read("dev")
        assert str(caught.value).startswith(f"fleet/objects/{demo}: its content is not what its name says")
    path.unlink()
    with pytest.raises(
        UsageError, match=f"fleet/objects/{demo}: this part of the bundle can't be read: a member refers"
    ):
        again(bundle).read("dev")
    again(bundle).add("dev", BARE)
    assert path.read_bytes() == right
    path.write_bytes(b"half")
    again(bundle).add("dev", BARE)
    assert again(bundle).read("dev") == BARE


def put(bundle: Bundle, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    (bundle.folder / "objects" / digest).write_bytes(content)
    return f"sha256:{digest}"


def alter(bundle: Bundle, **changes: object) -> None:
    """Another environment for the member `dev`, whose digests and addresses are right, but not its content."""
    path = bundle.folder / "members/dev.json"
    member = json.loads(path.read_text())
    old = json.loads((bundle.folder / "objects" / member["environment"].removeprefix("sha256:")).read_text())
    environment = put(bundle, json.dumps({**old, **changes}).encode())
    path.write_text(json.dumps({**member, "environment": environment}))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"manifests": []}, "its files digest isn't that of its content"),
        ({"manifests": ["sha256:" + "0" * 64]}, "this part of the bundle can't be read"),
        ({"manifests": ["sha256:../../members/dev.json"]}, "this is no address of an object"),
        ({"manifests": [7]}, "this is no address of an object"),
        ({"manifests": None}, "this is no part of a bundle"),
        ({"distributions": []}, "its set digest isn't that of its content"),
        ({"startup": ["x"]}, "its startup digest isn't that of its content"),
        ({"interpreter": {}}, "its interpreter digest isn't that of its content"),
        ({"schema": "lockproof/fingerprint/v1"}, "its schema is"),
        ({"digest": "sha256:0"}, "its whole digest isn't that of its content"),
    ],
)
def test_an_environment_whose_parts_do_not_belong_together_is_refused(
    bundle: Bundle, changes: dict[str, object], why: str
) -> None:
    alter(bundle, **changes)
    with pytest.raises(UsageError) as caught:
        again(bundle).read("dev")
    assert why in str(caught.value)


def test_a_manifest_that_is_none_is_refused(bundle: Bundle) -> None:
    for content in (b"", b"other\n", b"lockproof files 1\nx", b"lockproof files 1\na\0f\0b\nrest"):
        alter(bundle, manifests=[put(bundle, content)])
        with pytest.raises(UsageError, match="this is no manifest"):
            again(bundle).read("dev")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": "lockproof/member/v9"}',
        '{"schema": "lockproof/member/v1", "findings": 1}',
        "[" * 10**5,
    ],
)
def test_a_member_that_is_none_is_refused(bundle: Bundle, text: str) -> None:
    (bundle.folder / "members/dev.json").write_text(text)
    with pytest.raises(UsageError, match="fleet:dev: this is no member of a bundle"):
        again(bundle).read("dev")


def test_a_member_of_another_environment_is_refused(bundle: Bundle) -> None:
    members = [json.loads((bundle.folder / f"members/{name}.json").read_text()) for name in ("dev", "prod.example")]
    mixed = {**members[0], "environment": members[1]["environment"]}
    (bundle.folder / "members/dev.json").write_text(json.dumps(mixed))
    with pytest.raises(UsageError, match="fleet:dev: its digest isn't that of its content"):
        again(bundle).read("dev")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "-x", ".x", "a b", "x\n", "ü", "x" * 129])
def test_a_member_has_a_plain_name(bundle: Bundle, name: str) -> None:
    with pytest.raises(UsageError, match="can't be a member's name"):
        bundle.add(name, BARE)
    with pytest.raises(UsageError, match="there is no such member"):
        bundle.read(name)
    assert bundle.names() == ["dev", "prod.example"]


def test_other_files_in_the_members_folder_are_none(bundle: Bundle) -> None:
    for name in (".dev.json.1234", "README", "-x.json"):
        (bundle.folder / "members" / name).write_text("")
    assert bundle.names() == ["dev", "prod.example"]


def test_what_a_target_names(bundle: Bundle, tmp_path: Path) -> None:
    found = [
        find_bundle(tmp_path, target)
        for target in ("fleet", "fleet:dev", "fleet:", "other", "other:dev", "fleet/objects")
    ]
    assert [named and (named[0].named, named[1]) for named in found] == [
        ("fleet", ""), ("fleet", "dev"), ("fleet", ""), None, None, None
    ]  # fmt: skip
    assert one_of(bundle, "dev") == BARE
    with pytest.raises(UsageError, match="a bundle of 2 fingerprints"):
        one_of(bundle, "")
    (bundle.folder / "members/dev.json").unlink()
    assert one_of(bundle, "") == SEEDED


def test_a_folder_with_other_things_becomes_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="this folder is no bundle: it holds notes"):
        Bundle(tmp_path, "here").add("dev", BARE)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_bundle_of_another_version_is_refused(bundle: Bundle) -> None:
    (bundle.folder / "bundle.json").write_text('{"schema": "lockproof/bundle/v9"}\n')
    with pytest.raises(UsageError, match=r"fleet/bundle\.json: this bundle is of another kind"):
        again(bundle)


def test_a_bundle_that_can_not_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="the bundle can't be written"):
        Bundle(tmp_path / "file/fleet", "fleet").add("dev", BARE)


def test_a_fingerprint_that_lines_can_not_stand_for_is_refused(tmp_path: Path) -> None:
    odd = Fingerprint(layers=BARE.layers, distributions=(), files={"site/x": FileFact("l", "x\0y")})
    with pytest.raises(UsageError, match="this fingerprint can't be kept"):
        Bundle(tmp_path / "fleet", "fleet").add("odd", odd)


def test_many_writers_at_once(tmp_path: Path) -> None:
    sides = [environment(DEMO, findings=(Finding("mode", f"site/{n}", "is odd"),)) for n in range(12)]
    writers = [
        threading.Thread(target=Bundle(tmp_path / "fleet", "fleet").add, args=(f"host-{n}", side))
        for n, side in enumerate(sides)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    fresh = Bundle(tmp_path / "fleet", "fleet")
    assert [fresh.read(f"host-{n}") for n in range(12)] == sides
    left = [path.name for path in (tmp_path / "fleet").rglob(".*")]
    assert left == []
