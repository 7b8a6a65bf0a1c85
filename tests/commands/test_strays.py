"""Strays: what is answered to a command that is gone changes no other."""

import pytest
from tests.commands.support import ACME, ALICE, PUMP, Station, key

from weft.errors import NotFound
from weft.model.command import CommandState

SENT, DELIVERED = CommandState.SENT, CommandState.DELIVERED


async def test_an_answer_to_what_nobody_asked_changes_nothing() -> None:
    station = Station()
    await station.pump()
    sent = await station.commands.send(ALICE, PUMP, "restart")
    await station.commands.forget(ACME, PUMP)
    station.answer(sent, {})
    await station.commands.checkpoint()
    with pytest.raises(NotFound):
        await station.commands.get(*key(sent))
