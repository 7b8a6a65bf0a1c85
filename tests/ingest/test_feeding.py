"""Feeding: a batch is admitted together, and each message is judged by itself."""

import pytest
from tests.ingest.support import PUMP_7, Door

from weft.errors import StorageError


async def test_a_batch_is_on_disk_when_its_reasons_are_told() -> None:
    """Two are kept as telemetry, one in the inbox; the position is that of the last."""
    async with Door().running() as door:
        feed = door.ingest.feed(PUMP_7, "devices/me/telemetry", address="test")
        position, reasons = await feed.put([b'{"rpm": 1}', b'{"rpn": 2}', b'{"rpm": 3}'])
        assert (position, door.journal.head) == (3, 3)
        assert [reason and reason.code for reason in reasons] == [None, "payload_invalid", None]
        position, _ = await feed.put([b'{"rpm": 4}'])
        assert position == 4


async def test_a_batch_that_cannot_be_kept_is_told_and_the_next_may_be() -> None:
    async with Door().running() as door:
        feed = door.ingest.feed(PUMP_7, "devices/me/telemetry", address="test")
        door.journal.failures = 1
        with pytest.raises(StorageError, match="disk is full"):
            await feed.put([b'{"rpm": 1}'])
        assert (await feed.put([b'{"rpm": 1}']))[1] == [None]
