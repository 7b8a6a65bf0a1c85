"""Filtering: the language of rules over what an event is about."""

from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace
from tests.connectors.support import MAIN, NOON, OTHER

from weft.connectors.events.filtering import event_filter
from weft.errors import Invalid
from weft.model.device import Device, Lifecycle
from weft.model.ids import DeviceId, DeviceUid, TypeName
from weft.model.subscription import Change, Topic

PUMP = Device(
    MAIN, DeviceId("pump-7"), DeviceUid("u"), TypeName("pump"), Lifecycle.ACTIVE, NOON,
    attributes={"hall": 2}, tags=("critical",),
)  # fmt: skip
LINE: Any = SimpleNamespace(
    tenant=MAIN, asset_id="l-1", kind="line", label="", tags=(), attributes={"site": "north"}
)
AROUND: Any = SimpleNamespace(
    devices=SimpleNamespace(find=lambda t, d: PUMP if (t, d) == (MAIN, "pump-7") else None),
    attachments=SimpleNamespace(of_device=lambda _uid: [SimpleNamespace(asset_uid="x")]),
    assets=SimpleNamespace(find_uid=lambda _uid: LINE, chain_of=lambda _a: ["plant", "l-1"]),
)
RAISED = Change(
    1, NOON, Topic.ALARM, "weft.alarm.raised", "alarms/a", "alarm:a", "pump-7", {},
    {"alarm.severity": "critical", "alarm.rule": "hot"},
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("alarm.severity == 'critical'", True),
        ("event.type.startsWith('weft.alarm')", True),
        ("device.type == 'pump' && 'critical' in device.tags", True),
        ("device.attributes.hall == 2 && asset.path.startsWith('/plant/')", True),
        ("asset.attributes.site == 'south'", False),
        ("'plant' in asset.ancestors", True),
        ("work_order.state == 'open'", False),  # it has none
        ("has(work_order.state) || alarm.rule == 'hot'", True),
        ("data.rpm > 1", False),
    ],
)
def test_what_a_filter_takes(text: str, *, matches: bool) -> None:
    """What is absent does not match."""
    assert event_filter(text, AROUND, MAIN).matches(RAISED) is matches


def test_another_tenants_device_or_asset_is_not_looked_at() -> None:
    """A filter reads nothing of a neighbour."""
    assert not event_filter("device.type == 'pump'", AROUND, OTHER).matches(RAISED)
    foreign = replace(RAISED, device_id="elsewhere")
    assert not event_filter("asset.kind == 'line'", AROUND, MAIN).matches(foreign)
    assert event_filter("device.id == 'elsewhere'", AROUND, MAIN).matches(foreign)


@pytest.mark.parametrize("text", ["alarm.severty == 'x'", "1 +", "alarm.severity", "nobody.x"])
def test_a_wrong_filter_is_refused_with_its_place(text: str) -> None:
    """At the subscription, not at three in the morning."""
    with pytest.raises(Invalid, match="The filter"):
        event_filter(text, AROUND, MAIN)


def test_az_5_a_filter_says_which_rights_it_takes() -> None:
    """AZ-5: what an event says itself takes none; its device and asset are looked up."""
    assert event_filter("", AROUND, MAIN).rights == frozenset()
    assert event_filter("alarm.rule == 'hot' && data.x == 1", AROUND, MAIN).rights == frozenset()
    assert event_filter("device.type == 'pump'", AROUND, MAIN).rights == {"device.read"}
    assert event_filter("asset.attributes.site == 'x'", AROUND, MAIN).rights == {"asset.read"}
