"""The law of lock readers: whatever is done to a real lock, a lock comes out, or an error with a place and a remedy."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from property.test_locks import ODD_TEXTS, ODD_VALUES, edited, edited_bytes, toml_of
from support.lockrules import READERS, SEEDS, held

if TYPE_CHECKING:
    from property.test_locks import Tree

ODD_WORDS = st.sampled_from(
    ["main", "default", "*", "^3.8", "~3.9", ">=3.8 || <3", "3.x", "<3.x", "^", "||", "==1.0", "git", "url", "file",
     "legacy", "directory", "sha256:" + "0" * 64, "sha256:x", "md5:0", "extra == 'io'", "'a' in extras", "extra",
     "'dev' in dependency_groups", "python_version ~= '3.8'", "(os_name == 'nt')", "os.name == 'x'", "a" * 300,
     "demo[io]>=1", "demo @ https://x/y", "-e .", "https://files.index.invalid/a-1-py3-none-any.whl", "1!2.0", "4.5",
     "${TOKEN}", "https://${NONE}@index.invalid/simple", "\ud800", "'", '"']
)  # fmt: skip
ODD: st.SearchStrategy[Tree] = st.one_of(ODD_VALUES, ODD_WORDS, ODD_TEXTS)
IS_JSON = {"pipenv"}


@st.composite
def rebuilt(draw: st.DrawFn, name: str) -> str:
    """A lock in which some values, at any depth, are removed, doubled, moved to another key or replaced."""
    text = draw(st.sampled_from(SEEDS[name]))
    document: dict[str, Tree] = json.loads(text) if name in IS_JSON else tomllib.loads(text)
    for _ in range(draw(st.integers(1, 3))):
        _change(draw, document)
    if name in IS_JSON:
        return json.dumps(document, indent=draw(st.sampled_from([None, 4])), default=str)
    return "".join(f"{json.dumps(key)} = {toml_of(value)}\n" for key, value in document.items())


def _change(draw: st.DrawFn, document: dict[str, Tree]) -> None:
    place: Tree = document
    while isinstance(place, dict | list) and place:
        key = draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
        child = place[key]  # type: ignore[call-overload,index]
        if isinstance(child, dict | list) and child and draw(st.integers(0, 6)):
            place = child
            continue
        change = draw(st.sampled_from(["remove", "double", "replace", "replace"]))
        if change == "remove":
            del place[key]  # type: ignore[arg-type]
        elif change == "double" and isinstance(place, list):
            place.append(child)
        elif change == "double" and isinstance(place, dict):
            place[
                draw(st.sampled_from(["files", "groups", "markers", "marker", "source", "extras", "x", "editable"]))
            ] = child
        else:
            place[key] = draw(ODD)  # type: ignore[call-overload,index]
        return


@pytest.mark.parametrize("name", [name for name in READERS if name != "requirements"])
@settings(max_examples=60)
@given(data=st.data())
def test_a_changed_value_gives_a_lock_or_an_error_that_helps(name: str, data: st.DataObject) -> None:
    held(READERS[name], data.draw(rebuilt(name)))


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=40)
@given(data=st.data())
def test_changed_bytes_give_a_lock_or_an_error_that_helps(name: str, data: st.DataObject) -> None:
    seeds = list(SEEDS[name])
    held(READERS[name], data.draw(st.one_of(edited(seeds), edited_bytes(seeds), st.text())))


@pytest.mark.parametrize("name", READERS)
def test_the_seeds_are_read(name: str) -> None:
    for seed in SEEDS[name]:
        assert held(READERS[name], seed) is not None
