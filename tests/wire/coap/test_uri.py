"""URIs: RFC 7252 6."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.wire.coap.faults import CoapError
from weft.wire.coap.uri import Target, compose_path, compose_uri, split_path, split_uri

SEGMENT = st.text(st.characters(blacklist_categories=("Cs",)), max_size=12).filter(
    lambda one: one not in {".", ".."}
)


def test_a_uri_comes_apart() -> None:
    """The examples of RFC 7252 6.3: three spellings of one."""
    wanted = Target("coap", "example.com", 5683, ("~sensors", "temp.xml"))
    assert split_uri("coap://example.com:5683/~sensors/temp.xml") == wanted
    assert split_uri("coap://EXAMPLE.com/%7Esensors/temp.xml") == wanted
    assert split_uri("coap://EXAMPLE.com:/%7esensors/temp.xml") == wanted


def test_escapes_are_read_behind_the_splitting() -> None:
    """An escaped slash or ampersand is part of a name (RFC 7252 B)."""
    target = split_uri("coaps://[2001:db8::1]/%E3%81%93%2F/a?x=%26&//")
    assert target == Target("coaps", "2001:db8::1", 5684, ("こ/", "a"), ("x=&", "//"))
    assert compose_uri(target) == "coaps://[2001:db8::1]/%E3%81%93%2F/a?x=%26&//"


@pytest.mark.parametrize(
    "uri",
    ["http://x/", "coap:///a", "coap://x/a#b", "coap://x:99999/", "coap://u@x/", "x",
     "coap://x/%ff", "coap://x/" + "a" * 256, "coap://x/a/../b", "coap://[::1/"],
)  # fmt: skip
def test_what_is_no_coap_uri_is_refused(uri: str) -> None:
    """With the clause that says so."""
    with pytest.raises(CoapError, match="RFC 7252"):
        split_uri(uri)


def test_the_root_has_no_segments() -> None:
    """Nor has an empty path; a trailing slash is an empty one."""
    assert split_path("") == split_path("/") == ()
    assert split_path("/a/") == ("a", "")
    assert compose_path(()) == "/"
    with pytest.raises(CoapError):
        split_path("a")


@given(st.lists(SEGMENT, max_size=4).map(tuple).filter(lambda path: path != ("",)))
def test_a_path_reads_as_it_was_composed(path: tuple[str, ...]) -> None:
    """Whatever characters its segments have."""
    assert split_path(compose_path(path)) == path


@given(st.lists(SEGMENT.filter(bool), max_size=3).map(tuple))
def test_a_query_reads_as_it_was_composed(query: tuple[str, ...]) -> None:
    """Inside a URI."""
    target = Target("coap", "h", 61_616, ("p",), query)
    assert split_uri(compose_uri(target)) == target
