"""Checkpoints: at once for who waits for one, and one for all who ask together."""

import asyncio
from typing import Any

from tests.broker.support import (
    BOB,
    Station,
    principal,
)

from weft.broker import Will


async def test_run_writes_at_once_what_a_subscriber_waits_for() -> None:
    """Neither a QoS 2 message nor a will waits for the next second."""
    station = Station()
    session, link = await station.connect(expiry_s=60)
    await station.subscribe(session, "t", qos=2)
    doomed, doomed_link = await station.connect(BOB, "doomed", will=Will("status", b"lost"))

    async with asyncio.TaskGroup() as group:
        running = group.create_task(station.broker.run())
        station.publish("t", b"once", qos=2)
        station.broker.detach(doomed, doomed_link, will_wanted=True)
        async with asyncio.timeout(5):
            await link.came.wait()
            await station.will_came.wait()
        running.cancel()

    assert link.payloads == [b"once"]


async def test_checkpoints_asked_for_together_share_a_transaction() -> None:
    """A hundred SUBSCRIBEs in one moment are not a hundred fsyncs."""
    station = Station()
    writes = 0
    original = station.records.write

    async def write(work: Any) -> Any:
        nonlocal writes
        writes += 1
        await asyncio.sleep(0)
        return await original(work)

    sessions = [(await station.connect(principal(f"p{i}"), expiry_s=60))[0] for i in range(100)]
    station.records.write = write
    await asyncio.gather(*(station.subscribe(one, "t", qos=1) for one in sessions))

    assert writes <= 2
