"""Reading requests within stated bounds."""

from collections.abc import MutableMapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.api.bodies import (
    ClientGone,
    choose_media_type,
    decode_query,
    read_body,
    require_depth,
    version_of,
)
from weft.api.operations.table import TABLE
from weft.api.problems import Malformed, NotAcceptable, VersionRequired
from weft.errors import Invalid, TooLarge

HISTORY = next(op for op in TABLE if op.name == "get_device_history")
DEVICES = next(op for op in TABLE if op.name == "list_devices")


def receiving(*chunks: bytes) -> Any:
    messages = [
        {"type": "http.request", "body": chunk, "more_body": place < len(chunks) - 1}
        for place, chunk in enumerate(chunks)
    ]

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return receive


async def test_a_body_comes_in_pieces() -> None:
    """And is one."""
    assert await read_body(receiving(b"ab", b"", b"c"), None, 10, 1) == b"abc"


async def test_a_body_has_a_size() -> None:
    """By what it announces, and by what comes."""
    for length in (b"11", b"-1", b"x"):
        with pytest.raises(TooLarge):
            await read_body(receiving(b"a"), length, 10, 1)
    with pytest.raises(TooLarge):
        await read_body(receiving(b"a" * 6, b"b" * 6), None, 10, 1)


async def test_a_caller_that_hangs_up_is_gone() -> None:
    """Nobody is answered."""
    with pytest.raises(ClientGone):
        await read_body(receiving(), None, 10, 1)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "application/json"),
        (b"*/*", "application/json"),
        (b"text/*", "text/csv"),
        (b"text/csv;q=0.5, application/json;q=0.4", "text/csv"),
        (b"text/csv;q=0.5, */*;q=0.9", "application/json"),
        (b"application/json;q=0, text/csv", "text/csv"),
        (b"text/csv;q=x, application/json", "application/json"),
    ],
)
def test_the_media_type_is_the_callers_choice(accept: bytes | None, chosen: str) -> None:
    """RFC 9110, 12.5.1."""
    assert choose_media_type(HISTORY, accept) == chosen


def test_what_nobody_offers_is_not_acceptable() -> None:
    """With what there is."""
    with pytest.raises(NotAcceptable):
        choose_media_type(DEVICES, b"text/csv")


def test_versions_are_read_from_if_match() -> None:
    """Quoted, weak or not; a star is any; nothing is nothing."""
    assert version_of({b"if-match": b'"3"'}, "required") == 3
    assert version_of({b"if-match": b'W/"3"'}, "optional") == 3
    assert version_of({b"if-match": b"*"}, "required") is None
    assert version_of({}, "optional") is None
    with pytest.raises(VersionRequired):
        version_of({}, "required")
    for nonsense in (b"", b"3", b'"3', b'"3", "4"'):
        with pytest.raises(Malformed):
            version_of({b"if-match": nonsense}, "optional")


@given(st.binary(max_size=60))
def test_any_query_string_is_read_or_refused(raw: bytes) -> None:
    """Nothing else comes out, whatever goes in."""
    try:
        decode_query(HISTORY, raw)
    except Invalid:
        return


def test_depth_is_counted_in_levels() -> None:
    """A list of scalars is one."""
    require_depth([[1], {"a": 2}], 2)
    with pytest.raises(Invalid):
        require_depth([[[1]]], 1)
