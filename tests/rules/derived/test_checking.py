"""Checking: a roll-up names one device for its members, and asks what they can answer."""

from typing import Any

import pytest
from tests.rules.derived.support import Works, document, roll_up
from tests.rules.support import ALICE, MAIN, device, members_of

from weft.errors import Conflict, Invalid, NotFound, WeftError
from weft.rules.derived.checking import Checks
from weft.rules.derived.model import DerivationDocument
from weft.rules.model import RuleScope, Selector


def works() -> Works:
    made = Works(device("m1"), device("m2"), device("line", type_name=None), device("plant"))
    members = members_of(made.around)
    members.assets |= {"line-1": {"m1", "m2", "line"}, "plant-1": {"m1", "m2", "line", "plant"}}
    return made


@pytest.mark.parametrize(
    ("document", "error", "says"),
    [
        (document(device="line"), Invalid, "without a scope"),
        (roll_up(device=""), Invalid, "names no device"),
        (roll_up(device="nobody"), NotFound, "no device 'nobody'"),
        (roll_up(scope=RuleScope(each_asset="line")), Invalid, "one device"),
        (roll_up(scope=RuleScope(group="none")), NotFound, "no group"),
        (roll_up(key="rpm", device="plant"), Invalid, "declares 'rpm'"),
        (roll_up("sum_of(temprature)"), Invalid, "value: Column 8"),
        (roll_up("sum_of(1.0)"), Invalid, "reads nothing"),
        (roll_up(selector=Selector(type_name="fan")), NotFound, "device type 'fan'"),
    ],
)
def test_what_cannot_be_rolled_up_is_refused(
    document: DerivationDocument, error: type[WeftError], says: str
) -> None:
    """Each with a remedy."""
    with pytest.raises(error, match=says):
        Checks(works().around).check(MAIN, document)


async def test_a_whole_of_wholes_is_no_loop() -> None:
    """The plant's total of one key reads the line's; the line does not read the plant's."""
    free = ("m1", "m2", "line", "plant")
    made = Works(*(device(name, type_name=None) for name in free))
    assets = members_of(made.around).assets
    assets |= {"line-1": {"m1", "m2", "line"}, "plant-1": set(free)}
    save = made.derivations.save
    await save(ALICE, "line", roll_up("sum_of(load)", key="load", selector=Selector()))
    plant: dict[str, Any] = {"scope": RuleScope(asset="plant-1"), "device": "plant"}
    await save(ALICE, "plant", roll_up("sum_of(load)", key="load", selector=Selector(), **plant))
    assets["line-1"].add("plant")
    with pytest.raises(Invalid, match=r"line \(load\) -> plant \(load\) -> line"):
        await save(ALICE, "line", roll_up("sum_of(load)", key="load", selector=Selector()))


async def test_one_device_is_given_a_key_by_one_derivation() -> None:
    """A roll-up and a derivation of each device may not meet on it."""
    made = works()
    await made.derivations.save(ALICE, "total", roll_up())
    with pytest.raises(Conflict, match="'total'"):
        await made.derivations.save(ALICE, "other", roll_up())
    with pytest.raises(Conflict, match="'total'"):
        await made.derivations.save(ALICE, "own", document(key="total", selector=Selector()))
    await made.derivations.save(ALICE, "own", document(key="total"))


async def test_a_key_of_the_whole_is_known_where_its_device_has_a_type() -> None:
    """A rule of the type may name it."""
    made = works()
    await made.derivations.save(ALICE, "total", roll_up(device="plant"))
    kind = made.around.types.find(MAIN, "machine")
    assert made.around.scope_of(MAIN, kind).type_of(("telemetry", "total")) == "double"
    assert [one.name for one in made.derivations.of_device(device("plant"))] == ["total"]
    assert made.derivations.of_device(device("m1")) == []
