"""What LoRaWAN servers have in common."""

import json

import pytest
from tests.ingest.dialects.test_lorawan import EUI, PROBE, SERVER, counted
from tests.ingest.support import PUMP_7, Devices

from weft.errors import PayloadInvalid
from weft.ingest.dialects.dialect import Speaker
from weft.ingest.dialects.lorawan_words import (
    Address,
    Location,
    Queued,
    RxInfo,
    child_of,
    event_of,
    radio_of,
    read_as,
    result_of,
    unused,
)

SPEAKER = Speaker(PUMP_7, SERVER, Devices(SERVER, PROBE))


def test_a_device_is_known_by_its_eui_in_any_case() -> None:
    assert child_of(SPEAKER, EUI.upper(), "") is PROBE
    for wrong in ("", EUI[:-1], EUI + "0", "zz" * 8):
        with pytest.raises(PayloadInvalid, match="DevEUI"):
            child_of(SPEAKER, wrong, "")


def test_the_best_reception_counts() -> None:
    """One that says nothing of it is the last that is asked."""
    heard = [RxInfo(), RxInfo(-101.0, 2.5), RxInfo(-57.0, 10.0)]
    assert radio_of(heard, 5) == {"rssi": -57.0, "snr": 10.0, "dr": 5}
    assert radio_of([], None) == {"rssi": None, "snr": None, "dr": None}


@pytest.mark.parametrize(
    ("application", "device", "is_valid"),
    [
        ("app1", "eui-0101", True),
        ("a" * 36, "dev", True),
        ("a" * 37, "dev", False),
        ("ap", "dev", False),
        ("app1", "../x", False),
        ("app1", "a--b", False),
        ("app1", "dev\n", False),
        ("App1", "dev", False),
        ("app-", "dev", False),
        ("", "", False),
    ],
)
def test_an_address_is_of_ids_alone(application: str, device: str, is_valid: bool) -> None:
    assert Address(application, device).is_valid is is_valid


def test_an_accuracy_that_nobody_knows_is_none() -> None:
    assert Location(1.0, 2.0, 3.0).values()["location_accuracy"] is None


def test_the_end_of_a_command_says_what_ended_it() -> None:
    queued = Queued("q", PROBE.tenant, PROBE.device_id, "r-1", confirmed=True)
    ended, failed = result_of(queued, "ack"), result_of(queued, "ack", "Nobody is there.")
    assert json.loads(ended.payload) == {"status": "succeeded", "output": {"event": "ack"}}
    assert json.loads(failed.payload) == {"status": "failed", "error": "Nobody is there."}
    assert ended.topic == failed.topic == "devices/probe-1/commands/r-1/result"


def test_an_event_without_a_type_holds_what_there_is() -> None:
    [said] = event_of(SPEAKER, PROBE, "joined", {"dev_addr": "00BCB929", "other": ""})
    assert json.loads(said.payload) == {"dev_addr": "00BCB929"}


def test_what_needs_nothing_is_counted() -> None:
    before = counted("log")
    assert unused("log") == []
    assert counted("log") == before + 1


def test_what_cannot_be_read_names_the_server() -> None:
    with pytest.raises(PayloadInvalid, match="no event of ChirpStack") as refused:
        read_as(b"\x0a", RxInfo, "ChirpStack")
    assert "JSON" in refused.value.remedy
