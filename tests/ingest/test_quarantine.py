"""The quarantine: heard, kept, and admitted nowhere until somebody says so."""

from typing import Any

import cbor2
import msgspec
import pytest
from msgspec.structs import replace
from tests.ingest.support import ACME, PUMP_7, Door, device

from weft.backends.memory.records import MemoryReader, MemoryRecords
from weft.ingest.quarantine import propose
from weft.ingest.rejections import (
    REJECTIONS,
    Rejection,
    RejectionInbox,
    RejectionSettings,
    rejection_key,
)
from weft.ingest.submit import Message
from weft.model.device import Lifecycle
from weft.ports import Writer


class Waiting(Door):
    """A door at which pump-7 waits: the policy gives it nothing."""

    def __init__(self, settings: RejectionSettings | None = None) -> None:
        self.records = MemoryRecords()
        self.inbox = RejectionInbox(self.records, settings or RejectionSettings())
        super().__init__(projections=[self.inbox])
        self.policy.allowed = [("nobody", "topic:")]
        self.wait_as(Lifecycle.PENDING, "claim:c")

    def wait_as(self, lifecycle: Lifecycle, origin: str) -> None:
        pump = replace(device(state=lifecycle), origin=origin, uid=PUMP_7.uid)
        self.devices.known[ACME, "pump-7"] = pump
        self.gate.registry_changed()

    async def say(self, topic: str, payload: bytes = b'{"t": 1}') -> str:
        session = self.gate.open(PUMP_7, "test")
        reason = self.gate.admit(session, Message(topic, payload, qos=1), self.clock.now())
        self.clock.turn(1)
        await self.pipeline.drain()
        return reason.code if reason else "admitted"

    async def kept(self) -> list[Rejection]:
        await self.inbox.checkpoint()
        found = await self.records.read(lambda r: r.list(REJECTIONS, ACME, limit=1_000))
        return [record.value for record in found]


async def test_pr_4_first_words_are_kept_and_nothing_else_is() -> None:
    """Telemetry, reports and events of itself; all other topics stay forbidden."""
    async with Waiting().running() as door:
        assert isinstance(door, Waiting)
        for topic in ("telemetry", "properties/reported", "events/leak"):
            assert await door.say(f"devices/me/{topic}") == "device_pending"
        for topic in ("devices/me/commands/1/result", "devices/pump-8/telemetry", "plain/topic"):
            assert await door.say(topic) == "forbidden"
        assert {name for _, name, _, _ in door.recorder.seen} == {"REJECTED"}


async def test_pr_4_only_one_that_came_by_itself_is_heard() -> None:
    """Made pending by hand, suspended or revoked: refused as ever."""
    async with Waiting().running() as door:
        assert isinstance(door, Waiting)
        for lifecycle, origin in (
            (Lifecycle.PENDING, ""),
            (Lifecycle.SUSPENDED, "claim:c"),
            (Lifecycle.REVOKED, "claim:c"),
            (Lifecycle.SUSPENDED, "authority:a"),
            (Lifecycle.REVOKED, "authority:a"),
        ):
            door.wait_as(lifecycle, origin)
            assert await door.say("devices/me/telemetry") == "forbidden"


async def test_pr_4_a_device_that_a_customers_authority_vouches_for_is_heard_too() -> None:
    """It waits as one that came by a claim, and its first words propose its type."""
    async with Waiting().running() as door:
        assert isinstance(door, Waiting)
        door.wait_as(Lifecycle.PENDING, "authority:a")
        assert await door.say("devices/me/telemetry", b'{"temperature": 21}') == "device_pending"
        kept = await door.kept()
        assert set(propose(kept).document["telemetry"]) == {"temperature"}


async def test_the_first_messages_stay_and_the_rest_is_counted() -> None:
    """What it is shows in its first words; it cannot fill the inbox with the others."""
    async with Waiting(RejectionSettings(per_waiting_device=3)).running() as door:
        assert isinstance(door, Waiting)
        for number in range(5):
            await door.say("devices/me/telemetry", b'{"n": %d}' % number)
            await door.inbox.checkpoint()
        kept = await door.kept()
        assert [one.payload for one in kept] == [b'{"n": 0}', b'{"n": 1}', b'{"n": 2}']
        assert sum(one.left_out_before + one.left_out_after for one in kept) == 2


async def test_what_is_kept_is_bounded_in_bytes_too() -> None:
    """A few large messages are as bad as many small ones."""
    settings = RejectionSettings(per_waiting_device_bytes=1_000)
    async with Waiting(settings).running() as door:
        assert isinstance(door, Waiting)
        for _ in range(5):
            await door.say("devices/me/telemetry", b'{"text": "%s"}' % (b"x" * 400))
            await door.inbox.checkpoint()
        kept = await door.kept()
        assert len(kept) == 2
        assert sum(one.left_out_after for one in kept) == 3


async def test_a_waiting_device_costs_one_bounded_look_a_checkpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has filled the inbox before; what it says now is not held against all of that."""
    listed: list[int] = []
    whole = MemoryReader.list

    def counted(self: MemoryReader, kind: Any, *arguments: Any, **more: Any) -> Any:
        found = whole(self, kind, *arguments, **more)
        if kind is REJECTIONS:
            listed.append(len(found))
        return found

    async with Waiting(RejectionSettings(per_waiting_device=3)).running() as door:
        assert isinstance(door, Waiting)

        def fill(writer: Writer) -> None:
            for number in range(200):
                old = replace(_rejection("x", b"{"), position=10**9 + number, code="forbidden")
                writer.put(REJECTIONS, ACME, rejection_key(old.position), old)

        await door.inbox._records.write(fill)
        for _ in range(2):
            await door.say("devices/me/telemetry", b"{}")
            await door.inbox.checkpoint()
        monkeypatch.setattr(MemoryReader, "list", counted)
        session = door.gate.open(PUMP_7, "test")
        for _ in range(20):
            message = Message("devices/me/telemetry", b"{}", qos=1)
            door.gate.admit(session, message, door.clock.now())
        await door.pipeline.drain()
        await door.inbox.checkpoint()
        assert listed == [2]
        kept = [one for one in await door.kept() if one.code == "device_pending"]
        assert (len(kept), kept[-1].left_out_after) == (3, 19)


def _rejection(topic: str, payload: bytes) -> Rejection:
    return Rejection(
        1, ACME, "device", "pump-7", "pump-7", topic, 18 * 10**17, "device_pending", "", "",
        payload, len(payload), 1,
    )  # fmt: skip


def test_a_type_is_proposed_from_all_shapes_of_telemetry() -> None:
    """Single readings, readings with a time, and lists are one type."""
    proposal = propose(
        [
            _rejection("devices/me/telemetry", b'{"temperature": 21}'),
            _rejection("devices/me/telemetry", b'{"ts": 1772366400000, "values": {"rpm": 3}}'),
            _rejection("devices/pump-7/telemetry", b'[{"humidity": 40}, {"humidity": 41}]'),
            _rejection("devices/me/properties/reported", b'{"firmware": "1.2"}'),
            _rejection("devices/me/events/leak", b'{"litres": 2}'),
        ]
    )
    assert set(proposal.document["telemetry"]) == {"temperature", "rpm", "humidity"}
    assert set(proposal.document["properties"]) == {"firmware"}
    assert set(proposal.document["events"]) == {"leak"}
    assert proposal.notes == ()


def test_a_type_is_proposed_from_each_format_that_was_stated() -> None:
    """A constrained device speaks CBOR or SenML; what it stated says how it is read."""
    pack = [{"bn": "probe-", "n": "humidity", "u": "%RH", "v": 40.5}]
    in_cbor = cbor2.dumps([{-2: "probe-", 0: "pressure", 2: 1013.25}])
    said = [
        ("telemetry", cbor2.dumps({"temperature": 21.5}), "application/cbor"),
        ("telemetry", msgspec.json.encode(pack), "application/senml+json"),
        ("telemetry", in_cbor, "application/senml+cbor"),
        ("telemetry", b'{"rpm": 3}', "application/json; charset=utf-8"),
        ("properties/reported", cbor2.dumps({"firmware": "1.2"}), "application/cbor"),
        ("events/leak", cbor2.dumps({"litres": 2}), "application/cbor"),
    ]
    kept = [
        replace(_rejection(f"devices/me/{topic}", payload), content_type=stated)
        for topic, payload, stated in said
    ]
    proposal = propose(kept)
    assert set(proposal.document["telemetry"]) == {"temperature", "humidity", "pressure", "rpm"}
    assert set(proposal.document["properties"]) == {"firmware"}
    assert set(proposal.document["events"]) == {"leak"}
    assert (proposal.samples, proposal.notes) == (6, ())


def test_a_format_that_needs_a_type_is_noted_and_hides_nothing() -> None:
    """Plain text names no key; the JSON beside it is read all the same."""
    text = replace(_rejection("devices/me/telemetry", b"21.5"), content_type="text/plain")
    other = replace(text, content_type="application/xml")
    proposal = propose([text, other, _rejection("devices/me/telemetry", b'{"rpm": 3}')])
    assert set(proposal.document["telemetry"]) == {"rpm"}
    assert "2 of 3" in proposal.notes[0]


def test_what_cannot_be_read_is_noted() -> None:
    """It is kept all the same, for a person to look at."""
    proposal = propose(
        [_rejection("devices/me/telemetry", b"\x00\x01"), _rejection("elsewhere", b"{}")]
    )
    assert proposal.document == {}
    assert "2 of 2" in proposal.notes[0]
