"""The sandbox: each step as the gate takes it, and the one that fails with its reason."""

from typing import Any

import cbor2
import pytest
from tests.ingest.support import ACME, pump_type

from weft.errors import ConfigurationError
from weft.ingest import trial as trial_module
from weft.ingest.trial import Asked, Trial, try_payload
from weft.model.message import Operation
from weft.registry.thing_models import read_type
from weft.wire.payload.sparkplug import DataType, Metric, Payload, encode

NOW = 1_772_366_400_000_000_000
PROBE = read_type(
    ACME,
    "probe",
    {
        "telemetry": {"temperature": {"type": "number", "unit": "Cel", "maximum": 100}},
        "properties": {"firmware": {"type": "string"}},
        "events": {"leak": {"litres": {"type": "number"}}},
        "mapping": {
            "telemetry": {"temperature": {"from": "sensor.t", "scale": 0.1}},
            "properties": {"firmware": "fw"},
        },
    },
    version=3,
    at=0,
)


def tried(payload: bytes, **asked: Any) -> Trial:
    operation = asked.pop("operation", Operation.TELEMETRY)
    return try_payload(PROBE, Asked(operation, payload, **asked), NOW)


def test_every_step_is_shown() -> None:
    """What came, what the mapping made of it, what would be kept."""
    trial = tried(b'{"sensor": {"t": 214}}')
    reading = {"at": "2026-03-01T12:00:00Z", "values": {"temperature": 21.4}}
    assert [(step.name, step.value) for step in trial.steps] == [
        ("format", "json"),
        ("read", {"sensor": {"t": 214}}),
        ("mapped", [reading]),
        ("checked", [reading]),
    ]
    assert trial.value == [reading]
    assert trial.problem is None


@pytest.mark.parametrize(
    ("asked", "payload", "step", "says"),
    [
        ({"content_type": "application/xml"}, b"<a/>", "format", "application/xml"),
        ({}, b"{", "read", "not JSON"),
        ({"content_type": "application/cbor"}, b"\xff", "read", "break"),
        ({}, b'{"sensor": {"u": 1}}', "mapped", "sensor.u"),
        ({}, b'{"sensor": {"t": 9000}}', "checked", "<= 100"),
        ({"operation": Operation.EVENT, "name": "leek"}, b"{}", "format", "no event 'leek'"),
        ({"operation": Operation.EVENT, "name": "leak"}, b'{"x": 1}', "checked", "'x'"),
        ({"operation": Operation.COMMAND}, b"{}", "format", "Nothing is decoded"),
    ],
)
def test_the_step_that_fails_says_why(
    asked: dict[str, Any], payload: bytes, step: str, says: str
) -> None:
    problem = tried(payload, **asked).problem
    assert problem is not None
    assert problem.step == step
    assert says in problem.detail
    assert problem.remedy


def test_reports_and_events_are_tried_too() -> None:
    report = tried(b'{"fw": "1.4"}', operation=Operation.REPORTED)
    assert report.value == {"firmware": "1.4"}
    event = tried(
        cbor2.dumps({"litres": 2}),
        operation=Operation.EVENT,
        name="leak",
        content_type="application/cbor",
    )
    assert event.value == {"litres": 2}
    assert [step.name for step in event.steps] == ["format", "read", "checked"]


def test_a_pack_is_shown_resolved() -> None:
    payload = b'[{"bn": "urn:1:", "n": "sensor", "u": "Cel", "v": 21}]'
    trial = try_payload(
        pump_type(), Asked(Operation.TELEMETRY, payload, "", "application/senml+json"), NOW
    )
    assert trial.steps[1].value[0]["name"] == "urn:1:sensor"
    assert trial.problem is not None
    assert "no telemetry 'sensor'" in trial.problem.detail


def metrics(*metrics: Metric) -> Asked:
    payload = encode(Payload(metrics, timestamp=NOW // 1_000_000, seq=0))
    return Asked(Operation.TELEMETRY, payload, content_type="sparkplug")


def test_sparkplugs_metrics_are_shown_and_tried_as_the_telemetry_they_become() -> None:
    """As the gate reads a birth; what is no telemetry is shown and left out."""
    asked = metrics(
        Metric("bdSeq", datatype=DataType.INT64, value=3),
        Metric("temperature", 1, datatype=DataType.FLOAT, value=21.5),
        Metric("rpm", datatype=DataType.INT32, value=-900, timestamp=NOW // 1_000_000 - 1_000),
    )
    trial = try_payload(pump_type(), asked, NOW)
    assert [step.name for step in trial.steps] == ["format", "read", "named", "checked"]
    assert trial.steps[0].value == "sparkplug"
    assert trial.steps[1].value[1:] == [
        {"name": "temperature", "alias": 1, "type": "FLOAT", "value": 21.5},
        {"name": "rpm", "type": "INT32", "timestamp": 1_772_366_399_000, "value": -900},
    ]
    assert trial.steps[2].value[0] == {"ts": 1_772_366_400_000, "values": {"temperature": 21.5}}
    assert trial.value == [
        {"at": "2026-03-01T12:00:00Z", "values": {"temperature": 21.5}},
        {"at": "2026-03-01T11:59:59Z", "values": {"rpm": -900}},
    ]


def test_sparkplug_goes_through_the_types_mapping() -> None:
    """What a mapping speaks of is shown by the step before it: readings with their moments."""
    document = {
        "telemetry": {"temperature": {"type": "number"}},
        "mapping": {
            "time": "ts",
            "telemetry": {"temperature": {"from": "values.oven", "scale": 0.1}},
        },
    }
    oven = read_type(ACME, "oven", document, version=1, at=0)
    trial = try_payload(oven, metrics(Metric("oven", datatype=DataType.INT16, value=214)), NOW)
    assert trial.problem is None, trial.problem
    assert trial.value[0]["values"] == {"temperature": 21.4}


def test_a_weft_without_protobuf_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra: nothing is wrong with the payload."""

    def missing(_payload: bytes) -> Payload:
        raise ConfigurationError("Sparkplug B is read with protobuf.", remedy="Install it.")

    monkeypatch.setattr(trial_module, "read_sparkplug", missing)
    problem = try_payload(pump_type(), metrics(), NOW).problem
    assert problem is not None
    assert (problem.step, problem.remedy) == ("read", "Install it.")


@pytest.mark.parametrize(
    ("asked", "step", "says"),
    [
        (Asked(Operation.TELEMETRY, b"{}", content_type="Sparkplug"), "read", "not Sparkplug B"),
        (metrics(Metric(alias=7, value=1.5)), "named", "alias 7"),
        (metrics(Metric("bdSeq", datatype=DataType.INT64, value=3)), "named", "None of its"),
        (metrics(Metric("level", datatype=DataType.DOUBLE, value=1.5)), "checked", "'level'"),
        (
            metrics(Metric("rpm", datatype=DataType.INT32, value=1, timestamp=2**64 - 1)),
            "checked",
            "ts",
        ),
        (Asked(Operation.REPORTED, b"", content_type="sparkplug"), "format", "telemetry"),
    ],
)
def test_what_of_sparkplug_fails_says_why(asked: Asked, step: str, says: str) -> None:
    problem = try_payload(pump_type(), asked, NOW).problem
    assert problem is not None
    assert (problem.step, says in problem.detail, bool(problem.remedy)) == (step, True, True)


def test_bytes_are_shown_in_hex() -> None:
    document = {
        "telemetry": {"rpm": {"type": "integer"}},
        "mapping": {"format": "binary", "binary": {"fields": {"rpm": {"byte": 0, "bytes": 2}}}},
    }
    binary = read_type(ACME, "x", document, version=1, at=0)
    trial = try_payload(binary, Asked(Operation.TELEMETRY, b"\x03\x84"), NOW)
    assert trial.steps[1].value == {"hex": "03 84", "bytes": 2}
    assert trial.value[0]["values"] == {"rpm": 900}
