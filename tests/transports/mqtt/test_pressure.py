"""More than there is room for: nothing is lost, nothing grows, nobody else waits (RL-1, RL-2)."""

import asyncio
from typing import Any

from tests.transports.mqtt.support import Peer, station, until

from weft.ingest.pipeline import PipelineSettings
from weft.security.limits import LimitSettings, Rate
from weft.wire.mqtt.packets import Pingresp, Puback, Publish
from weft.wire.mqtt.reasons import Reason

# --- back-pressure ------------------------------------------------------------------------


async def test_a_full_pipeline_stops_reading_and_loses_nothing() -> None:
    """The disk is slow: what does not fit waits in the sockets, then all of it is stored."""
    small = PipelineSettings(batch_max_bytes=100_000, gather_ms=0.5)
    async with station(pipeline=small) as made, made.peer("app") as peer:
        made.journal.flowing.clear()
        payloads = [bytes((65 + number % 26,)) * 60_000 for number in range(80)]
        for payload in payloads:
            peer.publish("plain", payload, qos=0)
        await made.journal.asked.wait()
        await until(lambda: made.pipeline.full)
        await asyncio.sleep(0.05)  # long enough for all 4.8 MB, if we read them
        assert made.pipeline._batch_bytes < 1_000_000
        made.journal.flowing.set()
        await until(lambda: len(made.recorder.seen) == 80)
        assert made.payloads() == payloads


async def test_a_slow_reader_gets_everything_in_order() -> None:
    """It does not read while 3 MB are published; they wait in its session."""
    async with station() as made, made.peer("app", client_id="slow") as slow:
        await slow.subscribe("news")
        reading = slow.reader
        reading._transport.pause_reading()  # type: ignore[attr-defined]
        async with made.peer("app", client_id="fast") as fast:
            for number in range(300):
                fast.publish("news", b"%05d" % number + b"." * 10_000, qos=1)
                await fast.expect(Puback)
        slow_end = next(one for one in made.listener._live if one.stalled_at)
        assert not slow_end.writable
        reading._transport.resume_reading()  # type: ignore[attr-defined]
        got = []
        for _ in range(300):
            message = await slow.expect(Publish)
            got.append(int(message.payload[:5]))
            slow.write(slow.machine.puback(message.packet_id))
        assert got == list(range(300))


async def test_a_reader_that_reads_nothing_is_cut_and_a_slow_one_is_not() -> None:
    """RL-2: ten seconds without a byte taken; each byte taken begins them anew."""
    async with station() as made, made.peer("app", client_id="slow") as slow:
        await slow.subscribe("news", qos=0)
        transport: Any = slow.reader._transport  # type: ignore[attr-defined]
        transport.pause_reading()
        async with made.peer("app", client_id="fast") as fast:
            for _ in range(100):
                fast.publish("news", b"." * 100_000)
                await fast.expect(Puback)
        end = next(one for one in made.listener._live if one.stalled_at)
        now = end.stalled_at
        end.check(now + 9)
        end._unsent_bytes += 1  # as if one byte more had been unsent a second ago
        end.check(now + 11)
        assert not end._transport.is_closing()
        end.check(now + 22)
        await until(lambda: not len(made.listener))


async def test_over_the_rate_a_device_is_slowed_and_nothing_is_lost() -> None:
    """RL-1: 200 messages and 200 more where 64 are free; the rest is acknowledged later."""
    slow = LimitSettings(principal_messages=Rate(2_000, 64))
    async with station(limits=slow) as made, made.peer("app", version=4) as peer:
        for start in (0, 200):  # a first burst is welcome, whatever its size
            for number in range(start, start + 200):
                peer.publish("plain", b"%d" % number)
            for _ in range(200):
                await peer.expect(Puback)
        assert made.limiter.waits
        assert made.payloads() == [b"%d" % number for number in range(400)]


async def test_bytes_are_limited_as_well() -> None:
    slow = LimitSettings(principal_bytes=Rate(10_000_000, 100_000))
    async with station(limits=slow) as made, made.peer("app") as peer:
        for _ in range(40):
            peer.publish("plain", b"." * 50_000)
        for _ in range(40):
            await peer.expect(Puback)
        assert made.limiter.waits


# --- time ---------------------------------------------------------------------------------


async def test_who_is_silent_for_too_long_is_told_and_let_go() -> None:
    """[MQTT-3.1.2-22]: one and a half times what it promised."""
    async with station() as made, made.peer(keep_alive_s=10) as peer:
        now = asyncio.get_running_loop().time()
        made.connection.check(now + 14)
        peer.write(peer.machine.ping())
        await peer.expect(Pingresp)
        made.connection.check(now + 16)
        assert (await peer.farewell()).reason is Reason.KEEP_ALIVE_TIMEOUT


async def test_who_is_not_read_is_not_silent() -> None:
    """Held back for its rate, a device speaks and we do not listen."""
    slow = LimitSettings(principal_messages=Rate(0.001, 32))
    async with station(limits=slow) as made, made.peer("app", version=4, keep_alive_s=1) as peer:
        for _ in range(2):
            for _ in range(64):
                peer.publish("plain", b".")
            await peer.expect(Puback)
        await until(lambda: made.limiter.waits)
        made.connection.check(asyncio.get_running_loop().time() + 100)
        assert not made.connection.closing_at


async def test_who_does_not_say_who_it_is_is_let_go() -> None:
    """MQ-4: ten seconds for CONNECT."""
    async with station() as made:
        peer = await Peer.dial(made.listener.port)
        await until(lambda: len(made.listener))
        made.connection.check(asyncio.get_running_loop().time() + 11)
        assert await peer.rest() == []
