"""Drafts: what is refused is refused before anything is kept."""

import pytest
from msgspec.structs import replace
from tests.commands.support import ACME, PUMP, Station
from tests.model.test_command import COMMAND

from weft.commands.drafts import Drafts, message_of, require_same
from weft.errors import Conflict, Invalid
from weft.model.moments import NS_PER_S


async def test_a_draft_knows_when_it_expires() -> None:
    station = Station()
    await station.pump()
    drafts = Drafts(station.given, station.settings)
    device = station.devices.get(ACME, PUMP)
    draft = drafts.make(device, "restart", {}, ttl_s=None)
    assert draft.expires_at - draft.created_at == station.settings.ttl_s * NS_PER_S
    with pytest.raises(Invalid, match="cannot be a command name"):
        drafts.make(device, "a/b", {}, ttl_s=None)


def test_a_message_does_not_outlive_its_command() -> None:
    """What is left of the time travels along, and never less than a second."""
    command = replace(COMMAND, created_at=0, expires_at=100 * NS_PER_S)
    for now_s, left_s in ((0, 100), (40.5, 59), (99.9, 1)):
        properties = message_of(command, round(now_s * NS_PER_S)).properties
        assert properties is not None
        assert properties.message_expiry_s == left_s


def test_a_request_id_names_one_request() -> None:
    assert require_same(COMMAND, replace(COMMAND, created_at=9)) is COMMAND
    with pytest.raises(Conflict):
        require_same(COMMAND, replace(COMMAND, input={"rpm": 1}))
