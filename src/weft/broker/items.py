"""Items: messages on their way to one subscriber, and what all subscribers' sessions share."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from weft.broker.delivery import Message
from weft.broker.settings import BrokerSettings
from weft.model.principal import Principal
from weft.ports import Clock, Deciding

Acknowledged = Callable[[Principal, str], None]


def unheard(_principal: Principal, _topic: str) -> None:
    """Tell nobody."""


class Common(Struct, eq=False):
    """What all sessions of one broker share."""

    settings: BrokerSettings
    policy: Deciding
    clock: Clock
    dirty: set[Any]  # sessions, to be written at the next checkpoint
    wake: Callable[[], None]  # asks for a checkpoint now
    acknowledged: Acknowledged = unheard  # a device has a command on this topic
    refused: Acknowledged = unheard  # a device does not take a command on this topic


class Item(Struct, eq=False):
    """One message on its way to one subscriber."""

    seq: int
    message: Message
    qos: int
    retain: bool
    subscription_ids: tuple[int, ...]
    share: str = ""  # the shared subscription by which it came
    packet_id: int = 0
    sent: bool = False  # at least once: a second time carries DUP
    counted: bool = False  # takes a place in the window of the present link
    released: bool = False  # QoS 2: the peer has it (PUBREC)
    saved: int = 0  # what is on disk: 0 nothing, 1 the packet id, 2 that it is released
    done: bool = False
    chunk: int = -1  # of the stored queue; -1 when it is not stored
