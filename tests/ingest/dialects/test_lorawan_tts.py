"""The Things Stack: each of its webhooks' messages, as its data formats describe them."""

import json
from typing import Any

import pytest
from msgspec.structs import replace
from tests.ingest.dialects.test_lorawan import (
    EUI,
    HEARD,
    PROBE,
    SERVER,
    TTS_UP,
    TYPED,
    counted,
    typed,
)
from tests.ingest.support import PUMP_7, Devices, Types

from weft.errors import PayloadInvalid
from weft.ingest.dialects.dialect import Speaker
from weft.ingest.dialects.lorawan_tts import TheThingsStack
from weft.ingest.dialects.lorawan_words import Address, Queued
from weft.model.ids import TenantId

OURS = "weft:00112233445566778899aabbccddeeff"
QUEUED = Queued(OURS, PROBE.tenant, PROBE.device_id, "r-1", confirmed=True)
RESULT = "devices/probe-1/commands/r-1/result"
IDS: dict[str, Any] = {"device_id": "dev1", "application_ids": {"application_id": "app1"}}
FULL_IDS: dict[str, Any] = {**IDS, "dev_eui": EUI, "dev_addr": "00C30DFA"}


def downlink(event: str, **more: Any) -> dict[str, Any]:
    """What became of a downlink, as the network tells it."""
    told = {"f_port": 15, "f_cnt": 1, "frm_payload": "vu8=", "confirmed": True}
    told |= {"priority": "NORMAL", "correlation_ids": ["as:downlink:01E1", OURS], **more}
    outer = ["as:downlink:01E1", "as:up:01E1", OURS]
    return {"end_device_ids": FULL_IDS, "correlation_ids": outer, event: told}


def failed(**error: Any) -> dict[str, Any]:
    """A failure: the one message that names no DevEUI."""
    told = {"downlink": {"f_port": 15, "correlation_ids": [OURS]}, "error": error}
    return {"end_device_ids": IDS, "correlation_ids": [OURS], "downlink_failed": told}


def read(
    said: dict[str, Any],
    queued: Queued | None = QUEUED,
    document: dict[str, Any] | None = None,
    address: Address | None = None,
) -> list[tuple[str, Any]]:
    """Read a message where one command is queued, and devices have the address `address`."""
    if document is None:
        speaker = Speaker(PUMP_7, SERVER, Devices(SERVER, PROBE))
    else:
        speaker = Speaker(PUMP_7, SERVER, Devices(SERVER, TYPED), Types(typed(document)))
    held = {} if queued is None else {queued.queue_id: queued}
    stack = TheThingsStack(held.get, lambda _gateway, _child, new: address not in {None, new})
    parts = stack.read(speaker, json.dumps(said).encode())
    return [(part.topic, json.loads(part.payload)) for part in parts]


@pytest.mark.parametrize(
    ("event", "confirmed", "status"),
    [
        ("downlink_ack", True, "succeeded"),
        ("downlink_ack", False, None),
        ("downlink_sent", True, None),
        ("downlink_sent", False, "succeeded"),
        ("downlink_nack", True, "failed"),
        ("downlink_queued", True, None),
        ("downlink_queued", False, None),
    ],
)
def test_a_command_ends_with_its_acknowledgement_or_unconfirmed_when_sent(
    event: str, confirmed: bool, status: str | None
) -> None:
    """The correlation id ties them; a step that ends nothing is counted."""
    before = counted(event)
    found = read(downlink(event), replace(QUEUED, confirmed=confirmed))
    if status is None:
        assert (found, counted(event)) == ([], before + 1)
    else:
        [(topic, result)] = found
        assert (topic, result["status"]) == (RESULT, status)


@pytest.mark.parametrize(
    ("retry", "ends"),
    [
        ({"attempt": 2, "max_attempts": 3}, False),
        ({"attempt": 3, "max_attempts": 3}, False),
        ({"attempt": 4, "max_attempts": 3}, True),
        ({"attempt": 2}, False),
        (None, True),
    ],
)
def test_a_nack_ends_a_command_only_when_nothing_is_tried_again(
    retry: dict[str, int] | None, ends: bool
) -> None:
    """The attempt is the one that comes next. Older servers say nothing of attempts: they do
    not try again."""
    more = {} if retry is None else {"confirmed_retry": retry}
    found = read(downlink("downlink_nack", **more))
    assert [topic for topic, _ in found] == ([RESULT] if ends else [])


def test_a_failure_ends_a_command_with_the_networks_reason() -> None:
    """It names no DevEUI, so the correlation id is all there is; its text is kept short."""
    text = "application downlink payload is too long"
    [(topic, result)] = read(failed(name="application_downlink_too_long", message_format=text))
    assert (topic, result) == (RESULT, {"status": "failed", "error": text})
    [(_, result)] = read(failed(message_format="\x1b[31m" + "x" * 1_000))
    assert result["error"] == ("[31m" + "x" * 1_000)[:200]
    [(_, result)] = read(failed())
    assert "could not send" in result["error"]


@pytest.mark.parametrize("event", ["downlink_queued", "downlink_sent", "downlink_nack"])
def test_a_downlink_whose_answer_was_lost_is_known_to_have_arrived(event: str) -> None:
    """Any step proves it: the command is not sent again."""
    lost = replace(QUEUED, placed=False)
    found = read(downlink(event, confirmed_retry={"attempt": 2, "max_attempts": 3}), lost)
    assert found == [("devices/probe-1/dialects/lorawan/placed", {"queue_id": OURS})]


@pytest.mark.parametrize("event", ["ack", "nack", "sent", "queued", "failed"])
def test_what_became_of_a_downlink_of_somebody_else_is_counted(event: str) -> None:
    """Queued in the console, by another tenant's Weft, or of a command that ended before."""
    name = f"downlink_{event}"
    said = failed() if event == "failed" else downlink(name)
    before = counted(name)
    assert read(said, queued=None) == []
    assert read(said, queued=replace(QUEUED, tenant=TenantId("globex"))) == []
    assert counted(name) == before + 2


def test_a_queue_that_the_network_makes_anew_is_its_own_affair() -> None:
    before = counted("downlink_queue_invalidated")
    said = {"end_device_ids": IDS, "downlink_queue_invalidated": {"last_f_cnt_down": 4}}
    assert read(said) == []
    assert counted("downlink_queue_invalidated") == before + 1


def test_what_the_network_calls_a_device_is_learnt_once_from_its_uplinks() -> None:
    """Not from one that is redriven, and no name that could be no part of a path."""
    topic = "devices/probe-1/dialects/lorawan/address"
    new = Address("app1", "dev1")
    found = read(TTS_UP, address=Address("app1", "old"))
    assert found[0] == (topic, {"application": "app1", "device": "dev1"})
    assert [one for one, _ in found[1:]] == ["devices/probe-1/telemetry"]
    assert len(read(TTS_UP, address=new)) == 1
    join = {"end_device_ids": FULL_IDS, "join_accept": {}}
    assert read(join, address=Address("app1", "old"))[0][0] == topic
    wrong = TTS_UP | {"end_device_ids": {**FULL_IDS, "device_id": "../x"}}
    assert [one for one, _ in read(wrong, address=new)] == ["devices/probe-1/telemetry"]
    speaker = Speaker(PUMP_7, SERVER, Devices(SERVER, PROBE), again=True)
    again = TheThingsStack(lambda _: None, lambda *_: True).read(
        speaker, json.dumps(TTS_UP).encode()
    )
    assert [part.topic for part in again] == ["devices/probe-1/telemetry"]


def test_a_place_that_was_solved_is_telemetry() -> None:
    place = {"latitude": 37.97, "longitude": 23.72, "accuracy": 14}
    said = {
        "end_device_ids": FULL_IDS,
        "received_at": "2020-02-12T15:15:46Z",
        "location_solved": {"service": "lora-cloud", "location": place},
    }
    [(topic, found)] = read(said)
    assert topic == "devices/probe-1/telemetry"
    assert found["ts"] == "2020-02-12T15:15:46Z"
    assert found["values"] == {
        "latitude": 37.97,
        "longitude": 23.72,
        "altitude": 0.0,
        "location_accuracy": 14.0,
    }
    before = counted("location_solved")
    assert read(said, document={"telemetry": {"t": {"type": "number"}}}) == []
    assert counted("location_solved") == before + 1


def test_a_services_data_is_an_event_where_there_is_a_place_for_it() -> None:
    data = {"service": "lora-cloud", "data": {"battery": 3}}
    said = {"end_device_ids": FULL_IDS, "service_data": data}
    topic = "devices/probe-1/events/service_data"
    assert read(said) == [(topic, data)]
    declared = {
        "telemetry": {"t": {"type": "number"}},
        "events": {"service_data": {"service": {"type": "string"}}},
    }
    assert read(said, document=declared) == [(topic, {"service": "lora-cloud"})]
    before = counted("service_data")
    assert read(said, document={"telemetry": {"t": {"type": "number"}}}) == []
    assert counted("service_data") == before + 1


def test_an_empty_frame_says_that_the_device_is_there() -> None:
    said = TTS_UP | {"uplink_message": {"f_cnt": 4, "received_at": "2020-02-12T15:15:46Z"}}
    assert read(said) == [HEARD]


@pytest.mark.parametrize(
    "said",
    [
        {"end_device_ids": FULL_IDS},
        {"end_device_ids": FULL_IDS, "uplink_normalized": {"normalized_payload": {}}},
        {"end_device_ids": IDS, "service_data": {"service": "x"}},
        {"end_device_ids": FULL_IDS, "downlink_ack": {"correlation_ids": "x"}},
        {"end_device_ids": FULL_IDS, "downlink_failed": []},
    ],
)
def test_a_message_that_is_not_known_is_refused_and_not_ignored(said: dict[str, Any]) -> None:
    with pytest.raises(PayloadInvalid) as refused:
        read(said)
    assert refused.value.remedy
