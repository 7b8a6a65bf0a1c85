"""Batches as rows: what is changed, lost, added or moved breaks the chain."""

from collections.abc import Callable

import pytest
from tests.contracts.support import message, route_of

from weft.backends.sqlite.batches import (
    Chain,
    Routes,
    Row,
    checksum_of,
    encode,
    is_whole,
    part_of,
)
from weft.errors import Damaged
from weft.model.message import Committed


def _rows(count: int, length: int = 2) -> list[Row]:
    rows: list[Row] = []
    before = b""
    for number in range(count):
        first = number * length + 1
        body = encode([message(first + i) for i in range(length)])
        before = checksum_of(first, length, body, before)
        rows.append((first, length, body, before))
    return rows


def test_a_chain_of_whole_batches_is_decoded() -> None:
    """Three batches of two, read back in order."""
    batches = Chain(1, b"", Routes()).decode(_rows(3))

    assert [(b.first, b.last) for b in batches] == [(1, 2), (3, 4), (5, 6)]
    assert batches[2].envelopes[1].payload == message(6).payload


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows: [rows[0], rows[2]],
        lambda rows: [rows[1], rows[0], rows[2]],
        lambda rows: [rows[0], (3, 2, rows[1][2] + b"\0", rows[1][3]), rows[2]],
        lambda rows: [rows[0], (3, 3, rows[1][2], rows[1][3]), rows[2]],
        lambda rows: [rows[0], (3, 2, rows[0][2], checksum_of(3, 2, rows[0][2], b"")), rows[2]],
    ],
    ids=["lost", "moved", "body changed", "length changed", "replaced"],
)
def test_a_broken_chain_is_refused(spoil: Callable[[list[Row]], list[Row]]) -> None:
    """Whatever was done to the batches, the first wrong one is named."""
    with pytest.raises(Damaged, match=r"positions \d"):
        Chain(1, b"", Routes()).decode(spoil(_rows(3)))


def test_a_batch_verifies_on_its_own() -> None:
    """The batch before it is lost; this one can still be saved."""
    first, length, body, checksum = _rows(3)[2]

    assert is_whole((first, length, body, checksum))
    assert not is_whole((first + 1, length, body, checksum))
    assert not is_whole((first, length, body[:-1], checksum))


def test_dropped_positions_are_skipped_and_keep_the_chain() -> None:
    """A repair left an empty batch: nothing to yield, and the next one verifies."""
    checksum = checksum_of(1, 500, b"", b"")
    body = encode([message(1)])
    last = (501, 1, body, checksum_of(501, 1, body, checksum))

    batches = Chain(1, b"", Routes()).decode([(1, 500, b"", checksum), last])

    assert [b.first for b in batches] == [501]


def test_equal_routes_become_one_object() -> None:
    """Projections cache per route object; replay must not make a new one per message."""
    envelopes = [message(n, device=f"d{n % 2}") for n in range(6)]
    Routes().share(envelopes)

    assert len({id(e.route) for e in envelopes}) == 2
    assert envelopes[0].route.device_id == "d0"


def test_shared_routes_are_bounded() -> None:
    """A million devices do not stay in memory."""
    routes = Routes(limit=10)
    for number in range(100):
        routes.share([message(number, device=f"d{number}")])

    assert len(routes._known) <= 11


def test_a_part_of_a_batch() -> None:
    """Positions behind one and not behind another."""
    whole = Committed(5, [message(n) for n in range(5, 9)], [None] * 4)

    assert part_of(whole, 4, 8) is whole
    assert part_of(whole, 5, 7).first == 6
    assert [e.payload for e in part_of(whole, 5, 7).envelopes] == [
        message(6).payload,
        message(7).payload,
    ]
    assert part_of(whole, 8, 20).envelopes == []
    assert part_of(whole, 0, 3).envelopes == []
    assert route_of("d").device_id == "d"
