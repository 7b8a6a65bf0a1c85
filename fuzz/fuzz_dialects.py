"""Mutated messages through all dialects' tables: `python fuzz/fuzz_dialects.py --inputs 10000000`.

Each input is a topic and a payload, in one line behind the other, as a gateway's session
would have sent them. Every dialect that is registered reads it, whether it begins as its
topics do or not. What comes of it are native messages, or a reason with words; filters and
deliveries are renamed without a fault, and a filter always to private topics of a device.
Needs the extra `sparkplug`.
"""

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.fuzz_sparkplug import load_corpus as sparkplug_payloads
from fuzz.harness import main

from weft.app.dialects import make_dialects
from weft.errors import PeerError
from weft.ingest.dialects import native
from weft.ingest.dialects.dialect import Speaker, parse_private
from weft.ingest.dialects.lorawan import LoRaWan
from weft.ingest.dialects.lorawan_words import Queued
from weft.model.device import Device, Lifecycle
from weft.model.ids import DeviceId, DeviceUid, TenantId
from weft.model.principal import Principal, PrincipalKind

TENANT = TenantId("main")
CHIRPSTACK_EVENTS = ("up", "join", "status", "ack", "txack", "location", "log")
EUI = "0101010101010101"
GATEWAY = Device(
    TENANT, DeviceId("gw-1"), DeviceUid("uid-gw"), None, Lifecycle.ACTIVE, 0, adds_children=True
)
ROOM = Device(
    TENANT,
    DeviceId("room-1"),
    DeviceUid("uid-room"),
    None,
    Lifecycle.ACTIVE,
    0,
    gateway=DeviceUid("uid-gw"),
    alias="Room 1",
)
OURS = "weft:00112233445566778899aabbccddeeff"
QUEUED = {
    OURS: Queued(OURS, TENANT, DeviceId("room-1"), "r-1", confirmed=True),
    "q-1": Queued("q-1", TENANT, DeviceId("room-1"), "r-2", confirmed=False, placed=False),
}
SPEAKER = Principal(TENANT, PrincipalKind.DEVICE, "gw-1", "uid-gw")


class Known:
    """The gateway has one device."""

    def find_child(self, _gateway: Device, alias: str) -> Device | None:
        """Find the device of an alias."""
        return ROOM if alias in {"Room 1", EUI} else None


def require_words(error: PeerError) -> None:
    """Raise unless a refusal says something."""
    assert error.detail, repr(error)


class Harness:
    """All tables, and what must hold of whatever they make of an input."""

    def __init__(self) -> None:
        self.speaker = Speaker(SPEAKER, GATEWAY, Known())
        self.table = make_dialects()
        lorawan = self.table.named("lorawan")
        assert isinstance(lorawan, LoRaWan)
        lorawan.find_queued_with(QUEUED.get, lambda _gateway, _child, _address: True)
        self.dialects = tuple(self.table)

    def __call__(self, data: bytes) -> int:
        """Read one message in every dialect; nothing is held."""
        head, _, payload = data.partition(b"\n")
        topic = head.decode(errors="replace")
        own = self.table.native_filter(topic, "gw-1")
        self.table.own_topic(own, "gw-1")
        self.table.own_topic(topic, "gw-1")
        refused: PeerError | None = None
        for dialect in self.dialects:
            renamed = dialect.native_filter(topic, "gw-1")
            if renamed is not None:
                assert parse_private(renamed) is not None, renamed
                dialect.own_topic(renamed, "gw-1")
            try:
                parts = dialect.read(self.speaker, topic, payload)
            except PeerError as error:
                require_words(error)
                if self.table.of_topic(topic) is dialect:
                    refused = error
                continue
            for part in parts:
                assert isinstance(part.payload, bytes)
                try:
                    native.map_topic(part.topic)
                except PeerError as error:  # a name that no topic of ours can hold
                    require_words(error)
        if refused is not None:
            raise refused
        return 0


def things_stack_messages() -> list[dict[str, Any]]:
    """One message of each kind that The Things Stack's webhooks send."""
    ids = {"device_id": "dev1", "application_ids": {"application_id": "app1"}, "dev_eui": EUI}
    downlink = {"f_port": 15, "frm_payload": "vu8=", "correlation_ids": ["as:downlink:1", OURS],
                "confirmed_retry": {"attempt": 4, "max_attempts": 3}}  # fmt: skip
    place = {"latitude": 37.9, "longitude": 23.7, "accuracy": 14}
    members: dict[str, Any] = {
        f"downlink_{event}": downlink for event in ("ack", "nack", "sent", "queued")
    }
    members |= {
        "downlink_failed": {"downlink": downlink, "error": {"message_format": "too long"}},
        "downlink_queue_invalidated": {"downlinks": [downlink]},
        "uplink_message": {"decoded_payload": {"t": 1}, "rx_metadata": [{"rssi": -35}]},
        "join_accept": {"session_key_id": "AX"},
        "location_solved": {"service": "s", "location": place},
        "service_data": {"service": "s", "data": {"a": 1}},
    }
    return [{"end_device_ids": ids, name: member} for name, member in members.items()]


def load_corpus() -> list[bytes]:
    """Topics of each dialect with payloads that are right, or nearly so."""
    documents = [
        {"temperature": 21.5, "mode": "12", "none": None},
        {"ts": 1772366400000, "values": {"a": 1, "b": None}, "metadata": {"publishedTs": 1}},
        [{"a": 1}, {"ts": 1, "values": {"b": 2}}],
        {"clientKeys": "a,b", "sharedKeys": ""},
        {"method": "getCurrentTime", "params": {}},
        {"error": "stuck", "code": 7},
        {"device": "Room 1", "type": "default"},
        {"device": "Room 1", "id": 4, "data": {"ok": True}},
        {"id": 1, "device": "Room 1", "client": True, "keys": ["a"]},
        {"Room 1": [{"ts": 1, "values": {"a": None}}], "Room 9": {"x": 1}},
        {"Room 1": {"secretKey": "s", "durationMs": 1}},
        {"state": {"reported": {"a": 1}, "desired": None}, "version": 3, "clientToken": "t"},
        {"deviceInfo": {"devEui": EUI}, "time": "2026-03-01T12:00:00Z", "fPort": 2, "data": "AQI=",
         "object": {"t": 21.5}, "rxInfo": [{"rssi": -57, "snr": 10}], "margin": 3},
        *things_stack_messages(),
        {"queueItemId": "q-1", "acknowledged": True},
    ]  # fmt: skip
    payloads = [json.dumps(one).encode() for one in documents]
    payloads += [b"", b"null", b"21.5", b"\xff", b"\x08\x96\x01", b'{"a":' * 60]
    device = ["telemetry", "attributes", "attributes/request/1", "rpc/request/1",
              "rpc/response/1", "claim"]  # fmt: skip
    gateway = ["connect", "disconnect", "telemetry", "attributes", "attributes/request", "rpc",
               "claim"]  # fmt: skip
    short = ["t", "t/j", "t/p", "a", "a/req/1", "a/req/j/1", "r/req/1", "r/res/1",
             "fw/request/1/chunk/0"]  # fmt: skip
    shadow = ["update", "get", "delete", "name/x/update", "update/+"]
    topics = [f"v1/devices/me/{rest}" for rest in device]
    topics += [f"v1/gateway/{rest}" for rest in gateway]
    topics += [f"v2/{rest}" for rest in short]
    topics += [f"$aws/things/gw-1/shadow/{rest}" for rest in shadow]
    topics += [prefix for dialect in make_dialects() for prefix in dialect.prefixes]
    topics += [f"$lorawan/chirpstack/{event}" for event in CHIRPSTACK_EVENTS]
    topics += ["$lorawan/tts"]
    topics += ["devices/gw-1/dialects/thingsboard/down/me/rpc/request/1", "$share/g/v1/gateway/+"]
    edge = [f"{kind}/gw-1" for kind in ("NBIRTH", "NDATA", "NDEATH")]
    edge += [f"{kind}/gw-1/Room 1" for kind in ("DBIRTH", "DDATA", "DDEATH")]
    births = [(f"spBv1.0/plant/{rest}", sparkplug_payloads()) for rest in edge]
    said = [(topic, payloads) for topic in topics] + births
    return [topic.encode() + b"\n" + payload for topic, all_ in said for payload in all_]


if __name__ == "__main__":
    sys.exit(main("dialects", Harness(), load_corpus(), held_bytes=0))
