"""What is noted of downlinks and addresses, also over a restart."""

import pytest
from msgspec.structs import replace
from tests.connectors.test_lorawan_servers import ADDRESS, COMMAND
from tests.ingest.dialects.test_lorawan import PROBE

from weft.backends.memory.records import MemoryRecords
from weft.connectors.lorawan_queue import DownlinkQueue
from weft.errors import PayloadInvalid
from weft.ingest.dialects.lorawan_words import Address, Queued

SENT = Queued("weft:1", COMMAND.tenant, COMMAND.device_id, COMMAND.request_id, True, placed=False)


async def test_what_is_noted_is_known_after_a_restart() -> None:
    records = MemoryRecords()
    queue = DownlinkQueue(records)
    await queue.note(SENT)
    await queue.learn(PROBE, ADDRESS)
    again = DownlinkQueue(records)
    assert again.of_command(COMMAND) is None
    await again.load()
    assert again.find("weft:1") == again.of_command(COMMAND) == SENT
    assert again.all() == [SENT]
    assert again.address_of(PROBE) == ADDRESS


async def test_a_command_arrives_once_and_not_after_its_end() -> None:
    """An event that comes while the note is dropped brings nothing back."""
    records = MemoryRecords()
    queue = DownlinkQueue(records)
    await queue.note(SENT)
    placed = replace(SENT, placed=True)
    assert await queue.mark_placed("weft:1") == placed
    assert await queue.mark_placed("weft:1") == placed
    await queue.forget(["weft:1", "weft:2"])
    assert await queue.mark_placed("weft:1") is None
    assert queue.find("weft:1") is None
    again = DownlinkQueue(records)
    await again.load()
    assert again.all() == []


async def test_a_deleted_device_leaves_no_address() -> None:
    records = MemoryRecords()
    queue = DownlinkQueue(records)
    await queue.learn(PROBE, ADDRESS)
    await queue.forget_device(PROBE)
    again = DownlinkQueue(records)
    await again.load()
    assert queue.address_of(PROBE) is again.address_of(PROBE) is None


async def test_what_is_no_id_is_not_kept() -> None:
    queue = DownlinkQueue(MemoryRecords())
    with pytest.raises(PayloadInvalid, match="no ids"):
        await queue.learn(PROBE, Address("app1", "../../x"))
    assert queue.address_of(PROBE) is None
