"""Laws of the fingerprint as a value: digests, roots, the saved form."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lockproof.errors import UsageError
from lockproof.proof.fingerprint import (
    Distribution,
    FileFact,
    Finding,
    Fingerprint,
    artifacts_digest,
    files_digest,
    files_digests,
    files_text,
    from_json,
    interpreter_digest,
    owned_roots,
    set_digest,
    startup_digest,
    to_json,
)
from lockproof.proof.manifests import address, environment_of, parse_manifest, parse_member, to_parts

# Everything that a file's name may hold: any character but NUL and `/`, and bytes that are no UTF-8.
_ODD_SIGNS = st.sampled_from("\n\r ,\"'\x1b\udc80\udcffé\u0130\U0001f40d.ab01")
_PARTS = st.text(_ODD_SIGNS, min_size=1, max_size=6).filter(lambda part: part not in (".", ".."))
PATHS = st.builds(
    lambda area, parts: "/".join([area, *parts]),
    st.sampled_from(["site", "scripts", "data"]),
    st.lists(_PARTS, min_size=1, max_size=3),
)
_HEX = st.integers(0, 2**16).map("{:064x}".format)
_SIZES = st.integers(0, 2**50)
FACTS = st.one_of(
    st.builds(FileFact, st.sampled_from(["f", "s"]), _HEX, _SIZES),
    st.sampled_from(["demo:main", "demo.cli:Tool.run"]).map(lambda value: FileFact("e", value)),
    st.text(st.sampled_from("./ax \udcff"), min_size=1, max_size=8).map(lambda target: FileFact("l", target)),
)
TREES = st.dictionaries(PATHS, FACTS, max_size=6)
# No path may be both a file and a folder, as on any disk.
GROUPS = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.lists(PATHS, max_size=6), max_size=3).filter(
    lambda groups: not _files_as_folders({path for paths in groups.values() for path in paths})
)


def _files_as_folders(paths: set[str]) -> bool:
    return any(other.startswith(f"{path}/") for path in paths for other in paths)


def folders_above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) + "/" for count in range(2, len(parts))]


@given(TREES, st.randoms(use_true_random=False))
def test_the_order_of_files_does_not_matter(tree: dict[str, FileFact], random: object) -> None:
    items = list(tree.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    assert files_digest(dict(items)) == files_digest(tree)


@given(TREES, st.data())
def test_any_one_difference_shows(tree: dict[str, FileFact], data: st.DataObject) -> None:
    assume(tree)
    path: str = data.draw(st.sampled_from(sorted(tree)))
    other = dict(tree)
    kind = data.draw(st.sampled_from(["path", "fact", "gone", "more"]))
    if kind == "fact":
        other[path] = data.draw(FACTS)
    elif kind == "more":
        other[data.draw(PATHS)] = data.draw(FACTS)
    else:
        fact = other.pop(path)
        if kind == "path":
            other[data.draw(PATHS)] = fact
    assert (files_digest(other) == files_digest(tree)) == (other == tree)


@given(TREES, TREES)
def test_two_trees_have_one_digest_only_if_they_are_equal(
    left: dict[str, FileFact], right: dict[str, FileFact]
) -> None:
    assert (files_digest(left) == files_digest(right)) == (left == right)


def test_no_newline_forges_a_line() -> None:
    fact = FileFact("f", "0" * 64, 1)
    left = {"site/a": FileFact("l", "x"), "site/b\nsite/c": fact}
    right = {"site/a": FileFact("l", "x\nsite/b"), "site/c": fact}
    assert files_digest(left) != files_digest(right)


@given(TREES, st.data())
def test_the_digests_of_owners_are_those_of_their_own_files(tree: dict[str, FileFact], data: st.DataObject) -> None:
    groups = data.draw(
        st.dictionaries(st.sampled_from("abc"), st.lists(st.sampled_from(sorted(tree)) if tree else PATHS, max_size=5))
    )
    total, own = files_digests(tree, groups)
    assert total == files_digest(tree)
    assert own == {
        owner: files_digest({path: tree[path] for path in paths if path in tree}) for owner, paths in groups.items()
    }


@given(GROUPS)
def test_every_path_lies_under_its_owner_s_roots_and_nobody_else_s(groups: dict[str, list[str]]) -> None:
    roots = owned_roots(groups)
    assert roots.keys() == groups.keys()
    everything = [path for paths in groups.values() for path in set(paths)]
    shared = {path for path in everything if everything.count(path) > 1}
    for owner, paths in groups.items():
        for path in paths:
            above = {path, *folders_above(path)}
            assert len(above & set(roots[owner])) == 1
            if path not in shared:
                assert all(not above & set(roots[other]) for other in groups if other != owner)
        assert all(any(path == root or path.startswith(root) for path in paths) for root in roots[owner])


@given(GROUPS)
def test_roots_are_as_short_as_can_be(groups: dict[str, list[str]]) -> None:
    for owner, roots in owned_roots(groups).items():
        others = {path for name, paths in groups.items() if name != owner for path in paths}
        for root in roots:
            for folder in folders_above(root.rstrip("/")):
                assert any(path.startswith(folder) for path in others)


_NAMES = st.text(st.sampled_from("ab-1"), min_size=1, max_size=4)
_VERSIONS = st.lists(st.integers(0, 11), min_size=1, max_size=3).map(lambda numbers: ".".join(map(str, numbers)))


@given(st.lists(st.tuples(_NAMES, _VERSIONS), max_size=4), st.lists(st.tuples(_NAMES, _VERSIONS), max_size=4))
def test_sets_have_one_digest_only_if_they_are_equal(left: list[tuple[str, str]], right: list[tuple[str, str]]) -> None:
    assert (set_digest(left) == set_digest(right)) == (sorted(left) == sorted(right))
    assert set_digest(left) == set_digest(reversed(left))


@st.composite
def fingerprints(draw: st.DrawFn) -> Fingerprint:
    files = draw(TREES)
    artifacts = st.none() | st.tuples(st.just("x-1-py3-none-any.whl"), _HEX)
    distributions = tuple(
        Distribution(
            name=name,
            version=draw(_VERSIONS),
            files=f"sha256:{draw(_HEX)}",
            roots=("site/x/",),
            artifact=draw(artifacts),
        )
        for name in draw(st.lists(_NAMES, unique=True, max_size=3))
    )
    startup = tuple(draw(st.lists(st.text(_ODD_SIGNS, max_size=8), max_size=3)))
    layers = {
        "set": set_digest((dist.name, dist.version) for dist in distributions),
        "files": files_digest(files),
        "startup": startup_digest(startup),
    }
    if (digest := artifacts_digest(distributions)) is not None:
        layers["artifacts"] = digest
    interpreter = draw(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2))
    if draw(st.booleans()):
        layers["interpreter"] = interpreter_digest(interpreter)
    finding = st.builds(
        Finding, st.just("unowned"), PATHS, st.text(max_size=5), st.sampled_from(["note", "mismatch", "unproven"])
    )
    return Fingerprint(
        layers=layers,
        distributions=distributions,
        files=files,
        startup=startup,
        interpreter=interpreter,
        findings=tuple(draw(st.lists(finding, max_size=2))),
        about=draw(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2)),
    )


@given(fingerprints())
def test_a_saved_fingerprint_is_read_back_as_it_was(fingerprint: Fingerprint) -> None:
    assert from_json(json.dumps(to_json(fingerprint)), "saved.json") == fingerprint


@given(fingerprints(), st.data())
def test_an_altered_document_is_refused(fingerprint: Fingerprint, data: st.DataObject) -> None:
    document = to_json(fingerprint)
    altered = replace(
        fingerprint,
        files={**fingerprint.files, "site/more": FileFact("f", "0" * 64, 1)},
    )
    part = data.draw(st.sampled_from(["files", "startup", "set", "layer", "digest"]))
    if part == "files":
        document["files"] = to_json(altered)["files"]
    elif part == "startup":
        document["startup"] = [*fingerprint.startup, "more"]
    elif part == "set":
        more = Distribution(name="more", version="1", files="sha256:0", artifact=("more.whl", "0" * 64))
        document["distributions"] = to_json(replace(fingerprint, distributions=(*fingerprint.distributions, more)))[
            "distributions"
        ]
    elif part == "layer":
        layer = data.draw(st.sampled_from(sorted(fingerprint.layers)))
        document["layers"] = {**fingerprint.layers, layer: "sha256:" + "0" * 64}
    else:
        document["digest"] = "sha256:" + "0" * 64
    with pytest.raises(UsageError) as caught:
        from_json(json.dumps(document), "saved.json")
    assert str(caught.value).startswith("saved.json: its ")
    assert str(caught.value).endswith("the file was altered: make it anew")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(fingerprints(), st.data())
def test_any_other_document_is_refused_without_a_traceback(fingerprint: Fingerprint, data: st.DataObject) -> None:
    document = to_json(fingerprint)
    key = data.draw(st.sampled_from(["schema", "digest", "layers", "distributions", "files", "findings"]))
    value = data.draw(_JSON)
    assume(value != document[key])
    document[key] = value
    try:
        read = from_json(json.dumps(document), "saved.json")
    except UsageError as error:
        assert str(error).startswith("saved.json: ")
    else:  # what isn't part of the digest can't be known to be altered
        assert (key, read.digest) in {
            ("findings", fingerprint.digest),
            ("files", fingerprint.digest),
            ("distributions", fingerprint.digest),
        }


@given(st.text(max_size=20) | _JSON.map(json.dumps) | st.integers(0, 10**5).map(lambda depth: "[" * depth))
def test_no_text_is_taken_for_a_fingerprint(text: str) -> None:
    with pytest.raises(UsageError):
        from_json(text, "saved.json")


@given(fingerprints())
def test_a_fingerprint_in_parts_is_put_together_as_it_was(fingerprint: Fingerprint) -> None:
    parts = to_parts(fingerprint)
    assert all(address(content) == digest for digest, content in parts.shared.items())
    member = parse_member(parts.member, "member")
    text = parts.shared[member.environment]
    found = environment_of(text, "environment", lambda digest: parse_manifest(parts.shared[digest]))
    assert replace(found, findings=member.findings, about=member.about) == fingerprint
    assert (found.digest, member.digest) == (fingerprint.digest, fingerprint.digest)


@given(TREES)
def test_a_manifest_is_read_back_and_has_the_digest_of_its_files(tree: dict[str, FileFact]) -> None:
    text = files_text(tree)
    assert (parse_manifest(text), address(text)) == (tree, files_digest(tree))


@given(st.binary(max_size=40) | st.binary(max_size=20).map(lambda rest: b"lockproof files 1\n" + rest))
def test_any_other_bytes_are_no_manifest_or_say_what_they_say(text: bytes) -> None:
    try:
        files = parse_manifest(text)
    except ValueError:
        return
    assert len(files) <= text.count(b"\n")
