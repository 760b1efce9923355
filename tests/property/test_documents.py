"""Laws of reading YAML: what PyYAML writes comes back, and any text is read or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lockproof.cells.documents import load_yaml
from lockproof.errors import MatrixError

if TYPE_CHECKING:
    from lockproof.cells.trees import KeyPath, Value

texts = st.text(st.characters(codec="utf-8"), max_size=10)
scalars = st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False) | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(values, st.booleans())
def test_what_is_written_comes_back(value: Value, flow: bool) -> None:
    text = yaml.safe_dump(value, allow_unicode=False, default_flow_style=flow)

    assert load_yaml(text, "m.yaml").data == value


@given(values)
def test_every_key_stands_where_it_is_said_to(value: Value) -> None:
    text = yaml.safe_dump({"first": 1, "items": value}, sort_keys=False)
    document = load_yaml(text, "m.yaml")

    def walk(at: KeyPath, inner: Value) -> None:
        assert 1 <= document.line_of(at) <= text.count("\n")
        if isinstance(inner, dict):
            for key, item in inner.items():
                walk((*at, key), item)
        elif isinstance(inner, list):
            for index, item in enumerate(inner):
                walk((*at, index), item)
        elif not isinstance(inner, str):
            assert yaml.safe_load(document.written(at)) == inner

    assert (document.line_of(("first",)), document.line_of(("items",))) == (1, 2)
    walk((), document.data)


@given(st.text(max_size=60) | st.text("ab:-[]{},&*!|>'\"#?%@<=~ \n\t10.", max_size=60))
@settings(max_examples=500)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        document = load_yaml(text, "m.yaml")
    except MatrixError as error:
        assert str(error).startswith("m.yaml:")
    else:
        assert document.data is not None
