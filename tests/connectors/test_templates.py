"""Templates of requests: names are filled, and nothing that is put in breaks out (SS-3)."""

from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.connectors.templates import (
    fill_path,
    fill_query,
    fill_text,
    fill_value,
    names_in,
    require_path,
    require_template,
)
from weft.errors import ConnectorError, Invalid

NAMES = ("key", "title", "n")


@given(st.text(min_size=1).filter(lambda text: text not in {".", ".."}))
def test_a_value_is_one_segment_of_a_path_and_no_more(value: str) -> None:
    """Whatever a far side calls its record: no slash, no query, no fragment of its own."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return
    path = fill_path("/a/{key}/b", {"key": value})
    before, inner, after = path.split("/")[1:]
    assert (before, after) == ("a", "b")
    assert not set(inner) & set("?#/\\ \r\n")
    assert unquote(inner) == value


@pytest.mark.parametrize("value", ["", ".", "..", None])
def test_a_folder_or_nothing_is_no_value_of_a_path(value: Any) -> None:
    """`/incident/..` would be another address."""
    with pytest.raises(ConnectorError) as caught:
        fill_path("/incident/{key}", {"key": value})
    assert caught.value.permanent


@given(st.text(), st.integers(-(2**53), 2**53))
def test_json_is_built_of_values(text: str, number: int) -> None:
    """A quote or a brace in a title stays in the title; a name alone keeps its type."""
    template = {"t": "{title}", "n": "{n}", "both": "{title}/{n}", "deep": [["{title}", 1]]}
    filled = fill_value(template, {"title": text, "n": number})
    assert filled == {"t": text, "n": number, "both": f"{text}/{number}", "deep": [[text, 1]]}


def test_a_query_may_hold_json() -> None:
    """ERPNext filters by a list; it is written by the serializer."""
    template = {"filters": [["k", "=", "{key}"]], "limit": "2", "page": 3}
    filled = fill_query(template, {"key": 'x"]]'})
    assert msgspec.json.decode(filled["filters"]) == [["k", "=", 'x"]]']]
    assert (filled["limit"], filled["page"]) == ("2", "3")


def test_braces_are_written_twice_and_nothing_is_evaluated() -> None:
    """A value that looks like a template is none."""
    assert fill_text("{{{key}}} {title}", {"key": "k", "title": "{key} {{7*7}}"}) == (
        "{k} {key} {{7*7}}"
    )
    assert fill_text("[{title}]", {}) == "[]"
    assert list(names_in({"a": ["{key}", ("{{x}}{n}",)], "b": 1})) == ["key", "n"]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{kee}", "Did you mean 'key'"),
        ("{key.__class__}", "column 1"),
        ("a { b", "column 3"),
        ({"a": ["{key!r}"]}, "names nothing"),
        ([[[[[[[[[[[[[[[[[["x"]]]]]]]]]]]]]]]]]], "too deep"),
    ],
)
def test_a_template_that_names_something_else_is_refused(template: Any, words: str) -> None:
    """When it is read, with the place; there is no attribute, index or format."""
    with pytest.raises(Invalid) as caught:
        require_template(template, NAMES)
    assert words in caught.value.detail + caught.value.remedy


@pytest.mark.parametrize("path", ["a/b", "/a?x=1", "/a#b", "/a/../b", "/a b", "/\r\nX: y", "//x@y"])
def test_a_path_is_absolute_and_only_a_path(path: str) -> None:
    """Queries have their own table, where they are encoded."""
    if path == "//x@y":
        require_path(path, NAMES)  # stands behind the address's host: still a path there
        return
    with pytest.raises(Invalid, match="cannot be a path"):
        require_path(path, NAMES)
