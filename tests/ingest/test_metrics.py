"""Counters of the one door."""

from prometheus_client import REGISTRY
from tests.ingest.support import PUMP_7, Door

from weft.ingest.submit import Message


async def test_what_is_committed_and_refused_is_counted() -> None:
    def read(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0.0

    messages, refused = (
        read("weft_ingest_messages_total"),
        read("weft_ingest_rejected_total", code="payload_invalid"),
    )
    async with Door().running() as door:
        await door.ingest.submit(PUMP_7, "devices/me/telemetry", b'{"rpm": 1}', address="test")
        session = door.gate.open(PUMP_7, "test")
        door.gate.admit(session, Message("devices/me/telemetry", b"x"), door.clock.now())
        await door.pipeline.drain()
        assert read("weft_ingest_messages_total") == messages + 2
        assert read("weft_ingest_rejected_total", code="payload_invalid") == refused + 1
        assert read("weft_journal_head") == 2
