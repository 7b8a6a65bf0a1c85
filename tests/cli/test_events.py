"""Server-sent events: the same whatever the chunks."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from weft.cli.events import EventReader, ServerSent

STREAM = (
    b"retry: 2000\n: weft live\n\n"
    b'id: 7\nevent: telemetry\ndata: {"a":1}\n\n'
    b": still here\n\n"
    b"data: one\ndata: two\n\n"
    b"id: 9\r\nevent:alarm\r\ndata:{}\r\n\r\n"
    b"event: nothing\n\n"
    b"data: not finished"
)
EVENTS = [
    ServerSent("telemetry", '{"a":1}', "7"),
    ServerSent("message", "one\ntwo", "7"),
    ServerSent("alarm", "{}", "9"),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_any_split_of_the_bytes_gives_the_same_events(cuts: list[int]) -> None:
    """A line may come in two reads, and two events in one."""
    reader, found = EventReader(), []
    places = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(places):
        found += reader.feed(STREAM[start:end])
    assert found == EVENTS
    assert reader.last_id == "9"


def test_an_id_with_a_zero_is_none() -> None:
    """HTML, 9.2.6: such an id is passed over."""
    reader = EventReader()
    reader.feed(b"id: 4\n\nid: 5\0\ndata: x\n\n")
    assert reader.last_id == "4"


@given(st.binary(max_size=200))
def test_anything_is_read_without_a_fault(data: bytes) -> None:
    """Whatever stands between us and the server may have written it."""
    EventReader().feed(data)
