"""Items: each is its own, and nobody need listen for what becomes of them."""

from tests.broker.support import ALICE, BrokerSettings, FakePolicy

from weft.broker.delivery import Message
from weft.broker.items import Common, Item
from weft.supervision import FakeClock


def test_two_items_of_one_message_are_two() -> None:
    """Two subscriptions of one message: what is done of one is not done of the other."""
    message = Message("t", b"x", 0)
    first, second = (Item(1, message, 1, retain=False, subscription_ids=()) for _ in range(2))
    first.done = True
    assert not second.done
    assert first != second


def test_a_new_item_is_on_no_disk_and_with_no_peer() -> None:
    """What the session decides by: not sent, not counted, not stored."""
    item = Item(1, Message("t", b"x", 0), 2, retain=False, subscription_ids=())
    assert (item.sent, item.counted, item.released, item.done) == (False, False, False, False)
    assert (item.packet_id, item.saved, item.chunk) == (0, 0, -1)


def test_nobody_need_listen() -> None:
    """A broker without devices' commands is told of acknowledgements all the same."""
    woken: list[bool] = []
    settings = BrokerSettings()
    common = Common(settings, FakePolicy(), FakeClock(), set(), lambda: woken.append(True))
    common.acknowledged(ALICE, "devices/alice/commands/restart/1")
    common.refused(ALICE, "devices/alice/commands/restart/1")
    assert not woken
