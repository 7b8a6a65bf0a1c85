"""Deriving: which messages of which devices compute what; nothing of one tenant reaches another."""

from typing import Any

from msgspec.structs import replace
from tests.rules.derived.support import derivation
from tests.rules.support import START, Line, S, around, device

from weft.model.ids import DeviceId, TenantId
from weft.model.message import DERIVED, REDRIVEN, Committed, Envelope, Operation
from weft.model.telemetry import Reading
from weft.rules.derived.deriving import Deriving
from weft.rules.derived.model import DerivationDocument
from weft.rules.model import Selector

DOUBLED = replace(
    derivation("double", "double", ["temperature"]),
    document=DerivationDocument("double", "temperature * 2.0", Selector(type_name="machine")),
)


def deriving(*derivations: Any) -> Deriving:
    made = Deriving(around(device(), device("pump-8", type_name=None)))
    for one in derivations:
        made.set(one)
    return made


def told(made: Deriving, batch: Committed) -> list[tuple[str, list[dict[str, Any]]]]:
    found = made.take(batch, after=0)
    return [(one.device_id, [dict(r.values) for r in one.readings]) for one in found]


def test_only_the_devices_that_are_meant_are_computed() -> None:
    """By type; the other one has none."""
    made, line = deriving(DOUBLED), Line()
    assert told(made, line.say(0, {"temperature": 4.0})) == [("pump-7", [{"double": 8.0}])]
    assert told(made, line.say(1, {"temperature": 4.0}, name="pump-8", type_name="")) == []


def test_no_other_tenant_is_computed() -> None:
    """Its device has the same name and sends the same."""
    made, line = deriving(replace(DOUBLED, tenant=TenantId("other"))), Line()
    assert told(made, line.say(0, {"temperature": 4.0})) == []


def test_many_readings_of_one_message_come_together() -> None:
    """At their own moments."""
    made, line = deriving(DOUBLED), Line()
    readings = [Reading(START + n * S, {"temperature": float(n)}) for n in range(3)]
    (found,) = made.take(line.commit(readings, START + 9 * S), after=0)
    assert [(one.at, one.values) for one in found.readings] == [
        (START + n * S, {"double": 2.0 * n}) for n in range(3)
    ]


def test_a_late_sample_computes_nothing_now_and_is_noted() -> None:
    """Its moment is the oldest that has to be worked out again."""
    made, line = deriving(DOUBLED), Line()
    told(made, line.say(10, {"temperature": 4.0}))
    assert told(made, line.say(5, {"temperature": 4.0}, received=11)) == []
    assert told(made, line.say(7, {"temperature": 4.0}, received=12)) == []
    assert list(made.late.values()) == [START + 5 * S]


def test_a_redriven_message_is_late_though_its_receipt_is_old() -> None:
    """It was refused when it came, and newer ones were not."""
    made, line = deriving(DOUBLED), Line()
    told(made, line.say(10, {"temperature": 4.0}))
    batch = line.say(5, {"temperature": 4.0})
    batch.envelopes[0].session = REDRIVEN
    assert told(made, batch) == []
    assert list(made.late.values()) == [START + 5 * S]


def test_what_was_computed_computes_nothing_more() -> None:
    """What stands on it was computed with it."""
    made, line = deriving(DOUBLED), Line()
    batch = line.say(0, {"temperature": 4.0})
    batch.envelopes[0].session = DERIVED
    assert told(made, batch) == []


def test_a_dropped_derivation_leaves_nothing_behind() -> None:
    """The tenant costs what one without derivations costs."""
    made, line = deriving(DOUBLED), Line()
    told(made, line.say(0, {"temperature": 4.0}))
    assert not made.idle
    assert made.drop(DOUBLED) == [(DOUBLED.tenant, DeviceId("pump-7"))]
    assert made.idle
    assert told(made, line.say(1, {"temperature": 4.0})) == []


def test_a_report_computes_what_reads_a_property() -> None:
    """An envelope of another operation, the same device."""
    share = replace(
        derivation("share", "share", ["temperature"]),
        document=DerivationDocument("share", "temperature / twin.reported.limit"),
    )
    made, line = deriving(share), Line()
    assert told(made, line.say(0, {"temperature": 4.0})) == []
    batch = line.say(1, {"limit": 8.0}, operation=Operation.REPORTED)
    assert told(made, batch) == [("pump-7", [{"share": 0.5}])]
    assert isinstance(batch.envelopes[0], Envelope)
