"""Outputs: what a device gives back is held against its type, and counts whatever it is."""

from typing import Any

import pytest
from tests.commands.support import ALICE, PUMP, Station, key

OUTPUT = {"rpm": {"type": "number", "maximum": 3000, "required": True}}
TYPE = {"commands": {"spin": {"output": OUTPUT}, "restart": {}}}


async def spinning(document: dict[str, Any] = TYPE) -> Station:
    station = Station()
    await station.types.save(ALICE, "pump", document)
    await station.device(type_name="pump")
    return station


async def test_an_output_as_declared_is_not_flagged() -> None:
    station = await spinning()
    sent = await station.commands.send(ALICE, PUMP, "spin")
    station.answer(sent, {"status": "succeeded", "output": {"rpm": 900}})
    await station.commands.checkpoint()
    ended = await station.commands.get(*key(sent))
    assert (ended.state, ended.output_problem) == ("succeeded", "")
    assert station.refused == {}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"rpm": 9000}, "output.rpm is 9000, above the maximum of 3000"),
        ({"status": "succeeded", "output": {"rmp": 9}}, "output.rmp is not declared"),
        ({"status": "succeeded"}, "output.rpm is missing"),
        ({"status": "succeeded", "output": 7}, "output is an integer; declared is an object"),
    ],
)
async def test_an_output_that_is_not_as_declared_counts_and_is_flagged(
    answer: dict[str, Any], said: str
) -> None:
    """The pump has acted: the command succeeded; record and inbox say what to mend."""
    station = await spinning()
    sent = await station.commands.send(ALICE, PUMP, "spin")
    position = station.answer(sent, answer)
    await station.commands.checkpoint()
    ended = await station.commands.get(*key(sent))
    assert ended.state == "succeeded"
    assert said in ended.output_problem
    refused = station.refused[position].reason
    assert (refused.code, said in refused.detail) == ("output_mismatch", True)
    assert "Mend what the device sends" in refused.remedy


async def test_a_crash_does_not_lose_the_flag() -> None:
    """The outcome was stored and the inbox was not: the journal is read again."""
    station = await spinning()
    sent = await station.commands.send(ALICE, PUMP, "spin")
    position = station.answer(sent, {"rpm": -1, "x": 1})
    await station.commands._storage.store_dirty()
    await station.restart()
    await station.commands.checkpoint()
    assert list(station.refused) == [position]
    assert (await station.commands.get(*key(sent))).late_count == 0


async def test_only_a_success_has_an_output_and_only_where_one_is_declared() -> None:
    station = await spinning()
    for name, answer in (("spin", {"status": "failed"}), ("restart", {"rpm": "fast"})):
        sent = await station.commands.send(ALICE, PUMP, name)
        station.answer(sent, answer)
        assert (await station.commands.get(*key(sent))).output_problem == ""
    await station.commands.checkpoint()
    assert station.refused == {}


async def test_a_plain_value_is_an_output_too() -> None:
    document = {"@type": "tm:ThingModel", "actions": {"spin": {"output": {"type": "integer"}}}}
    station = await spinning(document)
    for given, problem in ((7, ""), ("7", "output is a string; declared is integer.")):
        sent = await station.commands.send(ALICE, PUMP, "spin")
        station.answer(sent, {"status": "succeeded", "output": given})
        assert (await station.commands.get(*key(sent))).output_problem == problem
