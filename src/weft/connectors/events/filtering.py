"""Filtering: which events a subscription wants, in the language of rules and groups.

It speaks of the event, and of the alarm, work order, device and asset that it is about. What
an event has not (an alarm's severity, where a device was created) is absent, and then the
filter does not match; `has()` tells.
"""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET, Struct

from weft.connectors.events.describing import device_facts
from weft.connectors.events.encoding import event_id
from weft.errors import Invalid
from weft.groups.filters import Around
from weft.groups.vocabulary import Vocabulary, rights_of
from weft.model.ids import DeviceId, TenantId
from weft.model.subscription import Change
from weft.rules.language.condition import compile_condition
from weft.rules.language.evaluate import FAILURES, evaluator
from weft.rules.language.syntax import Type
from weft.rules.language.values import plain

EVENTS = Vocabulary(
    records={
        "event": dict.fromkeys(("id", "type", "subject"), Type.STRING),
        "alarm": dict.fromkeys(
            ("id", "rule", "severity", "priority", "state", "message", "assignee"), Type.STRING
        ),
        "work_order": dict.fromkeys(
            ("id", "state", "connector", "title", "remote_state"), Type.STRING
        ),
        "device": {
            **dict.fromkeys(("id", "type", "label", "lifecycle"), Type.STRING),
            "tags": Type.LIST,
        },
        "asset": {
            **dict.fromkeys(("id", "kind", "label", "path"), Type.STRING),
            "ancestors": Type.LIST,
            "tags": Type.LIST,
        },
    },
    open={"data": "data"},
    nested={
        ("device", "attributes"): "device_attributes",
        ("asset", "attributes"): "asset_attributes",
    },
)


class EventFilter(Struct, frozen=True):
    """A checked filter over events, ready for one after the other."""

    matches: Callable[[Change], bool]
    rights: frozenset[str] = frozenset()  # actions that the owner must be allowed


def event_filter(text: str, around: Around, tenant: TenantId) -> EventFilter:
    """Compile a filter; raise `Invalid` with the column and what to write. Empty takes all."""
    if not text:
        return EventFilter(lambda _change: True)
    try:
        condition = compile_condition(text, EVENTS)
    except Invalid as error:
        raise Invalid(f"The filter: {error.detail}", remedy=error.remedy) from error
    paths = sorted(condition.paths)
    evaluate = evaluator(condition.tree, {path: place for place, path in enumerate(paths)})
    looks_up = any(source.startswith(("device", "asset")) for source, _key in paths)

    def matches(change: Change) -> bool:
        facts = dict(change.facts)
        facts |= {
            "event.id": event_id(change),
            "event.type": change.type,
            "event.subject": change.subject,
        }
        if looks_up:
            facts = _around(around, tenant, change.device_id) | facts
        facts.setdefault("device.id", change.device_id)
        row = [plain(facts.get(f"{source}.{key}", UNSET)) for source, key in paths]
        try:
            return evaluate(row) is True
        except FAILURES:
            return False  # absent, or of another type: neither is a match

    return EventFilter(matches, rights_of(paths))


def _around(around: Around, tenant: TenantId, device_id: str) -> dict[str, Any]:
    """Return what is known of a device and of the asset that it observes, as they are now."""
    device = around.devices.find(tenant, DeviceId(device_id))
    if device is None:
        return {}
    facts = device_facts(device)
    held = around.attachments.of_device(device.uid)
    asset = around.assets.find_uid(held[0].asset_uid) if held else None
    if asset is None or asset.tenant != tenant:
        return facts
    chain = around.assets.chain_of(asset)
    return facts | {
        "asset.id": asset.asset_id,
        "asset.kind": asset.kind,
        "asset.label": asset.label,
        "asset.path": "/" + "/".join(chain),
        "asset.ancestors": list(chain),
        "asset.tags": list(asset.tags),
        **{f"asset_attributes.{name}": value for name, value in asset.attributes.items()},
    }
