"""Link format: RFC 6690."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.wire.coap.faults import CoapError
from weft.wire.coap.link_format import Link, decode_links, encode_links, select_links

LINKS = [
    Link("/sensors/temp", ("temperature-c",), ("sensor",), (0, 50), observable=True),
    Link("/sensors/light", ("light-lux", "core.sen-light"), ("sensor",), (), "Light", 12),
    Link("/firmware/v2.1", ("firmware",), (), (42,), 'say "hi" \\', 262_144, False,
         (("anchor", "/x"), ("flag", None))),
]  # fmt: skip


def test_links_are_written_as_the_rfc_has_them() -> None:
    """One value is bare, several are quoted."""
    assert encode_links(LINKS[:2]).decode() == (
        '</sensors/temp>;rt="temperature-c";if="sensor";ct="0 50";obs,'
        '</sensors/light>;rt="light-lux core.sen-light";if="sensor";title="Light";sz=12'
    )
    assert encode_links([]) == b""
    assert encode_links([Link("/a", content_formats=(50,))]) == b"</a>;ct=50"


def test_links_read_as_they_were_written() -> None:
    """Quotes and backslashes too."""
    assert decode_links(encode_links(LINKS)) == LINKS


def test_examples_of_the_rfc_are_read() -> None:
    """RFC 6690 5, with the line breaks that its text has."""
    links = decode_links(
        b'</sensors>;ct=40;title="Sensor Index",\n'
        b'</sensors/temp>;rt="temperature-c";if="sensor",'
        b'<http://www.example.com/sensors/t123>;anchor="/sensors/temp";rel="describedby"'
    )
    assert [link.target for link in links] == [
        "/sensors",
        "/sensors/temp",
        "http://www.example.com/sensors/t123",
    ]
    assert links[0].content_formats == (40,)
    assert links[2].attributes == (("anchor", "/sensors/temp"), ("rel", "describedby"))
    assert decode_links(b"") == []


@pytest.mark.parametrize(
    ("query", "targets"),
    [
        (["rt=light-lux"], ["/sensors/light"]),
        (["rt=core.sen-light"], ["/sensors/light"]),
        (["rt=light*"], ["/sensors/light"]),
        (["if=sensor"], ["/sensors/temp", "/sensors/light"]),
        (["href=/sensors*"], ["/sensors/temp", "/sensors/light"]),
        (["if=sensor", "ct=50"], ["/sensors/temp"]),
        (["obs"], ["/sensors/temp"]),
        (["sz=12"], ["/sensors/light"]),
        (["title=Li*"], ["/sensors/light"]),
        (["anchor=/x"], ["/firmware/v2.1"]),
        (["rt=nothing"], []),
        ([], [link.target for link in LINKS]),
    ],
)
def test_a_query_selects(query: list[str], targets: list[str]) -> None:
    """RFC 6690 4.1."""
    assert [link.target for link in select_links(LINKS, query)] == targets


@pytest.mark.parametrize(
    "text", [b"/a", b"<a", b"<a>;", b"<a>;=x", b"<a> <b>", b'<a>;t="x', b"\xff", b"<a>;ct=x",
             b"<a>;sz=99999999999"]
)  # fmt: skip
def test_what_is_no_list_of_links_is_refused(text: bytes) -> None:
    """With the clause that says so."""
    with pytest.raises(CoapError):
        decode_links(text)


@given(st.text(alphabet='<>;,="\\ax0 \n', max_size=60))
def test_noise_is_links_or_the_peers_fault(text: str) -> None:
    """And takes no time out of proportion."""
    with suppress(CoapError):
        decode_links(text.encode())


def test_a_target_that_would_end_early_is_not_written() -> None:
    """Our bug, told where it happens."""
    with pytest.raises(ValueError, match="no target"):
        encode_links([Link("/a>")])
    with pytest.raises(ValueError, match="no attribute"):
        encode_links([Link("/a", attributes=(("x y", "1"),))])
