"""Derivations of a pack: checked one on top of the other, before anything is installed."""

import pytest
from tests.rules.derived.support import derivation, document
from tests.rules.support import MACHINE, MAIN

from weft.errors import Conflict, Invalid
from weft.packs.derivations import PackDerivations, clashes_of, levels_of
from weft.packs.model import Item, ItemKind
from weft.rules.derived.order import NO_ROLL_UPS
from weft.rules.language.syntax import Type


def test_each_knows_the_keys_of_those_before_it_and_rules_know_all() -> None:
    """Of the type that they are computed for; a device without one may send anything."""
    found = PackDerivations({"machine": MACHINE})
    with pytest.raises(Invalid, match="'power' is no telemetry key"):
        found.add("warm", document("warm", "power > 3.0"))
    found.add("power", document())
    found.add("warm", document("warm", "power > 3.0"))
    scope = found.scope_of(MACHINE)
    assert scope.telemetry is not None
    assert (scope.telemetry["power"], scope.telemetry["warm"]) == (Type.DOUBLE, Type.BOOL)
    assert found.scope_of(None).telemetry is None


def test_a_key_is_given_once() -> None:
    """Two files of one pack give it."""
    found = PackDerivations({"machine": MACHINE})
    found.add("power", document())
    with pytest.raises(Conflict, match="given by the derivation 'power' already"):
        found.add("other", document("power", "temperature"))


def test_what_does_not_go_with_the_tenants_own_is_told() -> None:
    """A key that is given, and a loop through one of the tenant's; itself is no other one."""

    def item(name: str, value: str) -> Item:
        return Item(ItemKind.DERIVATION, name, {"key": name, "value": value})

    held = [
        derivation("theirs", "power", ["temperature"]),
        derivation("back", "back", ["round"]),
        derivation("same", "same", ["temperature"]),
    ]
    items = [item("power", "1.0"), item("round", "back + 1.0"), item("same", "pressure")]
    found = clashes_of(items, held, MAIN, NO_ROLL_UPS)
    assert found.keys() == {"derivation:power", "derivation:round"}
    assert "'theirs'" in found["derivation:power"]
    assert "computed from itself" in found["derivation:round"]


def test_levels_count_what_stands_below() -> None:
    """A loop has none; an expression that cannot be read stands on nothing."""
    assert levels_of(
        {
            "a": {"key": "a", "value": "b + 1.0"},
            "b": {"key": "b", "value": "temperature"},
            "own": {"key": "own", "value": "own + 1.0"},
            "wrong": {"key": "wrong", "value": "("},
        }
    ) == {"a": 1, "b": 0, "wrong": 0}
