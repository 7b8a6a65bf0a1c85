"""A pack's documents under the names that they get in a tenant.

A prefix keeps two installs of one pack apart, and a pack from what is there already. Every
name that a document gives to another of the pack changes with it; the rest stays.
"""

from collections.abc import Mapping
from typing import Any

from weft.packs.model import Item, ItemKind, Pack

CONNECTOR = "erp"  # in the packs' own documents


def items_for(pack: Pack, prefix: str, connector: str) -> list[Item]:
    """Return the pack's items as they are installed.

    Work orders go to `connector`; without one, rules have no actions and raise alarms only.
    """
    return [
        Item(item.kind, prefix + item.name, _WRITERS[item.kind](item.document, prefix, connector))
        for item in pack.items
    ]


def _as_it_is(document: Mapping[str, Any], _prefix: str, _connector: str) -> dict[str, Any]:
    return dict(document)


def _asset(document: Mapping[str, Any], prefix: str, _connector: str) -> dict[str, Any]:
    made = {**document, "asset_id": prefix + document["asset_id"]}
    if "parent" in made:
        made["parent"] = prefix + made["parent"]
    return made


def _derivation(document: Mapping[str, Any], prefix: str, _connector: str) -> dict[str, Any]:
    """The key that it gives is telemetry, and no name: of another install it is another type's."""
    made = dict(document)
    selector = dict(made.get("selector", {}))
    if "type" in selector:
        selector["type"] = prefix + selector["type"]
    if "devices" in selector:
        selector["devices"] = [prefix + name for name in selector["devices"]]
    if selector:
        made["selector"] = selector
    return made


def _rule(document: Mapping[str, Any], prefix: str, connector: str) -> dict[str, Any]:
    made = {**_derivation(document, prefix, connector), "name": prefix + document["name"]}
    if "scope" in made:
        made["scope"] = _scope(made["scope"], prefix)
    actions = made.pop("actions", [])
    if actions and connector:
        made["actions"] = [_action(action, connector) for action in actions]
    return made


def _scope(scope: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """A kind of asset is nobody's; whose devices count there, the selector says."""
    made = dict(scope)
    if "asset" in made:
        made["asset"] = "/".join(prefix + part for part in made["asset"].split("/"))
    return made


def _action(action: Mapping[str, Any], connector: str) -> dict[str, Any]:
    ((kind, parameters),) = action.items()
    return {kind: {**parameters, "connector": connector}}


_WRITERS = {
    ItemKind.TYPE: _as_it_is,
    ItemKind.ASSET: _asset,
    ItemKind.ROUTE: _as_it_is,
    ItemKind.DERIVATION: _derivation,
    ItemKind.RULE: _rule,
}
