"""Names: a prefix changes every name a pack gives, and nothing else."""

import pytest
from msgspec.structs import replace

from weft.packs.model import Item, ItemKind
from weft.packs.naming import items_for
from weft.packs.reading import read_library

PACKS = read_library()


@pytest.mark.parametrize("name", sorted(PACKS))
def test_without_a_prefix_a_pack_is_as_it_was_written(name: str) -> None:
    """With its own connector named, too."""
    pack = PACKS[name]
    for written, made in zip(pack.items, items_for(pack, "", "erp"), strict=True):
        assert made == written


@pytest.mark.parametrize("name", sorted(PACKS))
def test_with_a_prefix_no_name_of_the_pack_is_left_without_it(name: str) -> None:
    """Two installs share nothing: a rule of one never watches devices of the other."""
    pack = PACKS[name]
    for item in items_for(pack, "x-", ""):
        assert item.name.startswith("x-")
        document = item.document
        if item.kind is ItemKind.ASSET:
            assert document["asset_id"] == item.name
            assert document.get("parent", "x-").startswith("x-")
        if item.kind is ItemKind.RULE:
            assert document["name"] == item.name
            assert document.get("selector", {}).get("type", "x-").startswith("x-")
            assert "actions" not in document


def test_what_is_computed_is_of_the_type_under_its_prefix() -> None:
    """The key is telemetry and stays; the devices that are named get the prefix as well."""
    document = {"key": "power", "value": "u * i", "selector": {"type": "t", "devices": ["d"]}}
    pack = replace(
        PACKS["predictive-maintenance"], items=(Item(ItemKind.DERIVATION, "p", document),)
    )
    (made,) = items_for(pack, "x-", "")
    assert made.name == "x-p"
    assert made.document == {
        **document,
        "selector": {"type": "x-t", "devices": ["x-d"]},
    }


def test_work_orders_go_to_the_connector_that_was_asked_for() -> None:
    """And all else of the action stays."""
    pack = PACKS["predictive-maintenance"]
    rules = {item.name: item.document for item in items_for(pack, "", "sap")}
    (action,) = rules["zone-d"]["actions"]
    assert action["work_order"]["connector"] == "sap"
    assert action["work_order"]["title"] == "Replace the bearing at {device}"
