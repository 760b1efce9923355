"""The canonical form, byte for byte: a digest once published must stay what it is."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Never

import pytest

from lockproof.errors import UsageError
from lockproof.proof.fingerprint import (
    Distribution,
    FileFact,
    Finding,
    Fingerprint,
    Worked,
    files_digest,
    files_digests,
    from_json,
    interpreter_digest,
    owned_roots,
    platform_digest,
    platform_facts,
    set_digest,
    startup_digest,
    to_json,
)
from lockproof.pythons.buildrows import part_digest
from lockproof.pythons.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Sequence

HEX = "1" * 64
FILES = {
    "site/b.py": FileFact("f", HEX, 0),
    "site/B.py": FileFact("f", HEX, 7),
    "scripts/x": FileFact("e", "pkg.mod:main"),
    "scripts/y": FileFact("s", HEX, 9),
    "site/ü\udcff": FileFact("l", "../ü"),
}
LINES = [
    b"scripts/x\0e\0pkg.mod:main\n",
    b"scripts/y\0s\0" + HEX.encode() + b" 9\n",
    b"site/B.py\0f\0" + HEX.encode() + b" 7\n",
    b"site/b.py\0f\0" + HEX.encode() + b" 0\n",
    b"site/\xc3\xbc\xff\0l\0../\xc3\xbc\n",
]


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_the_files_layer() -> None:
    assert files_digest(FILES) == sha256(b"lockproof files 1\n" + b"".join(LINES))
    assert files_digest({}) == sha256(b"lockproof files 1\n")


def test_the_other_layers() -> None:
    assert set_digest([("b", "2"), ("a", "1")]) == sha256(b"lockproof set 1\na==1\nb==2\n")
    assert interpreter_digest({"b": "2", "a": "1"}) == sha256(b"lockproof interpreter 1\na\0" + b"1\nb\0" + b"2\n")
    assert startup_digest(["b", "a", "b"]) == sha256(b"lockproof startup 1\na\nb\n")


def example() -> Fingerprint:
    python = {"version": "3.12.1"}
    layers = {
        "set": set_digest([("a", "1")]),
        "files": files_digest(FILES),
        "startup": startup_digest(["x"]),
        "interpreter": interpreter_digest(python),
    }
    return Fingerprint(
        layers=layers,
        distributions=(Distribution(name="a", version="1", files="sha256:3", roots=("site/a/",)),),
        files=FILES,
        startup=("x",),
        interpreter=python,
        findings=(Finding("mode", "site/b.py", "is odd"),),
        about={"cell": "x"},
    )


def test_the_whole_digest_is_over_the_layers_in_their_order() -> None:
    one = example()
    order = ("set", "files", "startup", "interpreter")
    assert one.digest == sha256(
        b"lockproof fingerprint 1\n" + b"".join(f"{k}\0{one.layers[k]}\n".encode() for k in order)
    )


def test_the_published_form() -> None:
    one = example()
    assert to_json(one) == {
        "schema": "lockproof/fingerprint/v1",
        "digest": one.digest,
        "about": {"cell": "x"},
        "layers": one.layers,
        "distributions": [{"name": "a", "version": "1", "artifact": None, "files": "sha256:3", "roots": ["site/a/"]}],
        "startup": ["x"],
        "interpreter": {"version": "3.12.1"},
        "interpreter_files": {},
        "platform": {},
        "files": {
            "scripts/x": ["e", "pkg.mod:main"],
            "scripts/y": ["s", HEX, 9],
            "site/B.py": ["f", HEX, 7],
            "site/b.py": ["f", HEX, 0],
            "site/ü\udcff": ["l", "../ü"],
        },
        "findings": [{"code": "mode", "path": "site/b.py", "message": "is odd", "level": "mismatch"}],
    }


def test_what_is_told_of_a_platform() -> None:
    assert platform_facts(Platform(os="linux", machine="x86_64", libc="glibc", version=(2, 36))) == {
        "system": "linux",
        "machine": "x86_64",
        "libc": "glibc",
        "glibc version": "2.36",
    }
    assert platform_facts(Platform(os="macos", machine="arm64", version=(14, 5))) == {
        "system": "macos",
        "machine": "arm64",
        "macos version": "14.5",
    }
    assert platform_facts(Platform(os="linux", machine="x86_64")) == {"system": "linux", "machine": "x86_64"}


def with_python(rows: dict[str, str], platform: dict[str, str]) -> Fingerprint:
    python = {"version": "3.12.1", "stdlib": part_digest("stdlib", rows), "lib-dynload": "none"}
    layers = {
        **example().layers,
        "interpreter": interpreter_digest(python),
        "platform": platform_digest(platform),
    }
    return replace(example(), interpreter=python, interpreter_files=rows, platform=platform, layers=layers)


def test_the_platform_is_no_part_of_the_whole_digest() -> None:
    one, other = with_python({}, {"system": "linux"}), with_python({}, {"system": "macos"})
    assert one.digest == other.digest
    assert one.layers["platform"] == sha256(b"lockproof platform 1\nsystem\0linux\n")


@pytest.mark.parametrize(
    ("key", "value", "part"),
    [
        ("interpreter_files", {"stdlib/os.py": "2" * 64}, "stdlib"),
        ("interpreter_files", {"stdlib/os.py": "1" * 64, "x/os.py": "1" * 64}, "interpreter_files"),
        ("platform", {"system": "macos"}, "platform"),
        ("platform", {}, "platform"),
    ],
)
def test_an_altered_interpreter_or_platform_is_refused(key: str, value: dict[str, str], part: str) -> None:
    document = to_json(with_python({"stdlib/os.py": "1" * 64}, {"system": "linux"}))
    assert from_json(json.dumps(document), "saved.json").interpreter_files == {"stdlib/os.py": "1" * 64}
    with pytest.raises(UsageError) as caught:
        from_json(json.dumps({**document, key: value}), "saved.json")
    assert caught.value.what == f"its {part} digest isn't that of its content"


def test_a_document_of_before_is_still_read() -> None:
    document = to_json(example())
    del document["interpreter_files"], document["platform"]
    assert from_json(json.dumps(document), "saved.json") == example()


def test_another_schema_is_told() -> None:
    document = {**to_json(example()), "schema": "lockproof/fingerprint/v2"}
    with pytest.raises(UsageError) as caught:
        from_json(json.dumps(document), "saved.json")
    assert str(caught.value) == (
        "saved.json: its schema is 'lockproof/fingerprint/v2'\n"
        "  a fingerprint says 'lockproof/fingerprint/v1': make one anew"
    )


def test_a_path_that_no_file_can_have_is_refused() -> None:
    one = example()
    document = to_json(one)
    files = to_json(one)["files"]
    assert isinstance(files, dict)
    forged = "site/B.py\0f\0" + f"{HEX} 7\nsite/b.py"
    document["files"] = {
        forged: ["f", HEX, 0],
        **{path: fact for path, fact in files.items() if path not in ("site/B.py", "site/b.py")},
    }
    with pytest.raises(UsageError):
        from_json(json.dumps(document), "saved.json")


def test_digests_worked_out_before_are_of_the_same_files_and_owners_only() -> None:
    files = {"site/a.py": FileFact("f", "0" * 64, 1), "site/b.py": FileFact("f", "1" * 64, 2)}
    groups = {"a": ["site/a.py"], "b": ["site/b.py", "site/a.py"]}
    total, digests = files_digests(files, groups)
    worked = Worked(files=files, groups=groups, total=total, digests=digests, roots=owned_roots(groups))
    assert worked.is_of(dict(files), {"b": ["site/a.py", "site/b.py"], "a": ["site/a.py", "site/a.py"]})
    assert not worked.is_of({**files, "site/b.py": FileFact("f", "1" * 64, 3)}, groups)
    assert not worked.is_of({**files, "site/c.py": FileFact("e", "x:y")}, groups)
    assert not worked.is_of(files, {**groups, "a": []})
    assert not worked.is_of(files, {"a": ["site/a.py"]})
    assert not worked.is_of(files, {**groups, "c": []})


@pytest.mark.parametrize(
    "fact",
    [[["f"], HEX, 1], [{}, HEX, 1], [None, HEX, 1], ["f", HEX, 1.5], ["f", HEX, True], ["f", HEX, -1], "fx"],
    ids=repr,
)
def test_a_file_is_told_by_texts_and_a_size_also_where_the_digests_are_of_it(fact: Sequence[Never]) -> None:
    files = {"site/a.py": FileFact(*fact)}
    one = replace(example(), files=files, layers={**example().layers, "files": files_digest(files)})
    document = {**to_json(one), "files": {"site/a.py": fact}}
    with pytest.raises(UsageError, match="this is not a saved fingerprint"):
        from_json(json.dumps(document), "saved.json")


@pytest.mark.parametrize(
    "row",
    [
        {"path": [], "code": "x", "message": "y"},
        {"path": "site/a.py", "code": 5, "message": "y"},
        {"path": "site/a.py", "code": "x", "message": None},
        {"path": "site/a.py", "code": "x", "message": "y", "level": 1},
        {"path": "site/\ud800.py", "code": "x", "message": "y"},
        {"path": "site/a.py", "code": "x"},
        "text",
    ],
    ids=repr,
)
def test_a_finding_is_made_of_texts(row: object) -> None:
    document = {**to_json(example()), "findings": [row]}
    with pytest.raises(UsageError, match="this is not a saved fingerprint"):
        from_json(json.dumps(document), "saved.json")
