"""What a type says of the machine that it watches, and what it cannot say."""

from typing import Any

import pytest

from weft.errors import Invalid
from weft.model.device import Field
from weft.model.ids import TenantId
from weft.registry.production import production_of, read_production
from weft.registry.thing_model_writer import thing_model_of
from weft.registry.thing_models import read_type

TELEMETRY = {"state": Field("string"), "parts": Field("integer"), "rejects": Field("integer")}
SAID: dict[str, Any] = {
    "state": "state",
    "producing": ["running"],
    "not_planned": ["changeover"],
    "count": "parts",
    "rejects": "rejects",
    "ideal_per_hour": 1800,
    "silent": "2m",
}


def test_a_section_is_read() -> None:
    """All of it, with what is left out as it usually is."""
    found = read_production(SAID, TELEMETRY)
    assert found.producing == {"running"}
    assert found.keys == ("state", "parts", "rejects")
    assert (found.counts_total, found.ideal_per_hour) == (True, 1800.0)
    assert found.silent_ns == 120 * 10**9
    assert read_production({"state": "state", "producing": [True, 2]}, TELEMETRY).producing == {
        "true",
        "2",
    }


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"state": "speed"}, "state"),
        ({"count": "state"}, "count"),
        ({"producing": []}, "producing"),
        ({"producing": "running"}, "producing"),
        ({"ideal_per_hour": 0}, "ideal_per_hour"),
        ({"ideal_per_hour": True}, "ideal_per_hour"),
        ({"silent": "soon"}, "silent"),
        ({"silent": "900d"}, "silent"),
        ({"counts": "sometimes"}, "counts"),
        ({"good": "parts"}, "rejects"),
        ({"speed": 1}, "production"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(change: dict[str, Any], word: str) -> None:
    """Named, with what to write there."""
    with pytest.raises(Invalid) as raised:
        read_production({**SAID, **change}, TELEMETRY)
    assert word in raised.value.detail
    assert raised.value.remedy


def test_a_type_keeps_its_section_in_both_forms() -> None:
    """The short form and a Thing Model; a type without one says nothing."""
    short = {
        "telemetry": {"state": {"type": "string"}},
        "production": {"state": "state", "producing": ["on"]},
    }
    thing = {
        "@context": "https://www.w3.org/2022/wot/td/v1.1",
        "@type": "tm:ThingModel",
        "properties": {"state": {"type": "string", "weft:role": "telemetry"}},
        "weft:production": {"state": "state", "producing": ["on"]},
    }
    for document in (short, thing):
        made = read_type(TenantId("acme"), "press", document, version=1, at=0)
        found = production_of(made)
        assert found is not None
        assert found.producing == {"on"}
        written = thing_model_of(made)
        assert production_of(read_type(TenantId("acme"), "p", written, version=1, at=0)) == found
    assert production_of(None) is None
    with pytest.raises(Invalid, match="when the machine produces"):
        read_type(TenantId("acme"), "press", {**short, "production": {}}, version=1, at=0)
