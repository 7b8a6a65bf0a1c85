"""What the topics of a shadow mean, in native words."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ingest.support import PUMP_7, Devices, device

from weft.errors import Invalid, PayloadInvalid, PeerError, QuotaExceeded
from weft.ingest.dialects.aws_shadow import AwsShadow, read_request
from weft.ingest.dialects.dialect import Speaker

SHADOW = AwsShadow()
SPEAKER = Speaker(PUMP_7, device(), Devices(device()))
PREFIX = "$aws/things/pump-7/shadow/"
PRIVATE = "devices/pump-7/dialects/aws/"


def read(verb: str, document: object) -> list[tuple[str, bytes]]:
    said = SHADOW.read(SPEAKER, PREFIX + verb, json.dumps(document).encode())
    return [(one.topic, one.payload) for one in said]


def test_a_plain_report_is_a_report_and_a_question() -> None:
    """The report is kept before it is acknowledged; the question has it answered."""
    document = {"state": {"reported": {"rpm": 900}}, "clientToken": "t"}
    report, question = read("update", document)
    assert report == ("devices/pump-7/properties/reported", b'{"rpm":900}')
    assert question == (PRIVATE + "update", json.dumps(document).encode())


@pytest.mark.parametrize(
    "document",
    [
        {"state": {"reported": {"rpm": 900}}, "version": 3},
        {"state": {"desired": {"rpm": 900}}},
        {"state": {"reported": {"rpm": 900}, "desired": None}},
        {"state": {"reported": None}},
        {},
    ],
)
def test_what_depends_on_the_twin_is_a_question_alone(document: object) -> None:
    assert [topic for topic, _ in read("update", document)] == [PRIVATE + "update"]


@pytest.mark.parametrize("verb", ["get", "delete"])
def test_get_and_delete_are_questions(verb: str) -> None:
    said = SHADOW.read(SPEAKER, PREFIX + verb, b"")
    assert [(one.topic, one.payload) for one in said] == [(PRIVATE + verb, b"")]


@pytest.mark.parametrize(
    "topic",
    [
        "$aws/things/pump-7/shadow/name/config/update",
        "$aws/things/pump-7/jobs/get",
        "$aws/things/pump-7/shadow/update/accepted",
        "$aws/rules/x/y",
    ],
)
def test_other_topics_of_aws_are_refused_with_what_there_is(topic: str) -> None:
    with pytest.raises(Invalid) as met:
        SHADOW.read(SPEAKER, topic, b"{}")
    assert "shadow" in met.value.remedy


@pytest.mark.parametrize(
    "payload",
    [
        b"{",
        b"[]",
        b'{"state": 1}',
        b'{"state": {"reported": 1}}',
        b'{"state": {"other": {}}}',
        b'{"version": "x"}',
        b'{"clientToken": "%s"}' % (b"x" * 65),
        b"\xff",
    ],
)
def test_a_document_that_is_none_is_told(payload: bytes) -> None:
    with pytest.raises(PayloadInvalid):
        read_request(payload)


def test_a_client_subscribes_and_hears_in_the_words_of_aws() -> None:
    filter_ = SHADOW.native_filter(PREFIX + "update/+", "pump-7")
    assert filter_ == PRIVATE + "update/+"
    assert SHADOW.own_topic(PRIVATE + "update/accepted", "pump-7") == PREFIX + "update/accepted"
    assert SHADOW.native_filter("$aws/events/#", "pump-7") is None
    assert SHADOW.own_topic("devices/pump-7/telemetry", "pump-7") is None


@given(st.text(max_size=40), st.binary(max_size=80))
def test_whatever_comes_is_read_or_refused(rest: str, payload: bytes) -> None:
    for topic in ("$aws/" + rest, PREFIX + rest, PREFIX + "update"):
        try:
            said = SHADOW.read(SPEAKER, topic, payload)
        except PeerError:
            continue
        assert said


def test_no_more_is_taken_in_than_can_be_done() -> None:
    """What is acknowledged is done; so an act too many is refused, and a report is none."""
    shadow = AwsShadow()
    shadow.has_room_by(lambda: False)
    speaker = Speaker(PUMP_7, None, Devices())
    topic = "$aws/things/pump-7/shadow/"
    for verb, payload in (("update", b'{"state":{"desired":{"x":1}}}'), ("delete", b"")):
        with pytest.raises(QuotaExceeded, match="wait to be done"):
            shadow.read(speaker, topic + verb, payload)
    assert len(shadow.read(speaker, topic + "update", b'{"state":{"reported":{"x":1}}}')) == 2
    assert len(shadow.read(speaker, topic + "get", b"")) == 1
